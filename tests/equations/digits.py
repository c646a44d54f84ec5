"""The checks of the equations of the chapter "Handwritten digits give strokes"."""

import math

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
from mpmath import mp
from sklearn.linear_model import LogisticRegression

import saelib
from tests import reference
from tests.equations import (
    error,
    f,
    network,
    slopes,
    verifies,
)


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
