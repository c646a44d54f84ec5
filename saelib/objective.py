"""The cost and its gradient on packed parameters, block by block: what the optimizers call.

The formulas are those of `saelib.backprop`.  What makes them fast is where the numbers are: a block of rows stays in
the processor's cache from its pre-activations to its partial gradient, results are written into memory that is there
already, and threads share the blocks while each product of matrices runs on one thread.  Within a block, hidden units
are rows and samples columns, as on the page, and a last row of ones carries the biases of the output units.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import numpy as np

from ._checks import as_floats, as_matrix, in_open_unit_interval, nonnegative, one_of, positive
from ._workplace import Memory, Work, blocks_of, join, number_of_threads, one_blas_thread, parts_of, split
from .backprop import kl_prime, sparsity_delta
from .cost import kl_divergence, sparsity_penalty, weight_decay
from .network import Params, pack, sigmoid_slope, unpack

MULTIPLICATIONS_FOR_TWO = 1 << 24  # in one product of a mini-batch: below, threads cost more time than they save
LANES = 8  # every LANES-th block is added up in one lane, however many threads there are: the sums are the same


class Objective:
    """The cost of the sparse autoencoder on ``X`` as a function of the packed parameters.

    ``J, gradient = objective(theta)`` gives what `saelib.cost_and_gradient` gives, to rounding, but faster.  A first
    pass over blocks of rows sums the activations, for rho_hat; a second computes the deltas and the partial gradients,
    which are added.

    Parameters
    ----------
    X : array of shape (m, s1)
        In [0, 1] when the output is sigmoid; float32 is computed in float32.  It may lie in a file (`numpy.memmap`, or
        anything with ``shape``, ``dtype`` and slices of rows) and be larger than memory: it is read block by block,
        and beside it there is room for one matrix of hidden activations and some blocks.
    lam, rho, beta, output
        As for `saelib.sparse_cost`.
    scale : float
        Every block is multiplied by it as it is read: 1/255 for images of bytes, which are computed in float32.
    n_jobs : int, optional
        Number of threads that share the blocks; by default as many as there are processors, and in a browser, where
        Python has no threads, one.  The result is the same.

    Raises
    ------
    ValueError
        If an argument is outside its range, or later ``theta`` does not fit the width of ``X``.
    """

    def __init__(self, X, *, lam, rho, beta, output="sigmoid", scale=1.0, n_jobs=None):
        self.scale = positive(scale, "scale")
        self.settings = {
            "lam": nonnegative(lam, "lam"),
            "rho": in_open_unit_interval(rho, "rho"),
            "beta": nonnegative(beta, "beta"),
            "output": one_of(output, "output", ("sigmoid", "linear")),
        }
        block_by_block = is_sliced(X) or self.scale != 1
        self.X = X if is_sliced(X) else as_matrix(X)
        self.dtype = np.dtype(np.float32 if self.X.dtype in (np.uint8, np.float32) else np.float64)
        self.blocks = blocks_of(*self.X.shape)
        for rows in self.blocks if block_by_block else [slice(None)]:
            name = f"X[{rows.start}:{rows.stop}]" if block_by_block else "X"
            as_matrix(self.rows(rows), name, unit_interval=output == "sigmoid")
        self.lanes = [self.blocks[k::LANES] for k in range(min(LANES, len(self.blocks)))]
        self.n_jobs = min(number_of_threads(n_jobs), len(self.lanes))
        self.spare = deque()  # memory that no call is using

    def __call__(self, theta):
        """Return the cost (float) and its gradient (a vector like ``theta``, with the dtype of ``X``)."""
        return self._compute(self._cost_and_gradient, theta)

    def cost(self, theta):
        """Return the cost alone, in about half the time."""
        return self._compute(self._cost, theta)

    def _compute(self, what, theta):
        params = self.params(theta)
        with self._memory(params) as memory, one_blas_thread() if len(self.blocks) > 1 else nullcontext():
            if self.n_jobs == 1:
                return what(params, memory, map)
            with ThreadPoolExecutor(self.n_jobs) as pool:
                try:
                    return what(params, memory, pool.map)
                except BaseException:  # Ctrl-C, or an error in a worker: let the others stop at their next block
                    memory.stop.set()
                    raise

    def rows(self, rows):
        """Return a slice of the rows of ``X`` as floating-point numbers, scaled."""
        X = self.X[rows]
        return X if X.dtype == self.dtype and self.scale == 1 else np.multiply(X, self.scale, dtype=self.dtype)

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
        return unpack(theta.astype(self.dtype), like)

    def _cost(self, params, memory, run):
        layers, output = Layers.of(params, self.settings["output"]), self.settings["output"]
        rho_hat, _, saturated = self._first_pass(params, layers, memory, run)

        def squares_of_lane(lane):
            work, squares = memory.take(), 0.0
            for rows in lane:
                squares += error_of_block(layers, self.rows(rows), memory.A2[rows.start], output, work)
            memory.works.append(work)
            return squares

        squares = sum(run(squares_of_lane, map(memory.going, self.lanes)))
        return self._sum_of_terms(squares, params, rho_hat, saturated)

    def _cost_and_gradient(self, params, memory, run):
        lam, _, _, output = self.settings.values()
        layers, m = Layers.of(params, output), self.X.shape[0]
        rho_hat, pull, saturated = self._first_pass(params, layers, memory, run)

        def gradient_of_lane(lane, total):
            work, squares = memory.take(), 0.0
            total.fill(0)
            for rows in lane:
                exact = None if saturated is None else saturated.of(rows)
                squares += gradient_of_block(layers, self.rows(rows), memory.A2[rows.start], pull, output, work, exact)
                total += work.gradient
            memory.works.append(work)
            return squares

        squares = sum(run(gradient_of_lane, map(memory.going, self.lanes), memory.totals))
        W1, W2b, b1 = split(sum(memory.totals) / m, params)
        gradient = Params(W1 + lam * params.W1, b1, W2b[:, :-1] + lam * params.W2, W2b[:, -1])
        return self._sum_of_terms(squares, params, rho_hat, saturated), pack(gradient)

    def _first_pass(self, params, layers, memory, run):
        """Write the hidden activations into the memory, and return rho_hat and what `penalty_delta` gives."""

        def sums_of_lane(lane):
            return sum(activations_of_block(layers, self.rows(rows), memory.A2[rows.start]) for rows in lane)

        def Z2(units):
            return np.concatenate([self.rows(rows) @ params.W1[units].T + params.b1[units] for rows in self.blocks])

        rho_hat, square = sum(run(sums_of_lane, map(memory.going, self.lanes))) / self.X.shape[0]
        pull, saturated = penalty_delta(rho_hat, square, Z2, self.settings, self.dtype)
        return rho_hat, pull, saturated

    def _sum_of_terms(self, squares, params, rho_hat, saturated):
        lam, rho, beta, _ = self.settings.values()
        penalty = kl_divergence(rho, rho_hat if saturated is None else rho_hat[~saturated.units]).sum()
        penalty = float(penalty) + (saturated.penalty if saturated else 0.0)
        return squares / (2 * self.X.shape[0]) + weight_decay(params, lam) + beta * penalty

    @contextmanager
    def _memory(self, params):
        """Lend the memory for an evaluation: that of an earlier one, if no other thread has it and it fits."""
        try:
            memory = self.spare.pop()
        except IndexError:
            memory = None
        if memory is None or memory.params.W1.shape != params.W1.shape or memory.blocks != self.blocks:
            memory = Memory(params, self.blocks, len(self.lanes))
        yield memory
        self.spare.append(memory)  # not after an error: a worker may still be writing


class BatchGradient:
    """The gradient on some rows of an objective alone, for a loop that asks for it thousands of times.

    ``gradient = batch_gradient(theta, rows)``, where ``rows`` is an array of indices. Vectors have the order of
    `split`, and the next call overwrites the result. Nothing is checked. The rows are one block, or two where there is
    so much to multiply that ``run``, a function like `map`, may give each to a thread; the result is the same.
    """

    def __init__(self, objective, like, run=map):
        self.objective, self.like, self.run, self.memories = objective, like, run, {}
        lam = objective.settings["lam"]
        rates = np.full_like(like.W1, lam), np.zeros_like(like.b1), np.full_like(like.W2, lam), np.zeros_like(like.b2)
        self.decay = join(Params(*rates))

    def __call__(self, theta, rows):
        objective, output = self.objective, self.objective.settings["output"]
        W1, W2b, b1 = split(theta, self.like)
        layers, m = Layers.of_stacked(W1, b1, W2b, output), len(rows)
        halves = np.array_split(rows, 1 if m * W1.size < MULTIPLICATIONS_FOR_TWO else 2)
        if m not in self.memories:
            A2 = [np.ones((len(W1) + 1, len(half)), theta.dtype) for half in halves]
            self.memories[m] = A2, [Work(self.like, len(half)) for half in halves]
        A2, works = self.memories[m]

        def activations(half, A2):
            X = objective.rows(half)
            return X, activations_of_block(layers, X, A2)

        X, sums = zip(*self.run(activations, halves, A2), strict=True)
        rho_hat, square = np.sum(sums, axis=0) / m

        def Z2(units):
            return np.concatenate([x @ W1[units].T + b1[units] for x in X])

        pull, saturated = penalty_delta(rho_hat, square, Z2, objective.settings, theta.dtype)

        def gradient(X, A2, work, start):
            exact = None if saturated is None else saturated.of(slice(start, start + len(X)))
            return gradient_of_block(layers, X, A2, pull, output, work, exact)

        def mean_and_decay(part):
            total = works[0].gradient[part]
            for other in works[1:]:
                total += other.gradient[part]
            total /= m
            total += self.decay[part] * theta[part]

        list(self.run(gradient, X, A2, works, (0, len(X[0]))))
        list(self.run(mean_and_decay, parts_of(theta)))
        return works[0].gradient


class Layers(NamedTuple):
    """The parameters as the blocks want them: halved where tanh(z/2) follows, biases beside the weights of layer 2."""

    W1: np.ndarray  # (s2, s1), half
    b1: np.ndarray  # (s2, 1), half
    W2: np.ndarray  # (s3, s2)
    W2b: np.ndarray  # (s3, s2 + 1), half for a sigmoid output

    @classmethod
    def of(cls, params, output):
        return cls.of_stacked(params.W1, params.b1, np.column_stack([params.W2, params.b2]), output)

    @classmethod
    def of_stacked(cls, W1, b1, W2b, output):
        return cls(W1 / 2, b1[:, np.newaxis] / 2, W2b[:, :-1], W2b / 2 if output == "sigmoid" else W2b)


class Saturated(NamedTuple):
    """Saturated hidden units: a mask, their f'(z2) and their term of the delta (units, samples), and their penalty."""

    units: np.ndarray
    slope: np.ndarray
    delta: np.ndarray
    penalty: float

    def of(self, rows):
        return self._replace(slope=self.slope[:, rows], delta=self.delta[:, rows])


