"""Print the built book as one PDF: its pages in the order of _toc.yml, one after the other, through Chromium.

The pages are those of `make book`, so every number of an equation, a figure or a section is the one that readers of
the pages see; only identifiers and links are rewritten, so that what led to another page leads to a place in this one.
What stays of a figure to explore is the frame that it begins with, or the end of what it plays. Solutions are open; the
code that the pages fold away, which draws figures, is left out.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urldefrag

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "_ext"))
from finished_pages import inside, parse

ROOT = Path(__file__).resolve().parents[1]
SITE, TARGET = ROOT / "_build" / "html", ROOT / "_build" / "pdf" / "sparse-autoencoders.pdf"
# What paper does not need: the code of the checks, and the reference of the library.
ON_SCREEN = ("appendices/checks", "appendices/api", "appendices/changes")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head><meta charset="utf-8"><title>{title}</title>
{head}
<link rel="stylesheet" href="{style}">
<style>{running_heads}</style>
</head>
<body><main class="bd-main bd-content"><div class="bd-article-container">
<article class="bd-article">
{cover}
{contents}
{pages}
</article></div></main></body></html>
"""
COVER = """<section class="pdf-cover"><p class="pdf-title">{title}</p>
<img src="{picture}" alt="The weights of 25 hidden units: light bars beside dark bars, in many orientations">
<p>{author}</p>
<p class="pdf-note">The printed form of a book of web pages and notebooks. Where a figure has sliders, one of its
settings is shown here with the sentence that belongs to it. Solutions stand open; code that the pages fold away
(imports, drawing, checks) is in the notebooks.</p>
<p class="pdf-note">{rights}</p></section>"""
LINE = '<li><a href="#{anchor}">{title}</a><span class="pdf-dots"></span><span data-page="{anchor}"></span></li>'


def table_of_contents(file):
    """The pages of the book in their order, as pairs of a page and the caption of the part that begins with it."""
    toc = yaml.safe_load(file.read_text("utf-8"))
    pages = [(toc["root"], None)]
    for part in toc.get("parts", [toc]):
        caption = part.get("caption")
        for chapter in part["chapters"]:
            pages.append((chapter["file"], caption))
            caption = None
            pages += [(section["file"], None) for section in chapter.get("sections", [])]
    names = [(page.removesuffix(".ipynb").removesuffix(".md"), caption) for page, caption in pages]
    return [(page, caption) for page, caption in names if page not in ON_SCREEN]


def anchor(page, fragment=""):
    """The identifier, in the one document, of what is ``fragment`` on ``page``; without it, of the page."""
    return "-".join(filter(None, [page.replace("/", "-"), fragment])) if fragment else f"page-{page.replace('/', '-')}"


def article(html):
    """The tree of a page's text, without the frames that wait for a script and the code that is folded away."""
    tree = parse(html).select_one("article.bd-article")
    for figure in tree.select("figure.explore"):
        one_frame(figure)
    for part in tree.select("details.hide.above-input, a.headerlink, p.under-the-title, details.cite-page"):
        part.decompose()
    for details in tree.find_all("details"):
        details["open"] = ""
    return tree


def one_frame(figure):
    """A figure to explore as it begins, or, where that is the first step of something to play, as it ends."""
    frames = [template.extract() for template in figure.find_all("template")]
    start = next(i for i, frame in enumerate(frames) if not frame.find(True))  # it stands in the figure already
    per_step = len(frames) // len(json.loads(figure.select_one("[data-words]")["data-words"]))
    if start >= per_step or not figure.select_one("[data-play]"):
        return
    end = frames[start - per_step]
    picture = end.find(True).extract()
    name = "alt" if picture.name == "img" else "aria-label"
    picture[name] = f"{figure['data-alt']} {end['data-says']}"
    frame = figure.select_one(".explore-frame")
    frame.clear()
    frame.append(picture)
    figure.select_one("output span").string = end["data-says"]


def move(tree, page, pages, assets):
    """Rewrite the identifiers, links and sources of a page for their place in the one document."""

    def link(target):
        target, fragment = urldefrag(target)
        if re.match(r"[a-z]+:", target):
            return f"{target}#{fragment}" if fragment else target
        if not target:
            return f"#{anchor(page, unquote(fragment))}"
        path = normpath(join(dirname(page), unquote(target)))
        if path.removesuffix(".html") in ON_SCREEN:
            return None
        if path.removesuffix(".html") in pages:
            return f"#{anchor(path.removesuffix('.html'), unquote(fragment))}"
        return f"{assets}{path}"

    for tag in tree.find_all(True):
        for name, value in list(tag.attrs.items()):
            if name == "id" or (name == "for" and tag.name in ("label", "output")):
                tag[name] = anchor(page, value)
            elif name in ("href", "src", "xlink:href"):
                tag[name] = link(value)
                if tag[name] is None:  # to a page that is not printed
                    del tag[name]
            elif isinstance(value, str) and "url(#" in value:
                tag[name] = re.sub(r"(url\(#)([^)]+)", lambda m: m[1] + anchor(page, m[2]), value)


