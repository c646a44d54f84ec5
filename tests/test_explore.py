"""Explorable figures: every face shows what was drawn, a second run gives the same, a changed frame is seen."""

import asyncio
import base64
import gzip
import io
import re
import sys
from functools import cache
from html.parser import HTMLParser
from unittest import mock

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from PIL import Image

import saelib
from saelib.book import explore, plots, steps
from saelib.book._faces import live, live_control, live_value
from tests.nbval_tolerance import LIMITS, outputs_problems, picture_problem

X = np.linspace(-3, 3, 61)
ABOUT = {"caption": "A line of some slope. It turns.", "alt": "A line through the origin.", "name": "explore-line"}


def line(ax, slope=1.0, kind="straight"):
    ax.plot(X, slope * (X if kind == "straight" else np.tanh(X)))
    ax.plot(0, 0, "o")
    ax.plot(slope, 0, "o")
    ax.set(xlim=(-3, 3), ylim=(-9, 9), xlabel="$x$")
    return f"At x = 3 the {kind} line is at {slope * (3 if kind == 'straight' else np.tanh(3)):.2f}."


def image(ax, level):
    plots.mosaic(level * np.arange(16.0).reshape(4, 4) / 16, scale="unit", ax=ax)
    return f"The brightest pixel is at {level:g}."


SLOPE = explore.slider("slope", [0.5, 1.0, 1.5, 2.0], start=1.0, play=0.3)
KIND = explore.choice("line", {"straight": "straight", "bent": "bent"})


@pytest.fixture(scope="module")
def drawn():
    return explore.figure(line, slope=SLOPE, kind=KIND, **ABOUT)


@pytest.fixture(scope="module")
def page(drawn):
    return Page(drawn._repr_mimebundle_()["text/html"])


def test_a_bar_counts_the_frames(monkeypatch):
    bar = mock.MagicMock()
    monkeypatch.setattr(explore, "progress_bar", bar)
    explore.figure(line, slope=SLOPE, **ABOUT)
    bar.assert_called_once_with(4, "frames", delay=1)
    assert bar.return_value.__enter__.return_value.update.call_count == 4


class Page(HTMLParser):
    """The tags of a page as (name, attributes), in order."""

    def __init__(self, html):
        super().__init__()
        self.html, self.tags = html, []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def frames_of(html):
    return re.findall(r"<template.*?</template>", html, re.S)


# --- the faces --------------------------------------------------------------------------------------------------


def test_the_faces(drawn):
    bundle = drawn._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert bundle["text/plain"] == (
        "Explorable figure: A line of some slope; slope from 0.5 to 2 (4 values), line from straight to bent (2 values)"
    )
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).size == (780, 510)


def test_what_a_notebook_stores_is_these_faces(drawn):
    from IPython.core.interactiveshell import InteractiveShell

    data, _ = InteractiveShell.instance().display_formatter.format(drawn)
    assert data["text/plain"].startswith("Explorable figure: A line of some slope; slope from")
    assert set(data) == set(drawn._repr_mimebundle_())


