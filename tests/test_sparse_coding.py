"""Sparse codes against scikit-learn, the optimality conditions, the proved rates and brute force."""

import contextlib
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sklearn.decomposition import sparse_encode

from saelib import sparse_coding
from saelib.metrics import dictionary_recovery
from saelib.sparse_coding import (
    fista,
    ista,
    ista_step,
    lasso_codes,
    lasso_cost,
    learn_dictionary,
    lipschitz,
    matching_pursuit,
    orthogonal_matching_pursuit,
    soft_threshold,
    update_dictionary,
)

numbers = st.floats(-1e6, 1e6)
thresholds = st.floats(0, 1e6)


def problem(m=6, k=8, n=5, seed=0):
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((k, n))
    return rng.standard_normal((m, n)), D / np.linalg.norm(D, axis=1, keepdims=True)


def cost_by_loops(A, X, D, lam):
    total = 0.0
    for a, x in zip(A, X, strict=True):
        for i in range(len(x)):
            total += 0.5 * (x[i] - sum(a[j] * D[j, i] for j in range(len(a)))) ** 2
        total += lam * sum(abs(v) for v in a)
    return total


@settings(deadline=None, max_examples=50)
@given(st.floats(-5, 5), st.floats(0, 4))
def test_soft_threshold_is_the_proximal_map(u, t):
    v = np.linspace(-6, 6, 24001)
    best = v[np.argmin((v - u) ** 2 / 2 + t * np.abs(v))]
    assert abs(float(soft_threshold(u, t)) - best) <= 3e-4


@settings(deadline=None, max_examples=50)
@given(numbers, numbers, thresholds)
def test_soft_threshold_is_firmly_nonexpansive(u, v, t):
    p, q = float(soft_threshold(u, t)), float(soft_threshold(v, t))
    assert (p - q) ** 2 <= (p - q) * (u - v) + 1e-12 * (abs(u) + abs(v)) ** 2


@settings(deadline=None, max_examples=50)
@given(numbers, thresholds)
def test_soft_threshold_is_odd_shrinks_and_is_exactly_zero_inside(u, t):
    p = float(soft_threshold(u, t))
    assert p == -float(soft_threshold(-u, t))
    assert p == (0 if abs(u) <= t else u - t if u > 0 else u + t)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.floats(0, 3))
def test_lasso_cost_is_the_sum_over_entries(seed, lam):
    (X, D), A = problem(seed=seed), np.random.default_rng(seed + 1).standard_normal((6, 8))
    cost = lasso_cost(A, X, D, lam)
    assert isinstance(cost, float)
    np.testing.assert_allclose(cost, cost_by_loops(A, X, D, lam), rtol=1e-12)


def test_lasso_cost_of_float32_is_summed_in_float64():
    A = np.random.default_rng(15).standard_normal((60, 50)).astype(np.float32)
    D = np.eye(50, dtype=np.float32)
    sizes, squares = (np.sum(entries.astype(float)) for entries in (np.abs(A), A * A))
    np.testing.assert_allclose(lasso_cost(A, A, D, 0.5), 0.5 * sizes, rtol=1e-14)
    np.testing.assert_allclose(lasso_cost(0 * A, A, D, 0.5), 0.5 * squares, rtol=1e-14)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9))
def test_lipschitz_is_the_largest_eigenvalue(seed, k, n):
    _, D = problem(1, k, n, seed)
    np.testing.assert_allclose(lipschitz(D), np.linalg.eigvals(D @ D.T).real.max(), rtol=1e-9)


def test_ista_step_minimizes_its_upper_bound_entry_by_entry():
    (X, D), lam = problem(2, 3, 4), 0.3
    A, L, h = np.random.default_rng(5).standard_normal((2, 3)), np.linalg.norm(D @ D.T, 2), 1e-6
    stepped, v = ista_step(A, X, D, lam), np.linspace(-4, 4, 160001)
    for i, j in np.ndindex(A.shape):
        nudge = np.zeros_like(A)
        nudge[i, j] = h
        slope = (cost_by_loops(A + nudge, X, D, 0) - cost_by_loops(A - nudge, X, D, 0)) / (2 * h)
        bound = slope * (v - A[i, j]) + L / 2 * (v - A[i, j]) ** 2 + lam * np.abs(v)
        assert abs(stepped[i, j] - v[bound.argmin()]) < 1e-4


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_an_ista_step_never_raises_the_cost(seed, lam):
    X, D = problem(seed=seed)
    A = np.random.default_rng(seed + 1).standard_normal((6, 8))
    assert lasso_cost(ista_step(A, X, D, lam), X, D, lam) <= lasso_cost(A, X, D, lam) + 1e-12


