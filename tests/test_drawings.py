"""The chapters' figures as drawings: in the page's colors, their images as they are, and compared as one sees them."""

import base64
import io
import json
import re
import sys
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from saelib.book import plots
from tests.nbval_tolerance import LIMITS, figure_problem, outputs_problems
from tests.svg_pixels import DPI, pixels
from tests.test_plots import contrast
from tools.store_notebooks import ROOT, canonical_outputs, execute

sys.path.insert(0, str(ROOT / "_ext"))

import drawings
from finished_pages import parse, written

STYLE = [ROOT / "saelib" / "book" / "book.mplstyle"]
DIGIT = np.arange(12.0).reshape(3, 4)
BLUE, ORANGE = "#0072b2", "#d55e00"


def figure(end=1.0, word="falls", image=DIGIT):
    """The SVG and the pixels of a figure with lines, markers, letters, a formula and an image."""
    with matplotlib.style.context(STYLE):
        drawn = Figure(figsize=(4, 3), dpi=DPI)
        left, right = drawn.subplots(1, 2)
        left.plot([0, 1, 2], [3, 2, end], "o--", label="cost")
        left.plot([0, 2], [0, 9], color=plots.ORANGE, alpha=0.5)
        left.set(xlabel=r"$\hat\rho_j^{(2)}$", ylabel=word, ylim=(0, 3.5))
        left.legend()
        right.imshow(image)
        right.set_axis_off()
        svg, png = io.BytesIO(), io.BytesIO()
        drawn.savefig(svg, format="svg", metadata={"Date": None})
        drawn.savefig(png, format="png")
    return svg.getvalue().decode(), np.asarray(Image.open(png).convert("RGBA"), float)


def luminance_order(colors):
    return [contrast(np.array(matplotlib.colors.to_rgb(color)), np.zeros(3)) for color in colors]


# --- colors -----------------------------------------------------------------------------------------------------


def test_ink_and_paper_change_places_and_grays_their_order():
    assert drawings.in_the_dark("#ffffff") == "#14181d" and drawings.in_the_dark("#222222") == "#dce1e6"
    css = (ROOT / "_static" / "book.css").read_text("utf-8")
    assert "--book-ink: light-dark(#1f262d, #dce1e6)" in css and "--book-paper: light-dark(#fdfcf8, #14181d)" in css
    grays = [f"#{level:02x}{level:02x}{level:02x}" for level in range(0x22, 256, 13)]
    lights = luminance_order(map(drawings.in_the_dark, grays))
    assert lights == sorted(lights, reverse=True) and len(set(lights)) == len(lights)


@pytest.mark.parametrize("color", [plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE, plots.OCHRE, plots.SKY])
def test_the_books_colors_stand_out_in_the_dark_and_stay_what_they_are(color):
    dark = matplotlib.colors.to_rgb(drawings.in_the_dark(color.lower()))
    assert contrast(np.array(dark), np.array(matplotlib.colors.to_rgb("#14181d"))) >= 4.5
    hues = [matplotlib.colors.rgb_to_hsv(c)[0] for c in (dark, matplotlib.colors.to_rgb(color))]
    assert abs(hues[0] - hues[1]) < 0.06


def test_the_books_colors_differ_in_the_dark_and_are_those_of_figures_that_move():
    live = (ROOT / "saelib" / "book" / "live.css").read_text("utf-8")
    for name, color in (("blue", BLUE), ("orange", ORANGE)):
        assert f"--live-{name}: {drawings.LIGHTER[color]};" in live
    dark = [drawings.in_the_dark(c.lower()) for c in (plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE, plots.OCHRE)]
    assert len(set(dark)) == 5


# --- in the page ------------------------------------------------------------------------------------------------

