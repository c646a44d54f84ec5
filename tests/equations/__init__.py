"""The registry of checked equations, and what the checks of all chapters share.

An equation on a page is labeled ``$$ ... $$ (eq-name)``.  Its check compares the formula as the library computes it
with something worked out in another way, and returns the largest error.  The same check is then run on the formula with
a mistake in it, and has to notice.
"""

import inspect
import json
import os
import re
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import mpmath
import nbformat
import numpy as np

import saelib
from saelib.book import tutor
from tests import reference

ROOT = Path(__file__).parents[2]
MEASUREMENTS = ROOT / "_build" / "equations"
STORED = Path(__file__).with_name("measured.json")
METHODS = (
    "finite differences",
    "index loops",
    "symbolic",
    "high precision",
    "independent library",
    "known values",
    "property",
)
CHECKS = {}
NOTICED = (
    ValueError,
    IndexError,
    ZeroDivisionError,
)  # what a wrong formula may raise: shapes that do not fit, above all


class Check(NamedTuple):
    """One equation's check: ``function(formula, rng)`` returns the largest error, which ``tolerance`` bounds."""

    label: str
    formula: Callable
    wrong: dict
    method: str
    tolerance: float
    function: Callable


def verifies(label, *, formula, wrong, method, tolerance=1e-9):
    """Register the decorated function as the check of the equation ``label``.

    Parameters
    ----------
    label : str
        As on the page, "eq-...".
    formula : callable
        The formula as it is used: a function of `saelib`, or the page's formula written out here.
    wrong : dict or list of pairs
        Names of mistakes, each with the formula that makes it; at least three.  Those that the tutor knows come from
        `mistakes`, so that no mistake is written twice.
    method : str
        One of ``METHODS``.
    tolerance : float
        Largest error that passes, as measured by `error`.
    """

    def register(function):
        if label in CHECKS:
            raise ValueError(f"{label} has a check already, {CHECKS[label].function.__name__}")
        if method not in METHODS:
            raise ValueError(f"{label}: method must be one of {', '.join(METHODS)}, got {method!r}")
        if len(dict(wrong)) < 3:
            raise ValueError(f"{label}: wrong must hold at least three mistakes, got {len(dict(wrong))}")
        CHECKS[label] = Check(label, formula, dict(wrong), method, tolerance, function)
        return function

    return register


def load():
    """Import every chapter's checks, which registers them."""
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        import_module(f"tests.equations.{path.stem}")


def measure(check, formula):
    """Return the largest error that the check finds in ``formula``, always on the same random numbers."""
    return float(check.function(formula, np.random.default_rng(zlib.crc32(check.label.encode()))))


def notices(check, formula):
    """Return whether the check notices that ``formula`` is wrong."""
    try:
        with np.errstate(all="ignore"):
            return not measure(check, formula) <= check.tolerance
    except NOTICED:
        return True


def summarized(check, error):
    """Return what the book says of a check, the error in one digit: more would differ from machine to machine."""
    return {"error": float(f"{error:.0e}"), "tolerance": check.tolerance, "wrong": len(check.wrong)}


def record(check, error, folder=MEASUREMENTS):
    """Store the measured error for the book; a check that fails leaves no measurement behind."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{check.label}.json"
    if not error <= check.tolerance:
        path.unlink(missing_ok=True)
        return
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"error": error, "tolerance": check.tolerance, "wrong": len(check.wrong)}))
    draft.replace(path)


# --- what the checks use ----------------------------------------------------------------------------------------


def error(found, expected):
    """Return the largest difference between two arrays of one shape, relative to the largest entry expected."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    if found.shape != expected.shape:
        raise ValueError(f"found shape {found.shape}, expected {expected.shape}")
    return np.max(np.abs(found - expected)) / (np.max(np.abs(expected)) or 1)


def slopes(J, at):
    """Return the derivative of the number J by each entry of the array ``at``: central differences in 30 digits."""
    with mpmath.workdps(30):
        at, h = np.vectorize(mpmath.mpf, otypes=[object])(at), mpmath.mpf("1e-10")
        result = np.empty_like(at)
        for index in np.ndindex(at.shape):
            above, below = at.copy(), at.copy()
            above[index] += h
            below[index] -= h
            result[index] = (J(above) - J(below)) / (2 * h)
        return result


def f(z):
    """The sigmoid, in as many digits as mpmath is set to."""
    return reference.activation(z, mpmath.mp)


def mistakes(kind, *names, adapt=lambda function: function, but=(), changing=()):
    """Return the mistakes that the book's tutor knows in functions of a kind, for use as wrong formulas.

    They are all of the kind, or those of the ``names``, without those in ``but``.  Where a function has several
    results, ``changing`` keeps the mistakes that change one of these.  ``adapt`` turns each into a function with the
    arguments of the formula that is checked.
    """
    table = {mistake.name: mistake.function for mistake in tutor.mistakes(kind) if mistake.name not in but}
    table = {name: table[name] for name in names or table}
    if changing:
        table = {name: wrong for name, wrong in table.items() if _changes(tutor.KINDS[kind], wrong, changing)}
    return {f"{kind}: {name}": adapt(wrong) for name, wrong in table.items()}


