"""`make bench`: saelib beside the limit of its matrix products, PyTorch, JAX, SAELens and scikit-learn.

Everything in a row of the table is timed in one process, in turns, so that a machine that slows down does so for all;
a figure is the ratio of two medians. Each setting of threads and of OPENBLAS_CORETYPE (which of its kernels OpenBLAS
takes; unset, it looks at the processor) needs a process of its own. Results go to benchmarks/results.json, from which
the chapter on training draws its figure.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from itertools import product
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"
SETTINGS = {"lam": 1e-4, "rho": 0.05, "beta": 3.0}
BATCH = 256
COMPILED = "saelib, compiled"
ADAMS = "fused", "foreach"  # PyTorch's Adam comes in these forms; the quicker one counts
BEYOND = {
    "rows": {"inputs": 64, "hidden": 25, "sizes": (10_000, 100_000, 1_000_000, 10_000_000)},
    "width": {"rows": 2048, "sizes": (64, 256, 1024, 4096)},
    "cluster": {"inputs": 784, "hidden": 196, "rows": 4096, "blocks": (2, 4, 8, 16, 32)},
}
PAPER = {"rows": 10**9, "inputs": 4096, "hidden": 32_768, "hours": 24, "batches": (4096, 65_536)}
PAUSE = 0.25  # seconds; OpenBLAS's threads go on looking for work for a tenth of one, and keep a processor busy


def timed(contestants, rounds=3, calls=1, pause=PAUSE):
    """Return the median seconds of each function: several rounds, in each of which they take turns.

    At its turn a function is called once unseen, and then as often as said, as a training would call it. Before, there
    is a pause, in which the threads of the one before fall asleep.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, function in contestants.items():
            time.sleep(pause)
            function()
            start = time.perf_counter()
            for _ in range(calls):
                function()
            seconds[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(values) for name, values in seconds.items()}


def compiled(function):
    """Return the function computed by the loops that Numba compiles."""
    import saelib

    def run():
        saelib.compiled.use()
        try:
            function()
        finally:
            saelib.compiled.use(False)

    return run


# --------------------------------------------------------------------------------------------- one cost and gradient
def limit_of_objective(X, params):
    """The five matrix products and one pass of tanh, written into memory that is there."""
    import numpy as np

    (m, n), h = X.shape, len(params.b1)
    A2, A3, delta2, dW1, dW2 = (np.empty(shape, X.dtype) for shape in ((m, h), (m, n), (m, h), (h, n), (n, h)))

    def products():
        np.matmul(X, params.W1.T, out=A2)
        np.matmul(A2, params.W2.T, out=A3)
        np.tanh(A3, out=A3)
        np.matmul(A3, params.W2, out=delta2)
        np.matmul(delta2.T, X, out=dW1)
        np.matmul(A3.T, A2, out=dW2)

    return products


def cost_in(np, params, X):
    """The cost of the sparse autoencoder; ``np`` is torch or jax.numpy."""
    W1, b1, W2, b2 = params
    lam, rho, beta = SETTINGS.values()
    A2 = sigmoid_in(np)(X @ W1.T + b1)
    A3 = sigmoid_in(np)(A2 @ W2.T + b2)
    rho_hat = A2.mean(0)
    penalty = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))
    return ((A3 - X) ** 2).sum() / (2 * len(X)) + lam / 2 * ((W1**2).sum() + (W2**2).sum()) + beta * penalty.sum()


def sigmoid_in(np):
    if np.__name__ == "torch":
        return np.sigmoid
    from jax.nn import sigmoid

    return sigmoid


def objectives(n, h, m, dtype, threads):
    import jax
    import numpy as np
    import torch

    import saelib
    from saelib import nets

    rng = np.random.default_rng(0)
    X, params = rng.uniform(0.1, 0.9, (m, n)).astype(dtype), saelib.init_params(n, h, rng, dtype=dtype)
    objective, theta = saelib.Objective(nets.Sigmoid(**SETTINGS), X, n_jobs=threads), saelib.pack(params)
    loops = saelib.Objective(nets.Sigmoid(**SETTINGS), X, n_jobs=threads)
    X_torch, params_torch = torch.tensor(X), [torch.tensor(P, requires_grad=True) for P in params]
    X_jax, params_jax = jax.numpy.asarray(X), [jax.numpy.asarray(P) for P in params]
    value_and_grad = jax.jit(jax.value_and_grad(lambda P: cost_in(jax.numpy, P, X_jax)))
    found = {}

    def eager():
        for P in params_torch:
            P.grad = None
        J = cost_in(torch, params_torch, X_torch)
        J.backward()
        found["PyTorch"] = J.item(), params_torch[0].grad.numpy()

    def jitted():
        J, gradient = jax.block_until_ready(value_and_grad(params_jax))
        found["JAX"] = float(J), np.asarray(gradient[0])

    def ours(who, objective):
        def run():
            J, gradient = objective(theta)
            found[who] = J, saelib.unpack(gradient, params).W1

        return run

    seconds = timed(
        {
            "limit": limit_of_objective(X, params),
            "saelib": ours("saelib", objective),
            COMPILED: compiled(ours(COMPILED, loops)),
            "PyTorch": eager,
            "JAX": jitted,
            "formulas": lambda: saelib.cost_and_gradient(params, X, **SETTINGS),
        },  # fmt: skip
        calls=2 if n > 100 else 20,
    )
    for J, W1 in found.values():  # the same thing was computed
        np.testing.assert_allclose(J, found["saelib"][0], rtol=1e-3 if dtype == "float32" else 1e-9)
        np.testing.assert_allclose(W1, found["saelib"][1], atol=1e-4 if dtype == "float32" else 1e-9)
    return seconds


