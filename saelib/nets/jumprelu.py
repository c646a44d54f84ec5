"""Codes that jump from 0 to z at a threshold which is learned (Rajamanoharan et al., 2024, "Jumping ahead")."""

from typing import NamedTuple

import numpy as np

from .._checks import nonnegative, positive, whole_number
from ..architecture import Codes, no_decay
from ..network import Params
from . import _latents


class JumpParams(NamedTuple):
    """As `saelib.Params`, with a ``threshold`` for each latent (`BatchTopK`: one for all)."""

    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: np.ndarray
    threshold: np.ndarray


class JumpReLU(NamedTuple):
    """Half the squared error plus lam times L0, the mean number of active latents; a_j = z_j where z_j > threshold_j.

    With ``target_l0`` the penalty is lam (L0 / target_l0 - 1)^2 instead.  The price is what one more active latent
    costs.

    The derivative with respect to the threshold is a convention (straight-through): with K_j = 1 where z_j is within
    half a ``bandwidth`` of the threshold, and 0 elsewhere, that of a_j is -threshold_j / bandwidth K_j, and that
    of "is active" is -K_j / bandwidth.  The paper learns the threshold's logarithm, whose derivative is ``threshold``
    times this one; here, as in SAELens 6.54, it is learned itself and held at 0 or above.  SAELens' losses have no
    half: with ``target_l0 = None`` its cost is twice this one, and its coefficient ``2 * lam``.
    """

    lam: float
    bandwidth: float = 0.05
    target_l0: float | None = None
    dead_after: int = 1000

    def check(self, params, X, target):
        _latents.as_fields(params, JumpParams)
        nonnegative(self.lam, "lam"), positive(self.bandwidth, "bandwidth"), whole_number(self.dead_after, "dead_after")
        self.target_l0 is None or positive(self.target_l0, "target_l0")
        _latents.check(Params(*params[:4]), X, target)
        if np.shape(params.threshold) != params.b1.shape:
            raise ValueError(f"threshold must have shape {params.b1.shape}, got {np.shape(params.threshold)}")

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        threshold = np.full(n_hidden, 0.01, dtype)
        return JumpParams(*_latents.tied_start(n_visible, n_hidden, rng, dtype), threshold)

    def encode(self, params, X):
        Z = (X - params.b2) @ params.W1.T + params.b1  # (eq-latent-pre)
        return Codes(Z, np.where(Z > params.threshold, np.clip(Z, 0, None), 0))  # (eq-jump-relu)

    def decode(self, params, A):
        return A @ params.W2.T + params.b2  # (eq-latent-decode)

    def summary(self, codes):
        return _latents.active(codes)

    def penalty(self, mean):
        l0 = float(np.sum(mean))
        if self.target_l0 is None:
            return self.lam * l0, self.lam
        excess = l0 / self.target_l0 - 1
        return self.lam * excess**2, 2 * self.lam * excess / self.target_l0  # (eq-jump-price)

    def backward(self, params, X, target, codes, price):
        W1, _, W2, b2, threshold = params
        error = self.decode(params, codes.A) - target
        dA = error @ W2
        delta2 = dA * (codes.A > 0)
        near = np.abs(codes.Z - threshold) < self.bandwidth / 2  # (eq-jump-ste)
        gradient = JumpParams(
            W1=delta2.T @ (X - b2),  # (eq-latent-matrices)
            b1=delta2.sum(axis=0),
            W2=error.T @ codes.A,
            b2=error.sum(axis=0) - delta2.sum(axis=0) @ W1,
            threshold=-np.sum((threshold * dA + X.dtype.type(price)) * near, axis=0) / X.dtype.type(self.bandwidth),
        )
        return float(np.sum(error**2, dtype=float) / 2), gradient

    def smoothed(self, params, X, target):
        """Return the cost to which the threshold's gradient belongs.

        Jump and step are averaged over a shift of z by up to half a bandwidth; what a unit of activation and an active
        latent are worth stands still at ``params``.
        """
        start, width = self.encode(params, X), self.bandwidth
        worth = (self.decode(params, start.A) - target) @ params.W2
        price = self.penalty(self.summary(start) / len(X))[1]

        def cost(moved):
            high = start.Z + width / 2
            low = np.minimum(np.maximum(start.Z - width / 2, moved.threshold), high)
            jump, step = (high**2 - low**2) / (2 * width), (high - low) / width
            return float(np.sum(worth * jump + price * step) / len(X))

        return cost, ("threshold",)

    decay = no_decay

    def constrain(self, params):
        return params._replace(threshold=np.maximum(params.threshold, 0))

    def remember(self, params, memory, mean):
        return params, *_latents.silence(memory, mean, self.dead_after)

    def revive(self, params, dead, X, rng):
        error = self.decode(params, self.encode(params, X).A) - X
        four, fresh = _latents.revive(Params(*params[:4]), dead, X, np.sum(error**2, axis=1), rng)
        threshold = np.where(dead, np.asarray(0.01, params.threshold.dtype), params.threshold)
        return JumpParams(*four, threshold), JumpParams(*fresh, np.asarray(dead, bool))

    def probe(self, params, X, rng):
        """Return ``params`` with each threshold within the bandwidth of some sample's pre-activation, for the tutor."""
        Z = np.abs(self.encode(params, X).Z)
        return params._replace(threshold=Z[0] + self.bandwidth * rng.uniform(-0.4, 0.4, Z.shape[1]))

    def fast(self, params):
        return Fast(self, params)

    mistakes = (
        """
        no 1/eps |  / X.dtype.type(self.bandwidth) |  |
                the threshold's gradient is not divided by the bandwidth: the kernel's area has to be 1
        jump's height | threshold * dA + | dA + |
                the jump at the threshold is as high as the threshold: that factor is missing before what a is worth
        no jump | threshold * dA + X.dtype.type(price) | X.dtype.type(price) |
                the threshold's gradient has the price only: what the jump does to the error is missing
        window | < self.bandwidth / 2 | < self.bandwidth |
                the window around the threshold is twice too wide: half a bandwidth to each side
        half a window | np.abs(codes.Z - threshold) < self.bandwidth / 2 |
                (codes.A > 0) & (codes.Z - threshold < self.bandwidth / 2) |
                only the half of the window above the threshold counts, as if it were read off the activations
        mask forgotten | dA * (codes.A > 0) | dA | the gradient passes through latents below their thresholds
        mask of ReLU | dA * (codes.A > 0) | dA * (codes.Z > 0) |
                the gradient passes wherever a pre-activation is positive: it has to be above its threshold
        price in delta | delta2 = dA * (codes.A > 0) | delta2 = (dA + price) * (codes.A > 0) |
                the price is charged to the activations as in L1: L0 does not change with how large they are
    """
        + _latents.CENTERED
    )


class Fast(_latents.Fast):
    """The equations of `JumpReLU` in memory that is used again."""

    def activate(self, Z, codes):
        A = np.clip(Z, 0, None, out=None if codes is None else codes.A)
        A *= Z > self.params.threshold
        return Codes(Z, A)

    def gate(self, codes, price, work):
        threshold, width, mask = self.params.threshold, self.net.bandwidth, work.mask
        np.abs(np.subtract(codes.Z, threshold, out=codes.Z), out=codes.Z)  # of which nothing else is wanted any more
        np.less(codes.Z, width / 2, out=mask)
        worth = threshold * np.multiply(work.dA, mask, out=codes.Z).sum(axis=0)
        counts = np.add.reduce(mask, axis=0, dtype=threshold.dtype)
        np.divide(worth + threshold.dtype.type(price) * counts, -width, out=work.parts.threshold)
        work.dA[:] *= np.greater(codes.A, 0, out=mask)


EXAMPLES = (JumpReLU(0.1, 0.5), JumpReLU(0.2, 1.0, target_l0=2.0))
