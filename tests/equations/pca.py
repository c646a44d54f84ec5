"""The checks of the equations of the chapter "Linear autoencoders and PCA"."""

import math
import statistics

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
from mpmath import mp
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.neural_network import MLPRegressor

import saelib
from saelib import pca
from tests.equations import (
    error,
    mistakes,
    network,
    slopes,
    verifies,
)


def covariance_of(rows):
    """The covariance from all pairs of rows, without their mean: half the mean product of differences."""
    m, n = rows.shape
    return np.array(
        [[sum((a[p] - b[p]) * (a[q] - b[q]) for a in rows for b in rows) for q in range(n)] for p in range(n)]
    ) / (2 * m * m)


def cloud(rng, m=12, n=4):
    """Data far from the origin whose variances along the principal directions differ clearly."""
    return rng.normal(size=(m, n)) * [3, 2, 1, 0.4][:n] @ np.linalg.qr(rng.normal(size=(n, n)))[0] + rng.normal(size=n)


def eigen(C):
    """Variances, largest first, and the directions in columns, by mpmath."""
    E, Q = mp.eigsy(mp.matrix(C.tolist()))
    E, Q = np.array(E.tolist(), dtype=float).ravel(), np.array(Q.tolist(), dtype=float)
    return E[::-1], Q[:, ::-1]


def linear_error(W1, b1, W2, b2, X):
    """J_rec of a linear autoencoder, by loops over examples, outputs, hidden units and inputs."""
    total = 0
    for x in X:
        code = [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(W1, b1, strict=True)]
        out = [sum(w * v for w, v in zip(row, code, strict=True)) + b for row, b in zip(W2, b2, strict=True)]
        total += sum((h - v) ** 2 for h, v in zip(out, x, strict=True)) / 2
    return total / len(X)


def alternating(Y, k, rng):
    """The least ||Y - F G||^2 that least squares for F and for G in turn arrive at from a random start."""
    G = rng.normal(size=(k, Y.shape[1]))
    for _ in range(300):
        F = np.linalg.lstsq(G.T, Y.T, rcond=None)[0].T
        G = np.linalg.lstsq(F, Y, rcond=None)[0]
    return np.sum((Y - F @ G) ** 2)


def pythagoras(y, u, sign=1, twice=1, power=2):
    """The square of the position along u and that of the distance from the line."""
    return (u @ y) ** power + sign * np.sum((y - twice * (u @ y) * u) ** 2)


@verifies(
    "eq-pythagoras",
    formula=pythagoras,
    wrong={
        "the distance is subtracted": lambda y, u: pythagoras(y, u, sign=-1),
        "nothing is squared": lambda y, u: abs(u @ y) + np.linalg.norm(y - (u @ y) * u),
        "the position is not squared": lambda y, u: pythagoras(y, u, power=1),
        "the foot is not subtracted": lambda y, u: pythagoras(y, u, twice=0),
    },
    method="index loops",
)
def a_right_triangle(formula, rng):
    """Against the plain sum of squares."""
    y, u = rng.normal(size=(2, 5))
    u /= math.hypot(*u)
    return error(formula(y, u), sum(v * v for v in y))


def covariance(X, by=0, center=True, square=True):
    """The covariance matrix as the page has it."""
    Y = X - X.mean(axis=0) if center else X
    return sum(np.outer(y, y if square else np.abs(y)) for y in Y) / (len(X) - by)


@verifies(
    "eq-covariance",
    formula=covariance,
    wrong={
        "not centered": lambda X: covariance(X, center=False),
        "divided by m - 1": lambda X: covariance(X, by=1),
        "not divided": lambda X: covariance(X) * len(X),
        "a sign is lost": lambda X: covariance(X, square=False),
        "centered by rows": lambda X: covariance(X - X.mean(axis=1, keepdims=True)),
    },
    method="index loops",
)
def covariance_is_half_the_mean_product_of_differences(formula, rng):
    """Against differences between all pairs of examples, which know no mean."""
    X = cloud(rng)
    return error(formula(X), covariance_of(X))