# ------------------------------------------------------------------------------------------------------ an Adam epoch
def floor_of_epoch(X, params):
    """The products and the tanh of every batch, and Adam's update, written into memory that is there."""
    import numpy as np

    import saelib

    products = limit_of_objective(X[:BATCH], params)
    theta = saelib.pack(params)
    mean, square, step, gradient = (np.ones_like(theta) for _ in range(4))

    def epoch():
        for _ in range(len(X) // BATCH):
            products()
            np.multiply(mean, 0.9, out=mean)
            np.add(mean, np.multiply(gradient, 0.1, out=step), out=mean)
            np.multiply(square, 0.999, out=square)
            np.add(square, np.multiply(gradient, gradient, out=step), out=square)
            np.add(np.sqrt(square, out=step), 1e-8, out=step)
            np.multiply(np.divide(mean, step, out=step), 1e-3, out=step)
            np.subtract(theta, step, out=theta)

    return epoch


def epochs(n, h, m, dtype, threads):
    import jax
    import numpy as np
    import torch
    from sklearn.neural_network import MLPRegressor

    import saelib
    from saelib import nets

    rng = np.random.default_rng(0)
    X, params = rng.uniform(0.1, 0.9, (m, n)).astype(dtype), saelib.init_params(n, h, rng, dtype=dtype)
    X_torch = torch.tensor(X)
    peer = MLPRegressor(hidden_layer_sizes=h, activation="logistic", batch_size=BATCH, random_state=0)
    net, theta = nets.Sigmoid(**SETTINGS), saelib.pack(params)
    whole = saelib.Objective(net, X, n_jobs=threads)

    def ours(epochs):
        return lambda: saelib.adam(net, params, saelib.Minibatches(X, BATCH, epochs=epochs))

    def eager(kind):
        tensors = [torch.tensor(P, requires_grad=True) for P in params]
        optimizer = torch.optim.Adam(tensors, **{kind: True})

        def epoch():
            for rows in torch.randperm(m).split(BATCH):
                optimizer.zero_grad()
                cost_in(torch, tensors, X_torch[rows]).backward()
                optimizer.step()

        return epoch

    @jax.jit
    def jax_step(state, X):
        P, mean, square, t = state
        gradient = jax.grad(lambda P: cost_in(jax.numpy, P, X))(P)
        mean = [0.9 * v + 0.1 * g for v, g in zip(mean, gradient, strict=True)]
        square = [0.999 * v + 0.001 * g * g for v, g in zip(square, gradient, strict=True)]
        rate, root = 1e-3 / (1 - 0.9**t), jax.numpy.sqrt(1 - 0.999**t)
        P = [p - rate * v / (jax.numpy.sqrt(s) / root + 1e-8) for p, v, s in zip(P, mean, square, strict=True)]
        return P, mean, square, t + 1

    def jitted():
        start = [jax.numpy.asarray(P) for P in params]
        state, order = (start, [0 * P for P in start], [0 * P for P in start], 1.0), rng.permutation(m)
        for i in range(0, m, BATCH):
            state = jax_step(state, X[order[i : i + BATCH]])
        jax.block_until_ready(state)

    contestants = {
        "floor": floor_of_epoch(X, params), "one": ours(1), "four": ours(4),
        "one, compiled": compiled(ours(1)), "four, compiled": compiled(ours(4)), "cost": lambda: whole.cost(theta),
        **{f"PyTorch, {kind}": eager(kind) for kind in ADAMS}, "JAX": jitted,
        "scikit-learn": lambda: peer.partial_fit(X, X),
    }  # fmt: skip
    seconds = timed(contestants)
    seconds["PyTorch"] = min(seconds[f"PyTorch, {kind}"] for kind in ADAMS)
    for how in ("", ", compiled"):  # an epoch in the midst of a training
        seconds[f"saelib{how}"] = (seconds.pop(f"four{how}") - seconds.pop(f"one{how}")) / 3
    return seconds


# ------------------------------------------------------------------------------- today's sparse autoencoders by Adam
LATENTS = {"n": 384, "h": 3072, "k": 32, "rows": 1024, "batches": 4, "mu": 0.1, "bandwidth": 0.05}


def latents_in_torch(kind, params, X):
    """Return a function that trains by one epoch of eager PyTorch, with the same loss as ours; Adam in a form."""
    import torch

    mu, width = LATENTS["mu"], LATENTS["bandwidth"]

    class Jump(torch.autograd.Function):  # z where it is above the threshold; its gradient straight through
        @staticmethod
        def forward(ctx, z, threshold):
            ctx.save_for_backward(z, threshold)
            return z * (z > threshold)

        @staticmethod
        def backward(ctx, gradient):
            z, threshold = ctx.saved_tensors
            near = ((z - threshold).abs() < width / 2).to(z.dtype)
            return gradient * (z > threshold), -(threshold / width * near * gradient).sum(0)

    class Step(torch.autograd.Function):  # whether z is above the threshold
        @staticmethod
        def forward(ctx, z, threshold):
            ctx.save_for_backward(z, threshold)
            return (z > threshold).to(z.dtype)

        @staticmethod
        def backward(ctx, gradient):
            z, threshold = ctx.saved_tensors
            near = ((z - threshold).abs() < width / 2).to(z.dtype)
            return None, -(near * gradient).sum(0) / width

    def codes(z, W2, threshold):
        if kind == "TopK":
            values, kept = torch.relu(z).topk(LATENTS["k"], dim=1)
            return torch.zeros_like(z).scatter(1, kept, values), 0
        if kind == "L1":
            a = torch.relu(z)
            return a, mu * (a * W2.norm(dim=0)).sum(1).mean()
        z = torch.relu(z)
        return Jump.apply(z, threshold), mu / 10 * Step.apply(z, threshold).sum(1).mean()

    def epoch_with(form):
        tensors = [torch.tensor(P.copy(), requires_grad=True) for P in params]
        optimizer = torch.optim.Adam(tensors, **{form: True})
        W1, b1, W2, b2, *threshold = tensors

        def epoch():
            for x in torch.tensor(X)[torch.randperm(len(X))].split(LATENTS["rows"]):
                optimizer.zero_grad()
                a, penalty = codes((x - b2) @ W1.T + b1, W2, *(threshold or [None]))
                (((a @ W2.T + b2 - x) ** 2).sum(1).mean() / 2 + penalty).backward()
                optimizer.step()
                if kind == "TopK":  # ours keeps the columns at length one
                    with torch.no_grad():
                        W2.div_(W2.norm(dim=0))

        return epoch

    return epoch_with


def latents_in_saelens(X):
    """Return a function that makes an epoch's steps with SAELens' own trainer and its TopK."""
    import torch
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    n, h, k, rows = (LATENTS[name] for name in ("n", "h", "k", "rows"))
    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=n, d_sae=h, k=k))
    config = SAETrainerConfig(total_training_samples=10**9, train_batch_size_samples=rows, lr_end=3e-4)
    trainer = SAETrainer(config, sae, iter(()))

    def epoch():
        for x in torch.tensor(X)[torch.randperm(len(X))].split(rows):
            trainer.step(x)
            trainer.n_training_steps += 1

    return epoch


