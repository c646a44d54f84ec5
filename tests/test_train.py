"""Training: each algorithm against a transcription of its own, and how a training ends, reports and is interrupted."""

import itertools
import math
import os
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

import saelib
from saelib import nets, train
from saelib.architecture import flatten, unflatten
from saelib.progress import progress_bar

pytestmark = pytest.mark.filterwarnings("error")
OPTIONS = {"lam": 1e-3, "rho": 0.1, "beta": 0.5}
NET = nets.Sigmoid(**OPTIONS)


def small_problem(m=8, n=4, hidden=3, dtype=np.float64):
    rng = np.random.default_rng(0)
    return saelib.init_params(n, hidden, rng, dtype=dtype), rng.uniform(size=(m, n)).astype(dtype)


def digits(m=300):
    return load_digits().data[:m] / 16


def run(name, params, X, *, output="sigmoid", max_iter=1000, batch_size=3, **options):
    """One of the three trainings; an iteration of Adam is an epoch."""
    net = nets.Sigmoid(**OPTIONS, output=output)
    if name == "gradient_descent":
        options = {"alpha": 0.3, **OPTIONS, **options}
        return saelib.gradient_descent(params, X, output=output, max_iter=max_iter, **options)
    if name == "lbfgs":
        return saelib.lbfgs(net, params, X, max_iter=max_iter, **options)
    batches = saelib.Minibatches(X, batch_size, epochs=max_iter, seed=3)
    return saelib.adam(net, params, batches, learning_rate=1e-3, **options)


def assert_same(params, others):
    for P, Q in zip(params, others, strict=True):
        assert_array_equal(P, Q)


EACH = pytest.mark.parametrize("name", ["gradient_descent", "adam", "lbfgs"])
WHOLE = pytest.mark.parametrize("name", ["gradient_descent", "lbfgs"])  # which look at all of the data at once


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
    """Algorithm 1 of Kingma and Ba, number by number, with gradients from loops; batches of 3 and of 2; a schedule."""
    params, X = small_problem()
    net, batches, path = nets.Sigmoid(**OPTIONS, output=output), [X[:3], X[3:6], X[6:]] * 6, []
    trained, descent = saelib.adam(
        net, params, batches, learning_rate=saelib.linear_decay(0.02, 20), betas=(0.8, 0.99), report=1,
        callback=lambda t, at, cost: path.append((saelib.pack(at), cost)),
    )  # fmt: skip
    theta = saelib.pack(params).tolist()
    first, second = [0.0] * len(theta), [0.0] * len(theta)
    for t, batch in enumerate(batches, start=1):
        lists = reference.as_lists(saelib.unpack(np.array(theta), params))
        expected = sum(reference.cost_terms(lists, batch.tolist(), **OPTIONS, output=output))
        assert_allclose(path[t - 1][1], expected, rtol=1e-9)
        arrays = reference.gradient(lists, batch.tolist(), **OPTIONS, output=output)
        g = np.concatenate([np.ravel(G) for G in arrays]).tolist()
        for i in range(len(theta)):
            first[i] = 0.8 * first[i] + (1 - 0.8) * g[i]
            second[i] = 0.99 * second[i] + (1 - 0.99) * g[i] ** 2
            first_hat, second_hat = first[i] / (1 - 0.8**t), second[i] / (1 - 0.99**t)
            theta[i] = theta[i] - 0.02 * (1 - (t - 1) / 20) * first_hat / (math.sqrt(second_hat) + 1e-8)
        assert_allclose(path[t - 1][0], theta, rtol=1e-9, atol=1e-11)
    assert len(path) == descent.state.t == 18 and descent.steps.tolist() == [*range(1, 19)]
    assert_array_equal(path[-1][0], saelib.pack(trained))


def test_adam_has_the_published_constants():
    params, X = small_problem()
    options = {"betas": (0.9, 0.999), "learning_rate": lambda t: 1e-3}
    assert_same(saelib.adam(NET, params, [X] * 3)[0], saelib.adam(NET, params, [X] * 3, **options)[0])


