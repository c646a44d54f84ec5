"""The checks of the equations of the chapter "Sparse autoencoders since 2023".

The other side is worked out here in loops, from the words of the definitions, and differentiated by nudging in 30
digits.
"""

from functools import partial

import mpmath
import numpy as np
from mpmath import mp
from scipy import optimize

import saelib
from saelib import nets
from saelib.nets import _latents
from saelib.nets.batch_topk import keep_of_batch
from saelib.nets.gated import GatedParams
from saelib.nets.jumprelu import JumpParams
from tests.equations import error, slopes, verifies

PRICE = 0.3


# --- nets by loops ----------------------------------------------------------------------------------------------
def latents(rng, m=6, n=3, s=5):
    """Return parameters with more latents than inputs, none of them zero, and m samples."""
    W1, b1, W2, b2 = (rng.normal(size=shape) for shape in ((s, n), s, (n, s), n))
    return saelib.Params(W1, b1 / 3, W2, b2 / 3), rng.normal(size=(m, n))


def jumping(rng):
    params, X = latents(rng)
    return JumpParams(*params, rng.uniform(0.1, 0.8, len(params.b1))), X


def gating(rng):
    (W1, b1, W2, b2), X = latents(rng)
    return GatedParams(W1, b1, rng.normal(size=5) / 3, rng.normal(size=5) + 1, W2, b2), X


def readings(W1, b2, X):
    """Return w_j . (x - b2) for each sample and latent, as nested lists."""
    return [[sum(w * (x - b) for w, x, b in zip(row, sample, b2, strict=True)) for row in W1] for sample in X]


def pre(params, X):
    return [[u + b for u, b in zip(row, params.b1, strict=True)] for row in readings(params.W1, params.b2, X)]


def relu(z):
    return z if z > 0 else 0 * z


def rectified(Z):
    return [[relu(z) for z in row] for row in Z]


def largest(row, k, among=None):
    """Return a row with all but its k largest entries zero, found by sorting."""
    among = range(len(row)) if among is None else among
    kept = set(sorted(among, key=lambda j: -row[j])[:k])
    return [row[j] if j in kept else 0 * row[j] for j in range(len(row))]


def decode(W2, b2, a, most=None):
    most = len(a) if most is None else most
    return [sum(W2[i, j] * a[j] for j in range(most)) + b2[i] for i in range(len(b2))]


def half_squares(P, Q):
    return sum((p - q) ** 2 for one, other in zip(P, Q, strict=True) for p, q in zip(one, other, strict=True)) / 2


def reconstruction(params, A, X):
    """Return half the squared error, summed over samples."""
    return half_squares([decode(params.W2, params.b2, a) for a in A], X)


def lengths(W2):
    return [mp.sqrt(sum(w * w for w in column)) for column in W2.T]


def l1_by_loops(params, X, mu=PRICE):
    A = rectified(pre(params, X))
    return reconstruction(params, A, X) + mu * sum(a * ell for row in A for a, ell in zip(row, lengths(params.W2)))  # noqa: B905


def by(name, cost, params):
    return slopes(lambda P: cost(params._replace(**{name: P})), getattr(params, name))


def gradient_error(gradient, cost, params, names):
    return max(error(getattr(gradient, name), by(name, cost, params)) for name in names)


def backward(net, params, X, formula=None):
    """Return loss and gradient as the net's `backward`, or a formula in its place, gives them."""
    codes = net.encode(params, X)
    price = net.penalty(net.summary(codes) / len(X))[1]
    return (formula or type(net).backward)(net, params, X, X, codes, price)


def altered(original, **changes):
    """Return a wrong `backward`: what the right one gives, with one array of its gradient changed."""

    def wrong(net, params, X, target, codes, price):
        loss, gradient = original(net, params, X, target, codes, price)
        context = {"net": net, "params": params, "X": X, "codes": codes, "gradient": gradient}
        return loss, gradient._replace(**{name: change(context) for name, change in changes.items()})

    return wrong


# --- what all of them share -------------------------------------------------------------------------------------
@verifies(
    "eq-latent-pre",
    formula=nets.ReluL1.encode,
    wrong={
        "the decoder's bias is not subtracted": lambda net, p, X: saelib.Codes(X @ p.W1.T + p.b1, 0),
        "it is added": lambda net, p, X: saelib.Codes((X + p.b2) @ p.W1.T + p.b1, 0),
        "the decoder in place of the encoder": lambda net, p, X: saelib.Codes((X - p.b2) @ p.W2 + p.b1, 0),
    },
    method="index loops",
)
def preactivations_by_loops(formula, rng):
    """The pre-activations of each sample and latent, summed input by input."""
    params, X = latents(rng)
    return error(formula(nets.ReluL1(PRICE), params, X).Z, pre(params, X))


