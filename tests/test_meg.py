"""Words from recordings: closed forms against scikit-learn and brute force; what the simulation says of itself."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cosine
from sklearn.linear_model import Ridge

from saelib import meg


def problem(seed, m=9, n=4, k=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)) + 3, rng.normal(size=(m, k)) - 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 9), st.integers(1, 12), st.floats(1e-3, 1e3))
def test_ridge_agrees_with_scikit_learn(seed, m, n, lam):
    X, Y = problem(seed, m, n)
    W, b = meg.ridge(X, Y, lam)
    reference = Ridge(alpha=lam, solver="svd").fit(X, Y)
    assert_allclose(W.T, reference.coef_, atol=1e-9)
    assert_allclose(b, reference.intercept_, atol=1e-8)
    assert_allclose(meg.hat_matrix(X, lam) @ Y, reference.predict(X), atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 8), st.integers(1, 12), st.sampled_from([1e-3, 0.1, 10]))
def test_leave_two_out_agrees_with_fitting_without_the_two(seed, m, n, lam):
    X, Y = problem(seed, m, n)
    pairs, P = meg.leave_two_out(meg.hat_matrix(X, lam), Y)
    assert pairs.tolist() == [list(pair) for pair in itertools.combinations(range(m), 2)]
    for pair, predicted in zip(pairs, P, strict=True):
        rest = np.setdiff1d(np.arange(m), pair)
        assert_allclose(predicted, Ridge(lam, solver="svd").fit(X[rest], Y[rest]).predict(X[pair]), atol=1e-6)


@pytest.mark.parametrize("lam", [0.01, 1.0])
def test_the_score_agrees_with_loops_over_all_pairs(lam):
    X, Y = problem(3, m=12, n=6, k=5)
    size = np.mean([np.sum((x - X.mean(axis=0)) ** 2) for x in X])
    wanted = []
    for i, j in itertools.combinations(range(12), 2):
        rest = [w for w in range(12) if w not in (i, j)]
        p, q = Ridge(lam * size).fit(X[rest], Y[rest]).predict(X[[i, j]])
        wanted.append(cosine(p, Y[i]) + cosine(q, Y[j]) < cosine(p, Y[j]) + cosine(q, Y[i]))
    share, pairs, correct = meg.two_versus_two(X, Y, lam)
    assert_array_equal(correct, wanted)
    assert share == np.mean(wanted) and pairs.shape == (66, 2)


def test_the_unit_of_the_features_does_not_matter():
    X, Y = problem(1, m=10)
    one, other = meg.two_versus_two(X, Y, 0.1), meg.two_versus_two(1000 * X + 7, Y, 0.1)
    assert_array_equal(one.correct, other.correct)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_exchanging_the_two_words_of_a_pair_turns_its_result_round(seed):
    """Why chance is one half: a fit that has not seen the two cannot know which is which."""
    X, Y = problem(seed, m=7)
    i, j = np.random.default_rng(seed).choice(7, 2, replace=False)
    exchanged = Y.copy()
    exchanged[[i, j]] = Y[[j, i]]
    one, other = meg.two_versus_two(X, Y, 0.1), meg.two_versus_two(X, exchanged, 0.1)
    at = np.flatnonzero((one.pairs == sorted([i, j])).all(axis=1))
    assert one.correct[at] != other.correct[at]


def test_perfect_features_are_always_right_and_ties_never():
    _, Y = problem(0, m=12, k=3)
    assert meg.two_versus_two(Y, Y, 1e-6).share == 1
    assert not meg.matched(np.ones((1, 2, 3)), np.random.default_rng(0).normal(size=(1, 2, 3))).any()


def test_the_nouns():
    words, categories, Y = meg.load_nouns()
    assert len(set(words)) == 60 and words[:2] == ("bear", "cat") and words[-1] == "truck"
    assert all(categories.count(c) == 5 for c in categories) and len(set(categories)) == 12
    assert Y.shape == (60, 50)
    assert_allclose(Y.mean(axis=0), 0, atol=1e-12)
    assert_allclose(Y.std(axis=0), 1)
    near = np.corrcoef(Y)
    assert near[words.index("car"), words.index("truck")] > near[words.index("car"), words.index("celery")] + 0.5


def test_a_simulation_has_what_its_description_says():
    Y = meg.load_nouns().Y
    X, word, times = meg.simulate(Y, np.random.default_rng(0), trials=4)
    assert X.shape == (240, 50, 102) and X.dtype == np.float32 and times[-1] == 0.49
    assert_array_equal(np.bincount(word), np.full(60, 4))
    again = meg.simulate(Y, np.random.default_rng(0), trials=4)
    assert_array_equal(again.X, X)
    spectrum = np.abs(np.fft.rfft(X - meg.averages(X, word)[word], axis=1)).mean(axis=(0, 2))
    assert spectrum[5] > 1.5 * max(spectrum[4], spectrum[6]) and spectrum[1] > 2 * spectrum[10]  # 10 Hz; 1/f


def test_a_simulation_by_plain_sums():
    """The description, drawn in the order of the code: sources, their time courses, the words, the noise."""
    Y, g = np.array([[1.0, -0.5], [0.2, 0.9], [-1.3, 0.4]]), np.random.default_rng(6)
    X, word, times = meg.simulate(Y, np.random.default_rng(6), trials=2, snr=0.3, sensors=4, samples=8)
    places, inside, moments = (g.normal(size=size) for size in ((4, 3), (54, 3), (54, 3)))
    field = np.zeros((4, 54))
    for s, d in itertools.product(range(4), range(54)):
        r, q = places[s] / np.sqrt(places[s] @ places[s]), 0.75 * inside[d] / np.sqrt(inside[d] @ inside[d])
        field[s, d] = np.linalg.det([r - q, r, moments[d]]) / np.sqrt((r - q) @ (r - q)) ** 3
    field /= np.sqrt(np.sum(field**2, axis=0))
    peak, width, directions = g.uniform(0.1, 0.4, 24), g.uniform(0.03, 0.08, 24), g.normal(size=(2, 8))

    response = np.where(Y @ directions > 0, Y @ directions, 0) / 2**0.5
    evoked = np.zeros((3, 8, 4))
    for w, k, d in itertools.product(range(3), range(8), range(24)):
        late = k / 100 - peak[d]
        strength = 0.3 * (response[w, d] - np.mean(response[:, d])) if d < 8 else 2
        course = np.exp(-((late / width[d]) ** 2) / 2) * np.cos(2 * np.pi * 4 * late)  # a wave of 4 Hz, for a while
        evoked[w, k] += strength * course * field[:, d]

    real, imaginary = g.normal(size=(6, 5, 20)), g.normal(size=(6, 5, 20))
    falling = np.zeros((6, 8, 20))
    for k, f in itertools.product(range(8), range(5)):
        weight, turn = (1 if f in (0, 4) else 2) / max(12.5 * f, 1), 2 * np.pi * f * k / 8
        falling[:, k] += weight * real[:, f] * np.cos(turn)
        falling[:, k] -= weight * imaginary[:, f] * np.sin(turn) * (f not in (0, 4))
    falling /= np.sqrt(np.mean((falling - falling.mean()) ** 2))
    phase, size = g.uniform(0, 2 * np.pi, (6, 1, 10)), g.gamma(2, 0.5, (6, 1, 10))
    waves = 2**0.5 * size * np.cos(2 * np.pi * 10 * np.arange(8)[:, np.newaxis] / 100 + phase)
    noise = np.concatenate([falling, waves], axis=2) @ field[:, 24:].T
    noise /= np.sqrt(np.mean((noise - noise.mean()) ** 2))
    wanted = evoked[[0, 0, 1, 1, 2, 2]] + 0.25 * noise + 0.15 * g.normal(size=(6, 8, 4))
    assert_allclose(X, wanted, rtol=1e-5, atol=1e-5)
    assert word.tolist() == [0, 0, 1, 1, 2, 2]
    assert_allclose(times, np.arange(8) / 100)


def test_without_signal_all_words_evoke_the_same():
    Y = meg.load_nouns().Y
    loud, silent = (meg.simulate(Y, np.random.default_rng(1), trials=2, snr=snr).X for snr in (0.2, 0))
    assert_allclose((loud - silent)[::2], (loud - silent)[1::2], atol=1e-5)  # the same noise, the same words
    two = meg.simulate(np.zeros((3, 2)), np.random.default_rng(1), trials=2)
    assert two.X.shape == (6, 50, 102)


def test_standardized():
    X, _ = problem(0)
    Z = meg.standardized(X)
    assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    assert_allclose(np.sum(Z**2) / len(Z), 1)
    ratio = Z / (X - X.mean(axis=0))
    assert_allclose(ratio, ratio[0, 0])


def test_averages():
    values = np.arange(12.0).reshape(4, 3)
    assert_allclose(meg.averages(values, np.array([1, 0, 1, 1])), [values[1], values[[0, 2, 3]].mean(axis=0)])


def test_averages_of_single_numbers_and_of_float32():
    assert meg.averages([1.0, 3.0, 5.0], [0, 1, 1]).tolist() == [1, 4]
    many = np.full((100_000, 1), 0.1, np.float32)
    assert meg.averages(many, np.zeros(100_000, int))[0, 0] == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: meg.averages(np.ones(3), [0, 2, 2]), "word must name every word"),
        (lambda: meg.averages(np.ones(3), [0, 1]), "word must be whole numbers"),
        (lambda: meg.ridge(np.ones((3, 2)), np.ones((2, 1)), 1), "as many rows"),
        (lambda: meg.ridge(np.ones((3, 2)), np.ones((3, 1)), 0), "lam must be"),
        (lambda: meg.leave_two_out(np.ones((3, 2)), np.ones((3, 1))), "H must have 3 columns"),
        (lambda: meg.leave_two_out(np.ones((2, 3)), np.ones((3, 1))), "H must have shape"),
        (lambda: meg.leave_two_out(np.eye(3), np.ones((3, 1))), "singular"),
        (lambda: meg.leave_two_out(np.eye(2), np.ones((2, 1))), "number of rows"),
        (lambda: meg.matched(np.ones((2, 3)), np.ones((2, 3))), "one shape"),
        (lambda: meg.matched(np.full((1, 2, 3), np.nan), np.ones((1, 2, 3))), "finite"),
        (lambda: meg.standardized(np.ones((4, 2))), "all rows are equal"),
        (lambda: meg.two_versus_two(np.ones((4, 2)), np.ones((4, 2)), 1), "all rows are equal"),
        (lambda: meg.averages(1.0, 0), "word must be whole numbers, one for each trial, got shapes"),
        (lambda: meg.averages(np.ones(2), [0.0, 1.0]), "word must be whole numbers, one for each trial, got shapes"),
        (lambda: meg.averages(np.ones((0, 2)), np.zeros(0, int)), "word must name every word"),
        (lambda: meg.ridge(np.ones((3, 2)), 1, 1), "Y must be a matrix"),
        (lambda: meg.hat_matrix(np.ones((3, 2)), 0), "lam must be a finite number > 0"),
        (lambda: meg.leave_two_out(np.eye(3), np.ones(3)), "Y must be a matrix"),
        (lambda: meg.matched(np.ones((1, 3, 3)), np.ones((1, 3, 3))), "P and Y must have one shape"),
        (lambda: meg.matched(np.ones((1, 2, 3)), np.ones((1, 2, 2))), "P and Y must have one shape"),
        (lambda: meg.matched(np.ones((1, 2, 3)), np.full((1, 2, 3), np.inf)), "P and Y must be finite"),
        (lambda: meg.simulate(np.ones(3), np.random.default_rng(0)), "Y must be a matrix"),
        (lambda: meg.simulate(np.eye(3), np.random.default_rng(0), trials=0), "trials must be a whole number >= 1"),
        (lambda: meg.simulate(np.eye(3), np.random.default_rng(0), sensors=0), "sensors must be a whole number >= 1"),
        (lambda: meg.simulate(np.eye(3), np.random.default_rng(0), samples=1), "samples must be a whole number >= 2"),
        (lambda: meg.simulate(np.ones((3, 2)), 0), "rng must be"),
        (lambda: meg.simulate(np.ones((3, 2)), np.random.default_rng(0), snr=-1), "snr must be"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_rows_that_are_all_equal_are_named():
    with pytest.raises(ValueError, match="^X must differ from row to row; all rows are equal$"):
        meg.standardized(np.full((3, 2), 0.1 + 0.2))