def latents(threads):
    """Seconds of an epoch of `LATENTS` batches for each kind, beside PyTorch and, for TopK, SAELens."""
    import numpy as np

    import saelib
    from saelib import nets

    rng, rows = np.random.default_rng(0), LATENTS["rows"]
    X = rng.normal(size=(LATENTS["batches"] * rows, LATENTS["n"])).astype("float32")
    mu, kinds = LATENTS["mu"], {}
    compared = {"TopK": nets.TopK(LATENTS["k"]), "L1": nets.ReluL1(mu), "JumpReLU": nets.JumpReLU(mu / 10)}
    for kind, net in compared.items():
        params = net.init(LATENTS["n"], LATENTS["h"], rng, dtype=np.float32)

        def ours(epochs, net=net, params=params):
            return lambda: saelib.adam(net, params, saelib.Minibatches(X, rows, epochs=epochs))

        torch_epoch = latents_in_torch(kind, params, X)
        contestants = {
            "one": ours(1), "three": ours(3), "one, compiled": compiled(ours(1)), "three, compiled": compiled(ours(3)),
            **{f"PyTorch, {form}": torch_epoch(form) for form in ADAMS},
        }  # fmt: skip
        if kind == "TopK":
            contestants["SAELens"] = latents_in_saelens(X)
        seconds = timed(contestants)
        seconds["PyTorch"] = min(seconds[f"PyTorch, {form}"] for form in ADAMS)
        for how in ("", ", compiled"):  # an epoch in the midst of a training
            seconds[f"saelib{how}"] = (seconds.pop(f"three{how}") - seconds.pop(f"one{how}")) / 2
        kinds[kind] = seconds
    return kinds


