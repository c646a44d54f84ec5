"""What `saelib.compiled` has in the place of others: forms of the same numbers, whose loops Numba compiles.

Matrix products, exp and tanh stay NumPy's.  This module imports Numba; nothing but `saelib.compiled.use` imports it.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from . import sparse_coding
from .nets import sigmoid

SWEEPS = 5  # through the atoms in use, for each look at all of them
PATIENCE = 1000  # looks; where some atoms are nearly parallel, single coordinates come forward slowly


def _compiled(function):
    """Return a function as machine code that threads run side by side; sums may be added up in another order."""
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"reassoc", "contract", "nsz", "arcp"},
    }
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in
        return njit(**options)(function)


class Fast(sigmoid.Fast):
    """The equations of `saelib.nets.Sigmoid` in five compiled loops beside exp, tanh and the products.

    Samples are rows here: for few units BLAS takes a quarter less time for the first and the third product.
    """

    def work(self, rows):
        work = super().work(rows)
        return work._replace(delta2=work.delta2.reshape(rows, -1))

    def codes(self, X):
        """Return memory for f(z), with a last column of ones, and for f(-z), a row for each of ``X``."""
        return sigmoid.Block(*(part.reshape(len(X), -1) for part in super().codes(X)))

    def encode(self, X, codes=None):
        if codes is None:
            codes = self.codes(X)
        np.matmul(X, self.W1.T, out=codes.rest)
        _negative(codes.rest, self.b1, self.limit)
        np.exp(codes.rest, out=codes.rest)
        _pair(codes.rest, codes.A)
        return codes

    def summary(self, codes):
        return _sums(codes.A, codes.rest)

    def loss(self, X, target, codes, price, work):
        A3 = work.A3[: len(X)]
        np.matmul(codes.A, self.W2bT, out=A3)
        if self.sigmoid:
            np.tanh(A3, out=A3)
        return _output(A3, target, self.sigmoid)

    def backward(self, X, target, codes, price, work):
        loss, delta3, delta2 = self.loss(X, target, codes, price, work), work.A3[: len(X)], work.delta2[: len(X)]
        np.matmul(delta3, self.W2T.T, out=delta2)
        _hidden(delta2, price.astype(X.dtype), codes.A, codes.rest, work.db1)
        np.matmul(delta2.T, X, out=work.dW1)
        np.matmul(codes.A.T, delta3, out=work.dW2bT)
        return loss, work.gradient


@_compiled
def _negative(E, b1, limit):
    """Make -z of the products in ``E``, within the limit."""
    for i in range(E.shape[0]):
        for j in range(E.shape[1]):
            E[i, j] = max(min(b1[j, 0] - E[i, j], limit), -limit)


@_compiled
def _pair(E, A):
    """Make f(z) in ``A``, and f(-z) in ``E``, of exp(-z) in ``E``."""
    one = E.dtype.type(1)
    for i in range(E.shape[0]):
        for j in range(E.shape[1]):
            a = one / (one + E[i, j])  # (eq-a2)
            A[i, j] = a
            E[i, j] *= a


@_compiled
def _sums(A, rest):
    """Return the sums of f(z) and f(-z) over the samples."""
    out = np.zeros((2, rest.shape[1]))
    for i in range(rest.shape[0]):
        for j in range(rest.shape[1]):
            out[0, j] += A[i, j]
        for j in range(rest.shape[1]):
            out[1, j] += rest[i, j]
    return out


@_compiled
def _output(A3, target, sigmoid):
    """Make the output delta of tanh(z/2), or for linear outputs of z, in ``A3``; return half the squared error."""
    half, one, loss = A3.dtype.type(0.5), A3.dtype.type(1), 0.0
    for i in range(A3.shape[0]):
        squares = A3.dtype.type(0)
        if sigmoid:
            for j in range(A3.shape[1]):
                a = half + half * A3[i, j]  # (eq-a3)
                error = a - target[i, j]
                squares += error * error
                A3[i, j] = error * (a * (one - a))  # (eq-delta3)
        else:
            for j in range(A3.shape[1]):
                error = A3[i, j] - target[i, j]
                squares += error * error
                A3[i, j] = error  # (eq-delta3-linear)
        loss += squares
    return loss / 2


@_compiled
def _hidden(delta2, price, A, rest, db1):
    """Make the hidden delta of the products in ``delta2``, and its sums over the samples."""
    db1[:] = 0
    for i in range(delta2.shape[0]):
        for j in range(delta2.shape[1]):
            d = (delta2[i, j] + price[j]) * (A[i, j] * rest[i, j])  # (eq-delta2)
            delta2[i, j] = d
            db1[j] += d


def move(part, old, new, gradient, scratch, betas, t, rate):
    """Make step t of Adam for a part of the parameters, and return the sum of their squares."""
    number, root, vectors = old.theta.dtype.type, math.sqrt(1 - betas[1] ** t), []
    for which in (old, new):
        vectors += which.theta[part], which.mean[part], which.square[part]
    settings = *betas, *(1 - b for b in betas), rate * root / (1 - betas[0] ** t), 1e-8 * root
    return _move(gradient[part], *vectors, *map(number, settings))


@_compiled
def _move(gradient, theta, mean, square, new_theta, new_mean, new_square, b1, b2, c1, c2, rate, tiny):
    squares = 0.0
    for i in range(theta.size):
        g = gradient[i]
        m = b1 * mean[i] + c1 * g  # (eq-adam-mean)
        v = b2 * square[i] + c2 * g * g  # (eq-adam-square)
        p = theta[i] - rate * m / (math.sqrt(v) + tiny)  # (eq-adam-step)
        new_mean[i], new_square[i], new_theta[i] = m, v, p
        squares += p * p
    return squares


def code(X, D, lam, L, tol, max_iter):
    """Return the lasso codes of a block of samples, one sample after the other, by coordinate descent.

    A code is done when its duality gap is small enough, as in `saelib.sparse_coding.lasso_codes`; an iteration goes
    once through all atoms and then `SWEEPS` times through those in use (Friedman et al., 2010).  Samples that have not
    arrived after `PATIENCE` iterations are left to NumPy's form.
    """
    dtype = np.result_type(X, D)
    X, D = np.ascontiguousarray(X, dtype), np.ascontiguousarray(D, dtype)
    A = np.zeros((len(X), len(D)), dtype)
    late = _descend(X, D, D @ D.T, X @ D.T, dtype.type(lam), tol, min(max_iter, PATIENCE), A)
    if late.any() and max_iter > PATIENCE:
        A[late] = sparse_coding._code(X[late], D, lam, L, tol, max_iter - PATIENCE)
    return A


@_compiled
def _descend(X, D, G, C, lam, tol, max_iter, A):
    """Find the codes ``A``, and return which samples have not arrived.

    ``C`` holds the atoms' products with what the codes so far do not explain.
    """
    R, used, late = np.empty_like(X[0]), np.empty(len(D), np.int64), np.ones(len(X), np.bool_)
    for s in range(len(X)):
        for _ in range(max_iter):
            for j in range(len(D)):
                _coordinate(j, A[s], C[s], G, lam)
            count = 0
            for j in range(len(D)):
                if A[s, j] != 0:
                    used[count] = j
                    count += 1
            for _ in range(SWEEPS):
                for k in range(count):
                    _coordinate(used[k], A[s], C[s], G, lam)
            if _gap_is_within(tol, X[s], A[s], D, lam, used[:count], R):
                late[s] = False
                break
    return late


@_compiled
def _coordinate(j, a, c, G, lam):
    """Give the code of one atom its best value while the others stand still."""
    size = G[j, j]
    if size > 0:
        u = c[j] + size * a[j]
        step = math.copysign(max(abs(u) - lam, c.dtype.type(0)), u) / size - a[j]
        if step != 0:
            a[j] += step
            for i in range(len(c)):
                c[i] -= step * G[j, i]


@_compiled
def _gap_is_within(tol, x, a, D, lam, used, R):
    """Say whether the cost is at most ``1 + tol`` times the dual cost, as `saelib.sparse_coding._is_within` does."""
    R[:] = x
    length = correlation = square = product = 0.0
    for j in used:
        length += abs(a[j])
        for i in range(len(x)):
            R[i] -= a[j] * D[j, i]
    for i in range(len(x)):
        square += R[i] * R[i]
        product += x[i] * R[i]
    for j in range(len(D)):
        c = R.dtype.type(0)
        for i in range(len(x)):
            c += D[j, i] * R[i]
        correlation = max(correlation, abs(c))
    shrink = lam / max(correlation, lam)
    return square / 2 + lam * length <= (1 + tol) * (shrink * product - shrink**2 * square / 2)
