"""The small extensions of the book (`_ext`), tried on a book of three pages that is built here."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

EXTENSIONS = str(Path(__file__).parents[1] / "_ext")
PATH = {"PYTHONPATH": os.pathsep.join([EXTENSIONS, *filter(None, [os.environ.get("PYTHONPATH")])])}
sys.path.insert(0, EXTENSIONS)

import light_pages  # noqa: E402
import notebook_links  # noqa: E402
import offline_mathjax  # noqa: E402
import page_policy  # noqa: E402
import under_the_title  # noqa: E402
import unique_ids  # noqa: E402
from finished_pages import parse, written  # noqa: E402

CONFIG = """
project = "A book"
html_theme = "sphinx_book_theme"
extensions = ["myst_nb", "sphinxcontrib.bibtex", "public_address", "under_the_title", "citation_roles", "page_policy",
              "plain_notebooks"]
myst_enable_extensions = ["dollarmath"]
exclude_patterns = ["_build"]
nb_execution_mode = "off"
html_sourcelink_suffix = ""
html_theme_options = {"use_fullscreen_button": False}
bibtex_bibfiles = ["papers.bib"]
"""

INDEX = """# A "book" & more

In $x$ raw.

It has 2 < 3 "parts".

```{toctree}
chapters/zebra
papers
```
"""

PAPERS = """# Papers

```{bibliography}
:all:
```
"""

BIB = """@book{a, author = {A. Author}, title = {One}, publisher = {P}, year = {2001}}
@book{b, author = {B. Author}, title = {Two}, publisher = {P}, year = {2002}}
"""


def notebook(*cells):
    cells = [{"cell_type": kind, "id": str(k), "metadata": {}, "source": text} for k, (kind, text) in enumerate(cells)]
    for cell in cells:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": 1, "outputs": []}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


ZEBRA = notebook(("markdown", "# Zebras\n\n" + "Stripes. " * 419), ("code", "stripes = 1 " + "+ 1 " * 900))


def build(folder, address=""):
    """Build the book, with any warning an error, and return the folder of the pages."""
    site = folder / "_build" / "html"
    command = ["-q", "-W", "--keep-going", "-D", f"public_address={address}", folder, site]
    # In a process of its own: MyST-NB and the plain MyST of other tests register themselves once in a process.
    subprocess.run([sys.executable, "-m", "sphinx", *map(str, command)], env=os.environ | PATH, check=True)
    return site


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the book, not built."""
    folder = tmp_path_factory.mktemp("book")
    files = {
        "conf.py": CONFIG,
        "index.md": INDEX,
        "chapters/zebra.ipynb": ZEBRA,
        "papers.md": PAPERS,
        "papers.bib": BIB,
    }
    (folder / "chapters").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def addressed(book, tmp_path_factory):
    """The pages of the book with an address."""
    return shutil.copytree(build(book, "https://github.com/Owner/Book"), tmp_path_factory.mktemp("site") / "html")


@pytest.fixture(scope="module")
def site(book, addressed):
    """Those without one, built after those with one."""
    return shutil.copytree(build(book), addressed.parent / "plain")


def previews(page):
    return dict(re.findall(r'<meta property="og:([a-z_:]+)" content="([^"]*)">', page.read_text("utf-8")))


def test_words_are_counted_and_displayed_formulas_are_none():
    count = under_the_title.words
    assert count("Two words, and - with a dash - eight.") == 7
    assert count("The sum of $a + b + c + d$, a number.") == 6
    assert count("So\n$$\na + b\n= c\n$$ (eq-sum)\nholds.") == 1 + 1 + 1
    assert count("") == 0


def test_the_time_is_that_of_the_text_and_not_of_the_code(tmp_path):
    path = tmp_path / "a.ipynb"
    for words, minutes in {0: 1, 1: 1, 299: 1, 301: 2, 2000: 10}.items():
        path.write_text(notebook(("markdown", "word " * words), ("code", "word " * 5000)), "utf-8")
        assert under_the_title.minutes(path) == minutes
        assert under_the_title.length(path).endswith(f"{minutes} minute{'s' * (minutes > 1)} for the text")