def test_without_ipywidgets_the_other_faces_remain(drawn, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert set(drawn._repr_mimebundle_()) == {"text/plain", "text/html", "image/png"}


def test_the_picture_of_a_figure_keeps_its_colors():
    """A thin orange line among many grays, with which a palette of 32 colors mixed it."""

    def thin(ax, width):
        plots.mosaic(np.linspace(0, 1, 256).reshape(16, 16), scale="unit", ax=ax)
        ax.plot([0, 15], [0, 15], color="#D55E00", linewidth=width)
        return f"A line of width {width:g}."

    shown = explore.figure(thin, width=explore.slider("width", [1.0, 2.0]), figsize=(2, 2), **ABOUT)
    pictures = [shown._repr_mimebundle_()["image/png"]]
    pictures += re.findall(r"data:image/png;base64,([^\"]+)", live(shown).children[0].value)
    assert len(pictures) == 2
    for picture in pictures:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")).reshape(-1, 3).astype(int)
        assert np.abs(pixels - [0xD5, 0x5E, 0x00]).max(axis=1).min() <= 8


def test_every_setting_has_its_frame_in_order(drawn, page):
    said = [attributes["data-says"] for attributes in page.all("template")]
    assert said == [line(plots._bare(fresh_axes()), s, k) for s in SLOPE.values for k in KIND.values]
    pictures = frames_of(page.html)
    assert len(set(pictures)) == 8
    assert [k for k, frame in enumerate(pictures) if "<svg" not in frame] == [drawn.start] == [2]


def fresh_axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_the_start_frame_stands_in_the_page_and_says_what_it_shows(page):
    visible = re.sub(r"<template.*?</template>", "", page.html, flags=re.S)
    assert (
        visible.count('<svg aria-label="A line through the origin. At x = 3 the straight line is at 3.00." role="img"')
        == 1
    )
    assert "At x = 3 the straight line is at 3.00.</span></output>" in visible
    assert "<figcaption>A line of some slope. It turns.</figcaption>" in visible


def test_controls_are_native_and_labeled_and_wait_for_the_script(page):
    assert 'class="explore-controls" hidden' in page.html
    (slider,) = [a for a in page.all("input") if a["type"] == "range"]
    assert (slider["min"], slider["max"], slider["value"], slider["aria-valuetext"]) == ("0", "3", "1", "1")
    assert f'<label for="{slider["id"]}">slope</label>' in page.html
    radios = [a for a in page.all("input") if a["type"] == "radio"]
    assert ["checked" in a for a in radios] == [True, False] and len({a["name"] for a in radios}) == 1
    assert "<legend>line</legend>" in page.html
    assert re.findall(r"<button[^>]*>(\w+)<", page.html) == ["Back", "Play", "Next"]


def test_ids_are_unique_and_each_reference_leads_somewhere_in_every_frame(page):
    shared = re.search(r'<svg class="explore-shared".*?</svg>', page.html, re.S)[0]
    for frame in frames_of(page.html):
        ids = re.findall(r'\bid="([^"]+)"', shared + frame)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', shared + frame)) <= set(ids) or "<svg" not in frame
    assert page.all("figure")[0]["id"] == "explore-line"


def test_two_explorables_share_no_id(page):
    other = explore.figure(line, slope=SLOPE, **ABOUT | {"name": "explore-other"})._repr_mimebundle_()["text/html"]
    ids = [set(re.findall(r'\bid="([^"]+)"', html)) for html in (page.html, other)]
    assert not ids[0] & ids[1]


def test_nothing_that_a_strict_page_forbids(page):
    assert not re.search(r"""\bstyle=|<style|<script|\bon\w+=|javascript:|https?://""", page.html)


def test_words_with_signs_of_html_are_words(drawn):
    about = ABOUT | {"caption": 'Where a < b & "c" > d', "alt": 'The case a < b & "c"'}
    html = explore.figure(line, slope=explore.slider('"<slope>"', [1.0, 2.0]), **about)._repr_mimebundle_()["text/html"]
    page = Page(html)
    assert page.all("figure")[0]["data-alt"] == about["alt"]
    assert "Where a &lt; b &amp; &quot;c&quot; &gt; d" in html and "<slope>" not in html


def test_an_image_keeps_its_pixels_in_the_drawing():
    shown = explore.figure(image, level=explore.slider("level", [0.25, 0.5, 1.0]), figsize=(2, 2), **ABOUT)
    html = shown._repr_mimebundle_()["text/html"]
    assert html.count("data:image/png") == 3 == html.count("<image")
    for source, level in zip(re.findall(r"base64,([^\"]+)", html), (0.25, 0.5, 1.0), strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("LA"), float)
        drawn = pixels[pixels[..., 1] == 255, 0]  # the gaps are transparent
        np.testing.assert_allclose(np.sort(drawn), 255 * level * np.arange(16) / 16, atol=1)  # black to white
    label = Page(html).all("svg")[0]["aria-label"]
    assert label == "A line through the origin. The brightest pixel is at 0.25."


def test_an_image_with_more_pixels_than_the_page_becomes_a_png():
    noise = np.random.default_rng(0).random((600, 600))

    def photograph(ax, level):
        plots.photograph(level * noise, ax=ax, vmin=0, vmax=1)
        return f"The brightest pixel is at {level:g}."

    shown = explore.figure(photograph, level=explore.slider("level", [0.5, 1.0]), figsize=(2, 2), **ABOUT)
    html = shown._repr_mimebundle_()["text/html"]
    assert "<svg" not in html and html.count("data:image/png") == 2
    assert Page(html).all("img")[0]["alt"] == "A line through the origin. The brightest pixel is at 0.5."


def test_what_frames_have_in_common_is_stored_once(page):
    whole = sum(len(svg_of(k)) for k in SLOPE.values) * 2
    assert len(page.html) < whole / 4
    assert len(gzip.compress(page.html.encode())) < len(page.html) / 3


def svg_of(slope, kind="straight"):
    content, ax = io.StringIO(), fresh_axes()
    with matplotlib.rc_context({"path.simplify": False, "figure.figsize": (5.2, 3.4)}):
        line(ax, slope, kind)
        ax.figure.set_size_inches(5.2, 3.4)
        ax.figure.savefig(content, format="svg")
    return content.getvalue()


def test_the_compact_paths_are_matplotlibs(page):
    """Each path, every command written out: letters, lines and markers are what they were."""
    whole = "".join(svg_of(slope, kind) for slope in SLOPE.values for kind in KIND.values)
    assert paths(page.html) == paths(whole)


def paths(markup):
    return {written_out(d) for d in re.findall(r'\bd="([^"]+)"', markup)}


def written_out(d):
    """Return the commands of a path with their numbers: after M and its point, L is meant; others repeat themselves."""
    commands, command, numbers = [], None, []
    for token in d.split():
        if token.isalpha():
            command = token
            if token == "z":
                commands.append("z")
            continue
        numbers.append(round(float(token), 2 if abs(float(token)) >= 1 else 4))
        if len(numbers) == {"M": 2, "L": 2, "Q": 4, "C": 6}[command]:
            commands.append((command, *numbers))
            command, numbers = "L" if command == "M" else command, []
    return tuple(commands)


# --- a second run -----------------------------------------------------------------------------------------------


@cache
def outputs(factor=1.0, slope_of_one=1.0):
    """What a notebook stores, with all numbers drawn times ``factor``, and one frame of eight changed."""
    changed = {1.5: 1.5 * slope_of_one}

    def nearly(ax, slope, kind):
        return line(ax, factor * changed.get(slope, slope), kind)

    bundle = explore.figure(nearly, slope=SLOPE, kind=KIND, **ABOUT)._repr_mimebundle_()
    return [{"output_type": "execute_result", "metadata": {}, "execution_count": 1, "data": bundle}]


def test_a_second_run_gives_the_same_bytes():
    again = outputs.__wrapped__()
    a, b = outputs()[0]["data"], again[0]["data"]
    assert {k: v for k, v in a.items() if "widget" not in k} == {k: v for k, v in b.items() if "widget" not in k}
    assert outputs_problems(outputs(), again, LIMITS) == []


def test_the_last_digits_may_differ():
    assert outputs()[0]["data"]["text/html"] != outputs(1 + 3e-5)[0]["data"]["text/html"]
    assert outputs_problems(outputs(), outputs(1 + 1e-7), LIMITS) == []
    assert outputs_problems(outputs(), outputs(1 + 3e-5), LIMITS) == []


def test_a_change_of_one_frame_is_seen():
    (found,) = outputs_problems(outputs(), outputs(slope_of_one=1.004), LIMITS)
    assert found[1] == "text/html"


def test_a_change_of_one_image_is_seen():
    def bundle(level):
        shown = explore.figure(image, level=explore.slider("level", [0.25, 0.5, level]), figsize=(2, 2), **ABOUT)
        return shown._repr_mimebundle_()["text/html"]

    a, b, c = (re.findall(r"base64,([^\"]+)", bundle(level))[-1] for level in (0.9, 0.9 * (1 + 1e-7), 0.8))
    assert picture_problem(a, b, LIMITS) is None
    assert picture_problem(a, c, LIMITS) is not None


# --- live -------------------------------------------------------------------------------------------------------


def parts(drawn):
    picture, slope, kind, play, says, caption = live(drawn).children
    return picture, slope, kind, play, says


def test_the_live_view_draws_any_setting(drawn):
    picture, slope, kind, _, says = parts(drawn)
    assert says.value == "<p>At x = 3 the straight line is at 3.00.</p>"
    before = picture.value
    assert slope.step == pytest.approx(0.05)  # ten positions for each of the book's
    slope.value = 1.25
    assert says.value == "<p>At x = 3 the straight line is at 3.75.</p>" and picture.value != before
    kind.index = 1
    assert "the bent line is at 1.24" in says.value and "the bent line" in picture.value


def test_the_live_play_button_steps_through_the_values(drawn):
    _, slope, _, play, _ = parts(drawn)
    play.value = 3
    assert slope.value == 2.0 and play.interval == 300


def test_of_many_settings_in_a_moment_the_last_one_is_drawn():
    calls = []

    def counted(ax, slope):
        calls.append(slope)
        return line(ax, slope)

    shown = live(explore.figure(counted, slope=SLOPE, **ABOUT))
    calls.clear()

    async def drag():
        for value in np.linspace(0.5, 2, 31):
            shown.children[1].value = value
        assert calls == []  # the kernel is free while the slider moves
        await asyncio.sleep(0.3)

    asyncio.run(drag())
    assert calls == [2.0]


def test_a_live_drawing_that_fails_says_so_where_the_reader_looks():
    def fragile(ax, slope):
        if slope == 1.25:
            raise ZeroDivisionError("no such line")
        return line(ax, slope)

    shown = live(explore.figure(fragile, slope=SLOPE, **ABOUT))
    shown.children[1].value = 1.25
    assert "draw failed at slope = 1.25: ZeroDivisionError: no such line" in shown.children[-2].value


def test_the_live_view_names_the_value_of_a_slider_of_words():
    shown = live(explore.figure(line, slope=explore.slider("Step", [1, 2], words=["1: up", "2: <on>"]), **ABOUT))
    shown.children[1].index = 1
    assert shown.children[-2].value.startswith("<p><b>Step 2: &lt;on&gt;.</b> At x = 3")


def test_a_live_choice_may_be_among_arrays():
    slopes = {"flat": np.array([1.0, 0.0]), "steep": np.array([1.0, 2.0])}
    shown = live(
        explore.figure(lambda ax, w: line(ax, w @ [0, 1]), w=explore.choice("weights", slopes, start="steep"), **ABOUT)
    )
    assert "at 6.00" in shown.children[-2].value
    shown.children[1].index = 0
    assert "at 0.00" in shown.children[-2].value


def test_the_live_play_button_steps_through_words():
    steps = explore.slider("Step", [3, 5, 7], words=["one", "two", "three"], play=0.5)
    shown = live(explore.figure(line, slope=steps, **ABOUT))
    _, slider, play, says, _ = shown.children
    play.value = 2
    assert slider.label == "three" and "at 21.00" in says.value


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0, 2.0, 3.0], "FloatSlider"),
        ([0.01, 0.1, 1.0], "FloatLogSlider"),
        ([1, 2, 3], "SelectionSlider"),
        ([0.0, 0.1, 1.0], "FloatSlider"),
    ],
)
def test_the_live_slider_suits_its_values(values, kind):
    import ipywidgets

    setting = explore.slider("x", values, start=values[1])
    widget = live_control(setting, ipywidgets)
    assert type(widget).__name__ == kind and live_value(widget, setting) == pytest.approx(values[1])


