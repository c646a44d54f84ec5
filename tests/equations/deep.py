"""The checks of the equations of the chapter "Deeper, and robust"."""

import numpy as np
from mpmath import mp
from scipy.special import log_softmax

from saelib import Params, nets, stacks
from saelib.book._tutor import backward
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


NET = nets.Deep((3,), code="sigmoid")


def encoder_with(change):
    """Return the library's encoder of a stack whose layers are changed first."""
    return lambda net, params, X: net.encode(params._replace(encoder=change(params.encoder)), X)


def all_codes(codes):
    return np.hstack([*codes.below, codes.A])


@verifies(
    "eq-deep-forward",
    formula=nets.Deep.encode,
    wrong={
        "the last bias is missing": encoder_with(lambda up: (*up[:-1], Layer(up[-1].W, 0 * up[-1].b))),
        "the layers in reverse": encoder_with(lambda up: up[::-1]),
        "a layer twice": encoder_with(lambda up: (up[0], Layer(up[1].W @ up[1].W.T @ up[1].W, up[1].b))),
        "without the biases": encoder_with(lambda up: tuple(Layer(W, 0 * b) for W, b in up)),
    },
    method="index loops",
)
def deep_forward_pass(formula, rng):
    """All activations up to the code, of three stacks, against loops over layers and units in 30 digits."""
    worst = 0.0
    for _ in range(3):
        layers, X = stack(rng)
        expected = [np.concatenate(on_top(layers[:2], x)[1]) for x in X]
        worst = max(worst, error(all_codes(formula(NET, as_params(layers), X)), expected))
    return worst


def deltas_of(gradient):
    """Return the deltas of one example, layer by layer: the gradients of the biases."""
    return [layer.b for part in gradient for layer in part]


def deep_backward(layers, X, formula):
    params = as_params(layers)
    return formula(NET, params, X, X, NET.encode(params, X), None)[1]


def deep_mistake(right, wrong):
    """Return the library's backward pass with another text in place of this one."""
    return backward.changed(NET, (right, wrong))


SLOPED = "dA * FUNCTIONS[name][1](A)"


@verifies(
    "eq-deep-delta",
    formula=nets.Deep.backward,
    wrong={
        "f' is missing": deep_mistake(SLOPED, "dA"),
        "the slope with respect to a": deep_mistake(SLOPED, "dA * (1 - 2 * A)"),
        "one unit above alone": deep_mistake("dA = delta @ W", "dA = delta[:, :1] @ W[:1]"),
        "the sign": deep_mistake("dA = delta @ W", "dA = -delta @ W"),
    },
    method="finite differences",
)
def deep_delta(formula, rng):
    """The deltas of all layers, against nudging each layer's biases, and so its pre-activations, in 30 digits."""
    layers, X = stack(rng)
    found, worst = deltas_of(deep_backward(layers, X[:1], formula)), 0.0
    for k, (W, b) in enumerate(layers):
        expected = slopes(lambda c, k=k, W=W: loss([*layers[:k], (W, c), *layers[k + 1 :]], X[0]), b)
        worst = max(worst, error(found[k], expected))
    return worst


