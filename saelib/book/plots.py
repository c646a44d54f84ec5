"""The kinds of figure that the book repeats; each function draws on Matplotlib axes and returns them."""

import itertools
from importlib.resources import files

import numpy as np

from .._checks import as_matrix, one_of

BLUE, ORANGE, GREEN, PURPLE, OCHRE, SKY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#8C6D00", "#56B4E9"
GAP = 0.3, 0.5, 0.7, 0.3  # neither a white pixel nor a black one looks like it, on a light page or a dark one
PRINT = "dict(bbox_inches=None, metadata=dict(Date=None))"  # IPython would look for a variable between braces
MOST_PIXELS = 256  # of a side: fewer are stored as they are


def use_style():
    """Draw every figure from now on in the book's style; in a notebook as SVG, and at exactly the size asked for."""
    import matplotlib.pyplot as plt

    plt.style.use(files("saelib.book") / "book.mplstyle")
    try:
        from IPython import get_ipython

        shell = get_ipython()
        shell.run_line_magic("config", "InlineBackend.figure_formats = ['svg']")
        shell.run_line_magic("config", f"InlineBackend.print_figure_kwargs = {PRINT}")
    except (ImportError, AttributeError):  # not in a notebook
        pass


def mosaic(X, shape=None, *, columns=None, scale="shared", ax=None):
    """Draw each row of ``X`` as a small image, in a grid read like text; what lies between them is blue.

    Parameters
    ----------
    X : array of shape (k, n)
    shape : (height, width), optional
        Of one image; by default a square of n pixels.
    columns : int, optional
        Images in a row of the grid; by default the grid is nearly square.
    scale : {"shared", "each", "unit"}
        Black and white are the least and largest value of all images, plus and minus the largest magnitude in each
        image (so that zero is always the same gray), or 0 and 1.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ValueError
        If the rows are not images of the given shape.
    """
    import matplotlib.pyplot as plt

    X, one_scale = as_matrix(X), one_of(scale, "scale", ("shared", "each", "unit"))
    k, n = X.shape
    height, width = shape or (round(n**0.5),) * 2
    if height * width != n:
        raise ValueError(
            f"X must have {height * width} columns for images of shape {(height, width)}, got shape {X.shape}"
        )
    columns = columns or int(np.ceil(k**0.5))
    if one_scale == "each":
        X = X / np.maximum(np.abs(X).max(axis=1, keepdims=True), np.finfo(float).tiny)
    low, high = {"shared": (X.min(), X.max()), "each": (-1, 1), "unit": (0, 1)}[one_scale]
    rows = -(-k // columns)
    gap = max(1, round(height / 12))
    edge = gap if k > 1 else 0  # one image needs no frame
    canvas = np.full((rows * (height + gap) - gap + 2 * edge, columns * (width + gap) - gap + 2 * edge), np.nan)
    for i, image in enumerate(X.reshape(k, height, width)):
        top, left = edge + i // columns * (height + gap), edge + i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    ax = _bare(ax)
    ax.imshow(canvas, cmap=plt.get_cmap("gray").with_extremes(bad=GAP), vmin=low, vmax=high)  # gaps are not a number
    return ax


def filters(W1, shape=None, *, columns=None, ax=None):
    """Draw the rows of ``W1`` as images, each on a scale of its own with zero at middle gray; see `mosaic`."""
    return mosaic(as_matrix(W1, "W1"), shape, columns=columns, scale="each", ax=ax)


def photograph(image, *, ax=None, **imshow):
    """Draw one gray image, without axes; a large one with as many pixels as the figure has."""
    ax, image = _bare(ax), as_matrix(image, "image")
    if max(image.shape) > MOST_PIXELS:
        imshow = {"interpolation": "antialiased"} | imshow
    ax.imshow(image, cmap="gray", **imshow)
    return ax


def cost_curve(cost, *, label=None, ax=None, x=None):
    """Draw the costs of a training on logarithmic scales of both axes; ``x`` defaults to 1, 2, ..."""
    import matplotlib.pyplot as plt

    ax = ax or plt.gca()
    ax.loglog(np.arange(1, len(cost) + 1) if x is None else x, cost, label=label)
    ax.set_xlabel("evaluations of cost and gradient")
    ax.set_ylabel(r"$J_\mathrm{sparse}$")
    if label:
        ax.legend()
    return ax


def activations(A2, *, ax=None):
    """Draw activations as a raster: a row per hidden unit, a column per example, both counted from 1."""
    import matplotlib.pyplot as plt

    ax = ax or plt.gca()
    raster = as_matrix(A2, "A2").T
    k, m = raster.shape
    edges = (0.5, m + 0.5, k + 0.5, 0.5)  # number i is drawn from i - 1/2 to i + 1/2
    ax.imshow(raster, cmap="gray_r", vmin=0, vmax=1, aspect="auto", extent=edges)
    ax.grid(False)
    ax.set_xlabel("example $i$")
    ax.set_ylabel("hidden unit $j$")
    return ax


def network_diagram(sizes=(3, 2, 3), *, labels=None, edges=(), ax=None):
    """Draw a network as circles and lines, the input layer at the left.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer.
    labels : sequence of sequences of str, optional
        What to write into the circles, layer by layer; by default x_i, a_j and the outputs' activations.
    edges : sequence of ((layer, from), (layer + 1, to), color)
        Lines to bring out, counted from zero.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    labels = labels or [[rf"${s}_{{{i + 1}}}$" for i in range(k)] for s, k in zip(_SYMBOLS, sizes, strict=False)]
    ax = _bare(ax)
    place = {(layer, i): (2.6 * layer, (k - 1) / 2 - i) for layer, k in enumerate(sizes) for i in range(k)}
    for start, end in itertools.product(place, place):
        if end[0] == start[0] + 1:
            ax.plot(*zip(place[start], place[end], strict=True), color="#b8b8b8", lw=0.9, ls="-", zorder=1)
    for start, end, color in edges:
        ax.plot(*zip(place[start], place[end], strict=True), color=color, lw=2.4, ls="-", zorder=2)
    for (layer, i), (x, y) in place.items():
        ax.scatter(x, y, s=1000, facecolor="white", edgecolor="#444444", linewidth=1.2, zorder=3)
        text = labels[layer][i]
        size = 11 if "$" in text or len(text) < 5 else 9  # "-0.07" would reach over the circle
        ax.text(x, y, text, ha="center", va="center", fontsize=size, zorder=4)
    ax.set_xlim(-0.6, 2.6 * (len(sizes) - 1) + 0.6)
    ax.set_ylim(-max(sizes) / 2 - 0.1, max(sizes) / 2 + 0.1)
    return ax


_SYMBOLS = ("x", "a^{(2)}", "a^{(3)}")


def _bare(ax):
    """Return axes without ticks, grid or frame."""
    import matplotlib.pyplot as plt

    ax = ax or plt.gca()
    ax.set_axis_off()
    return ax
