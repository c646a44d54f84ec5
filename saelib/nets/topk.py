"""The k largest pre-activations of each sample (Makhzani and Frey, 2013), with AuxK (Gao et al., 2024)."""

from typing import NamedTuple

import numpy as np

from .._checks import nonnegative, whole_number
from ..architecture import Codes, flatten, no_decay
from ..network import Params
from ..objective import Plain, blocks_by
from . import _latents

MANY = 1024  # latents: below, and where more than one in 16 is kept, dense products are as quick


def keep_largest(Z, k):
    """Return ``Z`` with all but the k largest entries of each row set to zero; of equal ones any may stay."""
    k = min(k, Z.shape[1])
    kept = np.argpartition(-Z, k - 1, axis=1)[:, :k]
    A = np.zeros_like(Z)
    np.put_along_axis(A, kept, np.take_along_axis(Z, kept, axis=1), axis=1)
    return A


class TopK(NamedTuple):
    """Half the squared error with a_j = z_j for the k largest positive z_j of a sample, and 0 for the others.

    With ``k_aux`` > 0, the ``k_aux`` largest pre-activations of the dead latents are asked to predict what the others
    left over, which is held fixed, and half their squared error times ``alpha`` is added.  A latent is dead when none
    of ``dead_after`` batches activates it; on whole data, when no sample does.  Which are dead is the price.
    """

    k: int
    k_aux: int = 0
    alpha: float = 1 / 32
    dead_after: int = 1000

    def check(self, params, X, target):
        _latents.as_fields(params, Params)
        whole_number(self.k, "k", most=len(params.b1)), whole_number(self.k_aux, "k_aux", least=0)
        nonnegative(self.alpha, "alpha"), whole_number(self.dead_after, "dead_after")
        _latents.check(params, X, target)

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        return _latents.tied_start(n_visible, n_hidden, rng, dtype)

    def encode(self, params, X):
        Z = (X - params.b2) @ params.W1.T + params.b1  # (eq-latent-pre)
        return Codes(Z, keep_largest(np.clip(Z, 0, None), self.k))

    def decode(self, params, A):
        return A @ params.W2.T + params.b2  # (eq-latent-decode)

    def summary(self, codes):
        return _latents.active(codes)

    def penalty(self, mean):
        return 0.0, mean == 0  # the price: who is dead

    def auxiliary(self, codes, dead):
        """Return the codes of the ``k_aux`` dead latents with the largest pre-activations, of either sign."""
        k = min(self.k_aux, int(np.sum(dead)))
        return np.where(dead, keep_largest(np.where(dead, codes.Z, -np.inf), k), 0)

    def smoothed(self, params, X, target):
        """Return the cost in which AuxK's residual stands still at ``params``, to which the gradient belongs."""
        residual = target - self.decode(params, self.encode(params, X).A)

        def cost(moved):
            codes = self.encode(moved, X)
            dead = self.penalty(self.summary(codes))[1]
            loss = np.sum((self.decode(moved, codes.A) - target) ** 2)
            if self.k_aux and np.any(dead):
                loss += self.alpha * np.sum((self.auxiliary(codes, dead) @ moved.W2.T - residual) ** 2)
            return float(loss / (2 * len(X)))

        return cost, Params._fields

    def backward(self, params, X, target, codes, dead):
        W1, _, W2, b2 = params
        error = self.decode(params, codes.A) - target
        delta2 = (error @ W2) * (codes.A > 0)
        loss, dW2 = float(np.sum(error**2, dtype=float) / 2), error.T @ codes.A
        if self.k_aux and np.any(dead):
            A = self.auxiliary(codes, dead)
            miss = A @ W2.T + error  # their prediction of the residual, -error, less the residual
            loss += self.alpha * float(np.sum(miss**2, dtype=float) / 2)  # (eq-aux-k)
            delta2 = delta2 + self.alpha * (miss @ W2) * (A != 0)  # (eq-aux-delta)
            dW2 = dW2 + self.alpha * (miss.T @ A)  # (eq-aux-delta)
        gradient = Params(
            W1=delta2.T @ (X - b2),  # (eq-latent-matrices)
            b1=delta2.sum(axis=0),
            W2=dW2,
            b2=error.sum(axis=0) - delta2.sum(axis=0) @ W1,
        )
        return loss, gradient

    decay = no_decay

    def constrain(self, params):
        return params._replace(W2=_latents.unit_columns(params.W2))

    def project(self, params, gradient):
        return _latents.without_radial_part(params, gradient)

    def remember(self, params, memory, mean):
        return params, *_latents.silence(memory, mean, self.dead_after)

    def revive(self, params, dead, X, rng):
        error = self.decode(params, self.encode(params, X).A) - X
        return _latents.revive(params, dead, X, np.sum(error**2, axis=1), rng)

    def fast(self, params):
        many = len(params.b1) >= MANY and 16 * self.k <= len(params.b1)
        return KeptOnly(self, params) if many else Plain(self, params)

    mistakes = (
        """
        mask forgotten | (error @ W2) * (codes.A > 0) | error @ W2 |
                the gradient passes through the entries that the mask dropped: it flows only where a latent was kept
        mask of ReLU | (error @ W2) * (codes.A > 0) | (error @ W2) * (codes.Z > 0) |
                the gradient passes wherever a pre-activation is positive: among these, only the k kept count
        residual's sign | A @ W2.T + error | A @ W2.T - error |
                the residual in AuxK has the wrong sign: it is the target less the reconstruction
        b2 in AuxK | A @ W2.T + error | A @ W2.T + b2 + error | b2 is added to AuxK's prediction of the residual
        AuxK rectified | self.auxiliary(codes, dead) | np.clip(self.auxiliary(codes, dead), 0, None) |
                AuxK's pre-activations are rectified: dead latents are mostly below zero and would learn nothing
        alpha forgotten | self.alpha *  |  | alpha is missing before AuxK's term
        AuxK in W2 only | delta2 = delta2 + self.alpha * (miss @ W2) * (A != 0) | pass |
                AuxK's part in the hidden delta is missing, so that dead latents' encoders do not learn
        AuxK not in W2 | dW2 = dW2 + self.alpha * (miss.T @ A) | pass | AuxK's part in the gradient of W2 is missing
        AuxK in b2 | b2=error.sum(axis=0) |
                b2=(error + (self.alpha * miss if self.k_aux and np.any(dead) else 0)).sum(axis=0) |
                AuxK's miss is counted in b2 too, but b2 is not in its prediction, and its residual is held fixed
    """
        + _latents.CENTERED
    )


