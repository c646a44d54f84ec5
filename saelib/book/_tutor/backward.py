"""The backward pass of any net that keeps the contract: the inputs to try it on, and mistakes derived from it.

A net adds mistakes of its own as ``mistakes`` in its class: names, each with a piece of the source of `backward`, what
stands there instead when the mistake is made, and a sentence.  No wrong backward pass is written out anywhere.
"""

import inspect
from functools import lru_cache, partial
from itertools import combinations
from textwrap import dedent

import numpy as np

from ...architecture import flatten, named_leaves, unflatten
from . import answers
from .mistakes import Kind, Mistake

NAMES = ("params", "X", "target", "codes", "price")
ALSO = {"net", "self"}  # a function may ask for the net too
SIZES = ((5, 4, 3), (1, 3, 4), (4, 3, 6), (6, 4, 1), (30, 3, 5), (4, 4, 4))
CONTRACT = "help(saelib.architecture.Architecture)"
SUMS = "The contract wants sums over the rows: the engine divides them by m, and adds the weight decay once."
PLACES = "A parameter moves the loss by every way that leads from it there: add up the parts, each in its own place."
LINES = "Write the forward pass down line by line, then go back through it: each line multiplies by its own derivative."
ARRAYS = "Which array did the forward pass use at this place?"


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
    params, m = made[0]["params"], "m = {}, {} inputs".format
    fields = tuple(name for name, _ in named_leaves(params))
    table = {**_before(net, "target" in asked), **_after(fields)}
    kind = Kind(
        "backward",
        partial(_formula, table),
        ("net", *NAMES),
        fields=fields,
        cases=lambda: [(m(*one["X"].shape), one) for one in made],
        tried=f"{len(made)} random inputs of various shapes",
        asked=asked,
        parts=_parts,
    )
    return kind._replace(known=lru_cache(partial(_known, kind, table)))


def _known(kind, table):
    """Return the mistakes that change something in this net, each once, alone and by twos."""

    def mistake(*names):
        sentences, hints, places = zip(*(table[name][:3] for name in names), strict=True)
        return Mistake.of(names, sentences, hints, places, partial(kind.formula, frozenset(names)))

    def together(*names):
        """Return whether both can be made: not when they change the same place in the source."""
        texts = [table[name][3] for name in names]
        return not all(isinstance(text, tuple) for text in texts) or not (
            texts[0][0] in texts[1][0] or texts[1][0] in texts[0][0]
        )

    single, seen = [], [answers.answer(kind, answers.right(kind))]
    for name in table:
        known = answers.answer(kind, answers.run(kind, mistake(name).function))
        if not any(answers.agree(known, other) for other in seen):
            single.append(name)
            seen.append(known)
    wide = [name for name in single if not name.startswith(tuple(f"{field} " for field in kind.fields))]
    twos = [mistake(a, b) for a, b in combinations(single, 2) if (a in wide or b in wide) and together(a, b)]
    return tuple(map(mistake, single)), tuple(twos)


# --- inputs -----------------------------------------------------------------------------------------------------
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


# --- mistakes made on the way: other arguments, another line ----------------------------------------------------
def _before(net, with_target):
    """Return sentence, hint, place and a change of the arguments; a pair of texts for one of the net's own lines."""
    place = f"help(saelib.nets.{type(net).__name__})" if type(net).__module__.startswith("saelib.") else ""
    place = place or f"help({type(net).__name__})"
    own = {
        f"{name}": (sentence, LINES, place, (right, wrong))
        for name, (right, wrong, sentence) in getattr(net, "mistakes", {}).items()
    }

    def price(factor):
        return lambda one: one | {"price": None if one["price"] is None else factor(len(one["X"])) * one["price"]}

    def rows(chosen):
        return lambda one: one | {name: _rows(one[name], chosen) for name in ("X", "target", "codes")}

    table = {
        "price left out": ("the price is left out", SUMS, CONTRACT, price(lambda m: 0)),
        "price / m": (
            "the price is divided by m, though the mean is taken later",
            SUMS,
            CONTRACT,
            price(lambda m: 1 / m),
        ),
        "price * m": ("the price is multiplied by m", SUMS, CONTRACT, price(lambda m: m)),
        "first row": (
            "only the first row counts: is there a `return` inside the loop?",
            SUMS,
            CONTRACT,
            rows(slice(1)),
        ),
        "last row": ("only the last row counts: is a sum overwritten?", SUMS, CONTRACT, rows(slice(-1, None))),
        "Z for A": (
            "pre-activations Z stand where activations A belong",
            ARRAYS,
            place,
            lambda one: one | {"codes": one["codes"]._replace(A=one["codes"].Z)},
        ),
    }
    if with_target:
        table["X for target"] = (
            "X stands where the target belongs",
            ARRAYS,
            CONTRACT,
            lambda one: one | {"target": one["X"]},
        )
        table["target for X"] = (
            "the target stands where the input X belongs",
            ARRAYS,
            CONTRACT,
            lambda one: one | {"X": one["target"]},
        )
    return own | table


