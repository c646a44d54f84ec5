"""Make saelib/data/deep_reference.json: the long runs of the chapter "Deeper, and robust", made once.

    python tools/deep_reference.py recipes rates six six_larger logistic logistic_longer twenty
    python tools/deep_reference.py pretraining selftaught stacked
    python tools/deep_reference.py faces --faces lfw_subset.npy

Each name is a part of the file that is made anew; the others stay.  MNIST is needed, and for the faces the file
``skimage/data/lfw_subset.npy`` out of a wheel of scikit-image 0.26.0 (its first 100 rows are faces).  The parts take
from one minute to twenty each.  Recipe and step size were chosen by `recipes`, on a validation split of the training
images; `rates` asks again at six epochs, and `six_larger` takes its answer.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from saelib import datasets, nets
from saelib.architecture import flatten
from saelib.nets.deep import Layer
from saelib.pca import fit_pca, pca_project, pca_reconstruct
from saelib.stacks import Classifier, Stack, he_start, unroll
from saelib.train import Minibatches, adam, lbfgs, linear_decay

HOME = Path(__file__).parent.parent / "saelib" / "data" / "deep_reference.json"
SIZES = (400, 200)
RECIPE = {"hidden": "relu", "loss": "cross entropy"}
RATE = 2e-3


def keep(part, result):
    """Store what a part has found so far, beside the other parts."""
    stored = json.loads(HOME.read_text()) if HOME.exists() else {}
    HOME.write_text(json.dumps({**stored, part: result}, indent=1, sort_keys=True) + "\n")


def squared_error(net, params, X):
    """Return the squared error summed over pixels, the mean over images."""
    return float(np.mean([np.sum((net.decode(params, net.encode(params, B).A) - B) ** 2) / len(B) for B in parts(X)]))


def parts(X):
    return np.split(X, 10)


def train(net, X, k, epochs, seed, *, rate=RATE, start=None, size=256):
    """Return parameters after so many epochs of Adam, with a step size that falls in a straight line to 0."""
    rng = np.random.default_rng(seed)
    if start is None:
        begin = he_start if net.hidden == "relu" else type(net).init
        start = begin(net, X.shape[1], k, rng, dtype=np.float32)
    batches = Minibatches(X, size, epochs=epochs, seed=seed)
    return adam(net, start, batches, learning_rate=linear_decay(rate, len(batches)))[0]


def rounded(numbers, digits=3):
    return [round(float(number), digits) for number in numbers]


def recipes(X, T, y):
    """Two epochs of 20,000 training images; judged on the last 10,000 training images, no test image is looked at."""
    rows = []
    for hidden in ("sigmoid", "tanh", "relu"):
        for loss in ("squared", "cross entropy"):
            for rate in (5e-4, 1e-3, 2e-3, 4e-3):
                net = nets.Deep(SIZES, hidden=hidden, loss=loss)
                params = train(net, X[:20_000], 30, 2, 0, rate=rate)
                error = squared_error(net, params, X[50_000:])
                rows.append({"hidden": hidden, "loss": loss, "rate": rate, "validation": round(error, 2)})
                print(rows[-1], flush=True)
    return rows


def rates(X, T, y):
    """The best of `recipes` at the length that counts: six epochs of 50,000 images, judged on the other 10,000."""
    net, rows = nets.Deep(SIZES, **RECIPE), []
    for rate in (1e-3, 2e-3, 4e-3):
        error = squared_error(net, train(net, X[:50_000], 30, 6, 0, rate=rate), X[50_000:])
        rows.append({"rate": rate, "validation": round(error, 2)})
        print(rows[-1], flush=True)
        keep("rates", rows)
    return rows


def deep_runs(part, X, T, epochs, seeds, sizes=SIZES, rate=RATE):
    net, errors = nets.Deep(sizes, **RECIPE), []
    for seed in seeds:
        errors.append(squared_error(net, train(net, X, 30, epochs, seed, rate=rate), T))
        print(epochs, sizes, errors, flush=True)
        result = {"sizes": list(sizes), "epochs": epochs, "rate": rate, "test": rounded(errors)}
        keep(part, result)
    return result


def six(X, T, y):
    return deep_runs("six", X, T, 6, range(3))


def six_larger(X, T, y):
    """Six epochs with the step size that is best in `rates`."""
    return deep_runs("six_larger", X, T, 6, range(3), rate=4e-3)


def twenty(X, T, y):
    return deep_runs("twenty", X, T, 20, range(3))


def wide(X, T, y):
    return deep_runs("wide", X, T, 25, range(3), sizes=(1000, 500, 250))


def logistic(X, T, y):
    """One hidden layer of 30 linear units with sigmoid outputs: logistic PCA, with either loss."""
    result = {"epochs": 12}
    for loss in ("cross entropy", "squared"):
        net = nets.Deep((), loss=loss)
        errors = [squared_error(net, train(net, X, 30, 12, seed, rate=4e-3, size=512), T) for seed in range(3)]
        result[loss] = rounded(errors)
        print(loss, errors, flush=True)
    pca = fit_pca(X.astype(float), 30)
    rebuilt = pca_reconstruct(pca, pca_project(pca, T))
    result["pca"] = round(float(np.sum((rebuilt - T) ** 2) / len(T)), 3)
    result["pca clipped"] = round(float(np.sum((np.clip(rebuilt, 0, 1) - T) ** 2) / len(T)), 3)
    return result


def logistic_longer(X, T, y):
    """Logistic PCA as in `logistic`, with the cross entropy and forty epochs in place of twelve."""
    net, errors = nets.Deep((), loss="cross entropy"), []
    for seed in range(3):
        errors.append(squared_error(net, train(net, X, 30, 40, seed, rate=4e-3, size=512), T))
        result = {"epochs": 40, "cross entropy": rounded(errors)}
        print(result, flush=True)
        keep("logistic_longer", result)
    return result


def pretraining(X, T, y):
    """Six epochs in all: from the start, or two of each layer by itself and four of the whole; 30,000 images."""
    result, X = {"rows": 30_000, "epochs": 6}, X[:30_000]
    for hidden in ("sigmoid", "relu"):
        net = nets.Deep(SIZES, **(RECIPE | {"hidden": hidden}))
        plain, greedy = [], []
        for seed in range(3):
            plain.append(squared_error(net, train(net, X, 30, 6, seed), T))
            greedy.append(squared_error(net, train(net, X, 30, 4, seed, start=layerwise(net, X, 2, seed)), T))
            print(hidden, plain, greedy, flush=True)
        result[hidden] = {"plain": rounded(plain), "greedy": rounded(greedy)}
    return result


def layerwise(net, X, epochs, seed):
    """Train each layer as an autoencoder with one hidden layer on the codes of the one below, and join them."""
    shallow, below = [], X
    for depth, units in enumerate((*net.sizes, 30)):
        code = net.code if depth == len(net.sizes) else net.hidden
        first = depth == 0
        one = nets.Deep((), code=code, output="sigmoid" if first or net.hidden == "sigmoid" else "linear")
        one = one._replace(loss="cross entropy" if first else "squared")
        begin = he_start(one, below.shape[1], units, np.random.default_rng([seed, depth]), dtype=np.float32)
        params = train(one, below, units, epochs, seed, start=begin)
        shallow.append(params)
        below = one.encode(params, below).A
    return unroll(shallow)


def one_hot(y, classes):
    return np.eye(classes, dtype=np.float32)[y]


def fit(net, params, X, y, lam_iterations, classes):
    return lbfgs(net, params, X, target=one_hot(y, classes), max_iter=lam_iterations, n_jobs=1)[0]


def accuracy(net, params, X, y):
    return float(np.mean(net.decode(params, net.encode(params, X).A).argmax(axis=1) == y))


def selftaught(X, T, y):
    """UFLDL's exercise: features of unlabeled 5-9, then softmax on half of the 0-4, tested on the other half."""
    unlabeled, labeled, labels = X[y >= 5][:10_000], X[y <= 4], y[y <= 4]
    half = len(labeled) // 2
    sparse, softmax = nets.Sigmoid(lam=3e-3, rho=0.1, beta=3.0), Classifier((), lam=1e-4)
    result = {"unlabeled": len(unlabeled), "train": half, "test": len(labeled) - half, "iterations": 150}

    def judge(name, F):
        begin = softmax.init(F.shape[1], 5, np.random.default_rng(0), dtype=np.float32)
        found = fit(softmax, begin, F[:half], labels[:half], 60, 5)
        result.setdefault(name, []).append(round(100 * accuracy(softmax, found, F[half:], labels[half:]), 2))
        print(name, result[name], flush=True)

    judge("raw pixels", labeled)
    for seed in range(3):
        start = sparse.init(784, 200, np.random.default_rng(seed), dtype=np.float32)
        judge("untrained features", sparse.encode(start, labeled).A)
        params, _ = lbfgs(sparse, start, unlabeled, max_iter=150, n_jobs=1)
        judge("features", sparse.encode(params, labeled).A)
        keep("selftaught", result)
    return result


