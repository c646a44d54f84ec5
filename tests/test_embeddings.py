"""Words: what comes with the library, the transformer against loops, and the model of characters."""

import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import save_file

from saelib import embeddings as em
from saelib.architecture import flatten, unflatten
from saelib.gradcheck import numerical_gradient, relative_error
from saelib.train import Objective, adam

# What comes with the library ----------------------------------------------------------------------------------------


def test_the_words():
    words, X, classes = em.load_glove()
    assert len(words) == len(set(words)) == 10_000 and words[0] == "the"
    assert X.shape == (10_000, 50) and X.dtype == np.float32 and np.isfinite(X).all()
    assert classes.min() == -1 and classes.max() < len(em.CLASSES)
    for word, name in {"dog": "animal", "bread": "food", "france": "location", "joy": "feeling"}.items():
        assert em.CLASSES[classes[words.index(word)]] == name
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    near = {words[i] for i in np.argsort(-U @ U[words.index("france")])[:6]}
    assert near & {"belgium", "spain", "french", "italy"}


def test_the_sentences_and_the_plays():
    sentences, codes = em.load_examples(), em.load_plays()
    assert len(set(sentences)) == 4_000 and all(s.isascii() and 6 <= len(s.split()) <= 16 for s in sentences)
    text = "".join(em.ALPHABET[c] for c in codes)
    assert "to be, or not to be,--that is the question" in text and "  " not in text and len(text) > 500_000


# Judging a latent ---------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
def test_auc_counts_pairs(rows):
    values, positive = (np.array(part) for part in zip(*rows, strict=True))
    if positive.all() or not positive.any():
        with pytest.raises(ValueError, match="positive must hold"):
            em.auc(values[:, np.newaxis], positive)
        return
    pairs = [(a > b) + (a == b) / 2 for a in values[positive] for b in values[~positive]]
    assert_allclose(em.auc(values[:, np.newaxis], positive), np.mean(pairs))


def test_auc_names_what_is_no_class():
    for positive in (np.array([0, 1, 1]), np.array([True, False])):
        with pytest.raises(ValueError, match="3 booleans"):
            em.auc(np.ones((3, 1)), positive)


def test_nothing_is_recovered_of_no_loss():
    assert em.loss_recovered(1.5, 1, 2) == 0.5
    with pytest.raises(ValueError, match="ablated must be larger"):
        em.loss_recovered(1, 2, 2)
    with pytest.raises(ValueError, match="loss must be a number"):
        em.loss_recovered("1", 1, 2)


# The transformer: a small one, whose weights are made up ------------------------------------------------------------

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##stra", "##ined", "a", "an", "##n", ".", "'", "t", "ecole"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model of two layers with three heads and 24 entries, in files of the same form."""
    for name, value in {"WIDTH": 24, "N_LAYERS": 2, "N_HEADS": 3}.items():
        monkeypatch.setattr(em, name, value)
    rng = np.random.default_rng(0)
    weights = {
        name: (0.3 * rng.normal(size=shape) + name.endswith("Norm.weight")).astype(np.float32)
        for name, shape in em._shapes(len(PIECES)).items()
    }
    save_file(weights | {"embeddings.position_ids": np.arange(3)}, tmp_path / "model.safetensors")
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n", "utf-8")
    return tmp_path


def by_loops(model, ids):
    """One sentence through the model: tokens, heads and entries one at a time, in double precision."""
    w = {name: P.astype(float) for name, P in model.weights.items()}

    def norm(x, name):
        rows = []
        for row in x:
            mean = sum(row) / len(row)
            sd = math.sqrt(sum((v - mean) ** 2 for v in row) / len(row) + 1e-12)
            rows.append([(v - mean) / sd for v in row])
        return np.array(rows) * w[name + ".weight"] + w[name + ".bias"]

    def linear(x, name):
        return np.array([[row @ r for r in w[name + ".weight"]] for row in x]) + w[name + ".bias"]

    e = "embeddings."
    x = [
        w[e + "word_embeddings.weight"][i]
        + w[e + "position_embeddings.weight"][t]
        + w[e + "token_type_embeddings.weight"][0]
        for t, i in enumerate(ids)
    ]
    x = norm(np.array(x), e + "LayerNorm")
    streams = [x]
    for layer in range(em.N_LAYERS):
        p = f"encoder.layer.{layer}."
        q, k, v = (linear(x, p + "attention.self." + name) for name in ("query", "key", "value"))
        mixed, n = np.zeros_like(x), em.WIDTH // em.N_HEADS
        for head in range(em.N_HEADS):
            part = slice(head * n, (head + 1) * n)
            for t in range(len(ids)):
                weights = [math.exp(q[t, part] @ k[u, part] / math.sqrt(n)) for u in range(len(ids))]
                mixed[t, part] = sum(a * v[u, part] for u, a in enumerate(weights)) / sum(weights)
        x = norm(x + linear(mixed, p + "attention.output.dense"), p + "attention.output.LayerNorm")
        h = linear(x, p + "intermediate.dense")
        h = h * np.vectorize(lambda z: (1 + math.erf(z / math.sqrt(2))) / 2)(h)
        x = norm(x + linear(h, p + "output.dense"), p + "output.LayerNorm")
        streams.append(x)
    return streams