# --- what cannot be drawn ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "settings must be one to three of explore.slider(...) and explore.choice(...)"),
        ({"slope": [1, 2]}, "settings must be one to three"),
        ({"slope": SLOPE, "draw": "line"}, "draw must be a function, got str 'line'"),
        ({"slope": SLOPE, "caption": ""}, "caption must say in at least three words what there is to see, got ''"),
        ({"slope": SLOPE, "alt": "a.png"}, "alt must say in at least three words what there is to see, got 'a.png'"),
        ({"slope": SLOPE, "name": "The line"}, "name must be a letter and then letters, digits and hyphens"),
        ({"slope": SLOPE, "columns": 0}, "columns must be a whole number from 1 to 4, got 0"),
        ({"kind": KIND, "slope": SLOPE}, "play must be asked of the first setting"),
        ({"slope": explore.slider("x", range(301))}, "settings must make at most 300 frames, got 301"),
        ({"slope": SLOPE, "draw": lambda ax, slope: None}, "draw must return a sentence that describes the picture"),
    ],
)
def test_refuses(arguments, words):
    with pytest.raises(ValueError) as error:
        explore.figure(**{"draw": line, **ABOUT, **arguments})
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: explore.slider("rho", [0.1]), "values of 'rho' must be two or more increasing numbers, got (0.1,)"),
        (lambda: explore.slider("rho", [0.2, 0.1]), "values of 'rho' must be two or more increasing numbers"),
        (lambda: explore.slider("rho", [1, 2], start=3), "start of 'rho' must be one of its values, got 3"),
        (lambda: explore.slider("rho", [1, 2], words=["one"]), "words of 'rho' must be 2, one for each value, got 1"),
        (lambda: explore.slider("rho", [1, 2], play=-1), "play must be a finite number > 0, got -1"),
        (lambda: explore.choice("f", {"tanh": 1}), "options of 'f' must be two to six, got 1"),
        (lambda: explore.choice("f", {"a": 1, "b": 2}, start="c"), "start of 'f' must be one of 'a', 'b', got 'c'"),
    ],
)
def test_settings_refuse(make, words):
    with pytest.raises(ValueError) as error:
        make()
    assert words in str(error.value)


