"""Figures to explore, with and without a kernel: a drawing function and sliders, radio buttons, a play button.

`figure` draws a frame for every setting and returns an object with several faces.  JupyterLab shows live widgets, which
call the drawing function for any setting.  The built book shows the frames, which its script ``explore.js`` exchanges;
where scripts are off, the start frame and the caption stand.
"""

import itertools
import math
import re
from hashlib import sha1
from typing import NamedTuple

import numpy as np

from .._checks import function, positive, whole_number
from ..progress import progress_bar
from . import _faces, _frames

MOST_FRAMES = 300


class Setting(NamedTuple):
    """What a reader can set: its label, its values and what to call them, and how; made by `slider` and `choice`."""

    label: str
    values: tuple
    words: tuple
    start: int
    kind: str
    play: float


class Explorable(NamedTuple):
    """What `figure` returns; the last line of a cell shows it."""

    draw: object
    settings: dict
    sentences: tuple
    pictures: tuple
    shared: str
    start: int
    start_png: str
    caption: str
    alt: str
    name: str
    figsize: tuple
    columns: int

    def __repr__(self):
        ranges = (
            f"{s.label} from {s.words[0]} to {s.words[-1]} ({len(s.words)} values)" for s in self.settings.values()
        )
        return f"Explorable figure: {self.caption.split('. ')[0].rstrip('.')}; {', '.join(ranges)}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {"text/plain": repr(self), "text/html": _faces.as_html(self), "image/png": self.start_png}
        try:
            return bundle | _faces.live(self)._repr_mimebundle_() | {"text/plain": repr(self)}
        except ImportError:  # no ipywidgets, so no live face
            return bundle


def slider(label, values, *, start=None, words="{:g}", play=0):
    """Return a setting to be moved along ``values``.

    Parameters
    ----------
    label : str
        What is set, in words.
    values : sequence of numbers
        Increasing; the book has a frame for each.
    start : number, optional
        The value shown first; by default the first.
    words : str or sequence of str
        What to call the values: a format, or a word for each.
    play : float
        Seconds that a frame stays when the reader presses "Play"; 0 is no such button.
    """
    values = tuple(v.item() if isinstance(v, np.generic) else v for v in values)
    if len(values) < 2 or any(not b > a for a, b in itertools.pairwise(values)):
        raise ValueError(f"values of {label!r} must be two or more increasing numbers, got {values}")
    words = tuple(words.format(v) for v in values) if isinstance(words, str) else tuple(words)
    if len(words) != len(values):
        raise ValueError(f"words of {label!r} must be {len(values)}, one for each value, got {len(words)}")
    near = [k for k, v in enumerate(values) if start is None or math.isclose(v, start)]
    if not near:
        raise ValueError(f"start of {label!r} must be one of its values, got {start!r}")
    return Setting(label, values, words, near[0], "slider", positive(play, "play") if play else 0)


def choice(label, options, *, start=None):
    """Return a setting with a radio button for each of ``options``, a dictionary of words to values."""
    words = tuple(options)
    if not 2 <= len(words) <= 6:
        raise ValueError(f"options of {label!r} must be two to six, got {len(words)}")
    if start is not None and start not in words:
        raise ValueError(f"start of {label!r} must be one of {', '.join(map(repr, words))}, got {start!r}")
    return Setting(label, tuple(options.values()), words, words.index(start or words[0]), "choice", 0)


def figure(draw, *, caption, alt, name=None, figsize=(5.2, 3.4), columns=1, **settings):
    """Draw a frame for every combination of the settings and return them as one explorable figure.

    Parameters
    ----------
    draw : function
        ``draw(ax, **values)`` draws one frame on Matplotlib axes (an array of them when ``columns`` > 1) and returns
        the sentence that says what there is to see in it.
    caption, alt : str
        The caption, and in words what the figure shows at any setting.
    name : str, optional
        The figure's id in the page, to link to; by default made of the caption.
    figsize : (width, height)
        In inches; 5.2 wide is still legible on a phone.
    columns : int
        Panels side by side.
    **settings
        One to three of `slider` and `choice`, named as ``draw`` names its arguments.

    Raises
    ------
    ValueError
        If an argument is not as above.
    RuntimeError
        If ``draw`` fails; the message names the setting.
    """
    function(draw, "draw"), whole_number(columns, "columns", most=4)
    for what, text in {"caption": caption, "alt": alt}.items():
        if not isinstance(text, str) or len(text.split()) < 3:
            raise ValueError(f"{what} must say in at least three words what there is to see, got {text!r}")
    if not 1 <= len(settings) <= 3 or not all(isinstance(s, Setting) for s in settings.values()):
        raise ValueError("settings must be one to three of explore.slider(...) and explore.choice(...)")
    if any(s.play for s in list(settings.values())[1:]):
        raise ValueError("play must be asked of the first setting")
    if (count := math.prod(len(s.values) for s in settings.values())) > MOST_FRAMES:
        raise ValueError(f"settings must make at most {MOST_FRAMES} frames, got {count}: fewer values, please")
    name = name or re.sub(r"[^a-z0-9]+", "-", caption.lower())[:40].strip("-")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"name must be a letter and then letters, digits and hyphens in lower case, got {name!r}")

    frames = []
    with progress_bar(count, "frames", delay=1) as bar:
        for values in itertools.product(*(s.values for s in settings.values())):
            frames.append(_frames.draw_frame(draw, dict(zip(settings, values, strict=True)), figsize, columns))
            bar.update(1)
    start = int(np.ravel_multi_index([s.start for s in settings.values()], [len(s.values) for s in settings.values()]))
    figures, sentences = zip(*frames, strict=True)
    pictures, shared = _frames.markups(figures, prefix_of(name))
    start_png = _frames.png(figures[start])
    return Explorable(
        draw, settings, sentences, tuple(pictures), shared, start, start_png, caption, alt, name, figsize, columns
    )


def prefix_of(name):
    """Return four letters and digits that begin the ids inside the figure of this name."""
    return "x" + sha1(name.encode()).hexdigest()[:3]
