"""Kinds of functions, and tables of formulas in which each mistake is a named change of one expression.

A table is text.  ``name = expression`` defines a quantity, right; other quantities in the expression are looked up in
the table unless they are arguments of the function that is marked.  The lines under it, ``mistake | expression |
sentence``, say what a learner may write instead (``it`` is the right expression) and what is then wrong with it; a
mistake that changes several quantities has its sentence at the first.  A line ``? hint`` says what to think about, a
line ``@ chapter eq-label Section`` (or ``@ help(...)``) where to read on; both hold until the next.  A deeper line goes
on with the last.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ... import network


def values(J, points):
    """Return the number J at each of some points."""
    return np.array([J(point) for point in points])


HELPERS = {"np": np, "network": network, "Params": network.Params, "sigmoid": network.sigmoid, "values": values}


class Table:
    """The formulas and mistakes of a text."""

    def __init__(self, text, helpers=HELPERS):
        self.helpers, self.right, self.wrong, self.words = helpers, {}, {}, {}
        hint = where = name = ""
        for line in re.sub(r"\n {8,}", " ", text).splitlines():
            start, _, rest = line.strip().partition(" ")
            if start == "?":
                hint = rest
            elif start == "@" and rest.startswith("help("):
                where = rest
            elif start == "@":
                page, label, section = rest.split(" ", 2)
                where = f'"{section}" in chapters/{page} ({label})'
            elif "|" in line:
                mistake, expression, *sentence = (part.strip() for part in line.split(" | "))
                expression = re.sub(r"\bit\b", lambda _, right=self.right[name]: f"({right})", expression)
                self.wrong.setdefault(mistake, {})[name] = compile(expression, mistake, "eval")
                if sentence:
                    self.words[mistake] = (sentence[0], hint, where)
            elif line.strip():
                name, _, expression = line.partition(" = ")
                self.right[name] = expression
        self.code = {name: compile(expression, name, "eval") for name, expression in self.right.items()}

    def scope(self, on, arguments):
        """Return a dictionary that works out each quantity that it is asked for, with the mistakes in ``on``."""
        return _Scope(self, on, self.helpers | arguments)


class _Scope(dict):
    def __init__(self, table, on, known):
        super().__init__(known)
        self.right, self.used = table.code, []
        self.wrong = {name: code for mistake in on for name, code in table.wrong[mistake].items()}

    def __missing__(self, name):
        code = self.wrong.get(name) or self.right[name]
        self.used.append(name)
        with np.errstate(all="ignore"):  # what is wrong may divide by zero
            self[name] = value = eval(code, self)
        return value


class Mistake(NamedTuple):
    """A mistake: its name, what is wrong, what to think about, where to read on, and a function that makes it.

    ``function`` takes the same arguments as the learner's function of that kind.
    """

    name: str
    sentence: str
    hint: str
    where: str
    function: Callable

    @classmethod
    def of(cls, names, words, formula):
        """Return one mistake, or two at once, from ``words``, which has sentence, hint and place for each name."""
        sentences, hints, places = zip(*(words[name][:3] for name in names), strict=True)
        return cls(
            name=" + ".join(names),
            sentence=sentences[0] if len(names) == 1 else "first, {}; second, {}".format(*sentences),
            hint=" ".join(dict.fromkeys(hints)),
            where=" and ".join(dict.fromkeys(places)),
            function=partial(formula, frozenset(names)),
        )


class Kind(NamedTuple):
    """What the tutor knows about a kind of function.

    ``formula(on, *arguments)`` is right when the set ``on`` of mistakes is empty, and ``words()`` has sentence, hint
    and place for each that may be in it.  ``cases()`` gives labels and inputs by name, and ``tried`` says which they
    are.  ``fields`` names what is returned when it is several arrays, and ``parts`` takes them out of an answer.
    ``signless`` is for rows that may be turned round, ``asked`` for functions that do not want all arguments.
    ``together(a, b)`` says whether two mistakes can be made at once.
    """

    name: str
    doc: str
    formula: Callable
    words: Callable
    arguments: tuple
    cases: Callable
    tried: str
    fields: tuple = ()
    signless: bool = False
    asked: tuple = ()
    parts: Callable = lambda value: value
    together: Callable = lambda a, b: True

    def inputs(self, names=()):
        """Return a label and the tuple of arguments for each case: all, or those of the ``names``."""
        return [(label, tuple(case[name] for name in names or self.arguments)) for label, case in self.cases()]

    def mistakes(self):
        """Return the mistakes that the tutor knows by name in a function of this kind, as a tuple of `Mistake`."""
        return _mistakes(self)

    def pairs(self):
        """Return two mistakes at once, for every two of them that go together, told apart from others or not."""
        return _pairs(self)


@lru_cache(maxsize=128)
def _mistakes(kind):
    """Return the mistakes that can be made and change something, each once."""
    from . import answers

    words, found, seen = kind.words(), [], [answers.answer(kind, answers.right(kind))]
    for name in words:
        one = Mistake.of([name], words, kind.formula)
        values = answers.run(kind, one.function)
        known = answers.answer(kind, values)
        if any(values) and not any(answers.agree(known, other) for other in seen):
            found.append(one)
            seen.append(known)
    return tuple(found)


@lru_cache(maxsize=128)
def _pairs(kind):
    words, twos = kind.words(), combinations([one.name for one in _mistakes(kind)], 2)
    return tuple(Mistake.of(two, words, kind.formula) for two in twos if kind.together(*two))


def kinds(table, cases, tried, signatures, **settings):
    """Return the kinds whose ``signatures`` stand in lines of a text: ``name(arguments) -> quantity | what it is``.

    The right answer is that quantity of the table, by default the one of the kind's own name.
    """
    lines = [line.split(" | ") for line in re.sub(r"\n {8,}", " ", signatures).strip().splitlines()]
    return [_kind(table, cases, tried, signature, doc, **settings) for signature, doc in lines]


def _kind(table, cases, tried, signature, doc, given=None, **settings):
    """Return a `Kind`; ``given`` has quantities that are not marked, with expressions for them."""
    match = re.fullmatch(r"(\w+)\((.*)\)(?: -> (\w+))?", signature)
    if match is None:
        raise ValueError(f"no signature of a kind: {signature}")
    name, arguments, wanted = match.groups()
    arguments, doc = tuple(arguments.split(", ")), f"Mark ``f({arguments})``: {doc}"

    def scope(on, values):
        known = dict(zip(arguments, values, strict=True))
        for names, expression in (given or {}).items():
            value = eval(expression, HELPERS | known)
            known |= dict(zip(names.split(), value, strict=True)) if " " in names else {names: value}
        return table.scope(on, known)

    def formula(on, *values, **named):
        return scope(on, (*values, *(named[name] for name in arguments[len(values) :])))[wanted or name]

    def words():
        traced = scope((), one.inputs()[0][1])
        traced[wanted or name]
        return {mistake: words for mistake, words in table.words.items() if {*table.wrong[mistake]} & {*traced.used}}

    def together(a, b):
        return not {*table.wrong[a]} & {*table.wrong[b]}  # of two changes of one expression only one is seen

    one = Kind(name, doc, formula, words, arguments, cases, tried, together=together, **settings)
    return one
