"""What the built pages fold: imports, the drawing of figures, and the asserts at the end of a cell."""

import re
import sys
from pathlib import Path

import pytest
from docutils import nodes

sys.path.insert(0, str(Path(__file__).parents[1] / "_ext"))

import quiet_code

PLOT = "fig, ax = plt.subplots()\nax.plot(x)\nax.plot(y)\nax.set_xlabel('x')\nax.set_ylabel('y')\nplt.show()"


def page_of(source, hide_mode=None):
    """What a page shows of a cell: pieces of code, and before a folded one the line that opens it."""
    document, cell = nodes.container(), nodes.container(nb_element="cell_code")
    if hide_mode:
        cell["hide_mode"] = hide_mode
    code = nodes.container("", nodes.literal_block(source, source, language="ipython3"))
    document += cell
    cell += code
    quiet_code.quiet(None, document)
    shown = []
    for node in code.children:
        text = node.astext()
        opens = re.fullmatch(r"<details.*<summary>(.*)</summary>", text)
        shown.append(f"[{opens[1]}]" if opens else text)
        assert not isinstance(node, nodes.literal_block) or node["language"] == "ipython3"
    return [text for text in shown if text != "</details>"], cell.get("hide_mode")


def folded(source, hide_mode=None):
    return page_of(source, hide_mode)[0]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("x = 1\nprint(x)", ["x = 1\nprint(x)"]),
        ("x = 1\nassert x == 1", ["x = 1", "[1 check of what is said here]", "assert x == 1"]),
        (
            "x = 1\ny = 1\nz = 1\nu = 1\nv = 1\n\n# to rounding\nassert (\n    x\n    == 1\n)\nassert x",
            [
                "x = 1\ny = 1\nz = 1\nu = 1\nv = 1",
                "[2 checks of what is said here]",
                "# to rounding\nassert (\n    x\n    == 1\n)\nassert x",
            ],
        ),
        ("assert 1\nassert 2", ["[2 checks of what is said here]", "assert 1\nassert 2"]),
        ("assert 1\nx = 2", ["assert 1\nx = 2"]),  # in the middle of an argument: shown
        ("x = 1\nassert x\nassert 1", ["[2 checks of what is said here]", "x = 1\nassert x\nassert 1"]),
        ("for x in y:\n    assert x", ["[1 check of what is said here]", "for x in y:\n    assert x"]),
        ("for x in y:\n    z = x\n    assert z", ["for x in y:\n    z = x\n    assert z"]),
        ("x = 1\n# a comment at the end", ["x = 1\n# a comment at the end"]),
        ("%matplotlib inline\nassert 1", ["%matplotlib inline\nassert 1"]),  # no Python: left alone
    ],
)
def test_asserts_at_the_end_of_a_cell_are_folded(source, shown):
    assert folded(source) == shown


def test_imports_are_folded_where_they_are_most_of_a_cell():
    setup = "import numpy as np\nfrom a import (\n    b,\n    c,\n)\n\nx = 1"
    assert folded(setup) == ["[Imports and settings]", setup]
    use = "from a import b\n\nx = b(1)\ny = b(2)"
    assert folded(use) == [use]


def test_drawing_is_folded_where_it_is_most_of_a_cell_and_not_short():
    assert folded(PLOT) == ["[Code of the figure]", PLOT]
    assert folded(PLOT + "\nassert x") == ["[Code of the figure]", PLOT + "\nassert x"]
    short = "plots.filters(net.W1)"
    assert folded(short) == [short]
    lesson = "\n".join(f"x = step(x, {k})" for k in range(12)) + "\n" + PLOT
    assert folded(lesson) == [lesson]


def test_a_cell_that_its_chapter_hides_is_folded_under_a_word_of_its_own():
    assert page_of("x = 1\nassert x", "input") == (["[Code]", "x = 1\nassert x"], None)
    assert folded(PLOT, "input")[0] == "[Code of the figure]"
    assert page_of("x = 1\nassert x", "all") == (["x = 1\nassert x"], "all")
