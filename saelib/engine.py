"""The engine: cost, gradient and training of any autoencoder that keeps the contract of `saelib.architecture`.

No autoencoder is named here.  The two passes stand once, in `Objective`; `adam` makes them on each mini-batch, `lbfgs`
on the whole data.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import numpy as np

from ._checks import as_floats, as_matrix, function, nonnegative, positive, same_shape, whole_number
from ._workplace import blocks_of, number_of_threads, one_blas_thread
from .architecture import as_params, flatten, leaves, unflatten
from .progress import progress_bar

LANES = 8  # every LANES-th block is added up in one lane, however many threads there are: the sums are the same


# --- the two passes ---------------------------------------------------------------------------------------------
def first_pass(net, params, X):
    """Return what is summed over the rows before any delta, and the codes."""
    codes = net.encode(params, X)
    return net.summary(codes), codes


def second_pass(net, params, X, target, price, codes=None):
    """Return the loss and the gradient (a vector), both summed over the rows."""
    loss, gradient = net.backward(params, X, target, codes or net.encode(params, X), price)
    return loss, flatten(gradient)


class Objective:
    """The cost of an autoencoder on ``X`` as a function of its packed parameters, with the gradient.

    Parameters
    ----------
    net : Architecture
    X : array of shape (m, n)
        float32 is computed in float32.  It may lie in a file (`numpy.memmap`, or anything with ``shape``, ``dtype`` and
        slices of rows) and is read block by block; bytes are computed in float32.
    target : array of shape (m, n_out), optional
        What the output should be; ``X`` itself if not given.
    scale : float
        Every block of ``X`` is multiplied by it as it is read: 1/255 for images of bytes.
    n_jobs : int, optional
        Number of threads that share the blocks; by default as many as there are processors.  The result is the same to
        the last bit.
    run : callable, optional
        A function like `map` that computes the blocks elsewhere, such as the ``map`` of a pool of processes.  Codes are
        then computed a second time in the second pass, so that only sums travel.
    like : NamedTuple of arrays, optional
        Parameters of the shapes wanted; without it the number of hidden units follows from the length of ``theta``.
    block_rows : int, optional
        Rows of a block.

    Raises
    ------
    ValueError
        If an argument is outside its range, or later ``theta`` does not fit.
    """

    def __init__(self, net, X, *, target=None, scale=1.0, n_jobs=None, run=None, like=None, block_rows=None):
        self.net, self.scale, self.like = net, positive(scale, "scale"), like
        self.run = run if run is None else function(run, "run")
        self.X = X if hasattr(X, "dtype") and len(getattr(X, "shape", ())) == 2 else as_matrix(X)
        self.target = target
        if target is not None and len(target) != len(X):
            raise ValueError(f"target must have a row for each row of X, got {len(target)} and {len(X)}")
        self.dtype = np.dtype(np.float32 if self.X.dtype in (np.uint8, np.float32) else np.float64)
        if 0 in self.X.shape:
            as_matrix(self.X)
        m = self.X.shape[0]
        rows = m if not getattr(net, "additive", True) else block_rows
        self.blocks = blocks_of(*self.X.shape) if rows is None else blocks_by(m, whole_number(rows, "block_rows"))
        self.lanes = [self.blocks[k::LANES] for k in range(min(LANES, len(self.blocks)))]
        self.n_jobs = min(number_of_threads(n_jobs), len(self.lanes))
        for block in self.blocks:  # now, and not in the midst of a training
            as_matrix(self.rows(block)[0], f"X[{block.start}:{block.stop}]" if len(self.blocks) > 1 else "X")

    def __call__(self, theta):
        """Return the cost (float) and its gradient, a vector of the dtype in which ``X`` is computed."""
        params = self.params(theta)
        with one_blas_thread() if len(self.blocks) > 1 else nullcontext():
            if self.run is not None:
                return self._two_passes(params, self.run, keep=False)
            if self.n_jobs == 1:
                return self._two_passes(params, map, keep=True)
            with ThreadPoolExecutor(self.n_jobs) as pool:
                return self._two_passes(params, pool.map, keep=True)

    def cost(self, theta):
        """Return the cost alone, without saving the time that the gradient takes."""
        return self(theta)[0]

    def rows(self, block):
        """Return a slice of ``X`` and of the targets as floating-point numbers, ``X`` scaled."""
        X = self.X[block]
        X = X if X.dtype == self.dtype and self.scale == 1 else np.multiply(X, self.scale, dtype=self.dtype)
        return X, X if self.target is None else as_floats(self.target[block], "target").astype(self.dtype, copy=False)

    def params(self, theta):
        """Return ``theta`` in the shape that the net's parameters have."""
        theta = as_floats(theta, "theta")
        if not np.isfinite(theta).all():
            raise ValueError(f"theta must be finite, but theta[{np.argmin(np.isfinite(theta))}] is not")
        return unflatten(theta.astype(self.dtype, copy=False), self.like or self._like(theta.size))

    def _like(self, size):
        """Return parameters of ``size`` numbers: their count is linear in the number of hidden units."""
        rng, n = np.random.default_rng(0), self.X.shape[1]
        one, two = (sum(np.size(P) for P in leaves(self.net.init(n, h, rng))) for h in (1, 2))
        hidden = 1 + (size - one) // (two - one) if two > one else 1
        return self.net.init(n, max(int(hidden), 1), rng)

    def _two_passes(self, params, run, keep):
        net, m = self.net, self.X.shape[0]
        codes = {}

        def sums_of_lane(lane):
            total = 0.0
            for block in lane:
                X, target = self.rows(block)
                net.check(params, X, target)
                summary, codes[block.start] = first_pass(net, params, X)
                total = total + summary
            return total

        def gradient_of_lane(lane, price):
            loss, total = 0.0, 0.0
            for block in lane:
                X, target = self.rows(block)
                one, gradient = second_pass(net, params, X, target, price, codes.pop(block.start))
                loss, total = loss + one, total + gradient
            return loss, total

        if keep:
            mean = sum(run(sums_of_lane, self.lanes)) / m
            penalty, price = net.penalty(mean)
            parts = list(run(partial(gradient_of_lane, price=price), self.lanes))
        else:
            data = [self.rows(block) for block in self.blocks]
            mean = sum(run(partial(_summary_of, net, params), data)) / m
            penalty, price = net.penalty(mean)
            parts = list(run(partial(_gradient_of, net, params, price), data))
        loss, gradient = sum(part[0] for part in parts), sum(part[1] for part in parts) / m
        decay, slope = net.decay(params)
        if slope is not None:
            gradient = gradient + flatten(slope)
        return float(loss / m + penalty + decay), gradient.astype(self.dtype, copy=False)