def test_the_stream_is_that_of_loops(folder):
    model = em.load_minilm(folder)
    ids = [2, 4, 5, 6, 3]
    streams, x = by_loops(model, ids), em.embed(model, np.array([ids]))
    assert_allclose(x[0], streams[0], atol=1e-5)
    for last in (1, 2):
        assert_allclose(em.layers(model, x, 0, last)[0], streams[last], atol=1e-4)
    assert_allclose(em.layers(model, em.layers(model, x, 0, 1), 1, 2), em.layers(model, x, 0, 2), atol=1e-6)
    assert em.layers(model, x, 0, 2).dtype == np.float32
    mean = streams[2].mean(axis=0)
    assert_allclose(em.sentence_vectors(em.layers(model, x, 0, 2))[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_words_are_cut_into_the_longest_pieces(folder):
    model = em.load_minilm(folder)
    assert em.tokenize(model, "Unstrained  ann.") == ["un", "##stra", "##ined", "an", "##n", "."]
    assert em.tokenize(model, "can't \u00e9cole") == ["[UNK]", "'", "t", "ecole"]
    assert unicodedata.normalize("NFC", "e\u0301cole") == "\u00e9cole"
    assert em.numbers_of(model, ["a", "."]) == [2, 7, 10, 3]
    assert len(em.numbers_of(model, ["a"] * 300)) == 256
    with pytest.raises(ValueError, match="text must be a str"):
        em.tokenize(model, 3)


def test_token_states_are_those_of_each_sentence_alone(folder):
    model, sentences = em.load_minilm(folder), ["a an.", "Unstrained", "", "an a.", "t"]
    X, places, tokens = em.token_states(model, sentences, 2, block=1)
    assert len(X) == len(places) == sum(map(len, tokens)) and tokens[2] == []
    for row, (i, p) in zip(X, places, strict=True):
        x = em.layers(model, em.embed(model, np.array([em.numbers_of(model, tokens[i])])), 0, 2)
        assert_allclose(row, x[0, p + 1], atol=1e-5)
    assert_allclose(em.token_states(model, sentences, 2).X, X, atol=1e-5)
    with pytest.raises(ValueError, match="at least one token"):
        em.token_states(model, [""], 2)
    for first, last in ((2, 1), (0, 3), (-1, 1)):
        with pytest.raises(ValueError, match="must be a whole number"):
            em.layers(model, np.zeros((1, 1, 24), np.float32), first, last)


def test_a_missing_model_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(em, "MODEL", "no_package_of_this_name")
    monkeypatch.setenv("SAELIB_DATA", str(tmp_path))
    for look in (em.load_minilm, lambda: em.load_minilm(tmp_path)):
        with pytest.raises(FileNotFoundError, match="requirements-models.txt") as told:
            look()
        assert "\n" not in str(told.value)


def test_the_folder_of_data_is_looked_at_first(folder, monkeypatch):
    folder.rename(folder.parent / "minilm")
    monkeypatch.setenv("SAELIB_DATA", str(folder.parent))
    assert em.load_minilm().vocabulary["un"] == 4


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "model.safetensors is damaged"),
        (lambda file: file.write_bytes(b""), "model.safetensors is damaged"),
        (lambda file: save_file({"x": np.ones(3, np.float32)}, file), "must hold embeddings.* got nothing"),
        (lambda file: (file.parent / "vocab.txt").write_text("a\nb\n"), r"must hold \[CLS\]"),
        (lambda file: (file.parent / "vocab.txt").write_text("\n".join(PIECES[:-1])), "must hold embeddings.*shape"),
    ],
)
def test_a_damaged_model_is_one_clear_error(folder, damage, message):
    damage(folder / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        em.load_minilm(folder)


@pytest.mark.parametrize(("change", "message"), [(lambda P: P.astype(float), "float64"), (lambda P: P / 0, "finite")])
def test_weights_must_be_finite_floats(folder, change, message):
    weights = dict(em.load_minilm(folder).weights)
    with np.errstate(all="ignore"):
        weights["embeddings.LayerNorm.bias"] = change(weights["embeddings.LayerNorm.bias"])
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ValueError, match=f"embeddings.LayerNorm.bias.*{message}"):
        em.load_minilm(folder)


