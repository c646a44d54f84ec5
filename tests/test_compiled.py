"""The compiled forms: equal to the page, to NumPy's forms and to scikit-learn, in use or not as was said."""

import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import sparse_encode
from test_cost import SETTINGS, problem

import saelib
from saelib import _compiled as loops
from saelib import _workplace as workplace
from saelib import compiled, nets, objective, train
from saelib.architecture import flatten
from saelib.nets import sigmoid
from saelib.sparse_coding import lasso_codes, lasso_cost

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def in_use():
    compiled.use()
    yield
    compiled.use(False)


def test_use_says_what_computes_from_now_on():
    net = nets.Sigmoid()
    params = net.init(4, 3, np.random.default_rng(0))
    assert type(objective.form_of(net, params)) is loops.Fast
    compiled.use(False)
    assert type(objective.form_of(net, params)) is sigmoid.Fast
    assert workplace.quickest(train._move) is train._move
    compiled.use()
    assert workplace.quickest(train._move) is loops.move


def test_without_numba_the_error_says_what_to_install_and_numpy_goes_on(monkeypatch):
    monkeypatch.delitem(sys.modules, "saelib._compiled")
    monkeypatch.delattr(saelib, "_compiled")
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ImportError, match=r'saelib.compiled needs Numba: pip install "saelib\[fast\]"'):
        compiled.use()
    assert not workplace.COMPILED


def test_without_a_folder_for_what_was_compiled_it_is_compiled_all_the_same(monkeypatch):
    def njit(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function")
        return lambda function: (function, options["nogil"])

    monkeypatch.setattr(loops, "njit", njit)
    assert loops._compiled(abs) == (abs, True)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=st.integers(1, 40), n=st.integers(1, 6), hidden=st.integers(1, 9), seed=st.integers(0, 10**6),
    bias=st.sampled_from([0, -60, 60, 600]), options=st.fixed_dictionaries(SETTINGS), rows=st.integers(1, 50),
)  # fmt: skip
def test_cost_and_gradient_are_those_of_the_page(m, n, hidden, seed, bias, options, rows):
    params, X = problem(m, n, hidden, seed)
    params.b1[0] += bias  # a saturated unit
    theta, J = saelib.pack(params), saelib.Objective(nets.Sigmoid(**options), X, block_rows=rows)
    expected_J, expected = saelib.cost_and_gradient(params, X, **options)
    assert_allclose(J(theta)[0], expected_J, rtol=1e-12, atol=1e-15 * options["beta"] * hidden)
    assert_allclose(J(theta)[1], saelib.pack(expected), rtol=1e-9, atol=1e-13)
    assert J.cost(theta) == J(theta)[0]


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_float32_stays_float32_and_is_as_near_as_numpys(output):
    rng = np.random.default_rng(0)
    net, X = nets.Sigmoid(1e-3, 0.1, 3.0, output), rng.uniform(0.1, 0.9, (500, 64)).astype("f4")
    params = net.init(64, 25, rng, dtype=np.float32)
    J, gradient = saelib.Objective(net, X)(flatten(params))
    wide = saelib.Params(*(P.astype(float) for P in params))
    expected_J, expected = saelib.cost_and_gradient(wide, X.astype(float), **net._asdict())
    assert gradient.dtype == np.float32
    assert_allclose(J, expected_J, rtol=1e-6)
    assert_allclose(gradient, saelib.pack(expected), atol=1e-6 * np.abs(gradient).max())


def test_the_contract_is_kept():
    rng = np.random.default_rng(0)
    for net in sigmoid.EXAMPLES:
        assert saelib.check_architecture(net, rng.uniform(0.1, 0.9, (20, 6)), rng) < 1e-8


def test_any_number_of_threads_gives_the_same_bits():
    rng = np.random.default_rng(0)
    X, net = rng.uniform(0.1, 0.9, (3000, 20)), nets.Sigmoid()
    theta = flatten(net.init(20, 9, rng))
    once, *others = (saelib.Objective(net, X, n_jobs=n, block_rows=100)(theta) for n in (1, 2, 5))
    for other in others:
        assert other[0] == once[0]
        assert_array_equal(other[1], once[1])


