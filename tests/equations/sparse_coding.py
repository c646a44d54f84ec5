"""The checks of the equations of the chapter "Sparse coding"."""

import functools
import itertools
import math

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
from mpmath import mp
from sklearn.linear_model import Lasso
from sklearn.metrics import r2_score

from saelib import metrics, sparse_coding
from tests.equations import (
    error,
    mistakes,
    slopes,
    verifies,
)


@verifies(
    "eq-linear-code",
    formula=lambda a, D: D.T @ a,
    wrong={
        "the dictionary is not transposed": lambda a, D: D[:, : len(a)] @ a,
        "the mean of the atoms": lambda a, D: D.T @ a / len(D),
        "amounts without their signs": lambda a, D: D.T @ np.abs(a),
        "atoms that are only in or out": lambda a, D: D.T @ (a != 0),
    },
    method="index loops",
)
def code_stands_for_a_sum_of_atoms(formula, rng):
    """Pixel by pixel, atom by atom; some coefficients are zero and some negative."""
    D, a = rng.normal(size=(6, 7)), rng.normal(size=6) * [1, 0, 1, -1, 0, 1]
    expected = [sum(a[j] * D[j, i] for j in range(6)) for i in range(7)]
    return error(formula(a, D), expected)


@verifies(
    "eq-laplace",
    formula=lambda a, s: np.exp(-np.abs(a) / s) / (2 * s),
    wrong={
        "one side only": lambda a, s: np.exp(-np.abs(a) / s) / s,
        "not normalized": lambda a, s: np.exp(-np.abs(a) / s),
        "a bell curve": lambda a, s: np.exp(-(a**2) / (2 * s**2)) / np.sqrt(2 * np.pi * s**2),
        "s as a rate": lambda a, s: np.exp(-np.abs(a) * s) * s / 2,
    },
    method="independent library",
)
def laplace_has_mean_magnitude_s(formula, rng):
    """Against SciPy's density; and its area is 1 and the mean of |a| is s, by quadrature."""
    s, a = rng.uniform(0.5, 2), rng.normal(size=9)
    area, _ = scipy.integrate.quad(lambda a: 2 * formula(a, s), 0, 50 * s)
    mean, _ = scipy.integrate.quad(lambda a: 2 * a * formula(a, s), 0, 50 * s)
    return max(error(formula(a, s), scipy.stats.laplace.pdf(a, scale=s)), abs(area - 1), abs(mean / s - 1))


def plain_lasso(a, x, D, lam):
    """The cost of one code, as the page has it."""
    return np.sum((x - D.T @ a) ** 2) / 2 + lam * np.sum(np.abs(a))


@verifies(
    "eq-map",
    formula=lambda a, x, D, sigma, s: -plain_lasso(a, x, D, sigma**2 / s) / sigma**2,
    wrong={
        "lambda is sigma / s": lambda a, x, D, sigma, s: -plain_lasso(a, x, D, sigma / s) / sigma**2,
        "lambda is s / sigma^2": lambda a, x, D, sigma, s: -plain_lasso(a, x, D, s / sigma**2) / sigma**2,
        "lambda is 2 sigma^2 / s": lambda a, x, D, sigma, s: -plain_lasso(a, x, D, 2 * sigma**2 / s) / sigma**2,
        "the sign": lambda a, x, D, sigma, s: plain_lasso(a, x, D, sigma**2 / s) / sigma**2,
        "sigma^2 is not pulled out": lambda a, x, D, sigma, s: -plain_lasso(a, x, D, sigma**2 / s),
    },
    method="independent library",
)
def most_probable_code_minimizes_the_lasso(formula, rng):
    """Against SciPy's normal and Laplace densities; the constant drops out of differences between codes."""
    D, x, sigma, s = rng.normal(size=(6, 4)), rng.normal(size=4), rng.uniform(0.2, 0.8), rng.uniform(0.5, 2)
    codes = rng.normal(size=(5, 6))
    noise, prior = scipy.stats.norm(scale=sigma), scipy.stats.laplace(scale=s)
    expected = [np.sum(noise.logpdf(x - a @ D)) + np.sum(prior.logpdf(a)) for a in codes]
    return error(np.diff([formula(a, x, D, sigma, s) for a in codes]), np.diff(expected))


