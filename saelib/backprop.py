"""The gradient of the sparse autoencoder's cost, by backpropagation, as the chapters derive it."""

from ._checks import as_matrix, in_open_unit_interval, nonnegative, one_of, same_shape
from .cost import check_means, check_problem, means_of, terms_from_forward
from .network import Params, check_forward, check_params, forward, sigmoid_slope


def kl_prime(rho, rho_hat, rest=None):
    """Return the derivative of KL(rho || rho_hat) with respect to ``rho_hat``, elementwise.

    Arguments and errors are those of `saelib.kl_divergence`.  The derivative is infinite at 0 and at 1; there this
    function returns a large finite number of the right sign.
    """
    return kl_prime_of(*check_means(rho, rho_hat, rest))


def kl_prime_of(rho, rho_hat, rest):
    """Return what `kl_prime` does, for arguments that were checked."""
    return -rho / rho_hat + (1 - rho) / rest  # (eq-kl-prime)


def output_delta(cache, X, *, output="sigmoid"):
    """Return delta3, the derivative of each sample's squared error with respect to the output units' pre-activations.

    Parameters
    ----------
    cache : Forward
        The forward pass on ``X``.
    X : array of shape (m, s3)
        The targets.
    output : {"sigmoid", "linear"}

    Returns
    -------
    array of shape (m, s3)

    Raises
    ------
    ValueError
        If ``X`` is not a finite matrix of the shape that ``cache`` has, or ``output`` is neither of the two.
    """
    _, _, Z3, A3 = check_forward(cache)
    A3, X = same_shape(A3, as_matrix(X), ("A3", "X"))
    linear = one_of(output, "output", ("sigmoid", "linear")) == "linear"
    return A3 - X if linear else (A3 - X) * sigmoid_slope(Z3)  # (eq-delta3) (eq-delta3-linear)


def hidden_delta(params, cache, delta3, *, rho, beta):
    """Return delta2, the hidden units' share of the error, with the sparsity term.

    Parameters
    ----------
    params : Params
    cache : Forward
        The forward pass on all m samples: the sparsity term needs the mean activation of each unit.
    delta3 : array of shape (m, s3)
        What `output_delta` returns.
    rho, beta : float
        The sparsity wanted, strictly between 0 and 1, and the weight of its penalty, >= 0.

    Returns
    -------
    array of shape (m, s2)

    Raises
    ------
    ValueError
        If an argument is outside its range or a shape does not fit.
    """
    params, (Z2, _, _, A3) = check_params(params), check_forward(cache)
    delta3, _ = same_shape(as_matrix(delta3, "delta3"), A3, ("delta3", "A3"))
    if params.W2.shape != (A3.shape[1], Z2.shape[1]):
        raise ValueError(f"W2 must have shape {(A3.shape[1], Z2.shape[1])} to fit cache, got {params.W2.shape}")
    rho, beta = in_open_unit_interval(rho, "rho"), nonnegative(beta, "beta")
    price = beta * kl_prime(rho, *means_of(cache))
    return (delta3 @ params.W2 + price) * sigmoid_slope(Z2)  # (eq-delta2)


def sparse_gradient(params, X, *, lam, rho, beta, output="sigmoid"):
    """Return the gradient of `saelib.sparse_cost`, as `Params`; same arguments and the same errors."""
    return cost_and_gradient(params, X, lam=lam, rho=rho, beta=beta, output=output)[1]


def cost_and_gradient(params, X, *, lam, rho, beta, output="sigmoid"):
    """Return the cost and its gradient from one forward pass, as ``(float, Params)``.

    Arguments and errors are those of `saelib.sparse_cost`.
    """
    params, X = check_problem(params, X, output)
    (W1, _, W2, _), lam, m = params, nonnegative(lam, "lam"), X.shape[0]
    cache = forward(params, X, output=output)
    delta3 = output_delta(cache, X, output=output)
    delta2 = hidden_delta(params, cache, delta3, rho=rho, beta=beta)
    gradient = Params(
        W1=delta2.T @ X / m + lam * W1,  # (eq-grad-W1)
        b1=delta2.sum(axis=0) / m,  # (eq-grad-b1)
        W2=delta3.T @ cache.A2 / m + lam * W2,  # (eq-grad-W2)
        b2=delta3.sum(axis=0) / m,  # (eq-grad-b2)
    )
    cost = terms_from_forward(params, cache, X, lam=lam, rho=rho, beta=beta).total
    return float(cost), gradient
