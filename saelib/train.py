"""Going downhill: the lecture notes' gradient descent on the page's functions; Adam and L-BFGS for any autoencoder."""

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ._checks import as_matrix, as_rows, function, generator, nonnegative, positive, same_shape, whole_number
from ._workplace import parts_of, quickest, two_threads
from .architecture import as_params, flatten, leaves, unflatten, write
from .backprop import hidden_delta, output_delta
from .cost import check_problem, terms_from_forward
from .network import Params, forward, pack
from .objective import Objective, Step, lies_elsewhere
from .progress import progress_bar

SLICE = 640 << 10  # bytes of a vector: Adam's eight stay in the cache, and calls, for which threads wait, are few
NEARER_TO_1 = "data or first weights nearer to 1 in size may help"  # before the first step no step is too long


class History(NamedTuple):
    """How a training went.

    ``cost[k]`` is the cost after k iterations, ``evaluations[k]`` how often the whole data had been gone through until
    then, and ``stopped`` says why it ended: "converged", "max_iter", "callback" or "interrupted".
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
        It may lie in a file; a batch is read when it is its turn.  Or on a cluster (`saelib.scaling.Spread`): its
        workers then share each batch, and only the sums of their gradients come here.
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
        lies_elsewhere(X, target=target, scale=scale)
        self.X, self.target, self.scale = as_rows(X), target, positive(scale, "scale")
        if target is not None and len(target) != self.X.shape[0]:
            raise ValueError(f"target must have a row for each row of X, got {len(target)} and {self.X.shape[0]}")
        self.size = min(whole_number(size, "size"), self.X.shape[0])
        self.epochs, self.seed = whole_number(epochs, "epochs"), whole_number(seed, "seed", least=0)
        self.start = whole_number(start, "start", least=0)
        self.per_epoch = -(-self.X.shape[0] // self.size)

    def __len__(self):
        return max(self.epochs * self.per_epoch - self.start, 0)

    def __iter__(self):
        for epoch in range(self.start // self.per_epoch, self.epochs):
            order = np.random.default_rng([self.seed, epoch]).permutation(self.X.shape[0])
            skip = max(self.start - epoch * self.per_epoch, 0)
            for k in range(skip, self.per_epoch):
                rows = order[k * self.size : (k + 1) * self.size]
                X = np.take(self.X, rows, axis=0) if type(self.X) is np.ndarray else self.X[rows]
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
    if np.shape(betas) != (2,) or not all(0 <= b < 1 for b in betas):
        raise ValueError(f"betas must be two numbers >= 0 and < 1, got {betas}")
    if revive_every is not None:
        revive_every, rng = whole_number(revive_every, "revive_every"), generator(rng)
    tol, callback = nonnegative(tol, "tol"), callback if callback is None else function(callback, "callback")
    report = getattr(batches, "per_epoch", 100) if report is None else whole_number(report, "report")
    if state is None:
        params = as_params(params)
        none = np.zeros_like(flatten(params))
        state = AdamState(params, none, none, 0, None)
    now, t, memory, done = None, state.t, state.memory, None
    reports, running, dead, stopped = [], [], False, "batches"
    total = len(batches) if hasattr(batches, "__len__") else None
    bar = progress_bar(total, "Adam", progress)
    try:
        with bar, two_threads() as run, np.errstate(over="ignore", invalid="ignore"):
            step = Step(net, run)
            for batch in batches:
                X, target = batch if isinstance(batch, tuple) else (batch, None)
                if not lies_elsewhere(X, net, target=target):  # where the workers look
                    X = as_matrix(X, finite=False)  # what is not shows in the cost
                    if target is None:
                        target = X
                    else:
                        target = as_matrix(target, "target", finite=False)
                        same_shape(X[:, :1], target[:, :1], ("X", "target"))
                if now is None:
                    form = step.begin(state.params, X, target)
                    # A step reads one set of vectors and writes the other, and what comes of it is kept by one
                    # assignment: after an interrupt its parts belong together.
                    now, then = _Vectors.of(state, form), _Vectors.of(state, form)
                    scratch, parts = np.empty_like(now.theta), parts_of(now.theta)
                    shared = run if len(parts) > 1 else map
                cost, gradient, dead, params, memory = step(now.params, X, target, memory)
                _within_bounds(cost * cost, t, X, target)
                if params is not now.params:
                    now = now.at(params)
                if hasattr(net, "project"):
                    pieces = form.views(gradient)
                    write(net.project(params, pieces), pieces)
                move = partial(quickest(_move), old=now, new=then, gradient=gradient, scratch=scratch, betas=betas)
                squares = shared(partial(move, t=t + 1, rate=rate(t)), parts)
                t += 1
                _within_bounds(sum(squares), t, X, target)
                params = net.constrain(then.params)
                if revive_every and t % revive_every == 0 and np.any(dead):
                    params, fresh = net.revive(params, dead, np.asarray(X), rng)
                    fresh = _packed(unflatten(flatten(fresh), params), form).astype(bool)
                    then.mean[fresh] = then.square[fresh] = 0
                if params is not then.params:
                    write(params, then.params)
                now, then = then, now
                done = now, t, memory
                running.append(cost)
                bar.update(1)
                if t % report == 0:
                    cost, running = float(np.mean(running)), []
                    before = reports[-1][0] if reports else np.inf
                    reports.append((cost, t, int(np.sum(dead))))
                    bar.set_postfix_str(f"cost {cost:.4g}", refresh=False)
                    if callback is not None and callback(t, unflatten(flatten(now.params), params), cost):
                        stopped = "callback"
                        break
                    if tol and abs(before - cost) <= tol * abs(cost):
                        stopped = "converged"
                        break
    except KeyboardInterrupt:
        stopped = "interrupted"
    if running and stopped == "batches":
        reports.append((float(np.mean(running)), t, int(np.sum(dead))))
    if done is not None:
        vectors, t, memory = done
        theta, mean, square = (flatten(vectors.form.views(v)) for v in vectors[2:])
        state = AdamState(unflatten(theta, state.params), mean, square, t, memory)
    costs, steps, deads = (np.array([one[i] for one in reports], kind) for i, kind in enumerate((float, int, int)))
    return state.params, Descent(costs, steps, deads, stopped, state)


class _Vectors(NamedTuple):
    """Parameters, as views of their vector ``theta``, and Adam's two moving averages, all in the order of ``form``."""

    form: Any
    params: tuple
    theta: np.ndarray
    mean: np.ndarray
    square: np.ndarray

    @classmethod
    def of(cls, state, form):
        mean, square = (_packed(unflatten(v, state.params), form) for v in (state.mean, state.square))
        return cls(form, (), mean, mean, square).at(state.params)

    def at(self, params):
        theta = _packed(params, self.form)
        return self._replace(params=self.form.views(theta), theta=theta)


