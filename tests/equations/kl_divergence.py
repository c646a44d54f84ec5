"""The checks of the equations of the chapter "The KL penalty"."""

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
from mpmath import mp

import saelib
from saelib import cost
from tests import reference
from tests.equations import (
    error,
    f,
    mistakes,
    slopes,
    verifies,
)


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
    "eq-kl-by-bias",
    formula=lambda rho, a: (a.mean() - rho) * (1 - a.var() / (a.mean() * (1 - a.mean()))),
    wrong={
        "the variance is forgotten": lambda rho, a: a.mean() - rho,
        "the sign of the variance": lambda rho, a: (a.mean() - rho) * (1 + a.var() / (a.mean() * (1 - a.mean()))),
        "the denominator is forgotten": lambda rho, a: (a.mean() - rho) * (1 - a.var()),
    },
    method="finite differences",
)
def slope_of_the_divergence_by_the_bias(formula, rng):
    """The derivative with respect to the bias of a unit whose activations differ, by central differences."""
    rho, z = rng.uniform(0.01, 0.99), rng.normal(0, 3, 20)
    by_differences = slopes(lambda b: reference.kl(rho, sum(f(y + b[0]) for y in z) / len(z), mp), np.zeros(1))
    return error(np.atleast_1d(formula(rho, saelib.sigmoid(z))), by_differences)


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
    "eq-rho-hat-rest",
    formula=cost.means_of,
    wrong={
        "one minus a mean that has rounded": lambda cache: (0, 1 - cache.A2.mean(axis=0)),
        "the mean of f(z)": lambda cache: (0, cache.A2.mean(axis=0)),
        "the sum": lambda cache: (0, saelib.sigmoid(-cache.Z2).sum(axis=0)),
    },
    method="high precision",
)
def rest_of_the_mean_activation(formula, rng):
    """Units saturated at either end, up to pre-activations near 700, against 1 - rho_hat in 1000 digits."""
    Z2 = rng.uniform(-1, 1, size=(6, 5)) + [-699, -40, 0, 40, 699]
    with mp.workdps(1000):
        expected = [float(1 - sum(f(mp.mpf(z)) for z in unit) / 6) for unit in Z2.T]
    _, rest = formula(saelib.Forward(Z2, saelib.sigmoid(Z2), Z2, Z2))
    return np.max(np.abs(rest / expected - 1))


# --- the sparse cost --------------------------------------------------------------------------------------------------


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
        "the mean over the units": lambda rho, r, rest: saelib.kl_divergence(rho, r, rest).mean(),
        "one rho_hat for all units": lambda rho, r, rest: len(r) * saelib.kl_divergence(rho, r.mean(), rest.mean()),
        "the last unit is left out": lambda rho, r, rest: saelib.sparsity_penalty(rho, r[:-1], rest[:-1]),
        "rho_hat is clipped": lambda rho, r, rest: saelib.sparsity_penalty(rho, np.clip(r, 1e-10, 1 - 1e-10)),
    },
    method="high precision",
)
def penalty_is_the_sum_of_the_divergences(formula, rng):
    """Against mpmath in 500 digits, for ordinary units and for units that are off, or on, for every example."""
    Z2, rho = rng.normal(size=(6, 5)), 0.05
    Z2[:, 3] -= 600
    Z2[:, 4] += 600
    with mp.workdps(500):
        rho_hat = [sum(f(mp.mpf(z)) for z in column) / 6 for column in Z2.T]
        expected = sum(reference.kl(mp.mpf(rho), r, mp) for r in rho_hat)
    return error(formula(rho, saelib.sigmoid(Z2).mean(axis=0), saelib.sigmoid(-Z2).mean(axis=0)), expected)


@verifies(
    "eq-kl-prime",
    formula=saelib.kl_prime,
    wrong=mistakes("kl_prime", but=("rho_hat_clipped_1",)),
    method="finite differences",
)
def kl_prime_is_the_slope_of_the_divergence(formula, rng):
    """The derivative of the divergence, against central differences in 30 digits, at random rho and rho_hat."""
    rho, rho_hat = rng.uniform(0.01, 0.99), rng.uniform(0.01, 0.99, 20)

    def penalty(rho_hat):
        return sum(reference.kl(rho, r, mp) for r in rho_hat)

    return error(formula(rho, rho_hat), slopes(penalty, rho_hat))
