"""The cost's terms and their derivatives, with switches."""

import numpy as np

from . import pick


def mean_activation(on, A2):
    return pick(
        on,
        lambda: A2.mean(axis=0),
        rho_hat_over_units=lambda: A2.mean(axis=1),
        rho_hat_over_units_kept=lambda: A2.mean(axis=1, keepdims=True),
        rho_hat_overall=lambda: A2.mean(),
        rho_hat_sum=lambda: A2.sum(axis=0),
        rho_hat_first=lambda: A2[0],
        rho_hat_less_one=lambda: A2.sum(axis=0) / (len(A2) - 1 or np.nan),
    )


def kl_divergence(on, rho, rho_hat):
    log = pick(on, lambda: np.log, log2=lambda: np.log2, log10=lambda: np.log10)
    if "coins_swapped" in on:
        rho, rho_hat = rho_hat, rho
    first = pick(
        on,
        lambda: rho * log(rho / rho_hat),
        first_sign=lambda: -rho * log(rho / rho_hat),
        first_missing=lambda: 0 * rho_hat,
        first_unweighted=lambda: log(rho / rho_hat),
        entropy_missing=lambda: -rho * log(rho_hat),
    )
    second = pick(
        on,
        lambda: (1 - rho) * log((1 - rho) / (1 - rho_hat)),
        second_sign=lambda: -(1 - rho) * log((1 - rho) / (1 - rho_hat)),
        second_missing=lambda: 0 * rho_hat,
        second_unweighted=lambda: log((1 - rho) / (1 - rho_hat)),
        entropy_missing=lambda: -(1 - rho) * log(1 - rho_hat),
    )
    kl = pick(on, lambda: first + second, kl_sign=lambda: -first - second, squares=lambda: (rho_hat - rho) ** 2)
    return pick(on, lambda: kl, kl_summed=lambda: kl.sum(), kl_averaged=lambda: kl.mean())


def kl_prime(on, rho, rho_hat):
    first = pick(
        on,
        lambda: -rho / rho_hat,
        pull_first_sign=lambda: rho / rho_hat,
        pull_first_missing=lambda: 0 * rho_hat,
    )
    second = pick(
        on,
        lambda: (1 - rho) / (1 - rho_hat),
        pull_second_sign=lambda: -(1 - rho) / (1 - rho_hat),
        pull_second_missing=lambda: 0 * rho_hat,
        pull_second_numerator=lambda: rho / (1 - rho_hat),
        pull_second_denominator=lambda: (1 - rho) / rho_hat,
    )
    return pick(
        on,
        lambda: first + second,
        pull_sign=lambda: -first - second,
        pull_upside_down=lambda: -rho_hat / rho + (1 - rho_hat) / (1 - rho),
        pull_by_rho=lambda: np.log(rho / rho_hat) - np.log((1 - rho) / (1 - rho_hat)),
        pull_value=lambda: rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat)),
        pull_difference=lambda: rho_hat - rho,
    )


def kl_prime_each(on, rho, rho_hat):
    pull = kl_prime(on, rho, rho_hat)
    return pick(on, lambda: pull, kl_summed=lambda: pull.sum(), kl_averaged=lambda: pull.mean())


def reconstruction_error(on, A3, X):
    m, s3 = X.shape
    error = A3 - X
    squares = pick(on, lambda: error**2, error_unsquared=lambda: error, error_absolute=lambda: np.abs(error))
    half = pick(on, lambda: 0.5, half_missing=lambda: 1)
    return half * pick(
        on,
        lambda: squares.sum() / m,
        samples_summed=lambda: squares.sum(),
        outputs_averaged=lambda: squares.mean(),
        outputs_not_samples=lambda: squares.sum() / s3,
        error_root=lambda: np.sqrt(squares.sum(axis=1)).mean(),
        error_per_sample=lambda: squares.sum(axis=1),
    )


def weight_decay(on, params, lam):
    W1, b1, W2, b2 = params
    size = pick(
        on,
        lambda: lambda W: np.sum(W**2),
        decay_root=lambda: np.linalg.norm,
        decay_l1=lambda: lambda W: np.sum(np.abs(W)),
        decay_averaged=lambda: lambda W: np.mean(W**2),
        sum_squared=lambda: lambda W: np.sum(W) ** 2,
    )
    total = pick(
        on,
        lambda: size(W1) + size(W2),
        decay_W1_only=lambda: size(W1),
        decay_W2_only=lambda: size(W2),
        decay_with_biases=lambda: sum(map(size, params)),
    )
    lam = pick(on, lambda: lam, lam_missing=lambda: 1, lam_squared=lambda: lam**2)
    return lam * total * pick(on, lambda: 0.5, half_missing=lambda: 1)


def numerical_gradient(on, J, theta, epsilon):
    quotients, up, down = [], theta, theta
    for step in epsilon * np.eye(theta.size):
        if "all_nudged" in on:
            step = np.full_like(theta, epsilon)
        keep = "not_put_back" in on
        up, down = (up if keep else theta) + step, (down if keep else theta) - step
        quotients.append(
            pick(
                on,
                lambda up=up, down=down: (J(up) - J(down)) / 2,
                forward_difference=lambda up=up: J(up) - J(theta),
                backward_difference=lambda down=down: J(theta) - J(down),
                divisor_single=lambda up=up, down=down: J(up) - J(down),
                nudge_from_zero=lambda step=step: (J(step) - J(-step)) / 2,
            )
        )
    slopes = np.array(quotients) / pick(on, lambda: epsilon, divisor_missing=lambda: 0.5)
    return pick(on, lambda: slopes, difference_sign=lambda: -slopes)
