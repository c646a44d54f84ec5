"""Figures to explore, with and without a kernel: a drawing function and sliders, radio buttons, a play button.

`figure` draws a frame for every setting and returns an object with several faces.  JupyterLab shows live widgets, which
call the drawing function for any setting.  The built book shows the frames, which its script ``explore.js`` exchanges;
where scripts are off, the start frame and the caption stand.
"""

import itertools
import json
import math
import re
from hashlib import sha1
from html import escape
from typing import NamedTuple

import numpy as np

from . import _frames
from ._checks import function, positive, whole_number

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
    start_png: str
    caption: str
    alt: str
    name: str
    figsize: tuple
    columns: int

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {"text/plain": in_words(self), "text/html": as_html(self), "image/png": self.start_png}
        try:
            return bundle | live(self)._repr_mimebundle_() | {"text/plain": bundle["text/plain"]}
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

    grid = itertools.product(*(s.values for s in settings.values()))
    frames = [frame(draw, dict(zip(settings, values, strict=True)), figsize, columns) for values in grid]
    figures, sentences = zip(*frames, strict=True)
    pictures, shared = _frames.markups(figures, prefix_of(name))
    start_png = _frames.png(figures[start_of(settings)])
    return Explorable(
        draw, settings, sentences, tuple(pictures), shared, start_png, caption, alt, name, figsize, columns
    )


def frame(draw, values, figsize, columns):
    """Return the Matplotlib figure for these values and the sentence that describes it."""
    try:
        drawn, sentence = _frames.render(lambda ax: draw(ax, **values), figsize, columns)
    except Exception as error:
        at = ", ".join(f"{key} = {value!r}" for key, value in values.items())
        raise RuntimeError(f"draw failed at {at}: {type(error).__name__}: {error}") from error
    if not isinstance(sentence, str) or not sentence:
        raise ValueError(f"draw must return a sentence that describes the picture, got {sentence!r}")
    return drawn, sentence


def prefix_of(name):
    """Return four letters and digits that begin the ids inside the figure of this name."""
    return "x" + sha1(name.encode()).hexdigest()[:3]


def start_of(settings):
    """Return the number of the frame shown first."""
    return int(np.ravel_multi_index([s.start for s in settings.values()], [len(s.values) for s in settings.values()]))


def in_words(e):
    """Return the explorable as one line of text."""
    ranges = (f"{s.label} from {s.words[0]} to {s.words[-1]} ({len(s.words)} values)" for s in e.settings.values())
    return f"Explorable figure: {e.caption.split('. ')[0].rstrip('.')}; {', '.join(ranges)}"


# --- the face in the book ---------------------------------------------------------------------------------------


def as_html(e):
    """Return the explorable as HTML: the start frame, controls hidden until the script comes, the other frames."""
    at = start_of(e.settings)
    controls = "".join(control(s, f"{e.name}-{key.replace('_', '-')}") for key, s in e.settings.items())
    frames = "".join(
        f'<template data-says="{escape(says)}">{picture if k != at else ""}</template>\n'
        for k, (says, picture) in enumerate(zip(e.sentences, e.pictures, strict=True))
    )
    return (
        f'<figure class="explore" id="{e.name}" data-alt="{escape(e.alt)}">\n'
        f'<div class="explore-frame">{described(e.pictures[at], e.alt, e.sentences[at])}</div>\n'
        f'<div class="explore-controls" hidden>{controls}</div>\n'
        f'<output class="explore-says" aria-live="polite"><span>{escape(e.sentences[at])}</span></output>\n'
        f"<figcaption>{escape(e.caption)}</figcaption>\n{e.shared}\n{frames}</figure>"
    )


BUTTONS = (
    '<div class="explore-buttons"><button type="button" data-step="-1">Back</button>'
    '<button type="button" data-play="{:g}">Play</button>'
    '<button type="button" data-step="1">Next</button></div>'
)