def test_displayed_formulas_are_counted_beside_the_minutes(tmp_path):
    path = tmp_path / "a.ipynb"
    for count, end in {1: "more for its 1 displayed formula", 3: "more for its 3 displayed formulas"}.items():
        path.write_text(notebook(("markdown", "Let $x$ be.\n\n" + "$$\na\n= b\n$$ (eq-a)\n\n" * count)), "utf-8")
        assert under_the_title.formulas(path) == count
        assert under_the_title.length(path) == f"About 1 minute for the text, {end}"


def test_a_notebook_says_under_its_title_how_long_it_is_and_where_it_is(site):
    (wheel,) = (site / "notebooks").glob("*.whl")
    line = (
        '<p class="under-the-title">About 2 minutes for the text · '
        '<a href="../notebooks/chapters/zebra.ipynb" download>Download this notebook</a> and '
        f'<a href="../notebooks/{wheel.name}" download>its library</a></p>'
    )
    page = (site / "chapters/zebra.html").read_text("utf-8")
    assert re.search(r"</h1>\s*" + re.escape(line), page)
    assert (site / "notebooks/chapters/zebra.ipynb").is_file()
    assert "under-the-title" not in (site / "index.html").read_text("utf-8")  # no notebook


def test_a_bibliography_is_a_list_of_items(site):
    page = (site / "papers.html").read_text("utf-8")
    assert page.count('role="listitem"') == 2
    assert "doc-biblioentry" not in page
    # Each stands directly in the list, with nothing between but other items.
    (papers,) = re.findall(r'<div role="list" class="citation-list">(.*?)</section>', page, flags=re.DOTALL)
    assert re.match(r'\s*<div class="citation" id="\w+" role="listitem">', papers)


def test_without_an_address_nothing_points_outside(site):  # and nothing is left of the build with one
    assert not (site / "sitemap.xml").exists()
    for page in site.rglob("*.html"):
        assert not previews(page)
        assert "twitter:card" not in page.read_text("utf-8")


def test_with_an_address_a_page_says_what_it_is_where_it_is_shared(addressed):
    site = addressed
    base = "https://owner.github.io/Book/"
    cover = previews(site / "index.html")
    assert cover["title"] == "A “book” &amp; more"
    assert cover["description"] == "It has 2 &lt; 3 “parts”."
    assert (cover["type"], cover["site_name"], cover["url"]) == ("website", "A book", base + "index.html")
    assert cover["image"] == base + "_static/edges.png"
    assert (Path(__file__).parents[1] / "_static/edges.png").is_file()
    zebra = previews(site / "chapters/zebra.html")
    assert (zebra["type"], zebra["url"]) == ("article", base + "chapters/zebra.html")
    assert zebra["description"].startswith("Stripes. Stripes.") and len(zebra["description"]) <= 200
    assert not previews(site / "search.html")


def test_with_an_address_there_is_a_map_of_all_pages(addressed):
    site = addressed
    root = ElementTree.parse(site / "sitemap.xml").getroot()
    name = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    assert root.tag == name + "urlset"
    addresses = [url.text for url in root.iter(name + "loc")]
    base = "https://owner.github.io/Book/"
    assert addresses == [base + page for page in ("chapters/zebra.html", "index.html", "papers.html")]
    assert all((site / address.removeprefix(base)).is_file() for address in addresses)


def secured(html):
    tree = parse(html)
    page_policy.secure(None, "page", tree)
    return written(tree)


def test_a_policy_names_the_scripts_that_a_page_was_built_with_and_no_other():
    head = '<head><meta charset="utf-8" /><title>A</title>'
    # The example of the standard (Content Security Policy Level 3, on hashes).
    script, named = "alert('Hello, world.');", "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    page = secured(f'{head}<script src="a.js"></script><script>{script}</script><SCRIPT id="b">{script}</SCRIPT>')
    (policy,) = re.findall(r'<meta charset="utf-8">\s*<meta http-equiv="Content-Security-Policy" content="(.*?)"', page)
    assert policy.startswith("default-src 'none'; script-src 'self' file: " + named + "; ")
    assert policy.count("sha256-") == 1
    assert "sha256" not in secured(f'{head}<script src="a.js"></script>')
    assert secured("<p>no head") == "<p>no head</p>"


