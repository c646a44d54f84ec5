"""The notebooks in plain Markdown that are written beside the pages, and their copies for the lab and to hand out.

A small book holds each kind of thing that has to become Markdown; those marked `site` read the built book.
"""

import builtins
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient

from tests.test_notebooks import loaded_and_stored

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "_ext"), str(ROOT / "tools")]

import copies  # noqa: E402
import make_pdf  # noqa: E402
import plain_notebooks  # noqa: E402

CONFIG = """
project = "A book"
extensions = ["myst_nb", "sphinx_exercise", "sphinx_proof", "sphinx_design", "sphinxcontrib.bibtex", "plain_notebooks"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
exclude_patterns = ["_build"]
nb_execution_mode = "off"
numfig = math_numfig = True
numfig_secnum_depth = 1
bibtex_bibfiles = ["papers.bib"]
bibtex_reference_style = "author_year"
math_eqref_format = "({number})"
"""
INDEX = "# Book\n\n```{toctree}\n:numbered:\n\nchapters/first\nchapters/second\nbibliography\n```\n"
BIBLIOGRAPHY = "# Bibliography\n\n```{bibliography}\n```\n"
BIB = "@book{a, author = {A. Author}, title = {One & all}, publisher = {P}, year = {2001}}\n"

OPENING = """(first)=
# First *things*

$a_1$ and `a_1` and 2 * 3 and snake_case, _under_, a < b, 5 ~ 6, [brackets] {cite}`a`:

$$
a
= b
$$ (eq-one)

1. one
2. two
   more, $x$

   - inner

## Where is it?

- {eq}`eq-one`, {numref}`fig-line`, {ref}`ex-try`, {ref}`second`, {eq}`eq-two`, {prf:ref}`thm`
- [out](https://example.org/a_b)

term
: Its definition.

| a | b |
|---|---|
| $x$ | `c` |"""
CLOSING = """:::{prf:theorem} Small
:label: thm

It holds:

$$
a \\\\
= a
$$
:::

:::{prf:proof}
One line.
:::

:::{dropdown} Answer
Yes, {eq}`eq-one`.
:::

:::{admonition} Note well
Mind it.
:::

## Exercises

:::{exercise} Try it
:label: ex-try

Do.
:::"""
START = ":::{solution-start} ex-try\n:class: dropdown\n:::"
FIGURE = {"mystnb": {"figure": {"caption": "A *line*.", "name": "fig-line"}, "image": {"alt": "A line"}}}
EXPLORE = '<figure class="explore" id="e"><svg/><figcaption>One &amp; two.</figcaption></figure>'
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def cell(kind, source, metadata=None, *outputs):
    more = {"execution_count": 1, "outputs": list(outputs)} if kind == "code" else {}
    lines = source.splitlines(keepends=True)
    return {
        "cell_type": kind,
        "id": f"c{abs(hash(source)) % 10**9}",
        "metadata": metadata or {},
        "source": lines,
    } | more


def shown(**data):
    return {"output_type": "display_data", "metadata": {}, "data": {k.replace("_", "/"): v for k, v in data.items()}}


def notebook(*cells):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": list(cells), "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


