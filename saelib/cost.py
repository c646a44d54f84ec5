"""The cost function, term by term: reconstruction, weight decay and the sparsity penalty."""

from typing import NamedTuple

import numpy as np

from ._checks import as_floats, as_matrix, in_open_unit_interval, nonnegative, one_of, same_shape
from .network import check_params, forward, sigmoid


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


def kl_divergence(rho, rho_hat, rest=None):
    """Return KL(rho || rho_hat) between two Bernoulli variables, elementwise in ``rho_hat``.

    Parameters
    ----------
    rho : float
        Strictly between 0 and 1.
    rho_hat : array
        In [0, 1].  The divergence is infinite at 0 and at 1; there this function returns the value at the smallest
        positive float instead, large and finite.
    rest : array, optional
        1 - rho_hat where it is known with more digits than the subtraction leaves: the mean of f(-z).

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    return kl_of(*check_means(rho, rho_hat, rest))


def kl_of(rho, rho_hat, rest):
    """Return what `kl_divergence` does, for arguments that were checked."""
    return rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / rest)  # (eq-kl)


def sparsity_penalty(rho, rho_hat, rest=None):
    """Return Omega, the sum over the hidden units of KL(rho || rho_hat); arguments and errors as `kl_divergence`."""
    return float(np.sum(kl_divergence(rho, rho_hat, rest), dtype=float))  # (eq-sparsity-penalty)


def cost_terms(params, X, *, lam, rho, beta, output="sigmoid"):
    """Return the three terms of `sparse_cost` one by one, as `CostTerms`; same arguments."""
    params, X = check_problem(params, X, output)
    return terms_from_forward(params, forward(params, X, output=output), X, lam=lam, rho=rho, beta=beta)


def terms_from_forward(params, cache, X, *, lam, rho, beta):
    """Return the `CostTerms` when the forward pass has been made already; ``cache`` is its `Forward`."""
    return CostTerms(
        reconstruction=reconstruction_error(cache.A3, X),
        decay=weight_decay(params, lam),
        sparsity=nonnegative(beta, "beta") * sparsity_penalty(rho, *means_of(cache)),
    )


def means_of(cache):
    """Return rho_hat and 1 - rho_hat, both with all their digits: the means of f(z) and of f(-z)."""
    return mean_activation(cache.A2), mean_activation(sigmoid(-cache.Z2))  # (eq-rho-hat-rest)


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


def check_means(rho, rho_hat, rest=None):
    """Return ``rho``, ``rho_hat`` and 1 - rho_hat as floats that a logarithm takes, or say what is wrong with them."""
    rho, rho_hat = in_open_unit_interval(rho, "rho"), _in_unit_interval(rho_hat, "rho_hat")
    if rest is None:
        rest = 1 - rho_hat
    else:
        rho_hat, rest = same_shape(rho_hat, _in_unit_interval(rest, "rest"), ("rho_hat", "rest"))
    tiny = np.finfo(rho_hat.dtype).tiny
    return rho, np.maximum(rho_hat, tiny), np.maximum(rest, tiny)


def _in_unit_interval(mean, name):
    mean = as_floats(mean, name)
    if not np.all((mean >= 0) & (mean <= 1)):
        raise ValueError(f"{name} must lie in [0, 1], got values from {mean.min():.4g} to {mean.max():.4g}")
    return mean
