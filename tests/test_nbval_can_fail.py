"""The comparison of notebooks can fail: a changed number, word, count, picture or library is seen, and noise passes.

A small notebook is executed and stored, as a chapter is, and then run by ``pytest --nbval`` in a process of its own:
as it is, with its stored outputs tampered with, and with a copy of saelib that has a fault.
"""

import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from saelib.book import _frames
from tests.nbval_tolerance import (
    LIMITS,
    LONGEST_FIRST,
    drawing_problem,
    longest_first,
    markup_problem,
    outputs_problems,
    picture_problem,
    share_of,
    text_problem,
    without_figures,
)
from tools import store_notebooks
from tools.store_notebooks import ROOT, canonical, execute

SOURCES = {
    "imports": "import matplotlib.pyplot as plt\nimport numpy as np\n\nfrom saelib import sigmoid",
    "number": 'print(f"the activation is {sigmoid(0.3):.6f}")',
    "word": 'print("edges at every angle")',
    "count": 'print(f"{np.sum(sigmoid(np.arange(-9, 9)) > 0.9)} units of 18 are active")',
    "array": "print(sigmoid(np.linspace(-1, 1, 9)))",
    "figure": "fig, ax = plt.subplots(figsize=(4, 3))\nax.plot(sigmoid(np.linspace(-6, 6, 99)))\nplt.show()",
    "silent": "x = 1",
}
CELLS = list(SOURCES)
FAULTS = {"sign": "_right(-np.asarray(Z))", "small": "_right(Z) * (1 + 1e-7)", "large": "_right(Z) * (1 + 1e-3)"}

DOUBLINGS = ["x = 2 * x\nprint(x)"] * 6
NETWORK = [
    'import socket\n\nsocket.create_connection(("192.0.2.1", 80), timeout=1)',
    'import socket\n\nsocket.getaddrinfo("example.org", 80)',
    'server = socket.create_server(("127.0.0.1", 0))\nsocket.create_connection(server.getsockname()).close()',
]


def run_nbval(folder, options=(), **environment):
    """Run the notebooks in ``folder``; return what went wrong in each cell of each ("" if nothing did), and the log."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": "", **environment}
    plugins = ["-p", "nbval.plugin", "-p", "tests.nbval_tolerance", "-p", "no:cacheprovider"]
    options = [
        *options,
        "--nbval",
        "--nbval-current-env",
        "--color=no",
        "-rs",
        f"--rootdir={folder}",
        f"--junitxml={folder}/report",
    ]
    command = [sys.executable, "-m", "pytest", "-c", folder / "pytest.ini", *plugins, *options, folder]
    done = subprocess.run(command, env=os.environ | env, cwd=ROOT, capture_output=True, text=True)
    wrong = defaultdict(dict)
    for case in ET.parse(folder / "report").iter("testcase"):
        faults = [fault.text or fault.get("message") for fault in case if fault.tag in ("failure", "error")]
        wrong[case.get("classname").removesuffix(".ipynb")][case.get("name")] = "".join(faults)
    assert wrong, done.stdout + done.stderr
    return wrong, done.stdout


def notebook_of(*sources, **metadata):
    return new_notebook(cells=[new_code_cell(source) for source in sources], metadata=metadata)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The small notebook as `make notebooks` would store it."""
    return canonical(execute(notebook_of(*SOURCES.values()), tmp_path_factory.mktemp("stored")))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A stored notebook that imports nothing; its cells give what they give in this order only."""
    return canonical(execute(notebook_of("x = 1", *DOUBLINGS), tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def run(stored, tmp_path_factory):
    """One run of several notebooks, sound and not: the folder, what went wrong, the log."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "sound.ipynb").write_text(stored)
    nbformat.write(tampered_with(stored), folder / "tampered.ipynb")
    nbformat.write(notebook_of('print("something")'), folder / "never.ipynb")
    nbformat.write(notebook_of(*NETWORK), folder / "network.ipynb")
    nbformat.write(notebook_of("1/0", "1/0", saelib={"needs": "mnist"}), folder / "digits.ipynb")
    for name, expression in FAULTS.items():
        nbformat.write(on_another_library(stored, folder, name, expression), folder / f"{name}.ipynb")
    nowhere = dict.fromkeys(("SAELIB_DATA", "XDG_CACHE_HOME", "HOME"), str(folder / "nowhere"))
    return folder, *run_nbval(folder, **nowhere)


