"""Change the library in one place at a time, and count how many of these mutants its tests notice: `make mutants`.

What is found out is kept in `_build/mutants`, so that an interrupted run goes on where it was. A later run tries the
mutants of functions that have changed since, and once more those that have survived; remove the folder to try all anew.
The survivors have to be the ones that `tests/mutants.md` explains.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "_build" / "mutants"
EXPLAINED = ROOT / "tests" / "mutants.md"
ENOUGH = 0.95
NOTICED = ("killed", "timeout")


def main(processes):
    copy_what_is_needed()
    os.chdir(FOLDER)  # where mutmut looks for its settings, and keeps its results
    before = survivors()
    try:
        run(processes)
        again = sorted(before & survivors())  # the tests may be better now
        if again:
            run(processes, *again)
    except KeyboardInterrupt:
        sys.exit("Stopped; `make mutants` goes on from here.")
    sys.exit(report())


def copy_what_is_needed():
    """Copy the library and its tests with their dates, by which mutmut sees what has changed."""
    for name in ("saelib", "tests", "tools", "mutants/tests"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    for name in ("saelib", "tests", "tools"):
        shutil.copytree(ROOT / name, FOLDER / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy2(ROOT / name, FOLDER)


def run(processes, *names):
    mutmut = Path(sys.executable).with_name("mutmut")
    subprocess.run([mutmut, "run", "--max-children", processes, *names], check=True)


def results():
    """Return the mutants of each module: what became of each of them, by its name."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.file_utils import walk_mutatable_files

    modules = {}
    for path in sorted(walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        modules[path] = {name: status_by_exit_code[code] for name, code in data.exit_code_by_key.items()}
    return modules


def survivors():
    tried = ((name, status) for statuses in results().values() for name, status in statuses.items())
    return {name for name, status in tried if status not in (*NOTICED, "not checked")}


def report():
    """Print the share of each module and the survivors without an explanation; return 1 if something is amiss."""
    modules, living = results(), {}
    row = "{:16} {:>8} {:>8} {:>9} {:>8}"
    print("\n" + row.format("module", "mutants", "noticed", "survived", "share"))
    counts = []
    for path, statuses in modules.items():
        left = [name for name, status in statuses.items() if status not in NOTICED]
        living |= {change(name, path): name for name in left}
        counts.append((path.stem, len(statuses), len(left)))
    counts.append(("all", sum(n for _, n, _ in counts), sum(left for _, _, left in counts)))
    for name, n, left in counts:
        print(row.format(name, n, n - left, left, f"{(n - left) / n:.1%}"))
    explained = {line.strip() for line in EXPLAINED.read_text(encoding="utf-8").splitlines() if line.startswith("    ")}
    for line in sorted(living.keys() - explained):
        print(f"survived without an explanation ({living[line]}):\n    {line}")
    for line in sorted(explained - living.keys()):
        print(f"explained, but not a survivor:\n    {line}")
    _, n, left = counts[-1]
    return int((n - left) / n < ENOUGH or bool(living.keys() - explained))


def change(name, path):
    """Return the line of a mutant that is not the library's, after the name of its function."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    function = name.rpartition("__mutmut_")[0].removeprefix("saelib.").replace("xǁ", "").replace("ǁ", ".")
    lines = [line[1:].strip() for line in get_diff_for_mutant(name, path=path).splitlines() if line.startswith("+")]
    return f"{function.replace('.x_', '.')}: {' '.join(lines[1:]).partition('  # ')[0]}"


if __name__ == "__main__":
    main(sys.argv[1])
