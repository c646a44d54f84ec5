"""Latents in nested groups, each of which has to reconstruct on its own (Bussmann et al., 2025)."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .._checks import whole_number
from ..architecture import no_decay
from .batch_topk import BatchTopK
from .jumprelu import JumpParams
from .topk import TopK


class Matryoshka(NamedTuple):
    """BatchTopK codes; half the squared error, averaged over reconstructions from nested prefixes of the latents.

    ``widths`` are the lengths of the prefixes, in increasing order; all latents together are always the last one.  The
    codes are chosen once, among all.  SAELens adds the squared errors up instead: its cost is this one times twice the
    number of prefixes.
    """

    k: float
    widths: tuple
    dead_after: int = 1000
    rate: float = 0.01

    additive = False

    def check(self, params, X, target):
        BatchTopK(self.k, dead_after=self.dead_after, rate=self.rate).check(params, X, target)
        widths = [whole_number(w, "widths") for w in self.widths]
        if any(a >= b for a, b in pairwise([*widths, len(params.b1)])):
            raise ValueError(f"widths must increase and stay below {len(params.b1)}, got {self.widths}")

    def backward(self, params, X, target, codes, price):
        W1, b1, W2, b2, threshold = params
        prefixes = [*self.widths, len(b1)]
        share = 1 / len(prefixes)
        loss, dA, dW2, db2 = 0.0, np.zeros_like(codes.A), np.zeros_like(W2), np.zeros_like(b2)
        for w in prefixes:
            error = codes.A[:, :w] @ W2[:, :w].T + b2 - target
            loss += share * float(np.sum(error**2, dtype=float) / 2)  # (eq-matryoshka)
            dA[:, :w] += share * (error @ W2[:, :w])  # (eq-matryoshka-delta)
            dW2[:, :w] += share * (error.T @ codes.A[:, :w])  # (eq-matryoshka-delta)
            db2 += share * error.sum(axis=0)
        delta2 = dA * (codes.A > 0)
        sums = delta2.sum(axis=0)
        return loss, JumpParams(delta2.T @ (X - b2), sums, dW2, db2 - sums @ W1, np.zeros_like(threshold))

    init, encode, decode = BatchTopK.init, BatchTopK.encode, BatchTopK.decode
    summary, penalty, remember = BatchTopK.summary, BatchTopK.penalty, BatchTopK.remember
    decay, constrain, project = no_decay, TopK.constrain, TopK.project
    revive, for_evaluation = BatchTopK.revive, BatchTopK.for_evaluation

    mistakes = """
        prefixes added | share = 1 / len(prefixes) | share = 1 | the prefixes' errors are added up, not averaged
        prefixes forgotten | [*self.widths, len(b1)] | [len(b1)] |
                only the reconstruction from all latents counts: the prefixes are forgotten
        whole forgotten | [*self.widths, len(b1)] | [*self.widths] |
                the last prefix, all latents together, is forgotten
        mask forgotten | dA * (codes.A > 0) | dA | the gradient passes through latents that were not kept
        b2 not subtracted | delta2.T @ (X - b2) | delta2.T @ X |
                the gradient of W1 is built from X, where the encoder reads X - b2
        b2 in one place |  - sums @ W1 |  |
                b2 has its part as the output's bias only: it is subtracted from the input too
        b2 added |  - sums @ W1 |  + sums @ W1 |
                the encoder's part of b2 has the wrong sign: b2 is subtracted from the input
    """


EXAMPLES = (Matryoshka(2, (2,)), Matryoshka(1.5, (1, 3)))