FIRST = notebook(
    cell("markdown", OPENING),
    cell("code", "import sympy, numpy, saelib\nx = 1"),
    cell("code", "plot()", FIGURE | {"tags": ["hide-input"]}, shown(image_png=PNG, text_plain="<Figure>")),
    cell("code", "explore()", {}, shown(image_png=PNG, text_html=EXPLORE, text_plain="f")),
    cell("code", "tutor()", {}, shown(text_html="<p>See <b>x</b> (eq-two).</p>", text_plain="x (eq-two)")),
    cell("markdown", CLOSING),
    cell("code", "def my(x):\n    pass"),
    cell("markdown", f"{START}\n\nFirst words."),
    cell("code", "def my(x):\n    return x"),
    cell("markdown", "Last words.\n\n:::{solution-end}\n:::\n\n## Recap\n\nAll."),
)
SECOND = notebook(cell("markdown", "(second)=\n# Second\n\n$$c = d$$ (eq-two)\n\nSee {ref}`first`."))
# The same in plain Markdown: the cells' kinds and texts.
PLAIN = [
    (
        "markdown",
        r"""# 1. First *things*

$a_1$ and `a_1` and 2 \* 3 and snake_case, *under*, a &lt; b, 5 \~ 6, [brackets] [[Author, 2001](#Works-cited)]:

$$
a
= b \tag{1.1}
$$

1. one

2. two
   more, $x$

   - inner""",
    ),
    ("code", "the library"),
    ("code", "import sympy, numpy, saelib\nx = 1"),
    ("code", "plot()"),
    ("markdown", "**Figure 1.1.** A *line*."),
    ("code", "explore()"),
    ("markdown", "**Explore 1.1.** One & two. (Run the cell above: then it can be moved.)"),
    ("code", "tutor()"),
    (
        "markdown",
        r"""> **Theorem 1.1** (Small)
>
> It holds:
>
> $$a \\ = a$$

> *Proof.* One line.

<details>
<summary>Answer</summary>

Yes, [(1.1)](#1.-First-things).

</details>

> **Note well**
>
> Mind it.""",
    ),
    ("markdown", "## Exercises"),
    ("markdown", "### Exercise 1.1 (Try it)\n\nDo."),
    ("code", "def my(x):\n    pass"),
    (
        "markdown",
        "<details>\n<summary>Solution to Exercise 1.1 (Try it); its code is folded below</summary>\n\n"
        "First words.\n\n</details>",
    ),
    ("code", "def my(x):\n    return x"),
    (
        "markdown",
        "<details>\n<summary>Solution to Exercise 1.1 (Try it), continued</summary>\n\nLast words.\n\n</details>",
    ),
    ("markdown", "## Recap\n\nAll.\n\n**Next:** [2. Second](second.ipynb)"),
    ("markdown", "## Works cited\n\n- A. Author. One & all. P, 2001."),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The small book's folder of pages."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "chapters").mkdir()
    files = {"conf.py": CONFIG, "index.md": INDEX, "bibliography.md": BIBLIOGRAPHY, "papers.bib": BIB}
    files |= {"chapters/first.ipynb": json.dumps(FIRST), "chapters/second.ipynb": json.dumps(SECOND)}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    # In a process of its own: MyST-NB and the plain MyST of other tests register themselves once in a process.
    paths = os.pathsep.join([str(ROOT / "_ext"), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(folder), str(folder / "html")]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, check=True)
    return folder / "html"


def read(file):
    return json.loads(file.read_text("utf-8"))


def text(cell):
    return "".join(cell["source"])


@pytest.fixture(scope="module")
def plain(built):
    return read(built / "notebooks" / "chapters" / "first.ipynb")


def library(cell):
    return "library" in cell["metadata"].get("tags", ())


def test_all_becomes_plain_markdown(plain):
    nbformat.validate(nbformat.from_dict(plain))
    found = [(c["cell_type"], "the library" if library(c) else text(c)) for c in plain["cells"]]
    where = next(k for k, (_, words) in enumerate(found) if words.startswith("## Where"))
    assert found.pop(where) == (
        "markdown",
        r"""## Where is it?

- [(1.1)](#1.-First-things), [Fig. 1.1](#Where-is-it%3F), [Exercise 1.1](#Exercise-1.1-%28Try-it%29), """
        r"""[Second](second.ipynb), [(2.1)](second.ipynb), [Theorem 1.1](#Where-is-it%3F)
- [out](https://example.org/a_b)

- **term**: Its definition.

| a | b |
| --- | --- |
| $x$ | `c` |""",
    )
    assert found == PLAIN


def test_the_code_of_solutions_and_of_figures_is_folded(plain):
    folded = {text(c): c["metadata"] for c in plain["cells"] if "jupyter" in c["metadata"]}
    hidden = {"source_hidden": True}
    assert folded == {
        "plot()": {"jupyter": hidden},
        "def my(x):\n    return x": {"jupyter": hidden | {"outputs_hidden": True}, "tags": ["solution"]},
    }


def test_outputs_are_those_that_need_no_script_and_name_equations_by_number(plain):
    outputs = {text(c): c["outputs"][0]["data"] for c in plain["cells"] if c.get("outputs")}
    assert outputs["explore()"].keys() == {"image/png", "text/plain"}
    assert text({"source": outputs["tutor()"]["text/html"]}) == "<p>See <b>x</b> (2.1).</p>"


def run(source, folder, monkeypatch):
    """Run the cell that sees to the library, and return what it asked pip for."""
    asked = []
    code = re.sub(r"%pip (.*)", r"asked.append(f'\1')", source)
    monkeypatch.chdir(folder)
    exec(code, {"asked": asked})
    return asked


def test_the_first_cell_installs_the_library_only_where_there_is_none(plain, tmp_path, monkeypatch):
    (source,) = (text(c) for c in plain["cells"] if library(c))
    assert max(map(len, source.splitlines())) <= 79
    (tmp_path / "chapters").mkdir()
    assert run(source, tmp_path, monkeypatch) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=plain_notebooks.wheel_name()):
        run(source, tmp_path / "chapters", monkeypatch)
    (tmp_path / "saelib-7.whl").touch()
    for folder, wheel in ((tmp_path, "saelib-7.whl"), (tmp_path / "chapters", "../saelib-7.whl")):
        assert run(source, folder, monkeypatch) == [f'install -q "{wheel}" ipywidgets sympy']


