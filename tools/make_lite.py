"""Build the JupyterLab that runs in a reader's browser, with every chapter and the library, into _build/html/lite.

The notebooks in it are the plain ones written beside the pages (_ext/plain_notebooks.py), with a first cell of
code that gets the library from the wheel in the way of that place. Where the network is missing, from which the browser
gets Python, JupyterLab says so (`MISSING`).
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "_ext"), str(ROOT / "tools")]

from copies import copy_data, pages  # noqa: E402
from plain_notebooks import FOLDER, imports  # noqa: E402

WORK, TARGET = ROOT / "_build" / "lite", ROOT / "_build" / "html" / "lite"
PLAIN = TARGET.parent / FOLDER
INSTALL = """\
# Only here in the browser: fetch the library and what else this chapter imports (a minute, the first time).
%pip install -q {}"""

PYTHON = re.compile(r"https://[\w.-]+/pyodide/v[\d.]+/full/pyodide\.mjs")
MISSING = """\
// Say so where Python cannot be fetched, instead of leaving the cells at [*].
const python = document.currentScript.dataset.python;
const host = new URL(python).host;
const box = Object.assign(document.createElement("div"), { id: "python-is-missing" });
box.setAttribute("role", "alert");
box.style.cssText = "position: fixed; right: 1rem; bottom: 2rem; z-index: 10000; max-width: 34rem; padding: 1rem;"
  + "background: #fff8e1; color: #222; border: 2px solid #b26a00; font: 15px/1.5 system-ui, sans-serif";

function say(text) {
  const close = Object.assign(document.createElement("button"), { textContent: "Close" });
  close.addEventListener("click", () => box.remove());
  box.replaceChildren(...text.map((line) => Object.assign(document.createElement("p"), { textContent: line })), close);
  document.body.append(box);
}

async function look() {
  try {
    await fetch(python, { mode: "no-cors", signal: AbortSignal.timeout(30_000) });
  } catch {
    if (!box.isConnected) {
      say([
        `Python is missing: this JupyterLab fetches it from ${host}, which this browser does not reach now. `
          + "Cells that are run stay at [*].",
        "The text and the stored results can be read as they are. Without a network, `make lab` runs the chapters, "
          + "and so does any Jupyter with the downloaded notebooks and the library that is offered beside them.",
      ]);
    }
    return;
  }
  if (box.isConnected) say([`${host} can be reached now: reload this page, and Python starts.`]);
}

addEventListener("load", look);
addEventListener("online", look);
"""


def for_the_browser(notebook):
    """A plain notebook as it is there: the library is installed in another way, for a kernel of another name."""
    packages = ["saelib", "ipywidgets", *sorted(imports(notebook) - {"ipywidgets"})]
    source = INSTALL.format(" ".join(packages)).splitlines(keepends=True)
    cells = [
        cell | {"source": source} if "library" in cell["metadata"].get("tags", ()) else cell
        for cell in notebook["cells"]
    ]
    kernel = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
    return notebook | {"cells": cells, "metadata": notebook["metadata"] | {"kernelspec": kernel}}


def say_what_is_missing():
    """Add to the JupyterLab a script that tells of the network when Python cannot be fetched."""
    sources = (file.read_text("utf-8") for file in sorted(TARGET.glob("extensions/**/*.js")))
    python = next(found[0] for found in map(PYTHON.search, sources) if found)
    (TARGET / "python-is-missing.js").write_text(MISSING, "utf-8")
    page = TARGET / "lab" / "index.html"
    html = page.read_text("utf-8")
    script = f'<script src="../python-is-missing.js" data-python="{python}"></script>'
    page.write_text(html.replace("</head>", f"{script}</head>", 1), "utf-8")


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(TARGET, ignore_errors=True)
    if not PLAIN.exists():
        sys.exit("No built book found: `make book` first.")
    for page in pages():
        copy = WORK / "contents" / f"{page}.ipynb"
        copy.parent.mkdir(parents=True, exist_ok=True)
        notebook = for_the_browser(json.loads((PLAIN / f"{page}.ipynb").read_text("utf-8")))
        copy.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", "utf-8")
    copy_data(WORK / "contents")
    (wheel,) = PLAIN.glob("*.whl")
    (WORK / "pypi").mkdir(parents=True)
    shutil.copy(wheel, WORK / "pypi")
    site = [sys.executable, "-m", "jupyter", "lite", "build", "--lite-dir", WORK, "--contents", "contents"]
    site += ["--output-dir", TARGET, "--apps", "lab", "--no-sourcemaps", "--no-unused-shared-packages"]
    done = subprocess.run(list(map(str, [*site, "--no-libarchive"])), cwd=WORK, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")
    say_what_is_missing()
    size = sum(file.stat().st_size for file in TARGET.rglob("*") if file.is_file())
    print(f"{TARGET.relative_to(ROOT)}: {len(list(WORK.glob('contents/**/*.ipynb')))} notebooks, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
