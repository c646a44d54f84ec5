"""The checks of the equations of the chapter "Inside a real model"."""

import math

import numpy as np
from sklearn.metrics import roc_auc_score

from saelib.embeddings import CharParams, NextCharacter, attention, auc, layer_norm, loss_recovered
from tests.equations import error, slopes, verifies


def ranked(F, positive):
    """The page's ranks, by sorting: 1 is the smallest entry of a column."""
    return np.argsort(np.argsort(F, axis=0), axis=0) + 1


def from_ranks(F, positive, subtract=lambda n: n * (n + 1) / 2, pairs=lambda n, rest: n * rest):
    n = positive.sum()
    return (ranked(F, positive)[positive].sum(axis=0) - subtract(n)) / pairs(n, len(F) - n)


@verifies(
    "eq-auc",
    formula=auc,
    wrong={
        "ranks from 0": lambda F, y: from_ranks(F, y, subtract=lambda n: n * (n + 1) / 2 + n),
        "nothing subtracted": lambda F, y: from_ranks(F, y, subtract=lambda n: 0),
        "over all pairs": lambda F, y: from_ranks(F, y, pairs=lambda n, rest: (n + rest) ** 2 / 2),
        "the other class": lambda F, y: auc(F, ~y),
        "ties count as losses": lambda F, y: from_ranks(np.round(F), y),
    },
    method="independent library",
)
def auc_by_scikit_learn_and_by_counting_pairs(formula, rng):
    """Against scikit-learn's trapezoids, and with many equal entries against a count of all pairs."""
    F, positive = np.round(rng.normal(size=(40, 3)), 1), rng.random(40) < 0.3
    expected = [roc_auc_score(positive, column) for column in F.T]
    pairs = [
        np.mean([(a > b) + (a == b) / 2 for a in column[positive] for b in column[~positive]])
        for column in np.round(F).T
    ]
    return max(error(formula(F, positive), expected), error(formula(np.round(F), positive), pairs))


def losses(net, logits, target):
    return net.losses(logits, target)


@verifies(
    "eq-next-character",
    formula=NextCharacter.losses,
    wrong={
        "the sign": lambda net, u, y: -losses(net, u, y),
        "the logit alone": lambda net, u, y: -u[np.arange(len(u)), y[:, 0]],
        "without the logarithm": lambda net, u, y: np.exp(u).sum(axis=1) - u[np.arange(len(u)), y[:, 0]],
        "the next symbol": lambda net, u, y: losses(net, u, (y + 1) % u.shape[1]),
        "in bits": lambda net, u, y: losses(net, u, y) / math.log(2),
    },
    method="index loops",
)
def a_loss_is_minus_the_logarithm_of_a_share(formula, rng):
    """Against the probability of each target, symbol by symbol, with `math`."""
    logits, target = rng.normal(size=(6, 5)), rng.integers(5, size=(6, 1))
    expected = []
    for row, (y,) in zip(logits.tolist(), target.tolist(), strict=True):
        expected.append(-math.log(math.exp(row[y]) / sum(math.exp(u) for u in row)))
    return error(formula(NextCharacter(5), logits, target), expected)


def small(rng, m=4, context=3, V=5, e=2, h=6):
    """A small model of characters with biases, some contexts and what comes next."""
    net = NextCharacter(V, e)
    params = CharParams(*(P + 0.3 * rng.normal(size=P.shape) for P in net.init(context, h, rng)))
    return net, params, rng.integers(V, size=(m, context)).astype(float), rng.integers(V, size=(m, 1)).astype(float)


def gradient_of(net, params, X, target):
    return net.backward(params, X, target, net.encode(params, X), None)[1]


def output_deltas(logits, y, formula=NextCharacter.backward):
    """The deltas of one example with these logits, by the library: the gradient of the output's biases."""
    net = NextCharacter(len(logits), 1)
    params = CharParams(
        np.zeros((net.n_symbols, 1)), np.zeros((1, 1)), np.zeros(1), np.zeros((net.n_symbols, 1)), logits
    )
    X = np.zeros((1, 1))
    return formula(net, params, X, np.full((1, 1), float(y)), net.encode(params, X), None)[1].b2