def test_with_a_public_address_the_library_comes_from_there(tmp_path, monkeypatch):
    bare = notebook(cell("markdown", "# T"), cell("code", "x = 1"))
    source = text(plain_notebooks.see_to_the_library(bare, "s.whl", "https://o.example/book/")["cells"][1])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(source, tmp_path, monkeypatch) == ['install -q "https://o.example/book/notebooks/s.whl" ipywidgets']


def test_the_wheel_beside_the_notebooks_is_the_library(built):
    wheel = built / "notebooks" / plain_notebooks.wheel_name()
    with zipfile.ZipFile(wheel) as archive:
        for file in (ROOT / "saelib").rglob("*.py"):
            assert archive.read(file.relative_to(ROOT).as_posix()) == file.read_bytes()


@pytest.mark.parametrize(
    "words", ["a*b", "_a_", "1. a", "# a", "- a", "a `b`", "$5", "<b>", "a|b", "&amp;", "[a](b)", "\\"]
)
def test_what_looks_like_markdown_is_shown_as_it_is(words):
    from markdown_it import MarkdownIt

    html = MarkdownIt("js-default").render(plain_notebooks.escape(words))
    assert BeautifulSoup(html, "html.parser").get_text().strip() == words
    assert set(re.findall(r"<(\w+)", html)) == {"p"}


# --- copies -----------------------------------------------------------------------------------------------------


def save(folder, name, words, outputs=()):
    (folder / name).write_text(json.dumps(notebook(cell("code", words, {}, *outputs))), "utf-8")


def test_what_the_reader_has_changed_stays(tmp_path):
    book, lab = tmp_path / "book", tmp_path / "lab"
    book.mkdir(), lab.mkdir()
    names = ["mine", "untouched", "gone", "new"]
    for name in names[:3]:
        save(book, name, "old")
    assert copies.lay_out(book, lab, names[:3]) == []
    save(lab, "mine", "mine")
    (lab / "gone").unlink()
    for name in names:
        save(book, name, "newer")
    for _ in range(2):
        assert copies.lay_out(book, lab, names) == ["mine"]
        assert [text(read(lab / name)["cells"][0]) for name in names] == ["mine", "newer", "newer", "newer"]
    save(lab, "new", "new, and mine")
    assert copies.lay_out(book, lab, names) == ["mine", "new"]


