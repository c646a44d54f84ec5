"""The book as one PDF (`make pdf`): its links lead somewhere, and some of its pages, printed, hold what they should."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "_ext")]

import make_pdf  # noqa: E402
from finished_pages import parse, written  # noqa: E402

TOC = make_pdf.table_of_contents(ROOT / "_toc.yml")


def test_the_order_and_the_parts_are_those_of_the_table_of_contents(tmp_path):
    file = tmp_path / "_toc.yml"
    file.write_text(
        "root: index\nparts:\n- caption: One\n  chapters:\n  - file: a\n    sections:\n    - file: b.md\n"
        "  - file: c/d.ipynb\n- caption: Two\n  chapters:\n  - file: e\n",
        "utf-8",
    )
    order = [("index", None), ("a", "One"), ("b", None), ("c/d", None), ("e", "Two")]
    assert make_pdf.table_of_contents(file) == order


def test_identifiers_and_links_move_with_their_page():
    pages = {"chapters/a": "", "chapters/b": "", "index": ""}
    moves = {
        '<p id="x">id="x"</p>': '<p id="chapters-a-x">id="x"</p>',
        "<p id='x'></p>": '<p id="chapters-a-x"></p>',
        '<a class="c" href="#x"></a>': '<a class="c" href="#chapters-a-x"></a>',
        '<a href="b.html#y"></a>': '<a href="#chapters-b-y"></a>',
        '<a href="b.html"></a>': '<a href="#page-chapters-b"></a>',
        '<a href="../index.html#y"></a>': '<a href="#index-y"></a>',
        '<img src="../_images/i.png">': '<img src="up/_images/i.png">',
        '<a href="https://x.org/b.html#y"></a>': '<a href="https://x.org/b.html#y"></a>',
        '<g clip-path="url(#p)"></g>': '<g clip-path="url(#chapters-a-p)"></g>',
        '<g style="clip-path: url(#p); fill: none"></g>': '<g style="clip-path: url(#chapters-a-p); fill: none"></g>',
        '<use xlink:href="#g"></use>': '<use xlink:href="#chapters-a-g"></use>',
        '<label for="x"></label>': '<label for="chapters-a-x"></label>',
    }
    for before, after in moves.items():
        tree = parse(before)
        make_pdf.move(tree, "chapters/a", pages, "up/")
        assert written(tree) == after


def explorable(start, play=0):
    """The HTML of a figure with two settings, of three and of two values, as saelib makes it."""
    from saelib.book import explore

    def draw(ax, step, way):
        ax.plot([0, step], [0, way])
        return f"Step {step}, way {way}."

    return explore.figure(
        draw,
        caption="Some steps of a way.",
        alt='A line "upward" to the right.',
        figsize=(2, 2),
        step=explore.slider("step", [1, 2, 3], start=start, play=play),
        way=explore.choice("way", {"a": 5, "b": 7}, start="b"),
    )


def test_a_figure_that_plays_from_the_start_shows_its_end():
    end = explorable(1, play=0.5)
    tree = parse(end._repr_mimebundle_()["text/html"])
    make_pdf.one_frame(tree.figure)
    says = tree.output.get_text()
    assert says == "Step 3, way 7."
    picture = tree.select_one(".explore-frame > svg")
    assert picture.attrs.pop("aria-label") == f'A line "upward" to the right. {says}'
    assert written(picture) == written(parse(end.pictures[5]).svg)
    assert not tree.find("template") and "Step 1" not in written(tree)


@pytest.mark.parametrize("figure", [explorable(1), explorable(2, play=0.5)])
def test_any_other_figure_shows_how_it_begins(figure):
    html = figure._repr_mimebundle_()["text/html"]
    tree = parse(html)
    make_pdf.one_frame(tree.figure)
    assert written(tree.figure).split() == written(parse(html[: html.index("<template")] + "</figure>")).split()


def test_folded_code_is_left_out_and_answers_are_open():
    page = """<article class="bd-article"><h1>A</h1><details class="admonition hide above-input"><summary>Show</summary>
