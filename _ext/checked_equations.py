"""Mark every numbered equation that a test checks, and tell on one page how each of them is checked.

The checks are the functions under `@verifies("eq-...")` in the tests, read without running them; what they measured
lies where their last run left it, or else as the repository stores it. Both may be missing: an equation without a
check has no mark, and a check without a measurement says so. The page is read after all others, because it repeats
their equations.
"""

import ast
import json
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

PAGE = "appendices/checks"
TESTS = "tests/equations"
STORED = "tests/equations/measured.json"
MEASURED = "_build/equations"
UNMEASURED = "not measured in this build"
SIGN = (
    '<svg aria-hidden="true" width="14" height="14" viewBox="0 0 16 16" fill="none" stroke="currentColor" '
    'stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"><path d="m3 8.8 3.4 3.4L13 4.4"/></svg>'
)


# What is known: from the tests and their measurements -----------------------------------------------------------


class Check(NamedTuple):
    method: str
    sentence: str
    code: str
    error: float | None = None
    tolerance: float | None = None
    wrong: int | None = None


def read_checks(source):
    """The checks in a source of tests, by label."""
    checks = {}
    for function in ast.walk(ast.parse(source)):
        for decorator in getattr(function, "decorator_list", ()):
            match decorator:
                case ast.Call(ast.Name("verifies"), [ast.Constant(str(label)), *_], keywords):
                    words = {word.arg: word.value for word in keywords}
                    sentence = " ".join((ast.get_docstring(function) or "").split("\n\n")[0].split())
                    code = code_of(function, source.splitlines())
                    checks[label] = Check(ast.literal_eval(words["method"]), sentence, code)
    return checks


def code_of(function, lines):
    """The lines of a function with its decorators, without the docstring, which is shown as a sentence."""
    start, end, first = function.decorator_list[0].lineno - 1, function.end_lineno, function.body[0]
    if ast.get_docstring(function) and len(function.body) > 1:
        return "\n".join(lines[start : first.lineno - 1] + lines[first.end_lineno : end])
    return "\n".join(lines[start:end])


def all_checks(folder):
    """The checks of a book with what their last run measured, by label."""
    checks = {}
    for file in sorted(Path(folder, TESTS).glob("*.py")):
        checks |= read_checks(file.read_text("utf-8"))
    stored = Path(folder, STORED)
    measured = json.loads(stored.read_text("utf-8")) if stored.exists() else {}
    for label, check in checks.items():
        file = Path(folder, MEASURED, f"{label}.json")
        found = json.loads(file.read_text("utf-8")) if file.exists() else measured.get(label, {})
        checks[label] = check._replace(**found)
    return checks


def short(number):
    return f"{number:.1g}".replace("e-0", "e-").replace("e+0", "e+")


def plural(number, thing, things=None):
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def anchor(label):
    return nodes.make_id(f"check-{label}")


# The order of work ----------------------------------------------------------------------------------------------


def prepare(app):
    env = app.env
    env.numbered_equations = getattr(env, "numbered_equations", {})  # page -> [(label, formula)]
    env.shown_checks = getattr(env, "shown_checks", {})  # those of the last build
    app.checks = all_checks(app.srcdir)


def forget(app, env, docname):
    env.numbered_equations.pop(docname, None)


def collect(app, doctree):
    found = [(node["label"], node.astext()) for node in doctree.findall(nodes.math_block) if node.get("label")]
    if found:
        app.env.numbered_equations[app.env.docname] = found


def read_page_last(app, env, docnames):
    if PAGE in env.found_docs and (docnames or env.shown_checks != app.checks):
        docnames[:] = [name for name in docnames if name != PAGE] + [PAGE]


def write_what_changed(app, env):
    """Name the pages on which a mark comes, goes or says something else."""
    before, env.shown_checks = env.shown_checks, app.checks
    changed = {label for label in before.keys() | app.checks.keys() if before.get(label) != app.checks.get(label)}
    return [page for page, found in env.numbered_equations.items() if changed & dict(found).keys()]


# The marks in the pages -----------------------------------------------------------------------------------------


def mark_equations(app, doctree, docname):
    if app.builder.format != "html" or PAGE not in app.env.found_docs:
        return
    # On a single page every anchor is near.
    page = "" if app.builder.name == "singlehtml" else app.builder.get_relative_uri(docname, PAGE)
    for equation in list(doctree.findall(nodes.math_block)):
        if check := app.checks.get(equation.get("label")):
            error = UNMEASURED if check.error is None else f"largest error {short(check.error)}"
            title = escape(f"checked: {check.method}, {error}")
            names = f'class="equation-mark" title="{title}" aria-label="{title}"'
            link = f'<a {names} href="{page}#{anchor(equation["label"])}">{SIGN}</a>'
            both = nodes.container("", classes=["marked-equation"])
            equation.parent.replace(equation, both)
            both += [equation, nodes.raw("", link, format="html")]