def test_what_was_only_run_keeps_its_outputs_until_the_book_has_something_new(tmp_path):
    book, lab = tmp_path / "book", tmp_path / "lab"
    book.mkdir(), lab.mkdir()
    save(book, "a", "x")
    copies.lay_out(book, lab, ["a"])
    save(lab, "a", "x", [shown(text_plain="1")])
    assert copies.lay_out(book, lab, ["a"]) == [] and read(lab / "a")["cells"][0]["outputs"]
    save(book, "a", "y")
    assert copies.lay_out(book, lab, ["a"]) == [] and text(read(lab / "a")["cells"][0]) == "y"


def test_jupyterlab_does_not_ask_for_news_and_keeps_what_was_answered(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path))
    copies.no_news()
    (file,) = (file for file in tmp_path.rglob("*") if file.is_file())
    assert read(file) == {"fetchNews": "false"}
    file.write_text('{"fetchNews": "true"}')
    copies.no_news()
    assert read(file) == {"fetchNews": "true"}


def test_a_handout_has_room_for_an_answer_where_the_solution_was(plain):
    out = copies.without_solutions(plain, "chapters/first", ["chapters/first"])
    nbformat.validate(nbformat.from_dict(out))
    kinds = [(c["cell_type"], text(c)) for c in out["cells"]]
    after = kinds.index(("markdown", "### Exercise 1.1 (Try it)\n\nDo."))
    assert kinds[after + 1 :] == [
        ("code", "def my(x):\n    pass"),
        ("markdown", "*Your answer:*"),
        ("markdown", "## Recap\n\nAll."),
        ("markdown", "## Works cited\n\n- A. Author. One & all. P, 2001."),
    ]
    links = "".join(text(c) for c in out["cells"] if c["cell_type"] == "markdown")
    assert "second.ipynb" not in links and ", Second, (2.1), [Theorem 1.1](#Where" in links
    both = copies.without_solutions(plain, "chapters/first", ["chapters/first", "chapters/second"])
    assert "[Second](second.ipynb), [(2.1)](second.ipynb)" in "".join(map(text, both["cells"]))


def test_an_exercise_without_code_gets_a_cell_for_it():
    tag = {"tags": ["exercise"]}, {"tags": ["solution"]}
    book = notebook(cell("markdown", "### E", tag[0]), cell("markdown", "s", tag[1]), cell("code", "1", tag[1]))
    kinds = [(c["cell_type"], text(c)) for c in copies.without_solutions(book, "a", ["a"])["cells"]]
    assert kinds == [("markdown", "### E"), ("markdown", "*Your answer:*"), ("code", "")]


PAGE = """<!DOCTYPE html><html><head><title>T</title></head><body><nav>Search</nav><article class="bd-article">
<p class="under-the-title">Download</p><h1>T<a class="headerlink" href="#t">#</a></h1><div class="exercise" id="e">Do.
</div><div class="solution" id="s">Done.</div><p><a href="#e">e</a> <a href="#s">s</a> <a href="b.html#x">b</a>
<a href="c.html">c</a> <a href="https://example.org">o</a></p></article></body></html>"""


def test_a_page_to_hand_out_is_its_text_with_room_for_answers():
    tree = BeautifulSoup(copies.page_without_solutions(PAGE, "a/p", ["a/p", "a/b"]), "html.parser")
    assert "Done." not in tree.get_text() and not tree.select("nav, .solution, .headerlink, .under-the-title")
    assert tree.select_one(".exercise + .answer").get_text() == "Your answer:"
    assert [a["href"] for a in tree.select("a")] == ["#e", "b.html#x", "https://example.org"]


# --- the built book ---------------------------------------------------------------------------------------------