@verifies(
    "eq-latent-decode",
    formula=nets.ReluL1.decode,
    wrong={
        "without the bias": lambda net, p, A: A @ p.W2.T,
        "the encoder's weights": lambda net, p, A: A @ p.W1 + p.b2,
        "the bias twice": lambda net, p, A: A @ p.W2.T + 2 * p.b2,
    },
    method="index loops",
)
def reconstructions_by_loops(formula, rng):
    """The reconstruction of each sample, summed latent by latent."""
    params, X = latents(rng)
    A = rng.uniform(size=(6, 5))
    return error(formula(nets.ReluL1(PRICE), params, A), [decode(params.W2, params.b2, a) for a in A])


def delta_of(pull, a, slope):
    return (pull + PRICE) * slope


@verifies(
    "eq-latent-delta",
    formula=delta_of,
    wrong={
        "the price escapes the slope": lambda pull, a, slope: pull * slope + PRICE,
        "without the price": lambda pull, a, slope: pull * slope,
        "the activation in place of its slope": lambda pull, a, slope: (pull + PRICE) * a,
    },
    method="finite differences",
)
def deltas_by_nudging(formula, rng):
    """The derivative of error plus a linear price of activations with respect to each pre-activation of a ReLU net."""
    params, X = latents(rng, m=1)
    z = rng.normal(size=5)
    a = np.clip(z, 0, None)
    pull = (np.array(decode(params.W2, params.b2, a), float) - X[0]) @ params.W2

    def cost(z):
        a = [relu(v) for v in z]
        return reconstruction(params, [a], X) + PRICE * sum(a)

    return error(formula(pull, a, (z > 0).astype(float)), slopes(cost, z))


relu_backward, topk_backward, jump_backward = nets.ReluL1.backward, nets.TopK.backward, nets.JumpReLU.backward


@verifies(
    "eq-latent-matrices",
    formula=relu_backward,
    wrong={
        "the input is not centered": altered(
            relu_backward, W1=lambda c: c["gradient"].W1 + np.outer(c["gradient"].b1, c["params"].b2)
        ),
        "the bias only as the decoder has it": altered(
            relu_backward, b2=lambda c: c["gradient"].b2 + c["gradient"].b1 @ c["params"].W1
        ),
        "a mean in place of a sum": altered(relu_backward, b1=lambda c: c["gradient"].b1 / len(c["X"])),
        "pre-activations in the decoder": altered(
            relu_backward, W2=lambda c: (c["net"].decode(c["params"], c["codes"].A) - c["X"]).T @ c["codes"].Z
        ),
    },
    method="finite differences",
)
def matrices_are_the_sums(formula, rng):
    """The gradient of the half squared error of all samples of a ReLU net, by nudging each parameter."""
    params, X = latents(rng)
    _, gradient = backward(nets.ReluL1(0.0), params, X, formula)
    return gradient_error(gradient, partial(l1_by_loops, X=X, mu=0), params, params._fields)


# --- L1 ---------------------------------------------------------------------------------------------------------
def loss_only(value):
    return lambda net, params, X, target, codes, price: (value(net, params, X, codes), None)


def half_error(net, params, X, codes):
    return np.sum((net.decode(params, codes.A) - X) ** 2) / 2


@verifies(
    "eq-l1-weighted",
    formula=relu_backward,
    wrong={
        "without the lengths": loss_only(lambda net, p, X, c: half_error(net, p, X, c) + net.mu * c.A.sum()),
        "pre-activations are priced": loss_only(
            lambda net, p, X, c: half_error(net, p, X, c) + net.mu * np.sum(c.Z @ np.linalg.norm(p.W2, axis=0))
        ),
        "rows in place of columns": loss_only(
            lambda net, p, X, c: half_error(net, p, X, c) + net.mu * np.sum(c.A @ np.linalg.norm(p.W1, axis=1))
        ),
        "without the half": loss_only(
            lambda net, p, X, c: 2 * half_error(net, p, X, c) + net.mu * np.sum(c.A @ np.linalg.norm(p.W2, axis=0))
        ),
    },
    method="index loops",
)
def weighted_cost_by_loops(formula, rng):
    """Half the squared error plus the weighted activations, by loops."""
    params, X = latents(rng)
    return error(backward(nets.ReluL1(PRICE), params, X, formula)[0], l1_by_loops(params, X))


def l1_decoder(net, params, X, target, codes, price, *, part):
    error = net.decode(params, codes.A) - X
    return 0, saelib.Params(None, None, error.T @ codes.A + net.mu * part(params.W2, codes.A.sum(axis=0)), None)