def _changes(kind, wrong, results):
    for _, arguments in (kind.inputs()[0], kind.inputs()[-1]):  # the last is square, so that wrong transposes fit
        try:
            pairs = zip(kind.fields, kind.formula(frozenset(), *arguments), wrong(*arguments), strict=True)
            if any(np.shape(a) != np.shape(b) or not np.allclose(a, b) for name, a, b in pairs if name in results):
                return True
        except ValueError:
            continue
    return False


# --- the pages and the library, read for their labels -----------------------------------------------------------


def pages():
    """Return the Markdown of each chapter and appendix by its name."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("appendices/*.md"))}
    for path in sorted(ROOT.glob("*/[!_]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        texts[path.name] = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return texts


def labels_on(text):
    """Return what stands in parentheses after each block of mathematics, in the order of the page."""
    blocks = re.findall(r"\$\$.+?\$\$(?:[ \t]*\(([^)\n]*)\))?", _without_code(text), flags=re.DOTALL)
    return [label for label in blocks if label]


def references_on(text):
    """Return the labels that a page refers to as equations."""
    return re.findall(r"\{eq\}`([^`]*)`", text)


def numbered_otherwise(text):
    """Return what would give an equation a number without a label that the checks can see."""
    environments = r"\\begin\{(?:equation|align|gather|multl\w+|eqnarray|flalign|alignat)\}"
    return re.findall(rf"{environments}|\{{math\}}(?!`)|\\tag\b", _without_code(text))


def labels_in(source):
    """Return the labels in the comments of Python code."""
    return [label for line in source.splitlines() for label in re.findall(r"\((eq-[\w-]+)\)", line.partition("  #")[2])]


def library_function(formula):
    """Return the function of saelib that a check's formula is, or None for one that is written out in the tests."""
    function = inspect.unwrap(formula)
    return function if function.__module__.partition(".")[0] == "saelib" else None


def labels_of(function):
    """Return the labels in a library function, and in the library's functions that it calls."""
    called = [inspect.getmodule(function).__dict__.get(name) for name in function.__code__.co_names]
    called = [g for g in called if inspect.isfunction(g) and g.__module__.startswith("saelib")]
    return {label for g in [function, *called] for label in labels_in(inspect.getsource(g))}


def _without_code(text):
    return re.sub(r"^(`{3,})(?!\{).*?^\1|`[^`\n]+`", "", text, flags=re.DOTALL | re.MULTILINE)


# --- random networks --------------------------------------------------------------------------------------------


SETTINGS = {"lam": 0.3, "rho": 0.2, "beta": 0.7}


class Example(NamedTuple):
    """A random network of 4, 3 and 4 units, one example, and what backpropagation computes of it, as on the page."""

    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: np.ndarray
    x: np.ndarray
    z2: np.ndarray
    a2: np.ndarray
    z3: np.ndarray
    a3: np.ndarray
    delta3: np.ndarray
    delta2: np.ndarray


def network(rng, m=5, s1=4, s2=3):
    """Return parameters, none of them zero, and m examples in [0, 1]; all sizes differ, so that transposes show."""
    W1, b1, W2, b2 = (rng.normal(size=shape) for shape in ((s2, s1), s2, (s1, s2), s1))
    return saelib.Params(W1, b1, W2, b2), rng.uniform(0, 1, (m, s1))


def example(rng):
    """Return a random `Example`; its deltas are the library's, without a penalty."""
    params, X = network(rng, m=1)
    cache = saelib.forward(params, X)
    delta3 = saelib.output_delta(cache, X)
    delta2 = saelib.hidden_delta(params, cache, delta3, rho=0.5, beta=0)
    return Example(*params, X[0], *(rows[0] for rows in (*cache, delta3, delta2)))


def cost_of_one(e):
    """Return J(W, b; x) of an `Example`, computed anew from its parameters by loops, in mpmath's digits."""
    _, a3 = reference.feedforward(e[:4], e.x, "sigmoid", mpmath.mp)
    return sum((a - x) ** 2 for a, x in zip(a3, e.x, strict=True)) / 2


def cost_of_all(params, X, *, lam=0, rho=0.5, beta=0, output="sigmoid"):
    """Return J_sparse, computed by loops, in mpmath's digits."""
    terms = reference.cost_terms(params, X, lam=lam, rho=rho, beta=beta, output=output, lib=mpmath.mp)
    return sum(terms)


def slopes_by(name, params, X, **settings):
    """Return the derivatives of J_sparse by the parameters of that name, each of them nudged by itself."""
    return slopes(lambda P: cost_of_all(params._replace(**{name: P}), X, **settings), getattr(params, name))
