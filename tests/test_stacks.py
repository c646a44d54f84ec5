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


@pytest.mark.parametrize("shallow", [[], [np.zeros(3)], "fit"])
def test_what_cannot_be_joined_is_named(shallow):
    if shallow == "fit":
        shallow = [saelib.init_params(6, 4, np.random.default_rng(0))] * 2
    with pytest.raises(ValueError, match="shallow must"):
        stacks.unroll(shallow)


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


def test_softmax_is_scipys_and_survives_large_scores():
    Z = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]])
    assert_allclose(stacks.softmax(Z), scipy_softmax(Z, axis=1))


def test_a_classifier_names_what_does_not_fit():
    net = stacks.Classifier((4,))
    params = net.init(5, 3, np.random.default_rng(0))
    X, T = np.zeros((2, 5)), np.zeros((2, 3))
    net.check(params, X, T)
    for bad in (
        (net, params, np.zeros((2, 6)), T),
        (net, params, X, np.zeros((2, 2))),
        (net, stacks.Stack(params.layers[:1]), X, T),
        (net, stacks.Stack((Layer(np.zeros(4), np.zeros(4)), params.layers[1])), X, T),
        (net._replace(hidden="cubic"), params, X, T),
        (net._replace(lam=-1), params, X, T),
    ):
        with pytest.raises(ValueError, match="must"):
            bad[0].check(*bad[1:])


def test_the_long_runs_are_there():
    runs = stacks.reference_runs()
    assert len(runs["recipes"]) == 24 and len(runs["faces"]["pca"]) == 5
