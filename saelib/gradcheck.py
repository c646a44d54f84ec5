"""Checking a gradient against central differences."""

from typing import NamedTuple

import numpy as np

from ._checks import as_floats, positive


class GradientCheck(NamedTuple):
    """The verdict of `check_gradient`: the relative error, whether it passed, and both gradients as vectors."""

    error: float
    passed: bool
    analytic: np.ndarray
    numerical: np.ndarray


def numerical_gradient(J, theta, epsilon=1e-5):
    """Return the gradient of ``J`` at the vector ``theta`` by central differences.

    Parameters
    ----------
    J : callable
        Takes a vector like ``theta`` and returns a number.  It is called twice per entry of ``theta``.
    theta : array of shape (d,)
    epsilon : float
        Half the distance between the two points; near 1e-5 the errors of truncation and of rounding balance in float64.

    Returns
    -------
    array of shape (d,), float64

    Raises
    ------
    ValueError
        If ``theta`` is not a vector or ``epsilon`` is not positive.
    """
    theta, epsilon = _as_vector(theta), positive(epsilon, "epsilon")
    gradient, step = np.empty(theta.size), np.zeros(theta.size)
    for i in range(theta.size):
        step[i] = epsilon
        gradient[i] = (J(theta + step) - J(theta - step)) / (2 * epsilon)  # (eq-central-difference)
        step[i] = 0
    return gradient


def relative_error(a, b):
    """Return ||a - b|| / (||a|| + ||b||), between 0 and 1, for two arrays of the same shape; 0 if both vanish."""
    a, b = as_floats(a, "a"), as_floats(b, "b")
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, got {a.shape} and {b.shape}")
    total = np.linalg.norm(a) + np.linalg.norm(b)
    return float(np.linalg.norm(a - b) / total) if total else 0.0  # (eq-relative-error)


def check_gradient(cost_and_gradient, theta, *, epsilon=1e-5, tolerance=1e-8):
    """Compare a gradient with central differences at ``theta``.

    Parameters
    ----------
    cost_and_gradient : callable
        Takes a vector and returns ``(J, gradient)``, the gradient a vector too: a `saelib.Objective`, for instance.
    theta : array of shape (d,)
        Converted to float64, for float32 never passes such a check.
    epsilon, tolerance : float
        Step of the differences and the largest `relative_error` that passes.

    Returns
    -------
    GradientCheck
    """
    theta = _as_vector(theta)
    analytic = as_floats(cost_and_gradient(theta)[1], "gradient")
    numerical = numerical_gradient(lambda t: cost_and_gradient(t)[0], theta, epsilon)
    if analytic.shape != theta.shape:
        raise ValueError(f"the gradient must have the shape of theta, {theta.shape}, got {analytic.shape}")
    error = relative_error(analytic, numerical)
    return GradientCheck(error, error <= positive(tolerance, "tolerance"), analytic, numerical)


def _as_vector(theta):
    theta = as_floats(theta, "theta").astype(float)
    if theta.ndim != 1 or theta.size == 0:
        raise ValueError(f"theta must be a vector, got shape {theta.shape}; pack(params) makes one of parameters")
    return theta
