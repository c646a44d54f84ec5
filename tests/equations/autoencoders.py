"""The checks of the equations of the chapter "Autoencoders"."""

import functools
import itertools
import math
from fractions import Fraction

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
from mpmath import mp
from sklearn.metrics import mean_squared_error
from sklearn.neural_network import MLPRegressor

import saelib
from tests import reference
from tests.equations import (
    cost_of_all,
    error,
    f,
    mistakes,
    network,
    verifies,
)

SIGMOIDS = ("tanh", "sigmoid_sign", "sigmoid_without_one", "sigmoid_precedence", "slope_for_sigmoid")
# What one example does not show.
OF_SEVERAL = ("samples_summed", "error_first", "error_last", "error_times_m", "error_largest", "error_median")

# --- the forward pass -------------------------------------------------------------------------------------------------


@verifies(
    "eq-z2",
    formula=saelib.forward,
    wrong=mistakes("forward", "b1_missing", "b1_of_samples", "W1_untransposed", "W1_first", "order"),
    method="index loops",
)
def pre_activations_of_the_hidden_layer(formula, rng):
    """The batch in matrix form, against the sum over i for each example and each hidden unit by itself."""
    params, X = network(rng)
    W1, b1, _, _ = params
    Z2, _, _, _ = formula(params, X)
    expected = [[sum(W1[j, i] * x[i] for i in range(4)) + b1[j] for j in range(3)] for x in X]
    return error(Z2, expected)


@verifies(
    "eq-a2",
    formula=saelib.forward,
    wrong=mistakes("forward", "hidden_linear", *SIGMOIDS, "order", "order_by_kind"),
    method="high precision",
)
def activations_of_the_hidden_layer(formula, rng):
    """The hidden activations of a batch, against mpmath's sigmoid of sums taken one by one."""
    params, X = network(rng)
    _, A2, _, _ = formula(params, X)
    expected = [reference.feedforward(params, x, "sigmoid", mp)[0] for x in X]
    return error(A2, expected)


@verifies(
    "eq-z3",
    formula=saelib.forward,
    wrong=mistakes("forward", "b2_missing", "W2_untransposed", "Z3_from_Z2", "order"),
    method="index loops",
)
def pre_activations_of_the_output_layer(formula, rng):
    """The batch in matrix form, against the sum over j for each example and each output unit by itself."""
    params, X = network(rng)
    _, _, W2, b2 = params
    _, _, Z3, _ = formula(params, X)
    A2 = [reference.feedforward(params, x, "sigmoid")[0] for x in X]
    expected = [[sum(W2[k, j] * a2[j] for j in range(3)) + b2[k] for k in range(4)] for a2 in A2]
    return error(Z3, expected)


@verifies(
    "eq-a3",
    formula=saelib.forward,
    wrong=mistakes("forward", "output_linear", *SIGMOIDS, "order"),
    method="independent library",
)
def output_of_the_network(formula, rng):
    """What the network makes of a batch, against scikit-learn's neural network with the same weights."""
    params, X = network(rng)
    _, _, _, A3 = formula(params, X)
    model = MLPRegressor(activation="logistic")
    model.n_layers_, model.out_activation_ = 3, "logistic"
    model.coefs_, model.intercepts_ = [params.W1.T, params.W2.T], [params.b1, params.b2]
    return error(A3, model.predict(X))


@verifies(
    "eq-sigmoid",
    formula=saelib.sigmoid,
    wrong={
        "the sign in the exponent": lambda z: 1 / (1 + np.exp(z)),
        "the 1 in the denominator is missing": lambda z: 1 / np.exp(-z),
        "tanh": np.tanh,
        "2 instead of 1 in the numerator": lambda z: 2 / (1 + np.exp(-z)),
        "it is 0 below -30": lambda z: np.where(z < -30, 0, saelib.sigmoid(z)),
    },
    method="high precision",
)
def sigmoid_has_all_its_digits(formula, rng):
    """The ratio to mpmath's value in 30 digits, at random z and far out, where the sigmoid is 1e-300."""
    z = np.concatenate([[-690, -40, 0, 40, 690], rng.normal(scale=10, size=50)])
    with mp.workdps(30):
        expected = [f(mp.mpf(z_i)) for z_i in z]
    return error([a / b for a, b in zip(formula(z), expected, strict=True)], np.ones(55))


# --- the cost ---------------------------------------------------------------------------------------------------------


def for_one(cost):
    """A cost of a batch, for the vectors of a single example."""
    return lambda a3, x: cost(a3[np.newaxis], x[np.newaxis])