def _packed(params, form):
    """Return the parameters as one vector in the order of ``form``."""
    arrays = leaves(params)
    vector = np.empty(sum(P.size for P in arrays), np.result_type(*arrays))
    write(params, form.views(vector))
    return vector


def _move(part, old, new, gradient, scratch, betas, t, rate):
    """Make step t for a part of the parameters, and return the sum of their squares.

    In memory that is there already; slices of it stay in the cache.
    """
    b1, b2 = betas
    root, squares = math.sqrt(1 - b2**t), 0.0
    length = part.stop - part.start
    pieces = math.ceil(length * scratch.itemsize / SLICE)
    size = math.ceil(length / pieces)  # all pieces of about one length
    for start in range(part.start, part.stop, size):
        now = slice(start, min(start + size, part.stop))
        g, s, mean, square, theta = gradient[now], scratch[now], new.mean[now], new.square[now], new.theta[now]
        np.multiply(old.mean[now], b1, out=mean)
        mean += np.multiply(g, 1 - b1, out=s)  # (eq-adam-mean)
        np.multiply(old.square[now], b2, out=square)
        np.multiply(g, 1 - b2, out=s)
        square += np.multiply(s, g, out=s)  # (eq-adam-square)
        np.sqrt(square, out=s)
        s += 1e-8 * root
        np.divide(mean, s, out=s)
        s *= rate * root / (1 - b1**t)
        np.subtract(old.theta[now], s, out=theta)  # (eq-adam-step)
        squares += float(np.vdot(theta, theta))
    return squares


def _within_bounds(squares, t, X, target):
    """Raise an error if a sum of squares is not finite: of what is not finite in the data, or else of the step."""
    if not math.isfinite(squares):
        if not lies_elsewhere(X):
            as_matrix(X), as_matrix(target, "target")
        advice = "a smaller learning_rate may help" if t else NEARER_TO_1
        raise ValueError(f"the cost grew beyond all bounds at step {t}; {advice}")


def _constant(value, t):
    return value


def linear_decay(learning_rate, steps):
    """Return a schedule for `adam`: from ``learning_rate`` in a straight line to 0 after ``steps`` steps."""
    learning_rate, steps = positive(learning_rate, "learning_rate"), whole_number(steps, "steps")
    return lambda t: learning_rate * max(1 - t / steps, 0.0)


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
    history : History

    Raises
    ------
    ValueError
        If an argument is outside its range or a shape does not fit.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    params = as_params(params)
    objective = Objective(net, X, target=target, scale=scale, n_jobs=n_jobs, like=params)
    start, passes = flatten(params).astype(float), 0
    record = _Recorder("L-BFGS", params, max_iter, tol, progress, callback, NEARER_TO_1)

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

    with record, threadpool_limits(1, user_api="blas"), np.errstate(over="ignore", invalid="ignore"):
        if not record(params, evaluate(start)[0], passes=1):
            passes = 0
            options = {"maxiter": record.max_iter, "maxfun": np.inf, "ftol": 0, "gtol": 0}
            minimize(evaluate, start, jac=True, method="L-BFGS-B", callback=after_iteration, options=options)
            record.stopped = record.stopped or "converged"
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
            advice = self.advice if self.taken else NEARER_TO_1
            raise ValueError(f"the cost grew beyond all bounds at iteration {self.taken}; {advice}")

    def history(self):
        return History(np.array(self.costs[: self.taken]), np.cumsum(self.passes[: self.taken]), self.stopped)
