"""The slides of a chapter (`make slides`): what is on them, and, for some chapters, that nothing hangs out of one."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "_ext")]

import copies  # noqa: E402
import make_pdf  # noqa: E402
import make_slides  # noqa: E402
from finished_pages import parse  # noqa: E402

CHAPTERS = ("kl-divergence", "pca", "backpropagation")  # figures of each kind, theorems, and the largest figure

PAGE = """<html><head><title>1. Coins</title><script>window.MathJax = {}</script>
<link rel="stylesheet" href="../_static/book.css"><link rel="next" href="b.html">
<script src="../_static/scripts/theme.js"></script><script src="../_static/live.js?v=1"></script></head>
<body><nav>elsewhere</nav><article class="bd-article"><svg class="explore-shared"><defs>letters</defs></svg>
<section id="coins"><span id="q-coins"></span><h1>1. Coins<a class="headerlink" href="#coins">#</a></h1>
<p class="under-the-title">About 3 minutes.</p><p>Opening.</p>
<p><strong>What you will learn</strong></p><ul><li>to toss <a href="#equation-one">(1.1)</a></li></ul>
<section id="toss"><h2>1.1. Toss</h2><p>Before.</p>
<div class="marked-equation"><div class="math" id="equation-one"><span class="eqno">(1.1)</span>x</div>
<a class="equation-mark" href="checks.html">checked</a></div>
<div class="cell"><div class="cell_input">code</div><div class="cell_output"><pre>printed</pre>
<figure id="fig"><img src="../_images/a.webp" alt="A coin"><figcaption>Figure 1.1</figcaption></figure></div></div>
<div class="proof theorem" id="thm"><p>Theorem 1.1</p><section>See <a href="b.html">b</a>.</section></div>
<div class="proof"><p>Proof.</p><div class="math">y</div></div>
<section id="more"><h3>1.1.1. More</h3><p>First.</p><p>Second.</p><p><a href="https://example.org/">Third</a>.</p></section></section>
<section id="exercises"><h2>1.2. Exercises</h2><div class="exercise admonition" id="ex"><section>Do it.</section></div>
<div class="solution admonition"><p>Done.</p><div class="math">z</div></div></section>
</section><div class="prev-next-area">next</div></article></body></html>"""


def test_what_is_seen_is_on_the_slides_and_what_is_said_in_the_notes():
    tree = parse(make_slides.deck(PAGE))
    slides = tree.select(".slides > section")
    notes = [note.get_text(" ", strip=True) for note in (slide.aside.extract() for slide in slides)]
    shown = [slide.get_text(" ", strip=True) for slide in slides]
    assert [slide.get("id") for slide in slides] == ["coins", "toss", "more", "exercises"]
    assert shown == [
        "1. Coins What you will learn to toss (1.1)",
        "1.1. Toss (1.1) x Figure 1.1 Theorem 1.1 See b. y",
        "1.1.1. More First.",
        "1.2. Exercises Do it.",
    ]
    assert notes == ["Opening.", "Before. Proof.", "Second. Third .", ""]
    assert tree.select("section section") == []
    assert [link["href"] for link in parse(make_slides.deck(PAGE)).select("a")] == [
        "#equation-one",
        "https://example.org/",
    ]
    assert tree.select_one("svg.explore-shared").text == "letters"


def test_a_page_of_slides_asks_for_what_lies_beside_it_and_for_no_more_than_it_needs():
    tree = parse(make_slides.deck(PAGE))
    tags = tree.select("link, script[src], img")
    wanted = [tag.get("href") or tag["src"] for tag in tags]
    assert wanted == [
        "_static/book.css",
        "_static/live.js?v=1",
        "reveal/reveal.css",
        "reveal/make_slides.css",
        "reveal/reveal.js",
        "reveal/notes.js",
        "reveal/make_slides.js",
        "_images/a.webp",
    ]
    assert "window.MathJax" in tree.find("script", src=False).string


# --- in a browser -----------------------------------------------------------------------------------------------

# What is on each slide, its height, and what of it lies outside of the window.
LOOK = """() => Reveal.getSlides().map((slide, k) => {
  Reveal.slide(k);
  const outside = [...slide.querySelectorAll("*")].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width && box.height && (box.left < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1) &&
      !e.closest("mjx-assistive-mml, svg, input, .explore-heard");
  });
  const size = Math.min(1, ...[...slide.children].map((e) => e.style.zoom || 1));
  return [slide.offsetHeight, outside.map((e) => e.outerHTML.slice(0, 80)), size];
})"""
HEADINGS = "Reveal.getSlides().map((slide) => [slide.firstElementChild.textContent, slide.children.length])"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The slides of some chapters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_slides, "TARGET", tmp_path_factory.mktemp("build") / "slides")
        make_slides.make(CHAPTERS)
        yield make_slides.TARGET


@pytest.fixture
def open_page():
    """A function that opens a page from the disk, without a network, in a window of some size."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=make_pdf.find_browser(), args=["--no-sandbox"])

        def opened(file, width=1280, height=720):
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.wrong = []
            local = ("file:", "data:", "blob:")
            tab.route("**/*", lambda r: r.continue_() if r.request.url.startswith(local) else tab.wrong.append(r))
            tab.on("pageerror", lambda error: tab.wrong.append(str(error)))
            tab.on("console", lambda line: tab.wrong.append(line.text) if line.type == "error" else None)
            tab.goto(file.as_uri())
            tab.locator(".reveal.ready").wait_for()
            return tab

        yield opened
        browser.close()


@pytest.mark.site
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_nothing_hangs_out_of_a_slide(folder, open_page, chapter):
    tab = open_page(folder / f"{chapter}.html")
    slides = tab.evaluate(LOOK)
    assert len(slides) > 20 and max(height for height, *_ in slides) <= 720
    assert [outside for _, outside, _ in slides if outside] == []
    assert min(size for *_, size in slides) >= 0.5  # it fits because it is small, but one can read it
    # The notes show the slides in small frames, and count on the same ones there.
    assert open_page(folder / f"{chapter}.html", 500, 300).evaluate(HEADINGS) == tab.evaluate(HEADINGS)
    assert tab.locator("merror, mjx-merror").count() == 0
    assert tab.wrong == []


@pytest.mark.site
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_slides_have_the_equations_and_figures_of_the_chapter_with_their_numbers(folder, chapter):
    page = parse((copies.SITE / "chapters" / f"{chapter}.html").read_text("utf-8")).select_one("article.bd-article")
    deck = parse((folder / f"{chapter}.html").read_text("utf-8"))
    for aside in page.select(".solution, details") + deck.select("aside"):
        aside.decompose()
    for what in (".eqno", "figcaption .caption-number", "figure.live", "figure.explore", ".exercise .admonition-title"):
        seen, wanted = ([e.text for e in tree.select(what)] for tree in (deck, page))
        assert seen == [text.replace("#", "") for text in wanted]  # without the marks of the links
    assert len(deck.select(".eqno")) > 5 and not deck.select(".cell_input, .solution, aside")


@pytest.mark.site
def test_the_notes_open_beside_the_slides_with_their_formulas(folder, open_page):
    tab = open_page(folder / "kl-divergence.html")
    tab.evaluate("document.querySelector('#recap a[href=\"#equation-eq-kl\"]').click()")
    with tab.expect_popup() as popup:
        tab.keyboard.press("s")
    popup.value.locator(".speaker-controls-notes math").first.wait_for()
    assert tab.evaluate("Reveal.getCurrentSlide().id") == "two-coins"
    assert "Think of the unit as a coin" in popup.value.locator(".speaker-controls-notes").inner_text()
    assert tab.wrong == []
