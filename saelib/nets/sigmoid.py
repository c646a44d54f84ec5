"""The sparse autoencoder of Parts I to III: sigmoid units whose mean activations are held near rho."""

from typing import NamedTuple

import numpy as np

from .._checks import as_matrix, in_open_unit_interval, nonnegative, one_of, same_shape
from .._workplace import quickest
from ..architecture import as_it_is
from ..backprop import kl_prime_of
from ..cost import check_problem, kl_of
from ..network import LIMIT, Params, init_params
from ._latents import TINY


class Pair(NamedTuple):
    """Pre-activations ``Z``, activations ``A`` = f(Z) and ``rest`` = f(-Z) = 1 - A, both with all their digits."""

    Z: np.ndarray
    A: np.ndarray
    rest: np.ndarray


def sigmoids(Z):
    """Return f(Z) and f(-Z) as a `Pair`; neither is ever 0, because Z beyond +-700 (float32: +-80) counts as that."""
    E = np.exp(-np.clip(Z, -LIMIT[Z.dtype], LIMIT[Z.dtype]))
    A = 1 / (1 + E)
    return Pair(Z, A, E * A)  # 1 - f(z) = f(-z), without the subtraction


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
        rho, (rho_hat, rest) = self.rho, np.maximum(mean, TINY)  # (eq-rho-hat)
        return self.beta * float(kl_of(rho, rho_hat, rest).sum()), self.beta * kl_prime_of(rho, rho_hat, rest)

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
        squares = float(np.sum(W1**2, dtype=float) + np.sum(W2**2, dtype=float))
        return self.lam / 2 * squares, Params(self.lam * W1, 0 * b1, self.lam * W2, 0 * b2)  # (eq-weight-decay)

    constrain = as_it_is

    mistakes = """
        slope forgotten |  * (codes.A * codes.rest) |  | the slope f' is forgotten in delta2
        slope half there |  * (codes.A * codes.rest) |  * codes.A | the slope f' in delta2 is a alone: it is a (1 - a)
        penalty outside | (delta3 @ W2 + price.astype(X.dtype)) * (codes.A * codes.rest) |
                delta3 @ W2 * (codes.A * codes.rest) + price.astype(X.dtype) |
                the price stands outside the bracket, so that it is not multiplied by f'
        sum outside | (delta3 @ W2 + price.astype(X.dtype)) * (codes.A * codes.rest) |
                delta3 @ W2 + price.astype(X.dtype) * (codes.A * codes.rest) |
                the sum over the outputs stands outside the bracket, so that it is not multiplied by f'
        output's slope | delta3 = error * slope | delta3 = error | the slope of the sigmoid output is forgotten
        output's slope, linear | error, slope = Z3 - target, 1 | error, slope = Z3 - target, Z3 * (1 - Z3) |
                the output is linear: its slope is 1
    """

    def fast(self, params):
        return quickest(Fast)(self, params)


class Block(NamedTuple):
    """Activations of the hidden units, with a last row of ones, and f(-Z): (s2 + 1, rows) and (s2, rows)."""

    A: np.ndarray
    rest: np.ndarray


class Work(NamedTuple):
    """What a thread writes into while it is at a block, and what comes of it: ``gradient``, in its three parts."""

    A3: np.ndarray
    delta3: np.ndarray
    delta2: np.ndarray
    gradient: np.ndarray
    dW1: np.ndarray
    dW2bT: np.ndarray
    db1: np.ndarray


