"""The contract that every autoencoder keeps, and a check of whether it does.

An architecture is a NamedTuple of settings whose methods are its equations; nobody inherits.  The engine
(`saelib.objective`, `saelib.train`) knows these methods and no autoencoder by name.  Its cost is

    J = mean loss of a sample + penalty(mean of what `summary` adds up) + decay(params),

computed in two passes over blocks of rows: the first adds up the summaries, from whose mean `penalty` makes the
**price**, which is all that a sample has to be told of the others; the second adds up losses and gradients.
"""

from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np

from ._checks import as_floats


class Codes(NamedTuple):
    """Pre-activations ``Z`` and activations ``A`` of the hidden units, both (rows, s2)."""

    Z: np.ndarray
    A: np.ndarray


class Architecture(Protocol):
    """What an autoencoder has to be able to do.  ``params`` is any NamedTuple of arrays, nested for deep networks.

    Not every net needs all: one without `decay`, say, inherits nothing and writes ``decay = no_decay`` in its class.
    These are left out where they do not apply:

    ``additive = False``
        The codes of a row depend on the other rows of its batch, which must therefore stay one block (BatchTopK).
    ``remember(params, memory, mean) -> (params, memory, mean)``
        What a stream of mini-batches carries from one to the next, at first ``memory = None``: how long each latent has
        been silent, a running threshold.  The mean that it returns is the one that `penalty` gets: with 0 for a latent
        that counts as dead.
    ``project(params, gradient) -> gradient``
        Without what `constrain` would undo.
    ``revive(params, dead, X, rng) -> (params, fresh)``
        New weights for dead latents, by what the rows ``X`` still lack, and which entries are new, as booleans in the
        shape of ``params``.
    ``for_evaluation(params) -> (net, params)``
        The net that stands for this one once it is trained.
    ``fast(params) -> form``
        The same two passes, quicker; `saelib.objective.Plain` shows what its methods do.  A subclass that changes an
        equation is computed without it.
    ``smoothed(params, X, target) -> (J, fields)``
        Where a gradient is a convention (straight-through, or something held fixed): the cost to which it belongs near
        ``params``, a function of moved parameters, and the names of the fields whose gradient it is.
    ``mistakes``
        What often goes wrong in `backward`, for `saelib.book.tutor.check_backward`: a text with a line for each, ``name
        | piece of its source | what stands there instead | sentence``.
    ``probe(params, X, rng) -> params``
        Parameters near ``params`` at which every part of the gradient is at work on ``X``, for the same purpose.
    """

    def check(self, params, X, target):
        """Raise a ValueError that says which setting, array or target does not fit, if one does not."""

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        """Return parameters to start from."""

    def encode(self, params, X):
        """Return the codes of the rows of ``X``: a NamedTuple that has ``Z`` and ``A``."""

    def decode(self, params, A):
        """Return the reconstructions of activations ``A``."""

    def summary(self, codes):
        """Return what is to be added up over all rows, a float64 array; of latents, in how many rows each is active."""

    def penalty(self, mean):
        """Return the penalty (float) on the mean of the summaries, and the price that it sets for each unit."""

    def backward(self, params, X, target, codes, price):
        """Return the loss (float) and its gradient (like ``params``), both summed over the rows."""

    def decay(self, params):
        """Return the weight decay (float) and its gradient, or None where it is zero."""

    def constrain(self, params):
        """Return the parameters as they have to be after a step."""


# What a net writes into its class for the parts of the contract that it does not need.
def nothing(self, codes):
    """A `summary` for nets whose samples need not be told of each other."""
    return np.zeros(0)


def free(self, mean):
    """A `penalty` of zero, without a price."""
    return 0.0, None


def no_decay(self, params):
    """A `decay` of zero."""
    return 0.0, None


def as_it_is(self, params):
    """A `constrain` that asks for nothing."""
    return params


def leaves(params, name="params"):
    """Return the arrays of ``params``, nested ones too, in order: field by field."""
    if not isinstance(params, (tuple, list)) or not params:
        raise ValueError(f"{name} must be a NamedTuple of arrays, got {type(params).__name__}")
    return [*_leaves(params)]


def _leaves(params):
    for P in params:
        if _nested(P):
            yield from _leaves(P)
        else:
            yield P


