"""The checks of the equations of the chapter "Words from brain recordings"."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.distance import cosine
from sklearn.linear_model import Ridge

from saelib import meg
from tests.equations import error, verifies


def data(rng, m=9, n=4, k=3):
    """Features and targets far from mean 0, and a regularization that matters."""
    return rng.normal(size=(m, n)) + 2, rng.normal(size=(m, k)) - 1, 1.7


@verifies(
    "eq-dipole-field",
    formula=meg._dipole_field,
    wrong={
        "the field falls as the square": lambda r, r0, q: (
            meg._dipole_field(r, r0, q) * np.linalg.norm(r[:, None] - r0, axis=2)
        ),
        "not along the radius of length one": lambda r, r0, q: (
            meg._dipole_field(r, r0, q) * np.linalg.norm(r, axis=1)[:, None]
        ),
        "the factors exchanged": lambda r, r0, q: -meg._dipole_field(r, r0, q),
        "seen from the center": lambda r, r0, q: meg._dipole_field(r, 0 * r0, q),
        "along the dipole's radius": lambda r, r0, q: meg._dipole_field(r, r0, np.cross(q, r0)),
    },
    method="index loops",
)
def the_radial_part_of_biot_and_savart(formula, rng):
    """Against the law of Biot and Savart, the cross product by its six signs."""
    r, r0, q = rng.normal(size=(4, 3)) * 2, rng.normal(size=(3, 3)) * 0.3, rng.normal(size=(3, 3))
    wanted = np.zeros((4, 3))
    for s, d in itertools.product(range(4), range(3)):
        apart = [r[s, a] - r0[d, a] for a in range(3)]
        distance, radius = sum(x * x for x in apart) ** 0.5, sum(x * x for x in r[s]) ** 0.5
        for a, b, c in itertools.permutations(range(3)):
            sign = (b - a) * (c - a) * (c - b) / 2  # the sign of the permutation
            wanted[s, d] += sign * q[d, a] * apart[b] * r[s, c] / radius / distance**3
    return error(formula(r, r0, q), wanted)


def ridge_cost(W, b, X, Y, lam, mean=False, half=1.0, decay_b=0.0):
    E = X @ W + b - Y
    return np.sum(E**2) / (len(X) if mean else 1) + half * lam * np.sum(W**2) + decay_b * lam * np.sum(b**2)


@verifies(
    "eq-ridge-cost",
    formula=ridge_cost,
    wrong={
        "the mean of the errors": lambda *a: ridge_cost(*a, mean=True),
        "half the decay": lambda *a: ridge_cost(*a, half=0.5),
        "the intercept decays as well": lambda *a: ridge_cost(*a, decay_b=1.0),
        "no decay": lambda *a: ridge_cost(*a, half=0.0),
    },
    method="independent library",
    tolerance=1e-4,
)
def its_minimum_is_scikit_learns(formula, rng):
    """Minimized by SciPy from zero, it ends at scikit-learn's ridge regression."""
    X, Y, lam = data(rng)
    cost = lambda t: formula(t[:12].reshape(4, 3), t[12:], X, Y, lam)  # noqa: E731
    found = minimize(cost, np.zeros(15), method="BFGS", options={"gtol": 1e-9}).x
    model = Ridge(lam).fit(X, Y)
    return error(found, np.append(model.coef_.T.ravel(), model.intercept_))


@verifies(
    "eq-ridge-intercept",
    formula=lambda W, X, Y: Y.mean(axis=0) - X.mean(axis=0) @ W,
    wrong={
        "the mean of the targets": lambda W, X, Y: Y.mean(axis=0),
        "a plus": lambda W, X, Y: Y.mean(axis=0) + X.mean(axis=0) @ W,
        "the median": lambda W, X, Y: np.median(Y, axis=0) - X.mean(axis=0) @ W,
    },
    method="property",
)
def the_mean_error_is_zero(formula, rng):
    """For any weights, the errors with this intercept have the mean 0."""
    X, Y, _ = data(rng)
    W = rng.normal(size=(4, 3))
    b = formula(W, X, Y)
    return max(abs(sum(X[i] @ W[:, k] + b[k] - Y[i, k] for i in range(9))) / 9 for k in range(3))


def centered(X):
    return X - X.mean(axis=0)


def primal(X, Y, lam, center=True, power=1, scale=1.0):
    X, Y = (centered(X), centered(Y)) if center else (X, Y)
    return np.linalg.solve(X.T @ X + lam**power * scale * np.eye(X.shape[1]), X.T @ Y)


def dual(X, Y, lam, center=True, inner=1.0, scale=1.0):
    X, Y = (centered(X), centered(Y)) if center else (X, Y)
    return X.T @ np.linalg.solve(inner * X @ X.T + lam * scale * np.eye(len(X)), Y)


def by_svd(X, Y, lam, shrink=lambda s, lam: s / (s**2 + lam)):
    U, s, Vt = np.linalg.svd(centered(X), full_matrices=False)
    return Vt.T @ np.diag(shrink(s, lam)) @ U.T @ centered(Y)