def test_the_schedule_falls_in_a_straight_line_to_zero_and_stays_there():
    assert [saelib.linear_decay(0.4, 4)(t) for t in range(6)] == pytest.approx([0.4, 0.3, 0.2, 0.1, 0, 0])


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_lbfgs_goes_as_low_as_scipy_on_the_plain_cost(output):
    X = digits(60)
    params = saelib.init_params(64, 3, np.random.default_rng(1))

    def plain(theta):
        J, gradient = saelib.cost_and_gradient(saelib.unpack(theta, params), X, **OPTIONS, output=output)
        return J, saelib.pack(gradient)

    by_hand = minimize(plain, saelib.pack(params), jac=True, method="L-BFGS-B", options={"maxiter": 30})
    found, history = saelib.lbfgs(nets.Sigmoid(**OPTIONS, output=output), params, X, max_iter=30)
    cost = saelib.sparse_cost(found, X, **OPTIONS, output=output)
    assert cost <= by_hand.fun * (1 + 1e-6)
    assert cost < 0.5 * history.cost[0]


@WHOLE
def test_history_counts_iterations_and_passes_over_the_data(name, monkeypatch):
    params, X = small_problem()
    passes, at_iteration = 0, []

    class Counting(saelib.Objective):
        def __call__(self, theta):
            nonlocal passes
            passes += 1
            return super().__call__(theta)

    def forward(*args, **kwargs):
        nonlocal passes
        passes += 1
        return saelib.forward(*args, **kwargs)

    monkeypatch.setattr(train, "Objective", Counting)
    monkeypatch.setattr(train, "forward", forward)
    costs = []

    def callback(k, at, cost):
        assert k == len(costs)
        costs.append(cost)
        at_iteration.append(passes)
        assert saelib.sparse_cost(at, X, **OPTIONS) == pytest.approx(cost, rel=1e-12)

    _, history = run(name, params, X, max_iter=9, tol=0, callback=callback)
    assert len(history.cost) == len(history.evaluations) == 10
    assert_array_equal(history.cost, costs)
    assert_array_equal(history.evaluations, at_iteration)
    assert history.evaluations[0] == 1
    assert history.stopped == "max_iter"


def test_adam_reports_the_mean_cost_of_its_batches_and_looks_at_nothing_else():
    params, X = small_problem()
    seen, path, told = [], [], []

    def stream():
        for i in range(7):
            seen.append(i)
            yield X[i % 4 : i % 4 + 5]

    saelib.adam(NET, params, stream(), report=1, callback=lambda t, at, cost: path.append(at))
    assert seen == [*range(7)]
    costs = [saelib.sparse_cost(at, X[i % 4 : i % 4 + 5], **OPTIONS) for i, at in enumerate([params, *path[:-1]])]
    trained, descent = saelib.adam(NET, params, stream(), report=3, callback=lambda *args: told.append(args))
    assert descent.steps.tolist() == [3, 6, 7] and descent.dead.tolist() == [0, 0, 0]
    assert_allclose(descent.cost, [np.mean(costs[:3]), np.mean(costs[3:6]), costs[6]], rtol=1e-12)
    assert descent.stopped == "batches" and descent.state.t == 7
    assert [(t, cost) for t, _, cost in told] == [(3, descent.cost[0]), (6, descent.cost[1])]
    assert_same(told[1][1], path[5])
    assert_same(trained, path[6])
    assert_same(descent.state.params, trained)


def test_a_report_is_an_epoch_of_mini_batches_or_a_hundred_steps():
    params, X = small_problem()
    _, descent = saelib.adam(NET, params, saelib.Minibatches(X, 3, epochs=2))
    assert descent.steps.tolist() == [3, 6]
    assert saelib.adam(NET, params, [X] * 201)[1].steps.tolist() == [100, 200, 201]


@WHOLE
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
    _, history = run(name, params, X, max_iter=5000, tol=1e-4, batch_size=8)
    assert history.stopped == "converged"
    changes = np.abs(np.diff(history.cost)) / history.cost[1:]
    assert changes[-1] <= 1e-4
    assert (changes[:-1] > 1e-4).all()