def test_ista_is_repeated_ista_steps_and_the_callback_sees_each():
    (X, D), seen = problem(), []
    A = ista(X, D, 0.2, 4, callback=lambda iteration, A: seen.append((iteration, A)))
    expected = np.zeros((6, 8))
    assert [iteration for iteration, _ in seen] == [0, 1, 2, 3, 4]
    for _, codes in seen:
        np.testing.assert_allclose(codes, expected, atol=1e-14)
        expected = ista_step(expected, X, D, 0.2)
    assert A is seen[-1][1]
    assert not ista(X, D, 0.2, 0).any()


def test_fista_follows_beck_and_teboulle():
    (X, D), lam, seen, iterations = problem(), 0.2, [], []
    fista(X, D, lam, 30, callback=lambda iteration, A: (iterations.append(iteration), seen.append(A)))
    assert iterations == list(range(31))
    assert not fista(X, D, lam, 0).any()
    L = np.linalg.eigvalsh(D @ D.T)[-1]
    x, y, t = np.zeros((6, 8)), np.zeros((6, 8)), 1
    for codes in seen:
        np.testing.assert_allclose(codes, x, atol=1e-12)
        u = y - ((y @ D) - X) @ D.T / L
        x_new = np.sign(u) * np.maximum(np.abs(u) - lam / L, 0)
        t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
        y = x_new + (t - 1) / t_new * (x_new - x)
        x, t = x_new, t_new


@pytest.mark.parametrize("m, k, n, lam", [(6, 8, 5, 0.2), (10, 5, 8, 0.05), (4, 20, 6, 0.5)])
@pytest.mark.parametrize("algorithm", ["lasso_cd", "lasso_lars"])
def test_both_reach_the_optimum_of_scikit_learn(m, k, n, lam, algorithm):
    X, D = problem(m, k, n)
    reference = sparse_encode(X, D, algorithm=algorithm, alpha=lam, max_iter=20000)
    for codes in (ista(X, D, lam, 20000), fista(X, D, lam, 3000)):
        np.testing.assert_allclose(lasso_cost(codes, X, D, lam), cost_by_loops(reference, X, D, lam), rtol=1e-5)
        np.testing.assert_allclose(codes, reference, atol=2e-3)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.floats(0.05, 1))
def test_fista_meets_the_optimality_conditions(seed, lam):
    X, D = problem(4, 4, 6, seed)
    assume(np.linalg.eigvalsh(D @ D.T)[0] > 0.05)
    A = fista(X, D, lam, 2000)
    correlation = (X - A @ D) @ D.T
    np.testing.assert_allclose(correlation[A != 0], lam * np.sign(A[A != 0]), atol=1e-6)
    assert np.all(np.abs(correlation[A == 0]) <= lam + 1e-6)


def test_the_proved_rates_hold_and_fista_is_the_faster():
    rng, lam, k = np.random.default_rng(6), 0.01, np.arange(1, 301)
    D = rng.standard_normal((30, 20)) + 2  # atoms that resemble each other make it slow
    X = rng.standard_normal((5, 20))
    reference = sparse_encode(X, D, algorithm="lasso_cd", alpha=lam, max_iter=10**6)
    least, L = cost_by_loops(reference, X, D, lam), np.linalg.eigvalsh(D @ D.T)[-1]
    excess = {}
    for method in (ista, fista):
        costs = []
        method(X, D, lam, 300, callback=lambda iteration, A, costs=costs: costs.append(lasso_cost(A, X, D, lam)))
        excess[method] = np.array(costs[1:]) - least
    assert np.all(excess[ista] <= L * np.sum(reference**2) / (2 * k))
    assert np.all(excess[fista] <= 2 * L * np.sum(reference**2) / (k + 1) ** 2)
    assert np.all(np.diff(excess[ista]) <= 1e-12)
    assert 0 < excess[fista][-1] < 0.1 * excess[ista][-1]


def least_costs(X, D, lam):
    """The least cost of each sample, by scikit-learn."""
    reference = sparse_encode(X, D, algorithm="lasso_cd", alpha=lam, max_iter=10**6)
    return [cost_by_loops(a[np.newaxis], x[np.newaxis], D, lam) for a, x in zip(reference, X, strict=True)]


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=st.integers(1, 9), k=st.integers(1, 9), n=st.integers(1, 7), seed=st.integers(0, 10**6), lam=st.floats(0.02, 3),
    tol=st.sampled_from([1e-1, 1e-3, 1e-6]), rows=st.integers(1, 4), n_jobs=st.integers(1, 3),
)  # fmt: skip
def test_codes_of_given_accuracy_are_that_near(monkeypatch, m, k, n, seed, lam, tol, rows, n_jobs):
    monkeypatch.setattr("saelib._workplace.BLOCK_ROWS", rows)
    X, D = problem(m, k, n, seed)
    A = lasso_codes(X, D, lam, tol=tol, n_jobs=n_jobs)
    assert A.shape == (m, k)
    for a, x, least in zip(A, X, least_costs(X, D, lam), strict=True):
        assert cost_by_loops(a[np.newaxis], x[np.newaxis], D, lam) <= (1 + tol) * least + 1e-9


