"""Make saelib/data/digits_reference.json: the long runs of the chapter "Handwritten digits give strokes", made once.

    python tools/digits_reference.py [network | probes | "no penalty" | noise | pairs | map | twins | looks | seeds] ...

Each name is a part of the file that is made anew; the others stay.  All have five seeds.  `network` trains the
chapter's network, a few minutes for each seed, and writes that of seed 0 to digits_network.npz, in half precision; the
trained networks stay in _build/digits, from where `probes`, `noise` and `pairs` take them.  Those trained without the
penalty lie beside them.  `seeds` and `looks` take minutes, too.  MNIST is needed for all but `map` and `twins`.
"""

import json
import sys
from itertools import combinations, product
from pathlib import Path

import numpy as np
from scipy.ndimage import median_filter
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression, Ridge

import saelib
from saelib import datasets, metrics, nets
from saelib.pca import fit_pca, pca_project, pca_reconstruct

ROOT = Path(__file__).parent.parent
HOME = ROOT / "saelib" / "data" / "digits_reference.json"
CHOSEN = HOME.with_name("digits_network.npz")
KEPT = ROOT / "_build" / "digits"
SEEDS = range(5)
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


def mnist(rows, part="train"):
    return datasets.load_mnist(part).X[:rows]


def small():
    return datasets.load_digits().X.astype(np.float32)


def footprint(W, share=0.9):
    energy = -np.sort(-(W**2), axis=1)
    reached = np.cumsum(energy, axis=1) / energy.sum(axis=1, keepdims=True)
    return np.mean(reached < share, axis=1) + 1 / W.shape[1]


def rounded(values, digits=3):
    return [round(float(v), digits) for v in values]


def kept_network(X, seed, beta=MANY["beta"]):
    """Return the parameters of the chapter's network for a seed, and its cost at every iteration."""
    file = KEPT / (f"{seed}.npz" if beta else f"{seed}-no-penalty.npz")
    if not file.exists():
        net = nets.Sigmoid(**MANY | {"beta": beta})
        start = net.init(X.shape[1], 196, np.random.default_rng(seed), dtype=np.float32)

        def say(iteration, params, cost):
            if iteration % 50 == 0:
                print("seed", seed, "iteration", iteration, f"cost {cost:.3f}", flush=True)

        params, history = saelib.lbfgs(net, start, X, max_iter=400, callback=say, n_jobs=1)
        KEPT.mkdir(parents=True, exist_ok=True)
        np.savez(file, cost=history.cost, **params._asdict())
    with np.load(file) as archive:
        arrays = dict(archive)
    cost = arrays.pop("cost")
    return saelib.Params(**arrays), cost


def measured(p, X, T):
    """Return what the chapter says of one network, on the training digits X and the test digits T."""
    _, A, _, out = saelib.forward(p, X)
    terms = saelib.cost_terms(p, X, **MANY)
    _, code, Z, made = saelib.forward(p, T)
    rho_hat = A.mean(axis=0, dtype=float)

    def strongest(k):
        least = -np.sort(-code, axis=1)[:, [k - 1]]
        output = saelib.sigmoid(np.where(code >= least, code, 0) @ p.W2.T + p.b2)
        return saelib.reconstruction_error(output.astype(np.float32), T)

    S, C, Z, made = T[:1000], code[:1000], Z[:1000], made[:1000]
    error = 0.5 * np.sum((made - S) ** 2, axis=1)
    rise = np.empty_like(C)
    for j in range(196):
        without_j = saelib.sigmoid(Z - C[:, [j]] * p.W2[:, j])
        rise[:, j] = 0.5 * np.sum((without_j - S) ** 2, axis=1) - error
    estimate = -C * (((made - S) * made * (1 - made)) @ p.W2)
    active = C > 0.5
    rows, columns = (W / np.linalg.norm(W, axis=1, keepdims=True) for W in (p.W1, p.W2.T))
    cosines = np.sum(rows * columns, axis=1)
    pca = fit_pca(X, 60)
    leftover = (pca.total_variance - np.cumsum(pca.variances)) / 2
    return (
        {
            "reconstruction": terms.reconstruction,
            "decay": terms.decay,
            "sparsity": terms.sparsity,
            "least rho_hat": rho_hat.min(),
            "largest rho_hat": rho_hat.max(),
            "dead": np.sum(metrics.dead_units(A, threshold=0.5)),
            "coherence": np.median(metrics.orientation_coherence(p.W1, (28, 28))),
            "footprint": np.median(footprint(p.W1)),
            "unseen": saelib.reconstruction_error(saelib.forward(p, T).A3, T),
            "above one half": np.sum(code > 0.5, axis=1).mean(),
            "above one tenth": np.sum(code > 0.1, axis=1).mean(),
        }
        | {f"strongest {k}": strongest(k) for k in (1, 4, 16, 32, 64, 128)}
        | {
            "correlation": np.corrcoef(estimate.ravel(), rise.ravel())[0, 1],
            "rise": rise[active].mean(),
            "tangent": estimate[active].mean(),
            "rise, others": rise[~active].mean(),
            "active, no rise": np.mean(rise[active] < 0),
            "all, no rise": np.mean(rise < 0),
            "median cosine": np.median(cosines),
            "least cosine": cosines.min(),
            "components": np.argmax(leftover < terms.reconstruction) + 1,
        }
    )


