"""One example's way through a network with one hidden layer and back, step by step, every number with its formula."""

from itertools import chain
from typing import NamedTuple

import numpy as np

from .._checks import as_matrix, whole_number
from ..backprop import hidden_delta, output_delta
from ..cost import reconstruction_error
from ..network import check_params, forward
from . import plots


class Step(NamedTuple):
    """One step: what it is called, the edges it uses, its formulas, what it says, and what is known after it."""

    title: str
    edges: tuple  # of ((layer, from), (layer + 1, to), weight)
    formulas: tuple  # lines of TeX, the first in symbols; a line may be a list of columns
    sentence: str
    activations: dict  # of the units (layer, number) whose activation is known by now, to the number in writing
    deltas: dict  # the same for the deltas
    here: tuple  # the units that the step is about


def steps(params, x):
    """Return the steps of a forward and a backward pass for the example ``x`` of shape (s1,), as a list of `Step`.

    They are the input, each hidden unit, each output unit, the cost, the output deltas, each hidden delta, and the
    gradients of W2 and of W1; the cost is that of this one example, without decay and sparsity.
    """
    params = check_params(params)
    X = as_matrix(np.atleast_2d(x), "x", columns=params.W1.shape[1], unit_interval=True)
    cache = forward(params, X)
    delta3 = output_delta(cache, X)
    delta2 = hidden_delta(params, cache, delta3, rho=0.5, beta=0)
    z2, a2, z3, a3 = (layer[0] for layer in cache)
    p = Pass(*params, X[0], z2, a2, z3, a3, delta2[0], delta3[0])
    activations, deltas, known, told, found = (p.x, p.a2, p.a3), (None, p.delta2, p.delta3), {}, {}, []
    for title, formulas, sentence, here, edges in chain(_forward(p), _cost(p), _backward(p), _gradients(p)):
        now, values = (told, deltas) if "backward" in title else (known, activations)
        now.update({(layer, k): number(values[layer][k]) for layer, k in here})
        found.append(Step(title, tuple(edges), tuple(formulas), sentence, dict(known), dict(told), tuple(here)))
    return found


class Pass(NamedTuple):
    """All numbers of one example's way, in vectors."""

    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: np.ndarray
    x: np.ndarray
    z2: np.ndarray
    a2: np.ndarray
    z3: np.ndarray
    a3: np.ndarray
    delta2: np.ndarray
    delta3: np.ndarray


# Each part yields for its steps: title, formulas, sentence, the units it is about, and the edges.


def _forward(p):
    entries = ", ".join(map(number, p.x))
    yield "the input", [rf"$x = ({entries})$"], f"The input is x = ({entries}).", _units(0, p.x), []
    for k in range(p.z2.size):
        yield _forward_unit(1, "hidden", k, p.W1[k], p.b1[k], p.x, p.z2[k], p.a2[k], "i", "x_i")
    for k in range(p.z3.size):
        yield _forward_unit(2, "output", k, p.W2[k], p.b2[k], p.a2, p.z3[k], p.a3[k], "j", "a^{(2)}_j")


def _forward_unit(layer, kind, k, w, b, source, z, a, index, symbol):
    total, z, a = f"{weighted_sum(w, source)} + {factor(b)}", number(z), number(a)
    formulas = (
        rf"$z^{{({layer + 1})}}_{k + 1} = \sum_{index} W^{{({layer})}}_{{{k + 1}{index}}}\, {symbol}"
        rf" + b^{{({layer})}}_{k + 1}$",
        tex(rf"\quad = {total} = {z}"),
        tex(rf"a^{{({layer + 1})}}_{k + 1} = f({z}) = {a}"),
    )
    sentence = f"{kind.capitalize()} unit {k + 1} receives {total} = {z}; its activation is f({z}) = {a}."
    edges = [((layer - 1, i), (layer, k), weight) for i, weight in enumerate(w)]
    return f"forward, {kind} unit {k + 1}", formulas, sentence, [(layer, k)], edges


def _cost(p):
    squares = " + ".join(f"({number(a)} \N{MINUS SIGN} {number(t)})²" for a, t in zip(p.a3, p.x, strict=True))
    cost = number(reconstruction_error(p.a3[np.newaxis], p.x[np.newaxis]))
    formulas = (
        r"$J = \frac{1}{2} \sum_k (a^{(3)}_k - x_k)^2$",
        tex(rf"\quad = \frac{{1}}{{2}}\,[{squares}]"),
        tex(rf"\quad = {cost}"),
    )
    sentence = f"The cost is half the sum of the squared differences of output and input: ½ [{squares}] = {cost}."
    yield "forward, the cost", formulas, sentence, _units(2, p.a3), []


