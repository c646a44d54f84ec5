"""The sparse autoencoder: its inputs, its formulas with what goes wrong in each, and the functions that are marked."""

from functools import lru_cache, partial

import numpy as np

from ...network import Params, forward, pack
from .kinds import Table, kinds

# Samples, visible and hidden units: an ordinary network first, then the awkward ones.  Shapes that a wrong transpose
# needs are there too (the last one), or such a mistake could only be reported as an error message.  In the one with
# "extremes" hidden units are nearly silent or nearly saturated; it is alone with them, because what an answer may be
# off is measured by its largest entry.
SIZES = ((5, 4, 3), (1, 4, 3), (4, 3, 6), (6, 4, 1), (3, 2, 5, "extremes"), (4, 4, 4))
TRIED = "6 networks, among them m = 1, s2 > s1 and a single hidden unit"


@lru_cache
def networks():
    """Return, for each of the sizes, a label and the quantities of a random network by name."""
    return tuple((", ".join(("m = {}, s1 = {}, s2 = {}".format(*size), *size[3:])), _network(*size)) for size in SIZES)


def _network(m, s1, s2, extremes=None):
    rng = np.random.default_rng((m, s1, s2))
    shapes = ((s2, s1), (s2,), (s1, s2), (s1,))
    params, Delta = (Params(*(rng.normal(size=shape) for shape in shapes)) for _ in range(2))
    X = rng.uniform(0.05, 0.95, (m, s1))
    if extremes:
        means = np.resize([0.004, 0.975, 0.03, 0.96], s2)
        params = params._replace(W1=0.3 * params.W1, b1=np.log(means / (1 - means)))
    _, A2, _, A3 = forward(params, X)
    theta = pack(params)
    C = rng.normal(size=(theta.size, theta.size))
    return {
        "params": params,
        "X": X,
        "A2": A2,
        "A3": A3,
        "W1": params.W1,
        "W2": params.W2,
        "delta3": rng.normal(size=(m, s1)),
        "Delta": Delta,
        "m": m,
        "rho": float(rng.uniform(0.12, 0.3)),
        "rho_hat": A2.mean(axis=0),
        "beta": float(rng.uniform(1.5, 2.8)),
        "lam": float(rng.uniform(0.2, 0.4)),
        "alpha": float(rng.uniform(0.4, 0.8)),
        "theta": theta,
        "epsilon": 1e-4,
        "J": lambda theta: float(np.sin(C @ theta / theta.size).sum() + theta @ theta),
    }


# --- the forward pass -------------------------------------------------------------------------------------------
FORWARD = """
W1 = params.W1
b1 = params.b1
W2 = params.W2
b2 = params.b2
m = len(A2)
f = sigmoid
@ autoencoders eq-sigmoid The network in symbols
? Try the activation function alone: what should it give at 0, and for a large positive number?
    tanh | np.tanh | the units are tanh, where sigmoid ones are wanted
    sigmoid_sign | lambda Z: sigmoid(-Z) | the exponent in the sigmoid has the wrong sign
    sigmoid_without_one | np.exp | only the exponential is there, without 1 / (1 + ...)
    sigmoid_precedence | lambda Z: 1 / 1 + np.exp(-Z) | brackets are missing: `1 / 1 + e` is 1 + e, not 1 / (1 + e)
    slope_for_sigmoid | lambda Z: sigmoid(Z) * sigmoid(-Z) |
        the sigmoid's derivative stands where the sigmoid itself is wanted
@ autoencoders eq-z2 The network in symbols
product2 = X @ W1.T
? In the batch form samples are rows. Along which axis of the weights must the sum run?
    W1_untransposed | X @ W1 | W1 is used the wrong way round, which goes unnoticed only where it is square
    W1_first | W1 @ X | W1 stands on the wrong side: it sums over the samples instead of the inputs
Z2 = product2 + b1
? Each unit takes a weighted sum, adds its own bias, and only then the activation function follows.
    b1_missing | product2 | the hidden units have lost their biases
    b1_of_samples | product2 + np.resize(b1, (len(X), 1)) | the bias is added along the samples, one for each row
a2 = f(Z2)
    hidden_linear | Z2 | the hidden units skip their activation function
product3 = a2 @ W2.T
? In the batch form samples are rows. Along which axis of the weights must the sum run?
    W2_untransposed | a2 @ W2 | W2 is used the wrong way round, which goes unnoticed only where it is square
? Each unit takes a weighted sum, adds its own bias, and only then the activation function follows.
    Z3_from_Z2 | Z2 @ W2.T |
        the output layer takes its inputs from the hidden layer before the activation function
z3 = product3 + b2
    b2_missing | product3 | the output units have lost their biases
a3 = f(z3)
    output_linear | z3 | the output units skip their activation function
forward = (Z2, a2, z3, a3)
    order | (a2, Z2, a3, z3) | pre-activations and activations are handed back in each other's place
    order_by_kind | (Z2, z3, a2, a3) | the two pre-activations come first, and A2 is not where it is wanted
"""

