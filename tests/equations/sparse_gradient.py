"""The checks of the equations of the chapter "The gradient of the sparse autoencoder"."""

from itertools import product

import numpy as np
import scipy.stats
from mpmath import mp

import saelib
from tests import reference
from tests.equations import (
    SETTINGS,
    cost_of_all,
    error,
    f,
    mistakes,
    network,
    slopes,
    verifies,
)


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
    wrong=mistakes("kl_prime", but=("rho_hat_clipped_1",)),
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


# --- the sparse cost --------------------------------------------------------------------------------------------------


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


def of_cache(delta2):
    """The tutor's ``delta2(W2, delta3, A2, rho, beta)`` with the arguments that the library's function has."""
    return lambda params, cache, delta3, *, rho, beta: delta2(params.W2, delta3, cache.A2, rho, beta)


@verifies(
    "eq-delta2",
    formula=saelib.hidden_delta,
    wrong=mistakes("delta2", adapt=of_cache, but=("rho_hat_clipped_1", "rho_hat_clipped_5")),
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


# --- batches ----------------------------------------------------------------------------------------------------------


def all_batches(a, n):
    """The means of every batch of n activations, drawn with replacement from a few, each as likely as any other."""
    return np.array([sum(batch) / n for batch in product(a, repeat=n)])


@verifies(
    "eq-batch-jensen",
    formula=lambda phi, a: phi(a.mean()),
    wrong={
        "the mean of the penalties of single examples": lambda phi, a: phi(a).mean(),
        "at the largest activation": lambda phi, a: phi(a.max()),
        "twice": lambda phi, a: 2 * phi(a.mean()),
    },
    method="property",
)
def mean_penalty_of_batches_is_no_smaller(formula, rng):
    """Over every batch of three, for divergence and square: never below the right side; equal for a constant unit."""
    below = []
    for _ in range(30):
        a, rho = rng.uniform(0.01, 0.99, 4), rng.uniform(0.05, 0.5)
        for phi in (lambda r, rho=rho: saelib.kl_divergence(rho, r), lambda r, rho=rho: (r - rho) ** 2):
            below.append(formula(phi, a) - np.mean([phi(mean) for mean in all_batches(a, 3)]))
            same = np.full(4, a[0])
            below.append(abs(formula(phi, same) - np.mean([phi(mean) for mean in all_batches(same, 3)])))
    return max(*below, 0.0)


@verifies(
    "eq-batch-excess",
    formula=lambda second, a, n: second * a.var() / (2 * n),
    wrong={
        "without the one half": lambda second, a, n: second * a.var() / n,
        "without the size of the batch": lambda second, a, n: second * a.var() / 2,
        "the standard deviation": lambda second, a, n: second * a.std() / (2 * n),
        "the variance of m - 1": lambda second, a, n: second * a.var(ddof=1) / (2 * n),
        "the square of the size": lambda second, a, n: second * a.var() / (2 * n**2),
    },
    method="property",
)
def excess_of_the_batches(formula, rng):
    """Exact for the square, by all batches of three; for the divergence of an on-off unit by the binomial distribution:
    what is left over falls like one over the square of the size."""
    a, rho = rng.uniform(0.01, 0.99, 4), 0.2
    square = np.mean((all_batches(a, 3) - rho) ** 2) - (a.mean() - rho) ** 2
    worst = abs(formula(2, a, 3) - square)
    units = np.array([0.1, 0.1, 0.1, 0.9])
    second = rho / units.mean() ** 2 + (1 - rho) / (1 - units.mean()) ** 2
    left = []
    for n in (1000, 4000):
        count = np.arange(n + 1)
        values = saelib.kl_divergence(rho, 0.1 + 0.8 * count / n)
        exact = scipy.stats.binom(n, 0.25).pmf(count) @ values - saelib.kl_divergence(rho, units.mean())
        left.append(abs(formula(second, units, n) - exact) * n**2)
    return max(worst, float(left[1] > 1.5 * left[0]))