@verifies(
    "eq-lasso",
    formula=sparse_coding.lasso_cost,
    wrong={
        "the half is missing": lambda A, X, D, lam: np.sum((X - A @ D) ** 2) + lam * np.sum(np.abs(A)),
        "the mean over samples": lambda A, X, D, lam: sparse_coding.lasso_cost(A, X, D, lam) / len(X),
        "squares for magnitudes": lambda A, X, D, lam: np.sum((X - A @ D) ** 2) / 2 + lam * np.sum(A**2),
        "signs are kept": lambda A, X, D, lam: np.sum((X - A @ D) ** 2) / 2 + lam * np.sum(A),
        "lambda is halved, too": lambda A, X, D, lam: sparse_coding.lasso_cost(A, X, D, lam / 2),
    },
    method="index loops",
)
def lasso_adds_half_the_squares_and_the_magnitudes(formula, rng):
    """The cost of several codes, against sums over samples, pixels and atoms taken one by one."""
    A, X, D, lam = rng.normal(size=(3, 5)), rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.uniform(0.2, 2)
    expected = 0
    for a, x in zip(A, X, strict=True):
        left = [x[i] - sum(a[j] * D[j, i] for j in range(5)) for i in range(4)]
        expected += sum(e**2 for e in left) / 2 + lam * sum(abs(v) for v in a)
    return error(formula(A, X, D, lam), expected)


@verifies(
    "eq-soft-threshold",
    formula=sparse_coding.soft_threshold,
    wrong=mistakes("soft_threshold"),
    method="property",
)
def soft_threshold_is_the_least_of_three_candidates(formula, rng):
    """A parabola and a V can have their least value at u - t, at u + t or in the kink: try all three."""
    u, t = rng.normal(scale=2, size=40), rng.uniform(0.5, 1.5)
    candidates = np.array([u - t, u + t, 0 * u])
    costs = (candidates - u) ** 2 / 2 + t * np.abs(candidates)
    expected = candidates[np.argmin(costs, axis=0), np.arange(40)]
    assert 5 < np.sum(expected == 0) < 35
    return error(formula(u, t), expected)


def violation(a, x, D, lam, sign=1, scale=1):
    """By how much a code misses the conditions of the page; with steps that can be replaced."""
    g = sign * D @ (x - D.T @ a)
    return np.max(np.where(a != 0, np.abs(g - scale * lam * np.sign(a)), np.maximum(np.abs(g) - scale * lam, 0)))


