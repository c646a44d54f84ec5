"""Deep stacks: the start's variances, joined layers, and the classifier on top, each against another way."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax as scipy_softmax

import saelib
from saelib import Objective, nets, stacks
from saelib.architecture import flatten, unflatten
from saelib.nets.deep import Layer


def test_the_start_has_twice_the_variance_above_relus_and_the_stated_shapes():
    net = nets.Deep((300, 200), hidden="relu")
    start = stacks.he_start(net, 400, 100, np.random.default_rng(0), dtype=np.float32)
    layers = (*start.encoder, *start.decoder)
    assert [W.shape for W, _ in layers] == [(300, 400), (200, 300), (100, 200), (200, 100), (300, 200), (400, 300)]
    gains = [W.var() * W.shape[1] for W, _ in layers]
    assert_allclose(gains, [1, 2, 2, 1, 2, 2], rtol=0.05)
    assert all(W.dtype == np.float32 and not b.any() for W, b in layers)
    net.check(start, np.zeros((2, 400), np.float32), np.zeros((2, 400), np.float32))


def test_joined_layers_compute_what_they_computed_one_after_the_other():
    rng = np.random.default_rng(1)
    shallow = [saelib.init_params(6, 4, rng), saelib.init_params(4, 3, rng)]
    X, net = rng.uniform(size=(5, 6)), nets.Deep((4,), code="sigmoid")
    params = stacks.unroll(shallow)
    code = saelib.forward(shallow[1], saelib.forward(shallow[0], X).A2).A2
    assert_allclose(net.encode(params, X).A, code)
    one = nets.Deep((), code="sigmoid").init(6, 4, rng)
    assert stacks.unroll([one]).encoder == one.encoder


@pytest.mark.parametrize(
    "shallow, words",
    [
        ([], "shallow must hold at least one autoencoder, got none"),
        ([np.zeros(3)], "shallow must hold Params, or DeepParams with one layer on each side, got ndarray"),
        (
            [nets.Deep((5,)).init(6, 4, np.random.default_rng(0))],
            "shallow must hold Params, or DeepParams with one layer on each side, got DeepParams",
        ),
        (
            [saelib.init_params(6, 4, np.random.default_rng(0))] * 2,
            "shallow must fit together: 4 codes cannot be 6 inputs",
        ),
    ],
    ids=["none", "array", "deep", "fit"],
)
def test_what_cannot_be_joined_is_named(shallow, words):
    with pytest.raises(ValueError) as caught:
        stacks.unroll(shallow)
    assert str(caught.value) == words


@pytest.mark.parametrize("hidden", ["sigmoid", "tanh"])
def test_gradient_of_the_classifier_against_differences(hidden):
    rng = np.random.default_rng(2)
    net, X, T = stacks.Classifier((4, 3), hidden, lam=0.1), rng.normal(size=(6, 5)), np.eye(3)[[0, 1, 2, 0, 1, 1]]
    params = net.init(5, 3, rng)
    objective = Objective(net, X, target=T, like=params)
    theta = flatten(params) + 0.3 * rng.normal(size=flatten(params).size)
    J, gradient = objective(theta)
    assert saelib.relative_error(gradient, saelib.numerical_gradient(objective.cost, theta)) < 1e-8
    moved = unflatten(theta, params)
    P = net.decode(moved, net.encode(moved, X).A)
    decay = 0.05 * sum(np.sum(W**2) for W, _ in moved.layers)
    assert J == pytest.approx(-np.mean(np.log(P[T == 1])) + decay)


def test_frozen_layers_get_no_gradient_and_the_others_the_same():
    rng = np.random.default_rng(3)
    net, X, T = stacks.Classifier((4, 3), lam=0.1), rng.normal(size=(6, 5)), np.eye(3)[[0, 1, 2, 0, 1, 1]]
    params = net.init(5, 3, rng)
    params = unflatten(flatten(params) + 0.1, params)
    both = [
        n.backward(params, X, T, n.encode(params, X), None)[1].layers + n.decay(params)[1].layers
        for n in (net, net._replace(frozen=2))
    ]
    for k, (free, held) in enumerate(zip(*both, strict=True)):
        if k % 3 < 2:
            assert not held.W.any() and not held.b.any()
        else:
            assert_array_equal(free.W, held.W)


def test_only_layers_that_move_are_decayed():
    rng = np.random.default_rng(5)
    net = stacks.Classifier((4, 3), lam=0.3, frozen=1)
    params = unflatten(rng.normal(size=flatten(net.init(5, 3, rng)).size), net.init(5, 3, rng))
    value, slope = net.decay(params)
    assert value == pytest.approx(0.15 * sum(np.sum(W**2) for W, _ in params.layers[1:]), rel=1e-14)
    for k, ((dW, db), (W, b)) in enumerate(zip(slope.layers, params.layers, strict=True)):
        assert_allclose(dW, (0.3 if k else 0) * W)
        assert db.shape == b.shape and not db.any()
    start = net.init(5, 3, rng)  # whose biases are zero
    assert not any(db.any() for _, db in net.decay(start)[1].layers)


@pytest.mark.parametrize("hidden, gain", [("relu", 2), ("tanh", 1)])
def test_a_classifier_begins_like_a_stack_and_without_an_opinion(hidden, gain):
    net = stacks.Classifier((300, 200), hidden)
    layers = net.init(400, 10, np.random.default_rng(0), dtype=np.float32).layers
    assert [W.shape for W, _ in layers] == [(300, 400), (200, 300), (10, 200)]
    assert_allclose([W.var() * W.shape[1] for W, _ in layers], [1, gain, 0], rtol=0.05)
    assert all(W.dtype == b.dtype == np.float32 and not b.any() for W, b in layers)
    assert all(P.dtype == np.float64 for P in net.init(4, 3, np.random.default_rng(0)).layers[2])


def test_the_loss_of_a_classifier_survives_large_scores():
    params = stacks.Stack((Layer(np.array([[1000.0], [0.0]]), np.zeros(2)),))
    net, X, T = stacks.Classifier(()), np.array([[1.0], [1.0]]), np.eye(2)
    loss, gradient = net.backward(params, X, T, net.encode(params, X), None)
    assert loss == 1000 and gradient.layers[0].b.tolist() == [1, -1]


@pytest.mark.parametrize("build", [lambda *a: stacks.he_start(nets.Deep((3,)), *a), stacks.Classifier((0,)).init])
def test_a_start_names_what_does_not_fit(build):
    with pytest.raises(ValueError, match="^sizes must be a whole number >= 1, got 0"):
        build(0, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="^rng must be a Generator"):
        build(4, 2, 0)


def test_softmax_is_scipys_and_survives_large_scores():
    Z = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]])
    assert_allclose(stacks.softmax(Z), scipy_softmax(Z, axis=1))


def test_a_classifier_names_what_does_not_fit():
    net = stacks.Classifier((4,))
    params = net.init(5, 3, np.random.default_rng(0))
    X, T = np.zeros((2, 5)), np.zeros((2, 3))
    net.check(params, X, T)
    for bad, words in (
        ((net, params, np.zeros((2, 6)), T), "W must have shape (4, 6) between its neighbors, got (4, 5)"),
        ((net, params, X, np.zeros((2, 2))), "target must have a column for each of 3 classes, got shape (2, 2)"),
        ((net, params, X, np.zeros(3)), "target must have a column for each of 3 classes, got shape (3,)"),
        ((net, stacks.Stack(params.layers[:1]), X, T), "params must have 2 layers, got 1"),
        (
            (net, stacks.Stack((Layer(np.zeros(4), np.zeros(4)), params.layers[1])), X, T),
            "W must have shape (4, 5) between its neighbors, got (4,)",
        ),
        ((net, params.layers, X, T), "params must be Stack(layers), got tuple"),
        ((net._replace(hidden="cubic"), params, X, T), "hidden must be one of 'sigmoid', 'tanh', 'relu', 'linear'"),
        ((net._replace(lam=-1), params, X, T), "lam must be a finite number >= 0, got -1"),
        ((net._replace(frozen=-1), params, X, T), "frozen must be a whole number >= 0, got -1"),
    ):
        with pytest.raises(ValueError) as caught:
            bad[0].check(*bad[1:])
        assert str(caught.value).startswith(words)
    net._replace(frozen=0).check(params, X, T)


def test_the_long_runs_are_there():
    runs = stacks.reference_runs()
    assert len(runs["recipes"]) == 24 and len(runs["faces"]["pca"]) == 5


def test_joined_layers_are_the_layers_that_were_given():
    W1, b1, W2, b2 = params = saelib.init_params(6, 4, np.random.default_rng(0))
    encoder, decoder = stacks.unroll([params])
    assert encoder == (Layer(W1, b1),) and decoder == (Layer(W2, b2),)


def test_the_classifiers_codes_say_what_the_last_hidden_layer_was_computed_from():
    rng = np.random.default_rng(0)
    net, X = stacks.Classifier((4, 3), "tanh"), rng.normal(size=(6, 5))
    params = net.init(5, 2, rng)
    Z, A, below = net.encode(params, X)
    assert_allclose(np.tanh(Z), A)
    assert_allclose(Z, below[1] @ params.layers[1].W.T)


def test_the_classifiers_loss_of_float32_rows_is_added_in_double_precision():
    rng = np.random.default_rng(0)
    net, X, T = (
        stacks.Classifier(()),
        rng.normal(size=(50, 5)).astype(np.float32),
        rng.dirichlet(np.ones(30), size=50).astype(np.float32),
    )
    params = stacks.Stack((Layer(rng.normal(size=(30, 5)).astype(np.float32), np.zeros(30, np.float32)),))
    Z = X @ params.layers[0].W.T
    Z = Z - Z.max(axis=1, keepdims=True)
    wanted = np.sum(np.log(np.exp(Z).sum(axis=1, dtype=float))) - np.sum(T * Z, dtype=float)
    assert net.backward(params, X, T, net.encode(params, X), None)[0] == pytest.approx(wanted, rel=1e-12)


def test_squared_weights_of_float32_are_added_in_double_precision():
    net = stacks.Classifier((30,), lam=2.0)
    params = net.init(40, 10, np.random.default_rng(0), dtype=np.float32)
    wanted = sum(np.sum(W**2, dtype=float) for W, _ in params.layers)
    assert net.decay(params)[0] == pytest.approx(wanted, rel=1e-13)
