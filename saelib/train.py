"""Descending: the textbook gradient descent, Adam and L-BFGS, each returning ``(params, history)``."""

import math
from itertools import repeat
from typing import NamedTuple

import numpy as np

from ._checks import as_matrix, function, generator, nonnegative, positive, whole_number
from ._workplace import join, parts_of, split, two_threads
from .backprop import hidden_delta, output_delta
from .cost import check_columns, check_problem, terms_from_forward
from .network import Params, check_params, forward, pack, unpack
from .objective import BatchGradient, Objective, is_sliced
from .progress import progress_bar

LBFGS_ADVICE = "data or first weights nearer to 1 in size may help"


class History(NamedTuple):
    """How a training went.

    ``cost[k]`` is the cost after k iterations (of Adam: epochs), ``evaluations[k]`` how often the whole data had been
    gone through until then, and ``stopped`` says why it ended: "converged", "max_iter", "callback" or "interrupted".
    """

    cost: np.ndarray
    evaluations: np.ndarray
    stopped: str


def gradient_descent(
    params, X, *, lam, rho, beta, alpha, output="sigmoid", max_iter=1000, tol=1e-7, progress=False, callback=None
):
    """Train by batch gradient descent with a fixed learning rate: the textbook algorithm, step by step.

    Parameters
    ----------
    params : Params
        Where to start, from `saelib.init_params`.
    X : array of shape (m, s1)
        The inputs, in [0, 1] when the output is sigmoid.
    lam, rho, beta, output
        As for `saelib.sparse_cost`.
    alpha : float
        The learning rate, > 0.
    max_iter : int
        Largest number of updates.
    tol : float
        The training has converged when an update changes the cost by at most ``tol`` times its size.
    progress : bool
        Whether to show a progress bar.
    callback : callable, optional
        Called as ``callback(iteration, params, cost)`` from iteration 0 on; the training stops when it returns True.

    Returns
    -------
    params : Params
        The parameters of least cost that were met; also after a keyboard interrupt.
    history : History

    Raises
    ------
    ValueError
        If an argument is outside its range, a shape does not fit, or the cost grows beyond all bounds.
    """
    params, X = check_problem(params, X, output)
    alpha, lam, m = positive(alpha, "alpha"), nonnegative(lam, "lam"), X.shape[0]

    record = _Recorder("gradient descent", params, max_iter, tol, progress, callback)
    with record, np.errstate(over="ignore", invalid="ignore"):  # a cost out of bounds is an error of its own
        while True:
            # 1. Forward pass over all samples: the hidden deltas need rho_hat, the mean over every one of them.
            cache = forward(params, X, output=output)
            cost = terms_from_forward(params, cache, X, lam=lam, rho=rho, beta=beta).total
            if record(params, cost, passes=1):
                break
            # 2. The error at the output, 3. handed back to the hidden units.
            delta3 = output_delta(cache, X, output=output)
            delta2 = hidden_delta(params, cache, delta3, rho=rho, beta=beta)
            # 4. The partial derivatives, summed over the samples.
            Delta = Params(delta2.T @ X, delta2.sum(axis=0), delta3.T @ cache.A2, delta3.sum(axis=0))
            # 5. The update: the mean of the sums, and the decay, of the weights only.
            W1, b1, W2, b2 = params
            params = Params(
                W1=W1 - alpha * (Delta.W1 / m + lam * W1),  # (eq-update-W)
                b1=b1 - alpha * (Delta.b1 / m),  # (eq-update-b)
                W2=W2 - alpha * (Delta.W2 / m + lam * W2),  # (eq-update-W)
                b2=b2 - alpha * (Delta.b2 / m),  # (eq-update-b)
            )
            # 6. Repeat, unless the step went too far.
            record.check(pack(params))
    return record.best, record.history()


def adam(
    params,
    X,
    *,
    lam,
    rho,
    beta,
    rng,
    alpha=1e-3,
    batch_size=256,
    output="sigmoid",
    max_iter=100,
    tol=1e-7,
    progress=False,
    callback=None,
):
    """Train by Adam on mini-batches (Kingma and Ba, 2015); rho_hat is the mean over the batch.

    Arguments, results and errors are those of `gradient_descent`, but an iteration is an epoch, and:

    Parameters
    ----------
    rng : numpy.random.Generator
        Shuffles the samples before every epoch.
    alpha : float
        The step size; the other constants keep their published values.
    batch_size : int
        Samples in a mini-batch; the last one of an epoch may be smaller.
    """
    params, X = check_problem(params, X, output)
    alpha, rng, m = positive(alpha, "alpha"), generator(rng), X.shape[0]
    batch_size = min(whole_number(batch_size, "batch_size"), m)
    whole, theta, t = Objective(X, lam=lam, rho=rho, beta=beta, output=output), join(params), 0
    mean, square, step = np.zeros_like(theta), np.zeros_like(theta), np.empty_like(theta)

    def update(part, gradient, t):
        """One step of Adam for a part of the parameters, in memory that is there already."""
        m, v, s, g = mean[part], square[part], step[part], gradient[part]
        m *= 0.9
        m += np.multiply(g, 0.1, out=s)  # (eq-adam-mean)
        v *= 0.999
        v += np.multiply(g, np.multiply(g, 0.001, out=s), out=s)  # (eq-adam-square)
        np.sqrt(v, out=s)
        s /= math.sqrt(1 - 0.999**t)
        s += 1e-8
        np.divide(m, s, out=s)
        s *= alpha / (1 - 0.9**t)
        theta[part] -= s  # (eq-adam-step)

    record = _Recorder("Adam", params, max_iter, tol, progress, callback)
    with record, two_threads() as run, np.errstate(over="ignore", invalid="ignore"):
        batch_gradient = BatchGradient(whole, params, run)
        # An epoch goes through the data twice: in batches, and once more for the cost of the whole.
        while True:
            W1, W2b, b1 = split(theta.copy(), params)
            params = Params(W1, b1, W2b[:, :-1], W2b[:, -1])
            if record(params, whole.cost(pack(params)), passes=2 if t else 1):
                break
            order = rng.permutation(m)
            for start in range(0, m, batch_size):
                gradient = batch_gradient(theta, order[start : start + batch_size])
                t += 1
                list(run(update, parts_of(theta), repeat(gradient), repeat(t)))
                record.check(theta)
    return record.best, record.history()


