"""Look for newer versions of what requirements.txt pins, try them, and pin them if everything holds (`make update`).

A pin may carry a bound, as in ``name==1.2.3  # <2``: the newest version within it is taken, of those that run on the
oldest Python of pyproject.toml. They are installed into a folder of their own, `.venv-update`, where every test runs,
every notebook against its stored outputs, and the book is built. If something fails, the pins stay as they are, unless
`--anyway` is given; then `make notebooks` and `git diff` show what readers would see.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS, VENV = ROOT / "requirements.txt", ROOT / ".venv-update"
PIN = re.compile(r"^([\w.-]+)==(\S+)(?:[ \t]+#[ \t]*([<>=!~][^\s:]*))?", re.MULTILINE)


def pins(text):
    """The pinned versions of a requirements file, by name."""
    return {name: version for name, version, _ in PIN.findall(text)}


def bounds(text):
    """The same packages with the bounds that they carry instead of their pins."""
    return [f"{name}{bound}" for name, _, bound in PIN.findall(text)]


def with_versions(text, versions):
    """The file with other versions; comments and order stay."""
    return PIN.sub(lambda m: m[0].replace(f"=={m[2]}", f"=={versions[m[1]]}", 1), text)


def oldest_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project["requires-python"].removeprefix(">=")


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def newest(requirements):
    """The newest versions that go together, by name; nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--python-version", oldest_python(), "--only-binary", ":all:", "--target", folder]
        subprocess.run([*command, "--report", report, *requirements], check=True)
        found = [item["metadata"] for item in json.loads(report.read_text("utf-8"))["install"]]
    return {canonical(package["name"]): package["version"] for package in found}


def install(text):
    """A new folder with the packages of a requirements file and the library; returns its Python."""
    python, wanted = VENV / "bin" / "python", VENV / "requirements.txt"
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    wanted.write_text(text, "utf-8")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, "-r", wanted], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", ROOT], check=True)
    return python


def failures(report):
    """How many tests failed in each file of a report of pytest; a cell of a notebook is a test."""
    failed = Counter()
    for case in ET.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed[case.get("classname") or case.get("name")] += 1
    return failed


def try_out(python, jobs):
    """What does not hold with the packages of this Python, a line for each."""
    report = VENV / "report.xml"
    tests = [python, "-m", "pytest", "-q", "-n", jobs, "--dist", "loadscope", "--no-loadscope-reorder"]
    tests += ["--continue-on-collection-errors", f"--junitxml={report}"]
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    report.unlink(missing_ok=True)
    done = subprocess.run(tests, cwd=ROOT, env=os.environ | one_thread)
    wrong = [f"{file}: {count} failed" for file, count in sorted(failures(report).items())] if report.exists() else []
    if done.returncode and not wrong:
        wrong.append(f"pytest ended with status {done.returncode}")
    book = [python.parent / "jupyter-book", "build", "--quiet", "-W", "--keep-going", "--path-output", VENV, ROOT]
    if subprocess.run(book).returncode:
        wrong.append("the book is not built without warnings")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", default="2", help="processes for the tests")
    parser.add_argument("--anyway", action="store_true", help="pin the newer versions even if something fails")
    options = parser.parse_args()
    text = PINS.read_text("utf-8")
    before = pins(text)
    found = newest(bounds(text))
    now = {name: found[canonical(name)] for name in before}
    changed = [f"{name} {before[name]} -> {now[name]}" for name in before if now[name] != before[name]]
    if not changed:
        print("Every pin is the newest within its bound.")
        return
    print("Newer:", *changed, sep="\n  ", flush=True)
    wrong = try_out(install(with_versions(text, now)), options.jobs)
    if wrong:
        print("With these versions:", *wrong, sep="\n  ")
    if wrong and not options.anyway:
        sys.exit(
            "The pins stay as they are. To see what readers would see: `make update ANYWAY=--anyway`, `make notebooks`."
        )
    PINS.write_text(with_versions(text, now), "utf-8")
    print("requirements.txt has the newer versions; `git diff` shows them.")


if __name__ == "__main__":
    main()
