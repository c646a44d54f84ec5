"""Each measure against its definition in plain loops, known cases, and what must leave it unchanged."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kurtosis as scipy_kurtosis
from sklearn.metrics import r2_score

from saelib.metrics import (
    active_share,
    dead_units,
    dictionary_recovery,
    fvu,
    kurtosis,
    lifetime_sparsity,
    match_atoms,
    orientation_coherence,
    population_sparsity,
    squared_error,
)

seeds = st.integers(0, 10**6)


def codes(seed=0, m=7, k=5):
    rng = np.random.default_rng(seed)
    return rng.laplace(size=(m, k)) * (rng.random((m, k)) < 0.7)


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_reconstruction_by_definition(seed):
    rng = np.random.default_rng(seed)
    X, X_hat = rng.standard_normal((6, 4)) + 3, rng.standard_normal((6, 4))
    error = sum((X[i, j] - X_hat[i, j]) ** 2 for i in range(6) for j in range(4))
    np.testing.assert_allclose(squared_error(X, X_hat), error / 6, rtol=1e-12)
    unexplained = 1 - r2_score(X, X_hat, multioutput="variance_weighted")
    np.testing.assert_allclose(fvu(X, X_hat), unexplained, rtol=1e-10)
    assert isinstance(fvu(X, X_hat), float) and isinstance(squared_error(X, X_hat), float)


def test_fvu_of_the_data_of_their_mean_and_of_the_mean_of_a_far_cloud():
    X = codes()
    assert fvu(X, X) == 0
    assert fvu(X, np.tile(X.mean(axis=0), (7, 1))) == pytest.approx(1)
    assert fvu(X + 1e6, np.tile(X.mean(axis=0) + 1e6, (7, 1))) == pytest.approx(1)


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_sparsity_by_definition(seed):
    A = codes(seed)
    for values, axis in ((population_sparsity(A), 1), (lifetime_sparsity(A), 0)):
        assert values.shape == (A.shape[1 - axis],)
        for value, a in zip(values, A if axis == 1 else A.T, strict=True):
            n = len(a)
            if not a.any():
                assert np.isnan(value)
                continue
            ratio = (sum(abs(v) for v in a) / n) ** 2 / (sum(v * v for v in a) / n)
            np.testing.assert_allclose(value, (1 - ratio) / (1 - 1 / n), atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(seeds, st.floats(1e-3, 1e3))
def test_sparsity_ignores_order_sign_and_scale(seed, scale):
    A, rng = codes(seed), np.random.default_rng(seed)
    population, lifetime = population_sparsity(A), lifetime_sparsity(A)
    assert np.all((np.nan_to_num(population) >= 0) & (np.nan_to_num(population) <= 1))
    np.testing.assert_allclose(population_sparsity(A[:, rng.permutation(5)]), population, atol=1e-12)
    np.testing.assert_allclose(lifetime_sparsity(A[rng.permutation(7)]), lifetime, atol=1e-12)
    np.testing.assert_allclose(population_sparsity(-scale * A), population, atol=1e-12)
    np.testing.assert_allclose(lifetime_sparsity(A.T), population, atol=1e-12)


def test_sparsity_of_known_codes():
    np.testing.assert_allclose(population_sparsity(np.eye(4)), 1)
    np.testing.assert_allclose(population_sparsity(np.full((3, 4), 0.3)), 0, atol=1e-15)
    assert all(population_sparsity(np.full((1, k), v)) >= 0 for k in range(2, 30) for v in (0.1, 0.3, 0.7))
    # Half of n units active alike: (1 - 1/2) / (1 - 1/n).
    np.testing.assert_allclose(population_sparsity([[1.0, 1, 0, 0]]), 2 / 3)
    together = np.zeros((10, 6))
    together[3] = 1  # all units respond, to one sample: each is as sparse as can be in time, the code not at all
    np.testing.assert_allclose(lifetime_sparsity(together), 1)
    assert population_sparsity(together)[3] == pytest.approx(0)


def test_active_share_and_dead_units_by_counting():
    A = np.array([[0.0, 0.05, -2.0, 0.0], [0.0, -0.1, 0.0, 3.0]])
    np.testing.assert_array_equal(active_share(A), [2 / 4, 2 / 4])
    np.testing.assert_array_equal(active_share(A, 0.1), [1 / 4, 1 / 4])
    np.testing.assert_array_equal(active_share(A, 0.09), [1 / 4, 2 / 4])
    np.testing.assert_array_equal(active_share(A.T), [0, 1, 1 / 2, 1 / 2])
    np.testing.assert_array_equal(dead_units(A), [True, False, False, False])
    np.testing.assert_array_equal(dead_units(A, 0.1), [True, True, False, False])


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_kurtosis_agrees_with_scipy(seed):
    A = np.random.default_rng(seed).laplace(size=(30, 3)) + 2
    np.testing.assert_allclose(kurtosis(A), scipy_kurtosis(A), rtol=1e-9, atol=1e-9)


def test_kurtosis_of_known_units():
    A = np.zeros((1000, 3))
    A[:500, 0], A[:10, 1], A[:, 2] = 1, 1, 0.1
    values = kurtosis(A)
    # A coin that is 1 with probability p: (1 - 6 p (1 - p)) / (p (1 - p)).
    np.testing.assert_allclose(values[:2], [-2, (1 - 6 * 0.0099) / 0.0099])
    assert np.isnan(values[2])


def gabor(angle, size=12):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    wave = np.cos(2 * np.pi * 0.2 * (x * np.cos(angle) + y * np.sin(angle)) + 0.4)
    return (np.exp(-(x**2 + y**2) / (2 * 2.5**2)) * wave).ravel()


@pytest.mark.parametrize("height, width", [(4, 4), (5, 4), (3, 6)])
def test_coherence_by_loops(height, width):
    filters = np.random.default_rng(1).standard_normal((3, height * width))
    expected = []
    for w in filters.reshape(3, height, width):
        total, resultant = 0.0, 0j
        for u in range(height):
            for v in range(width):
                phase = [
                    [np.exp(-2j * np.pi * (u * i / height + v * j / width)) for j in range(width)]
                    for i in range(height)
                ]
                if u or v:
                    P = abs(np.sum(w * np.array(phase))) ** 2
                    total += P
                    # Every direction of a wave with these pixels, at the lowest frequency that has them.
                    fys = [f / height for f in (u, u - height) if 2 * abs(f) <= height]
                    fxs = [f / width for f in (v, v - width) if 2 * abs(f) <= width]
                    resultant += P * np.mean([np.exp(2j * np.arctan2(fy, fx)) for fy in fys for fx in fxs])
        expected.append(abs(resultant) / total)
    np.testing.assert_allclose(orientation_coherence(filters, (height, width)), expected, rtol=1e-10)


def test_coherence_of_known_filters():
    y, x = np.mgrid[:12, :12]
    grating = np.cos(2 * np.pi * (2 * x + 3 * y) / 12 + 0.3)
    plaid = np.cos(2 * np.pi * 2 * x / 12) + np.cos(2 * np.pi * 2 * y / 12)
    dot = np.zeros((12, 12))
    dot[4, 7] = 1
    filters = np.array([grating.ravel(), plaid.ravel(), dot.ravel(), np.full(144, 0.1), np.zeros(144)])
    coherence = orientation_coherence(filters, (12, 12))
    np.testing.assert_allclose(coherence[:3], [1, 0, 0], atol=1e-12)
    assert np.isnan(coherence[3:]).all()
    assert np.isnan(orientation_coherence(np.full((1, 49), 0.3), (7, 7))).all()  # its spectrum holds rounding errors


def test_coherence_tells_edges_from_noise():
    edges = np.array([gabor(angle) for angle in np.linspace(0, np.pi, 12, endpoint=False)])
    noise = np.random.default_rng(2).standard_normal((200, 144))
    assert orientation_coherence(edges, (12, 12)).min() > 0.8
    assert np.median(orientation_coherence(noise, (12, 12))) < 0.2


@settings(deadline=None, max_examples=50)
@given(seeds, st.floats(0.1, 10), st.floats(-5, 5))
def test_coherence_ignores_turns_mirrors_shifts_contrast_and_brightness(seed, contrast, brightness):
    w = np.random.default_rng(seed).standard_normal((6, 6))
    kin = [w, np.rot90(w), w.T, w[::-1], np.roll(w, (2, 3), (0, 1)), contrast * w + brightness, -w]
    coherence = orientation_coherence([v.ravel() for v in kin], (6, 6))
    np.testing.assert_allclose(coherence, coherence[0], atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 5), st.integers(1, 5))
def test_matching_is_the_best_of_all(seed, k_true, k):
    rng = np.random.default_rng(seed)
    D_true, D = rng.standard_normal((k_true, 3)), rng.standard_normal((k, 3))
    cosine = [[abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) for b in D] for a in D_true]
    places = max(k_true, k)
    padded = [[cosine[i][j] if i < k_true and j < k else 0 for j in range(places)] for i in range(places)]
    best = max(sum(padded[i][j] for i, j in enumerate(order)) for order in permutations(range(places)))
    similarity, partner = match_atoms(D_true, D)
    np.testing.assert_allclose(similarity.sum(), best, atol=1e-12)
    paired = partner >= 0
    assert paired.sum() == min(k_true, k) == len(set(partner[paired]))
    np.testing.assert_allclose(similarity[paired], [cosine[i][partner[i]] for i in np.flatnonzero(paired)], atol=1e-12)
    assert not similarity[~paired].any()


def test_recovery_ignores_order_sign_and_length():
    rng = np.random.default_rng(3)
    D = rng.standard_normal((8, 20))
    order = rng.permutation(8)
    shuffled = D[order] * rng.choice([-2, 0.5], (8, 1))
    similarity, partner = match_atoms(D, shuffled)
    np.testing.assert_allclose(similarity, 1)
    np.testing.assert_array_equal(order[partner], np.arange(8))
    assert dictionary_recovery(D, shuffled) == 1
    shuffled[:2] = 0
    assert dictionary_recovery(D, shuffled) == 6 / 8
    assert dictionary_recovery(D, D[:2]) == 2 / 8
    assert dictionary_recovery(D[:2], D) == 1


@pytest.mark.parametrize("measure", [kurtosis, population_sparsity, lifetime_sparsity])
def test_float32_codes_are_measured_as_exactly_as_float64(measure):
    A = codes(m=4000).astype(np.float32)
    np.testing.assert_allclose(measure(A), measure(A.astype(float)), rtol=1e-12)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda A: fvu(A, A[:, :3]), r"X_hat must have the shape of X, \(7, 5\), got \(7, 3\)"),
        (lambda A: squared_error(A, A[0]), "X_hat must be a matrix"),
        (lambda A: fvu(np.full((3, 2), 0.1), np.zeros((3, 2))), "X must hold samples that differ"),
        (lambda A: population_sparsity(A[:, :1]), "A must have at least two units"),
        (lambda A: lifetime_sparsity(A[:1]), "A must have at least two samples"),
        (lambda A: active_share(A, -1), "threshold must be a finite number >= 0"),
        (lambda A: dead_units(A, "low"), "threshold must be a number"),
        (
            lambda A: orientation_coherence(A, (2, 3)),
            r"shape must be \(height, width\) with height \* width = 5, got \(2, 3\)",
        ),
        (lambda A: orientation_coherence(A, (2.5, 2)), "shape must be a whole number, got float"),
        (lambda A: orientation_coherence(A, 5), "shape must be"),
        (lambda A: orientation_coherence(A, (5,)), "shape must be"),
        (lambda A: match_atoms(A, A[:, :2]), "D must have 5 columns"),
        (lambda A: dictionary_recovery(A, A, -0.5), "threshold must be a finite number >= 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(codes())


@pytest.mark.parametrize(
    "measure", [kurtosis, population_sparsity, lifetime_sparsity, active_share, dead_units], ids=lambda f: f.__name__
)
def test_codes_that_are_no_matrix_are_called_by_their_name(measure):
    with pytest.raises(ValueError, match=r"^A must be a matrix of shape \(samples, features\)"):
        measure(np.zeros(3))


def test_few_units_or_samples_are_named_with_the_matrix():
    for measure, A in ((population_sparsity, np.ones((3, 1))), (lifetime_sparsity, np.ones((1, 3)))):
        with pytest.raises(ValueError, match="^A must have at least two"):
            measure(A)


def test_errors_of_float32_are_added_in_double_precision():
    rng = np.random.default_rng(4)
    X, X_hat = (rng.standard_normal((500, 7)).astype(np.float32) for _ in range(2))
    error = np.square(X - X_hat)
    assert squared_error(X, X_hat) == pytest.approx(error.sum(dtype=float) / 500, rel=1e-12)
    total = np.square(X - X.mean(axis=0, dtype=float)).sum()
    assert fvu(X, X_hat) == pytest.approx(error.sum(dtype=float) / total, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_similarities_have_the_type_of_the_atoms(dtype):
    similarity, _ = match_atoms(np.eye(3, dtype=dtype), np.eye(2, 3, dtype=dtype))
    assert similarity.dtype == dtype and similarity.tolist() == [1, 1, 0]
