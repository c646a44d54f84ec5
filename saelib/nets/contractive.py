"""Codes that move little when the input does: the contractive autoencoder (Rifai et al., 2011)."""

from typing import NamedTuple

import numpy as np

from .._checks import nonnegative, one_of
from ..architecture import as_it_is, free, no_decay, nothing
from ..network import Params, init_params
from . import _latents
from .sigmoid import sigmoids


class Contractive(NamedTuple):
    """Half the squared error plus lam times |da/dx|^2, the squared derivatives of a = f(W1 x + b1), summed.

    With the slopes s_j = a_j (1 - a_j), da_j/dx = s_j W1_j, so the penalty of a sample is lam sum_j s_j^2 |W1_j|^2; its
    derivative with respect to z_j is 2 lam s_j^2 (1 - 2 a_j) |W1_j|^2.
    """

    lam: float
    output: str = "linear"

    def check(self, params, X, target):
        nonnegative(self.lam, "lam"), one_of(self.output, "output", ("sigmoid", "linear"))
        _latents.check(params, X, target)

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        return init_params(n_visible, n_hidden, rng, dtype=dtype)

    def encode(self, params, X):
        return sigmoids(X @ params.W1.T + params.b1)

    def decode(self, params, A):
        Z3 = A @ params.W2.T + params.b2
        return sigmoids(Z3).A if self.output == "sigmoid" else Z3

    summary, penalty, decay, constrain = nothing, free, no_decay, as_it_is

    def backward(self, params, X, target, codes, price):
        W1, _, W2, b2 = params
        Z3 = codes.A @ W2.T + b2
        out = sigmoids(Z3) if self.output == "sigmoid" else None
        error = (Z3 if out is None else out.A) - target
        delta3 = error if out is None else error * out.A * out.rest
        slope, size = codes.A * codes.rest, np.sum(W1 * W1, axis=1)
        # The part of the penalty is:  # (eq-contractive-delta)
        delta2 = (delta3 @ W2) * slope + 2 * self.lam * slope**2 * (codes.rest - codes.A) * size
        squares = np.sum(slope**2, axis=0)  # (eq-contractive-norm)
        gradient = Params(
            W1=delta2.T @ X + 2 * self.lam * squares[:, np.newaxis] * W1,  # (eq-contractive-gradient)
            b1=delta2.sum(axis=0),
            W2=delta3.T @ codes.A,
            b2=delta3.sum(axis=0),
        )
        return float(np.sum(error**2, dtype=float) / 2 + self.lam * np.sum(squares * size, dtype=float)), gradient

    mistakes = """
        slope's derivative | slope**2 * (codes.rest - codes.A) | slope**2 |
                the derivative of s^2 with respect to z is 2 s^2 (1 - 2a): the factor 1 - 2a is missing
        slope once | self.lam * slope**2 * (codes | self.lam * slope * (codes |
                the penalty's part in delta2 has the slope once: one s from the square, one from da/dz
        two forgotten | 2 * self.lam * slope**2 | self.lam * slope**2 |
                the 2 of the square is forgotten in the penalty's part in delta2
        slopes held fixed |  + 2 * self.lam * slope**2 * (codes.rest - codes.A) * size |  |
                the slopes in the penalty are held fixed: they move with z, so delta2 has a part of it
        W1 held fixed |  + 2 * self.lam * squares[:, np.newaxis] * W1 |  |
                the penalty holds W1 itself: the part 2 lam s^2 W1_j is missing in the gradient of W1
        size forgotten |  * (codes.rest - codes.A) * size |  * (codes.rest - codes.A) | the factor |W1_j|^2 is missing
        slope forgotten | (delta3 @ W2) * slope | delta3 @ W2 | the slope f' is forgotten in delta2
        output's slope | error if out is None else error * out.A * out.rest | error |
                the slope of the sigmoid output is forgotten
    """


EXAMPLES = (Contractive(0.7), Contractive(0.3, "sigmoid"), Contractive(0.0))
