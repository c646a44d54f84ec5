"""Show what a link leads to without going there: an equation, a theorem, an algorithm or an exercise of any page.

While the pages are finished their statements are gathered into one file, `_static/glances.js`, which the script
`_static/glance.js` reads when a link is first pointed at. (Sources need no file: their links have a title.)
"""

import copy
import json
from pathlib import Path

from finished_pages import inside

FILE = "_static/glances.js"
START, END = "window.saelibGlances = ", ";\n"
# What is shown, by its identifier; a proof has none.
STATEMENTS = "div.math[id], div.proof[id], div.exercise[id]"


def statement(tag):
    """The HTML of a statement as it is shown beside a link: without identifiers, links, and what is folded away."""
    tag = copy.copy(tag)
    for part in tag.select("a.headerlink, details, div.cell, .equation-mark"):
        part.decompose()
    for link in tag.find_all("a"):
        link.unwrap()
    for part in [tag, *tag.find_all(id=True)]:
        part.attrs.pop("id", None)
    if "math" in tag["class"].split():
        return f'<div class="math">{inside(tag)}</div>'
    return inside(tag)


def gather(app, page, tree):
    """Take the statements of a page, before its policy is written."""
    found = {tag["id"]: statement(tag) for tag in tree.select(STATEMENTS)}
    app.glances = getattr(app, "glances", {}) | {page: found}


def write(app, exception):
    """Write those of all pages; the ones of pages that were finished before are still in the file."""
    if exception or app.builder.name != "html":
        return
    target = Path(app.outdir, FILE)
    known = {}
    if target.exists():
        known = json.loads(target.read_text("utf-8").removeprefix(START).removesuffix(END))
    known |= getattr(app, "glances", {})
    known = {page: known[page] for page in sorted(known) if known[page] and page in app.env.found_docs}
    target.write_text(START + json.dumps(known, ensure_ascii=False, separators=(",", ":")) + END, "utf-8")


def setup(app):
    app.setup_extension("finished_pages")
    app.connect("page-parsed", gather, priority=900)
    app.connect("build-finished", write, priority=710)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
