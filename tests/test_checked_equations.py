"""The extension that marks checked equations, tried on a book of two chapters that is built here."""

import ast
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sphinx.cmd.build import build_main

from tests.equations import METHODS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "_ext"))

import checked_equations  # noqa: E402

CONFIG = """
extensions = ["myst_parser", "sphinx.ext.mathjax", "checked_equations"]
myst_enable_extensions = ["dollarmath"]
exclude_patterns = ["_build"]
numfig = math_numfig = True
math_eqref_format = "({number})"
"""

# The second chapter comes first: the order of the book is not that of the alphabet.
INDEX = """# A book

```{toctree}
:numbered:
chapters/zebra
chapters/ant
```

```{toctree}
appendices/checks
```
"""

ZEBRA = """# Zebras & `stripes`

$$ k'(r) = \\frac{1 - p}{1 - r} - \\frac{p}{r} $$ (eq-kl-prime)

See {eq}`eq-small` and {eq}`eq-kl-prime`.

$$ \\text{without a number} $$

$$ x = x $$ (eq-unchecked)
"""

ANT = """# Ants

- In a list:

  $$
  a < b \\\\
  b & c
  $$ (eq-small)
"""

CHECKS = "# How it is checked\n\n```{checked-equations}\n```\n"

TESTS = '''
raise RuntimeError("read, not run")


@verifies(
    "eq-kl-prime",
    formula=saelib.kl_prime,
    wrong={"the sign": lambda p, r: -saelib.kl_prime(p, r), "p and r swapped": lambda p, r: saelib.kl_prime(r, p)},
    method="finite differences",
)
def the_slope_of_the_divergence(formula, rng):
    """The slope of `kl_divergence`, at random $\\\\rho$ and 2*p*q with 0 < p < 1
    & more.

    And what the page need not say.
    """
    p, r = rng.uniform(0.01, 0.99, 2)  # "quotes" & <tags>
    return error(formula(p, r), slope(p, r))


@verifies("eq-small", formula=less, wrong=[], method="\\"loops\\" <& more>", tolerance=0.5)
def no_docstring(formula, rng):
    return 0.0


@verifies("eq-of-no-page", formula=less, wrong=[], method="property")
def of_nothing(formula, rng):
    """Nothing."""
'''


