"""Figures that move: a formula or a small table, computed where it is looked at, with points to drag.

`figure` names one of the kinds of ``saelib/book/_scenes.py`` and the settings that a reader has.  What it returns has
several faces.  The built book runs the kind's twin in ``live.js``, a plain script that the book brings along: no kernel
and no network is asked.  JupyterLab runs the same script.  Where scripts are off, on paper and in the PDF, the figure
stands as it begins.
"""

import json
import math
import re
from html import escape
from importlib.resources import files
from typing import NamedTuple

from .._checks import number, one_of, positive, whole_number
from . import _drawer, _scenes


class Setting(NamedTuple):
    """What a reader can set; made by `slider`, `choice` and `point`."""

    kind: str
    label: str
    low: float
    high: float
    start: float
    step: float
    digits: int = 2
    words: tuple = ()
    unit: str = ""
    log: bool = False
    play: float = 0


class Live(NamedTuple):
    """What `figure` returns; the last line of a cell shows it."""

    kind: str
    settings: dict
    data: dict
    caption: str
    alt: str
    name: str

    def scene(self, **changed):
        """Return what there is to be drawn at a setting, the start but for what is ``changed``, in plain numbers."""
        return _scenes.KINDS[self.kind]({key: s.start for key, s in self.settings.items()} | changed, self.data)

    def __repr__(self):
        shown = (s for s in self.settings.values() if s.kind != "point")
        ranges = (f"{s.label} from {word(s, s.low)} to {word(s, s.high)}" for s in shown)
        return "; ".join(filter(None, (f"Live figure: {self.caption.split('. ')[0].rstrip('.')}", ", ".join(ranges))))

    def _repr_mimebundle_(self, include=None, exclude=None):
        html = as_html(self)
        bundle = {"text/plain": repr(self), "text/html": html, "image/png": _drawer.png(self.scene())}
        try:
            import ipywidgets
        except ImportError:
            return bundle
        script, style = (files("saelib.book").joinpath(f"live.{kind}").read_text("utf-8") for kind in ("js", "css"))
        alive = f"<style>{style}</style>{html}<script>{script}</script>"
        output = {"output_type": "display_data", "data": {"text/html": alive}, "metadata": {}}
        return bundle | ipywidgets.Output(outputs=(output,))._repr_mimebundle_() | {"text/plain": repr(self)}


def slider(label, low, high, *, start=None, step=None, digits=2, words=(), unit="", log=False, play=0):
    """Return a setting to be moved from ``low`` to ``high``.

    Parameters
    ----------
    label : str
        What is set, in words.
    low, high : float
    start : float, optional
        The value shown first; by default ``low``.
    step : float, optional
        What an arrow key changes; by default about a two-hundredth of the way.
    digits : int
        Decimals to write.
    words : sequence of str
        What to call the values 0, 1, 2, ...
    unit : str
        What to write behind the value.
    log : bool
        Whether the value is an exponent of ten, and its power is to be written.
    play : float
        Seconds between two steps when the reader presses "Play"; 0 is no such button.

    Raises
    ------
    ValueError
        If the numbers do not increase, or the start is not one of the values between them.
    """
    low, high = number(low, f"low of {label!r}"), number(high, f"high of {label!r}")
    if not low < high:
        raise ValueError(f"low and high of {label!r} must increase, got {low:g} and {high:g}")
    start = low if start is None else number(start, f"start of {label!r}")
    if not low <= start <= high:
        raise ValueError(f"start of {label!r} must be from {low:g} to {high:g}, got {start:g}")
    if words and len(words) != high - low + 1:
        raise ValueError(f"words of {label!r} must be {high - low + 1:g}, one for each value, got {len(words)}")
    step = 1.0 if words else fine(high - low) if step is None else positive(step, "step")
    if abs((start - low) / step - round((start - low) / step)) > 1e-6:  # the browser would move it
        raise ValueError(f"start of {label!r} must be a whole number of steps of {step:g} from {low:g}, got {start:g}")
    play = positive(play, "play") if play else 0
    return Setting("slider", label, low, high, start, step, digits, tuple(words), unit, log, play)


def fine(length):
    """Return 1, 2 or 5 times a power of ten: the least that is a two-hundredth of the length, or more."""
    power = 10.0 ** math.floor(math.log10(length / 200))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power > length / 200 * (1 - 1e-9))


def choice(label, words, *, start=0):
    """Return a setting with a radio button for each of the ``words``; its value is their number, from 0."""
    if not 2 <= len(words) <= 6:
        raise ValueError(f"words of {label!r} must be two to six, got {len(words)}")
    start = whole_number(start, f"start of {label!r}", least=0, most=len(words) - 1)
    return Setting("choice", label, 0, len(words) - 1, start, 1, 0, tuple(words))