# --------------------------------------------------------------------------------------------------- whole trainings
def patches(m, dtype="float32"):
    """Patches of photographs in [0.1, 0.9], as in the chapter on them."""
    import numpy as np

    from saelib import datasets

    images = datasets.load_natural_images().images
    return datasets.normalize_patches(datasets.sample_patches(images, 8, m, np.random.default_rng(0))).astype(dtype)


def seconds_to_reach(X, h, settings, share, threads):
    """Seconds of L-BFGS until the cost is within a share of what 400 iterations reach."""
    import numpy as np

    import saelib
    from saelib import nets

    start, times = saelib.init_params(X.shape[1], h, np.random.default_rng(1), dtype=X.dtype), []
    net, began = nets.Sigmoid(**settings), time.perf_counter()
    _, history = saelib.lbfgs(
        net, start, X, n_jobs=threads, callback=lambda *_: times.append(time.perf_counter() - began)
    )
    return times[np.argmax(history.cost <= (1 + share) * history.cost.min())]


def trainings(threads):
    """Seconds of whole trainings, and of an iteration beside scikit-learn's."""
    import numpy as np
    from sklearn.neural_network import MLPRegressor

    import saelib
    from saelib import datasets, nets

    X = patches(10_000)
    settings = {"lam": 1e-4, "rho": 0.01, "beta": 3.0}
    net = nets.Sigmoid(**settings)
    seconds = {"patches": min(seconds_to_reach(X, 25, settings, 0.01, threads) for _ in range(2))}
    try:
        digits = datasets.load_mnist(download=False).X[:10_000]
        seconds["MNIST"] = seconds_to_reach(digits, 196, {"lam": 3e-3, "rho": 0.1, "beta": 3.0}, 0.05, threads)
    except FileNotFoundError as error:  # its row stays out
        print(error, file=sys.stderr)
    for name, width, h, iterations in (("patches", 64, 25, 100), ("large", 784, 196, 5)):
        data = np.tile(X, (1, 13))[:, :width].astype(float)
        start = saelib.init_params(width, h, np.random.default_rng(1))

        def ours(X=data, start=start, iterations=iterations):
            history = saelib.lbfgs(net, start, X, max_iter=iterations, tol=0, n_jobs=threads)[1]
            assert len(history.cost) == iterations + 1

        def theirs(X=data, h=h, iterations=iterations):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                options = {"solver": "lbfgs", "alpha": 1e-4, "max_iter": iterations, "tol": 0}
                MLPRegressor(hidden_layer_sizes=h, activation="logistic", random_state=0, **options).fit(X, X)

        measured = timed({"saelib": ours, COMPILED: compiled(ours), "scikit-learn": theirs})
        seconds |= {f"{who}, {name}": value / iterations for who, value in measured.items()}
    return seconds


# ------------------------------------------------------------------------------------------------------ sparse coding
def coding_problem():
    """Patches without their mean, 256 atoms learned from them, and a lam that leaves ten atoms to a sample."""
    import numpy as np

    from saelib import datasets
    from saelib.sparse_coding import learn_dictionary

    rng = np.random.default_rng(0)
    X = datasets.sample_patches(datasets.load_natural_images().images, 8, 10_000, rng).astype(float)
    X -= X.mean(axis=1, keepdims=True)
    X /= X.std()
    D, _ = learn_dictionary(X.astype("float32"), 256, 1.0, n_iter=120, batch_size=BATCH, n_code_iter=50, rng=rng)
    D = D.astype(float)
    return X, D / np.linalg.norm(D, axis=1, keepdims=True)


def codings(X, D, threads):
    import numpy as np
    from sklearn.decomposition import sparse_encode

    from saelib.sparse_coding import lasso_codes, lasso_cost, orthogonal_matching_pursuit

    X32, D32, rows = X.astype("float32"), D.astype("float32"), {}
    codes = {}

    def keep(name, function):
        def run():
            codes[name] = function()

        return run

    rows["lasso"] = timed(
        {
            "saelib": keep("saelib", lambda: lasso_codes(X32, D32, 1.0, tol=2e-3, n_jobs=threads)),
            "saelib, float64": keep("saelib, float64", lambda: lasso_codes(X, D, 1.0, tol=2e-3, n_jobs=threads)),
            COMPILED: compiled(keep(COMPILED, lambda: lasso_codes(X32, D32, 1.0, tol=2e-3, n_jobs=threads))),
            "saelib, float64, compiled": compiled(lambda: lasso_codes(X, D, 1.0, tol=2e-3, n_jobs=threads)),
            "scikit-learn": keep(
                "scikit-learn", lambda: sparse_encode(X, D, algorithm="lasso_cd", alpha=1.0, n_jobs=threads)
            ),
        },
        2,
    )
    least = lasso_cost(codes["scikit-learn"], X, D, 1.0)
    rows["lasso"]["excess"] = max(
        lasso_cost(codes[who].astype(float), X, D, 1.0) / least - 1 for who in ("saelib", COMPILED)
    )
    assert rows["lasso"]["excess"] < 1e-5
    rows["pursuit"] = timed(
        {
            "saelib": keep("saelib", lambda: orthogonal_matching_pursuit(X32, D32, 10, n_jobs=threads)),
            "saelib, float64": lambda: orthogonal_matching_pursuit(X, D, 10, n_jobs=threads),
            "scikit-learn": keep(
                "scikit-learn", lambda: sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=10, n_jobs=threads)
            ),
        },
        2,
    )
    assert np.abs(codes["saelib"] - codes["scikit-learn"]).max() < 1e-3
    return rows