def test_the_real_model_gives_the_similarities_on_its_card():
    try:
        model = em.load_minilm()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    texts = ("That is a happy person", "That is a very happy person", "Today is a sunny day")
    ids = [np.array([em.numbers_of(model, em.tokenize(model, text))]) for text in texts]
    a, b, c = (em.sentence_vectors(em.layers(model, em.embed(model, i), 0, 6))[0] for i in ids)
    assert abs(a @ b - 0.943) < 6e-4 and abs(a @ c - 0.257) < 6e-4


# The model of characters --------------------------------------------------------------------------------------------


def small(rng, dtype=float):
    net = em.NextCharacter(5, 2)
    X, target = rng.integers(5, size=(7, 3)).astype(dtype), rng.integers(5, size=(7, 1)).astype(dtype)
    return net, net.init(3, 4, rng, dtype=dtype), X, target


def test_its_gradient_is_that_of_differences():
    rng = np.random.default_rng(0)
    net, params, X, target = small(rng)
    objective = Objective(net, X, target=target, like=params)
    theta = flatten(params) + 0.1 * rng.normal(size=flatten(params).size)
    assert relative_error(objective(theta)[1], numerical_gradient(objective.cost, theta)) < 1e-8
    moved = unflatten(theta, params)
    logits = net.decode(moved, net.encode(moved, X).A)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_allclose(objective.cost(theta), -np.mean(np.log(p[np.arange(7), target[:, 0].astype(int)])))


def test_the_engine_trains_it():
    rng = np.random.default_rng(0)
    net, params, X, target = small(rng, np.float32)
    trained, descent = adam(net, params, [(X, target)] * 400, learning_rate=0.02)
    assert descent.cost[-1] < 0.3 * descent.cost[0]
    assert all(P.dtype == np.float32 for P in trained)
    assert_array_equal(net.decode(trained, net.encode(trained, X).A).argmax(axis=1)[:1], target[:1, 0].astype(int))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, X, y: (p._replace(W1=p.W1[:, :4]), X, y), "X must have 2 columns"),
        (lambda p, X, y: (p, X + 0.5, y), "X must hold whole numbers from 0 to 4"),
        (lambda p, X, y: (p, X, y + 5), "target must hold whole numbers from 0 to 4"),
        (lambda p, X, y: (p, X, X), "target must have 1 columns"),
        (lambda p, X, y: (tuple(p), X, y), "params must be CharParams"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    net, params, X, target = small(np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        net.check(*change(params, X, target))


def test_attention_of_scores_far_apart_is_finite():
    q, v = np.array([[1000.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 2.0], [3.0, 5.0]])
    k = np.array([[2.0, 0.0], [0.0, 2.0]])
    weights = 1 / (1 + math.exp(math.sqrt(2)))  # of the second query on the first token
    assert_allclose(em.attention(q, k, v), [v[0], weights * v[0] + (1 - weights) * v[1]], rtol=1e-12)


def test_entries_that_are_all_equal_are_normalized_to_the_bias():
    x = np.full((2, 4), 0.5, np.float32)
    assert_array_equal(em.layer_norm(x, np.ones(4, np.float32), np.arange(4, dtype=np.float32)), [[0, 1, 2, 3]] * 2)


def test_a_last_layer_that_is_no_number_is_named(folder):
    model = em.load_minilm(folder)
    with pytest.raises(ValueError, match="^last must be a whole number from 1 to 2, got 0"):
        em.layers(model, np.zeros((1, 1, 24), np.float32), 1, 0)


def test_the_model_of_characters_starts_with_the_stated_spreads():
    E, W1, b1, W2, b2 = em.NextCharacter(50, 40).init(5, 300, np.random.default_rng(0))
    assert_allclose([E.std(), W1.std() * math.sqrt(200), W2.std() * math.sqrt(300)], [0.5, 2**0.5, 0.5], rtol=0.05)
    assert not b1.any() and not b2.any()


def test_a_hidden_unit_at_zero_passes_no_gradient():
    net = em.NextCharacter(5, 2)
    params = net.init(3, 4, np.random.default_rng(0))
    params.W1[1] = 0
    X, target = np.array([[0.0, 1, 2], [4, 3, 1]]), np.array([[3.0], [0]])
    _, gradient = net.backward(params, X, target, net.encode(params, X), None)
    assert gradient.b1[1] == 0 and not gradient.W1[1].any() and gradient.b1.any()
