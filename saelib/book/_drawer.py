"""A scene of `_scenes` as SVG, sign by sign as ``live.js`` draws it, and as a PNG for what shows no SVG."""

import math
from html import escape

import numpy as np

from ._scenes import fixed, power

LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 40
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
FAR = 1e4  # pixels


def place(value, ends, length, log):
    """Where a value stands on an axis, in pixels from its beginning."""
    if log:
        value, *ends = (math.log10(max(v, 1e-300)) for v in (value, *ends))
    return (value - ends[0]) / (ends[1] - ends[0]) * length


def px(value):
    """Write a length in pixels with one decimal."""
    tenths = math.floor(min(max(value, -FAR), FAR) * 10 + 0.5)
    return f"{tenths / 10:.1f}".removesuffix(".0")


def ticks(ends, log):
    """The values to write at an axis, and how."""
    low, high = ends
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        every = -(-(last - first) // 5) or 1
        return [(10.0**k, power(k)) for k in range(first, last + 1) if k % every == 0]
    step = next(s for s in STEPS if (high - low) / s <= 6.5)
    digits = 2 if step < 0.1 else 1 if step < 1 else 0
    counts = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [(k * step, fixed(k * step, digits)) for k in counts]


def svg(panel, label=""):
    """Return a panel as SVG; with a label it is an image, else it is hidden from who listens."""
    width, height = panel["size"]
    bare = panel["log"] == "bare"
    x0, y0 = (0, 0) if bare else (LEFT, TOP)
    w, h = (width, height) if bare else (width - LEFT - RIGHT, height - TOP - BOTTOM)

    def at(x, y):
        across = place(x, panel["x"], w, not bare and "x" in panel["log"])
        return across, h - place(y, panel["y"], h, not bare and "y" in panel["log"])

    def inside(x, y):
        return -1 <= x <= w + 1 and -1 <= y <= h + 1

    about = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    out = [f'<svg viewBox="0 0 {width} {height}" {about}>']
    if not bare:
        out.append(axes(panel, at, w, h))
    clipped, free = [], []
    for m in panel["marks"]:
        points = [at(x, y) for x, y in zip(m["x"], m["y"], strict=True)]
        SHAPES[m["mark"]](m, points, clipped, free, at, inside)
    out.append(f'<svg x="{x0}" y="{y0}" width="{w}" height="{h}">{"".join(clipped)}</svg>')
    out.append(f'<g transform="translate({x0} {y0})">{"".join(free)}</g></svg>')
    return "".join(out)


def axes(panel, at, w, h):
    lines, words = [], []
    for value, word in ticks(panel["x"], "x" in panel["log"]):
        x = px(LEFT + at(value, panel["y"][0])[0])
        lines.append(f"M{x} {TOP}V{TOP + h}")
        words.append(f'<text x="{x}" y="{TOP + h + 16}">{word}</text>')
    for value, word in ticks(panel["y"], "y" in panel["log"]):
        y = TOP + at(panel["x"][0], value)[1]
        lines.append(f"M{LEFT} {px(y)}H{LEFT + w}")
        words.append(f'<text class="live-end" x="{LEFT - 5}" y="{px(y + 4)}">{word}</text>')
    across, up = map(escape, panel["labels"])
    words.append(f'<text class="live-label" x="{px(LEFT + w / 2)}" y="{TOP + h + 34}">{across}</text>')
    words.append(f'<text class="live-label" transform="translate(11 {px(TOP + h / 2)}) rotate(-90)">{up}</text>')
    frame = f'<path class="live-frame" d="M{LEFT} {TOP}V{TOP + h}H{LEFT + w}"/>'
    return f'<path class="live-grid" d="{"".join(lines)}"/>{frame}<g class="live-ticks">{"".join(words)}</g>'


# --- one function for each kind of mark: what may be cut off at the axes goes to `clipped`, the rest to `free` ----


def curve(m, points, clipped, free, at, inside):
    d = " ".join(f"{px(x)} {px(y)}" for x, y in points)
    clipped.append(f'<path class="live-curve live-{m["tone"]} live-{m["look"]}" d="M{d}"/>')


def dots(m, points, clipped, free, at, inside):
    r = 2.5 if m.get("small") else 5
    for x, y in points:
        if inside(x, y):
            free.append(f'<circle class="live-dot live-{m["tone"]}" cx="{px(x)}" cy="{px(y)}" r="{r}"/>')


def circles(m, points, clipped, free, at, inside):
    bold = " live-bold" if m["bold"] else ""
    for x, y in points:
        free.append(f'<circle class="live-circle live-{m["tone"]}{bold}" cx="{px(x)}" cy="{px(y)}" r="24"/>')


def bars(m, points, clipped, free, at, inside):
    for x, (_, y) in zip(m["x"], points, strict=True):
        (left, base), right = at(x - m["wide"] / 2, m.get("base", 0)), at(x + m["wide"] / 2, 0)[0]
        clipped.append(
            f'<rect class="live-bar live-{m["tone"]}" x="{px(left)}" y="{px(min(y, base))}" '
            f'width="{px(right - left)}" height="{px(abs(y - base))}"/>'
        )


def arrows(m, points, clipped, free, at, inside):
    x0, y0 = at(0, 0)
    bold = " live-bold" if m.get("bold") else ""
    for x, y in points:
        length = math.hypot(x - x0, y - y0)
        if length < 1:
            continue
        ux, uy = (x - x0) / length, (y - y0) / length
        tip, back = f"{px(x)} {px(y)}", (x - 9 * ux, y - 9 * uy)
        left, right = (f"{px(back[0] - side * uy)} {px(back[1] + side * ux)}" for side in (4, -4))
        clipped.append(
            f'<path class="live-arrow live-{m["tone"]}{bold}" d="M{px(x0)} {px(y0)} {tip}M{left} {tip} {right}"/>'
        )


def text(m, points, clipped, free, at, inside):
    for x, y in points:
        if inside(x, y):
            where = f'x="{px(x)}" y="{px(y + 4.5)}"'
            free.append(f'<text class="live-text live-{m["tone"]}" {where}>{escape(m["words"])}</text>')


def pixels(m, points, clipped, free, at, inside):
    (x, y), n = points[0], m["columns"]
    side = (at(m["x"][0] + m["wide"], m["y"][0])[0] - x) / n
    shades = {}
    for k, value in enumerate(m["values"]):
        level = math.floor(min(max(value, 0), 1) * 15 + 0.5)
        shades.setdefault(level, []).append(
            f"M{px(x + k % n * side)} {px(y + k // n * side)}h{px(side)}v{px(side)}h-{px(side)}z"
        )
    for level in sorted(shades):
        gray = f"{level:x}" * 3
        clipped.append(f'<path class="live-pixel" fill="#{gray}" d="{"".join(shades[level])}"/>')


def image(m, points, clipped, free, at, inside):
    """As `pixels`, but for many: neighbors of one gray level in a row are one piece; just below a tie counts as one."""
    (x, y), n = points[0], m["columns"]
    right, bottom = at(m["x"][0] + m["wide"], m["y"][0] + m["tall"])
    levels = [math.floor(min(max(value, 0), 1) * 15 + 0.500001) for value in m["values"]]
    shades, start = {}, 0
    for k in range(1, len(levels) + 1):
        if k % n == 0 or levels[k] != levels[start]:
            shades.setdefault(levels[start], []).append(f"M{start % n} {start // n}h{k - start}v1h-{k - start}z")
            start = k
    size = " ".join(f"{math.floor(v * 1e4 + 0.5) / 1e4:.9g}" for v in ((right - x) / n, (bottom - y) * n / len(levels)))
    paths = (f'<path fill="#{f"{level:x}" * 3}" d="{"".join(shades[level])}"/>' for level in sorted(shades))
    still, where = " live-still" if m["still"] else "", f"translate({px(x)} {px(y)}) scale({size})"
    clipped.append(f'<g class="live-pixel{still}" transform="{where}">{"".join(paths)}</g>')


SHAPES = {f.__name__: f for f in (curve, dots, circles, bars, arrows, text, pixels, image)}


# --- a picture for what shows no SVG ----------------------------------------------------------------------------


COLORS = {"blue": "#0072B2", "orange": "#D55E00", "gray": "#bbbbbb", "soft": "#767676", "ink": "#222222"}
LOOKS = {"solid": ("-", 1.8), "dashed": ("--", 1.8), "dotted": (":", 1.2), "thin": ("-", 0.8)}


def png(scene):
    """Return a scene as the bytes of a PNG, in base64."""
    from matplotlib.figure import Figure

    from ._frames import png as encoded

    panels = scene["panels"]
    widths = [p["size"][0] for p in panels]
    size = sum(widths) / 85, max(p["size"][1] for p in panels) / 85
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    for ax, p in zip(figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0], panels, strict=True):
        for m in p["marks"]:
            _plot(ax, m, COLORS[m["tone"]])
        ax.set(xlim=p["x"], ylim=p["y"], xlabel=p["labels"][0], ylabel=p["labels"][1])
        if p["log"] == "bare":
            ax.set_axis_off()
        else:
            ax.set(xscale="log" if "x" in p["log"] else "linear", yscale="log" if "y" in p["log"] else "linear")
            ax.minorticks_off()
    return encoded(figure)


