"""What `saelib.objective` works with: memory that is used again and again, and a BLAS that keeps to one thread."""

import math
import os
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from threading import Event, Lock

import numpy as np

from ._checks import whole_number

BLOCK_ROWS = 500  # a block's activations stay in the processor's cache
BLOCK_NUMBERS = 500 * 784  # and so do more rows that are narrower; in short blocks of these, threads would only queue


def blocks_of(m, n=math.inf):
    """Return slices that make up m rows: of `BLOCK_ROWS`, or of more where the columns n are few, but four at least."""
    rows = max(BLOCK_ROWS, min(-(-m // 4), int(BLOCK_NUMBERS // n)))
    return [slice(i, min(i + rows, m)) for i in range(0, m, rows)]


def number_of_threads(n_jobs):
    """Return the number of threads asked for, or as many as there are processors; in a browser there is but one."""
    if n_jobs is not None:
        return whole_number(n_jobs, "n_jobs")
    if sys.platform == "emscripten":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_blocks(function, m, n_jobs):
    """Return the rows that ``function`` gives for each block of m rows, one below the other, computed by threads."""
    blocks = blocks_of(m)
    threads = min(number_of_threads(n_jobs), len(blocks))
    with one_blas_thread():
        if threads == 1:
            return np.concatenate([function(rows) for rows in blocks])
        with ThreadPoolExecutor(threads) as pool:  # after Ctrl-C, or an error in a thread, no block is begun any more
            return np.concatenate(list(pool.map(function, blocks)))


@contextmanager
def two_threads():
    """Lend a function like `map` that shares two items between this thread and another; BLAS keeps to one meanwhile.

    One item, or one processor, makes no threads.
    """
    if number_of_threads(None) == 1:
        yield map
        return
    with one_blas_thread(), ThreadPoolExecutor(1) as pool:

        def run(function, first, *others):
            items = list(zip(first, *others, strict=False))
            # In this thread's context, which says what NumPy warns of.
            later = [pool.submit(copy_context().run, function, *item) for item in items[1:]]
            return [function(*items[0]), *(result.result() for result in later)]

        yield run


class Work:
    """What a thread writes into while it is at a block."""

    def __init__(self, params, rows):
        s2, s1 = params.W1.shape
        dtype = params.W1.dtype
        self.A3, self.delta3 = np.empty((2, rows, s1), dtype)
        self.delta2, self.slope = np.empty((2, s2, rows), dtype)
        self.gradient = np.empty(params.W1.size + params.W2.size + s1 + s2, dtype)
        self.dW1, self.dW2b, self.db1 = split(self.gradient, params)


class Memory:
    """What an evaluation needs: the hidden activations of every block, and a sum of gradients for every lane."""

    def __init__(self, params, blocks, lanes):
        self.params, self.blocks, dtype = params, blocks, params.W1.dtype
        self.A2 = {rows.start: np.ones((params.b1.size + 1, rows.stop - rows.start), dtype) for rows in blocks}
        self.totals = [np.empty(sum(P.size for P in params), dtype) for _ in range(lanes)]
        self.works, self.stop = deque(), Event()

    def going(self, lane):
        """Yield the blocks of a lane until somebody says stop."""
        for rows in lane:
            if self.stop.is_set():
                return
            yield rows

    def take(self):
        """Return a `Work` that no thread is using; to be appended to ``works`` afterwards."""
        try:
            return self.works.pop()
        except IndexError:
            return Work(self.params, self.blocks[0].stop)


def split(vector, like):
    """Return views of a vector in the order used here: by W1, by W2 with b2 beside it, and by b1."""
    W1, W2b, b1 = np.split(vector, [like.W1.size, vector.size - like.b1.size])
    return W1.reshape(like.W1.shape), W2b.reshape(len(like.b2), -1), b1


def join(params):
    """Return a new vector in the order of `split`."""
    return np.concatenate([params.W1.ravel(), np.column_stack([params.W2, params.b2]).ravel(), params.b1])


def parts_of(vector):
    """Return slices that make up a vector: two where threads are worth their while, else one."""
    middle = vector.size // 2 if vector.size > 100_000 else vector.size
    return [slice(0, middle), slice(middle, vector.size)][: 1 + (middle < vector.size)]


class _Blas:
    lock, holders, limit = Lock(), 0, None


@contextmanager
def one_blas_thread():
    """Hold BLAS at one thread: the blocks already keep every processor busy, and more threads would only compete.

    Evaluations in several threads may overlap: the first one sets the limit, and the last one lifts it.
    """
    with _Blas.lock:
        if not _Blas.holders:
            _Blas.limit = _blas().limit(limits=1)
        _Blas.holders += 1
    try:
        yield
    finally:
        with _Blas.lock:
            _Blas.holders -= 1
            if not _Blas.holders:
                _Blas.limit.restore_original_limits()


@cache
def _blas():
    """Return the controller of NumPy's BLAS. (To look for it takes longer than a small evaluation.)"""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
