"""Run a learner's function so that nothing it does can hurt: errors, endless loops, changed arguments, printing."""

import contextlib
import inspect
import io
import threading
import warnings
from copy import deepcopy
from typing import NamedTuple

import numpy as np

LIMIT = 5.0  # seconds for all inputs together


class Outcome(NamedTuple):
    """What one call did: the value it returned or the error it raised, an argument it changed, what it printed."""

    value: object = None
    error: BaseException | None = None
    changed: str = ""
    printed: str = ""


class _TimeUp(SystemExit):
    """Raised inside a function that runs too long; threads end at it without a word."""


def run(function, names, inputs):
    """Call ``function`` on fresh copies of each tuple of ``inputs`` and return the outcomes, fewer when time was up."""
    outcomes, output = [], io.StringIO()

    def work():
        with contextlib.suppress(_TimeUp):
            for arguments in inputs:
                outcomes.append(_attempt(function, names, arguments, output))

    worker = threading.Thread(target=work, daemon=True)
    with contextlib.redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            worker.start()
        except RuntimeError:  # Python in a browser has no threads, and so no time limit
            work()
        else:
            try:
                worker.join(LIMIT)
            finally:
                _stop(worker)
    return list(outcomes)


def bind(function, names, arguments):
    """Return positional and keyword arguments for ``function``: by name where it has the same ones, else in order.

    Raises TypeError when it cannot be called with that many.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # functions written in C need not have one
        return arguments, {}
    parameters = signature.parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    same = set(names) <= set(parameters) and inspect.Parameter.POSITIONAL_ONLY not in kinds
    by_name = {name for name in parameters if same or parameters[name].kind is inspect.Parameter.KEYWORD_ONLY}
    named = {name: value for name, value in zip(names, arguments, strict=True) if name in by_name}
    in_order = [value for name, value in zip(names, arguments, strict=True) if name not in by_name]
    signature.bind(*in_order, **named)
    return in_order, named


def _attempt(function, names, arguments, output):
    fresh, start = deepcopy(arguments), output.tell()
    in_order, named = bind(function, names, fresh)
    try:
        value = function(*in_order, **named)
    except _TimeUp:
        raise
    except BaseException as error:  # whatever it is, it is the learner's, and becomes a sentence
        return Outcome(error=error, printed=output.getvalue()[start:])
    changes = (_changed(*three) for three in zip(names, arguments, fresh, strict=True))
    return Outcome(value, None, next(filter(None, changes), ""), output.getvalue()[start:])


def _changed(name, before, after):
    """Return the name of what is no longer as it was before the call, or nothing."""
    if isinstance(before, tuple):
        parts = zip(getattr(before, "_fields", range(len(before))), before, after, strict=True)
        return next(filter(None, (_changed(f"{name}.{field}", b, a) for field, b, a in parts)), "")
    return "" if callable(before) or np.array_equal(before, after) else name


def _stop(worker):
    """End a thread that is still running; should the function catch even that, leave it behind."""
    import ctypes

    for _ in range(10):
        if not worker.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(_TimeUp))
        worker.join(0.1)