@verifies(
    "eq-cost-one",
    formula=lambda a3, x: 0.5 * np.sum((a3 - x) ** 2),
    wrong=mistakes("reconstruction_error", adapt=for_one, but=OF_SEVERAL),
    method="index loops",
)
def cost_of_one_example_is_half_the_squared_distance(formula, rng):
    """Half the squared distance, against exact fractions added up one output at a time."""
    a3, x = rng.integers(0, 17, (2, 6)) / 16
    expected = Fraction(0)
    for a_k, x_k in zip(a3, x, strict=True):
        expected += (Fraction(a_k) - Fraction(x_k)) ** 2 / 2
    return error(formula(a3, x), float(expected))


@verifies(
    "eq-reconstruction",
    formula=saelib.reconstruction_error,
    wrong=mistakes("reconstruction_error")
    | {"m - 1 instead of m": lambda A3, X: np.sum((A3 - X) ** 2) / (2 * len(X) - 2)},
    method="independent library",
)
def reconstruction_error_is_half_the_mean_squared_distance(formula, rng):
    """Against scikit-learn's mean squared error, which is a mean over the outputs too and has no half."""
    A3, X = rng.uniform(0, 1, (2, 7, 4))
    return error(formula(A3, X), mean_squared_error(X, A3) * 4 / 2)


@verifies(
    "eq-weight-decay",
    formula=saelib.weight_decay,
    wrong=mistakes("weight_decay"),
    method="index loops",
)
def weight_decay_adds_up_the_squared_weights(formula, rng):
    """Against a loop over all weights, which leaves out the biases; they are not zero here."""
    params, lam = network(rng)[0], rng.uniform(0.1, 1)
    first = sum(params.W1[j, i] ** 2 for j in range(3) for i in range(4))
    second = sum(params.W2[k, j] ** 2 for k in range(4) for j in range(3))
    return error(formula(params, lam), lam * (first + second) / 2)


def cost_and_decay(params, X, lam):
    """The cost of a plain autoencoder: the library's two terms."""
    return saelib.reconstruction_error(saelib.forward(params, X).A3, X) + saelib.weight_decay(params, lam)


@verifies(
    "eq-cost",
    formula=cost_and_decay,
    wrong={
        "the decay is missing": lambda p, X, lam: cost_and_decay(p, X, 0),
        "the decay is subtracted": lambda p, X, lam: 2 * cost_and_decay(p, X, 0) - cost_and_decay(p, X, lam),
        "the decay is divided by m": lambda p, X, lam: cost_and_decay(p, X, lam / len(X)),
        "the decay once for each example": lambda p, X, lam: cost_and_decay(p, X, lam * len(X)),
    },
    method="high precision",
)
def cost_is_error_and_decay(formula, rng):
    """The sum of the two terms, against the whole cost computed by mpmath, one example and one weight at a time."""
    (params, X), lam = network(rng), rng.uniform(0.1, 1)
    return error(formula(params, X, lam), cost_of_all(params, X, lam=lam))


def cross_entropy(a3, x):
    """The cross entropy of one example, as on the page."""
    return -np.sum(x * np.log(a3) + (1 - x) * np.log(1 - a3))


@verifies(
    "eq-cross-entropy",
    formula=cross_entropy,
    wrong={
        "the sign": lambda a3, x: -cross_entropy(a3, x),
        "the second term is missing": lambda a3, x: -np.sum(x * np.log(a3)),
        "the logarithm to base 2": lambda a3, x: cross_entropy(a3, x) / np.log(2),
        "output and target are swapped": lambda a3, x: cross_entropy(x, a3),
        "the mean over the outputs": lambda a3, x: cross_entropy(a3, x) / len(x),
    },
    method="independent library",
)
def cross_entropy_is_entropy_and_divergence(formula, rng):
    """The entropy of the targets' coins and their divergence from the outputs' coins, both by SciPy, added up."""
    a3, x = rng.uniform(0.01, 0.99, (2, 6))
    coins, beliefs = np.array([x, 1 - x]), np.array([a3, 1 - a3])
    return error(formula(a3, x), np.sum(scipy.stats.entropy(coins) + scipy.stats.entropy(coins, beliefs)))


