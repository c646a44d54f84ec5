"""Mark a learner's function: run it on random inputs, and when it is wrong, name the mistake.

Each check takes a function and returns a `Verdict`, which shows as its message.  The functions take and return plain
arrays in the book's order and by the book's names; where four arrays belong together (parameters, a gradient), they
come as `saelib.Params` and may be returned as any four arrays.  A check tries the function on several inputs, awkward
shapes among them, that are the same every time.

>>> from saelib.book import tutor
>>> tutor.check_mean_activation(lambda A2: A2.mean(axis=0))
Right: it agrees on 6 networks, among them m = 1, s2 > s1 and a single hidden unit.
"""

import html
import re
import sys
from typing import NamedTuple
from urllib.parse import quote

from ._tutor import answers, backward, calls, complaints
from ._tutor.mistakes import KINDS, Mistake, mistakes

__all__ = ["Mistake", "Verdict", "check_backward", "kinds", "mistakes"]  # and every check below


class Verdict(NamedTuple):
    """What a check says: whether the function passed, and a message. It is true when the function passed."""

    passed: bool
    message: str

    def __bool__(self):
        return self.passed

    def __repr__(self):
        return self.message

    __str__ = __repr__

    def _repr_html_(self):
        """Return the message with a colored edge, code as code, and a link to the section."""
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(self.message, quote=False))
        text = re.sub(r'"([^"]+)" in chapters/([\w-]+)', _link, text)
        color = "46, 139, 87" if self.passed else "205, 120, 20"
        style = f"border-left: 4px solid rgb({color}); background: rgba({color}, 0.1); padding: 0.4em 0.8em"
        return f'<div class="saelib-verdict" style="{style}">{text}</div>'


def _link(match):
    section, page = match.groups()
    return f'<a href="{page}.ipynb#{quote(html.unescape(section).replace(" ", "-"))}">{section}</a>'


def kinds():
    """Return the names of the kinds of functions that can be marked: for ``"delta2"`` there is `check_delta2`."""
    return tuple(KINDS)


def _check(kind, function):
    complaint = complaints.about_function(function, kind, f"check_{kind.name}")
    if complaint:
        return Verdict(False, complaint)
    asked = kind.asked or kind.arguments
    outcomes = calls.run(function, asked, [arguments for _, arguments in kind.inputs(asked)])
    if outcomes and outcomes[0].printed and len(outcomes) == len(kind.inputs()):
        sys.stdout.write(outcomes[0].printed)  # of all calls, the first may be heard
    complaint = complaints.about_outcomes(kind, outcomes, function)
    if complaint:
        return Verdict(False, complaint)
    values = tuple(None if one.error else answers.as_arrays(kind, one.value) for one in outcomes)
    if answers.is_right(kind, values):
        complaint = kind.name == "backward" and backward.about_losses(kind, [one.value for one in outcomes])
        return Verdict(False, complaint) if complaint else Verdict(True, f"Right: it agrees on {kind.tried}.")
    mistake = answers.recognize(kind, values)
    if mistake:
        return Verdict(False, f"Not yet: {mistake.sentence}. {mistake.hint} Read on: {mistake.where}.")
    return Verdict(False, complaints.about_values(kind, outcomes, values, function))


def check_backward(net, function):
    """Mark ``f(params, X, target, codes, price)``, the backward pass of any ``net`` that keeps the contract.

    It is compared with ``net.backward``: the gradient, summed over the rows, as arrays like ``params``, or the loss and
    the gradient.  A function may leave out arguments that it does not need, and ask for ``net``, if it names them as
    they are named here; without ``target``, the rows of ``X`` are the targets.
    """
    return _check(backward.kind_of(net, backward.asked_by(function)), function)


def check_forward(function):
    """Mark ``f(params, X)``, the forward pass: Z2, A2, Z3 and A3, with sigmoid hidden and output units."""
    return _check(KINDS["forward"], function)


def check_delta3(function):
    """Mark ``f(A3, X)``, the output delta of each sample, (m, s3), with sigmoid output units."""
    return _check(KINDS["delta3"], function)


