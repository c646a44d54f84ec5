"""The editor of `make lint` (tools/lint_text.py) finds what it is there to find, and nothing in the book."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import lint_text  # noqa: E402

PAGE = "(a)=\n# A page\n\nSee {ref}`b`, {ref}`the end <c>` and [the start](#d); {cite:t}`one` and {cite}`two, three`.\n"
NOTEBOOK = "(b)=\n# A chapter\n\n(c)=\n## One\n\n(d)=\n## Two\n\n(faq-e)=\n## An entry\n\nSee {ref}`a`."
BIB = "@book{one,\n title = {O}}\n@article{ two ,\n title = {T}}\n@misc{three, title = {T}}\n"


@pytest.fixture
def book(tmp_path):
    """A function that writes a small book with something changed in it, and returns what is wrong with it."""

    def book(page=PAGE, chapter=NOTEBOOK, bib=BIB):
        for folder in ("chapters", "appendices"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "appendices/page.md").write_text(page, "utf-8")
        (tmp_path / "references.bib").write_text(bib, "utf-8")
        (tmp_path / "README.md").write_text(
            "# How to read\n\n[Down](#how-to-read), [a page](appendices/page.md#a-page)\n"
        )
        code = {"cell_type": "code", "source": ["# simply\n"], "outputs": [{"text": ["(out)=\n", "obviously\n"]}]}
        cells = [{"cell_type": "markdown", "source": chapter.splitlines(keepends=True)}, code]
        (tmp_path / "chapters/chapter.ipynb").write_text(json.dumps({"cells": cells}), "utf-8")
        return list(lint_text.faults(tmp_path))

    return book


def test_the_book_has_no_fault():
    assert list(lint_text.faults(ROOT)) == []


def test_a_book_without_fault_has_none(book):
    assert book() == []


@pytest.mark.parametrize(
    "words",
    [
        *(
            "Obviously, it is.",
            "This simply\nholds.",
            "Clearly the unit is off.",
            "It is easy to see that.",
            "Of course.",
        ),
        *("In this chapter, we will delve into it.", "A powerful tool.", "To leverage it.", "The state-of-the-art way"),
        *("whilst it runs", "as we learnt", "ten per cent", "the ageing of a unit"),
    ],
)
def test_words_that_the_book_does_without_are_found(book, words):
    assert any("does without" in fault for fault in book(page=PAGE + words))
    assert any("does without" in fault for fault in book(chapter=NOTEBOOK + words))


@pytest.mark.parametrize(
    "words",
    [
        "The derivative of the error by $z$ is 1.",
        "the gradient by $W$",
        "gradients of half the\nsquare by $b$",
        "It belongs into the account.",
        "All of it hangs on this.",
        "after a learning as short as ours",
        "Trainings differ.",
        "so short a training.",
        "Every training that stops",
        "each for itself",
        "Why is told in the appendix.",
        "and also those of the rest",
        "How many parameters has it?",
        "How many units has the layer?",
        "They differ in a last digit.",
        "Runs part exponentially.",
        "the price of not looking",
        "It is white in all images.",
        "more exactly: a token",
        "A unit that whispers.",
        "the whisperer",
        "The theorem speaks of means.",
        "A matrix knows it.",
        "The penalty wants it low.",
        "the network would like more",
        "the decoder hopes so",
        "It falls. So it is low. So it stays.",
    ],
)
def test_idioms_of_other_languages_are_found(book, words):
    assert any("does without" in fault for fault in book(page=PAGE + words))
    assert any("does without" in fault for fault in book(chapter=NOTEBOOK + words))


def test_every_idiom_has_a_sentence_that_shows_it(book):
    shown = test_idioms_of_other_languages_are_found.pytestmark[0].args[1]
    for idiom in lint_text.IDIOMS:
        assert any(lint_text.re.search(idiom, text, lint_text.re.IGNORECASE) for text in shown), idiom


@pytest.mark.parametrize(
    "words",
    [
        'No "simply" and no “obviously”.',
        "`simply(x)` and ``obviously``",
        "```python\n# clearly\n```",
        "A unit that is clearly on.",
        "The power of a wave, simplified; an obviousness",
        "$$\n\\text{simply}\n$$",
        "The derivative with respect to $z$",
        "the gradient, multiplied by $W$",
        "the derivative is multiplied by $a$",
        "the gradient of the sum multiplied by $2$",
        "a learning rate",
        "It belongs to it.",
        "training runs",
        "The theorem says that.",
        "So it is. It stays. So it goes.",
        "You whisper to a friend.",
        "the last digit",
    ],
)
def test_what_is_quoted_or_code_or_only_resembles_a_fault_is_left_alone(book, words):
    assert book(page=PAGE + words) == []


@pytest.mark.parametrize(
    ("before", "after", "label"),
    [("{ref}`b`", "b", None), ("{ref}`the end <c>`", "`c`", "c"), ("[the start](#d)", "the start", "d")],
)
def test_a_label_that_nothing_leads_to_is_found_unless_it_is_the_pages_own(book, before, after, label):
    found = book(page=PAGE.replace(before, after))
    assert found == ([f"chapters/chapter.ipynb: nothing leads to the label {label}"] if label else [])


def test_entries_of_the_bibliography_are_cited_and_there_once(book):
    assert book(page=PAGE.replace("{cite}`two, three`", "{cite}`three`")) == ["references.bib: nobody cites two"]
    assert book(bib=BIB + "@book{one, title = {U}}") == ["references.bib: one is there twice"]


@pytest.mark.parametrize("link", ["nowhere.md", "#no-heading", "appendices/page.md#no-heading", "_static/no.png"])
def test_links_beside_the_pages_lead_somewhere(book, tmp_path, link):
    book()
    readme = (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text(readme + f"[A link]({link}) and [another](https://example.org/x.md)\n")
    assert list(lint_text.faults(tmp_path)) == [f"README.md: the link leads nowhere: {link}"]
