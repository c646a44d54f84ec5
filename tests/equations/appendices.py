"""The checks of the equations of the appendices."""

import math

import numpy as np
from mpmath import mp

import saelib
from tests.equations import (
    error,
    f,
    slopes,
    verifies,
)


def matrices(rng, *shapes):
    """Random matrices; no size occurs twice, so that a wrong transpose shows."""
    return [rng.normal(size=shape) for shape in shapes]


def trace(M):
    """The sum of the diagonal, entry by entry."""
    if M.shape[0] != M.shape[1]:
        raise ValueError(f"a trace is of a square matrix, got shape {M.shape}")
    return sum(M[i, i] for i in range(len(M)))


def number(W):
    """A number that depends on every entry of a matrix in its own way."""
    return sum((j + 1) * mp.sin((i + 2) * W[j, i]) for j, i in np.ndindex(W.shape))


def gradient_of_number(W):
    """Its derivatives, laid out like the matrix."""
    return [[(j + 1) * (i + 2) * math.cos((i + 2) * W[j, i]) for i in range(W.shape[1])] for j in range(len(W))]


@verifies(
    "eq-gradient-layout",
    formula=gradient_of_number,
    wrong={
        "it is transposed": lambda W: np.transpose(gradient_of_number(W)),
        "one row after the other": lambda W: np.ravel(gradient_of_number(W)),
        "it is summed over the columns": lambda W: np.sum(gradient_of_number(W), axis=1),
    },
    method="finite differences",
)
def a_gradient_has_the_shape_of_its_variable(formula, rng):
    """The derivatives of a number by a matrix of 3 by 2 entries, each found by nudging the entry of that place."""
    (W,) = matrices(rng, (3, 2))
    return error(formula(W), slopes(number, W))


@verifies(
    "eq-differential",
    formula=lambda G, dW: trace(G.T @ dW),
    wrong={
        "nothing is transposed": lambda G, dW: trace(G @ dW),
        "the sum of all entries of the product": lambda G, dW: np.sum(G.T @ dW),
        "the product of two sums": lambda G, dW: np.sum(G) * np.sum(dW),
        "half of it": lambda G, dW: trace(G.T @ dW) / 2,
    },
    method="finite differences",
)
def a_differential_adds_up_all_nudges(formula, rng):
    """The trace, against the derivative of the number along the line from W in the direction of dW."""
    W, dW = matrices(rng, (3, 2), (3, 2))
    expected = mp.diff(lambda t: number(W + t * dW), 0)
    return error(formula(np.array(gradient_of_number(W)), dW), float(expected))


def along(function, *pairs):
    """The derivative at 0 of a matrix-valued function of t, whose arguments move along lines, entry by entry."""
    result = function(*(at for at, _ in pairs))
    expected = np.empty(result.shape)
    for index in np.ndindex(result.shape):
        expected[index] = mp.diff(lambda t, index=index: function(*(at + t * step for at, step in pairs))[index], 0)
    return expected


@verifies(
    "eq-differential-affine",
    formula=lambda W, X, b, dW, dX, db: dW @ X + W @ dX + np.outer(db, np.ones(X.shape[1])),
    wrong={
        "the input does not move": lambda W, X, b, dW, dX, db: dW @ X + np.outer(db, np.ones(X.shape[1])),
        "both move in one factor": lambda W, X, b, dW, dX, db: dW @ dX + np.outer(db, np.ones(X.shape[1])),
        "the bias is left out": lambda W, X, b, dW, dX, db: dW @ X + W @ dX,
        "a sign": lambda W, X, b, dW, dX, db: dW @ X - W @ dX + np.outer(db, np.ones(X.shape[1])),
    },
    method="finite differences",
)
def the_product_rule_keeps_the_order(formula, rng):
    """The differential of a layer, against derivatives of each of its entries along the direction of the nudges."""
    W, X, b, dW, dX, db = matrices(rng, (3, 2), (2, 4), 3, (3, 2), (2, 4), 3)

    def layer(W, X, b):
        return (
            np.array([[sum(w * x for w, x in zip(row, column, strict=True)) for column in X.T] for row in W])
            + (b[:, np.newaxis])
        )

    return error(formula(W, X, b, dW, dX, db), along(layer, (W, dW), (X, dX), (b, db)))


