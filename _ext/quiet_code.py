"""Fold code that a reader of the page need not see first: imports, the drawing of figures, and the checks of claims.

What is folded stands under one line that says what it is; the notebooks stay as they are.  A cell is imports or drawing
when more of its lines are that than anything else, and all checks when more than half of its lines are; otherwise the
asserts at its end are folded and the rest is shown.
"""

import ast
from html import escape

from docutils import nodes

IMPORTS, FIGURE, OTHER = "Imports and settings", "Code of the figure", "Code"
DRAWING = {"plt", "ax", "axes", "fig", "figure", "plots", "explore", "live", "left", "right", "twin"}
SHORT = 5  # so few lines of drawing are as quiet as a line that stands for them


def lines(statement):
    return statement.end_lineno - statement.lineno + 1


def draws(statement):
    """Whether a statement names a figure, or defines a function that does."""
    return any(isinstance(node, ast.Name) and node.id in DRAWING for node in ast.walk(statement))


def imports(statement):
    return isinstance(statement, ast.Import | ast.ImportFrom)


def checks(statement):
    """Whether a statement only asserts, perhaps in a loop."""
    if isinstance(statement, ast.For | ast.With):
        return all(map(checks, statement.body))
    return isinstance(statement, ast.Assert)


def label(statements):
    """What these statements are, if they are mainly that: `IMPORTS`, `FIGURE` or ``None``."""
    total = sum(map(lines, statements))
    if 2 * sum(lines(s) for s in statements if imports(s)) > total:
        return IMPORTS
    if total > SHORT and 2 * sum(lines(s) for s in statements if draws(s)) > total:
        return FIGURE
    return None


def parts(source):
    """Return the lines of code, those of the checks at its end, and the statements before these."""
    statements = ast.parse(source).body
    last = len(statements)
    if 2 * sum(lines(s) for s in statements if checks(s)) > sum(map(lines, statements)):
        last = 0
    while last and checks(statements[last - 1]):
        last -= 1
    code = source.splitlines()
    cut = statements[last].lineno - 1 if last < len(statements) else len(code)
    while cut and (not code[cut - 1].strip() or code[cut - 1].startswith("#")) and cut < len(code):
        cut -= 1  # a comment over the asserts goes with them
    return "\n".join(code[:cut]).rstrip(), "\n".join(code[cut:]).strip(), statements[:last]


def fold(block, title):
    """A block of code under a line that opens it."""
    start = f'<details class="hide above-input"><summary>{escape(title)}</summary>'
    return [nodes.raw("", start, format="html"), block, nodes.raw("", "</details>", format="html")]


def with_text(block, text):
    other = block.deepcopy()
    other.rawsource, other.children = text, []
    other += nodes.Text(text)
    return other


def quiet(app, doctree):
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") != "cell_code" or cell.get("hide_mode") not in (None, "input"):
            continue
        for block in list(cell.children[0].findall(nodes.literal_block)) if cell.children else ():
            try:
                shown, closing, statements = parts(block.astext())
            except SyntaxError:  # a line for the kernel, such as %matplotlib
                continue
            folded = label(statements) or (OTHER if cell.get("hide_mode") else None)
            new = [with_text(block, shown)] if shown else []
            if folded:
                new = fold(block, folded)
            elif closing:
                count = sum(isinstance(s, ast.Assert) for s in ast.walk(ast.parse(closing)))
                new += fold(with_text(block, closing), f"{count} check{'s' * (count > 1)} of what is said here")
            block.parent.replace(block, new)
        cell.attributes.pop("hide_mode", None)


def setup(app):
    app.connect("doctree-read", quiet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
