"""Execute the notebooks of the book in place and write them in one canonical form: the same code gives the same bytes.

    python tools/store_notebooks.py                    every notebook of the book
    python tools/store_notebooks.py pca kl-divergence  only these
    python tools/store_notebooks.py --check            list those that are not as this tool would write them

A notebook that fails, warns or is interrupted stays as it was on disk.
"""

import argparse
import atexit
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets import default

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("chapters", "appendices")
CELL_TIMEOUT, START_TIMEOUT = 600, 30  # seconds

# What people write; everything else in the metadata is an editor's memory of a session.
NOTEBOOK_METADATA = ("saelib", "mystnb", "myst")
CELL_METADATA = ("tags", "mystnb", "nbval", "saelib")
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# A live view means nothing without its kernel: the other representations of the same output are what is stored.
LIVE = "application/vnd.jupyter.widget-view+json"
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
SVG_DATE = re.compile(r"\s*<dc:date>.*?</dc:date>", re.S)
SVG = "image/svg+xml"
SVG_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.S)  # which Matplotlib drew it
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Refused(Exception):
    """The notebook ran, but what it gave may not be stored."""


class Unreadable(ValueError):
    """The file is no notebook: damaged, in the midst of a merge, or written by something else."""


class _OwnKernel(KernelSpecManager):
    def get_kernel_spec(self, kernel_name):
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


class ThisPython(AsyncKernelManager):
    """Starts this Python, and not what the user's folders may hold under the name of its kernel."""

    @default("kernel_spec_manager")
    def _own(self):
        return _OwnKernel()


def notebooks(names=()):
    """Return the paths of the notebooks of these names (of all of them and the template, if none are given)."""
    every = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.ipynb"))]
    if not names:
        return every
    known = {path.stem: path for path in every}
    return [Path(n) if n.endswith(".ipynb") else known.get(n, ROOT / FOLDERS[0] / f"{n}.ipynb") for n in names]


def read(path):
    """Read a notebook, executed or not, of any edition of the format 4."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cells without ids, say: they are given theirs below
        try:
            return nbformat.read(path, as_version=4)
        except OSError:
            raise
        except Exception as error:  # of several kinds: JSON, encoding, the format's own
            why = str(error).strip().partition("\n")[0][:200]
            raise Unreadable(f"{path} cannot be read as a notebook: {type(error).__name__} {why}") from None


# --- the canonical form -----------------------------------------------------------------------------------------


def canonical(nb):
    """Return the one text that stands for this notebook: nothing in it depends on when or where it was executed."""
    nb = nbformat.from_dict(nb)
    nb.nbformat, nb.nbformat_minor = 4, 5
    nb.metadata = nbformat.from_dict(KERNEL | _only(nb.metadata, NOTEBOOK_METADATA))
    seen = Counter()
    for cell in nb.cells:
        cell.source = _tidy(cell.source)
        cell.metadata = nbformat.from_dict(_only(cell.metadata, CELL_METADATA))
        cell.id = hashlib.sha1(f"{cell.source}\n{seen[cell.source]}".encode()).hexdigest()[:8]
        seen[cell.source] += 1
        if cell.cell_type == "code":
            cell.outputs = canonical_outputs(cell.outputs)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
    nb.cells = [cell for cell in nb.cells if cell.source]
    nbformat.validate(nb)
    return nbformat.writes(nb).rstrip("\n") + "\n"


def canonical_outputs(outputs):
    """Return a cell's outputs without live views, dates and addresses, pieces of one stream joined."""
    kept = []
    for output in map(nbformat.from_dict, outputs):
        if output.output_type == "stream":
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                output.text = kept.pop().text + output.text  # where a stream is cut depends on the time
            output.text = _without_chance(output.text)
        elif "data" in output:
            data = {mime: _without_chance(content) for mime, content in output.data.items() if mime != LIVE}
            if not data:
                continue
            if isinstance(data.get(SVG), str):
                data[SVG] = " ".join(SVG_METADATA.sub("", data[SVG]).split()).replace("> <", "><")
            output.data = nbformat.from_dict(data)
        kept.append(output)
    return kept


def _only(metadata, keys):
    return {key: metadata[key] for key in keys if metadata.get(key)}


def _tidy(source):
    return "\n".join(line.rstrip() for line in source.splitlines()).strip("\n")


def _without_chance(content):
    if not isinstance(content, str):
        return content
    return SVG_DATE.sub("", ADDRESS.sub("at 0x0", content.replace("\r\n", "\n")))


# --- execution --------------------------------------------------------------------------------------------------


@cache
def build_folder(root=ROOT):
    """Return the folder for what is made on the way: ``_build``, or a temporary one where the checkout is read-only."""
    folder = Path(root) / "_build"
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="saelib-build-"))


