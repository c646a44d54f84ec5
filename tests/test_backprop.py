"""The gradient: against central differences, a loop-by-loop transcription and, for saturated units, mpmath."""

import mpmath
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from test_cost import PATTERNS, SETTINGS, problem

import saelib

pytestmark = pytest.mark.filterwarnings("error")
SHAPES = {
    "m": st.integers(1, 6), "n": st.integers(1, 5), "hidden": st.integers(1, 8), "seed": st.integers(0, 10**6)
}  # fmt: skip


def of_theta(params, X, options):
    """The cost and packed gradient as functions of packed parameters."""

    def cost_and_gradient(theta):
        J, gradient = saelib.cost_and_gradient(saelib.unpack(theta, params), X, **options)
        return J, saelib.pack(gradient)

    return cost_and_gradient


@settings(deadline=None, max_examples=100)
@given(shape=st.fixed_dictionaries(SHAPES), options=st.fixed_dictionaries(SETTINGS))
def test_gradient_equals_loops(shape, options):
    params, X = problem(**shape)
    expected = reference.gradient(reference.as_lists(params), X.tolist(), **options)
    gradient = saelib.sparse_gradient(params, X, **options)
    for name, G, E in zip(params._fields, gradient, expected, strict=True):
        assert_allclose(G, E, rtol=1e-9, atol=1e-13, err_msg=name)


@settings(deadline=None, max_examples=100)
@given(shape=st.fixed_dictionaries(SHAPES), options=st.fixed_dictionaries(SETTINGS))
def test_gradient_equals_central_differences(shape, options):
    params, X = problem(**shape)
    theta = saelib.pack(params)
    _, gradient = of_theta(params, X, options)(theta)

    def J(theta):
        return saelib.sparse_cost(saelib.unpack(theta, params), X, **options)

    assert np.linalg.norm(gradient - central_differences(J, theta)) <= 1e-8 * np.linalg.norm(gradient)


def central_differences(J, theta, h=1e-3):
    """Of fourth order, so that h may be large enough for rounding to stay below 1e-8 of even a small gradient."""
    steps = h * np.eye(theta.size)
    return np.array(
        [(8 * (J(theta + s) - J(theta - s)) - (J(theta + 2 * s) - J(theta - 2 * s))) / (12 * h) for s in steps]
    )


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
@pytest.mark.parametrize(
    ("m", "n", "hidden", "lam", "beta"),
    [(5, 4, 3, 1e-3, 3), (1, 4, 3, 1e-3, 3), (5, 3, 9, 1e-3, 3), (5, 4, 3, 0, 3), (5, 4, 3, 1e-3, 0), (1, 1, 1, 0, 0)],
)
def test_the_books_own_check_passes_at_1e_8(m, n, hidden, lam, beta, output):
    params, X = problem(m, n, hidden, seed=11)
    options = {"lam": lam, "rho": 0.05, "beta": beta, "output": output}
    check = saelib.check_gradient(of_theta(params, X, options), saelib.pack(params))
    assert check.passed
    assert check.error < 1e-8


def test_deltas_are_derivatives_by_the_pre_activations():
    """Sample by sample: with beta = 0 they are those of the sample's own squared error."""
    params, X = problem(4, 5, 3, seed=1)
    W1, b1, W2, b2 = params
    h = 1e-6
    for output in ("sigmoid", "linear"):
        cache = saelib.forward(params, X, output=output)
        delta3 = saelib.output_delta(cache, X, output=output)
        delta2 = saelib.hidden_delta(params, cache, delta3, rho=0.1, beta=0)
        act = saelib.sigmoid if output == "sigmoid" else np.asarray

        def error(Z3, i, act=act):
            return 0.5 * np.sum((act(Z3) - X[i]) ** 2)

        for i in range(4):
            for k, e in enumerate(h * np.eye(5)):
                slope = (error(cache.Z3[i] + e, i) - error(cache.Z3[i] - e, i)) / (2 * h)
                assert_allclose(delta3[i, k], slope, rtol=1e-6, atol=1e-9)
            for j, e in enumerate(h * np.eye(3)):
                above, below = (saelib.sigmoid(cache.Z2[i] + s * e) @ W2.T + b2 for s in (1, -1))
                assert_allclose(delta2[i, j], (error(above, i) - error(below, i)) / (2 * h), rtol=1e-6, atol=1e-9)