def network():
    """What the chapter says of its network, for each seed; that of seed 0 goes into a file of its own."""
    X, T, table = mnist(10_000), mnist(10_000, "test"), {}
    for seed in SEEDS:
        p, cost = kept_network(X, seed)
        if seed == 0:
            np.savez_compressed(CHOSEN, **{name: P.astype(np.float16) for name, P in p._asdict().items()})
        row = {f"cost {i}": cost[i] for i in (0, 10, 25, 50, 100, 200, 400)} | measured(p, X, T)
        print(seed, {name: round(float(value), 3) for name, value in row.items()}, flush=True)
        for name, value in row.items():
            table.setdefault(name, []).append(round(float(value), 4))
        store("network", table)
    return table


def probes():
    """The accuracy of linear probes on nine codes, for each seed of the network, its rivals and the labels."""
    whole, test = datasets.load_mnist("train"), datasets.load_mnist("test")
    X, y, T = whole.X[:10_000], whole.y[:10_000], test.X
    table = {}

    def probe(seen, unseen, labeled):
        center, scale = seen.mean(axis=0), seen.std()
        model = LogisticRegression(C=1 / 10, max_iter=500)
        model.fit((seen[labeled] - center) / scale, y[labeled])
        return model.score((unseen - center) / scale, test.y)

    for seed in SEEDS:
        p, _ = kept_network(X, seed)
        (Z, A), (Z_new, A_new) = (saelib.forward(p, images)[:2] for images in (X, T))
        rng = np.random.default_rng(5 + seed)

        def untrained(W, Z=Z):
            sums, new = (X - X.mean(axis=0)) @ W.T, (T - X.mean(axis=0)) @ W.T
            scale = Z.std(axis=0) / sums.std(axis=0)
            return [saelib.sigmoid(s * scale + Z.mean(axis=0)).astype(np.float32) for s in (sums, new)]

        pictures = X[rng.choice(len(X), 196, replace=False)]
        centroids = MiniBatchKMeans(196, n_init=1, random_state=seed).fit(X).cluster_centers_
        codes = {"pixels": (X, T)}
        for k in (30, 196):
            pca = fit_pca(X, k)
            codes[f"PCA, {k}"] = [pca_project(pca, images) for images in (X, T)]
        codes |= {
            "sums": (Z, Z_new),
            "sparse code": (A, A_new),
            "random": untrained(rng.normal(size=(196, 784)).astype(np.float32)),
            "pictures": untrained(pictures - X.mean(axis=0)),
            "centroids": untrained(centroids - X.mean(axis=0)),
        }
        free, _ = kept_network(X, seed, beta=0)
        codes["no penalty"] = [saelib.forward(free, images).A2 for images in (X, T)]
        rng = np.random.default_rng(6 + seed)
        labeled = {n: [rng.permutation(10_000)[:n] for _ in range(k)] for n, k in ((100, 5), (1000, 3), (10_000, 1))}
        for name, both in codes.items():
            for n, draws in labeled.items():
                known = table.setdefault(name, {}).setdefault(str(n), [])
                if n == 10_000 and known and name in ("pixels", "PCA, 30", "PCA, 196"):
                    known.append(known[0])  # nothing in it depends on the seed
                else:
                    known.append(round(float(np.mean([probe(*both, some) for some in draws])), 4))
        print(seed, {name: [rows[-1] for rows in row.values()] for name, row in table.items()}, flush=True)
        store("probes", table)
    return table


def no_penalty():
    """The error and the mean activation of the network that was trained without the penalty, for each seed."""
    X, table = mnist(10_000), {"reconstruction": [], "mean activation": []}
    for seed in SEEDS:
        _, A, _, out = saelib.forward(kept_network(X, seed, beta=0)[0], X)
        table["reconstruction"].append(round(float(saelib.reconstruction_error(out, X)), 4))
        table["mean activation"].append(round(float(A.mean(dtype=float)), 4))
    return table


