"""The cost and its gradient on packed parameters, block by block: what the optimizers call."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ._checks import as_floats, as_matrix, in_open_unit_interval, nonnegative, one_of, whole_number
from .backprop import cost_and_gradient, kl_prime
from .cost import kl_divergence, weight_decay
from .network import Params, pack, unpack

BLOCK_ROWS = 1000  # a block's activations stay in the processor's cache


class Objective:
    """The cost of the sparse autoencoder on ``X`` as a function of the packed parameters.

    ``J, gradient = objective(theta)`` gives what `saelib.cost_and_gradient` gives, to rounding, but faster.  A first
    pass over blocks of rows sums the activations, for rho_hat; a second computes the deltas and the partial gradients,
    which are added.

    Parameters
    ----------
    X : array of shape (m, s1)
        In [0, 1] when the output is sigmoid; float32 is computed in float32.
    lam, rho, beta, output
        As for `saelib.sparse_cost`.
    n_jobs : int, optional
        Number of threads that share the blocks; by default as many as there are processors, and in a browser, where
        Python has no threads, one.  The result is the same.

    Raises
    ------
    ValueError
        If an argument is outside its range, or later ``theta`` does not fit the width of ``X``.
    """

    def __init__(self, X, *, lam, rho, beta, output="sigmoid", n_jobs=None):
        self.X = as_matrix(X, unit_interval=output == "sigmoid")
        self.settings = {
            "lam": nonnegative(lam, "lam"),
            "rho": in_open_unit_interval(rho, "rho"),
            "beta": nonnegative(beta, "beta"),
            "output": one_of(output, "output", ("sigmoid", "linear")),
        }
        m = self.X.shape[0]
        self.blocks = [slice(i, min(i + BLOCK_ROWS, m)) for i in range(0, m, BLOCK_ROWS)]
        workers = _processors() if n_jobs is None else whole_number(n_jobs, "n_jobs")
        self.n_jobs = min(workers, len(self.blocks))

    def __call__(self, theta):
        """Return the cost (float) and its gradient (a vector like ``theta``, with the dtype of ``X``)."""
        params = self.params(theta)
        if len(self.blocks) == 1:
            return self._evaluate(params, map)
        if self.n_jobs == 1:
            with _one_blas_thread():
                return self._evaluate(params, map)
        with ThreadPoolExecutor(self.n_jobs) as pool, _one_blas_thread():
            return self._evaluate(params, pool.map)

    def params(self, theta):
        """Return ``theta`` as `Params`; the number of hidden units follows from its length."""
        theta = as_floats(theta, "theta")
        n = self.X.shape[1]
        n_hidden = theta.size // (2 * n + 1)
        if theta.ndim != 1 or n_hidden < 1 or theta.size != n_hidden * (2 * n + 1) + n:
            raise ValueError(f"theta must be a vector of s2 * {2 * n + 1} + {n} numbers, got shape {theta.shape}")
        if not np.isfinite(theta).all():
            raise ValueError(f"theta must be finite, but theta[{np.argmin(np.isfinite(theta))}] is not")
        like = Params(np.empty((n_hidden, n)), np.empty(n_hidden), np.empty((n, n_hidden)), np.empty(n))
        return unpack(theta.astype(self.X.dtype), like)

    def _evaluate(self, params, run):
        lam, rho, beta, output = self.settings.values()
        m = self.X.shape[0]
        A2 = np.empty((m, params.b1.size), self.X.dtype)
        sums = run(lambda rows: activations_of_block(params, self.X[rows], out=A2[rows]), self.blocks)
        rho_hat = sum(sums) / m
        margin = np.finfo(self.X.dtype).eps ** 0.4
        if beta and not np.all((margin < rho_hat) & (rho_hat < 1 - margin)):
            # A unit is saturated on nearly all samples: only the plain form, in logarithms, keeps its digits.
            cost, gradient = cost_and_gradient(params, self.X, **self.settings)
            return cost, pack(gradient)
        pull = beta * kl_prime(rho, rho_hat).astype(self.X.dtype)
        results = run(lambda rows: gradients_of_block(params, self.X[rows], A2[rows], pull, output), self.blocks)
        squares, gradients = zip(*results, strict=True)
        gradient = sum(gradients) / m
        W1, _, W2, _ = unpack(gradient, params)
        W1 += lam * params.W1
        W2 += lam * params.W2
        return float(np.sum(squares)) / (2 * m) + weight_decay(params, lam) + beta * float(
            kl_divergence(rho, rho_hat).sum()
        ), gradient


def activations_of_block(params, X, out):
    """Write the hidden activations of the rows ``X`` into ``out`` and return their sum over the rows, in float64."""
    np.matmul(X, params.W1.T, out=out)
    out += params.b1
    _sigmoid_in_place(out)
    return out.sum(axis=0, dtype=float)


def gradients_of_block(params, X, A2, pull, output):
    """Return the sum of squared errors of the rows ``X`` and the packed sum of their gradients.

    ``A2`` holds their hidden activations, ``pull`` is beta * kl_prime(rho, rho_hat), the same for every row.
    """
    A3 = A2 @ params.W2.T
    A3 += params.b2
    if output == "sigmoid":
        _sigmoid_in_place(A3)
    delta3 = A3 - X
    squares = float(np.vdot(delta3, delta3))
    if output == "sigmoid":
        delta3 *= A3
        np.subtract(1, A3, out=A3)
        delta3 *= A3
    delta2 = delta3 @ params.W2
    delta2 += pull
    delta2 *= A2
    delta2 *= 1 - A2
    return squares, pack(Params(delta2.T @ X, delta2.sum(axis=0), delta3.T @ A2, delta3.sum(axis=0)))


def _sigmoid_in_place(Z):
    """Overwrite ``Z`` with its sigmoid, as (tanh(z/2) + 1) / 2: one fast function instead of exp and a division."""
    Z *= 0.5
    np.tanh(Z, out=Z)
    Z += 1
    Z *= 0.5


def _one_blas_thread():
    """Hold BLAS at one thread: the blocks already keep every processor busy, and more threads would only compete."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def _processors():
    if sys.platform == "emscripten":  # Python in a browser
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