class Fast:
    """The equations of `Sigmoid` in memory that is used again, one product for W2 and b2, and tanh for the outputs.

    Hidden units are rows and samples columns, as on the page.  The same numbers as `Sigmoid`'s, to rounding; see
    `saelib.objective.Plain` for what the methods do.
    """

    reuses = True

    def __init__(self, net, params):
        self.net, (W1, _, W2, _) = net, params
        self.sigmoid, self.limit = net.output == "sigmoid", LIMIT[W1.dtype]
        self.W2bT = np.empty((len(W1) + 1, len(W2)), W2.dtype)
        self.at(params)

    def at(self, params):
        self.W1, b1, W2, b2 = self.params = params
        self.b1 = -b1[:, np.newaxis]
        self.W2T = np.ascontiguousarray(W2.T)  # what `views` gives is it already
        half = 0.5 if self.sigmoid else 1  # f(z) = (1 + tanh(z/2)) / 2
        np.multiply(self.W2T, half, out=self.W2bT[:-1])
        np.multiply(b2, half, out=self.W2bT[-1])
        return self

    def check(self, X, target):
        as_matrix(target, columns=self.W1.shape[1], unit_interval=self.sigmoid)
        same_shape(X, target, ("X", "target"))

    def work(self, rows):
        s2, dtype = len(self.W1), self.W1.dtype
        gradient = np.empty(sum(P.size for P in self.params), dtype)
        A3, delta3 = np.empty((2, rows, self.W2T.shape[1]), dtype)
        return Work(A3, delta3, np.empty((s2, rows), dtype), gradient, *self.split(gradient))

    def split(self, vector):
        """Return views of a vector in this form's order: by W1, by W2 transposed with b2 below it, and by b1."""
        first, last = self.W1.size, vector.size - self.b1.size
        W1, W2bT, b1 = vector[:first], vector[first:last], vector[last:]
        return W1.reshape(self.W1.shape), W2bT.reshape(self.W2bT.shape), b1

    def views(self, vector):
        W1, W2bT, b1 = self.split(vector)
        return Params(W1, b1, W2bT[:-1].T, W2bT[-1])

    def mean(self, gradients, m, run=map):
        def add(part, W):
            total = gradients[0][part]
            for other in gradients[1:]:
                total += other[part]
            total /= m
            if W is None:
                return 0.0
            total += self.net.lam * W.ravel()
            return float(np.vdot(W, W))

        first = self.W1.size
        last = first + self.W2T.size
        squares = sum(run(add, [slice(first), slice(first, last)], [self.W1, self.W2T])) + add(slice(last, None), None)
        return self.net.lam / 2 * squares, gradients[0]

    def codes(self, X):
        """Return memory for the codes of the rows ``X``."""
        s2, rows = len(self.W1), len(X)
        return Block(np.ones((s2 + 1, rows), X.dtype), np.empty((s2, rows), X.dtype))

    def encode(self, X, codes=None):
        if codes is None:
            codes = self.codes(X)
        E, A = codes.rest, codes.A[:-1]
        np.matmul(self.W1, X.T, out=E)
        np.subtract(self.b1, E, out=E)  # -z
        np.minimum(E, self.limit, out=E)  # (np.clip takes longer to begin)
        np.maximum(E, -self.limit, out=E)
        np.exp(E, out=E)
        np.add(1, E, out=A)
        np.reciprocal(A, out=A)
        E *= A
        return codes

    def summary(self, codes):
        # With float32's digits alone, L-BFGS takes a plateau of nearly equal units for the minimum.
        return np.array([codes.A[:-1].sum(axis=1, dtype=float), codes.rest.sum(axis=1, dtype=float)])

    def loss(self, X, target, codes, price, work):
        A3, delta3 = work.A3[: len(X)], work.delta3[: len(X)]  # which is the error here
        np.matmul(codes.A.T, self.W2bT, out=A3)
        if self.sigmoid:
            np.tanh(A3, out=A3)
            A3 *= 0.5
            A3 += 0.5
        np.subtract(A3, target, out=delta3)
        return float(np.vdot(delta3, delta3)) / 2

    def backward(self, X, target, codes, price, work):
        rows, hidden, loss = len(X), codes.A[:-1], self.loss(X, target, codes, price, work)
        A3, delta3, delta2 = work.A3[:rows], work.delta3[:rows], work.delta2[:, :rows]
        if self.sigmoid:
            delta3 *= A3
            np.subtract(1, A3, out=A3)
            delta3 *= A3
        np.matmul(self.W2T, delta3.T, out=delta2)
        delta2 += price.astype(X.dtype)[:, np.newaxis]
        delta2 *= hidden
        delta2 *= codes.rest
        np.matmul(delta2, X, out=work.dW1)
        np.matmul(codes.A, delta3, out=work.dW2bT)
        delta2.sum(axis=1, out=work.db1)
        return loss, work.gradient


EXAMPLES = (Sigmoid(0.1, 0.2, 3.0), Sigmoid(0.01, 0.05, 2.0, "linear"), Sigmoid(0.1, 0.2, 0.0))
