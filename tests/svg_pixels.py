"""The pixels of an SVG that Matplotlib wrote, drawn by Matplotlib itself: just what is in such files, and no more."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np

DPI = 150  # as the figures would have as PNG
SVG, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
STYLE = ("fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "stroke-opacity")
POINTS = {"M": 1, "L": 1, "Q": 2, "C": 3}


def pixels(svg):
    """Return the drawing on white as an array of shape (height, width, 4), from 0 to 255."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    root = ET.fromstring(svg)
    width, height = map(float, root.get("viewBox").split()[2:])
    with rc_context({"figure.constrained_layout.use": False, "axes.grid": False, "path.simplify": False}):
        figure = Figure((width / 72, height / 72), dpi=DPI, facecolor="white", layout="none")
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_axis_off()
        known = {element.get("id"): element for element in root.iter() if element.get("id")}
        _draw(root, Affine2D(), {"fill": "#000000", "stroke": "none"}, ax, known)
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
        canvas.draw()
    return np.asarray(canvas.buffer_rgba(), float)


def _draw(element, transform, style, ax, known):
    """Draw an element and those in it, as far as they are seen."""
    kind = element.tag.removeprefix(SVG)
    if kind in ("defs", "metadata", "clipPath"):
        return
    transform = _transform(element.get("transform", "")) + transform
    given = dict(element.attrib)
    for pair in given.pop("style", "").split(";"):
        name, _, value = pair.partition(":")
        given[name.strip()] = value.strip()
    style = style | {name: given[name] for name in STYLE if name in given}
    if clip := re.fullmatch(r"url\(#(.+)\)", element.get("clip-path", "")):
        style = style | {"clip": known[clip[1]][0]}
    if kind == "path":
        _draw_path(element, transform, style, ax)
    elif kind == "image":
        _draw_image(element, transform, ax)
    elif kind == "use":
        there = _transform(f"translate({element.get('x', 0)} {element.get('y', 0)})")
        _draw(known[element.get(HREF)[1:]], there + transform, style, ax, known)
    else:
        for part in element:
            _draw(part, transform, style, ax, known)


def _transform(text):
    from matplotlib.transforms import Affine2D

    made = Affine2D()
    for name, numbers in reversed(re.findall(r"(\w+)\(([^)]*)\)", text)):  # the last stands nearest to the points
        v = [float(number) for number in re.split(r"[\s,]+", numbers.strip())]
        if name == "matrix":
            made = made + Affine2D.from_values(*v)
        elif name == "translate":
            made.translate(v[0], v[1] if len(v) > 1 else 0)
        elif name == "scale":
            made.scale(v[0], v[-1])
        elif name == "rotate":
            made.rotate_deg_around(*(v[1:] or (0, 0)), v[0])
        else:
            raise ValueError(f"unknown transform {name}")
    return made


def _draw_path(element, transform, style, ax):
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path

    codes, points = [], []
    for letter, numbers in re.findall(r"([MLQCz])([^MLQCz]*)", element.get("d", "")):
        found = np.array(numbers.split(), float).reshape(-1, 2)
        points += found.tolist() if letter != "z" else [points[-1]]
        codes += [{"M": 1, "L": 2, "Q": 3, "C": 4, "z": 79}[letter]] * (POINTS.get(letter, 0) or 1)
    if not codes:
        return
    wide, opacity = float(style.get("stroke-width", 1)), float(style.get("opacity", 1))
    dashes = [float(d) / max(wide, 1e-9) for d in style.get("stroke-dasharray", "").split(",") if d.strip()]
    patch = PathPatch(
        transform.transform_path(Path(points, codes)),
        facecolor=_color(style["fill"], opacity * float(style.get("fill-opacity", 1))),
        edgecolor=_color(style["stroke"], opacity * float(style.get("stroke-opacity", 1))),
        linewidth=0 if style["stroke"] == "none" else wide,
        linestyle=(0, dashes) if dashes else "-",
        zorder=len(ax.get_children()),
    )
    ax.add_patch(patch)
    if "clip" in style:
        x, y, width, height = (float(style["clip"].get(name)) for name in ("x", "y", "width", "height"))
        patch.set_clip_path(Rectangle((x, y), width, height, transform=ax.transData))


def _color(name, opacity):
    from matplotlib.colors import to_rgba

    return "none" if name == "none" else to_rgba(name, opacity)


def _draw_image(element, transform, ax):
    from PIL import Image

    content = base64.b64decode(element.get(HREF).partition("base64,")[2])
    x, y, width, height = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
    (left, top), (right, bottom) = transform.transform([(x, y), (x + width, y + height)])
    image = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
    ax.imshow(
        image, extent=(left, right, bottom, top), interpolation="nearest", origin="upper", zorder=len(ax.get_children())
    )
