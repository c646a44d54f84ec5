"""The checks of the equations of the chapter "Checking and descending"."""

import functools
import itertools
import math
import statistics
from fractions import Fraction

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
import sympy
from mpmath import mp
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

import saelib
from tests.equations import (
    SETTINGS,
    error,
    network,
    slopes,
    slopes_by,
    verifies,
)


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
    """The packed parameters after each step of `saelib.adam`, every batch being all samples."""
    met, net = [], saelib.nets.Sigmoid(ADAM["lam"], ADAM["rho"], ADAM["beta"])
    saelib.adam(
        net,
        params,
        [X] * steps,
        learning_rate=ADAM["alpha"],
        report=1,
        callback=lambda t, p, J: met.append(saelib.pack(p)),
    )
    return np.array(met)


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
