"""Control-C at every moment of a long computation: what comes back is what had been reached, whole and consistent."""

import ast
import inspect
import os
import signal
import sys
import textwrap
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import saelib
from saelib import estimator, nets, sparse_coding

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(12, 5))
START = saelib.init_params(5, 3, RNG)
OPTIONS = {"lam": 1e-3, "rho": 0.1, "beta": 1.0}
NET = nets.Sigmoid(**OPTIONS)
TRAINERS = {
    "gradient_descent": lambda **more: saelib.gradient_descent(
        START, X, **OPTIONS, alpha=2.0, tol=0, max_iter=6, **more
    ),
    "lbfgs": lambda **more: saelib.lbfgs(NET, START, X, tol=0, max_iter=6, **more),
}


def protected_lines(function):
    """The lines of ``function`` in which it promises to give back what it has: the body of its ``try`` or ``with``."""
    source, first = inspect.getsourcelines(function)
    nodes = list(ast.walk(ast.parse(textwrap.dedent("".join(source)))))
    block = next(node for kind in (ast.Try, ast.With) for node in nodes if isinstance(node, kind))
    return range(first - 1 + block.body[0].lineno, first + block.body[-1].end_lineno)


def interrupted(function, call, moment=None):
    """Return ``call()`` and how many lines of the module it went through inside the protected lines of ``function``.

    Before the line of the number ``moment`` somebody presses Control-C.
    """
    lines, module, under_way, seen = protected_lines(function), function.__code__.co_filename, False, 0

    def at_line(frame, event, arg):
        nonlocal under_way, seen
        if event == "line":
            if frame.f_code is function.__code__:
                under_way = frame.f_lineno in lines
            if under_way and frame.f_code.co_name != "__exit__":
                seen += 1
                if seen - 1 == moment:
                    raise KeyboardInterrupt
        return at_line

    tracer = sys.gettrace()
    sys.settrace(lambda frame, *_: at_line if frame.f_code.co_filename == module else None)
    try:
        result = call()
    finally:
        sys.settrace(tracer)
    return result, seen


def learn(size=None, **options):
    rng = np.random.default_rng(3)
    return sparse_coding.learn_dictionary(X, 4, 0.1, n_iter=4, n_code_iter=5, batch_size=size, rng=rng, **options)


@pytest.mark.parametrize("size", [None, 5])
def test_a_dictionary_comes_back_with_the_costs_up_to_its_own(size):
    reached = []
    _, costs = learn(size, callback=lambda iteration, D, cost: reached.append(D.copy()))
    assert len(reached) == len(costs) == 5
    _, count = interrupted(sparse_coding.learn_dictionary, lambda: learn(size))
    lengths = []
    for moment in range(count):
        (D, so_far), seen = interrupted(sparse_coding.learn_dictionary, lambda: learn(size), moment)
        assert seen == moment + 1
        assert_array_equal(so_far, costs[: len(so_far)])
        assert_array_equal(D, reached[max(len(so_far) - 1, 0)])
        lengths.append(len(so_far))
    assert lengths == sorted(lengths) and set(lengths) == {0, 1, 2, 3, 4, 5}