def dictionaries(X, threads):
    """Seconds until a dictionary's cost per sample, with the best codes, is below a mark that all of them reach."""
    import numpy as np
    from sklearn.decomposition import MiniBatchDictionaryLearning

    from saelib.sparse_coding import lasso_codes, lasso_cost, learn_dictionary

    X32, mark, seconds = X.astype("float32"), 11.70, {}

    def cost(D):
        D = D.astype("float32")
        return lasso_cost(lasso_codes(X32, D, 1.0, n_jobs=threads), X32, D, 1.0) / len(X)

    for name, method in (("scikit-learn", "lars"), ("scikit-learn, cd", "cd")):
        rng, spent = np.random.default_rng(0), 0.0
        D = rng.standard_normal((256, 64))
        D /= np.linalg.norm(D, axis=1, keepdims=True)
        peer = MiniBatchDictionaryLearning(
            256, alpha=1.0, fit_algorithm=method, batch_size=BATCH, dict_init=D, random_state=0, n_jobs=threads
        )
        for step in range(1, 1000):
            batch = X[rng.choice(len(X), BATCH, replace=False)]
            start = time.perf_counter()
            peer.partial_fit(batch)
            spent += time.perf_counter() - start
            if step % 10 == 0 and cost(peer.components_) < mark:
                break
        seconds[name] = spent
    state = {"start": time.perf_counter(), "spent": 0.0}

    def look(iteration, D, _):
        state["spent"] += time.perf_counter() - state["start"]
        reached = iteration and iteration % 10 == 0 and cost(D) < mark
        state["start"] = time.perf_counter()
        return reached

    rng = np.random.default_rng(0)
    learn_dictionary(X32, 256, 1.0, n_iter=1000, batch_size=BATCH, n_code_iter=20, rng=rng, callback=look)
    seconds["saelib"] = state["spent"]
    return seconds


# ---------------------------------------------------------------------------------------------- growth, memory, import
def growth(threads):
    """Seconds and megabytes of one cost and gradient, as one of the sizes grows and the others stay."""
    import tracemalloc

    import numpy as np

    import saelib
    from saelib import nets

    net = nets.Sigmoid(**SETTINGS)
    base, series = {"m": 10_000, "s2": 100, "n": 256}, {}
    grown = {"m": [1250, 2500, 5000, 10_000, 20_000, 40_000], "s2": [25, 50, 100, 200, 400], "n": [64, 128, 256, 512]}
    for name, values in grown.items():
        series[name] = []
        for value in values:
            m, h, n = (base | {name: value}).values()
            rng = np.random.default_rng(0)
            X = rng.uniform(0.1, 0.9, (m, n)).astype("float32")
            theta = saelib.pack(saelib.init_params(n, h, rng, dtype=np.float32))
            tracemalloc.start()
            objective = saelib.Objective(net, X, n_jobs=threads)
            objective(theta)
            megabytes = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
            contestants = {"saelib": lambda run=objective, at=theta: run(at)}
            contestants["limit"] = limit_of_objective(X, saelib.init_params(n, h, rng, dtype=np.float32))
            series[name].append({"size": value, "megabytes": megabytes, **timed(contestants, calls=3)})
    X, series["batch"] = patches(10_000), []
    params = saelib.init_params(64, 25, np.random.default_rng(0), dtype=np.float32)
    for size in (16, 32, 64, 128, 256, 512, 1024):

        def epoch(size=size):
            saelib.adam(net, params, saelib.Minibatches(X, size))

        series["batch"].append({"size": size, **timed({"saelib": epoch})})
    return series