@verifies(
    "eq-deep-gradient",
    formula=nets.Deep.backward,
    wrong={
        "the deltas squared": deep_mistake("delta.T @ below", "(delta**2).T @ below"),
        "the activations above": deep_mistake("delta.T @ below", "delta.T @ A[:, : below.shape[1]]"),
        "the first example alone": deep_mistake("delta.T @ below", "delta[:1].T @ below[:1]"),
        "the bias without the other examples": deep_mistake("delta.sum(axis=0)", "delta[0]"),
    },
    method="finite differences",
)
def deep_gradient(formula, rng):
    """The sums over three examples of the second layer's gradient, against nudging each weight and bias, over m."""
    layers, X = stack(rng)
    W, b = layers[1]

    def J(W, b):
        return sum(loss([layers[0], (W, b), *layers[2:]], x) for x in X) / len(X)

    found = deep_backward(layers, X, formula).encoder[1]
    return max(
        error(found.W / len(X), slopes(lambda P: J(P, b), W)),
        error(found.b / len(X), slopes(lambda c: J(W, c), b)),
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


class Signs(np.random.Generator):
    """Draws signs in place of normal numbers: for 64 units above 6, every choice of signs once."""

    def normal(self, *, size):
        units, below = size
        return np.array([[1 if n >> k & 1 else -1 for k in range(below)] for n in range(units)], dtype=float)


def start_with(factor):
    """Return `he_start` with the second layer's weights changed by a factor that depends on the units around it."""

    def wrong(net, n_visible, n_hidden, rng):
        start = stacks.he_start(net, n_visible, n_hidden, rng)
        first, (W, b) = start.encoder
        return start._replace(encoder=(first, Layer(factor(*W.shape) * W, b)))

    return wrong


@verifies(
    "eq-he",
    formula=stacks.he_start,
    wrong={
        "g = 1": start_with(lambda units, below: 0.5**0.5),
        "the units above as well": start_with(lambda units, below: (2 * below / (units + below)) ** 0.5),
        "the variance for the standard deviation": start_with(lambda units, below: (2 / below) ** 0.5),
    },
    method="index loops",
)
def he_keeps_the_mean_square(formula, rng):
    """The mean square of 64 units above 6 linear units or 6 ReLUs is that of the 6, where the weights have all signs.

    z and -z come in pairs there, so the mean over the units is exact.
    """
    a, signs, worst = rng.uniform(0.1, 1, 6), Signs(np.random.PCG64(0)), 0.0
    for hidden in ("linear", "relu"):
        W = formula(nets.Deep((6,), hidden=hidden), 6, 64, signs).encoder[1].W
        total = 0.0
        for row in W:
            z = sum(w * v for w, v in zip(row, a, strict=True))
            total += (z if hidden == "linear" else max(z, 0.0)) ** 2 / len(W)
        worst = max(worst, error(total, np.mean(a**2)))
    return worst


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


def contract(params, X, lam, formula):
    """Return loss and gradient of `nets.Contractive`, summed over the examples."""
    net = nets.Contractive(lam)
    return formula(net, params, X, X, net.encode(params, X), None)


def contractive_mistake(right, wrong):
    return backward.changed(nets.Contractive(0.7), (right, wrong))


def contractive(rng):
    W1, b1, x = encoder(rng)
    return Params(W1, b1, rng.normal(size=(4, 3)), rng.normal(size=4)), x


@verifies(
    "eq-contractive-norm",
    formula=nets.Contractive.backward,
    wrong={
        "the slopes not squared": contractive_mistake("np.sum(slope**2, axis=0)", "np.sum(slope, axis=0)"),
        "the square of the sum": contractive_mistake("np.sum(W1 * W1, axis=1)", "np.sum(W1, axis=1) ** 2"),
        "a sum times a sum": contractive_mistake("np.sum(squares * size, ", "np.sum(squares) * np.sum(size, "),
    },
    method="finite differences",
)
def contractive_norm(formula, rng):
    """What the loss has more with lam = 1 than with 0, against the squares of all derivatives of the code, added up."""
    params, x = contractive(rng)
    with_it, without = (contract(params, x[np.newaxis], lam, formula)[0] for lam in (1.0, 0.0))
    return error(with_it - without, code_derivatives(params.W1, params.b1, x))


def penalty(W1, b1, x):
    a = sigmoid_codes(W1, b1, x)
    return sum((v * (1 - v)) ** 2 * sum(w * w for w in row) for v, row in zip(a, W1, strict=True))


@verifies(
    "eq-contractive-delta",
    formula=nets.Contractive.backward,
    wrong={
        "the 2 is missing": contractive_mistake("2 * self.lam * slope**2 * (", "self.lam * slope**2 * ("),
        "1 - a for 1 - 2a": contractive_mistake("(codes.rest - codes.A) * size", "codes.rest * size"),
        "one slope for two": contractive_mistake("self.lam * slope**2 * (codes", "self.lam * slope * (codes"),
    },
    method="finite differences",
)
def contractive_delta(formula, rng):
    """What the deltas have more with lam = 0.7 than with 0, against nudging the bias in the penalty."""
    params, x = contractive(rng)
    with_it, without = (contract(params, x[np.newaxis], lam, formula)[1].b1 for lam in (0.7, 0.0))
    return error(with_it - without, slopes(lambda c: 0.7 * penalty(params.W1, c, x), params.b1))


@verifies(
    "eq-contractive-gradient",
    formula=nets.Contractive.backward,
    wrong={
        "without the penalty": contractive_mistake("2 * self.lam * ", "0 * self.lam * "),
        "half the penalty": contractive_mistake("2 * self.lam * ", "self.lam * "),
        "the slope once": contractive_mistake("np.sum(slope**2, axis=0)", "np.sum(slope, axis=0)"),
        "the penalty's sign": contractive_mistake("2 * self.lam * ", "-2 * self.lam * "),
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

    found = contract(params, X, 0.7, formula)[1]
    return max(
        error(found.W1 / len(X), slopes(lambda W1: cost(W1, params.b1), params.W1)),
        error(found.b1 / len(X), slopes(lambda b1: cost(params.W1, b1), params.b1)),
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


def classifier_mistake(wrong):
    """Return the library's backward pass of a classifier with another delta."""
    return backward.changed(stacks.Classifier(()), ("delta = softmax(Z) - target", f"delta = {wrong}"))


@verifies(
    "eq-softmax-delta",
    formula=stacks.Classifier.backward,
    wrong={
        "the sign": classifier_mistake("target - softmax(Z)"),
        "a slope too many": classifier_mistake("(softmax(Z) - target) * softmax(Z) * (1 - softmax(Z))"),
        "the probabilities alone": classifier_mistake("softmax(Z)"),
    },
    method="finite differences",
)
def softmax_delta(formula, rng):
    """The gradient of the last biases of one example, against nudging the scores in -log p, in 30 digits."""
    z, t, net = rng.normal(size=4), np.eye(4)[[2]], stacks.Classifier(())
    params, X = stacks.Stack((Layer(np.zeros((4, 1)), z),)), np.zeros((1, 1))
    found = formula(net, params, X, t, net.encode(params, X), None)[1].layers[0].b
    return error(found, slopes(lambda v: mp.log(sum(mp.exp(u) for u in v)) - v[2], z))
