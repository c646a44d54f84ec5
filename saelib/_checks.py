"""Checks of arguments: each returns the value ready for use, or raises one ``ValueError`` that names the argument."""

import math

import numpy as np

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}


def as_matrix(X, name="X", *, columns=None, unit_interval=False, finite=True):
    """Return ``X`` as a finite floating-point matrix with at least one row; float32 stays float32.

    ``columns`` is the number of columns wanted; ``unit_interval`` asks for entries in [0, 1]; ``finite=False`` leaves
    the look at every entry to who calls.
    """
    X = as_floats(X, name)
    if X.ndim != 2 or X.shape[0] == 0 or X.shape[1] == 0:
        wanted = "(samples, features)" if columns is None else f"(samples, {columns})"
        hint = f"; for a single sample write {name}[np.newaxis, :]" if X.ndim == 1 and X.size else ""
        raise ValueError(f"{name} must be a matrix of shape {wanted} with at least one row, got shape {X.shape}{hint}")
    if columns is not None and X.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns, got shape {X.shape}")
    if not (finite or unit_interval):
        return X
    least, largest = X.min(), X.max()  # NaN, where one of the entries is
    if not (math.isfinite(least) and math.isfinite(largest)):
        row, column = np.argwhere(~np.isfinite(X))[0]
        raise ValueError(f"{name} must be finite, but {name}[{row}, {column}] is {X[row, column]}")
    if unit_interval and (least < 0 or largest > 1):
        raise ValueError(
            f"{name} must lie in [0, 1] for a sigmoid output, got values from {least:.4g} to {largest:.4g}; "
            'rescale the data or use output="linear"'
        )
    return X


def all_finite(x):
    """Return whether every entry is finite, which in most cases the sum of their squares tells."""
    x = x.ravel(order="K")
    return math.isfinite(np.vdot(x, x)) or bool(np.isfinite(x).all())


def as_rows(X, name="X"):
    """Return ``X`` as it is where rows can be read from it, perhaps out of a file, and otherwise as a matrix."""
    sliced = (
        hasattr(X, "dtype") and len(getattr(X, "shape", ())) == 2 and 0 not in X.shape and not hasattr(X, "toarray")
    )
    in_memory = type(X) is np.ndarray and X.dtype not in (np.uint8, np.float32, np.float64)
    return X if sliced and not in_memory else as_matrix(X, name)


def as_floats(x, name):
    """Return ``x`` as a floating-point array of any shape, without a copy where it is one already."""
    if type(x) is np.ndarray and x.dtype in FLOATS:  # a training asks this many times a step
        return x
    if hasattr(x, "toarray"):
        raise ValueError(f"{name} must be a dense array, got a sparse one; {name}.toarray() makes it dense")
    unmasked(x, name)
    try:
        x = np.asarray(x)
        return x if x.dtype in FLOATS else x.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of real numbers, got {describe(x)}") from None


def as_picture(image, name, size=1):
    """Return ``image`` as a finite floating-point matrix of gray levels, ``size`` pixels high and wide at least."""
    image = as_floats(image, name)
    if image.ndim != 2:
        gray = f"{name}[..., :3] @ [0.299, 0.587, 0.114] is the gray of a color picture"
        gray = f"{name}[..., 0] is a gray picture without its alpha channel" if image.shape[-1:] == (2,) else gray
        hint = f"; {gray}" if image.ndim == 3 and image.shape[2] in (2, 3, 4) else ""
        raise ValueError(f"{name} must be a picture of shape (height, width), got shape {image.shape}{hint}")
    if min(image.shape) < size:
        raise ValueError(f"{name} must be at least size = {size} pixels high and wide, got shape {image.shape}")
    return as_matrix(image, name)


def unmasked(x, name):
    """Return ``x`` when none of its entries is masked: elsewhere what a mask hides would be taken for data."""
    if np.ma.is_masked(x):
        raise ValueError(
            f"{name} must have no masked entries, got {np.ma.count_masked(x)}; {name}.filled(0) fills them"
        )
    return x


def exponent(x, axis=None):
    """Return the k for which the largest magnitude in ``x`` lies between 2^(k - 1) and 2^k; along an axis, if given.

    ``np.ldexp(x, -k)`` has the same digits and a size near 1, whose powers neither overflow nor vanish.
    """
    return np.frexp(np.max(np.abs(x), axis=axis, keepdims=axis is not None, initial=0))[1]


def in_open_unit_interval(value, name):
    """Return ``value`` as a float strictly between 0 and 1."""
    value = number(value, name)
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value:g}")
    return value


def nonnegative(value, name):
    """Return ``value`` as a finite float that is not negative."""
    value = number(value, name)
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} must be a finite number >= 0, got {value:g}")
    return value


def positive(value, name):
    """Return ``value`` as a finite float above zero."""
    value = number(value, name)
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be a finite number > 0, got {value:g}")
    return value


def whole_number(value, name, *, least=1, most=None):
    """Return ``value`` as an int from ``least`` to ``most``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} must be a whole number, got {describe(value)}")
    if value < least or (most is not None and value > most):
        wanted = f">= {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {wanted}, got {value}")
    return int(value)


def one_of(value, name, choices):
    """Return ``value`` when it is one of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def same_shape(a, b, names):
    """Return the two arrays when their shapes agree; ``names`` is what to call them."""
    if a.shape != b.shape:
        raise ValueError(f"{names[0]} and {names[1]} must have the same shape, got {a.shape} and {b.shape}")
    return a, b


def generator(rng):
    """Return ``rng`` when it is a NumPy generator of random numbers."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a Generator such as np.random.default_rng(0), got {describe(rng)}")
    return rng


def function(value, name):
    """Return ``value`` when it can be called."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, got {describe(value)}")
    return value


def number(value, name):
    """Return ``value`` as a float, which may be infinite or NaN."""
    try:
        return float(None if isinstance(value, (str, bytes)) else value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {describe(value)}") from None


def describe(value):
    """Say in a few words what came in the place of something else."""
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {shape}" if shape else f"{type(value).__name__} {repr(value)[:60]}"
