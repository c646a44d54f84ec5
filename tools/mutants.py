"""Change the library in one place at a time, and count how many of these mutants its tests notice: `make mutants`.

Of each module some are drawn, always the same ones (`make mutants DRAWN=100` for more, `DRAWN=0` for all). mutmut makes
the mutants. They are tried here, because it collects all tests anew for each: one session of pytest collects them once,
and is forked for each mutant. That runs the tests that reach the changed function, quickest first, until one fails.

What is found out is kept in `_build/mutants`, so that an interrupted run goes on where it was. A later run tries the
mutants of functions that have changed since, and once more those that have survived; remove the folder to try all anew.
The survivors have to be the ones that `tests/mutants.md` explains.
"""

import gc
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path

import pytest
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "_build" / "mutants"
EXPLAINED = ROOT / "tests" / "mutants.md"
ENOUGH = 0.97
DRAWN = 60  # mutants of a module
NOTICED = ("killed", "timeout")
PATIENCE = 20  # seconds of computing: the longest tests of a function are left out where all would take more
NO_TESTS = 33  # the exit code that mutmut has for it


def main(processes, drawn):
    copy_what_is_needed()
    os.chdir(FOLDER)  # where mutmut looks for its settings, and keeps its results
    generate(processes)
    # The first drawn of each module, then the second of each: whenever a run is stopped, it has tried some of all.
    rounds = zip_longest(*([(data, name) for name in draw(data, drawn)] for data in load()))
    tries = [each for first in rounds for each in first if each and not noticed(*each)]
    trials = Trials(tries, processes)
    os.chdir("mutants")
    settings = config().pytest_add_cli_args + config().pytest_add_cli_args_test_selection
    code = pytest.main(["--rootdir=.", "--capture=no", "-qq", *settings], plugins=[trials])
    os.chdir(FOLDER)
    if code == pytest.ExitCode.INTERRUPTED:
        sys.exit("Stopped; `make mutants` goes on from here.")
    sys.exit(code or report({data.path: draw(data, drawn) for data in load()}))


