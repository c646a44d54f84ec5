"""Sparse autoencoders in NumPy, written to be read beside the book.

Rows are samples: ``X`` has shape ``(m, n)``.  The modules in reading order are `network`, `cost`, `backprop`,
`gradcheck`, `architecture`, `nets`, `objective`, `train`, `scaling`, `compiled`, `stacks`, `storage`, `estimator`,
`pca`, `sparse_coding`, `metrics`, `synthetic`, `datasets`, `embeddings`, `meg` and `progress`; what chapters use beside
the mathematics is in `saelib.book`.
``import saelib`` loads NumPy and nothing else; what is heavier is loaded when it is first used.
"""

import warnings
from importlib import import_module

__version__ = "0.2.0"

_HOME = {
    "network": [
        "Params",
        "Forward",
        "sigmoid",
        "sigmoid_prime",
        "sigmoid_slope",
        "init_params",
        "forward",
        "pack",
        "unpack",
    ],
    "cost": [
        "reconstruction_error",
        "weight_decay",
        "mean_activation",
        "kl_divergence",
        "sparsity_penalty",
        "sparse_cost",
        "cost_terms",
    ],
    "backprop": ["kl_prime", "output_delta", "hidden_delta", "sparse_gradient", "cost_and_gradient"],
    "gradcheck": ["numerical_gradient", "relative_error", "check_gradient"],
    "architecture": ["Codes", "check_architecture"],
    "nets": [],
    "objective": ["Objective"],
    "train": ["History", "Minibatches", "gradient_descent", "adam", "linear_decay", "lbfgs"],
    "storage": ["save_params", "load_params", "load_saelens", "save_saelens"],
    "estimator": ["Autoencoder", "SparseAutoencoder"],
    "progress": ["track"],
}
_MODULES = [
    *_HOME,
    "scaling",
    "compiled",
    "stacks",
    "pca",
    "sparse_coding",
    "metrics",
    "synthetic",
    "datasets",
    "embeddings",
    "meg",
    "book",
]
_MOVED = ["plots", "explore", "steps", "tutor"]  # to `saelib.book`; here for one release
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [*_MODULE_OF, *_MODULES]


def __getattr__(name):
    """Load a module of the library when one of its names is first asked for."""
    if name in _MODULE_OF:
        return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _MOVED:
        warnings.warn(f"saelib.{name} has moved to saelib.book.{name}", DeprecationWarning, stacklevel=2)
        return import_module(f".book.{name}", __name__)
    raise AttributeError(f"module 'saelib' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
