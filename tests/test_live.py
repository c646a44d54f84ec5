"""Figures that move: the page's script gives Python's numbers and its drawing, and points follow finger and keys."""

import base64
import io
import json
import math
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from PIL import Image

import saelib
from saelib import datasets, nets, sparse_coding
from saelib.book import _drawer, _scenes, live
from tests import test_site
from tests.test_explore import Page

FOLDER = Path(saelib.book.__file__).parent
ABOUT = {"caption": "What there is. It moves.", "alt": "A picture of it."}
NET = {"W1": [[0.5, -1, 0.5], [1, 0, -1]], "b1": [0, 0], "W2": [[1, 0], [0, 2], [-1, 1]], "b2": [0, 0.5, 0]}


def figures():
    """A figure of each kind."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(2, 3, 2, 5)).round(3).tolist()
    basis = np.linalg.qr(rng.normal(size=(64, 2)))[0]
    pictures = dict(zip(("mean", "example"), rng.uniform(size=(2, 64)).tolist(), strict=True))
    z = (0.4, -0.3, 1.3, 0.1, -0.7, 0.8, 0.55, -0.1)
    yield "kl", {}, {"rho": live.slider("ρ", 0.01, 0.99, start=0.2), "rho_hat": live.slider("ρ̂", 0.01, 0.99, start=0.5)}
    yield (
        "bias",
        {"rho": 0.05, "weighted": rng.normal(0, 1.5, 40).tolist()},
        {
            "b": live.slider("bias", -15, 5, start=-12, digits=1),
            "penalty": live.choice("penalty", ["KL divergence", "square", "mean"]),
        },
    )
    yield "losses", {}, {"z": live.slider("z", -8, 8, start=-4), "x": live.slider("target", 0, 1, start=1, step=0.05)}
    yield "soft_threshold", {"bars": [0.3, -1.1, 2.6, 0]}, {"t": live.slider("threshold", 0, 2.75, start=1)}
    yield (
        "ista",
        {"D": [[1, 0], [0.8, 0.6]], "x": [2, 0.05]},
        {
            "step": live.slider("step", 0, 20, start=5, step=1, digits=0, play=0.1),
            "fast": live.choice("method", ["ISTA", "FISTA"]),
            "lam": live.slider("λ", 0, 1.2, start=0.4),
            "a1": live.point(-0.2, 2, 0),
            "a2": live.point(-0.3, 1.1, 0),
        },
    )
    yield (
        "latents",
        {"count": 8},
        {"k": live.slider("k", 1, 8, start=3, step=1, digits=0), "theta": live.slider("θ", 0, 1.5, start=0.5)}
        | {f"z{j}": live.point(-1, 2, v) for j, v in enumerate(z, 1)},
    )
    yield (
        "directions",
        {"W": table, "S": ["0", "0.5", "0.9"]},
        {"S": live.slider("S", 0, 2, words=["0", "0.5", "0.9"]), "r": live.choice("r", ["equal", "falling"])},
    )
    yield (
        "descent",
        {"L": 10, "mu": 0.5, "turn": 20},
        {
            "alpha": live.slider("α", 0.005, 0.215, start=0.05, step=0.001, digits=3),
            "c1": live.point(-5.6, 5.6, -4),
            "c2": live.point(-4, 4, 0.5),
        },
    )
    yield (
        "epsilon",
        {"w": 0.75},
        {
            "exponent": live.slider("ε", -15, 0, start=-1, step=0.05, log=True),
            "single": live.choice("precision", ["double", "single"]),
        },
    )
    yield (
        "passes",
        NET,
        {"step": live.slider("step", 1, 12, step=1, digits=0, play=0.1)}
        | {f"x{i}": live.slider(f"x{i}", 0, 1, start=v, step=0.05) for i, v in enumerate((1, 0, 1), 1)},
    )
    yield (
        "rotation",
        {"U": basis.tolist(), "variances": [0.7, 0.64], "total": 4.7} | pictures,
        {
            "angle": live.slider("angle", 0, 360, start=30, step=1, digits=0, unit="°"),
            "stretch": live.slider("stretch", 0, 1),
        },
    )
    yield (
        "window",
        {
            "photograph": np.kron(rng.integers(0, 256, (4, 4)), np.ones((10, 10), int)),
            "whitened": rng.integers(0, 10, (40, 40)),
            "limit": 0.05,
            "W1": rng.normal(size=(5, 16)).round(2),
            "b1": [-1, -2, -1, 0, -1.5],
            "W2": rng.normal(size=(16, 5)).round(2),
            "b2": rng.normal(size=16).round(2),
        },
        {"across": live.point(0, 36, 20, step=1), "up": live.point(0, 36, 10, step=1)},
    )


@cache
def made():
    return {k: live.figure(k, data=data, name=f"live-{k.replace('_', '-')}", **ABOUT, **s) for k, data, s in figures()}


def test_there_is_an_example_of_each_kind():
    assert set(made()) == set(_scenes.KINDS)


@cache
def cases():
    """Fifty settings of each kind, the first of them the start, and their scenes by Python."""
    rng, found = np.random.default_rng(1), []
    for kind, figure in made().items():
        for k in range(50):
            state = {name: s.start if k == 0 else drawn(s, rng) for name, s in figure.settings.items()}
            found.append(({"kind": kind, "state": state, "data": figure.data}, figure.scene(**state)))
    return found


def drawn(s, rng):
    if s.words or s.step == 1:
        return int(rng.integers(s.low, s.high + 1))
    return float(rng.uniform(s.low, s.high))


RUN = """(cases) => cases.map(({kind, state, data}) => {
  const scene = saelibLive.kinds[kind](state, data);
  return [scene, scene.panels.map((panel, k) => saelibLive.svg(panel, k ? "" : "A <label>"))];
})"""


def check_twins(found):
    """What the script gave for all cases is what Python gave: numbers to 1e-6, and the drawing to the last pixel."""
    assert len(found) == len(cases()) == 50 * len(_scenes.KINDS)
    for (case, wanted), (scene, drawings) in zip(cases(), found, strict=True):
        where = case["kind"], case["state"]
        a, b = dict(leaves(wanted)), dict(leaves(scene))
        assert a.keys() == b.keys(), where
        for key, value in a.items():
            if isinstance(value, str):
                assert same_words(value, b[key]), (where, key)
            else:
                assert math.isclose(value, b[key], rel_tol=1e-6, abs_tol=1e-6), (where, key)
        for k, (panel, svg) in enumerate(zip(wanted["panels"], drawings, strict=True)):
            assert same_words(_drawer.svg(panel, "" if k else "A <label>"), svg), where


def leaves(value, at=""):
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], f"{at}.{key}")
    elif isinstance(value, list | tuple):
        yield f"{at}.length", len(value)
        for k, part in enumerate(value):
            yield from leaves(part, f"{at}.{k}")
    else:
        yield at, value


def same_words(a, b):
    """Whether two texts are the same but for one in the last digit of two numbers, which may be rounded either way."""
    if a == b:
        return True
    number = r"\d+(?:\.\d+)?"
    if re.split(number, a) != re.split(number, b):
        return False
    pairs = zip(re.findall(number, a), re.findall(number, b), strict=True)
    different = [abs(float(x) - float(y)) / 10 ** -len(x.partition(".")[2]) for x, y in pairs if x != y]
    return len(different) <= 2 and max(different) < 1.01


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node; `make site-test` asks the same of Chromium")
def test_the_script_gives_pythons_numbers():
    ask = f"""const files = require("fs"), run = {RUN};
        require("vm").runInThisContext(files.readFileSync({json.dumps(str(FOLDER / "live.js"))}, "utf8"));
        process.stdout.write(JSON.stringify(run(JSON.parse(files.readFileSync(0, "utf8")))));"""
    asked = json.dumps([case for case, _ in cases()])
    done = subprocess.run(["node", "-e", ask], input=asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_twins(json.loads(done.stdout))


# --- the numbers are the library's ------------------------------------------------------------------------------


def marks(scene, kind, at=0):
    return [m for m in scene["panels"][at]["marks"] if m["mark"] == kind]


def test_the_tangent_touches_the_divergence():
    curve, tangent = (marks(made()["kl"].scene(rho=0.3, rho_hat=0.6), "curve")[k] for k in (1, 2))
    line = np.interp(curve["x"], tangent["x"], tangent["y"])
    above = np.array(curve["y"]) - line
    assert above.min() >= -1e-9 and curve["x"][np.argmin(above)] == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("kind", ["bias", "losses"])
def test_each_tangent_has_the_slope_of_its_curve(kind):
    scene = made()[kind].scene(**{"b": -3.0} if kind == "bias" else {"z": -1.0, "x": 0.8})
    for at in (1,) if kind == "bias" else (0, 1):
        line, tangent = marks(scene, "curve", at)
        dot = marks(scene, "dots", at)[0]
        near = np.interp([dot["x"][0] - 0.1, dot["x"][0] + 0.1], line["x"], line["y"])
        slope = np.diff(tangent["y"])[0] / np.diff(tangent["x"])[0]
        assert np.diff(near)[0] / 0.2 == pytest.approx(slope, rel=0.05, abs=1e-3)
        assert np.interp(dot["x"], line["x"], line["y"]) == pytest.approx(dot["y"], rel=0.01)


@pytest.mark.parametrize("fast", [0, 1])
def test_the_path_is_the_librarys(fast):
    data = made()["ista"].data
    path = []
    run = sparse_coding.fista if fast else sparse_coding.ista
    run([data["x"]], np.array(data["D"]), 0.3, 9, callback=lambda _, A: path.append(A[0].copy()))
    shown = marks(made()["ista"].scene(step=9, lam=0.3, fast=fast), "curve")[-1]
    assert np.allclose(np.transpose([shown["x"], shown["y"]]), path)


def test_each_contour_is_a_level_of_the_cost():
    data = made()["ista"].data
    rings = [m for m in marks(made()["ista"].scene(lam=0.3), "curve") if m["tone"] == "gray"]
    D = np.array(data["D"])
    least = sparse_coding.lasso_cost(sparse_coding.ista([data["x"]], D, 0.3, 2000), [data["x"]], D, 0.3)
    for ring, level in zip(rings, (0.005, 0.03, 0.1, 0.25, 0.5, 0.9), strict=True):
        for a in zip(ring["x"], ring["y"], strict=True):
            assert sparse_coding.lasso_cost([a], [data["x"]], D, 0.3) == pytest.approx(least + level, abs=1e-6)


def test_what_is_kept_is_what_the_nets_keep():
    figure, z = made()["latents"], [[0.4, -0.3, 1.3, 0.1, -0.7, 0.8, 0.55, -0.1]]
    plain = nets.ReluL1(0).init(8, 8, np.random.default_rng(0))._replace(W1=np.eye(8), b1=np.zeros(8), b2=np.zeros(8))
    for k in (1, 3, 7):
        kept = np.flatnonzero(nets.TopK(k).encode(plain, np.array(z)).A[0]) + 1
        assert marks(figure.scene(k=k), "bars")[1]["x"] == kept.tolist()
    scene = figure.scene(theta=0.5)
    assert marks(scene, "bars", at=1)[1]["x"] == [3, 6, 7]
    assert scene["says"] == "TopK with k = 3 keeps 3 6 7; JumpReLU at θ = 0.50 keeps 3 6 7."


def test_descent_is_the_theorems():
    scene = made()["descent"].scene(alpha=0.2)
    costs = marks(scene, "curve", at=1)[0]["y"]
    turn = np.deg2rad(20)
    flat = np.cos(turn) * -4 + np.sin(turn) * 0.5
    steep = -np.sin(turn) * -4 + np.cos(turn) * 0.5
    for k, value in enumerate(costs):
        assert value == pytest.approx(0.25 * (flat * 0.9**k) ** 2 + 5 * steep**2)


def test_the_error_is_a_valley_and_single_precision_has_another():
    double, single = (made()["epsilon"].scene(single=k) for k in (0, 1))
    lowest = [marks(scene, "curve", at=1)[0] for scene in (double, single)]
    best = [curve["x"][np.argmin(curve["y"])] for curve in lowest]
    assert 1e-7 < best[0] < 1e-4 < best[1] < 0.1
    assert min(lowest[0]["y"]) < 1e-9
    assert f"the slope is −{abs(true_slope()):.6f}" in double["says"]


def true_slope():
    import sympy

    w = sympy.symbols("w")
    a2 = 1 / (1 + sympy.exp(-w))
    J = (1 / (1 + sympy.exp(1 - 3 * a2)) - 1) ** 2 / 2
    return float(sympy.diff(J, w).subs(w, sympy.Rational(3, 4)).evalf(20))


def test_the_cost_stays_whatever_a_is():
    said = {
        made()["rotation"].scene(angle=a, stretch=s)["says"].split("; ")[1] for a in (0, 77, 300) for s in (0, 0.4, 1)
    }
    assert said == {"the cost is 1.680."}


def test_the_window_shows_what_the_library_makes_of_a_patch():
    data = made()["window"].data
    windows = np.lib.stride_tricks.sliding_window_view(np.array(data["whitened"]) / 100, (4, 4))
    P = windows[::-1].reshape(-1, 16)  # from the lowest up
    limit = 3 * np.std(P - P.mean(axis=1, keepdims=True), ddof=1)
    X = datasets.normalize_patches(P)
    figure = live.figure("window", **ABOUT, **made()["window"].settings, data=data | {"limit": limit})
    params = saelib.Params(*(np.array(data[name]) for name in ("W1", "b1", "W2", "b2")))
    for across, up in ((0, 0), (36, 0), (5, 36), (20, 17)):
        scene, x = figure.scene(across=across, up=up), X[37 * up + across]
        _, A2, _, A3 = saelib.forward(params, x[np.newaxis])
        seen, shown, output, *filters = marks(scene, "image", at=1)
        assert np.allclose(shown["values"], x) and np.allclose(output["values"], A3)
        gray = np.array(data["photograph"])[::-1][up : up + 4, across : across + 4][::-1]
        assert np.allclose(seen["values"], gray.ravel() / 255) and len(filters) == 5
        drawn = [(m["base"] - m["y"][0]) / filters[0]["tall"] for m in marks(scene, "bars", at=1)[1::2]]
        assert np.allclose(drawn, A2[0]) and len(marks(scene, "curve", at=1)) == np.sum(A2 > 0.1)
        assert f"{saelib.reconstruction_error(A3, x[np.newaxis]):.2f}; for" in scene["says"]
        assert f"is that of unit {np.argmax(A2) + 1} (row" in scene["says"]


def test_an_image_is_drawn_in_pieces_that_cover_it_once():
    values = np.random.default_rng(2).uniform(-0.1, 1.1, (7, 5)).round(1)
    scene = _scenes.panel((0, 10), (0, 7), ("", ""), [_scenes.image(values, 5, 0, 7, 10, -7)], (100, 70), "bare")
    drawn, canvas = _drawer.svg(scene), np.full((7, 5), -1)
    assert 'translate(0 0) scale(20 10)"' in drawn
    for gray, d in re.findall(r'<path fill="#(\w)\1\1" d="(.*?)"/>', drawn):
        for piece in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", d):
            x, y, n = map(int, piece)
            assert np.all(canvas[y, x : x + n] == -1)
            canvas[y, x : x + n] = int(gray, 16)
    assert np.array_equal(canvas, np.floor(np.clip(values, 0, 1) * 15 + 0.5))


def test_dimensionalities_are_not_more_than_there_is():
    for S in range(3):
        bars = marks(made()["directions"].scene(S=S), "bars", at=1)[0]["y"]
        assert 0 < sum(bars) <= 2 + 1e-9


@pytest.mark.parametrize(
    ("tex", "signs"),
    [
        (r"$z^{(2)}_1 = \sum_i W^{(1)}_{1i}\, x_i + b^{(1)}_1$", "z⁽²⁾₁ = Σᵢ W⁽¹⁾₁ᵢ xᵢ + b⁽¹⁾₁"),
        (r"$\quad = \frac{1}{2}\,[(0.5 - 1)^2]$", "= ½ [(0.5 − 1)²]"),
        (r"$\partial J / \partial W^{(2)}_{kj} = \delta^{(3)}_k\, a^{(2)}_j$", "∂J / ∂W⁽²⁾ₖⱼ = δ⁽³⁾ₖ a⁽²⁾ⱼ"),
    ],
)
def test_formulas_in_plain_signs(tex, signs):
    assert _scenes.plain(tex) == signs


def test_numbers_in_words():
    assert [_scenes.fixed(v, 2) for v in (0.125, -0.125, -0.001, 2)] == ["0.13", "−0.13", "0.00", "2.00"]
    assert [_scenes.short(v) for v in (0, 0.1, 123.4, 2.5e-7, -3e12)] == [
        "0",
        "0.10",
        "123",
        "2.5 · 10⁻⁷",
        "−3.0 · 10¹²",
    ]


# --- the faces --------------------------------------------------------------------------------------------------


def html_of(kind):
    return made()[kind]._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("kind", list(_scenes.KINDS))
def test_a_picture_is_drawn_without_a_warning_in_the_books_style(kind, recwarn):
    with matplotlib.rc_context():
        saelib.book.plots.use_style()
        _drawer.png(made()[kind].scene())
    assert not recwarn.list


def test_the_colors_of_the_picture_are_those_of_the_figure():
    """With a palette that is too small, the mean of an orange and many grays is brown."""
    for kind, tones in {"epsilon": ("blue", "orange"), "ista": ("orange",), "rotation": ("blue", "orange")}.items():
        picture = Image.open(io.BytesIO(base64.b64decode(_drawer.png(made()[kind].scene())))).convert("RGB")
        pixels = np.asarray(picture).reshape(-1, 3).astype(int)
        for tone in tones:
            wanted = [int(_drawer.COLORS[tone][k : k + 2], 16) for k in (1, 3, 5)]
            assert np.abs(pixels - wanted).max(axis=1).min() <= 8, (kind, tone)


def test_the_faces():
    bundle = made()["kl"]._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert bundle["text/plain"] == "Live figure: What there is; ρ from 0.01 to 0.99, ρ̂ from 0.01 to 0.99"


def test_a_figure_without_sliders_has_no_ranges():
    assert repr(made()["window"]) == "Live figure: What there is"


def test_without_ipywidgets_the_other_faces_remain(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert set(made()["kl"]._repr_mimebundle_()) == {"text/plain", "text/html", "image/png"}


@pytest.mark.parametrize("kind", list(_scenes.KINDS))
def test_a_page_holds_little_and_nothing_that_a_strict_policy_forbids(kind):
    html = html_of(kind)
    assert len(html) < 20_000
    assert not re.search(r"""\bstyle=|<style|<script|\bon\w+=|javascript:|https?://""", html)
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) and ids[0] == f"live-{kind.replace('_', '-')}"
    assert json.loads(page.all("figure")[0]["data-with"]) == json.loads(json.dumps(made()[kind].data))


