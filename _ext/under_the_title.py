"""Under the title of each chapter that is a notebook: how long it takes to read, and the notebook itself."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.osutil import relative_uri

WORDS_A_MINUTE = 200
DISPLAYED, INLINE = r"\$\$.*?\$\$", r"\$[^$]+\$"  # a displayed formula takes the time of ten words, another that of one
IN_WORDS = "one two three four five six seven eight nine ten"


def words(text):
    """How many words it takes the time of to read some Markdown."""
    text = re.sub(DISPLAYED, f" {IN_WORDS} ", text, flags=re.DOTALL)
    text = re.sub(INLINE, "formula", text)
    return sum(any(map(str.isalnum, word)) for word in text.split())


def minutes(notebook):
    """How long it takes to read the Markdown of a notebook."""
    cells = json.loads(Path(notebook).read_text("utf-8"))["cells"]
    count = sum(words("".join(cell["source"])) for cell in cells if cell["cell_type"] == "markdown")
    return max(1, round(count / WORDS_A_MINUTE))


def add_line(app, doctree, page):
    source = Path(app.env.doc2path(page))
    title = doctree.next_node(nodes.title)
    if app.builder.format != "html" or source.suffix != ".ipynb" or title is None:
        return
    time = minutes(source)
    target = relative_uri(app.builder.get_target_uri(page), f"_sources/{page}.ipynb")
    line = nodes.paragraph("", f"About {time} minute{'s' * (time > 1)} to read · ", classes=["under-the-title"])
    line += nodes.raw("", f'<a href="{target}" download>Download this notebook</a>', format="html")
    title.parent.insert(title.parent.index(title) + 1, line)


def setup(app):
    app.connect("doctree-resolved", add_line)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
