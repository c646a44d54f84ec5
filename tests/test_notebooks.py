"""The form of the notebooks: what a reader, a listener and the next maintainer can rely on in every chapter.

Whether the outputs are still what the code gives is another matter: `pytest --nbval` runs every cell for that.
"""

import ast
import builtins
import re
import sys
from functools import cache

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.nbval_tolerance import LIMITS, outputs_problems, without_figures
from tools import store_notebooks
from tools.store_notebooks import ROOT, canonical, execute, form_fault, notebooks

LIBRARIES = {"saelib", "numpy", "matplotlib", "scipy", "sklearn", "sympy", "mpmath"} | set(sys.stdlib_module_names)
LONGEST_CELL = 20  # lines
LARGEST_FILE = 1_500_000  # bytes

# Found in what a cell prints or in its code, these would differ on the next machine or say nothing to a reader.
NOT_FOR_READERS = {
    "an absolute path": re.compile(r"(?<![\w.:/])/(?:home|Users|root|work|tmp|usr|opt|var|mnt)/|\b[A-Z]:\\\w"),
    "a memory address": re.compile(r"\bat 0x|\b0x[0-9a-f]{6,}"),
    "a run time": re.compile(
        r"\d\s?(?:ms|\u00b5s|seconds?|secs?|minutes?|it/s)\b|\d\.\d+ s\b|\b(?:wall time|elapsed)\b", re.I
    ),
    "the type of a number": re.compile(r"\bnp\.(?:float|int)\d+\("),
    "more than ten decimals": re.compile(r"\d\.\d{11,}"),
}
read = cache(store_notebooks.read)  # no test changes what it is given
EXEMPTION = re.compile(r"nbval[-_]|pytest_validate_ignore_output|raises[-_]exception|skip[-_]execution", re.I)


def code_cells(nb):
    """Yield the number, as nbval counts, and the cell for each cell of code."""
    yield from enumerate(cell for cell in nb.cells if cell.cell_type == "code")


def pictures(cell):
    """Return the outputs of a cell that are pictures and nothing else."""
    kinds = [set(output.get("data", {})) for output in cell.outputs]
    return [k for k in kinds if k & {"image/png", "image/svg+xml", "image/jpeg"} and "text/html" not in k]


def printed(cell):
    """Yield the texts among a cell's outputs, pictures inside them left out."""
    for output in cell.outputs:
        for kind, content in {"text": output.get("text"), **output.get("data", {})}.items():
            if kind.startswith("text") and isinstance(content, str):
                yield re.sub(r"<svg\b.*?</svg>|data:image/[^\"']*", "", content, flags=re.S)


# --- the rules: each yields a sentence for each fault -----------------------------------------------------------


def begins_with_its_title(nb):
    first = nb.cells[0]
    lines = [line for line in first.source.splitlines() if not re.fullmatch(r"\([\w-]+\)=", line)]
    if first.cell_type != "markdown" or not re.match(r"# \S", "\n".join(lines).lstrip()):
        yield "the first cell must be text that begins with the chapter's title, `# ...`"


def outputs_are_clean(nb):
    for k, cell in code_cells(nb):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {k} stores an error: {output.ename}"
            elif output.get("name") == "stderr":
                yield f"cell {k} stores what it wrote to stderr: {output.text[:80]}"
            elif "\r" in output.get("text", ""):
                yield f"cell {k} stores a progress bar"


def outputs_are_for_readers(nb):
    for k, cell in code_cells(nb):
        for text in printed(cell):
            for what, pattern in NOT_FOR_READERS.items():
                if found := pattern.search(text):
                    yield f"cell {k} shows {what}: {text[max(0, found.start() - 30) : found.end() + 30]!r}"
        if found := NOT_FOR_READERS["an absolute path"].search(cell.source):
            yield f"the code of cell {k} holds an absolute path: {cell.source[found.start() : found.end() + 30]!r}"