def test_lbfgs_converges_where_no_lower_point_is_found():
    params, X = small_problem()
    best, history = saelib.lbfgs(NET, params, X, max_iter=100_000, tol=0)
    assert history.stopped == "converged"
    gradient = saelib.pack(saelib.sparse_gradient(best, X, **OPTIONS))
    assert np.linalg.norm(gradient) < 1e-5


@WHOLE
@pytest.mark.parametrize("last", [0, 4])
def test_the_callback_may_stop_the_training(name, last):
    params, X = small_problem()
    _, history = run(name, params, X, tol=0, callback=lambda k, at, cost: k == last)
    assert history.stopped == "callback"
    assert len(history.cost) == last + 1


@WHOLE
def test_no_iterations_at_all(name):
    params, X = small_problem()
    best, history = run(name, params, X, max_iter=0)
    assert history.stopped == "max_iter"
    assert_allclose(history.cost, [saelib.sparse_cost(params, X, **OPTIONS)], rtol=1e-12)
    assert_array_equal(saelib.pack(best), saelib.pack(params))


def test_adam_without_a_batch():
    params, _ = small_problem()
    same, descent = saelib.adam(NET, params, [])
    assert_same(same, params)
    assert descent.stopped == "batches" and descent.state.t == 0
    assert len(descent.cost) == len(descent.steps) == len(descent.dead) == 0


@WHOLE
def test_a_keyboard_interrupt_returns_the_best_so_far(name):
    def interrupt(k, at, cost):
        if k == 5:
            raise KeyboardInterrupt

    params, X = small_problem()
    best, history = run(name, params, X, tol=0, callback=interrupt)
    assert history.stopped == "interrupted"
    assert len(history.cost) == len(history.evaluations) == 6
    assert saelib.sparse_cost(best, X, **OPTIONS) == pytest.approx(history.cost.min(), rel=1e-12)


def test_a_keyboard_interrupt_returns_what_adam_has():
    params, X = small_problem()

    def stream():
        yield X[:3]
        yield X[3:6]
        raise KeyboardInterrupt

    trained, descent = saelib.adam(NET, params, stream(), report=1)
    assert_same(trained, saelib.adam(NET, params, [X[:3], X[3:6]])[0])
    assert descent.stopped == "interrupted" and descent.state.t == 2 and len(descent.cost) == 2


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
            name, params, X, max_iter=10**6, tol=0, batch_size=500,
            callback=lambda k, at, cost: under_way.set() if k >= 3 else None,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.stopped == "interrupted"
    if name == "adam":
        some = itertools.islice(saelib.Minibatches(X, 500, epochs=10**6, seed=3), history.state.t)
        assert_same(best, saelib.adam(NET, params, some, learning_rate=1e-3)[0])
    else:
        assert len(history.cost) >= 4
        assert saelib.sparse_cost(best, X, **OPTIONS) == pytest.approx(history.cost.min(), rel=1e-9)


@EACH
def test_an_interrupt_before_the_first_cost_returns_the_start(name, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "forward", interrupt)
    monkeypatch.setattr(saelib.Objective, "__call__", interrupt)
    monkeypatch.setattr(train.Step, "__call__", interrupt)
    params, X = small_problem()
    best, history = run(name, params, X)
    assert history.stopped == "interrupted"
    assert len(history.cost) == 0
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


@pytest.mark.parametrize(
    "dtype, rate",
    [(np.float32, 1e25), (np.float32, 1e30), (np.float32, 1e60), (np.float64, 1e160), (np.float64, 1e300)],
)
def test_a_step_too_long_for_adam_is_one_clear_error_without_warnings(dtype, rate):
    params, X = small_problem(dtype=dtype)
    net, batches = nets.Sigmoid(**OPTIONS, output="linear"), saelib.Minibatches(X, 3, epochs=50)
    with pytest.raises(ValueError, match="beyond all bounds at step [0-9]+; a smaller learning_rate may help"):
        saelib.adam(net, params, batches, learning_rate=rate)


LINEAR = [nets.Sigmoid(**OPTIONS, output="linear"), nets.ReluL1(0.1), nets.TopK(3), nets.Gated(0.1), nets.JumpReLU(0.1)]