def test_samples_stop_when_they_have_arrived_each_by_itself():
    X, D = problem(1300, 12, 9)
    slow = 1e-3 * np.random.default_rng(1).standard_normal((3, 9)) + D[:3] + D[3:6]
    together = lasso_codes(np.vstack([X, slow]), D, 0.05, tol=1e-8)
    np.testing.assert_array_equal(lasso_codes(np.vstack([X, slow]), D, 0.05, tol=1e-8, n_jobs=1), together)
    np.testing.assert_allclose(lasso_codes(X[700:1200], D, 0.05, tol=1e-8), together[700:1200], atol=1e-12)


def test_codes_that_have_not_arrived_are_those_of_the_last_iteration():
    X, D = problem(5, 12, 9)
    once = soft_threshold(X @ D.T / lipschitz(D), 0.05 / lipschitz(D))
    np.testing.assert_allclose(lasso_codes(X, D, 0.05, tol=1e-9, max_iter=1), once, atol=1e-14)
    excess = [lasso_cost(lasso_codes(X, D, 0.05, tol=1e-15, max_iter=n), X, D, 0.05) for n in (3, 13, 113)]
    assert excess[0] > excess[1] > excess[2]


def restarted_codes(x, D, lam, n_iter):
    """The codes of one sample after each iteration of O'Donoghue and Candès's scheme, and when it started afresh."""
    L, t, afresh = np.linalg.eigvalsh(D @ D.T)[-1], 1, []
    codes, y = [np.zeros(len(D))], np.zeros(len(D))
    for iteration in range(1, n_iter + 1):
        u = y - (y @ D - x) @ D.T / L
        new = np.sign(u) * np.maximum(np.abs(u) - lam / L, 0)
        if (y - new) @ (new - codes[-1]) > 0:
            t = 1
            afresh.append(iteration)
        t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
        y = new + (t - 1) / t_new * (new - codes[-1])
        t = t_new
        codes.append(new)
    return codes, afresh


def test_codes_follow_the_scheme_with_restarts_and_every_tenth_iteration_is_judged():
    X, D = problem(6, 12, 9, seed=1)
    X *= 3
    codes, afresh = zip(*(restarted_codes(x, D, 0.05, 64) for x in X), strict=True)
    assert all(afresh) and len({times[0] for times in afresh}) > 1
    for n in range(1, 65):
        expected = [sample[n] for sample in codes]
        np.testing.assert_allclose(lasso_codes(X, D, 0.05, tol=1e-15, max_iter=n), expected, atol=1e-11)
    at_ten = [sample[10] for sample in codes]
    np.testing.assert_allclose(lasso_codes(X, D, 0.05, tol=1e9), at_ten, atol=1e-11)


def test_by_default_codes_are_within_a_thousandth_or_have_had_10_000_iterations(monkeypatch):
    judged = []
    monkeypatch.setattr(sparse_coding, "_is_within", lambda tol, A, *_: judged.append(tol) or np.zeros(len(A), bool))
    lasso_codes(*problem(1, 2, 2), 0.1)
    assert judged == [1e-3] * 1000


def test_samples_of_zeros_have_arrived_when_they_are_judged_first(monkeypatch):
    is_within, judged = sparse_coding._is_within, []
    monkeypatch.setattr(sparse_coding, "_is_within", lambda *args: judged.append(args) or is_within(*args))
    assert not lasso_codes(np.zeros((3, 5)), problem()[1], 0.05).any()
    assert len(judged) == 1


def test_restarts_arrive_where_momentum_alone_swings():
    X, D = problem(20, 20, 25, seed=3)
    seen, least = [], sum(least_costs(X, D, 0.01))
    fista(X, D, 0.01, 300, callback=lambda iteration, A: seen.append(lasso_cost(A, X, D, 0.01) / least - 1))
    fast = lasso_cost(lasso_codes(X, D, 0.01, tol=1e-12, max_iter=300), X, D, 0.01) / least - 1
    assert np.any(np.diff(seen) > 0)
    assert fast < 0.01 * seen[-1]


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_codes_scale_with_the_samples(scale):
    X, D = problem(30, 12, 9)
    A = lasso_codes(X, D, 0.1, tol=1e-9)
    np.testing.assert_allclose(lasso_codes(scale * X, D, 0.1 * scale, tol=1e-9), scale * A, atol=1e-12 * scale)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_after_an_error_or_an_interrupt_no_block_is_begun(monkeypatch, error, n_jobs):
    begun = []

    def block(X, *args):
        begun.append(len(X))
        raise error("in a block")

    monkeypatch.setattr("saelib.sparse_coding._code", block)
    X, D = problem(20_000, 3, 2)
    with pytest.raises(error, match="in a block"):
        lasso_codes(X, D, 1, n_jobs=n_jobs)
    assert len(begun) < 20


