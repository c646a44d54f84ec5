"""Gated codes: one reading of x decides whether a latent is active, another how much (Rajamanoharan et al., 2024)."""

from typing import NamedTuple

import numpy as np

from .._checks import nonnegative, whole_number
from ..architecture import free, no_decay
from ..network import Params
from . import _latents


class GatedParams(NamedTuple):
    """As `saelib.Params`, with ``b_gate`` in the place of ``b1``, and ``r_mag`` and ``b_mag`` for the magnitudes."""

    W1: np.ndarray
    b_gate: np.ndarray
    r_mag: np.ndarray
    b_mag: np.ndarray
    W2: np.ndarray
    b2: np.ndarray


class GatedCodes(NamedTuple):
    """``Z`` of the gates, activations ``A``, ``U`` = W1 (x - b2), and ``M``, the pre-activations of the magnitudes."""

    Z: np.ndarray
    A: np.ndarray
    U: np.ndarray
    M: np.ndarray


class Gated(NamedTuple):
    """a_j = ReLU(u_j exp(r_j) + b_mag_j) where the gate u_j + b_gate_j is positive, else 0, with u = W1 (x - b2).

    Through a gate passes no gradient; so it learns from two more terms beside half the squared error: with
    g_j = ReLU(u_j + b_gate_j), mu times sum_j g_j |d_j|, where d_j is latent j's column of ``W2``, and half the squared
    error of the reconstruction from g.  In that, the paper holds the decoder fixed (``frozen=True``: ``W2`` and ``b2``
    get no gradient from it), and the columns of ``W2`` have length one after each step: of free length they shrink to
    nothing.  SAELens does neither (``frozen=False``), and has no halves: its coefficient is ``2 * mu``, its cost twice
    this.
    """

    mu: float
    frozen: bool = True
    dead_after: int = 1000

    def check(self, params, X, target):
        _latents.as_fields(params, GatedParams)
        nonnegative(self.mu, "mu"), whole_number(self.dead_after, "dead_after")
        _latents.check(Params(params.W1, params.b_gate, params.W2, params.b2), X, target)
        for name in ("r_mag", "b_mag"):
            if np.shape(getattr(params, name)) != params.b_gate.shape:
                raise ValueError(f"{name} must have shape {params.b_gate.shape}, got {np.shape(getattr(params, name))}")

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        W1, b1, W2, b2 = _latents.tied_start(n_visible, n_hidden, rng, dtype)
        return GatedParams(W1, b1, np.zeros_like(b1), np.zeros_like(b1), W2, b2)

    def encode(self, params, X):
        U = (X - params.b2) @ params.W1.T
        Z, M = U + params.b_gate, U * np.exp(params.r_mag) + params.b_mag
        return GatedCodes(Z, np.where(Z > 0, np.clip(M, 0, None), 0), U, M)  # (eq-gated-codes)

    def decode(self, params, A):
        return A @ params.W2.T + params.b2  # (eq-latent-decode)

    def summary(self, codes):
        return _latents.active(codes)

    penalty, decay = free, no_decay

    def constrain(self, params):
        return params._replace(W2=_latents.unit_columns(params.W2)) if self.frozen else params

    def project(self, params, gradient):
        return _latents.without_radial_part(params, gradient) if self.frozen else gradient

    def backward(self, params, X, target, codes, price):
        W1, _, r_mag, _, W2, b2 = params
        lengths, G = np.sqrt(np.sum(W2 * W2, axis=0)), np.clip(codes.Z, 0, None)
        error, miss = self.decode(params, codes.A) - target, self.decode(params, G) - target
        dM = (error @ W2) * (codes.A > 0)  # (eq-gated-deltas)
        dZ = (miss @ W2 + self.mu * lengths) * (G > 0)  # (eq-gated-deltas)
        dU = dM * np.exp(r_mag) + dZ  # (eq-gated-deltas)
        sums = G.sum(axis=0)
        dW2 = error.T @ codes.A + self.mu * sums * W2 / np.where(lengths > 0, lengths, 1)
        db2 = error.sum(axis=0) - dU.sum(axis=0) @ W1
        gradient = GatedParams(
            W1=dU.T @ (X - b2),
            b_gate=dZ.sum(axis=0),
            r_mag=np.sum(dM * codes.U, axis=0) * np.exp(r_mag),  # (eq-gated-deltas)
            b_mag=dM.sum(axis=0),
            W2=dW2 if self.frozen else dW2 + miss.T @ G,  # (eq-gated-deltas)
            b2=db2 if self.frozen else db2 + miss.sum(axis=0),
        )
        squares = np.sum(error**2, dtype=float) + np.sum(miss**2, dtype=float)
        return float(squares / 2 + self.mu * np.sum(sums * lengths, dtype=float)), gradient  # (eq-gated-cost)

    def smoothed(self, params, X, target):
        """Return the cost in which a frozen decoder of the gates' reconstruction stands still at ``params``."""

        def cost(moved):
            codes = self.encode(moved, X)
            G = np.clip(codes.Z, 0, None)
            squares = np.sum((self.decode(moved, codes.A) - target) ** 2)
            squares += np.sum((self.decode(params if self.frozen else moved, G) - target) ** 2)
            return float((squares / 2 + self.mu * np.sum(G @ np.sqrt(np.sum(moved.W2**2, axis=0)))) / len(X))

        return cost, ("W2", "b2")

    def remember(self, params, memory, mean):
        return params, *_latents.silence(memory, mean, self.dead_after)

    def revive(self, params, dead, X, rng):
        error = self.decode(params, self.encode(params, X).A) - X
        four = Params(params.W1, params.b_gate, params.W2, params.b2)
        (W1, b_gate, W2, b2), fresh = _latents.revive(four, dead, X, np.sum(error**2, axis=1), rng)
        r_mag, b_mag = (np.where(dead, 0, P).astype(P.dtype) for P in (params.r_mag, params.b_mag))
        dead = np.asarray(dead, bool)
        return (
            GatedParams(W1, b_gate, r_mag, b_mag, W2, b2),
            GatedParams(fresh.W1, fresh.b1, dead, dead, fresh.W2, fresh.b2),
        )

    mistakes = """
        decoder not frozen |  if self.frozen |  if not self.frozen |
                the decoder is not frozen in the auxiliary term (with frozen=False: it is)
        gate's mask | (miss @ W2 + self.mu * lengths) * (G > 0) | miss @ W2 + self.mu * lengths |
                the slope of the gate's ReLU is forgotten
        mask forgotten | (error @ W2) * (codes.A > 0) | error @ W2 |
                the gradient passes through latents whose gate is closed or whose magnitude is below zero
        no auxiliary | (miss @ W2 + self.mu * lengths) | (self.mu * lengths) |
                the auxiliary reconstruction is missing in the gate's delta: only the penalty reaches it
        no penalty |  + self.mu * lengths |  | the L1 penalty is missing in the gate's delta
        norm left out | self.mu * lengths) | self.mu) |
                the price of a gate is mu alone: the length of its decoder column is left out
        columns not charged |  + self.mu * sums * W2 / np.where(lengths > 0, lengths, 1) |  |
                the penalty's part in the gradient of W2 is missing: the decoder is frozen in the auxiliary term alone
        magnitude's scale | dM * np.exp(r_mag) + dZ | dM + dZ |
                the magnitude's delta comes back without the factor exp(r_mag)
        gate only | dM * np.exp(r_mag) + dZ | dZ | W1 hears of the gate alone: the magnitude reads u too
        magnitude only | dM * np.exp(r_mag) + dZ | dM * np.exp(r_mag) | W1 hears of the magnitude alone
        r_mag's scale | np.sum(dM * codes.U, axis=0) * np.exp(r_mag) | np.sum(dM * codes.U, axis=0) |
                the gradient of r_mag lacks the factor exp(r_mag): exp is its own derivative
    """ + _latents.CENTERED.replace("delta2", "dU")


EXAMPLES = (Gated(0.3), Gated(0.3, frozen=False), Gated(0.0))
