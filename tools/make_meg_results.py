"""Compute what the chapter "Words from brain recordings" prints of its longer runs: saelib/data/meg_results.json.

    python tools/make_meg_results.py [logistic]

Forty-one simulated subjects.  Subject 0 chooses the ridge's regularization, for each method and each seed, and is
reported with no result but this.  Sparse autoencoders have one seed in all subjects and four more in the first nine.
About ten minutes on one quiet core.  With a word behind it, only the methods whose names contain the word are computed
anew (each has random numbers of its own), and the others stay as they are stored.
"""

import json
import sys
from pathlib import Path

import numpy as np

from saelib import meg, nets
from saelib.pca import fit_pca, pca_project
from saelib.train import lbfgs

TARGET = Path(__file__).resolve().parents[1] / "saelib" / "data" / "meg_results.json"
SUBJECTS, STUDY, SEEDS = 41, 10, 5
LAMS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
HIDDEN, ROWS, ITERATIONS = 64, 4000, 60
SPARSE = {"0.2, 1": (0.2, 1.0), "0.05, 3": (0.05, 3.0)}
FIFTH = "logistic 0.2, 1, time"  # tried after the others had been compared, and alone of its kind


def squashed(X):
    """Return inputs of variance 1, cut at three standard deviations, in [0.1, 0.9], as logistic outputs need them."""
    return 0.5 + 0.4 * np.clip(X / 3, -1, 1)


def views(recording, rng):
    """Return for "time" and "space" some single trials, a row each, and the words' averages, both standardized."""
    X, means = recording.X, meg.averages(recording.X, recording.word)
    for name, D, M in (("time", X.swapaxes(1, 2), means.swapaxes(1, 2)), ("space", X, means)):
        D = D.reshape(-1, D.shape[2])
        D = D[rng.choice(len(D), ROWS, replace=False)]
        center, scale = D.mean(axis=0), D.std()
        yield name, (D - center) / scale, ((M - center) / scale).reshape(-1, D.shape[1]).astype(np.float32)


def features(recording, subject, seed, only=""):
    """Yield the name of each method and its features, a row for each word."""
    n_words = recording.word.max() + 1
    if seed == 0 and not only:
        yield "raw", meg.averages(recording.X, recording.word).reshape(n_words, -1)
    for name, D, M in views(recording, np.random.default_rng([subject, 1])):
        if seed == 0 and not only:
            yield f"PCA 10, {name}", pca_project(fit_pca(D, 10), M).reshape(n_words, -1)
            yield f"PCA 30, {name}", pca_project(fit_pca(D, 30), M).reshape(n_words, -1)
        start = nets.Sigmoid().init(D.shape[1], HIDDEN, np.random.default_rng([subject, seed]), dtype=np.float32)
        if not only:
            yield f"untrained, {name}", nets.Sigmoid().encode(start, M).A.reshape(n_words, -1)
        for words, (rho, beta) in SPARSE.items():
            for kind, output, prepared in (("SAE", "linear", np.asarray), ("logistic", "sigmoid", squashed)):
                method = f"{kind} {words}, {name}"
                if only not in method or kind == "logistic" and method != FIFTH:
                    continue
                net = nets.Sigmoid(1e-4, rho, beta, output)
                params, _ = lbfgs(net, start, prepared(D), max_iter=ITERATIONS, n_jobs=1)
                yield method, net.encode(params, prepared(M)).A.reshape(n_words, -1)


def main(only=""):
    Y = meg.load_nouns().Y
    shares = {}  # method -> seed -> subject -> a share for each lam
    for subject in range(SUBJECTS):
        recording = meg.simulate(Y, np.random.default_rng(subject))
        for seed in range(SEEDS if subject < STUDY else 1):
            for method, F in features(recording, subject, seed, only):
                row = [meg.two_versus_two(F, Y, lam).share for lam in LAMS]
                shares.setdefault(method, {}).setdefault(seed, []).append(row)
        print("subject", subject, flush=True)
    results = json.loads(TARGET.read_text("utf-8")) if only else {}
    for method, of_seed in shares.items():
        results[method] = {"lam": [], "choosing": [], "shares": []}
        for rows in of_seed.values():
            best = int(np.argmax(rows[0]))
            results[method]["lam"].append(LAMS[best])
            results[method]["choosing"].append(round(rows[0][best], 4))
            results[method]["shares"].append([round(row[best], 4) for row in rows[1:]])
    lines = ",\n".join(f"  {json.dumps(method)}: {json.dumps(result)}" for method, result in results.items())
    TARGET.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:2])
