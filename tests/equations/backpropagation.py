"""The checks of the equations of the chapter "Backpropagation, every step"."""

import functools

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
import sympy
from mpmath import mp

import saelib
from tests.equations import (
    SETTINGS,
    cost_of_all,
    cost_of_one,
    error,
    example,
    f,
    mistakes,
    network,
    slopes,
    slopes_by,
    verifies,
)

# --- the deltas -------------------------------------------------------------------------------------------------------


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


# --- the derivatives by weights and biases, for one example -----------------------------------------------------------


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


# --- one layer back, and matrices -------------------------------------------------------------------------------------


def of_one(hidden_delta):
    """A hidden delta of a batch, for the vectors of a single example."""
    return lambda W2, delta3, a2: hidden_delta(W2, delta3[np.newaxis], a2[np.newaxis])[0]


def delta2_summed(W2, delta3, a2):
    """The sum over k for each hidden unit j, times f', as the page has it."""
    return [sum(W2[k, j] * delta3[k] for k in range(len(delta3))) * a2[j] * (1 - a2[j]) for j in range(len(a2))]


@verifies(
    "eq-delta2-plain",
    formula=delta2_summed,
    wrong=mistakes("hidden_delta", adapt=of_one, but=("delta2_mean", "hidden_slope_of_mean"))
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
    wrong=mistakes("hidden_delta", adapt=of_one, but=("delta2_mean", "hidden_slope_of_mean"))
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


# --- the gradient of a batch, and the update --------------------------------------------------------------------------


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


# --- any number of layers ---------------------------------------------------------------------------------------------


def tower(rng, sizes=(4, 3, 5, 2, 3)):
    """Return the weights and biases of sigmoid layers, an input and a target, all random."""
    weights = [rng.normal(size=shape) for shape in zip(sizes[1:], sizes[:-1], strict=True)]
    return weights, [rng.normal(size=n) for n in sizes[1:]], rng.uniform(0, 1, sizes[0]), rng.uniform(0, 1, sizes[-1])


def up(weights, biases, x):
    """Return the activations of all layers, the input first."""
    activations = [x]
    for W, b in zip(weights, biases, strict=True):
        activations.append(scipy.special.expit(W @ activations[-1] + b))
    return activations


def deltas_down(back=lambda W, delta, a: (W.T @ delta) * a * (1 - a)):
    """Return a function that gives the deltas of all layers, the second first, by ``back`` from layer to layer."""

    def deltas(weights, activations, target):
        a = activations[-1]
        found = [(a - target) * a * (1 - a)]
        for W, a in zip(weights[:0:-1], activations[-2:0:-1], strict=True):
            found.insert(0, back(W, found[0], a))
        return found

    return deltas


def cost_from(layer, z, weights, biases, target):
    """The cost as a function of the pre-activations of one layer, in mpmath's precision."""
    for W, b in zip(weights[layer:], biases[layer:], strict=True):
        z = [mp.fdot(row, [f(t) for t in z]) + c for row, c in zip(W, b, strict=True)]
    return sum((f(t) - y) ** 2 for t, y in zip(z, target, strict=True)) / 2


@verifies(
    "eq-delta-layers",
    formula=deltas_down(),
    wrong={
        "no transpose": deltas_down(lambda W, delta, a: (W @ delta) * a * (1 - a)),
        "no f'": deltas_down(lambda W, delta, a: W.T @ delta),
        "no weights": deltas_down(lambda W, delta, a: np.full(len(a), delta.sum()) * a * (1 - a)),
        "the sign": deltas_down(lambda W, delta, a: -(W.T @ delta) * a * (1 - a)),
        "f' before the sum": deltas_down(lambda W, delta, a: W.T @ (delta * delta)),
    },
    method="finite differences",
)
def deltas_of_a_tower(formula, rng):
    """The deltas of four sigmoid layers, against central differences of the cost by each layer's pre-activations."""
    weights, biases, x, target = tower(rng)
    activations, errors = up(weights, biases, x), []
    for layer, delta in enumerate(formula(weights, activations, target), start=1):
        z = weights[layer - 1] @ activations[layer - 1] + biases[layer - 1]
        errors.append(error(delta, slopes(lambda z, at=layer: cost_from(at, z, weights, biases, target), z)))
    return max(errors)


def tower_gradients(of_weights=np.outer, of_biases=lambda delta: delta):
    """Return a function that gives (gradient of W, gradient of b) of each layer from deltas and activations."""

    def gradients(weights, biases, x, target):
        activations = up(weights, biases, x)
        deltas = deltas_down()(weights, activations, target)
        return [(of_weights(d, a), of_biases(d)) for d, a in zip(deltas, activations[:-1], strict=True)]

    return gradients


@verifies(
    "eq-layer-gradients",
    formula=tower_gradients(),
    wrong={
        "the other order": tower_gradients(lambda delta, a: np.outer(a, delta)),
        "f' instead of a": tower_gradients(lambda delta, a: np.outer(delta, a * (1 - a))),
        "the sign": tower_gradients(lambda delta, a: -np.outer(delta, a)),
        "the mean over the layer": tower_gradients(lambda delta, a: np.outer(delta, a) / len(a)),
        "the bias's delta summed": tower_gradients(of_biases=lambda delta: np.full(len(delta), delta.sum())),
    },
    method="finite differences",
)
def gradients_of_a_tower(formula, rng):
    """Every weight and bias of four sigmoid layers, against central differences in 30 digits."""
    weights, biases, x, target = tower(rng)
    errors = []
    for k, (dW, db) in enumerate(formula(weights, biases, x, target)):

        def J(W, b, k=k):
            layers = zip([*weights[:k], W, *weights[k + 1 :]], [*biases[:k], b, *biases[k + 1 :]], strict=True)
            a = list(x)
            for W, b in layers:
                a = [f(mp.fdot(row, a) + c) for row, c in zip(W, b, strict=True)]
            return sum((t - y) ** 2 for t, y in zip(a, target, strict=True)) / 2

        errors.append(error(dW, slopes(lambda W, k=k, J=J: J(W, biases[k]), weights[k])))
        errors.append(error(db, slopes(lambda b, k=k, J=J: J(weights[k], b), biases[k])))
    return max(errors)


# --- losses as likelihoods --------------------------------------------------------------------------------------------


def half_squares(x, a):
    """Half the squared error and the constant of the normal density."""
    return np.sum((x - a) ** 2) / 2 + len(x) / 2 * np.log(2 * np.pi)


@verifies(
    "eq-likelihood-gaussian",
    formula=half_squares,
    wrong={
        "no half": lambda x, a: 2 * half_squares(x, a) - len(x) / 2 * np.log(2 * np.pi),
        "no constant": lambda x, a: np.sum((x - a) ** 2) / 2,
        "the constant once": lambda x, a: np.sum((x - a) ** 2) / 2 + np.log(2 * np.pi) / 2,
        "the sign": lambda x, a: -half_squares(x, a),
    },
    method="independent library",
)
def density_of_normal_noise(formula, rng):
    """Half the squared error and a constant, against the multivariate normal density of SciPy."""
    x, a = rng.normal(size=(2, 5))
    return error(formula(x, a), -scipy.stats.multivariate_normal(mean=a).logpdf(x))


def bits(x, a):
    """The cross entropy of targets 0 or 1."""
    return -np.sum(x * np.log(a) + (1 - x) * np.log(1 - a))


@verifies(
    "eq-likelihood-bernoulli",
    formula=bits,
    wrong={
        "the first term only": lambda x, a: -np.sum(x * np.log(a)),
        "the sign": lambda x, a: -bits(x, a),
        "a mean": lambda x, a: bits(x, a) / len(x),
        "x and a exchanged": lambda x, a: -np.sum(a * np.log((x + 1) / 3) + (1 - a) * np.log(1 - (x + 1) / 3)),
    },
    method="independent library",
)
def probability_of_coins(formula, rng):
    """The cross entropy of 0s and 1s, against the logarithms of the probabilities of SciPy's Bernoulli variable."""
    x, a = np.array([0.0, 1, 1, 0, 1, 0]), rng.uniform(0.05, 0.95, 6)
    return error(formula(x, a), -np.sum(scipy.stats.bernoulli(a).logpmf(x)))


@verifies(
    "eq-decay-prior",
    formula=lambda m, tau: 1 / (m * tau**2),
    wrong={
        "the m forgotten": lambda m, tau: 1 / tau**2,
        "tau for its square": lambda m, tau: 1 / (m * tau),
        "half of it": lambda m, tau: 1 / (2 * m * tau**2),
        "times m": lambda m, tau: m / tau**2,
    },
    method="independent library",
)
def decay_as_a_prior(formula, rng):
    """Between two networks, the cost differs by 1/m of the difference of SciPy's negative log posteriors."""
    (one, X), (other, _), tau = network(rng), network(rng), rng.uniform(0.5, 2)
    m = len(X)

    def posterior(params):
        out = saelib.forward(params, X, output="linear").A3
        weights = np.concatenate([params.W1.ravel(), params.W2.ravel()])
        return -scipy.stats.norm.logpdf(X, out).sum() - scipy.stats.norm.logpdf(weights, scale=tau).sum()

    def cost(params):
        return saelib.sparse_cost(params, X, lam=formula(m, tau), rho=0.5, beta=0, output="linear")

    return error(cost(one) - cost(other), (posterior(one) - posterior(other)) / m)


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