class Page(HTMLParser):
    """The elements of a page as (name, attributes), and its text from each anchor to the next."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.texts, self.anchor = [], {}, None
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        self.anchor = dict(attributes).get("id", self.anchor)

    def handle_data(self, data):
        self.texts[self.anchor] = self.texts.get(self.anchor, "") + data

    def text(self, anchor):
        return " ".join(self.texts[anchor].split())

    def anchors(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def marks(self):
        return [a for name, a in self.elements if name == "a" and a.get("class") == "equation-mark"]


@pytest.fixture
def book(tmp_path):
    """The folder of a small book with checks and measurements."""
    files = {"conf.py": CONFIG, "index.md": INDEX, "chapters/zebra.md": ZEBRA, "chapters/ant.md": ANT}
    files |= {"appendices/checks.md": CHECKS, "tests/equations/zebra.py": TESTS}
    for name, text in files.items():
        write(tmp_path / name, text)
    measured(tmp_path, "eq-kl-prime", error=3.04e-11, tolerance=1e-9, wrong=2)
    measured(tmp_path, "eq-small", error=0.0, tolerance=0.5, wrong=1)
    measured(tmp_path, "eq-removed-long-ago", error=1.0, tolerance=2.0, wrong=7)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def measured(book, label, **found):
    write(book / "_build" / "equations" / f"{label}.json", json.dumps(found))


def build(book, builder="html"):
    """Build the book, with any warning an error, and return the folder of the pages."""
    target = book / "_build" / builder
    command = ["-q", "-W", "--keep-going", "-b", builder, "-d", book / "_build" / "doctrees", book, target]
    assert build_main([str(word) for word in command]) == 0
    return target


def when_written(site):
    return {path.stem: path.stat().st_mtime_ns for path in site.rglob("*.html")}


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_checked_equation_has_a_mark_that_says_how_and_leads_to_its_entry(book):
    site = build(book)
    (mark,) = Page(site / "chapters/zebra.html").marks()
    assert mark["title"] == mark["aria-label"] == "checked: finite differences, largest error 3e-11"
    target, fragment = mark["href"].split("#")
    assert (site / "chapters" / target).resolve() == site / "appendices/checks.html"
    assert fragment == "check-eq-kl-prime"
    assert Page(site / "appendices/checks.html").anchors().count(fragment) == 1


def test_equations_keep_their_numbers_and_their_one_anchor(book):
    zebra = Page(build(book) / "chapters/zebra.html")
    assert zebra.anchors().count("equation-eq-kl-prime") == 1
    assert zebra.anchors().count("equation-eq-unchecked") == 1
    assert "(1.1)" in zebra.text("equation-eq-kl-prime")
    assert "(1.2)" in zebra.text("equation-eq-unchecked")


def test_special_characters_stay_what_they_are(book):
    site = build(book)
    (mark,) = Page(site / "chapters/ant.html").marks()
    assert mark["title"] == 'checked: "loops" <& more>, largest error 0'
    entry = Page(site / "appendices/checks.html").text("check-eq-kl-prime")
    assert "The slope of kl_divergence, at random \\(\\rho\\) and 2*p*q with 0 < p < 1 & more." in entry
    assert '# "quotes" & <tags>' in entry


def test_an_entry_tells_all_about_its_check(book):
    site = build(book)
    page = Page(site / "appendices/checks.html")
    entry = page.text("check-eq-kl-prime")
    assert entry.startswith("Equation (1.1) in Zebras & stripes \\[ k'(r) = \\frac{1 - p}{1 - r} - \\frac{p}{r} \\]")
    assert "finite differences; largest error 3e-11, where 1e-9 is allowed; has to notice 2 planted mistakes." in entry
    assert '@verifies( "eq-kl-prime", formula=saelib.kl_prime' in entry
    assert "def the_slope_of_the_divergence(formula, rng): p, r = rng.uniform" in entry
    assert entry.endswith("return error(formula(p, r), slope(p, r))")
    assert "need not say" not in entry
    assert "(1.1)" not in entry.removeprefix("Equation (1.1)")  # the statement has no number of its own
    links = {a["href"] for name, a in page.elements if name == "a" and "href" in a}
    assert "../chapters/zebra.html#equation-eq-kl-prime" in links
    assert "where 0.5 is allowed; has to notice 1 planted mistake." in page.text("check-eq-small")


def test_entries_come_in_the_order_of_the_book_under_the_titles_of_its_chapters(book):
    page = Page(build(book) / "appendices/checks.html")
    anchors = [name for name in page.anchors() if name.startswith("check-")]
    assert anchors == ["check-eq-kl-prime", "check-eq-unchecked", "check-eq-small"]
    assert page.text("checks-chapters-zebra").startswith("Zebras & stripes")
    assert page.text("checks-chapters-ant").startswith("Ants")


def test_the_page_begins_with_a_summary(book):
    page = Page(build(book) / "appendices/checks.html")
    summary = page.text("how-it-is-checked")
    assert "The book has 3 numbered equations, and 2 of them are checked." in summary
    assert "The checks have to notice 3 planted mistakes." in summary
    assert "method equations planted mistakes largest error" in summary
    assert summary.endswith("“loops” <& more> 1 1 0 finite differences 1 2 3e-11")


def test_a_book_without_measurements_says_so(book):
    for path in (book / "_build/equations").iterdir():
        path.unlink()
    site = build(book)
    (mark,) = Page(site / "chapters/zebra.html").marks()
    assert mark["title"] == "checked: finite differences, not measured in this build"
    page = Page(site / "appendices/checks.html")
    assert "Their errors were not measured in this build" in page.text("how-it-is-checked")
    assert "Method: finite differences; not measured in this build." in page.text("check-eq-kl-prime")


def test_what_the_repository_stores_is_shown_until_the_tests_have_run(book):
    stored = {"eq-kl-prime": {"error": 4e-12, "tolerance": 1e-9, "wrong": 6}}
    write(book / "tests/equations/measured.json", json.dumps(stored))
    assert "largest error 3e-11" in Page(build(book) / "chapters/zebra.html").marks()[0]["title"]
    (book / "_build/equations/eq-kl-prime.json").unlink()
    assert "largest error 4e-12" in Page(build(book) / "chapters/zebra.html").marks()[0]["title"]


def test_an_equation_without_a_check_has_no_mark_and_a_book_without_checks_none(book):
    site = build(book)
    assert len(Page(site / "chapters/zebra.html").marks()) == 1  # of its two numbered equations
    assert "No test checks this equation." in Page(site / "appendices/checks.html").text("check-eq-unchecked")
    (book / "tests/equations/zebra.py").unlink()
    assert not Page(build(book) / "chapters/zebra.html").marks()
    assert "and 0 of them are checked" in Page(site / "appendices/checks.html").text("how-it-is-checked")


def test_without_the_page_there_are_no_marks_that_lead_nowhere(book):
    (book / "appendices/checks.md").unlink()
    edit(book / "index.md", "appendices/checks\n", "")
    assert not Page(build(book) / "chapters/zebra.html").marks()


def test_a_second_build_writes_nothing(book):
    before = when_written(build(book))
    assert when_written(build(book)) == before


def test_a_new_measurement_is_shown_on_its_page_and_in_its_entry(book):
    before = when_written(build(book))
    measured(book, "eq-kl-prime", error=0.02, tolerance=0.1, wrong=5)
    site = build(book)
    (mark,) = Page(site / "chapters/zebra.html").marks()
    assert mark["title"] == "checked: finite differences, largest error 0.02"
    assert "has to notice 5 planted mistakes" in Page(site / "appendices/checks.html").text("check-eq-kl-prime")
    assert when_written(site)["ant"] == before["ant"]


def test_a_changed_check_is_shown(book):
    build(book)
    edit(book / "tests/equations/zebra.py", 'verifies("eq-of-no-page"', 'verifies("eq-unchecked"')
    edit(book / "tests/equations/zebra.py", "return 0.0", "return 0.125")
    site = build(book)
    assert len(Page(site / "chapters/zebra.html").marks()) == 2
    page = Page(site / "appendices/checks.html")
    assert "0.125" in page.text("check-eq-small")
    assert "and all of them are checked" in page.text("how-it-is-checked")


def test_a_changed_chapter_changes_the_page(book):
    build(book)
    edit(book / "chapters/zebra.md", "x = x", "y = y")
    edit(book / "chapters/zebra.md", "# Zebras", "# Horses")
    edit(book / "chapters/zebra.md", "$$ \\text{without a number} $$", "$$ z $$ (eq-new)")
    page = Page(build(book) / "appendices/checks.html")
    assert "\\[ y = y \\]" in page.text("check-eq-unchecked")
    assert "Equation (1.3) in Horses" in page.text("check-eq-unchecked")
    assert "Equation (1.2) in Horses" in page.text("check-eq-new")


def test_an_equation_that_loses_its_number_leaves_the_page(book):
    build(book)
    edit(book / "chapters/ant.md", "(eq-small)", "")
    edit(book / "chapters/zebra.md", "{eq}`eq-small` and ", "")
    page = Page(build(book) / "appendices/checks.html")
    assert "check-eq-small" not in page.anchors()
    assert "The book has 2 numbered equations, and 1 of them" in page.text("how-it-is-checked")


def test_a_new_order_of_the_chapters_changes_the_page(book):
    build(book)
    edit(book / "index.md", "chapters/zebra\nchapters/ant", "chapters/ant\nchapters/zebra")
    page = Page(build(book) / "appendices/checks.html")
    anchors = [name for name in page.anchors() if name.startswith("check-")]
    assert anchors == ["check-eq-small", "check-eq-kl-prime", "check-eq-unchecked"]
    assert "Equation (2.1)" in page.text("check-eq-kl-prime")


def test_on_a_single_page_the_marks_lead_within_it(book):
    page = Page(build(book, "singlehtml") / "index.html")
    targets = [mark["href"] for mark in page.marks()]
    assert targets == ["#check-eq-kl-prime", "#check-eq-small"]
    assert {target[1:] for target in targets} <= set(page.anchors())


def test_in_latex_there_are_no_marks_and_the_page_is_there(book):
    (path,) = build(book, "latex").glob("*.tex")
    text = path.read_text("utf-8")
    assert "equation-mark" not in text
    assert "has to notice 2 planted mistakes" in text
    assert "marked-equation" not in (build(book, "pseudoxml") / "chapters/zebra.pseudoxml").read_text("utf-8")


def test_the_checks_of_this_book_are_read_as_they_stand():
    sources = [file.read_text("utf-8") for file in sorted((ROOT / checked_equations.TESTS).glob("*.py"))]
    checks = checked_equations.all_checks(ROOT)
    assert list(checks) == re.findall(r"^@verifies\(\s*\"(.*?)\"", "\n".join(sources), flags=re.MULTILINE)
    for check in checks.values():
        assert check.method in METHODS
        assert check.sentence.endswith(".")
        (function,) = ast.parse(check.code).body
        assert ast.get_docstring(function) is None