@verifies(
    "eq-variance-along",
    formula=lambda X, u: u @ covariance(X) @ u,
    wrong={
        "not centered": lambda X, u: u @ covariance(X, center=False) @ u,
        "divided by m - 1": lambda X, u: u @ covariance(X, by=1) @ u,
        "the length of C u": lambda X, u: np.linalg.norm(covariance(X) @ u),
        "the diagonal alone": lambda X, u: u**2 @ np.diag(covariance(X)),
    },
    method="independent library",
)
def variance_of_positions_along_a_line(formula, rng):
    """Against the variance of the positions, by Python's statistics."""
    X, u = cloud(rng), rng.normal(size=4)
    u /= math.hypot(*u)
    return error(formula(X, u), statistics.pvariance([float(sum(u * x)) for x in X]))


def as_pca(directions):
    """What `fit_pca` would return with other directions, in the place of the right ones."""

    def wrong(X, k):
        return pca.fit_pca(X, k)._replace(components=directions(X, k))

    return wrong


@verifies(
    "eq-pca-covariance",
    formula=pca.fit_pca,
    wrong=mistakes("pca", adapt=as_pca)
    | {
        "divided by m - 1": lambda X, k: (p := pca.fit_pca(X, k))._replace(variances=p.variances * 12 / 11),
        "not squared": lambda X, k: (p := pca.fit_pca(X, k))._replace(variances=np.sqrt(p.variances / 12)),
        "not divided": lambda X, k: (p := pca.fit_pca(X, k))._replace(variances=p.variances * 12),
    },
    method="high precision",
)
def components_are_eigenvectors_of_the_covariance(formula, rng):
    """Against mpmath's eigenvalues and eigenvectors of a covariance made by loops; signs do not count."""
    X = cloud(rng)
    variances, directions = eigen(covariance_of(X))
    errors = []
    for k in (4, 2):
        found = formula(X, k)
        signs = np.sign(np.sum(found.components * directions.T[:k], axis=1, keepdims=True))
        errors += [error(found.variances, variances[:k]), error(signs * found.components, directions.T[:k])]
    return max(errors)


@verifies(
    "eq-pca-project",
    formula=pca.pca_project,
    wrong={
        "not centered": lambda p, X: X @ p.components.T,
        "the components not transposed": lambda p, X: (X - p.mean) @ p.components,
        "the mean added": lambda p, X: (X + p.mean) @ p.components.T,
        "divided by the standard deviations": lambda p, X: (X - p.mean) @ p.components.T / np.sqrt(p.variances),
    },
    method="independent library",
)
def codes_of_pca(formula, rng):
    """New examples, against scikit-learn's PCA, with all components and with two; signs do not count."""
    X, new, errors = cloud(rng), rng.normal(size=(5, 4)), []
    for k in (4, 2):
        fitted, other = pca.fit_pca(X, k), SklearnPCA(k).fit(X)
        signs = np.sign(np.sum(fitted.components * other.components_, axis=1))
        errors.append(error(formula(fitted, new), signs * other.transform(new)))
    return max(errors)


@verifies(
    "eq-pca-reconstruct",
    formula=pca.pca_reconstruct,
    wrong={
        "the mean missing": lambda p, A: A @ p.components,
        "the components transposed": lambda p, A: p.mean + A @ p.components.T,
        "the mean subtracted": lambda p, A: A @ p.components - p.mean,
        "multiplied by the standard deviations": lambda p, A: p.mean + A * np.sqrt(p.variances) @ p.components,
    },
    method="independent library",
)
def points_with_given_codes(formula, rng):
    """Random codes, against scikit-learn's way back from them, with all components and with two."""
    X, errors = cloud(rng), []
    for k in (4, 2):
        fitted, other, codes = pca.fit_pca(X, k), SklearnPCA(k).fit(X), rng.normal(size=(5, k))
        signs = np.sign(np.sum(fitted.components * other.components_, axis=1))
        errors.append(error(formula(fitted, codes), other.inverse_transform(signs * codes)))
    return max(errors)


