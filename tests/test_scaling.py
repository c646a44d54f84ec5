"""The two passes and Adam on a real scheduler and two worker processes, beside one machine; some workers are killed."""

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import dask
import dask.array
import numpy as np
import psutil
import pytest
import zarr
from distributed import Client, LocalCluster, futures_of
from numpy.testing import assert_allclose, assert_array_equal

import saelib
from saelib import nets, scaling
from saelib.architecture import flatten

RNG = np.random.default_rng(0)
X = RNG.uniform(0.1, 0.9, size=(400, 12))
TARGET = RNG.uniform(0.1, 0.9, size=(400, 12))
NET = nets.Sigmoid(1e-3, 0.1, 2.0)
START = NET.init(12, 5, RNG)
ADDITIVE = [net for net in nets.examples() if getattr(net, "additive", True)]
OPTIONS = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "threads_per_worker": 1, "n_workers": 2}


class Deadly(nets.Sigmoid):
    """A net in whose pass a worker dies for each file of the folder ``flags``, or sleeps if there is no such folder."""

    flags, where = "", "encode"

    def encode(self, params, X):
        self.die("encode")
        return super().encode(params, X)

    def backward(self, params, X, target, codes, price):
        self.die("backward")
        return super().backward(params, X, target, codes, price)

    def die(self, here):
        if here == self.where:
            if not os.path.isdir(self.flags):
                return time.sleep(2)
            for flag in Path(self.flags).iterdir():
                try:
                    flag.unlink()
                except FileNotFoundError:  # the other worker was quicker
                    continue
                os.kill(os.getpid(), signal.SIGKILL)


def deadly(flags, where, times=1):
    net = Deadly(*NET)
    net.flags, net.where = str(flags), where
    for i in range(times):
        (flags / str(i)).touch()
    return net


@pytest.fixture(scope="module")
def client():
    # `make mutants` starts a cluster for each of them: there its workers are threads, which start in no time.
    how = OPTIONS | ({"processes": False, "protocol": "tcp"} if "MUTANT_UNDER_TEST" in os.environ else {})
    # A worker that is killed fifteen seconds after it was killed before would otherwise be given up by `LocalCluster`.
    config = {"distributed.scheduler.allowed-failures": 1, "distributed.deploy.lost-worker-timeout": "1h"}
    with dask.config.set(config), LocalCluster(**how) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


def in_a_memmap(X, folder):
    X.tofile(folder / "X.raw")
    return np.memmap(folder / "X.raw", X.dtype, "r", shape=X.shape)


def in_a_column_of_a_memmap(X, folder):
    both = in_a_memmap(np.hstack([X + 1, X]), folder)
    padded = np.concatenate([both[:7], both])
    padded.tofile(folder / "padded.raw")
    whole = np.memmap(folder / "padded.raw", X.dtype, "r", offset=X.itemsize * 24, shape=(len(X) + 6, 24))
    return whole[6:, 12:]


