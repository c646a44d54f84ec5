"""The cost and its gradient on packed parameters, for any autoencoder that keeps the contract of `saelib.architecture`.

No autoencoder is named here.  The data is dealt out in blocks of rows, which stay in the processor's cache; threads
share the blocks while each product of matrices runs on one thread.  A net that has a `fast` form of its equations is
computed by that.
"""

import re
from collections import deque
from contextlib import nullcontext
from functools import cache, partial
from threading import Event
from typing import Any

import numpy as np

from ._checks import as_floats, as_matrix, as_rows, function, positive, whole_number
from ._workplace import blocks_of, keep_freed_memory, number_of_threads, threads
from .architecture import flatten, leaves, unflatten

LANES = 8  # every LANES-th block is added up in one lane, however many threads there are: the sums are the same
KEPT = 1 << 30  # bytes of the codes that wait in memory for the second pass; what is beyond them is encoded again
MULTIPLICATIONS_FOR_TWO = 1 << 24  # of parameters and rows of a batch: below, threads cost more time than they save


class Plain:
    """The two passes of a net on blocks of rows, as its equations stand; what `fast` returns does the same."""

    reuses = False  # whether `encode` and `backward` write into what they gave before

    def __init__(self, net, params):
        self.net, self.params = net, params

    def check(self, X, target):
        """Say what of a batch does not fit. That the parameters do was seen before the first step."""
        self.net.check(self.params, X, target)

    def work(self, rows) -> Any:
        """Return memory for one thread and blocks of so many rows."""

    def encode(self, X, codes=None):
        """Return the codes of the rows ``X``, perhaps in the memory of earlier ``codes``."""
        return self.net.encode(self.params, X)

    def summary(self, codes):
        return self.net.summary(codes)

    def backward(self, X, target, codes, price, work=None):
        """Return the loss and the gradient (a vector in the form's order), both summed over the rows."""
        loss, gradient = self.net.backward(self.params, X, target, codes, price)
        return loss, flatten(gradient)

    def loss(self, X, target, codes, price, work=None):
        """Return the loss alone."""
        return self.backward(X, target, codes, price, work)[0]

    def views(self, vector):
        """Return a vector in the form's order in the shape of the parameters, without a copy."""
        return unflatten(vector, self.params)

    def at(self, params):
        """Return the form for other parameters of the same shapes, perhaps in the memory of this one."""
        self.params = params
        return self

    def mean(self, gradients, m, run=map):
        """Return the decay, and the mean of m rows' ``gradients`` with the decay's added, in the memory of the first.

        ``run`` is a function like `map` that shares parts of them among threads.
        """
        total = gradients[0]
        for other in gradients[1:]:
            total += other
        total /= m
        decay, slope = self.net.decay(self.params)
        if slope is not None:
            for piece, more in zip(leaves(self.views(total)), leaves(slope), strict=True):
                piece += more
        return decay, total


def form_of(net, params):
    """Return what computes the two passes of ``net`` at ``params``."""
    return net.fast(params) if _has_fast(type(net)) else Plain(net, params)


@cache
def _has_fast(kind):
    """Return whether a class of nets has a `fast` form that no subclass has made untrue.

    It does so by changing an equation, or what fits.
    """

    def place(name):
        return next((i for i, cls in enumerate(kind.__mro__) if name in vars(cls)), len(kind.__mro__))

    changed = min(place(name) for name in ("check", "encode", "decode", "summary", "backward"))
    return hasattr(kind, "fast") and place("fast") <= changed