def tampered_with(stored):
    """The stored notebook with one detail of every output changed."""
    nb = nbformat.reads(stored, as_version=4)
    outputs = {name: cell.outputs for name, cell in zip(CELLS, nb.cells, strict=True)}
    outputs["number"][0].text = outputs["number"][0].text.replace("0.574443", "0.574543")
    outputs["word"][0].text = outputs["word"][0].text.replace("every", "any")
    outputs["count"][0].text = outputs["count"][0].text.replace("6 units", "7 units")
    outputs["array"][0].text = outputs["array"][0].text.replace("0.3775", "0.3776")
    outputs["figure"][0].data["image/png"] = blotted(outputs["figure"][0].data["image/png"])
    outputs["silent"].append(outputs["word"][0])
    return nb


def blotted(png, size=6):
    """The picture with one small square in another shade."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    image.paste((200, 200, 200), (100, 60, 100 + size, 60 + size))
    content = io.BytesIO()
    image.save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def tampered(run, name):
    return run[1]["tampered"][f"Cell {CELLS.index(name)}"]


# --- the stored outputs are changed -----------------------------------------------------------------------------


def test_the_notebook_as_stored_passes(run):
    assert run[1]["sound"] == {f"Cell {k}": "" for k in range(len(CELLS))}


def test_what_was_not_tampered_with_passes(run):
    assert tampered(run, "imports") == ""


def test_one_changed_number_fails(run):
    assert "0.574543 became 0.574443" in tampered(run, "number")


def test_one_changed_word_fails(run):
    assert "the words differ" in tampered(run, "word")


def test_one_changed_count_fails(run):
    assert "7 became 6 (whole numbers must agree exactly)" in tampered(run, "count")


def test_one_changed_digit_in_an_array_fails(run):
    assert "became 0.3775" in tampered(run, "array")


def test_one_changed_region_of_a_figure_fails(run):
    assert "in the worst tile, 96 pixels from the left and 48 from the top" in tampered(run, "figure")


def test_an_output_that_no_longer_comes_fails(run):
    assert "stored outputs: stdout; now: none" in tampered(run, "silent")


def test_a_notebook_that_was_never_executed_fails(run):
    assert "stored outputs: none; now: stdout" in run[1]["never"]["Cell 0"]


def test_what_differs_is_saved_for_people_to_look_at(run):
    saved = {path.name for path in (run[0] / "_build" / "nbval-diff" / "tampered").iterdir()}
    cell = f"cell-{CELLS.index('figure')}-output-1"
    assert {f"{cell}-stored.png", f"{cell}-now.png", f"{cell}-difference.png"} <= saved
    assert {"cell-1-output-1-stored.txt", "cell-1-output-1-now.txt"} <= saved


# --- the circumstances ------------------------------------------------------------------------------------------


def test_a_notebook_without_its_data_is_one_skip_that_says_how_to_get_them(run):
    assert run[1]["digits"] == {"data": ""}
    said = next(line for line in run[2].splitlines() if line.startswith("SKIPPED"))
    assert "make data" in said and "SAELIB_DATA" in said


def test_no_kernel_reaches_beyond_this_machine(run):
    wrong = run[1]["network"]
    assert "tests use no network" in wrong["Cell 0"] and "tests use no network" in wrong["Cell 1"]
    assert wrong["Cell 2"] == ""


def test_no_test_reaches_beyond_this_machine_either():
    with pytest.raises(OSError, match="tests use no network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


# --- the library is changed -------------------------------------------------------------------------------------


def on_another_library(stored, folder, name, expression):
    """The stored notebook on a copy of saelib whose sigmoid returns ``expression`` of the right one."""
    library = folder / "libraries" / name
    shutil.copytree(ROOT / "saelib", library / "saelib", ignore=shutil.ignore_patterns("__pycache__"))
    with (library / "saelib" / "network.py").open("a") as file:
        file.write(f"\n\n_right = sigmoid\n\n\ndef sigmoid(Z):\n    return {expression}\n")
    nb = nbformat.reads(stored, as_version=4)
    nb.cells[0].source = f"import sys\n\nsys.path.insert(0, {str(library)!r})\n{nb.cells[0].source}"
    return nb


def wrong_on(run, name):
    return {cell for k, cell in enumerate(CELLS) if run[1][name][f"Cell {k}"]}


def test_one_sign_changed_in_the_library_fails(run):
    assert wrong_on(run, "sign") == {"number", "count", "array", "figure"}


def test_a_relative_change_of_1e_7_in_the_library_passes(run):
    assert wrong_on(run, "small") == set()


def test_a_relative_change_of_1e_3_in_the_library_fails(run):
    assert wrong_on(run, "large") >= {"number", "array"}


# --- another machine --------------------------------------------------------------------------------------------


def test_without_figures_all_else_is_compared_on_as_many_threads_as_the_environment_says(run, tmp_path):
    (tmp_path / "tampered.ipynb").write_bytes((run[0] / "tampered.ipynb").read_bytes())
    says = 'import os\n\nprint(os.environ["OPENBLAS_NUM_THREADS"])'
    (tmp_path / "threads.ipynb").write_text(canonical(execute(notebook_of(says), tmp_path)))  # stored with one
    wrong, said = run_nbval(tmp_path, options=["--nbval-without-figures"], OPENBLAS_NUM_THREADS="2")
    assert "1 became 2" in wrong["threads"]["Cell 0"]
    found = {name for k, name in enumerate(CELLS) if wrong["tampered"][f"Cell {k}"]}
    assert found == {"number", "word", "count", "array", "silent"}
    assert "figures left out of the comparison: 1" in said


def test_a_figure_left_out_still_has_to_come():
    def left(**data):
        outputs, count = without_figures([nbformat.v4.new_output("display_data", data=data)])
        return outputs[0].data, count

    page = f'<p>cost 0.4</p><svg>a</svg><svg>b<img src="data:image/png;base64,{png(GRAY)}"></svg>'
    assert left(**{"image/png": png(GRAY), "text/plain": "Figure"}) == ({"image/png": "", "text/plain": "Figure"}, 1)
    assert left(**{"text/html": page}) == ({"text/html": "<p>cost 0.4</p>a drawinga drawing"}, 2)
    assert left(**{"text/html": f"<img src='data:image/png;base64,{png(GRAY)}'>"})[1] == 1


SHUFFLE = """
import random