@verifies(
    "eq-cross-entropy-floor",
    formula=lambda x: -np.sum(x * np.log(x) + (1 - x) * np.log(1 - x)),
    wrong={
        "the sign": lambda x: np.sum(x * np.log(x) + (1 - x) * np.log(1 - x)),
        "it is zero": lambda x: 0.0,
        "the second term is missing": lambda x: -np.sum(x * np.log(x)),
        "x and 1 - x are swapped in the logarithms": lambda x: -np.sum(x * np.log(1 - x) + (1 - x) * np.log(x)),
        "the mean over the outputs": lambda x: -np.mean(x * np.log(x) + (1 - x) * np.log(1 - x)),
    },
    method="independent library",
)
def cross_entropy_does_not_fall_below_the_entropy(formula, rng):
    """The entropy, against the least cross entropy that SciPy's minimizer finds, for each pixel by itself."""
    x = rng.uniform(0.05, 0.95, 6)
    least = [
        scipy.optimize.minimize_scalar(
            lambda a, t=t: -t * math.log(a) - (1 - t) * math.log1p(-a), bounds=(1e-3, 1 - 1e-3), method="bounded"
        ).fun
        for t in x
    ]
    return error(formula(x), math.fsum(least))


@functools.wraps(saelib.forward)
def linear_output(params, X):
    """Pre-activations and activations of the output layer, where it is linear."""
    cache = saelib.forward(params, X, output="linear")
    return np.concatenate([cache.Z3, cache.A3])


def linear_output_but(change):
    return lambda params, X: change(saelib.forward(params, X, output="linear"), saelib.forward(params, X))


@verifies(
    "eq-linear-output",
    formula=linear_output,
    wrong={
        "the sigmoid all the same": linear_output_but(lambda linear, plain: np.concatenate([plain.Z3, plain.A3])),
        "the sigmoid's tangent at 0": linear_output_but(
            lambda linear, plain: np.concatenate([linear.Z3, 0.5 + linear.Z3 / 4])
        ),
        "no negative values": linear_output_but(
            lambda linear, plain: np.concatenate([linear.Z3, np.maximum(linear.Z3, 0)])
        ),
        "it ends at 1": linear_output_but(lambda linear, plain: np.concatenate([linear.Z3, np.minimum(linear.Z3, 1)])),
    },
    method="independent library",
)
def linear_output_is_the_weighted_sum(formula, rng):
    """What comes out, twice, against scikit-learn's network with an identity at its output."""
    params, X = network(rng)
    model = MLPRegressor(activation="logistic")
    model.n_layers_, model.out_activation_ = 3, "identity"
    model.coefs_, model.intercepts_ = [params.W1.T, params.W2.T], [params.b1, params.b2]
    return error(formula(params, X), np.tile(model.predict(X), (2, 1)))


def decoder_after_encoder(params, x):
    """The two functions of the page, one after the other."""
    W1, b1, W2, b2 = params
    return saelib.sigmoid(W2 @ saelib.sigmoid(W1 @ x + b1) + b2)


@verifies(
    "eq-encoder-decoder",
    formula=decoder_after_encoder,
    wrong={
        "the decoder comes first": lambda p, x: saelib.sigmoid(p.W1 @ saelib.sigmoid(p.W2 @ x[:3] + p.b2) + p.b1),
        "the encoder is linear": lambda p, x: saelib.sigmoid(p.W2 @ (p.W1 @ x + p.b1) + p.b2),
        "the decoder is linear": lambda p, x: p.W2 @ saelib.sigmoid(p.W1 @ x + p.b1) + p.b2,
        "the bias outside of f": lambda p, x: saelib.sigmoid(p.W2 @ (saelib.sigmoid(p.W1 @ x) + p.b1) + p.b2),
        "the decoder sees the input too": lambda p, x: decoder_after_encoder(p, x) + x,
    },
    method="high precision",
)
def autoencoder_is_decoder_after_encoder(formula, rng):
    """The matrix form, against sums over all indices in mpmath's digits."""
    params, X = network(rng)
    return max(error(formula(params, x), reference.feedforward(params, x, "sigmoid", mp)[1]) for x in X)


@verifies(
    "eq-parameter-count",
    formula=lambda n, s2: 2 * n * s2 + s2 + n,
    wrong={
        "no biases": lambda n, s2: 2 * n * s2,
        "one weight matrix": lambda n, s2: n * s2 + s2 + n,
        "the biases of the output are missing": lambda n, s2: 2 * n * s2 + s2,
        "as many biases at the output as hidden units": lambda n, s2: 2 * n * s2 + 2 * s2,
    },
    method="known values",
)
def parameters_are_counted(formula, rng):
    """Against the number of entries that a packed network of that size has, for many sizes."""
    sizes = [(n, s2) for n in (1, 3, 64, 100) for s2 in (1, 5, 50, 196)]
    packed = [saelib.pack(saelib.init_params(n, s2, rng)).size for n, s2 in sizes]
    return error([formula(n, s2) for n, s2 in sizes], packed)


