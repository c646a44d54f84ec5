"""The cost function, term by term: reconstruction, weight decay and the sparsity penalty."""

import math
from typing import NamedTuple

import numpy as np

from ._checks import as_floats, as_matrix, in_open_unit_interval, nonnegative, one_of, same_shape
from .network import check_params, forward, log_sigmoid


class CostTerms(NamedTuple):
    """The three terms of the cost, already weighted; their sum is J_sparse."""

    reconstruction: float
    decay: float
    sparsity: float

    @property
    def total(self):
        """The cost itself.  (Not by ``sum``, which rounds differently from Python 3.12 on.)"""
        return self.reconstruction + self.decay + self.sparsity  # (eq-sparse-cost)


def reconstruction_error(A3, X):
    """Return half the squared error, summed over outputs and averaged over samples; both arguments are (m, s3)."""
    A3, X = same_shape(as_matrix(A3, "A3"), as_matrix(X), ("A3", "X"))
    m = X.shape[0]
    return float(np.sum((A3 - X) ** 2, dtype=float) / (2 * m))  # (eq-reconstruction)


def weight_decay(params, lam):
    """Return lam/2 times the sum of all squared weights; biases never decay."""
    W1, _, W2, _ = check_params(params)
    squares = float(np.sum(W1**2, dtype=float) + np.sum(W2**2, dtype=float))
    return nonnegative(lam, "lam") / 2 * squares  # (eq-weight-decay)


def mean_activation(A2):
    """Return rho_hat, the mean activation of each hidden unit over the m rows of ``A2``; shape (s2,)."""
    A2 = as_matrix(A2, "A2")
    return A2.mean(axis=0, dtype=float).astype(A2.dtype)  # (eq-rho-hat)


def kl_divergence(rho, rho_hat):
    """Return KL(rho || rho_hat) between two coins, elementwise in ``rho_hat``.

    ``rho`` lies strictly between 0 and 1, ``rho_hat`` in [0, 1].  The divergence is infinite at 0 and at 1; there this
    function returns the value at the smallest positive float instead, large and finite.

    Raises
    ------
    ValueError
        If ``rho`` or ``rho_hat`` is outside its range.
    """
    rho, rho_hat = in_open_unit_interval(rho, "rho"), check_rho_hat(rho_hat)
    tiny = np.finfo(rho_hat.dtype).tiny
    return _kl_from_logs(rho, np.log(np.maximum(rho_hat, tiny)), np.log(np.maximum(1 - rho_hat, tiny)))


def log_mean_activation(Z2):
    """Return log(rho_hat) and log(1 - rho_hat) from the pre-activations ``Z2`` (m, s2), each of shape (s2,).

    Both are right for units so saturated that rho_hat itself would round to 0 or to 1.
    """
    Z2 = as_matrix(Z2, "Z2")
    return _log_mean_exp(log_sigmoid(Z2)), _log_mean_exp(log_sigmoid(-Z2))


def sparsity_penalty(Z2, rho):
    """Return the sum over hidden units of KL(rho || rho_hat), from the pre-activations ``Z2`` (m, s2).

    Equal to ``kl_divergence(rho, mean_activation(A2)).sum()``, and still right where a unit is saturated throughout.
    """
    rho = in_open_unit_interval(rho, "rho")
    return float(np.sum(_kl_from_logs(rho, *log_mean_activation(Z2)), dtype=float))  # (eq-sparsity-penalty)


def cost_terms(params, X, *, lam, rho, beta, output="sigmoid"):
    """Return the three terms of `sparse_cost` one by one, as `CostTerms`; same arguments."""
    params, X = check_problem(params, X, output)
    return terms_from_forward(params, forward(params, X, output=output), X, lam=lam, rho=rho, beta=beta)


def terms_from_forward(params, cache, X, *, lam, rho, beta):
    """Return the `CostTerms` when the forward pass has been made already; ``cache`` is its `Forward`."""
    return CostTerms(
        reconstruction=reconstruction_error(cache.A3, X),
        decay=weight_decay(params, lam),
        sparsity=nonnegative(beta, "beta") * sparsity_penalty(cache.Z2, rho),
    )


def sparse_cost(params, X, *, lam, rho, beta, output="sigmoid"):
    """Return the cost of the sparse autoencoder, J_sparse.

    Parameters
    ----------
    params : Params
    X : array of shape (m, s1)
        The inputs, which are also the targets; in [0, 1] when the output is sigmoid.
    lam, beta : float
        Weights of the decay and of the sparsity penalty, both >= 0.
    rho : float
        The mean activation wanted of each hidden unit, strictly between 0 and 1.
    output : {"sigmoid", "linear"}

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If an argument is outside its range or a shape does not fit.
    """
    return cost_terms(params, X, lam=lam, rho=rho, beta=beta, output=output).total  # (eq-sparse-cost)


def check_problem(params, X, output):
    """Return ``params`` and ``X`` ready for use, or say what does not fit: the inputs are also the targets."""
    params, linear = check_params(params), one_of(output, "output", ("sigmoid", "linear")) == "linear"
    X = as_matrix(X, columns=params.W1.shape[1], unit_interval=not linear)
    check_columns(params, X)
    return params, X


def check_columns(params, X):
    """Say so if the network does not have as many inputs and outputs as ``X`` has columns."""
    if params.W1.shape[1] != X.shape[1]:
        raise ValueError(f"X must have {params.W1.shape[1]} columns, got shape {X.shape}")
    if params.b2.size != X.shape[1]:
        raise ValueError(f"b2 must have {X.shape[1]} entries, one for each column of X, got {params.b2.size}")


def check_rho_hat(rho_hat):
    """Return ``rho_hat`` as floats in [0, 1], or say what is wrong with it."""
    rho_hat = as_floats(rho_hat, "rho_hat")
    if not np.all((rho_hat >= 0) & (rho_hat <= 1)):
        raise ValueError(f"rho_hat must lie in [0, 1], got values from {rho_hat.min():.4g} to {rho_hat.max():.4g}")
    return rho_hat


def _kl_from_logs(rho, log_rho_hat, log_rest):
    return rho * (math.log(rho) - log_rho_hat) + (1 - rho) * (math.log(1 - rho) - log_rest)  # (eq-kl)


def _log_mean_exp(L):
    largest = L.max(axis=0)
    return largest + np.log(np.mean(np.exp(L - largest), axis=0, dtype=float)).astype(L.dtype)  # (eq-log-rho-hat)