def test_an_orthonormal_dictionary_needs_one_step():
    X, lam = np.random.default_rng(7).standard_normal((5, 4)), 0.4
    Q = np.linalg.qr(np.random.default_rng(8).standard_normal((4, 4)))[0]
    for method in (ista, fista):
        np.testing.assert_allclose(method(X, Q, lam, 1), soft_threshold(X @ Q.T, lam), atol=1e-12)


def test_codes_vanish_beyond_the_largest_correlation():
    X, D = problem()
    largest = np.abs(X @ D.T).max()
    assert not fista(X, D, largest * 1.001, 50).any()
    assert fista(X, D, largest * 0.999, 50).any()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_samples_are_coded_one_by_one(seed):
    X, D = problem(seed=seed)
    order = np.random.default_rng(seed).permutation(len(X))
    for method in (ista, fista):
        np.testing.assert_allclose(method(X[order], D, 0.2, 20), method(X, D, 0.2, 20)[order], atol=1e-12)
        np.testing.assert_allclose(method(X[:1], D, 0.2, 20), method(X, D, 0.2, 20)[:1], atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_matching_pursuit_by_loops(seed, n_nonzero):
    X, D = problem(seed=seed)
    A = matching_pursuit(X, D, n_nonzero)
    for x, a in zip(X, A, strict=True):
        residual, code = x.copy(), np.zeros(len(D))
        for _ in range(n_nonzero):
            j = max(range(len(D)), key=lambda j: abs(D[j] @ residual))
            code[j] += D[j] @ residual
            residual = residual - (D[j] @ residual) * D[j]
        np.testing.assert_allclose(a, code, atol=1e-10)
        np.testing.assert_allclose(np.linalg.norm(x - a @ D), np.linalg.norm(residual), atol=1e-10)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_orthogonal_matching_pursuit_by_least_squares(seed, n_nonzero):
    X, D = problem(seed=seed)
    for x, a in zip(X, orthogonal_matching_pursuit(X, D, n_nonzero), strict=True):
        taken, residual = [], x
        for _ in range(n_nonzero):
            taken.append(int(np.abs(D @ residual).argmax()))
            fit = np.linalg.lstsq(D[taken].T, x, rcond=None)[0]
            residual = x - fit @ D[taken]
        assume(np.linalg.cond(D[taken]) < 1e4)
        np.testing.assert_allclose(a[taken], fit, atol=1e-8)
        assert np.count_nonzero(a) <= n_nonzero


def test_orthogonal_matching_pursuit_agrees_with_scikit_learn():
    X, D = problem(40, 30, 16, seed=9)
    for n_nonzero in (1, 3, 8):
        reference = sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=n_nonzero)
        np.testing.assert_allclose(orthogonal_matching_pursuit(X, D, n_nonzero), reference, atol=1e-9)


def test_pursuits_find_the_best_subset_where_it_is_plain():
    X, D = problem(1, 7, 40, seed=10)
    X = np.array([[3.0, -2.0]]) @ D[[2, 5]]
    residuals = {}
    for pair in combinations(range(7), 2):
        fit = np.linalg.lstsq(D[list(pair)].T, X[0], rcond=None)[0]
        residuals[pair] = np.linalg.norm(X[0] - fit @ D[list(pair)])
    assert min(residuals, key=residuals.get) == (2, 5)
    expected = np.zeros((1, 7))
    expected[0, [2, 5]] = 3, -2
    np.testing.assert_allclose(orthogonal_matching_pursuit(X, D, 2), expected, atol=1e-12)
    np.testing.assert_allclose(matching_pursuit(X, D, 60), expected, atol=1e-6)


def test_orthogonal_matching_pursuit_stops_where_the_sample_is_explained():
    _, D = problem(1, 8, 5)
    D = np.vstack([D, D[:2]])  # atoms that come twice
    X = np.array([np.zeros(5), 2 * D[0], D[1] - 3 * D[4]])
    A = orthogonal_matching_pursuit(X, D, 5)
    assert np.isfinite(A).all()
    np.testing.assert_allclose(A @ D, X, atol=1e-12)
    assert np.count_nonzero(A[0]) == 0 and np.count_nonzero(A[1]) == 1


