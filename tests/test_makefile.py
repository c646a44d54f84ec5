"""The Makefile in any folder that a person can make, with tools that only say what they were asked.

What stands in for Python notes its arguments and its surroundings, so that no package is installed here.
"""

import os
import re
import shutil
import subprocess
import sys
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
  *"--editable ."*) to=.venv/lib/python3.11/site-packages; mkdir -p $to; echo "$PWD" > $to/saelib.pth;;
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
@pytest.mark.parametrize("options", [(), (".SHELLFLAGS=-c",)], ids=["make", "make 3.81"])
def test_a_folder_may_have_any_name(tmp_path, name, options):
    folder, stub = folder_called(tmp_path, name)
    for target, word in (
        ("book", "build|"),
        ("pdf", "tools/make_pdf.py"),
        ("test", "-m|pytest"),
        ("data", "fetch_mnist"),
    ):
        done, log = make(folder, stub, target, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert word in log and f"|{folder}/.venv/home/matplotlib|" in log
    _, log = make(folder, stub, "pdf")
    assert f"python|{folder}|{folder}/.venv/home|" in log  # a browser keeps its things inside the folder too


def test_python_starts_in_a_folder_of_other_letters_whatever_the_locale(tmp_path):
    folder, stub = folder_called(tmp_path, "Bücher")
    make(folder, stub, "data")
    packages = folder / ".venv" / "lib" / "python3.11" / "site-packages"
    assert (packages / "saelib.pth").read_bytes().isascii()
    (folder / "ascii_path").mkdir()
    tell = "import site, sys; site.addsitedir(sys.argv[1]); import ascii_path; print(list(ascii_path.__path__))"
    for locale in ("C", "POSIX", "C.UTF-8"):
        command = [sys.executable, "-I", "-S", "-c", tell, packages]
        done = subprocess.run(command, env={"LC_ALL": locale}, cwd=tmp_path, capture_output=True)
        assert done.returncode == 0 and b"ascii_path" in done.stdout, done.stderr


# What GNU make 3.81 and bash 3.2 do not know, and what the tools of BSD and macOS call otherwise.
NOT_EVERYWHERE = {
    r"^\.ONESHELL": ".ONESHELL:",
    r"^[\w.]+ *(!=|:::?=)": "NOW != date",
    r"\$\(file ": "$(file >a,b)",
    r"^(undefine|private|load) ": "undefine A",
    r"\bsed +(-\w*[irsz]|--)": "sed -i s/a/b/ file",
    r"\bgrep +(-\w*P|--)": "grep -oP a",
    r"\bfind\b.*-(printf|regextype|readable|executable|quit)": "find . -printf %f",
    r"\bdate +(-\w*[dI]|--)": "date -d yesterday",
    r"\b(readlink|realpath) ": "readlink -f a",
    r"\b(nproc|sha256sum|md5sum|tac|shuf|timeout|numfmt|setsid) ": "timeout 5 make",
    r"\bstat +(-\w*c|--)": "stat -c %s a",
    r"\bxargs +(-\w*[rd]\b|--)": "xargs -r rm",
    r"\b(sort|head|tail|cut|cp|mv|rm|ls|touch|mkdir|ln|wc|du) +--": "cp --parents a b",
    r"\bsort +-\w*V": "sort -V",
    r"\bhead +-n *-": "head -n -1",
    r"\b(gensub|strftime|systime|asorti?|PROCINFO)\b": "awk 'gensub(1)'",
    r"\b(mapfile|readarray|declare +-A|coproc)\b": "mapfile -t a",
    r"\$\{\w+(\^|,,|@)": "${a^^}",
    r"&>>|\|&": "make &>> log",
}


def not_everywhere(text):
    return [line for line in text.splitlines() for pattern in NOT_EVERYWHERE if re.search(pattern, line)]


def test_recipes_and_scripts_ask_for_nothing_that_only_gnu_has():
    scripts = [ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / ".binder").iterdir()]
    assert [line for script in scripts if script.is_file() for line in not_everywhere(script.read_text("utf-8"))] == []
    assert all(not_everywhere(sample) == [sample] for sample in NOT_EVERYWHERE.values())


def test_what_3_81_ignores_is_not_relied_on():
    text = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    recipes = [line for line in text.splitlines() if line.startswith("\t")]
    for line in recipes:  # without .SHELLFLAGS there is no -e, -u or pipefail
        program = re.sub(r"'[^']*'|\"[^\"]*\"", "", line)
        assert "|" not in re.sub(r"\|\||\$\$\([^)]*\)", "", program) or "set -o pipefail;" in line, line


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
