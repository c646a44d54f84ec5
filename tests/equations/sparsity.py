"""The checks of the equations of the chapter "What sparse means"."""

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

import saelib
from saelib import metrics
from tests.equations import (
    error,
    mistakes,
    verifies,
)


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