@verifies(
    "eq-lasso-optimality",
    formula=violation,
    wrong={
        "the sign of the match": functools.partial(violation, sign=-1),
        "twice lambda": functools.partial(violation, scale=2),
        "no lambda": functools.partial(violation, scale=0),
        "signs are not looked at": lambda a, x, D, lam: np.max(np.abs(np.abs(D @ (x - D.T @ a)) - lam)),
        "only the active atoms": lambda a, x, D, lam: violation(a[a != 0], x, D[a != 0], lam),
        "only the silent atoms": lambda a, x, D, lam: np.max(np.maximum(np.abs(D @ (x - D.T @ a)) - lam, 0)),
    },
    method="independent library",
    tolerance=1e-6,
)
def best_codes_meet_the_conditions_and_others_do_not(formula, rng):
    """At scikit-learn's solution nothing is violated; elsewhere the violation is the steepest slope that leads down."""
    D, x, lam = rng.normal(size=(8, 5)), rng.normal(size=5), 0.5
    lasso = Lasso(alpha=lam / 5, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(D.T, x)
    assert 0 < np.sum(lasso.coef_ != 0) < 8
    errors = [formula(lasso.coef_, x, D, lam)]
    for a in (
        1.2 * lasso.coef_,
        -lasso.coef_,
        rng.normal(size=8),
        rng.normal(size=8) * np.tile([1, 0], 4),
        np.zeros(8),
    ):
        steepest, h = 0, 1e-7
        for e in np.eye(8):
            for way in (h * e, -h * e):
                steepest = max(steepest, (plain_lasso(a, x, D, lam) - plain_lasso(a + way, x, D, lam)) / h)
        errors.append(error(formula(a, x, D, lam), steepest) / 10)  # a difference quotient is good to six digits
    return max(errors)


@verifies(
    "eq-code-gradient",
    formula=sparse_coding.ista_step,
    wrong=mistakes(
        "ista_step", "residual_sign", "codes_ignored", "D_untransposed", "gradient_doubled", "gradient_mean"
    ),
    method="finite differences",
)
def code_gradient_is_the_slope(formula, rng):
    """A step without a threshold goes down the gradient by 1/L, which is how the gradient is read off."""
    A, X, D = rng.normal(size=(3, 5)), rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    L = np.max(np.linalg.eigvalsh(D @ D.T))
    expected = slopes(lambda A: np.sum((X - A @ D) ** 2) / 2, A)
    return error(L * (A - formula(A, X, D, 0)), expected)


@verifies(
    "eq-lipschitz",
    formula=sparse_coding.lipschitz,
    wrong={
        "the singular value, not its square": lambda D: np.linalg.norm(D, 2),
        "the sum of all eigenvalues": lambda D: np.sum(D**2),
        "the largest entry": lambda D: np.max(D @ D.T),
        "the least eigenvalue": lambda D: np.linalg.norm(D, -2) ** 2,
    },
    method="high precision",
)
def lipschitz_constant_is_the_largest_eigenvalue(formula, rng):
    """In 30 digits, by mpmath; and no direction of length one exceeds it."""
    D, v = rng.normal(size=(5, 4)), rng.normal(size=(1000, 5))
    with mp.workdps(30):
        expected = max(mp.eigsy(mp.matrix(D) * mp.matrix(D).T, eigvals_only=True))
    reached = np.max(np.sum((v @ D) ** 2, axis=1) / np.sum(v**2, axis=1))
    return max(error(formula(D), expected), reached - formula(D))


def majorizer(b, a, x, D, lam, L, half=0.5, sign=1, at="b"):
    """Q(b; a) as the page has it, with steps that can be replaced."""
    f, gradient = np.sum((x - D.T @ a) ** 2) / 2, D @ (D.T @ a - x)
    return f + sign * gradient @ (b - a) + half * L * np.sum((b - a) ** 2) + lam * np.sum(np.abs({"a": a, "b": b}[at]))


@verifies(
    "eq-majorizer",
    formula=majorizer,
    wrong={
        "a quarter of L": functools.partial(majorizer, half=0.25),
        "all of L": functools.partial(majorizer, half=1),
        "no parabola": functools.partial(majorizer, half=0),
        "the sign of the gradient": functools.partial(majorizer, sign=-1),
        "no gradient": functools.partial(majorizer, sign=0),
        "the magnitudes at a": functools.partial(majorizer, at="a"),
    },
    method="property",
)
def majorizer_touches_and_lies_above(formula, rng):
    """It equals F at a, is nowhere below F, and touches it along a whole line where D D^T is steepest."""
    D, x, a, lam = rng.normal(size=(5, 4)), rng.normal(size=4), rng.normal(size=5), rng.uniform(0.2, 2)
    values, vectors = np.linalg.eigh(D @ D.T)
    Q, F = functools.partial(formula, a=a, x=x, D=D, lam=lam, L=values[-1]), lambda b: plain_lasso(b, x, D, lam)
    below = max(F(b) - Q(b) for b in a + rng.normal(size=(300, 5)))
    touching = [a, *(a + step * vectors[:, -1] for step in (-2, -0.1, 0.3, 5))]
    return max(below, error([Q(b) for b in touching], [F(b) for b in touching]))


@verifies(
    "eq-ista",
    formula=sparse_coding.ista_step,
    wrong=mistakes("ista_step"),
    method="property",
)
def ista_step_minimizes_the_majorizer(formula, rng):
    """No subgradient of Q is missed: its smooth slopes at the step are found by nudging each coefficient."""
    A, X, D, lam = rng.normal(size=(4, 5)), rng.normal(size=(4, 5)), rng.normal(size=(5, 5)), 6
    L = np.max(np.linalg.eigvalsh(D @ D.T))
    B, errors = formula(A, X, D, lam), []
    for a, b, x in zip(A, B, X, strict=True):
        v = slopes(lambda b, a=a, x=x: majorizer(b, a, x, D, 0, L), b).astype(float)
        errors += [abs(s + lam * np.sign(c)) if c else max(0, abs(s) - lam) for s, c in zip(v, b, strict=True)]
    return max(errors) / L


@verifies(
    "eq-three-point",
    formula=lambda step, a, b, F, L: F(b) + L / 2 * np.sum((b - a) ** 2) - F(step) - L / 2 * np.sum((b - step) ** 2),
    wrong={
        "no distance before": lambda step, a, b, F, L: F(b) - F(step) - L / 2 * np.sum((b - step) ** 2),
        "half the distance before": lambda step, a, b, F, L: (
            F(b) + L / 4 * np.sum((b - a) ** 2) - F(step) - L / 2 * np.sum((b - step) ** 2)
        ),
        "twice the distance after": lambda step, a, b, F, L: (
            F(b) + L / 2 * np.sum((b - a) ** 2) - F(step) - L * np.sum((b - step) ** 2)
        ),
        "before and after exchanged": lambda step, a, b, F, L: (
            F(b) + L / 2 * np.sum((b - step) ** 2) - F(step) - L / 2 * np.sum((b - a) ** 2)
        ),
    },
    method="property",
)
def a_step_seen_from_any_code(formula, rng):
    """The right side is never less than the left: for codes all around, and for the best code."""
    D, x, lam = rng.normal(size=(6, 3)), rng.normal(size=3), 0.4
    L = np.max(np.linalg.eigvalsh(D @ D.T))
    best = sparse_coding.fista([x], D, lam, 5000)[0]
    worst = 0
    for a in rng.normal(size=(20, 6)) * np.geomspace(0.01, 3, 20)[:, np.newaxis]:
        step = sparse_coding.ista_step([a], [x], D, lam)[0]
        for b in (best, a, 0 * a, step, *(best + 0.1 * rng.normal(size=(20, 6)))):
            worst = min(worst, formula(step, a, b, lambda b: plain_lasso(b, x, D, lam), L))
    return -worst


def slow_lasso(R=3.0, lam=0.05):
    """A lasso on which ISTA is slow: one atom is empty, and its coefficient starts at R and can only be shrunk."""
    D, x, start = np.array([[1.0, 0], [0, 0]]), np.zeros(2), np.array([0, R])
    return D, x, start, lam


@verifies(
    "eq-ista-rate",
    formula=lambda L, distance, r: L * distance**2 / (2 * r),
    wrong={
        "a square of r": lambda L, distance, r: L * distance**2 / (2 * r**2),
        "no square of the distance": lambda L, distance, r: L * distance / (2 * r),
        "a tenth": lambda L, distance, r: L * distance**2 / (20 * r),
        "without L": lambda L, distance, r: distance**2 / (200 * r),
    },
    method="property",
)
def ista_keeps_its_promise(formula, rng):
    """On random problems and on one that is made to be slow, the cost is never above the bound."""
    more, some = rng.normal(size=(8, 5)), rng.normal(size=5)
    problems = [slow_lasso(), slow_lasso(R=30), (more, some, np.zeros(8), 0.3), (more, some, rng.normal(size=8), 1.0)]
    worst = 0
    for D, x, a, lam in problems:
        L, best = np.max(np.linalg.eigvalsh(D @ D.T)), sparse_coding.fista([x], D, lam, 20_000)[0]
        least, distance = plain_lasso(best, x, D, lam), np.linalg.norm(a - best)
        for r in range(1, 61):
            a = sparse_coding.ista_step([a], [x], D, lam)[0]
            worst = max(worst, plain_lasso(a, x, D, lam) - least - formula(L, distance, r))
    return worst


def fista_by_loops(X, D, lam, n_iter, momentum=True, t_factor=4, previous=True, ratio=True):
    """FISTA, sample by sample and coefficient by coefficient, with steps that can be replaced."""
    (k, n), codes = D.shape, []
    L = float(np.max(np.linalg.eigvalsh(D @ D.T)))
    for x in X:
        a, y, t = [0.0] * k, [0.0] * k, 1.0
        for _ in range(n_iter):
            left = [x[i] - sum(y[j] * D[j, i] for j in range(k)) for i in range(n)]
            u = [y[j] + sum(D[j, i] * left[i] for i in range(n)) / L for j in range(k)]
            new = [math.copysign(max(abs(v) - lam / L, 0), v) for v in u]
            t_next = (1 + math.sqrt(1 + t_factor * t * t)) / 2
            factor = ((t - 1) / t_next if ratio else (t_next - 1) / t) if momentum else 0
            y = [p + factor * (p - (q if previous else 0)) for p, q in zip(new, a, strict=True)]
            a, t = new, t_next
        codes.append(a)
    return np.array(codes)


@verifies(
    "eq-fista-momentum",
    formula=sparse_coding.fista,
    wrong={
        "no momentum": functools.partial(fista_by_loops, momentum=False),
        "the 4 is missing": functools.partial(fista_by_loops, t_factor=1),
        "momentum from zero": functools.partial(fista_by_loops, previous=False),
        "t and the next t exchanged": functools.partial(fista_by_loops, ratio=False),
    },
    method="index loops",
)
def fista_steps_from_where_momentum_leads(formula, rng):
    """The codes after nine steps, against the steps written out entry by entry."""
    X, D = rng.normal(size=(2, 4)), rng.normal(size=(6, 4))
    return error(formula(X, D, 0.3, 9), fista_by_loops(X, D, 0.3, 9))


@verifies(
    "eq-fista-rate",
    formula=lambda L, distance, r: 2 * L * distance**2 / (r + 1) ** 2,
    wrong={
        "a cube": lambda L, distance, r: 2 * L * distance**2 / (r + 1) ** 3,
        "no square of the distance": lambda L, distance, r: 2 * L * distance / (r + 1) ** 2,
        "a twentieth": lambda L, distance, r: L * distance**2 / (10 * (r + 1) ** 2),
        "exponential": lambda L, distance, r: 2 * L * distance**2 / 2**r,
    },
    method="property",
)
def fista_keeps_its_promise(formula, rng):
    """On random dictionaries, and on one with a faint atom that has far to go."""
    some, more = rng.normal(size=(1, 5)), rng.normal(size=(8, 5))
    faint = np.diag([1, 0.02]), np.array([[0.0, 2.0]]), 0.001
    worst = 0
    for D, X, lam in ((more, some, 0.3), faint, (more, 9 * some, 0.01)):
        L, best = np.max(np.linalg.eigvalsh(D @ D.T)), sparse_coding.ista(X, D, lam, 60_000)
        least, distance = plain_lasso(best[0], X[0], D, lam), np.linalg.norm(best)
        for r in range(1, 61):
            found = plain_lasso(sparse_coding.fista(X, D, lam, r)[0], X[0], D, lam)
            worst = max(worst, (found - least - formula(L, distance, r)) / least)
    return worst


def pursue(X, D, n_nonzero, signed=True, add=True, update=True):
    """Matching pursuit, sample by sample, with steps that can be replaced."""
    A = np.zeros((len(X), len(D)))
    for a, x in zip(A, X, strict=True):
        e = x.copy()
        for _ in range(n_nonzero):
            match = D @ e
            j = np.argmax(np.abs(match) if signed else match)
            a[j] = match[j] + add * a[j]
            e = e - match[j] * D[j] if update else e
    return A


@verifies(
    "eq-matching-pursuit",
    formula=sparse_coding.matching_pursuit,
    wrong={
        "only positive matches": functools.partial(pursue, signed=False),
        "the old amount is forgotten": functools.partial(pursue, add=False),
        "the residual stays": functools.partial(pursue, update=False),
        "all steps but one": lambda X, D, s: pursue(X, D, s - 1),
    },
    method="property",
)
def each_step_of_pursuit_lowers_the_error_most(formula, rng):
    """Step by step, against a least-squares fit of the residual by every atom alone."""
    D, X = rng.normal(size=(6, 4)), rng.normal(size=(5, 4))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    expected = np.zeros((5, 6))
    for a, x in zip(expected, X, strict=True):
        for _ in range(9):
            fits = [np.linalg.lstsq(d[:, np.newaxis], x - a @ D, rcond=None) for d in D]
            j = int(np.argmin([left[0] for _, left, _, _ in fits]))
            a[j] += fits[j][0][0]
    return error(formula(X, D, 9), expected)


def update_atoms(D, AA, AX, others=True, normalize=True, at_once=False, own=True):
    """The update of the atoms, with steps that can be replaced."""
    D, old = D.copy(), D.copy()
    for j in range(len(D)):
        now = old if at_once else D
        c = AX[j] - others * (AA[j] @ now - own * AA[j, j] * now[j])
        D[j] = c / np.linalg.norm(c) if normalize else c / AA[j, j]
    return D


@verifies(
    "eq-dictionary-update",
    formula=sparse_coding.update_dictionary,
    wrong={
        "the other atoms are ignored": functools.partial(update_atoms, others=False),
        "not brought to length one": functools.partial(update_atoms, normalize=False),
        "all at once": functools.partial(update_atoms, at_once=True),
        "the atom itself is subtracted": functools.partial(update_atoms, own=False),
    },
    method="index loops",
)
def an_atom_becomes_the_mean_of_what_others_leave(formula, rng):
    """From the patches themselves, patch by patch; and no other direction leaves less."""
    A, X, D = rng.normal(size=(20, 4)), rng.normal(size=(20, 5)), rng.normal(size=(4, 5))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    found, expected, gain = formula(D, A.T @ A, A.T @ X), D.copy(), 0
    for j in range(4):
        c = sum(a[j] * (x - sum(a[i] * expected[i] for i in range(4) if i != j)) for a, x in zip(A, X, strict=True))
        expected[j] = c / math.sqrt(sum(v**2 for v in c))
        least = np.sum((X - A @ expected) ** 2)
        for rival in rng.normal(size=(50, 5)):
            other = expected.copy()
            other[j] = rival / np.linalg.norm(rival)
            gain = max(gain, least - np.sum((X - A @ other) ** 2))
    return max(error(found, expected), gain)


def pair_greedily(D_true, D):
    cosine = np.abs(D_true @ D.T) / np.outer(np.linalg.norm(D_true, axis=1), np.linalg.norm(D, axis=1))
    return cosine.max(axis=1), cosine.argmax(axis=1)


@verifies(
    "eq-match-atoms",
    formula=metrics.match_atoms,
    wrong={
        "atoms may be paired twice": pair_greedily,
        "in the order they come": lambda D_true, D: (pair_greedily(D_true, D)[0], np.arange(len(D))),
        "the partners of the other": lambda D_true, D: (
            metrics.match_atoms(D_true, D)[0],
            np.argsort(metrics.match_atoms(D_true, D)[1]),
        ),
        "lengths are not divided out": lambda D_true, D: (
            np.abs(np.sum(D_true * D[metrics.match_atoms(D_true, D)[1]], axis=1)),
            metrics.match_atoms(D_true, D)[1],
        ),
    },
    method="index loops",
)
def atoms_are_paired_for_the_largest_sum(formula, rng):
    """Against all 120 ways to pair five atoms with five; with few pixels, so that several atoms are alike."""
    D_true, D = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    cosine = [[abs(a @ b) / math.sqrt((a @ a) * (b @ b)) for b in D] for a in D_true]
    best = max(itertools.permutations(range(5)), key=lambda p: sum(cosine[i][p[i]] for i in range(5)))
    similarity, partner = formula(D_true, D)
    return max(error(similarity, [cosine[i][best[i]] for i in range(5)]), float(np.any(partner != best)))


@verifies(
    "eq-fvu",
    formula=metrics.fvu,
    wrong={
        "the variance that is explained": lambda X, X_hat: 1 - metrics.fvu(X, X_hat),
        "against zero, not the mean": lambda X, X_hat: np.sum((X - X_hat) ** 2) / np.sum(X**2),
        "one mean for all pixels": lambda X, X_hat: np.sum((X - X_hat) ** 2) / np.sum((X - X.mean()) ** 2),
        "the mean of each sample": lambda X, X_hat: (
            np.sum((X - X_hat) ** 2) / np.sum((X - X.mean(axis=1, keepdims=True)) ** 2)
        ),
        "pixel by pixel": lambda X, X_hat: np.mean(np.sum((X - X_hat) ** 2, axis=0) / np.sum((X - X.mean(0)) ** 2, 0)),
    },
    method="independent library",
)
def fvu_is_what_scikit_learn_leaves(formula, rng):
    """The share that is not explained, against 1 minus scikit-learn's coefficient of determination."""
    X, X_hat = rng.normal([0, 1, 5], [1, 2, 3], size=(20, 3)), rng.normal(size=(20, 3))
    return error(formula(X, X_hat), 1 - r2_score(X, X_hat, multioutput="variance_weighted"))


def lista_codes(theta, x, r, threshold=True, again=True):
    """The codes of all layers, from a^[0] = 0 on, as the page has them; with steps that can be replaced."""
    (W, M, t), codes, us = theta, [0 * theta[2]], []
    for _ in range(r):
        us.append((W @ x if again or not us else 0 * t) + M @ codes[-1])
        codes.append(np.array([np.sign(u) * max(abs(u) - s * threshold, 0) for u, s in zip(us[-1], t, strict=True)]))
    return codes, us


@verifies(
    "eq-lista",
    formula=lambda theta, x, r: lista_codes(theta, x, r)[0][-1],
    wrong={
        "no threshold": lambda theta, x, r: lista_codes(theta, x, r, threshold=False)[0][-1],
        "the patch in the first layer only": lambda theta, x, r: lista_codes(theta, x, r, again=False)[0][-1],
        "a layer less": lambda theta, x, r: lista_codes(theta, x, r - 1)[0][-1],
        "the sign of M": lambda theta, x, r: lista_codes((theta[0], -theta[1], theta[2]), x, r)[0][-1],
        "M is the identity": lambda theta, x, r: lista_codes((theta[0], np.eye(len(theta[1])), theta[2]), x, r)[0][-1],
    },
    method="index loops",
)
def layers_of_lista_are_steps_of_ista(formula, rng):
    """With the weights of ISTA, against ISTA by loops over patches, atoms and pixels (no momentum)."""
    D, X, lam = rng.normal(size=(6, 4)), rng.normal(size=(3, 4)), 0.4
    L = np.max(np.linalg.eigvalsh(D @ D.T))
    theta = D / L, np.eye(6) - D @ D.T / L, np.full(6, lam / L)
    found = [formula(theta, x, 5) for x in X]
    return error(found, fista_by_loops(X, D, lam, 5, momentum=False))


def lista_slopes(theta, x, target, r, gate=True, transpose=True, sign=-1, layers=None):
    """The gradient of the page, with steps that can be replaced."""
    (_, M, t), (codes, us) = theta, lista_codes(theta, x, r)
    by_a, dW, dM, dt = codes[-1] - target, 0, 0, 0
    for q in range(r, r - (layers or r), -1):
        delta = by_a * (np.abs(us[q - 1]) > t) if gate else by_a
        dW, dM = dW + np.outer(delta, x), dM + np.outer(delta, codes[q - 1])
        dt = dt + sign * delta * np.sign(us[q - 1])
        by_a = (M.T if transpose else M) @ delta
    return dW, dM, dt


@verifies(
    "eq-lista-gradient",
    formula=lista_slopes,
    wrong={
        "no slope of the threshold": functools.partial(lista_slopes, gate=False),
        "M is not transposed": functools.partial(lista_slopes, transpose=False),
        "the sign for the thresholds": functools.partial(lista_slopes, sign=1),
        "the last layer only": functools.partial(lista_slopes, layers=1),
    },
    method="finite differences",
)
def lista_gradient_is_the_slope(formula, rng):
    """Every weight and threshold is nudged by itself, in 30 digits; away from the kinks, which no nudge reaches."""
    x, target = rng.normal(size=4), rng.normal(size=5)
    theta = rng.normal(size=(5, 4)), rng.normal(size=(5, 5)) / 2, rng.uniform(0.2, 0.8, 5)
    found, errors = formula(theta, x, target, 3), []
    for k, name in enumerate("WMt"):

        def J(value, k=k):
            changed = tuple(value if i == k else p for i, p in enumerate(theta))
            return sum((a - b) ** 2 for a, b in zip(lista_codes(changed, x, 3)[0][-1], target, strict=True)) / 2

        errors.append(error(found[k], slopes(J, theta[k])))
        assert np.any(found[k]), name
    return max(errors)
