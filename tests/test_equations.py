"""Every numbered equation of the book is checked here, and every check is checked: it must notice a wrong formula.

A check gets the formula, as the library or the page has it, and random numbers.  It computes the same thing in another
way and returns the largest error.  `tests/equations.py` says how checks are registered, and what they share.
"""

import cmath
import functools
import importlib
import inspect
import itertools
import json
import math
import re
import statistics
from fractions import Fraction

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
import sympy
from mpmath import mp
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.neural_network import MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

import saelib
from saelib import datasets, metrics, pca, sparse_coding
from saelib.book import tutor
from tests import reference
from tests.equations import (
    CHECKS,
    ROOT,
    cost_of_all,
    cost_of_one,
    error,
    example,
    f,
    labels_in,
    labels_of,
    labels_on,
    library_function,
    measure,
    mistakes,
    network,
    notices,
    numbered_otherwise,
    pages,
    record,
    references_on,
    slopes,
    slopes_by,
    verifies,
)

# --- chapter "Autoencoders": the forward pass --------------------------------------------------------------------


@verifies(
    "eq-z2",
    formula=saelib.forward,
    wrong=mistakes("forward", "b1_missing", "W1_untransposed", "W1_first", "order"),
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
    wrong=mistakes("forward", "hidden_linear", "tanh", "sigmoid_sign", "slope_for_sigmoid", "order"),
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
    wrong=mistakes("forward", "output_linear", "tanh", "sigmoid_sign", "slope_for_sigmoid", "order"),
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


# --- chapter "Autoencoders": the cost ----------------------------------------------------------------------------


def for_one(cost):
    """A cost of a batch, for the vectors of a single example."""
    return lambda a3, x: cost(a3[np.newaxis], x[np.newaxis])


@verifies(
    "eq-cost-one",
    formula=lambda a3, x: 0.5 * np.sum((a3 - x) ** 2),
    wrong=mistakes("reconstruction_error", adapt=for_one, but=("samples_summed",)),
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


# --- chapter "Linear autoencoders and PCA" -----------------------------------------------------------------------


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


# --- chapter "Backpropagation, every step": the deltas -----------------------------------------------------------


@verifies(
    "eq-central-difference",
    formula=saelib.numerical_gradient,
    wrong=mistakes("numerical_gradient"),
    method="known values",
)
def central_difference_of_an_exponential(formula, rng):
    """For exp(w) the quotient is exp(w) sinh(epsilon) / epsilon, exactly, for any epsilon; here it is 0.1."""
    w, epsilon = rng.normal(size=5), 0.1
    found = formula(lambda w: np.sum(np.exp(w)), w, epsilon)
    return error(found, np.exp(w) * np.sinh(epsilon) / epsilon)


@verifies(
    "eq-delta-definition",
    formula=slopes,
    wrong={
        "the sign": lambda J, z: -slopes(J, z),
        "the derivative by the activation": lambda J, z: slopes(J, z) / saelib.sigmoid_slope(z),
        "divided by the number of units": lambda J, z: slopes(J, z) / len(z),
        "the sum over the layer": lambda J, z: np.full(len(z), sum(slopes(J, z))),
    },
    method="symbolic",
)
def delta_is_the_slope_by_a_pre_activation(formula, rng):
    """Difference quotients by the pre-activations of either layer, against SymPy's derivatives of the cost."""
    e, errors = example(rng), []

    def J3(z3, exp=mp.exp):
        return sum((1 / (1 + exp(-z)) - x) ** 2 for z, x in zip(z3, e.x, strict=True)) / 2

    def J2(z2, exp=mp.exp):
        return J3(e.W2 @ [1 / (1 + exp(-z)) for z in z2] + e.b2, exp)

    for J, z in ((J2, e.z2), (J3, e.z3)):
        symbols = sympy.symbols(f"z:{len(z)}")
        at = dict(zip(symbols, z, strict=True))
        expected = [sympy.diff(J(symbols, sympy.exp), symbol).subs(at) for symbol in symbols]
        errors.append(error(formula(J, z), expected))
    return max(errors)


@verifies(
    "eq-delta3",
    formula=saelib.output_delta,
    wrong=mistakes("delta3", adapt=lambda delta3: lambda cache, X: delta3(cache.A3, X))
    | {"f' of z instead of a": lambda cache, X: (cache.A3 - X) * cache.Z3 * (1 - cache.Z3)},
    method="finite differences",
)
def delta3_is_the_slope_at_the_output(formula, rng):
    """The deltas of a batch, against central differences of each example's cost by its output pre-activations."""
    params, X = network(rng)
    cache = saelib.forward(params, X)

    def J(Z3):
        return sum((f(z) - x) ** 2 for z, x in zip(Z3.flat, X.flat, strict=True)) / 2

    return error(formula(cache, X), slopes(J, cache.Z3))


@verifies(
    "eq-delta3-linear",
    formula=saelib.output_delta,
    wrong={
        "the sign": lambda cache, X, output: X - cache.A3,
        "a factor f' all the same": lambda cache, X, output: (cache.A3 - X) * saelib.sigmoid_slope(cache.Z3),
        "a(1 - a) all the same": lambda cache, X, output: (cache.A3 - X) * cache.A3 * (1 - cache.A3),
        "1/m in the delta": lambda cache, X, output: (cache.A3 - X) / len(X),
    },
    method="finite differences",
)
def delta3_of_a_linear_output(formula, rng):
    """The deltas of a batch, against central differences of each example's cost, where a = z at the output."""
    params, X = network(rng)
    cache = saelib.forward(params, X, output="linear")

    def J(Z3):
        return sum((z - x) ** 2 for z, x in zip(Z3.flat, X.flat, strict=True)) / 2

    return error(formula(cache, X, output="linear"), slopes(J, cache.Z3))


@verifies(
    "eq-sigmoid-prime",
    formula=saelib.sigmoid_prime,
    wrong={
        "the sign inside": lambda a: a * (1 + a),
        "the first factor is missing": lambda a: 1 - a,
        "the second factor is missing": lambda a: a,
        "a square": lambda a: 1 - a**2,
        "f' of z instead of a": lambda a: np.log(a / (1 - a)) * (1 - np.log(a / (1 - a))),
    },
    method="symbolic",
)
def sigmoid_prime_is_its_derivative(formula, rng):
    """a(1 - a) at a = f(z), against SymPy's derivative of 1 / (1 + exp(-z)) by z."""
    z = sympy.Symbol("z")
    derivative = sympy.lambdify(z, sympy.diff(1 / (1 + sympy.exp(-z)), z))
    at = rng.normal(scale=3, size=50)
    return error(formula(scipy.special.expit(at)), derivative(at))


# --- the derivatives by weights and biases, for one example -----------------------------------------------------


@verifies(
    "eq-dW2",
    formula=lambda e: [[e.delta3[k] * e.a2[j] for j in range(3)] for k in range(4)],
    wrong={
        "the indices are swapped": lambda e: [[e.delta3[k] * e.a2[j] for k in range(4)] for j in range(3)],
        "z instead of a": lambda e: [[e.delta3[k] * e.z2[j] for j in range(3)] for k in range(4)],
        "the input instead of a": lambda e: [[e.delta3[k] * e.x[j] for j in range(3)] for k in range(4)],
        "no delta, only the error": lambda e: [[(e.a3[k] - e.x[k]) * e.a2[j] for j in range(3)] for k in range(4)],
        "the sign": lambda e: [[-e.delta3[k] * e.a2[j] for j in range(3)] for k in range(4)],
    },
    method="finite differences",
)
def slope_by_a_weight_into_an_output_unit(formula, rng):
    """Delta times activation, against nudging each weight of the second layer and running the whole network."""
    e = example(rng)
    return error(formula(e), slopes(lambda W2: cost_of_one(e._replace(W2=W2)), e.W2))


@verifies(
    "eq-db2",
    formula=lambda e: e.delta3,
    wrong={
        "the sign": lambda e: -e.delta3,
        "no delta, only the error": lambda e: e.a3 - e.x,
        "the bias as a weight decays": lambda e: e.delta3 + 0.1 * e.b2,
        "times the output": lambda e: e.delta3 * e.a3,
    },
    method="finite differences",
)
def slope_by_the_bias_of_an_output_unit(formula, rng):
    """Delta alone, against nudging each bias of the output layer."""
    e = example(rng)
    return error(formula(e), slopes(lambda b2: cost_of_one(e._replace(b2=b2)), e.b2))


@verifies(
    "eq-dW1",
    formula=lambda e: [[e.delta2[j] * e.x[i] for i in range(4)] for j in range(3)],
    wrong={
        "the indices are swapped": lambda e: [[e.delta2[j] * e.x[i] for j in range(3)] for i in range(4)],
        "the delta of the output": lambda e: [[e.delta3[j] * e.x[i] for i in range(4)] for j in range(3)],
        "the hidden activation instead of x": lambda e: [[e.delta2[j] * e.a2[j] for i in range(4)] for j in range(3)],
        "the reconstruction instead of x": lambda e: [[e.delta2[j] * e.a3[i] for i in range(4)] for j in range(3)],
        "the sign": lambda e: [[-e.delta2[j] * e.x[i] for i in range(4)] for j in range(3)],
    },
    method="finite differences",
)
def slope_by_a_weight_into_a_hidden_unit(formula, rng):
    """Delta times input, against nudging each weight of the first layer and running the whole network."""
    e = example(rng)
    return error(formula(e), slopes(lambda W1: cost_of_one(e._replace(W1=W1)), e.W1))


@verifies(
    "eq-db1",
    formula=lambda e: e.delta2,
    wrong={
        "the sign": lambda e: -e.delta2,
        "f' once more": lambda e: e.delta2 * saelib.sigmoid_prime(e.a2),
        "the delta of the output": lambda e: e.delta3[:3],
        "times the activation": lambda e: e.delta2 * e.a2,
    },
    method="finite differences",
)
def slope_by_the_bias_of_a_hidden_unit(formula, rng):
    """Delta alone, against nudging each bias of the hidden layer."""
    e = example(rng)
    return error(formula(e), slopes(lambda b1: cost_of_one(e._replace(b1=b1)), e.b1))


# --- one layer back, and matrices -------------------------------------------------------------------------------


def of_one(hidden_delta):
    """A hidden delta of a batch, for the vectors of a single example."""
    return lambda W2, delta3, a2: hidden_delta(W2, delta3[np.newaxis], a2[np.newaxis])[0]


def delta2_summed(W2, delta3, a2):
    """The sum over k for each hidden unit j, times f', as the page has it."""
    return [sum(W2[k, j] * delta3[k] for k in range(len(delta3))) * a2[j] * (1 - a2[j]) for j in range(len(a2))]


@verifies(
    "eq-delta2-plain",
    formula=delta2_summed,
    wrong=mistakes("hidden_delta", adapt=of_one, but=("delta2_mean",))
    | {"the last output is left out": lambda W2, delta3, a2: delta2_summed(W2[:-1], delta3[:-1], a2)},
    method="finite differences",
)
def delta2_collects_the_deltas_it_feeds(formula, rng):
    """The deltas sent back along the weights, against nudging each hidden unit's pre-activation."""
    e = example(rng)

    def J(z2):
        z3 = e.W2 @ [f(z) for z in z2] + e.b2
        return sum((f(z) - x) ** 2 for z, x in zip(z3, e.x, strict=True)) / 2

    return error(formula(e.W2, e.delta3, e.a2), slopes(J, e.z2))


@verifies(
    "eq-delta2-vector",
    formula=lambda W2, delta3, a2: (W2.T @ delta3) * (a2 * (1 - a2)),
    wrong=mistakes("hidden_delta", adapt=of_one, but=("delta2_mean",))
    | {"the scalar product": lambda W2, delta3, a2: (W2.T @ delta3) @ (a2 * (1 - a2))},
    method="index loops",
)
def delta2_as_a_vector(formula, rng):
    """The matrix product, against loops over k and j, on layers of different sizes."""
    W2, delta3, a2 = rng.normal(size=(5, 3)), rng.normal(size=5), rng.uniform(0.1, 0.9, 3)
    expected = [0.0, 0.0, 0.0]
    for j in range(3):
        for k in range(5):
            expected[j] += W2[k, j] * delta3[k]
        expected[j] *= a2[j] * (1 - a2[j])
    return error(formula(W2, delta3, a2), expected)


@verifies(
    "eq-outer-products",
    formula=lambda delta, a: delta[:, np.newaxis] @ a[np.newaxis, :],
    wrong={
        "row times column, a number": lambda delta, a: delta[np.newaxis, :] @ a[:, np.newaxis],
        "the factors are swapped": lambda delta, a: a[:, np.newaxis] @ delta[np.newaxis, :],
        "a sum instead of a product": lambda delta, a: delta[:, np.newaxis] + a[np.newaxis, :],
        "the sign": lambda delta, a: -np.outer(delta, a),
    },
    method="finite differences",
)
def outer_products_are_the_slopes_by_the_weights(formula, rng):
    """A column times a row for either layer, against nudging every weight of that layer."""
    e = example(rng)
    second = slopes(lambda W2: cost_of_one(e._replace(W2=W2)), e.W2)
    first = slopes(lambda W1: cost_of_one(e._replace(W1=W1)), e.W1)
    return max(error(formula(e.delta3, e.a2), second), error(formula(e.delta2, e.x), first))


def mean_of_outer_products(Delta3, A2):
    """The mean over examples, literally."""
    return sum(np.outer(d, a) for d, a in zip(Delta3, A2, strict=True)) / len(A2)


@verifies(
    "eq-mean-gradient",
    formula=mean_of_outer_products,
    wrong={
        "1/m is missing": lambda Delta3, A2: Delta3.T @ A2,
        "1/m twice": lambda Delta3, A2: Delta3.T @ A2 / len(A2) ** 2,
        "the product of the means": lambda Delta3, A2: np.outer(Delta3.mean(axis=0), A2.mean(axis=0)),
        "the last example is left out": lambda Delta3, A2: Delta3[:-1].T @ A2[:-1] / len(A2),
        "divided by the outputs instead": lambda Delta3, A2: Delta3.T @ A2 / Delta3.shape[1],
    },
    method="finite differences",
)
def gradient_of_a_mean_is_the_mean_of_gradients(formula, rng):
    """The mean of the examples' outer products, against nudging each weight and recomputing the error of the batch."""
    params, X = network(rng)
    cache = saelib.forward(params, X)
    return error(formula(saelib.output_delta(cache, X), cache.A2), slopes_by("W2", params, X))


# --- the gradient of a batch, and the update --------------------------------------------------------------------

SETTINGS = {"lam": 0.3, "rho": 0.2, "beta": 0.7}


@verifies(
    "eq-grad-W2",
    formula=saelib.sparse_gradient,
    wrong=mistakes("sparse_gradient", changing=("W2",)),
    method="finite differences",
)
def gradient_by_the_weights_of_the_output_layer(formula, rng):
    """The library's gradient, against nudging each weight and recomputing the whole cost with loops in 30 digits."""
    params, X = network(rng)
    _, _, dW2, _ = formula(params, X, **SETTINGS)
    return error(dW2, slopes_by("W2", params, X, **SETTINGS))


@verifies(
    "eq-grad-b2",
    formula=saelib.sparse_gradient,
    wrong=mistakes("sparse_gradient", changing=("b2",)),
    method="finite differences",
)
def gradient_by_the_biases_of_the_output_layer(formula, rng):
    """The library's gradient, against nudging each bias and recomputing the whole cost with loops in 30 digits."""
    params, X = network(rng)
    _, _, _, db2 = formula(params, X, **SETTINGS)
    return error(db2, slopes_by("b2", params, X, **SETTINGS))


@verifies(
    "eq-grad-W1",
    formula=saelib.sparse_gradient,
    wrong=mistakes("sparse_gradient", changing=("W1",)),
    method="finite differences",
)
def gradient_by_the_weights_of_the_hidden_layer(formula, rng):
    """The library's gradient, against nudging each weight and recomputing the whole cost with loops in 30 digits."""
    params, X = network(rng)
    dW1, _, _, _ = formula(params, X, **SETTINGS)
    return error(dW1, slopes_by("W1", params, X, **SETTINGS))


@verifies(
    "eq-grad-b1",
    formula=saelib.sparse_gradient,
    wrong=mistakes("sparse_gradient", changing=("b1",)),
    method="finite differences",
)
def gradient_by_the_biases_of_the_hidden_layer(formula, rng):
    """The library's gradient, against nudging each bias and recomputing the whole cost with loops in 30 digits."""
    params, X = network(rng)
    _, db1, _, _ = formula(params, X, **SETTINGS)
    return error(db1, slopes_by("b1", params, X, **SETTINGS))


@verifies(
    "eq-delta3-cross-entropy",
    formula=lambda a3, x: a3 - x,
    wrong={
        "a factor f' all the same": lambda a3, x: (a3 - x) * a3 * (1 - a3),
        "divided by f'": lambda a3, x: (a3 - x) / (a3 * (1 - a3)),
        "the sign": lambda a3, x: x - a3,
        "the first term only": lambda a3, x: -x * (1 - a3),
    },
    method="finite differences",
)
def delta3_of_the_cross_entropy(formula, rng):
    """The plain difference, against central differences of the cross entropy by the output pre-activations."""
    z3, x = rng.normal(size=6), rng.uniform(0, 1, 6)

    def J(z3):
        return -sum(t * mp.log(f(z)) + (1 - t) * mp.log(1 - f(z)) for z, t in zip(z3, x, strict=True))

    return error(formula(scipy.special.expit(z3), x), slopes(J, z3))


@functools.wraps(saelib.gradient_descent)
def after_one_round(params, X, *, alpha, lam):
    """The parameters after one round of `saelib.gradient_descent`."""
    met = []
    saelib.gradient_descent(
        params, X, alpha=alpha, lam=lam, rho=0.5, beta=0, max_iter=1, callback=lambda k, p, J: met.append(p)
    )
    return met[1]


def by_update(update):
    """One round with the tutor's ``update(params, Delta, m, alpha, lam)``, where Delta is a sum over the examples."""

    def one_round(params, X, *, alpha, lam):
        mean, m = saelib.sparse_gradient(params, X, lam=0, rho=0.5, beta=0), len(X)
        return update(params, saelib.Params(*(m * g for g in mean)), m, alpha, lam)

    return one_round


@verifies(
    "eq-update-W",
    formula=after_one_round,
    wrong=mistakes("update", adapt=by_update, changing=("W1", "W2")),
    method="finite differences",
)
def weights_move_against_their_slope(formula, rng):
    """One round of gradient descent, against alpha times the slopes of the decayed cost, found by nudging."""
    (params, X), alpha, lam = network(rng), 0.01, 0.3
    after, errors = formula(params, X, alpha=alpha, lam=lam), []
    for name in ("W1", "W2"):
        step = getattr(after, name) - getattr(params, name)
        errors.append(error(step, -alpha * slopes_by(name, params, X, lam=lam)))
    return max(errors)


@verifies(
    "eq-update-b",
    formula=after_one_round,
    wrong=mistakes("update", adapt=by_update, changing=("b1", "b2")),
    method="finite differences",
)
def biases_move_against_their_slope(formula, rng):
    """One round of gradient descent, against alpha times the slopes of the decayed cost, found by nudging."""
    (params, X), alpha, lam = network(rng), 0.01, 0.3
    after, errors = formula(params, X, alpha=alpha, lam=lam), []
    for name in ("b1", "b2"):
        step = getattr(after, name) - getattr(params, name)
        errors.append(error(step, -alpha * slopes_by(name, params, X, lam=lam)))
    return max(errors)


@verifies(
    "eq-relative-error",
    formula=saelib.relative_error,
    wrong={
        "only one norm below": lambda a, b: np.linalg.norm(a - b) / np.linalg.norm(a),
        "the norm of the sum below": lambda a, b: np.linalg.norm(a - b) / np.linalg.norm(a + b),
        "the sum above": lambda a, b: np.linalg.norm(a + b) / (np.linalg.norm(a) + np.linalg.norm(b)),
        "the squares of the norms": lambda a, b: np.sum((a - b) ** 2) / (np.sum(a**2) + np.sum(b**2)),
        "the largest entries": lambda a, b: np.max(np.abs(a - b)) / (np.max(np.abs(a)) + np.max(np.abs(b))),
        "the error itself": lambda a, b: np.linalg.norm(a - b),
    },
    method="high precision",
)
def relative_error_by_mpmath(formula, rng):
    """Random pairs of every size, against mpmath's norms; and 0 for equal vectors, 1 for opposite ones."""
    errors = []
    for scale in (1e-30, 1e-3, 1, 1e30):
        a, b = scale * rng.normal(size=(2, 7))
        norms = [mp.norm(mp.matrix(v)) for v in (mp.matrix(a) - mp.matrix(b), a, b)]
        errors.append(error(formula(a, b), norms[0] / (norms[1] + norms[2])))
        errors.append(error([formula(a, a), formula(a, -a)], [0, 1]))
    return max(errors)


def gradient_of_tied(W, b1, b2, X):
    """The sum of both layers' gradients, as in the solution of the exercise."""
    gradient = saelib.sparse_gradient(saelib.Params(W, b1, W.T, b2), X, **SETTINGS)
    return gradient.W1 + gradient.W2.T


def gradient_of_tied_but(combine):
    return lambda W, b1, b2, X: combine(saelib.sparse_gradient(saelib.Params(W, b1, W.T, b2), X, **SETTINGS))


@verifies(
    "eq-tied-gradient",
    formula=gradient_of_tied,
    wrong={
        "the encoder's part only": gradient_of_tied_but(lambda g: g.W1),
        "the decoder's part only": gradient_of_tied_but(lambda g: g.W2.T),
        "the mean instead of the sum": gradient_of_tied_but(lambda g: (g.W1 + g.W2.T) / 2),
        "the transpose is forgotten": gradient_of_tied_but(lambda g: g.W1 + g.W2),
        "the difference": gradient_of_tied_but(lambda g: g.W1 - g.W2.T),
    },
    method="finite differences",
)
def gradient_by_weights_in_two_places(formula, rng):
    """The sum of both gradients, against nudging each weight in both places at once."""
    (W, b1, _, b2), X = network(rng)
    expected = slopes(lambda W: cost_of_all((W, b1, W.T, b2), X, **SETTINGS), W)
    return error(formula(W, b1, b2, X), expected)


# --- chapter "Checking and descending" ---------------------------------------------------------------------------


def of_one_weight(rng):
    """A cost along one line in 50 digits, its value there and its first three derivatives, from SymPy."""
    w, (p, q, r) = sympy.Symbol("w"), (sympy.Float(x, 50) for x in rng.uniform(0.5, 2, 3))
    J = (1 / (1 + sympy.exp(p - q / (1 + sympy.exp(-w)))) - r) ** 2 / 2
    at = sympy.Float(rng.normal(), 50)
    derivatives = [mp.mpf(sympy.diff(J, w, k).subs(w, at).evalf(40)) for k in range(4)]
    return sympy.lambdify(w, J, "mpmath"), mp.mpf(at), derivatives


@verifies(
    "eq-one-sided-error",
    formula=lambda epsilon, J1, J2, J3: J1 + epsilon / 2 * J2,
    wrong={
        "no truncation error": lambda epsilon, J1, J2, J3: J1,
        "the half is missing": lambda epsilon, J1, J2, J3: J1 + epsilon * J2,
        "the sign": lambda epsilon, J1, J2, J3: J1 - epsilon / 2 * J2,
        "the third derivative": lambda epsilon, J1, J2, J3: J1 + epsilon / 2 * J3,
    },
    method="high precision",
)
def error_of_a_one_sided_quotient(formula, rng):
    """The quotient in 50 digits with a nudge of 1e-12, against SymPy's derivatives; the difference, in nudges."""
    with mp.workdps(50):
        (J, w, (_, *derivatives)), epsilon = of_one_weight(rng), mp.mpf("1e-12")
        quotient = (J(w + epsilon) - J(w)) / epsilon
        return abs((quotient - formula(epsilon, *derivatives)) / epsilon)


@verifies(
    "eq-central-error",
    formula=lambda epsilon, J1, J2, J3: J1 + epsilon**2 / 6 * J3,
    wrong={
        "no truncation error": lambda epsilon, J1, J2, J3: J1,
        "a half for the sixth": lambda epsilon, J1, J2, J3: J1 + epsilon**2 / 2 * J3,
        "a third for the sixth": lambda epsilon, J1, J2, J3: J1 + epsilon**2 / 3 * J3,
        "the second derivative": lambda epsilon, J1, J2, J3: J1 + epsilon**2 / 6 * J2,
        "the first order": lambda epsilon, J1, J2, J3: J1 + epsilon / 2 * J2,
    },
    method="high precision",
)
def error_of_a_two_sided_quotient(formula, rng):
    """The quotient in 50 digits with a nudge of 1e-8, against SymPy's derivatives; the difference, in its square."""
    with mp.workdps(50):
        (J, w, (_, *derivatives)), epsilon = of_one_weight(rng), mp.mpf("1e-8")
        quotient = (J(w + epsilon) - J(w - epsilon)) / (2 * epsilon)
        return abs((quotient - formula(epsilon, *derivatives)) / epsilon**2)


@verifies(
    "eq-rounding-error",
    formula=lambda J, epsilon: 2.0**-53 * abs(J) / epsilon,
    wrong={
        "half of it": lambda J, epsilon: 2.0**-54 * abs(J) / epsilon,
        "twice of it": lambda J, epsilon: 2.0**-52 * abs(J) / epsilon,
        "not divided by epsilon": lambda J, epsilon: 2.0**-53 * abs(J),
        "not in proportion to J": lambda J, epsilon: 2.0**-53 / epsilon,
    },
    method="property",
    tolerance=0.01,
)
def rounding_two_costs_errs_up_to_the_bound_and_no_further(formula, rng):
    """The largest error that rounding makes in 20,000 quotients of exact fractions near 4, in units of the bound: 1."""
    worst, epsilon = 0, 1e-5
    for above, below in zip(*(4 + rng.uniform(0, 1e-3, (2, 20_000))), strict=True):
        extra = [Fraction(x) / 2**70 for x in rng.uniform(-1, 1, 2)]
        exact = [Fraction(float(above)) + 2**20 * extra[0], Fraction(float(below)) + 2**20 * extra[1]]
        rounded = [Fraction(float(x)) for x in exact]
        lost = (rounded[0] - rounded[1]) - (exact[0] - exact[1])
        worst = max(worst, abs(float(lost)) / (2 * epsilon))
    return abs(worst / formula(4, epsilon) - 1)


@verifies(
    "eq-best-epsilon",
    formula=lambda u, J, J3: np.cbrt(3 * u * abs(J) / abs(J3)),
    wrong={
        "a square root": lambda u, J, J3: np.sqrt(3 * u * abs(J) / abs(J3)),
        "the 3 is missing": lambda u, J, J3: np.cbrt(u * abs(J) / abs(J3)),
        "a 6 for the 3": lambda u, J, J3: np.cbrt(6 * u * abs(J) / abs(J3)),
        "the fraction turned over": lambda u, J, J3: np.cbrt(3 * u * abs(J3) / abs(J)),
    },
    method="independent library",
    tolerance=1e-5,
)
def best_nudge_by_search(formula, rng):
    """The minimum of the sum of both errors, against SciPy's search over the logarithm of the nudge."""
    u, (J, J3) = 2.0**-53, rng.uniform(0.1, 10, 2)

    def total(log_epsilon):
        epsilon = np.exp(log_epsilon)
        return (epsilon**2 / 6 * J3 + u * J / epsilon) * 1e11

    found = scipy.optimize.minimize_scalar(total, bounds=(-25, 0), method="bounded", options={"xatol": 1e-12})
    return error(formula(u, -J, J3), np.exp(found.x))


def slope_along(J, theta, v, epsilon):
    """The difference quotient along a direction."""
    return (J(theta + epsilon * v) - J(theta - epsilon * v)) / (2 * epsilon)


@verifies(
    "eq-directional-check",
    formula=slope_along,
    wrong={
        "the 2 is missing": lambda J, theta, v, epsilon: 2 * slope_along(J, theta, v, epsilon),
        "one-sided": lambda J, theta, v, epsilon: (J(theta + epsilon * v) - J(theta)) / epsilon,
        "divided by the length of v": lambda J, theta, v, epsilon: (
            slope_along(J, theta, v, epsilon) / np.linalg.norm(v)
        ),
        "all nudged alike": lambda J, theta, v, epsilon: slope_along(J, theta, np.ones_like(v), epsilon),
    },
    method="finite differences",
    tolerance=1e-7,
)
def slope_along_a_direction(formula, rng):
    """The quotient of the sparse cost along a random direction, against this times the slopes in 30 digits."""
    params, X = network(rng)
    v = rng.normal(size=saelib.pack(params).size)

    def J(theta):
        return saelib.sparse_cost(saelib.unpack(theta, params), X, **SETTINGS)

    by_name = [slopes_by(name, params, X, **SETTINGS) for name in params._fields]
    expected = v @ np.concatenate([g.ravel() for g in by_name]).astype(float)
    return error(formula(J, saelib.pack(params), v, 1e-5), expected)


def swapped(params, one, other):
    """The parameters with two hidden units exchanged."""
    order = np.arange(params.b1.size)
    order[[one, other]] = other, one
    return saelib.Params(params.W1[order], params.b1[order], params.W2[:, order], params.b2)


def swapped_gradient(params, X, swap=swapped):
    return swap(saelib.sparse_gradient(params, X, **SETTINGS), 0, 2)


@verifies(
    "eq-symmetric-gradient",
    formula=swapped_gradient,
    wrong={
        "not exchanged": lambda params, X: swapped_gradient(params, X, lambda g, i, j: g),
        "other units": lambda params, X: swapped_gradient(params, X, lambda g, i, j: swapped(g, 0, 1)),
        "only the first layer": lambda params, X: swapped_gradient(
            params, X, lambda g, i, j: swapped(g, i, j)._replace(W2=g.W2)
        ),
        "the biases forgotten": lambda params, X: swapped_gradient(
            params, X, lambda g, i, j: swapped(g, i, j)._replace(b1=g.b1)
        ),
    },
    method="finite differences",
)
def gradient_after_an_exchange_of_units(formula, rng):
    """The gradient with two units exchanged, against nudging each weight of the network with these units exchanged."""
    params, X = network(rng)
    there = swapped(params, 0, 2)
    pairs = zip(formula(params, X), params._fields, strict=True)
    return max(error(found, slopes_by(name, there, X, **SETTINGS)) for found, name in pairs)


@verifies(
    "eq-init-variance",
    formula=lambda variance, x: variance * np.sum(x**2),
    wrong={
        "the sum squared": lambda variance, x: variance * np.sum(x) ** 2,
        "a mean for the sum": lambda variance, x: variance * np.mean(x**2),
        "the deviation for the variance": lambda variance, x: np.sqrt(variance) * np.sum(x**2),
        "without the inputs": lambda variance, x: variance * len(x),
    },
    method="known values",
)
def variance_of_a_pre_activation(formula, rng):
    """Over every choice of three weights from four equally likely values, each sum in turn."""
    x, values = rng.normal(size=3), rng.normal(size=4)
    values -= values.mean()
    sums = [sum(w * t for w, t in zip(weights, x, strict=True)) for weights in itertools.product(values, repeat=3)]
    return error(formula(statistics.pvariance(values.tolist()), x), statistics.pvariance(map(float, sums)))


def drawn(r):
    """Parameters drawn uniformly from +-r(s1, s2)."""

    def draw(s1, s2, rng):
        R = r(s1, s2)
        return saelib.Params(rng.uniform(-R, R, (s2, s1)), np.zeros(s2), rng.uniform(-R, R, (s1, s2)), np.zeros(s1))

    return draw


@verifies(
    "eq-init-range",
    formula=saelib.init_params,
    wrong={
        "without the 1": drawn(lambda s1, s2: math.sqrt(6 / (s1 + s2))),
        "6 is not under the root": drawn(lambda s1, s2: 6 / math.sqrt(s1 + s2 + 1)),
        "without the root": drawn(lambda s1, s2: 6 / (s1 + s2 + 1)),
        "3 for 6": drawn(lambda s1, s2: math.sqrt(3 / (s1 + s2 + 1))),
        "the inputs alone": drawn(lambda s1, s2: math.sqrt(6 / (s1 + 1))),
    },
    method="property",
    tolerance=0.01,
)
def first_weights_have_their_range_and_variance(formula, rng):
    """The largest of 60,000 weights squared, times (s1 + s2 + 1), is 6, and their variance 2 / (s1 + s2 + 1)."""
    s1, s2 = 5, 3
    W = np.array([[P.ravel() for P in formula(s1, s2, rng)[::2]] for _ in range(2000)])
    errors = [abs(np.max(np.abs(layer)) ** 2 * (s1 + s2 + 1) - 6) / 6 for layer in (W[:, 0], W[:, 1])]
    return max(*errors, abs(np.var(W) * (s1 + s2 + 1) - 2) / 2)


def bowl(rng, n=4):
    """A random positive definite matrix with its eigenvalues, increasing, and eigenvectors."""
    A = rng.normal(size=(n, n))
    H = A @ A.T + 0.3 * np.eye(n)
    return H, *np.linalg.eigh(H)


@verifies(
    "eq-quadratic-steps",
    formula=lambda c, h, alpha, k: (1 - alpha * h) ** k * c,
    wrong={
        "the sign": lambda c, h, alpha, k: (1 + alpha * h) ** k * c,
        "k times instead of the power": lambda c, h, alpha, k: (1 - k * alpha * h) * c,
        "one step less": lambda c, h, alpha, k: (1 - alpha * h) ** (k - 1) * c,
        "an exponential": lambda c, h, alpha, k: np.exp(-alpha * h * k) * c,
    },
    method="known values",
)
def coordinates_after_some_steps(formula, rng):
    """Seven steps of gradient descent on a random quadratic, walked, and looked at along its eigenvectors."""
    (H, h, Q), least = bowl(rng), rng.normal(size=4)
    theta = begin = rng.normal(size=4)
    for _ in range(7):
        theta = theta - 0.05 * H @ (theta - least)
    return error(formula(Q.T @ (begin - least), h, 0.05, 7), Q.T @ (theta - least))


@verifies(
    "eq-stable-alpha",
    formula=lambda L, mu: 2 / L,
    wrong={
        "1/L": lambda L, mu: 1 / L,
        "2/mu": lambda L, mu: 2 / mu,
        "the best rate": lambda L, mu: 2 / (L + mu),
        "L": lambda L, mu: L,
        "2/sqrt(L)": lambda L, mu: 2 / np.sqrt(L),
    },
    method="property",
)
def limit_of_the_learning_rate(formula, rng):
    """Descents on random quadratics a thousandth below the limit shrink, a thousandth above they grow."""
    failures = 0
    for _ in range(5):
        H, h, _ = bowl(rng)
        limit = formula(h[-1], h[0])
        for alpha, shrinks in ((0.999 * limit, True), (1.001 * limit, False)):
            theta = rng.normal(size=4)
            begin = np.linalg.norm(theta)
            for _ in range(20_000):
                theta = theta - alpha * H @ theta
                if not 1e-6 < np.linalg.norm(theta) < 1e6:
                    break
            failures += (np.linalg.norm(theta) < begin) != shrinks
    return failures


@verifies(
    "eq-best-alpha",
    formula=lambda L, mu: (2 / (L + mu), (L / mu - 1) / (L / mu + 1)),
    wrong={
        "1/L": lambda L, mu: (1 / L, (L / mu - 1) / (L / mu + 1)),
        "the limit": lambda L, mu: (2 / L, (L / mu - 1) / (L / mu + 1)),
        "the rate of momentum": lambda L, mu: (2 / (L + mu), (np.sqrt(L / mu) - 1) / (np.sqrt(L / mu) + 1)),
        "the rate of 1/L": lambda L, mu: (2 / (L + mu), 1 - mu / L),
        "the fraction turned over": lambda L, mu: (2 / (L + mu), (mu / L - 1) / (mu / L + 1)),
    },
    method="independent library",
    tolerance=1e-6,
)
def best_learning_rate_by_search(formula, rng):
    """The learning rate for which the norm of I - alpha H is least, and this norm, against SciPy's search."""
    H, h, _ = bowl(rng)
    found = scipy.optimize.minimize_scalar(
        lambda alpha: np.linalg.norm(np.eye(4) - alpha * H, 2),
        bounds=(0, 4 / h[-1]),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return error(formula(h[-1], h[0]), [found.x, found.fun])


def bound(J, g, alpha, L, factor=lambda alpha, L: alpha * (1 - alpha * L / 2)):
    """The least descent that the theorem promises."""
    return J - factor(alpha, L) * (g @ g)


@verifies(
    "eq-descent-lemma",
    formula=bound,
    wrong={
        "the half is missing": lambda *given: bound(*given, lambda alpha, L: alpha * (1 - alpha * L)),
        "no curvature": lambda *given: bound(*given, lambda alpha, L: alpha),
        "alpha is missing": lambda *given: bound(*given, lambda alpha, L: 1 - alpha * L / 2),
        "the sign": lambda *given: bound(*given, lambda alpha, L: -alpha * (1 - alpha * L / 2)),
    },
    method="property",
)
def every_step_goes_down(formula, rng):
    """Never exceeded on 200 random quadratics, and reached when the gradient is along the steepest direction."""
    worst = 0
    for _ in range(200):
        (H, h, Q), alpha, theta = bowl(rng), rng.uniform(0, 0.3), rng.normal(size=4)
        steepest = Q[:, -1] * rng.normal()
        for at, tight in ((theta, False), (steepest, True)):
            g = H @ at
            after = at - alpha * g
            excess = after @ H @ after / 2 - formula(at @ H @ at / 2, g, alpha, h[-1])
            worst = max(worst, abs(excess) if tight else excess)
    return worst


def heavy_ball(theta, v, g, alpha, gamma):
    """One step of momentum as on the page: the new theta and the new v."""
    v = gamma * v - alpha * g
    return theta + v, v


@verifies(
    "eq-momentum",
    formula=heavy_ball,
    wrong={
        "uphill": lambda theta, v, g, alpha, gamma: heavy_ball(theta, v, -g, alpha, gamma),
        "an average": lambda theta, v, g, alpha, gamma: heavy_ball(theta, v, (1 - gamma) * g, alpha, gamma),
        "no memory": lambda theta, v, g, alpha, gamma: heavy_ball(theta, 0 * v, g, alpha, gamma),
        "the old step is taken": lambda theta, v, g, alpha, gamma: (theta + v, gamma * v - alpha * g),
    },
    method="independent library",
)
def momentum_of_scikit_learn(formula, rng):
    """Five steps with random gradients, against the SGDOptimizer of scikit-learn."""
    theta, gradients = rng.normal(size=6), rng.normal(size=(5, 6))
    peer, v = [theta.copy()], np.zeros(6)
    optimizer = SGDOptimizer(peer, learning_rate_init=0.1, momentum=0.8, nesterov=False)
    for g in gradients:
        theta, v = formula(theta, v, g, 0.1, 0.8)
        optimizer.update_params(peer, [g])
    return error(theta, peer[0])


@verifies(
    "eq-momentum-rate",
    formula=lambda L, mu: (
        (np.sqrt(L / mu) - 1) / (np.sqrt(L / mu) + 1),
        (2 / (np.sqrt(L) + np.sqrt(mu))) ** 2,
    ),
    wrong={
        "the rate of plain descent": lambda L, mu: ((L - mu) / (L + mu), (2 / (np.sqrt(L) + np.sqrt(mu))) ** 2),
        "gamma for its root": lambda L, mu: (
            ((np.sqrt(L / mu) - 1) / (np.sqrt(L / mu) + 1)) ** 2,
            (2 / (np.sqrt(L) + np.sqrt(mu))) ** 2,
        ),
        "the learning rate of plain descent": lambda L, mu: (
            (np.sqrt(L / mu) - 1) / (np.sqrt(L / mu) + 1),
            2 / (L + mu),
        ),
        "without the square": lambda L, mu: (
            (np.sqrt(L / mu) - 1) / (np.sqrt(L / mu) + 1),
            2 / (np.sqrt(L) + np.sqrt(mu)),
        ),
    },
    method="property",
    tolerance=1e-6,
)
def rate_of_momentum(formula, rng):
    """The largest eigenvalue of two steps in a row as a matrix is the rate, and none of 1,000 others is smaller."""
    H, h, _ = bowl(rng)

    def rate(gamma, alpha):
        roots = [np.roots([1, -(1 + gamma - alpha * curvature), gamma]) for curvature in h]
        return max(np.max(np.abs(r)) for r in roots)

    root, alpha = formula(h[-1], h[0])
    others = zip(rng.uniform(0, 1, 1000), rng.uniform(0, 4 / h[-1], 1000), strict=True)
    better = max(0, root - min(rate(gamma, alpha) for gamma, alpha in others))
    # At the best point two roots meet, and a root found there has half of the digits: go a little into the pair.
    inside = ((root + 1e-7) ** 2, alpha)
    return max(abs(rate(*inside) - root), better)


def batch_moments(formula, rng, m=7, B=3):
    """Every batch of B from m random gradients: what the formula says of them, and the gradients of the batches."""
    each = rng.normal(size=(m, 4))
    batches = np.array([each[list(S)].mean(axis=0) for S in itertools.combinations(range(m), B)])
    return formula(each, B), each, batches


@verifies(
    "eq-minibatch-mean",
    formula=lambda each, B: np.mean(each, axis=0),
    wrong={
        "a sum": lambda each, B: np.sum(each, axis=0),
        "the sum over a batch": lambda each, B: B * np.mean(each, axis=0),
        "weighted by B/m": lambda each, B: B / len(each) * np.mean(each, axis=0),
        "the first batch": lambda each, B: np.mean(each[:B], axis=0),
    },
    method="index loops",
)
def mean_over_all_batches(formula, rng):
    """The mean over every batch of 3 from 7 examples, one after the other."""
    expected, _, batches = batch_moments(formula, rng)
    return error(expected, batches.mean(axis=0))


def spread(each):
    """The mean squared distance of the rows from their mean."""
    return np.mean(np.sum((each - each.mean(axis=0)) ** 2, axis=1))


@verifies(
    "eq-minibatch-noise",
    formula=lambda each, B: spread(each) / B * (len(each) - B) / (len(each) - 1),
    wrong={
        "with replacement": lambda each, B: spread(each) / B,
        "divided by m": lambda each, B: spread(each) / B * (len(each) - B) / len(each),
        "divided by the root of B": lambda each, B: spread(each) / np.sqrt(B) * (len(each) - B) / (len(each) - 1),
        "divided by B squared": lambda each, B: spread(each) / B**2 * (len(each) - B) / (len(each) - 1),
    },
    method="index loops",
)
def noise_over_all_batches(formula, rng):
    """The mean squared distance from the full gradient over every batch of 3 from 7 examples."""
    expected, each, batches = batch_moments(formula, rng)
    return error(expected, np.mean(np.sum((batches - each.mean(axis=0)) ** 2, axis=1)))


ADAM = {"lam": 0.1, "rho": 0.5, "beta": 0, "alpha": 0.3}


@functools.wraps(saelib.adam)
def adam_path(params, X, steps):
    """The packed parameters after each step of `saelib.adam` with batches of all samples."""
    met, rng = [], np.random.default_rng(0)
    saelib.adam(
        params,
        X,
        **ADAM,
        rng=rng,
        batch_size=len(X),
        max_iter=steps,
        tol=0,
        callback=lambda k, p, J: met.append(saelib.pack(p)),
    )
    return np.array(met[1:])


def adam_with(mean=lambda u, g: 0.9 * u + 0.1 * g, square=lambda q, g: 0.999 * q + 0.001 * g**2, step=None):
    """Adam with one of its lines replaced."""

    def usual(u, q, t):
        return (u / (1 - 0.9**t)) / (np.sqrt(q / (1 - 0.999**t)) + 1e-8)

    def path(params, X, steps):
        theta, met = saelib.pack(params), []
        u = q = np.zeros_like(theta)
        settings = {key: ADAM[key] for key in ("lam", "rho", "beta")}
        for t in range(1, steps + 1):
            g = saelib.pack(saelib.sparse_gradient(saelib.unpack(theta, params), X, **settings))
            u, q = mean(u, g), square(q, g)
            theta = theta - ADAM["alpha"] * (step or usual)(u, q, t)
            met.append(theta)
        return np.array(met)

    return path


def adam_errors(formula, rng, own_step):
    """Three steps of Adam on a small network, each against ``own_step(theta, gradients so far)``."""
    params, X = network(rng, m=3, s1=3, s2=2)
    theta, gradients, errors = saelib.pack(params), [], []
    for after in formula(params, X, 3):
        at = saelib.unpack(theta, params)
        by_name = [slopes_by(name, at, X, lam=ADAM["lam"]).ravel() for name in params._fields]
        gradients.append(np.concatenate(by_name).astype(float))
        theta = own_step(theta, gradients)
        errors.append(error(after, theta))
    return max(errors)


def unrolled(theta, gradients):
    """A step of Adam from the sums over all gradients so far, without any recursion."""
    t, step = len(gradients), np.empty_like(theta)
    for i in range(theta.size):
        first = math.fsum(0.1 * 0.9 ** (t - k) * gradients[k - 1][i] for k in range(1, t + 1)) / (1 - 0.9**t)
        second = math.fsum(0.001 * 0.999 ** (t - k) * gradients[k - 1][i] ** 2 for k in range(1, t + 1))
        step[i] = ADAM["alpha"] * first / (math.sqrt(second / (1 - 0.999**t)) + 1e-8)
    return theta - step


@verifies(
    "eq-adam-mean",
    formula=adam_path,
    wrong={
        "no memory": adam_with(mean=lambda u, g: 0.1 * g),
        "the constants exchanged": adam_with(mean=lambda u, g: 0.1 * u + 0.9 * g),
        "a sum": adam_with(mean=lambda u, g: 0.9 * u + g),
        "the slow constant": adam_with(mean=lambda u, g: 0.999 * u + 0.001 * g),
        "uphill": adam_with(mean=lambda u, g: 0.9 * u - 0.1 * g),
    },
    method="index loops",
    tolerance=1e-7,
)
def adam_by_its_sums(formula, rng):
    """Three steps of the library, against steps from sums over all gradients, found by nudging in 30 digits."""
    return adam_errors(formula, rng, unrolled)


@verifies(
    "eq-adam-square",
    formula=adam_path,
    wrong={
        "not squared": adam_with(square=lambda q, g: 0.999 * q + 0.001 * np.abs(g)),
        "the fast constant": adam_with(square=lambda q, g: 0.9 * q + 0.1 * g**2),
        "no memory": adam_with(square=lambda q, g: 0.001 * g**2),
        "one number for all entries": adam_with(square=lambda q, g: 0.999 * q + 0.001 * np.mean(g**2)),
        "the square of the average": adam_with(square=lambda q, g: (np.sqrt(0.999 * q) + np.sqrt(0.001) * g) ** 2),
    },
    method="index loops",
    tolerance=1e-7,
)
def adam_by_its_sums_of_squares(formula, rng):
    """Three steps of the library, against steps from sums over all gradients, found by nudging in 30 digits."""
    return adam_errors(formula, rng, unrolled)


@verifies(
    "eq-adam-step",
    formula=adam_path,
    wrong={
        "no correction": adam_with(step=lambda u, q, t: u / (np.sqrt(q) + 1e-8)),
        "only the average corrected": adam_with(step=lambda u, q, t: u / (1 - 0.9**t) / (np.sqrt(q) + 1e-8)),
        "without the root": adam_with(step=lambda u, q, t: u / (1 - 0.9**t) / (q / (1 - 0.999**t) + 1e-8)),
        "counted from zero": adam_with(
            step=lambda u, q, t: u / (1 - 0.9 ** (t + 1)) / (np.sqrt(q / (1 - 0.999 ** (t + 1))) + 1e-8)
        ),
        "uphill": adam_with(step=lambda u, q, t: -u / (1 - 0.9**t) / np.sqrt(q / (1 - 0.999**t))),
    },
    method="independent library",
    tolerance=1e-7,
)
def adam_of_scikit_learn(formula, rng):
    """Three steps of the library, against scikit-learn's AdamOptimizer with gradients found by nudging."""
    peer = []

    def step(theta, gradients):
        if not peer:
            peer.extend(([theta.copy()], AdamOptimizer([theta], learning_rate_init=ADAM["alpha"])))
        # There epsilon is added before the correction of the squares, so it has to be corrected as they are.
        peer[1].epsilon = 1e-8 * math.sqrt(1 - 0.999 ** len(gradients))
        peer[1].update_params(peer[0], [gradients[-1]])
        return peer[0][0].copy()

    return adam_errors(formula, rng, step)


@verifies(
    "eq-adam-bias",
    formula=lambda t, b: 1 - b**t,
    wrong={
        "counted from zero": lambda t, b: 1 - b ** (t - 1),
        "no power": lambda t, b: 1 - b,
        "the rest": lambda t, b: b**t,
        "a sum": lambda t, b: (1 - b**t) / (1 - b),
    },
    method="symbolic",
)
def share_of_the_expectation(formula, rng):
    """The recursion run in fractions on gradients that are all 1, so that the average is the factor itself."""
    average, b = Fraction(0), Fraction(int(rng.integers(1, 99)), 100)
    errors = []
    for t in range(1, 30):
        average = b * average + (1 - b)
        errors.append(abs(float(formula(t, b) - average)))
    return max(errors)


@verifies(
    "eq-secant",
    formula=lambda H, s: H @ s,
    wrong={
        "the inverse": lambda H, s: np.linalg.solve(H, s),
        "the sign": lambda H, s: -H @ s,
        "the step itself": lambda H, s: s,
        "half of it": lambda H, s: H @ s / 2,
    },
    method="finite differences",
)
def change_of_the_gradient_on_a_quadratic(formula, rng):
    """The Hessian times a step, against the difference of two gradients that were found by nudging."""
    (H, *_), (theta, s, least) = bowl(rng), rng.normal(size=(3, 4))

    def J(at):
        return sum(
            H[i, j] * (at[i] - least[i]) * (at[j] - least[j]) / 2 for i, j in itertools.product(range(4), repeat=2)
        )

    return error(formula(H, s), slopes(J, theta + s) - slopes(J, theta))


def bfgs(C, s, y, left=lambda tau, s, y: np.eye(len(s)) - tau * np.outer(s, y), last=lambda tau, s: np.outer(s, s)):
    """The estimate of the inverse Hessian after one more pair."""
    tau = 1 / (y @ s)
    V = left(tau, s, y)
    return V @ C @ V.T + tau * last(tau, s)


@verifies(
    "eq-bfgs",
    formula=bfgs,
    wrong={
        "the factors exchanged": lambda C, s, y: bfgs(
            C, s, y, left=lambda tau, s, y: np.eye(len(s)) - tau * np.outer(y, s)
        ),
        "the last term is missing": lambda C, s, y: bfgs(C, s, y, last=lambda tau, s: 0),
        "a plus": lambda C, s, y: bfgs(C, s, y, left=lambda tau, s, y: np.eye(len(s)) + tau * np.outer(s, y)),
        "the roles of s and y": lambda C, s, y: bfgs(C, y, s),
    },
    method="independent library",
)
def quasi_newton_of_scipy(formula, rng):
    """Three updates with random pairs, against the matrix of SciPy's `BFGS`; and the secant condition."""
    H, *_ = bowl(rng)
    C, peer, errors = np.eye(4), scipy.optimize.BFGS(init_scale=1.0), []
    peer.initialize(4, "inv_hess")
    for s in rng.normal(size=(3, 4)):
        C = formula(C, s, H @ s)
        peer.update(s, H @ s)
        errors += [error(C, peer.get_matrix()), error(C @ (H @ s), s)]
    return max(errors)


@verifies(
    "eq-step-work",
    formula=lambda m, s1, s2: 5 * m * s1 * s2,
    wrong={
        "three forward passes": lambda m, s1, s2: 6 * m * s1 * s2,
        "the forward pass alone": lambda m, s1, s2: 2 * m * s1 * s2,
        "one layer": lambda m, s1, s2: 5 * m * s1,
        "for one example": lambda m, s1, s2: 5 * s1 * s2,
    },
    method="index loops",
)
def multiplications_counted(formula, rng):
    """A tally kept by the loops of the five products."""
    m, s1, s2 = (int(k) for k in rng.integers(2, 7, 3))
    tally, s3 = 0, s1
    for rows, columns, inner in ((m, s2, s1), (m, s3, s2), (m, s2, s3), (s3, s2, m), (s2, s1, m)):
        for _ in itertools.product(range(rows), range(columns), range(inner)):
            tally += 1
    return error(formula(m, s1, s2), tally)


# --- chapter "What sparse means" ---------------------------------------------------------------------------------


@verifies(
    "eq-rho-hat",
    formula=saelib.mean_activation,
    wrong=mistakes("mean_activation") | {"the median": lambda A2: np.median(A2, axis=0)},
    method="index loops",
)
def mean_activation_of_each_unit(formula, rng):
    """The mean over examples, against a sum over i for each hidden unit by itself."""
    A2 = rng.uniform(0, 1, (7, 3))
    expected = [sum(A2[i, j] for i in range(7)) / 7 for j in range(3)]
    return error(formula(A2), expected)


@verifies(
    "eq-markov",
    formula=lambda a, t: a.mean() / t,
    wrong={
        "the mean by itself": lambda a, t: a.mean(),
        "the mean times the threshold": lambda a, t: a.mean() * t,
        "the square of the threshold": lambda a, t: a.mean() / t**2,
        "the median": lambda a, t: np.median(a) / t,
    },
    method="property",
)
def share_of_inputs_above_a_threshold(formula, rng):
    """The counted share never exceeds the bound, and equals it for a unit that knows only 0 and the threshold."""
    excess = []
    for _ in range(200):
        a, t = rng.beta(0.3, 2, 30), rng.uniform(0.05, 0.95)
        excess.append(sum(value >= t for value in a) / 30 - formula(a, t))
    a = np.where(np.arange(30) < 7, 0.4, 0.0)
    return max(*excess, abs(7 / 30 - formula(a, 0.4)), 0.0)


@verifies(
    "eq-active-share",
    formula=metrics.active_share,
    wrong={
        "the share of samples": lambda A, threshold: np.mean(np.abs(A) > threshold, axis=0),
        "the count": lambda A, threshold: np.sum(np.abs(A) > threshold, axis=1),
        "the magnitude is forgotten": lambda A, threshold: np.mean(A > threshold, axis=1),
        "the inactive": lambda A, threshold: np.mean(np.abs(A) <= threshold, axis=1),
    },
    method="index loops",
)
def share_of_active_units(formula, rng):
    """Counted one activation at a time, negative ones among them."""
    A = rng.normal(size=(7, 5))
    expected = [Fraction(sum(max(a, -a) > 0.5 for a in row), 5) for row in A]
    return error(formula(A, 0.5), [float(share) for share in expected])


@verifies(
    "eq-mean-of-means",
    formula=lambda A2: A2.mean(axis=0).sum(),
    wrong={
        "the mean over the units, too": lambda A2: A2.mean(),
        "the sum over the examples, too": lambda A2: A2.sum(),
        "the examples and the units are swapped": lambda A2: A2.mean(axis=1).sum(),
    },
    method="index loops",
)
def sum_of_the_mean_activations(formula, rng):
    """The right side: each example's activations are added up, then these sums are averaged, one by one."""
    A2 = rng.uniform(0, 1, (7, 4))
    expected = 0
    for i in range(7):
        expected += sum(A2[i, j] for j in range(4)) / 7
    return error(formula(A2), expected)


def effective_number(a):
    """The page's formula."""
    return np.abs(a).sum() ** 2 / np.sum(a**2)


@verifies(
    "eq-effective-number",
    formula=effective_number,
    wrong={
        "the sum is not squared": lambda a: np.abs(a).sum() / np.sum(a**2),
        "the length is not squared": lambda a: np.abs(a).sum() ** 2 / np.sqrt(np.sum(a**2)),
        "signs cancel": lambda a: a.sum() ** 2 / np.sum(a**2),
        "upside down": lambda a: np.sum(a**2) / np.abs(a).sum() ** 2,
    },
    method="index loops",
)
def effective_number_of_entries(formula, rng):
    """Whole numbers of either sign, added up as exact fractions."""
    a = rng.integers(-9, 10, 8)
    total = squares = Fraction(0)
    for value in a.tolist():
        total += value if value > 0 else -value
        squares += value * value
    return error(formula(a / 3), float(total * total / squares))


@verifies(
    "eq-effective-bounds",
    formula=lambda a: (1, np.count_nonzero(a)),
    wrong={
        "0 below": lambda a: (0, np.count_nonzero(a)),
        "all entries count": lambda a: (1, len(a)),
        "the root of the count": lambda a: (1, np.sqrt(np.count_nonzero(a))),
        "the largest below": lambda a: (np.abs(a).max(), np.count_nonzero(a)),
    },
    method="property",
)
def bounds_of_the_effective_number(formula, rng):
    """No random vector passes a bound; a single entry meets the lower one, and entries of one size the upper."""
    worst = 0.0
    for _ in range(200):
        a = rng.normal(size=8) * (rng.random(8) < 0.6) + 3.0 * (np.arange(8) == 0)
        low, high = formula(a)
        N = sum(map(abs, a)) ** 2 / sum(v * v for v in a)
        worst = max(worst, low - N, N - high)
    single, equal = np.array([0, 0, -2.0, 0]), np.array([0, 3.0, -3, 3, 0])
    return max(worst, abs(formula(single)[0] - 1), abs(formula(equal)[1] - 3))


def sparseness_by_loops(a):
    """From the effective number: how far it is from the count of all, on the way from there to one."""
    total, squares = sum(abs(v) for v in a), sum(v * v for v in a)
    return (len(a) - total * total / squares) / (len(a) - 1)


def treves_rolls(A, axis, number=lambda n: 1 - 1 / n, mean=lambda A, axis: np.abs(A).mean(axis) ** 2):
    """The measure, written so that parts of it can be replaced by wrong ones."""
    return (1 - mean(A, axis) / np.mean(A**2, axis)) / number(A.shape[axis])


def wrong_sparseness(axis):
    """Mistakes in the measure along an axis."""
    return {
        "along the other axis": lambda A: treves_rolls(A, 1 - axis),
        "not scaled to reach 1": lambda A: treves_rolls(A, axis, number=lambda n: 1),
        "signs cancel": lambda A: treves_rolls(A, axis, mean=lambda A, axis: A.mean(axis) ** 2),
        "the ratio by itself": lambda A: np.abs(A).mean(axis) ** 2 / np.mean(A**2, axis),
        "the mean is not squared": lambda A: treves_rolls(A, axis, mean=lambda A, axis: np.abs(A).mean(axis)),
    }


@verifies(
    "eq-population-sparsity",
    formula=metrics.population_sparsity,
    wrong=wrong_sparseness(axis=1),
    method="index loops",
)
def sparseness_of_each_code(formula, rng):
    """Row by row, by loops and in the page's other form, with the effective number."""
    A = rng.laplace(size=(7, 5))
    return error(formula(A), [sparseness_by_loops(row) for row in A])


@verifies(
    "eq-lifetime-sparsity",
    formula=metrics.lifetime_sparsity,
    wrong=wrong_sparseness(axis=0),
    method="index loops",
)
def sparseness_of_each_unit(formula, rng):
    """Column by column, by loops and with the effective number of examples."""
    A = rng.laplace(size=(7, 5))
    return error(formula(A), [sparseness_by_loops([A[i, j] for i in range(7)]) for j in range(5)])


@verifies(
    "eq-kurtosis",
    formula=metrics.kurtosis,
    wrong={
        "the 3 is not subtracted": lambda A: metrics.kurtosis(A) + 3,
        "the deviations are from zero": lambda A: np.mean(A**4, axis=0) / np.mean(A**2, axis=0) ** 2 - 3,
        "the variance is divided by n - 1": lambda A: (
            np.mean((A - A.mean(axis=0)) ** 4, axis=0) / A.var(axis=0, ddof=1) ** 2 - 3
        ),
        "the third power": lambda A: scipy.stats.skew(A) - 3,
    },
    method="independent library",
)
def kurtosis_of_each_unit(formula, rng):
    """Against SciPy's kurtosis, for values whose mean is not zero."""
    A = rng.laplace(size=(30, 4)) + 1
    return error(formula(A), scipy.stats.kurtosis(A))


@verifies(
    "eq-kurtosis-coin",
    formula=lambda p: 1 / (p * (1 - p)) - 6,
    wrong={
        "the 3 is not subtracted": lambda p: 1 / (p * (1 - p)) - 3,
        "p by itself": lambda p: 1 / p - 6,
        "the root of the variance": lambda p: 1 / np.sqrt(p * (1 - p)) - 6,
    },
    method="independent library",
)
def kurtosis_of_a_coin(formula, rng):
    """Against the excess kurtosis that SciPy has for a Bernoulli variable."""
    p = rng.uniform(0.01, 0.99, 20)
    return error(formula(p), scipy.stats.bernoulli(p).stats(moments="k"))


def binary_entropy(p):
    """The page's formula, in bits."""
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


@verifies(
    "eq-binary-entropy",
    formula=binary_entropy,
    wrong={
        "natural logarithms": lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p),
        "the second term is missing": lambda p: -p * np.log2(p),
        "the sign": lambda p: -binary_entropy(p),
        "the logarithms are not weighted": lambda p: -np.log2(p) - np.log2(1 - p),
    },
    method="independent library",
)
def entropy_of_a_unit(formula, rng):
    """Against SciPy's entropy of the distribution (rho, 1 - rho) to base 2."""
    p = rng.uniform(0.001, 0.999, 20)
    return error(formula(p), [scipy.stats.entropy([q, 1 - q], base=2) for q in p])


@verifies(
    "eq-count-bounds",
    formula=lambda k, r: (k * binary_entropy(r / k) - np.log2(k + 1), k * binary_entropy(r / k)),
    wrong={
        "the lower bound without k + 1": lambda k, r: (k * binary_entropy(r / k), k * binary_entropy(r / k)),
        "natural logarithms": lambda k, r: (0.0, k * binary_entropy(r / k) * np.log(2)),
        "the second term of the entropy is missing": lambda k, r: (0.0, -r * np.log2(r / k)),
        "the bits of one unit": lambda k, r: (0.0, binary_entropy(r / k)),
    },
    method="property",
)
def bounds_of_the_number_of_patterns(formula, rng):
    """The logarithms of the bounds enclose that of the exact binomial coefficient, for every r and four sizes."""
    outside = []
    for k in (2, 7, 30, 400):
        for r in range(1, k):
            low, high = formula(k, r)
            outside += [low - math.log2(math.comb(k, r)), math.log2(math.comb(k, r)) - high]
    return max(*outside, 0.0)


@verifies(
    "eq-best-share",
    formula=lambda c, rho: (1 - rho) ** (1 + c),
    wrong={
        "the exponent is c": lambda c, rho: (1 - rho) ** c,
        "the exponent is upside down": lambda c, rho: (1 - rho) ** (1 / (1 + c)),
        "rho in place of 1 - rho": lambda c, rho: rho ** (1 + c),
    },
    method="high precision",
)
def share_that_buys_most(formula, rng):
    """At the top of information by cost, found in 40 digits from numerical derivatives, both sides are equal."""
    differences = []
    with mp.workdps(40):
        for c in [0, *rng.uniform(0.5, 100, 5)]:

            def bought(rho, c=c):
                return -(rho * mp.log(rho) + (1 - rho) * mp.log(1 - rho)) / (1 + c * rho)

            low, high = mp.mpf("1e-4"), mp.mpf("0.9")
            for _ in range(100):  # the slope is positive below the top and negative above
                middle = (low + high) / 2
                low, high = (middle, high) if mp.diff(bought, middle) > 0 else (low, middle)
            differences.append(abs(formula(c, low) / low - 1))
    return max(differences)


@verifies(
    "eq-overlap",
    formula=lambda k, r: r**2 / k,
    wrong={
        "r over k": lambda k, r: r / k,
        "the square of it": lambda k, r: (r / k) ** 2,
        "without the chance of the same unit twice": lambda k, r: r * (r - 1) / (k - 1),
    },
    method="independent library",
)
def overlap_of_two_patterns(formula, rng):
    """Against the mean of SciPy's hypergeometric distribution: r draws from k units of which r are on."""
    sizes = [(k, int(rng.integers(1, k))) for k in rng.integers(5, 200, 20).tolist()]
    return error([formula(k, r) for k, r in sizes], [scipy.stats.hypergeom(k, r, r).mean() for k, r in sizes])


# --- chapter "The KL penalty" -----------------------------------------------------------------------------------


@verifies(
    "eq-kl-general",
    formula=lambda p, q: np.sum(p * np.log(p / q)),
    wrong={
        "the fraction is turned over": lambda p, q: np.sum(p * np.log(q / p)),
        "the mean is taken over q": lambda p, q: np.sum(q * np.log(p / q)),
        "the sum is missing": lambda p, q: p * np.log(p / q),
    },
    method="independent library",
)
def divergence_of_two_distributions(formula, rng):
    """The divergence of two distributions over six outcomes, against SciPy's relative entropy."""
    p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    return error(formula(p, q), scipy.stats.entropy(p, q))


@verifies(
    "eq-log-bound",
    formula=lambda x: x - 1,
    wrong={
        "the tangent is too low": lambda x: x - 1.001,
        "the slope is not that of the tangent": lambda x: 1.01 * (x - 1),
        "the tangent does not touch": lambda x: x - 0.99,
        "the sign": lambda x: 1 - x,
    },
    method="property",
)
def logarithm_lies_below_its_tangent(formula, rng):
    """The bound lies nowhere below the logarithm, near 1 and far from it, and meets it at 1."""
    x = np.concatenate([np.geomspace(1e-9, 1e9, 1001), 1 + rng.uniform(-0.01, 0.01, 1000)])
    below = np.max(np.log(x) - formula(x))
    return max(below, abs(formula(1.0)), 0.0)


@verifies(
    "eq-kl-prime-fraction",
    formula=lambda rho, rho_hat: (rho_hat - rho) / (rho_hat * (1 - rho_hat)),
    wrong={
        "the sign": lambda rho, r: (rho - r) / (r * (1 - r)),
        "a factor of the denominator is missing": lambda rho, r: (r - rho) / r,
        "rho in the denominator": lambda rho, r: (r - rho) / (rho * (1 - rho)),
    },
    method="finite differences",
)
def kl_prime_as_one_fraction(formula, rng):
    """The derivative of the divergence as one fraction, against central differences in 30 digits."""
    rho, rho_hat = rng.uniform(0.01, 0.99), rng.uniform(0.01, 0.99, 20)
    return error(formula(rho, rho_hat), slopes(lambda r: sum(reference.kl(rho, q, mp) for q in r), rho_hat))


@verifies(
    "eq-kl-second",
    formula=lambda rho, rho_hat: rho / rho_hat**2 + (1 - rho) / (1 - rho_hat) ** 2,
    wrong={
        "the sign of the second term": lambda rho, r: rho / r**2 - (1 - rho) / (1 - r) ** 2,
        "the squares are missing": lambda rho, r: rho / r + (1 - rho) / (1 - r),
        "the numerators are swapped": lambda rho, r: (1 - rho) / r**2 + rho / (1 - r) ** 2,
    },
    method="high precision",
)
def curvature_of_the_divergence(formula, rng):
    """The second derivative, against mpmath's numerical derivative of the divergence in 30 digits."""
    rho, rho_hat = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95, 20)
    with mp.workdps(30):
        expected = [mp.diff(lambda r: reference.kl(rho, r, mp), r, 2) for r in map(mp.mpf, rho_hat)]
    return error(formula(rho, rho_hat), expected)


@verifies(
    "eq-kl-parabola",
    formula=lambda rho, rho_hat: (rho_hat - rho) ** 2 / (2 * rho * (1 - rho)),
    wrong={
        "the 2 is missing": lambda rho, r: (r - rho) ** 2 / (rho * (1 - rho)),
        "the factor 1 - rho is missing": lambda rho, r: (r - rho) ** 2 / (2 * rho),
        "not squared": lambda rho, r: (r - rho) / (2 * rho * (1 - rho)),
    },
    method="high precision",
)
def divergence_is_a_parabola_near_its_minimum(formula, rng):
    """The ratio of divergence and parabola tends to 1: at a distance of 1e-12 from rho, in 60 digits."""
    with mp.workdps(60):
        rho, step = mp.mpf(rng.uniform(0.05, 0.95)), mp.mpf("1e-12")
        ratios = [reference.kl(rho, rho + h, mp) / formula(rho, rho + h) for h in (step, -step)]
    return error(ratios, [1, 1])


@verifies(
    "eq-kl-through-sigmoid",
    formula=lambda rho, z: saelib.sigmoid(z) - rho,
    wrong={
        "the sign": lambda rho, z: rho - saelib.sigmoid(z),
        "f' is still there": lambda rho, z: (saelib.sigmoid(z) - rho) * saelib.sigmoid_slope(z),
        "z in place of its sigmoid": lambda rho, z: z - rho,
        "rho is forgotten": lambda rho, z: saelib.sigmoid(z),
    },
    method="finite differences",
)
def slope_of_the_divergence_behind_a_sigmoid(formula, rng):
    """The derivative by the pre-activation of a unit that is the same for all examples, by central differences."""
    rho, z = rng.uniform(0.01, 0.99), rng.uniform(-8, 8, 20)
    return error(formula(rho, z), slopes(lambda z: sum(reference.kl(rho, f(y), mp) for y in z), z))


@verifies(
    "eq-rho-hat-tanh",
    formula=lambda A2: np.mean((1 + A2) / 2, axis=0),
    wrong={
        "as for a sigmoid": lambda A2: np.mean(A2, axis=0),
        "shifted and not scaled": lambda A2: np.mean(1 + A2, axis=0),
        "the mean over the units": lambda A2: np.mean((1 + A2) / 2, axis=1),
        "the sum over the examples": lambda A2: np.sum((1 + A2) / 2, axis=0),
    },
    method="high precision",
)
def mean_activation_of_tanh_units(formula, rng):
    """Shifted and scaled, tanh(z) is the sigmoid of 2z: the mean of that, unit by unit, in mpmath's digits."""
    Z2 = rng.normal(size=(5, 3))
    return error(formula(np.tanh(Z2)), [sum(f(2 * z) for z in unit) / 5 for unit in Z2.T])


@verifies(
    "eq-jensen",
    formula=lambda rho, a: (saelib.kl_divergence(rho, a.mean()), saelib.kl_divergence(rho, a).mean()),
    wrong={
        "the sides are swapped": lambda rho, a: (
            saelib.kl_divergence(rho, a).mean(),
            saelib.kl_divergence(rho, a.mean()),
        ),
        "the sum in place of the mean": lambda rho, a: (
            saelib.kl_divergence(rho, a.mean()),
            saelib.kl_divergence(rho, a).sum(),
        ),
        "the largest activation in place of the mean": lambda rho, a: (
            saelib.kl_divergence(rho, a.max()),
            saelib.kl_divergence(rho, a).mean(),
        ),
    },
    method="property",
)
def divergence_of_the_mean_is_the_smaller(formula, rng):
    """The left side never exceeds the right, for 200 random units, and equals it when all activations are the same."""
    excess = [np.subtract(*formula(rng.uniform(0.01, 0.99), rng.uniform(0.01, 0.99, 7))) for _ in range(200)]
    same = np.subtract(*formula(0.1, np.full(7, 0.3)))
    return max(*excess, abs(same), 0.0)


@verifies(
    "eq-log-rho-hat",
    formula=saelib.log_mean_activation,
    wrong={
        "the logarithm of a mean that has rounded to 0 or 1": lambda Z2: (
            np.log(saelib.sigmoid(Z2).mean(axis=0)),
            np.log(1 - saelib.sigmoid(Z2).mean(axis=0)),
        ),
        "the mean of the logarithms": lambda Z2: (
            saelib.network.log_sigmoid(Z2).mean(axis=0),
            saelib.network.log_sigmoid(-Z2).mean(axis=0),
        ),
        "the largest alone": lambda Z2: (
            saelib.network.log_sigmoid(Z2).max(axis=0),
            saelib.network.log_sigmoid(-Z2).max(axis=0),
        ),
    },
    method="high precision",
)
def logarithm_of_the_mean_activation(formula, rng):
    """Units saturated at either end, up to pre-activations of 1000, against the mean itself in 1000 digits."""
    Z2 = rng.normal(size=(6, 5)) + [-1000, -40, 0, 40, 1000]
    with mp.workdps(1000):
        means = [sum(f(mp.mpf(z)) for z in unit) / 6 for unit in Z2.T]
        expected = [[float(mp.log(mean)) for mean in means], [float(mp.log(1 - mean)) for mean in means]]
    return np.max(np.abs(np.subtract(formula(Z2), expected)) / np.maximum(np.abs(expected), 1))


# --- chapter "The gradient of the sparse autoencoder" -----------------------------------------------------------


def slope_table(params, X):
    """Return f' of each hidden unit for each example, shape (m, s2), and the units' pulls, for rho = 0.1."""
    A2 = saelib.forward(params, X).A2
    return A2 * (1 - A2), saelib.kl_prime(0.1, A2.mean(axis=0))


def mean_of_unit(params, X, j):
    """Return the mean activation of unit j by loops, in mpmath's digits."""
    W1, b1, _, _ = params
    return sum(f(sum(w * x for w, x in zip(W1[j], row, strict=True)) + b1[j]) for row in X) / len(X)


def penalty_by_loops(params, X):
    """Return the penalty for rho = 0.1 by loops, in mpmath's digits."""
    return sum(reference.kl(0.1, mean_of_unit(params, X, j), mp) for j in range(len(params.b1)))


@verifies(
    "eq-penalty-dW2",
    formula=lambda params, X: (np.zeros(params.W2.shape), np.zeros(params.b2.shape)),
    wrong={
        "the pull by the decoder's weights": lambda params, X: (params.W2 * slope_table(params, X)[1], 0 * params.b2),
        "as for the first layer": lambda params, X: (slope_table(params, X)[0].T @ X, 0 * params.b2),
        "the pull on the output's biases": lambda params, X: (0 * params.W2, 0 * params.b2 + 1),
    },
    method="finite differences",
)
def penalty_leaves_the_second_layer_alone(formula, rng):
    """The derivative of the penalty by the decoder's parameters, by nudging each of them in the whole network."""
    params, X = network(rng)

    def penalty(theta):
        A2 = saelib.forward(saelib.unpack(theta, params), X).A2
        return float(saelib.kl_divergence(0.1, A2.mean(axis=0)).sum())

    nudges = saelib.unpack(saelib.numerical_gradient(penalty, saelib.pack(params)), params)
    by_W2, by_b2 = formula(params, X)
    return max(error(by_W2, nudges.W2), error(by_b2, nudges.b2))


@verifies(
    "eq-pull",
    formula=lambda rho, rho_hat: -rho / rho_hat + (1 - rho) / (1 - rho_hat),
    wrong=mistakes("kl_prime"),
    method="finite differences",
)
def pull_is_the_slope_of_the_penalty(formula, rng):
    """The derivative of the penalty, the sum over all units, by the mean of each, in 30 digits."""
    rho, rho_hat = rng.uniform(0.01, 0.99), rng.uniform(0.01, 0.99, 5)
    return error(formula(rho, rho_hat), slopes(lambda r: sum(reference.kl(rho, q, mp) for q in r), rho_hat))


def block_of_means(G, X):
    """The derivatives of all means by all weights, as the page has them: zero unless the weight leads to the unit."""
    m, s2 = G.shape
    return np.array([[G[:, j] @ X / m * (j == unit) for j in range(s2)] for unit in range(s2)])


@verifies(
    "eq-mean-by-weight",
    formula=block_of_means,
    wrong={
        "all units' weights are filled in": lambda G, X: np.array([G.T @ X / len(X)] * G.shape[1]),
        "the mean over the examples is missing": lambda G, X: block_of_means(G, X) * len(X),
        "a single example in place of the mean": lambda G, X: block_of_means(G[:1], X[:1]),
        "without f'": lambda G, X: block_of_means(np.ones_like(G), X),
    },
    method="finite differences",
)
def means_by_weights(formula, rng):
    """Each unit's mean by each weight, with the mean from loops, by central differences in 30 digits."""
    params, X = network(rng)
    expected = [
        slopes(lambda W1, unit=unit: mean_of_unit(params._replace(W1=W1), X, unit), params.W1) for unit in range(3)
    ]
    return error(formula(slope_table(params, X)[0], X), np.array(expected, dtype=float))


@verifies(
    "eq-mean-by-bias",
    formula=lambda G: np.diag(G.mean(axis=0)),
    wrong={
        "all units' biases are filled in": lambda G: np.tile(G.mean(axis=0), (G.shape[1], 1)),
        "the sum over the examples": lambda G: np.diag(G.sum(axis=0)),
        "without f'": lambda G: np.eye(G.shape[1]),
    },
    method="finite differences",
)
def means_by_biases(formula, rng):
    """Each unit's mean by each bias, with the mean from loops, by central differences in 30 digits."""
    params, X = network(rng)
    expected = [
        slopes(lambda b1, unit=unit: mean_of_unit(params._replace(b1=b1), X, unit), params.b1) for unit in range(3)
    ]
    return error(formula(slope_table(params, X)[0]), np.array(expected, dtype=float))


@verifies(
    "eq-chain-vector",
    formula=lambda c, block: np.einsum("l,lji->ji", c, block),
    wrong={
        "the pulls are missing": lambda c, block: block.sum(axis=0),
        "the mean in place of the sum": lambda c, block: np.einsum("l,lji->ji", c, block) / len(c),
        "the pulls are summed first": lambda c, block: c.sum() * block.sum(axis=0),
    },
    method="finite differences",
)
def chain_rule_with_a_vector_in_the_middle(formula, rng):
    """The sum over the units of pull times block, against the slopes of the penalty itself, in 30 digits."""
    params, X = network(rng)
    G, c = slope_table(params, X)
    expected = slopes(lambda W1: penalty_by_loops(params._replace(W1=W1), X), params.W1)
    return error(formula(c, block_of_means(G, X)), expected)


@verifies(
    "eq-penalty-by-weight",
    formula=lambda c, G, X, j, i: c[j] * sum(G[n, j] * X[n, i] for n in range(len(X))) / len(X),
    wrong={
        "the pull is missing": lambda c, G, X, j, i: sum(G[n, j] * X[n, i] for n in range(len(X))) / len(X),
        "the mean is missing": lambda c, G, X, j, i: c[j] * sum(G[n, j] * X[n, i] for n in range(len(X))),
        "one factor 1/m too many": lambda c, G, X, j, i: c[j] * np.mean(G[:, j] * X[:, i]) / len(X),
        "a mean of products made a product of means": lambda c, G, X, j, i: c[j] * G[:, j].mean() * X[:, i].mean(),
    },
    method="finite differences",
)
def penalty_by_one_weight(formula, rng):
    """Every entry of the penalty's gradient by the first weights, one by one, against nudging that weight."""
    params, X = network(rng)
    G, c = slope_table(params, X)
    found = [[formula(c, G, X, j, i) for i in range(4)] for j in range(3)]
    return error(found, slopes(lambda W1: penalty_by_loops(params._replace(W1=W1), X), params.W1))


@verifies(
    "eq-penalty-by-bias",
    formula=lambda c, G: c * G.mean(axis=0),
    wrong={
        "the pull is missing": lambda c, G: G.mean(axis=0),
        "the sum over the examples": lambda c, G: c * G.sum(axis=0),
        "f' is missing": lambda c, G: c,
    },
    method="finite differences",
)
def penalty_by_the_biases(formula, rng):
    """The penalty's gradient by the hidden biases, against nudging each of them, in 30 digits."""
    params, X = network(rng)
    G, c = slope_table(params, X)
    return error(formula(c, G), slopes(lambda b1: penalty_by_loops(params._replace(b1=b1), X), params.b1))


@verifies(
    "eq-penalty-gradient",
    formula=lambda c, G, X: (G @ np.diag(c)).T @ X / len(X),
    wrong={
        "the pulls are missing": lambda c, G, X: G.T @ X / len(X),
        "the 1/m is missing": lambda c, G, X: (G * c).T @ X,
        "not transposed": lambda c, G, X: X.T @ (G * c) / len(X),
        "the pulls are summed": lambda c, G, X: c.sum() * G.T @ X / len(X),
    },
    method="finite differences",
)
def penalty_in_matrix_form(formula, rng):
    """The matrix form of the penalty's gradient, against nudging each weight, in 30 digits."""
    params, X = network(rng)
    G, c = slope_table(params, X)
    return error(formula(c, G, X), slopes(lambda W1: penalty_by_loops(params._replace(W1=W1), X), params.W1))


def surrogate(params, x, prices):
    """The surrogate cost of one example with fixed prices, by loops, in mpmath's digits."""
    a2, a3 = reference.feedforward(params, x, "sigmoid", mp)
    squares = sum((a - t) ** 2 for a, t in zip(a3, x, strict=True)) / 2
    return squares + sum(c * a for c, a in zip(prices, a2, strict=True))


def delta2_of(rows, params, cache, X):
    """The library's hidden deltas for beta = 2, of one example of the batch."""
    delta3 = saelib.output_delta(cache, X)
    return saelib.hidden_delta(params, cache, delta3, rho=0.1, beta=2)[rows]


@verifies(
    "eq-surrogate",
    formula=lambda params, x, c: surrogate(params, x, 2 * c),
    wrong={
        "without prices": lambda params, x, c: surrogate(params, x, 0 * c),
        "beta is forgotten": lambda params, x, c: surrogate(params, x, c),
        "the prices with the other sign": lambda params, x, c: surrogate(params, x, -2 * c),
    },
    method="finite differences",
)
def modified_delta_is_the_slope_of_the_surrogate(formula, rng):
    """Nudging a bias nudges a pre-activation: the surrogate's slopes by the biases, against the library's deltas."""
    params, X = network(rng)
    _, c = slope_table(params, X)
    found = slopes(lambda b1: formula(params._replace(b1=b1), X[2], c), params.b1)
    return error(found, delta2_of(2, params, saelib.forward(params, X), X))


@verifies(
    "eq-surrogate-gradient",
    formula=lambda gradients: np.mean(gradients, axis=0),
    wrong={
        "the sum over the examples": lambda gradients: np.sum(gradients, axis=0),
        "the first example alone": lambda gradients: gradients[0],
        "one example is left out": lambda gradients: np.mean(gradients[1:], axis=0),
    },
    method="finite differences",
)
def mean_of_the_surrogates_gradients(formula, rng):
    """The mean of the surrogates' gradients, each by nudging, against nudging the cost with its penalty."""
    params, X = network(rng)
    _, c = slope_table(params, X)
    gradients = [slopes(lambda W1, x=x: surrogate(params._replace(W1=W1), x, 2 * c), params.W1) for x in X]

    def cost(W1):
        moved = params._replace(W1=W1)
        return sum(surrogate(moved, x, 0 * c) for x in X) / len(X) + 2 * penalty_by_loops(moved, X)

    return error(formula(np.array(gradients, dtype=float)), slopes(cost, params.W1))


@verifies(
    "eq-pooled-mean",
    formula=lambda counts, means: np.tensordot(counts, means, 1) / np.sum(counts),
    wrong={
        "the mean of the means": lambda counts, means: np.mean(means, axis=0),
        "the sum of the means": lambda counts, means: np.sum(means, axis=0),
        "not divided by m": lambda counts, means: np.tensordot(counts, means, 1),
    },
    method="known values",
)
def mean_of_data_in_parts(formula, rng):
    """The mean of three parts of different sizes, put together, against the mean of all rows at once."""
    A2 = rng.uniform(0, 1, (12, 3))
    parts = np.split(A2, [2, 7])
    return error(formula([len(part) for part in parts], [part.mean(axis=0) for part in parts]), A2.mean(axis=0))


# --- chapter "Natural images give edges": waves and patches -----------------------------------------------------

RINGS = np.array([0.0, 0.12, 0.25, 0.38, 0.75])


def power_spectrum(image, power=lambda F: np.abs(F) ** 2, average=np.mean, radius=np.hypot):
    """The mean power of the waves in each ring of frequencies."""
    v, u = np.meshgrid(np.fft.fftfreq(image.shape[0]), np.fft.fftfreq(image.shape[1]), indexing="ij")
    P, ring = power(np.fft.fft2(image)), np.digitize(radius(u, v), RINGS)
    return [average(P[ring == k]) for k in range(1, len(RINGS))]


@verifies(
    "eq-power-spectrum",
    formula=power_spectrum,
    wrong={
        "the amplitude instead of the power": lambda image: power_spectrum(image, power=np.abs),
        "the sum instead of the mean": lambda image: power_spectrum(image, average=np.sum),
        "the square of the mean": lambda image: power_spectrum(image, np.abs, lambda F: np.mean(F) ** 2),
        "rings are squares": lambda image: power_spectrum(image, radius=lambda u, v: np.maximum(abs(u), abs(v))),
        "one direction only": lambda image: power_spectrum(image, radius=lambda u, v: abs(u) + 0 * v),
        "the real part only": lambda image: power_spectrum(image, power=lambda F: F.real**2),
    },
    method="index loops",
)
def power_of_waves_by_sums_over_pixels(formula, rng):
    """Rings of frequencies of a small image, against a sum over all pixels for each wave by itself."""
    image, powers = rng.normal(size=(7, 9)), [[] for _ in RINGS]
    for v in range(-3, 4):
        for u in range(-4, 5):
            wave = [np.exp(-2j * np.pi * (v * y / 7 + u * x / 9)) * image[y, x] for y in range(7) for x in range(9)]
            r = ((v / 7) ** 2 + (u / 9) ** 2) ** 0.5
            powers[sum(r >= RINGS) - 1].append(abs(sum(wave)) ** 2)
    return error(formula(image), [sum(P) / len(P) for P in powers[:-1]])


def filtered_by(R):
    """A whitening with another factor ``R(r, f0)`` for the waves of frequency r."""

    def whiten(image, f0):
        r = np.hypot(np.fft.fftfreq(image.shape[0])[:, np.newaxis], np.fft.fftfreq(image.shape[1]))
        result = np.fft.ifft2(R(r, f0) * np.fft.fft2(image)).real
        return result / result.std()

    return whiten


@verifies(
    "eq-whiten-filter",
    formula=pca.whiten_image,
    wrong={
        "the factor r is missing": filtered_by(lambda r, f0: np.exp(-((r / f0) ** 4))),
        "the exponential is missing": filtered_by(lambda r, f0: r),
        "a Gaussian, the power 2": filtered_by(lambda r, f0: r * np.exp(-((r / f0) ** 2))),
        "the sign in the exponent": filtered_by(lambda r, f0: r * np.exp((r / f0) ** 4)),
        "f0 is not raised to the power": filtered_by(lambda r, f0: r * np.exp(-(r**4) / f0)),
        "frequencies up to 1, not 1/2": filtered_by(lambda r, f0: r * np.exp(-((2 * r / f0) ** 4))),
        "r squared": filtered_by(lambda r, f0: r**2 * np.exp(-((r / f0) ** 4))),
    },
    method="property",
)
def whitening_multiplies_each_wave_by_R(formula, rng):
    """Two waves go in, with known amplitudes; the ratio of what comes out, measured by sums over the pixels."""
    y, x = np.mgrid[:16, :20]
    slow, fast = np.cos(2 * np.pi * (y / 16 + 2 * x / 20)), np.cos(2 * np.pi * (5 * y / 16 - 3 * x / 20))
    r_slow, r_fast = np.sqrt(1 / 16**2 + 2**2 / 20**2), np.sqrt(5**2 / 16**2 + 3**2 / 20**2)
    f0, a, b = rng.uniform(0.3, 0.5), *rng.uniform(1, 2, 2)
    white = formula(128 + a * slow + b * fast, f0)
    ratio = (r_fast / r_slow) * np.exp((r_slow / f0) ** 4 - (r_fast / f0) ** 4)
    return error(np.sum(white * fast) / np.sum(white * slow), b / a * ratio)


@verifies(
    "eq-normalize-patches",
    formula=datasets.normalize_patches,
    wrong=mistakes("normalize_patches"),
    method="index loops",
)
def patches_normalized_pixel_by_pixel(formula, rng):
    """Against plain Python, one pixel at a time; two pixels lie far out, so that the clipping has something to do."""
    P = rng.normal(5, 2, (30, 9))
    P[3, 4], P[7, 0] = 40, -40
    deviations = [[p - statistics.fmean(patch) for p in patch] for patch in P.tolist()]
    limit = 3 * statistics.stdev(d for row in deviations for d in row)
    expected = [[0.1 + 0.4 * (1 + min(max(d, -limit), limit) / limit) for d in row] for row in deviations]
    return error(formula(P), expected)


# --- the sparse cost --------------------------------------------------------------------------------------------


@verifies(
    "eq-kl",
    formula=saelib.kl_divergence,
    wrong=mistakes("kl_divergence"),
    method="independent library",
)
def divergence_of_two_coins(formula, rng):
    """Against SciPy's relative entropy of the two distributions (rho, 1 - rho) and (rho_hat, 1 - rho_hat)."""
    rho, rho_hat = rng.uniform(0.01, 0.99), rng.uniform(0.001, 0.999, 20)
    expected = [scipy.stats.entropy([rho, 1 - rho], [r, 1 - r]) for r in rho_hat]
    return error(formula(rho, rho_hat), expected)


@verifies(
    "eq-sparsity-penalty",
    formula=saelib.sparsity_penalty,
    wrong={
        "the mean over the units": lambda Z2, rho: saelib.sparsity_penalty(Z2, rho) / Z2.shape[1],
        "a divergence for each example": lambda Z2, rho: saelib.kl_divergence(rho, saelib.sigmoid(Z2)).sum() / len(Z2),
        "one rho_hat for all units": lambda Z2, rho: Z2.shape[1] * saelib.kl_divergence(rho, saelib.sigmoid(Z2).mean()),
        "the last unit is left out": lambda Z2, rho: saelib.sparsity_penalty(Z2[:, :-1], rho),
        "rho_hat is clipped": lambda Z2, rho: saelib.kl_divergence(
            rho, np.clip(saelib.sigmoid(Z2).mean(axis=0), 1e-10, 1 - 1e-10)
        ).sum(),
    },
    method="high precision",
)
def penalty_is_the_sum_of_the_divergences(formula, rng):
    """Against mpmath in 500 digits, for ordinary units and for units that are off, or on, for every example."""
    Z2, rho = rng.normal(size=(6, 5)), 0.05
    Z2[:, 3] -= 900
    Z2[:, 4] += 900
    with mp.workdps(500):
        rho_hat = [sum(f(mp.mpf(z)) for z in column) / 6 for column in Z2.T]
        expected = sum(reference.kl(mp.mpf(rho), r, mp) for r in rho_hat)
    return error(formula(Z2, rho), expected)


@verifies(
    "eq-sparse-cost",
    formula=saelib.sparse_cost,
    wrong={
        "beta is missing": lambda p, X, lam, rho, beta: saelib.sparse_cost(p, X, lam=lam, rho=rho, beta=1),
        "the penalty is missing": lambda p, X, lam, rho, beta: saelib.sparse_cost(p, X, lam=lam, rho=rho, beta=0),
        "the penalty is divided by m": lambda p, X, lam, rho, beta: saelib.sparse_cost(
            p, X, lam=lam, rho=rho, beta=beta / len(X)
        ),
        "the decay is missing": lambda p, X, lam, rho, beta: saelib.sparse_cost(p, X, lam=0, rho=rho, beta=beta),
        "beta multiplies everything": lambda p, X, lam, rho, beta: (
            beta * saelib.sparse_cost(p, X, lam=lam, rho=rho, beta=1)
        ),
        "the penalty is subtracted": lambda p, X, lam, rho, beta: (
            2 * saelib.sparse_cost(p, X, lam=lam, rho=rho, beta=0)
            - saelib.sparse_cost(p, X, lam=lam, rho=rho, beta=beta)
        ),
    },
    method="high precision",
)
def sparse_cost_is_cost_and_penalty(formula, rng):
    """The library's cost, against the whole cost computed by mpmath with loops, one example and one unit at a time."""
    params, X = network(rng)
    return error(formula(params, X, **SETTINGS), cost_of_all(params, X, **SETTINGS))


@verifies(
    "eq-kl-prime",
    formula=saelib.kl_prime,
    wrong=mistakes("kl_prime"),
    method="finite differences",
)
def kl_prime_is_the_slope_of_the_divergence(formula, rng):
    """The derivative of the divergence, against central differences in 30 digits, at random rho and rho_hat."""
    rho, rho_hat = rng.uniform(0.01, 0.99), rng.uniform(0.01, 0.99, 20)

    def penalty(rho_hat):
        return sum(reference.kl(rho, r, mp) for r in rho_hat)

    return error(formula(rho, rho_hat), slopes(penalty, rho_hat))


def of_cache(delta2):
    """The tutor's ``delta2(W2, delta3, A2, rho, beta)`` with the arguments that the library's function has."""
    return lambda params, cache, delta3, *, rho, beta: delta2(params.W2, delta3, cache.A2, rho, beta)


@verifies(
    "eq-delta2",
    formula=saelib.hidden_delta,
    wrong=mistakes("delta2", adapt=of_cache),
    method="finite differences",
)
def delta2_is_the_slope_at_a_hidden_unit(formula, rng):
    """m times the slope of the batch's cost by each hidden pre-activation of each example, found by nudging it alone.

    The nudge changes rho_hat for all examples: that is where the term of sparsity comes from.
    """
    (params, X), (_, rho, beta) = network(rng), SETTINGS.values()
    cache = saelib.forward(params, X)

    def J(Z2):
        A2 = np.vectorize(f, otypes=[object])(Z2)
        squares = sum((f(z) - x) ** 2 for z, x in zip((A2 @ params.W2.T + params.b2).flat, X.flat, strict=True))
        return squares / (2 * len(X)) + beta * sum(reference.kl(rho, sum(a) / len(X), mp) for a in A2.T)

    delta2 = formula(params, cache, saelib.output_delta(cache, X), rho=rho, beta=beta)
    return error(delta2, len(X) * slopes(J, cache.Z2))


# --- what a unit learned ----------------------------------------------------------------------------------------


def favorite_inputs(W1):
    """Each row of weights, divided by its length."""
    with np.errstate(invalid="ignore"):
        return W1 / np.sqrt(np.sum(W1**2, axis=1, keepdims=True))


@verifies(
    "eq-optimal-input",
    formula=favorite_inputs,
    wrong=mistakes("optimal_input") | {"only the sign of each weight": lambda W1: np.sign(W1) / np.sqrt(W1.shape[1])},
    method="property",
)
def favorite_input_cannot_be_bettered(formula, rng):
    """At the best point of a ball the activation rises straight outward, and no other point does better.

    The slope of the activation is found by nudging each input.  A unit without weights has no favorite: the theorem
    excludes it, and there all inputs excite it alike.
    """
    params, rivals = network(rng)[0], rng.normal(size=(1000, 4))
    rivals /= np.linalg.norm(rivals, axis=1, keepdims=True)
    params.W1[2] = 0
    inputs, errors = formula(params.W1), []
    for j, x in enumerate(inputs[:2]):
        uphill = slopes(lambda x, j=j: f(params.W1[j] @ x + params.b1[j]), x).astype(float)
        errors.append(error(x, uphill / np.linalg.norm(uphill)))
        best = saelib.forward(params, [x]).A2[0, j]
        errors.append(max(0.0, np.max(saelib.forward(params, rivals).A2[:, j] - best)))
    excluded = np.ptp(saelib.forward(params, rivals).A2[:, 2]) + np.isfinite(inputs[2]).any()
    return max(*errors, excluded)


def coherence(filters, shape, power=2, angle=2, constant=0, divide=True):
    """The coherence of filters with odd sides, with a step that can be replaced."""
    P = np.abs(np.fft.fft2(filters.reshape(-1, *shape))) ** power
    P[:, 0, 0] *= constant
    theta = np.arctan2(np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.fftfreq(shape[1]))
    return np.abs(np.sum(P * np.exp(angle * 1j * theta), axis=(1, 2))) / (np.sum(P, axis=(1, 2)) if divide else 1)


@verifies(
    "eq-orientation-coherence",
    formula=metrics.orientation_coherence,
    wrong={
        "the angle is not doubled": lambda filters, shape: coherence(filters, shape, angle=1),
        "the angle is multiplied by 4": lambda filters, shape: coherence(filters, shape, angle=4),
        "the amplitude instead of the power": lambda filters, shape: coherence(filters, shape, power=1),
        "the constant wave counts": lambda filters, shape: coherence(filters, shape, constant=1),
        "not divided by the whole power": lambda filters, shape: coherence(filters, shape, divide=False),
        "height and width are swapped": lambda filters, shape: coherence(filters, shape[::-1]),
    },
    method="index loops",
)
def coherence_adds_up_arrows_of_waves(formula, rng):
    """Against sums over pixels for each wave and over waves, one by one; and a single wave, which has coherence 1."""
    y, x = np.mgrid[:5, :7]
    filters = np.array([rng.normal(size=(5, 7)), 3 + np.cos(2 * np.pi * (2 * y / 5 - x / 7))])
    expected = []
    for F in filters:
        arrows, power = 0, 0
        for v, u in ((v, u) for v in range(-2, 3) for u in range(-3, 4) if (v, u) != (0, 0)):
            wave = sum(
                F[i, j] * cmath.exp(-2j * cmath.pi * (v * i / 5 + u * j / 7)) for i in range(5) for j in range(7)
            )
            theta = math.atan2(v / 5, u / 7)
            arrows, power = arrows + abs(wave) ** 2 * cmath.exp(2j * theta), power + abs(wave) ** 2
        expected.append(abs(arrows) / power)
    found = formula(filters.reshape(2, 35), (5, 7))
    return max(error(found, expected), abs(found[1] - 1))


# --- chapter "Handwritten digits give strokes" -------------------------------------------------------------------


def ablated_output(params, X, unit):
    """The outputs without one hidden unit, by subtracting what it adds to the last sums."""
    cache = saelib.forward(params, X)
    return saelib.sigmoid(cache.Z3 - cache.A2[:, [unit]] * params.W2[:, unit])


@verifies(
    "eq-ablation",
    formula=ablated_output,
    wrong={
        "added instead of subtracted": lambda params, X, unit: saelib.sigmoid(
            saelib.forward(params, X).Z3 + saelib.forward(params, X).A2[:, [unit]] * params.W2[:, unit]
        ),
        "the weights without the activation": lambda params, X, unit: saelib.sigmoid(
            saelib.forward(params, X).Z3 - params.W2[:, unit]
        ),
        "the incoming weights": lambda params, X, unit: saelib.sigmoid(
            saelib.forward(params, X).Z3 - saelib.forward(params, X).A2[:, [unit]] * params.W1[unit]
        ),
        "subtracted behind the sigmoid": lambda params, X, unit: (
            saelib.forward(params, X).A3 - saelib.forward(params, X).A2[:, [unit]] * params.W2[:, unit]
        ),
        "the next unit": lambda params, X, unit: ablated_output(params, X, (unit + 1) % 3),
    },
    method="index loops",
)
def without_a_unit_the_others_are_summed(formula, rng):
    """Against sums over the hidden units that are left, one by one."""
    params, X = network(rng)
    errors = []
    for unit in range(3):
        expected = []
        for x in X:
            a2, _ = reference.feedforward(params, x, "sigmoid")
            left = [j for j in range(3) if j != unit]
            z3 = [params.b2[k] + sum(params.W2[k, j] * a2[j] for j in left) for k in range(4)]
            expected.append([1 / (1 + math.exp(-z)) for z in z3])
        errors.append(error(formula(params, X, unit), expected))
    return max(errors)


def ablation_slopes(params, cache, delta3):
    """For each example and hidden unit, the slope of the error by a factor on the activation."""
    return cache.A2 * (delta3 @ params.W2)


@verifies(
    "eq-ablation-slope",
    formula=ablation_slopes,
    wrong={
        "the activation is missing": lambda params, cache, delta3: delta3 @ params.W2,
        "W2 is not transposed": lambda params, cache, delta3: cache.A2 * (delta3[:, :3] @ params.W2[:3]),
        "the hidden f' too": lambda params, cache, delta3: cache.A2 * (delta3 @ params.W2) * cache.A2 * (1 - cache.A2),
        "averaged over the outputs": lambda params, cache, delta3: cache.A2 * (delta3 @ params.W2) / 4,
        "the sign": lambda params, cache, delta3: -cache.A2 * (delta3 @ params.W2),
    },
    method="finite differences",
)
def ablation_slope_by_turning_a_unit_down(formula, rng):
    """Each unit's activation is multiplied by a factor near 1, and the error of each example differentiated."""
    params, X = network(rng)
    cache = saelib.forward(params, X)

    def error_of(factors, i):
        a2, _ = reference.feedforward(params, X[i], "sigmoid", mp)
        z3 = [params.b2[k] + sum(params.W2[k, j] * factors[j] * a2[j] for j in range(3)) for k in range(4)]
        return sum((f(z) - x) ** 2 for z, x in zip(z3, X[i], strict=True)) / 2

    expected = [slopes(lambda factors, i=i: error_of(factors, i), np.ones(3)) for i in range(len(X))]
    return error(formula(params, cache, saelib.output_delta(cache, X)), np.array(expected))


def cosines_of_layers(W1, W2):
    """The cosine between each unit's incoming and outgoing weights."""
    return np.sum(W1 * W2.T, axis=1) / np.sqrt(np.sum(W1**2, axis=1) * np.sum(W2**2, axis=0))


@verifies(
    "eq-tied-cosine",
    formula=cosines_of_layers,
    wrong={
        "not divided by the lengths": lambda W1, W2: np.sum(W1 * W2.T, axis=1),
        "divided by their squares": lambda W1, W2: (
            np.sum(W1 * W2.T, axis=1) / (np.sum(W1**2, axis=1) * np.sum(W2**2, axis=0))
        ),
        "the magnitude": lambda W1, W2: np.abs(cosines_of_layers(W1, W2)),
        "the lengths of the whole matrices": lambda W1, W2: (
            np.sum(W1 * W2.T, axis=1) / (np.linalg.norm(W1) * np.linalg.norm(W2))
        ),
        "the means are subtracted": lambda W1, W2: cosines_of_layers(
            W1 - W1.mean(axis=1, keepdims=True), W2 - W2.mean(axis=0)
        ),
    },
    method="independent library",
)
def cosine_of_encoder_and_decoder(formula, rng):
    """Against SciPy's cosine distance, unit by unit."""
    (W1, _, W2, _), _ = network(rng)
    expected = [1 - scipy.spatial.distance.cosine(W1[j], W2[:, j]) for j in range(3)]
    return error(formula(W1, W2), expected)


def softmax_probe(codes, U, v):
    """The probabilities of the classes, a row for each code."""
    odds = np.exp(codes @ U.T + v)
    return odds / odds.sum(axis=1, keepdims=True)


@verifies(
    "eq-softmax-probe",
    formula=softmax_probe,
    wrong={
        "v is missing": lambda codes, U, v: softmax_probe(codes, U, 0 * v),
        "the sign of the scores": lambda codes, U, v: softmax_probe(codes, -U, -v),
        "each class by a sigmoid of its own": lambda codes, U, v: saelib.sigmoid(codes @ U.T + v),
        "divided by the sum over the examples": lambda codes, U, v: (
            np.exp(codes @ U.T + v) / np.exp(codes @ U.T + v).sum(axis=0)
        ),
        "2 to the scores": lambda codes, U, v: softmax_probe(codes, U * np.log(2), v * np.log(2)),
    },
    method="independent library",
)
def probabilities_of_the_probe(formula, rng):
    """Against scikit-learn's logistic regression with the same weights."""
    codes, U, v = rng.normal(size=(7, 5)), rng.normal(size=(4, 5)), rng.normal(size=4)
    model = LogisticRegression()
    model.classes_, model.coef_, model.intercept_ = np.arange(4), U, v
    return error(formula(codes, U, v), model.predict_proba(codes))


def l1_autoencoder_cost(params, X, mu, slack=0, squares=1, half=1):
    """The cost of the autoencoder with ReLU units and an L1 penalty, with steps that can be replaced."""
    W1, b1, W2, b2 = params
    A = np.maximum(slack, (X - b2) @ W1.T + b1)
    residual = A @ W2.T + b2 - X
    return half * np.sum(residual**2) * squares / len(X) + mu * np.sum(A) / len(X)


@verifies(
    "eq-l1-autoencoder",
    formula=l1_autoencoder_cost,
    wrong={
        "half the squared error": lambda params, X, mu: l1_autoencoder_cost(params, X, mu, half=0.5),
        "no ReLU": lambda params, X, mu: l1_autoencoder_cost(params, X, mu, slack=-np.inf),
        "the penalty summed over the examples": lambda params, X, mu: l1_autoencoder_cost(params, X, mu * len(X)),
        "the penalty averaged over the units": lambda params, X, mu: l1_autoencoder_cost(params, X, mu / 3),
        "the error averaged over the outputs": lambda params, X, mu: l1_autoencoder_cost(params, X, mu, squares=1 / 4),
        "b2 is not subtracted from the input": lambda params, X, mu: l1_autoencoder_cost(
            params._replace(b1=params.b1 + params.W1 @ params.b2), X, mu
        ),
    },
    method="index loops",
)
def l1_autoencoder_one_number_at_a_time(formula, rng):
    """Against loops over examples, units and pixels; and scaling codes and decoder oppositely saves penalty only."""
    params, X = network(rng)
    W1, b1, W2, b2 = params
    squares = penalty = 0
    for x in X:
        a = [max(0, b1[j] + sum(W1[j, i] * (x[i] - b2[i]) for i in range(4))) for j in range(3)]
        outputs = [b2[i] + sum(W2[i, j] * a[j] for j in range(3)) for i in range(4)]
        squares += sum((o - x_i) ** 2 for o, x_i in zip(outputs, x, strict=True)) / len(X)
        penalty += sum(a) / len(X)
    scaled = saelib.Params(W1 / 10, b1 / 10, 10 * W2, b2)
    return max(
        error(formula(params, X, 0.7), squares + 0.7 * penalty),
        error(formula(scaled, X, 0.7), squares + 0.07 * penalty),
    )


def top_k(Z, k):
    """The k largest entries of each row, the others set to zero."""
    return np.where(-np.sort(-Z, axis=1)[:, [k - 1]] <= Z, Z, 0)


@verifies(
    "eq-top-k",
    formula=top_k,
    wrong={
        "one too few": lambda Z, k: top_k(Z, k - 1),
        "the k smallest": lambda Z, k: -top_k(-Z, k),
        "the k of largest size": lambda Z, k: np.where(-np.sort(-np.abs(Z), axis=1)[:, [k - 1]] <= np.abs(Z), Z, 0),
        "the k largest of a column": lambda Z, k: top_k(Z.T, k).T,
        "a threshold for all examples": lambda Z, k: np.where(np.sort(Z, axis=None)[-k * len(Z)] <= Z, Z, 0),
        "the last one is subtracted": lambda Z, k: np.maximum(Z + np.sort(-Z, axis=1)[:, [k]], 0),
    },
    method="index loops",
)
def top_k_takes_the_largest_one_by_one(formula, rng):
    """Against taking the largest that is left, k times, in each row by itself."""
    Z, k = rng.normal(size=(6, 7)), 3
    expected = np.zeros((6, 7))
    for row, z in zip(expected, Z, strict=True):
        left = list(range(7))
        for _ in range(k):
            best = max(left, key=lambda j, z=z: z[j])
            row[best] = z[best]
            left.remove(best)
    return error(formula(Z, k), expected)


# --- chapter "Sparse coding" -------------------------------------------------------------------------------------


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


# --- chapter "Reproduction ledger" -------------------------------------------------------------------------------


@verifies(
    "eq-within-tolerance",
    formula=lambda v, v0, tau: abs(v - v0) / tau <= 1,
    wrong={
        "a sign": lambda v, v0, tau: (v - v0) / tau <= 1,
        "the tolerance is a share": lambda v, v0, tau: abs(v - v0) / (tau * v0) <= 1,
        "turned over": lambda v, v0, tau: tau / abs(v - v0) <= 1,
    },
    method="property",
)
def within_the_tolerance_is_between_two_numbers(formula, rng):
    """The quotient is at most 1 for exactly those values that lie between v0 - tau and v0 + tau."""
    v, v0 = rng.normal(scale=3, size=(2, 1000))
    tau = rng.uniform(0.1, 3, 1000)
    between = (v0 - tau <= v) & (v <= v0 + tau)
    return float(np.sum(formula(v, v0, tau) != between))


@verifies(
    "eq-divergence",
    formula=lambda theta, other: np.linalg.norm(theta - other) / np.linalg.norm(theta),
    wrong={
        "not relative": lambda theta, other: np.linalg.norm(theta - other),
        "the lengths are compared, not the vectors": lambda theta, other: (
            abs(np.linalg.norm(theta) - np.linalg.norm(other)) / np.linalg.norm(theta)
        ),
        "squared": lambda theta, other: np.sum((theta - other) ** 2) / np.sum(theta**2),
    },
    method="index loops",
)
def divergence_of_two_parameter_vectors(formula, rng):
    """The distance of two vectors as a share of the first one's length, summed entry by entry."""
    theta, other = rng.normal(size=(2, 9))
    gap = math.sqrt(math.fsum((t - o) ** 2 for t, o in zip(theta, other, strict=True)))
    return error(formula(theta, other), gap / math.sqrt(math.fsum(t * t for t in theta)))


# --- appendices --------------------------------------------------------------------------------------------------


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


# --- the tests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", CHECKS)
def test_equation_holds(label):
    check = CHECKS[label]
    error = measure(check, check.formula)
    record(check, error)
    assert error <= check.tolerance


@pytest.mark.parametrize(("label", "mistake"), [(label, name) for label in CHECKS for name in CHECKS[label].wrong])
def test_check_notices(label, mistake):
    assert notices(CHECKS[label], CHECKS[label].wrong[mistake])


def test_every_mistake_that_the_tutor_knows_is_planted_somewhere():
    planted = [name.split(": ") for check in CHECKS.values() for name in check.wrong if ": " in name]
    names, kinds = {name for _, name in planted}, {kind for kind, _ in planted}
    for kind in kinds:
        assert {mistake.name for mistake in tutor.mistakes(kind)} <= names, kind


def test_every_label_has_its_check_and_every_check_its_label():
    labels = [label for text in pages().values() for label in labels_on(text)]
    assert sorted(labels) == sorted(CHECKS)  # as lists, so that no label stands twice


def test_equations_are_numbered_by_their_labels_alone():
    for name, text in pages().items():
        assert not numbered_otherwise(text), name
        assert not [label for label in labels_on(text) if not re.fullmatch(r"eq-[A-Za-z0-9-]+", label)], name


def test_every_equation_that_is_referred_to_exists():
    for name, text in pages().items():
        assert set(references_on(text)) <= set(CHECKS), name


def test_every_label_in_the_library_is_on_a_page():
    for path in sorted((ROOT / "saelib").rglob("*.py")):
        assert set(labels_in(path.read_text(encoding="utf-8"))) <= set(CHECKS), path.name


def test_what_is_checked_is_the_line_of_the_library_that_has_the_label():
    in_library = {label for path in (ROOT / "saelib").rglob("*.py") for label in labels_in(path.read_text("utf-8"))}
    for check in CHECKS.values():
        function = library_function(check.formula)
        assert (function is not None) == (check.label in in_library), check.label
        assert function is None or check.label in labels_of(function), check.label


# What the library's four modules of formulas hold besides the formulas of the book, and what it is instead.
NO_EQUATION = {
    "pack": "the same numbers in another order",
    "unpack": "the same numbers in another order",
    "log_sigmoid": "the logarithm of eq-sigmoid, which a saturated unit needs",
    "sparsity_delta": "the second term of eq-delta2, from those logarithms",
    "check_params": "a test of an argument",
    "check_forward": "a test of an argument",
    "check_problem": "a test of an argument",
    "check_columns": "a test of an argument",
    "check_rho_hat": "a test of an argument",
}


@pytest.mark.parametrize("module", ["network", "cost", "backprop", "gradcheck"])
def test_every_public_formula_of_the_library_has_a_label(module):
    functions = inspect.getmembers(importlib.import_module(f"saelib.{module}"), inspect.isfunction)
    for name, function in functions:
        if function.__module__ == f"saelib.{module}" and not name.startswith("_"):
            assert bool(labels_of(function)) != (name in NO_EQUATION), name


def test_what_an_equation_may_not_be():
    page = "$$a = b$$ (eq-one)\n\nText $x$.\n\n$$\nc\n$$ (eq-one)\n\n$$d$$\n\n```python\n'$$e$$ (eq-code)'\n```\n"
    assert labels_on(page) == ["eq-one", "eq-one"]
    assert labels_on("$$a$$ (two)\n") == ["two"]
    assert references_on("as in {eq}`eq-one` and {ref}`two`") == ["eq-one"]
    assert not numbered_otherwise(page + "$$\\begin{aligned} a \\end{aligned}$$")
    for otherwise in ("\\begin{align}\na\n\\end{align}", "```{math}\n:label: eq-two\na\n```", "$$a \\tag{3}$$"):
        assert numbered_otherwise(otherwise)


def test_a_label_in_the_library_stands_in_a_comment():
    assert labels_in("x = 1  # (eq-one) (eq-two)\ny = '(eq-three)'\n") == ["eq-one", "eq-two"]
    assert labels_of(saelib.kl_divergence) == {"eq-kl"}
    assert library_function(after_one_round) is saelib.gradient_descent
    assert library_function(cross_entropy) is None


def test_a_check_that_fails_leaves_no_measurement(tmp_path):
    check = CHECKS["eq-kl-prime"]
    record(check, 2e-13, tmp_path / "equations")
    (stored,) = (tmp_path / "equations").iterdir()
    assert json.loads(stored.read_text()) == {"error": 2e-13, "tolerance": 1e-9, "wrong": len(check.wrong)}
    record(check, float("nan"), tmp_path / "equations")
    assert not list((tmp_path / "equations").iterdir())


def test_an_error_has_the_shape_and_the_size_of_what_is_expected():
    assert error([1.0, 2.0], [1.0, 4.0]) == 0.5
    assert error(0.5, 0) == 0.5
    assert np.isnan(error([np.nan, 1], [1, 1]))
    with pytest.raises(ValueError, match=r"found shape \(2, 1\), expected \(2,\)"):
        error([[1], [2]], [1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "eq-z2"}, "eq-z2 has a check already"),
        ({"method": "by eye"}, "method must be one of"),
        ({"wrong": {"the sign": np.negative}}, "at least three mistakes, got 1"),
    ],
)
def test_a_check_is_registered_once_and_in_full(change, message):
    three = dict.fromkeys(("one", "two", "three"), np.negative)
    choice = {"label": "eq-new", "formula": np.abs, "wrong": three, "method": "property", **change}
    with pytest.raises(ValueError, match=message):
        verifies(choice.pop("label"), **choice)(test_equation_holds)
    assert "eq-new" not in CHECKS
