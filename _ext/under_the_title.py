"""Under the title of each chapter that is a notebook: how long its text is, how many formulas, the notebook in plain
Markdown, and the library that it needs."""

import json
import re
from pathlib import Path

import plain_notebooks
from docutils import nodes

WORDS_A_MINUTE = 200
DISPLAYED, INLINE = r"\$\$.*?\$\$", r"\$[^$]+\$"


def words(text):
    """How many words some Markdown has; a formula in a line counts as one, a displayed formula is not text."""
    text = re.sub(DISPLAYED, " ", text, flags=re.DOTALL)
    text = re.sub(INLINE, "formula", text)
    return sum(any(map(str.isalnum, word)) for word in text.split())


def texts(notebook):
    cells = json.loads(Path(notebook).read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def minutes(notebook):
    """How long it takes to read the words of a notebook's Markdown."""
    return max(1, round(sum(map(words, texts(notebook))) / WORDS_A_MINUTE))


def formulas(notebook):
    """How many displayed formulas a notebook has: how long a reader works on them nobody can say."""
    return sum(len(re.findall(DISPLAYED, text, re.DOTALL)) for text in texts(notebook))


def length(notebook):
    """What the page says of its length."""
    time, count = minutes(notebook), formulas(notebook)
    more = f", more for its {count} displayed formula{'s' * (count > 1)}" if count else ""
    return f"About {time} minute{'s' * (time > 1)} for the text{more}"


def add_line(app, doctree, page):
    source = Path(app.env.doc2path(page))
    title = doctree.next_node(nodes.title)
    if app.builder.format != "html" or source.suffix != ".ipynb" or title is None:
        return
    own, wheel = plain_notebooks.way_to(app, page), plain_notebooks.way_to_wheel(app, page)
    line = nodes.paragraph("", f"{length(source)} · ", classes=["under-the-title"])
    links = f'<a href="{own}" download>Download this notebook</a> and <a href="{wheel}" download>its library</a>'
    line += nodes.raw("", links, format="html")
    title.parent.insert(title.parent.index(title) + 1, line)


def setup(app):
    app.connect("doctree-resolved", add_line)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