def pytest_collection_modifyitems(items):
    random.Random(0).shuffle(items)
"""


@pytest.mark.parametrize(
    "options",
    [
        ("-p", "shuffle"),
        ("-k", "4"),
        ("-p", "xdist.plugin", "-n", "2"),
        ("-p", "xdist.plugin", "-n", "2", "--dist", "worksteal", "-p", "shuffle"),
    ],
    ids=["random order", "one cell", "two processes", "two processes that steal"],
)
def test_cells_stay_together_and_in_order(options, small, tmp_path):
    (tmp_path / "shuffle.py").write_text(SHUFFLE)
    for name in ("one", "two"):
        (tmp_path / f"{name}.ipynb").write_text(small)
    wrong, log = run_nbval(tmp_path, options=options, PYTHONPATH=str(tmp_path))
    count = 5 if "-k" in options else 1 + len(DOUBLINGS)
    assert {name: set(cells.values()) for name, cells in wrong.items()} == {"one": {""}, "two": {""}}, log
    assert all(list(cells) == [f"Cell {k}" for k in range(count)] for cells in wrong.values())


def test_what_takes_longest_is_begun_first_and_its_tests_keep_their_order():
    last, other = Path("chapters") / f"{LONGEST_FIRST[-1]}.ipynb", Path("tests") / "test_other.py"
    first = Path("chapters") / f"{LONGEST_FIRST[0]}.ipynb"
    items = [SimpleNamespace(path=path, number=k) for k, path in enumerate((other, last, first, last, other, first))]
    assert [item.number for item in longest_first(items)] == [2, 5, 1, 3, 0, 4]
    there = {path.stem for path in (*store_notebooks.notebooks(), *(ROOT / "tests").glob("test_*.py"))}
    assert set(LONGEST_FIRST) <= there


@pytest.mark.parametrize("count, shares", [(2, [[0, 2, 5], [1, 4]]), (7, [[0], [1], [2], [4], [5], [0], [1]])])
def test_each_of_several_processes_has_its_share_of_the_processors(count, shares):
    assert [share_of([0, 1, 2, 4, 5], mine, count) for mine in range(count)] == shares


def test_an_unexpected_file_of_data_fails_its_notebook_alone(small, tmp_path):
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    (tmp_path / "data" / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"other clothes")
    nbformat.write(notebook_of("1", saelib={"needs": "mnist"}), tmp_path / "digits.ipynb")
    (tmp_path / "sound.ipynb").write_text(small)
    wrong, log = run_nbval(tmp_path, SAELIB_DATA=str(tmp_path / "data"))
    assert "is not MNIST's original file" in wrong["digits"]["data"]
    assert set(wrong["sound"].values()) == {""}


def test_a_read_only_checkout_has_a_temporary_folder(tmp_path):
    (tmp_path / "file").touch()  # nothing can be made below it, not even by the superuser
    folder = store_notebooks.build_folder(tmp_path / "file")
    assert folder.is_dir() and tmp_path not in folder.parents
    folder.rmdir()
    assert store_notebooks.build_folder(tmp_path) == tmp_path / "_build"


# --- storing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "complaint"),
    [("1 / 0", "ZeroDivisionError"), ('import warnings\n\nwarnings.warn("odd")', "writes to stderr")],
    ids=["error", "warning"],
)
def test_a_notebook_that_fails_or_warns_is_left_as_it_was(source, complaint, tmp_path, capsys):
    path = tmp_path / "chapter.ipynb"
    nbformat.write(notebook_of("x = 1  ", source), path)
    before = path.read_bytes()
    assert store_notebooks.main([str(path)]) == 1
    assert complaint in capsys.readouterr().out
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]


def test_an_interrupted_notebook_is_left_as_it_was(tmp_path):
    path, started = tmp_path / "chapter.ipynb", tmp_path / "started"
    nbformat.write(notebook_of('open("started", "w").close()', "import time\n\ntime.sleep(60)"), path)
    before = path.read_bytes()
    storing = subprocess.Popen([sys.executable, store_notebooks.__file__, path], stdout=subprocess.PIPE, text=True)
    while not started.exists() and storing.poll() is None:
        time.sleep(0.1)
    storing.send_signal(signal.SIGTERM)
    said, _ = storing.communicate(timeout=60)
    assert storing.returncode == 1 and "left as it is" in said
    assert path.read_bytes() == before and {p.name for p in tmp_path.iterdir()} == {path.name, started.name}


def test_another_kernel_of_the_same_name_does_not_matter(small, tmp_path, capsys, monkeypatch):
    broken = {"argv": ["/nowhere/python", "-f", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    (tmp_path / "kernels" / "python3").mkdir(parents=True)
    (tmp_path / "kernels" / "python3" / "kernel.json").write_text(json.dumps(broken))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    path = tmp_path / "chapter.ipynb"
    path.write_text(small)
    assert store_notebooks.main([str(path)]) == 0
    assert "unchanged" in capsys.readouterr().out


def test_a_kernel_that_does_not_start_is_said_in_two_lines(small, tmp_path):
    (tmp_path / "chapter.ipynb").write_text(small)
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit('broken')")
    command = [sys.executable, store_notebooks.__file__, tmp_path / "chapter.ipynb"]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1 and done.stderr == ""
    first, second = done.stdout.splitlines()
    assert "no kernel started: " in first and "left as it is" in second
    assert (tmp_path / "chapter.ipynb").read_text() == small


DAMAGED = {
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "half": lambda text: text[:500].encode(),
    "empty": lambda text: b"",
    "a list": lambda text: b"[1]",
    "no cells": lambda text: b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "UTF-16": lambda text: text.encode("utf-16"),
    "a merge": lambda text: text.replace('"cells": [', '<<<<<<< HEAD\n"cells": [').encode(),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_is_no_notebook_is_named_in_one_line(small, tmp_path, capsys, damage):
    path = tmp_path / "chapter.ipynb"
    path.write_bytes(DAMAGED[damage](small))
    for arguments in (["--check"], []):
        assert store_notebooks.main([*arguments, str(path)]) == 1
        (line,) = [line for line in capsys.readouterr().out.splitlines() if "chapter.ipynb cannot" in line]
        assert line.startswith(f"{path} cannot be read as a notebook: ")
    assert path.read_bytes() == DAMAGED[damage](small)


def as_left_by(editor, stored):
    """The stored notebook as somebody's editor would leave it; what readers see is the same."""
    nb = json.loads(stored)
    code = [cell for cell in nb["cells"] if cell["cell_type"] == "code"]
    if editor == "another kernel":
        nb["metadata"]["kernelspec"] = {"name": "julia-1.9", "display_name": "Julia", "language": "julia"}
    elif editor == "no metadata":
        nb["metadata"] = {}
    elif editor == "JupyterLab":
        view = {"application/vnd.jupyter.widget-view+json": {"model_id": "abc", "version_major": 2}}
        state = {"state": {"abc": {"model_name": "LayoutModel", "state": {}}}, "version_major": 2}
        nb["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
        code[1]["outputs"].append({"output_type": "display_data", "metadata": {}, "data": view})
        for k, cell in enumerate(code):
            cell["execution_count"] = 40 + k
            cell["metadata"] |= {"execution": {"iopub.execute_input": "2026-01-01T00:00:00Z"}, "scrolled": True}
    elif editor == "an old one":
        nb["nbformat_minor"] = 2
        for cell in nb["cells"]:
            del cell["id"]
    elif editor == "one on Windows":
        for cell in nb["cells"]:
            cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
            for output in cell["outputs"]:
                if "text" in output:
                    output["text"] = "".join(output["text"]).replace("\n", "\r\n")
        return json.dumps(nb, indent=1).replace("\n", "\r\n")
    return json.dumps(nb)


EDITORS = ("another kernel", "no metadata", "JupyterLab", "an old one", "one on Windows")


def test_what_editors_leave_in_a_notebook_does_not_matter(small, tmp_path):
    for editor in EDITORS:
        text = as_left_by(editor, small)
        (tmp_path / f"{editor}.ipynb").write_text(text, newline="")
        assert text != small
        if editor != "JupyterLab":  # which has counted otherwise
            assert canonical(nbformat.reads(text, as_version=4)) == small
    wrong, log = run_nbval(tmp_path)
    assert wrong == {editor: {f"Cell {k}": "" for k in range(1 + len(DOUBLINGS))} for editor in EDITORS}, log


def test_storing_twice_changes_no_byte(small, tmp_path, capsys):
    path = tmp_path / "chapter.ipynb"
    path.write_text(small)
    assert store_notebooks.main([str(path)]) == 0
    assert "unchanged" in capsys.readouterr().out and path.read_text() == small


def test_check_names_what_is_not_in_canonical_form(small, tmp_path, capsys):
    path = tmp_path / "chapter.ipynb"
    path.write_text(small)
    assert store_notebooks.main(["--check", str(path)]) == 0
    path.write_text(small.replace('"execution_count": 2', '"execution_count": 5'))
    assert store_notebooks.main(["--check", str(path)]) == 1
    assert "chapter.ipynb: not executed once from top to bottom" in capsys.readouterr().out


# --- the rules of comparison, one by one ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "now"),
    [
        ("cost 0.404951", "cost 0.404952"),  # two roundings of nearly one value
        ("cost 0.404951e-3", "cost 0.404952e-3"),
        ("[ 0.25 -0.  ]", "[ 0.25  0.  ]"),
        ("[[ 0.       0.123456]]", "[[-0.       0.123456]]"),
        ("error 1.2345678e-05", "error 1.2345679e-05"),
        ("slope \u22120.2500001", "slope -0.2500002"),
    ],
)
def test_texts_that_agree(stored, now):
    assert text_problem(stored, now, LIMITS) is None