def test_a_drawing_that_fails_names_the_setting():
    def fragile(ax, slope, kind):
        return line(ax, 1 / (slope - 1.5), kind)

    with pytest.raises(RuntimeError) as error:
        explore.figure(fragile, slope=SLOPE, kind=KIND, **ABOUT)
    assert str(error.value).startswith("draw failed at slope = 1.5, kind = 'straight': ZeroDivisionError")


def test_panels_side_by_side():
    def two(axes, slope):
        line(axes[1], slope)
        return line(axes[0], slope)

    drawn = explore.figure(two, columns=2, slope=SLOPE, **ABOUT)
    assert len(drawn.pictures) == 4


# --- step by step through a network -----------------------------------------------------------------------------


def example():
    """The network of the chapter on backpropagation, and one drawn at random."""
    W1, W2 = np.array([[0.5, -1, 0.5], [1, 0, -1]]), np.array([[1.0, 0], [0, 2], [-1, 1]])
    yield saelib.Params(W1, np.zeros(2), W2, np.zeros(3)), np.array([1.0, 0, 1])
    rng = np.random.default_rng(3)
    yield (
        saelib.Params(rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=(2, 3)), rng.normal(size=2)),
        (rng.uniform(size=2)),
    )


@pytest.mark.parametrize("params, x", list(example()))
def test_there_is_a_step_for_each_unit_each_way_and_each_sum_is_right(params, x):
    found = steps.steps(params, x)
    sizes = params.W1.shape[::-1]
    assert len(found) == 1 + sizes[1] + sizes[0] + 1 + 1 + sizes[1] + 2
    lines = [[line] if isinstance(line, str) else line for step in found for line in step.formulas]
    sums = [plain(entry).split(" = ")[-2:] for line in lines for entry in line if r" \cdot " in entry]
    assert len(sums) == sizes[1] + 2 * sizes[0] + 2 * sizes[1] + 2 * sizes[0] * sizes[1]
    for formula, result in sums:
        assert eval(formula) == pytest.approx(float(result), abs=4e-4)  # of numbers with four decimals
    for z, a in re.findall(r"f\((\S+)\) = (\d\S*)\.", " ".join(step.sentence for step in found)):
        assert 1 / (1 + np.exp(-float(plain(z)))) == pytest.approx(float(plain(a)), abs=1e-4)


