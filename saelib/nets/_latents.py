"""What the nets with latents share: how they begin, who is dead, unit columns, and revival."""

from typing import Any, NamedTuple

import numpy as np

from .._checks import generator
from ..architecture import Codes, flatten, unflatten
from ..network import Params, check_params
from ..objective import Plain

TINY = np.finfo(float).tiny

# What goes wrong in the backward pass where the encoder reads x - b2; for the tutor (`saelib.book._tutor.backward`).
CENTERED = """
b2 not subtracted | delta2.T @ (X - b2) | delta2.T @ X |
        the gradient of W1 is built from X, where the encoder reads X - b2
b2 in one place |  - delta2.sum(axis=0) @ W1 |  |
        b2 has its part as the output's bias only: it is subtracted from the input too
b2 added |  - delta2.sum(axis=0) @ W1 |  + delta2.sum(axis=0) @ W1 |
        the encoder's part of b2 has the wrong sign: b2 is subtracted from the input
"""


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
    return np.add.reduce(codes.A != 0, axis=0, dtype=np.uint32).astype(float)  # in half of count_nonzero's time


def silence(memory, mean, dead_after):
    """Return for how many batches each latent has been silent, and ``mean`` with 0 for none but the dead."""
    silent = np.where(mean > 0, 0, (0 if memory is None else memory) + 1)
    return silent, np.where(silent >= dead_after, 0, np.maximum(mean, TINY))


def without_radial_part(params, gradient):
    """Return the gradient without its part along the columns of ``W2``, whose length is fixed."""
    D = unit_columns(params.W2)
    return gradient._replace(W2=gradient.W2 - D * np.sum(D * gradient.W2, axis=0))  # (eq-unit-gradient)


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
    W1[dead], b1[dead], W2[:, dead] = 0.2 * (alive.mean() if alive.size else 1.0) * rows, 0, rows.T  # (eq-resample)
    fresh = Params(*(np.zeros(P.shape, bool) for P in params))
    fresh.W1[dead], fresh.b1[dead], fresh.W2[:, dead] = True, True, True
    return Params(W1, b1, W2, b2), fresh


class Work(NamedTuple):
    """What a thread writes into while it is at a block, and what comes of it: ``gradient``, of which ``parts`` views.

    ``dA`` holds the derivatives with respect to the activations, and after the slopes the hidden delta.
    """

    inputs: np.ndarray
    error: np.ndarray
    dA: np.ndarray
    mask: np.ndarray
    gradient: np.ndarray
    parts: Any


class Fast(Plain):
    """The two passes of a net that reads x - b2 and decodes linearly, in memory that is used again.

    A net adds the three methods that do nothing here; see `saelib.objective.Plain` for what the others do.
    """

    reuses = True

    def activate(self, Z, codes):
        """Return the codes of pre-activations, perhaps in the memory of ``Z`` and of earlier ``codes``."""
        return Codes(Z, Z)

    def gate(self, codes, price, work):
        """Turn ``work.dA`` into the hidden delta."""

    def finish(self, codes, work):
        """Add to the gradient in ``work``, and return what the loss has beside half the squared error."""
        return 0.0

    def work(self, rows):
        (n, h), dtype = self.params.W2.shape, self.params.W2.dtype
        gradient, (inputs, error) = flatten(self.params), np.empty((2, rows, n), dtype)
        dA, mask = np.empty((rows, h), dtype), np.empty((rows, h), bool)
        return Work(inputs, error, dA, mask, gradient, unflatten(gradient, self.params))

    def encode(self, X, codes=None):
        Z = np.matmul(X - self.params.b2, self.params.W1.T, out=None if codes is None else codes.Z)
        Z += self.params.b1
        return self.activate(Z, codes)

    def backward(self, X, target, codes, price, work: Any = None):
        W1, _, W2, b2 = self.params[:4]
        work = Work(*(M[: len(X)] for M in work[:4]), *work[4:])
        inputs, error, dA, _, _, gradient = work
        np.matmul(codes.A, W2.T, out=error)
        error += b2
        error -= target
        np.matmul(error, W2, out=dA)
        self.gate(codes, price, work)
        np.matmul(dA.T, np.subtract(X, b2, out=inputs), out=gradient.W1)
        np.sum(dA, axis=0, out=gradient.b1)
        np.matmul(error.T, codes.A, out=gradient.W2)
        np.subtract(error.sum(axis=0), gradient.b1 @ W1, out=gradient.b2)
        return float(np.vdot(error, error)) / 2 + float(self.finish(codes, work)), work.gradient
