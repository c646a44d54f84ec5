"""The forward pass, the deltas, the gradient and the update, with switches."""

import numpy as np

from ... import network
from ...network import Params, sigmoid
from . import pick
from .costs import kl_prime, mean_activation


def forward(on, params, X):
    W1, b1, W2, b2 = params
    f = pick(
        on,
        lambda: sigmoid,
        tanh=lambda: np.tanh,
        sigmoid_sign=lambda: lambda Z: sigmoid(-Z),
        slope_for_sigmoid=lambda: lambda Z: sigmoid(Z) * sigmoid(-Z),
    )
    product = pick(on, lambda: X @ W1.T, W1_untransposed=lambda: X @ W1, W1_first=lambda: W1 @ X)
    Z2 = product + pick(on, lambda: b1, b1_missing=lambda: 0 * b1)
    A2 = pick(on, lambda: f(Z2), hidden_linear=lambda: Z2)
    product = pick(on, lambda: A2 @ W2.T, W2_untransposed=lambda: A2 @ W2, Z3_from_Z2=lambda: Z2 @ W2.T)
    Z3 = product + pick(on, lambda: b2, b2_missing=lambda: 0 * b2)
    A3 = pick(on, lambda: f(Z3), output_linear=lambda: Z3)
    return pick(on, lambda: (Z2, A2, Z3, A3), order=lambda: (A2, Z2, A3, Z3))


def slope(on, A, Z, layer):
    """f' of a layer, ``"hidden"`` or ``"output"``, from its activations; ``Z`` is None where it is not to be had."""
    wrong = {
        "slope_missing": lambda: np.ones_like(A),
        "slope_half": lambda: A,
        "slope_rest": lambda: 1 - A,
        "slope_plus": lambda: A * (1 + A),
        "slope_tanh": lambda: 1 - A**2,
        "slope_again": lambda: sigmoid(A) * sigmoid(-A),
        "slope_squared": lambda: (A * (1 - A)) ** 2,
    }
    if Z is not None:
        wrong["slope_of_z"] = lambda: Z * (1 - Z)
    return pick(on, lambda: A * (1 - A), **{f"{layer}_{name}": line for name, line in wrong.items()})


def delta3(on, A3, X, Z3=None):
    error = pick(
        on,
        lambda: A3 - X,
        error_sign=lambda: X - A3,
        error_squared=lambda: (A3 - X) ** 2,
        error_absolute=lambda: np.abs(A3 - X),
        error_doubled=lambda: 2 * (A3 - X),
        error_halved=lambda: (A3 - X) / 2,
    )
    return error * slope(on, A3, Z3, "output") / pick(on, lambda: 1, delta3_mean=lambda: len(X))


def hidden_delta(on, W2, delta3, A2, Z2=None, penalty=0):
    back = pick(
        on,
        lambda: delta3 @ W2,
        W2_turned=lambda: delta3 @ W2.T,
        W2_skipped=lambda: delta3 + 0 * A2,
        back_sign=lambda: -delta3 @ W2,
    )
    f_prime = slope(on, A2, Z2, "hidden")
    delta2 = (back + penalty) * f_prime
    if np.ndim(penalty):
        delta2 = pick(on, lambda: delta2, penalty_outside=lambda: back * f_prime + penalty)
    return delta2 / pick(on, lambda: 1, delta2_mean=lambda: len(A2))


def delta2(on, W2, delta3, A2, rho, beta, Z2=None):
    m = len(A2)
    rho_hat = pick(on, lambda: mean_activation(on, A2), rho_hat_per_sample=lambda: A2)
    pull = kl_prime(on, rho, rho_hat)
    penalty = pick(
        on,
        lambda: beta * pull,
        beta_missing=lambda: pull,
        penalty_missing=lambda: 0 * A2[0],
        penalty_mean=lambda: beta * pull / m,
        penalty_times_m=lambda: beta * pull * m,
    )
    if "beta_on_all" in on:
        return beta * hidden_delta(on, W2, delta3, A2, Z2, penalty / beta)
    return hidden_delta(on, W2, delta3, A2, Z2, penalty)