def plain(formula):
    return formula.replace("\N{MINUS SIGN}", "-").replace(r"\cdot", "*").strip("$")


@pytest.mark.parametrize("params, x", list(example()))
def test_the_last_steps_hold_the_gradient_that_nudging_finds(params, x):
    X = x[np.newaxis]
    theta = saelib.pack(params)
    nudged = saelib.numerical_gradient(
        lambda t: saelib.sparse_cost(saelib.unpack(t, params), X, lam=0, rho=0.5, beta=0), theta
    )
    gradient = saelib.unpack(nudged, params)
    for step, wanted in zip(steps.steps(params, x)[-2:], (gradient.W2, gradient.W1), strict=True):
        shown = [float(plain(entry).split(" = ")[-1]) for row in step.formulas[1:] for entry in row]
        said = [float(entry) for entry in re.findall(r"-?[\d.]*\d", plain(step.sentence))]
        assert said == shown
        assert np.allclose(shown, wanted.ravel(), atol=5.1e-5)


def test_the_chapters_numbers():
    params, x = next(example())
    *_, last = found = steps.steps(params, x)
    assert list(last.activations.values()) == "1 0 1 0.7311 0.5 0.6750 0.7311 0.4425".split()
    minus = "\N{MINUS SIGN}"
    assert list(last.deltas.values()) == [f"{minus}0.0713", "0.1437", f"{minus}0.1375", "0.0130", "0.0375"]
    assert "= 0.4754." in found[6].sentence
    assert len(found[3].activations) == 6 and found[3].here == ((2, 0),) and not found[3].deltas


def test_step_through_draws_what_is_known_by_then():
    params, x = next(example())
    for step in range(1, 13):
        ax = fresh_axes()
        sentence = steps.step_through(step, params, x, ax)
        now = steps.steps(params, x)[step - 1]
        assert sentence == now.sentence
        written = [text.get_text() for text in ax.texts]
        for value in [*now.activations.values(), *(d for d in now.deltas.values())]:
            assert any(value.replace("\N{MINUS SIGN}", "-") in text for text in written)
        assert sum(r"\delta = " in text for text in written) == len(now.deltas)
        ax.figure.canvas.draw()  # every formula can be typeset


@pytest.mark.parametrize(
    ("step", "x", "words"),
    [
        (0, [1, 0, 1], "step must be a whole number from 1 to 12, got 0"),
        (1, [1, 0], "x must have 3 columns"),
        (1, [2, 0, 1], "x must lie"),
    ],
)
def test_step_through_refuses(step, x, words):
    params, _ = next(example())
    with pytest.raises(ValueError) as error:
        steps.step_through(step, params, np.array(x, float), fresh_axes())
    assert words in str(error.value)
