"""Put the chapters' drawings into their pages, in the colors of the page, light or dark.

A figure is stored as the SVG that Matplotlib wrote. In the page it stands as compact SVG, whose letters are stored once
for all figures, and each color has one for light pages and one for dark ones: black and white change places, the book's
colors become lighter. The pixels of images in it (digits, filters, photographs) stay as they are. The frames of figures
to explore, which stand in the page already, get the same colors. On a phone a drawing keeps the width at which its
labels can be read; what is wider than the page scrolls.
"""

import colorsys
import re
import xml.etree.ElementTree as ET
from functools import cache
from hashlib import sha1
from pathlib import Path

from finished_pages import parse

from saelib.book import _frames

LABELS = 9  # pixels that a label is tall at least, wherever it is seen
INK, PAPER = (0xDC, 0xE1, 0xE6), (0x14, 0x18, 0x1D)  # of a dark page, as in book.css
INK_LEVEL = 0x22  # what is ink in a figure
LIGHTER = {"#0072b2": "#63b3e8", "#d55e00": "#ff9a52", "#009e73": "#3cc79b", "#aa4499": "#e08fd3", "#8c6d00": "#d9b64a"}
WHITE, COLOR = "#ffffff", re.compile(r"#[0-9a-f]{6}")


@cache
def in_the_dark(color):
    """The color that stands on a dark page for one that stands on white."""
    rgb = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    if max(rgb) - min(rgb) < 8:
        share = min((255 - sum(rgb) / 3) / (255 - INK_LEVEL), 1)
        return "#" + "".join(
            f"{round(paper + share * (ink - paper)):02x}" for ink, paper in zip(INK, PAPER, strict=True)
        )
    if color in LIGHTER:
        return LIGHTER[color]
    hue, light, saturation = colorsys.rgb_to_hls(*(level / 255 for level in rgb))
    light = 1.1 - light if light > 0.85 else max(light, 0.65)  # a tint of the paper, or something drawn on it
    return "#" + "".join(f"{round(255 * level):02x}" for level in colorsys.hls_to_rgb(hue, light, saturation))


def color_for_both(tag):
    """Give the fill and the stroke of a tag their colors in both themes."""
    for name in ("fill", "stroke"):
        color = (tag.get(name) or "").lower()
        if COLOR.fullmatch(color):
            tag[name] = "var(--book-paper)" if color == WHITE else f"light-dark({color},{in_the_dark(color)})"


def least_width(width, transforms):
    """The style by which the labels of a drawing, as wide as its view box says, can be read; None if it has none."""
    scales = (re.search(r"scale\(([\d.]+) -\1\)", transform) for transform in transforms)
    letters = [100 * float(scale[1]) for scale in scales if scale]  # in points
    return f"min-width:{width * LABELS / min(letters):.0f}px" if letters else None


def drawing(svg, alt, prefix, shared):
    """The markup of a stored figure; what it defines goes to ``shared``."""
    root = _frames.compact(svg, prefix, shared)
    width, height = map(float, root.get("viewBox").split()[2:])
    for part in ("width", "height"):
        root.attrib.pop(part, None)
    least = least_width(width, (group.get("transform", "") for group in root.iter("g")))
    inch = _frames.WIDTH / 72
    root.attrib |= {"width": f"{width * inch:.0f}", "height": f"{height * inch:.0f}", "role": "img", "aria-label": alt}
    root.attrib |= {"style": least} if least else {}
    return ET.tostring(root, encoding="unicode")


def draw(app, page, tree):
    """Put the drawings into the page."""
    shared, prefix = {}, "d" + sha1(page.encode()).hexdigest()[:3]
    for image in tree.select('div.cell_output img[src*="_images/"][src$=".svg"]'):
        file = Path(app.outdir, "_images", image["src"].rpartition("/")[2])
        box = tree.new_tag("div", attrs={"class": "drawing"})
        box.append(parse(drawing(file.read_text("utf-8"), image["alt"], prefix, shared)))
        image.replace_with(box)
    if shared:
        defs = "".join(ET.tostring(part, encoding="unicode") for part in shared.values())
        tree.select_one("article.bd-article").insert(0, parse(_frames.SHARED.format(defs)))
    for frame in tree.select(".explore-frame > svg, figure.explore template > svg"):
        groups = (group.get("transform", "") for group in frame.find_all("g"))
        box = frame.get("viewBox") or frame.get("viewbox") or "0 0 0 0"  # as the parser writes it
        if least := least_width(float(box.split()[2]), groups):
            frame["style"] = least
    for box in tree.select(".drawing, .explore-frame, .explore-shared, figure.explore template"):
        for tag in box.find_all(True):
            color_for_both(tag)


def setup(app):
    app.setup_extension("finished_pages")
    app.connect("page-parsed", draw, priority=400)  # before light_pages looks for pictures
    return {"parallel_read_safe": True, "parallel_write_safe": True}