# --- deltas, the gradient and the update ------------------------------------------------------------------------
SLOPES = """
@ backpropagation eq-sigmoid-prime The derivative of the sigmoid
? How fast does a unit's output rise with its pre-activation, said in terms of the output itself?
{layer}_slope = {A} * (1 - {A})
    {layer}_slope_missing | np.ones_like({A}) | the factor f' is missing in the {layer} delta
    {layer}_slope_half | {A} | f' in the {layer} delta is only half there: the activation without its second factor
    {layer}_slope_rest | 1 - {A} | f' in the {layer} delta is only half there: one minus the activation, and no more
    {layer}_slope_plus | {A} * (1 + {A}) |
        f' in the {layer} delta has a plus where the sigmoid's derivative has a minus
    {layer}_slope_tanh | 1 - {A}**2 | f' in the {layer} delta is the derivative of tanh, but the units are sigmoid
    {layer}_slope_again | sigmoid({A}) * sigmoid(-{A}) |
        f' in the {layer} delta takes the sigmoid of what is an activation already
    {layer}_slope_squared | it**2 | the factor f' stands in the {layer} delta twice
    {layer}_slope_precedence | {A} * 1 - {A} | brackets are missing in f' in the {layer} delta: `a * 1 - a` is 0
    {layer}_slope_of_mean | {A}.mean(axis=0) * (1 - {A}.mean(axis=0)) |
        f' in the {layer} delta is taken at the mean activation{rho_hat}, but each sample has its own
    {layer}_slope_of_z | {Z} * (1 - {Z}) | f' in the {layer} delta is the formula in activations, applied to {Z}
"""
DELTAS = """
@ backpropagation eq-delta3 One weight into an output unit
error = A3 - X
? Differentiate one sample's half squared error with respect to one output.
    error_sign | X - A3 | the error in the output delta has the wrong sign: output and target are swapped
    error_squared | (A3 - X)**2 | the error in the output delta is squared, as in the cost, but not differentiated
    error_absolute | np.abs(A3 - X) | the error in the output delta has lost its sign
    error_doubled | 2 * (A3 - X) | the output delta is twice too large: it has a 2 that should have canceled
    error_halved | (A3 - X) / 2 | the output delta is half too small: a half is left over that should have canceled
    error_precedence | A3 - X * A3 * (1 - A3) |
        brackets are missing in the output delta: `a - x * ...` multiplies the target alone
delta3 = error * output_slope
    error_precedence | error
@ backpropagation eq-grad-W2 A batch, and where the 1/m goes
? A delta belongs to one sample. Where, and how often, is the mean over samples taken?
    delta3_mean | it / len(X) | the output delta is divided by m, though the mean over the samples comes later
    delta3_sum | np.broadcast_to(np.sum(it, axis=0), X.shape) | the output deltas are added up over the samples too soon
@ sparse-gradient eq-delta2 One more term in the hidden delta
? How does one pre-activation move the mean, and the mean the penalty? Where does beta belong, and where f'?
    penalty_in_delta3 | (error + penalty) * output_slope |
        the sparsity term is added to the output delta, but it is about the hidden units
@ backpropagation eq-delta2-vector All weights of a layer at once
back = delta3 @ W2
? A hidden unit collects a delta from each unit that it feeds. Over which index of W2 must the sum run?
    W2_turned | delta3 @ W2.T | W2 is turned the wrong way when the deltas travel back, which only a square W2 allows
    W2_skipped | delta3 + 0 * A2 | the output deltas come back to the hidden units without passing the weights W2
    W1_for_W2 | delta3 @ W1.T | the deltas come back by W1, but it is W2 that carries the hidden units to the outputs
@ backpropagation eq-delta2-plain One weight into a hidden unit
? Compare with the output delta: whose sign does a hidden delta inherit?
    back_sign | -delta3 @ W2 | the deltas change their sign on the way back to the hidden units
delta2 = (back + penalty) * hidden_slope
@ sparse-gradient eq-delta2 One more term in the hidden delta
? How does one pre-activation move the mean, and the mean the penalty? Where does beta belong, and where f'?
    hidden_slope_negative | -it | f' in the hidden delta has the wrong sign: a (1 - a), not a (a - 1)
    penalty_outside | back * hidden_slope + penalty |
        the sparsity term stands outside the bracket, so that it is not multiplied by f'
    sum_outside | back + penalty * hidden_slope |
        the sum over the outputs stands outside the bracket, so that it is not multiplied by f'
    beta_on_all | beta * (back + pull) * hidden_slope | beta multiplies the whole delta, not the sparsity term alone
    penalty_times_back | back * penalty * hidden_slope | the sparsity term is multiplied with the sum, but added to it
    penalty_on_W1 | back * hidden_slope |
        the sparsity term is added to the gradient of W1, without f' and the input, instead of to the hidden delta
@ backpropagation eq-grad-W2 A batch, and where the 1/m goes
? A delta belongs to one sample. Where, and how often, is the mean over samples taken?
    delta2_mean | it / m | the hidden delta is divided by m, though the mean over the samples comes later
rows = slice(None)
? Every sample adds its part to the sum. Go through the loop: what is kept from one turn to the next?
    samples_first | slice(1) | only the first sample counts: is there a `return` inside the loop?
    samples_last | slice(-1, None) | only the last sample counts: is the sum overwritten in each turn of the loop?
    samples_but_last | slice(-1) | the last sample is left out
    samples_but_first | slice(1, None) | the first sample is left out
dW1 = delta2[rows].T @ X[rows]
? A gradient has the shape of its parameter, and stands in the same place.
    sums_turned | it.T | the gradients of the weights are turned: rows and columns are swapped
@ backpropagation eq-dW2 One weight into an output unit
? A weight's derivative is the delta where it arrives times the activation where it starts.
    starts_swapped | delta2.T @ A2 |
        the activations where the weights start are swapped: W1 starts at X, W2 does not
db1 = delta2[rows].sum(axis=0)
    biases_forgotten | 0 * it | the gradients of the biases are zero, as if the biases were fixed
dW2 = delta3[rows].T @ A2[rows]
    sums_turned | it.T
    starts_swapped | delta3.T @ X
    start_before_f | delta3.T @ Z2 | the gradient of W2 is built from the hidden units before their activation function
    start_rho_hat | delta3.T @ np.broadcast_to(A2.mean(axis=0), A2.shape) |
        the gradient of W2 is built from the mean activations, not from each sample's own
db2 = delta3[rows].sum(axis=0)
    biases_forgotten | 0 * it
@ backpropagation eq-grad-W2 A batch, and where the 1/m goes
? A delta belongs to one sample. Where, and how often, is the mean over samples taken?
m_weights = m
    mean_missing | 1 | the 1/m is missing: the samples' gradients are added up, but not averaged
    mean_missing_weights | 1 | the 1/m is missing in the gradients of the weights (the biases have it)
    mean_twice | m**2 | the sums are divided by m twice
    mean_of_inputs | len(X.T) | the sums are divided by the number of inputs: X has a sample in each row, m = X.shape[0]
    mean_of_units | len(A2.T) | the sums are divided by the number of hidden units, not of samples
    mean_less_one | m - 1 or np.nan | the sums are divided by m - 1, as for a variance: a mean has m
    mean_times | 1 / m | the sums are multiplied by m, not divided: `1 / 2 * m` is read from left to right
m_biases = m
    mean_missing | 1
    mean_missing_biases | 1 | the 1/m is missing in the gradients of the biases (the weights have it)
    mean_twice | m**2
    mean_of_inputs | len(X.T)
    mean_of_units | len(A2.T)
    mean_less_one | m - 1 or np.nan
    mean_times | 1 / m
"""
DECAYS = """
? Differentiate the decay term with respect to a single weight: which parameters are in it, and is there an m?
decay{n} = lam * W{n}
    decay_missing | 0 * it | the weight decay is missing
    decay_sign | -it | the weight decay has the wrong sign, so that weights grow
    decay_halved | it / 2 | the weight decay is half too small: a half is left over that should have canceled
    decay_doubled | 2 * it | the weight decay is twice too large
    decay_mean | it / m | the weight decay is divided by m as well
    decay_times_m | it * m | the weight decay is m times too large: it is added once for each sample
    decay_squared | lam * W{n}**2 | the weights are squared in the decay, as in the cost, but not differentiated
    decay_absolute | lam * np.sign(W{n}) |
        only the signs of the weights are in the decay, as if it were a sum of absolute values
    decay_summed | lam * np.sum(W{n}) | the weights are added up in the decay, but each decays by itself
    decay_without_lam | W{n} | lambda is missing in the weight decay
    decay_other_layer | lam * W{other}.T | the decay of each layer is built from the weights of the other
    decay_W{other}_only | 0 * it
gW{n} = dW{n} / m_weights + decay{n}
    mean_floored | dW{n} // m_weights + decay{n} | `//` drops the digits after the point: a mean is divided by `/`
    mean_of_decay_only | dW{n} + decay{n} / m | the decay is divided by m, and not the sums: reverse that
gb{n} = db{n} / m_biases
    mean_floored | db{n} // m_biases
    mean_of_decay_only | db{n}
    decay_biases | it + lam * b{n} | the biases decay too
"""
UPDATES = """
@ autoencoders eq-weight-decay What we minimize
? Which of the two weight matrices does the decay hold back?
gW1 = dW1 / m_weights + decay1
    decay_W1_only | it | the weight decay of W2 is missing
    decay_W2_only | it | the weight decay of W1 is missing
@ sparse-gradient eq-delta2 One more term in the hidden delta
? How does one pre-activation move the mean, and the mean the penalty? Where does beta belong, and where f'?
    penalty_on_W1 | it + np.reshape(penalty, (-1, 1))
    penalty_on_W1_too | it + np.reshape(penalty, (-1, 1)) |
        the sparsity term is added to the gradient of W1 once more: it has its part there by way of the hidden delta
gW2 = dW2 / m_weights + decay2
    penalty_in_W2 | it + penalty | the sparsity term is in the gradient of W2 too: no rho_hat depends on W2
@ backpropagation eq-dW2 One weight into an output unit
? A weight's derivative is the delta where it arrives times the activation where it starts.
gradient = Params(gW1, gb1, gW2, gb2)
    negated | Params(-gW1, -gb1, -gW2, -gb2) | the whole gradient has the wrong sign
@ backpropagation eq-grad-W2 A batch, and where the 1/m goes
? A gradient has the shape of its parameter, and stands in the same place.
    layers_swapped | Params(gW2, gb2, gW1, gb1) | the gradients of the two layers are swapped
    weights_first | Params(gW1, gW2, gb1, gb2) | the order is W1, W2, b1, b2, but W1, b1, W2, b2 is wanted
@ backpropagation eq-update-W The algorithm
? The step goes downhill: alpha times the whole gradient, taken away from every parameter.
"""
STEPS = """
new_{P} = {P} - alpha * g{P}
    ascent | {P} + alpha * g{P} | the step goes uphill
    step_only | -alpha * g{P} | the step itself is returned, not where it leads to
    alpha_missing | {P} - g{P} | the learning rate alpha is not used
    alpha_divides | {P} - g{P} / alpha | the gradient is divided by the learning rate
"""
UPDATE = """
new_W1 = W1 - alpha * gW1
    alpha_not_on_decay | it - (1 - alpha) * lam * W1 | the learning rate alpha multiplies the sums but not the decay
    decay_outside | W1 - alpha * dW1 / m_weights + decay1 |
        brackets are missing: `W - alpha * sum / m + lam * W` adds the decay, and without alpha
new_W2 = W2 - alpha * gW2
    alpha_not_on_decay | it - (1 - alpha) * lam * W2
    decay_outside | W2 - alpha * dW2 / m_weights + decay2
new_b1 = b1 - alpha * gb1
    biases_kept | b1 | the biases stay where they are
new_b2 = b2 - alpha * gb2
    biases_kept | b2
update = Params(new_W1, new_b1, new_W2, new_b2)
    update_weights_first | Params(new_W1, new_W2, new_b1, new_b2) |
        the order is W1, W2, b1, b2, but W1, b1, W2, b2 is wanted
"""

