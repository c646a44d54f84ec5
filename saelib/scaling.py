"""The engine's two passes, and the mini-batches of Adam, on the workers of a Dask cluster.

A `Spread` stands where the rows ``X`` would: in `saelib.Objective` and `saelib.lbfgs` as it is, for `saelib.adam` in
`saelib.Minibatches`.  Functions go to the workers, where the blocks are; of what they give, only sums come back.
"""

import re
import time
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from ._checks import as_floats, as_matrix, as_rows, describe, positive, same_shape, unmasked, whole_number
from ._workplace import blocks_of, number_of_threads, one_blas_thread
from .objective import blocks_by

LARGE = 1 << 26  # bytes of a block in float64: a worker holds a few of them at once
AT_ONCE = 8  # sums that one task adds up
LESS = "give them more memory (memory_limit) or make the blocks smaller (block_rows)"


class _Block(NamedTuple):
    """Where a worker finds rows of ``X`` and of the target, the number of the first, and which of them are wanted."""

    X: Any
    target: Any
    first: int | None = None
    rows: np.ndarray | None = None


class Spread:
    """Rows that lie on the workers of a Dask cluster, or are read there; it is used in a ``with`` statement.

    It has the ``shape`` of the matrix for which it stands.  Arrays, and what Dask has persisted, stay on the workers; a
    block of a file, of a lazy Dask array or of a function is read by the task that needs it, so that the whole may be
    larger than the memory of all workers.  When a worker is lost, the others compute its blocks again; sums are taken
    in one order, so that the result is the same.

    Parameters
    ----------
    X : array of shape (m, n), Dask array, or list of blocks
        An array may lie in a file that all workers see under the same path: `numpy.memmap`, or anything with ``shape``,
        ``dtype`` and slices of rows that can be pickled, such as an array of Zarr.  A block in a list is one of these,
        a future or a delayed value of Dask, or a function without arguments that returns rows.
    target : like ``X``, optional
        What the output should be; ``X`` itself if not given.  A list is one of blocks of the same rows.
    scale : float
        ``X`` is multiplied by it as it is read.
    cluster : optional
        The address of a scheduler, or a Client or Cluster of Dask, which stays open.  By default processes are started
        on this machine, and ended afterwards; a script then needs ``if __name__ == "__main__":``.
    workers : int, optional
        Number of these processes; by default one for each processor.
    memory_limit : str or int
        What each of them may use, in bytes or as in "4GB"; by default its share of the machine's memory.
    block_rows : int, optional
        Rows of a block of an array, in a file or not; by default two blocks for each worker, or more that are small.
    patience : float
        Seconds to wait for a scheduler, for a worker, or for workers whose memory is full, before giving up.

    Raises
    ------
    ImportError
        If Dask is not installed.
    ValueError
        If an argument is outside its range, no scheduler answers, or later a row does not fit the net.
    MemoryError
        If the workers stand still because their memory is full, or are lost one after the other over the same block.
    RuntimeError
        If there is no worker, or the scheduler has gone.
    """

    def __init__(
        self,
        X,
        *,
        target=None,
        scale=1.0,
        cluster=None,
        workers=None,
        memory_limit="auto",
        block_rows=None,
        patience=60.0,
    ):
        self.scale, self.patience, self.closed = positive(scale, "scale"), positive(patience, "patience"), False
        workers = number_of_threads(None) if workers is None else whole_number(workers, "workers")
        block_rows = block_rows if block_rows is None else whole_number(block_rows, "block_rows")
        with ExitStack() as stack:
            self.client = _client(stack, cluster, workers, memory_limit, self.patience)
            self._wait(self._workers)
            self.n_workers = len(self._workers())
            parts = self._seen(self._parts(X, "X", block_rows), "X")
            ends = np.cumsum([part.shape[0] for part in parts]).tolist()
            slices = [slice(end - part.shape[0], end) for end, part in zip(ends, parts, strict=True)]
            targets = [None] * len(parts)
            if target is not None:
                targets = [part.where for part in self._seen(self._parts(target, "target", slices), "target")]
            if len(targets) != len(parts):
                raise ValueError(f"target must have as many blocks as X, got {len(targets)} and {len(parts)}")
            single = all(part.dtype in (np.uint8, np.float32) for part in parts)
            self.shape, self.dtype = (ends[-1], parts[0].shape[1]), np.dtype(np.float32 if single else np.float64)
            places = zip(parts, targets, slices, strict=True)
            self.blocks = [_Block(part.where, target, rows.start) for part, target, rows in places]
            X, target = _whole([part.where for part in parts], slices), _whole(targets, slices)
            self.whole = _Block(X, target, 0) if X and (target or targets[0] is None) else None
            self.closing = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Let the blocks go, and end what was started for them."""
        self.closed, self.blocks, self.whole = True, [], None
        self.closing.close()

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return the rows of these numbers, where they lie."""
        self._must_be_open()
        return _Rows(self, rows)

    @property
    def dashboard(self):
        """Address of the page on which the workers can be watched; None without Bokeh, which draws it."""
        return self.client.dashboard_link if find_spec("bokeh") else None

    def run(self, function, blocks):
        """Return in a list the sum of ``function((X, target))`` over the blocks; the engine adds up what it gets."""
        from dask import delayed

        function = self._held(function)  # once, and not with every block
        of_block, of_sums = delayed(_of_block, pure=False), delayed(_added, pure=False)
        parts = [of_block(function, *block, self.scale, self.dtype) for block in blocks]
        while len(parts) > 1:
            parts = [of_sums(parts[i : i + AT_ONCE]) for i in range(0, len(parts), AT_ONCE)]
        return [self.result(parts[0])]

    def result(self, task):
        """Return what a delayed value of Dask comes to, or say why it does not come."""
        from distributed import CancelledError, KilledWorker

        future = self.client.compute(task)
        try:
            self._wait(future.done)
            return future.result()
        except KilledWorker as error:
            many = error.allowed_failures + 1
            raise MemoryError(
                f"{many} workers were lost over one block, as a rule for want of memory; {LESS}"
            ) from error
        except CancelledError:
            raise RuntimeError(
                "the scheduler has gone, or data that only a lost worker had; make a new Spread"
            ) from None
        except BaseException:  # Ctrl-C, too
            future.cancel()
            raise

    def _wait(self, done):
        """Return when ``done()`` is true; raise an error when for too long no worker does anything for it."""
        since = looked = time.monotonic()
        while not done():
            time.sleep(0.001)
            now = time.monotonic()
            if now - looked < 1:
                continue
            looked, workers = now, self._workers()
            paused = sum(worker["status"] == "paused" for worker in workers)
            busy = any(worker["metrics"].get("executing") for worker in workers)
            since = now if len(workers) > paused and (busy or not paused) else since
            if now - since > self.patience and paused:
                raise MemoryError(
                    f"{paused} of {len(workers)} workers stand still because their memory is full; {LESS}"
                )
            if now - since > self.patience:
                raise RuntimeError(f"there was no worker for {self.patience:g} seconds; start one and try again")

    def _workers(self):
        """Return what the scheduler knows of its workers."""
        try:
            return list(self.client.scheduler_info(n_workers=-1)["workers"].values())
        except (AttributeError, OSError, ValueError):  # what a client says that has lost its scheduler
            raise RuntimeError("the scheduler has gone, or this Spread is closed; make a new one") from None

    def _must_be_open(self):
        if self.closed or self.client.status != "running":
            raise RuntimeError("the scheduler has gone, or this Spread is closed; make a new one")

    def _held(self, value):
        """Return a future of the value, of which the scheduler keeps a copy in case that a worker is lost."""
        from dask import config

        self._must_be_open()
        with config.set({"distributed.admin.large-graph-warning-threshold": "1 PB"}):
            return self.client.submit(_itself, value, pure=False)

    def _parts(self, data, name, rows):
        """Return the blocks of ``data``: as they are, of a number of rows, or these slices of it."""
        from dask import array, is_dask_collection
        from dask.delayed import Delayed
        from distributed import Future

        numbers = (list, tuple, float, int)  # lists of lists of these are a matrix, too
        if isinstance(data, (list, tuple)) and not all(isinstance(one, numbers) for one in data):
            return [part for one in data for part in self._parts(one, name, slice(None))]
        if isinstance(data, (Future, Delayed)):
            return [_Part(data)]
        if isinstance(data, array.Array) and data.ndim == 2:
            return _chunks(data, rows)
        if is_dask_collection(data):
            raise ValueError(
                f"{name} must be a matrix, got {type(data).__name__}; to_dask_array() makes one of a table"
            )
        if callable(data):
            return [_Part(_Reader(data))]
        data = unmasked(as_rows(data, name), name)
        m, n = data.shape
        if rows is None:
            rows = max(1, min(-(-m // (2 * self.n_workers)), LARGE // (8 * n)))
        slices = rows if isinstance(rows, list) else blocks_by(m, m if isinstance(rows, slice) else rows)
        if slices[-1].stop != m:
            raise ValueError(f"target must have a row for each row of X, got {m} and {slices[-1].stop}")
        if isinstance(data, np.memmap) and data.mode != "c":
            data = _File(data)
        in_memory = isinstance(data, np.ndarray)
        places = [self._held(np.asarray(data[rows])) if in_memory else _Reader(data, rows) for rows in slices]
        return [
            _Part(place, (rows.stop - rows.start, n), data.dtype) for place, rows in zip(places, slices, strict=True)
        ]

    def _seen(self, parts, name):
        """Return the parts that have rows, with their shapes, for which the workers are asked where need be."""
        from dask import delayed

        new = [i for i, part in enumerate(parts) if part.shape is None]
        if new:
            asked = self.result(delayed([delayed(_shape_of, pure=False)(parts[i].where, name) for i in new]))
            for i, (shape, dtype) in zip(new, asked, strict=True):
                parts[i] = _Part(parts[i].where, shape, dtype)
        parts = [part for part in parts if part.shape[0]]
        if not parts:
            raise ValueError(f"{name} must have at least one row, got none")
        return parts


class _Part(NamedTuple):
    """A block where it lies, its shape and its dtype, if they are known."""

    where: Any
    shape: tuple | None = None
    dtype: Any = None


class _Rows:
    """Some rows of a `Spread`, where they lie: a mini-batch for `saelib.adam`."""

    def __init__(self, spread, rows):
        if not isinstance(rows, slice) and np.ndim(rows) != 1:
            raise TypeError(f"rows of a Spread are a slice or a vector of their numbers, got {describe(rows)}")
        self.spread, self.run, self.dtype = spread, spread.run, spread.dtype
        self.numbers = np.arange(len(spread))[rows] if isinstance(rows, slice) else np.sort(rows)
        self.shape = len(self.numbers), spread.shape[1]
        if spread.whole:  # of a file the workers read as many rows each
            parts = np.array_split(self.numbers, min(spread.n_workers, len(self)))
            self.blocks = [spread.whole._replace(rows=part) for part in parts]
        else:
            parts = np.split(self.numbers, np.searchsorted(self.numbers, [block.first for block in spread.blocks[1:]]))
            pairs = zip(spread.blocks, parts, strict=True)
            self.blocks = [block._replace(rows=part - block.first) for block, part in pairs if part.size]

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        """Bring the rows here, in the order of their numbers."""
        from dask import delayed

        one = delayed(_rows_of, pure=False)
        X = self.spread.result(
            delayed([one(block.X, block.rows, self.spread.scale, self.dtype) for block in self.blocks])
        )
        return np.concatenate(X).astype(dtype or self.dtype, copy=False)


class _Reader:
    """Rows that are read by the task that needs them, out of a file or from a function."""

    def __init__(self, source, rows=None):
        self.source, self.rows = source, rows

    def __call__(self, rows=None):
        if callable(self.source):
            return _taken(self.source(), rows)
        return np.asarray(self.source[self.rows if rows is None else self.rows.start + rows])


class _File:
    """A `numpy.memmap`, or a part of one, without the map: each task makes its own, and its memory goes with it."""

    def __init__(self, X):
        whole = X
        while isinstance(whole.base, np.memmap):
            whole = whole.base
        self.name, self.dtype, self.shape, self.strides = str(X.filename), X.dtype, X.shape, X.strides
        self.offset = whole.offset + X.ctypes.data - whole.ctypes.data

    def __getitem__(self, rows):
        content = np.memmap(self.name, np.uint8, "r")
        return np.ndarray(self.shape, self.dtype, content, self.offset, self.strides)[rows]


def _client(stack, cluster, workers, memory_limit, patience):
    """Return a client of Dask, which ``stack`` will close if it is made here."""
    try:
        import dask.array  # noqa: F401
        from dask.utils import parse_bytes
        from distributed import Client, LocalCluster
    except ImportError:
        raise ImportError("saelib.scaling needs Dask: pip install saelib[scaling]") from None
    if isinstance(cluster, Client):
        return cluster
    if cluster is None:
        try:
            memory_limit == "auto" or parse_bytes(memory_limit)
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f'memory_limit must be bytes or a text like "4GB", got {describe(memory_limit)}') from None
        options = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "processes": True, "threads_per_worker": 1}
        cluster = stack.enter_context(LocalCluster(n_workers=workers, memory_limit=memory_limit, **options))
    elif not isinstance(cluster, str) and not hasattr(cluster, "scheduler_address"):
        wanted = "the address of a scheduler, or a Client or Cluster of Dask"
        raise ValueError(f"cluster must be {wanted}, got {describe(cluster)}")
    try:
        return stack.enter_context(Client(cluster, timeout=patience, set_as_default=False))
    except (OSError, ValueError) as error:
        raise ValueError(f"no scheduler answers at cluster = {cluster!r}: {error}") from None


def _chunks(data, rows):
    """Return the chunks of a Dask array as parts: with all columns, and these rows where the lengths are known."""
    lengths = data.chunks[0]
    known = not np.isnan(sum(lengths))
    if known and isinstance(rows, int):
        lengths = rows
    elif known and isinstance(rows, list):
        lengths = tuple(one.stop - one.start for one in rows)
        if sum(lengths) != data.shape[0]:
            raise ValueError(f"target must have a row for each row of X, got {data.shape[0]} and {sum(lengths)}")
    data = data.rechunk({0: lengths, 1: -1}) if known or len(data.chunks[1]) > 1 else data
    blocks = data.to_delayed().ravel()
    if not known:
        return [_Part(block) for block in blocks]
    shapes = [(length, data.shape[1]) for length in data.chunks[0]]
    return [_Part(block, shape, data.dtype) for block, shape in zip(blocks, shapes, strict=True)]


def _whole(places, slices):
    """Return a reader of all rows, if these are readers of one file in its order."""
    one = places[0]
    same = all(isinstance(place, _Reader) and place.source is one.source for place in places)
    if same and [place.rows for place in places] == slices:
        return _Reader(one.source, slice(0, slices[-1].stop))
    return None


# What the workers do.
def _itself(value):
    return value


def _taken(place, rows):
    """Return the rows of these numbers, or all, of an array or a reader."""
    if isinstance(place, _Reader):
        return place(rows)
    return np.asarray(place if rows is None else place[rows])


def _shape_of(place, name):
    X = _taken(place, None)
    if X.ndim != 2 or (len(X) and not X.shape[1]):
        raise ValueError(f"{name} must have blocks of shape (samples, features), got one of shape {X.shape}")
    return X.shape, X.dtype


def _of_block(function, X, target, first, rows, scale, dtype):
    """Return the sum of ``function`` over pieces of a block that stay in the processor's cache."""
    total, X = None, _taken(X, rows)
    target = target if target is None else _taken(target, rows)
    if target is not None:
        same_shape(X[:, :1], target[:, :1], ("X", "target"))
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        for piece in blocks_of(*X.shape):
            name = "X" if rows is not None else f"X[{first + piece.start}:{first + piece.stop}]"
            inputs = _floats(X[piece], name, scale, dtype)
            goal = inputs if target is None else as_matrix(target[piece], "target").astype(dtype, copy=False)
            try:
                one = function((inputs, goal))
            except ValueError as error:
                raise ValueError(re.sub("^X ", f"{name} ", str(error))) from None
            total = one if total is None else _added([total, one])
    return total


def _rows_of(X, rows, scale, dtype):
    return _floats(_taken(X, rows), "X", scale, dtype)


def _floats(X, name, scale, dtype):
    X = X if X.dtype == np.uint8 else as_floats(X, name)
    return as_matrix(X if X.dtype == dtype and scale == 1 else np.multiply(X, scale, dtype=dtype), name)


def _added(parts):
    """Return the sum of numbers or arrays, or of tuples of them."""
    return tuple(map(sum, zip(*parts, strict=True))) if isinstance(parts[0], tuple) else sum(parts)
