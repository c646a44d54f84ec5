"""Deep stacks: where to start them, how to join layers that were trained one at a time, and a classifier on top.

The stack itself is `saelib.nets.Deep`.  `Classifier` keeps the contract of `saelib.architecture` but for one thing: its
output is not a reconstruction, so it is trained with a ``target``.
"""

from typing import NamedTuple

import numpy as np

from ._checks import generator, nonnegative, one_of, whole_number
from .architecture import as_it_is, free, nothing
from .nets._latents import as_fields
from .nets.deep import FUNCTIONS, DeepCodes, DeepParams, Layer


def he_start(net, n_visible, n_hidden, rng, *, dtype=np.float64):
    """Return parameters for a deep net: weights normal with variance g / (units below), biases of zero.

    g is 2 where the units below are ReLUs, which pass on half of the mean square, and 1 where they are not.

    Parameters
    ----------
    net : saelib.nets.Deep
    n_visible, n_hidden : int
        Units of the input and of the code.
    rng : numpy.random.Generator
    dtype : dtype

    Returns
    -------
    saelib.nets.deep.DeepParams

    Raises
    ------
    ValueError
        If a size is not a whole number above 0, or ``rng`` is no generator.

    References
    ----------
    He, Zhang, Ren and Sun (2015), Delving deep into rectifiers.
    """
    rng, up = generator(rng), [whole_number(n, "sizes") for n in (n_visible, *net.sizes, n_hidden)]
    sizes, names = [*up, *up[-2::-1]], ("input", *sum(net.names(), ()))

    def layer(below, units, name):
        gain = 2 if name == "relu" else 1  # what the layer below keeps of a mean square
        W = np.sqrt(gain / below) * rng.normal(size=(units, below))  # (eq-he)
        return Layer(W.astype(dtype), np.zeros(units, dtype))

    layers = tuple(layer(*three) for three in zip(sizes[:-1], sizes[1:], names[:-1], strict=True))
    return DeepParams(layers[: len(up) - 1], layers[len(up) - 1 :])


def unroll(shallow):
    """Join autoencoders with one hidden layer, each trained on the codes of the one before, to one deep network.

    Parameters
    ----------
    shallow : sequence of NamedTuples
        `saelib.Params`, or `DeepParams` of nets without layers between, the one on the input first.

    Returns
    -------
    saelib.nets.deep.DeepParams
        The encoders from the input up, then the decoders from the code down.

    Raises
    ------
    ValueError
        If there is none, one is something else, or the codes of one are not as many as the inputs of the next.
    """
    pairs = []
    for params in shallow:
        if getattr(params, "_fields", None) == ("W1", "b1", "W2", "b2"):
            pairs.append((Layer(params.W1, params.b1), Layer(params.W2, params.b2)))
        elif getattr(params, "_fields", None) == DeepParams._fields and len(params.encoder) == 1:
            pairs.append((params.encoder[0], params.decoder[0]))
        else:
            raise ValueError(
                f"shallow must hold Params, or DeepParams with one layer on each side, got {type(params).__name__}"
            )
    if not pairs:
        raise ValueError("shallow must hold at least one autoencoder, got none")
    for (below, _), (above, _) in zip(pairs, pairs[1:], strict=False):
        if above.W.shape[1] != below.W.shape[0]:
            raise ValueError(f"shallow must fit together: {below.W.shape[0]} codes cannot be {above.W.shape[1]} inputs")
    return DeepParams(tuple(up for up, _ in pairs), tuple(down for _, down in pairs[::-1]))


class Stack(NamedTuple):
    """The layers of a `Classifier` from the input up: a tuple of `Layer`, the last of which gives the scores."""

    layers: tuple


def softmax(Z):
    """Return exp(Z) with each row divided by its sum, which makes the scores of a row probabilities."""
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)  # (eq-softmax)


