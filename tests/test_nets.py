"""The nets of `saelib.nets`: beside SAELens' own numbers, beside plain loops, and what each promises by itself."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import saelib
from saelib import nets
from saelib.architecture import check_architecture, flatten, leaves, unflatten
from saelib.nets.gated import GatedParams
from saelib.nets.jumprelu import JumpParams
from saelib.train import Minibatches, Objective, adam

REFERENCE = json.loads((Path(__file__).parent / "data" / "saelens.json").read_text())["cases"]
# SAELens' losses have no 1/2: they are FACTOR times ours, and so are their gradients.
FACTOR = 2


def net_of(case):
    """Return the net that computes what a case of SAELens does, and by what its loss has to be multiplied."""
    config, dead = case["config"], len(case["dead"])
    k_aux = len(case["X"][0]) // 2
    alpha = config.get("aux_loss_coefficient", 1.0) * min(dead / k_aux, 1)
    match case["architecture"]:
        case "standard":
            return nets.ReluL1(config["l1_coefficient"] / 2), FACTOR
        case "gated":
            return nets.Gated(config["l1_coefficient"] / 2, frozen=False), FACTOR
        case "jumprelu":
            return nets.JumpReLU(config["l0_coefficient"] / 2, config["jumprelu_bandwidth"]), FACTOR
        case "topk":
            return nets.TopK(config["k"], k_aux, alpha), FACTOR
        case "batchtopk":
            return nets.BatchTopK(config["k"], k_aux, alpha), FACTOR
        case "matryoshka_batchtopk":
            widths = config["matryoshka_widths"]
            return nets.Matryoshka(config["k"], tuple(widths[:-1])), FACTOR * len(widths)


def params_of(case, values):
    """Return SAELens' parameters, or their gradient, under our names and in our orientation."""
    v = {name: np.array(value) for name, value in values.items()}
    W1, W2, b2 = v["W_enc"].T, v["W_dec"].T, v["b_dec"]
    match case["architecture"]:
        case "gated":
            return GatedParams(W1, v["b_gate"], v["r_mag"], v["b_mag"], W2, b2)
        case "jumprelu":
            return JumpParams(W1, v["b_enc"], W2, b2, v["threshold"])
        case "batchtopk" | "matryoshka_batchtopk":
            return JumpParams(W1, v["b_enc"], W2, b2, np.zeros(()))
        case _:
            return saelib.Params(W1, v["b_enc"], W2, b2)


@pytest.mark.parametrize("name", REFERENCE)
def test_saelens(name):
    case = REFERENCE[name]
    net, factor = net_of(case)
    params, X = params_of(case, case["params"]), np.array(case["X"])
    codes = net.encode(params, X)
    np.testing.assert_allclose(codes.A, case["feature_acts"], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(net.decode(params, codes.A), case["sae_out"], rtol=1e-10, atol=1e-13)
    Z = codes.M if case["architecture"] == "gated" else codes.Z  # SAELens keeps the magnitudes'
    np.testing.assert_allclose(Z, case["hidden_pre"], rtol=1e-10, atol=1e-13)

    penalty, price = net.penalty(net.summary(codes) / len(X))
    if isinstance(net, nets.TopK | nets.BatchTopK):  # SAELens is told who is dead
        price = np.isin(np.arange(len(params.b1)), case["dead"])
    loss, gradient = net.backward(params, X, X, codes, price)
    assert factor * (loss / len(X) + penalty) == pytest.approx(case["loss"], rel=1e-10)
    for field, ours, theirs in zip(gradient._fields, gradient, params_of(case, case["gradient"]), strict=True):
        np.testing.assert_allclose(factor * ours / len(X), theirs, rtol=1e-10, atol=1e-13, err_msg=field)
    assert case["architecture"] != "jumprelu" or np.count_nonzero(gradient.threshold) > 1


def test_each_architecture_of_saelens_is_in_the_file():
    named = {case["architecture"] for case in REFERENCE.values()}
    assert named == {"standard", "gated", "jumprelu", "topk", "batchtopk", "matryoshka_batchtopk"}
    assert {len(case["dead"]) for case in REFERENCE.values()} >= {0, 1, 2, 4}


@pytest.mark.parametrize("name", ["batchtopk", "batchtopk aux"])
def test_the_running_threshold_is_saelens(name):
    case = REFERENCE[name]
    net, params, X = net_of(case)[0], params_of(case, case["params"]), np.array(case["X"])
    params, _, _ = net.remember(params, None, net.summary(net.encode(params, X)) / len(X))
    assert params.threshold == pytest.approx(case["topk_threshold"], rel=1e-12)


# --- the contract -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("net", nets.examples(), ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_the_contract(net, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.1, 0.9, (11, 6))
    assert check_architecture(net, X, rng) < 2e-8


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


class Nested(NamedTuple):
    first: object
    second: object


def test_nested_parameters_are_packed_leaf_by_leaf():
    params = saelib.init_params(5, 4, np.random.default_rng(0))
    nested = Nested(params, Nested(np.arange(3.0), np.ones((2, 2))))
    theta = flatten(nested)
    assert theta.size == sum(P.size for P in params) + 7
    back = unflatten(theta, nested)
    assert isinstance(back.first, saelib.Params) and isinstance(back.second, Nested) and len(leaves(back)) == 6
    assert all(np.array_equal(a, b) for a, b in zip(leaves(back), leaves(nested), strict=True))


@pytest.mark.parametrize("net", nets.examples(), ids=repr)
def test_training_lowers_the_cost(net):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (40, 6))
    start = net.constrain(net.init(6, 5, rng))
    params, _ = adam(net, start, [X] * 150, learning_rate=0.01)
    J = Objective(net, X, like=start, n_jobs=1)
    assert J.cost(flatten(params)) < J.cost(flatten(start))


