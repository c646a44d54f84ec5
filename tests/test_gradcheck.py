"""The gradient check: right on functions whose gradients are known, and not fooled by a wrong gradient."""

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from test_cost import problem

import saelib

pytestmark = pytest.mark.filterwarnings("error")


def test_polynomials_against_sympy():
    x, y, z = symbols = sympy.symbols("x y z")
    polynomial = 3 * x**2 * y - y**3 + 2 * x * y * z - 7 * z + 1
    J = sympy.lambdify([symbols], polynomial)
    gradient = sympy.lambdify([symbols], [sympy.diff(polynomial, s) for s in symbols])
    for theta in np.random.default_rng(0).normal(size=(5, 3)):
        assert_allclose(saelib.numerical_gradient(J, theta), gradient(theta), rtol=1e-8, atol=1e-9)


def test_the_difference_is_central_and_its_step_is_epsilon():
    """For a cube the central difference is 3 x^2 + epsilon^2, exactly."""
    for epsilon in (0.5, 0.1):
        slope = saelib.numerical_gradient(lambda t: t[0] ** 3, [2.0], epsilon)
        assert_allclose(slope, 12 + epsilon**2, rtol=1e-12)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=6))
def test_quadratics_are_exact_at_any_step(theta):
    theta = np.array(theta)
    assert_allclose(saelib.numerical_gradient(lambda t: t @ t, theta, 0.25), 2 * theta, rtol=1e-12, atol=1e-11)


def test_theta_is_left_alone_and_each_entry_costs_two_calls():
    theta, seen = np.arange(4.0), []

    def J(t):
        seen.append(t.copy())
        return t.sum()

    saelib.numerical_gradient(J, theta)
    assert_array_equal(theta, np.arange(4.0))
    assert len(seen) == 8
    assert all(np.count_nonzero(t - theta) == 1 for t in seen)


def test_float32_parameters_are_checked_in_float64():
    types = []

    def cost_and_gradient(theta):
        types.append(theta.dtype)
        return theta @ theta, 2 * theta

    assert saelib.check_gradient(cost_and_gradient, np.ones(3, np.float32)).passed
    assert set(types) == {np.dtype(float)}


def test_relative_error_by_hand():
    assert saelib.relative_error([3.0, 4.0], [3.0, 4.0]) == 0
    assert saelib.relative_error([0.0, 0.0], [0.0, 0.0]) == 0
    assert saelib.relative_error([3.0, 4.0], [0.0, 0.0]) == 1
    assert saelib.relative_error([1.0, 0.0], [-1.0, 0.0]) == 1
    assert saelib.relative_error([3.0, 4.0], [6.0, 8.0]) == pytest.approx(1 / 3)
    assert saelib.relative_error([[1e-100]], [[3e-100]]) == pytest.approx(0.5)


def test_the_verdict_reports_what_it_compared():
    check = saelib.check_gradient(lambda t: (t @ t, 2 * t + [0, 1e-3]), np.array([1.0, 2.0]), tolerance=1e-3)
    assert_array_equal(check.analytic, [2, 4.001])
    assert_allclose(check.numerical, [2, 4], rtol=1e-9)
    assert check.error == pytest.approx(1e-3 / (2 * 20**0.5), rel=1e-3)
    assert check.passed
    assert not saelib.check_gradient(lambda t: (t @ t, 2 * t + [0, 1e-3]), np.array([1.0, 2.0])).passed


def test_a_gradient_of_nan_does_not_pass():
    assert not saelib.check_gradient(lambda t: (t @ t, t * np.nan), np.ones(2)).passed


LAM, RHO, BETA = 0.1, 0.2, 3.0


def learners_gradient(params, X, mistake=None):
    """What a learner might write, right except for one mistake; sigmoid output."""

    def has(name):
        return mistake == name

    def f(Z):
        return 1 / (1 + np.exp(-Z))

    W1, b1, W2, b2 = params
    m = len(X)
    Z2 = X @ W1.T + b1
    A2 = f(Z2)
    Z3 = A2 @ W2.T + b2
    A3 = f(Z3)
    rho_hat = A2 if has("rho_hat per sample") else A2.mean(axis=0)
    slope3 = Z3 * (1 - Z3) if has("f' of z") else A3 * (1 - A3)
    delta3 = (A3 - X) * (1 if has("f' missing at the output") else slope3)
    delta3 = -delta3 if has("sign of the error") else delta3
    sign = -1 if has("sign in the penalty") else 1
    pull = -RHO / rho_hat + sign * (1 - RHO) / (1 - rho_hat)
    pull = pull * (0 if has("penalty missing") else 1 if has("beta missing") else BETA)
    pull = pull / m if has("1/m doubled in the penalty") else pull
    back = delta3 @ (W2.T if has("W2 transposed") else W2)
    delta2 = back * A2 * (1 - A2) + pull if has("penalty outside f'") else (back + pull) * A2 * (1 - A2)
    n = 1 if has("sum for mean") else m
    lam = 0 if has("decay missing") else 2 * LAM if has("decay doubled") else LAM / m if has("decay over m") else LAM
    dW1, dW2 = delta2.T @ X / n + lam * W1, delta3.T @ A2 / n + lam * W2
    if has("gradient of W2 transposed"):
        dW2 = dW2.T
    on_biases = LAM if has("decay on the biases") else 0
    return saelib.Params(dW1, delta2.sum(axis=0) / n + on_biases * b1, dW2, delta3.sum(axis=0) / n + on_biases * b2)


MISTAKES = [
    "rho_hat per sample", "f' of z", "f' missing at the output", "sign of the error", "sign in the penalty",
    "penalty missing", "beta missing", "1/m doubled in the penalty", "W2 transposed", "penalty outside f'",
    "sum for mean", "decay missing", "decay doubled", "decay over m", "gradient of W2 transposed",
    "decay on the biases",
]  # fmt: skip


@pytest.mark.parametrize("mistake", [None, *MISTAKES])
def test_each_classic_mistake_is_found(mistake):
    params, X = problem(7, 4, 4, seed=0)

    def cost_and_gradient(theta):
        at = saelib.unpack(theta, params)
        return saelib.sparse_cost(at, X, lam=LAM, rho=RHO, beta=BETA), saelib.pack(learners_gradient(at, X, mistake))

    check = saelib.check_gradient(cost_and_gradient, saelib.pack(params))
    assert check.passed == (mistake is None)
    assert mistake is None or check.error > 1e-3


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: saelib.numerical_gradient(np.sum, "high"), "theta must be an array of real numbers"),
        (lambda: saelib.numerical_gradient(np.sum, [0, 1, np.nan]), r"theta must be finite, but theta\[2\] is not"),
        (
            lambda: saelib.numerical_gradient(lambda t: 0.0 if t[0] > 1 else "low", [1.0]),
            r"J\(theta\) must be a number, got str 'low'",
        ),
        (lambda: saelib.check_gradient(lambda t: (0.0, "up"), [1.0]), "gradient must be an array of real numbers"),
    ],
)
def test_the_argument_that_is_no_number_is_named(call, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        call()