class Classifier(NamedTuple):
    """Layers of ``sizes`` with activation ``hidden``, then a softmax over the classes; decay lam/2 on all weights.

    The target of a row has a 1 at its class and 0 elsewhere; the loss is the cross entropy -sum_k t_k log p_k.
    ``frozen`` layers, counted from the input, keep the weights that they have.
    """

    sizes: tuple
    hidden: str = "sigmoid"
    lam: float = 0.0
    frozen: int = 0

    def check(self, params, X, target):
        as_fields(params, Stack)
        nonnegative(self.lam, "lam"), one_of(self.hidden, "hidden", tuple(FUNCTIONS))
        if len(params.layers) != len(self.sizes) + 1:
            raise ValueError(f"params must have {len(self.sizes) + 1} layers, got {len(params.layers)}")
        below = X.shape[1]
        for W, b in params.layers:
            if W.ndim != 2 or W.shape != (b.size, below):
                raise ValueError(f"W must have shape {(b.size, below)} between its neighbors, got {W.shape}")
            below = b.size
        if target.ndim != 2 or target.shape[1] != below:
            raise ValueError(f"target must have a column for each of {below} classes, got shape {target.shape}")
        whole_number(self.frozen, "frozen", least=0)

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        """Return weights as `he_start` has them; ``n_hidden`` is the number of classes, whose weights start at zero."""
        rng, sizes = generator(rng), [whole_number(n, "sizes") for n in (n_visible, *self.sizes)]
        gains = [1] + [2 if self.hidden == "relu" else 1] * len(self.sizes)
        layers = [
            Layer((np.sqrt(g / below) * rng.normal(size=(units, below))).astype(dtype), np.zeros(units, dtype))
            for g, below, units in zip(gains, sizes, sizes[1:], strict=False)
        ]
        last = Layer(np.zeros((n_hidden, sizes[-1]), dtype), np.zeros(n_hidden, dtype))
        return Stack((*layers, last))

    def encode(self, params, X):
        """Return the activations of the last hidden layer, with those below it."""
        activations, Z = [X], X
        for W, b in params.layers[:-1]:
            Z = activations[-1] @ W.T + b
            activations.append(FUNCTIONS[self.hidden][0](Z))
        return DeepCodes(Z, activations[-1], tuple(activations[:-1]))

    def decode(self, params, A):
        """Return each row's probabilities of the classes."""
        W, b = params.layers[-1]
        return softmax(A @ W.T + b)

    summary, penalty, constrain = nothing, free, as_it_is

    def backward(self, params, X, target, codes, price):
        W, b = params.layers[-1]
        Z = codes.A @ W.T + b
        Z = Z - Z.max(axis=1, keepdims=True)
        loss = np.sum(np.log(np.exp(Z).sum(axis=1, dtype=float)) - np.sum(target * Z, axis=1, dtype=float))
        delta = softmax(Z) - target  # (eq-softmax-delta)
        activations, gradient = [*codes.below, codes.A], []
        for k in range(len(params.layers) - 1, -1, -1):
            A = activations[k]
            if k < self.frozen:
                gradient.append(Layer(*(np.zeros_like(P) for P in params.layers[k])))
                continue
            gradient.append(Layer(delta.T @ A, delta.sum(axis=0)))
            if k:
                delta = (delta @ params.layers[k].W) * FUNCTIONS[self.hidden][1](A)
        return float(loss), Stack(tuple(gradient[::-1]))

    def decay(self, params):
        free_to_move = [0 if k < self.frozen else self.lam for k in range(len(params.layers))]
        value = sum(
            lam / 2 * float(np.sum(layer.W**2, dtype=float))
            for lam, layer in zip(free_to_move, params.layers, strict=True)
        )
        slope = tuple(Layer(lam * W, 0 * b) for lam, (W, b) in zip(free_to_move, params.layers, strict=True))
        return value, Stack(slope)


def reference_runs():
    """Load the results of the long runs of the chapter on deep autoencoders, which ``tools/deep_reference.py`` made.

    Returns
    -------
    dict
        From the name of a part ("six", "twenty", "faces", ...) to what it found.
    """
    import json
    from importlib.resources import files

    return json.loads((files("saelib") / "data" / "deep_reference.json").read_text())
