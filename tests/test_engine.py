"""The engine: two passes over blocks, Adam over a stream, L-BFGS; each against something computed another way."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
import scipy.optimize

import saelib
from saelib import nets
from saelib.architecture import check_architecture, flatten, leaves, unflatten
from saelib.train import Minibatches, Objective, adam, lbfgs, linear_decay

SIGMOID = nets.Sigmoid(lam=0.01, rho=0.1, beta=2.0)


def problem(m=60, n=5, h=4, seed=0, dtype=float):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 0.9, (m, n)).astype(dtype), saelib.init_params(n, h, rng, dtype=dtype)


# --- the two passes ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("output", ["sigmoid", "linear"])
@pytest.mark.parametrize("block_rows", [None, 1, 7, 60])
def test_the_sigmoid_net_is_the_page(output, block_rows):
    X, params = problem()
    net = SIGMOID._replace(output=output)
    J, gradient = Objective(net, X, block_rows=block_rows)(saelib.pack(params))
    wanted = saelib.cost_and_gradient(params, X, lam=0.01, rho=0.1, beta=2.0, output=output)
    assert J == pytest.approx(wanted[0], rel=1e-13)
    np.testing.assert_allclose(gradient, saelib.pack(wanted[1]), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("net", nets.examples(), ids=repr)
def test_the_gradient_of_every_net(net):
    rng = np.random.default_rng(3)
    assert check_architecture(net, rng.uniform(0.1, 0.9, (9, 4)), rng) < 1e-8


@pytest.mark.parametrize(
    "wrong",
    [
        lambda loss, g: (loss, g._replace(W1=-g.W1)),
        lambda loss, g: (loss, g._replace(b1=2 * g.b1)),
        lambda loss, g: (loss, g._replace(W2=0 * g.W2)),
        lambda loss, g: (loss * 2, g),
    ],
)
def test_a_wrong_gradient_does_not_pass(wrong):
    class Wrong(nets.ReluL1):
        def backward(self, *arguments):
            return wrong(*nets.ReluL1.backward(self, *arguments))

        def __reduce__(self):
            return nets.ReluL1, tuple(self)

    rng = np.random.default_rng(3)
    assert check_architecture(Wrong(0.1), rng.uniform(0.1, 0.9, (9, 4)), rng) > 1e-3


def test_a_fast_form_that_computes_something_else_is_reported():
    class Wrong(nets.Sigmoid):
        def fast(self, params):
            return nets.Sigmoid(self.lam, self.rho, 2 * self.beta, "linear").fast(params)

        def __reduce__(self):
            return nets.Sigmoid, tuple(self)

    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="its fast form does not compute the same"):
        check_architecture(Wrong(0.1, 0.2, 3.0), rng.uniform(0.1, 0.9, (9, 4)), rng)


def test_bits_do_not_depend_on_the_number_of_threads():
    X, params = problem(m=500, dtype=np.float32)
    theta = saelib.pack(params)
    one, two, five = (Objective(SIGMOID, X, n_jobs=n, block_rows=13)(theta) for n in (1, 2, 5))
    for other in (two, five):
        assert one[0] == other[0] and np.array_equal(one[1], other[1])


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
@pytest.mark.parametrize("net", [SIGMOID, nets.TopK(2, k_aux=1)], ids=["sigmoid", "topk"])
def test_blocks_may_be_computed_elsewhere(pool, net):
    X, params = problem()
    theta = saelib.pack(params)
    here = Objective(net, X, block_rows=9)(theta)
    with pool(2) as workers:
        there = Objective(net, X, block_rows=9, run=workers.map)(theta)
    assert there[0] == pytest.approx(here[0], rel=1e-13)
    np.testing.assert_allclose(there[1], here[1], rtol=1e-10, atol=1e-15)


def test_data_in_a_file_and_bytes(tmp_path):
    rng = np.random.default_rng(0)
    bytes_ = rng.integers(0, 256, (50, 5), dtype=np.uint8)
    file = np.memmap(tmp_path / "X", np.uint8, "w+", shape=bytes_.shape)
    file[:] = bytes_
    params = saelib.init_params(5, 3, rng, dtype=np.float32)
    J, gradient = Objective(SIGMOID, file, scale=1 / 255, block_rows=8)(saelib.pack(params))
    X = bytes_.astype(np.float32) * np.float32(1 / 255)
    wanted = saelib.cost_and_gradient(params, X, lam=0.01, rho=0.1, beta=2.0)
    assert gradient.dtype == np.float32 and J == pytest.approx(wanted[0], rel=1e-5)
    np.testing.assert_allclose(gradient, saelib.pack(wanted[1]), rtol=2e-4, atol=1e-6)


def test_a_target_of_its_own():
    """Denoising: the loss is measured against the clean rows; by finite differences of a cost written out here."""
    X, params = problem()
    clean = np.clip(X + 0.05, 0, 1)
    theta = saelib.pack(params)
    objective = Objective(SIGMOID, X, target=clean)

    def J(theta):
        W1, b1, W2, b2 = saelib.unpack(theta, params)
        A2 = 1 / (1 + np.exp(-(X @ W1.T + b1)))
        A3 = 1 / (1 + np.exp(-(A2 @ W2.T + b2)))
        r = A2.mean(axis=0)
        kl = 0.1 * np.log(0.1 / r) + 0.9 * np.log(0.9 / (1 - r))
        return ((A3 - clean) ** 2).sum() / 120 + 0.005 * ((W1**2).sum() + (W2**2).sum()) + 2 * kl.sum()

    assert objective.cost(theta) == pytest.approx(J(theta), rel=1e-13)
    numerical = scipy.optimize.approx_fprime(theta, J, 1e-7)
    np.testing.assert_allclose(objective(theta)[1], numerical, atol=2e-6)


@pytest.mark.parametrize("z", [-1000.0, -700, -40, 40, 700, 1000])
def test_saturated_units_pull_back_with_what_the_penalty_asks(z):
    """A unit that is z for all samples: its bias gets -rho beta where it is off, (1 - rho) beta where it is on."""
    X, params = problem(h=1)
    params = params._replace(W1=0 * params.W1, b1=np.array([z]), W2=0 * params.W2)
    for output in ("sigmoid", "linear"):
        gradient = unflatten(Objective(SIGMOID._replace(output=output), X)(saelib.pack(params))[1], params)
        assert gradient.b1[0] == pytest.approx(-0.1 * 2 if z < 0 else 0.9 * 2, rel=1e-12)


class Nested(NamedTuple):
    first: object
    second: object


def test_nested_parameters_are_packed_leaf_by_leaf():
    X, params = problem()
    nested = Nested(params, Nested(np.arange(3.0), np.ones((2, 2))))
    theta = flatten(nested)
    assert theta.size == sum(P.size for P in params) + 7
    back = unflatten(theta, nested)
    assert isinstance(back.first, saelib.Params) and isinstance(back.second, Nested) and len(leaves(back)) == 6
    assert all(np.array_equal(a, b) for a, b in zip(leaves(back), leaves(nested), strict=True))


BAD = {
    "columns": (lambda X, p: (SIGMOID, X[:, :3], saelib.pack(p)), "theta must be a vector of"),
    "NaN in X": (lambda X, p: (SIGMOID, np.where(X > 0.89, np.nan, X), saelib.pack(p)), "X must be finite"),
    "NaN in theta": (lambda X, p: (SIGMOID, X, saelib.pack(p) * np.nan), r"theta\[0\] is not"),
    "range": (lambda X, p: (SIGMOID, 3 * X, saelib.pack(p)), r"must lie in \[0, 1\]"),
    "rho": (lambda X, p: (SIGMOID._replace(rho=1.0), X, saelib.pack(p)), "rho must lie strictly between 0 and 1"),
    "k": (lambda X, p: (nets.TopK(9), X, saelib.pack(p)), "k must be a whole number from 1 to 4"),
    "mu": (lambda X, p: (nets.ReluL1(-1.0), X, saelib.pack(p)), "mu must be a finite number >= 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_clear_error(case):
    make, sentence = BAD[case]
    net, X, theta = make(*problem())
    with pytest.raises(ValueError, match=sentence):
        Objective(net, X)(theta)


def test_a_target_with_other_rows_is_refused():
    X, _ = problem()
    with pytest.raises(ValueError, match="target must have a row for each row of X, got 59 and 60"):
        Objective(SIGMOID, X, target=X[1:])


# --- Adam -------------------------------------------------------------------------------------------------------
def test_adam_is_the_published_algorithm():
    """Against the update written out for single batches, with a schedule."""
    X, params = problem()
    batches = [X[:20], X[20:40], X[40:], X[:20]]
    rate = linear_decay(0.1, 5)
    trained, descent = adam(SIGMOID, params, batches, learning_rate=rate)
    theta, m, v = saelib.pack(params), 0.0, 0.0
    costs = []
    for t, batch in enumerate(batches, start=1):
        J, g = saelib.cost_and_gradient(saelib.unpack(theta, params), batch, lam=0.01, rho=0.1, beta=2.0)
        g = saelib.pack(g)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        alpha = 0.1 * (1 - (t - 1) / 5)
        theta = theta - alpha * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        costs.append(J)
    np.testing.assert_allclose(saelib.pack(trained), theta, rtol=1e-9)
    assert descent.cost == pytest.approx([np.mean(costs)], rel=1e-12) and descent.steps.tolist() == [4]
    assert descent.stopped == "batches"


@pytest.mark.parametrize("net", [SIGMOID, nets.TopK(2, k_aux=2, dead_after=3)], ids=["sigmoid", "topk"])
@pytest.mark.parametrize("stop", [1, 5, 7, 12])
def test_a_training_goes_on_exactly_where_it_stopped(net, stop):
    X, params = problem()
    whole, descent = adam(net, params, Minibatches(X, 16, epochs=5, seed=3))

    def halt(t, params, cost):
        return t == stop

    half, first = adam(net, params, Minibatches(X, 16, epochs=5, seed=3), report=1, callback=halt)
    assert first.stopped == "callback" and first.state.t == stop
    rest = Minibatches(X, 16, epochs=5, seed=3, start=stop)
    resumed, _ = adam(net, half, rest, state=first.state)
    assert all(np.array_equal(a, b) for a, b in zip(whole, resumed, strict=True))


def test_adam_looks_only_at_what_it_is_given():
    X, params = problem()
    seen = []

    def stream():
        for i in range(7):
            seen.append(i)
            yield X[i : i + 8]

    _, descent = adam(SIGMOID, params, stream(), report=2)
    assert seen == list(range(7)) and descent.steps.tolist() == [2, 4, 6, 7] and descent.state.t == 7


def test_an_interrupt_keeps_the_last_whole_step():
    X, params = problem()

    def stream():
        yield X[:20]
        yield X[20:40]
        raise KeyboardInterrupt

    trained, descent = adam(SIGMOID, params, stream(), report=1)
    wanted, _ = adam(SIGMOID, params, [X[:20], X[20:40]])
    assert descent.stopped == "interrupted" and descent.state.t == 2
    assert all(np.array_equal(a, b) for a, b in zip(trained, wanted, strict=True))


def test_the_start_is_not_changed_and_columns_stay_of_length_one():
    X, _ = problem()
    net = nets.TopK(2)
    params = net.init(5, 8, np.random.default_rng(0))
    before = flatten(params).copy()
    trained, descent = adam(net, params, Minibatches(X, 10, epochs=20))
    assert np.array_equal(flatten(params), before)
    np.testing.assert_allclose(np.linalg.norm(trained.W2, axis=0), 1, rtol=1e-12)
    assert descent.cost[-1] < 0.5 * descent.cost[0]


def test_dead_latents_are_counted_and_revived():
    X, _ = problem(m=400)
    net = nets.TopK(1, dead_after=5)
    params = net.init(5, 6, np.random.default_rng(0))
    params.b1[3:] = -100  # three latents that nothing reaches
    options = {"report": 10, "learning_rate": 1e-3}
    _, without = adam(net, params, Minibatches(X, 40, epochs=8), **options)
    revived, having = adam(
        net, params, Minibatches(X, 40, epochs=8), revive_every=20, rng=np.random.default_rng(1), **options
    )
    assert without.dead[0] >= 3 and without.dead[-1] >= 3
    assert revived.b1[3:].min() > -1 and params.b1[3] == -100


def test_convergence_ends_it_and_a_step_too_long_says_so():
    X, params = problem()
    _, descent = adam(SIGMOID, params, Minibatches(X, 60, epochs=5000), learning_rate=0.01, tol=1e-4)
    assert descent.stopped == "converged" and abs(descent.cost[-2] / descent.cost[-1] - 1) <= 1e-4
    with pytest.raises(ValueError, match="grew beyond all bounds at step .* smaller learning_rate"):
        adam(SIGMOID._replace(output="linear"), params, Minibatches(X, 60, epochs=50), learning_rate=1e200)


def test_minibatches_go_once_through_the_data_in_every_epoch():
    X = np.arange(23.0)[:, np.newaxis]
    batches = Minibatches(X, 5, epochs=3, seed=1)
    rows = [batch[:, 0].astype(int).tolist() for batch in batches]
    assert len(rows) == len(batches) == 15 and [len(r) for r in rows[:5]] == [5, 5, 5, 5, 3]
    epochs = [sum(rows[i : i + 5], []) for i in (0, 5, 10)]
    assert all(sorted(epoch) == list(range(23)) for epoch in epochs) and epochs[0] != epochs[1]
    assert [b[:, 0].tolist() for b in Minibatches(X, 5, epochs=3, seed=1, start=7)] == rows[7:]
    pair = next(iter(Minibatches(X, 5, target=10 * X)))
    assert np.array_equal(pair[1], 10 * pair[0])


# --- L-BFGS -----------------------------------------------------------------------------------------------------
def test_lbfgs_finds_what_scipy_finds_on_the_page():
    X, params = problem()
    options = {"lam": 0.01, "rho": 0.1, "beta": 2.0}

    def page(theta):
        J, g = saelib.cost_and_gradient(saelib.unpack(theta, params), X, **options)
        return J, saelib.pack(g)

    found = scipy.optimize.minimize(page, saelib.pack(params), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    best, history = lbfgs(SIGMOID, params, X, max_iter=300)
    assert history.cost.min() == pytest.approx(found.fun, rel=1e-5)
    assert Objective(SIGMOID, X).cost(saelib.pack(best)) == pytest.approx(history.cost.min(), rel=1e-12)
