"""Make saelib/data/image_reference.json: the repeated runs of the chapters on natural images and on sparse coding.

    python tools/image_reference.py filters network shown knobs inference lista atoms dictionaries

`filters` trains the chapter's network in several settings with five seeds each (of the patches and of the first
weights), and measures its filters beside those of PCA, of ICA and of noise.  `network` measures what else the chapter
says of it, also on raw photographs and on few patches.  `shown` is the network that the chapter trains, for a figure
in which its units keep their order on every processor.  `knobs` trains it at eleven settings of rho, beta and lambda.
`inference` compares codes of an encoder with codes that are searched for, `lista` trains unrolled steps of ISTA, and
`atoms` learns dictionaries for 150 updates, `dictionaries` for 3,000, and compares them with each other on the way.
All have five seeds.  Some minutes each.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import scipy.optimize
from sklearn.datasets import load_sample_images
from sklearn.decomposition import FastICA

import saelib
from saelib import datasets, metrics, nets
from saelib.pca import fit_pca, whiten_image
from saelib.sparse_coding import fista, ista, learn_dictionary, lipschitz, orthogonal_matching_pursuit

HOME = Path(__file__).parent.parent / "saelib" / "data" / "image_reference.json"
BOOK = nets.Sigmoid(lam=1e-4, rho=0.01, beta=3)
LINEAR = BOOK._replace(output="linear")
UPDATES = (150, 500, 1000, 2000, 3000)


def spread(filters, side=8):
    """Return how far each filter reaches, from 0 (a pixel) to about 1 (the whole patch); shape (k,)."""
    w = (filters - filters.mean(axis=1, keepdims=True)) ** 2
    w /= w.sum(axis=1, keepdims=True)
    place = np.array(list(np.ndindex(side, side)))
    variance = w @ np.sum(place**2, axis=1) - np.sum((w @ place) ** 2, axis=1)
    return np.sqrt(variance / ((side**2 - 1) / 6))


def scramble(image, rng):
    """Return an image with the same amplitudes and the phases of white noise."""
    noise = np.fft.rfft2(rng.standard_normal(image.shape))
    return np.fft.irfft2(np.abs(np.fft.rfft2(image)) * noise / np.abs(noise), s=image.shape)


def other_photographs():
    """Return the two photographs of scikit-learn, in gray and whitened as those of the book."""
    gray = (image @ np.array([0.299, 0.587, 0.114]) / 255 for image in load_sample_images().images)
    return [whiten_image(image)[4:-4, 4:-4] for image in gray]


def centered(P):
    return P - P.mean(axis=1, keepdims=True)


def equal_contrast(P):
    """Return patches without their mean, each divided by its norm."""
    return centered(P) / np.linalg.norm(centered(P), axis=1, keepdims=True)


def train(net, X, seed):
    start = saelib.init_params(64, 25, np.random.default_rng(seed + 1), dtype=np.float32)
    return saelib.lbfgs(net, start, X.astype(np.float32), max_iter=400)[0]


def judged(filters, P):
    """Return what is measured of filters, on patches P of photographs: medians, and how many are oriented."""
    filters = centered(np.asarray(filters, float))
    coherence = metrics.orientation_coherence(filters, (8, 8))
    return {
        "coherence": np.median(coherence),
        "oriented": np.sum(coherence > 0.6),
        "spread": np.median(spread(filters)),
        "kurtosis": np.median(metrics.kurtosis(centered(P) @ filters.T)),
        "at equal contrast": np.median(metrics.kurtosis(equal_contrast(P) @ filters.T)),
    }


def filters(seed):
    rng = np.random.default_rng(seed)
    images = datasets.load_natural_images()
    P = datasets.sample_patches(images.images, 8, 10_000, rng)
    which = np.random.default_rng(seed).integers(6, size=10_000)  # the first that sample_patches draws
    scrambled = [scramble(image, rng) for image in images.images]
    S = datasets.sample_patches(scrambled, 8, 10_000, rng)
    no_wall = [image for image, name in zip(images.images, images.names, strict=True) if name != "brick"]
    other = datasets.sample_patches(other_photographs(), 8, 10_000, rng)

    X = datasets.normalize_patches(P)
    book = train(BOOK, X, seed)
    strong = saelib.forward(book, X).A2 > 0.5
    yield "wall", {"share of strong activations": strong[which == 1].sum() / strong.sum()}
    yield "sparse autoencoder", judged(book.W1, P)
    yield "random", judged(rng.normal(size=(25, 64)), P)
    yield "PCA", judged(fit_pca(X, 25).components, P)
    ica = FastICA(25, whiten="unit-variance", random_state=seed, max_iter=500).fit(centered(P))
    yield "ICA", judged(ica.components_, P)
    yield "no sparseness", judged(train(BOOK._replace(beta=0), X, seed).W1, P)
    from_noise = train(BOOK, datasets.normalize_patches(S), seed).W1
    yield "scrambled", judged(from_noise, P)
    yield "scrambled, on scrambled", judged(from_noise, S)
    no_wall = datasets.sample_patches(no_wall, 8, 10_000, rng)
    yield "no wall", judged(train(BOOK, datasets.normalize_patches(no_wall), seed).W1, P)
    other = datasets.normalize_patches(other)
    yield "other photographs", judged(train(BOOK, other, seed).W1, P)
    yield "other photographs, linear", judged(train(LINEAR, other, seed).W1, P)
    yield "linear", judged(train(LINEAR, X, seed).W1, P)
    scaled = LINEAR._replace(lam=16 * LINEAR.lam, beta=16 * LINEAR.beta)
    yield "linear, scaled", judged(train(scaled, 4 * (X - 0.5), seed).W1, P)
    equal = datasets.normalize_patches(equal_contrast(P))
    yield "equal contrast", judged(train(BOOK, equal, seed).W1, P)
    equal = datasets.normalize_patches(equal_contrast(S))
    yield "equal contrast, scrambled", judged(train(BOOK, equal, seed).W1, S)


def all_filters():
    """Return, for each kind of filters and each measure, its values with seeds 0 to 4."""
    table = {}
    for seed in range(5):
        for kind, measures in filters(seed):
            print(seed, kind, {name: round(float(value), 2) for name, value in measures.items()}, flush=True)
            for name, value in measures.items():
                table.setdefault(kind, {}).setdefault(name, []).append(round(float(value), 3))
        store("filters", table)
    return table


def network():
    """Return what the chapter says of its network, of one for raw photographs and of those for few patches."""
    table, white, raw = {}, datasets.load_natural_images(), datasets.load_natural_images(whiten=False)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = datasets.normalize_patches(datasets.sample_patches(white.images, 8, 10_000, rng))
        fresh = datasets.sample_patches(white.images, 8, 10_000, np.random.default_rng(9 + seed))
        fresh = datasets.normalize_patches(fresh)
        R = datasets.sample_patches(raw.images, 8, 10_000, np.random.default_rng(seed))
        R = datasets.normalize_patches(R)
        start = saelib.init_params(64, 25, np.random.default_rng(seed + 1), dtype=np.float32)
        kept = {}

        def keep(iteration, params, cost, kept=kept):
            if iteration in (50, 100, 200):
                kept[iteration] = params.W1

        p, history = saelib.lbfgs(BOOK, start, X.astype(np.float32), max_iter=400, callback=keep)
        _, A2, _, A3 = saelib.forward(p, X)
        quiet = ~(A2 > 0.1).any(axis=1)
        size, rho_hat = np.linalg.norm(X - 0.5, axis=1), A2.mean(axis=0)
        encoder, decoder = (W / np.linalg.norm(W, axis=1, keepdims=True) for W in (p.W1, p.W2.T))
        error = saelib.reconstruction_error(A3, X)
        row = {
            "cost": history.cost[-1],
            "error": error,
            "mean patch": 0.5 * np.sum(np.var(X, axis=0)),
            "least rho_hat": rho_hat.min(),
            "largest rho_hat": rho_hat.max(),
            "quiet": np.mean(quiet),
            "contrast": np.median(size[~quiet]) / np.median(size[quiet]),
            "dead": np.sum(metrics.dead_units(A2, threshold=0.5)),
            "cosine": np.median(np.sum(encoder * decoder, axis=1)),
        }
        for iteration, W1 in kept.items():
            W1 = W1 / np.linalg.norm(W1, axis=1, keepdims=True)
            likeness = np.abs(np.sum(W1 * encoder, axis=1))
            row |= {f"above {limit} at {iteration}": np.sum(likeness > limit) for limit in (0.7, 0.9)}
        for k in (3, 4, 25):
            left = fit_pca(X, k)
            row[f"PCA {k}"] = (left.total_variance - left.variances.sum()) / 2
        row["fvu"] = metrics.fvu(X, A3)
        q = train(BOOK, R, seed)
        row["fvu, raw"] = metrics.fvu(R, saelib.forward(q, R).A3)
        row["coherence, raw"] = np.median(metrics.orientation_coherence(q.W1, (8, 8)))
        for m in (100, 300, 1000, 10_000):
            q = train(BOOK, X[:m], seed) if m < 10_000 else p
            row[f"seen {m}"] = saelib.reconstruction_error(saelib.forward(q, X[:m]).A3, X[:m])
            row[f"fresh {m}"] = saelib.reconstruction_error(saelib.forward(q, fresh).A3, fresh)
        print(seed, {name: round(float(value), 3) for name, value in row.items()}, flush=True)
        for name, value in row.items():
            table.setdefault(name, []).append(round(float(value), 4))
    return table


def knobs():
    """Return, for each setting, what 25 units on 5,000 patches come to in 250 iterations, with seeds 0 to 4."""
    table = {}
    settings = [(1e-4, rho, beta) for rho in (0.002, 0.01, 0.1) for beta in (0.03, 0.3, 3)]
    for lam, rho, beta in [*settings, (1e-5, 0.01, 3), (1e-3, 0.01, 3)]:
        for seed in range(5):
            P = datasets.sample_patches(datasets.load_natural_images().images, 8, 10_000, np.random.default_rng(seed))
            X = datasets.normalize_patches(P)[:5000].astype(np.float32)
            start = saelib.init_params(64, 25, np.random.default_rng(seed + 1), dtype=np.float32)
            p, _ = saelib.lbfgs(nets.Sigmoid(lam=lam, rho=rho, beta=beta), start, X, max_iter=250)
            _, A2, _, A3 = saelib.forward(p, X)
            measures = {
                "coherence": np.median(metrics.orientation_coherence(p.W1, (8, 8))),
                "busiest": A2.mean(axis=0).max(),
                "error": saelib.reconstruction_error(A3, X),
                "mean patch": 0.5 * np.sum(np.var(X, axis=0, dtype=float)),
                "largest weight": np.abs(p.W1).max(),
            }
            for name, value in measures.items():
                row = table.setdefault(f"{lam:g} {rho:g} {beta:g}", {})
                row.setdefault(name, []).append(round(float(value), 3))
        print(lam, rho, beta, table[f"{lam:g} {rho:g} {beta:g}"], flush=True)
    return table


def even_patches(seed, count=10_000):
    """Return patches without their means, of variance one."""
    P = datasets.sample_patches(datasets.load_natural_images().images, 8, count, np.random.default_rng(seed))
    return (centered(P) / centered(P).std()).astype(np.float32)


def refit(used, V, D):
    """Return the least-squares codes of patches, each with its own set of atoms."""
    both = used[:, :, np.newaxis] & used[:, np.newaxis, :]
    normal = np.where(both, D @ D.T, np.eye(len(D), dtype=D.dtype))
    return np.linalg.solve(normal, ((V @ D.T) * used)[..., np.newaxis])[..., 0]


def positive_lasso(V, D, lam, steps=300):
    G, VD, L = D @ D.T, V @ D.T, lipschitz(D)
    A = np.zeros_like(VD)
    for _ in range(steps):
        A = np.maximum(A - (A @ G - VD + lam) / L, 0)
    return A


def inference():
    """Return the active units and the unexplained variance of five ways to code, near 0.7 active, with five seeds."""
    X, table = even_patches(0), {}
    net = nets.Sigmoid(lam=6e-3, rho=0.01, beta=30, output="linear")
    for seed in range(1, 6):
        start = net.init(64, 25, np.random.default_rng(seed), dtype=np.float32)
        sae, _ = saelib.lbfgs(net, start, X, max_iter=400)
        A = saelib.forward(sae, X, output="linear").A2
        length = np.linalg.norm(sae.W2, axis=0)
        D = sae.W2.T / length[:, np.newaxis]
        options = {"n_iter": 150, "batch_size": 500, "n_code_iter": 60, "rng": np.random.default_rng(seed)}
        own, V, on = learn_dictionary(X, 25, 3, **options)[0], X - sae.b2, A > 0.1
        codes = {
            "encoder": (length * A * on, D, sae.b2),
            "refitted": (refit(on, V, D), D, sae.b2),
            "lasso": (refit(positive_lasso(V, D, 3.5) > 0, V, D), D, sae.b2),
            "pursuit": (orthogonal_matching_pursuit(V, D, 1), D, sae.b2),
            "own": (refit(fista(X, own, 4, 60) != 0, X, own), own, 0),
        }
        row = {}
        for name, (code, atoms, b) in codes.items():
            row[f"{name}, active"] = np.mean(np.sum(code != 0, axis=1))
            row[name] = metrics.fvu(X, code @ atoms + b)
        saturated = A > 0.9
        for name, amplitudes in (("needed", codes["refitted"][0]), ("said", length * A)):
            low, high = np.percentile(amplitudes[saturated], (5, 95))
            row |= {f"{name}, low": low, f"{name}, high": high}
        row["opposite"] = np.sum((D @ D.T).min(axis=1) < -0.8) // 2
        print(seed, {name: round(float(value), 3) for name, value in row.items()}, flush=True)
        for name, value in row.items():
            table.setdefault(name, []).append(round(float(value), 3))
    return table


def unrolled(theta, X, layers):
    (W, M, t), A, seen = theta, np.zeros((len(X), len(theta[0])), X.dtype), []
    for _ in range(layers):
        U = X @ W.T + A @ M.T
        seen.append((U, A))
        A = U - np.clip(U, -t, t)
    return A, seen


def unrolled_gradient(theta, X, target, layers):
    (_, M, t), (A, seen) = theta, unrolled(theta, X, layers)
    by_A, dW, dM, dt = (A - target) / len(X), 0, 0, 0
    for U, before in reversed(seen):
        delta = by_A * (np.abs(U) > t)
        dW, dM, dt = dW + delta.T @ X, dM + delta.T @ before, dt - np.sum(delta * np.sign(U), axis=0)
        by_A = delta @ M
    return np.sum((A - target) ** 2) / (2 * len(X)), np.concatenate([np.ravel(part) for part in (dW, dM, dt)])


def lista():
    """Return the errors of the codes of LISTA, ISTA and FISTA on fresh patches, with five seeds."""
    table, k, n = {}, 64, 64
    for seed in range(1, 6):
        X, fresh = even_patches(seed - 1), even_patches(8 + seed, 2_000)
        options = {"n_iter": 150, "batch_size": 500, "n_code_iter": 60, "rng": np.random.default_rng(seed)}
        D, _ = learn_dictionary(X, k, 2, **options)
        goal, fresh_goal = (fista(Y, D, 2, 300) for Y in (X, fresh))

        def parts(v):
            v = v.astype(np.float32)
            return v[: k * n].reshape(k, n), v[k * n : -k].reshape(k, k), v[-k:]

        def error(A, target):
            return float(np.sum((A - target) ** 2) / np.sum(target**2))

        row = {"atoms": np.mean(np.sum(goal != 0, axis=1))}
        L = lipschitz(D)
        begin = np.concatenate([(D / L).ravel(), (np.eye(k) - D @ D.T / L).ravel(), np.full(k, 2 / L)])
        for layers in (1, 2, 3):

            def objective(v, layers=layers, X=X, goal=goal, parts=parts):
                J, gradient = unrolled_gradient(parts(v), X, goal, layers)
                return float(J), gradient.astype(float)

            how = {"jac": True, "method": "L-BFGS-B", "options": {"maxiter": 60}}
            theta = parts(scipy.optimize.minimize(objective, begin, **how).x)
            row[f"LISTA {layers}"] = error(unrolled(theta, fresh, layers)[0], fresh_goal)
            row[f"seen {layers}"] = error(unrolled(theta, X, layers)[0], goal)
        for name, run in (("ISTA", ista), ("FISTA", fista)):
            errors = [error(run(fresh, D, 2, r), fresh_goal) for r in range(1, 31)]
            row |= {f"{name} {r}": errors[r - 1] for r in (1, 2, 3)}
            row[f"{name}, steps"] = 1 + int(np.argmax(np.array(errors) < row["LISTA 3"]))
        print(seed, {name: round(float(value), 3) for name, value in row.items()}, flush=True)
        for name, value in row.items():
            table.setdefault(name, []).append(round(float(value), 3))
    return table


def atoms():
    """Return what 150 updates make of a hundred atoms, with five seeds."""
    X, table = even_patches(0), {}
    for seed in range(1, 6):
        kept = {}

        def keep(iteration, D, cost, kept=kept):
            if iteration in (0, 10, 150):
                kept[iteration] = D.copy(), cost

        options = {"n_iter": 150, "batch_size": 500, "n_code_iter": 60, "callback": keep}
        learn_dictionary(X, 100, 1, rng=np.random.default_rng(seed), **options)
        (_, first), (D10, at_10), (D, at_150) = kept.values()
        A = fista(X[:2000], D, 1, 200)
        row = {
            "fallen by 10": (first - at_10) / (first - at_150),
            "coherence at 10": np.median(metrics.orientation_coherence(D10, (8, 8))),
            "coherence": np.median(metrics.orientation_coherence(D, (8, 8))),
            "active": np.mean(np.sum(A != 0, axis=1)),
            "fvu": metrics.fvu(X[:2000], A @ D),
        }
        print(seed, {name: round(float(value), 3) for name, value in row.items()}, flush=True)
        for name, value in row.items():
            table.setdefault(name, []).append(round(float(value), 3))
    return table


def dictionaries():
    """Return the shares of atoms that two of five dictionaries have in common, and their costs, against updates."""
    X, kept = even_patches(0), {}

    def keep(iteration, D, cost):
        if iteration in UPDATES:
            kept[seed].append(D.copy())
            print("dictionary", seed, iteration, round(cost, 2), flush=True)

    result = {"updates": UPDATES, "above 0.9": [], "above 0.7": [], "cost": []}
    for seed in range(1, 6):
        kept[seed] = []
        options = {"n_iter": max(UPDATES), "batch_size": 500, "n_code_iter": 60, "callback": keep}
        costs = learn_dictionary(X, 100, 1, rng=np.random.default_rng(seed), **options)[1]
        result["cost"].append([round(float(np.mean(costs[n - 20 : n + 1])), 2) for n in UPDATES])
    for limit in (0.9, 0.7):
        for pair in itertools.combinations(kept.values(), 2):
            shares = [metrics.dictionary_recovery(*both, limit) for both in zip(*pair, strict=True)]
            result[f"above {limit}"].append([round(share, 2) for share in shares])
    return result


def shown():
    """Return the parameters of the network that the chapter trains, in hundredths, a string of whole numbers a row."""
    white = datasets.load_natural_images().images
    X = datasets.normalize_patches(datasets.sample_patches(white, 8, 10_000, np.random.default_rng(0)))
    p, _ = saelib.lbfgs(BOOK, saelib.init_params(64, 25, np.random.default_rng(1)), X, max_iter=400)
    hundredths = {name: np.rint(100 * np.atleast_2d(P)).astype(int) for name, P in p._asdict().items()}
    return {name: [" ".join(map(str, row)) for row in rows] for name, rows in hundredths.items()}


def store(name, part):
    found = json.loads(HOME.read_text()) if HOME.exists() else {}
    HOME.write_text(json.dumps(found | {name: part}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {
        "filters": all_filters,
        "network": network,
        "shown": shown,
        "knobs": knobs,
        "inference": inference,
        "lista": lista,
        "atoms": atoms,
        "dictionaries": dictionaries,
    }
    parser.add_argument("parts", nargs="+", choices=parts)
    for part in parser.parse_args().parts:
        store(part, parts[part]())
