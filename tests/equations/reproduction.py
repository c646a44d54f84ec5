"""The checks of the equations of the chapter "Reproduction ledger"."""

import math

import numpy as np

from tests.equations import (
    error,
    verifies,
)


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
