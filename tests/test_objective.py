"""The block-wise objective: equal to the plain form for any shape and blocks, and to the bit for any threads."""

import itertools
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from test_cost import SETTINGS, problem
from threadpoolctl import threadpool_info, threadpool_limits

import saelib
from saelib import _workplace as workplace
from saelib import objective as module
from saelib._workplace import one_blas_thread

pytestmark = pytest.mark.filterwarnings("error")


def blocks_of_rows(monkeypatch, rows):
    """Let every block have so many rows."""
    monkeypatch.setattr(workplace, "BLOCK_ROWS", rows)
    monkeypatch.setattr(workplace, "BLOCK_NUMBERS", 0)


@pytest.mark.parametrize(
    "m, n, rows", [(10_000, 784, 500), (10_000, 64, 2500), (10_000, 144, 2500), (10_000, 400, 980), (1797, 64, 500),
                   (9, 64, 9), (10_000, 5000, 500), (1_000_000, 64, 6125)],
)  # fmt: skip
def test_blocks_are_longer_where_rows_are_narrow_but_there_are_four(m, n, rows):
    blocks = workplace.blocks_of(m, n)
    assert blocks[0] == slice(0, rows)
    assert [i for block in blocks for i in range(m)[block]] == list(range(m))


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=st.integers(1, 40), n=st.integers(1, 6), hidden=st.integers(1, 9), seed=st.integers(0, 10**6),
    options=st.fixed_dictionaries(SETTINGS), rows=st.integers(1, 50), n_jobs=st.sampled_from([None, 1, 2, 3, 100]),
)  # fmt: skip
@example(m=1, n=1, hidden=1, seed=26, options={"lam": 0.0, "rho": 0.01, "beta": 3.0, "output": "sigmoid"}, rows=1,
         n_jobs=None)  # fmt: skip
def test_equal_to_the_plain_form(monkeypatch, m, n, hidden, seed, options, rows, n_jobs):
    blocks_of_rows(monkeypatch, rows)
    params, X = problem(m, n, hidden, seed)
    J, gradient = saelib.Objective(X, **options, n_jobs=n_jobs)(saelib.pack(params))
    expected_J, expected = saelib.cost_and_gradient(params, X, **options)
    # Where rho_hat is near rho, a divergence is a small difference of two terms, whose rounding errors remain.
    assert_allclose(J, expected_J, rtol=1e-12, atol=1e-15 * options["beta"] * hidden)
    assert_allclose(gradient, saelib.pack(expected), rtol=1e-9, atol=1e-13)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=st.integers(1, 40), hidden=st.integers(1, 9), seed=st.integers(0, 10**6), bias=st.sampled_from([0, -60, 60]),
    options=st.fixed_dictionaries(SETTINGS), rows=st.integers(1, 50), data=st.data(),
)  # fmt: skip
def test_the_cost_alone_and_the_objective_of_some_rows(monkeypatch, m, hidden, seed, bias, options, rows, data):
    blocks_of_rows(monkeypatch, rows)
    params, X = problem(m, 4, hidden, seed)
    params.b1[0] += bias  # a saturated unit
    theta, objective = saelib.pack(params), saelib.Objective(X, **options)
    J, gradient = objective(theta)
    assert objective.cost(theta) == J
    batch = data.draw(st.lists(st.integers(0, m - 1), min_size=2))
    for limit in (0, 1 << 24):  # two blocks, and one
        monkeypatch.setattr(module, "MULTIPLICATIONS_FOR_TWO", limit)
        with workplace.two_threads() as run:
            shared, alone = module.BatchGradient(objective, params, run), module.BatchGradient(objective, params)
            for some in (batch, batch[:2], batch):
                expected = workplace.join(saelib.cost_and_gradient(params, X[some], **options)[1])
                found = shared(workplace.join(params), np.array(some))
                assert_allclose(found, expected, rtol=1e-9, atol=1e-13)
                assert_array_equal(alone(workplace.join(params), np.array(some)), found)
    again_J, again = objective(theta)
    assert again_J == J
    assert_array_equal(again, gradient)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_gradient_on_all_rows_is_the_objectives_to_the_bit(dtype):
    params, X = problem(12, 4, 3, seed=9)
    params = saelib.Params(*(P.astype(dtype) for P in params))
    for output in ("sigmoid", "linear"):
        objective = saelib.Objective(X.astype(dtype), lam=1e-3, rho=0.05, beta=3, output=output)
        expected = saelib.unpack(objective(saelib.pack(params))[1], params)
        found = module.BatchGradient(objective, params)(workplace.join(params), np.arange(12))
        assert found.dtype == dtype
        assert_array_equal(found, workplace.join(expected))


