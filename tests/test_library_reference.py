"""The page that lists the library: nothing public is missing, every equation is linked, and the build says nothing."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import saelib
from tests.equations import ROOT, labels_in

sys.path.insert(0, str(ROOT / "_ext"))

import library_reference as reference

PAGE = (ROOT / "appendices" / "api.md").read_text("utf-8")
MODULES = re.findall(r"^```\{library\} ([\w.]+)$", PAGE, re.M)

MODULE = '''"""Two things.  With `area` and ``code``."""

from ._more import hidden, other

__all__ = ["area", "Shape", "other"]  # and the checks
UNIT = 1


def area(a, b: float = UNIT, *, unit="m"):
    """Return the area of `a` by ``b``, see `Shape` and `nowhere`.

    More of it.

    Parameters
    ----------
    a, b : float
        Two sides.

        Both count.
    unit
        Of length.

    Returns
    -------
    float

    References
    ----------
    Euclid.
    """
    return _product(a, b)  # (eq-area) (eq-side)


def _product(a, b):
    return a * b  # not yet (eq-product)


def _helper():
    """Not listed."""


class Shape:
    """A shape."""

    def __init__(self, sides):
        pass

    def __call__(self, x):
        """Call it. Then more."""

    @property
    def corners(self):
        """How many corners."""

    def _private(self):
        """Nobody sees this."""
'''
MORE = 'def other():\n    """It comes from elsewhere."""\n\n\ndef hidden():\n    """Not listed."""\n'
CONFIG = """
extensions = ["myst_nb", "library_reference"]
myst_enable_extensions = ["dollarmath"]
exclude_patterns = ["_build", "jupyter_execute"]
nb_execution_mode = "off"
numfig = math_numfig = True
"""
INDEX = """# A book

$$a b$$ (eq-area)

$$c$$ (eq-product)

$$d$$ (eq-side)

```{library} shapes
```

```{toctree}
chapters/one
chapters/two
```
"""
NOTEBOOK = """{{"nbformat": 4, "nbformat_minor": 5, "metadata": {{"language_info": {{"name": "python"}}}}, "cells": [
{{"cell_type": "markdown", "id": "a", "metadata": {{}}, "source": "# {0}\\n\\nsaelib.shapes"}},
{{"cell_type": "code", "id": "b", "metadata": {{}}, "source": "{1}", "outputs": [], "execution_count": 1}}]}}"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    files = {
        "conf.py": CONFIG,
        "index.md": INDEX,
        "_toc.yml": "- file: chapters/one\n- file: chapters/two\n- file: appendices/api\n",
        "saelib/shapes.py": MODULE,
        "saelib/_more.py": MORE,
        "chapters/one.ipynb": NOTEBOOK.format("One", "from saelib.shapes import area"),
        "chapters/two.ipynb": NOTEBOOK.format("Two", "shapes.Shape(area)"),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def page(book):
    return build(book)


def test_the_page_has_every_module_in_the_order_in_which_it_is_read():
    parts = {
        "nets": [f"nets.{path.stem}" for path in (ROOT / "saelib" / "nets").glob("[!_]*.py")],
        "book": [f"book.{name}" for name in saelib.book.__all__],
    }
    wanted = [name for module in saelib._MODULES for name in parts.get(module, [module])]
    nets = {name for name in wanted if name.startswith("nets.")}
    assert [m for m in MODULES if m not in nets] == [m for m in wanted if m not in nets]
    assert nets == set(MODULES[MODULES.index("architecture") + 1 : MODULES.index("objective")])


@pytest.mark.parametrize("module", MODULES)
def test_what_is_read_is_what_python_sees(module):
    loaded = importlib.import_module(f"saelib.{module}")
    own = [name for name, value in vars(loaded).items() if getattr(value, "__module__", "") == loaded.__name__]
    public = getattr(loaded, "__all__", [name for name in own if not name.startswith("_")])
    entries, docstring = reference.entries(ROOT, module)
    assert sorted(e.name for e in entries) == sorted(public) and docstring
    for e in entries:
        assert e.docstring, e.name
        assert e.kind == ("class" if isinstance(getattr(loaded, e.name), type) else "function")