STORED = [file for folder in ("chapters", "appendices") for file in sorted((ROOT / folder).glob("[a-z]*.ipynb"))]
MYST = re.compile(r"\{[a-z][a-z:-]*\}`|^\s*(?::{3,}|`{3,}\{)|^\([\w-]+\)=$|\beq-[a-z]", re.M)


@pytest.fixture(scope="module")
def book():
    if not (copies.SITE / "notebooks").exists():
        pytest.exit("No built book found: `make book` first.", 1)
    return {page: read(copies.SITE / "notebooks" / f"{page}.ipynb") for page in copies.pages()}


def prose(notebook):
    """The Markdown of a notebook without its blocks of code."""
    words = "\n\n".join(text(c) for c in notebook["cells"] if c["cell_type"] == "markdown")
    return re.sub(r"^```.*?^```", "", words, flags=re.M | re.S)


@pytest.mark.site
@pytest.mark.parametrize("stored", STORED, ids=lambda file: file.stem)
def test_the_code_is_that_of_the_stored_chapter(book, stored):
    notebook = book[stored.relative_to(ROOT).with_suffix("").as_posix()]
    nbformat.validate(nbformat.from_dict(notebook))
    code = [text(c) for c in notebook["cells"] if c["cell_type"] == "code"]
    own = [text(c) for c in read(stored)["cells"] if c["cell_type"] == "code"]
    assert code[0].startswith("# The library") and code[1:] == own


@pytest.mark.site
def test_no_page_keeps_a_directive_a_role_or_a_label(book):
    found = {page: MYST.findall(prose(notebook)) for page, notebook in book.items()}
    assert {page: left for page, left in found.items() if left} == {}
    assert len(found) > 25


@pytest.mark.site
def test_every_number_is_the_pages(book):
    kinds = ("Exercise", "Theorem", "Lemma", "Algorithm", "Figure", "Explore")
    count = 0
    for page, notebook in book.items():
        tree = BeautifulSoup((copies.SITE / f"{page}.html").read_text("utf-8"), "html.parser")
        words = prose(notebook)
        numbers = [number.get_text().split(")")[0].strip("(") for number in tree.select("article .eqno")]
        assert re.findall(r"\\tag\{([\d.]+)\}", words) == numbers, page
        for kind in kinds:
            captions = [c.get_text().split() for c in tree.select("article .caption-number")]
            there = [caption[1] for caption in captions if caption[0] == kind]
            assert re.findall(rf"^(?:#+ |> \*\*|\*\*){kind} (\d+(?:\.\d+)*)", words, re.M) == there, (page, kind)
        count += len(numbers)
    assert count > 200


@pytest.mark.site
def test_references_have_the_numbers_and_names_of_the_page(book):
    """All the text of all links within the book, in their order."""
    for page, notebook in book.items():
        if "/checks" in page or "/api" in page or "/bibliography" in page:
            continue
        tree = BeautifulSoup((copies.SITE / f"{page}.html").read_text("utf-8"), "html.parser")
        for part in tree.select(".solution > .admonition-title, .under-the-title, .equation-mark, .headerlink, pre"):
            part.decompose()
        there = [
            a.get_text() for a in tree.select("article a.reference.internal") if re.search(r"\d\)?$", a.get_text())
        ]
        here = re.findall(r"\[([^\[\]]*\d\)?)\]\((?!http)", prose(notebook).replace("*", "").split("Next: [")[0])
        assert here == there, page


