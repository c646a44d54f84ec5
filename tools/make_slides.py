"""Turn chapters of the built book into slides to lecture from, shown by reveal.js (`make slides`).

    python tools/make_slides.py pca deep    _build/slides/pca.html and deep.html; without names, every chapter

The slides are made of the finished pages, so equations and figures have the book's numbers, and there is no second
source. A section is a slide: its heading, its equations, figures, lists, tables, theorems and exercises. Its prose goes
into the speaker's notes (key S); code, what it prints, and solutions are left out. A section of prose alone shows its
first paragraph. What is too much for one slide is put onto more when they are opened (tools/make_slides.js), where the
heights are known. Nothing is fetched then: reveal.js is from the package sphinx-revealjs, the rest is the book's own.
"""

import re
import shutil
import sys
from importlib.metadata import files
from pathlib import Path
from urllib.parse import unquote

from copies import SITE, chosen, pages
from finished_pages import inside, parse

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "_build" / "slides"
REVEAL = ("dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "LICENSE")
OWN = ("make_slides.css", "make_slides.js")
SCRIPTS = re.compile(r"_static/(live|explore|formulas|mathjax/startup)\.js")
SHOWN = (
    ".math, .marked-equation, figure, .proof[id], .exercise, ul, ol, dl, .pst-scrollable-table-container, table, "
    ".admonition:not(.proof, .solution)"
)
UNSAID = ".solution, .admonition-title, span:empty"
HEADING = re.compile("h[1-6]")

# The window with the notes is written by a script of reveal.js and holds the slides twice, in frames.
POLICY = (
    "default-src 'none'; script-src 'self' file: 'unsafe-inline'; style-src 'self' file: 'unsafe-inline'; "
    "img-src 'self' file: data:; font-src 'self' file:; frame-src 'self' file:; base-uri 'none'"
)
PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{head}
</head>
<body>
<main class="reveal">{letters}<div class="slides bd-article">
{slides}
</div></main>
</body>
</html>
"""


def slides(section):
    """The slides of a section of a page and of those in it: identifier, heading, what is shown, and the notes."""
    shown, said, inner = [], [], []
    for child in section.find_all(True, recursive=False):
        if child.name == "section":
            inner += slides(child)
        elif not HEADING.fullmatch(child.name):
            sort(child, shown, said)
    if not shown:
        shown, said = said[:1], said[1:]
    return [(section.get("id"), section.find(HEADING, recursive=False), shown, said), *inner]


def sort(part, shown, said):
    """Put a part of a section among what is shown and what is said, or sort what is in it."""
    if part.css.match(".cell"):
        shown += part.select("figure")
    elif part.css.match(SHOWN) or bold_alone(part):
        shown.append(part)
    elif part.name == "div" and part.css.select_one(SHOWN) and not part.css.match(".solution"):
        for child in part.find_all(True, recursive=False):
            sort(child, shown, said)
    elif not part.css.match(UNSAID):
        said.append(part)


def bold_alone(part):
    """Whether a paragraph is in bold as a whole: the heading of a list, or what is to be remembered."""
    bold = part.name == "p" and part.find("strong")
    return bool(bold) and bold.text.strip() == part.text.strip()


def is_needed(tag):
    """Whether the slides need what a tag in the head of a page brings: the styles, MathJax, the figures that move."""
    return tag.get("rel") == "stylesheet" or SCRIPTS.search(tag.get("src", "")) or "window.MathJax" in tag.text


def deck(html):
    """The slides of a page as one page, from the page of the book."""
    tree = parse(html)
    article = tree.select_one("article.bd-article")
    for part in article.select("a.headerlink, a.equation-mark, .cite-page, .under-the-title, .prev-next-area"):
        part.decompose()
    letters = article.find("svg", class_="explore-shared", recursive=False) or ""  # those of all drawings
    made = slides(article.find("section", recursive=False))
    pages = [tree.new_tag("section", attrs={"id": name} if name else {}) for name, *_ in made]
    for page, (_, heading, shown, said) in zip(pages, made, strict=True):
        notes = tree.new_tag("aside", attrs={"class": "notes"})
        notes.extend(part.extract() for part in said)
        page.extend([heading.extract(), *(part.extract() for part in shown), notes])
    whole = tree.new_tag("div")
    whole.extend(pages)
    for inner in whole.select("section section"):  # reveal.js would take it for a slide
        inner.name = "div"
    for link in whole.select("a[href]"):
        address, _, place = link["href"].partition("#")
        target = not address and whole.find(id=unquote(place))
        if not re.match("[a-z]+:", address) and (not target or target.find_parent("aside")):
            link.unwrap()
    head = [tag for tag in tree.head.find_all(["link", "script"]) if is_needed(tag)]
    beside = "".join(
        f'<link rel="stylesheet" href="reveal/{name}">\n'
        if name.endswith(".css")
        else f'<script defer src="reveal/{name}"></script>\n'
        for name in ("reveal.css", OWN[0], "reveal.js", "notes.js", OWN[1])
    )
    page = PAGE.format(
        policy=POLICY,
        title=inside(tree.title),
        head="\n".join(map(str, head)) + f"\n{beside}",
        letters=letters,
        slides=inside(whole),
    )
    return re.sub(r'((?:src|href)=")(?:\.\./)+(_static|_images)/', r"\1\2/", page)


def make(names):
    every = chosen(names or [page.rpartition("/")[2] for page in pages() if page.startswith("chapters/")])
    shutil.rmtree(TARGET, ignore_errors=True)
    (TARGET / "reveal").mkdir(parents=True)
    for file in files("sphinx-revealjs"):
        name = file.as_posix().removeprefix("sphinx_revealjs/_static/revealjs/")
        if name in REVEAL:
            shutil.copyfile(file.locate(), TARGET / "reveal" / file.name)
    for name in OWN:
        shutil.copyfile(ROOT / "tools" / name, TARGET / "reveal" / name)
    shutil.copytree(SITE / "_static", TARGET / "_static")
    for page in every:
        html = deck((SITE / f"{page}.html").read_text("utf-8"))
        (TARGET / f"{page.rpartition('/')[2]}.html").write_text(html, "utf-8")
        for picture in re.findall(r"_images/[\w.-]+", html):
            (TARGET / "_images").mkdir(exist_ok=True)
            shutil.copy(SITE / picture, TARGET / picture)
    where = TARGET.relative_to(ROOT) if TARGET.is_relative_to(ROOT) else TARGET
    print(f"{where}: the slides of {len(every)} chapter{'s' * (len(every) > 1)}; S opens the speaker's notes")


if __name__ == "__main__":
    if not (SITE / "index.html").exists():
        sys.exit("No built book found: `make book` first.")
    make(sys.argv[1:])