@pytest.mark.parametrize(
    ("stored", "now"),
    [
        ("cost 0.4050", "cost 0.4055"),
        ("cost 0.40", "cost 0.41"),
        ("cost 0.404951", "cost -0.404951"),
        ("cost 4.0e-05", "cost 4.0e-06"),
        ("cost 0.5", "cost 0.50"[:-1] + "1"),
        ("25 units", "26 units"),
        ("10,000 patches", "10,001 patches"),
        ("1000000 patches", "1000001 patches"),
        ("1 unit", "1.0 unit"),
        ("W1", "W2"),
        ("cost 0.5", "Cost 0.5"),
        ("cost 0.5\nrho 0.05", "cost 0.5 rho 0.05"),
        ("0.5 0.5", "0.5 0.5 0.5"),
        ("cost nan", "cost 0.5"),
        ("rho_hat_3", "rho_hat_4"),
        ("version 1.2.3", "version 1.2.4"),
    ],
)
def test_texts_that_differ(stored, now):
    assert text_problem(stored, now, LIMITS) is not None
    assert text_problem(now, stored, LIMITS) is not None


def test_a_cell_can_have_wider_limits():
    assert text_problem("cost 0.40", "cost 0.41", LIMITS | {"rtol": 0.03}) is None
    assert text_problem("cost 0.40", "cost 0.42", LIMITS | {"rtol": 0.03}) is not None


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(np.uint8(pixels)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


GRAY = np.full((80, 120, 3), 128)


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        (lambda a: a + 1, True),  # one level everywhere
        (lambda a: a + 2, False),
        (lambda a: np.where(np.indices(a.shape)[0] + np.indices(a.shape)[1] == 50, a + 20, a), True),  # a faint line
        (lambda a: np.where(np.indices(a.shape)[1] == 50, a + 60, a), False),  # a dark line
        (lambda a: np.where(np.indices(a.shape)[1] == 119, a + 60, a), False),  # the same at the edge
        (lambda a: a[:-1], False),  # another size
        (lambda a: np.dstack([a, np.full(a.shape[:2], 255)]), True),  # opaque either way
        (lambda a: np.dstack([a, np.full(a.shape[:2], 200)]), False),  # transparent
    ],
)
def test_pictures(change, agrees):
    assert (picture_problem(png(GRAY), png(change(GRAY)), LIMITS) is None) == agrees


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        (lambda a: np.roll(a, 50, axis=1), True),  # the units in another order
        (lambda a: a[::-1, ::-1], True),
        (lambda a: np.where(np.indices(a.shape)[1] < 20, 128, a), False),  # one unit is missing
        (lambda a: 128 + (a - 128) // 2, False),  # paler
        (lambda a: np.full(a.shape, 128), False),
    ],
)
def test_a_picture_whose_units_may_come_in_any_order(change, agrees):
    units = np.random.default_rng(0).integers(0, 256, (80, 120, 1)).repeat(3, axis=-1)
    any_order = LIMITS | {"rms": 128, "tile_rms": 255}
    assert (picture_problem(png(units), png(change(units)), any_order) is None) == agrees


