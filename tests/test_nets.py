"""The nets of `saelib.nets`: beside SAELens' own numbers, beside plain loops, and what each promises by itself."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import saelib
from saelib import nets
from saelib.architecture import check_architecture, flatten, leaves, named_leaves, unflatten, write
from saelib.nets import _latents
from saelib.nets.deep import DeepParams, Layer
from saelib.nets.gated import GatedParams
from saelib.nets.jumprelu import JumpParams
from saelib.nets.topk import KeptOnly, keep_largest
from saelib.objective import Plain, form_of
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


def test_a_subclass_that_changes_an_equation_is_computed_as_it_stands():
    class Frozen(nets.ReluL1):
        def backward(self, *arguments):
            loss, gradient = nets.ReluL1.backward(self, *arguments)
            return loss, gradient._replace(W2=0 * gradient.W2)

    class Renamed(nets.ReluL1):
        pass

    rng = np.random.default_rng(5)
    X, params = rng.normal(size=(7, 4)), nets.ReluL1(0.1).init(4, 6, rng)
    for net, moves in ((Frozen(0.1), False), (Renamed(0.1), True), (nets.ReluL1(0.1), True)):
        assert isinstance(form_of(net, params), Plain) and (type(form_of(net, params)) is not Plain) == moves
        gradient = unflatten(Objective(net, X, like=params)(flatten(params))[1], params)
        assert np.any(gradient.W1) and np.any(gradient.W2) == moves


def test_of_many_latents_the_kept_ones_alone_are_computed_and_nothing_else_changes():
    for seed, h, k, k_aux in ((0, 1024, 8, 0), (1, 1024, 64, 40), (2, 1500, 1, 3000)):
        rng = np.random.default_rng(seed)
        net = nets.TopK(k, k_aux=k_aux, alpha=0.3)
        params = net.init(20, h, rng)
        params = params._replace(b1=rng.normal(-4.2, 1, h), b2=rng.normal(size=20) / 5)  # some rows activate fewer
        X = rng.normal(size=(50, 20))
        target = X + rng.normal(size=X.shape) / 3
        plain, kept = Plain(net, params), form_of(net, params)
        assert isinstance(kept, KeptOnly)
        codes, few = plain.encode(X), kept.encode(X)
        few = kept.encode(X, few)  # in the memory of the first
        np.testing.assert_allclose(few.A.toarray(), codes.A, atol=1e-12)
        np.testing.assert_array_equal(kept.summary(few), plain.summary(codes))
        assert k == 1 or np.min(np.sum(codes.A > 0, axis=1)) < k
        for dead in (np.zeros(h, bool), plain.summary(codes) == 0):
            loss, gradient = plain.backward(X, target, codes, dead)
            fast_loss, fast_gradient = kept.backward(X, target, few, dead)
            assert fast_loss == pytest.approx(loss, rel=1e-12)
            np.testing.assert_allclose(fast_gradient, gradient, atol=1e-10)
            single = form_of(net, params._replace(**{name: P.astype("f4") for name, P in params._asdict().items()}))
            codes32 = single.encode(X.astype("f4"))
            assert single.backward(X.astype("f4"), target.astype("f4"), codes32, dead)[1].dtype == np.float32
    for small in (nets.TopK(65), nets.TopK(63)):
        assert type(form_of(small, small.init(5, 1024 - (small.k < 64), np.random.default_rng(0)))) is Plain


def test_a_fast_form_that_computes_something_else_is_reported():
    class Wrong(nets.Sigmoid):
        def fast(self, params):
            return nets.Sigmoid(self.lam, self.rho, 2 * self.beta, "linear").fast(params)

        def __reduce__(self):
            return nets.Sigmoid, tuple(self)

    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="^Wrong: its fast form does not compute the same"):
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


def test_what_is_written_into_parameters_lands_in_their_vector():
    theta = np.zeros(6)
    like = Nested(Nested(np.zeros((2, 2)), np.zeros(1)), np.zeros(1))
    places = unflatten(theta, like)
    write(Nested(Nested(np.array([[1, 2], [3, 4]]), places.first.second), np.float32(5)), places)
    assert theta.tolist() == [1, 2, 3, 4, 0, 5]
    with pytest.raises(ValueError):  # not a part of them without a word
        write(places.first, places)


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


# --- what the nets with latents share ---------------------------------------------------------------------------
def test_the_largest_of_each_row_are_kept():
    Z = np.array([[1.0, 4.0, 3.0], [6.0, 5.0, 7.0]])
    assert keep_largest(Z, 2).tolist() == [[0, 4, 3], [6, 0, 7]]
    assert keep_largest(Z, 5).tolist() == Z.tolist()


def test_columns_get_the_length_one_and_a_column_of_zeros_stays():
    W2 = np.array([[3.0, 0.0, 0.1], [4.0, 0.0, 0.0]])
    np.testing.assert_allclose(_latents.unit_columns(W2), [[0.6, 0, 1], [0.8, 0, 0]], rtol=1e-15)


def test_a_gradient_without_its_radial_part_is_at_right_angles_to_the_columns():
    _, four, rng = drawn(nets.TopK)
    params, gradient = saelib.Params(*four), saelib.Params(*(rng.normal(size=P.shape) for P in four))
    rest = _latents.without_radial_part(params, gradient)
    for d, before, after in zip(params.W2.T, gradient.W2.T, rest.W2.T, strict=True):
        np.testing.assert_allclose(after, before - (before @ d) / (d @ d) * d, rtol=1e-12, atol=1e-14)
    assert rest._replace(W2=None) == gradient._replace(W2=None)


@pytest.mark.parametrize("net", nets.examples(), ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_net_begins_with_finite_numbers_of_the_dtype_asked_for(net, dtype):
    params = net.init(6, 5, np.random.default_rng(0), dtype=dtype)
    assert all(P.dtype == dtype and np.isfinite(P).all() for P in leaves(params))
    assert all(P.dtype == np.float64 for P in leaves(net.init(6, 5, np.random.default_rng(0))))


def test_latents_begin_as_directions_that_are_read_as_they_are_written():
    W1, b1, W2, b2 = _latents.tied_start(40, 30, np.random.default_rng(0), np.float64)
    np.testing.assert_allclose(np.linalg.norm(W1, axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(W2, W1.T)
    assert not np.shares_memory(W1, W2) and not b1.any() and not b2.any() and (b1.size, b2.size) == (30, 40)
    assert abs(W1.mean()) < 0.02 and np.abs(W1 @ W1.T - np.eye(30)).max() < 0.8
    assert nets.JumpReLU(0.1).init(4, 3, np.random.default_rng(0)).threshold.tolist() == [0.01] * 3
    gated = nets.Gated(0.1).init(4, 3, np.random.default_rng(0))
    assert not any(P.any() for P in (gated.b_gate, gated.r_mag, gated.b_mag, gated.b2))


@pytest.mark.parametrize(
    "net, names",
    [(cls(), ("n_visible", "n_hidden")) for cls in (nets.Sigmoid, nets.Tied, nets.Toy)]
    + [(nets.Contractive(0.1), ("n_visible", "n_hidden")), (nets.Deep((3,)), ("sizes", "sizes"))],
    ids=repr,
)
def test_sizes_and_generators_that_are_none_are_named(net, names):
    for sizes, name in zip(((0, 5), (5, 0)), names, strict=True):
        with pytest.raises(ValueError, match=f"^{name} must be a whole number >= 1, got 0"):
            net.init(*sizes, np.random.default_rng(0))
    with pytest.raises(ValueError, match="^rng must be a Generator"):
        net.init(4, 5, 0)


def test_deep_layers_begin_within_their_range():
    params = nets.Deep((60,)).init(90, 30, np.random.default_rng(0))
    for W, b in (*params.encoder, *params.decoder):
        r = np.sqrt(6 / sum(W.shape))
        assert 0.98 * r < np.abs(W).max() <= r and abs(W.mean()) < 0.05 * r and not b.any()


def test_the_toy_model_begins_small():
    W, b = nets.Toy().init(90, 60, np.random.default_rng(0))
    assert W.shape == (60, 90) and abs(W.std() / np.sqrt(2 / 150) - 1) < 0.03 and not b.any()
    assert nets.Toy(0.5).weights(4).tolist() == [1, 0.5, 0.25, 0.125]


def test_a_latent_is_dead_after_so_many_silent_batches():
    memory, seen = _latents.silence(None, np.array([0.5, 0.0, 0.0]), 2)
    assert memory.tolist() == [0, 1, 1] and seen.tolist() == [0.5, _latents.TINY, _latents.TINY]
    memory, seen = _latents.silence(memory, np.array([0.0, 0.0, 0.25]), 2)
    assert memory.tolist() == [1, 2, 0] and seen.tolist() == [_latents.TINY, 0, 0.25]
    assert _latents.silence(None, np.array([0.0, 0.1]), 1)[1].tolist() == [0, 0.1]


def test_revival_by_its_definition():
    X, four, _ = drawn(nets.TopK, m=7)
    dead, loss = np.array([False, True, False, True, True, False]), np.array([0.1, 0.5, 0.0, 0.2, 0.1, 0.4, 0.3])
    (W1, b1, W2, b2), fresh = _latents.revive(saelib.Params(*four), dead, X, loss, np.random.default_rng(5))
    rows = X[np.random.default_rng(5).choice(7, 3, p=loss**2 / np.sum(loss**2))] - four[3]
    rows = np.array([row / np.sqrt(row @ row) for row in rows])
    living = np.mean([np.sqrt(w @ w) for w in four[0][~dead]])
    np.testing.assert_allclose(W1[dead], living / 5 * rows, rtol=1e-13)
    np.testing.assert_allclose(W2[:, dead], rows.T, rtol=1e-13)
    assert not b1[dead].any() and np.array_equal(b2, four[3])
    for before, after, axis in ((four[0], W1, 0), (four[1], b1, 0), (four[2], W2, 1)):
        np.testing.assert_array_equal(np.compress(~dead, after, axis), np.compress(~dead, before, axis))
    assert fresh.b1.tolist() == dead.tolist() and fresh.W1.tolist() == [[d] * 4 for d in dead]
    assert fresh.W2.tolist() == [dead.tolist()] * 4 and not fresh.b2.any()


def test_revival_at_its_limits():
    X, four, rng = drawn(nets.TopK)
    params, all_dead = saelib.Params(*four), np.ones(6, bool)
    W1, _, W2, _ = _latents.revive(params, all_dead, X, np.array([0, 0, 0.1, 0, 0]), rng)[0]
    row = (X[2] - params.b2) / np.linalg.norm(X[2] - params.b2)  # the only one that is missed
    np.testing.assert_allclose(W2.T, [row] * 6, rtol=1e-13)
    np.testing.assert_allclose(W1, [0.2 * row] * 6, rtol=1e-13)  # no latent lives whose length could be taken
    perfect = _latents.revive(params, all_dead, X, np.zeros(5), np.random.default_rng(5))[0]
    rows = X[np.random.default_rng(5).choice(5, 6)] - params.b2  # all rows are equally likely
    np.testing.assert_allclose(perfect.W2.T, rows / np.linalg.norm(rows, axis=1)[:, np.newaxis], rtol=1e-13)
    still = _latents.revive(params._replace(b2=X[0]), all_dead, X[:1], np.ones(1), rng)[0]
    assert not still.W2.any() and not still.W1.any()  # a row without a direction


def test_what_else_a_revived_latent_has_begins_anew():
    X, four, rng = drawn(nets.TopK)
    dead, thresholds = np.array([True, False, False, True, False, False]), np.full(6, 0.7)
    params, fresh = nets.JumpReLU(0.1).revive(JumpParams(*four, thresholds), dead, X, rng)
    assert params.threshold.tolist() == np.where(dead, 0.01, 0.7).tolist() and fresh.threshold.tolist() == dead.tolist()
    gated = GatedParams(four[0], four[1], thresholds, -thresholds, *four[2:])
    params, fresh = nets.Gated(0.1).revive(gated, dead, X, rng)
    assert params.r_mag.tolist() == np.where(dead, 0, 0.7).tolist() == (-params.b_mag).tolist()
    assert fresh.r_mag.tolist() == fresh.b_mag.tolist() == fresh.b_gate.tolist() == dead.tolist()
    params, fresh = nets.BatchTopK(2).revive(JumpParams(*four, np.array(0.3)), np.append(dead, True), X, rng)
    assert params.threshold == 0.3 and not fresh.threshold and fresh.b1.tolist() == dead.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_running_threshold_of_a_batch_by_hand(dtype):
    _, four, _ = drawn(nets.BatchTopK)
    params, net = JumpParams(*four, np.array(0.5, dtype)), nets.BatchTopK(2, dead_after=1, rate=0.25)
    moved, memory, mean = net.remember(params, None, np.array([0.1, 0, 0.2, 0, 0, 0.4, 0.9]))
    assert moved.threshold.dtype == dtype and moved.threshold == pytest.approx(0.75 * 0.5 + 0.25 * 0.9, rel=1e-6)
    assert memory.tolist() == [0, 1, 0, 1, 1, 0] and mean.tolist() == [0.1, 0, 0.2, 0, 0, 0.4, 0.9]
    silent, _, mean = net.remember(params, None, np.zeros(7))
    assert silent.threshold == 0.5 and mean[-1] == _latents.TINY and net.penalty(mean)[1].tolist() == [True] * 6
    assert nets.BatchTopK(2).summary(net.encode(params, np.zeros((3, 4)))._replace(A=np.zeros((3, 6))))[-1] == 0
    single, alone = net.for_evaluation(params)
    assert single == nets.JumpReLU(0.0) and alone.threshold.tolist() == [0.5] * 6


def test_a_probe_of_thresholds_lies_beside_pre_activations():
    X, four, rng = drawn(nets.JumpReLU)
    net, params = nets.JumpReLU(0.1, bandwidth=0.5), JumpParams(*four, np.zeros(6))
    away = net.probe(params, X, rng).threshold - np.abs(net.encode(params, X).Z[0])
    assert np.abs(away).max() <= 0.2 and away.min() < 0 < away.max() and np.abs(away).max() > 0.05


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


def four_of(n=4, h=6):
    return saelib.init_params(n, h, np.random.default_rng(0))


def kind_or_sentence(value):
    return value if isinstance(value, str) else type(value).__name__


JUMP, GATED = JumpParams(*four_of(), np.zeros(6)), GatedParams(*four_of()[:2], np.zeros(6), np.zeros(6), *four_of()[2:])
DEEP, ROWS = nets.Deep((3,)).init(4, 2, np.random.default_rng(0)), np.full((5, 4), 0.5)


@pytest.mark.parametrize(
    "net, params, X, target, sentence",
    [
        (nets.TopK(2), four_of(), ROWS[:, :3], ROWS, "X must have 4 columns, got shape (5, 3)"),
        (nets.TopK(2), four_of(), ROWS, ROWS[:, :3], "target must have 4 columns, got shape (5, 3)"),
        (nets.TopK(2), four_of(), ROWS[0], ROWS, "X must have 4 columns, got shape (4,)"),
        (nets.TopK(2), four_of(), ROWS[0, 0], ROWS, "X must have 4 columns, got shape ()"),
        (nets.TopK(7), four_of(), ROWS, ROWS, "k must be a whole number from 1 to 6, got 7"),
        (nets.TopK(2, -1), four_of(), ROWS, ROWS, "k_aux must be a whole number >= 0, got -1"),
        (nets.TopK(2, 1, -1.0), four_of(), ROWS, ROWS, "alpha must be a finite number >= 0, got -1"),
        (nets.TopK(2, 1, 1.0, 0), four_of(), ROWS, ROWS, "dead_after must be a whole number >= 1, got 0"),
        (nets.TopK(2), JUMP, ROWS, ROWS, "params must be Params(W1, b1, W2, b2), got JumpParams"),
        (nets.ReluL1(0.1, 0), four_of(), ROWS, ROWS, "dead_after must be a whole number >= 1, got 0"),
        (nets.BatchTopK(0.0), JUMP, ROWS, ROWS, "k must be a finite number > 0, got 0"),
        (nets.BatchTopK(2, -1), JUMP, ROWS, ROWS, "k_aux must be a whole number >= 0, got -1"),
        (nets.BatchTopK(2, 1, -1.0), JUMP, ROWS, ROWS, "alpha must be a finite number >= 0, got -1"),
        (nets.BatchTopK(2, dead_after=0), JUMP, ROWS, ROWS, "dead_after must be a whole number >= 1, got 0"),
        (nets.BatchTopK(2, rate=1.0), JUMP, ROWS, ROWS, "rate must lie strictly between 0 and 1, got 1"),
        (nets.Matryoshka(2, (2,), 0), JUMP, ROWS, ROWS, "dead_after must be a whole number >= 1, got 0"),
        (nets.Matryoshka(2, (2,), rate=1.0), JUMP, ROWS, ROWS, "rate must lie strictly between 0 and 1, got 1"),
        (nets.Matryoshka(2, (2.0,)), JUMP, ROWS, ROWS, "widths must be a whole number, got float 2.0"),
        (nets.Matryoshka(2, (3, 3)), JUMP, ROWS, ROWS, "widths must increase and stay below 6, got (3, 3)"),
        (nets.JumpReLU(1.0, dead_after=0), JUMP, ROWS, ROWS, "dead_after must be a whole number >= 1, got 0"),
        (
            nets.JumpReLU(1.0),
            JUMP._replace(threshold=np.zeros(5)),
            ROWS,
            ROWS,
            "threshold must have shape (6,), got (5,)",
        ),
        (nets.Gated(1.0, dead_after=0), GATED, ROWS, ROWS, "dead_after must be a whole number >= 1, got 0"),
        (nets.Gated(1.0), GATED._replace(r_mag=np.zeros(5)), ROWS, ROWS, "r_mag must have shape (6,), got (5,)"),
        (nets.Gated(1.0), GATED._replace(b_mag=np.zeros(5)), ROWS, ROWS, "b_mag must have shape (6,), got (5,)"),
        (nets.Contractive(0.0, "softmax"), four_of(), ROWS, ROWS, "output must be one of 'sigmoid', 'linear', got"),
        (nets.Tied(-1.0), nets.tied.TiedParams(*four_of()[:2], four_of().b2), ROWS, ROWS, "lam must be a finite"),
        (nets.Deep((3,), lam=-1.0), DEEP, ROWS, ROWS, "lam must be a finite number >= 0, got -1"),
        (
            nets.Deep((3,), loss="cubic"),
            DEEP,
            ROWS,
            ROWS,
            "loss must be one of 'squared', 'cross entropy', got 'cubic'",
        ),
        (nets.Deep((3,), output="relu"), DEEP, ROWS, ROWS, "output must be one of 'sigmoid', 'linear', got 'relu'"),
        (nets.Deep((3,), code="step"), DEEP, ROWS, ROWS, "hidden must be one of 'sigmoid', 'tanh', 'relu', 'linear'"),
        (nets.Deep((3, 3)), DEEP, ROWS, ROWS, "sizes of 2 layers and parameters or activations do not fit"),
        (nets.Deep((3,), ("tanh", "tanh")), DEEP, ROWS, ROWS, "sizes of 1 layers and parameters or activations do not"),
        (nets.Deep((3,)), DEEP, ROWS[:, :3], ROWS, "W must have shape (3, 3) between its neighbors, got (3, 4)"),
        (nets.Deep((3,)), DEEP, ROWS, ROWS[:, :3], "target must have 4 columns, got shape (5, 3)"),
        (nets.Deep((3,)), DEEP, ROWS, ROWS[0], "target must have 4 columns, got shape (4,)"),
        (
            nets.Deep((3,)),
            DeepParams(DEEP.encoder, DEEP.decoder[:1]),
            ROWS,
            ROWS,
            "sizes of 1 layers and parameters or activations do not fit",
        ),
        (
            nets.Deep((3,)),
            DEEP._replace(encoder=(Layer(np.ones(4), np.ones(3)), DEEP.encoder[1])),
            ROWS,
            ROWS,
            "W must have shape (3, 4) between its neighbors, got (4,)",
        ),
        (
            nets.Deep((3,)),
            DEEP._replace(encoder=tuple(map(tuple, DEEP.encoder))),
            ROWS,
            ROWS,
            "encoder and decoder must be tuples of Layer(W, b)",
        ),
        (nets.Deep((3,), loss="cross entropy"), DEEP, ROWS, 3 * ROWS, "target must lie in [0, 1] for a cross entropy"),
        (nets.Deep((3,), loss="cross entropy"), DEEP, ROWS, -ROWS, "target must lie in [0, 1] for a cross entropy"),
        (nets.Toy(0.0), nets.toy.ToyParams(np.ones((2, 4)), np.ones(4)), ROWS, ROWS, "importance must be a finite"),
        (
            nets.Toy(),
            nets.toy.ToyParams(np.ones((2, 4)), np.ones(3)),
            ROWS,
            ROWS,
            "W must be (s2, s1) and b (s1,), got shapes (2, 4) and (3,)",
        ),
        (nets.Toy(), nets.toy.ToyParams(np.ones(4), np.ones(4)), ROWS, ROWS, "W must be (s2, s1) and b (s1,), got"),
        (
            nets.Toy(),
            nets.toy.ToyParams(np.ones((2, 4)), np.ones(4)),
            ROWS[:, :3],
            ROWS,
            "X must have 4 columns, got shape (5, 3)",
        ),
        (
            nets.Toy(),
            nets.toy.ToyParams(np.ones((2, 4)), np.ones(4)),
            ROWS,
            ROWS[0],
            "target must have 4 columns, got shape (4,)",
        ),
        (nets.Sigmoid(rho=1.0), four_of(), ROWS, ROWS, "rho must lie strictly between 0 and 1, got 1"),
        (nets.Sigmoid(beta=-1.0), four_of(), ROWS, ROWS, "beta must be a finite number >= 0, got -1"),
        (nets.Sigmoid(), four_of(), ROWS[:, :3], ROWS, "X must have 4 columns, got shape (5, 3)"),
    ],
    ids=kind_or_sentence,
)
def test_the_misfit_is_named(net, params, X, target, sentence):
    with pytest.raises(ValueError) as caught:
        net.check(params, X, target)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    "net, params, target",
    [
        (nets.TopK(6, dead_after=1), four_of(), ROWS),
        (nets.BatchTopK(6.0), JUMP, ROWS),
        (nets.BatchTopK(0.2), JUMP, ROWS),
        (nets.Matryoshka(2, (5,)), JUMP, ROWS),
        (nets.Matryoshka(2, ()), JUMP, ROWS),
        (nets.Deep((3,), loss="cross entropy"), DEEP, np.round(ROWS * np.arange(1, 5) / 2)),
    ],
    ids=kind_or_sentence,
)
def test_what_just_fits_passes(net, params, target):
    net.check(params, ROWS, target)


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


# --- the parts of the contract, one by one ----------------------------------------------------------------------
@pytest.mark.parametrize("output", ["linear", "sigmoid"])
@pytest.mark.parametrize("cls", [nets.Contractive, nets.Tied])
def test_a_reconstruction_is_the_formulas(cls, output):
    X, (W1, b1, W2, b2), _ = drawn(cls)
    tied = cls is nets.Tied
    params = nets.tied.TiedParams(W1, b1, b2) if tied else saelib.Params(W1, b1, W2, b2)
    net = cls(0.1, output)
    A = net.encode(params, X).A
    np.testing.assert_allclose(A, 1 / (1 + np.exp(-X @ W1.T - b1)), rtol=1e-13)
    Z3 = A @ (W1 if tied else W2.T) + b2
    np.testing.assert_allclose(net.decode(params, A), Z3 if output == "linear" else 1 / (1 + np.exp(-Z3)), rtol=1e-12)


def test_the_codes_of_the_toy_model_are_linear():
    rng = np.random.default_rng(0)
    X, params = rng.normal(size=(5, 4)), nets.Toy().init(4, 2, rng)
    Z, A = nets.Toy().encode(params, X)
    np.testing.assert_array_equal(Z, X @ params.W.T)
    np.testing.assert_array_equal(A, Z)


def test_only_a_frozen_decoder_is_projected():
    _, four, rng = drawn(nets.Gated)
    params = GatedParams(*four[:2], np.zeros(6), np.zeros(6), *four[2:])
    gradient = params._replace(W2=rng.normal(size=(4, 6)))
    assert nets.Gated(0.1, frozen=False).project(params, gradient) is gradient
    held = nets.Gated(0.1).project(params, gradient)
    np.testing.assert_allclose(np.sum(held.W2 * params.W2, axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(nets.Gated(0.1, frozen=False).constrain(params).W2, params.W2)


@pytest.mark.parametrize("net", [n for n in nets.examples() if hasattr(n, "revive")], ids=repr)
def test_rows_are_drawn_for_revival_by_their_squared_errors(net, monkeypatch):
    rng = np.random.default_rng(0)
    X, params, asked = rng.normal(size=(12, 6)), net.init(6, 5, rng), []
    revive = _latents.revive

    def seen(four, dead, X, loss, rng):
        asked.append(loss)
        return revive(four, dead, X, loss, rng)

    monkeypatch.setattr(_latents, "revive", seen)
    _, fresh = net.revive(params, [0, 1, 0, 0, 1], X, rng)
    X_hat = net.decode(params, net.encode(params, X).A)
    np.testing.assert_allclose(asked, [[sum((x - y) ** 2) for x, y in zip(X, X_hat, strict=True)]], rtol=1e-12)
    assert all(new.dtype == bool for new in leaves(fresh))


def added(terms):
    """Return the sum of float32 terms in double precision."""
    assert terms.dtype == np.float32
    return np.sum(terms, dtype=float)


def lengths_of(W2):
    return np.sqrt(np.sum(W2 * W2, axis=0))


def price_of(net, params, X, codes):
    """Return what a net adds to half the squared error."""
    match net:
        case nets.ReluL1():
            return net.mu * added(codes.A.sum(axis=0) * lengths_of(params.W2))
        case nets.Gated():
            G = np.clip(codes.Z, 0, None)
            return added((net.decode(params, G) - X) ** 2) / 2 + net.mu * added(G.sum(axis=0) * lengths_of(params.W2))
        case nets.Contractive():
            slope = codes.A * codes.rest
            return net.lam * added(np.sum(slope**2, axis=0) * np.sum(params.W1 * params.W1, axis=1))
    return 0.0


@pytest.mark.parametrize(
    "net",
    [
        *(nets.ReluL1(0.0), nets.ReluL1(50.0), nets.Gated(0.0), nets.Gated(50.0), nets.Contractive(0.0)),
        *(nets.Contractive(50.0), nets.JumpReLU(0.1), nets.TopK(3), nets.BatchTopK(3), nets.Matryoshka(3, ())),
        *(nets.Tied(), nets.Toy(), nets.Toy(0.5), nets.Sigmoid(output="linear"), nets.Deep((4,), output="linear")),
    ],
    ids=repr,
)
def test_the_loss_of_float32_rows_is_added_in_double_precision(net):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(99, 6)).astype(np.float32)
    params = net.init(6, 5, rng, dtype=np.float32)
    codes = net.encode(params, X)
    error = net.decode(params, codes.A) - X
    squares = net.weights(6).astype(np.float32) * error**2 if isinstance(net, nets.Toy) else error**2
    price = np.zeros((), bool) if isinstance(net, nets.TopK | nets.BatchTopK) else np.zeros(5)
    price = 0.0 if isinstance(net, nets.JumpReLU) else price
    loss, gradient = net.backward(params, X, X, codes, price)
    assert loss == pytest.approx(added(squares) / 2 + price_of(net, params, X, codes), rel=1e-11)
    assert all(P.dtype == np.float32 for P in leaves(gradient))


def test_sums_of_float32_over_rows_and_weights_are_in_double_precision():
    rng = np.random.default_rng(0)
    X, net, deep = rng.normal(size=(999, 6)).astype(np.float32), nets.Sigmoid(), nets.Deep((40,), lam=2.0)
    codes = net.encode(net.init(6, 5, rng, dtype=np.float32), X)
    wanted = [P.astype(float).sum(axis=0) for P in (codes.A, codes.rest)]
    np.testing.assert_allclose(net.summary(codes), wanted, rtol=1e-13)
    params = deep.init(60, 30, rng, dtype=np.float32)
    wanted = sum(added(W**2) for part in params for W, _ in part)
    assert deep.decay(params)[0] == pytest.approx(wanted, rel=1e-13)


# --- the list of nets -------------------------------------------------------------------------------------------
def test_every_net_that_is_found_has_a_name_and_examples():
    found = nets.discover()
    assert {"Sigmoid", "TopK", "Gated", "Deep", "Toy"} <= found.keys() and "JumpParams" not in found
    assert {type(net) for net in nets.examples()} == set(found.values())
    assert all(getattr(nets, name) is cls for name, cls in found.items())
    assert set(dir(nets)) >= {*found, "discover", "examples"} and dir(nets) == sorted(dir(nets))


def test_what_is_no_net_is_no_attribute(monkeypatch):
    with pytest.raises(AttributeError, match="^module 'saelib.nets' has no attribute 'Nothing'$"):
        nets.Nothing  # noqa: B018
    monkeypatch.setattr(nets, "discover", lambda: {"_Private": nets.sigmoid.Sigmoid})
    assert not hasattr(nets, "_Private")


# --- what `check_architecture` and the packing of parameters insist on ------------------------------------------
def broken(base, **methods):
    """Return a class of nets with other methods, which survive pickling as what they were made of."""
    return type("Broken", (base,), methods | {"__reduce__": lambda self: (base, tuple(self))})


def insisted(net, rows=9, seed=0):
    rng = np.random.default_rng(seed)
    with pytest.raises(ValueError) as caught:
        check_architecture(net, rng.uniform(0.1, 0.9, (rows, 4)), rng)
    return str(caught.value)


def not_finite(self, *arguments):
    loss, gradient = nets.ReluL1.backward(self, *arguments)
    return loss, gradient._replace(b1=gradient.b1 * np.nan)


def in_double_precision(self, params, X):
    codes = nets.ReluL1.encode(self, params, X)
    return codes._replace(A=codes.A.astype(float))


@pytest.mark.parametrize(
    "methods, sentence",
    [
        ({"decode": lambda self, p, A: nets.ReluL1.decode(self, p, A)[:, :1]}, "reconstructions have shape (9, 1)"),
        ({"backward": not_finite}, "cost or gradient is not finite"),
        ({"encode": in_double_precision}, "codes of float32 come as float64"),
    ],
    ids=["reconstructions", "finite", "float32"],
)
def test_what_a_net_does_not_keep_is_named_with_it(methods, sentence):
    assert insisted(broken(nets.ReluL1, **methods)(0.1)).startswith(f"Broken: {sentence}")


@pytest.mark.parametrize("rows", [2, 4, 9])
def test_blocks_that_do_not_add_up_are_reported(rows):
    net = broken(nets.BatchTopK, additive=True)(1.0)
    assert insisted(net, rows) == "Broken: blocks of rows do not add up to the whole"


def test_a_net_may_have_more_units_than_asked_for():
    """Its shapes cannot be told from the number of its parameters."""

    def init(self, n, h, rng, *, dtype=np.float64):
        return nets.ReluL1.init(self, n, max(h, 3), rng, dtype=dtype)

    rng = np.random.default_rng(3)
    assert check_architecture(broken(nets.ReluL1, init=init)(0.1), rng.uniform(0.1, 0.9, (9, 4)), rng) < 2e-8


def test_a_net_is_tried_near_its_start_but_not_at_it():
    seen = []

    def init(self, n, h, rng, *, dtype=np.float64):
        seen.append(nets.ReluL1.init(self, n, h, rng, dtype=dtype))
        return seen[-1]

    def constrain(self, params):
        seen.append(params)
        return params

    rng = np.random.default_rng(3)
    check_architecture(
        broken(nets.ReluL1, init=init, constrain=constrain)(0.1), rng.uniform(size=(6, 4)), rng, n_hidden=60
    )
    start, tried = flatten(seen[0]), flatten(seen[1])
    assert (tried - start).std() == pytest.approx(0.1 * (np.abs(start).mean() + 0.1), rel=0.15)
    assert len(set(tried - start)) > start.size / 2


def test_leaves_are_called_by_their_fields():
    nested = Nested(saelib.init_params(5, 4, np.random.default_rng(0)), (Nested(np.ones(2), 3.0),))
    names = ["first.W1", "first.b1", "first.W2", "first.b2", "second.0.first", "second.0.second"]
    assert [name for name, _ in named_leaves(nested)] == names


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: flatten(Nested("a", "b")), "params must be an array of real numbers, got ndarray array"),
        (lambda: flatten(np.ones(3)), "params must be a NamedTuple of arrays, got ndarray"),
        (lambda: unflatten(np.ones(3), np.ones(3)), "like must be a NamedTuple of arrays, got ndarray"),
        (lambda: unflatten("a", Nested(1.0, 2.0)), "theta must be an array of real numbers, got ndarray array"),
        (lambda: unflatten(np.ones(3), Nested(1.0, 2.0)), r"theta must be a vector of 2 numbers .* got shape \(3,\)"),
    ],
)
def test_what_cannot_be_packed_is_named(call, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        call()


def test_a_threshold_below_zero_lets_no_negative_activation_through():
    net, rng = nets.JumpReLU(0.1), np.random.default_rng(0)
    params = net.init(6, 8, rng)._replace(threshold=np.full(8, -0.5))
    X = rng.normal(size=(20, 6))
    Z = (X - params.b2) @ params.W1.T + params.b1
    assert np.any((Z < 0) & (Z > -0.5))
    for codes in (net.encode(params, X), net.fast(params).encode(X)):
        np.testing.assert_array_equal(codes.A, np.maximum(Z, 0))


def test_a_decoder_column_of_zeros_has_a_gradient():
    net, rng = nets.ReluL1(0.1), np.random.default_rng(0)
    params = net.init(6, 8, rng)
    params.W2[:, 3] = 0
    X = rng.uniform(0.1, 0.9, (20, 6))
    _, plain = net.backward(params, X, X, net.encode(params, X), None)
    form = net.fast(params)
    _, found = form.backward(X, X, form.encode(X), None, form.work(20))
    np.testing.assert_allclose(found, flatten(plain), rtol=1e-10, atol=1e-14)
