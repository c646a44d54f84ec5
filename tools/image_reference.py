"""Make saelib/data/image_reference.json: the repeated runs of the chapters on natural images and on sparse coding.

    python tools/image_reference.py filters dictionaries

`filters` trains the chapter's network in several settings with five seeds each (of the patches and of the first
weights), and measures its filters beside those of PCA, of ICA and of noise.  `dictionaries` learns three dictionaries
for 3,000 updates, and compares them with each other on the way.  Some minutes each.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.decomposition import FastICA

import saelib
from saelib import datasets, metrics, nets
from saelib.pca import fit_pca, whiten_image
from saelib.sparse_coding import learn_dictionary

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


def dictionaries():
    """Return the shares of atoms that two of three dictionaries have in common, and their costs, against updates."""
    P = datasets.sample_patches(datasets.load_natural_images().images, 8, 10_000, np.random.default_rng(0))
    X = (centered(P) / centered(P).std()).astype(np.float32)
    kept = {}

    def keep(iteration, D, cost):
        if iteration in UPDATES:
            kept[seed].append(D.copy())
            print("dictionary", seed, iteration, round(cost, 2), flush=True)

    result = {"updates": UPDATES, "above 0.9": [], "above 0.7": [], "cost": []}
    for seed in (1, 7, 8):
        kept[seed] = []
        options = {"n_iter": max(UPDATES), "batch_size": 500, "n_code_iter": 60, "callback": keep}
        costs = learn_dictionary(X, 100, 1, rng=np.random.default_rng(seed), **options)[1]
        result["cost"].append([round(float(np.mean(costs[n - 20 : n + 1])), 2) for n in UPDATES])
    for limit in (0.9, 0.7):
        for pair in itertools.combinations(kept.values(), 2):
            shares = [metrics.dictionary_recovery(*both, limit) for both in zip(*pair, strict=True)]
            result[f"above {limit}"].append([round(share, 2) for share in shares])
    return result


def store(name, part):
    found = json.loads(HOME.read_text()) if HOME.exists() else {}
    HOME.write_text(json.dumps(found | {name: part}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"filters": all_filters, "dictionaries": dictionaries}
    parser.add_argument("parts", nargs="+", choices=parts)
    for part in parser.parse_args().parts:
        store(part, parts[part]())