def cost_of_constant(c, X):
    """The right side of the decomposition: what is lost by c not being the mean, and half the variance."""
    return 0.5 * np.sum((c - X.mean(axis=0)) ** 2) + 0.5 * np.mean(np.sum((X.mean(axis=0) - X) ** 2, axis=1))


@verifies(
    "eq-mean-image",
    formula=cost_of_constant,
    wrong={
        "without the distance to the mean": lambda c, X: 0.5 * np.sum(np.var(X, axis=0)),
        "without the variance": lambda c, X: 0.5 * np.sum((c - X.mean(axis=0)) ** 2),
        "the median instead of the mean": lambda c, X: cost_of_constant(c - np.median(X, axis=0) + X.mean(axis=0), X),
        "no half at the variance": lambda c, X: cost_of_constant(c, X) + 0.5 * np.sum(np.var(X, axis=0)),
        "m - 1 in the variance": lambda c, X: 0.5 * np.sum((c - X.mean(axis=0)) ** 2 + np.var(X, axis=0, ddof=1)),
    },
    method="index loops",
)
def constant_answer_costs_its_distance_and_the_variance(formula, rng):
    """The sum of the two parts, against the cost of the same answer to everything, added up entry by entry."""
    X, c = rng.normal(size=(7, 4)), rng.normal(size=4)
    total = 0.0
    for x in X:
        for k in range(4):
            total += (c[k] - x[k]) ** 2 / 2
    return error(formula(c, X), total / 7)


@verifies(
    "eq-mse",
    formula=lambda A3, X: 2 / X.shape[1] * saelib.reconstruction_error(A3, X),
    wrong={
        "no factor": lambda A3, X: saelib.reconstruction_error(A3, X),
        "the 2 is missing": lambda A3, X: saelib.reconstruction_error(A3, X) / X.shape[1],
        "half instead of double": lambda A3, X: saelib.reconstruction_error(A3, X) / (2 * X.shape[1]),
        "divided by m once more": lambda A3, X: 2 / len(X) * saelib.reconstruction_error(A3, X),
        "upside down": lambda A3, X: X.shape[1] / 2 * saelib.reconstruction_error(A3, X),
    },
    method="index loops",
)
def mean_squared_error_is_an_average_over_the_outputs_too(formula, rng):
    """The library's error times 2 / s3, against the mean of all squares, one at a time as exact fractions."""
    A3, X = rng.integers(0, 17, (2, 7, 4)) / 16
    squares = [(Fraction(a) - Fraction(x)) ** 2 for a, x in zip(A3.flat, X.flat, strict=True)]
    return error(formula(A3, X), float(sum(squares) / 28))


@verifies(
    "eq-identity-net",
    formula=lambda epsilon, x: 4 / epsilon * (saelib.sigmoid(epsilon * x) - 0.5),
    wrong={
        "without undoing the slope": lambda epsilon, x: (saelib.sigmoid(epsilon * x) - 0.5) / epsilon,
        "without the bias": lambda epsilon, x: 4 / epsilon * saelib.sigmoid(epsilon * x),
        "the slope of tanh": lambda epsilon, x: 1 / epsilon * (2 * saelib.sigmoid(epsilon * x) - 1),
        "epsilon for 1 / epsilon": lambda epsilon, x: 4 * epsilon * (saelib.sigmoid(epsilon * x) - 0.5),
    },
    method="high precision",
)
def identity_made_by_hand(formula, rng):
    """The same curve as 2/epsilon tanh(epsilon x / 2), in mpmath's digits; and a network with these weights."""
    errors = []
    for epsilon in (1.0, 0.1):
        x = rng.uniform(-1, 1, 5)
        expected = [2 / mp.mpf(epsilon) * mp.tanh(mp.mpf(epsilon) * mp.mpf(t) / 2) for t in x]
        I = np.eye(5)
        net = saelib.Params(epsilon * I, np.zeros(5), 4 / epsilon * I, np.full(5, -2 / epsilon))
        errors.append(error(formula(epsilon, x), expected))
        errors.append(error(saelib.forward(net, x[np.newaxis], output="linear").A3[0], expected))
    return max(errors)


