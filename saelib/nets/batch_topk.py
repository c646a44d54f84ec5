"""The k m largest pre-activations of a whole batch of m samples (Bussmann et al., 2024)."""

from typing import NamedTuple

import numpy as np

from .._checks import in_open_unit_interval, nonnegative, positive, whole_number
from ..architecture import Codes, no_decay
from ..network import Params
from . import _latents
from .jumprelu import JumpParams, JumpReLU
from .topk import TopK, keep_largest


def keep_of_batch(Z, k):
    """Return ``Z`` with all but the k m largest entries of its m rows together set to zero."""
    return keep_largest(Z.reshape(1, -1), int(k * len(Z))).reshape(Z.shape)


class BatchTopK(NamedTuple):
    """Half the squared error with a_j = z_j for the k m largest positive z_j of a batch of m samples, 0 for the others.

    ``k`` is a mean, not bound to be whole, and a batch is one block.  A sample on its own has no batch to compete in:
    `for_evaluation` gives the `JumpReLU` with one threshold for all, which `remember` keeps as a running mean of the
    smallest activation kept, ``rate`` of it new with each batch.  AuxK is that of `TopK`.
    """

    k: float
    k_aux: int = 0
    alpha: float = 1 / 32
    dead_after: int = 1000
    rate: float = 0.01

    additive = False

    def check(self, params, X, target):
        _latents.as_fields(params, JumpParams)
        positive(self.k, "k"), in_open_unit_interval(self.rate, "rate")
        whole_number(self.k_aux, "k_aux", least=0), nonnegative(self.alpha, "alpha")
        whole_number(self.dead_after, "dead_after")
        _latents.check(Params(*params[:4]), X, target)
        if not 1 <= int(self.k * len(X)) <= len(X) * len(params.b1):
            raise ValueError(f"k = {self.k} keeps {int(self.k * len(X))} of {len(X)} x {len(params.b1)} activations")

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        return JumpParams(*_latents.tied_start(n_visible, n_hidden, rng, dtype), np.zeros((), dtype))

    def encode(self, params, X):
        Z = (X - params.b2) @ params.W1.T + params.b1
        return Codes(Z, keep_of_batch(np.clip(Z, 0, None), self.k))

    def decode(self, params, A):
        return A @ params.W2.T + params.b2

    def summary(self, codes):
        A = codes.A
        least = np.min(A, where=A > 0, initial=np.inf)
        least = len(A) * float(least) if np.isfinite(least) else 0.0  # so that its mean over the rows is itself
        return np.append(_latents.active(codes), least)

    def penalty(self, mean):
        return 0.0, mean[:-1] == 0  # the price: who is dead

    def backward(self, params, X, target, codes, dead):
        inner = TopK(1, self.k_aux, self.alpha)  # what was kept is kept: from here on it is the same net
        loss, gradient = inner.backward(Params(*params[:4]), X, target, codes, dead)
        return loss, JumpParams(*gradient, np.zeros_like(params.threshold))

    auxiliary, smoothed = TopK.auxiliary, TopK.smoothed
    decay, constrain, project = no_decay, TopK.constrain, TopK.project

    mistakes = TopK.mistakes

    def remember(self, params, memory, mean):
        memory, counts = _latents.silence(memory, mean[:-1], self.dead_after)
        if mean[-1] > 0:
            threshold = (1 - self.rate) * params.threshold + self.rate * mean[-1]
            params = params._replace(threshold=threshold.astype(params.threshold.dtype))
        return params, memory, np.append(counts, max(mean[-1], _latents.TINY))

    def revive(self, params, dead, X, rng):
        error = self.decode(params, self.encode(params, X).A) - X
        four, loss = Params(*params[:4]), np.sum(error**2, axis=1)
        four, fresh = _latents.revive(four, dead[: len(params.b1)], X, loss, rng)
        return JumpParams(*four, params.threshold), JumpParams(*fresh, np.zeros(np.shape(params.threshold), bool))

    def for_evaluation(self, params):
        return JumpReLU(0.0), params._replace(threshold=np.full_like(params.b1, params.threshold))


EXAMPLES = (BatchTopK(2), BatchTopK(0.7, k_aux=2, alpha=0.5))
