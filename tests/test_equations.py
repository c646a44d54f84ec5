"""Every numbered equation of the book is checked here, and every check is checked: it must notice a wrong formula.

The checks are in `tests/equations/`, a file for each chapter.  A check gets the formula, as the library or the page has
it, and random numbers.  It computes the same thing in another way and returns the largest error.
`tests/equations/__init__.py` says how checks are registered, and what they share.
"""

import importlib
import inspect
import json
import re

import numpy as np
import pytest

import saelib
from saelib.book import tutor
from tests.equations import (
    CHECKS,
    ROOT,
    STORED,
    error,
    labels_in,
    labels_of,
    labels_on,
    library_function,
    load,
    measure,
    notices,
    numbered_otherwise,
    pages,
    record,
    references_on,
    verifies,
)
from tests.equations.autoencoders import cross_entropy
from tests.equations.backpropagation import after_one_round

load()


@pytest.mark.parametrize("label", CHECKS)
def test_equation_holds(label):
    check = CHECKS[label]
    error = measure(check, check.formula)
    record(check, error)
    assert error <= check.tolerance


@pytest.mark.parametrize(("label", "mistake"), [(label, name) for label in CHECKS for name in CHECKS[label].wrong])
def test_check_notices(label, mistake):
    assert notices(CHECKS[label], CHECKS[label].wrong[mistake])


def test_what_the_book_says_of_the_checks_is_up_to_date():
    """`make measured` writes it."""
    stored = json.loads(STORED.read_text("utf-8"))
    assert list(stored) == sorted(CHECKS)
    for label, check in CHECKS.items():
        assert (stored[label]["tolerance"], stored[label]["wrong"]) == (check.tolerance, len(check.wrong)), label
        assert stored[label]["error"] <= check.tolerance, label


def test_every_mistake_that_the_tutor_knows_is_planted_somewhere():
    planted = [name.split(": ") for check in CHECKS.values() for name in check.wrong if ": " in name]
    names, kinds = {name for _, name in planted}, {kind for kind, _ in planted}
    for kind in kinds:
        assert {mistake.name for mistake in tutor.mistakes(kind)} <= names, kind


def test_every_label_has_its_check_and_every_check_its_label():
    labels = [label for text in pages().values() for label in labels_on(text)]
    assert sorted(labels) == sorted(CHECKS)  # as lists, so that no label stands twice


def test_equations_are_numbered_by_their_labels_alone():
    for name, text in pages().items():
        assert not numbered_otherwise(text), name
        assert not [label for label in labels_on(text) if not re.fullmatch(r"eq-[A-Za-z0-9-]+", label)], name


def test_every_equation_that_is_referred_to_exists():
    for name, text in pages().items():
        assert set(references_on(text)) <= set(CHECKS), name


def test_every_label_in_the_library_is_on_a_page():
    for path in sorted((ROOT / "saelib").rglob("*.py")):
        assert set(labels_in(path.read_text(encoding="utf-8"))) <= set(CHECKS), path.name


def test_what_is_checked_is_the_line_of_the_library_that_has_the_label():
    in_library = {label for path in (ROOT / "saelib").rglob("*.py") for label in labels_in(path.read_text("utf-8"))}
    for check in CHECKS.values():
        function = library_function(check.formula)
        assert (function is not None) == (check.label in in_library), check.label
        assert function is None or check.label in labels_of(function), check.label


# What the library's four modules of formulas hold besides the formulas of the book, and what it is instead.
NO_EQUATION = {
    "pack": "the same numbers in another order",
    "unpack": "the same numbers in another order",
    "check_params": "a test of an argument",
    "check_forward": "a test of an argument",
    "check_problem": "a test of an argument",
    "check_columns": "a test of an argument",
    "check_means": "a test of an argument",
}


@pytest.mark.parametrize("module", ["network", "cost", "backprop", "gradcheck"])
def test_every_public_formula_of_the_library_has_a_label(module):
    functions = inspect.getmembers(importlib.import_module(f"saelib.{module}"), inspect.isfunction)
    for name, function in functions:
        if function.__module__ == f"saelib.{module}" and not name.startswith("_"):
            assert bool(labels_of(function)) != (name in NO_EQUATION), name


def test_what_an_equation_may_not_be():
    page = "$$a = b$$ (eq-one)\n\nText $x$.\n\n$$\nc\n$$ (eq-one)\n\n$$d$$\n\n```python\n'$$e$$ (eq-code)'\n```\n"
    assert labels_on(page) == ["eq-one", "eq-one"]
    assert labels_on("$$a$$ (two)\n") == ["two"]
    assert references_on("as in {eq}`eq-one` and {ref}`two`") == ["eq-one"]
    assert not numbered_otherwise(page + "$$\\begin{aligned} a \\end{aligned}$$")
    for otherwise in ("\\begin{align}\na\n\\end{align}", "```{math}\n:label: eq-two\na\n```", "$$a \\tag{3}$$"):
        assert numbered_otherwise(otherwise)


def test_a_label_in_the_library_stands_in_a_comment():
    assert labels_in("x = 1  # (eq-one) (eq-two)\ny = '(eq-three)'\n") == ["eq-one", "eq-two"]
    assert labels_of(saelib.kl_divergence) == {"eq-kl"}
    assert library_function(after_one_round) is saelib.gradient_descent
    assert library_function(cross_entropy) is None


def test_a_check_that_fails_leaves_no_measurement(tmp_path):
    check = CHECKS["eq-kl-prime"]
    record(check, 2e-13, tmp_path / "equations")
    (stored,) = (tmp_path / "equations").iterdir()
    assert json.loads(stored.read_text()) == {"error": 2e-13, "tolerance": 1e-9, "wrong": len(check.wrong)}
    record(check, float("nan"), tmp_path / "equations")
    assert not list((tmp_path / "equations").iterdir())


def test_an_error_has_the_shape_and_the_size_of_what_is_expected():
    assert error([1.0, 2.0], [1.0, 4.0]) == 0.5
    assert error(0.5, 0) == 0.5
    assert np.isnan(error([np.nan, 1], [1, 1]))
    with pytest.raises(ValueError, match=r"found shape \(2, 1\), expected \(2,\)"):
        error([[1], [2]], [1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "eq-z2"}, "eq-z2 has a check already"),
        ({"method": "by eye"}, "method must be one of"),
        ({"wrong": {"the sign": np.negative}}, "at least three mistakes, got 1"),
    ],
)
def test_a_check_is_registered_once_and_in_full(change, message):
    three = dict.fromkeys(("one", "two", "three"), np.negative)
    choice = {"label": "eq-new", "formula": np.abs, "wrong": three, "method": "property", **change}
    with pytest.raises(ValueError, match=message):
        verifies(choice.pop("label"), **choice)(test_equation_holds)
    assert "eq-new" not in CHECKS
