"""The network: its parameters, its activation function and the forward pass."""

from typing import NamedTuple

import numpy as np

from ._checks import all_finite, as_floats, as_matrix, generator, one_of, whole_number


class Params(NamedTuple):
    """Weights and biases of a three-layer network with s1 inputs, s2 hidden and s3 output units.

    ``W1`` is (s2, s1), ``b1`` (s2,), ``W2`` (s3, s2) and ``b2`` (s3,).  Row j of ``W1`` is the filter of hidden unit j.
    """

    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: np.ndarray


class Forward(NamedTuple):
    """What a forward pass leaves behind: ``Z2``, ``A2`` of shape (m, s2) and ``Z3``, ``A3`` of shape (m, s3)."""

    Z2: np.ndarray
    A2: np.ndarray
    Z3: np.ndarray
    A3: np.ndarray


# Beyond, exp(-z) or its reciprocal would be too small for a number of full precision.
LIMIT = {np.dtype(np.float32): np.float32(80), np.dtype(np.float64): np.float64(700)}


def sigmoid(Z):
    """Return the logistic function 1 / (1 + exp(-Z)) elementwise, for any shape and any finite or infinite ``Z``.

    It is never 0: a ``Z`` beyond +-700 (float32: +-80) counts as +-700.
    """
    Z = as_floats(Z, "Z")
    return 1 / (1 + np.exp(-np.clip(Z, -LIMIT[Z.dtype], LIMIT[Z.dtype])))  # (eq-sigmoid)


def sigmoid_prime(A):
    """Return the sigmoid's derivative, written in terms of its value ``A`` = f(z) and not of z."""
    A = as_floats(A, "A")
    return A * (1 - A)  # (eq-sigmoid-prime)


def sigmoid_slope(Z):
    """Return the sigmoid's derivative at ``Z``; unlike `sigmoid_prime` it keeps its digits where A rounds to 1."""
    Z = as_floats(Z, "Z")
    return sigmoid(Z) * sigmoid(-Z)  # 1 - f(z) = f(-z), without the subtraction


def init_params(n_visible, n_hidden, rng, *, dtype=np.float64):
    """Draw the weights uniformly from +-sqrt(6 / (s1 + s2 + 1)) and set the biases to zero.

    Parameters
    ----------
    n_visible, n_hidden : int
        The sizes s1 (= s3) and s2.
    rng : numpy.random.Generator
        Source of the random numbers; ``W1`` is drawn first, then ``W2``.

    Returns
    -------
    Params
        The interval keeps the first pre-activations small, where the sigmoid is steep (Glorot and Bengio, 2010; UFLDL).
    """
    n_visible, n_hidden = whole_number(n_visible, "n_visible"), whole_number(n_hidden, "n_hidden")
    rng, dtype = generator(rng), one_of(np.dtype(dtype).name, "dtype", ("float32", "float64"))
    r = np.sqrt(6 / (n_visible + n_hidden + 1))  # (eq-init-range)
    W1 = rng.uniform(-r, r, (n_hidden, n_visible))
    W2 = rng.uniform(-r, r, (n_visible, n_hidden))
    return Params(*(P.astype(dtype) for P in (W1, np.zeros(n_hidden), W2, np.zeros(n_visible))))


def forward(params, X, *, output="sigmoid"):
    """Run the network on every row of ``X``.

    Parameters
    ----------
    params : Params
    X : array of shape (m, s1)
    output : {"sigmoid", "linear"}
        The activation function of the output units.

    Returns
    -------
    Forward
        Pre-activations and activations of both layers.

    Raises
    ------
    ValueError
        If ``X`` is not a finite matrix with s1 columns, or the shapes of ``params`` do not fit together.
    """
    W1, b1, W2, b2 = params = check_params(params)
    X = as_matrix(X, columns=W1.shape[1])
    one_of(output, "output", ("sigmoid", "linear"))
    Z2 = X @ W1.T + b1  # (eq-z2)
    A2 = sigmoid(Z2)  # (eq-a2)
    Z3 = A2 @ W2.T + b2  # (eq-z3)
    A3 = sigmoid(Z3) if output == "sigmoid" else Z3  # (eq-a3) (eq-linear-output)
    return Forward(Z2, A2, Z3, A3)


def pack(params):
    """Return the parameters as one vector theta, in the order W1, b1, W2, b2, each row by row."""
    return np.concatenate([np.ravel(P) for P in _four(params, "params")])


def unpack(theta, like):
    """Return the vector ``theta`` as parameters of the shapes that ``like`` has; they are views, not copies."""
    theta = as_floats(theta, "theta")
    sizes = [np.size(P) for P in _four(like, "like")]
    if theta.shape != (sum(sizes),):
        raise ValueError(f"theta must be a vector of {sum(sizes)} numbers for these shapes, got shape {theta.shape}")
    pieces = np.split(theta, np.cumsum(sizes)[:-1])
    return Params(*(piece.reshape(np.shape(P)) for piece, P in zip(pieces, like, strict=True)))


def check_params(params):
    """Return ``params`` as `Params` of floating-point arrays, or say which of them does not fit."""
    W1, _, _, b2 = params = Params._make(map(as_floats, _four(params, "params"), Params._fields))
    if W1.ndim != 2 or 0 in W1.shape:
        raise ValueError(f"W1 must be a matrix of shape (s2, s1), got shape {W1.shape}")
    (s2, s1), s3 = W1.shape, b2.size
    for name, P, shape in zip(Params._fields, params, (W1.shape, (s2,), (s3, s2), (s3,)), strict=True):
        if P.shape != shape:
            raise ValueError(f"{name} must have shape {shape} beside W1 of shape {(s2, s1)}, got {P.shape}")
        if not all_finite(P):
            raise ValueError(f"{name} must be finite, got {P[~np.isfinite(P)][0]} among its values")
    return params


def check_forward(cache):
    """Return ``cache`` when it is a `Forward`."""
    if not isinstance(cache, Forward):
        raise ValueError(
            f"cache must be Forward(Z2, A2, Z3, A3), what saelib.forward returns, got {type(cache).__name__}"
        )
    return cache


def _four(params, name):
    if not isinstance(params, (tuple, list)) or len(params) != 4:
        raise ValueError(f"{name} must be Params(W1, b1, W2, b2), got {type(params).__name__}")
    return params