def test_orthogonal_matching_pursuit_does_not_code_rounding_errors():
    _, D = problem(1, 7, 40, seed=12)
    A_true = np.zeros((100, 7))
    A_true[:, 2], A_true[:, 5] = np.random.default_rng(13).uniform(1, 2, (2, 100))
    for dtype in (np.float64, np.float32):
        A = orthogonal_matching_pursuit((A_true @ D).astype(dtype), D.astype(dtype), 6)
        assert np.all(np.count_nonzero(A, axis=1) == 2)
        np.testing.assert_allclose(A, A_true, atol=20 * np.finfo(dtype).eps)


def test_orthogonal_matching_pursuit_takes_samples_of_any_size_side_by_side():
    X, D = problem(4, 8, 5, seed=14)
    sizes = np.array([[1e-12], [1], [1e150], [1e-200]])
    expected = sizes * orthogonal_matching_pursuit(X, D, 3)
    assert np.all(np.count_nonzero(expected, axis=1) == 3)
    np.testing.assert_allclose(orthogonal_matching_pursuit(sizes * X, D, 3), expected, rtol=1e-9)


@pytest.mark.parametrize("company", [1, 500])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_rounding_is_decided_by_the_samples_own_norm(dtype, company):
    """In four dimensions four times the precision may be rounding; these numbers are exact."""
    X = np.ones((company, 4), dtype)
    X[0] = 1, 8 * np.finfo(dtype).eps, 2 * np.finfo(dtype).eps, 0
    A = orthogonal_matching_pursuit(X, np.eye(4, dtype=dtype), 4)
    np.testing.assert_array_equal(A[0], X[0] * [1, 1, 0, 0])
    np.testing.assert_array_equal(A[1:], X[1:])


@pytest.mark.parametrize("size", [0.5, 1.5])
def test_pursuits_name_the_atom_that_is_not_of_norm_1(size):
    X, D = problem()
    D[3] *= size
    for pursuit in (matching_pursuit, orthogonal_matching_pursuit):
        with pytest.raises(ValueError, match=f"of norm 1, but row 3 has norm {size}"):
            pursuit(X, D, 2)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_update_of_the_dictionary_cannot_be_improved_atom_by_atom(seed):
    rng = np.random.default_rng(seed)
    (X, D), A = problem(10, 4, 3, seed), rng.standard_normal((10, 4)) * (rng.random((10, 4)) < 0.6)
    new = update_dictionary(D, A.T @ A, A.T @ X)
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, rtol=1e-12)
    assert np.sum((X - A @ new) ** 2) <= np.sum((X - A @ D) ** 2) + 1e-10
    # The last atom was changed last, so no direction on the sphere suits it better.
    directions = rng.standard_normal((500, 3))
    others = X - A[:, :3] @ new[:3]
    for d in directions / np.linalg.norm(directions, axis=1, keepdims=True):
        assert np.sum((others - np.outer(A[:, 3], d)) ** 2) >= np.sum((others - np.outer(A[:, 3], new[3])) ** 2) - 1e-9


def test_update_of_the_dictionary_leaves_unused_atoms_and_its_input_alone():
    (X, D), A = problem(10, 4, 3), np.random.default_rng(0).standard_normal((10, 4))
    A[:, 2], before = 0, D.copy()
    new = update_dictionary(D, A.T @ A, A.T @ X)
    np.testing.assert_array_equal(new[2], D[2])
    np.testing.assert_array_equal(D, before)
    assert not np.allclose(new, D)


def planted(seed=11, m=1000, k=24, n=16):
    """Samples made of three atoms each, and the atoms."""
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((k, n))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    A = np.zeros((m, k))
    for a in A:
        a[rng.choice(k, 3, replace=False)] = rng.choice([-1, 1], 3) * rng.uniform(0.5, 1.5, 3)
    return A @ D + 0.01 * rng.standard_normal((m, n)), D


@pytest.mark.parametrize("turns", [{"n_iter": 60}, {"n_iter": 400, "batch_size": 150}])
def test_learning_recovers_a_planted_dictionary(turns):
    X, D_true = planted()
    D, costs = learn_dictionary(X, 24, 0.1, **turns, n_code_iter=40, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-12)
    assert costs.shape == (turns["n_iter"] + 1,)
    assert costs[-1] < 0.6 * costs[0]
    assert dictionary_recovery(D_true, D, 0.98) >= 0.9
    assert dictionary_recovery(D_true, np.random.default_rng(1).standard_normal(D.shape), 0.98) == 0


def test_cost_falls_with_every_turn_on_the_whole_data():
    X, _ = planted(m=200)
    _, costs = learn_dictionary(X, 12, 0.2, n_iter=20, n_code_iter=300, rng=np.random.default_rng(0))
    assert np.all(np.diff(costs) <= 1e-6)


