"""Who finds a known dictionary?  Trains every net on the same synthetic data and stores what the chapter prints.

    python tools/known_dictionary.py [NAME ...]        writes saelib/data/superposition.json

128 features in 64 dimensions, 5 active on average.  Every net but the last two sees the same 3,000 batches of 256 fresh
samples, in float32, with Adam at 0.003 falling to 0 in a straight line; three seeds.  All in all about half an hour.
"""

import json
import sys
from pathlib import Path

import numpy as np

from saelib import Params, metrics, nets, sparse_coding
from saelib.architecture import flatten
from saelib.objective import Objective
from saelib.synthetic import known_dictionary, recovery
from saelib.train import adam, lbfgs, linear_decay

PLACE = Path(__file__).parents[1] / "saelib" / "data" / "superposition.json"
FEATURES, DIMENSIONS, ACTIVE, STEPS, SIZE, SEEDS = 128, 64, 5, 3000, 256, (0, 1, 2)


class Frozen(nets.TopK):
    """TopK whose decoder stays as it was drawn."""

    def project(self, params, gradient):
        return gradient._replace(W2=0 * gradient.W2)


def kl(rho, beta, lam):
    return nets.Sigmoid(lam, rho, beta, "linear")


RUNS = {  # name: (net, latents, revive_every)
    "ReLU, no penalty": (nets.ReluL1(0.0), 128, None),
    "L1, mu = 0.025": (nets.ReluL1(0.025), 128, None),
    "L1, mu = 0.05": (nets.ReluL1(0.05), 128, None),
    "L1, mu = 0.1": (nets.ReluL1(0.1), 128, None),
    "L1, mu = 0.2": (nets.ReluL1(0.2), 128, None),
    "TopK 5": (nets.TopK(5, dead_after=100), 128, None),
    "TopK 5, AuxK": (nets.TopK(5, k_aux=32, dead_after=100), 128, None),
    "TopK 5, revived": (nets.TopK(5, dead_after=100), 128, 250),
    "BatchTopK 5": (nets.BatchTopK(5, dead_after=100), 128, None),
    "BatchTopK 5, revived": (nets.BatchTopK(5, dead_after=100), 128, 250),
    "JumpReLU": (nets.JumpReLU(0.005, 0.1), 128, None),
    "JumpReLU, narrow": (nets.JumpReLU(0.005, 0.001), 128, None),
    "Gated, mu = 0.1": (nets.Gated(0.1), 128, None),
    "Gated, mu = 0.15": (nets.Gated(0.15), 128, None),
    "TopK 5, frozen decoder": (Frozen(5, dead_after=100), 128, None),
    "TopK 5, 256 latents": (nets.TopK(5, dead_after=100), 256, None),
    "TopK 5, 256 latents, revived": (nets.TopK(5, dead_after=100), 256, 250),
    "KL .04, 0.3, 1e-5": (kl(0.04, 0.3, 1e-5), 128, None),
    "KL .04, 1, 1e-5": (kl(0.04, 1.0, 1e-5), 128, None),
    "KL .1, 0.3, 1e-5": (kl(0.1, 0.3, 1e-5), 128, None),
    "KL .04, 10, 1e-5": (kl(0.04, 10.0, 1e-5), 128, None),
    "KL .04, 3, 1e-3": (kl(0.04, 3.0, 1e-3), 128, None),
}


def world_of(seed):
    return known_dictionary(FEATURES, DIMENSIONS, ACTIVE, np.random.default_rng(seed), dtype=np.float32)


def train(name, seed):
    """Return the world, the net as it is evaluated, its parameters."""
    net, latents, revive_every = RUNS[name]
    world, rng = world_of(seed), np.random.default_rng(seed + 10)
    params = net.init(DIMENSIONS, latents, rng, dtype=np.float32)
    if isinstance(net, nets.JumpReLU):
        params = params._replace(threshold=np.full_like(params.threshold, 0.1))
    batches = world.batches(SIZE, STEPS, seed + 100)
    rate = linear_decay(3e-3, STEPS)
    params, _ = adam(net, params, batches, learning_rate=rate, revive_every=revive_every, rng=rng)
    return world, *(net.for_evaluation(params) if hasattr(net, "for_evaluation") else (net, params))