def test_what_is_not_a_picture_is_said_to_be_none():
    assert "cannot be read" in picture_problem(png(GRAY), "AAAA", LIMITS)


SVG = (
    '<svg width="100pt"><defs><clipPath id="p0123456789"/></defs><!-- 25 units -->'
    '<path d="M 10.5 20 L 30.25 40" clip-path="url(#p0123456789)" style="fill: #4080ff"/><text>rho 0.05</text></svg>'
)


@pytest.mark.parametrize(
    ("old", "new", "agrees"),
    [
        ("p0123456789", "pabcdef0123", True),  # a name that chance gave
        ("10.5", "10.51", True),
        (" 20 ", " 20.01 ", True),
        ("10.5", "10.6", False),
        ("#4080ff", "#4180fe", True),
        ("#4080ff", "#5080ff", False),
        ("0.05", "0.06", False),
        ("rho", "tau", False),
        ("25 units", "26 units", False),
        ("<text>", "<text/><text>", False),
        ("url(#p0123456789)", "url(#pabcdef0123)", False),  # points elsewhere
        ("<path", "<line", False),
    ],
)
def test_drawings(old, new, agrees):
    assert old in SVG
    assert (drawing_problem(SVG, SVG.replace(old, new), LIMITS) is None) == agrees
    page = "<figure>{}<p>25 units, cost 0.404951</p></figure>"
    assert (markup_problem(page.format(SVG), page.format(SVG.replace(old, new)), LIMITS) is None) == agrees