def test_kl_prime_is_the_slope_of_the_divergence():
    for rho in (0.01, 0.2, 0.9):
        for rho_hat in (0.003, 0.1, 0.5, 0.97):
            slope = mpmath.diff(lambda t, rho=rho: reference.kl(rho, t, mpmath.mp), rho_hat)
            assert_allclose(saelib.kl_prime(rho, rho_hat), float(slope), rtol=1e-10)
        assert saelib.kl_prime(rho, rho) == pytest.approx(0, abs=1e-14)
        at_ends = saelib.kl_prime(rho, [0.0, 1.0])
        assert np.isfinite(at_ends).all()
        assert at_ends[0] < -1e100
        assert at_ends[1] > 1e100


def assert_rows_right(gradient, expected, rtol):
    """Each array row by row, so that a row of small numbers counts as much as a row of large ones."""
    for name, G, E in zip(saelib.Params._fields, gradient, expected, strict=True):
        E = np.array([[float(e) for e in np.ravel(row)] for row in E])
        error = np.linalg.norm(np.reshape(G, E.shape) - E, axis=1)
        assert (error <= rtol * np.linalg.norm(E, axis=1) + 1e-300).all(), (name, error, np.linalg.norm(E, axis=1))


def exact_cost_and_gradient(params, X, options):
    """In a thousand digits, for rows of the identity, where entries of W1 beyond 700 count as 700 but for the decay."""
    W1, lam = params.W1, options["lam"]
    params = params._replace(W1=np.clip(W1, -700, 700))
    with mpmath.workdps(1000):
        exact = {k: mpmath.mpf(v) if k != "output" else v for k, v in options.items()}
        lists, rows = reference.as_lists(params, mpmath.mpf), reference.as_lists(X, mpmath.mpf)
        J = float(sum(reference.cost_terms(lists, rows, **exact, lib=mpmath.mp)))
        gradient = reference.gradient(lists, rows, **exact, lib=mpmath.mp)
    return J + lam / 2 * np.sum(W1**2 - params.W1**2), [lam * (W1 - params.W1) + gradient[0], *gradient[1:]]


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
@pytest.mark.parametrize(("beta", "lam"), [(3.0, 0.0), (3.0, 1e-4), (0.0, 0.0)])
@pytest.mark.parametrize("start", range(0, len(PATTERNS), 8))
def test_saturated_hidden_units_have_the_right_cost_and_gradient(start, beta, lam, output):
    """Inputs are the rows of the identity matrix, so that the pre-activations are the entries of W1, exactly."""
    W1, X = np.array(PATTERNS[start : start + 8], dtype=float), np.eye(4)
    rng = np.random.default_rng(start)
    params = saelib.Params(W1, np.zeros(len(W1)), rng.normal(size=(4, len(W1))), rng.normal(size=4))
    options = {"lam": lam, "rho": 0.05, "beta": beta, "output": output}
    J, expected = exact_cost_and_gradient(params, X, options)
    cost, gradient = saelib.cost_and_gradient(params, X, **options)
    assert_allclose([cost, saelib.sparse_cost(params, X, **options)], J, rtol=1e-12)
    assert_rows_right(gradient, expected, rtol=1e-11)
    cost, gradient = saelib.Objective(saelib.nets.Sigmoid(**options), X)(saelib.pack(params))
    gradient = saelib.unpack(gradient, params)
    assert_allclose(cost, J, rtol=1e-10)
    if beta:  # what is left of a saturated row without the penalty is below the rounding of the whole
        assert_rows_right(gradient, expected, rtol=1e-9)
    else:
        assert (
            saelib.relative_error(saelib.pack(gradient), np.concatenate([np.ravel(E).astype(float) for E in expected]))
            < 1e-12
        )


@pytest.mark.parametrize("z", [-1000.0, -746, -745, -710, -37, -20, 20, 37, 38, 710, 745, 746, 1000])
def test_saturated_output_units_have_the_right_cost_and_gradient(z):
    rng = np.random.default_rng(6)
    params = saelib.Params(rng.normal(size=(2, 3)), rng.normal(size=2), np.zeros((3, 2)), np.array([z, 0.5, -z]))
    X = rng.uniform(size=(3, 3))
    options = {"lam": 0.0, "rho": 0.05, "beta": 0.0, "output": "sigmoid"}
    J, expected = exact_cost_and_gradient(params, X, options)
    cost, gradient = saelib.cost_and_gradient(params, X, **options)
    assert_allclose(cost, J, rtol=1e-13)
    assert_rows_right(gradient, expected, rtol=1e-11)