@pytest.mark.parametrize("limit, lengths", [(12 * 15 + 1, [15]), (12 * 15, [8, 7])])
def test_rows_with_enough_to_multiply_are_two_blocks(monkeypatch, limit, lengths):
    monkeypatch.setattr(module, "MULTIPLICATIONS_FOR_TWO", limit)
    params, X = problem(20, 4, 3, seed=9)
    shared = []

    def run(function, items, *others):
        shared.append(items)
        return map(function, items, *others)

    objective = saelib.Objective(X, lam=1e-3, rho=0.05, beta=3)
    module.BatchGradient(objective, params, run)(workplace.join(params), np.arange(15))
    assert [len(rows) for rows in shared[0]] == lengths


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_blocks_of_the_real_size(dtype, output):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(3501, 64)).astype(dtype)
    params = saelib.init_params(64, 25, rng, dtype=dtype)
    options = {"lam": 1e-3, "rho": 0.1, "beta": 3.0, "output": output}
    J, gradient = saelib.Objective(X, **options)(saelib.pack(params))
    wide = saelib.Params(*(P.astype(float) for P in params))
    expected_J, expected = saelib.cost_and_gradient(wide, X.astype(float), **options)
    digits = 1e-12 if dtype is np.float64 else 1e-6
    assert_allclose(J, expected_J, rtol=digits)
    for G, E in zip(saelib.unpack(gradient, params), expected, strict=True):
        assert saelib.relative_error(G, E) < digits
    assert gradient.dtype == dtype
    assert type(J) is float