@pytest.mark.parametrize("net", [n for n in nets.examples() if hasattr(n, "revive")], ids=repr)
def test_revival_touches_the_dead_alone(net):
    rng = np.random.default_rng(0)
    X, params = rng.normal(size=(12, 6)), net.init(6, 5, rng)
    dead = np.array([False, True, False, False, True])
    revived, fresh = net.revive(params, dead, X, rng)
    assert type(revived) is type(params) and type(fresh) is type(params)
    for before, after, new in zip(leaves(params), leaves(revived), leaves(fresh), strict=True):
        assert new.dtype == bool and new.shape == np.shape(before) == np.shape(after) and after.dtype == before.dtype
        np.testing.assert_array_equal(np.where(new, 0, before), np.where(new, 0, after))
    assert fresh.W1.any(axis=1).tolist() == dead.tolist()
    net.check(revived, X, X)


# --- each net beside plain loops --------------------------------------------------------------------------------
def drawn(cls, n=4, h=6, m=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)), [rng.normal(size=s) for s in ((h, n), (h,), (n, h), (n,))], rng


@pytest.mark.parametrize("k", [1, 2.5, 6])
def test_batch_topk_by_sorting(k):
    X, four, _ = drawn(nets.BatchTopK)
    params = JumpParams(*four, np.zeros(()))
    Z, A = nets.BatchTopK(k).encode(params, X)
    ranked = sorted(((Z[i, j], i, j) for i in range(5) for j in range(6)), reverse=True)[: int(k * 5)]
    wanted = np.zeros((5, 6))
    for z, i, j in ranked:
        wanted[i, j] = max(z, 0)
    np.testing.assert_array_equal(A, wanted)


def test_batch_topk_alone_is_a_jumprelu_that_keeps_as_many():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 8))
    net = nets.BatchTopK(2, rate=0.2)
    params, _ = adam(net, net.init(8, 16, rng), (X[rng.choice(2000, 200)] for _ in range(200)), learning_rate=1e-3)
    single, trained = net.for_evaluation(params)
    assert isinstance(single, nets.JumpReLU) and trained.threshold.shape == (16,)
    active = np.count_nonzero(single.encode(trained, X).A) / len(X)
    assert active == pytest.approx(2, abs=0.2)


def test_matryoshka_by_its_definition():
    X, four, rng = drawn(nets.Matryoshka)
    W1, b1, W2, b2 = four
    params, net = JumpParams(*four, np.zeros(())), nets.Matryoshka(2, (1, 4))
    A = net.encode(params, X).A
    wanted = 0
    for i in range(5):
        for width in (1, 4, 6):
            x_hat = b2 + sum(A[i, j] * W2[:, j] for j in range(width))
            wanted += np.sum((x_hat - X[i]) ** 2) / 2 / 3
    assert net.backward(params, X, X, net.encode(params, X), None)[0] == pytest.approx(wanted, rel=1e-13)
    whole = nets.Matryoshka(2, ()).backward(params, X, X, net.encode(params, X), None)
    plain = nets.BatchTopK(2).backward(params, X, X, net.encode(params, X), np.zeros(6, bool))
    assert whole[0] == pytest.approx(plain[0], rel=1e-13)
    np.testing.assert_allclose(flatten(whole[1]), flatten(plain[1]), rtol=1e-12, atol=1e-14)