@cache
def kernel_environment():
    """Return the environment in which notebooks are stored and tested: quiet bars, one thread, this checkout's saelib.

    IPython and Matplotlib get folders of their own, so that nobody's personal settings change a figure.
    """
    own = build_folder() / "kernels"
    env = os.environ | {
        "IPYTHONDIR": str(own / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": str(own / "matplotlib"),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)])),
        "TQDM_DISABLE": "1",
        **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    }
    for name in ("PYTHONWARNINGS", "MATPLOTLIBRC"):  # warnings are to be seen
        env.pop(name, None)
    if "SAELIB_DATA" in env:
        env["SAELIB_DATA"] = os.path.abspath(env["SAELIB_DATA"])  # a kernel runs in its notebook's folder
    for folder in (own / "ipython", own / "matplotlib"):
        folder.mkdir(parents=True, exist_ok=True)
    if not list((own / "matplotlib").glob("fontlist*")):  # on a slow machine Matplotlib would announce this on stderr
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=env, capture_output=True)
    return env


@cache
def _absent(data):
    if data not in ("mnist", "minilm"):
        raise ValueError(f'notebook metadata: saelib.needs must be "mnist" or "minilm", got {data!r}')
    sys.path.insert(0, str(ROOT))
    from saelib.datasets import load_mnist
    from saelib.embeddings import load_minilm

    try:
        load_mnist(download=False) if data == "mnist" else load_minilm()
    except FileNotFoundError as error:
        return str(error)


def missing_data(nb):
    """Return None when the data that the notebook says it needs are here, otherwise a sentence on how to get them."""
    needs = nb.metadata.get("saelib", {}).get("needs")
    return _absent(needs) if needs else None


def execute(nb, folder):
    """Execute the notebook in ``folder`` from a fresh kernel; raise if a cell fails or writes to stderr."""
    for cell in nb.cells:
        cell.source = _tidy(cell.source)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(nb, timeout=CELL_TIMEOUT, kernel_name="python3", record_timing=False, resources=resources)
    client.kernel_manager_class = ThisPython
    client.store_widget_state, client.force_raise_errors = False, True
    client.on_cell_executed, client.startup_timeout = _refuse_stderr, START_TIMEOUT
    # The stderr is that of the process; what cells write is kept.
    try:
        started(
            lambda: client.execute(env=kernel_environment(), stderr=subprocess.DEVNULL),
            lambda: client.code_cells_executed,
        )
    finally:
        if client.km is None:  # nothing is left for nbclient to clean up at the end, where it would fail
            atexit.unregister(client._cleanup_kernel)
    return nb


def started(start, begun=lambda: False):
    """Call ``start``, again if the kernel did not come up: two that start at once may have picked the same port."""
    for _ in range(2):
        try:
            return start()
        except RuntimeError as error:
            if begun() or "ernel" not in str(error):
                raise
    return start()


def _refuse_stderr(cell, cell_index, execute_reply):
    said = "".join(output.text for output in cell.outputs if output.get("name") == "stderr")
    if said and execute_reply["content"]["status"] == "ok":
        raise Refused(f"cell {cell_index} writes to stderr, which readers would see:\n\n{cell.source}\n\n{said}")


def store(path):
    """Execute the notebook at ``path`` and replace it by its canonical form; return a word on what happened."""
    nb = read(path)
    try:
        missing = missing_data(nb)
    except ValueError as error:  # what is here is another file
        raise Refused(str(error)) from None
    if missing:
        return f"left as it is. {missing}"
    text = canonical(execute(nb, path.parent)).encode()
    if text == path.read_bytes():
        return "unchanged"
    _replace(path, text)
    return "stored"


def _replace(path, content):
    """Write in one step: whoever looks sees the old notebook or the new one, never half of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}-", delete=False) as file:
        try:
            file.write(content)
            file.close()
            os.chmod(file.name, path.stat().st_mode)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


# --- the command ------------------------------------------------------------------------------------------------


def form_fault(path):
    """Return None when the file is as `store` writes it, otherwise in a few words what is different."""
    nb = read(path)
    counts = [cell.execution_count for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    if counts != list(range(1, len(counts) + 1)):
        return "not executed once from top to bottom"
    if canonical(nb).encode() != path.read_bytes():
        return "not in canonical form"
    return None


def main(arguments=None):
    """Store or check the notebooks named; return 1 if any of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="chapter", help="names or paths; every chapter when none is given")
    parser.add_argument("--check", action="store_true", help="execute nothing, list what is not in canonical form")
    options = parser.parse_args(arguments)
    failed = 0
    for path in notebooks(options.names):
        if not path.is_file():
            parser.error(f"there is no notebook {path}")
        if options.check:
            try:
                fault = form_fault(path)
            except Unreadable as error:
                failed, fault = failed + 1, None
                print(error)
            if fault:
                failed += 1
                print(f"{path.name}: {fault}; run `make notebooks`")
            continue
        start = time.perf_counter()
        print(f"{path.name:32}", end="", flush=True)
        try:
            word = store(path)
        except (CellExecutionError, CellTimeoutError, Refused, Unreadable) as error:
            failed, word = failed + 1, f"FAILED, left as it is\n\n{ANSI.sub('', str(error)).strip()}\n"
        except (DeadKernelError, AssertionError):  # nbclient's two answers to an interruption: it ends the kernel
            print("interrupted, or its kernel died; left as it is, and so are those after it")
            return 1
        except RuntimeError as error:
            print(f"no kernel started: {error}\nleft as it is; try `{sys.executable} -m ipykernel_launcher --version`")
            return 1
        print(f"{time.perf_counter() - start:6.1f} s  {word}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
