"""The checks of the equations of the chapter "More features than dimensions"."""

import itertools
import math

import numpy as np
import scipy.integrate
from mpmath import mp

import saelib
from saelib import nets, sparse_coding
from saelib.book._tutor import backward
from tests.equations import error, slopes, verifies

TOY = nets.Toy(0.7)


@verifies(
    "eq-interference",
    formula=lambda a, D, j: a[j] + sum(a[i] * (D[j] @ D[i]) for i in range(len(a)) if i != j),
    wrong={
        "without the feature itself": lambda a, D, j: sum(a[i] * (D[j] @ D[i]) for i in range(len(a)) if i != j),
        "the feature twice": lambda a, D, j: a[j] + sum(a[i] * (D[j] @ D[i]) for i in range(len(a))),
        "amounts left out": lambda a, D, j: a[j] + sum(D[j] @ D[i] for i in range(len(a)) if i != j),
        "the amount of the feature itself": lambda a, D, j: a[j] * sum(D[j] @ D[i] for i in range(len(a))),
    },
    method="index loops",
)
def reading_is_the_amount_and_interference(formula, rng):
    """The input is built coordinate by coordinate, and then projected."""
    D, a = rng.normal(size=(6, 4)), rng.uniform(size=6) * [1, 0, 1, 1, 0, 1]
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    x = [sum(a[i] * D[i, c] for i in range(6)) for c in range(4)]
    expected = [sum(D[j, c] * x[c] for c in range(4)) for j in range(6)]
    return error([formula(a, D, j) for j in range(6)], expected)


@verifies(
    "eq-interference-size",
    formula=lambda squares, n: sum(squares) / n,
    wrong={
        "one over n squared": lambda squares, n: sum(squares) / n**2,
        "the root of n": lambda squares, n: sum(squares) / math.sqrt(n),
        "the mean over the features": lambda squares, n: sum(squares) / n / len(squares),
        "the number of dimensions left out": lambda squares, n: sum(squares),
    },
    method="index loops",
)
def interference_has_its_size(formula, rng):
    """All choices are gone through: each direction is one of +-4 orthogonal axes, each amount one of two values."""
    n, values = 4, rng.uniform(0, 1, (2, 2))
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    axes, own = [*Q, *-Q], np.array([0.6, 0.8, 0, 0])
    found = [
        (a1 * (own @ d1) + a2 * (own @ d2)) ** 2
        for d1, d2 in itertools.product(axes, repeat=2)
        for a1, a2 in itertools.product(*values)
    ]
    return error(formula(np.mean(values**2, axis=1), n), np.mean(found))


def toy_by_loops(W, b, x, lib=mp):
    """The toy model's output, unit by unit."""
    a = [sum(W[h, i] * x[i] for i in range(len(x))) for h in range(len(W))]
    z = [sum(W[h, i] * a[h] for h in range(len(W))) + b[i] for i in range(len(x))]
    return a, z, [v if v > 0 else 0 * v for v in z]


def toy(rng):
    return rng.normal(size=(3, 5)), rng.normal(size=5), rng.uniform(0.2, 1, 5)


def toy_backward(W, b, x, formula=nets.Toy.backward):
    """Return loss and gradient of one sample."""
    params, X = nets.toy.ToyParams(W, b), x[np.newaxis]
    return formula(TOY, params, X, X, TOY.encode(params, X), None)


def with_mistake(*names):
    """Return the library's backward pass with the tutor's mistakes of these names."""
    known = backward.own_mistakes(nets.Toy)
    return {name: backward.changed(TOY, known[name][:2]) for name in names}


@verifies(
    "eq-toy-model",
    formula=nets.Toy.decode,
    wrong={
        "no ReLU": lambda net, p, A: A @ p.W + p.b,
        "the ReLU before the bias": lambda net, p, A: np.clip(A @ p.W, 0, None) + p.b,
        "a ReLU on the code, too": lambda net, p, A: np.clip(np.clip(A, 0, None) @ p.W + p.b, 0, None),
        "no bias": lambda net, p, A: np.clip(A @ p.W, 0, None),
    },
    method="index loops",
)
def toy_reads_out_with_the_same_weights(formula, rng):
    """Several random models, unit by unit; some outputs are silent and some are not."""
    found, expected = [], []
    for _ in range(5):
        W, b, x = toy(rng)
        params = nets.toy.ToyParams(W, b)
        found.append(formula(TOY, params, TOY.encode(params, x[np.newaxis]).A)[0])
        expected.append(toy_by_loops(W, b, x)[2])
    return error(found, expected)