def memory(threads, first):
    """Seconds and resident megabytes of one cost and gradient on a million images of bytes in a file."""
    import resource

    import numpy as np

    import saelib
    from saelib import nets

    with tempfile.TemporaryDirectory() as folder:
        shape = 1_000_000, 784
        X, rng = np.memmap(Path(folder) / "X", dtype=np.uint8, mode="w+", shape=shape), np.random.default_rng(0)
        for start in range(0, shape[0], 10_000):
            X[start : start + 10_000] = rng.integers(0, 256, (10_000, 784), dtype=np.uint8)
        X.flush()
        X = np.memmap(Path(folder) / "X", dtype=np.uint8, mode="r", shape=shape)
        theta = saelib.pack(saelib.init_params(784, 196, rng, dtype=np.float32))
        objective = saelib.Objective(nets.Sigmoid(**SETTINGS), X, scale=1 / 255, n_jobs=threads)
        start = time.perf_counter()
        objective(theta)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


# ------------------------------------------------------------------------------------------------- beyond one machine
def of_rows(m, threads):
    """Seconds and megabytes of one cost and gradient on m rows of bytes in a file; in a process of its own."""
    import numpy as np

    import saelib
    from saelib import nets

    n, h, _ = BEYOND["rows"].values()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        with open(Path(folder) / "X", "wb") as file:
            for start in range(0, m, 100_000):
                file.write(rng.integers(0, 256, (min(100_000, m - start), n), dtype=np.uint8).tobytes())
        X = np.memmap(Path(folder) / "X", np.uint8, "r", shape=(m, n))
        theta = saelib.pack(saelib.init_params(n, h, rng, dtype=np.float32))
        objective = saelib.Objective(nets.Sigmoid(**SETTINGS), X, scale=1 / 255, n_jobs=threads)
        seconds = timed({"saelib": lambda: objective(theta)})["saelib"]
    return {"size": m, "seconds": seconds, "megabytes": peak()}


def of_width(n, threads):
    """The same as n inputs and as many hidden units grow, and the rows, in memory, stay; in a process of its own."""
    import numpy as np

    import saelib
    from saelib import nets

    m, rng = BEYOND["width"]["rows"], np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (m, n)).astype("float32")
    theta = saelib.pack(saelib.init_params(n, n, rng, dtype=np.float32))
    objective = saelib.Objective(nets.Sigmoid(**SETTINGS), X, n_jobs=threads)
    return {"size": n, "seconds": timed({"saelib": lambda: objective(theta)})["saelib"], "megabytes": peak()}


def peak():
    """The most megabytes that were resident since the process began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def of_cluster(calls=10):
    """Seconds of an iteration on two workers and in one thread, and the bytes that go over the loopback, by blocks."""
    import numpy as np
    import psutil

    import saelib
    from saelib import nets

    n, h, m, numbers = BEYOND["cluster"].values()
    rng, found = np.random.default_rng(0), []
    X = rng.uniform(0.1, 0.9, (m, n)).astype("float32")
    theta = saelib.pack(saelib.init_params(n, h, rng, dtype=np.float32))
    for blocks in numbers:
        rows = -(-m // blocks)
        here = saelib.Objective(nets.Sigmoid(**SETTINGS), X, n_jobs=1, block_rows=rows)
        with saelib.scaling.Spread(X, workers=2, block_rows=rows) as spread:
            there = saelib.Objective(nets.Sigmoid(**SETTINGS), spread)
            row = timed({"one": lambda run=here: run(theta), "cluster": lambda run=there: run(theta)}, calls=calls)
            before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
            for _ in range(calls):
                there(theta)
            sent = (psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before) / calls
        found.append({"blocks": blocks, **row, "bytes": sent})
    return {"parameters": theta.size, "workers": 2, "points": found}


def beyond(threads):
    """Growth in rows and width, and what a cluster adds to an iteration; sizes each in a process of its own."""
    sizes = [(name, size) for name in ("rows", "width") for size in BEYOND[name]["sizes"]]
    found = {"rows": [], "width": [], "width rows": BEYOND["width"]["rows"], "threads": threads}
    for name, size in sizes:
        found[name].append(told(part(name, threads, "", False, size)))
    found["cluster"] = told(part("cluster", threads, "", False))
    return found | {"slopes": slopes(found), "paper": paper(found)}


def slopes(found):
    """Return seconds a row (over the last decades of rows), and a cluster's seconds an iteration and a block.

    A straight line by least squares in each case. The cluster's is through the differences to half the time of one
    thread, which is what two workers would take that cost nothing.
    """
    import numpy as np

    rows = found["rows"][-3:]
    a_row, _ = np.polyfit([one["size"] for one in rows], [one["seconds"] for one in rows], 1)
    points = found["cluster"]["points"]
    more = [one["cluster"] - one["one"] / found["cluster"]["workers"] for one in points]
    a_block, an_iteration = np.polyfit([one["blocks"] for one in points], more, 1)
    return {"row": float(a_row), "iteration": float(an_iteration), "block": float(a_block)}


def paper(found):
    """Return what an epoch on `PAPER` would need, by the measurements: a dictionary for each size of batch.

    A row costs as many multiplications as it has in six products (codes are computed in both passes), each of them as
    long as in the widest net measured; machines are such as this one, and so many that an epoch takes the hours given.
    In each step every machine sends its gradient and gets the parameters, in float32.
    """
    m, n, h, hours, batches = PAPER.values()
    widest, seconds = found["width"][-1], 3600 * hours
    multiplication = widest["seconds"] / (found["width rows"] * 5 * widest["size"] ** 2)
    alone = m * multiplication * 6 * n * h
    machines, gradient = math.ceil(alone / seconds), 4 * (2 * n * h + n + h)
    each = slopes(found)
    return [
        {
            "batch": batch, "machines": machines, "hours": alone / machines / 3600,
            "terabytes, float16": 2 * m * n / 1e12, "terabytes, float32": 4 * m * n / 1e12,
            "steps": (steps := -(-m // batch)),
            "gradient, gigabytes": gradient / 1e9, "network, petabytes": 2 * gradient * machines * steps / 1e15,
            "each machine, gigabits a second": 2 * gradient * steps * 8 / seconds / 1e9,
            "each machine, megabytes read a second": 2 * m * n / machines / seconds / 1e6,
            "scheduler, hours": steps * (each["iteration"] + each["block"] * machines) / 3600,
        }
        for batch in batches
    ]  # fmt: skip


def imports():
    def run(code):
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    return timed({"numpy": run("import numpy"), "numpy and saelib": run("import numpy, saelib")}, 15, pause=0)


# ------------------------------------------------------------------------------------------------------------- the run
def measure(threads, first):
    """Everything but the memory, in this process; what takes longest and varies least, in the first run only."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax
    import torch
    from threadpoolctl import threadpool_limits

    jax.config.update("jax_enable_x64", True)
    torch.set_num_threads(threads)
    found = {}
    with threadpool_limits(threads):
        for n, h in ((784, 196), (64, 25)):
            for dtype in ("float32", "float64"):
                found[f"objective {n}-{h} {dtype}"] = told(objectives(n, h, 10_000, dtype, threads))
                found[f"epoch {n}-{h} {dtype}"] = told(epochs(n, h, 10_000, dtype, threads))
        found["latents"] = told(latents(threads))
        X, D = coding_problem()
        found |= told(codings(X, D, threads))
        if first:
            found["training"] = told(trainings(threads))
            found["dictionary"] = told(dictionaries(X, threads))
            found["growth"] = told(growth(threads))
    found["import"] = told(imports())
    return found