def _rows(value, chosen):
    """Return some rows of a matrix, or of all matrices in a tuple."""
    if isinstance(value, tuple):
        parts = [_rows(part, chosen) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value[chosen]


@lru_cache
def changed(cls, *texts):
    """Return `backward` of a class with pieces of its source replaced, in a class of this module that it calls else."""
    own, names = cls.backward, cls.backward.__code__.co_names
    source, namespace = dedent(inspect.getsource(own)), dict(own.__globals__)
    for right, wrong in texts:
        if right in source:
            source = source.replace(right, wrong)
        else:
            inner = [other for name in names if isinstance(other := namespace.get(name), type)]
            inner = [other for other in inner if hasattr(other, "backward")]
            if not inner:
                raise ValueError(f"{right!r} does not stand in {cls.__name__}.backward")
            wrong = changed(inner[0], (right, wrong))
            namespace[inner[0].__name__] = type(inner[0].__name__, (inner[0],), {"backward": wrong})
    exec(compile(source, f"<{cls.__name__}.backward with a mistake>", "exec"), namespace)
    return namespace["backward"]


# --- mistakes in what comes out ---------------------------------------------------------------------------------
def _after(fields):
    """Return sentence, hint, place and what becomes of the gradient, a list of arrays."""

    def everywhere(change):
        return lambda G, one: [change(P, len(one["X"])) for P in G]

    def at(i, change):
        return lambda G, one: [change(P, len(one["X"])) if k == i else P for k, P in enumerate(G)]

    def decay(share):
        def change(G, one):
            slope = one["net"].decay(one["params"])[1]
            m = len(one["X"])
            return G if slope is None else [share(P, R, m) for P, (_, R) in zip(G, named_leaves(slope), strict=True)]

        return change

    table = {
        "sign": ("the whole gradient has the wrong sign", LINES, CONTRACT, everywhere(lambda P, m: -P)),
        "1/m": ("the sums are divided by m", SUMS, CONTRACT, everywhere(lambda P, m: P / m)),
        "m": ("the sums are multiplied by m", SUMS, CONTRACT, everywhere(lambda P, m: P * m)),
        "twice": (
            "the whole gradient is twice too large: there is a 2 that cancels against the loss's half",
            LINES,
            CONTRACT,
            everywhere(lambda P, m: 2 * P),
        ),
        "half": (
            "the whole gradient is half of what it should be: the loss's half cancels against the 2 of the square",
            LINES,
            CONTRACT,
            everywhere(lambda P, m: P / 2),
        ),
        "decay": ("the weight decay is in it too", SUMS, CONTRACT, decay(lambda P, R, m: P + R)),
        "decay * m": ("the weight decay is added for every row", SUMS, CONTRACT, decay(lambda P, R, m: P + m * R)),
        "finished": (
            "this is the gradient of the whole cost J: a mean, with the weight decay",
            SUMS,
            CONTRACT,
            decay(lambda P, R, m: P / m + R),
        ),
    }
    for i, field in enumerate(fields):
        table |= {
            f"{field} zero": (f"the gradient of {field} is zero", PLACES, CONTRACT, at(i, lambda P, m: 0 * P)),
            f"{field} twice": (
                f"the gradient of {field} is twice too large",
                PLACES,
                CONTRACT,
                at(i, lambda P, m: 2 * P),
            ),
            f"{field} half": (
                f"the gradient of {field} is half too small",
                PLACES,
                CONTRACT,
                at(i, lambda P, m: P / 2),
            ),
            f"{field} sign": (f"the gradient of {field} has the wrong sign", PLACES, CONTRACT, at(i, lambda P, m: -P)),
            f"{field} 1/m": (f"the gradient of {field} is divided by m", SUMS, CONTRACT, at(i, lambda P, m: P / m)),
            f"{field} turned": (
                f"the gradient of {field} is transposed: it has to have the shape of {field}",
                PLACES,
                CONTRACT,
                at(i, lambda P, m: P.T),
            ),
        }
    for i, j in combinations(range(len(fields)), 2):

        def swap(G, one, i=i, j=j):
            return [G[{i: j, j: i}.get(k, k)] for k in range(len(G))]

        table[f"{fields[i]} and {fields[j]} swapped"] = (
            f"the gradients of {fields[i]} and {fields[j]} stand in each other's place",
            PLACES,
            CONTRACT,
            swap,
        )
    return table


def _formula(table, on, *arguments):
    """Return the gradient, with the mistakes named in ``on``, as nested as the parameters are."""
    one, texts, after = dict(zip(("net", *NAMES), arguments, strict=True)), [], []
    for name in (name for name in table if name in on):
        change = table[name][3]
        if isinstance(change, tuple):
            texts.append(change)
        elif change.__code__.co_argcount == 1:
            one = change(one)
        else:
            after.append(change)
    backward = changed(type(one["net"]), *texts) if texts else type(one["net"]).backward
    G = [P for _, P in named_leaves(backward(one["net"], *(one[name] for name in NAMES))[1])]
    for change in after:
        G = change(G, one)
    return tuple(G)