def point(low, high, start, *, step=0):
    """Return a setting without a control of its own, for a point that is dragged, in steps or (0) freely."""
    start = number(start, "start of a point")
    if not low <= start <= high:
        raise ValueError(f"start of a point must be from {low:g} to {high:g}, got {start:g}")
    step = whole_number(step, "step of a point", least=0)
    if step and (start - low) % step:
        raise ValueError(f"start of a point must be a whole number of steps of {step} from {low:g}, got {start:g}")
    return Setting("point", "point", low, high, start, step, digits=0 if step else 2)


def figure(kind, *, caption, alt, name=None, data=None, **settings):
    """Return a figure of a kind that moves.

    Parameters
    ----------
    kind : str
        One of those in ``saelib/book/_scenes.py``.
    caption, alt : str
        The caption, and in words what the figure shows at any setting.
    name : str, optional
        The figure's id in the page, to link to; by default made of the caption.
    data : dict, optional
        Numbers and arrays that the kind needs: parameters, a small table.
    **settings
        `slider`, `choice` and `point`, named as the kind names them.

    Raises
    ------
    ValueError
        If an argument is not as above, or the kind lacks something.
    """
    one_of(kind, "kind", tuple(_scenes.KINDS))
    for what, said in {"caption": caption, "alt": alt}.items():
        if not isinstance(said, str) or len(said.split()) < 3:
            raise ValueError(f"{what} must say in at least three words what there is to see, got {said!r}")
    if not settings or not all(isinstance(s, Setting) for s in settings.values()):
        raise ValueError("settings must be one or more of live.slider(...), live.choice(...) and live.point(...)")
    name = name or re.sub(r"[^a-z0-9]+", "-", caption.lower())[:40].strip("-")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"name must be a letter and then letters, digits and hyphens in lower case, got {name!r}")
    numbers = {key: v.tolist() if hasattr(v, "tolist") else v for key, v in (data or {}).items()}
    made = Live(kind, settings, numbers, caption, alt, name)
    try:
        made.scene()
    except KeyError as error:
        raise ValueError(f"a figure of the kind {kind!r} needs {error.args[0]!r} among its settings or data") from None
    return made


def word(setting, value):
    """Return what a value is called."""
    if setting.words:
        return setting.words[round(value - setting.low)]
    return (_scenes.short(10.0**value) if setting.log else _scenes.fixed(value, setting.digits)) + setting.unit


# --- the face in the book ---------------------------------------------------------------------------------------


def as_html(e):
    """Return the figure as HTML as it begins; its controls are hidden until the script comes."""
    scene = e.scene()
    label = f"{e.alt} {scene['says']}"
    drawn = "".join(
        f'<div class="live-panel live-{"wide" if len(scene["panels"]) == 1 else "half"}">'
        f"{_drawer.svg(panel, '' if k else label)}</div>"
        for k, panel in enumerate(scene["panels"])
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in scene["lines"])
    told = escape(json.dumps(e.data, ensure_ascii=False, separators=(",", ":")))
    return (
        f'<figure class="live" id="{e.name}" data-live="{e.kind}" data-alt="{escape(e.alt)}" data-with="{told}">\n'
        f'<div class="live-stage">{drawn}</div>\n'
        + (f'<div class="live-lines">{lines}</div>\n' if lines else "")
        + f'<div class="live-controls" hidden>{"".join(control(e, key) for key in e.settings)}</div>\n'
        f'<output class="live-says" aria-live="polite">{escape(scene["says"])}</output>\n'
        f"<figcaption>{escape(e.caption)}</figcaption>\n</figure>"
    )


BUTTONS = (
    '<div class="live-buttons"><button type="button" data-step="-1">Back</button>'
    '<button type="button" data-play="{:g}">Play</button>'
    '<button type="button" data-step="1">Next</button></div>'
)


def control(e, key):
    """Return the native control for one setting; for a point it is there for the script alone."""
    s, id = e.settings[key], f"{e.name}-{key.replace('_', '-')}"
    label, now = escape(s.label), escape(word(s, s.start))
    written = {"digits": s.digits, "words": list(s.words), "unit": s.unit, "log": s.log}
    about = f'data-name="{key}" data-written="{escape(json.dumps(written, ensure_ascii=False))}"'
    if s.kind == "choice":
        radios = (
            f'<label><input type="radio" name="{id}" value="{k}" autocomplete="off"{" checked" * (k == s.start)}>'
            f" {escape(option)}</label>"
            for k, option in enumerate(s.words)
        )
        return f'<fieldset class="live-setting" {about}><legend>{label}</legend>{"".join(radios)}</fieldset>'
    step = f"{s.step:.10g}" if s.step else "any"
    slide = (
        f'<input type="range" id="{id}" min="{s.low:g}" max="{s.high:g}" step="{step}" value="{s.start:.10g}" '
        f'aria-valuetext="{now}" autocomplete="off">'
    )
    if s.kind == "point":
        return f'<div class="live-setting" hidden {about}><label for="{id}">{escape(key)}</label>{slide}</div>'
    return (
        f'<div class="live-setting" {about}><label for="{id}">{label}</label> '
        f'<span class="live-value">{now}</span>{slide}</div>'
    ) + (BUTTONS.format(s.play) if s.play else "")
