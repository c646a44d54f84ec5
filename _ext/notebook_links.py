"""Turn links between notebooks, which outputs carry (the tutor's, say), into links between the pages made of them.

JupyterLab follows ``natural-images.ipynb#Are-they-edges?``; the page is ``natural-images.html#are-they-edges``. After
such a link, the label of an equation, by which it is found in a notebook, becomes the number that it has in the book.
"""

import re
from urllib.parse import unquote

from docutils.nodes import make_id

LINK = re.compile(r'href="([\w-]+)\.ipynb#([^"]*)"')
EQUATION = re.compile(r'(href="[\w-]+\.html#[^"]*">[^<]*</a>) \((eq-[\w-]+)\)')


def to_page(link):
    page, section = link.groups()
    return f'href="{page}.html#{make_id(unquote(section))}"'


def rewrite(app, pagename, templatename, context, doctree):
    equations, numbers = app.env.get_domain("math").equations, app.env.toc_fignumbers

    def numbered(found):
        link, label = found.groups()
        page, anchor = equations[label][0], make_id(f"equation-{label}")
        number = ".".join(map(str, numbers[page]["displaymath"][anchor]))
        return f'{link} (<a href="{app.builder.get_relative_uri(pagename, page)}#{anchor}">{number}</a>)'

    if "body" in context:
        context["body"] = EQUATION.sub(numbered, LINK.sub(to_page, context["body"]))


def setup(app):
    app.connect("html-page-context", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
