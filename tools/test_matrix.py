"""Run the comparison of the notebooks, and the library's tests, as other machines would: one row for each.

    python tools/test_matrix.py                           every row
    python tools/test_matrix.py --list                    what the rows are
    python tools/test_matrix.py --only Prescott,newest    these rows
    python tools/test_matrix.py --only newest pca tests   of this row this chapter and the tests of the folder `tests`

A processor's row takes OpenBLAS's kernel for it, and from NumPy and the C library the instructions that it lacks. For
processors that are not at hand, `last-digit` moves each product of matrices by one unit in its last place. The other
Pythons, the newest versions of what computes, and the lowest that pyproject.toml allows, are installed into
`.venv-matrix` at their first use; delete a folder there to have it made anew. Logs are kept in `_build/test-matrix`. A
row that cannot run here says why.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.store_notebooks import ROOT, notebooks

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEPENDENCIES = PROJECT["dependencies"]
EXTRAS = [line for extra in ("test", "saelens", "scaling", "fast") for line in PROJECT["optional-dependencies"][extra]]
VENVS, LOGS = ROOT / ".venv-matrix", ROOT / "_build" / "test-matrix"
PINNED = (ROOT / "requirements.txt").read_text()
UNPINNED = ("numpy", "scipy", "scikit-learn", "matplotlib", "pandas")
NEWEST = re.sub(rf"^({'|'.join(UNPINNED)})==.*$", r"\1", PINNED, flags=re.M)
LEFT_OUT = "figures left out"  # as tests/nbval_tolerance.py reports it
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
# What those install who use the library elsewhere, each package in the lowest version that pyproject.toml allows.
LOWEST = re.sub(">=([0-9.]+).*", r"==\1", "\n".join((*DEPENDENCIES, *EXTRAS))) + "\n"
# These tests need what builds the book, too.
OF_THE_BOOK = (
    "checked_equations drawings library_reference licenses lite live page_end page_furniture pdf plain_notebooks "
    "pyodide quiet_code section_search site slides workflows".split()
)
WITHOUT_THE_BOOK = tuple(f"--ignore={ROOT / 'tests' / f'test_{name}.py'}" for name in OF_THE_BOOK)
# And these the versions that are pinned.
OF_THE_PINS = "--deselect=tests/test_update_pins.py::test_the_lock_file_holds_every_pin_and_what_is_installed_here"
OF_THE_TOOLS = (
    "--deselect=tests/test_nbval_can_fail.py::test_an_interrupted_notebook_is_left_as_it_was",
    "--deselect=tests/test_nbval_can_fail.py::test_a_kernel_that_does_not_start_is_said_in_two_lines",
    "--deselect=tests/test_test_matrix.py::test_a_row_has_the_arithmetic_of_its_processor_and_no_other",
)
MOVER = Path(__file__).with_name("last_digit.c")


class Processor(NamedTuple):
    """What runs OpenBLAS's kernel of this name, and what NumPy and the C library would not find on such a machine."""

    flags: str  # of /proc/cpuinfo
    numpy_lacks: str
    libc_lacks: str


