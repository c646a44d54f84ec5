"""The cost and its terms: against loops, SciPy's entropies and, for saturated units, mpmath."""

import mpmath
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import rel_entr

import saelib
from saelib.backprop import kl_prime_of
from saelib.cost import kl_of

pytestmark = pytest.mark.filterwarnings("error")


def problem(m, n, hidden, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    params = saelib.Params(*(rng.normal(scale=scale, size=s) for s in ((hidden, n), hidden, (n, hidden), n)))
    return params, rng.uniform(size=(m, n))


SETTINGS = {
    "lam": st.sampled_from([0.0, 1e-4, 0.3]),
    "rho": st.sampled_from([0.01, 0.05, 0.5, 0.9]),
    "beta": st.sampled_from([0.0, 0.1, 3.0]),
    "output": st.sampled_from(["sigmoid", "linear"]),
}


@settings(deadline=None, max_examples=100)
@given(
    m=st.integers(1, 6), n=st.integers(1, 5), hidden=st.integers(1, 8), seed=st.integers(0, 10**6),
    options=st.fixed_dictionaries(SETTINGS),
)  # fmt: skip
def test_cost_and_its_terms_equal_loops(m, n, hidden, seed, options):
    params, X = problem(m, n, hidden, seed)
    terms = saelib.cost.cost_terms(params, X, **options)
    expected = reference.cost_terms(reference.as_lists(params), X.tolist(), **options)
    assert_allclose(terms, expected, rtol=1e-11, atol=1e-14)
    assert_allclose(saelib.sparse_cost(params, X, **options), sum(expected), rtol=1e-11)


def test_half_the_squared_error_is_summed_over_outputs_and_averaged_over_samples():
    A3, X = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 1.0]])
    assert saelib.reconstruction_error(A3, X) == (1 + 4 + 9 + 1) / 4


def test_a_linear_output_takes_any_numbers():
    params, X = problem(5, 4, 3, seed=6)
    options = {"lam": 0.1, "rho": 0.2, "beta": 0.5, "output": "linear"}
    expected = sum(reference.cost_terms(reference.as_lists(params), (9 * X - 4).tolist(), **options))
    assert_allclose(saelib.sparse_cost(params, 9 * X - 4, **options), expected, rtol=1e-11)


def test_squares_in_float32_are_summed_in_float64():
    X = np.random.default_rng(6).uniform(size=(70, 50)).astype(np.float32)
    exact = np.sum((X * X).astype(float)) / 140
    assert_allclose(saelib.reconstruction_error(np.zeros_like(X), X), exact, rtol=1e-14)


def test_squared_weights_in_float32_are_summed_in_float64():
    rng = np.random.default_rng(7)
    W1, W2 = (rng.normal(size=shape).astype(np.float32) for shape in ((50, 70), (70, 50)))
    exact = np.sum((W1 * W1).astype(float)) + np.sum((W2 * W2).astype(float))
    params = saelib.Params(W1, np.zeros(50, np.float32), W2, np.zeros(70, np.float32))
    assert_allclose(saelib.weight_decay(params, 2), exact, rtol=1e-14)


def test_decay_counts_weights_and_never_biases():
    params = saelib.Params(np.full((2, 3), 2.0), np.full(2, 100.0), np.full((3, 2), -1.0), np.full(3, 100.0))
    assert saelib.weight_decay(params, 0.5) == 0.25 * (6 * 4 + 6)
    assert saelib.weight_decay(params, 0) == 0


def test_divergence_is_the_relative_entropy_of_two_coins():
    for rho in (0.01, 0.2, 0.5, 0.99):
        rho_hat = np.linspace(0.001, 0.999, 201)
        entropy = rel_entr(rho, rho_hat) + rel_entr(1 - rho, 1 - rho_hat)
        assert_allclose(saelib.kl_divergence(rho, rho_hat), entropy, rtol=1e-11, atol=1e-15)


@given(rho=st.floats(0.01, 0.99), a=st.floats(0, 1), b=st.floats(0, 1))
def test_divergence_vanishes_at_rho_and_grows_away_from_it(rho, a, b):
    low, high = sorted((a, b))
    at_rho, at_low, at_high = (float(saelib.kl_divergence(rho, t)) for t in (rho, low, high))
    assert at_rho == pytest.approx(0, abs=1e-15)
    assert min(at_low, at_high) >= -1e-15
    if high <= rho:
        assert at_low >= at_high - 1e-15
    if low >= rho:
        assert at_low <= at_high + 1e-15


def test_divergence_is_large_and_finite_at_the_ends():
    for rho_hat in (0.0, 1.0):
        value = saelib.kl_divergence(0.05, rho_hat)
        assert np.isfinite(value)
        assert value > saelib.kl_divergence(0.05, abs(rho_hat - 1e-12))


def test_mean_activation_averages_over_samples():
    assert_array_equal(saelib.mean_activation([[0.0, 1.0], [1.0, 1.0], [0.5, 0.25]]), [0.5, 0.75])