@pytest.mark.parametrize("size", [1e160, 1e300])
@pytest.mark.parametrize("start", ["data", "weights"])
@pytest.mark.parametrize("net", LINEAR, ids=lambda net: type(net).__name__)
@pytest.mark.filterwarnings("error")
def test_a_start_beyond_all_bounds_is_not_put_down_to_the_step(net, start, size):
    X = np.random.default_rng(0).uniform(size=(6000, 6))  # enough for two threads
    params = net.init(6, 4, np.random.default_rng(1))
    X, params = (X * size, params) if start == "data" else (X, params._replace(W2=params.W2 * size))
    solvers = [lambda: saelib.adam(net, params, [X, X])]
    solvers += [lambda n=n: saelib.lbfgs(net, params, X, n_jobs=n) for n in (1, 2)]
    if isinstance(net, nets.Sigmoid):
        solvers.append(lambda: saelib.gradient_descent(params, X, **OPTIONS, alpha=0.1, output="linear"))
    for solve in solvers:
        with pytest.raises(
            ValueError, match="at (iteration|step) 0; data or first weights nearer to 1 in .* may help$"
        ):
            solve()


def test_threads_warn_as_the_caller_does():
    X = 1e300 * np.random.default_rng(0).uniform(size=(6000, 6))
    net = nets.ReluL1(0.1)
    params = net.init(6, 4, np.random.default_rng(1))
    for n_jobs in (1, 2):
        objective = saelib.Objective(net, X, n_jobs=n_jobs)
        assert n_jobs == 1 or objective.n_jobs == 2
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            objective(saelib.pack(params))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            assert not np.isfinite(objective(saelib.pack(params))[0])


def test_adam_in_two_threads_is_adam_in_one(monkeypatch):
    rng = np.random.default_rng(0)
    X, params = rng.uniform(size=(600, 700)), saelib.init_params(700, 100, rng)
    batches = [X[:300], X[300:], X[100:400]]

    def trained():
        return saelib.adam(NET, params, batches)[0]

    with monkeypatch.context() as patch, threadpool_limits(1):  # one processor has one thread of BLAS
        patch.setattr("saelib._workplace.number_of_threads", lambda n_jobs: 1)
        alone = trained()
    monkeypatch.setattr("saelib._workplace.number_of_threads", lambda n_jobs: 2)
    assert_same(trained(), alone)
    mean, square, theta = 0.0, 0.0, saelib.pack(params)
    for t, batch in enumerate(batches, start=1):
        g = saelib.pack(saelib.sparse_gradient(saelib.unpack(theta, params), batch, **OPTIONS))
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
        theta = theta - 1e-3 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    assert_allclose(saelib.pack(alone), theta, rtol=1e-6, atol=1e-9)


def test_mini_batches_are_shuffled_by_their_seed_alone():
    params, X = small_problem()
    first, again, other = (saelib.adam(NET, params, saelib.Minibatches(X, 3, epochs=3, seed=s))[0] for s in (1, 1, 2))
    assert_array_equal(first.W1, again.W1)
    assert not np.array_equal(first.W1, other.W1)


def test_adam_on_one_batch_does_not_depend_on_the_order():
    params, X = small_problem()
    one, other = (saelib.adam(NET, params, saelib.Minibatches(X, 100, epochs=5, seed=s))[0] for s in (1, 2))
    assert_allclose(saelib.pack(one), saelib.pack(other), rtol=1e-9, atol=1e-12)


def test_mini_batches_go_once_through_the_data_in_every_epoch():
    X = np.arange(23.0)[:, np.newaxis]
    batches = saelib.Minibatches(X, 5, epochs=3, seed=1)
    rows = [batch[:, 0].astype(int).tolist() for batch in batches]
    assert len(rows) == len(batches) == 15 and [len(r) for r in rows[:5]] == [5, 5, 5, 5, 3]
    epochs = [sum(rows[i : i + 5], []) for i in (0, 5, 10)]
    assert all(sorted(epoch) == list(range(23)) for epoch in epochs) and epochs[0] != epochs[1]
    rest = saelib.Minibatches(X, 5, epochs=3, seed=1, start=7)
    assert [b[:, 0].tolist() for b in rest] == rows[7:] and len(rest) == 8
    pair = next(iter(saelib.Minibatches(X, 5, target=10 * X)))
    assert_array_equal(pair[1], 10 * pair[0])