def assemble(site, toc, title, author, rights, target):
    """The whole book as the text of one HTML document in ``target``'s folder."""
    assets = os.path.relpath(site, target.parent).replace(os.sep, "/") + "/"
    pages = {page: (site / f"{page}.html").read_text("utf-8") for page, _ in toc}
    head = "\n".join(
        re.sub(r'((?:href|src)=")(?![a-z]+:)', rf"\1{assets}", tag)
        for tag in re.findall(
            r'<link [^>]*rel="stylesheet"[^>]*>|<script>window\.MathJax.*?</script>|<script [^>]*mathjax/.*?</script>',
            pages[toc[0][0]],
        )
    )
    body, contents, heads = [], [], []
    for number, (page, caption) in enumerate(toc):
        tree = article(pages[page])
        if number == 0:  # the cover of the pages; this document has one of its own
            tree.h1.string = "About this book"
        move(tree, page, pages, assets)
        name, plain = tree.h1.decode_contents().strip(), tree.h1.get_text().strip().replace('"', "'")
        heads.append(f'@page p{number} {{ @top-right {{ content: "{plain}"; }} }}')
        body.append(f'<div class="pdf-page" id="{anchor(page)}" style="page: p{number}">{inside(tree)}</div>')
        if caption:
            contents.append(f'<li class="pdf-part">{caption}</li>')
        contents.append(LINE.format(anchor=anchor(page), title=name))
    return PAGE.format(
        title=title,
        head=head,
        style=os.path.relpath(Path(__file__).with_suffix(".css"), target.parent).replace(os.sep, "/"),
        running_heads="\n".join(heads),
        cover=COVER.format(title=title, author=author, rights=rights, picture=f"{assets}_static/edges.png"),
        contents=f'<section class="pdf-contents"><h1>Contents</h1><ul>{"".join(contents)}</ul></section>',
        pages="\n".join(body),
    )


def print_page(program, document, target):
    """Print a document with its outline: once to learn on which page everything lies, and again with the contents."""
    from playwright.sync_api import sync_playwright
    from pypdf import PdfReader

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 643, "height": 972}, color_scheme="light")  # what is on a page
        tab.set_default_timeout(600_000)
        outside, errors = [], []
        tab.route(re.compile("^(?!file:|data:)"), lambda route: (outside.append(route.request.url), route.abort()))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.emulate_media(media="print")
        tab.goto(document.as_uri())
        tab.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => null)")
        wrong = tab.evaluate("[...document.querySelectorAll('merror, mjx-merror')].map(e => e.textContent)")
        missing = tab.evaluate("[...document.images].filter(e => !e.complete || !e.naturalWidth).map(e => e.src)")
        if problems := [*outside, *errors, *wrong, *missing]:
            sys.exit("The book cannot be printed as it is:\n" + "\n".join(problems))
        tab.evaluate(FIT)
        tab.evaluate(SHORT)
        if wide := tab.evaluate(WIDE):
            sys.exit("Wider than the paper:\n" + "\n".join(wide))
        form = {"path": target, "prefer_css_page_size": True, "print_background": True}
        tab.pdf(**form)
        places = dict(destinations(PdfReader(target)))
        tab.evaluate(FILL, places)
        tab.pdf(**form, outline=True, tagged=True)
        browser.close()
    known, used = dict(destinations(PdfReader(target))), set(links(PdfReader(target)))
    if lost := sorted(used - known.keys()):
        sys.exit("Links that lead nowhere in the printed book:\n" + "\n".join(lost))


def destinations(pdf):
    """The names that links lead to, each with the number of its page."""
    for name, place in pdf.named_destinations.items():
        yield name.removeprefix("/"), pdf.get_destination_page_number(place) + 1


def links(pdf):
    """Where the links within the document lead to."""
    for page in pdf.pages:
        for link in page.get("/Annots") or []:
            if target := link.get_object().get("/Dest"):
                yield str(target).removeprefix("/")


FILL = """places => document.querySelectorAll('[data-page]').forEach(e => {
  e.textContent = places[e.dataset.page];
})"""

# A formula or a table that is wider than the paper is drawn smaller, as far as it has to be. (Formulas within a line
# are short, and their boxes measure what one does not see.)
FIT = """() => document.querySelectorAll('div.math > mjx-container, table, .cell_output pre').forEach(e => {
  const room = e.parentElement.clientWidth, wide = e.scrollWidth;
  if (wide > e.clientWidth + 1 || wide > room + 1)
    e.style.fontSize = 100 * Math.min(e.clientWidth, room) / wide * .99 * parseFloat(getComputedStyle(e).fontSize)
      / parseFloat(getComputedStyle(e.parentElement).fontSize) + '%';
})"""

# Only a long cell of code is cut where a page ends.
SHORT = """() => document.querySelectorAll('div.cell_input').forEach(e => {
  if (e.clientHeight < 200) e.style.breakInside = 'avoid';
})"""

WIDE = """() => [...document.querySelectorAll('main *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > 645 && !e.closest('mjx-assistive-mml, svg, .explore-shared');
}).map(e => e.outerHTML.slice(0, 120))"""


def find_browser():
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.exit("Printing needs Chromium or Chrome: `apt-get install chromium`, or CHROMIUM=/path/to/it make pdf.")
    return program


def main():
    program = find_browser()
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    rights = config["sphinx"]["config"]["html_theme_options"]["extra_footer"]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    document = TARGET.with_suffix(".html")
    toc = table_of_contents(ROOT / "_toc.yml")
    document.write_text(assemble(SITE, toc, config["title"], config["author"], rights, TARGET), "utf-8")
    print_page(program, document, TARGET)
    shutil.copyfile(TARGET, SITE / TARGET.name)
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
