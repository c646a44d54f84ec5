"""What the library computes on: blocks of rows, threads that share them, and a BLAS that keeps to one thread."""

import math
import os
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from threading import Lock

import numpy as np

from ._checks import whole_number

COMPILED: dict = {}  # what `saelib.compiled.use` has in the place of a class or a function
BLOCK_ROWS = 500  # a block's activations stay in the processor's cache
BLOCK_NUMBERS = 500 * 784  # and so do more rows that are narrower; in short blocks of these, threads would only queue


def blocks_of(m, n=math.inf):
    """Return slices that make up m rows: of `BLOCK_ROWS`, or of more where the columns n are few, but four at least."""
    rows = max(BLOCK_ROWS, min(-(-m // 4), int(BLOCK_NUMBERS // n)))
    return [slice(i, min(i + rows, m)) for i in range(0, m, rows)]


def quickest(thing):
    """Return the compiled form of a class or a function where one is in use, else the thing itself."""
    return COMPILED.get(thing, thing)


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
    with threads(min(number_of_threads(n_jobs), len(blocks))) as run:
        return np.concatenate(list(run(function, blocks)))


@contextmanager
def threads(count):
    """Lend a function like `map` whose items ``count`` threads share, this one among them; BLAS keeps to one thread."""
    if count == 1:
        with one_blas_thread():
            yield map
        return
    with one_blas_thread(), ThreadPoolExecutor(count - 1) as pool:

        def run(function, *lists):
            todo = deque(enumerate(zip(*lists, strict=False)))
            results: list = [None] * len(todo)

            def work():
                while todo:
                    try:
                        i, item = todo.popleft()
                    except IndexError:  # another thread was quicker
                        return
                    results[i] = function(*item)

            # In this thread's context, which says what NumPy warns of.
            others = [pool.submit(copy_context().run, work) for _ in range(min(count, len(todo)) - 1)]
            try:
                work()
                for other in others:
                    other.result()
            finally:  # after Ctrl-C, or an error in a thread, no item is begun any more
                todo.clear()
            return results

        yield run


def two_threads():
    """Lend what `threads` lends, for two threads if there are as many processors."""
    return threads(min(2, number_of_threads(None)))


def parts_of(vector):
    """Return slices that make up a vector: two where threads are worth their while, else one."""
    middle = vector.size // 2 if vector.size > 100_000 else vector.size
    return [slice(0, middle), slice(middle, vector.size)][: 1 + (middle < vector.size)]


@cache
def keep_freed_memory():
    """Keep arrays that are freed for the next ones: the system would have to find and clear their pages each time.

    glibc gives back to the system what was larger than all that was freed before, up to 32 MB; elsewhere this does
    nothing.
    """
    np.empty(31 << 20, np.uint8)


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
