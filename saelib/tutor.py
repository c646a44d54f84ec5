"""Mark a learner's function and name the mistake."""

from ._tutor.mistakes import KINDS, Mistake, mistakes

__all__ = ["Mistake", "kinds", "mistakes"]


def kinds():
    """Return the names of the kinds of functions that can be marked."""
    return tuple(KINDS)
