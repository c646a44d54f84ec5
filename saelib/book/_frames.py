"""Pictures small enough to travel by the dozen: one Matplotlib figure after another, as compact SVG or PNG.

They become SVG, with the pixels of their images (filters, photographs) in them, or PNG with few colors where they
would be too large.  What all SVG frames have in common, the letters first of all, is taken out and stands once for all.
"""

import base64
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter

WIDTH = 115  # pixels of a page for an inch of a figure: 6.6 inches fill a column of text
SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
EVERY_POINT = {"path.simplify": False}  # otherwise their number depends on last digits
EVERY_PIXEL = {"image.interpolation": "none"}  # an image has its own pixels, and not those of the page
COLORS, FEW = 256, 32  # of a PNG: with few, thin orange lines turn brown among many grays; of one of dozens
ROOM = 160_000  # letters of a figure's frames, which may be drawings even if PNG would be less
SHARED = '<svg class="explore-shared" width="0" height="0" aria-hidden="true"><defs>{}</defs></svg>'


def draw_frame(draw, values, figsize, columns):
    """Return the Matplotlib figure for these values and the sentence that describes it."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(EVERY_POINT | EVERY_PIXEL):
        figure = Figure(figsize=figsize, dpi=150)
        axes = figure.subplots(1, columns)
        try:
            sentence = draw(axes, **values)
        except Exception as error:
            at = ", ".join(f"{key} = {value!r}" for key, value in values.items())
            raise RuntimeError(f"draw failed at {at}: {type(error).__name__}: {error}") from error
    if not isinstance(sentence, str) or not sentence:
        raise ValueError(f"draw must return a sentence that describes the picture, got {sentence!r}")
    return figure, sentence


def png(figure, colors=COLORS):
    """Return the figure as the bytes of a PNG with so many colors, in base64."""
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=150)
    picture = Image.open(full).convert("RGB").quantize(colors, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def markups(figures, prefix):
    """Return one piece of HTML for each figure, and one for what they share; ids begin with ``prefix``."""
    size = [f'width="{w * WIDTH:.0f}" height="{h * WIDTH:.0f}"' for w, h in (f.get_size_inches() for f in figures)]
    shared = {}
    roots = [compact(_svg(figure), prefix, shared) for figure in figures]
    _share_what_returns(roots, prefix, shared)
    drawings = [_text(root).replace("<svg ", f'<svg role="img" {wh} ', 1) for root, wh in zip(roots, size, strict=True)]
    defs = SHARED.format("".join(map(_text, shared.values())))
    if any(ax.images for figure in figures for ax in figure.axes):
        source = [f"data:image/png;base64,{png(figure, FEW)}" for figure in figures]
        if sum(map(len, [defs, *drawings])) > max(ROOM, sum(map(len, source))):  # photographs
            return [f'<img {wh} decoding="sync" src="{src}">' for wh, src in zip(size, source, strict=True)], ""
    return drawings, defs


def _svg(figure):
    from matplotlib import rc_context

    content = io.StringIO()
    with rc_context({"svg.hashsalt": "saelib", "svg.fonttype": "path"} | EVERY_POINT):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def compact(svg, prefix, shared):
    """Return an SVG of Matplotlib's as a tree without what browsers do not need; what it defines goes to ``shared``."""
    tree = ET.fromstring(svg)
    root = ET.Element("svg", {"viewBox": tree.get("viewBox"), "stroke-linejoin": "round"})
    root.extend(part for part in tree if part.tag != f"{SVG}metadata" and part.find(f"{SVG}style") is None)
    for parent in list(root.iter()):
        for element in list(parent):
            _tidy(element, prefix)
            if parent.tag in (f"{SVG}defs", "defs"):  # a letter, a marker, a clipping path; its id tells its content
                shared.setdefault(element.get("id"), element)
                parent.remove(element)
    for parent in list(root.iter()):
        for empty in [element for element in parent if element.tag == "defs"]:
            parent.remove(empty)
    return root


def _tidy(element, prefix):
    element.tag, element.text, element.tail = element.tag.removeprefix(SVG), None, None
    old = dict(element.attrib)
    element.attrib.clear()
    # A page that forbids inline styles allows the same as attributes.
    pairs = [pair.split(":", 1) for pair in old.pop("style", "").split(";") if pair.strip()]
    old |= {name.strip(): value.strip() for name, value in pairs}
    for key, value in old.items():
        if key == "id" and element.tag in ("g", "image"):
            continue
        if key == "id":
            value = f"{prefix}-{value}"
        elif key == f"{XLINK}href":
            key, value = "href", f"#{prefix}-{value[1:]}" if value.startswith("#") else "".join(value.split())
        elif "url(#" in value:
            value = value.replace("url(#", f"url(#{prefix}-")
        elif key in ("d", "transform", "x", "y", "width", "height"):
            value = " ".join(re.sub(r"-?\d+\.\d+", _shorter, value).split())
            if not re.search("[QC]", value):  # after M and L another L is understood
                value = value.replace(" L ", " ")
        element.set(key, value)


def _shorter(number):
    value = float(number[0])
    return f"{value:.{2 if abs(value) >= 1 else 4}f}".rstrip("0").rstrip(".")


def _share_what_returns(roots, prefix, shared):
    """Move the parts of the axes that stand in several frames to ``shared``, and leave references."""
    parts = [(axes, k, part) for root in roots for axes in root.findall("g/g") for k, part in enumerate(axes)]
    times = Counter(_text(part) for _, _, part in parts)
    names = {text: f"{prefix}-s{k}" for k, text in enumerate(t for t in times if times[t] > 1 and len(t) > 80)}
    for axes, k, part in parts:
        if name := names.get(_text(part)):
            axes[k] = ET.Element("use", {"href": f"#{name}"})
            if name not in shared:
                part.set("id", name)
                shared[name] = part


def _text(element):
    return ET.tostring(element, encoding="unicode")