def told(found):
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


HOW = "", ", compiled"  # by NumPy, and by the loops that Numba compiles


def table(found):
    """Yield the rows of the table: what, against what, the ratio (or seconds), and its goal."""
    for n, h, of_limit, torch, jax in ((784, 196, (1.1, None), 0.75, 0.67), (64, 25, (1.7, None), 0.95, 0.95)):
        for dtype, goal in zip(("float32", "float64"), of_limit, strict=True):
            row = found[f"objective {n}-{h} {dtype}"]
            for how, (other, aim) in product(HOW, (("limit", goal), ("PyTorch", torch), ("JAX", jax))):
                yield f"Objective {n}-{h}, {dtype}{how}", other, row[f"saelib{how}"] / row[other], aim
    for n, h in ((784, 196), (64, 25)):
        for dtype in ("float32", "float64"):
            row = found[f"epoch {n}-{h} {dtype}"]
            of_floor, of_torch = (1.3, 0.95) if n > 100 else (None, 0.25)
            others = ("floor", of_floor), ("PyTorch", of_torch), ("scikit-learn", 0.5), ("JAX", None)
            for how, (other, aim) in product(HOW, others):
                yield f"Adam epoch {n}-{h}, {dtype}{how}", other, row[f"saelib{how}"] / row[other], aim
            yield f"the cost after an epoch {n}-{h}, {dtype}", "floor", row["cost"] / row["floor"], None
    for kind, row in found["latents"].items():
        for how, (other, aim) in product(HOW, (("PyTorch", 0.9 if kind == "TopK" else 1.0), ("SAELens", 0.7))):
            if other in row:
                name = f"{kind} {LATENTS['n']}-{LATENTS['h']}, float32{how}"
                yield name, other, row[f"saelib{how}"] / row[other], aim
    for name, aim, double in (("lasso", 0.4, 0.8), ("pursuit", 0.1, None)):
        row = found[name]
        yield f"{name}, float32", "scikit-learn, float64", row["saelib"] / row["scikit-learn"], aim
        yield f"{name}, float64", "scikit-learn, float64", row["saelib, float64"] / row["scikit-learn"], double
    row = found["lasso"]
    for dtype, who, aim in (("float32", COMPILED, 0.4), ("float64", "saelib, float64, compiled", 0.8)):
        yield f"lasso, {dtype}, compiled", "scikit-learn, float64", row[who] / row["scikit-learn"], aim
    row = found["import"]
    yield "import saelib beyond NumPy", "milliseconds", 1000 * (row["numpy and saelib"] - row["numpy"]), 30.0
    # What takes longest is in the first run of a setting only.
    row = defaultdict(lambda: math.nan, found.get("training", {}))
    yield "patches to 1 % of 400 iterations", "seconds", row["patches"], 1.0
    yield "MNIST to 5 % of 400 iterations", "seconds", row["MNIST"], 15.0
    for how, (name, aim) in product(HOW, (("patches", 0.25), ("large", 0.33))):
        ours, theirs = row[f"saelib{how}, {name}"], row[f"scikit-learn, {name}"]
        yield f"L-BFGS iteration, {name}{how}", "scikit-learn", ours / theirs, aim
    row = defaultdict(lambda: math.nan, found.get("dictionary", {}))
    yield "dictionary to the same cost", "scikit-learn", row["saelib"] / row["scikit-learn"], 0.2
    yield "dictionary to the same cost", "scikit-learn, cd", row["saelib"] / row["scikit-learn, cd"], None


