"""What the figures that move show: a function for each kind, from the settings to a scene, in plain numbers.

Each function has a twin of the same name in ``live.js``, which the page runs; a test compares the two.  A scene is a
dictionary: ``panels`` to draw (each with its axes and marks), ``handles`` (points that can be dragged, and the settings
that they move), ``lines`` of formulas below, and ``says``, the sentence on what there is to be seen.
"""

import math
import re
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from .. import backprop, cost, network, sparse_coding
from . import steps as passes_of

# --- words and numbers, written as the script writes them ---------------------------------------------------------

SUPERSCRIPTS = str.maketrans("0123456789-()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁽⁾")


def fixed(value, digits, sign=""):
    """Write a number with so many decimals, ties away from zero, and with a true minus sign."""
    rounded = Decimal(float(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    text = f"{abs(rounded):.{digits}f}"
    return ("\N{MINUS SIGN}" if rounded < 0 else sign) + text


def short(value, digits=2):
    """Write a number with so many significant digits, as a power of ten where it is large or small."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{float(value):.{digits - 1}e}".split("e")
    if -4 < int(exponent) < 4:
        return fixed(value, max(0, digits - 1 - int(exponent)))
    return f"{mantissa} · {power(int(exponent))}".replace("-", "\N{MINUS SIGN}")


def power(exponent):
    """Write a power of ten."""
    return f"10{str(exponent).translate(SUPERSCRIPTS)}"


def spread(low, high, count):
    """Return ``count`` numbers from ``low`` to ``high``, by the same operations as the script's."""
    return np.array([low + (high - low) * k / (count - 1) for k in range(count)])


# --- the parts of a scene -----------------------------------------------------------------------------------------


def panel(x, y, labels, marks, size=(440, 280), log=""):
    """A pair of axes; ``log`` names those that are logarithmic, "bare" leaves them out."""
    return {"x": list(x), "y": list(y), "labels": list(labels), "size": list(size), "log": log, "marks": marks}


def mark(kind, tone, x, y, **more):
    return {"mark": kind, "tone": tone, "x": np.ravel(x).tolist(), "y": np.ravel(y).tolist()} | more


def curve(x, y, tone="blue", look="solid"):
    return mark("curve", tone, x, y, look=look)


def text(x, y, words, tone="ink"):
    return mark("text", tone, x, y, words=words)


def image(values, columns, x, y, wide, tall, still=0):
    """Gray levels from 0 to 1, row by row, from the corner (``x``, ``y``) to the one that is so far from it.

    One of a panel's images can be ``still``: the page draws it once, whatever is set.
    """
    more = {"values": np.ravel(values).tolist(), "columns": columns, "wide": wide, "tall": tall, "still": still}
    return mark("image", "ink", x, y, **more)


def handle(at, x, y, label, **moves):
    """A point of panel ``at`` that moves settings: ``across``, ``up`` or ``round`` (an angle about the origin)."""
    return {"panel": at, "x": float(x), "y": float(y), "label": label, "moves": moves}


def scene(says, panels, handles=(), lines=()):
    return {"says": says, "panels": panels, "handles": list(handles), "lines": list(lines)}


# --- one function for each kind of figure -------------------------------------------------------------------------


def kl(s, data):
    """The KL divergence of ``rho`` and the mean activation ``rho_hat``, with its tangent."""
    value = float(cost.kl_divergence(s["rho"], s["rho_hat"]))
    slope = float(backprop.kl_prime(s["rho"], s["rho_hat"]))
    q = network.sigmoid(spread(-12, 12, 241))
    ends = np.array([0.0, 1.0])
    marks = [
        curve([s["rho"], s["rho"]], [-0.2, 2.5], "ink", "dotted"),
        curve(q, cost.kl_divergence(s["rho"], q)),
        curve(ends, value + slope * (ends - s["rho_hat"]), "orange", "dashed"),
        mark("dots", "orange", s["rho_hat"], value),
        mark("dots", "ink", s["rho"], 0),
    ]
    return scene(
        f"The divergence is {fixed(value, 3)}, its slope {fixed(slope, 2, '+')}.",
        [panel((0, 1), (-0.2, 2.5), ("ρ̂ⱼ", "KL(ρ ‖ ρ̂ⱼ)"), marks)],
        [handle(0, s["rho"], 0, "ρ", across="rho"), handle(0, s["rho_hat"], value, "ρ̂", across="rho_hat")],
    )


def bias(s, data):
    """A unit with the inputs ``weighted`` and a ``penalty`` (0 KL, 1 square, 2 mean) against its bias ``b``."""
    b, rho, weighted = s["b"], data["rho"], np.array(data["weighted"], float)
    name = ("KL divergence", "square", "mean")[int(s["penalty"])]

    def on(b):
        a = network.sigmoid(weighted + np.reshape(b, (-1, 1)))
        mean, fade = a.mean(axis=1), np.mean(a * (1 - a), axis=1)
        if name == "KL divergence":
            return mean, cost.kl_divergence(rho, mean), backprop.kl_prime(rho, mean) * fade
        return (mean, (mean - rho) ** 2, 2 * (mean - rho) * fade) if name == "square" else (mean, mean, fade)

    mean, value, slope = (float(v[0]) for v in on(b))
    z, line, ends = spread(-18, 10, 121), spread(-16, 6, 121), np.array([-16.0, 6.0])
    penalties = on(line)[1]
    top = float(np.max(penalties))
    left = [
        curve(z, network.sigmoid(z), "gray"),
        mark("dots", "blue", weighted + b, network.sigmoid(weighted + b), small=1),
        curve([-18, 10], [mean, mean], "orange", "dashed"),
    ]
    right = [
        curve(line, penalties),
        curve(ends, value + slope * (ends - b), "orange", "dashed"),
        mark("dots", "orange", b, value),
    ]
    return scene(
        f"At the bias {fixed(b, 1)} the mean activation is {short(mean)}. The penalty, {name}, pushes the bias "
        f"{'up' if slope < 0 else 'down'}, with a slope of {'+' if slope > 0 else ''}{short(slope)}.",
        [
            panel((-18, 10), (-0.05, 1.05), ("zⱼ", "aⱼ"), left, (300, 240)),
            panel((-16, 6), (-0.08 * top, 1.05 * top), ("bⱼ", "penalty"), right, (300, 240)),
        ],
        [handle(1, b, value, "bias", across="b")],
    )


def losses(s, data):
    """Two losses of a sigmoid output with pre-activation ``z`` and target ``x``, and their tangents."""
    z, x = s["z"], s["x"]
    a = float(network.sigmoid(z))
    line, ends = spread(-8, 8, 121), np.array([z - 2.5, z + 2.5])
    kinds = (
        ("squared error", 0.55, lambda z: (network.sigmoid(z) - x) ** 2 / 2, (a - x) * a * (1 - a)),
        ("cross entropy", 8.5, lambda z: np.logaddexp(0, z) - x * z, a - x),
    )
    panels, handles = [], []
    for k, (name, top, loss, delta) in enumerate(kinds):
        here = float(loss(z))
        marks = [
            curve(line, loss(line)),
            curve(ends, here + delta * (ends - z), "orange", "dashed"),
            mark("dots", "orange", z, here),
        ]
        panels.append(panel((-8, 8), (-0.06 * top, top), ("z⁽³⁾ₖ", name), marks, (300, 240)))
        handles.append(handle(k, z, here, f"z, on the {name}", across="z"))
    return scene(
        f"Target {fixed(x, 2)}, z = {fixed(z, 1)}, output {fixed(a, 3)}: the delta is {fixed(kinds[0][3], 3, '+')} for "
        f"the squared error and {fixed(kinds[1][3], 3, '+')} for the cross entropy.",
        panels,
        handles,
    )


def soft_threshold(s, data):
    """The soft threshold ``t`` as a curve, and what it leaves of the numbers in ``bars``."""
    t, u = s["t"], np.array([-3.0, -s["t"], s["t"], 3.0])
    before = np.array(data["bars"], float)
    after, place = sparse_coding.soft_threshold(before, t), np.arange(1, len(before) + 1)
    left = [
        curve([-3, 3], [-3, 3], "soft", "dotted"),
        curve(u, sparse_coding.soft_threshold(u, t)),
        mark("dots", "orange", t, 0),
    ]
    right = [mark("bars", "gray", place, before, wide=0.7), mark("bars", "blue", place, after, wide=0.7)]
    return scene(
        f"With t = {fixed(t, 2)}, {np.count_nonzero(after)} of the {len(before)} coefficients remain; "
        f"their magnitudes add up to {fixed(np.sum(abs(after)), 2)}.",
        [
            panel((-3, 3), (-3, 3), ("u", "Sₜ(u)"), left, (300, 270)),
            panel((0.4, len(before) + 0.6), (-3, 3), ("coefficient j", ""), right, (300, 270)),
        ],
        [handle(0, t, 0, "threshold t", across="t")],
    )


def ista(s, data):
    """Steps of ISTA (``fast`` 0) or FISTA (1) from a start (``a1``, ``a2``) down a lasso of two coefficients."""
    D, x, lam = np.array(data["D"], float), np.array([data["x"]], float), s["lam"]
    step, L = int(s["step"]), sparse_coding.lipschitz(D)

    def costs(A):
        return np.sum((A @ D - x) ** 2, axis=-1) / 2 + lam * np.sum(np.abs(A), axis=-1)

    def path_of(start, count, fast):
        path, ahead, t = [start], start, 1.0
        for _ in range(count):
            path.append(sparse_coding.soft_threshold(ahead - (ahead @ D - x) @ D.T / L, lam / L))
            grown = (1 + math.sqrt(1 + 4 * t * t)) / 2
            ahead = path[-1] + (t - 1) / grown * (path[-1] - path[-2]) if fast else path[-1]
            t = grown
        return np.concatenate(path)

    best = path_of(np.zeros((1, 2)), 300, False)[-1]
    path = path_of(np.array([[s["a1"], s["a2"]]], float), step, s["fast"])
    least = costs(best[np.newaxis])[0]
    angle = spread(0, 2 * math.pi, 73)
    ray = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    marks = []
    for level in (0.005, 0.03, 0.1, 0.25, 0.5, 0.9):  # the cost is convex: each ray leaves a level once
        low, high = np.zeros(73), np.full(73, 8.0)
        for _ in range(40):
            middle = (low + high) / 2
            inside = costs(best + middle[:, np.newaxis] * ray) < least + level
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        marks.append(curve(*(best + low[:, np.newaxis] * ray).T, tone="gray"))
    marks += [
        curve([-0.2, 2], [0, 0], "soft", "thin"),
        curve([0, 0], [-0.3, 1.1], "soft", "thin"),
        curve(*path.T),
        mark("dots", "blue", *path[1:-1].T, small=1),
        text(*best, words="×"),
        mark("dots", "soft", s["a1"], s["a2"]),
        mark("dots", "orange", *path[-1]),
    ]
    now = ", ".join(fixed(a, 2) for a in path[-1])
    return scene(
        f"{'FISTA' if s['fast'] else 'ISTA'} after {step} step{'' if step == 1 else 's'}: the code is ({now}), "
        f"and its cost {fixed(costs(path[-1:])[0] - least, 4)} above the least.",
        [panel((-0.2, 2), (-0.3, 1.1), ("a₁", "a₂"), marks, (440, 300))],
        [handle(0, s["a1"], s["a2"], "start", across="a1", up="a2")],
    )


def latents(s, data):
    """One vector of pre-activations ``z1``, ``z2``, ..., and what TopK with ``k`` and JumpReLU at ``theta`` keep."""
    z = np.array([s[f"z{j}"] for j in range(1, data["count"] + 1)], float)
    place, k, theta = np.arange(1, z.size + 1), int(s["k"]), s["theta"]
    first = sorted(range(z.size), key=lambda j: (-z[j], j))[:k]  # ties: the earlier one
    kept = np.array([j in first and z[j] > 0 for j in range(z.size)]), z > theta
    panels = []
    for title, chosen in zip(("TopK", "JumpReLU"), kept, strict=True):
        marks = [mark("bars", "gray", place, z, wide=0.7), mark("bars", "blue", place[chosen], z[chosen], wide=0.7)]
        if title == "JumpReLU":
            marks.append(curve([0.4, z.size + 0.6], [theta, theta], "orange", "dashed"))
            marks.append(mark("dots", "orange", z.size + 0.45, theta))
        else:
            marks.append(mark("dots", "orange", place, z))
        panels.append(panel((0.4, z.size + 0.6), (-1, 2), (f"latent j, {title}", "zⱼ"), marks, (300, 240)))

    def names(chosen):
        return " ".join(str(j) for j in place[chosen]) or "none"

    return scene(
        f"TopK with k = {k} keeps {names(kept[0])}; JumpReLU at θ = {fixed(theta, 2)} keeps {names(kept[1])}.",
        panels,
        [handle(0, j, v, f"z of latent {j}", up=f"z{j}") for j, v in zip(place.tolist(), z.tolist(), strict=True)]
        + [handle(1, z.size + 0.45, theta, "θ", up="theta")],
    )


def directions(s, data):
    """Directions of features by sparsity ``S`` (a place in the table), for one choice of importance ``r``."""
    W = np.array(data["W"][int(s["r"])][int(s["S"])], float)
    length = np.sqrt(np.sum(W**2, axis=0))
    products = W.T @ W
    D = length**4 / np.maximum(np.sum(products**2, axis=1), 1e-12)
    names = [str(j + 1) for j in range(len(length))]
    arrows = [mark("arrows", "blue", W[0], W[1])]
    arrows += [text(*(W[:, j] * (1 + 0.18 / length[j])), words=name) for j, name in enumerate(names) if length[j] > 0.3]
    kept = length > 0.5
    shares = ", ".join(fixed(v, 2) for v in sorted(D[kept], reverse=True))
    return scene(
        f"Sparsity {data['S'][int(s['S'])]}: {np.count_nonzero(kept)} features longer than one half, with "
        f"dimensionalities {shares}; ‖W‖² = {fixed(np.sum(W**2), 1)}.",
        [
            panel((-1.6, 1.6), (-1.6, 1.6), ("W₁ᵢ", "W₂ᵢ"), arrows, (300, 292)),
            panel(
                (0.4, len(names) + 0.6),
                (0, 1),
                ("feature i", "Dᵢ"),
                [mark("bars", "blue", np.arange(1, len(names) + 1), np.where(kept, D, 0), wide=0.6)],
                (300, 292),
            ),
        ],
    )


def descent(s, data):
    """Twenty-five steps of gradient descent with learning rate ``alpha`` from (``c1``, ``c2``) in a ravine."""
    L, mu, alpha = data["L"], data["mu"], s["alpha"]
    turn = math.pi * data["turn"] / 180
    axes = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    curvature = np.array([mu, L])
    path = [axes.T @ [s["c1"], s["c2"]]]  # along the axes of the ravine
    for _ in range(25):
        path.append(path[-1] - alpha * curvature * path[-1])
    costs = [float(np.sum(curvature * c * c) / 2) for c in path]
    angle = spread(0, 2 * math.pi, 73)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    rings = [axes @ (np.sqrt(2 * c / curvature)[:, np.newaxis] * circle) for c in (0.1, 0.5, 1.5, 4, 9, 16)]
    x, y = axes @ np.array(path).T
    left = [curve(*ring, tone="gray") for ring in rings]
    left += [curve(x, y), mark("dots", "blue", x[1:], y[1:], small=1), text(0, 0, "+")]
    left.append(mark("dots", "orange", x[0], y[0]))
    right = [curve(range(26), np.maximum(costs, 1e-12))]
    return scene(
        f"With α = {fixed(alpha, 3)} the steep direction is multiplied by {fixed(1 - alpha * L, 2, '+')} in each step "
        f"and the flat one by {fixed(1 - alpha * mu, 3, '+')}; after 25 steps the cost is {short(costs[-1])}.",
        [
            panel((-5.6, 5.6), (-4, 4), ("θ₁", "θ₂"), left, (300, 223)),
            panel((0, 25), (1e-4, 1e3), ("step", "J"), right, (300, 223), "y"),
        ],
        [handle(0, x[0], y[0], "start", across="c1", up="c2")],
    )


def epsilon(s, data):
    """The cost of a 1-1-1 network near a weight, and the error of its two-sided quotient with step 10^``exponent``.

    Every operation is rounded to double (``single`` 0) or single precision (1), the same ones as in the script.
    """
    rounded = (lambda v: float(np.float32(v))) if s["single"] else float

    def exp(x):  # by its series: the exponential functions of two languages differ in the last digit
        k = math.floor(x / 0.6931471805599453 + 0.5)
        r, total = x - k * 0.693147180369123816490 - k * 1.90821492927058770002e-10, 1.0
        for n in range(18, 0, -1):
            total = 1 + r * total / n
        return total * 2.0**k

    def J(w):
        a2 = rounded(1 / rounded(1 + rounded(exp(-w))))
        a3 = rounded(1 / rounded(1 + rounded(exp(rounded(1 - rounded(3 * a2))))))
        off = rounded(a3 - 1)
        return rounded(rounded(off * off) / 2)

    def quotient(e):
        above, below = J(rounded(w0 + e)), J(rounded(w0 - e))
        return rounded(rounded(above - below) / rounded(2 * e))

    def error(exponent):
        return max(abs(quotient(rounded(exp(exponent * math.log(10)))) / slope - 1), 1e-12)

    w0 = data["w"]
    a2 = 1 / (1 + exp(-w0))
    a3 = 1 / (1 + exp(1 - 3 * a2))
    slope = (a3 - 1) * a3 * (1 - a3) * 3 * a2 * (1 - a2)
    e = rounded(exp(s["exponent"] * math.log(10)))
    window = spread(-1.5, 1.5, 121)
    rise = [rounded(J(rounded(w0 + rounded(e * t))) - J(rounded(w0))) / e for t in window]
    exponents = spread(-15, 0, 61)
    left = [curve(window, slope * window, "ink", "dotted"), curve(window, rise)]
    errors = [error(k) for k in exponents]
    here = error(s["exponent"])
    right = [curve([10.0**k for k in exponents], errors, "soft"), mark("dots", "orange", 10.0 ** s["exponent"], here)]
    return scene(
        f"In {'single' if s['single'] else 'double'} precision with ε = {short(e)} the quotient is "
        f"{fixed(quotient(e), 6)}; the slope is {fixed(slope, 6)}.",
        [
            panel((-1.5, 1.5), (-0.09, 0.09), ("(weight − w) / ε", "(cost − J(w)) / ε"), left, (300, 260)),
            panel((1e-15, 1), (1e-12, 2), ("ε", "relative error"), right, (300, 260), "xy"),
        ],
        [handle(1, 10.0 ** s["exponent"], here, "ε", across="exponent")],
    )


def passes(s, data):
    """A network's forward and backward pass for the example (``x1``, ``x2``, ...), one ``step`` at a time."""
    params = network.Params(*(np.array(data[name], float) for name in ("W1", "b1", "W2", "b2")))
    x = np.array([s[f"x{i + 1}"] for i in range(params.W1.shape[1])], float)
    found = passes_of.steps(params, x)
    now = found[int(s["step"]) - 1]
    back = "backward" in now.title
    tone = "orange" if back else "blue"
    sizes = [x.size, params.b1.size, x.size]
    place = {(l, k): (2.6 * l, (size - 1) / 2 - k) for l, size in enumerate(sizes) for k in range(size)}
    marks = [
        curve(*zip(place[l, i], place[l + 1, k], strict=True), tone="gray", look="thin")
        for l in (0, 1)
        for i in range(sizes[l])
        for k in range(sizes[l + 1])
    ]
    marks += [curve(*zip(place[start], place[end], strict=True), tone=tone) for start, end, _ in now.edges]
    symbols = "x", "a⁽²⁾", "a⁽³⁾"
    for at in place:
        marks.append(mark("circles", tone if at in now.here else "ink", *place[at], bold=int(at in now.here)))
        known = now.activations.get(at)
        marks.append(
            text(*place[at], words=known or f"{symbols[at[0]]}{SUBSCRIPTS[at[1] + 1]}", tone="ink" if known else "soft")
        )
        if at in now.deltas:
            below = place[at][0], place[at][1] - 0.48
            marks.append(text(*below, words=f"δ = {now.deltas[at]}", tone=tone if at in now.here else "ink"))
    for start, end, weight in now.edges:
        if weight is not None:  # where the lines are furthest apart: at the many ends
            (x0, y0), (x1, y1) = place[start], place[end]
            along = 0.66 if back else 0.34
            marks.append(text(x0 + along * (x1 - x0), y0 + along * (y1 - y0), passes_of.number(weight), tone))
    lines = [plain(row if isinstance(row, str) else ",  ".join(row)) for row in now.formulas]
    return scene(
        now.sentence,
        [panel((-0.6, 5.8), (-1.75, 1.45), ("", ""), marks, (440, 250), "bare")],
        lines=[f"{int(s['step'])} of {len(found)}: {now.title}", *lines],
    )


SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
LETTERS: dict[str, str] = dict(zip("0123456789ijk", f"{SUBSCRIPTS}ᵢⱼₖ", strict=True))
SIGNS = (r"\frac{1}{2}", "½"), (r"\sum", "Σ"), (r"\delta", "δ"), (r"\partial ", "∂"), (r"\cdot", "·"), (r"\quad", "")
SIGNS += (r"\,", " "), (r"\;", " "), ("^2", "²"), ("^{(2)}", "⁽²⁾"), ("^{(3)}", "⁽³⁾"), ("^{(1)}", "⁽¹⁾")


def plain(formula):
    """Return a formula of `steps` in signs that need no typesetting."""
    for tex, sign in SIGNS:
        formula = formula.replace(tex, sign)
    formula = formula.replace("$", "").replace("-", "\N{MINUS SIGN}")
    low = re.sub(r"_(?:\{([^}]*)\}|(\w))", lambda found: "".join(LETTERS[c] for c in found[1] or found[2]), formula)
    return " ".join(low.split())


def rotation(s, data):
    """A linear autoencoder's solutions U A: ``angle`` turns A, ``stretch`` stretches it; the cost stays."""
    t = math.pi * s["angle"] / 180
    turn = np.array([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])
    A = turn @ (np.eye(2) + s["stretch"] * np.array([[0.4, 0.6], [0.0, -0.2]]))
    (a, b), (c, d) = A
    inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    U, mean, example = (np.array(data[name], float) for name in ("U", "mean", "example"))
    P, S = A @ inverse, np.diag(data["variances"])
    J = (data["total"] - 2 * np.trace(P @ S) + np.trace(P @ S @ P.T)) / 2
    codes = inverse @ U.T @ (example - mean)
    rebuilt = mean + U @ A @ codes
    columns = U @ A
    arrows = [
        mark("arrows", "blue", A[0], A[1], bold=1),
        mark("arrows", "orange", inverse[:, 0], inverse[:, 1]),
        mark("dots", "blue", A[0, 0], A[1, 0]),
    ]
    for j in (0, 1):
        arrows.append(text(1.35 * A[0, j], 1.35 * A[1, j], str(j + 1), "blue"))
        arrows.append(text(1.2 * inverse[j, 0], 1.2 * inverse[j, 1], str(j + 1), "orange"))
    tones = [(v / np.max(np.abs(v)) + 1) / 2 for v in columns.T] + [example, np.clip(rebuilt, 0, 1)]
    images = []
    for k, (name, tone) in enumerate(zip(("column 1", "column 2", "input", "output"), tones, strict=True)):
        left, top = 1.15 * (k % 2), 1.3 * (k // 2)
        images.append(mark("pixels", "ink", left, top, values=tone.tolist(), columns=8, wide=1))
        images.append(text(left + 0.5, top + 1.14, name))
    cosine = a / math.sqrt(a * a + c * c)
    return scene(
        f"At {fixed(s['angle'], 0)} degrees the first column of the decoder has a cosine of {fixed(cosine, 2)} with "
        f"the first principal direction; the cost is {fixed(J, 3)}.",
        [
            panel((-2, 2), (-2, 2), ("u₁", "u₂"), arrows, (300, 292)),
            panel((-0.312, 2.462), (2.6, -0.1), ("", ""), images, (300, 292), "bare"),
        ],
        [handle(0, a, c, "column 1", round="angle")],
    )


def window(s, data):
    """A window ``across`` and ``up`` from a photograph's lower left corner, and what a sparse autoencoder makes of it.

    ``photograph`` holds gray levels from 0 to 255, ``whitened`` the same pixels whitened, in hundredths; ``limit`` is
    three standard deviations of all patches.  The panel counts from the window's center where that is furthest left
    and down, so that the handle stands where its settings say.
    """
    params = network.Params(*(np.array(data[name], float) for name in ("W1", "b1", "W2", "b2")))
    gray, whitened = np.array(data["photograph"], float) / 255, np.array(data["whitened"], float) / 100
    units, side = len(params.W1), math.isqrt(params.W1.shape[1])
    (high, wide), half = gray.shape, side / 2
    left, up = (math.floor(s[name] + 0.5) for name in ("across", "up"))
    top = high - side - up
    seen, p = (of[top : top + side, left : left + side].ravel() for of in (gray, whitened))
    x = 0.1 + 0.4 * (1 + np.clip(p - p.mean(), -data["limit"], data["limit"]) / data["limit"])  # (eq-normalize-patches)
    _, a, _, output = network.forward(params, x[np.newaxis])
    a, output = a[0], output[0]
    error, even = (float(np.sum((x - other) ** 2) / 2) for other in (output, 0.5))
    edges = [-half, half, half, -half, -half], [-half, -half, half, half, -half]
    photograph = [
        image(gray, wide, -half, high - half, wide, -high, still=1),
        curve(left + np.array(edges[0]), up + np.array(edges[1]), "orange"),
    ]
    marks = []
    for k, (name, values) in enumerate((("photograph", seen), ("input x", x), ("output", output))):
        marks += [image(values, side, 10 + 108 * k, 0, 64, 64), text(42 + 108 * k, 75, name)]
    columns = math.ceil(math.sqrt(units))
    across, down = 300 / columns, 205 / math.ceil(units / columns)
    size = min(down, 0.75 * across) - 7
    for j, w in enumerate(params.W1):
        x0, y0 = j % columns * across + (across - size - 13) / 2, 93 + j // columns * down
        x1, y1, bar = x0 + size, y0 + size, {"wide": 8, "base": y0 + size}
        marks.append(image((w / np.max(np.abs(w)) + 1) / 2, side, x0, y0, size, size))
        if a[j] > 0.1:
            marks.append(curve([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], "orange"))
        marks.append(mark("bars", "gray", x1 + 9, y0, **bar))
        marks.append(mark("bars", "blue", x1 + 9, y1 - a[j] * size, **bar))

    def named(j):
        return f"unit {j + 1} (row {j // columns + 1}, column {j % columns + 1})"

    first, second = sorted(range(units), key=lambda j: (-a[j], j))[:2]
    passing = int(np.count_nonzero(a > 0.1))
    return scene(
        f"{passing or 'No'} unit{'s pass' if passing > 1 else ' passes'} 0.1. The largest activation, "
        f"{fixed(a[first], 2)}, is that of {named(first)}; the next, {fixed(a[second], 2)}, that of {named(second)}. "
        f"The reconstruction error is {fixed(error, 2)}; for an even gray it would be {fixed(even, 2)}.",
        [
            panel((-half, wide - half), (-half, high - half), ("", ""), photograph, (300, 300), "bare"),
            panel((0, 300), (300, 0), ("", ""), marks, (300, 300), "bare"),
        ],
        [handle(0, left, up, "window", across="across", up="up")],
    )


ALL = kl, bias, losses, soft_threshold, ista, latents, directions, descent, epsilon, passes, rotation, window
KINDS = {f.__name__: f for f in ALL}