PROCESSORS = {
    "Prescott": Processor("pni", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR", "-AVX512F,-AVX2,-FMA"),
    "Haswell": Processor("avx2 fma", "X86_V4 AVX512_ICL AVX512_SPR", "-AVX512F"),
    "Zen": Processor("avx2 fma", "X86_V4 AVX512_ICL AVX512_SPR", "-AVX512F"),
    "SkylakeX": Processor("avx512f avx512cd avx512bw avx512dq avx512vl", "", ""),
}
ARITHMETIC = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES")
# What decides the last digits of a result, on one line; which versions they are of, on the next.
DESCRIBE = f"""
import ctypes, importlib.metadata, platform, numpy, scipy.linalg, threadpoolctl
pools = [pool for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"]
kernels, threads = ({{pool[key] for pool in pools}} for key in ("architecture", "num_threads"))
simd = numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", ["baseline"])
third = numpy.full((9, 9), 1 / 3)
third @ third.T.copy()
try:
    moved = ctypes.c_long.in_dll(ctypes.CDLL(None), "last_digit_moved").value
except (ValueError, TypeError):
    moved = 0
print("OpenBLAS", *sorted(kernels), "threads", *threads, "NumPy", *simd, *["last digits moved"] * (moved > 0))
print("Python", platform.python_version(), *(f"{{name}} {{importlib.metadata.version(name)}}" for name in {UNPINNED}))
"""


class CannotRun(Exception):
    """A row that this machine cannot run, and why."""


class Row(NamedTuple):
    """One setting: its name, the processor, the threads, the Python (None: the one that runs this) and its packages.

    ``moved`` says whether the last digits of products are moved.
    """

    name: str
    processor: str | None = None
    threads: int = 1
    python: str | None = None
    packages: str = PINNED
    options: tuple = ()
    moved: bool = False


ROWS = [
    Row("as-it-is"),
    *(Row(name, name) for name in PROCESSORS),
    Row("as-it-is-2", threads=2),
    *(Row(f"{name}-2", name, 2) for name in PROCESSORS),
    Row("last-digit", moved=True),
    *(Row(name, python=name) for name in PYTHONS),
    Row("newest", python="newest", packages=NEWEST, options=("--nbval-without-figures", OF_THE_PINS)),
    Row(
        "lowest",
        python=PYTHONS[0],
        packages=LOWEST,
        options=("--nbval-without-figures", OF_THE_PINS, *OF_THE_TOOLS, *WITHOUT_THE_BOOK),
    ),
]


# --- what a row needs -------------------------------------------------------------------------------------------


def environment(row):
    """Return the row's whole environment; raise `CannotRun` if this processor lacks what the row's kernel uses."""
    own = {"OPENBLAS_NUM_THREADS": str(row.threads), "PYTHONPATH": str(ROOT)}
    env = {name: value for name, value in os.environ.items() if name not in ARITHMETIC} | own
    if row.moved:
        env["LD_PRELOAD"] = str(mover())
    if row.processor is None:
        return env
    processor = PROCESSORS[row.processor]
    if lacking := set(processor.flags.split()) - cpu_flags():
        raise CannotRun(f"this processor lacks {', '.join(sorted(lacking))}")
    values = (row.processor, processor.numpy_lacks, f"glibc.cpu.hwcaps={processor.libc_lacks}")
    return env | dict(zip(ARITHMETIC, values, strict=True))


def mover():
    """Return the library that moves last digits, compiled now; raise `CannotRun` where that cannot be had."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        raise CannotRun("it needs Linux, where a library can be loaded before NumPy's, and cc to compile that")
    LOGS.mkdir(parents=True, exist_ok=True)
    library = LOGS / f"{MOVER.stem}.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", library, MOVER, "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CannotRun(f"cc does not compile tools/{MOVER.name}: {done.stderr.strip()[:200]}")
    return library


def cpu_flags():
    """Return the names of the instructions that the processor has; the empty set where Linux does not tell."""
    try:
        return set(re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)[1].split())
    except (OSError, TypeError):
        return set()


def interpreters(named):
    """Return for each name of a Python on the PATH, or at one of the paths ``named``, what it runs, if it starts."""
    tell = "import sys; print('python%d.%d' % sys.version_info[:2], sys.executable)"
    found = {}
    for command in [*PYTHONS, *named]:
        try:
            done = subprocess.run([command, "-c", tell], capture_output=True, text=True)
        except OSError:
            continue
        if done.returncode == 0:
            name, _, executable = done.stdout.strip().partition(" ")
            found[name] = executable
    return found


def python_of(row, found):
    """Return the Python of the row, with its packages; raise `CannotRun` if there is none to make it of."""
    if row.packages == PINNED and row.python in (None, f"python3.{sys.version_info.minor}"):
        return sys.executable
    newest = max(found, key=lambda name: int(name.rpartition(".")[2]), default=None)
    base = newest if row.python == "newest" else row.python
    if base not in found:
        raise CannotRun(f"no {base or 'Python'} starts from the PATH, and none was named with --python")
    venv = VENVS / row.name
    python, ready = venv / "bin" / "python", venv / "ready"
    if not ready.exists() or ready.read_text() != row.packages:
        print(f"installing into {venv.relative_to(ROOT)}", flush=True)
        subprocess.run([found[base], "-m", "venv", venv], check=True)
        wanted = venv / "requirements.txt"
        wanted.write_text(row.packages)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-compile", "-r", wanted], check=True)
        ready.write_text(row.packages)
    return python


def described(python, env):
    """Return two lines: which kernels compute and on how many threads, and which versions these are."""
    done = subprocess.run([python, "-c", DESCRIBE], env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


# --- running it -------------------------------------------------------------------------------------------------


def run_part(row, part, python, env):
    """Run one notebook, or the folder of tests, in a process of its own; return pytest's status and its report."""
    stem = LOGS / row.name / part.stem
    stem.parent.mkdir(parents=True, exist_ok=True)
    report = stem.with_suffix(".xml")
    report.unlink(missing_ok=True)
    command = [
        python,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--color=no",
        f"--junitxml={report}",
        *row.options,
        part,
    ]
    with stem.with_suffix(".log").open("w") as log:
        status = subprocess.run(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT).returncode
    return status, read_report(report) if report.exists() else Counter()


def read_report(path):
    """Return from pytest's XML how many tests passed, failed and were skipped, and how many figures were left out."""
    tree = ET.parse(path)
    counts = Counter(_outcome({child.tag for child in case}) for case in tree.iter("testcase"))
    left_out = [int(item.get("value")) for item in tree.iter("property") if item.get("name") == LEFT_OUT]
    return counts + Counter({LEFT_OUT: sum(left_out)})


def _outcome(tags):
    return "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"


def run_row(row, parts, found, seen):
    """Run the parts of one row; return how many chapters and tests passed, failed and were skipped.

    ``seen`` maps the lines of `described` to the row that has run with them; a row like an earlier one cannot run.
    """
    env = environment(row)
    python = python_of(row, found)
    lines = described(python, env)
    if row.moved and "last digits moved" not in lines[0]:
        raise CannotRun("NumPy's products do not go through the OpenBLAS of its wheels here")
    if (like := seen.setdefault(tuple(lines), row.name)) != row.name:
        raise CannotRun(f"it would be row {like} again: {lines[0]}")
    print(*lines, sep="\n", flush=True)
    chapters, tests = Counter(), Counter()
    for part in parts:
        start = time.perf_counter()
        status, counts = run_part(row, part, python, env)
        word = "failed" if status else "passed" if counts["passed"] else "skipped"
        print(f"  {part.stem:20}{time.perf_counter() - start:6.0f} s  {word}", flush=True)
        if part.suffix == ".ipynb":
            chapters += Counter({word: 1, LEFT_OUT: counts[LEFT_OUT]})
        else:
            tests += counts if counts else Counter({word: 1})
    return chapters, tests


def table(results):
    """Return the lines of the table: for each row what became of its chapters and tests, and the seconds it took."""
    lines = [("row", "chapters", "tests", "seconds")]
    for name, outcome, seconds in results:
        if isinstance(outcome, CannotRun):
            lines.append((name, f"not run: {outcome}"))
        else:
            lines.append((name, *map(_in_words, outcome), f"{seconds:.0f}"))
    widths = [max(len(line[k]) for line in lines if len(line) == 4) + 2 for k in range(4)]
    return ["".join(f"{text:{width}}" for text, width in zip(line, widths, strict=False)).rstrip() for line in lines]


def _in_words(counts):
    return ", ".join(f"{counts[word]} {word}" for word in ("passed", "failed", "skipped", LEFT_OUT) if counts[word])


# --- the command ------------------------------------------------------------------------------------------------


def main(arguments=None):
    """Run the rows and print the table; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="names of notebooks, or `tests`; all of them when none is given")
    parser.add_argument("--only", metavar="ROWS", help="names of rows, with commas between them")
    parser.add_argument(
        "--python", action="append", default=[], metavar="PATH", help="a Python that is not on the PATH"
    )
    parser.add_argument("--list", action="store_true", help="run nothing, list the rows")
    options = parser.parse_args(arguments)
    rows = {row.name: row for row in ROWS}
    chosen = options.only.split(",") if options.only else list(rows)
    if unknown := set(chosen) - set(rows):
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    if options.list:
        print(*chosen, sep="\n")
        return 0
    names = [name for name in options.parts if name != "tests"]
    parts = notebooks(names) if names or not options.parts else []
    if absent := [str(part) for part in parts if not part.is_file()]:
        parser.error(f"there is no notebook {', '.join(absent)}")
    if "tests" in options.parts or not options.parts:
        parts.append(ROOT / "tests")
    found, seen, results = interpreters(options.python), {}, []
    for name in chosen:
        print(f"\n== {name}", flush=True)
        start = time.perf_counter()
        try:
            outcome = run_row(rows[name], parts, found, seen)
        except CannotRun as why:
            outcome = why
            print(f"not run: {why}", flush=True)
        results.append((name, outcome, time.perf_counter() - start))
    print("", *table(results), f"Logs are in {LOGS.relative_to(ROOT)}.", sep="\n")
    ran = [outcome for _, outcome, _ in results if not isinstance(outcome, CannotRun)]
    return int(any(counts["failed"] for outcome in ran for counts in outcome))


if __name__ == "__main__":
    sys.exit(main())