def test_a_script_in_an_attribute_is_found_and_words_are_not():
    for tag in (
        '<a onclick="f()">',
        "<a title='x > y' ONCLICK = 'f()'>",
        "<body\nonload=f()>",
        '<a href=" javascript:f()">',
        '<a href="&#106;avascript:f()">',
        "<form action=JavaScript:f()>",
    ):
        assert len(page_policy.handlers(parse(f"<p>{tag}</p>"))) == 1
    for html in (
        '<a href="a.html#on=1" class="on" data-on="1" title="set onclick=1, say">onclick="f()"</a>',
        "<script>s = '<a onclick=\"f()\">'</script>",
        '<p title="the scheme javascript:">href="javascript:"</p>',
    ):
        assert page_policy.handlers(parse(html)) == []


def test_every_page_has_its_policy_and_none_has_a_script_in_an_attribute(site):
    pages = [page.read_text("utf-8") for page in site.rglob("*.html")]
    pages = [page for page in pages if "<head>" in page]
    assert len(pages) >= 5
    for page in pages:
        assert page.count("Content-Security-Policy") == 1
        assert page_policy.handlers(parse(page)) == []


def test_a_page_with_a_script_in_an_attribute_is_not_built(book, site, tmp_path):
    folder = shutil.copytree(book, tmp_path / "book")
    (folder / "papers.md").write_text("# Papers\n\n<a onclick='f()'>One</a>\n\n" + PAPERS, "utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        build(folder)


def light_site(folder):
    """A page with two pictures, a frame of a figure, and a line of code; what `light_pages` asks of Sphinx's app."""
    slope = np.full((200, 300, 4), 255, np.uint8)  # grain of all gray levels, and a blue curve
    slope[..., :3] = np.random.default_rng(0).integers(0, 256, (200, 300, 1), dtype=np.uint8)
    slope[90:95, ::2, :3] = 0, 114, 178
    holes = slope.copy()
    holes[:100, :, 3] = 0
    for name, pixels in {"slope": slope, "holes": holes}.items():
        (folder / "_images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "_images" / f"{name}.png")
    content = io.BytesIO()
    Image.fromarray(slope[:50, :, :3]).save(content, format="png")
    frame = base64.b64encode(content.getvalue()).decode()
    (folder / "_static").mkdir()
    (folder / "_static" / "pygments.css").write_text(
        "".join(
            f"""html[data-theme="{theme}"] .highlight {{ background: {paper}; color: {ink} }}
html[data-theme="{theme}"] .highlight .n {{ color: {ink} }}
html[data-theme="{theme}"] .highlight .kn {{ color: {ink if theme == "light" else "#FF7B72"} }}
html[data-theme="{theme}"] .highlight .nb {{ color: {ink}; font-weight: bold }}
html[data-theme="{theme}"] .highlight .w {{ color: #6E7681 }}
"""
            for theme, paper, ink in (("light", "#fefefe", "#080808"), ("dark", "#0d1117", "#E6EDF3"))
        )
    )
    (folder / "page.html").write_text(
        f'<img src="data:image/png;base64,{frame}"><a href="_images/slope.png"><img src="_images/holes.png"></a>'
        '<img src="_static/slope.png"><img src="_images/missing.png"><div class="highlight"><pre>'
        '<span class="kn">from</span><span class="w"> </span><span class="n">a</span><span class="nb">len</span>'
    )
    app = SimpleNamespace(outdir=folder, doctreedir=folder / "store", builder=SimpleNamespace(name="html"))
    return app, slope, holes, slope[:50, :, :3]


def lightened(app):
    """What becomes of the page of a `light_site`."""
    light_pages.prepare(app, None)
    tree = parse((app.outdir / "page.html").read_text())
    light_pages.lighten(app, "page", tree)
    return written(tree)


def pixels_of(picture):
    return np.asarray(Image.open(picture).convert("RGBA"), dtype=float)


def test_pictures_become_webp_with_a_palette_and_look_the_same(tmp_path):
    app, slope, holes, _ = light_site(tmp_path)
    before = {file.stem: file.stat().st_size for file in (tmp_path / "_images").iterdir()}
    light_pages.prepare(app, None)
    after = {file.stem: file for file in (tmp_path / "_images").iterdir()}
    assert {file.suffix for file in after.values()} == {".webp"} and len(after) == 2
    assert np.sqrt(np.mean((pixels_of(after["slope"]) - slope) ** 2)) < 1
    visible = holes[..., 3] > 0
    np.testing.assert_array_equal(pixels_of(after["holes"])[visible], holes[visible])
    assert (pixels_of(after["holes"])[..., 3] == holes[..., 3]).all()
    assert all(after[name].stat().st_size < before[name] for name in before)
    once = after["slope"].read_bytes()
    light_pages.prepare(app, None)
    assert after["slope"].read_bytes() == once


def test_pages_point_to_the_light_pictures_and_keep_only_the_marks_that_have_a_color(tmp_path):
    app, _, _, frame = light_site(tmp_path)
    html = lightened(app)
    kind, code = re.search(r'src="data:image/(\w+);base64,([^"]+)"', html).groups()
    assert kind == "webp"
    np.testing.assert_array_equal(pixels_of(io.BytesIO(base64.b64decode(code)))[..., :3], frame)
    assert re.findall(r'(?:href|src)="(_[^"]+)"', html) == [
        "_images/slope.webp", "_images/holes.webp", "_static/slope.png", "_images/missing.png",
    ]  # fmt: skip
    assert html.endswith('<pre><span class="kn">from</span> a<span class="nb">len</span></pre></div>')
    (tmp_path / "page.html").write_text(html)
    assert lightened(app) == html


def test_links_in_outputs_lead_to_pages_and_labels_become_the_numbers_of_equations():
    env = SimpleNamespace(
        get_domain={"math": SimpleNamespace(equations={"eq-grad-W2": ("chapters/b", 1)})}.get,
        toc_fignumbers={"chapters/b": {"displaymath": {"equation-eq-grad-w2": (3, 14)}}},
    )
    builder = SimpleNamespace(
        get_relative_uri=lambda page, other: {("chapters/a", "chapters/b"): "b.html"}[page, other]
    )
    tree = parse(
        '<article>Read <a href="b.ipynb#What,-and-where?">What, and where?</a> (eq-grad-W2), (eq-grad-W2).</article>'
    )
    notebook_links.rewrite(SimpleNamespace(env=env, builder=builder), "chapters/a", tree)
    assert written(tree) == (
        '<article>Read <a href="b.html#what-and-where">What, and where?</a> '
        '(<a href="b.html#equation-eq-grad-w2">3.14</a>), (eq-grad-W2).</article>'
    )


def test_marks_stay_with_the_formula_between_them():
    tree = parse(
        """<article>so <span class="math notranslate nohighlight">\\(x_1\\)</span>, and
<span class="math">\\(y\\)</span>
(or <span class="math">\\(z &lt; 1\\)</span>) (“<span class="math">\\(a\\)</span> or
[<span class="math">\\(0\\)</span>, <span class="math">\\(1\\)</span>]”).
And <div class="math">\\[J\\]</div>.</article>"""
    )
    text = tree.get_text()
    offline_mathjax.hold_marks(None, "a", tree)
    assert re.findall(r'formula-and-mark">(.*?</span>.*?)</span>', written(tree)) == [
        '<span class="math notranslate nohighlight">\\(x_1\\)</span>,', '<span class="math">\\(z &lt; 1\\)</span>)',
        '(“<span class="math">\\(a\\)</span>', '[<span class="math">\\(0\\)</span>,',
        '<span class="math">\\(1\\)</span>]”).',
    ]  # fmt: skip
    assert tree.get_text() == text


def test_a_page_is_written_as_it_was_read_and_an_identifier_of_many_boxes_goes():
    page = (
        '<p class="a  b" hidden>1 &lt; 2 &amp; é<br><img alt src="a.png"></p><!-- so -->'
        '<script>if (a < b && c) f("</p>")</script>'
        '<template><svg viewBox="0 0 1 1"><path d="M0 0"></path></svg></template>'
    )
    assert written(parse(page)) == page.replace("viewBox", "viewbox")  # which a browser reads alike
    tree = parse(
        '<section id="proof-content"><div class="x" id="proof"></div><p id="proof"></p><div id="own"></div></section>'
    )
    unique_ids.take_away(None, "a", tree)
    assert written(tree) == '<section><div class="x"></div><p id="proof"></p><div id="own"></div></section>'