ALT = 'Two panels: "cost" falls, and a digit.'


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with two drawings and a frame of a figure to explore, as the extension leaves it."""
    out = tmp_path_factory.mktemp("out")
    (out / "_images").mkdir()
    (out / "_images" / "a.svg").write_text(figure()[0])
    (out / "_images" / "b.svg").write_text(figure(2.0)[0])
    frame = '<svg><path d="M0 0" stroke="#222222"></path></svg>'
    tree = parse(
        '<article class="bd-article"><h1>A</h1><img src="../_static/logo.svg" alt="A logo">'
        f'<div class="cell_output"><figure><img src="../_images/a.svg" alt=\'{ALT}\'></figure></div>'
        '<div class="cell_output"><figure><img src="../_images/b.svg" alt="Once more it falls"></figure></div>'
        f'<figure class="explore"><div class="explore-frame">{frame}</div><template>{frame}</template>'
        "</figure></article>"
    )
    drawings.draw(SimpleNamespace(outdir=out), "chapters/a", tree)
    return parse(written(tree))


def test_a_figure_stands_in_the_page_with_its_words_and_every_name_once(page):
    first, second = page.select(".drawing > svg")
    assert first["role"] == "img" and first["aria-label"] == ALT and second["aria-label"] == "Once more it falls"
    assert not page.select('img[src*="_images"]') and page.select_one("img")["alt"] == "A logo"
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids)) > 10
    wanted = {use["href"][1:] for use in page.find_all("use")}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", str(page)))
    assert wanted <= set(ids)
    assert page.select_one(".explore-shared").find_parent("article")  # what is printed has the letters too


def test_every_color_has_one_for_the_dark_but_the_pixels_of_images(page):
    left = re.findall(r'(?:fill|stroke)="(#[^"]+)"', str(page))
    assert left == []
    assert f"light-dark({BLUE},#63b3e8)" in str(page) and f"light-dark({ORANGE},#ff9a52)" in str(page)
    assert "var(--book-paper)" in str(page)
    assert str(page.select_one(".explore-frame")).count("light-dark(#222222,#dce1e6)") == 1
    assert str(page.template).count("light-dark(#222222,#dce1e6)") == 1
    image = page.select_one(".drawing image")
    assert image["image-rendering"] == "pixelated"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["href"].partition("base64,")[2]))).convert("L"))
    np.testing.assert_allclose(shown, 255 * DIGIT / 11, atol=1)  # 3 x 4 pixels, black to white


def test_labels_are_legible_where_the_page_is_narrow(page):
    for svg in page.select(".drawing > svg"):
        width = float(svg["viewbox"].split()[2])
        least = float(re.fullmatch(r"min-width:(\d+)px", svg["style"])[1])
        assert 10 * least / width == pytest.approx(9, abs=0.05)  # letters of 10 points


def test_a_drawing_without_letters_may_be_of_any_width():
    made = Figure(figsize=(2, 1))
    plots.mosaic(np.eye(4), ax=made.subplots())
    content = io.StringIO()
    made.savefig(content, format="svg")
    assert "min-width" not in drawings.drawing(content.getvalue(), "A digit", "d", {})


def test_a_photograph_is_stored_with_the_pixels_of_the_figure():
    large, small = (np.random.default_rng(0).random((n, n)) for n in (512, 100))
    sizes = []
    for image in (large, small):
        with matplotlib.style.context(STYLE):
            made, content = Figure(figsize=(2, 2)), io.BytesIO()
            plots.photograph(image, ax=made.subplots())
            made.savefig(content, format="svg", dpi=76)
        href = re.search(r"base64,([^\"]+)", content.getvalue().decode())[1]
        sizes.append(Image.open(io.BytesIO(base64.b64decode(href))).width)
    assert sizes[0] < 160 and sizes[1] == 100


# --- as it is stored --------------------------------------------------------------------------------------------


def test_a_notebook_stores_a_drawing_of_the_size_asked_for_in_one_line(tmp_path):
    code = "import matplotlib.pyplot as plt\nfrom saelib.book import plots\nplots.use_style()\n"
    code += "plt.subplots(figsize=(4, 3))\nplt.show()"
    nb = execute(new_notebook(cells=[new_code_cell(code)]), tmp_path)
    (output,) = canonical_outputs(nb.cells[0].outputs)
    assert set(output.data) == {"image/svg+xml", "text/plain"}
    svg = output.data["image/svg+xml"]
    assert 'viewBox="0 0 288 216"' in svg
    assert not re.search(r"\n|<metadata|\d{4}-\d\d-\d\d", svg)
    assert canonical_outputs([output]) == [output]


# --- compared ---------------------------------------------------------------------------------------------------


def test_the_pixels_of_a_drawing_are_those_of_the_picture():
    svg, png = figure()
    assert pixels(svg).shape == png.shape

    def difference(a, b):
        """Of the means of 15 x 15 pixels: in a PNG letters stand at whole pixels, and what is beside them moves."""
        blocks = [picture.reshape(png.shape[0] // 15, 15, png.shape[1] // 15, 15, 4).mean((1, 3)) for picture in (a, b)]
        return np.sqrt(np.mean((blocks[0] - blocks[1]) ** 2))

    ours = difference(pixels(svg), png)
    assert ours < 7 and difference(pixels(figure(image=DIGIT[::-1])[0]), png) > 2 * ours


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        ({"end": 1.001}, True),  # less than a tenth of a pixel
        ({"end": 1.3}, False),
        ({"word": "rises"}, False),
        ({"image": DIGIT + 0.01 * np.eye(3, 4)}, True),
        ({"image": DIGIT[::-1]}, False),
    ],
)
def test_figures_agree_if_they_look_alike(change, agrees):
    assert (figure_problem(figure()[0], figure(**change)[0], LIMITS) is None) == agrees


def test_a_cell_may_allow_a_curve_more_and_never_other_words():
    wide = LIMITS | {"rms": 20, "tile_rms": 150}
    assert figure_problem(figure()[0], figure(1.3)[0], wide) is None
    assert "the words differ" in figure_problem(figure()[0], figure(1.3, "rises")[0], wide)


def test_what_is_no_drawing_is_said_to_be_none():
    svg = figure()[0]
    assert "cannot be read" in figure_problem(svg, svg.replace("</svg>", ""), LIMITS)
    output = {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": figure()[0]}}
    assert outputs_problems([output], [output], LIMITS) == []


def test_every_stored_figure_can_be_compared():
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            for output in cell.get("outputs", ()):
                if svg := "".join(output.get("data", {}).get("image/svg+xml", "")):
                    assert len(svg) < 400_000, f"{path.name}: rasterize what has so many points"
                    for element in set(re.findall(r"<(\w+)", svg)):
                        assert element in "svg g defs style path use image clipPath rect xml DOCTYPE".split(), element