def toy_cost_of(change):
    def wrong(net, params, X, target, codes, price):
        out = net.decode(params, codes.A)
        return change(net.weights(X.shape[1]), out - target), None

    return wrong


@verifies(
    "eq-toy-cost",
    formula=nets.Toy.backward,
    wrong={
        "the half is missing": toy_cost_of(lambda I, e: np.sum(I * e**2)),
        "importance squared": toy_cost_of(lambda I, e: np.sum((I * e) ** 2) / 2),
        "no importance": toy_cost_of(lambda I, e: np.sum(e**2) / 2),
        "the mean over features": toy_cost_of(lambda I, e: np.mean(I * e**2) / 2),
    },
    method="index loops",
)
def toy_cost_weighs_the_errors(formula, rng):
    """Feature by feature."""
    W, b, x = toy(rng)
    out = toy_by_loops(W, b, x)[2]
    return error(toy_backward(W, b, x, formula)[0], sum(0.7**i * (out[i] - x[i]) ** 2 for i in range(5)) / 2)


def scaled(factor):
    def wrong(*arguments):
        loss, gradient = nets.Toy.backward(*arguments)
        return loss, gradient._replace(W=factor * gradient.W, b=factor * gradient.b)

    return wrong


@verifies(
    "eq-toy-delta",
    formula=nets.Toy.backward,
    wrong={
        **with_mistake("slope forgotten", "importance forgotten"),
        "sign": scaled(-1),
        "factor two": scaled(2),
    },
    method="finite differences",
)
def toy_delta_is_a_derivative(formula, rng):
    """Nudging the pre-activations, which is what nudging b does, in 30 digits; delta is b's gradient."""
    W, b, x = toy(rng)
    z = toy_by_loops(W, b, x)[1]

    def J(z):
        return sum(0.7**i * ((v if v > 0 else 0) - x[i]) ** 2 for i, v in enumerate(z)) / 2

    return error(toy_backward(W, b, x, formula)[1].b, slopes(J, np.array(z)))


@verifies(
    "eq-toy-gradient",
    formula=nets.Toy.backward,
    wrong={**with_mistake("decoder only", "encoder only", "averaged"), "twice": scaled(2)},
    method="finite differences",
)
def toy_gradient_by_nudging(formula, rng):
    """Every weight and bias is nudged by itself, in 30 digits."""
    W, b, x = toy(rng)

    def J(P):
        out = toy_by_loops(P[:3], P[3], x)[2]
        return sum(0.7**i * (out[i] - x[i]) ** 2 for i in range(5)) / 2

    gradient = toy_backward(W, b, x, formula)[1]
    return error(np.vstack([gradient.W, gradient.b]), slopes(J, np.vstack([W, b])))


def pair_cost(outputs, r, p):
    """The expected cost of two features, by quadrature over the four cases of who is active."""

    def cost(x1, x2):
        out = outputs(x1, x2)
        return ((out[0] - x1) ** 2 + r * (out[1] - x2) ** 2) / 2

    one = scipy.integrate.quad(lambda t: cost(t, 0), 0, 1)[0]
    two = scipy.integrate.quad(lambda t: cost(0, t), 0, 1)[0]
    # The cost has a kink where the amounts are equal: two triangles.
    low = scipy.integrate.dblquad(lambda y, x: cost(x, y), 0, 1, 0, lambda x: x)[0]
    high = scipy.integrate.dblquad(lambda y, x: cost(x, y), 0, 1, lambda x: x, 1)[0]
    return (1 - p) ** 2 * cost(0, 0) + p * (1 - p) * (one + two) + p**2 * (low + high)


def alone(r, p):
    return r / 2 * (p / 3 - p**2 / 4)


def together(r, p):
    return (1 + r) / 2 * p**2 / 6


@verifies(
    "eq-pair-alone",
    formula=alone,
    wrong={
        "the half is missing": lambda r, p: 2 * alone(r, p),
        "the mean is not used": lambda r, p: r / 2 * p / 3,
        "the variance of a uniform number": lambda r, p: r / 2 * p / 12,
        "feature 1's importance": lambda r, p: alone(1, p),
    },
    method="independent library",
)
def one_alone_costs_the_others_variance(formula, rng):
    """By SciPy's quadrature over all cases."""
    settings = rng.uniform(0.2, 0.9, (3, 2))
    expected = [pair_cost(lambda x1, x2, p=p: (x1, p / 2), r, p) for r, p in settings]
    return error([formula(r, p) for r, p in settings], expected)


