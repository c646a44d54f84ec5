"""One example's way through a network with one hidden layer and back, step by step, every number with its formula."""

from typing import NamedTuple

import numpy as np

from . import plots
from ._checks import as_matrix, whole_number
from .backprop import hidden_delta, output_delta
from .cost import reconstruction_error
from .network import check_params, forward


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
    W1, b1, W2, b2 = params = check_params(params)
    X = as_matrix(np.atleast_2d(x), "x", columns=W1.shape[1], unit_interval=True)
    cache = forward(params, X)
    delta3 = output_delta(cache, X)
    delta2 = hidden_delta(params, cache, delta3, rho=0.5, beta=0)[0]
    (x,), (delta3,), (z2,), (a2,), (z3,), (a3,) = X, delta3, *cache
    layers = [[(layer, k) for k in range(size)] for layer, size in enumerate((x.size, a2.size, a3.size))]
    activations, deltas, known, told, found = (x, a2, a3), (None, delta2, delta3), {}, {}, []

    def add(title, formulas, sentence, here, edges=()):
        now, values = (told, deltas) if "backward" in title else (known, activations)
        now.update({(layer, k): number(values[layer][k]) for layer, k in here})
        found.append(Step(title, tuple(edges), tuple(formulas), sentence, dict(known), dict(told), tuple(here)))

    entries = ", ".join(map(number, x))
    add("the input", (rf"$x = ({entries})$",), f"The input is x = ({entries}).", layers[0])
    passes = [(1, "hidden", W1, b1, x, z2, a2), (2, "output", W2, b2, a2, z3, a3)]
    for layer, kind, W, b, source, z, a in passes:
        before = "x_i" if layer == 1 else "a^{(2)}_j"
        for k in range(z.size):
            total = weighted_sum(W[k], source) + ("" if b[k] < 0 else " + ") + number(b[k])
            add(
                f"forward, {kind} unit {k + 1}",
                (
                    rf"$z^{{({layer + 1})}}_{k + 1} = \sum_{'ij'[layer - 1]} W^{{({layer})}}_{{{k + 1}{before[-1]}}}\,"
                    rf"{before} + b^{{({layer})}}_{k + 1}$",
                    tex(rf"\quad = {total} = {number(z[k])}"),
                    tex(rf"a^{{({layer + 1})}}_{k + 1} = f({number(z[k])}) = {number(a[k])}"),
                ),
                f"{kind.capitalize()} unit {k + 1} receives {total} = {number(z[k])}; "
                f"its activation is f({number(z[k])}) = {number(a[k])}.",
                [(layer, k)],
                [((layer - 1, i), (layer, k), W[k, i]) for i in range(source.size)],
            )
    squares = " + ".join(f"({number(a)} \N{MINUS SIGN} {number(t)})²" for a, t in zip(a3, x, strict=True))
    cost = number(reconstruction_error(a3[np.newaxis], X))
    add(
        "forward, the cost",
        (r"$J = \frac{1}{2} \sum_k (a^{(3)}_k - x_k)^2$", tex(rf"\quad = \frac{{1}}{{2}}\,[{squares}]"))
        + (tex(rf"\quad = {cost}"),),
        f"The cost is half the sum of the squared differences between output and input: ½ [{squares}] = {cost}.",
        layers[2],
    )
    lines = [
        f"({number(a)} \N{MINUS SIGN} {number(t)}) · {number(a)} · (1 \N{MINUS SIGN} {number(a)}) = {number(d)}"
        for a, t, d in zip(a3, x, delta3, strict=True)
    ]
    add(
        "backward, the output deltas",
        (r"$\delta^{(3)}_k = (a^{(3)}_k - x_k)\, a^{(3)}_k (1 - a^{(3)}_k)$",)
        + tuple(tex(rf"\delta^{{(3)}}_{k + 1} = {line}") for k, line in enumerate(lines)),
        f"Each output's delta is its difference times the slope of the sigmoid: {', '.join(map(number, delta3))}.",
        layers[2],
    )
    for j in range(a2.size):
        back = weighted_sum(W2[:, j], delta3)
        slope = f"{number(a2[j])} · (1 \N{MINUS SIGN} {number(a2[j])})"
        add(
            f"backward, hidden unit {j + 1}",
            (
                rf"$\delta^{{(2)}}_{j + 1} = (\sum_k W^{{(2)}}_{{k{j + 1}}}\,\delta^{{(3)}}_k)\; "
                rf"a^{{(2)}}_{j + 1} (1 - a^{{(2)}}_{j + 1})$",
                tex(rf"\sum_k = {back} = {number(W2[:, j] @ delta3)}"),
                tex(rf"\delta^{{(2)}}_{j + 1} = {number(W2[:, j] @ delta3)} · {slope} = {number(delta2[j])}"),
            ),
            f"Hidden unit {j + 1} collects {back} = {number(W2[:, j] @ delta3)}, and times the slope {slope} "
            f"that is a delta of {number(delta2[j])}.",
            [(1, j)],
            [((1, j), (2, k), W2[k, j]) for k in range(a3.size)],
        )
    for layer, delta, source in ((2, delta3, a2), (1, delta2, x)):
        at, start, before = ("k", "j", "a^{(2)}_j") if layer == 2 else ("j", "i", "x_i")
        add(
            f"backward, the gradient of W{'⁽²⁾' if layer == 2 else '⁽¹⁾'}",
            (rf"$\partial J / \partial W^{{({layer})}}_{{{at}{start}}} = \delta^{{({layer + 1})}}_{at}\, {before}$",)
            + tuple([tex(f"{factor(d)} · {number(s)} = {number(d * s)}") for s in source] for d in delta),
            "Each weight's derivative is the delta where it arrives times the activation where it starts: "
            + "; ".join(", ".join(number(d * s) for s in source) for d in delta)
            + ".",
            [],
            [((layer - 1, i), (layer, k), None) for i in range(source.size) for k in range(delta.size)],
        )
    return found


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
