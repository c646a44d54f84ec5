"""The block-wise objective: equal to the plain form for any shape and blocks, and to the bit for any threads."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from test_cost import SETTINGS, problem

import saelib
from saelib import objective as module

pytestmark = pytest.mark.filterwarnings("error")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=st.integers(1, 40), n=st.integers(1, 6), hidden=st.integers(1, 9), seed=st.integers(0, 10**6),
    options=st.fixed_dictionaries(SETTINGS), rows=st.integers(1, 50), n_jobs=st.sampled_from([None, 1, 2, 3, 100]),
)  # fmt: skip
def test_equal_to_the_plain_form(monkeypatch, m, n, hidden, seed, options, rows, n_jobs):
    monkeypatch.setattr(module, "BLOCK_ROWS", rows)
    params, X = problem(m, n, hidden, seed)
    J, gradient = saelib.Objective(X, **options, n_jobs=n_jobs)(saelib.pack(params))
    expected_J, expected = saelib.cost_and_gradient(params, X, **options)
    assert_allclose(J, expected_J, rtol=1e-12)
    assert_allclose(gradient, saelib.pack(expected), rtol=1e-9, atol=1e-13)


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