def test_contractive_penalty_is_the_jacobian_by_differences():
    X, four, _ = drawn(nets.Contractive)
    params, net, h = saelib.Params(*four), nets.Contractive(1.0), 1e-6
    squares = 0
    for x in X:
        moved = [net.encode(params, np.array([x + h * e, x - h * e])).A for e in np.eye(4)]
        squares += sum(np.sum(((up - down) / (2 * h)) ** 2) for up, down in moved)
    costs = [n.backward(params, X, X, n.encode(params, X), None)[0] for n in (net, nets.Contractive(0.0))]
    assert costs[0] - costs[1] == pytest.approx(squares, rel=1e-8)


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_tied_is_the_untied_net_with_the_gradients_added(output):
    X, (W, b1, _, b2), _ = drawn(nets.Tied)
    loose = nets.Contractive(0.0, output)
    untied = saelib.Params(W, b1, W.T, b2)
    loss, parts = loose.backward(untied, X, X, loose.encode(untied, X), None)
    net = nets.Tied(output=output)
    params = nets.tied.TiedParams(W, b1, b2)
    ours, gradient = net.backward(params, X, X, net.encode(params, X), None)
    assert ours == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(gradient.W, parts.W1 + parts.W2.T, rtol=1e-11, atol=1e-13)


def test_deep_with_one_layer_is_the_page():
    rng = np.random.default_rng(0)
    X, net = rng.uniform(0.1, 0.9, (8, 5)), nets.Deep((), code="sigmoid", lam=0.1)
    params = net.init(5, 3, rng)
    (W1, b1), (W2, b2) = params.encoder[0], params.decoder[0]
    J, gradient = Objective(net, X, like=params)(flatten(params))
    wanted = saelib.cost_and_gradient(saelib.Params(W1, b1, W2, b2), X, lam=0.1, rho=0.1, beta=0.0, output="sigmoid")
    assert J == pytest.approx(wanted[0], rel=1e-13)
    np.testing.assert_allclose(gradient, saelib.pack(wanted[1]), rtol=1e-10, atol=1e-14)


def test_deep_denoises_and_its_cross_entropy_is_the_textbooks():
    rng = np.random.default_rng(0)
    clean = rng.uniform(size=(7, 6))
    noisy = clean + 0.1 * rng.normal(size=clean.shape)
    net = nets.Deep((5,), hidden="tanh", loss="cross entropy")
    params = net.init(6, 3, rng)
    net.check(params, noisy, clean)
    codes = net.encode(params, noisy)
    A = net.decode(params, codes.A)
    wanted = -np.sum(clean * np.log(A) + (1 - clean) * np.log(1 - A))
    assert net.backward(params, noisy, clean, codes, None)[0] == pytest.approx(wanted, rel=1e-12)
    objective = Objective(net, noisy, target=clean, like=params)
    assert saelib.check_gradient(objective, flatten(params), tolerance=1e-7).passed