def test_costs_belong_to_the_dictionaries_that_the_callback_sees():
    (X, _), seen = planted(m=60), []
    D, costs = learn_dictionary(
        X, 5, 0.2, n_iter=3, n_code_iter=30, rng=np.random.default_rng(0), callback=lambda *args: seen.append(args)
    )
    assert [iteration for iteration, _, _ in seen] == [0, 1, 2, 3]
    assert seen[-1][1] is D
    np.testing.assert_allclose(np.linalg.norm(seen[0][1], axis=1), 1, rtol=1e-12)
    for (_, atoms, cost), stored in zip(seen, costs, strict=True):
        codes = fista(X, atoms, 0.2, 30)
        np.testing.assert_allclose([cost, stored], cost_by_loops(codes, X, atoms, 0.2) / 60, rtol=1e-9)


def test_earlier_batches_count_for_less_and_less():
    (X, _), atoms = planted(m=90), []
    learn_dictionary(
        X,
        5,
        0.05,
        n_iter=4,
        batch_size=30,
        n_code_iter=30,
        rng=np.random.default_rng(0),
        callback=lambda iteration, D, cost: atoms.append(D),
    )
    rng = np.random.default_rng(0)
    rng.standard_normal((5, 16))
    batches = [X[rng.choice(90, 30, replace=False)] for _ in range(4)]
    codes = [fista(batch, D, 0.05, 30) for batch, D in zip(batches, atoms[:4], strict=True)]
    for last in range(4):
        weights = [(2 / 3) ** (last - turn) for turn in range(last + 1)]
        AA = sum(w * A.T @ A for w, A in zip(weights, codes, strict=False))
        AX = sum(w * A.T @ batch for w, A, batch in zip(weights, codes, batches, strict=False))
        np.testing.assert_allclose(atoms[last + 1], update_dictionary(atoms[last], AA, AX), atol=1e-10)


def test_same_generator_same_dictionary():
    X, _ = planted(m=80)
    runs = [learn_dictionary(X, 5, 0.2, n_iter=4, batch_size=30, rng=np.random.default_rng(s)) for s in (3, 3, 4)]
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert not np.allclose(runs[0][0], runs[2][0])


def test_dead_atoms_give_way_to_badly_reconstructed_samples():
    # Every sample lies on one of two axes, and lam is so large that a random atom in 30 dimensions never responds.
    X = np.zeros((20, 30))
    X[:10, 0], X[10:, 1] = 2, 1.9
    D, costs = learn_dictionary(X, 2, 1.6, n_iter=1, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-12)
    assert costs[0] == pytest.approx((2**2 + 1.9**2) / 4)
    np.testing.assert_allclose(D[0], np.eye(30)[0], atol=1e-12)
    assert costs[1] < costs[0]


def test_learning_with_atoms_that_die_and_atoms_that_live():
    """Every turn against the sums over all turns before, of which an atom forgets those before its last death."""
    m, size, k, lam, n_iter = 13, 4, 6, 1.7, 25
    (X, _), atoms = problem(m, k, 8, seed=16), []
    learn_dictionary(
        X, k, lam, n_iter=n_iter, batch_size=size, n_code_iter=50, rng=np.random.default_rng(1),
        callback=lambda iteration, D, cost: atoms.append(D.copy()),
    )  # fmt: skip
    rng, turns, unused, born, deaths_beside_the_living = np.random.default_rng(1), [], [0] * k, [0] * k, 0
    rng.standard_normal((k, 8))
    for turn in range(n_iter):
        batch = X[rng.choice(m, size, replace=False)]
        codes = fista(batch, atoms[turn], lam, 50)
        turns.append((codes, batch))
        for j in range(k):
            unused[j] = unused[j] + size if np.all(codes[:, j] == 0) else 0
        dead = [j for j in range(k) if unused[j] >= m]
        for j in dead:
            born[j], unused[j] = turn + 1, 0
        AA, AX = np.zeros((k, k)), np.zeros((k, 8))
        for t, (A, Y) in enumerate(turns):
            weight = (1 - size / m) ** (turn - t)
            for i in range(k):
                AX[i] += weight * (A[:, i] @ Y) * (t >= born[i])
                for j in range(k):
                    AA[i, j] += weight * (A[:, i] @ A[:, j]) * (t >= max(born[i], born[j]))
        expected = update_dictionary(atoms[turn], AA, AX)
        residuals = np.linalg.norm(batch - codes @ atoms[turn], axis=1)
        for j, i in zip(dead, sorted(range(size), key=lambda i: -residuals[i]), strict=False):
            expected[j] = batch[i] / np.linalg.norm(batch[i])
        np.testing.assert_allclose(atoms[turn + 1], expected, atol=1e-9)
        deaths_beside_the_living += len(dead) * codes.any()
    assert deaths_beside_the_living >= 5