class Objective:
    """The cost of an autoencoder on ``X`` as a function of its packed parameters, with the gradient.

    ``J, gradient = objective(theta)``, where ``J`` = mean loss of a row + penalty(mean summary) + decay.  A first pass
    over blocks of rows adds up their summaries (for the sigmoid net: activations, for rho_hat); a second one computes
    losses and gradients, which are added.

    Parameters
    ----------
    net : Architecture
        For the network of Parts I to III `saelib.nets.Sigmoid`.
    X : array of shape (m, n)
        float32 is computed in float32.  It may lie in a file (`numpy.memmap`, or anything with ``shape``, ``dtype`` and
        slices of rows) and be larger than memory: it is read block by block, and beside it there are the codes, or
        of many rows a gigabyte of them, and some blocks; bytes are computed in float32.
    target : array of shape (m, n_out), optional
        What the output should be; ``X`` itself if not given.
    scale : float
        Every block of ``X`` is multiplied by it as it is read: 1/255 for images of bytes.
    n_jobs : int, optional
        Number of threads that share the blocks; by default as many as there are processors, and in a browser, where
        Python has no threads, one.  The result is the same to the last bit.
    run : callable, optional
        A function like `map` that computes the blocks elsewhere, such as the ``map`` of a pool of processes.  Codes are
        then computed a second time in the second pass, so that only sums travel.  What lies on a cluster
        (`saelib.scaling.Spread`) brings its own ``run``, target, scale and blocks.
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
        self.there = lies_elsewhere(X, net, target=target, scale=scale, run=run, block_rows=block_rows)
        if self.there:
            self.run, n_jobs = X.run, 1
        self.X: Any = as_rows(X)
        self.target = target
        if target is not None and len(target) != self.X.shape[0]:
            raise ValueError(f"target must have a row for each row of X, got {len(target)} and {self.X.shape[0]}")
        self.dtype = np.dtype(np.float32 if self.X.dtype in (np.uint8, np.float32) else np.float64)
        m = self.X.shape[0]
        rows = m if self.there or not getattr(net, "additive", True) else block_rows
        self.blocks = blocks_of(*self.X.shape) if rows is None else blocks_by(m, whole_number(rows, "block_rows"))
        self.lanes = [self.blocks[k::LANES] for k in range(min(LANES, len(self.blocks)))]
        self.n_jobs = min(number_of_threads(n_jobs), len(self.lanes))
        self.likes, self.spare = {}, deque()  # parameters by their count; memory that no call is using
        self.checked = False  # whether all rows fit the net, which needs parameters to be seen
        at_once = len(self.blocks) == 1 or (type(self.X) is np.ndarray and self.X.dtype == self.dtype and scale == 1)
        self.looks = {"X": slice(None)} if at_once else {f"X[{b.start}:{b.stop}]": b for b in self.blocks}
        if self.there:  # where the workers look
            self.looks = {}
        for name, block in self.looks.items():  # now, and not in the midst of a training
            as_matrix(self.rows(block)[0], name)
        if like is not None:
            self._check(like)

    def __call__(self, theta):
        """Return the cost (float) and its gradient, a vector of the dtype in which ``X`` is computed."""
        return self._evaluate(theta)

    def cost(self, theta):
        """Return the cost alone; where the net has a fast form that does without the gradient, this is quicker."""
        return self._evaluate(theta, gradient=False)[0]

    def _evaluate(self, theta, gradient=True):
        params = self.params(theta)
        self._check(params)
        with threads(self.n_jobs) if len(self.blocks) > 1 else nullcontext(map) as run:
            return self._two_passes(params, run, gradient) if self.run is None else self._elsewhere(params)

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
        if size in self.likes:
            return self.likes[size]
        rng, n = np.random.default_rng(0), self.X.shape[1]
        one, two = (sum(np.size(P) for P in leaves(self.net.init(n, h, rng))) for h in (1, 2))
        hidden = 1 + (size - one) // (two - one) if two > one else 1
        self.likes[size] = self.net.init(n, max(int(hidden), 1), rng)
        return self.likes[size]

    def _check(self, params):
        seen = self.checked and getattr(self.net, "additive", True) and not self.there
        for name, block in {"X": slice(0, 1)}.items() if seen else self.looks.items():
            try:
                self.net.check(params, *self.rows(block))
            except ValueError as error:
                raise ValueError(re.sub("^X ", f"{name} ", str(error))) from None
        self.checked = True

    def _two_passes(self, params, run, wanted):
        """Return the cost and, if it is wanted, the gradient."""
        form = form_of(self.net, params)
        memory = self._memory(form)

        def sums_of_lane(lane):
            total = 0.0
            for block in memory.going(lane):
                codes = form.encode(self.rows(block)[0], memory.codes.get(block.start))
                memory.keep(block, codes)
                total = total + form.summary(codes)
            return total

        def gradient_of_lane(lane, total):
            work, loss = memory.take(), 0.0
            total.fill(0)
            for block in memory.going(lane):
                X, target = self.rows(block)
                codes = memory.codes.get(block.start)
                codes = form.encode(X) if codes is None else codes
                if wanted:
                    one, gradient = form.backward(X, target, codes, price, work)
                    total += gradient
                else:
                    one = form.loss(X, target, codes, price, work)
                if not form.reuses:
                    memory.codes.pop(block.start, None)
                loss += one
            memory.works.append(work)
            return loss

        try:
            mean = sum(run(memory.stopping(sums_of_lane), self.lanes)) / self.X.shape[0]
            penalty, price = self.net.penalty(mean)
            loss = sum(run(memory.stopping(gradient_of_lane), self.lanes, memory.totals))
        except BaseException:  # Ctrl-C while this thread waits for the others
            memory.stop.set()
            raise
        J, gradient = self._total(params, loss, flatten(form.views(sum(memory.totals))), penalty)
        self.spare.append(memory)  # not after an error: a worker may still be writing
        return J, gradient

    def _elsewhere(self, params):
        data = self.X.blocks if self.there else [self.rows(block) for block in self.blocks]
        first, second = elsewhere(self.net, form_of if self.there else Plain, self.run, data)
        penalty, price = self.net.penalty(first(params) / self.X.shape[0])
        return self._total(params, *second(params, price), penalty)

    def _total(self, params, loss, gradient, penalty):
        m = self.X.shape[0]
        decay, slope = self.net.decay(params)
        gradient = gradient / m if slope is None else gradient / m + flatten(slope)
        return float(loss / m + penalty + decay), gradient.astype(self.dtype, copy=False)

    def _memory(self, form):
        """Return memory for an evaluation: that of an earlier one, if no other thread has it and it fits."""
        shapes = type(form), [P.shape for P in leaves(form.params)]
        try:
            memory = self.spare.pop()
        except IndexError:
            memory = None
        return memory.of(form) if memory and memory.shapes == shapes else _Memory(form, self, shapes)


class _Memory:
    """What an evaluation needs: the codes of every block, and a sum of gradients for every lane."""

    def __init__(self, form, objective, shapes):
        self.shapes, self.form, self.rows = shapes, form, objective.blocks[0].stop
        size = sum(P.size for P in leaves(form.params))
        self.totals = [np.empty(size, objective.dtype) for _ in objective.lanes]
        self.codes, self.works, self.stop = {}, deque(), Event()

    def of(self, form):
        self.form = form
        return self

    def keep(self, block, codes):
        """Keep a block's codes for the second pass, if the codes of as many rows have room in memory."""
        size = sum(getattr(part, "nbytes", 0) for part in leaves(codes))
        if block.stop * size <= KEPT * (block.stop - block.start):
            self.codes[block.start] = codes

    def going(self, lane):
        """Yield the blocks of a lane until somebody says stop."""
        for block in lane:
            if self.stop.is_set():
                return
            yield block

    def stopping(self, function):
        """Return the function, but when it fails, the other threads stop at their next block."""

        def run(*items):
            try:
                return function(*items)
            except BaseException:
                self.stop.set()
                raise

        return run

    def take(self):
        """Return a thread's memory that no thread is using; to be appended to ``works`` afterwards."""
        try:
            return self.works.pop()
        except IndexError:
            return self.form.work(self.rows)


