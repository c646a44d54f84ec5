"""What a page gets once its numbers stand: a number for each figure to explore, and at its end how to cite it.

And it loses the scripts of figures that it does not have.
"""

import re
from pathlib import Path

from bs4 import NavigableString

USED_BY = {"live.js": "figure.live", "train.js": "figure.train"}
VERSION = re.compile(r'^version = "(.+)"', re.MULTILINE)
BIBTEX = """@incollection{{saelib-{name},
  author = {{{{{author}}}}},
  title = {{{title}}},
  booktitle = {{{book}}},
  year = {{{year}}},
  note = {{Version {version}}}{address}
}}"""


def number_explorables(tree):
    """Write "Explore 2.1" before the captions of a chapter's figures to explore; a page without a number has none."""
    number = tree.select_one("article h1 .section-number")
    if number is None:
        return
    chapter = number.get_text().strip().rstrip(".")
    for count, figure in enumerate(tree.select("article :is(figure.explore, figure.live)"), 1):
        mark = tree.new_tag("span", attrs={"class": "caption-number"})
        mark.string = f"Explore {chapter}.{count} "
        figure.figcaption.insert(0, mark)
        link = tree.new_tag(
            "a", attrs={"class": "headerlink", "href": f"#{figure['id']}", "title": "Link to this image"}
        )
        link.string = "#"
        figure.figcaption.append(link)


def citation(app, page, title):
    """The BibTeX entry of a page."""
    config = app.config
    version = VERSION.search(Path(app.srcdir, "pyproject.toml").read_text("utf-8"))[1]
    base = config.html_baseurl
    return BIBTEX.format(
        name=page.rpartition("/")[2],
        author=config.author,
        title=title,
        book=config.html_title or config.project,
        year=re.search(r"\d{4}", config.copyright)[0],
        version=version,
        address=f",\n  url = {{{base.rstrip('/')}/{page}.html}}" if base else "",
    )


def add_citation(app, page, tree):
    article = tree.select_one("article.bd-article")
    if article is None or article.h1 is None or not page.startswith(("chapters/", "appendices/")):
        return
    words = [part for part in article.h1.contents if isinstance(part, NavigableString) or part.name != "a"]
    title = "".join(p.get_text() for p in words if "section-number" not in (getattr(p, "attrs", {}).get("class") or ""))
    details = tree.new_tag("details", attrs={"class": "cite-page"})
    details.append(tree.new_tag("summary"))
    details.summary.string = "Cite this page"
    box = tree.new_tag("div", attrs={"class": "highlight-bibtex notranslate"})
    box.append(tree.new_tag("pre"))
    box.pre.string = citation(app, page, title.strip())
    details.append(box)
    article.append(details)


def drop_scripts(tree):
    """Take out the scripts of figures that a page does not have."""
    for file, figure in USED_BY.items():
        if tree.select_one(figure) is None:
            for script in tree.select(f'script[src*="/{file}"]'):
                script.decompose()


def finish(app, page, tree):
    drop_scripts(tree)
    number_explorables(tree)
    add_citation(app, page, tree)


def setup(app):
    app.setup_extension("finished_pages")
    app.connect("page-parsed", finish, priority=650)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
