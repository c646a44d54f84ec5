"""Build the JupyterLab that runs in a reader's browser, with every chapter and the library, into _build/html/lite.

The chapters in it are copies: each begins with a cell that installs the library from the wheel that lies beside them,
and a figure to explore is stored as its picture alone until its cell is run.
"""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
WORK, TARGET = ROOT / "_build" / "lite", ROOT / "_build" / "html" / "lite"
# What the library asks for comes with it; the widgets are for its figures.
WITH_THE_LIBRARY = {"saelib", "numpy", "scipy", "sklearn", "matplotlib", "threadpoolctl", "tqdm", "pooch"}
INSTALL = """\
# Only here in the browser: fetch the library and what else this chapter imports (a minute, the first time).
%pip install -q {}"""


def chapters(toc):
    """The notebooks of a table of contents, as paths within the book."""
    if isinstance(toc, dict):
        file = ROOT / f"{toc.get('file', '')}.ipynb"
        own = [file.relative_to(ROOT)] if toc.get("file") and file.exists() else []
        return own + [path for value in toc.values() for path in chapters(value)]
    return [path for value in toc for path in chapters(value)] if isinstance(toc, list) else []


def imports(notebook):
    """The packages that a notebook imports besides the library, what it needs, and Python's own."""
    names = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            code = "".join(line for line in cell["source"] if not line.startswith(("%", "!")))
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.Import):
                    names |= {name.name.partition(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names.add(node.module.partition(".")[0])
    return names - WITH_THE_LIBRARY - sys.stdlib_module_names - {"IPython"}


def for_the_browser(notebook):
    """A notebook as it is there: with a cell that installs the library, and for a kernel of that name."""
    install = {
        "cell_type": "code",
        "execution_count": None,
        "id": "install-in-the-browser",
        "metadata": {},
        "outputs": [],
        "source": INSTALL.format(" ".join(["saelib", "ipywidgets", *sorted(imports(notebook) - {"ipywidgets"})])),
    }
    cells = [*notebook["cells"]]
    first = next(k for k, cell in enumerate(cells) if cell["cell_type"] == "code")
    cells.insert(first, install)
    for cell in cells:
        for output in cell.get("outputs", []):
            if {"text/html", "image/png"} <= output.get("data", {}).keys():
                output["data"] = {kind: data for kind, data in output["data"].items() if kind != "text/html"}
    kernel = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
    return notebook | {"cells": cells, "metadata": notebook["metadata"] | {"kernelspec": kernel}}


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(TARGET, ignore_errors=True)
    for path in chapters(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))):
        copy = WORK / "contents" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        notebook = for_the_browser(json.loads((ROOT / path).read_text("utf-8")))
        copy.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", "utf-8")
    for data in ("benchmarks", "tests/data"):  # what chapters read
        shutil.copytree(ROOT / data, WORK / "contents" / data, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", WORK / "pypi", ROOT]
    site = [sys.executable, "-m", "jupyter", "lite", "build", "--lite-dir", WORK, "--contents", "contents"]
    site += ["--output-dir", TARGET, "--apps", "lab", "--no-sourcemaps", "--no-unused-shared-packages"]
    for command in (wheel, [*site, "--no-libarchive"]):
        done = subprocess.run(list(map(str, command)), cwd=WORK, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}")
    size = sum(file.stat().st_size for file in TARGET.rglob("*") if file.is_file())
    print(f"{TARGET.relative_to(ROOT)}: {len(list(WORK.glob('contents/**/*.ipynb')))} chapters, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
