"""The directive `train-here`: a sparse autoencoder that the page itself trains on patches of the book's photographs.

The picture shows what comes out, and is what stays without scripts. `_static/train.js` does the rest; the patches,
whose pixels are rounded to 256 levels, are written beside it and read when somebody begins.
"""

import base64
from pathlib import Path

import numpy as np
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.util.osutil import relative_uri

PATCHES, SIDE, SEED = 2000, 8, 0
FILE = "_static/train-patches.js"
KNOBS = {  # what they stand for, their values, and the one at first
    "rho": ("ρ, how active a unit may be", ("0.002", "0.01", "0.02", "0.05", "0.1", "0.2"), "0.01"),
    "beta": ("β, the weight of this penalty", ("0", "0.03", "0.3", "3", "10"), "3"),
    "lam": ("λ, the weight decay", ("0", "0.00001", "0.0001", "0.001"), "0.0001"),
}


def patches():
    """The patches as whole numbers from 0 to 255, a row for each."""
    from saelib import datasets

    images = datasets.load_natural_images().images
    X = datasets.sample_patches(images, SIDE, PATCHES, np.random.default_rng(SEED))
    return np.round(255 * datasets.normalize_patches(X)).astype(np.uint8)


def write_patches(app):
    target = Path(app.outdir, FILE)
    if app.builder.format == "html" and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        text = base64.b64encode(patches().tobytes()).decode()
        target.write_text(f'window.saelibPatches = {{ n: {SIDE**2}, scale: 1 / 255, bytes: "{text}" }};\n', "utf-8")


def knob(name, words, values, first):
    return (
        f'<label><span>{words}</span><input type="range" name="{name}" min="0" max="{len(values) - 1}" '
        f'value="{values.index(first)}" data-values="{" ".join(values)}"><output>{first}</output></label>'
    )


class TrainHere(Directive):
    """The figure, with the caption as its content."""

    has_content = True

    def run(self):
        env = self.state.document.settings.env
        here = env.app.builder.get_target_uri(env.docname)

        def path(file):
            return relative_uri(here, file)

        knobs = "".join(knob(name, *values) for name, values in KNOBS.items())
        before = f"""<figure class="train" data-patches="{path(FILE)}">
<div class="train-picture"><img src="{path("_static/edges.png")}" width="300" height="300"
alt="A grid of 25 small squares, each showing a light bar beside a dark bar, in many orientations."><canvas role="img"
aria-label="The weights of 25 hidden units during the training, a square for each"></canvas></div>
<div class="train-side"><button type="button">Train one here</button>{knobs}
<svg viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true"><path fill="none"></path></svg>
<output class="train-says" aria-live="polite"></output></div>
<figcaption>"""
        caption = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, caption)
        raw = [nodes.raw("", html, format="html") for html in (before, "</figcaption></figure>")]
        return [raw[0], *caption.children, raw[1]]


def setup(app):
    app.add_directive("train-here", TrainHere)
    app.connect("builder-inited", write_patches)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