def changed_deltas(change):
    """Return a backward pass whose deltas of the output are a change of logits, probabilities and targets."""

    def wrong(net, params, X, target, codes, price):
        u = net.decode(params, codes.A)
        p, t = np.exp(u) / np.exp(u).sum(axis=1, keepdims=True), np.eye(net.n_symbols)[target[:, 0].astype(int)]
        return None, CharParams(*(0 * P for P in params))._replace(b2=change(u, p, t)[0])

    return wrong


@verifies(
    "eq-character-delta",
    formula=NextCharacter.backward,
    wrong={
        "the sign": changed_deltas(lambda u, p, t: t - p),
        "without the target": changed_deltas(lambda u, p, t: p),
        "times the slope of a sigmoid": changed_deltas(lambda u, p, t: (p - t) * p * (1 - p)),
        "the target alone": changed_deltas(lambda u, p, t: -t),
        "logits for probabilities": changed_deltas(lambda u, p, t: u - t),
    },
    method="finite differences",
)
def output_deltas_by_nudging_the_logits(formula, rng):
    """The loss of an example is differentiated by each logit, in 30 digits."""
    import mpmath

    logits, y = rng.normal(size=5), 3
    expected = slopes(lambda u: mpmath.log(sum(mpmath.exp(v) for v in u)) - u[y], logits)
    return error(output_deltas(logits, y, formula), expected.astype(float))


def embedding_gradient(net, params, X, target):
    return gradient_of(net, params, X, target).E


def summed(net, params, X, target, change):
    """The page's sum for the embeddings, with a change."""
    codes = net.encode(params, X)
    logits = net.decode(params, codes.A)
    delta3 = (
        np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) - np.eye(len(params.E))[target[:, 0].astype(int)]
    )
    back = (delta3 @ params.W2 * (codes.Z > 0) @ params.W1).reshape(*X.shape, -1)
    G = np.zeros_like(params.E)
    change(G, X.astype(int), back)
    return G


def last_one_wins(G, X, back):
    G[X] += back  # NumPy adds a repeated index once


def first_position_only(G, X, back):
    np.add.at(G, X[:, 0], back[:, 0])


def positions_reversed(G, X, back):
    np.add.at(G, X[:, ::-1], back)


@verifies(
    "eq-embedding-gradient",
    formula=embedding_gradient,
    wrong={
        "a repeated character counted once": lambda *a: summed(*a, last_one_wins),
        "the first position alone": lambda *a: summed(*a, first_position_only),
        "positions in the wrong order": lambda *a: summed(*a, positions_reversed),
        "the mean over the examples": lambda net, p, X, y: embedding_gradient(net, p, X, y) / len(X),
    },
    method="finite differences",
    tolerance=1e-7,
)
def embedding_gradient_by_nudging_each_entry(formula, rng):
    """The summed loss is differentiated by each entry of E; contexts repeat characters."""
    net, params, X, target = small(rng)
    X[0] = X[0, 0]

    def J(E):
        moved = params._replace(E=E)
        return net.losses(net.decode(moved, net.encode(moved, X).A), target).sum()

    expected, h = np.zeros_like(params.E), 1e-6
    for index in np.ndindex(params.E.shape):
        step = np.zeros_like(params.E)
        step[index] = h
        expected[index] = (J(params.E + step) - J(params.E - step)) / (2 * h)
    return error(formula(net, params, X, target), expected)


@verifies(
    "eq-loss-recovered",
    formula=loss_recovered,
    wrong={
        "what is lost": lambda loss, without, ablated: (loss - without) / (ablated - without),
        "over the ablated loss": lambda loss, without, ablated: (ablated - loss) / ablated,
        "a ratio of losses": lambda loss, without, ablated: without / loss,
        "model and ablation exchanged": lambda loss, without, ablated: (without - loss) / (ablated - without),
    },
    method="property",
)
def the_recovered_share_runs_from_0_to_1(formula, rng):
    """1 for the model's own loss, 0 for the ablated one, and linear between: mixtures of losses give mixtures."""
    without, ablated = np.sort(rng.uniform(1, 3, 2))
    shares = rng.uniform(-0.5, 1.5, 5)
    found = [formula(s * without + (1 - s) * ablated, without, ablated) for s in (0, 1, *shares)]
    return error(found, [0, 1, *shares])