def noise():
    """The errors of six ways to clean corrupted digits, for each seed of the network, the noise and the batches."""
    X, T, table = mnist(10_000), mnist(2_000, "test"), {}

    def spoil(images, rng):
        hit = rng.random(images.shape, dtype=np.float32) < 0.2
        return np.where(hit, rng.integers(0, 2, images.shape), images).astype(np.float32)

    def batches(rng):
        for _ in range(8):
            for rows in np.split(rng.permutation(10_000), 50):
                yield spoil(X[rows], rng), X[rows]

    dirty = spoil(X, np.random.default_rng(5))
    fits = [Ridge(alpha=a, solver="cholesky").fit(dirty[:8000], X[:8000]) for a in (1, 10, 100, 1000)]
    ridge = max(fits, key=lambda fit: fit.score(dirty[8000:], X[8000:]))
    for seed in SEEDS:
        p, _ = kept_network(X, seed)
        noisy = spoil(T, np.random.default_rng(3 + 10 * seed))
        pairs = batches(np.random.default_rng(4 + 10 * seed))
        denoiser, _ = saelib.adam(nets.Sigmoid(lam=0, rho=0.1, beta=3), p, pairs, learning_rate=1e-3)
        linear = ridge.predict(noisy)
        outputs = {"spoiled": noisy, "as trained": saelib.forward(p, noisy).A3}
        for k in (30, 50, 100):
            pca = fit_pca(X, k)
            outputs[f"PCA, {k}"] = pca_reconstruct(pca, pca_project(pca, noisy))
        outputs |= {
            "ridge": linear,
            "ridge, clipped": np.clip(linear, 0, 1),
            "3x3 median": median_filter(noisy.reshape(-1, 28, 28), size=(1, 3, 3)).reshape(-1, 784),
            "denoiser": saelib.forward(denoiser, noisy).A3,
        }
        for name, images in outputs.items():
            table.setdefault(name, []).append(round(float(0.5 * metrics.squared_error(T, images)), 3))
        print(seed, {name: row[-1] for name, row in table.items()}, flush=True)
    return table


def settings_map():
    """25 units on the small digits at 24 settings, 200 iterations: unexplained, least and largest mean, active."""
    X, table = small(), {}
    for lam, beta, rho in product((1e-4, 1e-3, 1e-2), (0.3, 3), (0.01, 0.05, 0.2, 0.5)):
        rows = []
        for seed in SEEDS:
            p = moments(X, 25, seed, (200,), lam=lam, rho=rho, beta=beta)[200]
            _, A, _, out = saelib.forward(p, X)
            means = A.mean(axis=0)
            rows.append(rounded((metrics.fvu(X, out), means.min(), means.max(), np.sum(A > 0.5, axis=1).mean())))
        table[f"{lam:g} {beta:g} {rho:g}"] = rows
    return table


def looks():
    """Both resolutions, each with few and with many active units, on 1,797 images; 400 iterations."""
    result = {}
    for side, X in ((8, small()), (28, mnist(1797))):
        for s2, settings in ((25, FEW), (196, MANY)):
            name, rows = f"{side}x{side}, {s2} units", []
            for seed in SEEDS:
                p = moments(X, s2, seed, (400,), **settings)[400]
                A, out = saelib.forward(p, X)[1::2]
                coherence = np.median(metrics.orientation_coherence(p.W1, (side, side)))
                left, active = metrics.fvu(X, out), np.sum(A > 0.5, axis=1).mean()
                rows.append(rounded((coherence, np.median(footprint(p.W1)), left, active)))
            result[name] = rows
            print(name, result[name], flush=True)
    return result


def twins():
    """The share of units with a twin, and what is left unexplained, on the small digits."""
    X, iterations, result = small(), (200, 400, 1000), {}
    for s2 in (9, 25, 64, 144):
        table = {i: [] for i in iterations}
        for seed in SEEDS:
            for i, p in moments(X, s2, seed, iterations, lam=1e-3, rho=0.05, beta=3).items():
                rows = p.W1 / np.linalg.norm(p.W1, axis=1, keepdims=True)
                likeness = rows @ rows.T - 2 * np.eye(s2)
                left = metrics.fvu(X, saelib.forward(p, X).A3)
                table[i].append(rounded((np.mean(likeness.max(axis=1) > 0.9), left)))
        result[str(s2)] = {str(i): rows for i, rows in table.items()}
        print(s2, result[str(s2)], flush=True)
    return result


def shared(p, q):
    """Return the shares of encoder and decoder directions that two networks have in common."""
    return {
        f"{side} {least}": round(float(np.mean(metrics.match_atoms(a, b)[0] > least)), 3)
        for side, a, b in (("W1", p.W1, q.W1), ("W2", p.W2.T, q.W2.T))
        for least in (0.7, 0.9)
    }


def pairs():
    """What any two of the chapter's five networks have in common."""
    X = mnist(10_000)
    return [shared(p, q) for p, q in combinations([kept_network(X, seed)[0] for seed in SEEDS], 2)]


def seeds():
    """What any two of five networks have in common as they train on 2,500 digits."""
    X, iterations = mnist(2500), (200, 400, 800, 1200)
    runs = [moments(X, 196, seed, iterations, **MANY) for seed in SEEDS]
    return {str(i): [shared(p, q) for p, q in combinations([run[i] for run in runs], 2)] for i in iterations}


def store(name, part):
    whole = json.loads(HOME.read_text()) if HOME.exists() else {}
    HOME.write_text(json.dumps(whole | {name: part}, indent=1) + "\n")


PARTS = {
    "network": network,
    "probes": probes,
    "no penalty": no_penalty,
    "noise": noise,
    "pairs": pairs,
    "map": settings_map,
    "twins": twins,
    "looks": looks,
    "seeds": seeds,
}


def main(names):
    for name in names or PARTS:
        store(name, PARTS[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
