"""What the nets with latents share: how they begin, who is dead, unit columns, and revival."""

import numpy as np

from .._checks import generator
from ..network import Params, check_params

TINY = np.finfo(float).tiny

# What goes wrong in the backward pass where the encoder reads x - b2; for the tutor (`saelib.book._tutor.backward`).
CENTERED = {
    "b2 not subtracted": (
        "delta2.T @ (X - b2)",
        "delta2.T @ X",
        "the gradient of W1 is built from X, where the encoder reads X - b2",
    ),
    "b2 in one place": (
        " - delta2.sum(axis=0) @ W1",
        "",
        "b2 has its part as the output's bias only: it is subtracted from the input too",
    ),
    "b2 added": (
        " - delta2.sum(axis=0) @ W1",
        " + delta2.sum(axis=0) @ W1",
        "the encoder's part of b2 has the wrong sign: b2 is subtracted from the input",
    ),
}


def as_fields(params, cls):
    """Say so when ``params`` does not have the fields of ``cls``."""
    if getattr(params, "_fields", None) != cls._fields:
        raise ValueError(f"params must be {cls.__name__}({', '.join(cls._fields)}), got {type(params).__name__}")


def check(params, X, target):
    """Say what does not fit of parameters, inputs and targets."""
    check_params(params)
    for name, M, n in (("X", X, params.W1.shape[1]), ("target", target, params.b2.size)):
        if M.ndim != 2 or M.shape[1] != n:
            raise ValueError(f"{name} must have {n} columns, got shape {M.shape}")


def unit_columns(W2):
    """Return ``W2`` with columns of length one; a column of zeros stays."""
    lengths = np.sqrt(np.sum(W2 * W2, axis=0))
    return W2 / np.where(lengths > 0, lengths, 1)


def tied_start(n_visible, n_hidden, rng, dtype):
    """Return random directions of length one, in ``W2`` as columns and in ``W1`` as rows, and biases of zero."""
    D = rng.normal(size=(n_hidden, n_visible))
    D = (D / np.linalg.norm(D, axis=1, keepdims=True)).astype(dtype)
    return Params(D, np.zeros(n_hidden, dtype), D.T.copy(), np.zeros(n_visible, dtype))


def active(codes):
    """Return in how many rows each latent is active."""
    return np.count_nonzero(codes.A, axis=0).astype(float)


def silence(memory, mean, dead_after):
    """Return for how many batches each latent has been silent, and ``mean`` with 0 for none but the dead."""
    silent = np.where(mean > 0, 0, (0 if memory is None else memory) + 1)
    return silent, np.where(silent >= dead_after, 0, np.maximum(mean, TINY))


def without_radial_part(params, gradient):
    """Return the gradient without its part along the columns of ``W2``, whose length is fixed."""
    D = unit_columns(params.W2)
    return gradient._replace(W2=gradient.W2 - D * np.sum(D * gradient.W2, axis=0))


def revive(params, dead, X, loss, rng):
    """Give dead latents the directions of rows of ``X`` that are badly reconstructed (Bricken et al., 2023).

    A row is drawn with probability proportional to its squared ``loss``; the encoder gets a fifth of the mean length of
    the living latents' rows.  Returns the parameters and which of their entries are new.
    """
    rng, dead = generator(rng), np.flatnonzero(dead)
    W1, b1, W2, b2 = (P.copy() for P in params)
    chance = loss.astype(float) ** 2
    chance = chance / chance.sum() if chance.sum() > 0 else None
    rows = X[rng.choice(len(X), dead.size, p=chance)] - b2
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
    lengths = np.linalg.norm(W1, axis=1)
    alive = np.delete(lengths, dead)
    W1[dead], b1[dead], W2[:, dead] = 0.2 * (alive.mean() if alive.size else 1.0) * rows, 0, rows.T
    fresh = Params(*(np.zeros(P.shape, bool) for P in params))
    fresh.W1[dead], fresh.b1[dead], fresh.W2[:, dead] = True, True, True
    return Params(W1, b1, W2, b2), fresh