# The page -------------------------------------------------------------------------------------------------------


class CheckedEquations(SphinxDirective):
    """The summary, and an entry for each numbered equation in the order of the book."""

    def run(self):
        found, checks = self.env.numbered_equations, self.env.app.checks
        pages = [page for page in book_order(self.env) if page in found]
        used = [checks[label] for page in pages for label, _ in found[page] if label in checks]
        sections = [self.chapter(page, found[page], checks) for page in pages]
        return [*summary(sum(map(len, found.values())), used), *sections]

    def chapter(self, page, equations, checks):
        title = [child.deepcopy() for child in self.env.titles[page].children]
        section = nodes.section("", nodes.title("", "", *title), ids=[nodes.make_id(f"checks-{page}")])
        section += [self.entry(page, label, formula, checks.get(label)) for label, formula in equations]
        return section

    def entry(self, page, label, formula, check):
        links = self.link("math", "eq", label), " in ", self.link("std", "doc", f"/{page}")
        where = paragraph("Equation ", *links, classes=["facts"])
        entry = nodes.container("", where, ids=[anchor(label)], classes=["equation-check"])
        entry += nodes.math_block(formula, formula, nowrap=False, number=None, label=None)
        if check is None:
            entry += paragraph("No test checks this equation.", classes=["facts"])
            return entry
        entry += paragraph(*code_and_formulas(check.sentence))
        entry += paragraph(facts(check), classes=["facts"])
        entry += nodes.raw("", "<details><summary>The check in Python</summary>", format="html")
        entry += nodes.literal_block(check.code, check.code, language="python")
        entry += nodes.raw("", "</details>", format="html")
        return entry

    def link(self, domain, kind, target):
        words = {"refdomain": domain, "reftype": kind, "reftarget": target, "refdoc": self.env.docname}
        return addnodes.pending_xref("", nodes.inline(), **words, refexplicit=False, refwarn=True)


def book_order(env):
    """The pages as the tables of contents put them, and after them those that are in none."""
    order, waiting = {}, [env.config.root_doc]
    while waiting:
        page = waiting.pop(0)
        if page not in order:
            order[page] = None
            waiting = env.toctree_includes.get(page, []) + waiting
    return [*order, *sorted(env.found_docs - order.keys())]


def facts(check):
    """The method, and what the last run of the tests found."""
    if check.error is None:
        return f"Method: {check.method}; {UNMEASURED}."
    error = f"largest error {short(check.error)}, where {short(check.tolerance)} is allowed"
    return f"Method: {check.method}; {error}; has to notice {plural(check.wrong, 'planted mistake')}."


def summary(equations, checks):
    """How many equations are checked, with how many planted mistakes, and a table of them by method."""
    share = "all of them are" if len(checks) == equations else plural(len(checks), "of them is", "of them are")
    line = f"The book has {plural(equations, 'numbered equation')}, and {share} checked. "
    if not any(check.wrong for check in checks):
        line += "Their errors were not measured in this build: the tests measure them, and the next build shows them."
    else:
        line += f"The checks have to notice {plural(sum(check.wrong or 0 for check in checks), 'planted mistake')}."
    rows = [["method", "equations", "planted mistakes", "largest error"]]
    for method in sorted({check.method for check in checks}):
        same = [check for check in checks if check.method == method]
        measured = [check for check in same if check.error is not None]
        found = [sum(c.wrong for c in measured), short(max(c.error for c in measured))] if measured else ["", ""]
        rows.append([method, len(same), *found])
    return [paragraph(line), table(rows)] if checks else [paragraph(line)]


def code_and_formulas(sentence):
    """The parts of a sentence, in which `code` and $formulas$ stand out and nothing else is markup."""
    for place, part in enumerate(re.split(r"(`[^`]+`|\$[^$]+\$)", sentence)):
        yield part if place % 2 == 0 else {"`": nodes.literal, "$": nodes.math}[part[0]]("", part[1:-1])


def table(rows):
    rows = [nodes.row("", *(nodes.entry("", paragraph(str(cell))) for cell in row)) for row in rows]
    columns = [nodes.colspec(colwidth=1) for _ in rows[0]]
    group = nodes.tgroup("", *columns, nodes.thead("", rows[0]), nodes.tbody("", *rows[1:]), cols=len(columns))
    return nodes.table("", group, classes=["checks-by-method"])


def paragraph(*parts, **attributes):
    return nodes.paragraph("", "", *(nodes.Text(p) if isinstance(p, str) else p for p in parts), **attributes)


def setup(app):
    app.add_directive("checked-equations", CheckedEquations)
    app.connect("builder-inited", prepare)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", collect)
    app.connect("env-before-read-docs", read_page_last)
    app.connect("env-updated", write_what_changed)
    app.connect("doctree-resolved", mark_equations)
    # Not read in parallel, because the page has to come last.
    return {"parallel_read_safe": False, "parallel_write_safe": True, "env_version": 1}
