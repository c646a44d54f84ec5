"""Say in one sentence what is the matter with an answer, or with a function that gives none."""

import inspect
import linecache
import re
import traceback

import numpy as np

from . import calls
from .answers import TOLERANCE, agree, answer, as_arrays, right, turn_rows


def about_function(function, kind, check):
    """Return what keeps ``function`` from being called at all, or nothing."""
    names = kind.asked or kind.arguments
    call = f"f({', '.join(names)})"
    if not callable(function):
        return (
            f"`{check}` wants the function itself, but was given {_a(function)}: "
            f"write `{check}(my_function)`, without calling it."
        )
    try:
        calls.bind(function, names, names)
    except TypeError:
        written = f"{getattr(function, '__name__', 'f')}{inspect.signature(function)}"
        return f"Your function is called as `{call}`, but is written as `{written}`, and these do not fit together."
    return ""


def about_outcomes(kind, outcomes, function):
    """Return what makes an answer no answer: no end, a changed argument, nothing or the wrong thing returned."""
    for outcome in outcomes:
        if outcome.changed:
            return (
                f"Your function changes its argument `{outcome.changed}` in place, as `*=` and `[...] =` do, "
                "and whoever called it still needs that: work on a copy, or make a new array."
            )
        if outcome.error is None and outcome.value is None:
            return _about_none(function, outcome.printed)
        if outcome.error is None:
            try:
                as_arrays(kind, outcome.value)
            except Exception:  # whatever came may refuse to become an array in its own way
                return f"Your function returns {_a(outcome.value)}, but {_wanted(kind)} is wanted."
    if len(outcomes) < len(kind.inputs()):
        return (
            f"Your function was still running after {calls.LIMIT:g} seconds of computing (on the input with "
            f"{kind.inputs()[len(outcomes)][0]}), where thousandths of a second are enough, so it was stopped: does a "
            "loop never come to its end, or does it wait for something? It may also be right and only slow."
        )
    return ""


def about_values(kind, outcomes, values, function):
    """Return where wrong answers that no known mistake explains go wrong first: an error, a shape, NaN or a number."""
    for (label, _), outcome, arrays, wanted in zip(kind.inputs(), outcomes, values, right(kind), strict=True):
        if outcome.error is not None:
            return _about_error(outcome.error, function, label)
        for field, array, right_array in zip(kind.fields or ("",), arrays, wanted, strict=True):
            if array.shape != right_array.shape:
                return _about_shape(field, array.shape, right_array.shape, label)
            if not np.isfinite(array).all():
                at = tuple(np.argwhere(~np.isfinite(array))[0])
                return f"{_entry(field, at)} is {array[at]:g}, not a finite number (on the input with {label})."
    return _about_factor(kind, values) or _about_difference(kind, values, right(kind))


def _about_none(function, printed):
    if printed:
        return "Your function prints its answer but returns nothing: a result is handed over with `return`."
    body = getattr(function, "__code__", None)
    if body and len(body.co_code) <= len(_nothing_yet.__code__.co_code):
        return "There is nothing in your function yet, so it returns `None`: fill it in, and end with `return`."
    return "Your function returns nothing (`None`): did you forget `return` on its last line?"


def _nothing_yet():
    """Stand for a function that was not written yet."""


def _about_error(error, function, label):
    if isinstance(error, NotImplementedError):
        return "Your function is not written yet: it raises `NotImplementedError`."
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [at for at in frames if at[0].f_code.co_filename == file]
    own = own or [at for at in frames if at[0].f_code.co_filename != calls.__file__][:1]
    where = shapes = ""
    if own:
        frame, line = own[-1]
        text = linecache.getline(frame.f_code.co_filename, line).strip()
        where = f" in line {line}," + (f" `{text}`," if text else "")
        shapes = _shapes(text, frame.f_locals)
    said = traceback.format_exception_only(error)[-1].partition("\n")[0][:200]
    meant = next((meaning for pattern, meaning in MEANINGS.items() if re.search(pattern, said)), "")
    if not meant:
        return f"Your function stops{where} on the input with {label}: {said}"
    return f"Your function stops{where} on the input with {label}. {meant}{shapes} NumPy says: {said}"