@verifies(
    "eq-pair-together",
    formula=together,
    wrong={
        "the half is missing": lambda r, p: 2 * together(r, p),
        "the larger one is lost": lambda r, p: (1 + r) / 2 * p**2 / 2,
        "only the smaller one pays": lambda r, p: together(r, p) / 2,
        "proportional to p": lambda r, p: (1 + r) / 2 * p / 6,
    },
    method="independent library",
)
def two_together_cost_their_minimum(formula, rng):
    """By SciPy's quadrature over all cases."""
    settings = rng.uniform(0.2, 0.9, (3, 2))
    expected = [pair_cost(lambda x1, x2: (max(x1 - x2, 0), max(x2 - x1, 0)), r, p) for r, p in settings]
    return error([formula(r, p) for r, p in settings], expected)


@verifies(
    "eq-pair-threshold",
    formula=lambda r: 4 * r / (2 + 5 * r),
    wrong={
        "two r": lambda r: 2 * r / (2 + 5 * r),
        "r turned round": lambda r: 4 / (2 + 5 / r),
        "the mean is not used": lambda r: 2 * r / (1 + r),
        "the square root": lambda r: math.sqrt(4 * r / (2 + 5 * r)),
    },
    method="property",
    tolerance=1e-7,
)
def sharing_begins_to_pay_at_the_threshold(formula, rng):
    """The two costs, by quadrature, are equal there."""
    worst = 0
    for r in rng.uniform(0.2, 1, 3):
        p = formula(r)
        one = pair_cost(lambda x1, x2, p=p: (x1, p / 2), r, p)
        two = pair_cost(lambda x1, x2: (max(x1 - x2, 0), max(x2 - x1, 0)), r, p)
        worst = max(worst, abs(one / two - 1))
    return worst


def dimensionalities(W):
    unit = W / np.linalg.norm(W, axis=0)
    return np.sum(W**2, axis=0) / np.sum((unit.T @ W) ** 2, axis=1)