@verifies(
    "eq-identity-bound",
    formula=lambda epsilon, x: epsilon**2 / 12 * abs(x) ** 3,
    wrong={
        "24 instead of 12": lambda epsilon, x: epsilon**2 / 24 * abs(x) ** 3,
        "6 instead of 12": lambda epsilon, x: epsilon**2 / 6 * abs(x) ** 3,
        "linear in epsilon": lambda epsilon, x: epsilon / 12 * abs(x) ** 3,
        "the square of x": lambda epsilon, x: epsilon**2 / 12 * x**2,
        "the fourth power of x": lambda epsilon, x: epsilon**2 / 12 * x**4,
    },
    method="high precision",
)
def identity_is_missed_by_less_than_the_bound(formula, rng):
    """Held at every point of a grid, and approached as epsilon goes to 0: the ratio of error and bound is then 1."""
    with mp.workdps(60):
        excess, ratios = [], []
        for x in rng.uniform(-1, 1, 10):
            for epsilon in (3, 1, 0.1, mp.mpf("1e-12")):
                h = 4 / mp.mpf(epsilon) * (f(mp.mpf(epsilon) * mp.mpf(x)) - mp.mpf(1) / 2)
                bound = formula(mp.mpf(epsilon), mp.mpf(x))
                excess.append(max(0, abs(h - x) - bound))
            ratios.append(abs(h - x) / bound)
        return max(error(excess, np.zeros(40)), error(ratios, np.ones(10)))


def numbers_of_patterns(s2, q):
    return s2, math.comb(s2, q), 2**s2


@verifies(
    "eq-code-count",
    formula=numbers_of_patterns,
    wrong={
        "an order among the active units": lambda s2, q: (s2, math.perm(s2, q), 2**s2),
        "the square instead of the power": lambda s2, q: (s2, math.comb(s2, q), s2**2),
        "silence does not count": lambda s2, q: (s2, math.comb(s2, q), 2**s2 - 1),
        "up to q at a time": lambda s2, q: (s2, sum(math.comb(s2, k) for k in range(q + 1)), 2**s2),
        "two things for each unit": lambda s2, q: (2 * s2, math.comb(s2, q), 2**s2),
    },
    method="index loops",
)
def patterns_are_counted(formula, rng):
    """Against writing out all patterns of up to nine units and counting those with one, with q and with any active."""
    errors = []
    for s2 in range(1, 10):
        active = [sum(pattern) for pattern in itertools.product((0, 1), repeat=s2)]
        for q in range(1, s2 + 1):
            errors.append(error(formula(s2, q), (active.count(1), active.count(q), len(active))))
    return max(errors)


@verifies(
    "eq-break-even",
    formula=lambda n, s2: n * (s2 + 1) / (n - s2),
    wrong={
        "the biases are left out": lambda n, s2: n * s2 / (n - s2),
        "the encoder is stored as well": lambda n, s2: (2 * n * s2 + n + s2) / (n - s2),
        "the codes are free": lambda n, s2: s2 + 1,
        "n + s2 below": lambda n, s2: n * (s2 + 1) / (n + s2),
    },
    method="known values",
)
def codes_pay_from_here_on(formula, rng):
    """At this m both ways need the same number of numbers: a line through two counts, as exact fractions."""
    errors = []
    for n, s2 in ((100, 50), (64, 16), (784, 196), (5, 4)):
        gain = [m * n - m * s2 - s2 * n - n for m in (0, 1)]  # numbers saved by storing codes, for 0 and 1 images
        errors.append(error(formula(n, s2), float(Fraction(-gain[0], gain[1] - gain[0]))))
    return max(errors)


@verifies(
    "eq-noise-floor",
    formula=lambda n, k: 1 - k / n,
    wrong={
        "what is kept": lambda n, k: k / n,
        "amplitudes instead of variances": lambda n, k: math.sqrt(1 - k / n),
        "its square": lambda n, k: (1 - k / n) ** 2,
        "k + 1 numbers": lambda n, k: 1 - (k + 1) / n,
    },
    method="independent library",
)
def noise_loses_the_same_in_every_subspace(formula, rng):
    """Against the exact expectation, the trace of (I - P) C (I - P), for random subspaces and C a multiple of I."""
    errors = []
    for n, k in ((4, 1), (10, 5), (20, 17)):
        basis = scipy.linalg.orth(rng.normal(size=(n, k)))
        rest = np.eye(n) - basis @ basis.T
        covariance = rng.uniform(0.5, 2) * np.eye(n)
        errors.append(error(formula(n, k), np.trace(rest @ covariance @ rest) / np.trace(covariance)))
    return max(errors)
