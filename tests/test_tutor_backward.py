"""The tutor marks the backward pass of every net, and names what goes wrong in any and in each."""

import re
from functools import partial

import numpy as np
import pytest

from saelib import nets
from saelib.architecture import named_leaves
from saelib.book import tutor
from saelib.book._tutor import answers, backward

EXAMPLES = nets.examples()
each_net = pytest.mark.parametrize("net", EXAMPLES, ids=str)


def kind(net):
    return backward.kind_of(net, backward.NAMES)


@each_net
def test_right_passes_in_any_form(net):
    def as_lists(params, X, target, codes, price):
        loss, gradient = net.backward(params, X, target, codes, price)
        return [loss, [P if isinstance(P, np.ndarray) else [*map(tuple, P)] for P in gradient]]

    def by_itself(net, params, X):
        codes = net.encode(params, X)
        return net.backward(params, X, X, codes, net.penalty(net.summary(codes) / len(X))[1])[1]

    for right in (net.backward, lambda p, x, t, c, r: net.backward(p, x, t, c, r)[1], as_lists, by_itself):
        verdict = tutor.check_backward(net, right)
        assert verdict.passed and verdict.message.startswith("Right"), verdict


@each_net
def test_each_mistake_is_named(net):
    names = {mistake.name for mistake in kind(net).mistakes()}
    same = {nets.Deep: {"Z for A"}, nets.Toy: {"Z for A"}, nets.Matryoshka: {"twice"}}.get(
        type(net), set()
    )  # linear codes; two prefixes added
    assert {"sign", "1/m", "m", "twice", "half", "Z for A", "X for target", "first row", "last row"} <= names | same
    for mistake in kind(net).mistakes():
        assert answers.recognize(kind(net), answers.run(kind(net), mistake.function)) is mistake
        assert mistake.sentence and mistake.hint and mistake.where.startswith("help(")


@each_net
def test_two_at_once_are_named_or_give_the_same(net):
    for two in kind(net).pairs()[::23]:
        values = answers.run(kind(net), two.function)
        found = answers.recognize(kind(net), values)
        if found is None:
            assert answers.is_right(kind(net), values) or not any(values)
        else:
            assert answers.agree(
                *(answers.answer(kind(net), answers.run(kind(net), one.function)) for one in (two, found))
            )


@pytest.mark.parametrize("cls", dict.fromkeys(map(type, EXAMPLES)))
def test_a_net_s_own_mistakes_change_its_source_and_one_of_its_examples(cls):
    mine = [net for net in EXAMPLES if type(net) is cls]
    known = {mistake.name for net in mine for mistake in kind(net).mistakes()}
    for name, (right, wrong, sentence) in backward.own_mistakes(cls).items():
        assert backward.changed(mine[0], (right, wrong)) is not cls.backward  # or it says that the text is not there
        assert sentence and name in known, name


def test_what_is_not_in_the_source_is_not_taken_for_a_mistake():
    with pytest.raises(ValueError, match="does not stand in Tied.backward"):
        backward.changed(nets.Tied(), ("no such text", ""))


@pytest.mark.parametrize(
    ("net", "change", "words"),
    [
        (nets.TopK(32), lambda G, m: G._replace(b2=0 * G.b2), "the gradient of b2 is zero"),
        (nets.Sigmoid(), lambda G, m: [-P / m for P in G], "wrong sign; second, the sums are divided by m"),
        (nets.ReluL1(0.1), lambda G, m: (G.W2.T, *G[1:]), "largest difference"),
        (nets.Contractive(0.1), lambda G, m: (G.W2, G.b1, G.W1, G.b2), "W1 and W2 stand in each other's place"),
        (
            nets.Gated(0.1),
            lambda G, m: [P + 0.01 * np.cos(np.arange(P.size)).reshape(P.shape) for P in G],
            "not a mist",
        ),
        (nets.Tied(), lambda G, m: G[:2], r"returns a tuple of 2, but a tuple of 3 arrays, \(W, b1, b2\), is wanted"),
        (nets.Tied(), lambda G, m: (G.W[0], *G[1:]), r"The shape \(3, 4\) is wanted of `W` where m = 5"),
        (nets.Deep((4,)), lambda G, m: (G.decoder, G.encoder), "encoder.0.W"),
    ],
    ids=lambda value: "" if callable(value) and not hasattr(value, "init") else str(value),  # a lambda has an address
)
def test_a_learner_is_told(net, change, words):
    verdict = tutor.check_backward(net, lambda p, X, t, c, r: change(net.backward(p, X, t, c, r)[1], len(X)))
    assert not verdict.passed and re.search(words, verdict.message), verdict


def test_a_loss_is_looked_at_when_the_gradient_is_right():
    def half_missing(params, X, target, codes, price):
        loss, gradient = nets.TopK(2).backward(params, X, target, codes, price)
        return 2 * loss, gradient

    assert "The gradient is right, but the loss is not" in tutor.check_backward(nets.TopK(2), half_missing).message


def test_arguments():
    net = nets.Tied(0.1)
    assert "f(params, X, target, codes, price)" in tutor.check_backward(net, lambda params, rows: 0).message
    assert "wants the function itself" in tutor.check_backward(net, None).message
    spoil = tutor.check_backward(net, lambda params, X: X.fill(0))
    assert "changes its argument `X`" in spoil.message
    deep = tutor.check_backward(nets.Deep((4,)), lambda params, X: params.decoder[0].W.fill(0))
    assert "changes its argument `params.decoder.0.W`" in deep.message
    with pytest.raises(ValueError, match="no input was found"):
        tutor.check_backward(nets.TopK(0), net.backward)


def test_a_net_of_the_learner_s_own_is_marked_too():
    class Mine(nets.Tied):
        pass

    Mine.__module__ = "__main__"
    assert tutor.check_backward(Mine(0.1), Mine(0.1).backward).passed
    wrong = partial(kind(Mine(0.1)).formula, {"slope forgotten"})
    said = tutor.check_backward(
        Mine(0.1), lambda net, params, X, target, codes, price: wrong(net, params, X, target, codes, price)
    )
    assert "Read on: help(Mine)." in said.message
    assert [name for name, _ in named_leaves(Mine().init(3, 2, np.random.default_rng(0)))] == ["W", "b1", "b2"]
