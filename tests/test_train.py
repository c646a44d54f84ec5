"""Training: each algorithm against a transcription of its own, and how a training ends, reports and is interrupted."""

import math
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

import saelib
from saelib import train

pytestmark = pytest.mark.filterwarnings("error")
OPTIONS = {"lam": 1e-3, "rho": 0.1, "beta": 0.5}


def small_problem(m=8, n=4, hidden=3, dtype=np.float64):
    rng = np.random.default_rng(0)
    return saelib.init_params(n, hidden, rng, dtype=dtype), rng.uniform(size=(m, n)).astype(dtype)


def digits(m=300):
    return load_digits().data[:m] / 16


def run(name, params, X, **options):
    """One of the three trainings with what it needs beside the common arguments."""
    own = {"gradient_descent": {"alpha": 0.3}, "adam": {"rng": np.random.default_rng(3), "batch_size": 3}, "lbfgs": {}}
    return getattr(saelib, name)(params, X, **{**OPTIONS, **own[name], **options})


EACH = pytest.mark.parametrize("name", ["gradient_descent", "adam", "lbfgs"])


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_gradient_descent_is_the_algorithm_of_the_notes_update_for_update(output):
    params, X = small_problem()
    path = []
    saelib.gradient_descent(
        params,
        X,
        **OPTIONS,
        alpha=0.3,
        output=output,
        max_iter=15,
        callback=lambda k, at, cost: path.append((at, cost)),
    )
    assert len(path) == 16
    by_hand = reference.as_lists(params)
    for at, cost in path:
        assert_allclose(cost, sum(reference.cost_terms(by_hand, X.tolist(), **OPTIONS, output=output)), rtol=1e-11)
        for P, Q in zip(at, by_hand, strict=True):
            assert_allclose(P, Q, rtol=1e-10, atol=1e-13)
        by_hand = reference.descend(by_hand, X.tolist(), alpha=0.3, **OPTIONS, output=output)


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_adam_is_the_published_algorithm_update_for_update(output):
    """Algorithm 1 of Kingma and Ba, number by number, with gradients from loops; two batches of 3 and one of 2."""
    params, X = small_problem()
    path = []
    saelib.adam(
        params, X, **OPTIONS, output=output, rng=np.random.default_rng(5), alpha=0.02, batch_size=3, max_iter=6,
        callback=lambda k, at, cost: path.append((saelib.pack(at), cost)),
    )  # fmt: skip
    rng, t = np.random.default_rng(5), 0
    theta = saelib.pack(params).tolist()
    first, second = [0.0] * len(theta), [0.0] * len(theta)
    for epoch in range(7):
        lists = reference.as_lists(saelib.unpack(np.array(theta), params))
        assert_allclose(path[epoch][0], theta, rtol=1e-9, atol=1e-11)
        expected = sum(reference.cost_terms(lists, X.tolist(), **OPTIONS, output=output))
        assert_allclose(path[epoch][1], expected, rtol=1e-9)
        order = rng.permutation(8)
        for batch in (order[:3], order[3:6], order[6:]):
            t += 1
            lists = reference.as_lists(saelib.unpack(np.array(theta), params))
            arrays = reference.gradient(lists, X[batch].tolist(), **OPTIONS, output=output)
            g = np.concatenate([np.ravel(G) for G in arrays]).tolist()
            for i in range(len(theta)):
                first[i] = 0.9 * first[i] + (1 - 0.9) * g[i]
                second[i] = 0.999 * second[i] + (1 - 0.999) * g[i] ** 2
                first_hat, second_hat = first[i] / (1 - 0.9**t), second[i] / (1 - 0.999**t)
                theta[i] = theta[i] - 0.02 * first_hat / (math.sqrt(second_hat) + 1e-8)
    assert len(path) == 7


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_lbfgs_goes_as_low_as_scipy_on_the_plain_cost(output):
    X = digits(60)
    params = saelib.init_params(64, 3, np.random.default_rng(1))

    def plain(theta):
        J, gradient = saelib.cost_and_gradient(saelib.unpack(theta, params), X, **OPTIONS, output=output)
        return J, saelib.pack(gradient)

    by_hand = minimize(plain, saelib.pack(params), jac=True, method="L-BFGS-B", options={"maxiter": 30})
    found, history = saelib.lbfgs(params, X, **OPTIONS, output=output, max_iter=30)
    cost = saelib.sparse_cost(found, X, **OPTIONS, output=output)
    assert cost <= by_hand.fun * (1 + 1e-6)
    assert cost < 0.5 * history.cost[0]