def test_mini_batches_of_bytes_in_a_file(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 6), dtype=np.uint8)
    np.save(tmp_path / "X.npy", pixels)
    file, options = np.load(tmp_path / "X.npy", mmap_mode="r"), {"seed": 2, "epochs": 2}
    plain = saelib.Minibatches(pixels * np.float32(1 / 255), 20, **options)
    for one, other in zip(saelib.Minibatches(file, 20, scale=1 / 255, **options), plain, strict=True):
        assert one.dtype == np.float32
        assert_array_equal(one, other)


@pytest.mark.parametrize("net", [NET, nets.TopK(2, k_aux=2, dead_after=3)], ids=["sigmoid", "topk"])
@pytest.mark.parametrize("stop", [1, 5, 7, 12])
def test_adam_goes_on_exactly_where_it_stopped(net, stop):
    params, X = small_problem(m=30, n=5, hidden=4)
    whole, descent = saelib.adam(net, params, saelib.Minibatches(X, 8, epochs=5))
    batches = saelib.Minibatches(X, 8, epochs=5)
    half, first = saelib.adam(net, params, batches, report=1, callback=lambda t, at, cost: t == stop)
    assert first.stopped == "callback" and first.state.t == stop and len(first.cost) == stop
    kept = [a.copy() for a in (*first.state.params, first.state.mean, first.state.square)]
    rest = saelib.Minibatches(X, 8, epochs=5, start=stop)
    resumed, second = saelib.adam(net, half, rest, state=first.state)
    assert_same(resumed, whole)
    assert_same((*second.state[1:3],), descent.state[1:3])
    assert_same((*first.state.params, first.state.mean, first.state.square), kept)  # and may go on from there again


def test_what_a_net_asks_for_after_a_step_is_done():
    _, X = small_problem(m=60)
    net = nets.TopK(2)
    params = net.init(4, 8, np.random.default_rng(0))
    before = flatten(params).copy()
    trained, descent = saelib.adam(net, params, saelib.Minibatches(X, 10, epochs=20))
    assert_array_equal(flatten(params), before)
    assert_allclose(np.linalg.norm(trained.W2, axis=0), 1, rtol=1e-12)
    assert descent.cost[-1] < 0.5 * descent.cost[0]


def test_a_revived_latent_alone_has_averages_that_begin_anew():
    rng, net = np.random.default_rng(0), nets.ReluL1(0.1, dead_after=1)
    params = net.init(6, 8, rng)
    params.b1[3] = -100
    X = rng.uniform(0.1, 0.9, (40, 6))
    state = saelib.adam(net, params, [X] * 2, revive_every=2, rng=rng)[1].state
    for average in (state.mean, state.square):
        W1, b1, W2, b2 = unflatten(average, params)
        assert not W1[3].any() and b1[3] == 0 and not W2[:, 3].any()
        assert b2.all() and W1[b1 != 0].all() and np.sum(b1 != 0) > 3


def test_a_target_that_is_not_finite_is_called_by_its_name():
    params, X = small_problem()
    wrong = X.copy()
    wrong[2, 1] = np.inf
    with pytest.raises(ValueError, match=r"^target must be finite, but target\[2, 1\] is inf"):
        saelib.adam(nets.ReluL1(0.1), params, [(X, wrong)])


def test_dead_latents_are_counted_and_revived():
    _, X = small_problem(m=400)
    net, options = nets.TopK(1, dead_after=5), {"report": 10, "learning_rate": 1e-3}
    params = net.init(4, 6, np.random.default_rng(0))
    params.b1[3:] = -100  # three latents that nothing reaches
    batches, rng = saelib.Minibatches(X, 40, epochs=8), np.random.default_rng(1)
    _, without = saelib.adam(net, params, batches, **options)
    revived, _ = saelib.adam(net, params, batches, revive_every=20, rng=rng, **options)
    assert without.dead[0] >= 3 and without.dead[-1] >= 3
    assert revived.b1[3:].min() > -1 and params.b1[3] == -100


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
    net = nets.Sigmoid(1e-3, 0.1, 1.0)
    found, _ = saelib.lbfgs(net, start, file, scale=1 / 255, max_iter=20)
    expected, _ = saelib.lbfgs(net, start, pixels * np.float32(1 / 255), max_iter=20)
    for P, Q in zip(found, expected, strict=True):
        assert P.dtype == np.float32
        assert_array_equal(P, Q)


