"""ReLU codes with an L1 penalty, weighted by the lengths of the decoder's columns (Bricken et al., 2023)."""

from typing import NamedTuple

import numpy as np

from .._checks import nonnegative, whole_number
from ..architecture import Codes, as_it_is, free, no_decay
from ..network import Params
from . import _latents


class ReluL1(NamedTuple):
    """Half the squared error plus mu times sum_j a_j |d_j|, where d_j is latent j's column of ``W2``.

    Literature without the half (SAELens: "standard") has ``2 * mu`` as its coefficient, and twice this cost.
    """

    mu: float
    dead_after: int = 1000

    def check(self, params, X, target):
        nonnegative(self.mu, "mu"), whole_number(self.dead_after, "dead_after")
        _latents.check(params, X, target)

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        return _latents.tied_start(n_visible, n_hidden, rng, dtype)

    def encode(self, params, X):
        Z = (X - params.b2) @ params.W1.T + params.b1  # (eq-latent-pre)
        return Codes(Z, np.clip(Z, 0, None))

    def decode(self, params, A):
        return A @ params.W2.T + params.b2  # (eq-latent-decode)

    def summary(self, codes):
        return _latents.active(codes)

    penalty, decay, constrain = free, no_decay, as_it_is

    def backward(self, params, X, target, codes, price):
        W1, _, W2, b2 = params
        lengths = np.sqrt(np.sum(W2 * W2, axis=0))
        error = self.decode(params, codes.A) - target
        delta2 = (error @ W2 + self.mu * lengths) * (codes.A > 0)
        sums = codes.A.sum(axis=0)
        gradient = Params(
            W1=delta2.T @ (X - b2),  # (eq-latent-matrices)
            b1=delta2.sum(axis=0),
            W2=error.T @ codes.A + self.mu * sums * W2 / np.where(lengths > 0, lengths, 1),  # (eq-l1-by-decoder)
            b2=error.sum(axis=0) - delta2.sum(axis=0) @ W1,
        )
        loss = np.sum(error**2, dtype=float) / 2 + self.mu * np.sum(sums * lengths, dtype=float)  # (eq-l1-weighted)
        return float(loss), gradient

    def remember(self, params, memory, mean):
        return params, *_latents.silence(memory, mean, self.dead_after)

    def revive(self, params, dead, X, rng):
        error = self.decode(params, self.encode(params, X).A) - X
        return _latents.revive(params, dead, X, np.sum(error**2, axis=1), rng)

    def fast(self, params):
        return Fast(self, params)

    mistakes = (
        """
        norm left out | self.mu * lengths) * | self.mu) * |
                the price of an activation is mu alone: the length of its decoder column is left out
        no shrinkage |  + self.mu * lengths |  | the L1 penalty is missing in the hidden delta
        outside | (error @ W2 + self.mu * lengths) * (codes.A > 0) | error @ W2 * (codes.A > 0) + self.mu * lengths |
                the L1 penalty stands outside the bracket: latents that are not active are charged too
        slope forgotten | (error @ W2 + self.mu * lengths) * (codes.A > 0) | error @ W2 + self.mu * lengths |
                the slope of ReLU is forgotten: no gradient passes where a latent is not active
        sign of codes | (error @ W2 + self.mu * lengths) * (codes.A > 0) |
                error @ W2 * (codes.A > 0) + self.mu * lengths * np.sign(codes.Z) |
                the penalty is differentiated as |z|: a latent below zero has a code of 0 and is not charged
        columns not charged |  + self.mu * sums * W2 / np.where(lengths > 0, lengths, 1) |  |
                the penalty's part in the gradient of W2, mu times the codes times d_j/|d_j|, is missing
        columns not normalized |  / np.where(lengths > 0, lengths, 1) |  |
                the derivative of |d_j| is d_j/|d_j|: its denominator is missing in the gradient of W2
    """
        + _latents.CENTERED
    )


class Fast(_latents.Fast):
    """The equations of `ReluL1` in memory that is used again; its codes are the activations alone."""

    def __init__(self, net, params):
        self.net = net
        self.at(params)

    def at(self, params):
        lengths, mu = np.sqrt(np.sum(params.W2 * params.W2, axis=0)), self.net.mu
        self.params, self.price, self.slope = params, mu * lengths, mu / np.where(lengths > 0, lengths, 1)
        return self

    def activate(self, Z, codes):
        A = np.maximum(Z, 0, out=Z)
        return Codes(A, A)

    def gate(self, codes, price, work):
        work.dA[:] += self.price
        work.dA[:] *= np.greater(codes.A, 0, out=work.mask)

    def finish(self, codes, work):
        sums = codes.A.sum(axis=0)
        work.parts.W2[:] += self.params.W2 * (self.slope * sums)
        return np.vdot(sums, self.price)


EXAMPLES = (ReluL1(0.3), ReluL1(0.0))