def figures_are_described(nb):
    seen = {}
    for k, cell in code_cells(nb):
        about = cell.metadata.get("mystnb", {})
        alt = about.get("image", {}).get("alt", "")
        if pictures(cell):
            if len(alt.split()) < 4 or re.search(r"\.(png|svg|jpe?g)\b", alt):
                yield f"cell {k}: mystnb.image.alt must say in at least four words what there is to see, got {alt!r}"
            elif alt in seen:
                yield f"cells {seen[alt]} and {k} have the same alt text"
            seen[alt] = k
            if len(about.get("figure", {}).get("caption", "").split()) < 3:
                yield f"cell {k}: the figure needs a caption, mystnb.figure.caption"
        for output in cell.outputs:
            html = output.get("data", {}).get("text/html", "")
            words = re.findall(r"""(?:alt|aria-label)=(?:"([^"]*)"|'([^']*)')""", html)
            if re.search(r"<img\b|<svg\b", html) and max((len("".join(w).split()) for w in words), default=0) < 4:
                yield f"cell {k}: the pictures in its HTML need alt or aria-label in words"


def figures_are_shown_one_by_one(nb):
    for k, cell in code_cells(nb):
        if pictures(cell) and cell.source.splitlines()[-1].strip() != "plt.show()":
            yield f"cell {k} draws: its last line must be plt.show()"
        if len(pictures(cell)) > 1:
            yield f"cell {k} draws {len(pictures(cell))} figures; one a cell, each with its own alt text and caption"


def figures_have_captions_not_titles(nb):
    for k, cell in code_cells(nb):
        panels = re.search(
            r"subplots\(\s*\d|subplot_mosaic\(|\bnrows=|\bncols=", cell.source
        )  # these may have headings
        heading = r"\.set_title\(|\.set\([^)]*\btitle="
        if re.search(r"\bplt\.title\(|suptitle\(", cell.source) or (not panels and re.search(heading, cell.source)):
            yield f"cell {k} gives a figure a title; say it in the caption (mystnb.figure.caption) or a label"


def every_cell_is_compared(nb):
    for k, cell in code_cells(nb):
        own = dict(cell.metadata.get("nbval", {}))
        reason = own.pop("reason", "")
        ways = [tag for tag in cell.metadata.get("tags", []) if EXEMPTION.search(tag)]
        ways += [line for line in cell.source.splitlines() if line.strip().startswith("#") and EXEMPTION.search(line)]
        ways += re.findall(r"filterwarnings|simplefilter|catch_warnings|capture_output|redirect_std\w+", cell.source)
        ways += [f"{limit} = {own[limit]}" for limit in own if own[limit] > LIMITS.get(limit, 0)]
        if ways and len(reason.split()) < 5:
            yield f"cell {k} is exempt ({', '.join(ways)}); write the reason into its metadata, nbval.reason"


def cells_are_short(nb):
    for k, cell in code_cells(nb):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > LONGEST_CELL and "hide-input" not in cell.metadata.get("tags", []):
            yield f"cell {k} has {len(lines)} lines: split it, move it to saelib, or tag it hide-input"


def code_is_plain_python_on_the_usual_libraries(nb):
    for k, cell in code_cells(nb):
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            yield f"cell {k} is not plain Python (no magics, no shell): {error}"
            continue
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.split(".")[0] not in LIBRARIES:
                    yield f"cell {k} imports {name}; chapters use saelib, the scientific stack and the standard library"


def loaded_and_stored(code):
    """The names that code takes from elsewhere, and those that it defines, on the level of the module or anywhere."""
    tree = ast.parse(code)
    names = {node for node in ast.walk(tree) if isinstance(node, ast.Name)}
    loaded = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            stored.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            stored |= {(name.asname or name.name).partition(".")[0] for name in node.names}
        elif isinstance(node, ast.arg):
            stored.add(node.arg)
        elif isinstance(node, ast.ExceptHandler):
            stored.add(node.name)
    return loaded, stored


def names_stand_before_their_use(nb):
    known = set(dir(builtins))
    for k, cell in code_cells(nb):
        loaded, stored = loaded_and_stored(cell.source)
        known |= stored
        for name in sorted(loaded - known):
            yield f"cell {k} needs {name}, which no cell has defined so far, be it in a function that is called later"


RULES = [
    begins_with_its_title,
    outputs_are_clean,
    outputs_are_for_readers,
    figures_are_described,
    figures_are_shown_one_by_one,
    figures_have_captions_not_titles,
    every_cell_is_compared,
    cells_are_short,
    code_is_plain_python_on_the_usual_libraries,
    names_stand_before_their_use,
]
NOTEBOOKS = [pytest.param(path, id=path.stem) for path in notebooks()]