def test_lbfgs_says_when_the_columns_do_not_fit():
    with pytest.raises(ValueError, match=r"X must have 6 columns, got shape \(5, 4\)"):
        saelib.lbfgs(NET, saelib.init_params(6, 3, np.random.default_rng(0)), np.full((5, 4), 0.5))


def test_lbfgs_does_not_advise_a_learning_rate_that_it_does_not_have():
    X = np.full((4, 3), 1e160)
    params = saelib.init_params(3, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at iteration 0; data or first weights nearer to 1 in size may help"):
        saelib.lbfgs(nets.Sigmoid(0.1, 0.1, 1.0, "linear"), params, X)


@pytest.mark.parametrize("m", [1000, 1500, 2000, 3000, 4000, 5000])
def test_single_precision_leaves_the_plateau_of_nearly_equal_units(m):
    """The units begin so alike that costs hardly differ; sums of activations in float32 would end some of these."""
    rng = np.random.default_rng(0)
    images = saelib.datasets.load_natural_images().images
    X = saelib.datasets.normalize_patches(saelib.datasets.sample_patches(images, 8, m, rng)).astype(np.float32)
    params = saelib.init_params(64, 25, rng, dtype=np.float32)
    W1, W2 = (rng.normal(0, 0.01, W.shape).astype(np.float32) for W in (params.W1, params.W2))
    params = params._replace(W1=W1, W2=W2)
    history = saelib.lbfgs(nets.Sigmoid(lam=1e-4, rho=0.01, beta=3.0), params, X, max_iter=60)[1]
    assert history.stopped == "max_iter"
    assert history.cost[-1] < 0.99 * history.cost[12]


@pytest.mark.parametrize("tol", [0.02, 0.2])
def test_adam_has_converged_when_a_report_differs_by_a_share_of_its_cost(tol):
    params, X = small_problem()
    batches, net = [X] * 200, nets.Sigmoid(0.0, 0.1, 0.0, output="linear")
    _, whole = saelib.adam(net, params, batches, learning_rate=0.02, report=5)
    before, after = whole.cost[:-1], whole.cost[1:]
    last = 2 + np.flatnonzero(np.abs(before - after) <= tol * after)[0]  # so many reports
    assert last < len(whole.cost) and after.max() < 0.9
    _, descent = saelib.adam(net, params, batches, learning_rate=0.02, report=5, tol=tol)
    assert descent.stopped == "converged"
    assert_array_equal(descent.cost, whole.cost[:last])


def test_the_bar_of_adam_knows_how_many_batches_there_are(monkeypatch):
    params, X = small_problem()
    bars = []

    def bar(*arguments):
        bars.append(arguments)
        return progress_bar(*arguments)

    monkeypatch.setattr(train, "progress_bar", bar)
    saelib.adam(NET, params, [X] * 3)
    saelib.adam(NET, params, iter([X] * 3))
    assert bars == [(3, "Adam", False), (None, "Adam", False)]


def test_adam_keeps_what_a_net_remembers_in_its_parameters():
    rng = np.random.default_rng(0)
    net, X = nets.BatchTopK(2, rate=0.25), rng.normal(size=(10, 4))
    start = net.init(4, 6, rng)
    A = net.encode(start, X).A
    params, _ = saelib.adam(net, start, [X])
    assert params.threshold == pytest.approx(0.25 * A[A > 0].min(), rel=1e-12)


def test_lbfgs_that_begins_at_the_lowest_point_has_converged():
    net, params = nets.Tied(), nets.tied.TiedParams(np.zeros((2, 3)), np.zeros(2), np.zeros(3))
    found, history = saelib.lbfgs(net, params, np.zeros((5, 3)))
    assert history.stopped == "converged" and history.cost.tolist() == [0]
    assert_same(found, params)