@verifies(
    "eq-dimensionality",
    formula=dimensionalities,
    wrong={
        "both normalized": lambda W: 1 / np.sum(((W / np.linalg.norm(W, axis=0)).T @ W) ** 2, axis=1),
        "without itself": lambda W: (
            np.sum(W**2, axis=0) / (np.sum(((W / np.linalg.norm(W, axis=0)).T @ W) ** 2, axis=1) - np.sum(W**2, axis=0))
        ),
        "not squared": lambda W: np.linalg.norm(W, axis=0) / np.sum(np.abs((W / np.linalg.norm(W, axis=0)).T @ W), 1),
        "neither normalized": lambda W: np.sum(W**2, axis=0) / np.sum((W.T @ W) ** 2, axis=1),
    },
    method="known values",
)
def known_shapes_have_known_dimensionalities(formula, rng):
    """Orthogonal features have 1, opposite ones 1/2, polygons 2/k, a simplex 3/4; size and rotation do not matter."""
    size = rng.uniform(1.5, 3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    tetrahedron = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    cases = [(np.eye(3), 1), (np.hstack([np.eye(3), -np.eye(3)]), 1 / 2), (tetrahedron, 3 / 4)]
    found = [formula(size * turn @ W) for W, _ in cases]
    expected = [np.full(W.shape[1], value) for W, value in cases]
    for k in (3, 5, 8):
        turns = 2 * np.pi * np.arange(k) / k
        found.append(formula(size * np.array([np.cos(turns), np.sin(turns)])))
        expected.append(np.full(k, 2 / k))
    unequal = np.array([[1.0, -2.0]])
    found.append(formula(unequal))
    expected.append(np.array([1 / 5, 4 / 5]))
    return error(np.concatenate(found), np.concatenate(expected))


@verifies(
    "eq-dimensionality-sum",
    formula=lambda W: np.linalg.matrix_rank(W),
    wrong={
        "one less": lambda W: np.linalg.matrix_rank(W) - 1,
        "the number of features": lambda W: W.shape[1],
        "the squared length": lambda W: np.sum(W**2),
        "half of the features": lambda W: W.shape[1] / 2,
    },
    method="property",
)
def dimensionalities_fill_the_space_at_most(formula, rng):
    """No random directions exceed the bound, by loops; tight ones (rotated polygons, opposite pairs) attain it."""

    def total(W):
        n, result = W.shape[1], 0
        for i in range(n):
            square = sum(v * v for v in W[:, i])
            result += square**2 / sum(sum(a * b for a, b in zip(W[:, i], W[:, j], strict=True)) ** 2 for j in range(n))
        return result

    worst = 0.0
    for _ in range(20):
        W = rng.normal(size=(3, 2)) @ rng.normal(size=(2, 5)) if rng.random() < 0.5 else rng.normal(size=(3, 5))
        worst = max(worst, total(W) - formula(W))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    turns = 2 * np.pi * np.arange(5) / 5
    for W in (np.array([np.cos(turns), np.sin(turns)]), 1.3 * np.hstack([np.eye(2), -np.eye(2)])):
        worst = max(worst, abs(total(turn[:, :2] @ W) - formula(W)))
    return worst


def trap(M, eps, rho, *, slope=None, bias=None, centered=True):
    """The network of the page, with steps that can be replaced."""
    W2 = np.linalg.pinv(M) / (eps * (rho * (1 - rho) if slope is None else slope(rho)))
    b1 = np.log(rho / (1 - rho)) if bias is None else bias(rho)
    return saelib.Params(eps * M, np.full(len(M), b1), W2, -rho * W2.sum(axis=1) * centered)


@verifies(
    "eq-kl-trap",
    formula=trap,
    wrong={
        "the slope is rho": lambda M, eps, rho: trap(M, eps, rho, slope=lambda rho: rho),
        "the slope is a quarter": lambda M, eps, rho: trap(M, eps, rho, slope=lambda rho: 1 / 4),
        "the bias is ln rho": lambda M, eps, rho: trap(M, eps, rho, bias=np.log),
        "the offset is not subtracted": lambda M, eps, rho: trap(M, eps, rho, centered=False),
        "the transpose for the inverse": lambda M, eps, rho: trap(M, eps, rho)._replace(W2=M.T / (eps * rho)),
    },
    method="property",
    tolerance=1e-3,
)
def any_matrix_gives_a_net_without_error_and_penalty(formula, rng):
    """Error and divergence are both as small as eps asks for, and ten times smaller eps makes the error so, too."""
    M, X, rho, eps = rng.normal(size=(7, 4)), rng.uniform(-1, 1, (20, 4)), 0.1, 1e-5
    sizes = []
    for step in (eps, eps / 10):
        params = formula(M, step, rho)
        A = 1 / (1 + np.exp(-(X @ params.W1.T + params.b1)))
        r = A.mean(axis=0)
        kl = np.sum(rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r)))
        sizes.append(np.abs(A @ params.W2.T + params.b2 - X).max() + kl)
    return sizes[0] if sizes[1] < sizes[0] / 5 else np.inf


def absorbed(ap, ac, mu):
    return mu * (ap + ac - np.sqrt(ap**2 + ac**2))


@verifies(
    "eq-absorption",
    formula=absorbed,
    wrong={
        "no price": lambda ap, ac, mu: absorbed(ap, ac, 1),
        "the root forgotten": lambda ap, ac, mu: mu * (ap + ac - (ap**2 + ac**2)),
        "only the parent is saved": lambda ap, ac, mu: mu * ap,
        "the mean of the two": lambda ap, ac, mu: mu * (ap + ac) / 2,
    },
    method="index loops",
)
def absorbing_saves_the_detour(formula, rng):
    """The lasso costs of the same samples in the two dictionaries; each code reconstructs exactly."""
    found, expected = [], []
    for ap, ac, mu in rng.uniform(0.2, 1, (4, 3)):
        p, c = np.linalg.qr(rng.normal(size=(5, 2)))[0].T
        x = ap * p + ac * c
        length = math.sqrt(sum(v * v for v in x))
        two = sparse_coding.lasso_cost([[ap, ac]], x[np.newaxis], np.array([p, c]), mu)
        one = sparse_coding.lasso_cost([[0, length]], x[np.newaxis], np.array([p, x / length]), mu)
        found.append(formula(ap, ac, mu))
        expected.append(two - one)
    return error(found, expected)