def weights(found):
    """The weights, with or without the intercepts behind them."""
    return found[0] if isinstance(found, tuple) else found


def scikit(X, Y, lam):
    return Ridge(lam, solver="cholesky").fit(X, Y).coef_.T


@verifies(
    "eq-ridge",
    formula=meg.ridge,
    wrong={
        "not centered": lambda X, Y, lam: primal(X, Y, lam, center=False),
        "m times the regularization": lambda X, Y, lam: primal(X, Y, lam, scale=len(X)),
        "half the regularization": lambda X, Y, lam: primal(X, Y, lam, scale=0.5),
        "lam squared": lambda X, Y, lam: primal(X, Y, lam, power=2),
    },
    method="independent library",
)
def ridge_regression(formula, rng):
    """Against scikit-learn, and with two features by Cramer's rule."""
    X, Y, lam = data(rng)
    one = error(weights(formula(X, Y, lam)), scikit(X, Y, lam))
    X, Y = centered(X[:, :2]), centered(Y)
    a, b, d = X[:, 0] @ X[:, 0] + lam, X[:, 0] @ X[:, 1], X[:, 1] @ X[:, 1] + lam
    p, q = X[:, 0] @ Y, X[:, 1] @ Y
    wanted = np.array([d * p - b * q, a * q - b * p]) / (a * d - b * b)
    return max(one, error(weights(formula(X, Y, lam)), wanted))


@verifies(
    "eq-ridge-dual",
    formula=dual,
    wrong={
        "not centered": lambda X, Y, lam: dual(X, Y, lam, center=False),
        "the kernel is doubled": lambda X, Y, lam: dual(X, Y, lam, inner=2.0),
        "half the regularization": lambda X, Y, lam: dual(X, Y, lam, scale=0.5),
        "no X in front": lambda X, Y, lam: dual(X, Y, lam)[:3],
    },
    method="independent library",
)
def the_same_with_a_matrix_as_large_as_there_are_examples(formula, rng):
    """More features than examples; against scikit-learn."""
    X, Y, lam = data(rng, m=6, n=11)
    return error(formula(X, Y, lam), Ridge(lam, solver="svd").fit(X, Y).coef_.T)


@verifies(
    "eq-ridge-svd",
    formula=meg.ridge,
    wrong={
        "the factor of the predictions": lambda X, Y, lam: by_svd(X, Y, lam, lambda s, lam: s**2 / (s**2 + lam)),
        "s is not squared": lambda X, Y, lam: by_svd(X, Y, lam, lambda s, lam: s / (s + lam)),
        "one over s": lambda X, Y, lam: by_svd(X, Y, lam, lambda s, lam: 1 / s),
        "lam squared": lambda X, Y, lam: by_svd(X, Y, lam, lambda s, lam: s / (s**2 + lam**2)),
    },
    method="independent library",
)
def the_same_by_singular_values(formula, rng):
    """Against scikit-learn's solver by Cholesky's decomposition."""
    X, Y, lam = data(rng)
    return error(weights(formula(X, Y, lam)), scikit(X, Y, lam))


@verifies(
    "eq-two-versus-two",
    formula=meg.matched,
    wrong={
        "the words exchanged": lambda P, Y: meg.matched(P, Y[:, ::-1]),
        "a sum in place of a difference": lambda P, Y: np.sum((P[:, 0] + P[:, 1]) * (Y[:, 0] - Y[:, 1]), axis=1) > 0,
        "lengths count": lambda P, Y: np.sum((P[:, 0] - P[:, 1]) * (Y[:, 0] - Y[:, 1]), axis=1) > 0,
        "only the first word": lambda P, Y: np.sum(P[:, 0] * (Y[:, 0] - Y[:, 1]), axis=1) > 0,
    },
    method="independent library",
)
def sums_of_cosine_distances(formula, rng):
    """Against SciPy's cosine distances, own pairs against exchanged ones."""
    P = rng.normal(size=(300, 2, 3)) * rng.uniform(0.1, 9, (300, 2, 1))
    Y = rng.normal(size=(300, 2, 3)) * rng.uniform(0.1, 9, (300, 2, 1))
    wanted = [cosine(p, y) + cosine(q, z) < cosine(p, z) + cosine(q, y) for (p, q), (y, z) in zip(P, Y, strict=True)]
    return error(formula(P, Y), wanted)


def hat(X, lam, ones=1.0, center=True, inverse=True):
    Z = centered(X) if center else X
    K = Z @ Z.T
    return ones / len(X) + (K @ np.linalg.inv(K + lam * np.eye(len(X))) if inverse else K / lam)


@verifies(
    "eq-hat-matrix",
    formula=meg.hat_matrix,
    wrong={
        "no mean": lambda X, lam: hat(X, lam, ones=0.0),
        "not centered": lambda X, lam: hat(X, lam, center=False),
        "nothing is shrunk": lambda X, lam: hat(X, 1e-9 * lam),
        "not inverted": lambda X, lam: hat(X, lam, inverse=False),
        "the mean counts m times": lambda X, lam: hat(X, lam, ones=len(X)),
    },
    method="independent library",
)
def it_puts_the_hat_on_the_targets(formula, rng):
    """Column by column: what scikit-learn predicts for targets that are 1 for one example and 0 for the others."""
    X, _, lam = data(rng)
    return error(formula(X, lam), Ridge(lam, solver="cholesky").fit(X, np.eye(9)).predict(X))