def learned_where_no_atom_responds(X, k):
    """Put the samples ``X`` among 40 dimensions and return the first dictionary and the one that replaces it."""
    X, seen = np.hstack([X, np.zeros((len(X), 40 - X.shape[1]))]), []
    lam = 0.9 * np.linalg.norm(X, axis=1).max()
    learn_dictionary(
        X, k, lam, n_iter=1, rng=np.random.default_rng(0), callback=lambda iteration, D, cost: seen.append(D.copy())
    )
    assert not fista(X, seen[0], lam, 100).any()
    return seen


def test_dead_atoms_are_replaced_in_the_order_of_the_residuals():
    X = np.array([[0.1, 0.2, 0], [0, -0.5, 0.1], [0.4, 0.4, -0.4], [0.3, 0, 0], [0, 0.1, -0.3]])
    order = [2, 1, 4, 3, 0]
    assert list(np.argsort([-np.linalg.norm(x) for x in X])) == order
    _, D = learned_where_no_atom_responds(X, 4)
    np.testing.assert_allclose(D[:, :3], [X[i] / np.linalg.norm(X[i]) for i in order[:4]], atol=1e-12)


def test_of_equal_residuals_the_first_sample_gives_the_first_atom():
    angles = np.arange(30.0)
    X = np.round(np.column_stack([np.cos(angles), np.sin(angles)]))  # of many a norm 1 and of many a norm sqrt(2)
    _, D = learned_where_no_atom_responds(X, 30)
    norms = np.linalg.norm(X, axis=1)
    rows = [i for norm in sorted(set(norms), reverse=True) for i in range(30) if norms[i] == norm]
    np.testing.assert_allclose(D[:, :2], (X / norms[:, np.newaxis])[rows], atol=1e-12)


def test_a_dead_atom_stays_where_no_sample_is_left_for_it():
    before, after = learned_where_no_atom_responds(np.array([[0.0, 0.0], [0.0, 0.5]]), 4)
    np.testing.assert_allclose(after[0], np.eye(40)[1], atol=1e-12)
    np.testing.assert_array_equal(after[1:], before[1:])


def test_learning_without_options_takes_50_turns_of_100_iterations_on_all_samples():
    X, _ = planted(m=30)
    D, costs = learn_dictionary(X, 5, 0.2, rng=np.random.default_rng(0))
    same = {"n_iter": 50, "batch_size": 30, "n_code_iter": 100, "progress": False, "callback": None}
    again, same_costs = learn_dictionary(X, 5, 0.2, **same, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(costs, same_costs)
    np.testing.assert_array_equal(D, again)


def test_the_bar_has_a_name_counts_the_turns_and_tells_the_cost(monkeypatch):
    made, told = [], []

    class Bar(contextlib.nullcontext):
        def __enter__(self):
            return self

        def update(self, steps):
            told.append(steps)

        def set_postfix_str(self, text):
            told.append(text)

    monkeypatch.setattr("saelib.progress.progress_bar", lambda *args: made.append(args) or Bar())
    X, _ = planted(m=30)
    for progress in ({}, {"progress": True}):
        _, costs = learn_dictionary(X, 5, 0.2, n_iter=2, rng=np.random.default_rng(0), **progress)
    assert made == [(2, "dictionary", False), (2, "dictionary", True)]
    assert told == 2 * [1, f"cost {costs[0]:.4g}", 1, f"cost {costs[1]:.4g}"]


def test_an_interrupt_returns_what_was_reached():
    X, _ = planted(m=60)
    reached = []

    def interrupt(iteration, D, cost):
        reached.append(D)
        if iteration == 2:
            raise KeyboardInterrupt

    D, costs = learn_dictionary(X, 5, 0.2, n_iter=50, rng=np.random.default_rng(0), callback=interrupt)
    assert D is reached[-1] and costs.shape == (3,)


def test_the_callback_can_stop():
    X, _ = planted(m=60)
    _, costs = learn_dictionary(
        X, 5, 0.2, n_iter=50, rng=np.random.default_rng(0), callback=lambda iteration, D, cost: iteration == 4
    )
    assert costs.shape == (5,)


def test_float32_stays_float32():
    X, D = (a.astype(np.float32) for a in problem())
    calls = [
        lambda X, D: soft_threshold(X, np.float64(0.1)),
        lambda X, D: ista_step(np.zeros((6, 8), X.dtype), X, D, np.float64(0.1)),
        lambda X, D: ista(X, D, 0.1, 5),
        lambda X, D: fista(X, D, 0.1, 5),
        lambda X, D: lasso_codes(X, D, 0.1, max_iter=5),
        lambda X, D: matching_pursuit(X, D, 3),
        lambda X, D: orthogonal_matching_pursuit(X, D, 3),
        lambda X, D: update_dictionary(D, D @ D.T, D @ D.T @ D),
        lambda X, D: learn_dictionary(X, 4, 0.1, n_iter=3, batch_size=4, rng=np.random.default_rng(0))[0],
    ]
    for call in calls:
        result = call(X, D)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, call(X.astype(float), D.astype(float)), atol=2e-5)


