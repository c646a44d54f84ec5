"""The network: activation functions against mpmath, the forward pass against loops, packing, shapes and types."""

import mpmath
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import saelib

pytestmark = pytest.mark.filterwarnings("error")

EXTREMES = [0, 1e-300, 1e-9, 0.5, 3, 20, 36.7, 37, 38, 87, 88, 103, 104, 709, 710, 744, 745, 746, 1000]
EXTREMES = np.array(sorted({sign * z for z in EXTREMES for sign in (-1.0, 1.0)}))


def exact(function):
    """At the extremes, of which those beyond 700 count as 700."""
    with mpmath.workdps(1000):
        return np.array([float(function(mpmath.mpf(z))) for z in np.clip(EXTREMES, -700, 700)])


def exact_sigmoid(z):
    return 1 / (1 + mpmath.exp(-z))


def test_sigmoid_keeps_its_digits_from_minus_1000_to_1000():
    assert_allclose(saelib.sigmoid(EXTREMES), exact(exact_sigmoid), rtol=1e-15)


def test_slope_keeps_its_digits_where_the_activation_rounds_to_one():
    slope = exact(lambda z: exact_sigmoid(z) * (1 - exact_sigmoid(z)))
    assert_allclose(saelib.sigmoid_slope(EXTREMES), slope, rtol=1e-15)


def test_sigmoid_at_the_ends_of_the_line():
    """Not quite 0, so that no mean is 0, and no quotient of two of them without a value."""
    for dtype, z in ((np.float64, 700), (np.float32, 80)):
        least = np.exp(-dtype(z))
        assert least > np.finfo(dtype).tiny and saelib.sigmoid(dtype(0)) == 0.5
        assert_allclose(saelib.sigmoid(np.array([-np.inf, np.inf], dtype)), [least, 1], rtol=1e-6)
        assert_allclose(saelib.sigmoid_slope(np.array([-np.inf, np.inf], dtype)), least, rtol=1e-6)


def test_derivative_in_terms_of_the_activation():
    z = np.linspace(-6, 6, 41)
    by_differences = (saelib.sigmoid(z + 1e-5) - saelib.sigmoid(z - 1e-5)) / 2e-5
    assert_allclose(saelib.sigmoid_prime(saelib.sigmoid(z)), by_differences, rtol=1e-6)
    assert saelib.sigmoid_prime(0.5) == 0.25


@settings(deadline=None, max_examples=60)
@given(m=st.integers(1, 5), n=st.integers(1, 6), hidden=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_forward_equals_loops(output, m, n, hidden, seed):
    rng = np.random.default_rng(seed)
    params = saelib.Params(*(rng.normal(size=s) for s in ((hidden, n), hidden, (n, hidden), n)))
    X = rng.normal(size=(m, n))
    cache = saelib.forward(params, X, output=output)
    for i in range(m):
        a2, a3 = reference.feedforward(reference.as_lists(params), X[i].tolist(), output)
        assert_allclose(cache.A2[i], a2, rtol=1e-12)
        assert_allclose(cache.A3[i], a3, rtol=1e-12, atol=1e-13)
    assert_array_equal(cache.A2, saelib.sigmoid(cache.Z2))
    assert_array_equal(cache.A3, saelib.sigmoid(cache.Z3) if output == "sigmoid" else cache.Z3)


def test_output_may_have_another_width_than_the_input():
    rng = np.random.default_rng(0)
    params = saelib.Params(rng.normal(size=(3, 5)), np.zeros(3), rng.normal(size=(2, 3)), np.zeros(2))
    assert saelib.forward(params, rng.normal(size=(4, 5))).A3.shape == (4, 2)


def test_initial_weights_fill_their_interval():
    rng = np.random.default_rng(1)
    params = saelib.init_params(60, 40, rng)
    r = (6 / 101) ** 0.5
    for W, shape in ((params.W1, (40, 60)), (params.W2, (60, 40))):
        assert W.shape == shape
        assert 0.99 * r < np.abs(W).max() < r
        assert abs(W.mean()) < 4 * r / (3 * W.size) ** 0.5  # four standard errors of a uniform variable
        assert_allclose(W.std(), r / 3**0.5, rtol=0.05)
    assert_array_equal(np.concatenate([params.b1, params.b2]), 0)


def test_initial_weights_come_from_the_generator_alone():
    first, again = (saelib.init_params(5, 3, np.random.default_rng(7)) for _ in range(2))
    other = saelib.init_params(5, 3, np.random.default_rng(8))
    assert_array_equal(first.W1, again.W1)
    assert not np.array_equal(first.W1, other.W1)
    in_order = np.random.default_rng(7).uniform(-1, 1, 30) * (6 / 9) ** 0.5
    assert_allclose(np.concatenate([first.W1.ravel(), first.W2.ravel()]), in_order, rtol=1e-14)


def test_packing_goes_row_by_row_in_the_order_of_the_fields():
    params = saelib.Params(
        np.arange(6.0).reshape(3, 2), np.arange(6.0, 9), np.arange(9.0, 15).reshape(2, 3), [15.0, 16.0]
    )
    assert_array_equal(saelib.pack(params), np.arange(17))


@given(n=st.integers(1, 6), hidden=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_unpack_undoes_pack(n, hidden, seed):
    params = saelib.init_params(n, hidden, np.random.default_rng(seed))
    theta = saelib.pack(params)
    back = saelib.unpack(theta, params)
    for P, Q in zip(params, back, strict=True):
        assert_array_equal(P, Q)
        assert np.shares_memory(Q, theta)


def test_float32_stays_float32():
    rng = np.random.default_rng(2)
    params, X = saelib.init_params(5, 3, rng, dtype=np.float32), rng.uniform(size=(7, 5)).astype(np.float32)
    for output in ("sigmoid", "linear"):
        arrays = [*params, *saelib.forward(params, X, output=output), saelib.pack(params)]
        assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    for function in (saelib.sigmoid, saelib.sigmoid_slope, saelib.sigmoid_prime):
        assert function(X).dtype == np.float32
    assert {P.dtype for P in saelib.unpack(saelib.pack(params), params)} == {np.dtype(np.float32)}


def test_forward_leaves_its_arguments_alone():
    rng = np.random.default_rng(3)
    params, X = saelib.init_params(4, 3, rng), rng.uniform(size=(6, 4))
    before = [a.copy() for a in (*params, X)]
    saelib.forward(params, X)
    for a, b in zip((*params, X), before, strict=True):
        assert_array_equal(a, b)


def test_the_first_parameter_that_is_not_finite_is_named():
    params = saelib.init_params(4, 3, np.random.default_rng(3))
    for values, first in (([0, np.inf, np.nan], "inf"), ([0, 0, np.nan], "nan")):
        with pytest.raises(ValueError, match=f"^b1 must be finite, got {first} among its values$"):
            saelib.forward(params._replace(b1=np.array(values)), np.ones((2, 4)))