@verifies(
    "eq-l1-by-decoder",
    formula=relu_backward,
    wrong={
        "the penalty does not reach the decoder": partial(l1_decoder, part=lambda W2, a: 0),
        "not of length one": partial(l1_decoder, part=lambda W2, a: a * W2),
        "without the activations": partial(l1_decoder, part=lambda W2, a: W2 / np.linalg.norm(W2, axis=0)),
        "rows in place of columns": partial(
            l1_decoder, part=lambda W2, a: a * W2 / np.linalg.norm(W2, axis=1, keepdims=True)
        ),
    },
    method="finite differences",
)
def weighted_l1_by_the_decoder(formula, rng):
    """The derivatives of the weighted cost with respect to each weight of the decoder, by nudging it."""
    params, X = latents(rng)
    _, gradient = backward(nets.ReluL1(PRICE), params, X, formula)
    return gradient_error(gradient, partial(l1_by_loops, X=X), params, ("W2",))


@verifies(
    "eq-l1-rescale",
    formula=lambda p, c: p._replace(W1=p.W1 * c[:, np.newaxis], b1=p.b1 * c, W2=p.W2 / c),
    wrong={
        "the encoder's bias stays": lambda p, c: p._replace(W1=p.W1 * c[:, np.newaxis], W2=p.W2 / c),
        "the decoder grows too": lambda p, c: p._replace(W1=p.W1 * c[:, np.newaxis], b1=p.b1 * c, W2=p.W2 * c),
        "only the decoder": lambda p, c: p._replace(W2=p.W2 / c),
    },
    method="property",
)
def rescaling_changes_nothing(formula, rng):
    """The weighted cost before and after, by loops; without the weights it changes, or the check would be empty."""
    params, X = latents(rng)
    moved = formula(params, rng.uniform(0.5, 2, 5))
    before, after = (rectified(pre(p, X)) for p in (params, moved))
    if error(sum(map(sum, before)), sum(map(sum, after))) < 0.01:
        raise ValueError("nothing was rescaled")
    return error(l1_by_loops(moved, X), l1_by_loops(params, X))


@verifies(
    "eq-shrinkage",
    formula=lambda t, mu: np.maximum(t - mu, 0),
    wrong={
        "no shrinkage": lambda t, mu: t,
        "by half": lambda t, mu: np.maximum(t - mu / 2, 0),
        "in proportion": lambda t, mu: t * (1 - mu),
        "negative sizes": lambda t, mu: t - mu,
    },
    method="independent library",
    tolerance=1e-6,
)
def best_size_by_search(formula, rng):
    """The length a |d| of the best code of a feature of size t, by SciPy's search, for directions of any length."""
    worst = 0.0
    for t in (0.1, 0.4, 1.0, 2.5):
        d = rng.normal(size=3)
        ell = np.linalg.norm(d)

        def cost(a, x=t * d / ell, d=d, ell=ell):
            return np.sum((a * d - x) ** 2) / 2 + PRICE * a * ell

        best = optimize.minimize_scalar(cost, bounds=(0, 10), method="bounded", options={"xatol": 1e-10})
        worst = max(worst, abs(float(formula(t, PRICE)) - best.x * ell))
    return worst


@verifies(
    "eq-unit-gradient",
    formula=_latents.without_radial_part,
    wrong={
        "the gradient as it is": lambda params, gradient: gradient,
        "the radial part alone": lambda params, g: g._replace(W2=params.W2 * np.sum(params.W2 * g.W2, axis=0)),
        "by rows": lambda params, g: g._replace(W2=g.W2 - params.W2 * np.sum(params.W2 * g.W2, axis=1, keepdims=True)),
    },
    method="finite differences",
)
def gradient_of_directions(formula, rng):
    """The gradient of the cost as a function of directions alone, every column divided by its length first."""
    params, X = latents(rng)
    params = params._replace(W2=params.W2 / np.linalg.norm(params.W2, axis=0))
    _, gradient = backward(nets.TopK(2), params, X)

    def cost(W2):
        columns = np.array([[w / ell for w, ell in zip(row, lengths(W2), strict=True)] for row in W2])
        A = [largest(row, 2) for row in rectified(pre(params, X))]
        return reconstruction(params._replace(W2=columns), A, X)

    return error(formula(params, gradient).W2, slopes(cost, params.W2))


# --- where b_dec starts, and revival ----------------------------------------------------------------------------


def weiszfeld(X, b):
    weights = 1 / np.linalg.norm(X - b, axis=1)
    return weights @ X / weights.sum()