@pytest.mark.parametrize("kind", list(_scenes.KINDS))
def test_controls_are_native_and_labeled_and_wait_for_the_script(kind):
    html, page = html_of(kind), Page(html_of(kind))
    assert '<div class="live-controls" hidden>' in html
    for control in page.all("input"):
        assert control["type"] == "radio" or f'<label for="{control["id"]}">' in html
    labels = [svg.get("aria-label") for svg in page.all("svg") if svg.get("role") == "img"]
    assert labels == [f"{ABOUT['alt']} {made()[kind].scene()['says']}"]


def test_words_with_signs_of_html_are_words():
    about = {"caption": 'Where a < b & "c" > d', "alt": 'The case a < b & "c"'}
    figure = live.figure("kl", **about, rho=live.slider('"<ρ>"', 0.1, 0.9), rho_hat=live.slider("ρ̂", 0.1, 0.9))
    html = figure._repr_mimebundle_()["text/html"]
    assert Page(html).all("figure")[0]["data-alt"] == about["alt"] and "<ρ>" not in html


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "kk"}, "kind must be one of 'kl', 'bias'"),
        ({"caption": ""}, "caption must say in at least three words what there is to see, got ''"),
        ({"name": "The figure"}, "name must be a letter and then letters, digits and hyphens in lower case"),
        ({"rho": 0.3}, "settings must be one or more of live.slider(...)"),
        ({"kind": "soft_threshold"}, "a figure of the kind 'soft_threshold' needs 't' among its settings or data"),
    ],
)
def test_refuses(change, words):
    arguments = {"kind": "kl", **ABOUT, **made()["kl"].settings, **change}
    with pytest.raises(ValueError) as error:
        live.figure(arguments.pop("kind"), **arguments)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: live.slider("ρ", 1, 0), "low and high of 'ρ' must increase, got 1 and 0"),
        (lambda: live.slider("ρ", 0, 1, start=2), "start of 'ρ' must be from 0 to 1, got 2"),
        (lambda: live.slider("ρ", 0, 2, words=["a", "b"]), "words of 'ρ' must be 3, one for each value, got 2"),
        (
            lambda: live.slider("ρ", 0, 2, start=0.5, step=0.2),
            "start of 'ρ' must be a whole number of steps of 0.2 from 0",
        ),
        (lambda: live.point(0, 1, 2), "start of a point must be from 0 to 1, got 2"),
        (lambda: live.point(0, 9, 3, step=2), "start of a point must be a whole number of steps of 2 from 0, got 3"),
        (lambda: live.point(0, 9, 3, step=0.5), "step of a point must be a whole number"),
        (lambda: live.slider("ρ", 0, 2, step=0), "step must be a finite number > 0, got 0"),
        (lambda: live.slider("ρ", 0, 2, play=-1), "play must be a finite number > 0, got -1"),
        (lambda: live.choice("f", ["a"]), "words of 'f' must be two to six, got 1"),
        (lambda: live.choice("f", ["a", "b"], start=2), "start of 'f' must be a whole number from 0 to 1, got 2"),
    ],
)
def test_settings_refuse(make, words):
    with pytest.raises(ValueError) as error:
        make()
    assert words in str(error.value)