def test_what_a_drawing_is_said_to_show_is_compared_as_text():
    drawn = '<svg aria-label="Unit 3: the cost is 0.8." role="img"><path d="M 10 20"/></svg>'
    other, off = drawn.replace("0.8", "0.9"), LIMITS | {"svg_atol": 5}
    assert "0.8 became 0.9" in drawing_problem(drawn, other, off)
    assert drawing_problem(drawn, other, LIMITS | {"atol": 0.11}) is None
    assert drawing_problem(drawn, drawn.replace("Unit 3", "Unit 4"), LIMITS | {"atol": 2})


@pytest.mark.parametrize(
    ("old", "new", "agrees"),
    [
        ("0.404951", "0.404952", True),
        ("0.404951", "0.405951", False),
        ('max="10"', 'max="11"', False),
        ("base64,{gray}", "base64,{lighter}", True),
        ("base64,{gray}", "base64,{dark}", False),
        ("<svg></svg>", "", False),
        ("frame", "Frame", False),
    ],
)
def test_html_with_pictures_in_it(old, new, agrees):
    names = {"gray": png(GRAY), "lighter": png(GRAY + 1), "dark": png(GRAY - 40)}
    page = (
        '<figure><img alt="frame" src="data:image/png;base64,{gray}"><svg></svg><input max="10"> cost 0.404951</figure>'
    )
    assert old in page
    assert (markup_problem(page.format(**names), page.replace(old, new).format(**names), LIMITS) is None) == agrees