@verifies(
    "eq-weiszfeld",
    formula=weiszfeld,
    wrong={
        "the mean": lambda X, b: X.mean(axis=0),
        "squared distances": lambda X, b: (1 / np.sum((X - b) ** 2, axis=1)) @ X / np.sum(1 / np.sum((X - b) ** 2, 1)),
        "far samples weigh more": lambda X, b: (
            np.linalg.norm(X - b, axis=1) @ X / np.sum(np.linalg.norm(X - b, axis=1))
        ),
    },
    method="independent library",
    tolerance=1e-5,
)
def geometric_median_by_search(formula, rng):
    """Where the iteration ends, against the minimum of the sum of distances that SciPy finds."""
    X = np.vstack([rng.normal(size=(20, 3)), rng.normal(size=(3, 3)) + 8])
    b = X.mean(axis=0)
    for _ in range(500):
        b = formula(X, b)
    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 5000}
    found = optimize.minimize(
        lambda b: np.linalg.norm(X - b, axis=1).sum(), np.median(X, axis=0), method="Nelder-Mead", options=options
    )
    return error(b, found.x)


def revived(factor=0.2, scale=None, center=True):
    def wrong(params, dead, X, loss, rng):
        right, fresh = _latents.revive(params, dead, X, loss, rng)
        rows = right.W2[:, dead].T if center else right.W2[:, dead].T + params.b2
        W1 = right.W1.copy()
        W1[dead] = factor * (scale or np.linalg.norm(params.W1[~dead], axis=1).mean()) * rows
        return right._replace(W1=W1), fresh

    return wrong


@verifies(
    "eq-resample",
    formula=_latents.revive,
    wrong={
        "as long as the living": revived(factor=1.0),
        "of length one fifth": revived(scale=1.0),
        "not centered": revived(center=False),
    },
    method="known values",
)
def a_dead_latent_points_to_the_worst_sample(formula, rng):
    """One sample alone has a loss, so it is drawn: the new direction is its own, the encoder's row a fifth as long."""
    params, X = latents(rng)
    dead, loss = np.array([False, True, False, False, False]), np.eye(6)[4]
    new, _ = formula(params, dead, X, loss, rng)
    direction = (X[4] - params.b2) / np.linalg.norm(X[4] - params.b2)
    mean = np.mean([np.linalg.norm(params.W1[j]) for j in (0, 2, 3, 4)])
    return max(
        error(new.W2[:, 1], direction), error(new.W1[1], direction * mean / 5), abs(new.b1[1]), error(new.b2, params.b2)
    )


# --- TopK, AuxK, BatchTopK --------------------------------------------------------------------------------------
def topk_by_loops(params, X, k=2):
    return reconstruction(params, [largest(row, k) for row in rectified(pre(params, X))], X)


def dead_case(rng):
    """Return a TopK net with AuxK in which the last three latents are never active, its parameters and samples."""
    params, X = latents(rng)
    return nets.TopK(1, k_aux=2, alpha=0.7), params._replace(b1=params.b1 - np.array([0, 0, 9, 9, 9])), X


def aux_by_loops(net, params, X, residual):
    """Return AuxK's term, the residual given, with the dead latents (2, 3, 4) chosen by sorting."""
    chosen = [largest(row, net.k_aux, among=(2, 3, 4)) for row in pre(params, X)]
    zero = [0] * len(params.b2)
    return net.alpha * half_squares([decode(params.W2, zero, a) for a in chosen], residual)


def residual_of(net, params, X):
    A = [largest(row, net.k) for row in rectified(pre(params, X))]
    assert not np.any(np.array(A, float)[:, 2:])
    return np.array([x - np.array(decode(params.W2, params.b2, a), float) for a, x in zip(A, X, strict=True)])


def aux_loss(net, params, X, target, codes, dead, *, rectify=False, bias=False, alpha=None, sign=-1):
    error = net.decode(params, codes.A) - X
    A = net.auxiliary(codes._replace(Z=np.clip(codes.Z, 0, None)) if rectify else codes, dead)
    miss = A @ params.W2.T + bias * params.b2 - sign * error
    return (np.sum(error**2) + (net.alpha if alpha is None else alpha) * np.sum(miss**2)) / 2, None


@verifies(
    "eq-aux-k",
    formula=topk_backward,
    wrong={
        "rectified": partial(aux_loss, rectify=True),
        "with the decoder's bias": partial(aux_loss, bias=True),
        "without alpha": partial(aux_loss, alpha=1.0),
        "the error in place of the residual": partial(aux_loss, sign=1),
    },
    method="index loops",
)
def aux_k_by_sorting(formula, rng):
    """The loss with AuxK's term, by loops, the dead latents with the largest pre-activations found by sorting."""
    net, params, X = dead_case(rng)
    expected = topk_by_loops(params, X, net.k) + aux_by_loops(net, params, X, residual_of(net, params, X))
    return error(backward(net, params, X, formula)[0], expected)