def named_leaves(params, prefix=""):
    """Yield the name and the array of every leaf; NamedTuples and tuples of such are nested."""
    for name, P in zip(getattr(params, "_fields", range(len(params))), params, strict=True):
        if _nested(P):
            yield from named_leaves(P, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", P


def _nested(P):
    return isinstance(P, tuple) and (hasattr(P, "_fields") or all(map(_nested, P)))


def as_params(params):
    """Return ``params`` with finite floating-point arrays, or say which of them is not one."""
    leaves(params)
    arrays = []
    for name, P in named_leaves(params):
        P = as_floats(P, str(name))
        if not np.isfinite(P).all():
            raise ValueError(f"{name} must be finite, got {P[~np.isfinite(P)][0]} among its values")
        arrays.append(P)
    return _shaped(iter(arrays), params)


def flatten(params):
    """Return all parameters as one vector, leaf by leaf, each row by row: the one order that the library packs in."""
    return np.concatenate([np.ravel(as_floats(P, "params")) for P in leaves(params)])


def unflatten(theta, like):
    """Return the vector ``theta`` in the shape of ``like``; its arrays are views of ``theta``, not copies.

    Raises
    ------
    ValueError
        If ``theta`` is not a vector of as many numbers as ``like`` has.
    """
    theta, sizes = as_floats(theta, "theta"), [np.size(P) for P in leaves(like, "like")]
    ends = [*accumulate(sizes)]
    if theta.shape != (ends[-1],):
        raise ValueError(f"theta must be a vector of {ends[-1]} numbers for these shapes, got shape {theta.shape}")
    return _shaped((theta[end - size : end] for size, end in zip(sizes, ends, strict=True)), like)


def write(params, into):
    """Write the arrays of ``params`` into those of ``into``, except for what lies there already."""
    for P, place in zip(leaves(params), leaves(into), strict=True):
        if P is not place:
            place[...] = P


def _shaped(pieces, like):
    """Return ``like`` with the next pieces in place of its arrays."""
    parts = [_shaped(pieces, part) if _nested(part) else next(pieces).reshape(np.shape(part)) for part in like]
    return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)


def check_architecture(net, X, rng, *, n_hidden=5, epsilon=1e-5):
    """Check that ``net`` keeps the contract on the rows ``X``, and return the largest relative error of its gradient.

    Codes and reconstructions must have the right shapes and dtypes, in float32 too; blocks must add up to the whole,
    and a fast form compute the same; the net must survive pickling; and the gradient of `saelib.objective.Objective` is
    compared with central differences, field by field, at parameters near those of `init`.  Fields whose gradient is a
    convention are compared with the cost that ``net.smoothed`` gives.

    Parameters
    ----------
    net : Architecture
    X : array of shape (m, n)
    rng : numpy.random.Generator
        Draws the parameters.
    n_hidden : int
    epsilon : float
        Half the distance of the differences.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a part of the contract is broken; the sentence says which.
    """
    import pickle

    from .gradcheck import numerical_gradient, relative_error
    from .objective import Objective

    X = np.asarray(X, dtype=float)
    start = net.init(X.shape[1], n_hidden, rng)
    theta = flatten(start)
    params = unflatten(theta + 0.1 * rng.normal(size=theta.size) * (np.abs(theta).mean() + 0.1), start)
    params = net.constrain(params)
    theta, objective = flatten(params), Objective(net, X, like=params, run=map)  # as the equations stand
    J, gradient = objective(theta)

    def insist(holds, sentence):
        if not holds:
            raise ValueError(f"{type(net).__name__}: {sentence}")

    insist(pickle.loads(pickle.dumps(net)) == net, "it does not survive pickling")
    codes = net.encode(params, X)
    X_hat = net.decode(params, codes.A)
    insist(len(codes.A) == len(X) and codes.A.ndim == 2, f"codes have shape {codes.A.shape} for {len(X)} rows")
    insist(X_hat.shape == X.shape, f"reconstructions have shape {X_hat.shape}, the inputs {X.shape}")
    insist(np.isfinite(J) and np.isfinite(gradient).all(), "cost or gradient is not finite")
    small = unflatten(theta.astype(np.float32), params)
    codes32 = net.encode(small, X.astype(np.float32))
    insist(codes32.A.dtype == np.float32, f"codes of float32 come as {codes32.A.dtype}")
    gradient32 = Objective(net, X.astype(np.float32), like=small, n_jobs=1)(theta.astype(np.float32))[1]
    insist(gradient32.dtype == np.float32, f"the gradient of float32 comes as {gradient32.dtype}")
    fast = Objective(net, X, like=params, n_jobs=1)(theta)
    same = relative_error(fast[1], gradient) < 1e-10 and abs(fast[0] - J) <= 1e-10 * abs(J)
    insist(same, "its fast form does not compute the same as its equations")
    if getattr(net, "additive", True):
        parts = Objective(net, X, like=params, n_jobs=1, block_rows=max(1, len(X) // 3))(theta)
        insist(relative_error(parts[1], gradient) < 1e-10, "blocks of rows do not add up to the whole")

    smooth, held = net.smoothed(params, X, X) if hasattr(net, "smoothed") else (objective.cost, ())
    errors = []
    place = 0
    for name, P in named_leaves(params):
        here = slice(place, place + np.size(P))
        place += np.size(P)

        def cost(part, here=here, name=name):
            moved = theta.copy()
            moved[here] = part
            return smooth(unflatten(moved, params)) if name in held else objective.cost(moved)

        if np.size(P):
            errors.append(relative_error(gradient[here], numerical_gradient(cost, theta[here], epsilon)))
    return max(errors)
