"""What pages get at the end of a build: numbers of explorables, a citation, and no script that they do not use."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_ext"))

import page_end  # noqa: E402
from finished_pages import parse  # noqa: E402

import saelib  # noqa: E402

PAGE = """<script src="../_static/live.js?v=1"></script><script src="../_static/train.js"></script>
<article class="bd-article"><h1><span class="section-number">6. </span>The <em>KL</em> penalty<a
class="headerlink">#</a></h1>
<figure class="explore" id="a"><figcaption>One.</figcaption></figure>
<figure class="live" id="b"><figcaption>Two.</figcaption></figure></article>"""


def app(base=""):
    config = SimpleNamespace(
        author="A. Author", html_title="", project="A Book", copyright="2026, them", html_baseurl=base
    )
    return SimpleNamespace(config=config, srcdir=ROOT)


def test_explorables_are_numbered_in_their_order_and_link_to_themselves():
    tree = parse(PAGE)
    page_end.finish(app(), "chapters/kl", tree)
    assert [f.figcaption.get_text() for f in tree.find_all("figure")] == ["Explore 6.1 One.#", "Explore 6.2 Two.#"]
    assert [f.figcaption.a["href"] for f in tree.find_all("figure")] == ["#a", "#b"]


def test_a_page_without_a_number_numbers_nothing():
    tree = parse(PAGE.replace('<span class="section-number">6. </span>', ""))
    page_end.finish(app(), "chapters/kl", tree)
    assert [f.figcaption.get_text() for f in tree.find_all("figure")] == ["One.", "Two."]


@pytest.mark.parametrize(("kind", "left"), [("live", ["live.js"]), ("train", ["train.js"]), ("explore", [])])
def test_scripts_stay_where_they_are_used(kind, left):
    page = PAGE.replace('class="live"', f'class="{kind}"')
    tree = parse(page)
    page_end.drop_scripts(tree)
    assert [script["src"].split("/")[-1].split("?")[0] for script in tree.find_all("script")] == left


def test_a_citation_has_the_title_the_version_and_the_address():
    tree = parse(PAGE)
    page_end.finish(app("https://example.org/book/"), "chapters/kl", tree)
    entry = tree.select_one("details.cite-page pre").get_text()
    assert "@incollection{saelib-kl," in entry and "author = {{A. Author}}" in entry
    assert "title = {The KL penalty}" in entry and "booktitle = {A Book}" in entry and "year = {2026}" in entry
    assert f"note = {{Version {saelib.__version__}}}" in entry
    assert "url = {https://example.org/book/chapters/kl.html}" in entry


def test_the_cover_says_nothing_of_citing():
    tree = parse(PAGE)
    page_end.finish(app(), "index", tree)
    assert tree.select_one("details.cite-page") is None