def _summary_of(net, params, block):
    net.check(params, *block)
    return first_pass(net, params, block[0])[0]


def _gradient_of(net, params, price, block):
    X, target = block
    return second_pass(net, params, X, target, price)


def blocks_by(m, rows):
    """Return slices of so many rows, the last one perhaps shorter, that make up m rows."""
    return [slice(i, min(i + rows, m)) for i in range(0, m, rows)]


# --- Adam -------------------------------------------------------------------------------------------------------
class AdamState(NamedTuple):
    """All that `adam` needs to go on exactly where it stopped: after ``t`` steps, with its two moving averages."""

    params: tuple
    mean: np.ndarray
    square: np.ndarray
    t: int
    memory: object


class Descent(NamedTuple):
    """How a training by mini-batches went.

    ``cost[i]`` is the mean cost of the batches between step ``steps[i - 1]`` and step ``steps[i]``, ``dead[i]`` the
    number of latents that then counted as dead (0 for nets without latents), ``stopped`` one of "batches", "converged",
    "callback" and "interrupted", and ``state`` what to give to `adam` to go on.
    """

    cost: np.ndarray
    steps: np.ndarray
    dead: np.ndarray
    stopped: str
    state: AdamState


class Minibatches:
    """The rows of ``X`` in mini-batches, shuffled anew in every epoch.

    The order of epoch e follows from the seed and e alone, so that a training can be resumed at any step.

    Parameters
    ----------
    X : array of shape (m, n)
        It may lie in a file; a batch is read when it is its turn.
    size : int
        Rows of a batch; the last one of an epoch may be smaller.
    epochs : int
    seed : int
    start : int
        Number of batches to leave out, because they were used already: the ``t`` of an `AdamState`.
    target : array of shape (m, n_out), optional
    scale : float
        As for `Objective`.
    """

    def __init__(self, X, size, *, epochs=1, seed=0, start=0, target=None, scale=1.0):
        self.X, self.target, self.scale = X, target, positive(scale, "scale")
        self.size = min(whole_number(size, "size"), X.shape[0])
        self.epochs, self.seed = whole_number(epochs, "epochs"), whole_number(seed, "seed", least=0)
        self.start = whole_number(start, "start", least=0)
        self.per_epoch = -(-X.shape[0] // self.size)

    def __len__(self):
        return max(self.epochs * self.per_epoch - self.start, 0)

    def __iter__(self):
        for epoch in range(self.start // self.per_epoch, self.epochs):
            order = np.random.default_rng([self.seed, epoch]).permutation(self.X.shape[0])
            skip = max(self.start - epoch * self.per_epoch, 0)
            for k in range(skip, self.per_epoch):
                rows = order[k * self.size : (k + 1) * self.size]
                X = self.X[rows]
                if self.scale != 1 or X.dtype not in (np.float32, np.float64):
                    X = np.multiply(X, self.scale, dtype=np.float32 if X.dtype == np.uint8 else None)
                yield X if self.target is None else (X, self.target[rows])


def adam(
    net,
    params,
    batches,
    *,
    learning_rate=1e-3,
    betas=(0.9, 0.999),
    state=None,
    report=None,
    revive_every=None,
    rng=None,
    tol=0.0,
    progress=False,
    callback=None,
):
    """Train any net by Adam (Kingma and Ba, 2015): one step for each batch, and no look at data that is not in it.

    Parameters
    ----------
    net : Architecture
    params : NamedTuple of arrays
        Where to start; not changed.
    batches : iterable
        Arrays ``X`` of shape (rows, n), or pairs ``(X, target)``; `Minibatches` makes them of a data set.
    learning_rate : float or callable
        The step size, or a function that gives it for step t = 0, 1, ...
    betas : pair of float
        How much the two moving averages keep, each in [0, 1).
    state : AdamState, optional
        From an earlier training, to go on exactly where it stopped; ``params`` is then not looked at.
    report : int, optional
        Steps of which `Descent` gives the mean cost: an epoch of `Minibatches`, otherwise 100.
    revive_every : int, optional
        After so many steps, latents that count as dead start anew (``net.revive``), for which ``rng`` is needed.
    tol : float
        The training has converged when the mean cost of a report differs from the one before by at most ``tol`` times
        its size; 0 goes on until the batches end.
    progress : bool
    callback : callable, optional
        Called as ``callback(t, params, cost)`` after each report; the training stops when it returns True.

    Returns
    -------
    params : like ``params``
        After the last step; also after a keyboard interrupt.
    descent : Descent

    Raises
    ------
    ValueError
        If an argument is outside its range, a batch does not fit, or the cost grows beyond all bounds.
    """
    rate = learning_rate if callable(learning_rate) else partial(_constant, positive(learning_rate, "learning_rate"))
    b1, b2 = (nonnegative(b, "betas") for b in betas)
    tol, report = nonnegative(tol, "tol"), report or getattr(batches, "per_epoch", 100)
    if state is None:
        params, t, memory = unflatten(flatten(as_params(params)), params), 0, None  # a copy
        mean = square = np.zeros_like(flatten(params))
    else:
        params, mean, square, t, memory = state
    costs, steps, deads, running, dead, stopped = [], [], [], [], False, "batches"
    total = len(batches) if hasattr(batches, "__len__") else None
    bar = progress_bar(total, "Adam", progress)
    # Nothing is overwritten, and the state is made in one assignment: after an interrupt its parts belong together.
    done = AdamState(params, mean, square, t, memory)
    try:
        with bar, np.errstate(over="ignore", invalid="ignore"):
            for batch in batches:
                X, target = batch if isinstance(batch, tuple) else (batch, None)
                X = as_matrix(X)
                target = X if target is None else as_matrix(target, "target")
                same_shape(X[:, :1], target[:, :1], ("X", "target"))
                cost, gradient, dead, params, memory = step_of(net, params, X, target, memory)
                if not np.isfinite(cost):
                    raise ValueError(f"the cost grew beyond all bounds at step {t}; a smaller learning_rate may help")
                theta, g = flatten(params), flatten(gradient)
                mean = b1 * mean + (1 - b1) * g  # (eq-adam-mean)
                square = b2 * square + (1 - b2) * g * g  # (eq-adam-square)
                t += 1
                root = np.sqrt(square) / math.sqrt(1 - b2**t) + 1e-8
                theta = theta - rate(t - 1) / (1 - b1**t) * mean / root  # (eq-adam-step)
                params = net.constrain(unflatten(theta, params))
                if revive_every and t % revive_every == 0 and np.any(dead):
                    params, fresh = net.revive(params, dead, X, rng)
                    fresh = flatten(fresh).astype(bool)
                    mean, square = np.where(fresh, 0, mean), np.where(fresh, 0, square)
                running.append(cost)
                done = AdamState(params, mean, square, t, memory)
                bar.update(1)
                if t % report == 0:
                    costs.append(float(np.mean(running)))
                    steps.append(t)
                    deads.append(int(np.sum(dead)))
                    running = []
                    bar.set_postfix_str(f"cost {costs[-1]:.4g}", refresh=False)
                    if callback is not None and callback(t, params, costs[-1]):
                        stopped = "callback"
                        break
                    if tol and len(costs) > 1 and abs(costs[-2] - costs[-1]) <= tol * abs(costs[-1]):
                        stopped = "converged"
                        break
    except KeyboardInterrupt:
        stopped = "interrupted"
    if running and stopped == "batches":
        costs, steps, deads = [*costs, float(np.mean(running))], [*steps, t], [*deads, int(np.sum(dead))]
    return done.params, Descent(np.array(costs), np.array(steps, int), np.array(deads, int), stopped, done)


def step_of(net, params, X, target, memory):
    """Return cost, gradient, mask of dead latents, params and memory for one batch."""
    net.check(params, X, target)
    summary, codes = first_pass(net, params, X)
    mean, dead = summary / len(X), False
    if hasattr(net, "remember"):
        params, memory, mean = net.remember(params, memory, mean)
        dead = mean == 0
    penalty, price = net.penalty(mean)
    loss, gradient = net.backward(params, X, target, codes, price)
    decay, slope = net.decay(params)
    total = flatten(gradient) / len(X)
    if slope is not None:
        total = total + flatten(slope)
    gradient = unflatten(total, params)
    if hasattr(net, "project"):
        gradient = net.project(params, gradient)
    return float(loss / len(X) + penalty + decay), gradient, dead, params, memory


def _constant(value, t):
    return value


def linear_decay(learning_rate, steps):
    """Return a schedule for `adam`: from ``learning_rate`` in a straight line to 0 after ``steps`` steps."""
    learning_rate, steps = positive(learning_rate, "learning_rate"), whole_number(steps, "steps")
    return lambda t: learning_rate * max(1 - t / steps, 0.0)


# --- L-BFGS -----------------------------------------------------------------------------------------------------
def lbfgs(
    net, params, X, *, target=None, max_iter=400, tol=1e-9, progress=False, callback=None, scale=1.0, n_jobs=None
):
    """Train any net by SciPy's L-BFGS-B on the whole data (Liu and Nocedal, 1989).

    Parameters
    ----------
    net : Architecture
    params : NamedTuple of arrays
        Where to start.
    X, target, scale, n_jobs
        As for `Objective`.
    max_iter : int
    tol : float
        The training has converged when an iteration changes the cost by at most ``tol`` times its size.
    progress : bool
    callback : callable, optional
        Called as ``callback(iteration, params, cost)`` from iteration 0 on; the training stops when it returns True.

    Returns
    -------
    params : like ``params``
        Those of least cost; also after a keyboard interrupt.
    history : saelib.train.History

    Raises
    ------
    ValueError
        If an argument is outside its range or a shape does not fit.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    from .train import LBFGS_ADVICE, _Recorder

    params = as_params(params)
    objective = Objective(net, X, target=target, scale=scale, n_jobs=n_jobs, like=params)
    start, passes = flatten(params).astype(float), 0
    record = _Recorder("L-BFGS", params, max_iter, tol, progress, callback, LBFGS_ADVICE)

    def evaluate(theta):
        nonlocal passes
        passes += 1
        J, gradient = objective(theta)
        return J, gradient.astype(float)

    def after_iteration(intermediate_result):
        nonlocal passes
        since, passes = passes, 0
        theta = intermediate_result.x.astype(objective.dtype)
        if record(unflatten(theta, params), float(intermediate_result.fun), passes=since):
            raise StopIteration

    with record, threadpool_limits(1, user_api="blas"):
        if not record(params, evaluate(start)[0], passes=1):
            passes = 0
            options = {"maxiter": record.max_iter, "maxfun": np.inf, "ftol": 0, "gtol": 0}
            minimize(evaluate, start, jac=True, method="L-BFGS-B", callback=after_iteration, options=options)
            record.stopped = record.stopped or "converged"
    return record.best, record.history()