# --- in a browser, with the network cut off (`make site-test`) ----------------------------------------------------

site = pytest.mark.site
browser, tab = test_site.browser, test_site.tab  # fixtures


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page with a figure of each kind, its script and style, and a policy that forbids all else."""
    body = "".join(figure._repr_mimebundle_()["text/html"] for figure in made().values())
    page = tmp_path_factory.mktemp("live") / "page.html"
    styles = "".join(
        f'<link rel="stylesheet" href="{path.as_uri()}">'
        for path in (test_site.SITE / "_static" / "book.css", FOLDER / "live.css")  # its faces lie beside it
    )
    page.write_text(
        f"""<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A page</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy"
              content="default-src 'none'; script-src file:; style-src file:; font-src file:; img-src data:">
        {styles}<script defer src="{(FOLDER / "live.js").as_uri()}"></script></head>
        <body><main class="bd-article"><h1>A page</h1>{body}<p>What follows.</p></main></body></html>""",
        encoding="utf-8",
    )
    return page.as_uri()


@pytest.fixture
def page(tab, address):
    tab.goto(address)
    yield tab
    assert tab.errors == [] and tab.outside == []


def state(figure):
    """What a figure shows and says, and where its parts are."""
    return figure.evaluate(
        """figure => {
             const box = e => {
               const {x, y, width, height} = e.getBoundingClientRect();
               return [x + scrollX, y + scrollY, width, height].map(Math.round);
             };
             const drawn = [...figure.querySelectorAll(".live-panel > svg")];
             const parts = [figure, ...drawn, ...figure.querySelectorAll("input, button, figcaption")]
               .filter(e => e.checkVisibility());
             return {picture: drawn.map(e => e.innerHTML).join(), label: drawn[0].getAttribute("aria-label"),
                     says: figure.querySelector(".live-said").textContent, boxes: parts.map(box)};
           }"""
    )


def settled(tab):
    tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@site
def test_the_script_gives_pythons_numbers_in_the_browser(page):
    check_twins(page.evaluate(RUN, [case for case, _ in cases()]))


@site
@pytest.mark.parametrize("width", [1280, 390])
def test_the_script_draws_at_first_what_stands_there_without_it(page, browser, address, width):
    page.set_viewport_size({"width": width, "height": 800})
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
    still = context.new_page()
    still.goto(address)
    for kind in _scenes.KINDS:
        with_script = page.locator(f"#live-{kind.replace('_', '-')} .live-panel > svg")
        without = still.locator(f"#live-{kind.replace('_', '-')} .live-panel > svg")
        assert with_script.count() == without.count()
        for a, b in zip(with_script.all(), without.all(), strict=True):
            assert same_words(a.evaluate("e => e.outerHTML"), b.evaluate("e => e.outerHTML"))
            assert [a.bounding_box()[k] for k in ("width", "height")] == [
                b.bounding_box()[k] for k in ("width", "height")
            ]
    assert not still.locator(".live-controls").first.is_visible()
    assert still.locator("#live-kl output").inner_text() == made()["kl"].scene()["says"]
    context.close()


@site
@pytest.mark.parametrize("kind", list(_scenes.KINDS))
@pytest.mark.parametrize("width", [1280, 390])
def test_every_control_answers_to_the_keyboard_and_nothing_else_moves(page, kind, width):
    page.set_viewport_size({"width": width, "height": 800})
    figure = page.locator(f"#live-{kind.replace('_', '-')}")
    start = state(figure)
    controls = figure.locator("input[type=range]:visible, input[type=radio]:checked, .live-handle")
    assert controls.count()
    for control in controls.all():
        first = control.evaluate("e => e.value !== undefined && e.value == e.min")
        keys = (
            ("ArrowRight", "ArrowLeft")
            if first or control.get_attribute("type") == "radio"
            else ("ArrowLeft", "ArrowRight")
        )
        control.focus()
        page.keyboard.press(keys[0])
        settled(page)
        now = state(figure)
        assert now["picture"] != start["picture"] and now["boxes"] == start["boxes"]
        assert now["label"] == f"{ABOUT['alt']} {now['says']}"
        page.keyboard.press(keys[1])
        settled(page)
        assert state(figure) == start
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@site
@pytest.mark.parametrize("kind", [k for k in _scenes.KINDS if made()[k].scene()["handles"]])
def test_a_point_follows_the_mouse(page, kind):
    figure = page.locator(f"#live-{kind.replace('_', '-')}")
    for k, told in enumerate(made()[kind].scene()["handles"]):
        handle = figure.locator(".live-handle").nth(k)
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        by = (0, -12) if set(told["moves"]) == {"up"} else (-12, 0) if set(told["moves"]) == {"across"} else (-9, -9)
        before = state(figure)["picture"]
        page.mouse.move(x + 3, y + 2)  # it is not taken in the middle, and does not jump there
        page.mouse.down()
        page.mouse.move(x + 3 + by[0], y + 2 + by[1], steps=4)
        settled(page)
        page.mouse.up()
        after = handle.bounding_box()
        assert state(figure)["picture"] != before
        if "round" not in told["moves"]:
            moved = after["x"] - box["x"], after["y"] - box["y"]
            for name, axis in (("across", 0), ("up", 1)):
                assert name not in told["moves"] or abs(moved[axis] - by[axis]) < 2.5, (told["label"], moved)
        assert handle.evaluate("e => e === document.activeElement")


@site
def test_a_point_follows_a_finger_and_the_page_does_not_scroll(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("#live-kl .live-handle").last.scroll_into_view_if_needed()
    box = page.locator("#live-kl .live-handle").last.bounding_box()
    at, y = box["x"] + 22, box["y"] + 22
    scrolled, slider = page.evaluate("scrollY"), page.locator("#live-kl-rho-hat")
    assert slider.input_value() == "0.5" and box["width"] >= 44
    phone = page.context.new_cdp_session(page)
    phone.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": at, "y": y}]})
    for k in range(1, 9):
        phone.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": at + 8 * k, "y": y - 8 * k}]}
        )
    phone.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settled(page)
    assert float(slider.input_value()) > 0.65 and page.evaluate("scrollY") == scrolled


@site
def test_a_point_is_a_slider_with_a_name_and_a_value(page):
    handle = page.locator("#live-ista .live-handle")
    assert handle.get_attribute("role") == "slider" and handle.get_attribute("aria-label") == "start"
    assert handle.get_attribute("aria-valuetext") == "0.00, 0.00"
    handle.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageUp")
    settled(page)
    assert handle.get_attribute("aria-valuetext") == "0.00, 0.15"


@site
def test_play_steps_to_the_end_and_who_wants_less_motion_goes_step_by_step(tab, address):
    tab.clock.install(time=0)
    tab.goto(address)
    tab.clock.pause_at(60_000)
    play, slider = tab.locator("#live-ista [data-play]"), tab.locator("#live-ista-step")
    play.press("Enter")
    assert (play.inner_text(), slider.input_value()) == ("Pause", "6")
    tab.clock.run_for(10_000)
    assert (play.inner_text(), slider.input_value()) == ("Play", "20")
    tab.locator("#live-ista [data-step='-1']").press("Enter")
    assert slider.input_value() == "19"
    tab.emulate_media(reduced_motion="reduce")
    assert not play.is_visible() and tab.locator("#live-ista [data-step='1']").is_visible()


@site
def test_paper_shows_the_picture_of_the_moment(page):
    page.locator("#live-kl-rho").press("End")
    settled(page)
    page.emulate_media(media="print")
    assert "slope −1.96" in page.locator("#live-kl svg[role=img]").get_attribute("aria-label")
    assert not page.locator("#live-kl .live-controls, #live-kl .live-handle").first.is_visible()


@site
@pytest.mark.parametrize("media", [{"forced_colors": "active"}, {"color_scheme": "dark"}])
def test_lines_and_letters_stand_out(page, media):
    page.emulate_media(**media)
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", media.get("color_scheme", "light"))
    page.evaluate("document.body.style.background = 'var(--book-paper, Canvas)'")
    told = page.evaluate(
        """() => {
             const light = color => color.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
               .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
               .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
             const ground = light(getComputedStyle(document.body).backgroundColor);
             const ratio = color => (Math.max(light(color), ground) + .05) / (Math.min(light(color), ground) + .05);
             const least = (selector, name) =>
               Math.min(...[...document.querySelectorAll(selector)].map(e => ratio(getComputedStyle(e)[name])));
             return [least(".live-panel text", "fill"), least(".live-curve:not(.live-gray)", "stroke")];
           }"""
    )
    assert told[0] >= 4.5 and told[1] >= 3


@site
def test_axe_finds_no_violation(page):
    from axe_playwright_python.sync_playwright import Axe

    rules = {"region": {"enabled": False}}
    found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"], "rules": rules}).response
    assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found["violations"]] == []


@pytest.fixture
def lab(tmp_path):
    yield from test_site.laboratory(
        tmp_path,
        "from saelib.book import live\n\nlive.figure('kl', caption='A curve, its tangent.', alt='A curve, a line.', "
        "rho=live.slider('rho', 0.01, 0.99, start=0.2), rho_hat=live.slider('mean', 0.01, 0.99, start=0.5))",
    )


@site
def test_in_jupyterlab_the_same_script_answers(browser, lab):
    from playwright.sync_api import expect

    context = browser.new_context(viewport={"width": 1360, "height": 900})
    tab = context.new_page()
    tab.goto(lab)
    expect(tab.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    tab.locator(".jp-CodeCell").first.click()
    tab.keyboard.press("Shift+Enter")
    handle = tab.locator("figure.live .live-handle").last
    expect(handle).to_have_attribute("aria-valuetext", "0.50", timeout=60_000)
    handle.press("ArrowLeft")
    expect(tab.locator("figure.live .live-said")).to_have_text(made()["kl"].scene(rho_hat=0.495)["says"])
    assert tab.locator("figure.live").count() == 1
    context.close()