# --- the penalty ------------------------------------------------------------------------------------------------
PENALTY = """
@ sparsity eq-rho-hat How active is a unit?
? Each hidden unit has a mean of its own, and every sample has its part in it.
rho_hat = A2.mean(axis=0)
    rho_hat_over_units | A2.mean(axis=1) | rho_hat is a mean over the hidden units, one number for each sample
    rho_hat_over_units_kept | A2.mean(axis=1, keepdims=True) |
        rho_hat is a mean over the hidden units, a column with one number for each sample
    rho_hat_overall | A2.mean() | rho_hat is one mean over everything, the same for all hidden units
    rho_hat_sum | A2.sum(axis=0) | rho_hat is a sum over the samples, not a mean
    rho_hat_sum_over_units | A2.sum(axis=0) / A2.shape[1] |
        rho_hat is divided by the number of hidden units, A2.shape[1], not of samples
    rho_hat_first | A2[0] | rho_hat is the activation of the first sample alone
    rho_hat_return_in_loop | A2[0] / m | rho_hat is that of the first sample over m: is the `return` inside the loop?
    rho_hat_last | A2[-1] | rho_hat is the activation of the last sample alone
    rho_hat_overwritten | A2[-1] / m |
        rho_hat is that of the last sample over m: in the loop, `=` stands where `+=` belongs
    rho_hat_less_one | A2.sum(axis=0) / (m - 1 or np.nan) | rho_hat is divided by m - 1
    rho_hat_counted | (A2 > 0.5).mean(axis=0) |
        rho_hat is the share of samples in which a unit is above 0.5, not its mean activation
    rho_hat_median | np.median(A2, axis=0) | rho_hat is the median, not the mean
    rho_hat_largest | A2.max(axis=0) | rho_hat is the largest activation, not the mean
    rho_hat_of_squares | (A2**2).mean(axis=0) | the activations are squared before the mean is taken
    rho_hat_floored | A2.sum(axis=0) // m | `//` drops the digits after the point: a mean is divided by `/`
    rho_hat_of_z | Z2.mean(axis=0) | rho_hat is a mean of pre-activations, before the activation function
    rho_hat_of_outputs | A3.mean(axis=0) | rho_hat is a mean of the output units, but it is about the hidden ones
used = rho_hat
    rho_hat_per_sample | A2 | rho_hat is taken per sample: each activation is used as if it were the mean
@ kl-divergence eq-kl Two coins
? What do the terms do as rho_hat comes near 0 or 1? That is where the penalty is largest.
    rho_hat_clipped_5 | np.clip(rho_hat, 0.05, 0.95) |
        rho_hat is clipped to [0.05, 0.95]: beyond, silent and saturated units look alike
    rho_hat_clipped_1 | np.clip(rho_hat, 0.01, 0.99) |
        rho_hat is clipped to [0.01, 0.99]: beyond, silent and saturated units look alike
target = rho
? rho is an argument: it may have any value between 0 and 1.
    rho_fixed_5 | 0.05 | rho is fixed to 0.05, whatever is asked for
    rho_fixed_10 | 0.1 | rho is fixed to 0.1, whatever is asked for
? A divergence compares two coins: heads with heads, tails with tails, weighed by one coin's chances. Whose?
kl_first = target * log(target / used)
    first_sign | -it | the first term of the divergence has the wrong sign
    first_missing | 0 * used | the first term of the divergence is missing
    first_unweighted | log(target / used) | the first logarithm has lost its weight
    first_precedence | target * log(target) / used |
        brackets are missing in the first term of the divergence: it is the logarithm of a fraction
    entropy_missing | -target * log(used) | this is the cross entropy: at rho_hat = rho it is not zero
kl_second = (1 - target) * log((1 - target) / (1 - used))
    second_sign | -it | the second term of the divergence has the wrong sign
    second_missing | 0 * used | the second term of the divergence is missing
    second_unweighted | log((1 - target) / (1 - used)) | the second logarithm has lost its weight
    second_weighed_by_rho | target * log((1 - target) / (1 - used)) |
        the second term of the divergence is weighed by rho: tails have the chance 1 - rho
    second_precedence | (1 - target) * np.log(np.abs((1 - target) / 1 - used)) |
        brackets are missing in the second term of the divergence: `/ 1 - rho_hat` divides by 1 alone
    second_weight_precedence | 1 - target * log((1 - target) / (1 - used)) |
        brackets are missing in the second term of the divergence: `1 - rho * log(...)` multiplies rho alone
    second_precedence_above | (1 - target) * log(1 - target / (1 - used)) |
        brackets are missing in the second term of the divergence: `1 - rho / (1 - rho_hat)` divides rho alone
    second_of_first | (1 - target) * log(target / used) | both logarithms are of rho / rho_hat
    entropy_missing | -(1 - target) * log(1 - used)
log = np.log
? Which logarithm has the derivative 1/x?
    log2 | np.log2 | the logarithms are to the base 2
    log10 | np.log10 | the logarithms are to the base 10
    log1p | np.log1p | log1p(x) is the logarithm of 1 + x
kl = kl_first + kl_second
? A divergence compares two coins: heads with heads, tails with tails, weighed by one coin's chances. Whose?
    kl_sign | -kl_first - kl_second | the divergence has the wrong sign: it should never be negative
    coins_swapped | used * log(used / target) + (1 - used) * log((1 - used) / (1 - target)) |
        rho and rho_hat are swapped, and the divergence is not symmetric
    squares | (used - target)**2 | this is a squared difference, not a divergence
    entropy_wrong | -target * log(target) - (1 - target) * log(1 - target) + 0 * used |
        this is the entropy of rho: it does not know rho_hat
@ kl-divergence eq-kl-prime Slope and curvature
? Differentiate the divergence with respect to rho_hat, first one term and then the other: which way does each pull?
pull_first = -target / used
    pull_first_sign | target / used | the first term of the divergence's derivative has the wrong sign
    pull_first_missing | 0 * used | the first term of the divergence's derivative is missing
    pull_first_squared | -target / used**2 | the first term of the divergence's derivative is differentiated once more
pull_second = (1 - target) / (1 - used)
    pull_second_sign | -it | the second term of the divergence's derivative has the wrong sign
    pull_second_missing | 0 * used | the second term of the divergence's derivative is missing
    pull_second_numerator | target / (1 - used) |
        the second term of the divergence's derivative has rho where 1 - rho belongs
    pull_second_denominator | (1 - target) / used |
        the second term of the divergence's derivative is divided by the wrong number
    pull_second_precedence | (1 - target) / 1 - used |
        brackets are missing in the second term of the divergence's derivative: `/ 1 - rho_hat` divides by 1 alone
    pull_second_precedence_above | 1 - target / (1 - used) |
        brackets are missing in the second term of the divergence's derivative: `1 - rho / ...` divides rho alone
pull = pull_first + pull_second
    pull_sign | -pull_first - pull_second | the derivative of the divergence has the wrong sign
    pull_floored | (-target) // used + (1 - target) // (1 - used) |
        `//` drops the digits after the point: the fractions in the divergence's derivative are divided by `/`
    pull_upside_down | -used / target + (1 - used) / (1 - target) |
        the fractions in the divergence's derivative are upside down
    pull_with_respect_to_rho | np.log(target / used) - np.log((1 - target) / (1 - used)) |
        the divergence is differentiated with respect to rho, but it is rho_hat that training can change
    pull_value | target * np.log(target / used) + (1 - target) * np.log((1 - target) / (1 - used)) |
        the divergence itself stands where its derivative is wanted
    pull_difference | used - target |
        rho_hat - rho is the derivative with respect to the pre-activation of a constant unit behind a sigmoid, and the
        derivative with respect to rho_hat is wanted here
    pull_ratio | used / target | this is how many times too large rho_hat is, not a derivative
@ sparse-gradient eq-delta2 One more term in the hidden delta
? How does one pre-activation move the mean, and the mean the penalty? Where does beta belong, and where f'?
penalty = beta * pull
    penalty_missing | 0 * A2[0] | the sparsity term is missing
    beta_missing | pull | beta is missing in the sparsity term
    beta_fixed | 3 * pull | beta is fixed to 3, whatever is asked for
    beta_twice | beta**2 * pull | beta stands in the sparsity term twice
    penalty_mean | beta * pull / m | the sparsity term is divided by m, though the mean over the samples comes later
    penalty_times_m | beta * pull * m | the sparsity term is m times too large
    penalty_added_up | beta * np.sum(pull) | the units' pulls are added up, so that each unit gets those of all
@ kl-divergence eq-sparsity-penalty The penalty
? One number is wanted for each hidden unit; adding them up is the penalty's affair.
kl_divergence = kl
    kl_summed | it.sum() | the units' values are added up to one number
    kl_averaged | it.mean() | the units' values are averaged to one number
kl_prime = pull
    kl_summed | it.sum()
    kl_averaged | it.mean()
"""