class KeptOnly(Plain):
    """The equations of `TopK` with its codes as sparse matrices: of the products, only the encoder's is dense.

    The same numbers as `TopK`'s, to rounding; see `saelib.objective.Plain` for what the methods do.
    """

    reuses = True

    def __init__(self, net, params):
        self.net, self.W2T = net, np.empty(params.W2.shape[::-1], params.W2.dtype)
        self.at(params)

    def at(self, params):
        self.params, self.W2T[:] = params, params.W2.T
        return self

    def encode(self, X, codes=None):
        W1, b1, _, b2 = self.params
        k, out = self.net.k, None if codes is None else codes.Z
        Z = np.matmul(X - b2, W1.T, out=out)
        Z += b1
        kept = np.sort(np.argpartition(-Z, k - 1, axis=1)[:, :k], axis=1)
        return Codes(Z, sparse(np.clip(np.take_along_axis(Z, kept, axis=1), 0, None), kept, Z.shape))

    def summary(self, codes):
        return np.bincount(codes.A.indices[codes.A.data > 0], minlength=len(self.W2T)).astype(float)

    def backward(self, X, target, codes, price, work=None):
        net, (W1, b1, _, b2) = self.net, self.params
        error = codes.A @ self.W2T + b2 - target
        kept = codes.A.indices.reshape(len(X), -1)
        few = blocks_by(len(X), 16)  # rows whose kept columns of W2 stay in the processor's cache
        delta2 = np.concatenate([np.einsum("ijk,ik->ij", self.W2T[kept[i]], error[i]) for i in few])
        delta2 = sparse(delta2 * (codes.A.data.reshape(kept.shape) > 0), kept, codes.A.shape)
        loss, inputs = float(np.sum(error**2, dtype=float) / 2), X - b2
        dW1, db1, dW2T = delta2.T @ inputs, delta2.sum(axis=0), codes.A.T @ error
        if net.k_aux and np.any(price):
            dead = np.flatnonzero(price)
            A, D = net.auxiliary(codes, price)[:, dead], self.W2T[dead]
            miss = A @ D + error
            loss += net.alpha * float(np.sum(miss**2, dtype=float) / 2)
            delta2 = net.alpha * (miss @ D.T) * (A != 0)
            dW1[dead] += delta2.T @ inputs
            db1[dead] += delta2.sum(axis=0)
            dW2T[dead] += net.alpha * (A.T @ miss)
        db1 = db1.astype(b1.dtype)
        return loss, flatten(Params(dW1, db1, dW2T.T, error.sum(axis=0) - db1 @ W1))


def sparse(values, columns, shape):
    """Return the sparse matrix that has the same number of entries in each row: ``values`` in these ``columns``."""
    from scipy.sparse import csr_array

    return csr_array((values.ravel(), columns.ravel(), np.arange(0, values.size + 1, values.shape[1])), shape)


EXAMPLES = (TopK(2), TopK(1, k_aux=2, alpha=0.5))