def report(results):
    """Print the table: a column for each setting and run."""
    print("\n" + " | ".join(["what", "against", "goal", *(run["setting"] for run in results["runs"])]))
    for rows in zip(*(table(run["found"]) for run in results["runs"]), strict=True):
        what, against, _, aim = rows[0]
        values = [ratio for _, _, ratio, _ in rows]
        ratios = ("" if math.isnan(v) else f"{v:.2f}" + (" (missed)" if aim and v > aim else "") for v in values)
        print(" | ".join([what, against, "" if aim is None else f"{aim:.2f}", *ratios]))
    print("a million images of bytes in a file: {seconds:.0f} s, {megabytes:.0f} MB".format(**results["memory"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1, help="how often everything is run in each setting")
    parser.add_argument("--threads", type=int, nargs="*", default=[len(os.sched_getaffinity(0))])
    parser.add_argument("--coretypes", nargs="*", default=["", "Haswell"], help="of OPENBLAS, or empty: unset")
    parser.add_argument("--report", action="store_true", help="print the table of the stored results, and run nothing")
    parser.add_argument(
        "--beyond", action="store_true", help="measure growth to 1e7 rows and a cluster, and that alone"
    )
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.threads[0], arguments.first, arguments.size)))
    elif arguments.report:
        report(json.loads(RESULTS.read_text()))
    elif arguments.beyond:
        results = json.loads(RESULTS.read_text()) | {"beyond": rounded(beyond(arguments.threads[-1]))}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(json.dumps(results["beyond"], indent=1))
    else:
        kept = {key: value for key, value in json.loads(RESULTS.read_text()).items() if key == "beyond"}
        results = kept | {"machine": machine(), "memory": part("memory", arguments.threads[-1], "", True), "runs": []}
        for number, threads, coretype in product(range(arguments.runs), arguments.threads, arguments.coretypes):
            setting = f"{threads} threads, {coretype or 'unset'}, run {number + 1}"
            print(f"== {setting}", file=sys.stderr, flush=True)
            results["runs"].append({"setting": setting, "found": part("measure", threads, coretype, number == 0)})
            RESULTS.write_text(json.dumps(rounded(results), indent=1) + "\n")  # whatever happens to the next
        report(results)


PARTS = {
    "measure": lambda threads, first, size: measure(threads, first),
    "memory": lambda threads, first, size: memory(threads, first),
    "rows": lambda threads, first, size: of_rows(size, threads),
    "width": lambda threads, first, size: of_width(size, threads),
    "cluster": lambda threads, first, size: of_cluster(),
}


def part(name, threads, coretype, first, size=None):
    """Run a part in a process of its own, and return what it found."""
    variables = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    if coretype:
        variables["OPENBLAS_CORETYPE"] = coretype
    command = [sys.executable, __file__, "--part", name, "--threads", str(threads)] + ["--first"] * first
    command += [] if size is None else ["--size", str(size)]
    return json.loads(subprocess.run(command, env=variables, stdout=subprocess.PIPE, check=True).stdout)


def machine():
    """What ran: the processor and the versions."""
    from importlib.metadata import version

    with open("/proc/cpuinfo") as lines:
        processor = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    packages = ("numpy", "scipy", "scikit-learn", "torch", "jax", "numba")
    return {
        "processor": processor, "cpus": len(os.sched_getaffinity(0)), "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }  # fmt: skip


def rounded(values):
    """Return the same with four significant digits."""
    if isinstance(values, dict):
        return {key: rounded(value) for key, value in values.items()}
    if isinstance(values, list):
        return [rounded(value) for value in values]
    return float(f"{values:.4g}") if isinstance(values, float) else values


if __name__ == "__main__":
    main()