def copy_what_is_needed():
    """Copy the library and its tests with their dates, by which mutmut sees what has changed."""
    for name in ("saelib", "tests", "tools", "mutants/tests", "mutants/saelib/data"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    for name in ("saelib", "tests", "tools"):
        shutil.copytree(ROOT / name, FOLDER / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy2(ROOT / name, FOLDER)


def generate(processes):
    """Write all mutants of a file into one file, where the name in MUTANT_UNDER_TEST says which of them is called."""
    Path("mutants").mkdir(exist_ok=True)
    with mutmut.CatchOutput(spinner_title="Generating mutants"):
        mutmut.copy_src_dir()
        mutmut.copy_also_copy_files()
        mutmut.setup_source_paths()
        mutmut.create_mutants(processes)
    os.environ["PYTHONPATH"] = str(FOLDER / "mutants")  # for the processes that tests start


def load():
    """Return what is known of the mutants of each module."""
    modules = []
    for path in sorted(mutmut.walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        modules.append(data)
    return modules


def draw(data, drawn):
    """Return the names of some mutants of a module, the same ones every time; 0 stands for all."""
    names = sorted(data.exit_code_by_key, key=lambda name: hashlib.sha256(name.encode()).digest())
    return names[: drawn or None]


def noticed(data, name):
    return status_by_exit_code[data.exit_code_by_key[name]] in NOTICED


class Trials:
    """The loop of a pytest session in which every mutant is tried in a process of its own."""

    def __init__(self, tries, processes):
        self.tries, self.processes = tries, processes
        self.failed = False

    def pytest_runtest_logreport(self, report):
        self.failed |= report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        gc.freeze()
        tests = {item.nodeid: item for item in session.items}
        known = self.reached(tests)
        if broken := [test for test, (_, _, failed) in known.items() if failed]:
            pytest.exit("\n".join(["These tests fail without a mutant:", *broken]), 1)
        seconds, by_function = {}, defaultdict(list)
        for test, (duration, functions, _) in sorted(known.items(), key=lambda each: each[1][0]):
            seconds[test] = duration
            for function in functions:
                by_function[function].append(test)
        self.running, last = {}, time.monotonic()
        for number, (data, name) in enumerate(self.tries, start=1):
            chosen, total = [], 0
            for test in by_function[name.partition("__mutmut_")[0]]:
                total += seconds[test]
                if chosen and total > PATIENCE:
                    break
                chosen.append(test)
            if not chosen:
                self.record(data, name, NO_TESTS, 0)
                continue
            self.wait(self.processes - 1)
            limit = int(5 * min(total, PATIENCE)) + 5
            pid = forked(lambda name=name, chosen=chosen: self.run(name, [tests[test] for test in chosen]), limit)
            self.running[pid] = data, name, time.monotonic(), limit
            if time.monotonic() - last > 10 or number == len(self.tries):
                last = time.monotonic()
                print(f"{number} of {len(self.tries)}", flush=True)
        self.wait(0)
        return True

    def wait(self, running):
        """Wait until no more than so many mutants are being tried."""
        while len(self.running) > running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                data, name, start, _ = self.running.pop(pid)
                self.record(data, name, os.waitstatus_to_exitcode(status), time.monotonic() - start)
                continue
            for pid, (_, _, start, limit) in self.running.items():
                if time.monotonic() - start > 60 + 10 * limit:  # it waits for something, and takes no time to compute
                    os.kill(pid, signal.SIGXCPU)
            time.sleep(0.005)

    def record(self, data, name, code, duration):
        data.exit_code_by_key[name], data.durations_by_key[name] = code, duration
        os.chdir(FOLDER)
        data.save()
        os.chdir(FOLDER / "mutants")

    def run(self, name, items):
        """Run these tests with a mutant until one fails; return 1 if one does."""
        set_mutant_under_test(name)
        self.failed = False
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return 1
        return 0

    def reached(self, tests):
        """Return the duration of each test, the functions that it reaches, and whether it fails.

        That is kept for the files of tests that stay as they are, as long as the library does.
        """
        kept = FOLDER / "reached.json"
        library = digest(*sorted((ROOT / "saelib").rglob("*.py")))
        now = {file: digest(ROOT / file) for file in sorted({test.partition("::")[0] for test in tests})}
        before = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
        files = before["files"] if before.get("library") == library else {}
        old = {test: found for test, found in before.get("tests", {}).items() if is_of(test, files, now)}
        missing = [item for test, item in tests.items() if test not in old]
        print(f"{len(missing)} tests without a mutant, to see which functions they reach", flush=True)
        parts = [FOLDER / f"reached-{part}.json" for part in range(self.processes if missing else 0)]
        for part, path in enumerate(parts):
            forked(lambda part=part, path=path: self.look(missing[part :: self.processes], path))
        for _ in parts:
            if os.wait()[1]:
                sys.exit("pytest ended before its tests")
        for path in parts:
            old |= json.loads(path.read_text("utf-8"))
            path.unlink()
        kept.write_text(json.dumps({"library": library, "files": files | now, "tests": old}), encoding="utf-8")
        return {test: old[test] for test in tests}

    def look(self, items, path):
        set_mutant_under_test("stats")
        found = {}
        for item, following in zip(items, [*items[1:], None], strict=True):
            state()._stats.clear()
            self.failed, start = False, time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            found[item.nodeid] = time.process_time() - start, sorted(state()._stats), self.failed
        path.write_text(json.dumps(found), encoding="utf-8")
        return 0


def forked(work, limit=None):
    """Do the work in a process of its own, which ends with the code that it returns; return the number of the process.

    At the limit, in seconds of computing, the process is stopped.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        if limit:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
        code = work()
    finally:
        os._exit(code)


def digest(*paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def is_of(test, files, now):
    """Return whether the test was looked at in its file as it is now, or in one of which nothing is asked."""
    file = test.partition("::")[0]
    return file in files and now.get(file, files[file]) == files[file]


def report(drawn):
    """Print the share of each module and the survivors without an explanation; return 1 if something is amiss."""
    living, dead = {}, {}
    row = "{:20} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}"
    print("\n" + row.format("module", "mutants", "tried", "noticed", "by time", "survived", "share"))
    explained = {line.strip() for line in EXPLAINED.read_text(encoding="utf-8").splitlines() if line.startswith("    ")}
    functions = {line.partition(": ")[0] for line in explained}
    counts = []
    for data in load():
        path = data.path
        status = {name: status_by_exit_code[data.exit_code_by_key[name]] for name in drawn[path]}
        names = [name for name in status if status[name] != "not checked"]
        left = [name for name in names if status[name] not in NOTICED]
        living |= {change(name, path): f"{name}, {status[name]}" for name in left}
        dead |= {change(name, path): name for name in names if name not in left and function_of(name) in functions}
        module = ".".join(path.with_suffix("").parts[1:])
        slow = list(status.values()).count("timeout")
        counts.append((module, len(data.exit_code_by_key), len(names), len(left), slow))
    counts.append(("all", *(sum(column) for column in list(zip(*counts, strict=True))[1:])))
    for name, n, tried, left, slow in counts:
        if tried:
            print(row.format(name, n, tried, tried - left, slow, left, f"{(tried - left) / tried:.1%}"))
    for line in sorted(living.keys() - explained):
        print(f"survived without an explanation ({living[line]}):\n    {line}")
    for line in sorted(explained & dead.keys() - living.keys()):
        print(f"explained, but not a survivor:\n    {line}")
    _, _, tried, left, _ = counts[-1]
    return int((tried - left) / tried < ENOUGH or bool(living.keys() - explained))


def function_of(name):
    name = name.rpartition("__mutmut_")[0].removeprefix("saelib.").replace("xǁ", "").replace("ǁ", ".")
    return name.replace(".x_", ".")


def change(name, path):
    """Return the line of a mutant that is not the library's, after the name of its function."""
    lines = [line[1:].strip() for line in get_diff_for_mutant(name, path=path).splitlines() if line.startswith("+")]
    return f"{function_of(name)}: {' '.join(lines[1:]).partition('  # ')[0]}"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else DRAWN)
