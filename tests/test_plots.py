"""The figures: what is drawn is what was given, and what cannot be drawn is refused."""

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from saelib.book import plots


@pytest.fixture(autouse=True)
def _fresh_figure():
    plt.figure()
    yield
    plt.close("all")


def canvas(ax):
    return np.asarray(ax.images[0].get_array().filled(np.nan))


def test_mosaic_places_every_image_read_like_text():
    X = np.arange(5 * 6, dtype=float).reshape(5, 6)
    drawn = canvas(plots.mosaic(X, (2, 3), columns=3))
    assert drawn.shape == (1 + 2 + 1 + 2 + 1, 1 + 3 + 1 + 3 + 1 + 3 + 1)
    assert np.array_equal(drawn[1:3, 5:8].ravel(), X[1])
    assert np.array_equal(drawn[4:6, 1:4].ravel(), X[3])
    assert np.isnan(drawn[[0, 3, 6]]).all() and np.isnan(drawn[3:, 9:]).all() and np.isnan(drawn[:, [0, 4, 12]]).all()


def test_what_lies_between_the_images_looks_like_no_pixel_on_a_light_page_or_a_dark_one():
    X = np.array([[0.0, 1], [1, 0]])
    image = plots.mosaic(X, (1, 2)).images[0]
    *color, alpha = image.to_rgba(image.get_array())[0, 0]
    for page in (1, 0.1):
        seen = alpha * np.array(color) + (1 - alpha) * page
        assert np.ptp(seen) > 0.1  # no gray


def test_the_network_that_trains_on_the_page_has_the_same_color_between_its_squares():
    script = (Path(__file__).parents[1] / "_static" / "train.js").read_text(encoding="utf-8")
    (color,) = re.findall(r"image\.data\.set\(\[(.*?)\], pixel\)", script)
    assert np.allclose([int(part) for part in color.split(",")], 255 * np.array(plots.GAP), atol=0.51)


@pytest.mark.parametrize(("scale", "limits"), [("shared", (-3, 8)), ("unit", (0, 1)), ("each", (-1, 1))])
def test_mosaic_scales(scale, limits):
    X = np.array([[0.0, 1, 2, 8], [-3, 0, 0, 1]])
    ax = plots.mosaic(X, scale=scale)
    assert ax.images[0].get_clim() == limits
    if scale == "each":  # zero stays zero, the largest magnitude becomes one
        assert np.array_equal(canvas(ax)[1:3, 4:6], np.array([[-1, 0], [0, 1 / 3]]))


def test_filters_of_zeros_are_gray_and_not_a_division_by_zero():
    drawn = canvas(plots.filters(np.zeros((1, 9))))
    assert np.array_equal(drawn, np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"X": np.zeros((2, 5))}, "X must have 4 columns for images of shape (2, 2), got shape (2, 5)"),
        ({"X": np.zeros((2, 6)), "shape": (2, 2)}, "X must have 4 columns"),
        ({"X": np.zeros(4)}, "X must be a matrix"),
        ({"X": np.zeros((2, 4)), "scale": "log"}, "scale must be one of 'shared', 'each', 'unit', got 'log'"),
    ],
)
def test_mosaic_refuses(arguments, words):
    with pytest.raises(ValueError) as error:
        plots.mosaic(**arguments)
    assert words in str(error.value)


def test_cost_curve_draws_the_costs_against_the_evaluations():
    ax = plots.cost_curve([3.0, 2.0, 1.5], x=[1, 3, 4], label="L-BFGS")
    line = ax.lines[0]
    assert np.array_equal(line.get_xdata(), [1, 3, 4]) and np.array_equal(line.get_ydata(), [3, 2, 1.5])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["L-BFGS"]


def test_activations_have_a_row_per_unit_and_a_column_per_sample():
    A2 = np.array([[0.0, 1.0], [0.5, 0.25], [1.0, 0.0]])
    ax = plots.activations(A2)
    assert np.array_equal(canvas(ax), A2.T)
    assert ax.get_xlim() == (0.5, 3.5) and ax.get_ylim() == (2.5, 0.5)  # counted from 1, read like a matrix
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("example $i$", "hidden unit $j$")


def test_network_diagram_has_a_circle_per_unit_and_a_line_per_weight():
    ax = plots.network_diagram((3, 2, 4), edges=[((0, 1), (1, 0), plots.ORANGE)])
    assert len(ax.collections) == 9
    assert len(ax.lines) == 3 * 2 + 2 * 4 + 1
    assert [line.get_color() for line in ax.lines].count(plots.ORANGE) == 1
    assert {"$x_{3}$", "$a^{(2)}_{1}$", "$a^{(3)}_{4}$"} <= {text.get_text() for text in ax.texts}


def test_everything_draws_on_the_axes_it_is_given():
    fig, axes = plt.subplots(1, 5)
    image = np.zeros((4, 4))
    assert plots.mosaic(image, ax=axes[0]) is axes[0]
    assert plots.photograph(image, ax=axes[1]) is axes[1]
    assert plots.cost_curve([2, 1], ax=axes[2]) is axes[2]
    assert plots.activations(image, ax=axes[3]) is axes[3]
    assert plots.network_diagram(ax=axes[4]) is axes[4]


def test_the_cycle_is_told_apart_without_color():
    plots.use_style()
    cycle = plt.rcParams["axes.prop_cycle"].by_key()
    pairs = list(zip(cycle["color"], cycle["linestyle"], strict=True))
    assert len(set(pairs)) == len(pairs) == 6
    white = np.ones(3)
    for color in cycle["color"][:5]:
        assert contrast(np.array(matplotlib.colors.to_rgb(color)), white) >= 3  # WCAG 2.1, graphical objects


def contrast(a, b):
    """The contrast ratio of WCAG 2.1 between two sRGB colors."""

    def luminance(c):
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)