@pytest.mark.parametrize("path", NOTEBOOKS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_form(path, rule):
    faults = list(rule(read(path)))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_is_what_make_notebooks_writes(path):
    assert form_fault(path) is None


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_is_small_enough_to_keep_in_the_repository(path):
    assert path.stat().st_size <= LARGEST_FILE


def test_a_notebook_runs_from_any_working_directory(tmp_path):
    stored = read(ROOT / "chapters" / "_template.ipynb")
    now = execute(nbformat.from_dict(stored), tmp_path)
    for (_, a), (k, b) in zip(code_cells(stored), code_cells(now), strict=True):
        # Its own run compares the figures, where the Matplotlib is that of the stored ones.
        a, b = (without_figures(cell.outputs)[0] for cell in (a, b))
        assert outputs_problems(a, b, LIMITS) == [], f"cell {k}"


# --- each rule sees the fault it is there for -------------------------------------------------------------------


def cell(source, *outputs, **metadata):
    return new_code_cell(source, outputs=list(outputs), metadata=metadata, execution_count=1)


def stdout(text):
    return new_output("stream", name="stdout", text=text)


def figure(**more):
    return new_output("display_data", data={"image/png": "iVBORw0K", "text/plain": "<Figure size 640x480>"} | more)


DESCRIBED = {"figure": {"caption": "The cost falls."}, "image": {"alt": "A curve that falls steeply, then slowly."}}
FILE_NAME = {"figure": {"caption": "The cost falls."}, "image": {"alt": "the file 3f2a .png here.png"}}
LONG = "\n".join(f"x = {k}" for k in range(21))


@pytest.mark.parametrize(
    ("rule", "faulty"),
    [
        (begins_with_its_title, new_markdown_cell("## A section")),
        (begins_with_its_title, cell("x = 1")),
        (outputs_are_clean, cell("1/0", new_output("error", ename="ZeroDivisionError", evalue="", traceback=[]))),
        (outputs_are_clean, cell("x", new_output("stream", name="stderr", text="RuntimeWarning"))),
        (outputs_are_clean, cell("x", stdout("10%\r20%"))),
        (outputs_are_for_readers, cell("x", stdout("saved in /home/ann/book"))),
        (outputs_are_for_readers, cell('open("/tmp/x")')),
        (outputs_are_for_readers, cell("x", stdout("<object at 0x0>"))),
        (outputs_are_for_readers, cell("x", stdout("trained in 12.3 s"))),
        (outputs_are_for_readers, cell("x", stdout("25 ms a step"))),
        (outputs_are_for_readers, cell("x", stdout("np.float64(0.5)"))),
        (outputs_are_for_readers, cell("x", stdout("0.40495123456789"))),
        (figures_are_described, cell("plt.show()", figure())),
        (figures_are_described, cell("plt.show()", figure(), mystnb=FILE_NAME)),
        (figures_are_described, cell("plt.show()", figure(), mystnb={"image": DESCRIBED["image"]})),
        (figures_are_described, cell("x", figure(**{"text/html": "<figure><svg></svg></figure>"}))),
        (figures_are_shown_one_by_one, cell("ax.plot(x)", figure(), mystnb=DESCRIBED)),
        (figures_are_shown_one_by_one, cell("plt.show()", figure(), figure(), mystnb=DESCRIBED)),
        (figures_have_captions_not_titles, cell('ax.set_title("Cost")')),
        (figures_have_captions_not_titles, cell('ax.set(title="Cost")')),
        (figures_have_captions_not_titles, cell('fig, axes = plt.subplots(1, 2)\nfig.suptitle("Cost")')),
        (every_cell_is_compared, cell("# NBVAL_IGNORE_OUTPUT\nx")),
        (every_cell_is_compared, cell("x", tags=["nbval-skip"])),
        (every_cell_is_compared, cell("x", tags=["raises-exception"])),
        (every_cell_is_compared, cell("x", nbval={"rtol": 0.1})),
        (every_cell_is_compared, cell("x", nbval={"tile_rms": 99, "reason": "because"})),
        (every_cell_is_compared, cell('warnings.simplefilter("ignore")')),
        (cells_are_short, cell(LONG)),
        (code_is_plain_python_on_the_usual_libraries, cell("%matplotlib inline")),
        (code_is_plain_python_on_the_usual_libraries, cell("!ls")),
        (code_is_plain_python_on_the_usual_libraries, cell("import torch")),
        (code_is_plain_python_on_the_usual_libraries, cell("from .helpers import plot")),
        (names_stand_before_their_use, cell("def f(x):\n    return slope(x)")),
    ],
)
def test_each_rule_sees_its_fault(rule, faulty):
    assert list(rule(new_notebook(cells=[faulty]))) != []


@pytest.mark.parametrize(
    "sound",
    [
        cell("plt.show()", figure(), mystnb=DESCRIBED),
        cell("x", nbval={"rtol": 0.02, "reason": "two hundred steps amplify the last digits"}),
        cell(LONG, tags=["hide-input"]),
        cell('fig, axes = plt.subplots(1, 2)\naxes[0].set_title("forward")'),
        cell('ax.set(xlabel="$z$")\nax.legend(title="units")'),
        cell("from saelib import sigmoid", stdout("see https://example.org/home/page: 25 units, cost 0.41")),
        cell("x", figure(**{"text/html": '<figure aria-label="Filters after each step"><svg></svg></figure>'})),
    ],
)
def test_no_rule_objects_to_what_is_right(sound):
    names = cell("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nx = 1")
    nb = new_notebook(cells=[new_markdown_cell("(chapter)=\n# A chapter"), names, sound])
    assert [fault for rule in RULES for fault in rule(nb)] == []


# --- the canonical form -----------------------------------------------------------------------------------------


def untidy_notebook():
    """A notebook as an editor may leave it."""
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "5f3c"}, "text/plain": "IntSlider(value=3)"}
    code = cell(
        "x = 1   \n\nx\n\n",
        new_output("stream", name="stdout", text="one "),
        new_output("stream", name="stdout", text="line\n"),
        new_output("display_data", data=view),
        new_output("execute_result", data={"text/plain": "<object at 0x7f3a91c2d0>"}, execution_count=7),
        scrolled=True,
        execution={"iopub.execute_input": "2024-01-01T00:00:00Z"},
        tags=["hide-input"],
    )
    metadata = {"widgets": {"state": {}}, "language_info": {"name": "python", "version": "3.11.2"}, "vscode": {}}
    return new_notebook(cells=[new_markdown_cell("# T  \n"), code, cell("x"), cell("x"), cell("")], metadata=metadata)