@verifies(
    "eq-differential-elementwise",
    formula=lambda Z, dZ: saelib.sigmoid_slope(Z) * dZ,
    wrong={
        "a matrix product": lambda Z, dZ: saelib.sigmoid_slope(Z) @ dZ.T,
        "f instead of f'": lambda Z, dZ: saelib.sigmoid(Z) * dZ,
        "f' at the nudge": lambda Z, dZ: saelib.sigmoid_slope(dZ) * dZ,
        "f' is left out": lambda Z, dZ: dZ,
    },
    method="finite differences",
)
def a_function_of_each_entry_scales_each_nudge(formula, rng):
    """The differential of the sigmoid of a matrix, against derivatives of its entries along the nudge."""
    Z, dZ = matrices(rng, (3, 2), (3, 2))
    return error(formula(Z, dZ), along(np.vectorize(f, otypes=[object]), (Z, dZ)))


@verifies(
    "eq-differential-norm",
    formula=lambda Z, dZ: trace(Z.T @ dZ),
    wrong={
        "the half is left out": lambda Z, dZ: 2 * trace(Z.T @ dZ),
        "the length instead of its square": lambda Z, dZ: trace(Z.T @ dZ) / np.linalg.norm(Z),
        "the square of the nudge": lambda Z, dZ: trace(dZ.T @ dZ),
        "all entries of the product": lambda Z, dZ: np.sum(Z.T @ dZ),
    },
    method="finite differences",
)
def the_squared_length_changes_by_a_trace(formula, rng):
    """Against the derivative of half the sum of all squared entries along the nudge."""
    Z, dZ = matrices(rng, (3, 2), (3, 2))
    half = mp.diff(lambda t: sum(entry**2 for entry in (Z + t * dZ).ravel()) / 2, 0)
    return error(formula(Z, dZ), float(half))


@verifies(
    "eq-trace-cycle",
    formula=lambda A, B, C: [trace(C @ A @ B), trace((A @ B @ C).T)],
    wrong={
        "two factors change places": lambda A, B, C: [trace(A @ C.T @ B.T), trace((A @ B @ C).T)],
        "transposed, in the order of before": lambda A, B, C: [trace(C @ A @ B), trace(A.T @ B.T @ C.T)],
        "a product of traces": lambda A, B, C: [trace(A[:2, :2]) * trace(B[:2, :2]), trace((A @ B @ C).T)],
        "all entries": lambda A, B, C: [np.sum(C @ A @ B), trace((A @ B @ C).T)],
    },
    method="index loops",
)
def factors_go_around_in_a_trace(formula, rng):
    """Both sides, against the sum over all three indices of products of entries."""
    A, B, C = matrices(rng, (2, 3), (3, 4), (4, 2))
    expected = sum(A[i, j] * B[j, k] * C[k, i] for i in range(2) for j in range(3) for k in range(4))
    return error(formula(A, B, C), [expected, expected])


@verifies(
    "eq-trace-hadamard",
    formula=lambda A, B, C: [trace(A.T @ (B * C)), trace((A * B).T @ C)],
    wrong={
        "a matrix product": lambda A, B, C: [trace(A.T @ (B * C)), trace((A.T @ B) @ (A.T @ C))],
        "the wrong one changes sides": lambda A, B, C: [trace(A.T @ (B * C)), trace((A * A).T @ C)],
        "all entries": lambda A, B, C: [np.sum(A.T @ (B * C)), trace((A * B).T @ C)],
    },
    method="index loops",
)
def a_product_by_entries_changes_sides(formula, rng):
    """Both sides, against the sum of the products of three entries of one place."""
    A, B, C = matrices(rng, (3, 2), (3, 2), (3, 2))
    expected = sum(A[place] * B[place] * C[place] for place in np.ndindex(3, 2))
    return error(formula(A, B, C), [expected, expected])


@verifies(
    "eq-chain-jacobian",
    formula=lambda jacobian, by_y: jacobian.T @ by_y,
    wrong={
        "the Jacobian is not transposed": lambda jacobian, by_y: jacobian @ by_y,
        "one route only": lambda jacobian, by_y: jacobian[0] * by_y[0],
        "a mean of the routes": lambda jacobian, by_y: jacobian.T @ by_y / len(by_y),
        "the first factor is left out": lambda jacobian, by_y: jacobian.sum(axis=0),
    },
    method="finite differences",
)
def a_vector_in_the_middle_adds_up_its_routes(formula, rng):
    """Against derivatives of the composed function by each x, where y are sigmoids of weighted sums."""
    W, x = matrices(rng, (4, 3), 3)

    def y(x):
        return [f(sum(w * x_j for w, x_j in zip(row, x, strict=True))) for row in W]

    def J(y):
        return y[0] * y[1] + mp.sin(y[2]) * y[3]

    jacobian = np.array([slopes(lambda x, k=k: y(x)[k], x) for k in range(4)], dtype=float)
    by_y = slopes(lambda y: J(list(y)), np.array(y(x), dtype=float)).astype(float)
    return error(formula(jacobian, by_y), slopes(lambda x: J(y(x)), x))


