"""Autoencoders, one file each: settings as fields, equations as methods (`saelib.architecture`).

``nets.Sigmoid``, ``nets.TopK`` and so on are found by looking into the files, so a new one needs no line here.  Each
file lists in ``EXAMPLES`` the settings with which the tests try it.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules


@cache
def discover():
    """Return the nets of this folder: a dictionary from names to classes."""
    modules = [import_module(f".{m.name}", __name__) for m in iter_modules(__path__) if not m.name.startswith("_")]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and hasattr(value, "init") and value.__module__ == module.__name__
    }


def examples():
    """Return settings of every net, for tests that all nets have to pass."""
    return [net for cls in discover().values() for net in import_module(cls.__module__).EXAMPLES]


def __getattr__(name):
    if not name.startswith("_") and name in discover():
        return discover()[name]
    raise AttributeError(f"module 'saelib.nets' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *discover()])
