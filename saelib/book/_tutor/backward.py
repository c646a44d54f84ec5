"""The backward pass of any net that keeps the contract: the inputs to try it on, and mistakes derived from it.

A net adds mistakes of its own as ``mistakes`` in its class: lines of ``name | piece of the source of backward | what
stands there instead | sentence``.  No wrong backward pass is written out anywhere.
"""

import inspect
import re
from functools import lru_cache
from itertools import combinations
from textwrap import dedent

import numpy as np

from ...architecture import flatten, named_leaves, unflatten
from .kinds import Table, kinds

NAMES = ("params", "X", "target", "codes", "price")
ALSO = {"net", "self"}  # a function may ask for the net too
SIZES = ((5, 4, 3), (1, 3, 4), (4, 3, 6), (6, 4, 1), (30, 3, 5), (4, 4, 4))

# What goes wrong in any net, step by step: the arguments, and what becomes of the sums.
ANY = """
pass_back = changed(net, {own})
@ help(saelib.architecture.Architecture)
? The contract wants sums over the rows: the engine divides them by m, and adds the weight decay once.
used_price = price
    price left out | scaled(price, 0) | the price is left out
    price / m | scaled(price, 1 / len(X)) | the price is divided by m, though the mean is taken later
    price * m | scaled(price, len(X)) | the price is multiplied by m
given = (X, target, codes)
    first row | rows(it, slice(1)) | only the first row counts: is there a `return` inside the loop?
    last row | rows(it, slice(-1, None)) | only the last row counts: is a sum overwritten?
? Which array did the forward pass use at this place?
    Z for A | (X, target, codes._replace(A=codes.Z)) | pre-activations Z stand where activations A belong
    X for target | (X, X, codes) | X stands where the target belongs
    target for X | (target, target, codes) | the target stands where the input X belongs
sums = leaves(pass_back(net, params, *given, used_price)[1])
? Write the forward pass down line by line, then go back: each line multiplies by its own derivative.
signed = sums
    sign | [-P for P in sums] | the whole gradient has the wrong sign
doubled = signed
    twice | [2 * P for P in signed] |
        the whole gradient is twice too large: there is a 2 that cancels against the loss's half
    half | [P / 2 for P in signed] |
        the whole gradient is half of what it should be: the loss's half cancels against the 2 of the square
? The contract wants sums over the rows: the engine divides them by m, and adds the weight decay once.
whole = doubled
    1/m | [P / len(X) for P in doubled] | the sums are divided by m
    m | [P * len(X) for P in doubled] | the sums are multiplied by m
    decay | decayed(net, params, doubled, 1) | the weight decay is in it too
    decay * m | decayed(net, params, doubled, len(X)) | the weight decay is added for every row
    finished | [P / len(X) for P in decayed(net, params, doubled, len(X))] |
        this is the gradient of the whole cost J: a mean, with the weight decay
? A parameter moves the loss by every way that leads from it there: add up the parts, each in its own place.
"""
FIELD = """
g{i} = whole[{i}]
    {field} zero | 0 * it | the gradient of {field} is zero
    {field} twice | 2 * it | the gradient of {field} is twice too large
    {field} half | it / 2 | the gradient of {field} is half too small
    {field} sign | -it | the gradient of {field} has the wrong sign
    {field} 1/m | it / len(X) | the gradient of {field} is divided by m
    {field} turned | it.T | the gradient of {field} is transposed: it has to have the shape of {field}
"""


def kind_of(net, asked):
    """Return the `Kind` of backward passes of ``net`` for a function with the arguments ``asked``."""
    try:
        return _kind_of(type(net), net, asked)  # nets of two classes may be equal as tuples
    except TypeError:  # settings that cannot be hashed
        return _kind_of.__wrapped__(type(net), net, asked)


@lru_cache(maxsize=64)
def _kind_of(cls, net, asked):
    made = [one for sizes in SIZES if (one := _case(net, *sizes, "target" in asked))]
    if not made:
        raise ValueError(f"no input was found that {net} accepts")
    label, fields = "m = {}, {} inputs".format, tuple(name for name, _ in named_leaves(made[0]["params"]))
    helpers = {"changed": changed, "scaled": _scaled, "rows": _rows, "leaves": _leaves, "decayed": _decayed}
    kind = kinds(
        Table(_text(cls, fields), helpers),
        lambda: [(label(*one["X"].shape), one) for one in made],
        f"{len(made)} random inputs of various shapes",
        f"backward(net, {', '.join(NAMES)}) -> gradient | the backward pass of a net.",
        fields=fields,
        asked=asked,
        parts=_parts,
    )[0]
    narrow = tuple(f"{field} " for field in fields)

    def together(*names):
        """Return whether both can be made: not in one place, nor in two fields."""
        texts = [own[name][0] for name in names if name in own]
        clash = len(texts) == 2 and (texts[0] in texts[1] or texts[1] in texts[0])
        return not clash and kind.together(*names) and not all(name.startswith(narrow) for name in names)

    own = own_mistakes(cls)
    return kind._replace(together=together)


def own_mistakes(cls):
    """Return the mistakes that a net's class lists: for each name the right text, the wrong one and a sentence."""
    text = re.sub(r"\|\n\s+", "| ", getattr(cls, "mistakes", ""))
    lines = [[part.strip() for part in line.split(" | ", 3)] for line in text.splitlines() if "|" in line]
    return {name: tuple(rest) for name, *rest in lines}


