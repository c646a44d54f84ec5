"""Put the book's faces beside its pages, so that it looks alike everywhere and nothing is fetched.

The packages font-source-serif-pro and font-source-sans-pro hold whole families (under the SIL Open Font License, which
is copied along). Of the cuts that the style sheet asks for, the book takes the letters that it may need. Such a part
may not bear the family's reserved name, so it is called after the book.

A browser asks for a face where it first meets a letter in it, which is after it has shown the page in another face, and
then the lines jump. A script in the head asks as soon as the style is there. (`<link rel="preload">` would, too, but
not for a page opened from a disk.)
"""

import shutil
from importlib.resources import files
from pathlib import Path

from fontTools import subset

FOLDER = "faces"
CUTS = {"font_source_serif_pro": ("Regular", "It", "Semibold"), "font_source_sans_pro": ("Regular", "Semibold")}
LETTERS = (  # Latin with the accents of western Europe, Greek, and the marks of running text
    *range(0x20, 0x7F), *range(0xA0, 0x100), *range(0x391, 0x3CA), *range(0x2010, 0x2028), *range(0x2190, 0x2194),
    0x302, *range(0x2070, 0x20A0), *map(ord, "′−≈≤≥✓∂‖"),
)  # fmt: skip
ASK = """for (const face of ["1em Book Serif", "italic 1em Book Serif", "600 1em Book Serif", "1em Book Sans",
  "600 1em Book Sans"]) document.fonts.load(face);"""
FEATURES = ["kern", "liga", "ccmp", "locl", "mark", "mkmk", "lnum"]


def cut(source, target, name):
    """Write the letters of a font as a web font by another name."""
    options = subset.Options(flavor="woff", hinting=False, layout_features=FEATURES, name_IDs=[1, 2, 4, 6])
    font = subset.load_font(source, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=LETTERS)
    subsetter.subset(font)
    for record in font["name"].names:
        record.string = {2: "Regular", 6: name.replace(" ", "")}.get(record.nameID, name)
    subset.save_font(font, target, options)


def add_faces(app):
    if app.builder.format != "html":
        return
    folder = Path(app.outdir, "_static", FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for package, cuts in CUTS.items():
        family = package.split("_")[2]
        for kind in cuts:
            target = folder / f"{family}-{kind.lower()}.woff"
            if not target.exists():
                (source,) = files(package).joinpath("files").glob(f"*-{kind}.ttf")
                cut(source, target, f"Book {family.title()} {kind}")
        shutil.copyfile(files(package).joinpath("files/LICENSE.txt"), folder / f"{family}-license.txt")


def setup(app):
    app.connect("builder-inited", add_faces)
    app.add_js_file(None, body=ASK, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
