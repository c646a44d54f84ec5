"""The Makefile in any folder that a person can make, with tools that only say what they were asked.

What stands in for Python notes its arguments and its surroundings, so that no package is installed here.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (
    "plain",
    "My Drive",
    "book (1)",
    "book(1)",
    "R&D",
    "it's; mine",
    "Bücher",
    "50 % $HOME #2",
    "a[b]",
    'so "called"',
)
STUB = """#!/bin/bash
printf '%s|' "$(basename "$0")" "$PWD" "$HOME" "$MPLCONFIGDIR" "$@" >> "$LOG"; echo >> "$LOG"
case "$*" in
  *--version*) test -f .venv/has-pip;;
  *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/jupyter-book; touch .venv/has-pip;;
  *"-r requirements.txt"*) echo Collecting numpy; test ! -f pip-fails;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")


def folder_called(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("Makefile", "requirements.txt", "requirements.lock", "pyproject.toml", "index.md"):
        shutil.copy(ROOT / file, folder)
    (folder / "_static").mkdir()
    (folder / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "requirements.txt", folder / "benchmarks")
    stub = tmp_path / "python-stub"
    stub.write_text(STUB, encoding="utf-8")
    stub.chmod(0o755)
    return folder, stub


def make(folder, stub, *arguments):
    log = folder.parent / "log"
    log.write_text("")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "VENV"))}
    command = ["make", "--no-print-directory", f"PYTHON={stub}", *arguments]
    done = subprocess.run(command, cwd=folder, env=env | {"LOG": str(log)}, capture_output=True, text=True, timeout=60)
    return done, log.read_text("utf-8")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_may_have_any_name(tmp_path, name):
    folder, stub = folder_called(tmp_path, name)
    for target, word in (
        ("book", "build|"),
        ("pdf", "tools/make_pdf.py"),
        ("test", "-m|pytest"),
        ("data", "fetch_mnist"),
    ):
        done, log = make(folder, stub, target)
        assert done.returncode == 0, done.stdout + done.stderr
        assert word in log and f"|{folder}/.venv/home/matplotlib|" in log
    _, log = make(folder, stub, "pdf")
    assert f"python|{folder}|{folder}/.venv/home|" in log  # a browser keeps its things inside the folder too


def test_the_environment_may_lie_elsewhere(tmp_path):
    folder, stub = folder_called(tmp_path, "My Drive")
    shutil.copytree(folder, tmp_path / "first")
    make(tmp_path / "first", stub, "book")
    done, log = make(folder, stub, "data", f"VENV={tmp_path}/first/.venv", "-o", f"{tmp_path}/first/.venv/ready")
    assert done.returncode == 0 and f"|{tmp_path}/first/.venv/home/matplotlib|" in log


def test_a_half_made_environment_is_made_anew(tmp_path):
    folder, stub = folder_called(tmp_path, "half")
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(stub, folder / ".venv" / "bin" / "python")  # it has no pip
    done, log = make(folder, stub, "book")
    assert done.returncode == 0 and "|-m|venv|--clear|.venv|" in log, done.stderr


def test_a_failed_installation_is_not_taken_for_whole(tmp_path):
    folder, stub = folder_called(tmp_path, "fails")
    (folder / "pip-fails").touch()
    for _ in range(2):
        # GNU make 3.81, which macOS ships, does not know .SHELLFLAGS: the recipe itself has to ask for pipefail.
        done, log = make(folder, stub, "book", ".SHELLFLAGS=-c")
        assert done.returncode != 0 and not (folder / ".venv" / "ready").exists() and "build" not in log
    (folder / "pip-fails").unlink()
    assert make(folder, stub, "book", ".SHELLFLAGS=-c")[0].returncode == 0 and (folder / ".venv" / "ready").exists()


def test_line_ends_are_the_same_on_every_system():
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no checkout")
    command = [
        "git",
        "-c",
        "core.autocrlf=true",
        "ls-files",
        "--eol",
        "*.py",
        "*.ipynb",
        "*.md",
        "*.json",
        "Makefile",
        ".ci/*",
    ]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) > 100 and all(line.startswith("i/lf") and "eol=lf" in line for line in lines)
