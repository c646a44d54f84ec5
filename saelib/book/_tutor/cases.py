"""The inputs on which a learner's function is tried: by the book's names, the same at every call."""

from functools import lru_cache

import numpy as np

from ...network import Params, forward, pack

# Samples, visible and hidden units: an ordinary network first, then the awkward ones.  Shapes that a wrong transpose
# needs are there too (the last one), or such a mistake could only be reported as an error message.
SIZES = ((5, 4, 3), (1, 4, 3), (4, 3, 6), (6, 4, 1), (3, 2, 5), (4, 4, 4))
NETWORKS = "6 networks, among them m = 1, s2 > s1 and a single hidden unit"
MATRICES = "6 inputs, among them m = 1"
PATCHES = "5 sets of patches, among them a single patch"
VARIED = "5 inputs, among them k = 1 and k = s2"
SMOOTHERS = "4 smoothers, among them i > j and a single output"
DATA = "5 sets of data, among them k = 1 and k = n"


@lru_cache
def networks():
    """Return, for each of the sizes, a label and the quantities of a random network by name."""
    return tuple((f"m = {m}, s1 = {s1}, s2 = {s2}", _network(m, s1, s2)) for m, s1, s2 in SIZES)


def _network(m, s1, s2):
    rng = np.random.default_rng((m, s1, s2))
    shapes = ((s2, s1), (s2,), (s1, s2), (s1,))
    params, Delta = (Params(*(rng.normal(size=shape) for shape in shapes)) for _ in range(2))
    X = rng.uniform(0.05, 0.95, (m, s1))
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
        "rho": float(rng.uniform(0.05, 0.3)),
        "rho_hat": A2.mean(axis=0),
        "beta": float(rng.uniform(1.5, 4)),
        "lam": float(rng.uniform(0.2, 0.4)),
        "alpha": float(rng.uniform(0.4, 0.8)),
        "theta": theta,
        "epsilon": 1e-4,
        "J": lambda theta: float(np.sin(C @ theta / theta.size).sum() + theta @ theta),
        "u": rng.normal(size=(m, s1)),
        "t": float(rng.uniform(0.3, 0.6)),
        "A": rng.normal(size=(m, s2)) * (rng.uniform(size=(m, s2)) < 0.7),
        "D": 0.5 * rng.normal(size=(s2, s1)),
    }


@lru_cache
def patches():
    """Return, for each of some sizes, a label and patches of various brightness, one of them with an outlier."""
    cases = []
    for m, n in ((8, 9), (1, 4), (5, 16), (20, 4), (4, 4)):
        rng = np.random.default_rng((m, n))
        X = rng.normal(size=(m, n)) + rng.uniform(1, 3, (m, 1))
        X[-1, 0] += 12  # beyond three standard deviations, where there are pixels enough
        cases.append((f"m = {m}, n = {n}", {"X": X}))
    return tuple(cases)


@lru_cache
def data():
    """Return, for each of some sizes, a label, data whose variances are well apart, and a number of directions."""
    cases = []
    for m, n, k in ((12, 4, 2), (9, 3, 1), (7, 3, 3), (30, 6, 4), (4, 4, 2)):
        rng = np.random.default_rng((m, n, k))
        turn = np.linalg.qr(rng.normal(size=(n, n)))[0]
        spread = np.linalg.qr(rng.normal(size=(m, n)))[0] * 2.0 ** -np.arange(n)
        X = np.sqrt(m) * spread @ turn + rng.normal(size=n)
        cases.append((f"m = {m}, n = {n}, k = {k}", {"X": X, "k": k}))
    return tuple(cases)


@lru_cache
def varied():
    """Return, for each of some sizes, a label, data with reconstructions, and pre-activations, few of them positive."""
    cases = []
    for m, n, s2, k in ((6, 4, 7, 2), (3, 2, 5, 1), (9, 5, 3, 3), (2, 6, 6, 4), (5, 5, 5, 2)):
        rng = np.random.default_rng((m, n, s2, k))
        X = rng.normal(size=(m, n)) + rng.normal(size=n)
        case = {"X": X, "X_hat": X + 0.3 * rng.normal(size=(m, n)), "Z": rng.normal(size=(m, s2)), "k": k}
        case["Z"][0] = -np.abs(case["Z"][0])  # a sample without a positive one
        case["Z"][1] = np.abs(case["Z"][1])
        cases.append((f"m = {m}, s2 = {s2}, k = {k}", case))
    return tuple(cases)


@lru_cache
def smoothers():
    """Return, for each of some sizes, a label, the matrix of a ridge regression, what it predicts, and two rows."""
    cases = []
    for m, n, outputs, i, j in ((8, 3, 2, 2, 5), (3, 3, 4, 0, 1), (6, 4, 1, 5, 0), (4, 4, 4, 1, 2)):
        rng = np.random.default_rng((m, n, outputs))
        X = rng.normal(size=(m, n))
        H = X @ np.linalg.solve(X.T @ X + np.eye(n), X.T)
        H = H + 0.1 * rng.normal(size=(m, m))  # a smoother need not be symmetric
        cases.append((f"m = {m}, i = {i}, j = {j}", {"H": H, "Y": rng.normal(size=(m, outputs)), "i": i, "j": j}))
    return tuple(cases)