def described(picture, alt, sentence):
    """Return the picture with its alternative text."""
    attribute = "alt" if picture.startswith("<img") else "aria-label"
    return re.sub(r"^<\w+", lambda tag: f'{tag[0]} {attribute}="{escape(f"{alt} {sentence}")}"', picture)


def control(setting, id):
    """Return the native control for one setting."""
    label, words, start = escape(setting.label), [escape(w) for w in setting.words], setting.start
    data = f'class="explore-setting" data-words="{escape(json.dumps(setting.words, ensure_ascii=False))}"'
    if setting.kind == "choice":
        radios = (
            f'<label><input type="radio" name="{id}" value="{k}" autocomplete="off"{" checked" * (k == start)}>'
            f" {word}</label>"
            for k, word in enumerate(words)
        )
        return f"<fieldset {data}><legend>{label}</legend>{''.join(radios)}</fieldset>"
    return (
        f'<div {data}><label for="{id}">{label}</label> <span class="explore-value">{words[start]}</span>'
        f'<input type="range" id="{id}" min="0" max="{len(words) - 1}" value="{start}" '
        f'aria-valuetext="{words[start]}" autocomplete="off"></div>'
    ) + (BUTTONS.format(setting.play) if setting.play else "")


# --- the face in JupyterLab -------------------------------------------------------------------------------------


def live(e):
    """Return the explorable as an ipywidgets box, which calls the drawing function for any setting."""
    import asyncio

    import ipywidgets as widgets

    controls = {key: live_control(s, widgets) for key, s in e.settings.items()}
    picture, says = widgets.HTML(), widgets.HTML()
    waiting = []

    def show():
        waiting.clear()
        try:
            drawn, sentence = frame(e.draw, {key: c.value for key, c in controls.items()}, e.figsize, e.columns)
        except Exception as error:  # said where the reader looks: nobody reads the kernel's log
            says.value = f"<p>{escape(str(error))}</p>"
            return
        picture.value = described(f'<img src="data:image/png;base64,{_frames.png(drawn)}">', e.alt, sentence)
        says.value = f"<p>{escape(sentence)}</p>"

    def show_soon(_):
        # While one picture is drawn the slider moves on; of the settings that came meanwhile the last one is drawn.
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # not in a kernel
            return show()
        if not waiting:
            waiting.append(loop.call_later(0.03, show))

    for c in controls.values():
        c.observe(show_soon, "value")
    first, setting = next(iter(controls.values())), next(iter(e.settings.values()))
    play = widgets.Play(max=len(setting.values) - 1, interval=int(1000 * setting.play)) if setting.play else None
    if play:
        play.observe(lambda change: setattr(first, "value", setting.values[change.new]), "value")
    show()
    caption = widgets.HTML(f"<p><em>{escape(e.caption)}</em></p>")
    return widgets.VBox([picture, *controls.values(), *([play] if play else []), says, caption])


def live_control(s, widgets):
    """Return the widget for one setting; a slider of decimals has ten positions where the book has one."""
    about = {"description": s.label, "style": {"description_width": "initial"}, "layout": {"width": "32rem"}}
    ratios, steps = np.ones(2), np.diff(s.values) if s.kind == "slider" else None
    if s.kind == "choice":
        return widgets.RadioButtons(options=list(zip(s.words, s.values, strict=True)), index=s.start, **about)
    if not all(isinstance(v, float) for v in s.values):
        return widgets.SelectionSlider(options=list(zip(s.words, s.values, strict=True)), index=s.start, **about)
    about |= {"value": s.values[s.start], "readout_format": ".4g"}
    if s.values[0] > 0 and len(s.values) > 2:
        ratios = np.diff(np.log10(s.values))
    if len(s.values) > 2 and np.allclose(ratios, ratios[0]) and not np.allclose(steps, steps[0]):
        low, high = np.log10([s.values[0], s.values[-1]])
        return widgets.FloatLogSlider(min=low, max=high, step=ratios[0] / 10, **about)
    return widgets.FloatSlider(min=s.values[0], max=s.values[-1], step=steps.min() / 10, **about)
