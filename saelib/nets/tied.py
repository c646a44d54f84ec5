"""An autoencoder whose decoder is its encoder's transpose (tied weights, as in Vincent et al., 2008)."""

from typing import NamedTuple

import numpy as np

from .._checks import nonnegative, one_of
from ..architecture import as_it_is, free, nothing
from ..network import Params, init_params
from . import _latents
from .sigmoid import sigmoids


class TiedParams(NamedTuple):
    """``W`` of shape (s2, s1) reads the input and, transposed, writes the output; biases ``b1`` and ``b2``."""

    W: np.ndarray
    b1: np.ndarray
    b2: np.ndarray


class Tied(NamedTuple):
    """Half the squared error of x_hat = W^T a + b2 with a = f(W x + b1); ``output="sigmoid"`` puts a sigmoid around it.

    The gradient with respect to ``W`` is the sum of those that its two places would have.  Weight decay is
    lam/2 |W|^2.  Noise comes in through the target: a noisy ``X`` and a clean ``target``.
    """

    lam: float = 0.0
    output: str = "linear"

    def check(self, params, X, target):
        _latents.as_fields(params, TiedParams)
        nonnegative(self.lam, "lam"), one_of(self.output, "output", ("sigmoid", "linear"))
        _latents.check(Params(params.W, params.b1, params.W.T, params.b2), X, target)

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        W1, b1, _, b2 = init_params(n_visible, n_hidden, rng, dtype=dtype)
        return TiedParams(W1, b1, b2)

    def encode(self, params, X):
        return sigmoids(X @ params.W.T + params.b1)

    def decode(self, params, A):
        Z3 = A @ params.W + params.b2
        return sigmoids(Z3).A if self.output == "sigmoid" else Z3

    summary, penalty, constrain = nothing, free, as_it_is

    def backward(self, params, X, target, codes, price):
        Z3 = codes.A @ params.W + params.b2
        out = sigmoids(Z3) if self.output == "sigmoid" else None
        error = (Z3 if out is None else out.A) - target
        delta3 = error if out is None else error * out.A * out.rest
        delta2 = (delta3 @ params.W.T) * (codes.A * codes.rest)
        gradient = TiedParams(delta2.T @ X + codes.A.T @ delta3, delta2.sum(axis=0), delta3.sum(axis=0))
        return float(np.sum(error**2, dtype=float) / 2), gradient

    def decay(self, params):
        W, b1, b2 = params
        return self.lam / 2 * float(np.sum(W**2, dtype=float)), TiedParams(self.lam * W, 0 * b1, 0 * b2)

    mistakes = {
        "encoder only": (" + codes.A.T @ delta3", "", "W has its part as the encoder only: it is the decoder too"),
        "decoder only": (
            "delta2.T @ X + codes.A.T",
            "codes.A.T",
            "W has its part as the decoder only: it is the encoder too",
        ),
        "averaged": (
            "delta2.T @ X + codes.A.T @ delta3",
            "(delta2.T @ X + codes.A.T @ delta3) / 2",
            "the two parts of W are averaged: they add up",
        ),
        "slope forgotten": (" * (codes.A * codes.rest)", "", "the slope f' is forgotten in delta2"),
        "output's slope": (
            "error if out is None else error * out.A * out.rest",
            "error",
            "the slope of the sigmoid output is forgotten",
        ),
    }


EXAMPLES = (Tied(), Tied(0.1, "sigmoid"))
