"""The sparse autoencoder of Parts I to III: sigmoid units whose mean activations are held near rho."""

from typing import NamedTuple

import numpy as np

from .._checks import in_open_unit_interval, nonnegative, one_of
from ..architecture import as_it_is
from ..cost import check_problem, weight_decay
from ..network import Params, init_params

LIMIT = {np.dtype(np.float32): 80.0, np.dtype(np.float64): 700.0}  # beyond, exp(-z) and its reciprocal would vanish


class Pair(NamedTuple):
    """Pre-activations ``Z``, activations ``A`` = f(Z) and ``rest`` = f(-Z) = 1 - A, both with all their digits."""

    Z: np.ndarray
    A: np.ndarray
    rest: np.ndarray


def sigmoids(Z):
    """Return f(Z) and f(-Z) as a `Pair`; neither is ever 0, because Z beyond +-700 (float32: +-80) counts as that."""
    E = np.exp(-np.minimum(np.abs(Z), LIMIT[Z.dtype]))
    large = 1 / (1 + E)
    small = E * large
    return Pair(Z, np.where(Z >= 0, large, small), np.where(Z >= 0, small, large))


class Sigmoid(NamedTuple):
    """The sparse autoencoder: half the squared error, weight decay, and beta times the sum of KL(rho || rho_hat_j).

    ``lam``, ``rho``, ``beta`` and ``output`` are those of `saelib.sparse_cost`, which is its cost.
    """

    lam: float = 1e-4
    rho: float = 0.05
    beta: float = 3.0
    output: str = "sigmoid"

    def check(self, params, X, target):
        nonnegative(self.lam, "lam"), nonnegative(self.beta, "beta"), in_open_unit_interval(self.rho, "rho")
        one_of(self.output, "output", ("sigmoid", "linear"))
        check_problem(params, target, self.output)
        if X.shape[1] != params.W1.shape[1]:
            raise ValueError(f"X must have {params.W1.shape[1]} columns, got shape {X.shape}")

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        return init_params(n_visible, n_hidden, rng, dtype=dtype)

    def encode(self, params, X):
        return sigmoids(X @ params.W1.T + params.b1)  # (eq-z2) (eq-a2)

    def decode(self, params, A):
        Z3 = A @ params.W2.T + params.b2  # (eq-z3)
        return sigmoids(Z3).A if self.output == "sigmoid" else Z3  # (eq-a3) (eq-linear-output)

    def summary(self, codes):
        return np.array([codes.A.sum(axis=0, dtype=float), codes.rest.sum(axis=0, dtype=float)])

    def penalty(self, mean):
        (rho_hat, rest), rho = mean, self.rho  # (eq-rho-hat)
        kl = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / rest)  # (eq-kl)
        return self.beta * float(kl.sum()), self.beta * (-rho / rho_hat + (1 - rho) / rest)  # (eq-kl-prime)

    def backward(self, params, X, target, codes, price):
        W2, b2 = params.W2, params.b2
        Z3 = codes.A @ W2.T + b2
        if self.output == "sigmoid":
            out = sigmoids(Z3)
            error, slope = out.A - target, out.A * out.rest
        else:
            error, slope = Z3 - target, 1
        delta3 = error * slope  # (eq-delta3) (eq-delta3-linear)
        delta2 = (delta3 @ W2 + price.astype(X.dtype)) * (codes.A * codes.rest)  # (eq-delta2)
        gradient = Params(delta2.T @ X, delta2.sum(axis=0), delta3.T @ codes.A, delta3.sum(axis=0))
        return float(np.sum(error**2, dtype=float) / 2), gradient

    def decay(self, params):
        W1, b1, W2, b2 = params
        return weight_decay(params, self.lam), Params(self.lam * W1, 0 * b1, self.lam * W2, 0 * b2)

    constrain = as_it_is

    mistakes = {
        "slope forgotten": (" * (codes.A * codes.rest)", "", "the slope f' is forgotten in delta2"),
        "slope half there": (
            " * (codes.A * codes.rest)",
            " * codes.A",
            "the slope f' in delta2 is a alone: it is a (1 - a)",
        ),
        "penalty outside": (
            "(delta3 @ W2 + price.astype(X.dtype)) * (codes.A * codes.rest)",
            "delta3 @ W2 * (codes.A * codes.rest) + price.astype(X.dtype)",
            "the price stands outside the bracket, so that it is not multiplied by f'",
        ),
        "sum outside": (
            "(delta3 @ W2 + price.astype(X.dtype)) * (codes.A * codes.rest)",
            "delta3 @ W2 + price.astype(X.dtype) * (codes.A * codes.rest)",
            "the sum over the outputs stands outside the bracket, so that it is not multiplied by f'",
        ),
        "output's slope": ("delta3 = error * slope", "delta3 = error", "the slope of the sigmoid output is forgotten"),
        "output's slope, linear": (
            "error, slope = Z3 - target, 1",
            "error, slope = Z3 - target, Z3 * (1 - Z3)",
            "the output is linear: its slope is 1",
        ),
    }


EXAMPLES = (Sigmoid(0.1, 0.2, 3.0), Sigmoid(0.01, 0.05, 2.0, "linear"), Sigmoid(0.1, 0.2, 0.0))