def check_hidden_delta(function):
    """Mark ``f(W2, delta3, A2)``, the hidden delta of each sample, (m, s2), without a sparsity term."""
    return _check(KINDS["hidden_delta"], function)


def check_delta2(function):
    """Mark ``f(W2, delta3, A2, rho, beta)``, the hidden delta of each sample, (m, s2), with the sparsity term."""
    return _check(KINDS["delta2"], function)


def check_gradient(function):
    """Mark ``f(params, X, lam)``, the gradient of the cost without sparsity: by W1, b1, W2 and b2."""
    return _check(KINDS["gradient"], function)


def check_sparse_gradient(function):
    """Mark ``f(params, X, lam, rho, beta)``, the gradient of the sparse autoencoder's cost: by W1, b1, W2 and b2."""
    return _check(KINDS["sparse_gradient"], function)


def check_update(function):
    """Mark ``f(params, Delta, m, alpha, lam)``, a step of gradient descent from ``Delta``, the sums over m samples.

    ``Delta`` has the four arrays that ``params`` has. The new W1, b1, W2 and b2 are to be returned.
    """
    return _check(KINDS["update"], function)


def check_reconstruction_error(function):
    """Mark ``f(A3, X)``, the reconstruction error: half the squared error, a mean over the samples; a number."""
    return _check(KINDS["reconstruction_error"], function)


def check_weight_decay(function):
    """Mark ``f(params, lam)``, the weight decay: a number."""
    return _check(KINDS["weight_decay"], function)


def check_numerical_gradient(function):
    """Mark ``f(J, theta, epsilon)``, the gradient of ``J`` at the vector ``theta`` by central differences."""
    return _check(KINDS["numerical_gradient"], function)


def check_mean_activation(function):
    """Mark ``f(A2)``, the mean activation rho_hat of each hidden unit, (s2,)."""
    return _check(KINDS["mean_activation"], function)


def check_kl_divergence(function):
    """Mark ``f(rho, rho_hat)``, the divergence of each hidden unit's mean activation from rho, (s2,)."""
    return _check(KINDS["kl_divergence"], function)


def check_kl_prime(function):
    """Mark ``f(rho, rho_hat)``, the derivative of each unit's divergence by its rho_hat, (s2,)."""
    return _check(KINDS["kl_prime"], function)


def check_optimal_input(function):
    """Mark ``f(W1)``, in row j the input of length one that excites hidden unit j most, (s2, s1)."""
    return _check(KINDS["optimal_input"], function)


def check_normalize_patches(function):
    """Mark ``f(X)``, the patches brought into [0.1, 0.9], (m, pixels)."""
    return _check(KINDS["normalize_patches"], function)


def check_pca(function):
    """Mark ``f(X, k)``, the k directions of largest variance in X, (k, n), each of length one and of any sign."""
    return _check(KINDS["pca"], function)


def check_soft_threshold(function):
    """Mark ``f(u, t)``, every entry of ``u`` moved towards zero by ``t`` and stopped there."""
    return _check(KINDS["soft_threshold"], function)


def check_ista_step(function):
    """Mark ``f(A, X, D, lam)``, the codes, (m, k), after a step of ISTA of size 1/L from ``A``."""
    return _check(KINDS["ista_step"], function)


def check_fvu(function):
    """Mark ``f(X, X_hat)``, the fraction of variance unexplained by the reconstructions; a number."""
    return _check(KINDS["fvu"], function)


def check_topk_codes(function):
    """Mark ``f(Z, k)``, the codes of TopK, (m, s2): each row's k largest pre-activations, if positive, and zeros."""
    return _check(KINDS["topk_codes"], function)


def check_leave_two_out(function):
    """Mark ``f(H, Y, i, j)``, what a linear smoother predicts for rows i and j when it is fitted without them.

    Fitted to all rows it predicts ``H @ Y``.  With S = (i, j), the answer is Y_S - (I - H_SS)^-1 (Y_S - (H Y)_S), an
    array of two rows.
    """
    return _check(KINDS["leave_two_out"], function)


__all__ += [f"check_{name}" for name in KINDS]