def test_a_signal_ends_the_learning_of_a_dictionary():
    X, under_way = np.random.default_rng(2).standard_normal((2000, 40)), threading.Event()

    def press_control_c():
        under_way.wait()
        threading.Event().wait(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    def callback(iteration, D, cost):
        reached.append(D)
        if iteration == 2:
            under_way.set()

    reached, before = [], signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=press_control_c, daemon=True).start()
    try:
        D, costs = sparse_coding.learn_dictionary(
            X, 50, 0.5, n_iter=10**6, batch_size=100, n_code_iter=20, rng=np.random.default_rng(0), callback=callback
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert 3 <= len(costs) <= len(reached) + 1
    assert any(D is one for one in reached[-2:])


@pytest.mark.parametrize("name", TRAINERS)
def test_a_training_comes_back_with_its_best_and_the_history_up_to_there(name):
    reached, function, train = [], getattr(saelib, name), TRAINERS[name]
    _, whole = train(callback=lambda k, params, cost: reached.append(saelib.pack(params)))
    assert len(whole.cost) == len(reached) == 7
    _, count = interrupted(function, train)
    lengths = []
    for moment in range(count):
        (best, history), seen = interrupted(function, train, moment)
        n = len(history.cost)
        assert seen == moment + 1 and history.stopped == "interrupted"
        assert_array_equal(history.cost, whole.cost[:n])
        assert_array_equal(history.evaluations, whole.evaluations[:n])
        assert_array_equal(saelib.pack(best), reached[np.argmin(history.cost)] if n else saelib.pack(START))
        lengths.append(n)
    assert lengths == sorted(lengths) and set(lengths) == {0, 1, 2, 3, 4, 5, 6, 7}


TOPK = nets.TopK(2, k_aux=1, dead_after=2)  # which moves its parameters after a step, and remembers who was silent
SILENT = START._replace(b1=np.array([0.0, 0.0, -50.0]))


@pytest.mark.parametrize("net, start", [(NET, START), (TOPK, SILENT)], ids=["sigmoid", "topk"])
def test_adam_comes_back_with_a_state_whose_parts_belong_together(net, start):
    """Two sets of vectors are read and written in turn: from any state the rest of the way leads to the same bits."""
    revival = {"revive_every": 4} if net is TOPK else {}

    def train(state=None, **options):
        batches = saelib.Minibatches(X, 5, epochs=2, start=state.t if state else 0)
        rng = np.random.default_rng(3 if state is None or state.t < 4 else [3, 4])
        return saelib.adam(net, start, batches, state=state, rng=rng, report=2, learning_rate=0.3, **revival, **options)

    path = [saelib.pack(start)]
    saelib.adam(
        net, start, saelib.Minibatches(X, 5, epochs=2), rng=np.random.default_rng(3), report=1, learning_rate=0.3,
        callback=lambda t, params, cost: path.append(saelib.pack(params)), **revival,
    )  # fmt: skip
    end, whole = train()
    assert len(path) == 7 and whole.steps.tolist() == [2, 4, 6]
    assert_array_equal(saelib.pack(end), path[-1])
    _, count = interrupted(saelib.adam, train)
    reached = []
    for moment in range(count):
        (params, descent), seen = interrupted(saelib.adam, train, moment)
        state, n = descent.state, len(descent.cost)
        assert seen == moment + 1 and descent.stopped == "interrupted"
        assert_array_equal(saelib.pack(params), path[state.t])
        assert_array_equal(saelib.pack(state.params), path[state.t])
        assert len(descent.steps) == len(descent.dead) == n and state.t // 2 - 1 <= n <= (state.t + 1) // 2
        assert_array_equal(descent.cost, whole.cost[:n])
        assert_array_equal(descent.steps, whole.steps[:n])
        if not reached or state.t != reached[-1] or moment % 7 == 0:
            resumed, rest = train(state)
            assert_array_equal(saelib.pack(resumed), path[-1])
            assert_array_equal(rest.state.mean, whole.state.mean)
            assert_array_equal(rest.state.square, whole.state.square)
            assert rest.state.t == 6
        reached.append(state.t)
    assert reached == sorted(reached) and set(reached) == {0, 1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_the_warning_of_an_interrupt_names_the_line_that_called_fit(solver, monkeypatch):
    train = getattr(saelib, solver)

    def stopped_by_control_c(*args, **options):
        params, history = train(*args, **options)
        return params, history._replace(stopped="interrupted")

    monkeypatch.setattr(estimator, solver, stopped_by_control_c)
    with pytest.warns(UserWarning, match="^Training was interrupted; the parameters so far are kept.$") as told:
        saelib.SparseAutoencoder(2, solver=solver, max_iter=1).fit(X)
    assert [warning.filename for warning in told] == [__file__]