def aux_part(original, *, share=1.0, moving=False):
    def wrong(net, params, X, target, codes, dead):
        loss, full = original(net, params, X, target, codes, dead)
        plain = original(net, params, X, target, codes, np.zeros_like(dead))[1]
        parts = saelib.Params(*(p + share * (f - p) for f, p in zip(full, plain, strict=True)))
        if moving:  # as if the residual were differentiated too
            A = net.auxiliary(codes, dead)
            miss = A @ params.W2.T + net.decode(params, codes.A) - X
            parts = parts._replace(W2=parts.W2 + net.alpha * miss.T @ codes.A)
        return loss, parts

    return wrong


@verifies(
    "eq-aux-delta",
    formula=topk_backward,
    wrong={
        "the dead get nothing": aux_part(topk_backward, share=0.0),
        "without alpha": aux_part(topk_backward, share=1 / 0.7),
        "the residual moves": aux_part(topk_backward, moving=True),
        "the sign turned": aux_part(topk_backward, share=-1.0),
    },
    method="finite differences",
)
def aux_k_by_nudging(formula, rng):
    """The derivatives of the loss with AuxK's term, by nudging, while the residual is the one before the nudge."""
    net, params, X = dead_case(rng)
    residual = residual_of(net, params, X)
    _, gradient = backward(net, params, X, formula)

    def cost(params):
        return topk_by_loops(params, X, net.k) + aux_by_loops(net, params, X, residual)

    return gradient_error(gradient, cost, params, params._fields)


@verifies(
    "eq-batch-top-k",
    formula=keep_of_batch,
    wrong={
        "k of each sample": lambda Z, k: np.array([largest(row, round(k)) for row in Z]),
        "the smallest": lambda Z, k: -keep_of_batch(-Z, k),
        "k of the batch": lambda Z, k: keep_of_batch(Z, k / len(Z)),
        "k m of each latent": lambda Z, k: np.array([largest(column, int(k * len(Z))) for column in Z.T]).T,
    },
    method="index loops",
)
def batch_by_sorting(formula, rng):
    """All activations of the batch sorted, and the k m largest put back in their places."""
    Z = rng.uniform(size=(6, 5))
    places = sorted(((Z[n, j], n, j) for n in range(6) for j in range(5)), reverse=True)[: int(1.5 * 6)]
    expected = np.zeros_like(Z)
    for value, n, j in places:
        expected[n, j] = value
    return error(formula(Z, 1.5), expected)


def remembered(rule):
    def wrong(net, params, memory, mean):
        return params._replace(threshold=rule(params.threshold, mean[-1], net.rate)), memory, mean

    return wrong


@verifies(
    "eq-running-threshold",
    formula=nets.BatchTopK.remember,
    wrong={
        "rate and keep exchanged": remembered(lambda old, least, rate: rate * old + (1 - rate) * least),
        "the last batch alone": remembered(lambda old, least, rate: least),
        "the smallest of all": remembered(lambda old, least, rate: min(old, least)),
    },
    method="known values",
)
def threshold_as_a_weighted_sum(formula, rng):
    """The threshold after 8 batches, against the sum of their smallest activations with weights rate (1 - rate)^age."""
    net, least = nets.BatchTopK(2, rate=0.3), rng.uniform(0.2, 1, 8)
    params = JumpParams(*latents(rng)[0], np.array(0.5))
    for value in least:
        params, _, _ = formula(net, params, None, np.append(np.full(5, 0.5), value))
    expected = 0.5 * 0.7**8 + sum(0.3 * 0.7 ** (7 - t) * value for t, value in enumerate(least))
    return error(params.threshold, expected)


# --- JumpReLU ---------------------------------------------------------------------------------------------------
@verifies(
    "eq-jump-relu",
    formula=nets.JumpReLU.encode,
    wrong={
        "the threshold is subtracted": lambda net, p, X: saelib.Codes(
            0, np.clip(nets.ReluL1(0).encode(p, X).Z - p.threshold, 0, None)
        ),
        "a ReLU": lambda net, p, X: saelib.Codes(0, np.clip(nets.ReluL1(0).encode(p, X).Z, 0, None)),
        "the other side": lambda net, p, X: saelib.Codes(
            0, nets.ReluL1(0).encode(p, X).Z * (nets.ReluL1(0).encode(p, X).Z < p.threshold)
        ),
    },
    method="index loops",
)
def jumps_by_loops(formula, rng):
    """Each activation by an if: its pre-activation where that is above the threshold, 0 elsewhere."""
    params, X = jumping(rng)
    expected = [[z if z > t else 0 for z, t in zip(row, params.threshold, strict=True)] for row in pre(params, X)]
    return error(formula(nets.JumpReLU(PRICE), params, X).A, expected)