@EACH
def test_history_counts_iterations_and_passes_over_the_data(name, monkeypatch):
    params, X = small_problem()
    passes, at_iteration, rows = 0, [], 0

    class CountingBatches(saelib.objective.BatchGradient):
        def __call__(self, theta, batch):
            nonlocal rows
            rows += len(batch)
            return super().__call__(theta, batch)

    class Counting(saelib.Objective):
        def _compute(self, what, theta):
            nonlocal rows
            rows += self.X.shape[0]
            return super()._compute(what, theta)

    def forward(*args, **kwargs):
        nonlocal passes
        passes += 1
        return saelib.forward(*args, **kwargs)

    monkeypatch.setattr(train, "Objective", Counting)
    monkeypatch.setattr(train, "BatchGradient", CountingBatches)
    monkeypatch.setattr(train, "forward", forward)
    costs = []

    def callback(k, at, cost):
        assert k == len(costs)
        costs.append(cost)
        at_iteration.append(rows // 8 + passes)
        assert saelib.sparse_cost(at, X, **OPTIONS) == pytest.approx(cost, rel=1e-12)

    _, history = run(name, params, X, max_iter=9, tol=0, callback=callback)
    assert len(history.cost) == len(history.evaluations) == 10
    assert_array_equal(history.cost, costs)
    assert_array_equal(history.evaluations, at_iteration)
    assert history.evaluations[0] == 1
    assert history.stopped == "max_iter"


@EACH
def test_the_cost_goes_down_and_the_best_parameters_come_back(name):
    params, X = small_problem()
    best, history = run(name, params, X, max_iter=60, tol=0)
    assert history.cost[-1] < history.cost[0]
    assert saelib.sparse_cost(best, X, **OPTIONS) == pytest.approx(history.cost.min(), rel=1e-12)


def test_the_best_parameters_are_kept_when_later_ones_are_worse():
    params, X = small_problem()
    best, history = saelib.gradient_descent(params, X, **OPTIONS, alpha=30, max_iter=40, tol=0)
    assert history.cost.min() < history.cost[-1]
    assert saelib.sparse_cost(best, X, **OPTIONS) == pytest.approx(history.cost.min(), rel=1e-12)


@EACH
def test_start_and_data_are_left_alone(name):
    params, X = small_problem()
    before = [a.copy() for a in (*params, X)]
    run(name, params, X, max_iter=5)
    for a, b in zip((*params, X), before, strict=True):
        assert_array_equal(a, b)


@EACH
def test_stops_on_convergence_at_the_first_small_change(name):
    params, X = small_problem()
    _, history = run(name, params, X, max_iter=5000, tol=1e-4)
    assert history.stopped == "converged"
    changes = np.abs(np.diff(history.cost)) / history.cost[1:]
    assert changes[-1] <= 1e-4
    assert (changes[:-1] > 1e-4).all()


def test_lbfgs_converges_where_no_lower_point_is_found():
    params, X = small_problem()
    best, history = saelib.lbfgs(params, X, **OPTIONS, max_iter=100_000, tol=0)
    assert history.stopped == "converged"
    gradient = saelib.pack(saelib.sparse_gradient(best, X, **OPTIONS))
    assert np.linalg.norm(gradient) < 1e-5


@EACH
@pytest.mark.parametrize("last", [0, 4])
def test_the_callback_may_stop_the_training(name, last):
    params, X = small_problem()
    _, history = run(name, params, X, tol=0, callback=lambda k, at, cost: k == last)
    assert history.stopped == "callback"
    assert len(history.cost) == last + 1


@EACH
def test_no_iterations_at_all(name):
    params, X = small_problem()
    best, history = run(name, params, X, max_iter=0)
    assert history.stopped == "max_iter"
    assert_allclose(history.cost, [saelib.sparse_cost(params, X, **OPTIONS)], rtol=1e-12)
    assert_array_equal(saelib.pack(best), saelib.pack(params))


@EACH
def test_a_keyboard_interrupt_returns_the_best_so_far(name):
    def interrupt(k, at, cost):
        if k == 5:
            raise KeyboardInterrupt

    params, X = small_problem()
    best, history = run(name, params, X, tol=0, callback=interrupt)
    assert history.stopped == "interrupted"
    assert len(history.cost) == len(history.evaluations) == 6
    assert saelib.sparse_cost(best, X, **OPTIONS) == pytest.approx(history.cost.min(), rel=1e-12)


@EACH
def test_a_signal_in_the_middle_of_the_computation_does_so_too(name):
    """Control-C comes at no convenient moment: here 30 ms after the third iteration, with several blocks on threads."""
    rng = np.random.default_rng(2)
    X, under_way = rng.uniform(size=(3000, 50)), threading.Event()
    params = saelib.init_params(50, 30, rng)

    def press_control_c():
        under_way.wait()
        threading.Event().wait(0.03)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    presser = threading.Thread(target=press_control_c, daemon=True)
    presser.start()
    try:
        best, history = run(
            name, params, X, max_iter=10**6, tol=0, **({"batch_size": 500} if name == "adam" else {}),
            callback=lambda k, at, cost: under_way.set() if k == 3 else None,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.stopped == "interrupted"
    assert len(history.cost) >= 4
    assert saelib.sparse_cost(best, X, **OPTIONS) == pytest.approx(history.cost.min(), rel=1e-9)


@EACH
def test_an_interrupt_before_the_first_cost_returns_the_start(name, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "forward", interrupt)
    monkeypatch.setattr(saelib.Objective, "_compute", interrupt)
    params, X = small_problem()
    best, history = run(name, params, X)
    assert history.stopped == "interrupted"
    assert len(history.cost) == len(history.evaluations) == 0
    assert_array_equal(saelib.pack(best), saelib.pack(params))


@EACH
def test_other_errors_in_a_callback_are_not_swallowed(name):
    def fail(k, at, cost):
        raise RuntimeError("of the callback")

    with pytest.raises(RuntimeError, match="of the callback"):
        run(name, *small_problem(), callback=fail)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alpha", [30, 1e4, 1e10, 1e60, 1e300])
def test_divergence_is_one_clear_error_without_warnings(alpha, dtype):
    params, X = small_problem(dtype=dtype)
    with pytest.raises(ValueError, match="cost grew beyond all bounds at iteration [0-9]+; a smaller alpha may help"):
        saelib.gradient_descent(params, X, **OPTIONS, alpha=alpha, output="linear")


def test_adam_in_two_threads_is_adam_in_one(monkeypatch):
    rng = np.random.default_rng(0)
    X, params = rng.uniform(size=(600, 700)), saelib.init_params(700, 100, rng)

    def trained():
        return saelib.adam(params, X, **OPTIONS, rng=np.random.default_rng(1), batch_size=300, max_iter=2)[0]

    with monkeypatch.context() as patch, threadpool_limits(1):  # one processor has one thread of BLAS
        patch.setattr("saelib._workplace.number_of_threads", lambda n_jobs: 1)
        alone = trained()
    for P, Q in zip(trained(), alone, strict=True):
        assert_array_equal(P, Q)
    shuffled, mean, square, t = np.random.default_rng(1), 0.0, 0.0, 0
    theta = saelib.pack(params)
    for _ in range(2):
        order = shuffled.permutation(600)
        for rows in (order[:300], order[300:]):
            _, g = saelib.cost_and_gradient(saelib.unpack(theta, params), X[rows], **OPTIONS)
            t, g = t + 1, saelib.pack(g)
            mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
            theta = theta - 1e-3 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    assert_allclose(saelib.pack(alone), theta, rtol=1e-6, atol=1e-9)


def test_adam_shuffles_by_its_generator_alone():
    params, X = small_problem()
    first, again, other = (
        saelib.adam(params, X, **OPTIONS, rng=np.random.default_rng(s), batch_size=3, max_iter=3)[0] for s in (1, 1, 2)
    )
    assert_array_equal(first.W1, again.W1)
    assert not np.array_equal(first.W1, other.W1)


def test_adam_on_one_batch_does_not_depend_on_the_order():
    params, X = small_problem()
    one, other = (
        saelib.adam(params, X, **OPTIONS, rng=np.random.default_rng(s), batch_size=100, max_iter=5)[0] for s in (1, 2)
    )
    assert_allclose(saelib.pack(one), saelib.pack(other), rtol=1e-9, atol=1e-12)


@EACH
@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_float32_stays_float32_and_follows_float64(name, output):
    costs = []
    for dtype in (np.float32, np.float64):
        params, X = small_problem(dtype=dtype)
        seen = set()
        best, history = run(
            name, params, X, output=output, max_iter=8, tol=0,
            callback=lambda k, at, cost, seen=seen: seen.update(P.dtype for P in at),
        )  # fmt: skip
        assert {P.dtype for P in best} == seen == {np.dtype(dtype)}
        costs.append(history.cost)
    assert_allclose(costs[0][:4], costs[1][:4], rtol=2e-6)
    assert_allclose(costs[0], costs[1], rtol=1e-3)


def test_track_yields_every_value_once_and_counts_them(monkeypatch):
    done = []

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            done.append("closed")

        def update(self, k):
            done.append(k)

    monkeypatch.setattr("saelib.progress.progress_bar", lambda total, label: done.append((total, label)) or Bar())
    assert list(saelib.track((x for x in "abc"), "letters")) == ["a", "b", "c"]
    assert done == [(3, "letters"), 1, 1, 1, "closed"]


@EACH
def test_silent_when_output_is_captured(name, capsys):
    run(name, *small_problem(), max_iter=3, progress=True)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


SCRIPT = """
import numpy as np, saelib
rng = np.random.default_rng(0)
X = rng.uniform(size=(300, 20))
saelib.gradient_descent(
    saelib.init_params(20, 10, rng), X, lam=1e-3, rho=0.1, beta=0.5, alpha=0.1, max_iter=400, tol=0, progress={progress}
)
"""


def training_script(progress, stderr, **environment):
    here = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(saelib.__file__)), **environment}
    here = {k: v for k, v in here.items() if k != "TQDM_DISABLE" or k in environment}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(progress=progress)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=here,
        timeout=60,
    )


