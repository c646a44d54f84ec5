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

from ._tutor import answers, backward, calls, codes, complaints, networks
from ._tutor.kinds import Mistake

__all__ = ["Mistake", "Verdict", "check_backward", "kinds", "mistakes"]  # and every check below


KINDS = {kind.name: kind for kind in (*networks.KINDS, *codes.KINDS)}


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


def mistakes(kind):
    """Return the mistakes that the tutor knows by name in a function of this kind, as a tuple of `Mistake`."""
    return KINDS[kind].mistakes()


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


def _check_of(kind):
    def check(function):
        return _check(kind, function)

    check.__name__ = check.__qualname__ = f"check_{kind.name}"
    check.__doc__ = kind.doc
    return check


for _kind in KINDS.values():
    globals()[f"check_{_kind.name}"] = _check_of(_kind)
__all__ += [f"check_{name}" for name in KINDS]
