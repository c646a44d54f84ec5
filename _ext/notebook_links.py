"""Turn links between notebooks, which outputs carry (the tutor's, say), into links between the pages made of them.

JupyterLab follows ``natural-images.ipynb#Are-they-edges?``; the page is ``natural-images.html#are-they-edges``. After
such a link, the label of an equation, by which it is found in a notebook, becomes the number that it has in the book.
"""

import re
from urllib.parse import unquote

from bs4 import NavigableString
from docutils.nodes import make_id

LINK = re.compile(r"([\w-]+)\.ipynb#(.*)", re.S)
EQUATION = re.compile(r" \((eq-[\w-]+)\)")


def rewrite(app, page, tree):
    equations, numbers = app.env.get_domain("math").equations, app.env.toc_fignumbers
    for link in tree.select("article a[href*='.ipynb#']"):
        if not (found := LINK.fullmatch(link["href"])):
            continue
        link["href"] = f"{found[1]}.html#{make_id(unquote(found[2]))}"
        after = link.next_sibling
        if isinstance(after, NavigableString) and (label := EQUATION.match(after)):
            home, anchor = equations[label[1]][0], make_id(f"equation-{label[1]}")
            number = tree.new_tag("a", href=f"{app.builder.get_relative_uri(page, home)}#{anchor}")
            number.string = ".".join(map(str, numbers[home]["displaymath"][anchor]))
            after.replace_with(" (", number, ")" + after[label.end() :])


def setup(app):
    app.setup_extension("finished_pages")
    app.connect("page-parsed", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