# What NumPy's errors mean.
MEANINGS = {
    r"matmul: .*(core dimension|enough dimensions)|shapes .* not aligned": (
        "The shapes do not fit in a product: `A @ B` needs as many columns in `A` as `B` has rows; one of the two may "
        "have to be transposed (`.T`), or to stand on the other side."
    ),
    r"could not be broadcast|non-broadcastable": (
        "The shapes do not fit: arrays that are added, multiplied or compared entry by entry need the same shape, read "
        "from the right, or a 1 there; is one transposed, or a sum along the wrong axis, or `keepdims=True` missing?"
    ),
    r"(only (length-1|size-1|0-dimensional) arrays|converted to Python scalar)": (
        "A function for one number was given an array: use NumPy's, `np.log` instead of `math.log`."
    ),
    r"truth value of an array": (
        "`if`, `and`, `or`, `max` or `min` was given a whole array: use `np.where`, `&`, `|`, `np.maximum`."
    ),
    r"setting an array element with a sequence|inhomogeneous": (
        "A row stands where one number belongs, or the rows of a list are of different lengths."
    ),
    r"axis \d+ is out of bounds|AxisError": "The array has fewer axes than that: they are counted from 0.",
    r"cannot reshape|incompatible dimensions": "The number of entries has to be the same before and after.",
    r"too many indices": "The array has fewer axes than there are indices in the brackets.",
}


def _shapes(text, names):
    """Return the shapes of the arrays that a line of code names."""
    found = {}
    for name in re.findall(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?", text):
        first, _, field = name.partition(".")
        value = names.get(first)
        if field in getattr(value, "_fields", ()):
            found[name] = getattr(value, field)
        elif value is not None:
            found[first] = value
    told = [f"`{name}` is {value.shape}" for name, value in found.items() if isinstance(value, np.ndarray)]
    return f" Here {', '.join(told)}." if told else ""


def _about_shape(field, came, wanted, label):
    if not wanted:
        return f"One number is wanted, but an array of shape {came} came (on the input with {label})."
    name = f"`{field}`" if field else "your answer"
    guess = "."
    if came == wanted[::-1]:
        guess = ": it is the transpose."
    elif [n for n in came if n != 1] == [n for n in wanted if n != 1]:
        guess = f": there is an axis too {'many' if len(came) > len(wanted) else 'few'}."
    return f"The shape {wanted} is wanted of {name} where {label}, but {came} came{guess}"


def _about_factor(kind, values):
    """Return the factor by which all of an answer is too large, if there is one."""
    given, known = answer(kind, values), answer(kind, right(kind))
    if given.shapes != known.shapes:
        return ""
    factor = given.entries @ known.entries / (known.entries @ known.entries)
    scaled = known._replace(entries=factor * known.entries, slack=max(1, abs(factor)) * known.slack)
    if abs(factor) > 1e-3 and agree(given, scaled):
        return f"Everything is {factor:.4g} times what it should be, on all inputs: which factor is that?"
    return ""


def _about_difference(kind, values, wanted):
    worst, wrong = (-1, "", "", 0, 0), set()
    for (label, _), arrays, right_arrays in zip(kind.inputs(), values, wanted, strict=True):
        for field, array, right_array in zip(kind.fields or ("",), arrays, right_arrays, strict=True):
            if kind.signless:
                array, right_array = turn_rows(array), turn_rows(right_array)
            difference = np.abs(array - right_array)
            at = np.unravel_index(difference.argmax(), difference.shape)
            size = difference[at] / (np.abs(right_array).max() or 1)
            wrong |= {field} if size > TOLERANCE else set()
            if size > worst[0]:
                worst = size, label, _entry(field, at), array[at], right_array[at]
    _, label, entry, came, right_one = worst
    good = [f"`{field}`" for field in kind.fields if field not in wrong]
    praise = f"Right on all inputs: {', '.join(good)}. " if good else ""
    return (
        f"Not yet, but this is not a mistake that the tutor knows by name. {praise}"
        f"The largest difference is in {entry}: {came:.4g} where {right_one:.4g} is right (on the input with {label})."
    )


def _entry(field, at):
    index = f"[{', '.join(map(str, map(int, at)))}]" if at else ""
    if field:
        return f"`{field}{index}`"
    return f"entry `{index}` of your answer" if index else "your answer"


def _wanted(kind):
    fields = kind.fields
    if fields:
        return f"a tuple of {len(fields)} arrays, ({', '.join(fields)}),"
    return "an array of numbers" if right(kind)[0][0].ndim else "a number"


def _a(value):
    """Describe a value that is of the wrong kind."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if value is None:
        return "`None`"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    article = "an" if type(value).__name__[0] in "aeiouAEIOU" else "a"
    return f"{article} `{type(value).__name__}`"
