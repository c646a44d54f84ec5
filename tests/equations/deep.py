"""The checks of the equations of the chapter "Deeper, and robust"."""

import numpy as np
from mpmath import mp
from scipy.special import log_softmax

from saelib import nets, stacks
from saelib.nets.deep import DeepParams, Layer
from tests.equations import error, f, slopes, verifies

SIZES = (4, 3, 2, 3, 4)


def stack(rng):
    """Return the layers of a net 4-3-2-3-4, no weight zero, and three examples in [0, 1]."""
    layers = [(rng.normal(size=(n, k)), rng.normal(size=n)) for k, n in zip(SIZES, SIZES[1:], strict=False)]
    return layers, rng.uniform(0, 1, (3, 4))


def on_top(layers, x, start=0):
    """Return the pre-activations and activations of all layers by loops in mpmath's digits; all units are sigmoid."""
    a, Z, A = list(x), [], [list(x)]
    for W, b in layers[start:]:
        z = [sum(w * v for w, v in zip(row, a, strict=True)) + c for row, c in zip(W, b, strict=True)]
        a = [f(v) for v in z]
        Z.append(z)
        A.append(a)
    return Z, A


def loss(layers, x):
    return sum((a - t) ** 2 for a, t in zip(on_top(layers, x)[1][-1], x, strict=True)) / 2


def as_params(layers):
    half = len(layers) // 2
    return DeepParams(*(tuple(Layer(*layer) for layer in part) for part in (layers[:half], layers[half:])))


def activations(layers, X):
    net = nets.Deep((3,), code="sigmoid")
    return net.decode(as_params(layers), net.encode(as_params(layers), X).A)


@verifies(
    "eq-deep-forward",
    formula=activations,
    wrong={
        "the last bias is missing": lambda layers, X: activations(
            [*layers[:-1], (layers[-1][0], 0 * layers[-1][1])], X
        ),
        "the layers in reverse": lambda layers, X: activations(layers[::-1], X),
        "a layer is left out": lambda layers, X: activations([layers[0], layers[-1]], X),
        "without the biases": lambda layers, X: activations([(W, 0 * b) for W, b in layers], X),
    },
    method="index loops",
)
def deep_forward_pass(formula, rng):
    """The outputs of `nets.Deep`, against loops over layers and units in 30 digits."""
    layers, X = stack(rng)
    return error(formula(layers, X), [on_top(layers, x)[1][-1] for x in X])


@verifies(
    "eq-deep-delta",
    formula=lambda W, delta, a: (W.T @ delta) * a * (1 - a),
    wrong={
        "f' is missing": lambda W, delta, a: W.T @ delta,
        "f' of the layer above": lambda W, delta, a: W.T @ (delta * delta * (1 - delta)),
        "one unit above alone": lambda W, delta, a: W[0] * delta[0] * a * (1 - a),
        "the sign": lambda W, delta, a: -(W.T @ delta) * a * (1 - a),
    },
    method="finite differences",
)
def deep_delta(formula, rng):
    """The recurrence from layer 4 to layer 3, against nudging the biases, and so the pre-activations, of layer 3."""
    layers, X = stack(rng)
    x, A = X[0], on_top(layers, X[0])[1]

    def delta_of(k):
        (W, b), rest = layers[k], layers[k + 1 :]
        return slopes(lambda c: loss([*layers[:k], (W, c), *rest], x), b)

    above = np.array(delta_of(2), dtype=float)
    return error(formula(layers[2][0], above, np.array(A[2], dtype=float)), delta_of(1))


@verifies(
    "eq-deep-gradient",
    formula=lambda Delta, A: (Delta.T @ A / len(A), Delta.mean(axis=0)),
    wrong={
        "the sum over the examples": lambda Delta, A: (Delta.T @ A, Delta.sum(axis=0)),
        "transposed": lambda Delta, A: (A.T @ Delta / len(A), Delta.mean(axis=0)),
        "the first example alone": lambda Delta, A: (np.outer(Delta[0], A[0]), Delta[0]),
        "the bias without its mean": lambda Delta, A: (Delta.T @ A / len(A), Delta.sum(axis=0)),
    },
    method="finite differences",
)
def deep_gradient(formula, rng):
    """Gradient of the second layer out of the deltas, each by nudging its example, against nudging each weight."""
    layers, X = stack(rng)
    W, b = layers[1]

    def with_layer(W, b, x):
        return loss([layers[0], (W, b), *layers[2:]], x)

    Delta = np.array([slopes(lambda c, x=x: with_layer(W, c, x), b) for x in X], dtype=float)
    below = np.array([on_top(layers, x)[1][1] for x in X], dtype=float)
    by_W, by_b = formula(Delta, below)
    expected = slopes(lambda P: sum(with_layer(P, b, x) for x in X) / len(X), W)
    return max(
        error(by_W, expected),
        error(by_b, slopes(lambda c: sum(with_layer(W, c, x) for x in X) / len(X), b)),
    )