@verifies(
    "eq-pca-error",
    formula=lambda variances, k: sum(variances[k:]),
    wrong={
        "the variances kept": lambda variances, k: sum(variances[:k]),
        "one too many": lambda variances, k: sum(variances[k - 1 :]),
        "one too few": lambda variances, k: sum(variances[k + 1 :]),
        "standard deviations": lambda variances, k: sum(np.sqrt(variances[k:])),
        "half": lambda variances, k: sum(variances[k:]) / 2,
    },
    method="independent library",
)
def what_pca_loses(formula, rng):
    """The variances of mpmath, against the squared error of scikit-learn's reconstructions."""
    X = cloud(rng)
    variances, _ = eigen(covariance_of(X))
    other = SklearnPCA(2).fit(X)
    lost = X - other.inverse_transform(other.transform(X))
    return error(formula(variances, 2), np.mean(np.sum(lost**2, axis=1)))


@verifies(
    "eq-eckart-young",
    formula=lambda s, k: sum(s[k:] ** 2),
    wrong={
        "not squared": lambda s, k: sum(s[k:]),
        "the next one alone": lambda s, k: s[k] ** 2,
        "one too many": lambda s, k: sum(s[k - 1 :] ** 2),
        "those kept": lambda s, k: sum(s[:k] ** 2),
    },
    method="independent library",
)
def nearest_matrix_of_rank_k(formula, rng):
    """Singular values of SciPy, against what alternating least squares arrive at: they know of no singular value."""
    Y = cloud(rng)
    return error(formula(scipy.linalg.svdvals(Y), 2), alternating(Y, 2, rng))


@verifies(
    "eq-linear-autoencoder",
    formula=lambda p, x: p.W2 @ (p.W1 @ x + p.b1) + p.b2,
    wrong={
        "the hidden bias missing": lambda p, x: p.W2 @ (p.W1 @ x) + p.b2,
        "the hidden bias decoded twice": lambda p, x: p.W2 @ (p.W1 @ x + 2 * p.b1) + p.b2,
        "the output bias missing": lambda p, x: p.W2 @ (p.W1 @ x + p.b1),
        "a sigmoid in it": lambda p, x: p.W2 @ saelib.sigmoid(p.W1 @ x + p.b1) + p.b2,
    },
    method="independent library",
)
def linear_network(formula, rng):
    """Against scikit-learn's neural network without activation functions, with the same weights."""
    params, X = network(rng)
    model = MLPRegressor(activation="identity")
    model.n_layers_, model.out_activation_ = 3, "identity"
    model.coefs_, model.intercepts_ = [params.W1.T, params.W2.T], [params.b1, params.b2]
    return error([formula(params, x) for x in X], model._forward_pass_fast(X, check_input=False))


@verifies(
    "eq-best-bias",
    formula=lambda W1, b1, W2, mean: mean - W2 @ (W1 @ mean + b1),
    wrong={
        "the mean alone": lambda W1, b1, W2, mean: mean,
        "the hidden bias forgotten": lambda W1, b1, W2, mean: mean - W2 @ (W1 @ mean),
        "the sign": lambda W1, b1, W2, mean: W2 @ (W1 @ mean + b1) - mean,
        "the mean decoded only": lambda W1, b1, W2, mean: -W2 @ (W1 @ mean + b1),
    },
    method="finite differences",
)
def best_bias_leaves_no_slope(formula, rng):
    """Nudging each entry of the bias, and of the hidden one, must not change the cost to first order."""
    (W1, b1, W2, _), X = network(rng)
    b2 = formula(W1, b1, W2, X.mean(axis=0))
    by_output = slopes(lambda b: linear_error(W1, b1, W2, b, X), b2)
    by_hidden = slopes(lambda b: linear_error(W1, b, W2, b2, X), b1)
    return max(np.max(np.abs(by_output)), np.max(np.abs(by_hidden)))


def linear_cost(C, W1, W2, half=0.5, square=True):
    """The cost of a linear autoencoder with the best biases, as a function of the covariance."""
    E = np.eye(len(C)) - W2 @ W1
    return half * np.trace(E @ C @ E.T if square else E @ C)