def _plot(ax, m, color):
    x, y = np.array(m["x"]), np.array(m["y"])
    if m["mark"] == "curve":
        ls, lw = LOOKS[m["look"]]
        ax.plot(x, y, color=color, ls=ls, lw=lw)
    elif m["mark"] == "dots":
        ax.plot(x, y, "o", color=color, ms=3 if m.get("small") else 6)
    elif m["mark"] == "circles":
        ax.scatter(x, y, s=900, facecolor="white", edgecolor=color, zorder=3)
    elif m["mark"] == "bars":
        base = m.get("base", 0)
        ax.bar(x, y - base, m["wide"], base, color=color)
    elif m["mark"] == "arrows":
        for head in zip(x, y, strict=True):
            ax.annotate("", head, (0, 0), arrowprops={"arrowstyle": "->", "color": color, "lw": 2})
    elif m["mark"] == "text":
        for at in zip(x, y, strict=True):
            ax.text(*at, m["words"], color=color, ha="center", va="center", fontsize=9, zorder=4, clip_on=True)
    else:
        gray, wide, tall = np.reshape(m["values"], (-1, m["columns"])), m["wide"], m.get("tall", 1)
        ends = (x[0], x[0] + wide, y[0] + tall, y[0])
        ax.imshow(gray, cmap="gray", vmin=0, vmax=1, extent=ends, aspect="auto")