@verifies(
    "eq-signal-variance",
    formula=lambda a, sigma: len(a) * sigma**2 * np.mean(a**2),
    wrong={
        "the square of the mean": lambda a, sigma: len(a) * sigma**2 * np.mean(a) ** 2,
        "the mean for the sum": lambda a, sigma: sigma**2 * np.mean(a**2),
        "sigma not squared": lambda a, sigma: len(a) * sigma * np.mean(a**2),
    },
    method="index loops",
)
def signal_variance(formula, rng):
    """The mean of z^2 over all 2^5 choices of signs of five weights +-sigma, one by one."""
    a, sigma = rng.normal(size=5), rng.uniform(0.1, 1)
    signs = [[1 if n >> k & 1 else -1 for k in range(5)] for n in range(32)]
    expected = sum(sum(sigma * s * v for s, v in zip(row, a, strict=True)) ** 2 for row in signs) / 32
    return error(formula(a, sigma), expected)


@verifies(
    "eq-he",
    formula=lambda below: 2 / below,
    wrong={
        "g = 1": lambda below: 1 / below,
        "the units above as well": lambda below: 4 / (below + 1),
        "the standard deviation for the variance": lambda below: (2 / below) ** 0.5,
    },
    method="index loops",
)
def he_keeps_the_mean_square(formula, rng):
    """Over all signs of weights and of the units' common direction, ReLUs of a layer with this variance give back a^2.

    All 2^6 signs of six weights: z and -z come in pairs, so the mean of relu(z)^2 is exact.
    """
    a = rng.uniform(0.1, 1, 6)
    sigma, total = formula(6) ** 0.5, 0.0
    for n in range(64):
        z = sum(sigma * (1 if n >> k & 1 else -1) * a[k] for k in range(6))
        total += max(z, 0.0) ** 2 / 64
    return error(total, np.mean(a**2))


def sigmoid_codes(W1, b1, x):
    return np.array([f(sum(w * v for w, v in zip(row, x, strict=True)) + c) for row, c in zip(W1, b1, strict=True)])


def code_derivatives(W1, b1, x):
    """Return the sum of the squared derivatives of the code by the inputs, each by its own difference, in 30 digits."""
    total = mp.mpf(0)
    for j in range(len(b1)):
        total += sum(d**2 for d in slopes(lambda v, j=j: sigmoid_codes(W1[[j]], b1[[j]], v)[0], x))
    return total


def encoder(rng):
    return rng.normal(size=(3, 4)), rng.normal(size=3), rng.uniform(0, 1, 4)


def slope_of(W1, b1, x):
    a = sigmoid_codes(W1, b1, x).astype(float)
    return a, a * (1 - a)


@verifies(
    "eq-contractive-norm",
    formula=lambda s, W1: np.sum(s**2 * np.sum(W1**2, axis=1)),
    wrong={
        "the slopes not squared": lambda s, W1: np.sum(s * np.sum(W1**2, axis=1)),
        "the square of the sum": lambda s, W1: np.sum(s**2 * np.sum(W1, axis=1) ** 2),
        "a sum times a sum": lambda s, W1: np.sum(s**2) * np.sum(W1**2),
    },
    method="finite differences",
)
def contractive_norm(formula, rng):
    """The sum over units, against the squares of all derivatives of the code, by differences, added up."""
    W1, b1, x = encoder(rng)
    return error(formula(slope_of(W1, b1, x)[1], W1), code_derivatives(W1, b1, x))


def penalty(W1, b1, x):
    a = sigmoid_codes(W1, b1, x)
    return sum((v * (1 - v)) ** 2 * sum(w * w for w in row) for v, row in zip(a, W1, strict=True))


@verifies(
    "eq-contractive-delta",
    formula=lambda lam, a, s, W1: 2 * lam * s**2 * (1 - 2 * a) * np.sum(W1**2, axis=1),
    wrong={
        "the 2 is missing": lambda lam, a, s, W1: lam * s**2 * (1 - 2 * a) * np.sum(W1**2, axis=1),
        "1 - a for 1 - 2a": lambda lam, a, s, W1: 2 * lam * s**2 * (1 - a) * np.sum(W1**2, axis=1),
        "one slope for two": lambda lam, a, s, W1: 2 * lam * s * (1 - 2 * a) * np.sum(W1**2, axis=1),
    },
    method="finite differences",
)
def contractive_delta(formula, rng):
    """The penalty's derivative by each pre-activation, against nudging the bias."""
    W1, b1, x = encoder(rng)
    a, s = slope_of(W1, b1, x)
    return error(formula(0.7, a, s, W1), slopes(lambda c: 0.7 * penalty(W1, c, x), b1))


def by_library(params, X, lam):
    net = nets.Contractive(lam)
    gradient = net.backward(params, X, X, net.encode(params, X), None)[1]
    return gradient.W1 / len(X), gradient.b1 / len(X)