def lies_elsewhere(X, net=None, **own):
    """Return whether the rows ``X`` lie on a cluster; such bring what is among ``own``, and do not suit every net."""
    if not hasattr(X, "run"):
        return False
    for name, value in own.items():
        if value is not None and not (name == "scale" and value == 1):
            raise ValueError(f"{name} has no meaning here for data on a cluster: give it to saelib.scaling.Spread")
    if not getattr(net, "additive", True):
        raise ValueError(
            f"{type(net).__name__} chooses among all rows of a batch, which on a cluster lie apart; "
            "train it on one machine, with the data as an array or a file"
        )
    return True


def elsewhere(net, form, run, data):
    """Return the two passes, functions of the parameters (and the price), over blocks that ``run`` computes elsewhere.

    ``run`` is like `map`, or adds up what some of the blocks give before it hands it back.
    """

    def first(params):
        return sum(run(partial(_summary_of, net, form, params), data))

    def second(params, price):
        losses, gradients = zip(*run(partial(_gradient_of, net, form, params, price), data), strict=True)
        return sum(losses), sum(gradients)

    return first, second


def _summary_of(net, form, params, block):
    net.check(params, *block)
    form = form(net, params)
    return form.summary(form.encode(block[0]))


def _gradient_of(net, form, params, price, block):
    X, target = block
    form = form(net, params)
    loss, gradient = form.backward(X, target, form.encode(X), price, form.work(len(X)))
    return loss, flatten(form.views(gradient))


