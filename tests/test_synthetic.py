"""Synthetic worlds against what they promise: counts, sums, hierarchies; and recovery against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelib.synthetic import known_dictionary, parent_child, recovery

seeds = st.integers(0, 10**6)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_known_dictionary_keeps_what_it_promises():
    world = known_dictionary(40, 16, 5, rng())
    X, A = world.sample(20_000)
    np.testing.assert_allclose(np.linalg.norm(world.dictionary, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(X, sum(A[:, [j]] * world.dictionary[j] for j in range(40)), atol=1e-12)
    assert abs(np.count_nonzero(A, axis=1).mean() - 5) < 0.06  # the standard error is .015
    assert A.min() == 0 and A.max() < 1 and abs(A[A > 0].mean() - 0.5) < 0.005
    assert np.all(np.abs(np.count_nonzero(A, axis=0) / 20_000 - 0.125) < 0.012)
    together = np.corrcoef((A > 0).T)[~np.eye(40, dtype=bool)]
    assert np.abs(together).max() < 0.04


def test_noise_has_its_size_and_coefficients_their_range():
    world = known_dictionary(6, 5, 2, rng(1), low=0.5, high=0.7, noise=0.1)
    X, A = world.sample(20_000)
    assert abs(np.std(X - A @ world.dictionary) - 0.1) < 0.002
    assert 0.5 <= A[A > 0].min() < 0.51 and 0.69 < A.max() <= 0.7


def test_a_child_is_active_only_with_its_parent():
    world = parent_child(8, 16, rng(2))
    X, A = world.sample(20_000)
    np.testing.assert_allclose(world.dictionary @ world.dictionary.T, np.eye(8), atol=1e-12)
    np.testing.assert_allclose(X @ world.dictionary.T, A, atol=1e-12)
    on = A > 0
    assert not np.any(on[:, 1] & ~on[:, 0])
    rates = [on[:, 0].mean(), on[on[:, 0], 1].mean(), *on[:, 2:].mean(axis=0)]
    np.testing.assert_allclose(rates, [0.3, 0.3, *[0.1] * 6], atol=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_and_seeds(dtype):
    one, two = (known_dictionary(9, 4, 2, rng(3), dtype=dtype, noise=0.1) for _ in range(2))
    X, A = one.sample(7)
    assert X.dtype == A.dtype == one.dictionary.dtype == dtype and X.shape == (7, 4) and A.shape == (7, 9)
    np.testing.assert_array_equal(X, two.sample(7)[0])
    assert not np.array_equal(X, two.sample(7)[0])
    batches = list(one.batches(5, 3, seed=1))
    assert len(batches) == 3 and not np.array_equal(batches[0], batches[1])
    for batch, again in zip(batches, two.batches(5, 3, seed=1), strict=True):
        np.testing.assert_array_equal(batch, again)
    np.testing.assert_array_equal(parent_child(3, 4, rng(), dtype=dtype).sample(2, rng(5))[1].dtype, np.dtype(dtype))


def test_the_limits_of_a_world_are_worlds():
    X, A = known_dictionary(1, 1, 1, rng(), low=0.5, high=2.0).sample(4000)
    assert A.min() >= 0.5 and A.min() < 0.51 and 1.99 < A.max() <= 2 and np.allclose(np.abs(X), A)
    assert known_dictionary(3, 2, 3, rng()).chance.tolist() == [1, 1, 1]
    world = parent_child(2, 2, rng(1), parent=0.5, child=0.25)
    assert world.chance.tolist() == [0.5, 0.25] and world.parent.tolist() == [-1, 0]
    assert (world.low, world.high, world.noise) == (0.8, 1.2, 0.0)
    assert list(known_dictionary(3, 2, 1, rng()).batches(2, 1, 0))[0].shape == (2, 2)


def test_recovery_survives_atoms_of_zeros_and_of_any_size():
    D_true = np.array([[3.0, 4.0], [1.0, 0.0]])
    assert recovery(D_true, [[0.0, 0.0], [1e-300, 0.0]]).mean_max == pytest.approx((0.6 + 1) / 2)
    assert recovery(1e300 * D_true, [[0.6, 0.8]]).mean_max == pytest.approx((1 + 0.6) / 2)
    assert recovery(D_true, [[1.0, 0.0]], threshold=0.59).found == 0.5


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_recovery_by_definition(seed):
    g = rng(seed)
    D_true, D = g.normal(size=(4, 3)), g.normal(size=(6, 3))
    cosine = [[abs(a @ b) / np.sqrt(a @ a) / np.sqrt(b @ b) for b in D] for a in D_true]
    result = recovery(D_true, D)
    np.testing.assert_allclose(result.mean_max, np.mean([max(row) for row in cosine]), rtol=1e-12)
    assert result.found <= np.mean([max(row) > 0.9 for row in cosine])
    assert recovery(D_true, -3 * D_true[g.permutation(4)]) == pytest.approx((1, 1))


def test_two_features_cannot_share_an_atom():
    pair = np.array([[1.0, 0.0], [1.0, 0.1]])
    result = recovery(pair, pair[:1])
    assert result.mean_max > 0.99 and result.found == 0.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: known_dictionary(4, 3, 5, rng()), "n_active must be at most n_features = 4, got 5"),
        (lambda: known_dictionary(4, 3, 0, rng()), "n_active must be a finite number > 0"),
        (lambda: known_dictionary(4, 0, 1, rng()), "dim must be a whole number >= 1"),
        (lambda: known_dictionary(4, 3, 1, 0), "rng must be a Generator"),
        (lambda: known_dictionary(4, 3, 1, rng(), low=1.0), "high must be above low = 1, got 1"),
        (lambda: known_dictionary(4, 3, 1, rng(), noise=-1), "noise must be a finite number >= 0"),
        (lambda: known_dictionary(4, 3, 1, rng(), dtype=int), "dtype must be float32 or float64, got int64"),
        (lambda: parent_child(1, 3, rng()), "n_features must be a whole number from 2 to 3"),
        (lambda: parent_child(4, 3, rng()), "n_features must be a whole number from 2 to 3"),
        (lambda: parent_child(3, 3, rng(), child=1.0), "child must lie strictly between 0 and 1"),
        (lambda: known_dictionary(0, 3, 1, rng()), "n_features must be a whole number >= 1"),
        (lambda: known_dictionary(4, 3, 1, rng(), low=-1.0), "low must be a finite number >= 0"),
        (lambda: known_dictionary(4, 3, 1, rng(), high=-1.0), "high must be a finite number > 0"),
        (lambda: parent_child(2, 1, rng()), "dim must be a whole number >= 2"),
        (lambda: parent_child(3, 3, 0), "rng must be a Generator"),
        (lambda: parent_child(3, 3, rng(), parent=0.0), "parent must lie strictly between 0 and 1"),
        (lambda: parent_child(3, 3, rng(), others=1.0), "others must lie strictly between 0 and 1"),
        (lambda: next(known_dictionary(4, 3, 1, rng()).batches(2, 0, 0)), "steps must be a whole number >= 1"),
        (lambda: recovery(np.ones(3), np.eye(3)), "D_true must be a matrix"),
        (lambda: recovery(np.eye(3), np.eye(3), -1), "threshold must be a finite number >= 0"),
        (lambda: known_dictionary(4, 3, 1, rng()).sample(0), "m must be a whole number >= 1"),
        (lambda: known_dictionary(4, 3, 1, rng()).sample(2, 7), "rng must be a Generator"),
        (lambda: next(known_dictionary(4, 3, 1, rng()).batches(2, 1, -1)), "seed must be a whole number >= 0"),
        (lambda: recovery(np.eye(3), np.eye(2)), "D must have 3 columns"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