def in_a_terminal(progress, **environment):
    """What the script writes to its standard error when that is a terminal."""
    pty, termios = (
        pytest.importorskip(name, reason="pseudo-terminals exist on Unix only") for name in ("pty", "termios")
    )
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    written = []

    def read():
        while True:
            try:
                piece = os.read(controller, 4096)
            except OSError:  # how Linux says that the other end is closed
                return
            if not piece:
                return
            written.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    done = training_script(progress, terminal, **environment)
    os.close(terminal)
    reader.join()
    os.close(controller)
    assert done.returncode == 0
    assert done.stdout == b""
    return b"".join(written).decode()


def test_a_bar_in_a_terminal():
    text = in_a_terminal(True)
    assert "gradient descent" in text
    assert "400/400" in text
    assert "cost " in text
    assert text.count("\rgradient") > 1  # drawn over and over on one line
    assert text.count("\n") == 1


def test_no_bar_unless_asked_for_or_where_tqdm_is_disabled():
    assert in_a_terminal(False) == ""
    assert in_a_terminal(True, TQDM_DISABLE="1") == ""


def test_a_log_file_gets_a_line_or_two(tmp_path):
    with open(tmp_path / "log", "wb") as log:
        training_script(True, log)
    text = (tmp_path / "log").read_text()
    assert "400/400" in text
    assert text.count("gradient descent") <= 2
    assert len(text) < 300