def stacked(X, T, y):
    """UFLDL's 784-200-200-10: two sparse autoencoders, softmax, fine-tuning; 5,000 images, 100 iterations each."""
    X, y, test_y = X[:5000], y[:5000], datasets.load_mnist("test").y
    sparse, result = nets.Sigmoid(lam=3e-3, rho=0.1, beta=3.0), {"rows": len(X)}
    net = Classifier((200, 200), "sigmoid", lam=1e-4)
    for seed in range(3):
        below, layers = X, []
        for depth in range(2):
            start = sparse.init(below.shape[1], 200, np.random.default_rng([seed, depth]), dtype=np.float32)
            params, _ = lbfgs(sparse, start, below, max_iter=100, n_jobs=1)
            layers.append(Layer(params.W1, params.b1))
            below = sparse.encode(params, below).A
        plain = net.init(784, 10, np.random.default_rng(seed), dtype=np.float32)
        begin = Stack((*layers, plain.layers[-1]))
        top = fit(net._replace(frozen=2), begin, X, y, 100, 10)
        assert np.array_equal(flatten(Stack(top.layers[:2])), flatten(Stack(tuple(layers))))
        untrained = fit(net._replace(frozen=2), plain, X, y, 100, 10)
        found = {
            "softmax on features": top,
            "fine-tuned": fit(net, top, X, y, 100, 10),
            "softmax on untrained features": untrained,
            "random, then fine-tuned": fit(net, untrained, X, y, 100, 10),
            "random": fit(net, plain, X, y, 200, 10),
            "random, 400 iterations": fit(net, plain, X, y, 400, 10),  # as many as the whole stack
        }
        for name, params in found.items():
            result.setdefault(name, []).append(round(100 * accuracy(net, params, T, test_y), 2))
        print(result, flush=True)
        keep("stacked", result)
    return result


