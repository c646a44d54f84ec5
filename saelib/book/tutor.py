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

from ._tutor import answers, calls, complaints
from ._tutor.mistakes import KINDS, Mistake, mistakes

__all__ = ["Mistake", "Verdict", "kinds", "mistakes"]  # and every check below


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


def _check(name, function):
    kind = KINDS[name]
    complaint = complaints.about_function(function, kind, f"check_{name}")
    if complaint:
        return Verdict(False, complaint)
    outcomes = calls.run(function, kind.arguments, [arguments for _, arguments in kind.inputs()])
    if outcomes and outcomes[0].printed and len(outcomes) == len(kind.inputs()):
        sys.stdout.write(outcomes[0].printed)  # of all calls, the first may be heard
    complaint = complaints.about_outcomes(name, outcomes, function)
    if complaint:
        return Verdict(False, complaint)
    values = tuple(None if one.error else answers.as_arrays(kind, one.value) for one in outcomes)
    if answers.is_right(name, values):
        return Verdict(True, f"Right: it agrees on {kind.tried}.")
    mistake = answers.recognize(name, values)
    if mistake:
        return Verdict(False, f"Not yet: {mistake.sentence}. {mistake.hint} Read on: {mistake.where}.")
    return Verdict(False, complaints.about_values(name, outcomes, values, function))


def check_forward(function):
    """Mark ``f(params, X)``, the forward pass: Z2, A2, Z3 and A3, with sigmoid hidden and output units."""
    return _check("forward", function)


def check_delta3(function):
    """Mark ``f(A3, X)``, the output delta of each sample, (m, s3), with sigmoid output units."""
    return _check("delta3", function)


def check_hidden_delta(function):
    """Mark ``f(W2, delta3, A2)``, the hidden delta of each sample, (m, s2), without a sparsity term."""
    return _check("hidden_delta", function)


def check_delta2(function):
    """Mark ``f(W2, delta3, A2, rho, beta)``, the hidden delta of each sample, (m, s2), with the sparsity term."""
    return _check("delta2", function)


def check_gradient(function):
    """Mark ``f(params, X, lam)``, the gradient of the cost without sparsity: by W1, b1, W2 and b2."""
    return _check("gradient", function)


def check_sparse_gradient(function):
    """Mark ``f(params, X, lam, rho, beta)``, the gradient of the sparse autoencoder's cost: by W1, b1, W2 and b2."""
    return _check("sparse_gradient", function)


def check_update(function):
    """Mark ``f(params, Delta, m, alpha, lam)``, a step of gradient descent from ``Delta``, the sums over m samples.

    ``Delta`` has the four arrays that ``params`` has. The new W1, b1, W2 and b2 are to be returned.
    """
    return _check("update", function)


def check_reconstruction_error(function):
    """Mark ``f(A3, X)``, the reconstruction error: half the squared error, a mean over the samples; a number."""
    return _check("reconstruction_error", function)


def check_weight_decay(function):
    """Mark ``f(params, lam)``, the weight decay: a number."""
    return _check("weight_decay", function)


def check_numerical_gradient(function):
    """Mark ``f(J, theta, epsilon)``, the gradient of ``J`` at the vector ``theta`` by central differences."""
    return _check("numerical_gradient", function)


def check_mean_activation(function):
    """Mark ``f(A2)``, the mean activation rho_hat of each hidden unit, (s2,)."""
    return _check("mean_activation", function)


def check_kl_divergence(function):
    """Mark ``f(rho, rho_hat)``, the divergence of each hidden unit's mean activation from rho, (s2,)."""
    return _check("kl_divergence", function)


def check_kl_prime(function):
    """Mark ``f(rho, rho_hat)``, the derivative of each unit's divergence by its rho_hat, (s2,)."""
    return _check("kl_prime", function)


def check_optimal_input(function):
    """Mark ``f(W1)``, in row j the input of length one that excites hidden unit j most, (s2, s1)."""
    return _check("optimal_input", function)


def check_normalize_patches(function):
    """Mark ``f(X)``, the patches brought into [0.1, 0.9], (m, pixels)."""
    return _check("normalize_patches", function)


def check_pca(function):
    """Mark ``f(X, k)``, the k directions of largest variance in X, (k, n), each of length one and of any sign."""
    return _check("pca", function)


def check_soft_threshold(function):
    """Mark ``f(u, t)``, every entry of ``u`` moved towards zero by ``t`` and stopped there."""
    return _check("soft_threshold", function)


def check_ista_step(function):
    """Mark ``f(A, X, D, lam)``, the codes, (m, k), after a step of ISTA of size 1/L from ``A``."""
    return _check("ista_step", function)


__all__ += [f"check_{name}" for name in KINDS]