<pre>draw()</pre></details><pre>kept()</pre><details class="sd-dropdown"><p>Answer</p></details></article>"""
    text = written(make_pdf.article(page))
    assert "draw()" not in text and "kept()" in text
    assert '<details class="sd-dropdown" open>' in text


# --- with the built book ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    if not (make_pdf.SITE / "index.html").exists():
        pytest.exit("No built book found: `make book` first.", 1)
    return tmp_path_factory.mktemp("pdf") / "book.pdf"


@pytest.mark.site
def test_every_link_leads_somewhere_and_no_identifier_is_there_twice(target):
    html = make_pdf.assemble(make_pdf.SITE, TOC, "Title", "Author", "Rights", target)
    tree = parse(html)
    ids = [tag["id"] for tag in tree.find_all(id=True)]
    assert len(ids) == len(set(ids)) > 100
    links = {tag["href"][1:] for tag in tree.find_all(href=re.compile("^#"))}
    assert len(links) > 100
    assert links <= set(ids)
    for path in set(re.findall(r'(?:src|href)="(?![a-z]+:|#)([^"?]+)', html)):
        assert (target.parent / path).is_file()
    # Titles and numbers are those of the pages.
    articles = [make_pdf.article((make_pdf.SITE / f"{page}.html").read_text("utf-8")) for page, _ in TOC]
    printed = tree.select(".pdf-page")
    assert [page.h1.get_text() for page in printed[1:]] == [page.h1.get_text() for page in articles[1:]]
    for kind in (".eqno", ".caption-number", ".section-number"):
        numbers = [[tag.get_text() for page in pages for tag in page.select(kind)] for pages in (printed, articles)]
        assert numbers[0] == numbers[1]
        assert len(numbers[0]) > 10


@pytest.mark.site
def test_a_part_of_the_book_printed(target):
    """The chapter with proofs, solutions and a figure to explore, and two pages that it links to."""
    from pypdf import PdfReader

    pages = [("index", None), ("chapters/kl-divergence", "A part"), ("appendices/bibliography", None)]
    html = make_pdf.assemble(make_pdf.SITE, pages, "A title", "An author", "Some rights", target)
    # What leads to the rest of the book leads, here, to its contents.
    ids = set(re.findall(r'\sid="([^"]+)"', html))
    html = html.replace('<section class="pdf-contents">', '<section class="pdf-contents" id="contents">')
    html = re.sub(r'href="#([^"]*)"', lambda m: m[0] if m[1] in ids else 'href="#contents"', html)
    target.with_suffix(".html").write_text(html, "utf-8")
    make_pdf.print_page(make_pdf.find_browser(), target.with_suffix(".html"), target)
    pdf = PdfReader(target)
    assert 10 < len(pdf.pages) < 60
    texts = [page.extract_text() for page in pdf.pages]
    places = dict(make_pdf.destinations(pdf))
    for page, title in {"chapters/kl-divergence": "The KL penalty", "appendices/bibliography": "Bibliography"}.items():
        number = places[make_pdf.anchor(page)]
        assert title in texts[number - 1]
        assert str(number) in re.findall(r"\d+", texts[1])  # as the contents say
        assert texts[number - 1].rstrip().endswith(str(number)) or str(number) in texts[number - 1]
    links = list(make_pdf.links(pdf))
    assert len(links) > 20 and set(links) <= places.keys()
    outline = [item.title for item in pdf.outline if not isinstance(item, list)]
    assert re.fullmatch(r"\d+\.\s+The KL penalty", outline[-2].strip()) and outline[-1].strip() == "Bibliography"
    whole = " ".join(texts)
    assert "Solution to" in whole and "The divergence is 0.193" in whole
    assert "\\frac" not in whole and "Copy" not in whole
