"""Checking a gradient against central differences."""

from typing import NamedTuple

import numpy as np

from ._checks import as_floats, exponent, function, number, positive, same_shape


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
        If ``J`` does not give a number, ``theta`` is not a vector or ``epsilon`` is not positive.
    """
    theta, epsilon, J = _as_vector(theta), positive(epsilon, "epsilon"), function(J, "J")
    gradient, step = np.empty(theta.size), np.zeros(theta.size)
    for i in range(theta.size):
        step[i] = epsilon
        above, below = number(J(theta + step), "J(theta)"), number(J(theta - step), "J(theta)")
        gradient[i] = (above - below) / (2 * epsilon)  # (eq-central-difference)
        step[i] = 0
    return gradient


def relative_error(a, b):
    """Return ||a - b|| / (||a|| + ||b||), between 0 and 1, for two arrays of the same shape; 0 if both vanish."""
    a, b = same_shape(as_floats(a, "a"), as_floats(b, "b"), ("a", "b"))
    size = max(exponent(a), exponent(b))
    a, b = np.ldexp(a, -size), np.ldexp(b, -size)
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
    theta, tolerance = _as_vector(theta), positive(tolerance, "tolerance")
    pair = function(cost_and_gradient, "cost_and_gradient")(theta)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"cost_and_gradient must return the pair (J, gradient), got {type(pair).__name__}")
    analytic, _ = same_shape(as_floats(pair[1], "gradient"), theta, ("gradient", "theta"))
    numerical = numerical_gradient(lambda t: cost_and_gradient(t)[0], theta, epsilon)
    error = relative_error(analytic, numerical)
    return GradientCheck(error, error <= tolerance, analytic, numerical)


def _as_vector(theta):
    theta = as_floats(theta, "theta").astype(float)
    if theta.ndim != 1 or theta.size == 0:
        raise ValueError(f"theta must be a vector, got shape {theta.shape}; pack(params) makes one of parameters")
    if not np.isfinite(theta).all():
        raise ValueError(f"theta must be finite, but theta[{np.argmin(np.isfinite(theta))}] is not")
    return theta