def _text(cls, fields):
    """Return the table of a net: its own mistakes, those of any net, and those of each of its parameters."""
    place = f"saelib.nets.{cls.__name__}" if cls.__module__.startswith("saelib.") else cls.__name__
    text = f"@ help({place})\n? Write the forward pass down line by line, then go back through it.\n"
    own = own_mistakes(cls)
    for k, (name, (right, wrong, sentence)) in enumerate(own.items()):
        text += f"own{k} = ()\n    {name} | {(right, wrong)!r} | {sentence}\n"
    text += ANY.replace("{own}", ", ".join(f"own{k}" for k in range(len(own))))
    text += "".join(FIELD.format(i=i, field=field) for i, field in enumerate(fields))
    names = [f"g{i}" for i in range(len(fields))]
    text += f"gradient = ({', '.join(names)},)\n"
    for i, j in combinations(range(len(fields)), 2):
        turned = names.copy()
        turned[i], turned[j] = names[j], names[i]
        text += f"    {fields[i]} and {fields[j]} swapped | ({', '.join(turned)},) | "
        text += f"the gradients of {fields[i]} and {fields[j]} stand in each other's place\n"
    return text


def _case(net, m, n_visible, n_hidden, with_target):
    """Return a case, with more hidden units where the settings ask for them, or None where none will do."""
    for _ in range(12):
        rng = np.random.default_rng((m, n_visible, n_hidden))
        X, target = rng.uniform(0.05, 0.95, (2, m, n_visible))
        target = target if with_target else X
        start = net.init(n_visible, n_hidden, rng)
        theta = flatten(start)
        params = net.constrain(unflatten(theta + 0.3 * rng.normal(size=theta.size), start))
        try:
            net.check(params, X, target)
        except ValueError:
            n_hidden *= 2
            continue
        if hasattr(net, "probe"):
            params = net.probe(params, X, rng)
        codes = net.encode(params, X)
        price = net.penalty(net.summary(codes) / m)[1]
        return {"net": net, "self": net, "params": params, "X": X, "target": target, "codes": codes, "price": price}
    return None


def _parts(value):
    """Return the arrays of a gradient, which may come after the loss, and nested in tuples or lists."""
    return tuple(_flat(value[1] if loss_of(value) is not None else value))


def asked_by(function):
    """Return the names of the arguments that a function asks for: its own, if they are among ours, or all of ours."""
    try:
        names = tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return NAMES
    return names if names and set(names) <= {*NAMES, *ALSO} else NAMES


def about_losses(kind, values):
    """Return what is wrong with losses that came with right gradients, or nothing."""
    for (label, arguments), value in zip(kind.inputs(), values, strict=True):
        net, *rest = arguments
        came, right = loss_of(value), net.backward(*rest)[0]
        if came is not None and not abs(came - right) <= 5e-6 * max(1, abs(right)):
            return (
                f"The gradient is right, but the loss is not: {came:.4g} where {right:.4g} is right (on the input with "
                f"{label}). It is a sum over the rows, without the price and without the weight decay."
            )
    return ""


def _flat(value):
    return [part for one in value for part in _flat(one)] if isinstance(value, (tuple, list)) else [value]


def loss_of(value):
    """Return the loss that came with a gradient, or None."""
    pair = isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[1], (tuple, list))
    return value[0] if pair and not isinstance(value[0], (tuple, list)) and np.ndim(value[0]) == 0 else None


# --- what the table calls -----------------------------------------------------------------------------------------
def _scaled(price, factor):
    return None if price is None else factor * price


def _leaves(params):
    return [P for _, P in named_leaves(params)]


def _decayed(net, params, sums, factor):
    slope = net.decay(params)[1]
    return sums if slope is None else [P + factor * R for P, R in zip(sums, _leaves(slope), strict=True)]


def _rows(value, chosen):
    """Return some rows of a matrix, or of all matrices in a tuple."""
    if isinstance(value, tuple):
        parts = [_rows(part, chosen) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value[chosen]


@lru_cache
def _changed(cls, texts):
    """Return `backward` of a class with pieces of its source replaced, in a class of this module that it calls else."""
    own = inspect.unwrap(cls.backward)
    names, namespace = own.__code__.co_names, dict(own.__globals__)
    source = dedent(inspect.getsource(own))
    source = source[source.index("def ") :]  # without decorators
    for right, wrong in texts:
        if right in source:
            source = source.replace(right, wrong)
        else:
            inner = [other for name in names if isinstance(other := namespace.get(name), type)]
            inner = [other for other in inner if hasattr(other, "backward")]
            if not inner:
                raise ValueError(f"{right!r} does not stand in {cls.__name__}.backward")
            wrong = _changed(inner[0], ((right, wrong),))
            namespace[inner[0].__name__] = type(inner[0].__name__, (inner[0],), {"backward": wrong})
    exec(compile(source, f"<{cls.__name__}.backward with a mistake>", "exec"), namespace)
    return namespace["backward"]


def changed(net, *texts):
    """Return `backward` of a net with the mistakes of its own that were made."""
    return _changed(type(net), tuple(filter(None, texts))) if any(texts) else type(net).backward
