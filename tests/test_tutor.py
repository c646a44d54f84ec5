"""The tutor: a right function passes in any form, a wrong one is told what is wrong, and nothing it does can hurt."""

import json
import math
import pydoc
import re
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saelib
from saelib import datasets, metrics, pca, sparse_coding
from saelib.book import tutor
from saelib.book._tutor import answers, calls, deltas
from saelib.book._tutor.mistakes import KINDS, LINES, pairs
from saelib.nets.topk import keep_largest

ROOT = Path(__file__).parent.parent


def check(kind, function):
    return getattr(tutor, f"check_{kind}")(function)


def formula(kind):
    return partial(KINDS[kind].formula, frozenset())


def test_there_is_a_check_for_each_kind():
    checks = {f"check_{kind}" for kind in (*tutor.kinds(), "backward")}
    assert {name for name in tutor.__all__ if name.startswith("check_")} == checks
    assert len(tutor.kinds()) >= 15
    assert all(getattr(tutor, name) for name in tutor.__all__)


def test_each_docstring_says_how_the_function_is_called():
    for kind in tutor.kinds():
        assert f"``f({', '.join(KINDS[kind].arguments)})``" in getattr(tutor, f"check_{kind}").__doc__


# What is right passes: the library, which was written apart from the tutor's formulas, and other ways to write it.

LIBRARY = {
    "forward": saelib.forward,
    "delta3": lambda A3, X: saelib.output_delta(saelib.Forward(None, None, np.log(A3 / (1 - A3)), A3), X),
    "hidden_delta": lambda W2, delta3, A2: _library_delta2(W2, delta3, A2, 0.5, 0),
    "delta2": lambda W2, delta3, A2, rho, beta: _library_delta2(W2, delta3, A2, rho, beta),
    "gradient": lambda params, X, lam: saelib.sparse_gradient(params, X, lam=lam, rho=0.5, beta=0),
    "sparse_gradient": saelib.sparse_gradient,
    "reconstruction_error": saelib.reconstruction_error,
    "weight_decay": saelib.weight_decay,
    "numerical_gradient": saelib.numerical_gradient,
    "mean_activation": saelib.mean_activation,
    "kl_divergence": saelib.kl_divergence,
    "kl_prime": saelib.kl_prime,
    "normalize_patches": datasets.normalize_patches,
    "pca": lambda X, k: pca.fit_pca(X, k).components,
    "soft_threshold": sparse_coding.soft_threshold,
    "ista_step": sparse_coding.ista_step,
    "fvu": metrics.fvu,
    "topk_codes": lambda Z, k: keep_largest(np.clip(Z, 0, None), k),
    "leave_two_out": lambda H, Y, i, j: _left_out(H, Y, [i, j]),
}


def _left_out(H, Y, S):
    """What is predicted for S is what would be predicted there if it had been observed."""
    Y = Y.copy()
    for _ in range(2000):
        Y[S] += 0.2 * (H[S] @ Y - Y[S])
    return Y[S]


def _library_delta2(W2, delta3, A2, rho, beta):
    (s3, s2), Z2 = W2.shape, np.log(A2 / (1 - A2))
    params = saelib.Params(np.zeros((s2, s3)), np.zeros(s2), W2, np.zeros(s3))
    cache = saelib.Forward(Z2, A2, delta3, delta3)
    return saelib.hidden_delta(params, cache, delta3, rho=rho, beta=beta)


@pytest.mark.parametrize("kind", LIBRARY)
def test_the_library_is_right(kind):
    assert check(kind, LIBRARY[kind]).passed