@pytest.mark.parametrize("net", nets.examples(), ids=repr)
def test_adam_goes_the_same_way_with_any_net(net):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (90, 6))
    params = net.init(6, 5, rng)
    ways = []
    for on in (True, False):
        compiled.use(on)
        ways.append(saelib.adam(net, params, saelib.Minibatches(X, 20, epochs=4, seed=1), learning_rate=0.01))
    (ours, descent), (expected, other) = ways
    assert_allclose(flatten(ours), flatten(expected), rtol=1e-8, atol=1e-10)
    assert_allclose(descent.cost, other.cost, rtol=1e-10)
    assert_allclose(descent.state.square, other.state.square, rtol=1e-7, atol=1e-20)


@pytest.mark.parametrize("dtype, digits", [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_a_step_is_numpys_and_its_sum_of_squares(dtype, digits):
    rng, found = np.random.default_rng(0), []
    theta, mean, gradient = rng.normal(size=(3, 70_000)).astype(dtype)
    square = rng.uniform(size=70_000).astype(dtype)
    old = train._Vectors(None, (), theta, mean, square)
    for move in (loops.move, train._move):
        new = old._replace(theta=0 * theta, mean=0 * theta, square=0 * theta)
        squares = move(slice(5, 69_000), old, new, gradient, 0 * theta, (0.9, 0.99), 7, 0.01)
        found.append([squares, *new[2:]])
    for one, other in zip(*found, strict=True):
        assert_allclose(one, other, rtol=digits, atol=digits / 10)


def test_a_training_by_two_threads_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    X, net = rng.uniform(0.1, 0.9, (512, 300)), nets.Sigmoid()
    params = net.init(300, 180, rng)  # more than 100,000 parameters
    both, _ = saelib.adam(net, params, saelib.Minibatches(X, 256))
    monkeypatch.setattr(workplace, "number_of_threads", lambda n_jobs: 1)
    one, _ = saelib.adam(net, params, saelib.Minibatches(X, 256))
    assert_array_equal(flatten(both), flatten(one))


def test_lbfgs_reaches_the_same_cost():
    rng = np.random.default_rng(0)
    X, net = rng.uniform(0.1, 0.9, (60, 6)), nets.Sigmoid(1e-3, 0.2, 0.5)
    params, costs = net.init(6, 4, rng), []
    for on in (True, False):
        compiled.use(on)
        costs.append(saelib.lbfgs(net, params, X, max_iter=60)[1].cost)
    assert_allclose(costs[0][:20], costs[1][:20], rtol=1e-8)


def test_what_is_wrong_with_data_or_step_is_said_as_before():
    rng = np.random.default_rng(0)
    X, net = rng.uniform(0.1, 0.9, (30, 4)), nets.Sigmoid(output="linear")
    params = net.init(4, 3, rng)
    X[7, 2] = np.nan
    with pytest.raises(ValueError, match=r"must be finite, but X\[7, 2\] is nan"):
        saelib.adam(net, params, [X])
    with pytest.raises(ValueError, match=r"must be finite, but X\[7, 2\] is nan"):
        saelib.adam(net, params, [(X, np.ones((30, 4)))])
    with pytest.raises(ValueError, match="grew beyond all bounds at step 1; a smaller learning_rate may help"):
        saelib.adam(net, params, [np.ones((3, 4))] * 3, learning_rate=1e200)


# ------------------------------------------------------------------------------------------------------------- lasso
def coding(m, n, k, seed, dtype=float):
    rng = np.random.default_rng(seed)
    D = rng.normal(size=(k, n))
    return rng.normal(size=(m, n)).astype(dtype), (D / np.linalg.norm(D, axis=1, keepdims=True)).astype(dtype)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=st.integers(1, 12), n=st.integers(1, 8), k=st.integers(1, 20), seed=st.integers(0, 10**6),
    lam=st.sampled_from([0.01, 0.3, 2.0]), size=st.sampled_from([1e-100, 1.0, 1e100]),
)  # fmt: skip
@example(m=3, n=2, k=20, seed=5798, lam=0.01, size=1.0)  # coordinate descent alone would take too long
@example(m=1, n=2, k=18, seed=240, lam=0.01, size=1.0)  # NumPy's form takes more than ten thousand iterations, too
def test_every_lasso_is_as_near_to_the_least_cost_as_was_asked(m, n, k, seed, lam, size):
    X, D = coding(m, n, k, seed)
    A = lasso_codes(X * size, D, lam * size, tol=1e-9, max_iter=10**6) / size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not always arrive where atoms are nearly parallel
        expected = sparse_encode(X, D, algorithm="lasso_cd", alpha=lam, max_iter=100_000)
    for x, a, b in zip(X, A, expected, strict=True):
        least = lasso_cost(b[np.newaxis], x[np.newaxis], D, lam)
        assert lasso_cost(a[np.newaxis], x[np.newaxis], D, lam) <= (1 + 1e-8) * least + 1e-15


@pytest.mark.parametrize("dtype, digits", [(np.float64, 1e-7), (np.float32, 1e-2)])
def test_lasso_codes_are_those_of_numpy(dtype, digits):
    X, D = coding(700, 16, 40, 0, dtype)  # more than a block
    A = lasso_codes(X, np.asfortranarray(D), 0.5, tol=1e-12 if dtype is np.float64 else 1e-5)
    compiled.use(False)
    expected = lasso_codes(X, D, 0.5, tol=1e-12 if dtype is np.float64 else 1e-5)
    assert A.dtype == dtype
    assert_allclose(A, expected, atol=digits)
    assert_array_equal(A == 0, np.abs(A) < 1e-12)  # zeros are zeros


def test_what_has_not_arrived_in_time_is_left_to_numpy(monkeypatch):
    X, D = coding(30, 6, 12, 3)
    expected = lasso_codes(X, D, 0.1, tol=1e-10)
    monkeypatch.setattr(loops, "PATIENCE", 2)
    assert_allclose(lasso_codes(X, D, 0.1, tol=1e-10), expected, atol=1e-4)
    early = lasso_codes(X, D, 0.1, tol=1e-10, max_iter=2)
    assert lasso_cost(early, X, D, 0.1) > lasso_cost(expected, X, D, 0.1) * (1 + 1e-9)


def test_an_atom_of_zeros_is_not_used_and_iterations_are_counted():
    X, D = coding(5, 6, 9, 1)
    D[4] = 0
    A = lasso_codes(X, D, 0.1, tol=1e-10)
    assert np.all(A[:, 4] == 0)
    assert lasso_cost(A, X, D, 0.1) < lasso_cost(lasso_codes(X, D, 0.1, tol=1e-10, max_iter=1), X, D, 0.1)


# -------------------------------------------------------------- the loops as Python runs them, and as machine code does
def both(name, *arguments):
    """Return what a loop gives and what it writes, by machine code and by Python."""
    ways = []
    for function in (getattr(loops, name), getattr(loops, name).py_func):
        own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        ways.append([function(*own), *(a for a in own if isinstance(a, np.ndarray))])
    return ways


rng = np.random.default_rng(3)
M, N, ROW = (lambda: rng.uniform(0.1, 0.9, (4, 7))), (lambda: rng.normal(size=30)), rng.normal(size=7)
LASSO = coding(3, 5, 8, 2)
LOOPS = {
    "_negative": [(M(), rng.normal(size=(7, 1)), 0.5)],
    "_pair": [(M(), M())],
    "_sums": [(M(), M())],
    "_output": [(M(), M(), True), (M(), M(), False)],
    "_hidden": [(M(), ROW, M(), M(), ROW.copy())],
    "_move": [(N(), N(), N(), N() ** 2, N(), N(), N(), 0.9, 0.99, 0.1, 0.01, 0.01, 1e-8)],
    "_descend": [(*LASSO, LASSO[1] @ LASSO[1].T, LASSO[0] @ LASSO[1].T, 0.3, 1e-9, 50, np.zeros((3, 8)))],
    "_coordinate": [(2, rng.normal(size=8), rng.normal(size=8), LASSO[1] @ LASSO[1].T, 0.3)],
    "_gap_is_within": [(tol, LASSO[0][0], np.eye(8)[1], LASSO[1], 0.3, np.array([1]), np.zeros(5)) for tol in (0, 99)],
}


@pytest.mark.parametrize("name, arguments", [(name, one) for name, cases in LOOPS.items() for one in cases])
def test_machine_code_does_what_the_loop_says(name, arguments):
    for one, other in zip(*both(name, *arguments), strict=True):
        if one is not None:
            assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_no_loop_is_left_out():
    assert set(LOOPS) == {name for name in vars(loops) if hasattr(getattr(loops, name), "py_func")}