def judged(world, D, A, X, X_hat, A_true, bounded=False):
    """Return what is stored of one run; ``D`` has a latent's direction in each row."""
    on = A > A.max(axis=0) / 2 if bounded else A > 1e-3
    similarity, partner = metrics.match_atoms(world.dictionary, D)
    both = similarity > 0.9
    codes, true = (A * np.linalg.norm(D, axis=1))[:, partner[both]], A_true[:, both]
    strong, fires = true > 0.2, on[:, partner[both]]
    size = float(codes[strong & fires].sum() / true[strong & fires].sum()) if both.any() else None
    return {
        **recovery(world.dictionary, D)._asdict(),
        "l0": float(on.sum(axis=1).mean()),
        "fvu": metrics.fvu(X, X_hat),
        "dead": float(np.mean(~on.any(axis=0))),
        "size": size,
        "missed": float(np.mean(~fires[strong])) if both.any() else None,
        "mean": float(A.mean()),
        "largest": float(np.median(A.max(axis=0))),
    }


def run(name, seed):
    rng = np.random.default_rng(seed + 1000)
    if name in RUNS:
        world, net, params = train(name, seed)
        X, A_true = world.sample(5000, rng)
        A = net.encode(params, X).A
        D = params.W2.T
        return judged(world, D, A, X, net.decode(params, A), A_true, isinstance(net, nets.Sigmoid))
    world = world_of(seed)
    X, A_true = world.sample(5000, rng)
    if name == "random directions":
        D = np.random.default_rng(seed + 10).standard_normal((FEATURES, DIMENSIONS))
        return recovery(world.dictionary, D)._asdict()
    if name == "sparse coding":
        samples = world.sample(20_000)[0]
        D, _ = sparse_coding.learn_dictionary(
            samples, FEATURES, 0.1, n_iter=300, batch_size=1000, n_code_iter=30, rng=np.random.default_rng(seed + 10)
        )
        A = sparse_coding.lasso_codes(X, D, 0.1, n_jobs=1)
        signs = np.sign(np.sum(A, axis=0)).astype(A.dtype)  # an atom may be learned with the sign turned
        return judged(world, D * signs[:, np.newaxis], A * signs, X, A @ D, A_true)
    *setting, iterations = LBFGS[name]
    net = kl(*setting)
    samples = world.sample(10_000)[0]
    start = net.init(DIMENSIONS, FEATURES, np.random.default_rng(seed + 10), dtype=np.float32)
    params, _ = lbfgs(net, start, samples, max_iter=iterations, tol=0, n_jobs=1)
    A = net.encode(params, X).A
    return judged(world, params.W2.T, A, X, net.decode(params, A), A_true, bounded=True)


LBFGS = {  # rho, beta, lambda, iterations
    "KL .04, 1, 1e-5, L-BFGS": (0.04, 1.0, 1e-5, 400),
    "KL .04, 3, 1e-3, L-BFGS": (0.04, 3.0, 1e-3, 400),
    "KL .04, 3, 1e-3, L-BFGS, longer": (0.04, 3.0, 1e-3, 1600),
}


def leaving(seed):
    """Return cost and recovery along L-BFGS on the KL cost, from the true dictionary and from a random start."""
    world, net = known_dictionary(40, 20, 2, np.random.default_rng(seed)), kl(0.05, 1.0, 1e-5)
    X, D, record = world.sample(4000)[0], world.dictionary, {}
    truth = Params(12 * D, np.full(40, -6.0), 1.2 * D.T, np.zeros(20))
    for start, params in {"truth": truth, "random": net.init(20, 40, np.random.default_rng(seed + 10))}.items():
        for iterations in (0, 400, 1000):
            done = {0: 1, 400: 400, 1000: 600}[iterations]
            if iterations:
                params, history = lbfgs(net, params, X, max_iter=done, tol=0, n_jobs=1)
                cost = float(history.cost.min())
            else:
                cost = Objective(net, X, like=params, n_jobs=1).cost(flatten(params))
            found = recovery(D, params.W2.T)
            record[f"{start} {iterations}"] = [round(cost, 4), round(found.mean_max, 3), round(found.found, 3)]
    return record


def main(names):
    stored = json.loads(PLACE.read_text("utf-8")) if PLACE.exists() else {}
    for name in names or ["random directions", *RUNS, "sparse coding", *LBFGS, "leaving"]:
        if name == "leaving":
            runs = [leaving(seed) for seed in SEEDS]
            stored[name] = {key: [r[key] for r in runs] for key in runs[0]}
            PLACE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
            continue
        runs = [run(name, seed) for seed in SEEDS]
        stored[name] = {key: [None if r[key] is None else round(r[key], 3) for r in runs] for key in runs[0]}
        PLACE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        print(name, {key: values for key, values in stored[name].items()}, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
