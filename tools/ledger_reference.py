"""Make saelib/data/ledger_reference.json: what a second program gives for the book's own networks.

    python tools/ledger_reference.py photographs starts mnist

Each name is a part of the file that is made anew; the others stay.  The program shares nothing with the library but the
data: the formulas of the sparse autoencoder are written out again, SciPy's L-BFGS-B minimizes, and patches and first
weights are drawn by other generators.  The chapter "Reproduction ledger" compares its numbers with the library's.
``starts`` and ``mnist`` need the MNIST files; ``mnist`` takes some minutes, the others about one in all.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from saelib import datasets

HOME = Path(__file__).parent.parent / "saelib" / "data" / "ledger_reference.json"
SEEDS = range(101, 104)
MNIST = {"lam": 3e-3, "rho": 0.1, "beta": 3}


def unflatten(theta, n, k):
    cuts = np.cumsum([k * n, k, n * k])
    W1, b1, W2, b2 = np.split(theta, cuts)
    return W1.reshape(k, n), b1, W2.reshape(n, k), b2


def start(n, k, rng):
    """Weights uniform in the range of Glorot and Bengio, with the 1 of UFLDL under the root; biases 0."""
    r = np.sqrt(6 / (n + k + 1))
    return np.concatenate([rng.uniform(-r, r, k * n), np.zeros(k), rng.uniform(-r, r, n * k), np.zeros(n)])


def terms_and_gradient(theta, X, k, lam, rho, beta):
    """The three terms of the cost, and the gradient of their sum, for sigmoid units in both layers."""
    m, n = X.shape
    W1, b1, W2, b2 = (part.astype(X.dtype) for part in unflatten(theta, n, k))
    hidden = expit(X @ W1.T + b1)
    output = expit(hidden @ W2.T + b2)
    mean = hidden.mean(axis=0, dtype=float)
    error = output - X
    terms = (
        0.5 * float(np.sum(error.astype(float) ** 2)) / m,
        0.5 * lam * float(np.sum(W1.astype(float) ** 2) + np.sum(W2.astype(float) ** 2)),
        beta * float(np.sum(rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean)))),
    )
    d3 = error * output * (1 - output) / m
    pull = (beta / m * ((1 - rho) / (1 - mean) - rho / mean)).astype(X.dtype)
    d2 = (d3 @ W2 + pull) * hidden * (1 - hidden)
    parts = (d2.T @ X + lam * W1, d2.sum(axis=0), d3.T @ hidden + lam * W2, d3.sum(axis=0))
    return terms, np.concatenate([part.ravel() for part in parts]).astype(float)


def train(X, k, rng, *, lam, rho, beta, iterations=400):
    """The terms of the cost after so many iterations, and the parameters."""

    def objective(theta):
        terms, gradient = terms_and_gradient(theta, X, k, lam, rho, beta)
        return sum(terms), gradient

    theta = start(X.shape[1], k, rng)
    options = {"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 10, "ftol": 0, "gtol": 0}
    theta = minimize(objective, theta, jac=True, method="L-BFGS-B", options=options).x
    return terms_and_gradient(theta, X, k, lam, rho, beta)[0], theta


def patches(images, size, count, rng):
    """Random patches, each without its mean, cut off at three standard deviations, brought to 0.1 to 0.9."""
    rows = []
    for _ in range(count):
        picture = images[rng.integers(len(images))]
        i, j = (rng.integers(length - size + 1) for length in picture.shape)
        patch = picture[i : i + size, j : j + size].ravel()
        rows.append(patch - patch.mean())
    rows = np.array(rows)
    limit = 3 * rows.std()
    return 0.5 + 0.4 * np.clip(rows / limit, -1, 1)


def photographs():
    """The final costs of 25 units on 10,000 patches of 8x8."""
    images, costs = datasets.load_natural_images().images, []
    for seed in SEEDS:
        rng = np.random.Generator(np.random.MT19937(seed))
        X = patches(images, 8, 10_000, rng)
        costs.append(round(sum(train(X, 25, rng, lam=1e-4, rho=0.01, beta=3)[0]), 4))
        print("photographs", costs, flush=True)
    return {"seeds": list(SEEDS), "cost": costs}


def starts():
    """The costs of 196 units on the first 10,000 training images of MNIST before training."""
    X, costs = datasets.load_mnist("train").X[:10_000], []
    for seed in SEEDS:
        rng = np.random.Generator(np.random.MT19937(seed))
        terms, _ = terms_and_gradient(start(784, 196, rng), X, 196, **MNIST)
        costs.append(round(sum(terms), 3))
    return {"seeds": list(SEEDS), "cost": costs}


def mnist():
    """The terms of the cost after training, for the first seed."""
    X = datasets.load_mnist("train").X[:10_000].astype(np.float32)
    found = {"seeds": list(SEEDS[:1]), "cost": [], "error": [], "decay": [], "penalty": []}
    for seed in found["seeds"]:
        rng = np.random.Generator(np.random.MT19937(seed))
        last, _ = train(X, 196, rng, **MNIST)
        for name, value in zip(("cost", "error", "decay", "penalty"), (sum(last), *last), strict=True):
            found[name].append(round(value, 4))
        print("mnist", found, flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=("photographs", "starts", "mnist"))
    results = json.loads(HOME.read_text()) if HOME.exists() else {}
    for part in parser.parse_args().part:
        results[part] = globals()[part]()
        HOME.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
