"""The index that the search of the built book reads; what it finds is tested in a browser (test_site.py)."""

import sys
from pathlib import Path

from docutils.core import publish_doctree
from sphinx.search.en import SearchEnglish

sys.path.insert(0, str(Path(__file__).parents[1] / "_ext"))

import section_search

PAGE = """
Nets
====

Before the parts.

Where is the 1/m?
-----------------

A batch has m rows.

.. code::

    hidden = 1

Whitening
---------

White pixels.
"""


def same(word):
    return word


def test_a_word_put_together_is_found_whole_and_in_its_parts():
    assert list(section_search.words("L-BFGS, don't", same)) == ["l-bfgs", "l", "bfgs", "don't", "don", "t"]
    assert list(section_search.words(r"\frac{1}{m} \sum_i", same)) == ["1/m", "1", "m", "sum", "i"]
    assert list(section_search.words(r"\hat\rho_j, rho_hat and rho", same)) == ["rhohat", "j", "rhohat", "and", "rho"]


def test_a_title_is_read_without_its_marks():
    assert section_search.readable(r"The same \hat\rho, and \frac\lambda2") == "The same ρ̂, and λ2"
    assert section_search.readable("dead unit") == "dead unit"


def test_each_section_has_its_own_words_and_no_code():
    doctree = publish_doctree(PAGE, settings_overrides={"doctitle_xform": False})
    index = section_search.index_of([("a", doctree)], SearchEnglish({}).stem)
    assert [one[:3] for one in index["sections"]] == [
        ["a", "", "Nets"],
        ["a", "#where-is-the-1-m", "Nets > Where is the 1/m?"],
        ["a", "#whitening", "Nets > Whitening"],
    ]
    found = {word: dict(zip(where[::2], where[1::2], strict=True)) for word, where in index["words"].items()}
    assert found["white"] == {2: 1} and found["whiten"] == {2: section_search.HEADING}
    assert found["1/m"] == {1: section_search.HEADING} and found["row"] == {1: 1}
    assert "hidden" not in found
    assert [one[4] for one in index["sections"]] == [3, 5, 2]  # words of the text


def test_what_is_rarely_looked_for_counts_less():
    doctree = publish_doctree(PAGE, settings_overrides={"doctitle_xform": False})
    index = section_search.index_of([("a", doctree), ("appendices/checks", doctree)], same)
    weights = {one[0]: one[3] for one in index["sections"]}
    assert weights["a"] == 1 > weights["appendices/checks"] > 0