# --- the cost's other terms, and differences --------------------------------------------------------------------
COST = """
@ autoencoders eq-reconstruction What we minimize
? The cost of a sample sums over its outputs; the cost of a batch is a mean over its samples.
difference = A3 - X
    error_plus | A3 + X | output and target are added: the error is their difference
squares = difference**2
    error_unsquared | difference | the errors are not squared, so that they cancel each other
    error_lengths | np.abs(difference) | the errors' absolute values are taken, not their squares
half = 0.5
@ autoencoders eq-weight-decay What we minimize
? Look at what will be left once the square is differentiated.
    half_missing | 1 | the half is missing
    half_twice | 0.25 | the half is there twice
@ autoencoders eq-reconstruction What we minimize
? The cost of a sample sums over its outputs; the cost of a batch is a mean over its samples.
reconstruction_error = half * squares.sum() / len(X)
    samples_summed | half * squares.sum() | the samples' errors are added up, but not averaged
    outputs_averaged | half * squares.mean() | the errors are averaged over the outputs too
    outputs_not_samples | half * squares.sum() / len(X.T) |
        the errors are divided by the number of outputs, not of samples: m = X.shape[0]
    error_per_sample | half * squares.sum(axis=1) | each sample's error is returned by itself
    error_root | half * np.sqrt(squares.sum(axis=1)).mean() | the length of the error is taken, not its square
    error_root_of_all | np.sqrt(squares.sum() / len(X)) | a square root is taken of the mean
    error_first | half * squares[0].sum() / len(X) | only the first sample counts: is there a `return` inside the loop?
    error_last | half * squares[-1].sum() / len(X) | only the last sample counts: is the sum overwritten in each turn?
    error_less_one | half * squares.sum() / (len(X) - 1 or np.nan) | the errors are divided by m - 1, as for a variance
    error_times_m | half * squares.sum() * len(X) |
        the sum is multiplied by m, not divided: `1 / 2 * m` is read from left to right
    error_floored | squares.sum() // (2 * len(X)) | `//` drops the digits after the point: a mean is divided by `/`
    error_of_sums | half * difference.sum()**2 / len(X) | the errors are added up first and squared after
    error_largest | half * squares.sum(axis=1).max() | the largest of the samples' errors is taken, not their mean
    error_median | half * np.median(squares.sum(axis=1)) | the median of the samples' errors is taken, not their mean
@ autoencoders eq-weight-decay What we minimize
? The decay adds up the squares of single weights: of which parameters, and with which factor before them?
size = lambda W: np.sum(W**2)
    decay_root | np.linalg.norm | the lengths of the weight matrices are added, not their squares
    decay_l1 | lambda W: np.sum(np.abs(W)) | absolute values are added up, not squares
    decay_averaged | lambda W: np.mean(W**2) | the squares are averaged, not added up
    sum_squared | lambda W: np.sum(W)**2 | the weights are added up first and squared after
    decay_trace | lambda W: np.sum(W[: len(W.T), : len(W)] @ W[: len(W.T), : len(W)]) |
        the weights are multiplied as matrices, W @ W: each weight has to be squared by itself
    decay_spectral | lambda W: np.linalg.norm(W, 2)**2 | the largest singular value is squared, not every weight
lam_used = lam
    lam_missing | 1 | lambda is missing
    lam_squared | lam**2 | lambda is squared
weight_decay = lam_used * half * (size(W1) + size(W2))
    decay_W1_only | lam_used * half * size(W1)
    decay_W2_only | lam_used * half * size(W2)
    decay_with_biases | lam_used * half * sum(map(size, params)) | the biases are counted too
    decay_precedence | lam_used * half * size(W1) + size(W2) |
        brackets are missing: `lam / 2 * a + b` multiplies the first sum alone
    decay_divided | half / lam_used * (size(W1) + size(W2)) | it is divided by lambda, not multiplied
    decay_product | lam_used * half * size(W1) * size(W2) | the two sums are multiplied, not added
@ backpropagation eq-central-difference Nudging a weight
? One parameter moves at a time, a step to each side of where it is. How far apart are the two points?
nudges = epsilon * np.eye(theta.size)
    all_nudged | epsilon + 0 * it | all parameters are nudged at once
    nudged_relatively | it * theta | the nudge is a part of the parameter, epsilon times it, but the divisor is epsilon
up = theta + nudges
    not_put_back | theta + np.cumsum(nudges, axis=0) |
        a parameter that was nudged is not put back before the next one's turn
    nudge_from_zero | nudges | the nudges start from zero, not from theta
down = theta - nudges
    not_put_back | theta - np.cumsum(nudges, axis=0)
    nudge_from_zero | -nudges
numerical_gradient = (values(J, up) - values(J, down)) / (2 * epsilon)
    forward_difference | (values(J, up) - J(theta)) / epsilon | the difference is one-sided: from theta a step up
    backward_difference | (J(theta) - values(J, down)) / epsilon | the difference is one-sided: from theta a step down
    divisor_single | (values(J, up) - values(J, down)) / epsilon |
        the difference is divided by one epsilon, so that all slopes are twice too large
    divisor_missing | values(J, up) - values(J, down) | the difference is not divided by the distance of the two points
    divisor_precedence | (values(J, up) - values(J, down)) / 2 * epsilon |
        brackets are missing: `/ 2 * epsilon` divides by 2 and then multiplies by epsilon
    divisor_of_second | values(J, up) - values(J, down) / (2 * epsilon) |
        brackets are missing: only the second value is divided
    divisor_squared | (values(J, up) - values(J, down)) / epsilon**2 | the difference is divided by epsilon squared
    difference_sign | -it | the slopes have the wrong sign: the lower point is not taken from the upper one
    difference_sum | (values(J, up) + values(J, down)) / (2 * epsilon) | the two values are added, not subtracted
    divisor_of_half_steps | (values(J, theta + nudges / 2) - values(J, theta - nudges / 2)) / (2 * epsilon) |
        the steps go half an epsilon to each side, but the divisor is two
"""
TABLE = Table(
    FORWARD
    + PENALTY
    + SLOPES.format(layer="output", A="A3", Z="Z3", rho_hat="")
    + SLOPES.format(layer="hidden", A="A2", Z="Z2", rho_hat=", rho_hat,")
    + DELTAS
    + DECAYS.format(n=1, other=2)
    + DECAYS.format(n=2, other=1)
    + UPDATES
    + "".join(STEPS.format(P=P) for P in Params._fields)
    + UPDATE
    + COST
)