@pytest.mark.parametrize("module", MODULES)
def test_every_docstring_is_understood(module):
    for e in reference.entries(ROOT, module)[0]:
        text, parts = reference.sections(e.docstring)
        assert text and "---" not in text
        assert set(parts) <= {*reference.ITEMIZED, "References"}, e.name
        for heading in parts.keys() & set(reference.ITEMIZED):
            assert reference.items(parts[heading]), (e.name, heading)


def test_every_equation_of_the_library_is_linked_from_an_entry():
    shown = {label for module in MODULES for e in reference.entries(ROOT, module)[0] for label in e.labels}
    files = [ROOT / "saelib" / f"{module.replace('.', '/')}.py" for module in MODULES]
    written = {label for file in files for label in labels_in(file.read_text("utf-8"))}
    assert shown == written and "eq-delta2" in shown


def test_what_a_module_says_of_itself(book):
    entries, docstring = reference.entries(book, "shapes")
    assert docstring == "Two things.  With `area` and ``code``."
    assert [e.name for e in entries] == ["area", "Shape", "other"]
    area, shape, other = entries
    assert area.signature == "(a, b=UNIT, *, unit='m')" and area.labels == ("eq-area", "eq-side", "eq-product")
    assert shape.signature == "(sides)" and shape.kind == "class"
    assert shape.members == (("(x)", "Call it."), (".corners", "How many corners."))
    assert other.docstring == "It comes from elsewhere."


def test_sections_and_items_of_a_docstring():
    docstring = ast.get_docstring(ast.parse(MODULE).body[4])
    text, parts = reference.sections(docstring)
    assert reference.prose(text) == ["Return the area of `a` by ``b``, see `Shape` and `nowhere`.", "More of it."]
    assert list(parts) == ["Parameters", "Returns", "References"]
    assert reference.items(parts["Parameters"]) == [
        ("a, b : float", "Two sides.\n\nBoth count."),
        ("unit", "Of length."),
    ]
    assert reference.items(parts["Returns"]) == [("float", "")]
    assert reference.prose("One.\n\n>>> 1 + 1\n2\n") == ["One."]


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("plots.filters(W)", True),
        ("saelib.filters(W)", True),
        ("from saelib.book.plots import mosaic, filters", True),
        ("filters = 3", False),
        ("plots.filters_of(W)", False),
        ("from saelib.other import filters", False),
    ],
)
def test_what_counts_as_a_use(code, used):
    assert reference.uses(code, "book.plots", "filters") is used


def build(book):
    path = os.pathsep.join([str(ROOT / "_ext"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", book, book / "_build"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return re.sub(r"\s+", " ", Path(book, "_build", "index.html").read_text("utf-8"))


def test_the_page_links_equations_chapters_and_names(page):
    assert 'id="saelib.shapes.area"' in page and "helper" not in page and "hidden" not in page
    entry = page[page.index('id="saelib.shapes.area"') : page.index('id="saelib.shapes.Shape"')]
    assert (
        re.search(r'Computes <a[^>]*href="#equation-eq-area"', entry) and "eq-product" in entry and "eq-side" in entry
    )
    assert re.search(r'Used in <a[^>]*href="chapters/one.html"', entry) and "two.html" not in entry
    assert re.search(r'href="#saelib.shapes.Shape"><code', entry)
    assert re.search(r"<code[^>]*><span class=\"pre\">nowhere</span></code>", entry)
    assert "chapters/two.html" in page[page.index('id="saelib.shapes.Shape"') :]


def test_a_change_of_the_library_or_of_a_chapter_changes_the_page(book, page):
    module, chapter = book / "saelib/shapes.py", book / "chapters/two.ipynb"
    module.write_text(module.read_text().replace("Return the area", "Give the extent"))
    assert "Give the extent" in build(book)
    chapter.write_text(chapter.read_text().replace("shapes.Shape", "saelib.area"))
    assert page_part(build(book), "area", "Shape").count("chapters/two.html") == 1


def page_part(page, first, last):
    return page[page.index(f'id="saelib.shapes.{first}"') : page.index(f'id="saelib.shapes.{last}"')]
