"""Compare answers: with the right one, and with those that the known mistakes give."""

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

TOLERANCE = 5e-6  # relative to the largest entry of an array: room for float32, far from any mistake


class Answer(NamedTuple):
    """The answers to all inputs of a kind: their shapes (None where the call failed), and all their entries in a row.

    Entries are in units of the largest one in the right array.  ``slack`` is how far each may be off.
    """

    shapes: tuple
    entries: np.ndarray
    slack: np.ndarray


def as_arrays(kind, value):
    """Return an answer of this kind as a tuple of arrays of floats, or raise an error."""
    parts = kind.parts(value) if kind.fields else (value,)
    if not isinstance(parts, (tuple, list)) or len(parts) != max(len(kind.fields), 1):
        raise ValueError("not the arrays that are wanted")
    return tuple(np.asarray(part).astype(float, casting="same_kind") for part in parts)


@lru_cache(maxsize=64)
def right(kind):
    """Return the right answers of a kind: for each input a tuple of arrays."""
    return run(kind, partial(kind.formula, frozenset()))


def run(kind, function, inputs=slice(None)):
    """Return the answers that one of our own functions gives, None where it fails."""
    answers = []
    for _, arguments in kind.inputs()[inputs]:
        try:
            with np.errstate(all="ignore"):
                answers.append(as_arrays(kind, function(*arguments)))
        except Exception:  # shapes that do not fit: such a mistake shows on some networks only
            answers.append(None)
    return tuple(answers)


def answer(kind, values, inputs=slice(None), *, signs=True):
    """Return the `Answer` for tuples of arrays, one for each input; without ``signs`` rows may be turned round."""
    entries, slack = [np.zeros(0)], [np.zeros(0)]
    for arrays, wanted in zip(values, right(kind)[inputs], strict=True):
        for array, right_array in zip(arrays or (), wanted, strict=False):
            array = np.nan_to_num(array / (np.max(np.abs(right_array)) or 1), nan=1e9, posinf=2e9, neginf=-2e9)
            if kind.signless:
                array = turn_rows(array) if signs else np.abs(array)
            entries.append(array.ravel())
            slack.append(np.full(array.size, TOLERANCE * max(1, np.abs(array).max(initial=0))))
    shapes = tuple(arrays and tuple(array.shape for array in arrays) for arrays in values)
    return Answer(shapes, np.concatenate(entries), np.concatenate(slack))


def agree(given, known):
    """Return whether a given answer is, up to rounding, a known one."""
    return given.shapes == known.shapes and bool(np.all(np.abs(given.entries - known.entries) <= known.slack))


def is_right(kind, values):
    """Return whether these are the right answers to all inputs."""
    return agree(answer(kind, values), answer(kind, right(kind)))


def recognize(kind, values):
    """Return the `Mistake` that gives these answers, a single one if there is one, or two at once, or None."""
    given = answer(kind, values, signs=False)
    if not given.entries.size:
        return None
    key, reach = _key(kind, values[-1:])
    for of in (type(kind).mistakes, type(kind).pairs):
        candidates, keys = _table(kind, of)
        for i in np.flatnonzero(np.abs(keys - key) <= reach):
            if agree(given, answer(kind, run(kind, candidates[i].function), signs=False)):
                return candidates[i]
    return None


@lru_cache(maxsize=64)
def _table(kind, of):
    """Return mistakes, and a number for each from its answer to the last input, where no shape is in the way."""
    candidates = of(kind)
    keys = [_key(kind, run(kind, one.function, slice(-1, None)))[0] for one in candidates]
    return candidates, np.array(keys)


def _key(kind, values):
    known = answer(kind, values, slice(-1, None), signs=False)
    return np.cos(np.arange(known.entries.size)) @ known.entries, 2 * known.slack.sum()


def turn_rows(array):
    """Turn rows round such that their largest entries are positive."""
    if array.ndim != 2:
        return array
    largest = np.take_along_axis(array, np.abs(array).argmax(axis=1)[:, np.newaxis], axis=1)
    return array * np.where(largest < 0, -1, 1)