def fragments(notebook):
    """The fragments of the headings, as JupyterLab makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(notebook), re.M)
    return {re.sub(r"[*`]|\\(?=[^\w\s])", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.site
def test_links_lead_to_headings_that_are_there(book):
    broken = []
    for page, notebook in book.items():
        for address in re.findall(r"\]\(([^()\s]*)\)", prose(notebook)):
            if re.match(r"[a-z]+:", address):
                continue
            path, _, fragment = unquote(address).partition("#")
            there = os.path.normpath(os.path.join(os.path.dirname(page), path)).removesuffix(".ipynb") if path else page
            if there not in book or (fragment and fragment not in fragments(book[there])):
                broken.append((page, address))
    assert broken == []


@pytest.mark.site
def test_each_notebook_leads_to_the_next(book):
    pages = list(book)
    for page, after in zip(pages[:-1], pages[1:], strict=True):
        (link,) = re.findall(r"^\*\*Next:\*\* \[.*\]\((.*)\)$", prose(book[page]), re.M)
        assert os.path.normpath(os.path.join(os.path.dirname(page), link)) == f"{after}.ipynb"


@pytest.mark.site
@pytest.mark.parametrize("stored", STORED, ids=lambda file: file.stem)
def test_no_cell_of_a_handout_needs_a_solution(book, stored):
    page = stored.relative_to(ROOT).with_suffix("").as_posix()
    notebook = copies.without_solutions(book[page], page, [page])
    known = set(dir(builtins))
    for c in notebook["cells"]:
        if c["cell_type"] == "code" and not library(c):
            loaded, own = loaded_and_stored(text(c))
            known |= own
            assert loaded <= known, f"{loaded - known} in {text(c)[:200]}"


def look_at(page):
    """Open a page without a network; return the errors of its scripts, formulas drawn and written, and the color of a
    link."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=make_pdf.find_browser(), args=["--no-sandbox"])
        tab, errors = browser.new_page(), []
        tab.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        tab.goto(page.as_uri())
        tab.evaluate("MathJax.startup.promise.then(() => null)")
        counts = [tab.locator(what).count() for what in ("mjx-container", "span.math, div.math")]
        color = tab.locator("article a[href]").first.evaluate("a => getComputedStyle(a).color")
        browser.close()
    return errors, counts, color


@pytest.mark.site
def test_a_handout_has_no_solution_and_an_answer_for_each(tmp_path, monkeypatch, book):
    monkeypatch.setattr(copies, "HANDOUT", tmp_path / "handout")
    monkeypatch.setattr(copies, "ROOT", tmp_path)
    monkeypatch.setattr(copies, "copy_data", lambda target: None)
    monkeypatch.setattr(copies, "pages", lambda: list(book))
    copies.handout(["kl-divergence"])
    out = tmp_path / "handout"
    assert {f.name for f in out.glob("chapters/*")} == {"kl-divergence.ipynb", "kl-divergence.html"}
    notebook, html = (
        read(out / "chapters/kl-divergence.ipynb"),
        (out / "chapters/kl-divergence.html").read_text("utf-8"),
    )
    solutions = len(re.findall("solution-start", (ROOT / "chapters/kl-divergence.ipynb").read_text("utf-8")))
    words = "".join(map(text, notebook["cells"]))
    assert words.count("*Your answer:*") == html.count("Your answer:") == solutions > 3
    assert "Solution to" not in words and "Solution to" not in html
    tree = BeautifulSoup(html, "html.parser")
    wanted = [tag[name] for name in ("src", "href") for tag in tree.select(f"[{name}]")]
    local = {unquote(re.split("[#?]", address)[0]) for address in wanted if not re.match("[a-z]+:", address)}
    assert [address for address in local if address and not (out / "chapters" / address).is_file()] == []
    assert list(out.glob("saelib-*.whl"))
    errors, (drawn, formulas), color = look_at(out / "chapters/kl-divergence.html")
    assert errors == [] and drawn == formulas > 100 and color != "rgb(0, 0, 0)"
    with pytest.raises(SystemExit, match="There is no chapter nonsense"):
        copies.handout(["nonsense"])


@pytest.mark.site
@pytest.mark.parametrize("without", [False, True], ids=["whole", "to hand out"])
def test_a_light_chapter_runs(tmp_path, book, without):
    page = "chapters/kl-divergence"
    notebook = copies.without_solutions(book[page], page, [page]) if without else book[page]
    nb = nbformat.reads(json.dumps(notebook), as_version=4)
    NotebookClient(nb, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
