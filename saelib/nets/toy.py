"""The toy model of superposition: many features through few dimensions, read out by ReLU (Elhage et al., 2022)."""

from typing import NamedTuple

import numpy as np

from .._checks import generator, positive, whole_number
from ..architecture import Codes, as_it_is, free, no_decay, nothing
from . import _latents


class ToyParams(NamedTuple):
    """``W`` of shape (s2, s1), whose column i is the direction of feature i, and the biases ``b`` of the outputs."""

    W: np.ndarray
    b: np.ndarray


class Toy(NamedTuple):
    """Half the squared error of x_hat = ReLU(W^T a + b) with the linear code a = W x, weighted by importance.

    The inputs are the features themselves.  The squared error of feature i counts ``importance ** (i - 1)`` times, so
    that 1 makes all alike.  Elhage et al. have no half: their loss is twice this one.
    """

    importance: float = 1.0

    def weights(self, n):
        """Return the importance of each of n features."""
        return positive(self.importance, "importance") ** np.arange(n)

    def check(self, params, X, target):
        _latents.as_fields(params, ToyParams)
        positive(self.importance, "importance")
        W, b = params
        if np.ndim(W) != 2 or np.shape(b) != (W.shape[1],):
            raise ValueError(f"W must be (s2, s1) and b (s1,), got shapes {np.shape(W)} and {np.shape(b)}")
        for name, M in (("X", X), ("target", target)):
            if M.ndim != 2 or M.shape[1] != b.size:
                raise ValueError(f"{name} must have {b.size} columns, got shape {M.shape}")

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        n, d = whole_number(n_visible, "n_visible"), whole_number(n_hidden, "n_hidden")
        W = generator(rng).standard_normal((d, n)) * np.sqrt(2 / (n + d))
        return ToyParams(W.astype(dtype), np.zeros(n, dtype))

    def encode(self, params, X):
        Z = X @ params.W.T
        return Codes(Z, Z)

    def decode(self, params, A):
        return np.clip(A @ params.W + params.b, 0, None)  # (eq-toy-model)

    summary, penalty, decay, constrain = nothing, free, no_decay, as_it_is

    def backward(self, params, X, target, codes, price):
        X_hat = self.decode(params, codes.A)
        error, weights = X_hat - target, self.weights(X.shape[1]).astype(X.dtype)
        delta = weights * error * (X_hat > 0)  # (eq-toy-delta)
        dW = codes.A.T @ delta + (delta @ params.W.T).T @ X  # (eq-toy-gradient)
        loss = np.sum(weights * error**2, dtype=float) / 2  # (eq-toy-cost)
        return float(loss), ToyParams(dW, delta.sum(axis=0))

    mistakes = """
        decoder only |  + (delta @ params.W.T).T @ X |  |
                W has its part as the decoder only, a delta^T: it is the encoder too, which adds (W delta) x^T
        encoder only | codes.A.T @ delta + (delta @ params.W.T).T @ X | (delta @ params.W.T).T @ X |
                W has its part as the encoder only, (W delta) x^T: it is the decoder too, which adds a delta^T
        averaged | codes.A.T @ delta + (delta @ params.W.T).T @ X |
                (codes.A.T @ delta + (delta @ params.W.T).T @ X) / 2 |
                the two parts of W are averaged: they add up
        slope forgotten | weights * error * (X_hat > 0) | weights * error |
                the slope of the ReLU is forgotten in delta: it is 0 where the output is 0
        importance forgotten | weights * error * (X_hat > 0) | error * (X_hat > 0) |
                the importances are forgotten in delta: I_i multiplies the error of feature i
        importance squared | weights * error * (X_hat > 0) | weights**2 * error * (X_hat > 0) |
                the importances are squared in delta: each multiplies a squared error once
    """


EXAMPLES = (Toy(), Toy(0.7))
