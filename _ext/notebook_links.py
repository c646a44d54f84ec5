"""Turn links between notebooks, which outputs carry (the tutor's, say), into links between the pages made of them.

JupyterLab follows ``natural-images.ipynb#Are-they-edges?``; the page is ``natural-images.html#are-they-edges``.
"""

import re
from urllib.parse import unquote

from docutils.nodes import make_id

LINK = re.compile(r'href="([\w-]+)\.ipynb#([^"]*)"')


def to_page(link):
    page, section = link.groups()
    return f'href="{page}.html#{make_id(unquote(section))}"'


def rewrite(app, pagename, templatename, context, doctree):
    if "body" in context:
        context["body"] = LINK.sub(to_page, context["body"])


def setup(app):
    app.connect("html-page-context", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