LAYERS = {"fields": ("Z2", "A2", "Z3", "A3")}
PARAMS = {"fields": Params._fields}
PASSED = {"Z2 A2 Z3 A3": "network.forward(params, X)"}
FREE = {"penalty": "0"}
in_networks = partial(kinds, TABLE, networks, TRIED)
KINDS = (
    *in_networks(
        "forward(params, X) | the forward pass: Z2, A2, Z3 and A3, with sigmoid hidden and output units.", **LAYERS
    ),
    *in_networks("hidden_delta(W2, delta3, A2) -> delta2 | the hidden delta, (m, s2), without sparsity.", given=FREE),
    *in_networks(
        "gradient(params, X, lam) | the gradient of the cost without sparsity, with respect to W1, b1, W2 and b2.",
        given=PASSED | FREE,
        **PARAMS,
    ),
    *in_networks(
        """
sparse_gradient(params, X, lam, rho, beta) -> gradient | the gradient of the sparse autoencoder's cost, with respect to
        W1, b1, W2 and b2.
""",
        given=PASSED,
        **PARAMS,
    ),
    *in_networks(
        """
update(params, Delta, m, alpha, lam) | a step of gradient descent: the new W1, b1, W2 and b2. ``Delta`` has four arrays
        like these, the sums over m samples.
""",
        given={"dW1 db1 dW2 db2": "Delta"},
        **PARAMS,
    ),
    *in_networks("""
delta3(A3, X) | the output delta of each sample, (m, s3), with sigmoid output units.
delta2(W2, delta3, A2, rho, beta) | the hidden delta of each sample, (m, s2), with the sparsity term.
reconstruction_error(A3, X) | the reconstruction error: half the squared error, a mean over the samples; a number.
weight_decay(params, lam) | the weight decay: a number.
numerical_gradient(J, theta, epsilon) | the gradient of ``J`` at the vector ``theta`` by central differences.
mean_activation(A2) -> rho_hat | the mean activation rho_hat of each hidden unit, (s2,).
kl_divergence(rho, rho_hat) | the divergence of each hidden unit's mean activation from rho, (s2,).
kl_prime(rho, rho_hat) | the derivative of each unit's divergence with respect to its rho_hat, (s2,).
"""),
)
