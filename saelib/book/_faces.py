"""The two faces of an explorable figure: HTML with frames for the book's pages, widgets for a live kernel."""

import json
import math
import re
from html import escape

import numpy as np

from . import _frames

# --- the face in the book ---------------------------------------------------------------------------------------


def as_html(e):
    """Return the explorable as HTML: the start frame, controls hidden until the script comes, the other frames."""
    controls = "".join(control(s, f"{e.name}-{key.replace('_', '-')}") for key, s in e.settings.items())
    frames = "".join(
        f'<template data-says="{escape(says)}">{picture if k != e.start else ""}</template>\n'
        for k, (says, picture) in enumerate(zip(e.sentences, e.pictures, strict=True))
    )
    return (
        f'<figure class="explore" id="{e.name}" data-alt="{escape(e.alt)}">\n'
        f'<div class="explore-frame">{described(e.pictures[e.start], e.alt, e.sentences[e.start])}</div>\n'
        f'<div class="explore-controls" hidden>{controls}</div>\n'
        f'<output class="explore-says" aria-live="polite"><span>{escape(e.sentences[e.start])}</span></output>\n'
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
            values = {key: live_value(c, e.settings[key]) for key, c in controls.items()}
            drawn, sentence = _frames.draw_frame(e.draw, values, e.figsize, e.columns)
        except Exception as error:  # said where the reader looks: nobody reads the kernel's log
            says.value = f"<p>{escape(str(error))}</p>"
            return
        size = f'style="max-width: 100%; width: {e.figsize[0] * _frames.WIDTH:.0f}px"'
        picture.value = described(f'<img {size} src="data:image/png;base64,{_frames.png(drawn)}">', e.alt, sentence)
        at = "; ".join(f"{c.description} {c.label}" for c in controls.values() if not getattr(c, "readout", True))
        says.value = f"<p>{f'<b>{escape(at)}.</b> ' if at else ''}{escape(sentence)}</p>"

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
        positions = range(len(setting.values)) if hasattr(first, "options") else setting.values
        play.observe(lambda change: setattr(first, "value", positions[change.new]), "value")
    show()
    caption = widgets.HTML(f"<p><em>{escape(e.caption)}</em></p>")
    return widgets.VBox([picture, *controls.values(), *([play] if play else []), says, caption])


def live_control(s, widgets):
    """Return the widget for one setting; a slider of decimals has ten positions where the book has one."""
    about = {"description": s.label, "style": {"description_width": "initial"}, "layout": {"width": "32rem"}}
    if s.kind == "slider" and all(isinstance(v, float) for v in s.values):
        low, high = s.values[0], s.values[-1]
        about |= {"value": s.values[s.start], "readout_format": ".4g"}
        if low > 0 and len(s.values) > 2 and np.allclose(s.values, np.geomspace(low, high, len(s.values))):
            step = math.log10(high / low) / (len(s.values) - 1) / 10
            return widgets.FloatLogSlider(min=math.log10(low), max=math.log10(high), step=step, **about)
        return widgets.FloatSlider(min=low, max=high, step=np.diff(s.values).min() / 10, **about)
    # Such a widget compares its values, which arrays would not bear: so it holds their numbers.
    about |= {"options": [(word, k) for k, word in enumerate(s.words)], "value": s.start}
    if s.kind == "choice":
        return widgets.RadioButtons(**about)
    return widgets.SelectionSlider(readout=False, **about)  # long words would be cut off: they go above the sentence


def live_value(control, s):
    """Return the value of the setting that a widget of `live_control` shows."""
    return s.values[control.value] if hasattr(control, "options") else control.value
