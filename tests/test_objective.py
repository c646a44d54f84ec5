"""The objective: equal to the page for any shape and blocks, to the bit for any threads, and Step, which is that of a
mini-batch.
"""

import itertools
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

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
from saelib import nets
from saelib import objective as module
from saelib._workplace import one_blas_thread
from saelib.architecture import flatten, unflatten
from saelib.nets.sigmoid import Fast

pytestmark = pytest.mark.filterwarnings("error")
PASSES = pytest.mark.parametrize("name", ["encode", "backward"])  # of the net's fast form


def objective_of(X, *, lam=1e-3, rho=0.05, beta=3.0, output="sigmoid", **options):
    return saelib.Objective(nets.Sigmoid(lam, rho, beta, output), X, **options)


def in_order(step, gradient):
    """Return a step's gradient in the order of `flatten`."""
    return flatten(step.form.views(gradient))


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
    J, gradient = objective_of(X, **options, n_jobs=n_jobs)(saelib.pack(params))
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
    theta, objective = saelib.pack(params), objective_of(X, **options)
    J, gradient = objective(theta)
    assert objective.cost(theta) == J
    batch = data.draw(st.lists(st.integers(0, m - 1), min_size=2))
    for limit in (0, 1 << 24):  # two blocks, and one
        monkeypatch.setattr(module, "MULTIPLICATIONS_FOR_TWO", limit)
        with workplace.threads(2) as run:
            shared, alone = module.Step(objective.net, run), module.Step(objective.net)
            for some in (batch, batch[:2], batch):
                expected_J, expected = saelib.cost_and_gradient(params, X[some], **options)
                one, found, dead, same, memory = shared(params, X[some], X[some], None)
                assert_allclose(one, expected_J, rtol=1e-12, atol=1e-15 * options["beta"] * hidden)
                assert_allclose(in_order(shared, found), saelib.pack(expected), rtol=1e-9, atol=1e-13)
                assert not dead and same is params and memory is None
                again = alone(params, X[some], X[some], None)
                assert again[0] == one
                assert_array_equal(again[1], found)
    again_J, again = objective(theta)
    assert again_J == J
    assert_array_equal(again, gradient)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_gradient_on_all_rows_is_the_objectives_to_the_bit(dtype):
    params, X = problem(12, 4, 3, seed=9)
    params, X = saelib.Params(*(P.astype(dtype) for P in params)), X.astype(dtype)
    for output in ("sigmoid", "linear"):
        objective = objective_of(X, output=output)
        J, expected = objective(saelib.pack(params))
        step = module.Step(objective.net)
        one, found, *_ = step(params, X, X, None)
        assert found.dtype == dtype
        assert_allclose(one, J, rtol=1e-15 if dtype is np.float64 else 1e-6)  # of decay: BLAS adds up the squares
        assert_array_equal(in_order(step, found), expected)