def lbfgs(
    params,
    X,
    *,
    lam,
    rho,
    beta,
    output="sigmoid",
    max_iter=400,
    tol=1e-9,
    progress=False,
    callback=None,
    scale=1.0,
    n_jobs=None,
):
    """Train by SciPy's L-BFGS-B on the whole data, the method of choice for these small networks.

    Arguments, results and errors are those of `gradient_descent`, without a learning rate: each step is scaled by what
    the last ten gradients tell of the curvature (Liu and Nocedal, 1989).  ``scale`` and ``n_jobs`` are those of
    `saelib.Objective`, and as there ``X`` may lie in a file and be larger than memory.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    params, passes = check_params(params), 0
    X = X if is_sliced(X) else as_matrix(X, columns=params.W1.shape[1])
    objective = Objective(X, lam=lam, rho=rho, beta=beta, output=output, scale=scale, n_jobs=n_jobs)
    check_columns(params, objective.X)
    record = _Recorder("L-BFGS", params, max_iter, tol, progress, callback, LBFGS_ADVICE)

    def evaluate(theta):
        nonlocal passes
        passes += 1
        J, gradient = objective(theta)
        return J, gradient.astype(float)

    def after_iteration(intermediate_result):
        nonlocal passes
        theta, J = intermediate_result.x.copy(), float(intermediate_result.fun)
        since, passes = passes, 0
        if record(unpack(theta.astype(objective.dtype), params), J, passes=since):
            raise StopIteration

    # SciPy and NumPy bring a BLAS each; SciPy's would start threads of its own for vectors too short to share.
    with record, threadpool_limits(1, user_api="blas"):
        start = pack(params).astype(float)
        if not record(params, evaluate(start)[0], passes=1):
            passes = 0
            options = {"maxiter": record.max_iter, "maxfun": np.inf, "ftol": 0, "gtol": 0}
            minimize(evaluate, start, jac=True, method="L-BFGS-B", callback=after_iteration, options=options)
            record.stopped = record.stopped or "converged"  # SciPy finds no lower point along its direction
    return record.best, record.history()


class _Recorder:
    """Keeps the history and the best parameters of a training, shows its progress, and says when to stop."""

    def __init__(self, label, params, max_iter, tol, progress, callback, advice="a smaller alpha may help"):
        self.advice = advice
        self.max_iter, self.tol = whole_number(max_iter, "max_iter", least=0), nonnegative(tol, "tol")
        self.callback = callback if callback is None else function(callback, "callback")
        self.stopped = None
        self.costs, self.passes = [], []  # lists that grow, of which the first `taken` entries count
        self.taken, self.best, self.least = 0, params, np.inf
        self.bar = progress_bar(self.max_iter, label, progress)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.bar.close()
        if kind is KeyboardInterrupt:
            self.stopped = "interrupted"
            return True
        return False

    def __call__(self, params, cost, *, passes):
        """Take note of an iteration; return whether it was the last."""
        self.check(cost)
        cost, k = float(cost), self.taken
        del self.costs[k:], self.passes[k:]
        self.costs.append(cost)
        self.passes.append(passes)
        better = not k or cost < self.least
        # At once, so that they belong together after an interrupt.
        self.taken, self.best, self.least = k + 1, params if better else self.best, cost if better else self.least
        if k:
            self.bar.set_postfix_str(f"cost {cost:.4g}", refresh=False)
            self.bar.update(1)
        if self.callback is not None and self.callback(k, params, cost):
            self.stopped = "callback"
        elif k and abs(self.costs[-2] - cost) <= self.tol * abs(cost):
            self.stopped = "converged"
        elif k >= self.max_iter:
            self.stopped = "max_iter"
        return self.stopped is not None

    def check(self, values):
        """Raise an error if the cost, or the length of the parameters, is beyond all bounds."""
        if not np.isfinite(np.vdot(values, values)):
            at = self.taken
            raise ValueError(f"the cost grew beyond all bounds at iteration {at}; {self.advice}")

    def history(self):
        return History(np.array(self.costs[: self.taken]), np.cumsum(self.passes[: self.taken]), self.stopped)