@verifies(
    "eq-jump-price",
    formula=nets.JumpReLU.penalty,
    wrong={
        "without the factor 2": lambda net, mean: (
            0,
            net.lam * (np.sum(mean) / net.target_l0 - 1) / net.target_l0,
        ),
        "not divided by the target": lambda net, mean: (0, 2 * net.lam * (np.sum(mean) / net.target_l0 - 1)),
        "a price whatever the L0": lambda net, mean: (0, net.lam),
    },
    method="finite differences",
)
def price_is_the_slope_in_l0(formula, rng):
    """The derivative of lam (L0 / target - 1)^2 with respect to L0, on either side of the target."""
    worst = 0.0
    for l0 in (1.5, 4.0):
        mean = np.full(5, l0 / 5)
        expected = slopes(lambda v: 0.3 * (v[0] / 2 - 1) ** 2, np.array([l0]))[0]
        worst = max(worst, error(formula(nets.JumpReLU(0.3, target_l0=2.0), mean)[1], expected))
    return worst


def exact_slope(theta, density, pull_on, pull_off, lam):
    return -density * (theta * (pull_on + pull_off) / 2 + lam)


@verifies(
    "eq-jump-exact",
    formula=exact_slope,
    wrong={
        "the error with the latent alone": lambda t, p, on, off, lam: -p * (t * on + lam),
        "the error without it alone": lambda t, p, on, off, lam: -p * (t * off + lam),
        "without the density": lambda t, p, on, off, lam: -(t * (on + off) / 2 + lam),
        "without the count": lambda t, p, on, off, lam: -p * t * (on + off) / 2,
        "the sign turned": lambda t, p, on, off, lam: p * (t * (on + off) / 2 + lam),
    },
    method="high precision",
    tolerance=1e-8,
)
def expected_loss_by_integration(formula, rng):
    """The derivative of an expected loss with respect to a threshold: mpmath's integral over a normal x, nudged."""
    w, b, d, b2, lam, theta = 1.3, 0.2, 0.8, 0.1, 0.3, 0.6
    other, bias = -0.7, 0.4  # a second latent, a ReLU, whose reading of x is not the first one's

    def second(x):
        return relu(other * x + bias)

    def loss(x, on):
        a = w * x + b if on else 0
        return (a * d + second(x) * 0.5 + b2 - x) ** 2 / 2 + (lam if on else 0)

    def expected(theta):
        with mp.workdps(30):
            edge, kink = (theta - b) / w, mp.mpf(bias) / mp.mpf(-other)
            density = mp.npdf
            points = sorted({-12, *[p for p in (edge, kink) if -12 < p < 12], 12})
            return sum(
                mp.quad(lambda x, on=(low + high) / 2 > edge: loss(x, on) * density(x), [low, high])
                for low, high in zip(points, points[1:], strict=False)
            )

    with mp.workdps(30):
        slope = (expected(theta + mp.mpf("1e-8")) - expected(theta - mp.mpf("1e-8"))) / mp.mpf("2e-8")
        edge = (mp.mpf(theta) - b) / w
        on = d * (theta * d + second(edge) * 0.5 + b2 - edge)
        off = d * (second(edge) * 0.5 + b2 - edge)
        return error(float(formula(theta, mp.npdf(edge) / w, on, off, lam)), float(slope))


def jump_threshold(rule):
    return altered(jump_backward, threshold=rule)


def window(c, width, z=None):
    net, p, codes = c["net"], c["params"], c["codes"]
    Z = codes.Z if z is None else z(codes)
    near = np.abs(Z - p.threshold) < width * net.bandwidth
    pull = (net.decode(p, codes.A) - c["X"]) @ p.W2
    return near, pull, p.threshold, net


def ste(c, *, width=0.5, z=None, jump=1.0, step=1.0, sign=-1, divide=True):
    near, pull, theta, net = window(c, width, z)
    return sign * np.sum((jump * theta * pull + step * net.lam) * near, axis=0) / (net.bandwidth if divide else 1)


@verifies(
    "eq-jump-ste",
    formula=jump_backward,
    wrong={
        "a window twice as wide": jump_threshold(lambda c: ste(c, width=1.0)),
        "of the rectified code": jump_threshold(lambda c: ste(c, z=lambda codes: codes.A)),
        "the step alone": jump_threshold(lambda c: ste(c, jump=0.0)),
        "the jump alone": jump_threshold(lambda c: ste(c, step=0.0)),
        "the sign turned": jump_threshold(lambda c: ste(c, sign=1)),
        "not over the bandwidth": jump_threshold(lambda c: ste(c, divide=False)),
    },
    method="finite differences",
)
def smoothed_loss_by_nudging(formula, rng):
    """The derivative of jump and step, averaged over shifts of z by up to half a bandwidth; their worth is fixed."""
    params, X = jumping(rng)
    net = nets.JumpReLU(PRICE, bandwidth=1.5)
    _, gradient = backward(net, params, X, formula)
    Z = pre(params, X)
    A = [[z if z > t else 0 for z, t in zip(row, params.threshold, strict=True)] for row in Z]
    E = np.array([decode(params.W2, params.b2, a) for a in A], float) - X
    worth = E @ params.W2

    def smoothed(j, theta):
        total = mp.mpf(0)
        for n in range(len(X)):
            low, high = Z[n][j] - mp.mpf("0.75"), Z[n][j] + mp.mpf("0.75")
            if high > theta:
                total += mp.quad(lambda v, n=n: worth[n, j] * v + mp.mpf(PRICE), [max(low, theta), high])
        return total / mp.mpf("1.5")

    with mpmath.workdps(30):
        expected = [slopes(lambda theta, j=j: smoothed(j, theta[0]), params.threshold[j : j + 1])[0] for j in range(5)]
        return error(gradient.threshold, expected)