def test_the_canonical_form_is_a_fixed_point():
    once = canonical(untidy_notebook())
    assert canonical(nbformat.reads(once, as_version=4)) == once


def test_the_canonical_form_keeps_what_is_said_and_drops_what_is_chance():
    nb = nbformat.reads(canonical(untidy_notebook()), as_version=4)
    assert [c.source for c in nb.cells] == ["# T", "x = 1\n\nx", "x", "x"]
    assert len({c.id for c in nb.cells}) == 4
    assert set(nb.metadata) == {"kernelspec", "language_info"} and nb.metadata.language_info == {"name": "python"}
    assert nb.cells[1].metadata == {"tags": ["hide-input"]}
    said, view, result = nb.cells[1].outputs
    assert said.text == "one line\n"
    assert view.data == {"text/plain": "IntSlider(value=3)"}
    assert result.data == {"text/plain": "<object at 0x0>"} and result.execution_count == 1


def test_a_chance_id_or_time_leaves_no_trace():
    a, b = untidy_notebook(), untidy_notebook()
    b.cells[1].id, b.cells[1].metadata["execution"] = "ffffffff", {"iopub.execute_input": "2025-05-05T05:05:05Z"}
    b.cells[1].outputs[3].data["text/plain"] = "<object at 0x7fffffffff>"
    assert canonical(a) == canonical(b)


def test_a_changed_number_leaves_one():
    a, b = untidy_notebook(), untidy_notebook()
    b.cells[1].outputs[0].text = "two "
    assert canonical(a) != canonical(b)


def test_the_picture_on_the_cover_is_the_one_in_its_chapter():
    from tools import draw_cover

    assert draw_cover.EDGES.read_bytes() == draw_cover.edges(), "run tools/draw_cover.py"