def blocks_by(m, rows):
    """Return slices of so many rows, the last one perhaps shorter, that make up m rows."""
    return [slice(i, min(i + rows, m)) for i in range(0, m, rows)]


class Step:
    """Cost and gradient of one mini-batch after the other, in memory that is used again.

    ``run`` is a function like `map` that may give each half of a large batch to a thread; the result is the same.
    """

    def __init__(self, net, run=map):
        self.net, self.run, self.spare = net, run, {}
        self.form: Any = None
        keep_freed_memory()

    def begin(self, params, X, target):
        """Return the form that computes the steps, after a look at whether all fits."""
        there = lies_elsewhere(X, self.net)
        if not there:  # where the workers look
            self.net.check(params, X, target)
        self.form = Plain(self.net, params) if there else form_of(self.net, params)
        return self.form

    def __call__(self, params, X, target, memory):
        """Return cost, gradient (in the form's order and memory), dead latents, params and memory."""
        net, m = self.net, len(X)
        if self.form is None:
            self.begin(params, X, target)
        summary, second = self._there(params, X) if lies_elsewhere(X, net) else self._here(params, X, target)
        mean, dead = summary / m, False
        if hasattr(net, "remember"):
            params, memory, mean = net.remember(params, memory, mean)
            dead = mean == 0
        penalty, price = net.penalty(mean)
        loss, gradients, form, run = second(params, price)
        decay, gradient = form.mean(gradients, m, run)
        return float(loss / m + penalty + decay), gradient, dead, params, memory

    def _there(self, params, X):
        """Return the summary, and the second pass as a function of parameters and price: on a cluster."""
        first, second = elsewhere(self.net, form_of, X.run, X.blocks)

        def both(params, price):
            loss, gradient = second(params, price)
            return loss, [gradient], self.form.at(params), map

        return first(params), both

    def _here(self, before, X, target):
        """Return the same, computed by this process."""
        m = len(X)
        form = self.form.at(before)
        form.check(X, target)
        parts, run, kept, works = self.spare.get(m) or self._plan(m)

        def encode(part, codes):
            codes = form.encode(X[part], codes)
            return codes, form.summary(codes)

        codes, summaries = zip(*run(encode, parts, kept), strict=True)

        def second(params, price):
            now = form if params is before else form.at(params)

            def gradient_of(part, codes, work):
                return now.backward(X[part], target[part], codes, price, work)

            losses, gradients = zip(*run(gradient_of, parts, codes, works), strict=True)
            self.spare[m] = parts, run, codes if form.reuses else kept, works
            return sum(losses), gradients, now, run

        return sum(summaries), second

    def _plan(self, m):
        """Return the parts of a batch of m rows, what runs them, and memory for them."""
        large = m * sum(P.size for P in leaves(self.form.params)) >= 2 * MULTIPLICATIONS_FOR_TWO
        halves = 2 if large and getattr(self.net, "additive", True) else 1
        parts = blocks_by(m, -(-m // halves))
        works = [self.form.work(part.stop - part.start) for part in parts]
        return parts, self.run if len(parts) > 1 else map, [None] * len(parts), works