def test_the_update_is_what_gradient_descent_does():
    rng = np.random.default_rng(0)
    params, X = saelib.init_params(4, 3, rng), rng.uniform(size=(5, 4))
    gradient = saelib.sparse_gradient(params, X, lam=0.1, rho=0.1, beta=2)
    decay = saelib.Params(0.1 * params.W1, 0, 0.1 * params.W2, 0)
    Delta = saelib.Params(*(5 * (G - R) for G, R in zip(gradient, decay, strict=True)))
    library, _ = saelib.gradient_descent(params, X, lam=0.1, rho=0.1, beta=2, alpha=0.3, max_iter=1)
    for ours, theirs in zip(formula("update")(params, Delta, 5, 0.3, 0.1), library, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_favorite_input_excites_a_unit_most():
    W1 = np.random.default_rng(0).normal(size=(3, 5))
    others = np.random.default_rng(1).normal(size=(10_000, 5))
    best = np.max(others / np.linalg.norm(others, axis=1, keepdims=True) @ W1.T, axis=0)
    favorites = formula("optimal_input")(W1)
    assert np.all(np.sum(favorites * W1, axis=1) > best) and np.allclose(np.linalg.norm(favorites, axis=1), 1)


def loop_delta2(W2, delta3, A2, rho, beta):
    m, s2, s3 = len(A2), len(A2[0]), len(W2)
    rho_hat = [sum(A2[i][j] for i in range(m)) / m for j in range(s2)]
    result = []
    for i in range(m):
        row = []
        for j in range(s2):
            total = beta * (rho_hat[j] - rho) / (rho_hat[j] * (1 - rho_hat[j]))  # the two fractions as one
            for k in range(s3):
                total += W2[k][j] * delta3[i][k]
            row.append(total * (A2[i][j] - A2[i][j] ** 2))
        result.append(row)
    return result


def loop_gradient(params, X, lam):
    W1, b1, W2, b2 = params
    sums = [np.zeros_like(P) for P in params]
    for x in X:
        a2 = 1 / (1 + np.exp(-W1 @ x - b1))
        a3 = 1 / (1 + np.exp(-W2 @ a2 - b2))
        delta3 = -(x - a3) * a3 * (1 - a3)
        delta2 = (W2.T @ delta3) * a2 * (1 - a2)
        sums = [
            S + part for S, part in zip(sums, (np.outer(delta2, x), delta2, np.outer(delta3, a2), delta3), strict=False)
        ]
    return [sums[0] / len(X) + lam * W1, sums[1] / len(X), sums[2] / len(X) + lam * W2, sums[3] / len(X)]


def convention_of_others(params, X, *, lam, rho, beta):
    """The 1/m in the deltas and in the penalty, and none in the sums."""
    m, cache = len(X), saelib.forward(params, X)
    delta3 = (cache.A3 - X) * cache.A3 * (1 - cache.A3) / m
    pull = beta / m * saelib.kl_prime(rho, cache.A2.mean(axis=0))
    delta2 = (delta3 @ params.W2 + pull) * cache.A2 * (1 - cache.A2)
    ones = np.ones(m)
    return delta2.T @ X + lam * params.W1, ones @ delta2, delta3.T @ cache.A2 + lam * params.W2, ones @ delta3


def eigenvectors(X, k):
    return -np.linalg.eigh(np.cov(X.T))[1][:, ::-1][:, :k].T


OTHER_FORMS = [
    ("forward", lambda params, X: tuple(saelib.forward(params, X))),
    (
        "delta3",
        lambda A3, X: [
            [-(x - a) * (a - a * a) for a, x in zip(r, s, strict=False)] for r, s in zip(A3, X, strict=False)
        ],
    ),
    ("delta2", loop_delta2),
    ("gradient", loop_gradient),
    ("gradient", lambda X, params, lam: loop_gradient(params, X, lam)),  # in another order, by name
    ("gradient", lambda p, data, decay: loop_gradient(p, data, decay)),  # by other names, in order
    ("sparse_gradient", convention_of_others),
    ("kl_divergence", lambda rho, q: [rho * math.log(rho / p) + (1 - rho) * math.log((1 - rho) / (1 - p)) for p in q]),
    ("kl_prime", lambda rho_hat, rho: (rho_hat - rho) / (rho_hat * (1 - rho_hat))),
    ("reconstruction_error", lambda A3, X: 0.5 * np.mean(np.sum((X - A3) ** 2, axis=1))),
    ("reconstruction_error", lambda A3, X: np.float32(np.linalg.norm(A3 - X) ** 2 / (2 * len(X)))),
    ("weight_decay", lambda params, lam: lam * 0.5 * sum(float(w) ** 2 for P in params[::2] for w in P.ravel())),
    ("pca", eigenvectors),
    ("pca", lambda X, k: np.linalg.svd(X - X.mean(axis=0))[2][:k]),
    ("soft_threshold", lambda u, t: np.maximum(u - t, 0) - np.maximum(-u - t, 0)),
    ("soft_threshold", lambda u, t: np.where(np.abs(u) <= t, 0, u - t * np.sign(u)).tolist()),
]


@pytest.mark.parametrize(("kind", "function"), OTHER_FORMS)
def test_an_equivalent_form_passes(kind, function):
    verdict = check(kind, function)
    assert verdict.passed, verdict
    assert verdict.message.startswith("Right")


def single(value):
    """The same in single precision."""
    if isinstance(value, tuple):
        return saelib.Params(*map(single, value))
    return value.astype(np.float32) if isinstance(value, np.ndarray) else value


# A difference quotient needs double precision.
@pytest.mark.parametrize("kind", sorted(set(tutor.kinds()) - {"numerical_gradient"}))
def test_single_precision_passes(kind):
    def in_single_precision(*arguments):
        answer = formula(kind)(*map(single, arguments))
        parts = answer if KINDS[kind].fields else [answer]
        assert all(part.dtype == np.float32 or part.ndim == 0 for part in parts)
        return answer

    assert check(kind, in_single_precision).passed


# Each mistake is named.


def every_mistake():
    return [pytest.param(kind, m, id=f"{kind}-{m.name}") for kind in tutor.kinds() for m in tutor.mistakes(kind)]


@pytest.mark.parametrize(("kind", "mistake"), every_mistake())
def test_each_planted_mistake_is_named(kind, mistake):
    verdict = check(kind, mistake.function)
    assert not verdict.passed
    assert verdict.message == f"Not yet: {mistake.sentence}. {mistake.hint} Read on: {mistake.where}."


def test_there_are_enough_of_them():
    for kind in ("delta3", "hidden_delta", "delta2", "gradient", "sparse_gradient"):
        assert len(tutor.mistakes(kind)) >= 8
    assert min(len(tutor.mistakes(kind)) for kind in tutor.kinds()) >= 3


def test_every_switch_has_words_and_all_words_have_a_switch():
    worded = [name for line in LINES for name in line.mistakes]
    assert len(worded) == len(set(worded))
    asked = {m.name for kind in tutor.kinds() for m in tutor.mistakes(kind)}
    assert asked == set(worded)


def test_each_mistake_is_one_of_its_own():
    """No two mistakes of a kind give the same answers, except where one is written in two ways."""
    for kind in tutor.kinds():
        for m in tutor.mistakes(kind):
            assert answers.recognize(KINDS[kind], answers.run(KINDS[kind], m.function)) is m
            assert not answers.is_right(KINDS[kind], answers.run(KINDS[kind], m.function))


def same(a, b):
    """Whether two functions of ours give the same on all inputs: the same arrays, or an error from both."""
    for x, y in zip(a, b, strict=True):
        if x is None or y is None:
            if x is not y:
                return False
        elif not all(p.shape == q.shape and np.allclose(p, q, 1e-4, 1e-6, True) for p, q in zip(x, y, strict=True)):
            return False
    return True


def unsigned(kind, values):
    """Return what a function of the kind gave; of directions without their sign, which is not fixed."""
    return [x and tuple(map(np.abs, x)) for x in values] if kind == "pca" else values


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", tutor.kinds())
def test_two_mistakes_at_once_are_named_where_they_can_be_told_apart(kind):
    """What is named has both mistakes, or else gives exactly the same as they do."""
    told_apart = 0
    planted = pairs(kind)[:: max(1, len(pairs(kind)) // 400)]
    for two in planted:
        values = answers.run(KINDS[kind], two.function)
        found = answers.recognize(KINDS[kind], values)
        if answers.is_right(KINDS[kind], values):
            assert same(values, answers.right(KINDS[kind]))
        elif found is two:
            told_apart += 1
        else:
            assert same(unsigned(kind, values), unsigned(kind, answers.run(KINDS[kind], found.function)))
    assert told_apart > len(planted) / 3 or kind in ("mean_activation", "soft_threshold")


def test_the_message_names_both_of_two_mistakes():
    verdict = tutor.check_gradient(partial(deltas.gradient, {"mean_missing", "decay_biases"}))
    assert "the 1/m is missing" in verdict.message and "the biases decay too" in verdict.message
    assert verdict.message.count("eq-grad-W2") == 1


@pytest.mark.parametrize(
    ("kind", "function", "words"),
    [
        ("delta3", lambda A3, X: (A3 - X) * (1 - A3) * A3 / len(X), "divided by m"),
        ("delta3", lambda A3, X: (X - A3) * A3 * (1 - A3), "wrong sign"),
        ("hidden_delta", lambda W2, d, A2: d.dot(W2.T) * A2 * (1 - A2), "W2 is turned the wrong way"),
        ("delta2", lambda W2, d, A2, r, b: (d @ W2 + b * (-r / A2 + (1 - r) / (1 - A2))) * A2 * (1 - A2), "per sample"),
        ("kl_prime", lambda r, q: -(r / q) - (1 - r) / (1 - q), "second term"),
        ("kl_divergence", lambda r, q: r * np.log(q / r) + (1 - r) * np.log((1 - q) / (1 - r)), "never be negative"),
        ("weight_decay", lambda params, lam: lam / 2 * sum(np.sum(P**2) for P in params), "biases"),
        (
            "update",
            lambda p, D, m, alpha, lam: [P - alpha * (G / m + lam * P) for P, G in zip(p, D, strict=False)],
            "biases decay",
        ),
        ("pca", lambda X, k: np.linalg.eigh(np.cov(X.T))[1][:, :k].T, "least variance"),
        ("pca", lambda X, k: np.linalg.eigh(np.cov(X.T))[1][:k], "rows and columns are mixed up"),
        ("pca", lambda X, k: np.linalg.svd(X, full_matrices=False)[2][:k], "not centered"),
        ("pca", lambda X, k: np.linalg.svd(X - X.mean(0))[2].T[:k], "rows and columns are mixed up"),
        ("optimal_input", lambda W1: W1 / np.linalg.norm(W1), "whole matrix"),
        ("numerical_gradient", lambda J, t, e: [(J(t + s) - J(t)) / e for s in e * np.eye(len(t))], "one-sided"),
        ("ista_step", lambda A, X, D, lam: _ista(A, X, D, lam, np.linalg.norm(D, 2)), "without its square"),
        ("normalize_patches", lambda X: _scale(X - X.mean(axis=0)), "of each pixel is removed"),
    ],
)
def test_mistakes_in_a_learner_s_own_words_are_named(kind, function, words):
    verdict = check(kind, function)
    assert not verdict.passed and words in verdict.message, verdict


def _ista(A, X, D, lam, L):
    U = A + (X - A @ D) @ D.T / L
    return np.sign(U) * np.clip(np.abs(U) - lam / L, 0, None)


def _scale(P):
    limit = 3 * P.std(ddof=1)
    return 0.1 + 0.4 * (1 + np.clip(P, -limit, limit) / limit)


def test_a_near_miss_is_not_misnamed():
    verdict = tutor.check_delta3(lambda A3, X: (A3 - X) * A3 * (1 - A3) + 1e-3 * (X > 0.5))
    assert not verdict.passed
    assert re.search(
        r"not a mistake that the tutor knows by name.*largest difference is in entry `\[\d, \d\]`", verdict.message
    )


def test_directions_may_be_turned_round_but_not_their_entries():
    assert tutor.check_pca(lambda X, k: -pca.fit_pca(X, k).components).passed
    verdict = tutor.check_pca(lambda X, k: np.abs(pca.fit_pca(X, k).components))
    assert not verdict.passed and "not a mistake that the tutor knows by name" in verdict.message


def test_the_largest_difference_is_not_one_of_direction():
    message = tutor.check_pca(lambda X, k: -pca.fit_pca(X, k).components + 1e-3).message
    came, right = map(float, re.search(r": (\S+) where (\S+) is right", message).groups())
    assert abs(came - right) < 0.01


def test_what_is_right_of_four_arrays_is_said():
    def one_off(params, X, lam):
        gradient = formula("gradient")(params, X, lam)
        return gradient._replace(b2=gradient.b2 * np.linspace(1, 1.001, gradient.b2.size))

    message = tutor.check_gradient(one_off).message
    assert "Right on all inputs: `W1`, `b1`, `W2`." in message and "`b2[" in message


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(tutor.kinds()), st.floats(1e-3, 0.2), st.integers(0, 10**6))
def test_noise_fails_and_has_no_name(kind, size, seed):
    def noisy(*arguments):
        rng, answer = np.random.default_rng(seed), formula(kind)(*arguments)
        parts = answer if KINDS[kind].fields else [answer]  # no entry may be missed by less than the tolerance
        noise = [P + size * rng.choice([-1, 1], np.shape(P)) * rng.uniform(0.5, 1, np.shape(P)) for P in parts]
        return noise if KINDS[kind].fields else noise[0]

    verdict = check(kind, noisy)
    assert not verdict.passed and "not a mistake that the tutor knows by name" in verdict.message


@given(st.floats(0.01, 100).filter(lambda c: abs(c - 1) > 0.01), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_common_factor_is_found(factor, negative):
    factor = -factor if negative else factor
    verdict = tutor.check_hidden_delta(lambda W2, d, A2: factor * (d @ W2) * A2 * (1 - A2))
    assert f"Everything is {factor:.4g} times" in verdict.message or factor == -1


# The sections named are there.


def test_the_sections_exist():
    places = {place for line in LINES for place in [line.where]}
    for place in places:
        if match := re.fullmatch(r'"(.+)" in chapters/([\w-]+) \((eq-[\w-]+)\)', place):
            section, page, label = match.groups()
            cells = json.loads((ROOT / "chapters" / f"{page}.ipynb").read_text(encoding="utf-8"))["cells"]
            text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
            after = re.split(rf"^#+ {re.escape(section)}$", text, flags=re.M)
            assert len(after) == 2, place
            assert f"$$ ({label})" in re.split(r"^## ", after[1], flags=re.M)[0], place
        else:
            assert pydoc.locate(re.fullmatch(r"help\((saelib\.[\w.]+)\)", place)[1]).__doc__


# Whatever else a function may do gets a sentence of its own.


def boom(A3, X):
    half = (A3 - X) / 2
    return half[1000]


def undefined(A3, X):
    return A4 - X  # noqa: F821


def not_written_yet(A3, X):
    raise NotImplementedError


def empty(A3, X): ...


def no_return(A3, X):
    A3 = (A3 - X) * A3 * (1 - A3)


def prints(A3, X):
    print((A3 - X) * A3 * (1 - A3))


def in_place(A3, X):
    A3 *= A3 - X
    return A3


def forever(A3, X):
    while True:
        pass


def forever_whatever_comes(A3, X):
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                pass
        except BaseException:
            pass


def forever_whatever_goes_wrong(A3, X):
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def fails_in_the_library(A3, X):
    return saelib.kl_divergence(2, A3)


def only_for_many(A3, X):
    if len(X) == 1:
        raise KeyError("m")
    return (A3 - X) * A3 * (1 - A3)


def leaves(A3, X):
    sys.exit(3)


def deep(A3, X):
    return deep(A3, X)


FAILURES = [
    (
        "delta3",
        boom,
        "Your function stops in line {}, `return half\\[1000\\]`, on the input with m = 5.* IndexError: index",
    ),
    ("delta3", undefined, "NameError: name 'A4' is not defined"),
    ("delta3", deep, "RecursionError"),
    ("delta3", fails_in_the_library, r"`return saelib.kl_divergence\(2, A3\)`, .*: rho must lie strictly between"),
    ("delta3", leaves, "SystemExit: 3"),
    ("delta3", only_for_many, "on the input with m = 1, s1 = 4, s2 = 3: KeyError: 'm'"),
    ("delta3", not_written_yet, "not written yet"),
    ("delta3", empty, "nothing in your function yet"),
    ("delta3", no_return, "did you forget `return`"),
    ("delta3", prints, "prints its answer but returns nothing"),
    ("delta3", in_place, "changes its argument `A3` in place"),
    ("gradient", lambda params, X, lam: params.b1.fill(0), "changes its argument `params.b1` in place"),
    ("delta3", forever, "still running after 0.5 seconds .*m = 5.* a loop that never ends"),
    ("delta3", lambda A3, X: time.sleep(3), "still running"),
    ("delta3", forever_whatever_comes, "still running"),
    ("mean_activation", max, "Your function stops on the input with .*ValueError"),  # written in C, without a signature
    ("delta3", lambda A3, X: (A3 - X).T, r"The shape \(5, 4\) is wanted of your answer .* \(4, 5\) came: .* transpose"),
    ("delta3", lambda A3, X: (A3 - X)[np.newaxis], "an axis too many"),
    ("pca", lambda X, k: X[0], r"The shape \(2, 4\) is wanted of your answer .* but \(4,\) came"),
    ("delta3", lambda A3, X: (A3 - X).sum(axis=0), r"\(4,\) came\."),
    ("mean_activation", lambda A2: A2.mean(axis=0, keepdims=True), r"\(1, 3\) came: there is an axis too many"),
    ("forward", lambda p, X: [Z[0] if len(X) == 1 else Z for Z in saelib.forward(p, X)], "`Z2` .* an axis too few"),
    ("weight_decay", lambda params, lam: [1.0], r"One number is wanted, but an array of shape \(1,\) came"),
    ("weight_decay", lambda params, lam: "0.5", "returns a `str`, but a number is wanted"),
    ("delta3", lambda A3, X: A3 / 0, r"entry `\[0, 0\]` of your answer is inf"),
    ("delta3", lambda A3, X: np.where(X > 0.9, np.nan, A3), r"is nan, not a finite number"),
    ("forward", lambda params, X: [Z / 0 for Z in saelib.forward(params, X)], r"`Z2\[0, 0\]` is -?inf"),
    ("delta3", lambda A3, X: "right", "returns a `str`, but an array of numbers is wanted"),
    ("delta3", lambda A3, X: {"delta3": A3}, "returns a `dict`"),
    ("delta3", lambda A3, X: (row for row in A3), "returns a `generator`"),
    ("delta3", lambda A3, X: A3 + 1j, r"returns an array of shape \(5, 4\), but an array of numbers"),
    ("delta3", lambda A3, X: [[1, 2], [3]], "returns a list of 2"),
    (
        "forward",
        lambda params, X: X,
        r"returns an array of shape \(5, 4\), but a tuple of 4 arrays, \(Z2, A2, Z3, A3\)",
    ),
    ("forward", lambda params, X: saelib.forward(params, X)[1:3], "returns a tuple of 2"),
    ("forward", lambda params, X: (*saelib.forward(params, X)[:3], None), "returns a tuple of 4"),
    ("forward", lambda params, X: iter(saelib.forward(params, X)), "returns a `tuple_iterator`"),
    ("delta3", lambda A3: A3, r"called as `f\(A3, X\)`, but is written as `<lambda>\(A3\)`"),
    ("delta3", lambda A3, X, m: A3, r"called as `f\(A3, X\)`, but is written as `<lambda>\(A3, X, m\)`"),
    ("delta3", np.ones((5, 4)), r"wants the function itself, but was given an array of shape \(5, 4\)"),
    ("delta3", None, "wants the function itself, but was given `None`"),
    ("delta3", 0.5, "was given a `float`"),
]


@pytest.mark.parametrize(("kind", "function", "words"), FAILURES)
def test_each_failure_has_a_sentence(kind, function, words, monkeypatch):
    monkeypatch.setattr(calls, "LIMIT", 0.5)
    start = time.monotonic()
    verdict = check(kind, function)
    # Where a tracer measures coverage, Python 3.11 lets no other thread go on before the function has ended.
    assert time.monotonic() - start < (2.5 if sys.gettrace() is None else 5)
    assert not verdict.passed
    assert re.search(words.format(boom.__code__.co_firstlineno + 2), verdict.message), verdict
    assert "\n" not in verdict.message and "Traceback" not in verdict.message


def test_an_endless_loop_is_ended_and_not_left_burning(monkeypatch):
    monkeypatch.setattr(calls, "LIMIT", 0.2)
    before = threading.active_count()
    assert "still running" in tutor.check_delta3(forever).message
    assert "still running" in tutor.check_delta3(forever_whatever_goes_wrong).message
    assert threading.active_count() == before


def test_the_time_limit_holds_in_any_thread(monkeypatch):
    monkeypatch.setattr(calls, "LIMIT", 0.2)
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(tutor.check_delta3(forever)))
    thread.start()
    thread.join(5)
    assert "still running" in verdicts[0].message


def test_without_threads_it_still_marks(monkeypatch):
    def no_threads(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_threads)
    assert tutor.check_delta3(formula("delta3")).passed
    assert "IndexError" in tutor.check_delta3(boom).message


def test_the_first_call_may_be_heard(capsys):
    def talks(A3, X):
        print("shape", A3.shape)
        return (A3 - X) * A3 * (1 - A3)

    assert tutor.check_delta3(talks).passed
    assert capsys.readouterr().out == "shape (5, 4)\n"


def test_warnings_and_output_are_as_before(recwarn):
    stdout = sys.stdout
    tutor.check_delta3(lambda A3, X: A3 / 0)
    tutor.check_delta3(boom)
    assert sys.stdout is stdout and not recwarn.list and np.geterr()["divide"] == "warn"


def test_a_function_spoils_nothing_for_the_next():
    tutor.check_delta3(in_place)
    tutor.check_gradient(lambda params, X, lam: params.W1.fill(0))
    assert tutor.check_delta3(formula("delta3")).passed and tutor.check_gradient(loop_gradient).passed


def test_the_line_is_found_in_a_cell_of_a_notebook():
    """A cell's functions come from no file, but their lines are to be had from `linecache`."""
    import linecache

    source = "def my_delta3(A3, X):\n    error = A3 - X\n    return error @ X\n"
    linecache.cache["<cell 7>"] = (len(source), None, source.splitlines(True), "<cell 7>")
    cell = {}
    exec(compile(source, "<cell 7>", "exec"), cell)
    assert "stops in line 3, `return error @ X`, on" in tutor.check_delta3(cell["my_delta3"]).message


def test_objects_that_are_called_are_functions_too():
    class Delta3:
        def __call__(self, A3, X):
            return (A3 - X) * A3 * (1 - A3) if len(X) > 1 else A3[3]

    assert "IndexError" in tutor.check_delta3(Delta3()).message
    assert tutor.check_delta3(partial(deltas.delta3, set())).passed
    assert not tutor.check_delta3(np.subtract).passed


# The verdict.


def test_a_verdict_is_its_message():
    verdict = tutor.Verdict(True, "Right.")
    passed, message = verdict
    assert passed and repr(verdict) == str(verdict) == message == "Right."
    assert verdict and not tutor.Verdict(False, "No.")


def test_a_verdict_in_a_notebook():
    text = tutor.check_delta3(lambda A3, X: A3 - X)._repr_html_()
    assert '<a href="backpropagation.ipynb#The-derivative-of-the-sigmoid">The derivative of the sigmoid</a>' in text
    assert "color: " not in text  # the page's own text color, light or dark
    assert text == tutor.check_delta3(lambda A3, X: A3 - X)._repr_html_()
    shown = tutor.Verdict(False, "`a < b` & <script>")._repr_html_()
    assert "<code>a &lt; b</code> &amp; &lt;script&gt;" in shown


def test_a_verdict_is_shown_by_ipython_as_text_and_html():
    formatters = pytest.importorskip("IPython.core.formatters")
    bundle, _ = formatters.DisplayFormatter().format(tutor.Verdict(True, "Right."))
    assert bundle["text/plain"] == "Right." and bundle["text/html"].startswith("<div")


def test_the_tutor_loads_numpy_alone():
    code = "import sys; import numpy; had = set(sys.modules); import saelib.book.tutor; print(*set(sys.modules) - had)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()} - set(sys.stdlib_module_names)
    assert loaded <= {"saelib", "numpy"}


def test_the_example_in_the_docstring():
    shown = re.search(r">>> (tutor\.check.*)\n(.*)\n", tutor.__doc__)
    assert repr(eval(shown[1], {"tutor": tutor})) == shown[2]