@verifies(
    "eq-batch-layer",
    formula=lambda Delta, X: (Delta.T @ X, Delta.T @ np.ones(len(X))),
    wrong={
        "the other order": lambda Delta, X: ((X.T @ Delta), Delta.T @ np.ones(len(X))),
        "a mean for the bias": lambda Delta, X: (Delta.T @ X, Delta.mean(axis=0)),
        "the bias is summed over units": lambda Delta, X: (Delta.T @ X, Delta.sum(axis=1)),
        "the last example alone": lambda Delta, X: (np.outer(Delta[-1], X[-1]), Delta.T @ np.ones(len(X))),
    },
    method="finite differences",
)
def one_layer_of_a_batch(formula, rng):
    """Against derivatives by each weight and bias of a number whose derivative by the pre-activations is Delta."""
    Delta, X, W, b = matrices(rng, (5, 3), (5, 2), (3, 2), 3)

    def J(W, b):
        rows = [[sum(W[j, i] * x[i] for i in range(2)) + b[j] for j in range(3)] for x in X]
        return sum(Delta[n, j] * rows[n][j] for n in range(5) for j in range(3))

    by_W, by_b = formula(Delta, X)
    return max(error(by_W, slopes(lambda W: J(W, b), W)), error(by_b, slopes(lambda b: J(W, b), b)))


@verifies(
    "eq-column-scaling",
    formula=lambda G, c: G @ np.diag(c),
    wrong={
        "rows are scaled": lambda G, c: np.diag(c) @ G.T,
        "a matrix times a vector": lambda G, c: np.outer(G @ c, np.ones(len(c))),
        "every column by the sum": lambda G, c: G * c.sum(),
        "in the reverse order": lambda G, c: G @ np.diag(c[::-1]),
    },
    method="index loops",
)
def a_diagonal_matrix_scales_columns(formula, rng):
    """Against the product of the entries of G with those of a matrix whose rows are all c."""
    G, c = matrices(rng, (4, 3), 3)
    return error(formula(G, c), [[1 * c[j] * G[i, j] for j in range(3)] for i in range(4)])


@verifies(
    "eq-gradient-linear-code",
    formula=lambda A, D, X: ((A @ D - X) @ D.T, A.T @ (A @ D - X)),
    wrong={
        "both signs": lambda A, D, X: ((X - A @ D) @ D.T, A.T @ (X - A @ D)),
        "a factor of 2": lambda A, D, X: (2 * (A @ D - X) @ D.T, 2 * A.T @ (A @ D - X)),
        "the data are left out": lambda A, D, X: (A @ D @ D.T, A.T @ A @ D),
        "D is not transposed": lambda A, D, X: ((A @ D - X) @ D, A.T @ (A @ D - X)),
    },
    method="finite differences",
)
def gradients_of_the_squared_error_of_a_linear_code(formula, rng):
    """Against derivatives of half the squared error, summed in loops, by each entry of the codes and the dictionary."""
    A, D, X = matrices(rng, (3, 2), (2, 4), (3, 4))

    def E(A, D):
        return sum((X[i, q] - sum(A[i, r] * D[r, q] for r in range(2))) ** 2 for i in range(3) for q in range(4)) / 2

    by_A, by_D = formula(A, D, X)
    return max(error(by_A, slopes(lambda A: E(A, D), A)), error(by_D, slopes(lambda D: E(A, D), D)))


@verifies(
    "eq-gradient-variance",
    formula=lambda V, C: 2 * C @ V,
    wrong={
        "the 2 is missing": lambda V, C: C @ V,
        "C twice": lambda V, C: 2 * C @ C @ V,
        "only the diagonal of C": lambda V, C: 2 * np.diag(np.diag(C)) @ V,
        "the other order": lambda V, C: 2 * V.T @ C,
    },
    method="finite differences",
)
def gradient_of_the_variance_along_directions(formula, rng):
    """Against derivatives of the sum over the columns v of v' C v, in loops, by each entry of V."""
    V, B = matrices(rng, (4, 2), (4, 4))
    C = B + B.T

    def variance(V):
        return sum(V[i, r] * C[i, j] * V[j, r] for r in range(2) for i in range(4) for j in range(4))

    return error(formula(V, C), slopes(variance, V))