def leave_out(H, Y, S, whole=False, sign=1, invert=True, diagonal=False):
    R, block = Y - H @ Y, H[np.ix_(S, S)]
    block = np.diag(np.diag(block)) if diagonal else block
    if whole:
        return Y[S] - np.linalg.pinv(np.eye(len(Y)) - H)[S] @ R
    G = np.eye(len(S)) - sign * block
    return Y[S] - (np.linalg.solve(G, R[S]) if invert else R[S])


@verifies(
    "eq-leave-out",
    formula=leave_out,
    wrong={
        "as if each were left out alone": lambda H, Y, S: leave_out(H, Y, S, diagonal=True),
        "no inverse": lambda H, Y, S: leave_out(H, Y, S, invert=False),
        "a plus": lambda H, Y, S: leave_out(H, Y, S, sign=-1),
        "the whole matrix is inverted": lambda H, Y, S: leave_out(H, Y, S, whole=True),
    },
    method="independent library",
)
def fitted_without_the_set(formula, rng):
    """Sets of one to five rows: against scikit-learn's regression on the rows that are left."""
    X, Y, lam = data(rng, m=10)
    largest = 0
    for size in range(1, 6):
        S = rng.choice(10, size, replace=False)
        rest = np.setdiff1d(np.arange(10), S)
        wanted = Ridge(lam, solver="cholesky").fit(X[rest], Y[rest]).predict(X[S])
        largest = max(largest, error(formula(meg.hat_matrix(X, lam), Y, S), wanted))
    return largest


def pairs_left_out(H, Y, cross=1.0, exchange=False, square=1.0):
    R = Y - H @ Y
    i, j = np.triu_indices(len(Y), 1)
    p, q, h = 1 - H[i, i], 1 - H[j, j], cross * H[i, j]
    p, q = (q, p) if exchange else (p, q)
    D = (p * q - square * h * h)[:, None]
    one, two = q[:, None] * R[i] + h[:, None] * R[j], h[:, None] * R[i] + p[:, None] * R[j]
    return None, np.stack([Y[i] - one / D, Y[j] - two / D], axis=1)


@verifies(
    "eq-leave-two-out",
    formula=meg.leave_two_out,
    wrong={
        "the sign of h": lambda H, Y: pairs_left_out(H, Y, cross=-1.0),
        "as if each were left out alone": lambda H, Y: pairs_left_out(H, Y, cross=0.0),
        "p and q exchanged": lambda H, Y: pairs_left_out(H, Y, exchange=True),
        "the determinant with a plus": lambda H, Y: pairs_left_out(H, Y, square=-1.0),
    },
    method="independent library",
)
def every_pair_fitted_without_it(formula, rng):
    """All pairs of eight rows: against scikit-learn's regression on the other six."""
    X, Y, lam = data(rng, m=8)
    wanted = []
    for pair in itertools.combinations(range(8), 2):
        rest = np.setdiff1d(np.arange(8), pair)
        wanted.append(Ridge(lam, solver="cholesky").fit(X[rest], Y[rest]).predict(X[list(pair)]))
    return error(formula(meg.hat_matrix(X, lam), Y)[1], wanted)


def null_variance(n, c1, c0, shared=2, apart=2, one=1):
    M = comb(n, 2)
    return (one + shared * (n - 2) * c1 + comb(n - apart, 2) * c0) / (4 * M)


@verifies(
    "eq-null-variance",
    formula=null_variance,
    wrong={
        "each pair shares a word with n - 2": lambda n, c1, c0: null_variance(n, c1, c0, shared=1),
        "pairs without a common word forgotten": lambda n, c1, c0: null_variance(n, c1, 0 * c0),
        "all pairs counted as apart": lambda n, c1, c0: null_variance(n, c1, c0, apart=0),
        "independent pairs": lambda n, c1, c0: null_variance(n, 0 * c1, 0 * c0),
    },
    method="known values",
)
def over_all_assignments_of_five_words(formula, rng):
    """All 120 assignments of five words: the score's variance as it is, correlations counted pair by pair."""
    X, Y = rng.normal(size=(5, 2)), rng.normal(size=(5, 3))
    H = meg.hat_matrix(X, 0.3)
    B = []
    for order in itertools.permutations(range(5)):
        pairs, P = meg.leave_two_out(H, Y[list(order)])
        B.append(np.where(meg.matched(P, Y[list(order)][pairs]), 1, -1))
    scores = [Fraction(int((row > 0).sum()), 10) for row in B]
    variance = sum((s - Fraction(1, 2)) ** 2 for s in scores) / 120
    products = {1: [], 0: []}
    for a, b in itertools.permutations(range(10), 2):
        common = len({*pairs[a]} & {*pairs[b]})
        products[common].append(np.mean([row[a] * row[b] for row in B]))
    return error(formula(5, np.mean(products[1]), np.mean(products[0])), float(variance))
