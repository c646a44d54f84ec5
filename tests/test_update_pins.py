"""`make update` (tools/update_pins.py) changes a pin only within its bound, and only when everything holds."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import update_pins  # noqa: E402

TEXT = """# One==1 is no pin.
one==1.2
two.b==2.0.post1  # <3

# Why three stays.
three_c==3.0  # >=3,<3.1: why
four==4  # no bound, a remark
"""


def test_a_pin_becomes_its_bound():
    assert update_pins.pins(TEXT) == {"one": "1.2", "two.b": "2.0.post1", "three_c": "3.0", "four": "4"}
    assert update_pins.bounds(TEXT) == ["one", "two.b<3", "three_c>=3,<3.1", "four"]


def test_only_versions_change():
    versions = {"one": "1.2", "two.b": "2.5", "three_c": "3.0.1", "four": "4.1"}
    expected = TEXT.replace("two.b==2.0.post1", "two.b==2.5").replace("three_c==3.0 ", "three_c==3.0.1 ")
    assert update_pins.with_versions(TEXT, versions) == expected.replace("four==4 ", "four==4.1 ")


def test_every_pin_of_the_book_is_read():
    text = (ROOT / "requirements.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(update_pins.pins(text)) == len(lines) > 30
    bounds = update_pins.bounds(text)
    assert {"matplotlib<3.11", "jupyter-book<2", "sphinx-book-theme<1.3", "pydata-sphinx-theme<0.17"} <= set(bounds)
    assert update_pins.with_versions(text, update_pins.pins(text)) == text


def test_failures_are_counted_by_file(tmp_path):
    (tmp_path / "test_a.py").write_text("def test_1(): assert 0\ndef test_2(): assert 0\ndef test_3(): pass\n")
    (tmp_path / "test_b.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "test_c.py").write_text("def test_1(): pass\n")
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:nbval", "-p", "no:cacheprovider", f"--junitxml={report}"]
    command += ["--continue-on-collection-errors"]
    done = subprocess.run([*command, tmp_path], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode, done.stdout
    assert update_pins.failures(report) == {"test_a": 2, "test_b": 1}


@pytest.fixture
def update(tmp_path, monkeypatch):
    """A function that runs the update with these versions found and these faults, and returns what is pinned then."""

    def update(found, faults, *options):
        pins, tried = tmp_path / "requirements.txt", []
        pins.write_text(TEXT, "utf-8")
        monkeypatch.setattr(update_pins, "PINS", pins)
        monkeypatch.setattr(
            update_pins, "newest", lambda bounds: {"one": "1.2", "two-b": "2.0.post1", "four": "4"} | found
        )
        monkeypatch.setattr(update_pins, "install", lambda text: tried.append(text) or Path("python"))
        monkeypatch.setattr(update_pins, "try_out", lambda python, jobs: faults)
        monkeypatch.setattr(sys, "argv", ["update_pins.py", *options])
        try:
            update_pins.main()
        except SystemExit as end:
            assert "stay as they are" in str(end)
        return pins.read_text("utf-8"), tried

    return update


def test_pins_change_when_everything_holds_or_when_asked(update, capsys):
    new = TEXT.replace("three_c==3.0 ", "three_c==3.0.9 ")
    assert update({"three-c": "3.0.9"}, []) == (new, [new])
    assert "three_c 3.0 -> 3.0.9" in capsys.readouterr().out
    assert update({"three-c": "3.0.9"}, ["chapters/pca.ipynb: 2 failed"]) == (TEXT, [new])
    assert "chapters/pca.ipynb: 2 failed" in capsys.readouterr().out
    assert update({"three-c": "3.0.9"}, ["chapters/pca.ipynb: 2 failed"], "--anyway") == (new, [new])


def test_without_news_nothing_is_installed(update, capsys):
    assert update({"three-c": "3.0"}, ["never asked"]) == (TEXT, [])
    assert "newest" in capsys.readouterr().out


def test_the_lock_file_holds_every_pin_and_what_is_installed_here():
    """So that a build in three years takes the same packages, those that nobody asked for by name among them."""
    lines = map(Requirement, (ROOT / "requirements.lock").read_text("utf-8").splitlines())
    here = [line for line in lines if line.marker is None or line.marker.evaluate()]
    locked = {canonicalize_name(line.name): str(line.specifier).removeprefix("==") for line in here}
    text = (ROOT / "requirements.txt").read_text("utf-8")
    pins = [line.split("#")[0].strip().partition("==") for line in text.splitlines() if "==" in line.split("#")[0]]
    assert len(pins) > 30
    assert {name: locked.get(canonicalize_name(name)) for name, _, _ in pins} == {n: version for n, _, version in pins}
    installed = {canonicalize_name(d.name): d.version for d in metadata.distributions()}
    installed.pop("setuptools", None)  # which a virtual environment brings along
    assert {n: v for n, v in installed.items() if locked.get(n, v) != v} == {}