def test_of_two_precisions_the_finer_one_counts():
    X, D = problem()
    for one, other in ((np.float32, np.float64), (np.float64, np.float32)):
        for call in (lambda X, D: fista(X, D, 0.1, 0), lambda X, D: matching_pursuit(X, D, 1)):
            assert call(X.astype(one), D.astype(other)).dtype == np.float64


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda X, D: soft_threshold(X, -1), "t must be a finite number >= 0, got -1"),
        (lambda X, D: soft_threshold("a", 1), "u must be an array of real numbers"),
        (lambda X, D: lasso_cost(X, X, D, 1), "A must have 8 columns"),
        (
            lambda X, D: lasso_cost(np.zeros((2, 8)), X, D, 1),
            r"A must have a row for each of the 6 samples .* \(2, 8\)",
        ),
        (lambda X, D: ista_step(np.zeros((6, 8)), X, D.T, 1), r"D must have 5 columns, got shape \(5, 8\)"),
        (lambda X, D: ista(X, D, -0.1, 3), "lam must be a finite number >= 0"),
        (lambda X, D: ista(X, D, 0.1, 2.5), "n_iter must be a whole number"),
        (lambda X, D: fista(X, 0 * D, 0.1, 3), "^D must have at least one atom that is not zero$"),
        (lambda X, D: fista(X, D, 0.1, -1), "n_iter must be a whole number >= 0, got -1"),
        (lambda X, D: lipschitz(D[0]), "D must be a matrix"),
        (lambda X, D: lipschitz(1e200 * D), r"D must have a largest .* whose square is a number, got .*e\+200"),
        (lambda X, D: fista(X[0], D, 0.1, 3), "X must be a matrix"),
        (lambda X, D: lasso_codes(X, D, 0), "lam must be a finite number > 0, got 0"),
        (lambda X, D: lasso_codes(X, D, 1, tol=0), "tol must be a finite number > 0, got 0"),
        (lambda X, D: lasso_codes(X, D, 1, max_iter=0), "max_iter must be a whole number >= 1, got 0"),
        (lambda X, D: lasso_codes(X, D, 1, n_jobs=0), "n_jobs must be a whole number >= 1, got 0"),
        (lambda X, D: lasso_codes(X, 0 * D, 1), "^D must have at least one atom that is not zero$"),
        (lambda X, D: matching_pursuit(X, 2 * D, 3), "D must have atoms .* of norm 1, but row . has norm 2"),
        (lambda X, D: matching_pursuit(X, D, 0), "n_nonzero must be a whole number >= 1"),
        (lambda X, D: orthogonal_matching_pursuit(X, D, 6), "n_nonzero must be a whole number from 1 to 5, got 6"),
        (lambda X, D: orthogonal_matching_pursuit(X, D, 3, n_jobs=0), "n_jobs must be a whole number >= 1, got 0"),
        (lambda X, D: update_dictionary(D[0], D, D), "D must be a matrix"),
        (lambda X, D: update_dictionary(D, D, D), "AA must have 8 columns"),
        (lambda X, D: update_dictionary(D, D @ D.T, D[0]), "AX must be a matrix"),
        (lambda X, D: update_dictionary(D, D @ D.T, D @ D.T), "AX must have 5 columns"),
        (
            lambda X, D: update_dictionary(D, D @ D.T, D[:7]),
            r"AA and AX must have a row for each of the 8 atoms in D, got shapes \(8, 8\) and \(7, 5\)",
        ),
        (lambda X, D: update_dictionary(D, D[:7] @ D.T, D), r"AA and AX must have a row .* \(7, 8\) and \(8, 5\)"),
        (lambda X, D: learn_dictionary(X, 3, -1, rng=RNG), "lam must be a finite number >= 0"),
        (lambda X, D: learn_dictionary(X, 3, 0.1, n_code_iter=0, rng=RNG), "n_code_iter must be a whole number >= 1"),
        (lambda X, D: learn_dictionary(X, 0, 0.1, rng=RNG), "n_atoms must be a whole number >= 1"),
        (
            lambda X, D: learn_dictionary(X, 3, 0.1, batch_size=7, rng=RNG),
            "batch_size must be a whole number from 1 to 6",
        ),
        (lambda X, D: learn_dictionary(X, 3, 0.1, rng=0), "rng must be a Generator such as .*, got int"),
        (lambda X, D: learn_dictionary(X, 3, 0.1, n_iter=0, rng=RNG), "n_iter must be a whole number >= 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(*problem())
