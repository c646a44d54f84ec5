"""What chapters use beside the mathematics: plots, figures to explore, the steps of a network, and the tutor."""

from importlib import import_module

__all__ = ["plots", "explore", "live", "steps", "tutor"]


def __getattr__(name):
    """Load a module when it is first asked for: ``import saelib`` stays light."""
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'saelib.book' has no attribute {name!r}")