# --- Gated ------------------------------------------------------------------------------------------------------
def gated_by_loops(params, X, mu=PRICE, decoder=None):
    """Return the three terms' sum; the gates' reconstruction uses ``decoder``'s W2 and b2 where given."""
    U = readings(params.W1, params.b2, X)
    A, G = [], []
    for row in U:
        gates = [u + b for u, b in zip(row, params.b_gate, strict=True)]
        sizes = [u * mp.exp(r) + b for u, r, b in zip(row, params.r_mag, params.b_mag, strict=True)]
        A.append([relu(s) if g > 0 else 0 * s for s, g in zip(sizes, gates, strict=True)])
        G.append([relu(g) for g in gates])
    price = sum(g * ell for row in G for g, ell in zip(row, lengths(params.W2), strict=True))
    return reconstruction(params, A, X) + mu * price + reconstruction(decoder or params, G, X)


def gated_codes(gate="gate", size="size", slope=np.exp):
    def wrong(net, params, X):
        U = (X - params.b2) @ params.W1.T
        Z, M = U + params.b_gate, U * slope(params.r_mag) + params.b_mag
        return saelib.Codes(
            Z, np.where((Z if gate == "gate" else M) > 0, np.clip(M if size == "size" else Z, 0, None), 0)
        )

    return wrong


@verifies(
    "eq-gated-codes",
    formula=nets.Gated.encode,
    wrong={
        "the magnitude opens the gate": gated_codes(gate="size"),
        "the gate's value is the magnitude": gated_codes(size="gate"),
        "the slope without exp": gated_codes(slope=lambda r: r),
    },
    method="index loops",
)
def gates_by_loops(formula, rng):
    """Each activation by an if on its gate."""
    params, X = gating(rng)
    expected = [
        [
            relu(u * np.exp(r) + b) if u + g > 0 else 0
            for u, r, b, g in zip(row, params.r_mag, params.b_mag, params.b_gate, strict=True)
        ]
        for row in readings(params.W1, params.b2, X)
    ]
    return error(formula(nets.Gated(PRICE), params, X).A, expected)


gated_backward = nets.Gated.backward


def gated_loss(net, params, X, target, codes, price, *, main=1, cost=1, gates=1, weight=True):
    G = np.clip(codes.Z, 0, None)
    ell = np.linalg.norm(params.W2, axis=0) if weight else np.ones(len(params.b_gate))
    squares = [np.sum((net.decode(params, C) - X) ** 2) for C in (codes.A, G)]
    return main * squares[0] / 2 + cost * net.mu * np.sum(G @ ell) + gates * squares[1] / 2, None


@verifies(
    "eq-gated-cost",
    formula=gated_backward,
    wrong={
        "without the gates' reconstruction": partial(gated_loss, gates=0),
        "without the price": partial(gated_loss, cost=0),
        "without the reconstruction": partial(gated_loss, main=0),
        "without the lengths": partial(gated_loss, weight=False),
    },
    method="index loops",
)
def gated_cost_by_loops(formula, rng):
    """The three terms by loops."""
    params, X = gating(rng)
    return error(backward(nets.Gated(PRICE), params, X, formula)[0], gated_by_loops(params, X))


def gated_gradient(net, params, X, target, codes, price, *, through=True, price_on=True, slope=True, unit=True):
    loss, right = gated_backward(net, params, X, target, codes, price)
    G, ell = np.clip(codes.Z, 0, None), np.linalg.norm(params.W2, axis=0)
    dM = (net.decode(params, codes.A) - X) @ params.W2 * (codes.A > 0)
    dZ = ((net.decode(params, G) - X) @ params.W2 + price_on * net.mu * ell) * (G > 0) * unit
    dU = through * dM * (np.exp(params.r_mag) if slope else 1) + dZ
    return loss, right._replace(W1=dU.T @ (X - params.b2), b_gate=dZ.sum(axis=0), b_mag=dM.sum(axis=0))