def frames_of(*heights):
    """HTML of a figure with a frame for each height, as `saelib.book.explore.figure` stores it."""
    figures = []
    for height in heights:
        figure = Figure(figsize=(2, 2))
        figure.subplots().bar([0, 1, 2, 3], [1, 2, height, 3])
        figures.append(figure)
    frames, shared = _frames.markups(figures, "x")
    return "".join(f"<div>{frame}</div>" for frame in [*frames, shared])


def test_parts_that_frames_share_are_compared_where_they_stand():
    alike, last_digit, other = (frames_of(2.5, height) for height in (2.5, 2.5004, 2.6))
    assert alike.count("<use") > last_digit.count("<use")  # the bar is a part of its own in each
    for one, two, agree in ((alike, last_digit, True), (alike, other, False), (other, alike, False)):
        assert (markup_problem(one, two, LIMITS) is None) == agree
    both = frames_of(2.6, 2.6)  # the bar that they share is another one
    assert both.count("<use") == alike.count("<use") and markup_problem(alike, both, LIMITS)
    assert '<rect x="18"' in alike and markup_problem(alike, alike.replace('<rect x="18"', '<rect x="19"'), LIMITS)


def test_live_views_are_not_compared_and_everything_beside_them_is():
    def outputs(model, text):
        data = {"application/vnd.jupyter.widget-view+json": {"model_id": model}, "text/html": text}
        return [nbformat.v4.new_output("display_data", data=data)]

    assert outputs_problems(outputs("1f", "<p>25</p>"), outputs("2e", "<p>25</p>"), LIMITS) == []
    assert outputs_problems(outputs("1f", "<p>25</p>"), outputs("1f", "<p>26</p>"), LIMITS) != []
