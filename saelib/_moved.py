"""Old import paths, for one release: a module that has moved to `saelib.book` warns and hands over the new one."""

import sys
import warnings
from importlib import import_module


def moved(name):
    """Put the module's new home in its place."""
    new = name.replace("saelib.", "saelib.book.")
    warnings.warn(f"{name} has moved to {new}", DeprecationWarning, stacklevel=3)
    sys.modules[name] = import_module(new)