@verifies(
    "eq-linear-cost",
    formula=linear_cost,
    wrong={
        "without the half": lambda C, W1, W2: linear_cost(C, W1, W2, half=1),
        "E once, as for a projection": lambda C, W1, W2: linear_cost(C, W1, W2, square=False),
        "E transposed": lambda C, W1, W2: linear_cost(C, W2.T, W1.T),
        "the sign of the product": lambda C, W1, W2: linear_cost(C, -W1, W2),
    },
    method="index loops",
)
def cost_of_a_linear_autoencoder(formula, rng):
    """Against the error of the examples one by one, with the output bias that leaves no slope."""
    (W1, b1, W2, b2), X = network(rng)
    b2 = b2 - slopes(lambda b: linear_error(W1, b1, W2, b, X), b2).astype(float)  # the cost's second derivative is 1
    return error(formula(covariance_of(X), W1, W2), float(linear_error(W1, b1, W2, b2, X)))


@verifies(
    "eq-linear-minimum",
    formula=lambda variances, k: sum(variances[k:]) / 2,
    wrong={
        "without the half": lambda variances, k: sum(variances[k:]),
        "the variances kept": lambda variances, k: sum(variances[:k]) / 2,
        "one too few": lambda variances, k: sum(variances[k + 1 :]) / 2,
        "nothing": lambda variances, k: 0.0,
    },
    method="independent library",
)
def least_cost_of_a_linear_autoencoder(formula, rng):
    """Against the least squares that SciPy finds for all weights and biases, starting at random."""
    X = cloud(rng)

    def residuals(theta):
        W1, W2 = theta[:8].reshape(2, 4), theta[8:16].reshape(4, 2)
        return ((X @ W1.T + theta[16:18]) @ W2.T + theta[18:] - X).ravel()

    end = scipy.optimize.least_squares(residuals, rng.normal(size=22), ftol=1e-15, xtol=1e-15, gtol=1e-15)
    return error(formula(eigen(covariance_of(X))[0], 2), end.cost / len(X))


@verifies(
    "eq-linear-solution",
    formula=lambda U, A: (np.linalg.inv(A) @ U.T, U @ A),
    wrong={
        "A not inverted": lambda U, A: (A @ U.T, U @ A),
        "A transposed, not inverted": lambda U, A: (A.T @ U.T, U @ A),
        "A on one side": lambda U, A: (U.T, U @ A),
        "both inverted": lambda U, A: (np.linalg.inv(A) @ U.T, U @ np.linalg.inv(A)),
    },
    method="property",
)
def every_invertible_matrix_gives_the_least_cost(formula, rng):
    """The error of the examples one by one, against the least sum of squares of any matrix of that rank."""
    X = cloud(rng)
    _, directions = eigen(covariance_of(X))
    W1, W2 = formula(directions[:, :2], rng.normal(size=(2, 2)))
    mean = X.mean(axis=0)
    least = alternating(X - mean, 2, rng) / 2 / len(X)
    return error(linear_error(W1, np.zeros(2), W2, mean - W2 @ W1 @ mean, X), least)


def linear_gradient(C, W1, W2, sign=-1, swap=False):
    """The derivatives of the cost by W1 and by W2."""
    E = np.eye(len(C)) - W2 @ W1
    E = E.T if swap else E
    return sign * W2.T @ E @ C, sign * E @ C @ W1.T