def test_deep_goes_up_the_way_that_it_came_down():
    rng = np.random.default_rng(0)
    X, net = rng.uniform(size=(6, 5)), nets.Deep((7, 4), hidden=("tanh", "relu"), output="linear")
    params = net.init(5, 2, rng)
    assert [W.shape for part in params for W, _ in part] == [(7, 5), (4, 7), (2, 4), (4, 2), (7, 4), (5, 7)]
    (V1, _), (V2, _), (V3, _) = params.encoder
    (V4, _), (V5, _), (V6, _) = params.decoder
    for x, z, x_hat in zip(X, net.encode(params, X).A, net.decode(params, net.encode(params, X).A), strict=True):
        np.testing.assert_allclose(z, V3 @ np.maximum(V2 @ np.tanh(V1 @ x), 0), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(x_hat, V6 @ np.tanh(V5 @ np.maximum(V4 @ z, 0)), rtol=1e-12, atol=1e-14)


# --- JumpReLU's convention --------------------------------------------------------------------------------------
def test_the_straight_through_gradient_estimates_that_of_the_expected_cost():
    """Over many samples it comes close to finite differences of the true cost, thresholds hard."""
    rng = np.random.default_rng(0)
    X, net = rng.normal(size=(200_000, 3)), nets.JumpReLU(0.1, bandwidth=0.1)
    params = net.init(3, 4, rng)._replace(threshold=rng.uniform(0.3, 0.9, 4))
    objective = Objective(net, X, like=params)
    gradient, theta, h = objective(flatten(params))[1][-4:], flatten(params), 0.02
    steps = h * np.eye(theta.size)[-4:]
    wanted = [(objective.cost(theta + step) - objective.cost(theta - step)) / (2 * h) for step in steps]
    assert np.linalg.norm(gradient - wanted) < 0.1 * np.linalg.norm(wanted)


def test_thresholds_stay_at_zero_or_above():
    params = nets.JumpReLU(0.1).init(4, 3, np.random.default_rng(0))
    moved = nets.JumpReLU(0.1).constrain(params._replace(threshold=np.array([-0.2, 0.0, 0.3])))
    assert moved.threshold.tolist() == [0.0, 0.0, 0.3]


@pytest.mark.parametrize("target_l0", [None, 2.0])
def test_the_price_is_the_derivative_of_the_penalty(target_l0):
    net, mean, h = nets.JumpReLU(0.7, 0.1, target_l0), np.array([0.3, 0.9, 0.05]), 1e-6
    for step in h * np.eye(3):
        slope = (net.penalty(mean + step)[0] - net.penalty(mean - step)[0]) / (2 * h)
        assert net.penalty(mean)[1] == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize(
    "net, sentence",
    [
        (nets.BatchTopK(9.0), "keeps 45 of 5 x 6 activations"),
        (nets.BatchTopK(0.1), "keeps 0 of 5 x 6 activations"),
        (nets.Matryoshka(2, (4, 3)), "widths must increase and stay below 6"),
        (nets.Matryoshka(2, (6,)), "widths must increase and stay below 6"),
        (nets.JumpReLU(-1.0), "lam must be a finite number >= 0"),
        (nets.JumpReLU(1.0, 0.0), "bandwidth must be a finite number > 0"),
        (nets.JumpReLU(1.0, 0.1, 0.0), "target_l0 must be a finite number > 0"),
        (nets.Gated(-1.0), "mu must be a finite number >= 0"),
        (nets.Contractive(-1.0), "lam must be a finite number >= 0"),
        (nets.Tied(0.0, "softmax"), "output must be one of"),
        (nets.Deep((3,), hidden="step"), "hidden must be one of"),
        (nets.Deep((3,), output="linear", loss="cross entropy"), "output must be one of"),
        (nets.Deep((3,), loss="cross entropy"), "target must lie in"),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_said(net, sentence):
    rng = np.random.default_rng(0)
    X = 2 + rng.normal(size=(5, 4))
    with pytest.raises(ValueError, match=sentence):
        net.check(net.init(4, 6, rng), X, X)
    with pytest.raises(ValueError):
        net.check(net.init(4, 6, rng), X, X[:, :3])


# --- streams ----------------------------------------------------------------------------------------------------
REMEMBERING = [net._replace(dead_after=2) for net in nets.examples() if hasattr(net, "remember")]


@pytest.mark.parametrize("net", REMEMBERING, ids=repr)
def test_a_stream_resumes_exactly_and_revives(net):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6))
    start = net.init(6, 5, rng)
    start = start._replace(**{"b_gate" if hasattr(start, "b_gate") else "b1": np.array([0.0, -50, 0, 0, -50])})
    whole, descent = adam(net, start, Minibatches(X, 20, epochs=2))
    _, first = adam(net, start, Minibatches(X, 20, epochs=1))
    resumed, _ = adam(net, start, Minibatches(X, 20, epochs=2, start=first.state.t), state=first.state)
    for one, two in zip(leaves(whole), leaves(resumed), strict=True):
        np.testing.assert_array_equal(one, two)
    assert descent.dead[-1] >= 2
    revived, descent = adam(net, start, Minibatches(X, 20, epochs=2), revive_every=6, rng=np.random.default_rng(1))
    bias = revived.b_gate if hasattr(revived, "b_gate") else revived.b1
    assert np.abs(bias).max() < 1


@pytest.mark.parametrize("net", nets.examples(), ids=repr)
@pytest.mark.parametrize("wrong", ["tuple", "list", "none", "other"])
def test_parameters_of_another_kind_are_one_clear_error(net, wrong):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (8, 4))
    other = saelib.Params(X, X, X, X) if hasattr(net.init(4, 5, rng), "W1") else saelib.init_params(4, 5, rng)
    params = {"tuple": (X, X), "list": [X], "none": None, "other": other}[wrong]
    with pytest.raises(ValueError):
        net.check(params, X, X)
    with pytest.raises(ValueError):
        adam(net, params, [X])