def gradient(on, params, X, lam):
    Z2, A2, Z3, A3 = network.forward(params, X)
    Delta3 = delta3(on, A3, X, Z3)
    Delta2 = hidden_delta(on, params.W2, Delta3, A2, Z2)
    return _assemble(on, params, X, Z2, A2, Delta3, Delta2, lam)


def sparse_gradient(on, params, X, lam, rho, beta):
    Z2, A2, Z3, A3 = network.forward(params, X)
    Delta3 = delta3(on, A3, X, Z3)
    Delta2 = delta2(on, params.W2, Delta3, A2, rho, beta, Z2)
    return _assemble(on, params, X, Z2, A2, Delta3, Delta2, lam)


def _assemble(on, params, X, Z2, A2, Delta3, Delta2, lam):
    dW1 = pick(on, lambda: Delta2.T @ X, sums_turned=lambda: X.T @ Delta2, starts_swapped=lambda: Delta2.T @ A2)
    dW2 = pick(
        on,
        lambda: Delta3.T @ A2,
        sums_turned=lambda: A2.T @ Delta3,
        starts_swapped=lambda: Delta3.T @ X,
        start_before_f=lambda: Delta3.T @ Z2,
    )
    db1, db2 = Delta2.sum(axis=0), Delta3.sum(axis=0)
    if "biases_forgotten" in on:
        db1, db2 = 0 * db1, 0 * db2
    result = _average(on, params, Params(dW1, db1, dW2, db2), len(X), lam)
    result = pick(on, lambda: result, layers_swapped=lambda: Params(*result[2:], *result[:2]))
    return pick(on, lambda: result, negated=lambda: Params(*(-P for P in result)))


def _average(on, params, Delta, m, lam):
    """From sums over the samples to the gradient: the mean, and the decay of the weights."""
    (W1, b1, W2, b2), (dW1, db1, dW2, db2) = params, Delta
    m_weights = pick(on, lambda: m, mean_missing=lambda: 1, mean_missing_weights=lambda: 1)
    m_biases = pick(on, lambda: m, mean_missing=lambda: 1, mean_missing_biases=lambda: 1)
    lam_W1 = pick(on, lambda: lam, decay_W2_only=lambda: 0)
    lam_W2 = pick(on, lambda: lam, decay_W1_only=lambda: 0)
    factor = pick(
        on,
        lambda: 1,
        decay_missing=lambda: 0,
        decay_sign=lambda: -1,
        decay_halved=lambda: 0.5,
        decay_doubled=lambda: 2,
        decay_mean=lambda: 1 / m,
    )
    decay = pick(on, lambda: lambda W: W, decay_squared=lambda: np.square, decay_absolute=lambda: np.sign)
    on_biases = pick(on, lambda: 0, decay_biases=lambda: lam)
    return Params(
        dW1 / m_weights + factor * lam_W1 * decay(W1),
        db1 / m_biases + factor * on_biases * decay(b1),
        dW2 / m_weights + factor * lam_W2 * decay(W2),
        db2 / m_biases + factor * on_biases * decay(b2),
    )


def update(on, params, Delta, m, alpha, lam):
    gradient = _average(on, params, Delta, pick(on, lambda: m, mean_twice=lambda: m**2), lam)
    step = [pick(on, lambda: alpha, alpha_missing=lambda: 1) * G for G in gradient]
    if "alpha_not_on_decay" in on:
        step[0] = step[0] + (1 - alpha) * lam * params.W1
        step[2] = step[2] + (1 - alpha) * lam * params.W2
    if "biases_kept" in on:
        step[1], step[3] = 0 * step[1], 0 * step[3]
    return pick(
        on,
        lambda: Params(*(P - S for P, S in zip(params, step, strict=True))),
        ascent=lambda: Params(*(P + S for P, S in zip(params, step, strict=True))),
        step_only=lambda: Params(*(-S for S in step)),
    )
