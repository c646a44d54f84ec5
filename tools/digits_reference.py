"""Make saelib/data/digits_reference.json: the long runs of the chapter "Handwritten digits give strokes", made once.

    python tools/digits_reference.py [looks | twins | seeds] ...

Each name is a part of the file that is made anew; the others stay.  MNIST is needed for `looks` and
`seeds`, each of which takes minutes.
"""

import json
import sys
from itertools import combinations
from pathlib import Path

import numpy as np

import saelib
from saelib import datasets, metrics, nets

HOME = Path(__file__).parent.parent / "saelib" / "data" / "digits_reference.json"
FEW = {"lam": 3e-3, "rho": 0.05, "beta": 3}
MANY = {"lam": 3e-3, "rho": 0.1, "beta": 3}


def moments(X, s2, seed, iterations, **settings):
    """Return {iteration: parameters} of one run of L-BFGS, the chapter's own."""
    net, kept = nets.Sigmoid(**settings), {}

    def keep(iteration, params, cost):
        if iteration in iterations:
            kept[iteration] = params
            print(s2, "units, seed", seed, "iteration", iteration, f"cost {cost:.3f}", flush=True)

    start = net.init(X.shape[1], s2, np.random.default_rng(seed), dtype=np.float32)
    last, _ = saelib.lbfgs(net, start, X, max_iter=max(iterations), callback=keep, n_jobs=1)
    return {i: kept.get(i, last) for i in iterations}


def mnist(rows):
    return datasets.load_mnist("train").X[:rows]


def small():
    return datasets.load_digits().X.astype(np.float32)


def footprint(W, share=0.9):
    energy = -np.sort(-(W**2), axis=1)
    reached = np.cumsum(energy, axis=1) / energy.sum(axis=1, keepdims=True)
    return np.mean(reached < share, axis=1) + 1 / W.shape[1]


def looks():
    """Both resolutions, each with few and with many active units, on 1,797 images; 400 iterations, three seeds."""
    result = {}
    for side, X in ((8, small()), (28, mnist(1797))):
        for s2, settings in ((25, FEW), (196, MANY)):
            name, rows = f"{side}x{side}, {s2} units", []
            for seed in range(3):
                p = moments(X, s2, seed, (400,), **settings)[400]
                A, out = saelib.forward(p, X)[1::2]
                coherence = np.median(metrics.orientation_coherence(p.W1, (side, side)))
                left, active = metrics.fvu(X, out), np.sum(A > 0.5, axis=1).mean()
                rows.append([float(v) for v in (coherence, np.median(footprint(p.W1)), left, active)])
            result[name] = np.round(rows, 3).tolist()
            print(name, result[name], flush=True)
    return result


def twins():
    """The share of units with a twin, small digits, three seeds."""
    X, iterations, result = small(), (200, 400, 1000), {}
    for s2 in (9, 25, 64, 144):
        table = {i: [] for i in iterations}
        for seed in range(3):
            for i, p in moments(X, s2, seed, iterations, lam=1e-3, rho=0.05, beta=3).items():
                rows = p.W1 / np.linalg.norm(p.W1, axis=1, keepdims=True)
                likeness = rows @ rows.T - 2 * np.eye(s2)
                left = metrics.fvu(X, saelib.forward(p, X).A3)
                table[i].append([round(float(np.mean(likeness.max(axis=1) > 0.9)), 3), round(float(left), 3)])
        result[str(s2)] = {str(i): rows for i, rows in table.items()}
        print(s2, result[str(s2)], flush=True)
    return result


def seeds():
    """The shares of encoder and decoder directions that two networks have in common, as they train on 2,500 digits."""
    X, iterations = mnist(2500), (200, 400, 800, 1200)
    runs = [moments(X, 196, seed, iterations, **MANY) for seed in range(3)]
    return {
        str(i): [
            {
                f"{side} {least}": round(float(np.mean(metrics.match_atoms(a, b)[0] > least)), 3)
                for side, a, b in (("W1", p.W1, q.W1), ("W2", p.W2.T, q.W2.T))
                for least in (0.7, 0.9)
            }
            for p, q in combinations([run[i] for run in runs], 2)
        ]
        for i in iterations
    }


PARTS = {"looks": looks, "twins": twins, "seeds": seeds}


def main(names):
    for name in names or PARTS:
        made = PARTS[name]()
        whole = json.loads(HOME.read_text()) if HOME.exists() else {}
        whole[name] = made
        HOME.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
