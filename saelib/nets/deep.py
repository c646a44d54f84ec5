"""Any number of layers down to the code and up again (Hinton and Salakhutdinov, 2006)."""

from typing import NamedTuple

import numpy as np

from .._checks import generator, nonnegative, one_of, whole_number
from ..architecture import as_it_is, free, nothing
from . import _latents
from .sigmoid import sigmoids

# f(Z), and the derivative at Z as a function of f(Z)
FUNCTIONS = {
    "sigmoid": (lambda Z: sigmoids(Z).A, lambda A: A * (1 - A)),
    "tanh": (np.tanh, lambda A: 1 - A * A),
    "relu": (lambda Z: np.clip(Z, 0, None), lambda A: A > 0),
    "linear": (lambda Z: Z, lambda A: np.ones_like(A)),
}


class Layer(NamedTuple):
    """Weights ``W`` of shape (units, units below) and biases ``b``."""

    W: np.ndarray
    b: np.ndarray


class DeepParams(NamedTuple):
    """The layers up to the code, and those from the code to the output: two tuples of `Layer`."""

    encoder: tuple
    decoder: tuple


class DeepCodes(NamedTuple):
    """Pre-activations ``Z`` and activations ``A`` of the code, and the activations ``below`` it, the input first."""

    Z: np.ndarray
    A: np.ndarray
    below: tuple


class Deep(NamedTuple):
    """Layers of ``sizes`` between input and code, the same in reverse up to the output; weight decay lam/2 on weights.

    ``hidden`` is the activation of the layers between, one name or one for each of ``sizes``: "sigmoid", "tanh",
    "relu" or "linear"; ``code`` and ``output`` are those of code and output.  ``loss`` is "squared", half the squared
    error, or "cross entropy", for a sigmoid output and targets in [0, 1].  A denoising autoencoder has a noisy ``X``
    and the clean ``target``.
    """

    sizes: tuple
    hidden: str | tuple = "sigmoid"
    code: str = "linear"
    output: str = "sigmoid"
    loss: str = "squared"
    lam: float = 0.0

    def names(self):
        """Return the activations of the encoder's layers and of the decoder's."""
        hidden = (self.hidden,) * len(self.sizes) if isinstance(self.hidden, str) else tuple(self.hidden)
        return (*hidden, self.code), (*hidden[::-1], self.output)

    def check(self, params, X, target):
        _latents.as_fields(params, DeepParams)
        nonnegative(self.lam, "lam"), one_of(self.loss, "loss", ("squared", "cross entropy"))
        one_of(self.output, "output", ("sigmoid", "linear"))
        if not all(isinstance(layer, Layer) for part in params for layer in part):
            raise ValueError("encoder and decoder must be tuples of Layer(W, b)")
        layers, names = (*params.encoder, *params.decoder), sum(self.names(), ())
        for name in names:
            one_of(name, "hidden", tuple(FUNCTIONS))
        if self.loss == "cross entropy":
            one_of(self.output, "output", ("sigmoid",))
            if target.min() < 0 or target.max() > 1:
                raise ValueError("target must lie in [0, 1] for a cross entropy")
        wanted = len(self.sizes) + 1
        if (len(params.encoder), len(params.decoder), len(names)) != (wanted, wanted, 2 * wanted):
            raise ValueError(f"sizes of {wanted - 1} layers and parameters or activations do not fit")
        below = X.shape[1]
        for W, b in layers:
            if W.ndim != 2 or W.shape != (b.size, below):
                raise ValueError(f"W must have shape {(b.size, below)} between its neighbors, got {W.shape}")
            below = b.size
        if target.ndim != 2 or target.shape[1] != below:
            raise ValueError(f"target must have {below} columns, got shape {target.shape}")

    def init(self, n_visible, n_hidden, rng, *, dtype=np.float64):
        """Return weights uniform in +-sqrt(6 / (units + units below)) and biases of zero (Glorot and Bengio, 2010)."""
        rng, sizes = generator(rng), [whole_number(n, "sizes") for n in (n_visible, *self.sizes, n_hidden)]

        def layer(below, units):
            r = np.sqrt(6 / (below + units))
            return Layer(rng.uniform(-r, r, (units, below)).astype(dtype), np.zeros(units, dtype))

        encoder = tuple(layer(*pair) for pair in zip(sizes, sizes[1:], strict=False))
        return DeepParams(encoder, tuple(layer(*pair) for pair in zip(sizes[::-1], sizes[-2::-1], strict=False)))

    def encode(self, params, X):
        activations = [X]
        for (W, b), name in zip(params.encoder, self.names()[0], strict=True):
            Z = activations[-1] @ W.T + b
            activations.append(FUNCTIONS[name][0](Z))  # (eq-deep-forward)
        return DeepCodes(Z, activations[-1], tuple(activations[:-1]))

    def _up(self, params, A):
        """Return the activations from the code to the output, and the output's pre-activations."""
        activations = [A]
        for (W, b), name in zip(params.decoder, self.names()[1], strict=True):
            Z = activations[-1] @ W.T + b
            activations.append(FUNCTIONS[name][0](Z))
        return activations, Z

    def decode(self, params, A):
        return self._up(params, A)[0][-1]

    summary, penalty, constrain = nothing, free, as_it_is

    def backward(self, params, X, target, codes, price):
        above, Z = self._up(params, codes.A)
        activations, layers = [*codes.below, *above], (*params.encoder, *params.decoder)
        error = activations[-1] - target
        if self.loss == "squared":
            loss = np.sum(error**2, dtype=float) / 2
            dA = error
        else:  # -t log a - (1 - t) log(1 - a) = log(1 + exp(z)) - t z, whose derivative with respect to z is a - t
            loss = np.sum(np.maximum(Z, 0) + np.log1p(np.exp(-np.abs(Z))) - target * Z, dtype=float)
            dA = None
        gradient = []
        for (W, _), name, below, A in zip(
            reversed(layers), reversed(sum(self.names(), ())), activations[-2::-1], activations[:0:-1], strict=True
        ):
            delta = error if dA is None else dA * FUNCTIONS[name][1](A)  # (eq-deep-delta)
            gradient.append(Layer(delta.T @ below, delta.sum(axis=0)))  # (eq-deep-gradient)
            dA = delta @ W
        gradient, n = gradient[::-1], len(params.encoder)
        return float(loss), DeepParams(tuple(gradient[:n]), tuple(gradient[n:]))

    def decay(self, params):
        value = self.lam / 2 * sum(float(np.sum(W**2, dtype=float)) for part in params for W, _ in part)
        slope = DeepParams(*(tuple(Layer(self.lam * W, 0 * b) for W, b in part) for part in params))
        return value, slope

    mistakes = """
        slopes forgotten | dA * FUNCTIONS[name][1](A) | dA |
                the slopes of the layers' activation functions are forgotten
        sigmoid's slope | dA * FUNCTIONS[name][1](A) | dA * A * (1 - A) |
                every layer has the sigmoid's slope: each has that of its own activation function
        slope twice | dA = None | dA = error |
                behind a cross entropy the output's slope cancels: here it is multiplied in again
    """


EXAMPLES = (
    Deep((4,), lam=0.1),
    Deep((6, 4), hidden=("tanh", "sigmoid"), output="linear"),
    Deep((5,), hidden="relu", code="sigmoid", loss="cross entropy"),
    Deep((), output="linear"),
)