@pytest.mark.parametrize("saturated", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_number_of_threads_changes_no_bit(dtype, saturated):
    """The shape is one for which BLAS, on threads of its own, does sum in another order."""
    rng = np.random.default_rng(1)
    X = rng.uniform(size=(2500, 300)).astype(dtype)
    params = saelib.init_params(300, 100, rng, dtype=dtype)
    if saturated:
        params.b1[0] = -100
    results = [
        saelib.Objective(X, lam=1e-3, rho=0.1, beta=3, n_jobs=k)(saelib.pack(params)) for k in (1, 2, 3, None, 1)
    ]
    for J, gradient in results[1:]:
        assert J == results[0][0]
        assert_array_equal(gradient, results[0][1])


@pytest.mark.parametrize("z", [-40, -20, -13, -12.5, -11.9, -11, -6, 6, 11, 11.9, 12.5, 13, 20, 40])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_units_on_either_side_of_the_saturation_margin(dtype, z):
    """Where 1 - rho_hat has lost digits, the plain form takes over; on this side of the margin enough are left."""
    rng = np.random.default_rng(2)
    params, X = problem(30, 4, 3, seed=2)
    params = params._replace(W1=rng.normal(scale=0.1, size=(3, 4)), b1=np.array([z, 0.0, -0.5]))
    params = saelib.Params(*(P.astype(dtype) for P in params))
    X = X.astype(dtype)
    options = {"lam": 0.0, "rho": 0.05, "beta": 3.0}
    _, gradient = saelib.Objective(X, **options)(saelib.pack(params))
    wide = saelib.Params(*(P.astype(float) for P in params))
    _, expected = saelib.cost_and_gradient(wide, X.astype(float), **options)
    left = np.finfo(dtype).eps ** (2 / 3)  # the digits of a number of the margin's size beside 1
    for G, E in zip(saelib.unpack(gradient, params).W1, expected.W1, strict=True):
        assert np.linalg.norm(G - E) < 8 * left * np.linalg.norm(E)


def test_the_gradient_passes_the_books_own_check():
    params, X = problem(9, 5, 4, seed=8)
    for output in ("sigmoid", "linear"):
        objective = saelib.Objective(X, lam=1e-3, rho=0.05, beta=3, output=output)
        assert saelib.check_gradient(objective, saelib.pack(params)).error < 1e-8


def test_data_and_theta_are_left_alone_and_calls_are_independent():
    params, X = problem(9, 5, 4, seed=8)
    objective, theta = saelib.Objective(X, lam=1e-3, rho=0.05, beta=3), saelib.pack(params)
    before_X, before_theta = X.copy(), theta.copy()
    J, gradient = objective(theta)
    kept = gradient.copy()
    objective(theta * 0.5)
    assert_array_equal(gradient, kept)
    assert objective(theta)[0] == J
    assert_array_equal(X, before_X)
    assert_array_equal(theta, before_theta)


def test_the_number_of_hidden_units_follows_from_theta():
    objective = saelib.Objective(np.full((3, 4), 0.5), lam=0, rho=0.1, beta=0)
    for hidden in (1, 2, 7):
        params = saelib.init_params(4, hidden, np.random.default_rng(0))
        for P, Q in zip(objective.params(saelib.pack(params)), params, strict=True):
            assert_array_equal(P, Q)


def small_blocks(monkeypatch, **options):
    """An objective of six blocks, and the packed parameters of a network for it."""
    blocks_of_rows(monkeypatch, 2)
    params, X = problem(12, 4, 3, seed=9)
    return saelib.Objective(X, **{"lam": 1e-3, "rho": 0.05, "beta": 3, **options}), params


def test_logarithms_are_for_saturated_units_and_for_these_alone(monkeypatch):
    widths = []
    sparsity_delta = module.sparsity_delta
    monkeypatch.setattr(module, "sparsity_delta", lambda Z2, rho: widths.append(Z2.shape) or sparsity_delta(Z2, rho))
    objective, params = small_blocks(monkeypatch)
    objective(saelib.pack(params))
    assert not widths
    saturated = saelib.pack(params._replace(b1=np.array([0.0, -60.0, 0.0])))
    objective(saturated)
    assert widths == [(12, 1)]
    without_penalty, _ = small_blocks(monkeypatch, beta=0)
    without_penalty(saturated)
    assert len(widths) == 1


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
@pytest.mark.parametrize("name", ["activations_of_block", "gradient_of_block"])
def test_n_jobs_threads_share_the_blocks(monkeypatch, name, n_jobs):
    compute, all_at_work = getattr(module, name), threading.Barrier(n_jobs, timeout=30)
    at_work, numbers = [], []

    def block(*args, **options):
        at_work.append(threading.get_ident())
        all_at_work.wait()
        time.sleep(0.01)  # gives a thread too many the time to join
        numbers.append(len(at_work))
        at_work.remove(threading.get_ident())
        return compute(*args, **options)

    monkeypatch.setattr(module, name, block)
    objective, params = small_blocks(monkeypatch, n_jobs=n_jobs)
    objective(saelib.pack(params))
    assert len(numbers) == 6
    assert max(numbers) <= n_jobs


def test_a_single_block_needs_no_other_thread(monkeypatch):
    threads = []
    gradient_of_block = module.gradient_of_block
    monkeypatch.setattr(
        module, "gradient_of_block", lambda *args: threads.append(threading.get_ident()) or gradient_of_block(*args)
    )
    params, X = problem(12, 4, 3, seed=9)
    saelib.Objective(X, lam=0, rho=0.05, beta=3)(saelib.pack(params))
    assert threads == [threading.get_ident()]


def test_one_thread_is_the_callers_own(monkeypatch):
    """In a browser Python cannot start another."""

    def no_threads(self):
        raise RuntimeError("can't start new thread")

    objective, params = small_blocks(monkeypatch, n_jobs=1)
    J, gradient = objective(saelib.pack(params))
    monkeypatch.setattr(threading.Thread, "start", no_threads)
    again = objective(saelib.pack(params))
    assert J == again[0]
    assert_array_equal(gradient, again[1])
    monkeypatch.setattr(workplace.sys, "platform", "emscripten")
    assert workplace.number_of_threads(None) == 1


def test_two_threads_are_like_map(monkeypatch):
    with workplace.two_threads() as run:
        here = threading.get_ident()
        assert run(lambda a, b: (a - b, threading.get_ident() == here), [5, 7], (1, 2, 3)) == [(4, True), (5, False)]
        assert run(divmod, [7], [2]) == [(3, 1)]
        with pytest.raises(ZeroDivisionError):
            run(divmod, [1, 1], [1, 0])
        with np.errstate(divide="ignore"):  # holds in the other thread too
            assert run(np.divide, [1.0, 1.0], [1.0, 0.0]) == [1, np.inf]
        with pytest.raises(RuntimeWarning):
            run(np.divide, [1.0, 1.0], [1.0, 0.0])
        assert {x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"} == {1}
    monkeypatch.setattr(workplace, "number_of_threads", lambda n_jobs: 1)
    with workplace.two_threads() as run:
        assert run is map


def test_blas_is_held_at_one_thread_and_others_are_not():
    def threads():
        libraries = threadpool_info()
        return {api: [x["num_threads"] for x in libraries if x["user_api"] == api] for api in ("blas", "openmp")}

    with threadpool_limits(3):
        before = threads()
        with one_blas_thread():
            held = threads()
        assert threads() == before
    assert held == {"blas": [1] * len(before["blas"]), "openmp": before["openmp"]}


def test_the_activations_of_many_samples_are_summed_without_losing_digits():
    """Three hundred thousand numbers of float32, one after the other, would lose three digits more than this."""
    rng = np.random.default_rng(5)
    X = rng.uniform(size=(300_000, 1)).astype(np.float32)
    params = saelib.init_params(1, 2, rng, dtype=np.float32)
    options = {"lam": 0.0, "rho": 0.05, "beta": 1.0}
    penalty = saelib.Objective(X, **options)(saelib.pack(params))[0]
    penalty -= saelib.Objective(X, **{**options, "beta": 0.0})(saelib.pack(params))[0]
    wide = saelib.Params(*(P.astype(float) for P in params))
    assert_allclose(penalty, saelib.cost_terms(wide, X.astype(float), **options).sparsity, rtol=1e-6)


def test_the_activations_of_many_blocks_are_summed_without_losing_digits(monkeypatch):
    """A fifth is no binary number: a thousand of float32 in a lane would all err in the same direction."""
    blocks_of_rows(monkeypatch, 1)
    theta = np.array([0, -np.log(4), 0, 0], np.float32)  # W1, b1, W2 and b2 of a unit that is always on by a fifth
    X = np.full((8000, 1), 0.5, np.float32)
    terms = [saelib.Objective(X, lam=0, rho=0.05, beta=beta).cost(theta) for beta in (0, 1)]
    expected = 0.05 * np.log(0.05 / 0.2) + 0.95 * np.log(0.95 / 0.8)
    assert_allclose(terms[1] - terms[0], expected, rtol=1e-6)


def test_the_first_number_that_is_not_finite_is_named():
    params, X = problem(5, 4, 3, seed=9)
    theta = saelib.pack(params)
    theta[[5, 9]] = np.inf
    with pytest.raises(ValueError, match=r"theta must be finite, but theta\[5\] is not"):
        saelib.Objective(X, lam=0, rho=0.05, beta=3)(theta)


def test_by_default_there_are_as_many_threads_as_processors(monkeypatch):
    monkeypatch.setattr(workplace.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(workplace.os, "sched_getaffinity", lambda process: {2, 3, 5}, raising=False)
    assert workplace.number_of_threads(None) == 3  # those that this process may use
    assert small_blocks(monkeypatch)[0].n_jobs == 3
    monkeypatch.delattr(workplace.os, "sched_getaffinity")
    assert workplace.number_of_threads(None) == 8
    monkeypatch.setattr(workplace.os, "cpu_count", lambda: None)
    assert workplace.number_of_threads(None) == 1


# --- data that do not fit into memory ----------------------------------------------------------------------------


class Rows:
    """Something like a dataset in a file: it has a shape, a dtype and slices of rows, and remembers the largest."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.largest = X, X.shape, X.dtype, 0

    def __getitem__(self, rows):
        part = self.X[rows]
        self.largest = max(self.largest, len(part))
        return part


def evaluated(X, **options):
    params = saelib.init_params(X.shape[1], 3, np.random.default_rng(0))
    return saelib.Objective(X, lam=1e-3, rho=0.05, beta=3, **options)(saelib.pack(params))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
def test_anything_with_slices_of_rows_will_do_and_is_read_in_blocks(dtype):
    X = np.random.default_rng(1).uniform(size=(1700, 4)).round(0 if dtype is np.int64 else 9).astype(dtype)
    source = Rows(X)
    J, gradient = evaluated(source)
    expected_J, expected = evaluated(X)
    assert J == expected_J
    assert_array_equal(gradient, expected)
    assert source.largest == workplace.BLOCK_ROWS


def test_a_table_is_read_at_once():
    X = np.random.default_rng(1).uniform(size=(1700, 4))
    J, gradient = evaluated(pandas.DataFrame(X))
    expected_J, expected = evaluated(X)
    assert J == expected_J
    assert_array_equal(gradient, expected)


def test_bytes_are_scaled_as_they_are_read_whether_in_memory_or_in_a_file(tmp_path):
    X = np.random.default_rng(1).integers(0, 256, (1700, 4), dtype=np.uint8)
    file = np.memmap(tmp_path / "X", dtype=np.uint8, mode="w+", shape=X.shape)
    file[:] = X
    expected_J, expected = evaluated(X / 255)
    for source in (X, np.memmap(tmp_path / "X", dtype=np.uint8, mode="r", shape=X.shape), Rows(X)):
        J, gradient = evaluated(source, scale=1 / 255)
        assert gradient.dtype == np.float32
        assert_allclose(J, expected_J, rtol=1e-6)
        assert saelib.relative_error(gradient, expected) < 1e-6


def test_floating_point_numbers_are_scaled_too():
    X = np.random.default_rng(1).uniform(size=(1700, 4))
    J, gradient = evaluated(X * 8, scale=1 / 8)
    expected_J, expected = evaluated(X)
    assert J == expected_J
    assert_array_equal(gradient, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_are_copied_only_to_be_scaled_and_bytes_become_float32(dtype):
    X, options = np.full((9, 4), 0.5, dtype), {"lam": 0, "rho": 0.05, "beta": 3}
    assert np.shares_memory(saelib.Objective(X, **options).rows(slice(2, 5)), X)
    scaled = saelib.Objective(X, **options, scale=0.25).rows(slice(2, 5))
    assert_array_equal(scaled, np.full((3, 4), 0.125))
    assert scaled.dtype == dtype
    assert saelib.Objective(X.astype(np.uint8), **options, scale=1 / 255).rows(slice(2, 5)).dtype == np.float32


def test_what_is_wrong_in_a_block_is_said_with_its_rows():
    X = np.full((1700, 4), 0.5)
    X[1203, 2] = np.nan
    with pytest.raises(ValueError, match=r"X\[1000:1500\] must be finite, but X\[1000:1500\]\[203, 2\] is nan"):
        evaluated(Rows(X))
    with pytest.raises(ValueError, match=r"X\[0:500\] must lie in \[0, 1\].* 255;"):
        evaluated(np.full((1700, 4), 255, dtype=np.uint8))
    for scale in (0, -1, np.nan, "1"):
        with pytest.raises(ValueError, match="scale must be"):
            evaluated(X, scale=scale)


def test_what_is_wrong_with_data_in_memory_is_said_of_all_of_it():
    X = np.full((1700, 4), 0.5)
    X[3, 1], X[1203, 2] = 1.5, -0.25
    with pytest.raises(ValueError, match=r"^X must lie in \[0, 1\].* from -0.25 to 1.5;"):
        evaluated(X)
    X[1203, 2] = np.nan
    with pytest.raises(ValueError, match=r"^X must be finite, but X\[1203, 2\] is nan"):
        evaluated(X)


# --- several at once, and interrupted ----------------------------------------------------------------------------


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_one_objective_in_many_threads():
    """Evaluations of different parameters at the same time do not get into each other's memory."""
    X = np.random.default_rng(0).uniform(size=(3000, 20))
    objective = saelib.Objective(X, lam=1e-3, rho=0.05, beta=3, n_jobs=2)
    thetas = [saelib.pack(saelib.init_params(20, 4 + k % 3, np.random.default_rng(k))) for k in range(12)]
    expected = [objective(theta) for theta in thetas]
    with threadpool_limits(3):
        before = blas_threads()
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(objective, thetas * 3))
        assert blas_threads() == before
    for (J, gradient), (expected_J, expected_gradient) in zip(found, expected * 3, strict=True):
        assert J == expected_J
        assert_array_equal(gradient, expected_gradient)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_blas_keeps_its_threads_where_there_is_but_one_block(monkeypatch, blocks):
    blocks_of_rows(monkeypatch, 12 // blocks)
    params, X = problem(12, 4, 3, seed=9)
    seen, compute = [], module.activations_of_block
    monkeypatch.setattr(module, "activations_of_block", lambda *args: seen.append(blas_threads()) or compute(*args))
    with threadpool_limits(3):
        before = blas_threads()
        saelib.Objective(X, lam=0, rho=0.05, beta=3, n_jobs=1)(saelib.pack(params))
    assert seen == blocks * [before if blocks == 1 else [1] * len(before)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("name", ["activations_of_block", "gradient_of_block"])
def test_a_workers_exception_reaches_the_caller_and_stops_the_others(monkeypatch, name, error):
    blocks_of_rows(monkeypatch, 500)
    X = np.random.default_rng(0).uniform(size=(50_000, 3))
    objective = saelib.Objective(X, lam=1e-3, rho=0.05, beta=3, n_jobs=2)
    theta, compute, calls = saelib.pack(saelib.init_params(3, 2, np.random.default_rng(0))), getattr(module, name), []
    expected_J, expected = objective(theta)

    count = itertools.count(1)

    def block(*args):
        calls.append(number := next(count))
        time.sleep(0.001)
        if number == 5:
            raise error("from the fifth block")
        return compute(*args)

    with threadpool_limits(3), monkeypatch.context() as patch:
        before = blas_threads()
        patch.setattr(module, name, block)
        with pytest.raises(error, match="the fifth block"):
            objective(theta)
        assert blas_threads() == before
    assert len(calls) < 80
    J, gradient = objective(theta)
    assert J == expected_J
    assert_array_equal(gradient, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_can_go_on():
    X = np.random.default_rng(0).uniform(size=(3000, 20))
    objective = saelib.Objective(X, lam=1e-3, rho=0.05, beta=3, n_jobs=2)
    theta = saelib.pack(saelib.init_params(20, 4, np.random.default_rng(0)))
    expected = objective(theta)[0]
    child = os.fork()
    if child == 0:
        os._exit(0 if objective(theta)[0] == expected else 1)
    deadline = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if done == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert done == (child, 0)