def r_mag(rule):
    def change(c):
        dM = (c["net"].decode(c["params"], c["codes"].A) - c["X"]) @ c["params"].W2 * (c["codes"].A > 0)
        return rule(dM, c["codes"], c["params"].r_mag)

    return altered(gated_backward, r_mag=change)


def gated_decoder(gates, price=1):
    def change(c):
        net, params, codes = c["net"], c["params"], c["codes"]
        G, ell = np.clip(codes.Z, 0, None), np.linalg.norm(params.W2, axis=0)
        error, miss = net.decode(params, codes.A) - c["X"], net.decode(params, G) - c["X"]
        return error.T @ codes.A + gates * miss.T @ G + price * net.mu * G.sum(axis=0) * params.W2 / ell

    return altered(gated_backward, W2=change)


@verifies(
    "eq-gated-deltas",
    formula=gated_backward,
    wrong={
        "the gates learn nothing": partial(gated_gradient, unit=0),
        "without the price": partial(gated_gradient, price_on=0),
        "the magnitudes do not reach the weights": partial(gated_gradient, through=0),
        "without the slope of the magnitudes": partial(gated_gradient, slope=False),
        "the scale as a bias": r_mag(lambda dM, c, r: dM.sum(axis=0)),
        "the scale without exp": r_mag(lambda dM, c, r: np.sum(dM * c.U, axis=0)),
        "the decoder is not frozen": gated_decoder(1),
        "the price does not reach the decoder": gated_decoder(0, price=0),
    },
    method="finite differences",
)
def gated_deltas_by_nudging(formula, rng):
    """The derivatives with respect to each parameter while the copy of the decoder that the gates use stands still."""
    params, X = gating(rng)
    _, gradient = backward(nets.Gated(PRICE), params, X, formula)
    return gradient_error(gradient, lambda p: gated_by_loops(p, X, decoder=params), params, params._fields)


# --- Matryoshka -------------------------------------------------------------------------------------------------
NESTED = nets.Matryoshka(2, (2, 3))


def nested_by_loops(params, X, widths=(2, 3, 5)):
    Z = rectified(pre(params, X))
    kept = set(sorted(((n, j) for n in range(len(Z)) for j in range(5)), key=lambda p: -Z[p[0]][p[1]])[: 2 * len(Z)])
    A = [[z if (n, j) in kept else 0 * z for j, z in enumerate(row)] for n, row in enumerate(Z)]
    parts = [half_squares([decode(params.W2, params.b2, a, w) for a in A], X) for w in widths]
    return sum(parts) / len(parts)


def nested(prefixes=(2, 3, 5), share=None, own=False):
    def wrong(net, params, X, target, codes, price):
        W1, _, W2, b2, threshold = params
        part, A, loss = share or 1 / len(prefixes), codes.A, 0.0
        delta, dW2, db2 = np.zeros_like(A), np.zeros_like(W2), np.zeros_like(b2)
        for low, w in zip((0, *prefixes), prefixes, strict=False):
            low = low if own else 0
            E = A[:, low:w] @ W2[:, low:w].T + b2 - X
            loss += part * np.sum(E**2) / 2
            delta[:, low:w] += part * (E @ W2[:, low:w])
            dW2[:, low:w] += part * (E.T @ A[:, low:w])
            db2 += part * E.sum(axis=0)
        delta *= A > 0
        return loss, JumpParams(delta.T @ (X - b2), delta.sum(0), dW2, db2 - delta.sum(0) @ W1, 0 * threshold)

    return wrong


MISNESTED = {
    "the sum in place of the mean": nested(share=1.0),
    "all latents only": nested(prefixes=(5,)),
    "groups in place of prefixes": nested(own=True),
    "the first prefix is missing": nested(prefixes=(3, 5)),
}


@verifies("eq-matryoshka", formula=nets.Matryoshka.backward, wrong=MISNESTED, method="index loops")
def nested_cost_by_loops(formula, rng):
    """The mean over prefixes of half their squared errors, the activations chosen by sorting the whole batch."""
    params, X = latents(rng)
    params = JumpParams(*params, np.zeros(()))
    return error(backward(NESTED, params, X, formula)[0], nested_by_loops(params, X))


@verifies("eq-matryoshka-delta", formula=nets.Matryoshka.backward, wrong=MISNESTED, method="finite differences")
def nested_gradient_by_nudging(formula, rng):
    """The derivatives with respect to all weights and biases of the mean over prefixes, by nudging each."""
    params, X = latents(rng)
    params = JumpParams(*params, np.zeros(()))
    _, gradient = backward(NESTED, params, X, formula)
    return gradient_error(gradient, partial(nested_by_loops, X=X), params, ("W1", "b1", "W2", "b2"))