def _backward(p):
    errors = [
        f"({number(a)} \N{MINUS SIGN} {number(t)}) · {number(a)} · (1 \N{MINUS SIGN} {number(a)}) = {number(d)}"
        for a, t, d in zip(p.a3, p.x, p.delta3, strict=True)
    ]
    formulas = [r"$\delta^{(3)}_k = (a^{(3)}_k - x_k)\, a^{(3)}_k (1 - a^{(3)}_k)$"]
    formulas += [tex(rf"\delta^{{(3)}}_{k + 1} = {line}") for k, line in enumerate(errors)]
    sentence = (
        f"Each output's delta is its difference times the slope of the sigmoid: {', '.join(map(number, p.delta3))}."
    )
    yield "backward, the output deltas", formulas, sentence, _units(2, p.a3), []
    for j in range(p.a2.size):
        back, sum_ = weighted_sum(p.W2[:, j], p.delta3), number(p.W2[:, j] @ p.delta3)
        a, delta = number(p.a2[j]), number(p.delta2[j])
        slope = f"{a} · (1 \N{MINUS SIGN} {a})"
        formulas = (
            rf"$\delta^{{(2)}}_{j + 1} = (\sum_k W^{{(2)}}_{{k{j + 1}}}\,\delta^{{(3)}}_k)\;"
            rf" a^{{(2)}}_{j + 1} (1 - a^{{(2)}}_{j + 1})$",
            tex(rf"\sum_k = {back} = {sum_}"),
            tex(rf"\delta^{{(2)}}_{j + 1} = {factor(p.W2[:, j] @ p.delta3)} · {slope} = {delta}"),
        )
        sentence = (
            f"Hidden unit {j + 1} collects {back} = {sum_}; times the slope, {slope}, that is its delta, {delta}."
        )
        edges = [((1, j), (2, k), weight) for k, weight in enumerate(p.W2[:, j])]
        yield f"backward, hidden unit {j + 1}", formulas, sentence, [(1, j)], edges


def _gradients(p):
    for layer, delta, source, at, start, symbol in (
        (2, p.delta3, p.a2, "k", "j", "a^{(2)}_j"),
        (1, p.delta2, p.x, "j", "i", "x_i"),
    ):
        table = [[f"{factor(d)} · {number(s)} = {number(d * s)}" for s in source] for d in delta]
        formulas = [
            rf"$\partial J / \partial W^{{({layer})}}_{{{at}{start}}} = \delta^{{({layer + 1})}}_{at}\, {symbol}$"
        ]
        formulas += [[tex(entry) for entry in row] for row in table]
        sentence = (
            "The derivative by a weight is the delta where it arrives times the activation where it starts: "
            f"{'; '.join(', '.join(number(d * s) for s in source) for d in delta)}."
        )
        edges = [((layer - 1, i), (layer, k), None) for i in range(source.size) for k in range(delta.size)]
        yield f"backward, the gradient of W{'⁽¹⁾⁽²⁾'[3 * layer - 3 : 3 * layer]}", formulas, sentence, [], edges


def _units(layer, values):
    return [(layer, k) for k in range(len(values))]


def step_through(step, params, x, ax):
    """Draw step ``step`` (from 1) of `steps` on Matplotlib axes: the network above, the formulas below.

    Returns the sentence that describes the step.  Made for a figure of 4.2 by 4.6 inches, legible on a phone.
    """
    found = steps(params, x)
    now = found[whole_number(step, "step", most=len(found)) - 1]
    color = plots.ORANGE if "backward" in now.title else plots.BLUE
    sizes = [sum(layer == l for layer, _ in found[-1].activations) for l in range(3)]
    edges = [(start, end, color) for start, end, _ in now.edges]
    plots.network_diagram(sizes, labels=[[""] * size for size in sizes], edges=edges, ax=ax)
    place = {(l, k): np.array([2.6 * l, (size - 1) / 2 - k]) for l, size in enumerate(sizes) for k in range(size)}
    white = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    centered = {"ha": "center", "va": "center", "zorder": 5}
    for (l, k), at in place.items():
        known = now.activations.get((l, k))
        symbol = rf"${('x', 'a^{(2)}', 'a^{(3)}')[l]}_{k + 1}$"
        ax.text(*at, tex(known) if known else symbol, color="black" if known else "#767676", fontsize=9.5, **centered)
        if (l, k) in now.deltas:
            new = {"color": plots.ORANGE} if (l, k) in now.here else {"color": "black"}
            ax.text(*at - (0, 0.5), tex(rf"\delta = {now.deltas[l, k]}"), fontsize=9.5, bbox=white, **centered, **new)
        if (l, k) in now.here:
            ax.scatter(*at, s=1000, facecolor="none", edgecolor=color, linewidth=2.4, zorder=4)
    for start, end, weight in now.edges:
        if weight is not None:  # where the lines are furthest apart: at the many ends
            at = place[start] + (0.66 if "backward" in now.title else 0.34) * (place[end] - place[start])
            ax.text(*at, tex(number(weight)), color=color, fontsize=10, bbox=white, **centered)
    for line, formula in enumerate(now.formulas):
        columns = [formula] if isinstance(formula, str) else formula
        for k, column in enumerate(columns):
            at = -0.45 + 6.2 * k / len(columns), -2.0 - 0.55 * line
            ax.text(*at, column, color="black" if line else color, fontsize=10.5, va="center")
    ax.set_ylim(-3.8, 1.5)
    return now.sentence


def number(value):
    """Write a number with four decimals, or with fewer where it is a short one, and with a true minus sign."""
    text = f"{value:.4f}"
    if abs(value - round(value, 2)) < 1e-12:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else "0"


def factor(value):
    """Write a number as a factor: in parentheses when it is negative."""
    text = number(value)
    return f"({text})" if text[0] == "\N{MINUS SIGN}" else text


def weighted_sum(weights, values):
    """Write out the sum of products."""
    return " + ".join(f"{factor(w)} · {factor(v)}" for w, v in zip(weights, values, strict=True))


def tex(text):
    """Turn a formula with plain signs into TeX."""
    return "$" + text.replace(" · ", r" \cdot ").replace("\N{MINUS SIGN}", "-").replace("²", "^2") + "$"