def penalty_delta(rho_hat, square, Z2, settings, dtype):
    """Return the delta of the penalty but for the slopes, beta * kl_prime(rho, rho_hat), as a column, and `Saturated`.

    Units near 0 or 1 for nearly all samples are left to logarithms: of their slopes a (1 - a), rounding would leave too
    few digits. ``square`` is the mean of a^2, and ``Z2(units)`` gives pre-activations.
    """
    rho, beta = settings["rho"], settings["beta"]
    pull, margin = np.zeros((rho_hat.size, 1), dtype), np.finfo(dtype).eps ** 0.4
    plain = margin < rho_hat - square  # the mean slope, and rho_hat (1 - rho_hat) is at least that
    if plain.all() or not beta:
        pull[:, 0] = beta * kl_prime(rho, rho_hat) if beta else 0
        return pull, None
    pull[plain, 0] = beta * kl_prime(rho, rho_hat[plain])
    Z2 = Z2(~plain)
    delta, penalty = beta * sparsity_delta(Z2, rho).T, sparsity_penalty(Z2, rho)
    return pull, Saturated(~plain, sigmoid_slope(Z2).T, delta, penalty)


def activations_of_block(layers, X, A2):
    """Write the hidden activations of the rows ``X`` into ``A2`` (s2 + 1, rows), whose last row of ones stays as it is.

    Return their sums, and the sums of their squares, over the rows: (2, s2), float64.
    """
    A2 = A2[:-1]
    np.matmul(layers.W1, X.T, out=A2)
    A2 += layers.b1
    _sigmoid_of_double(A2)
    return np.array([A2.sum(axis=1), np.einsum("ji,ji->j", A2, A2)], dtype=float)