def test_lbfgs_reads_bytes_from_a_file(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (700, 6), dtype=np.uint8)
    np.save(tmp_path / "X.npy", pixels)
    file = np.load(tmp_path / "X.npy", mmap_mode="r")
    start = saelib.init_params(6, 3, rng, dtype=np.float32)
    options = {"lam": 1e-3, "rho": 0.1, "beta": 1, "max_iter": 20}
    found, _ = saelib.lbfgs(start, file, **options, scale=1 / 255)
    expected, _ = saelib.lbfgs(start, (pixels * np.float32(1 / 255)), **options)
    for P, Q in zip(found, expected, strict=True):
        assert P.dtype == np.float32
        assert_array_equal(P, Q)


def test_lbfgs_says_when_the_columns_do_not_fit():
    with pytest.raises(ValueError, match=r"X must have 6 columns, got shape \(5, 4\)"):
        saelib.lbfgs(saelib.init_params(6, 3, np.random.default_rng(0)), np.full((5, 4), 0.5), lam=0, rho=0.1, beta=1)


def test_lbfgs_does_not_advise_a_learning_rate_that_it_does_not_have():
    X = np.full((4, 3), 1e160)
    params = saelib.init_params(3, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at iteration 0; data or first weights nearer to 1 in size may help"):
        saelib.lbfgs(params, X, lam=0.1, rho=0.1, beta=1, output="linear")
