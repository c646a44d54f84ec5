"""Put MathJax inside the built book, so that mathematics renders with the network off.

The installed package sphinx-mathjax-offline holds all of MathJax 3 (33 MB); the pages of this book need some pieces of
it (2 MB), which are copied beside the book's other static files. A page loads the parts by themselves (0.8 MB) rather
than the ready-made whole, a third of which is a menu. Numbers of equations stay Sphinx's. Formulas are set some at a
time (`_static/formulas.js`), so that a long page can be read before the last one stands. A formula within a line is
held together with the mark after it, which a browser might put at the beginning of the next, and with the bracket
before it, which might stay behind at the end of the last.
"""

import re
import shutil
from importlib.metadata import files
from pathlib import Path

from bs4 import NavigableString

PARTS = ("input/tex", "output/chtml", "a11y/assistive-mml")  # which load what they need
NEEDED = ("startup", "core", *PARTS, "output/chtml/fonts/tex")
PIECES = (*(f"{part}.js" for part in NEEDED), "output/chtml/fonts/woff-v2/", "input/tex/extensions/")
FOLDER = "mathjax"
OPENING, MARKS = re.compile(r"[(\[‘“]+$"), re.compile(r"[.,;:!?)\]’”]+")


def copy_pieces(app):
    if app.builder.format != "html":
        return
    root = "sphinx-mathjax-offline/static/mathjax/"
    for file in files("sphinx-mathjax-offline"):
        name = file.as_posix().removeprefix(root)
        if name.startswith(PIECES):
            source, target = file.locate(), Path(app.outdir, "_static", FOLDER, name)
            if not target.exists() or target.stat().st_size != source.stat().st_size:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def load_parts(app, config):
    config.mathjax_path = f"{FOLDER}/startup.js"
    config.mathjax3_config = (config.mathjax3_config or {}) | {"loader": {"load": list(PARTS)}}


def hold_marks(app, page, tree):
    for formula in tree.select("article span.math"):
        before, after = formula.previous_sibling, formula.next_sibling
        opening = OPENING.search(before) if isinstance(before, NavigableString) else None
        marks = MARKS.match(after) if isinstance(after, NavigableString) else None
        if opening or marks:
            held = formula.wrap(tree.new_tag("span", attrs={"class": "formula-and-mark"}))
        if opening:
            held.insert(0, opening[0])
            before.replace_with(before[: opening.start()])
        if marks:
            held.append(marks[0])
            after.replace_with(after[marks.end() :])


def setup(app):
    app.connect("builder-inited", copy_pieces)
    app.connect("config-inited", load_parts)
    app.setup_extension("finished_pages")
    app.connect("page-parsed", hold_marks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