def error_of_block(layers, X, A2, output, work):
    """Write the output for the rows ``X`` and its error into ``work``; return the sum of squared errors.

    ``A2`` holds their hidden activations as `activations_of_block` leaves them.
    """
    A3, error = work.A3[: len(X)], work.delta3[: len(X)]
    np.matmul(A2.T, layers.W2b.T, out=A3)
    if output == "sigmoid":
        _sigmoid_of_double(A3)
    np.subtract(A3, X, out=error)
    return float(np.vdot(error, error))


def gradient_of_block(layers, X, A2, pull, output, work, saturated=None):
    """Write the sum over the rows ``X`` of their gradients into ``work``; return their sum of squared errors.

    ``A2`` is that of `error_of_block`, and ``pull`` is beta * kl_prime(rho, rho_hat), a column, the same for every row.
    """
    squares, rows, hidden = error_of_block(layers, X, A2, output, work), len(X), A2[:-1]
    A3, delta3, delta2, slope = work.A3[:rows], work.delta3[:rows], work.delta2[:, :rows], work.slope[:, :rows]
    if output == "sigmoid":
        delta3 *= A3
        np.subtract(1, A3, out=A3)
        delta3 *= A3
    np.matmul(layers.W2.T, delta3.T, out=delta2)
    exact = delta2[saturated.units] * saturated.slope + saturated.delta if saturated else None
    delta2 += pull
    np.subtract(1, hidden, out=slope)
    slope *= hidden
    delta2 *= slope
    if saturated:
        delta2[saturated.units] = exact
    np.matmul(delta2, X, out=work.dW1)
    np.matmul(delta3.T, A2.T, out=work.dW2b)
    delta2.sum(axis=1, out=work.db1)
    return squares


def _sigmoid_of_double(Z):
    """Overwrite ``Z`` with the sigmoid of 2 ``Z``, which is (tanh(Z) + 1) / 2: one fast function and no division."""
    np.tanh(Z, out=Z)
    Z *= 0.5
    Z += 0.5


def is_sliced(X):
    """Say whether ``X`` is to be read a block at a time: an array of bytes, or what is no NumPy array but like one."""
    return (
        X.dtype == np.uint8 if isinstance(X, np.ndarray) else hasattr(X, "dtype") and len(getattr(X, "shape", ())) == 2
    )