@verifies(
    "eq-linear-gradient",
    formula=linear_gradient,
    wrong={
        "the sign": lambda C, W1, W2: linear_gradient(C, W1, W2, sign=1),
        "E transposed": lambda C, W1, W2: linear_gradient(C, W1, W2, swap=True),
        "doubled": lambda C, W1, W2: linear_gradient(C, W1, W2, sign=-2),
        "C forgotten": lambda C, W1, W2: linear_gradient(np.eye(4), W1, W2),
        "W1 not transposed": lambda C, W1, W2: (linear_gradient(C, W1, W2)[0], linear_gradient(C, W2.T, W2)[1]),
    },
    method="finite differences",
)
def gradient_of_a_linear_autoencoder(formula, rng):
    """Against nudging each weight, the cost being half the sum over i, j, l of E_ij C_jl E_il, in 30 digits."""
    (W1, _, W2, _), X = network(rng)
    C = covariance_of(X)

    def J(W1, W2):
        E = [[(i == j) - sum(W2[i, a] * W1[a, j] for a in range(3)) for j in range(4)] for i in range(4)]
        return sum(E[i][j] * C[j, q] * E[i][q] for i in range(4) for j in range(4) for q in range(4)) / 2

    found = formula(C, W1, W2)
    expected = slopes(lambda P: J(P, W2), W1), slopes(lambda P: J(W1, P), W2)
    return max(error(a, b.astype(float)) for a, b in zip(found, expected, strict=True))


def at_set(rng, S):
    """Data, their variances and directions, and the weights of the critical point of the set S, with a random A."""
    X = cloud(rng)
    variances, U = eigen(covariance_of(X))
    A = rng.normal(size=(len(S), len(S)))
    return X, variances, U, np.linalg.inv(A) @ U[:, S].T, U[:, S] @ A


def centered_error(W1, W2, X):
    """The error of a linear autoencoder whose biases center the data."""
    mean = X.mean(axis=0)
    return linear_error(W1, np.zeros(len(W1)), W2, mean - W2 @ W1 @ mean, X)


@verifies(
    "eq-critical-cost",
    formula=lambda variances, S: sum(v for j, v in enumerate(variances) if j not in S) / 2,
    wrong={
        "the members of the set": lambda variances, S: sum(variances[j] for j in S) / 2,
        "the leading set": lambda variances, S: sum(variances[len(S) :]) / 2,
        "without the half": lambda variances, S: sum(v for j, v in enumerate(variances) if j not in S),
        "all": lambda variances, S: sum(variances) / 2,
    },
    method="finite differences",
)
def cost_where_the_gradient_vanishes(formula, rng):
    """At the weights of a set there is no slope, by nudging each weight, and the error of the examples is as stated."""
    X, variances, _, W1, W2 = at_set(rng, [0, 2])
    by_W1 = slopes(lambda P: centered_error(P, W2, X), W1)
    by_W2 = slopes(lambda P: centered_error(W1, P, X), W2)
    no_slope = max(np.max(np.abs(by_W1)), np.max(np.abs(by_W2)))
    return max(error(formula(variances, {0, 2}), centered_error(W1, W2, X)), no_slope)


@verifies(
    "eq-saddle",
    formula=lambda J, t, unused, used: J - math.sin(t) ** 2 * (unused - used) / 2,
    wrong={
        "the sign": lambda J, t, unused, used: J + math.sin(t) ** 2 * (unused - used) / 2,
        "without the half": lambda J, t, unused, used: J - math.sin(t) ** 2 * (unused - used),
        "the sine not squared": lambda J, t, unused, used: J - math.sin(t) * (unused - used) / 2,
        "the sum": lambda J, t, unused, used: J - math.sin(t) ** 2 * (unused + used) / 2,
    },
    method="index loops",
)
def cost_on_the_way_down_from_a_saddle(formula, rng):
    """Against the error of the examples with weights turned in the plane of one used and one unused direction."""
    X, variances, U, W1, W2 = at_set(rng, [0, 2])
    J, errors = centered_error(W1, W2, X), []
    for t in (0.1, 0.7, -1.2):
        R = np.eye(4) + (math.cos(t) - 1) * (np.outer(U[:, 2], U[:, 2]) + np.outer(U[:, 1], U[:, 1]))
        R += math.sin(t) * (np.outer(U[:, 1], U[:, 2]) - np.outer(U[:, 2], U[:, 1]))
        errors.append(error(formula(J, t, variances[1], variances[2]), centered_error(W1 @ R.T, R @ W2, X)))
    return max(errors)


def decayed(U, variances, lam, R, root=True, power=1, factor=1):
    """The best weights with decay."""
    shrunk = 1 - factor * lam / variances**power
    W2 = U * (np.sqrt(shrunk) if root else shrunk) @ R
    return W2.T, W2