def faces(path):
    """80 faces to train on, 20 to test, in five splits; 10 codes; PCA and deep nets of two sizes."""
    F = np.load(path)[:100].reshape(100, -1).astype(np.float32)
    result = {
        "train": 80,
        "test": 20,
        "codes": 10,
        "pca": [],
        "pca clipped": [],
        "625-10-625": [],
        "625-100-10-100-625": [],
    }
    result["seen, deep"] = []
    for split in range(5):
        order = np.random.default_rng(split).permutation(100)
        seen, new = F[order[:80]], F[order[80:]]
        pca = fit_pca(seen.astype(float), 10)
        rebuilt = pca_reconstruct(pca, pca_project(pca, new))
        result["pca"].append(np.sum((rebuilt - new) ** 2) / 20)
        result["pca clipped"].append(np.sum((np.clip(rebuilt, 0, 1) - new) ** 2) / 20)
        for sizes, name in (((), "625-10-625"), ((100,), "625-100-10-100-625")):
            net = nets.Deep(sizes, hidden="relu")
            best = None
            for epochs in (100, 200, 400, 800):  # the best on the new faces themselves, which flatters the net
                params = train(net, seen, 10, epochs, split, rate=1e-3, size=16)
                error = np.sum((net.decode(params, net.encode(params, new).A) - new) ** 2) / 20
                if best is None or error < best[0]:
                    best = error, np.sum((net.decode(params, net.encode(params, seen).A) - seen) ** 2) / 80
            result[name].append(best[0])
        result["seen, deep"].append(best[1])
        print({k: v[-1] if isinstance(v, list) else v for k, v in result.items()}, flush=True)
    return {k: rounded(v, 2) if isinstance(v, list) else v for k, v in result.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    runs = (recipes, rates, six, six_larger, twenty, wide, logistic, logistic_longer, pretraining, selftaught, stacked)
    parser.add_argument("parts", nargs="+", choices=[*(run.__name__ for run in runs), "faces"])
    parser.add_argument("--faces", type=Path)
    arguments = parser.parse_args()
    named = {run.__name__: run for run in runs}
    train_set = datasets.load_mnist("train") if set(arguments.parts) - {"faces"} else None
    for part in arguments.parts:
        if part == "faces":
            result = faces(arguments.faces)
        else:
            result = named[part](train_set.X, datasets.load_mnist("test").X, train_set.y)
        keep(part, result)


if __name__ == "__main__":
    main()
