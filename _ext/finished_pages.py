"""Change the pages once they are written: each is parsed once, goes from extension to extension, and is stored.

An extension that changes pages connects to the event `page-parsed`, which gives it the name of the page and its tree
(BeautifulSoup's). Who has the last word connects with the highest priority: that is `page_policy`, by whose mark a page
is known as finished in later builds, which write only what has changed.
"""

from pathlib import Path

from bs4 import BeautifulSoup
from bs4.dammit import EntitySubstitution
from bs4.formatter import HTMLFormatter

BESIDE_THE_PAGES = ("_", "lite")
FINISHED = 'http-equiv="Content-Security-Policy"'


class Formatter(HTMLFormatter):
    """Writes a tree as it was read."""

    def __init__(self):
        super().__init__(EntitySubstitution.substitute_xml, void_element_close_prefix="")

    def attributes(self, tag):
        return [(name, value or None) for name, value in tag.attrs.items()]  # in their order; None: the name alone


def parse(html):
    return BeautifulSoup(html, "html.parser", multi_valued_attributes=None, on_duplicate_attribute="ignore")


def written(tree):
    return tree.decode(formatter=Formatter())


def inside(tag):
    """What is between the two ends of a tag, written as the whole is."""
    return tag.decode_contents(formatter=Formatter())


def pages_of(out):
    """The files of the book's own pages."""
    return [p for p in out.rglob("*.html") if not p.relative_to(out).parts[0].startswith(BESIDE_THE_PAGES)]


def finish(app, exception):
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    for file in pages_of(out):
        html = file.read_text("utf-8")
        if FINISHED not in html:
            tree = parse(html)
            app.emit("page-parsed", file.relative_to(out).with_suffix("").as_posix(), tree)
            file.write_text(written(tree), "utf-8")


def setup(app):
    app.add_event("page-parsed")
    app.connect("build-finished", finish, priority=700)  # after the theme has written its files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