def penalty(Z2, rho):
    """The sum of the divergences of a layer with pre-activations ``Z2``, from the cost of a network that has it."""
    params = saelib.Params(Z2.T, 0 * Z2[0], 0 * Z2, 0 * Z2[:, 0])
    return saelib.cost_terms(params, np.eye(len(Z2), dtype=Z2.dtype), lam=0, rho=rho, beta=1).sparsity


def test_divergence_and_slope_of_means_that_were_checked():
    """Beside SciPy's relative entropy of two Bernoulli variables, and its difference quotient."""
    rho_hat = np.array([0.01, 0.2, 0.5, 0.93])
    found, slope = kl_of(0.2, rho_hat, 1 - rho_hat), kl_prime_of(0.2, rho_hat, 1 - rho_hat)

    def expected(q):
        return rel_entr(0.2, q) + rel_entr(0.8, 1 - q)

    assert_allclose(found, expected(rho_hat), atol=1e-14)
    assert_allclose(slope, (expected(rho_hat + 1e-6) - expected(rho_hat - 1e-6)) / 2e-6, atol=1e-5)


def test_penalty_is_that_of_the_mean_activations_away_from_saturation():
    Z2 = np.random.default_rng(0).normal(scale=3, size=(50, 7))
    rho_hat = saelib.mean_activation(saelib.sigmoid(Z2))
    assert_allclose(penalty(Z2, 0.05), saelib.kl_divergence(0.05, rho_hat).sum(), rtol=1e-12)
    rest = saelib.mean_activation(saelib.sigmoid(-Z2))
    assert_allclose(saelib.kl_divergence(0.05, rho_hat, rest), saelib.kl_divergence(0.05, rho_hat), rtol=1e-11)


def test_the_rest_of_a_mean_has_its_shape_and_range():
    with pytest.raises(ValueError, match=r"rho_hat and rest must have the same shape, got \(2,\) and \(3,\)"):
        saelib.kl_divergence(0.1, [0.1, 0.2], [0.9, 0.8, 0.7])
    with pytest.raises(ValueError, match=r"rest must lie in \[0, 1\], got values from -0.1 to 0.8"):
        saelib.kl_divergence(0.1, [0.1, 0.2], [-0.1, 0.8])


# Four samples of one unit: all at one extreme, extremes mixed, and near the thresholds of float32 and float64.
PATTERNS = [
    [z] * 4 for s in (-1, 1) for z in (s * t for t in (15.0, 20, 36.7, 37.5, 87, 104, 709, 710, 745, 746, 1000))
]
PATTERNS += [[-1000, 1000, 0, 0], [-1000, -1000, -1000, 1000], [1000, 1000, 1000, 1000.5], [-745, -746, -709, -1000]]
PATTERNS += [[37, -37, 20, -20], [36, 37, 38, 710], [-36, -37, -38, -39], [1000, 1000, 1000, -20], [-20, -20, -20, -21]]


@pytest.mark.parametrize("rho", [0.01, 0.5])
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_penalty_of_a_saturated_unit_is_right(pattern, rho):
    """A pre-activation beyond 700 counts as 700."""
    Z2 = np.array(pattern, dtype=float)[:, np.newaxis]
    with mpmath.workdps(1000):
        rho_hat = sum(reference.activation(mpmath.mpf(max(-700, min(z, 700))), mpmath.mp) for z in pattern) / 4
        expected = float(reference.kl(mpmath.mpf(rho), rho_hat, mpmath.mp))
    assert_allclose(penalty(Z2, rho), expected, rtol=1e-12, atol=1e-15)


def test_a_million_samples_in_float32_keep_their_digits():
    rng = np.random.default_rng(4)
    Z2 = rng.normal(-2, 1, size=(1_000_000, 2)).astype(np.float32)
    exact = saelib.sigmoid(Z2.astype(float)).mean(axis=0)
    assert_allclose(saelib.mean_activation(saelib.sigmoid(Z2)), exact, rtol=1e-6)


def test_float32_stays_float32_and_agrees_with_float64():
    params, X = problem(40, 6, 5, seed=5)
    narrow, X32 = saelib.Params(*(P.astype(np.float32) for P in params)), X.astype(np.float32)
    Z2 = saelib.forward(narrow, X32).Z2
    A2 = saelib.sigmoid(Z2)
    arrays = [
        saelib.mean_activation(A2),
        *saelib.cost.means_of(saelib.forward(narrow, X32)),
        saelib.kl_divergence(0.1, A2),
    ]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    for output in ("sigmoid", "linear"):
        options = {"lam": 1e-2, "rho": 0.1, "beta": 3, "output": output}
        in_float32 = saelib.cost.cost_terms(narrow, X32, **options)
        assert {type(term) for term in in_float32} == {float}
        assert_allclose(in_float32, saelib.cost.cost_terms(params, X, **options), rtol=2e-6)