@settings(deadline=None, max_examples=25)
@given(
    Z2=st.lists(st.lists(st.floats(-1000, 1000), min_size=3, max_size=3), min_size=1, max_size=4),
    output=st.sampled_from(["sigmoid", "linear"]),
)
def test_any_mixture_of_pre_activations_up_to_1000_is_right(Z2, output):
    params, _ = problem(1, 3, len(Z2), seed=3)
    params = params._replace(W1=np.array(Z2), b1=np.zeros(len(Z2)))
    options = {"lam": 0.0, "rho": 0.05, "beta": 3.0, "output": output}
    J, expected = exact_cost_and_gradient(params, np.eye(3), options)
    cost, gradient = saelib.cost_and_gradient(params, np.eye(3), **options)
    assert_allclose(cost, J, rtol=1e-12)
    for name, G, E in zip(params._fields, gradient, expected, strict=True):
        E = np.array([[float(e) for e in np.ravel(row)] for row in E])
        # The two parts of a delta may cancel by chance, hence a floor; they are of order 0.1 to 1.
        assert_allclose(np.reshape(G, E.shape), E, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_saturated_unit_is_pulled_back():
    """Off for every sample, its bias must rise (a clipped rho_hat would leave the unit dead)."""
    params = saelib.Params(np.zeros((1, 2)), np.array([-800.0]), np.zeros((2, 1)), np.zeros(2))
    for z, sign in ((-800.0, -1), (800.0, 1)):
        gradient = saelib.sparse_gradient(params._replace(b1=np.array([z])), np.eye(2), lam=0, rho=0.05, beta=3)
        assert_allclose(gradient.b1, 3 * (-0.05 if sign < 0 else 0.95), rtol=1e-12)


def test_float32_stays_float32_and_agrees_with_float64():
    params, X = problem(60, 6, 5, seed=5)
    narrow, X32 = saelib.Params(*(P.astype(np.float32) for P in params)), X.astype(np.float32)
    for output in ("sigmoid", "linear"):
        options = {"lam": 1e-2, "rho": 0.1, "beta": 3, "output": output}
        (J32, g32), (J, g) = (saelib.cost_and_gradient(*p, **options) for p in ((narrow, X32), (params, X)))
        cache = saelib.forward(narrow, X32, output=output)
        delta3 = saelib.output_delta(cache, X32, output=output)
        delta2 = saelib.hidden_delta(narrow, cache, delta3, rho=0.1, beta=3)
        others = [delta3, delta2, saelib.kl_prime(0.1, cache.A2)]
        assert {a.dtype for a in (*g32, *others)} == {np.dtype(np.float32)}
        assert_allclose(J32, J, rtol=1e-6)
        for a, b in zip(g32, g, strict=True):
            assert saelib.relative_error(a, b) < 1e-6


def test_float32_saturated_is_finite_and_near():
    Z2 = np.array(PATTERNS, dtype=np.float32)
    params = saelib.Params(Z2, np.zeros(len(Z2)), np.zeros((4, len(Z2))), np.zeros(4))
    narrow = saelib.Params(*(P.astype(np.float32) for P in params))
    options = {"lam": 0, "rho": 0.05, "beta": 3}
    (J32, g32), (J, g) = (
        saelib.cost_and_gradient(p, np.eye(4, dtype=p.W1.dtype), **options)
        for p in (narrow, params._replace(W1=np.clip(Z2.astype(float), -80, 80)))  # where float32 has its bound
    )
    assert_allclose(J32, J, rtol=1e-6)
    assert_allclose(g32.W1, g.W1, rtol=1e-5, atol=1e-6)


def test_arguments_are_left_alone():
    params, X = problem(6, 4, 3, seed=9)
    before = [a.copy() for a in (*params, X)]
    saelib.cost_and_gradient(params, X, lam=1e-3, rho=0.05, beta=3)
    for a, b in zip((*params, X), before, strict=True):
        assert_array_equal(a, b)


def test_what_is_no_number_is_named():
    params, X = problem(6, 4, 3, seed=9)
    with pytest.raises(ValueError, match="^delta3 must be an array of real numbers"):
        saelib.hidden_delta(params, saelib.forward(params, X), "delta3", rho=0.1, beta=1)
    with pytest.raises(ValueError, match="^X must be an array of real numbers"):
        saelib.output_delta(saelib.forward(params, X), "X")
    for function in (saelib.kl_prime, saelib.kl_divergence):
        with pytest.raises(ValueError, match="^rho_hat must be an array of real numbers"):
            function(0.1, "rho_hat")
