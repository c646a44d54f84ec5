"""The appendices keep up with the chapters: questions, terms and sources are found from where they are looked for."""

import re

import pytest

from tests.equations import ROOT, pages

PAGES = pages()
CHAPTERS = {name: text for name, text in PAGES.items() if (ROOT / "chapters" / name).exists()}
TERMS = re.findall(r"^(\S.*)\n  \S", PAGES["glossary.md"].split("```{glossary}")[1], re.M)


def refers_to(text):
    """The labels that a page refers to."""
    return set(re.findall(r"\{(?:prf:|num)?ref\}`(?:[^`<]*<)?([\w-]+)>?`", text))


def test_every_question_that_a_chapter_answers_is_in_the_faq():
    asked = {label for text in CHAPTERS.values() for label in re.findall(r"^\((q-[\w-]+)\)=$", text, re.M)}
    assert len(asked) >= 7
    assert asked <= refers_to(PAGES["faq.md"])


def test_every_answer_is_short_and_leads_on():
    for label, answer in re.findall(r"^\((faq-[\w-]+)\)=\n### .*\n\n((?:.+\n)+)", PAGES["faq.md"], re.M):
        assert 2 <= len(re.findall(r"[.?](?=\s|$)", answer)) <= 14, label
        assert "More: " in answer.replace("More:\n", "More: "), label
    assert PAGES["faq.md"].count("\n### ") == len(re.findall(r"^\(faq-[\w-]+\)=\n###", PAGES["faq.md"], re.M)) >= 20


def test_the_terms_are_many_different_and_in_order():
    letters = [re.sub(r"[^a-z0-9 ]", "", term.lower()) for term in TERMS]
    assert len(TERMS) >= 60 and len(set(letters)) == len(letters)
    assert letters == sorted(letters)


@pytest.mark.parametrize("page", ["faq.md", "glossary.md", "notation.md", "errata.ipynb"])
def test_a_chapter_that_exists_is_linked_and_not_only_named(page):
    titles = [re.search(r"^# (.+)$", text, re.M)[1] for text in CHAPTERS.values()]
    assert not [title for title in titles if f'chapter "{title}"' in PAGES[page]]


# The first hour, the ledger, and what is younger than the sources.
BEYOND = ("start.ipynb", "reproduction.ipynb", "superposition.ipynb", "modern.ipynb", "words.ipynb")


def test_the_map_of_the_sources_leads_to_every_chapter_of_the_mathematics():
    text = PAGES["errata.ipynb"]
    found = refers_to(text) | set(re.findall(r"\{eq\}`([\w-]+)`", text))
    for name, chapter in CHAPTERS.items():
        own = set(re.findall(r"^\(([\w-]+)\)=$|\$\$ \((eq-[\w-]+)\)", chapter, re.M))
        assert found & {label for pair in own for label in pair} or name in BEYOND, name