def direct_effect(W2, D, A, j, unit):
    """The change of the logits when latent j is taken away, as on the page."""
    return -unit * A[:, [j]] * (W2 @ D[:, j])


@verifies(
    "eq-direct-effect",
    formula=direct_effect,
    wrong={
        "the sign": lambda W2, D, A, j, unit: -direct_effect(W2, D, A, j, unit),
        "the unit is missing": lambda W2, D, A, j, unit: direct_effect(W2, D, A, j, 1),
        "without the activation": lambda W2, D, A, j, unit: direct_effect(W2, D, np.ones_like(A), j, unit),
        "the next latent": lambda W2, D, A, j, unit: direct_effect(W2, D, A, j + 1, unit),
    },
    method="index loops",
)
def a_latent_is_taken_away_and_the_logits_formed_again(formula, rng):
    """Hidden units from the latents that are left, and logits from these, by loops."""
    n, s, V, m, j, unit = 4, 6, 3, 5, 2, 0.7
    W2, D, A, center = rng.normal(size=(V, n)), rng.normal(size=(n, s)), rng.random((m, s)), rng.normal(size=n)
    expected = np.zeros((m, V))
    for i in range(m):
        for v in range(V):
            for t in range(n):
                all_of_them = center[t] + unit * sum(D[t, k] * A[i, k] for k in range(s))
                the_others = center[t] + unit * sum(D[t, k] * A[i, k] for k in range(s) if k != j)
                expected[i, v] += W2[v, t] * (the_others - all_of_them)
    return error(formula(W2, D, A, j, unit), expected)


@verifies(
    "eq-attention",
    formula=attention,
    wrong={
        "not divided by the root": lambda q, k, v: attention(q * np.sqrt(q.shape[1]), k, v),
        "divided by the number": lambda q, k, v: attention(q / np.sqrt(q.shape[1]), k, v),
        "queries and keys exchanged": lambda q, k, v: attention(k, q, v),
        "the softmax down the columns": lambda q, k, v: (
            (lambda s: s / s.sum(axis=0))(np.exp(q @ k.T / np.sqrt(q.shape[1]))) @ v
        ),
        "no softmax": lambda q, k, v: q @ k.T / np.sqrt(q.shape[1]) @ v,
    },
    method="index loops",
)
def attention_token_by_token(formula, rng):
    """Against weights formed one pair of tokens at a time, with `math`."""
    q, k, v = (rng.normal(size=(4, n)) for n in (3, 3, 2))
    expected = np.zeros((4, 2))
    for t in range(4):
        weights = [math.exp(sum(q[t, i] * k[u, i] for i in range(3)) / math.sqrt(3)) for u in range(4)]
        for i in range(2):
            expected[t, i] = sum(w * v[u, i] for u, w in enumerate(weights)) / sum(weights)
    return error(formula(q, k, v), expected)


@verifies(
    "eq-layer-norm",
    formula=layer_norm,
    wrong={
        "not centered": lambda x, g, b: x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True)) * g + b,
        "divided by the variance": lambda x, g, b: (x - x.mean(-1, keepdims=True)) / x.var(-1, keepdims=True) * g + b,
        "over the tokens": lambda x, g, b: (x - x.mean(0)) / x.std(0) * g + b,
        "the bias inside the gain": lambda x, g, b: (layer_norm(x, np.ones_like(g), 0 * b) + b) * g,
        "the unbiased variance": lambda x, g, b: (
            (x - x.mean(-1, keepdims=True)) / x.std(-1, ddof=1, keepdims=True) * g + b
        ),
    },
    method="index loops",
)
def layer_norm_entry_by_entry(formula, rng):
    """Against means and variances by loops."""
    x, gain, bias = rng.normal(size=(3, 5)), rng.normal(size=5), rng.normal(size=5)
    expected = np.zeros((3, 5))
    for t in range(3):
        mean = sum(x[t]) / 5
        variance = sum((value - mean) ** 2 for value in x[t]) / 5
        for i in range(5):
            expected[t, i] = gain[i] * (x[t, i] - mean) / math.sqrt(variance + 1e-12) + bias[i]
    return error(formula(x, gain, bias), expected)