def in_an_npy_file(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def in_zarr(X, folder):
    stored = zarr.open(folder / "X.zarr", mode="w", shape=X.shape, chunks=(70, 5), dtype=X.dtype)
    stored[:] = X
    return stored


def in_dask(X, folder):
    return dask.array.from_array(X, chunks=(90, 5))


def in_dask_of_unknown_lengths(X, folder):
    both = np.concatenate([X, -X])
    lazy = dask.array.from_array(both, chunks=(90, 12))
    return lazy[dask.array.from_array(both[:, 0] > 0, chunks=90)]  # the last chunks are empty


def from_functions(X, folder):
    return [Rows(X, 0, 90), Rows(X, 90, 260), Rows(X, 260, 400)]


def as_blocks_of_every_kind(X, folder):
    lazy = dask.array.from_array(X[100:300], chunks=(50, 12))
    return [X[:60], in_a_memmap(X[60:90], folder), dask.delayed(X[90:100]), lazy, Rows(X, 300, 390), X[390:].tolist()]


class Rows:
    """What a user might write to load rows: an object that can be called and pickled."""

    def __init__(self, X, first, last):
        self.X = X[first:last]

    def __call__(self):
        return self.X


FORMS = [
    lambda X, folder: X,
    lambda X, folder: np.asfortranarray(X),
    lambda X, folder: X.tolist(),
    in_a_memmap,
    in_a_column_of_a_memmap,
    in_an_npy_file,
    in_zarr,
    in_dask,
    in_dask_of_unknown_lengths,
    from_functions,
    as_blocks_of_every_kind,
]
NAMES = ["array", "columns first", "list of rows", *[form.__name__ for form in FORMS[3:]]]


def same(ours, theirs):
    (J, gradient), (J0, gradient0) = ours, theirs
    assert_allclose(J, J0, rtol=1e-12)
    assert_allclose(gradient, gradient0, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_data_of_every_form_give_what_one_machine_gives(form, client, tmp_path):
    with scaling.Spread(form(X, tmp_path), cluster=client) as spread:
        assert spread.shape == X.shape and spread.dtype == X.dtype and len(spread.blocks) > 1
        same(saelib.Objective(NET, spread)(flatten(START)), saelib.Objective(NET, X)(flatten(START)))
        params, descent = saelib.adam(NET, START, saelib.Minibatches(spread, 64, epochs=2, seed=3))
        assert_array_equal(np.asarray(spread[np.array([399, 7, 90, 8])]), X[[7, 8, 90, 399]])
    params0, descent0 = saelib.adam(NET, START, saelib.Minibatches(X, 64, epochs=2, seed=3))
    assert_allclose(descent.cost, descent0.cost, rtol=1e-12)
    assert_allclose(flatten(params), flatten(params0), rtol=1e-9, atol=1e-11)


def counted(block, path):
    with open(path, "a") as file:
        file.write(f"{len(block)}\n")
    return block


def test_what_is_persisted_stays_and_what_is_lazy_is_read_in_each_pass(client, tmp_path):
    def counting(name):
        rows = dask.array.from_array(X, chunks=(100, 12))
        return rows.map_blocks(counted, path=str(tmp_path / name), dtype=X.dtype, meta=X[:0])

    held = client.persist(counting("held"))
    futures = [client.submit(counted, X[i : i + 200], str(tmp_path / "future"), pure=False) for i in (0, 200)]
    client.gather(futures_of(held) + futures)
    for name, data, reads in (("held", held, 4), ("future", futures, 2), ("lazy", counting("lazy"), 16)):
        with scaling.Spread(data, cluster=client) as spread:
            for _ in range(2):
                same(saelib.Objective(NET, spread)(flatten(START)), saelib.Objective(NET, X)(flatten(START)))
        assert len((tmp_path / name).read_text().split()) == reads, name


@pytest.mark.parametrize("form", [FORMS[0], in_a_memmap, in_zarr, in_dask], ids=["array", "memmap", "zarr", "dask"])
def test_targets_lie_beside_their_rows(form, client, tmp_path):
    (tmp_path / "target").mkdir()
    with scaling.Spread(in_dask(X, tmp_path), target=form(TARGET, tmp_path / "target"), cluster=client) as spread:
        ours = saelib.Objective(NET, spread)(flatten(START))
    same(ours, saelib.Objective(NET, X, target=TARGET)(flatten(START)))
    with scaling.Spread(in_a_memmap(X, tmp_path), target=form(TARGET, tmp_path / "target"), cluster=client) as spread:
        _, descent = saelib.adam(NET, START, saelib.Minibatches(spread, 64))
    _, descent0 = saelib.adam(NET, START, saelib.Minibatches(X, 64, target=TARGET))
    assert_allclose(descent.cost, descent0.cost, rtol=1e-12)


def test_the_rows_of_a_batch_are_shared_out_anew_only_where_all_that_they_need_is_in_files(client, tmp_path):
    (tmp_path / "target").mkdir()
    X_there, target_there = in_a_memmap(X, tmp_path), in_a_memmap(TARGET, tmp_path / "target")
    for data, target, whole in (
        (X_there, None, True), (X_there, target_there, True), (X_there, TARGET, False), (X, target_there, False),
        (X, None, False),
    ):  # fmt: skip
        with scaling.Spread(data, target=target, cluster=client) as spread:
            assert (spread.whole is not None) == whole
            assert not whole or (spread.whole.target is None) == (target is None)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_bytes_and_single_precision_are_computed_in_single_precision(dtype, client, tmp_path):
    small, scale = (X * 255).astype(dtype), 1 / 255
    with scaling.Spread(in_a_memmap(small, tmp_path), scale=scale, cluster=client) as spread:
        assert spread.dtype == np.float32
        J, gradient = saelib.Objective(NET, spread)(flatten(START))
        batch = np.asarray(spread[np.arange(5)])
    J0, gradient0 = saelib.Objective(NET, small * scale)(flatten(START))
    assert gradient.dtype == batch.dtype == np.float32
    assert_allclose(batch, small[:5] * scale, rtol=1e-6)
    assert_allclose(J, J0, rtol=1e-6)
    assert_allclose(gradient, gradient0, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("net", ADDITIVE, ids=lambda net: f"{type(net).__name__}{tuple(net)}")
def test_every_net_that_is_a_sum_over_rows_is_trained_as_on_one_machine(net, client):
    rng = np.random.default_rng(1)
    start = net.init(12, 5, rng)
    with scaling.Spread(X, cluster=client, block_rows=150) as spread:
        ours = saelib.Objective(net, spread, like=start)(flatten(start))
        params, descent = saelib.adam(net, start, saelib.Minibatches(spread, 100, epochs=2))
    same(ours, saelib.Objective(net, X, like=start)(flatten(start)))
    params0, descent0 = saelib.adam(net, start, saelib.Minibatches(X, 100, epochs=2))
    assert_allclose(descent.cost, descent0.cost, rtol=1e-10)
    assert_allclose(flatten(params), flatten(params0), rtol=1e-8, atol=1e-10)
    assert_array_equal(descent.dead, descent0.dead)


def test_latents_that_are_dead_start_anew_from_the_rows_of_the_batch(client):
    net = nets.TopK(2, k_aux=1, dead_after=2)
    start = net.init(12, 5, np.random.default_rng(1))
    start = start._replace(b1=np.array([0, 0, -50.0, 0, 0]))

    def train(batches):
        return saelib.adam(net, start, batches, revive_every=3, rng=np.random.default_rng(2), report=1)

    with scaling.Spread(X, cluster=client) as spread:
        params, descent = train([spread[:]] * 6)
    params0, descent0 = train([X] * 6)
    assert descent.dead.tolist() == descent0.dead.tolist() and descent.dead[2] and not descent.dead[3]
    assert_allclose(flatten(params), flatten(params0), rtol=1e-8, atol=1e-10)


def test_a_file_may_be_in_a_list_twice(client, tmp_path):
    stored = in_zarr(X, tmp_path)
    with scaling.Spread([stored, stored], cluster=client) as spread:
        rows = np.array([0, 399, 400, 799])
        assert_array_equal(np.asarray(spread[rows]), np.concatenate([X, X])[rows])


def test_lbfgs_comes_to_the_same_minimum(client):
    with scaling.Spread(X, cluster=client) as spread:
        params, history = saelib.lbfgs(NET, START, spread, max_iter=15)
    params0, history0 = saelib.lbfgs(NET, START, X, max_iter=15)
    assert len(history.cost) == 16
    assert_allclose(history.cost, history0.cost, rtol=1e-9)
    assert_allclose(flatten(params), flatten(params0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("where", ["encode", "backward"])
@pytest.mark.parametrize("form", [FORMS[0], in_zarr], ids=["held", "read"])
def test_a_worker_is_killed_and_the_result_is_the_same(form, where, client, tmp_path):
    (tmp_path / "flags").mkdir()
    with scaling.Spread(form(X, tmp_path), cluster=client, block_rows=30) as spread:
        before = saelib.Objective(NET, spread)(flatten(START))
        pids = set(client.run(os.getpid).values())
        J, gradient = saelib.Objective(deadly(tmp_path / "flags", where), spread)(flatten(START))
        assert not list((tmp_path / "flags").iterdir())
        client.wait_for_workers(2, timeout=60)
        assert set(client.run(os.getpid).values()) != pids
        after = saelib.Objective(NET, spread)(flatten(START))
    same((J, gradient), saelib.Objective(NET, X)(flatten(START)))
    assert before[0] == after[0]
    assert_array_equal(before[1], after[1])


def test_a_worker_is_killed_in_the_middle_of_a_training(client):
    def callback(t, params, cost):
        if t == 4:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    with scaling.Spread(X, cluster=client) as spread:
        params, descent = saelib.adam(NET, START, saelib.Minibatches(spread, 50), report=2, callback=callback)
    params0, descent0 = saelib.adam(NET, START, saelib.Minibatches(X, 50), report=2)
    assert descent.steps.tolist() == [2, 4, 6, 8]
    assert_allclose(descent.cost, descent0.cost, rtol=1e-12)
    assert_allclose(flatten(params), flatten(params0), rtol=1e-9, atol=1e-11)


def test_a_block_that_every_worker_dies_of_is_one_error(client, tmp_path):
    (tmp_path / "flags").mkdir()
    with scaling.Spread(X, cluster=client, block_rows=400) as spread:
        with pytest.raises(MemoryError, match="2 workers were lost over one block, .*block_rows"):
            saelib.Objective(deadly(tmp_path / "flags", "encode", times=9), spread)(flatten(START))
    client.wait_for_workers(2, timeout=60)


def test_a_file_larger_than_the_memory_of_a_worker_goes_through(tmp_path):
    few, times = (X * 255).astype(np.uint8), 105_000
    with open(tmp_path / "X.raw", "wb") as file:
        for _ in range(times // 1000):
            file.write(few.tobytes() * 1000)
    data = np.memmap(tmp_path / "X.raw", np.uint8, "r", shape=(times * 400, 12))
    assert data.nbytes > 500e6
    peaks, over = [], threading.Event()
    with scaling.Spread(data, scale=1 / 255, workers=2, memory_limit="400MB", block_rows=2_000_000) as spread:
        workers = [psutil.Process(pid) for pid in spread.client.run(os.getpid).values()]

        def watch():
            while not over.wait(0.02):
                peaks.append(max(worker.memory_info().rss for worker in workers))

        watcher = threading.Thread(target=watch)
        watcher.start()
        J, gradient = saelib.Objective(NET, spread)(flatten(START))
        over.set()
        watcher.join()
        assert set(spread.client.run(os.getpid).values()) == {worker.pid for worker in workers}
    print(f"peak {max(peaks) / 1e6:.0f} MB of {data.nbytes / 1e6:.0f} MB")
    assert max(peaks) < 400e6
    # The rows repeat: the mean over all is that over the first.
    J0, gradient0 = saelib.cost_and_gradient(START, few / 255, lam=1e-3, rho=0.1, beta=2.0)
    assert_allclose(J, J0, rtol=1e-5)
    assert_allclose(gradient, flatten(gradient0), rtol=1e-2, atol=1e-5)


def test_workers_whose_memory_is_full_are_one_error():
    starved = {"distributed.worker.memory.terminate": False, "distributed.worker.memory.pause": 0.5}
    with dask.config.set(starved):
        with scaling.Spread(X, workers=2, memory_limit="60MB", patience=2.0) as spread:
            deadline = time.monotonic() + 20
            while not all(one["status"] == "paused" for one in spread._workers()):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            with pytest.raises(
                MemoryError, match="^2 of 2 workers stand still because their memory is full; .*memory_limit"
            ):
                saelib.Objective(NET, spread)(flatten(START))


def test_a_scheduler_without_workers_is_one_error():
    with LocalCluster(**OPTIONS | {"n_workers": 0}) as cluster:
        with pytest.raises(RuntimeError, match="there was no worker for 1.5 seconds"):
            scaling.Spread(X, cluster=cluster, patience=1.5)


def test_what_was_started_is_ended_and_what_was_there_stays(client):
    with scaling.Spread(X, workers=1) as spread:
        address, pids = spread.client.scheduler.address, spread.client.run(os.getpid)
        assert len(pids) == 1 and address.startswith("tcp://127.0.0.1:")
        objective = saelib.Objective(NET, spread)
        same(objective(flatten(START)), saelib.Objective(NET, X)(flatten(START)))
    assert not any(map(psutil.pid_exists, pids.values()))
    with pytest.raises(RuntimeError, match="Spread is closed"):
        objective(flatten(START))
    with scaling.Spread(X, cluster=client.scheduler.address) as spread:
        assert spread.client is not client and len(spread) == 400
    with scaling.Spread(X, cluster=client):
        pass
    assert client.status == "running" and len(client.run(os.getpid)) == 2


def test_the_dashboard_has_an_address_where_something_draws_it(client, monkeypatch):
    with scaling.Spread(X, cluster=client) as spread:
        monkeypatch.setattr(scaling, "find_spec", lambda name: None)
        assert spread.dashboard is None
        monkeypatch.setattr(scaling, "find_spec", lambda name: name == "bokeh")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/status", spread.dashboard)


def test_what_needs_the_numbers_themselves_does_not_take_a_spread(client):
    with scaling.Spread(X, cluster=client) as spread:
        with pytest.raises(TypeError, match="rows of a Spread are a slice or a vector of their numbers, got int 0"):
            saelib.Autoencoder(NET).fit(spread)
        with pytest.raises(TypeError, match="rows of a Spread are a slice or a vector of their numbers, got int 3"):
            spread[3]


def test_nothing_is_left_open_after_an_error():
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(ValueError, match="target must have a row for each row of X, got 3 and 400"):
        scaling.Spread(X, target=X[:3], workers=1)
    started = set(psutil.Process().children(recursive=True)) - before
    assert not [one for one in started if "spawn_main" in " ".join(one.cmdline())]


def test_control_c_ends_the_waiting(client):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    net, start = Deadly(*NET), time.monotonic()
    net.flags = "no such folder"
    try:
        with scaling.Spread(X, cluster=client, block_rows=20) as spread:
            with pytest.raises(KeyboardInterrupt) as told:
                saelib.Objective(net, spread)(flatten(START))
            assert time.monotonic() - start < 2
            while any(client.processing().values()):  # nobody goes on with what nobody waits for
                assert time.monotonic() - start < 10 and told
                time.sleep(0.1)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_net_that_chooses_among_all_rows_is_refused(client):
    net = nets.BatchTopK(2)
    start = net.init(12, 5, RNG)
    with scaling.Spread(X, cluster=client) as spread:
        with pytest.raises(ValueError, match="BatchTopK chooses among all rows of a batch"):
            saelib.Objective(net, spread)
        with pytest.raises(ValueError, match="BatchTopK chooses among all rows of a batch"):
            saelib.adam(net, start, saelib.Minibatches(spread, 100))


def test_what_belongs_to_the_data_is_given_with_them(client):
    with scaling.Spread(X, cluster=client) as spread:
        for name, value in {"target": X, "scale": 0.5, "run": map, "block_rows": 3}.items():
            with pytest.raises(ValueError, match=f"^{name} has no meaning here"):
                saelib.Objective(NET, spread, **{name: value})
        with pytest.raises(ValueError, match="^scale has no meaning here"):
            saelib.Minibatches(spread, 10, scale=0.5)
        with pytest.raises(ValueError, match="^target has no meaning here"):
            saelib.adam(NET, START, [(spread[:10], X[:10])])


def test_a_step_too_long_is_one_error(client):
    net = saelib.nets.Sigmoid(output="linear")
    with scaling.Spread(X, cluster=client) as spread:
        with pytest.raises(ValueError, match="grew beyond all bounds at step 1; a smaller learning_rate may help"):
            saelib.adam(net, START, saelib.Minibatches(spread, 50), learning_rate=1e200)


def test_a_spread_that_is_closed_says_so(client):
    with scaling.Spread(X, cluster=client) as spread:
        objective = saelib.Objective(NET, spread)
    for use in (lambda: objective(flatten(START)), lambda: spread[:3]):
        with pytest.raises(RuntimeError) as caught:
            use()
        assert str(caught.value) == "the scheduler has gone, or this Spread is closed; make a new one"


def test_one_block_is_a_spread_too(client, tmp_path):
    with scaling.Spread(in_a_memmap(X, tmp_path), cluster=client, block_rows=400) as spread:
        same(saelib.Objective(NET, spread)(flatten(START)), saelib.Objective(NET, X)(flatten(START)))
        assert_array_equal(np.asarray(spread[5:9]), X[5:9])


def test_blocks_are_two_for_each_worker_or_more_where_they_would_be_large(client, monkeypatch):
    with scaling.Spread(X, cluster=client) as spread:
        assert len(spread.blocks) == 4
    monkeypatch.setattr(scaling, "LARGE", 8 * 12 * 50)  # bytes of fifty rows
    with scaling.Spread(X, cluster=client) as spread:
        assert len(spread.blocks) == 8


def test_what_was_changed_in_a_map_and_not_in_its_file_is_what_counts(client, tmp_path):
    in_a_memmap(X, tmp_path)
    changed = np.memmap(tmp_path / "X.raw", X.dtype, "c", shape=X.shape)
    changed[:10] = 0.5
    with scaling.Spread(changed, cluster=client) as spread:
        same(saelib.Objective(NET, spread)(flatten(START)), saelib.Objective(NET, changed)(flatten(START)))


def test_a_worker_computes_bytes_and_their_targets_in_single_precision():
    pixels, seen = (255 * X).astype(np.uint8), []

    def function(pair):
        seen.extend(pair)
        return 1.0

    scaling._of_block(function, pixels, X, 0, None, 1 / 255, np.float32)
    assert [part.dtype for part in seen] == [np.float32] * 2
    assert_allclose(seen[0], pixels / 255, rtol=1e-6)
    assert scaling._floats(pixels, "X", 1 / 255, np.float32).dtype == np.float32


def test_a_row_that_does_not_fit_is_named(client):
    wrong = X.copy()
    wrong[333, 2] = np.nan
    with scaling.Spread(wrong, cluster=client, block_rows=100) as spread:
        with pytest.raises(ValueError, match=r"^X\[300:400\] must be finite, but X\[300:400\]\[33, 2\] is nan$"):
            saelib.Objective(NET, spread)(flatten(START))
        with pytest.raises(ValueError, match="^X must be finite"):
            saelib.adam(NET, START, saelib.Minibatches(spread, 400))
    with scaling.Spread(np.hstack([X, X]), cluster=client) as spread:
        with pytest.raises(ValueError, match="must have 12 columns, got shape"):
            saelib.Objective(NET, spread, like=START)(flatten(START))


BAD = {
    "^X must be a matrix": {"X": X[0]},
    "^X must be finite|^X must be an array of real numbers": {"X": np.array([["a", "b"]])},
    "^X must be a dense array": {"X": __import__("scipy.sparse").sparse.csr_array(X)},
    "^X must have no masked entries": {"X": np.ma.masked_greater(X, 0.5)},
    "^X must have blocks of shape .samples, features.": {"X": [lambda: X[0]]},
    "^X must have at least one row": {"X": [lambda: X[:0]]},
    "^X must be a matrix, got Array": {"X": dask.array.ones((4, 3, 2))},
    "^target must be an array of real numbers": {"target": np.array([["a", "b"]])},
    "^target must have as many blocks as X, got 1 and 2": {"X": [X, X], "target": [X]},
    "^target must have a row for each row of X, got 399 and 400": {"target": dask.array.from_array(X[:-1])},
    "^scale must be a finite number > 0": {"scale": 0},
    "^patience must be a finite number > 0": {"patience": -1},
    "^block_rows must be a whole number >= 1": {"block_rows": 0},
    "^workers must be a whole number >= 1": {"workers": 0},
    "^memory_limit must be bytes or a text": {"memory_limit": "plenty", "cluster": None},
    "^cluster must be the address of a scheduler": {"cluster": 5},
    "^no scheduler answers at cluster = 'tcp://127.0.0.1:9'": {"cluster": "tcp://127.0.0.1:9", "patience": 0.5},
    "^no scheduler answers at cluster = 'nowhere://at all'": {"cluster": "nowhere://at all", "patience": 0.5},
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_input_is_one_sentence(sentence, client):
    with pytest.raises(ValueError, match=sentence):
        scaling.Spread(**{"X": X, "cluster": client} | BAD[sentence])


def test_without_dask_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"needs Dask: pip install saelib\[scaling\]"):
        scaling.Spread(X)