@pytest.mark.parametrize("limit, lengths", [(31 * 15 // 2 + 1, []), (31 * 15 // 2, [[8, 7], [8, 7]])])
def test_rows_with_enough_to_multiply_are_shared_as_two_blocks(monkeypatch, limit, lengths):
    monkeypatch.setattr(module, "MULTIPLICATIONS_FOR_TWO", limit)
    params, X = problem(15, 4, 3, seed=9)  # 31 parameters
    shared = []

    def run(function, items, *others):
        shared.append(items)
        return map(function, items, *others)

    module.Step(nets.Sigmoid(), run)(params, X, X, None)
    assert [[len(X[part]) for part in parts] for parts in shared[:2]] == lengths  # of the two passes


@pytest.mark.parametrize("net", [net for net in nets.examples() if getattr(net, "additive", True)], ids=repr)
def test_the_gradients_of_two_blocks_are_those_of_one(net, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (41, 6))
    params = net.constrain(net.init(6, 8, rng))
    whole = module.Step(net)
    cost, gradient, *_ = whole(params, X, X, None)
    monkeypatch.setattr(module, "MULTIPLICATIONS_FOR_TWO", 0)
    halves = module.Step(net)
    found = halves(params, X, X, None)
    assert [part.stop - part.start for part in halves.spare[41][0]] == [21, 20]
    assert_allclose(found[0], cost, rtol=1e-13)
    assert_allclose(in_order(halves, found[1]), in_order(whole, gradient), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "output, X, target, sentence",
    [
        ("sigmoid", 1.5, 1.5, "X must lie in [0, 1] for a sigmoid output, got values from 1.5 to 1.5"),
        ("sigmoid", np.nan, np.nan, "X must be finite, but X[0, 0] is nan"),
        ("linear", np.inf, np.inf, "X must be finite, but X[0, 0] is inf"),
        ("linear", np.ones((5, 3)), np.ones((5, 3)), "X must have 4 columns, got shape (5, 3)"),
        ("linear", np.ones((5, 3)), np.ones((5, 4)), "X and target must have the same shape, got (5, 3) and (5, 4)"),
        ("linear", np.ones((4, 4)), np.ones((5, 4)), "X and target must have the same shape, got (4, 4) and (5, 4)"),
    ],
)
def test_every_batch_is_looked_at_and_not_only_the_first(output, X, target, sentence):
    params, good = problem(15, 4, 3, seed=9)
    X, target = (np.broadcast_to(a, (5, 4)).astype(float) if np.ndim(a) == 0 else a for a in (X, target))
    step = module.Step(nets.Sigmoid(output=output))
    step(params, good, good, None)
    with pytest.raises(ValueError) as caught:
        step(params, X, target, None)
    assert str(caught.value).startswith(sentence)


class Dark(nets.Sigmoid):
    """A net with a condition of its own."""

    def check(self, params, X, target):
        super().check(params, X, target)
        if X.max() > 0.5:
            raise ValueError("too bright")


def test_a_condition_of_a_subclass_holds_for_every_batch():
    params, X = problem(15, 4, 3, seed=9)
    step = module.Step(Dark())
    step(params, X / 2, X / 2, None)
    with pytest.raises(ValueError, match="^too bright$"):
        step(params, X / X.max(), X / X.max(), None)


def test_a_net_that_chooses_among_all_rows_is_not_shared(monkeypatch):
    monkeypatch.setattr(module, "MULTIPLICATIONS_FOR_TWO", 0)
    rng = np.random.default_rng(0)
    X, net = rng.uniform(size=(40, 6)), nets.BatchTopK(2)
    step = module.Step(net)
    step(net.init(6, 8, rng), X, X, None)
    assert step.spare[40][0] == [slice(0, 40)]


def test_a_long_vector_has_two_parts_and_a_short_one_is_whole():
    assert workplace.parts_of(np.empty(100_001)) == [slice(0, 50_000), slice(50_000, 100_001)]
    assert workplace.parts_of(np.empty(100_000)) == [slice(0, 100_000)]


def test_two_threads_are_lent_however_many_there_might_be(monkeypatch):
    monkeypatch.setattr(workplace, "threads", lambda count: count)
    for processors, count in ((1, 1), (2, 2), (8, 2)):
        monkeypatch.setattr(workplace, "number_of_threads", lambda n_jobs, number=processors: number)
        assert workplace.two_threads() == count


def test_what_is_compiled_takes_the_place_of_what_it_stands_for(monkeypatch):
    monkeypatch.setitem(workplace.COMPILED, "slow", "quick")
    assert workplace.quickest("slow") == "quick" and workplace.quickest("another") == "another"


@pytest.mark.parametrize("net", [net for net in nets.examples() if hasattr(net, "fast")], ids=repr)
def test_what_a_fast_form_writes_into_has_the_precision_of_the_parameters_and_is_used_again(net):
    rng = np.random.default_rng(0)
    form = module.form_of(net, net.init(6, 8, rng, dtype=np.float32))
    X = rng.uniform(0.1, 0.9, (5, 6)).astype(np.float32)
    memory = [M for M in form.work(5) or () if isinstance(M, np.ndarray) and M.dtype != bool]
    assert all(M.dtype == np.float32 for M in memory)
    if form.reuses:
        codes = form.encode(X)
        assert memory and codes.A.dtype == np.float32
        assert np.shares_memory(form.encode(X[::-1].copy(), codes).A, codes.A)


def test_a_step_may_overwrite_the_gradient_of_the_one_before_and_nothing_else():
    params, X = problem(15, 4, 3, seed=9)
    before = [a.copy() for a in (*params, X)]
    step = module.Step(nets.Sigmoid())
    first = step(params, X[:7], X[:7], None)[1].copy()
    step(params, X[7:14], X[7:14], None)
    assert_array_equal(step(params, X[:7], X[:7], None)[1], first)
    for a, b in zip((*params, X), before, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_the_cost_alone_is_the_same_to_the_bit_and_does_without_the_gradient(monkeypatch, output):
    params, X = problem(1201, 4, 3, seed=9)
    objective, theta = objective_of(X, output=output), saelib.pack(params)
    J = objective(theta)[0]
    monkeypatch.setattr(Fast, "backward", None)
    assert objective.cost(theta) == J


@pytest.mark.parametrize("net", [*nets.examples(), nets.TopK(2, k_aux=3, dead_after=1)], ids=repr)
def test_a_step_keeps_nothing_of_the_parameters_before(net, monkeypatch):
    monkeypatch.setattr("saelib.nets.topk.MANY", 32)
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (40, 6))
    start = net.init(6, 32, rng)
    theta = flatten(start)
    step, memory = module.Step(net), None
    for _ in range(3):
        params = net.constrain(unflatten(theta + 0.1 * rng.normal(size=theta.size), start))
        once = module.Step(net)(params, X, X, memory)
        again = step(params, X, X, memory)
        assert again[0] == once[0]
        assert_array_equal(again[1], once[1])
        memory = again[4]


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_blocks_of_the_real_size(dtype, output):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(3501, 64)).astype(dtype)
    params = saelib.init_params(64, 25, rng, dtype=dtype)
    options = {"lam": 1e-3, "rho": 0.1, "beta": 3.0, "output": output}
    J, gradient = objective_of(X, **options)(saelib.pack(params))
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
    results = [objective_of(X, rho=0.1, n_jobs=k)(saelib.pack(params)) for k in (1, 2, 3, None, 1)]
    for J, gradient in results[1:]:
        assert J == results[0][0]
        assert_array_equal(gradient, results[0][1])


def saturated_problem(z, dtype, spread=0.1):
    """A network whose first unit is near z for all samples, another near 0 and a third somewhat off."""
    rng = np.random.default_rng(2)
    params, X = problem(30, 4, 3, seed=2)
    W1 = rng.normal(scale=0.1, size=(3, 4))
    W1[0] *= spread / 0.1
    params = params._replace(W1=W1, b1=np.array([z, 0.0, -0.5]))
    return saelib.Params(*(P.astype(dtype) for P in params)), X.astype(dtype)


def rows_of_gradients(params, X, form, output="sigmoid"):
    """Cost and gradient in the form asked for, and those of the page in float64."""
    net = nets.Sigmoid(0.0, 0.05, 3.0, output)
    J, gradient = saelib.Objective(net, X, run=map if form == "plain" else None)(saelib.pack(params))
    wide = saelib.Params(*(P.astype(float) for P in params))
    page = saelib.cost_and_gradient(wide, X.astype(float), lam=0, rho=0.05, beta=3.0, output=output)
    return J, saelib.unpack(gradient, params), *page


def assert_units_right(found, expected, rtol):
    """The rows of W1 and b1, each unit compared with its own size."""
    for G, E in zip(found.W1, expected.W1, strict=True):
        assert np.linalg.norm(G - E) <= rtol * np.linalg.norm(E)
    assert_allclose(found.b1, expected.b1, rtol=rtol)


@pytest.mark.parametrize("form", ["fast", "plain"])
@pytest.mark.parametrize("z", [-690, -300, -80, -40, -20, -13, -11, -6, 6, 11, 13, 20, 37, 40, 80, 300, 690])
def test_saturated_units_are_the_pages_in_float64(z, form):
    """f(z) and f(-z) keep all their digits, so that no unit is too far off or on."""
    for output in ("sigmoid", "linear"):
        J, gradient, expected_J, expected = rows_of_gradients(*saturated_problem(z, np.float64), form, output)
        assert_allclose(J, expected_J, rtol=1e-12)
        assert_units_right(gradient, expected, rtol=1e-10)
        assert_allclose(gradient.W2, expected.W2, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("form", ["fast", "plain"])
@pytest.mark.parametrize("z", [-1000, -746, -701, 701, 746, 1000])
def test_units_beyond_what_float64_can_hold_are_pulled_back_as_the_page_says(z, form):
    """exp(-700) is near the least number that float64 holds with all digits: further out, a unit counts as there.

    Its gradient is the page's where all samples agree; its cost is that of a unit at 700.
    """
    params, X = saturated_problem(z, np.float64, spread=0.0)
    J, gradient, _, expected = rows_of_gradients(params, X, form)
    assert_units_right(gradient, expected, rtol=1e-10)
    held = params._replace(b1=np.array([np.clip(z, -700.0, 700.0), *params.b1[1:]]))
    assert_allclose(J, saelib.sparse_cost(held, X, lam=0, rho=0.05, beta=3.0), rtol=1e-12)


@pytest.mark.parametrize("form", ["fast", "plain"])
@pytest.mark.parametrize("z", [-79, -40, -20, -13, -12.5, -11, -6, 6, 11, 12.5, 13, 20, 40, 79])
def test_saturated_units_in_float32(z, form):
    """As many digits as z itself has: the error of z, which is 80 at most, is that of exp(z)."""
    for output in ("sigmoid", "linear"):
        J, gradient, expected_J, expected = rows_of_gradients(*saturated_problem(z, np.float32), form, output)
        assert_allclose(J, expected_J, rtol=1e-6)
        assert_units_right(gradient, expected, rtol=2e-5)


@pytest.mark.parametrize("form", ["fast", "plain"])
@pytest.mark.parametrize("z", [-1000, -300, -81, 81, 300, 1000])
def test_units_beyond_what_float32_can_hold(z, form):
    """As in float64, but from 80 on: the bias is pulled by -rho beta if the unit is off, else by (1 - rho) beta."""
    params, X = saturated_problem(z, np.float32, spread=0.0)
    J, gradient, _, expected = rows_of_gradients(params, X, form)
    assert gradient.b1[0] == pytest.approx(-0.05 * 3 if z < 0 else 0.95 * 3, rel=1e-6)
    assert_units_right(gradient, expected, rtol=1e-5)
    assert np.isfinite(J)


def test_the_gradient_passes_the_books_own_check():
    params, X = problem(9, 5, 4, seed=8)
    for output in ("sigmoid", "linear"):
        objective = objective_of(X, output=output)
        assert saelib.check_gradient(objective, saelib.pack(params)).error < 1e-8


def test_data_and_theta_are_left_alone_and_calls_are_independent():
    params, X = problem(9, 5, 4, seed=8)
    objective, theta = objective_of(X), saelib.pack(params)
    before_X, before_theta = X.copy(), theta.copy()
    J, gradient = objective(theta)
    kept = gradient.copy()
    objective(theta * 0.5)
    assert_array_equal(gradient, kept)
    assert objective(theta)[0] == J
    assert_array_equal(X, before_X)
    assert_array_equal(theta, before_theta)


def test_the_number_of_hidden_units_follows_from_theta():
    objective = objective_of(np.full((3, 4), 0.5))
    for hidden in (1, 2, 7):
        params = saelib.init_params(4, hidden, np.random.default_rng(0))
        for P, Q in zip(objective.params(saelib.pack(params)), params, strict=True):
            assert_array_equal(P, Q)


def small_blocks(monkeypatch, **options):
    """An objective of six blocks, and the packed parameters of a network for it."""
    blocks_of_rows(monkeypatch, 2)
    params, X = problem(12, 4, 3, seed=9)
    return objective_of(X, **options), params


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
@PASSES
def test_n_jobs_threads_share_the_blocks(monkeypatch, name, n_jobs):
    compute, all_at_work = getattr(Fast, name), threading.Barrier(n_jobs, timeout=30)
    at_work, numbers = [], []

    def block(*args, **options):
        at_work.append(threading.get_ident())
        all_at_work.wait()
        time.sleep(0.01)  # gives a thread too many the time to join
        numbers.append(len(at_work))
        at_work.remove(threading.get_ident())
        return compute(*args, **options)

    monkeypatch.setattr(Fast, name, block)
    objective, params = small_blocks(monkeypatch, n_jobs=n_jobs)
    objective(saelib.pack(params))
    assert len(numbers) == 6
    assert max(numbers) <= n_jobs


def test_a_single_block_needs_no_other_thread(monkeypatch):
    threads = []
    backward = Fast.backward
    monkeypatch.setattr(Fast, "backward", lambda *args: threads.append(threading.get_ident()) or backward(*args))
    params, X = problem(12, 4, 3, seed=9)
    objective_of(X)(saelib.pack(params))
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
    monkeypatch.setattr(workplace, "number_of_threads", lambda n_jobs: 2)
    with workplace.two_threads() as run:
        both = threading.Barrier(2, timeout=10)  # each item waits for the other one to be begun

        def difference(a, b):
            both.wait()
            return a - b, threading.get_ident()

        (first, here), (second, there) = run(difference, [5, 7], (1, 2, 3))
        assert (first, second) == (4, 5) and here != there
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
    penalty = objective_of(X, **options)(saelib.pack(params))[0]
    penalty -= objective_of(X, **{**options, "beta": 0.0})(saelib.pack(params))[0]
    wide = saelib.Params(*(P.astype(float) for P in params))
    assert_allclose(penalty, saelib.cost_terms(wide, X.astype(float), **options).sparsity, rtol=1e-6)


def test_the_activations_of_many_blocks_are_summed_without_losing_digits(monkeypatch):
    """A fifth is no binary number: a thousand of float32 in a lane would all err in the same direction."""
    blocks_of_rows(monkeypatch, 1)
    theta = np.array([0, -np.log(4), 0, 0], np.float32)  # W1, b1, W2 and b2 of a unit that is always on by a fifth
    X = np.full((8000, 1), 0.5, np.float32)
    terms = [objective_of(X, lam=0, beta=beta).cost(theta) for beta in (0, 1)]
    expected = 0.05 * np.log(0.05 / 0.2) + 0.95 * np.log(0.95 / 0.8)
    assert_allclose(terms[1] - terms[0], expected, rtol=1e-6)


def test_the_first_number_that_is_not_finite_is_named():
    params, X = problem(5, 4, 3, seed=9)
    theta = saelib.pack(params)
    theta[[5, 9]] = np.inf
    with pytest.raises(ValueError, match=r"theta must be finite, but theta\[5\] is not"):
        objective_of(X)(theta)


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
    return objective_of(X, **options)(saelib.pack(params))


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
    X, block = np.full((9, 4), 0.5, dtype), slice(2, 5)
    rows, target = objective_of(X).rows(block)
    assert np.shares_memory(rows, X) and target is rows
    scaled, target = objective_of(X, scale=0.25).rows(block)
    assert_array_equal(scaled, np.full((3, 4), 0.125))
    assert scaled.dtype == dtype and target is scaled
    assert objective_of(X.astype(np.uint8), scale=1 / 255).rows(block)[0].dtype == np.float32
    scaled, target = objective_of(X, scale=0.25, target=np.ones((9, 4))).rows(block)
    assert_array_equal(scaled, np.full((3, 4), 0.125))
    assert_array_equal(target, np.ones((3, 4)))  # which is as it should be already


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
    objective = objective_of(X, n_jobs=2)
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
    seen, encode = [], Fast.encode
    monkeypatch.setattr(Fast, "encode", lambda *args: seen.append(blas_threads()) or encode(*args))
    with threadpool_limits(3):
        before = blas_threads()
        objective_of(X, n_jobs=1)(saelib.pack(params))
    assert seen == blocks * [before if blocks == 1 else [1] * len(before)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@PASSES
def test_a_workers_exception_reaches_the_caller_and_stops_the_others(monkeypatch, name, error):
    blocks_of_rows(monkeypatch, 500)
    X = np.random.default_rng(0).uniform(size=(50_000, 3))
    objective = objective_of(X, n_jobs=2)
    theta, compute, calls = saelib.pack(saelib.init_params(3, 2, np.random.default_rng(0))), getattr(Fast, name), []
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
        patch.setattr(Fast, name, block)
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
    objective = objective_of(X, n_jobs=2)
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


# --- any net -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", nets.examples(), ids=repr)
def test_threads_and_blocks_of_any_net(net):
    """Through its fast form, where it has one; the same bits on any number of threads."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (40, 6))
    params = net.init(6, 5, rng)
    theta = flatten(params)
    J, gradient = saelib.Objective(net, X, like=params, run=map)(theta)
    threads = [saelib.Objective(net, X, like=params, n_jobs=n, block_rows=7)(theta) for n in (1, 2, 5)]
    for one, other in threads:
        assert_allclose(one, J, rtol=1e-12)
        assert_allclose(other, gradient, rtol=1e-9, atol=1e-13)
        assert one == threads[0][0]
        assert_array_equal(other, threads[0][1])


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
@pytest.mark.parametrize("net", [nets.Sigmoid(0.01, 0.1, 2.0), nets.TopK(2, k_aux=1)], ids=["sigmoid", "topk"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_blocks_may_be_computed_elsewhere(pool, net):
    params, X = problem(60, 5, 4, seed=0)
    theta = saelib.pack(params)
    J, gradient = saelib.Objective(net, X, block_rows=9)(theta)
    with pool(2) as workers:
        there_J, there = saelib.Objective(net, X, block_rows=9, run=workers.map)(theta)
    assert_allclose(there_J, J, rtol=1e-13)
    assert_allclose(there, gradient, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("rows", [None, 7])
def test_a_target_of_its_own(rows):
    """Denoising: the loss is measured against the clean rows; by finite differences of a cost written out here."""
    params, X = problem(60, 5, 4, seed=0)
    clean = np.clip(X + 0.05, 0, 1)
    theta, objective = saelib.pack(params), objective_of(X, lam=0.01, rho=0.1, beta=2, target=clean, block_rows=rows)

    def J(theta):
        W1, b1, W2, b2 = saelib.unpack(theta, params)
        A2 = 1 / (1 + np.exp(-(X @ W1.T + b1)))
        A3 = 1 / (1 + np.exp(-(A2 @ W2.T + b2)))
        r = A2.mean(axis=0)
        kl = 0.1 * np.log(0.1 / r) + 0.9 * np.log(0.9 / (1 - r))
        return ((A3 - clean) ** 2).sum() / 120 + 0.005 * ((W1**2).sum() + (W2**2).sum()) + 2 * kl.sum()

    assert_allclose(objective.cost(theta), J(theta), rtol=1e-13)
    assert_allclose(objective(theta)[1], saelib.numerical_gradient(J, theta), atol=1e-8)
    if rows is None:  # a mini-batch, too
        step = module.Step(objective.net)
        one, found, *_ = step(params, X, clean, None)
        assert_allclose(one, objective(theta)[0], rtol=1e-13)
        assert_allclose(in_order(step, found), objective(theta)[1], rtol=1e-12, atol=1e-15)


def test_inputs_with_a_target_of_their_own_are_looked_at_before_a_training():
    params, X = problem(60, 5, 4, seed=0)
    wrong = X.copy()
    wrong[40, 2] = np.inf
    with pytest.raises(ValueError, match=r"^X must be finite, but X\[40, 2\] is inf"):
        objective_of(wrong, target=X)


def test_what_does_not_fit_any_net_is_said():
    params, X = problem(60, 5, 4, seed=0)
    theta = saelib.pack(params)
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 4"):
        saelib.Objective(nets.TopK(9), X)(theta)
    with pytest.raises(ValueError, match="mu must be a finite number >= 0"):
        saelib.Objective(nets.ReluL1(-1.0), X)(theta)
    with pytest.raises(ValueError, match="theta must be a vector of"):
        saelib.Objective(nets.Sigmoid(), X[:, :3])(theta)


def test_a_step_writes_into_the_codes_of_the_step_before():
    params, X = problem(12, 4, 3, seed=9)
    step = module.Step(nets.Sigmoid())
    step(params, X, X, None)
    (first,) = step.spare[12][2]
    step(params, X, X, None)
    (second,) = step.spare[12][2]
    assert isinstance(first.A, np.ndarray) and second is first


def test_the_fast_form_of_float32_stays_in_float32():
    params, X = problem(12, 4, 3, seed=9)
    params = saelib.Params(*(P.astype(np.float32) for P in params))
    codes = nets.Sigmoid().fast(params).encode(X.astype(np.float32))
    assert codes.A.dtype == codes.rest.dtype == np.float32


@pytest.mark.parametrize(
    "net", [nets.Sigmoid(0.1, 0.2, 3.0), nets.TopK(2), nets.ReluL1(0.1), nets.Deep((4,))], ids=repr
)
def test_codes_for_which_there_is_no_room_are_encoded_again_to_the_same_bits(net, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (130, 6))
    params = net.init(6, 5, rng)
    theta, J = flatten(params), []
    objective = module.Objective(net, X, like=params, block_rows=20, n_jobs=2)
    row = 8 * (6 + 5)  # bytes of a row's codes in the fast form of the sigmoid net: f(z), a one, and f(-z)
    first = [objective(theta) for _ in range(2)]
    for kept in (0, 70 * row, 10**9):
        monkeypatch.setattr("saelib.objective.KEPT", kept)
        small = module.Objective(net, X, like=params, block_rows=20, n_jobs=2)
        for _ in range(2):
            J.append(small(theta))
        if isinstance(net, nets.Sigmoid):
            assert len(small.spare[0].codes) == {0: 0, 10**9: 7}.get(kept, 3)
        if not module.form_of(net, params).reuses:  # what is not written into again is let go
            assert not small.spare[0].codes
    for cost, gradient in J:
        assert cost == first[0][0]
        np.testing.assert_array_equal(gradient, first[0][1])