@verifies(
    "eq-contractive-gradient",
    formula=by_library,
    wrong={
        "without the penalty": lambda params, X, lam: by_library(params, X, 0),
        "half the penalty": lambda params, X, lam: by_library(params, X, lam / 2),
        "the sum over the examples": lambda params, X, lam: tuple(len(X) * g for g in by_library(params, X, lam)),
        "the penalty's sign": lambda params, X, lam: by_library(params, X, -lam),
    },
    method="finite differences",
)
def contractive_gradient(formula, rng):
    """The gradient by the encoder, against nudging each weight of the cost by loops in 30 digits."""
    params = nets.Contractive(0.7).init(4, 3, rng)
    params = params._replace(b1=rng.normal(size=3), b2=rng.normal(size=4))
    X = rng.uniform(0, 1, (3, 4))

    def cost(W1, b1):
        total = mp.mpf(0)
        for x in X:
            a = sigmoid_codes(W1, b1, x)
            out = params.W2 @ a + params.b2
            total += sum((o - t) ** 2 for o, t in zip(out, x, strict=True)) / 2 + 0.7 * penalty(W1, b1, x)
        return total / len(X)

    by_W1, by_b1 = formula(params, X, 0.7)
    return max(
        error(by_W1, slopes(lambda W1: cost(W1, params.b1), params.W1)),
        error(by_b1, slopes(lambda b1: cost(params.W1, b1), params.b1)),
    )


def weights(y, points, sigma):
    w = np.exp(-np.sum((points - y) ** 2, axis=1) / (2 * sigma**2))
    return w / w.sum()


@verifies(
    "eq-best-denoiser",
    formula=lambda y, points, sigma: weights(y, points, sigma) @ points,
    wrong={
        "the nearest point": lambda y, points, sigma: points[np.argmax(weights(y, points, sigma))],
        "the plain mean": lambda y, points, sigma: points.mean(axis=0),
        "sigma not squared": lambda y, points, sigma: weights(y, points, np.sqrt(sigma)) @ points,
        "the input itself": lambda y, points, sigma: y,
    },
    method="finite differences",
)
def best_denoiser(formula, rng):
    """At the answer, the expected squared error, summed by loops over what x can be, has no slope."""
    points, y, sigma = rng.normal(size=(4, 2)), rng.normal(size=2), 0.6

    def expected(r):
        total = mp.mpf(0)
        for x in points:
            chance = mp.exp(-sum((mp.mpf(a) - b) ** 2 for a, b in zip(x, y, strict=True)) / (2 * mp.mpf(sigma) ** 2))
            total += chance * sum((a - b) ** 2 for a, b in zip(r, x, strict=True))
        return total

    return float(np.max(np.abs(np.array(slopes(expected, formula(y, points, sigma)), dtype=float))))


@verifies(
    "eq-tweedie",
    formula=lambda move, sigma: move / sigma**2,
    wrong={
        "sigma not squared": lambda move, sigma: move / sigma,
        "the sign": lambda move, sigma: -move / sigma**2,
        "without the variance": lambda move, sigma: move,
    },
    method="finite differences",
)
def arrows_are_the_score(formula, rng):
    """The best denoiser's step over the variance, against differences of the log density in 30 digits."""
    points, y, sigma = rng.normal(size=(4, 2)), rng.normal(size=2), 0.6

    def log_density(v):
        return mp.log(
            sum(
                mp.exp(-sum((a - b) ** 2 for a, b in zip(v, x, strict=True)) / (2 * mp.mpf(sigma) ** 2)) for x in points
            )
        )

    move = weights(y, points, sigma) @ points - y
    return error(formula(move, sigma), slopes(log_density, y))


@verifies(
    "eq-softmax",
    formula=stacks.softmax,
    wrong={
        "not divided": lambda Z: np.exp(Z),
        "over the examples": lambda Z: np.exp(Z) / np.exp(Z).sum(axis=0),
        "a sigmoid for each": lambda Z: 1 / (1 + np.exp(-Z)),
    },
    method="independent library",
)
def softmax_of_scores(formula, rng):
    """The library's softmax against SciPy's logarithm of it."""
    Z = rng.normal(size=(4, 3))
    return error(formula(Z), np.exp(log_softmax(Z, axis=1)))


@verifies(
    "eq-softmax-delta",
    formula=lambda z, t: stacks.softmax(z[np.newaxis])[0] - t,
    wrong={
        "the sign": lambda z, t: t - stacks.softmax(z[np.newaxis])[0],
        "a slope too many": lambda z, t: (
            (stacks.softmax(z[np.newaxis])[0] - t)
            * stacks.softmax(z[np.newaxis])[0]
            * (1 - stacks.softmax(z[np.newaxis])[0])
        ),
        "the probabilities alone": lambda z, t: stacks.softmax(z[np.newaxis])[0],
    },
    method="finite differences",
)
def softmax_delta(formula, rng):
    """The difference of output and target, against nudging the scores in -log p, in 30 digits."""
    z, t = rng.normal(size=4), np.eye(4)[2]
    return error(formula(z, t), slopes(lambda v: mp.log(sum(mp.exp(u) for u in v)) - v[2], z))