@verifies(
    "eq-decay-minimum",
    formula=decayed,
    wrong={
        "no root": lambda *given: decayed(*given, root=False),
        "standard deviations": lambda *given: decayed(*given, power=0.5),
        "twice the decay": lambda *given: decayed(*given, factor=2),
        "the sign": lambda *given: decayed(*given, factor=-1),
        "no shrinking": lambda *given: decayed(*given, factor=0),
    },
    method="independent library",
)
def least_cost_with_decay(formula, rng):
    """No slope, by nudging each weight; and the cost at which SciPy's least squares arrive from random weights."""
    X, lam = cloud(rng), 0.3
    variances, U = eigen(covariance_of(X))
    R = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    W1, W2 = formula(U[:, :2], variances[:2], lam, R)

    def J(W1, W2):
        return centered_error(W1, W2, X) + lam / 2 * (np.sum(W1**2) + np.sum(W2**2))

    def residuals(theta):
        W1, W2 = theta[:8].reshape(2, 4), theta[8:].reshape(4, 2)
        Y = X - X.mean(axis=0)
        return np.append((Y @ W1.T @ W2.T - Y).ravel() / math.sqrt(len(X)), math.sqrt(lam) * theta)

    end = scipy.optimize.least_squares(residuals, rng.normal(size=16), ftol=1e-15, xtol=1e-15, gtol=1e-15)
    by_W1, by_W2 = slopes(lambda P: J(P, W2), W1), slopes(lambda P: J(W1, P), W2)
    return max(error(J(W1, W2), end.cost), np.max(np.abs(by_W1)), np.max(np.abs(by_W2)))


@verifies(
    "eq-pca-whiten",
    formula=pca.pca_whiten,
    wrong={
        "divided by the variances": lambda p, X, e: pca.pca_project(p, X) / (p.variances + e),
        "multiplied": lambda p, X, e: pca.pca_project(p, X) * np.sqrt(p.variances + e),
        "epsilon outside the root": lambda p, X, e: pca.pca_project(p, X) / (np.sqrt(p.variances) + e),
        "epsilon forgotten": lambda p, X, e: pca.pca_project(p, X) / np.sqrt(p.variances),
        "not centered": lambda p, X, e: X @ p.components.T / np.sqrt(p.variances + e),
    },
    method="index loops",
)
def whitened_codes_have_the_identity_as_covariance(formula, rng):
    """Their covariance, from all pairs, is the identity, or with epsilon as mpmath's variances say; their mean is 0."""
    X = cloud(rng)
    fitted, (variances, _) = pca.fit_pca(X, 4), eigen(covariance_of(X))
    white, nearly = formula(fitted, X, 0), formula(fitted, X, 0.2)
    return max(
        error(covariance_of(white), np.eye(4)),
        error(covariance_of(nearly), np.diag(variances / (variances + 0.2))),
        np.max(np.abs(white.mean(axis=0))),
    )


@verifies(
    "eq-zca",
    formula=pca.zca_whiten,
    wrong={
        "not turned back": lambda X, e: pca.pca_whiten(pca.fit_pca(X, 4), X, e),
        "turned on": lambda X, e: pca.pca_whiten(p := pca.fit_pca(X, 4), X, e) @ p.components.T,
        "the mean added": lambda X, e: pca.zca_whiten(X, e) + X.mean(axis=0),
        "epsilon doubled": lambda X, e: pca.zca_whiten(X, 2 * e),
        "the whole inverse": lambda X, e: pca.pca_project(p := pca.fit_pca(X, 4), X) / (p.variances + e) @ p.components,
    },
    method="independent library",
)
def zca_is_the_inverse_root_of_the_covariance(formula, rng):
    """Against SciPy's matrix square root of the covariance, inverted."""
    X = cloud(rng)
    root = scipy.linalg.sqrtm(covariance_of(X) + 0.2 * np.eye(4))
    return error(formula(X, 0.2), np.linalg.solve(root, (X - X.mean(axis=0)).T).T)
