"""Put MathJax inside the built book, so that mathematics renders with the network off.

The installed package sphinx-mathjax-offline holds all of MathJax 3 (33 MB); a page of this book needs three pieces
of it (2 MB), which are copied beside the book's other static files. Numbers of equations stay Sphinx's.
"""

import shutil
from importlib.metadata import files
from pathlib import Path

PIECES = ("tex-chtml.js", "output/chtml/fonts/woff-v2/", "input/tex/extensions/")
FOLDER = "mathjax"


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


def setup(app):
    app.connect("builder-inited", copy_pieces)
    app.connect("config-inited", lambda app, config: setattr(config, "mathjax_path", f"{FOLDER}/tex-chtml.js"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
