"""The licenses of what the book needs and of what its pages carry go with the book's own."""

import re
import sys
from email.message import Message
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT / "tools"))

import licenses  # noqa: E402


def test_every_package_that_the_book_needs_here_goes_with_it():
    packages = licenses.needed(licenses.requirements(ROOT / "requirements.txt"))
    assert {"numpy", "sphinx", "joblib", "tornado"} <= packages.keys()  # joblib and tornado are needed by others
    says = {name: licenses.stated(package.metadata) for name, package in packages.items()}
    wrong = {name for name, license in says.items() if not licenses.compatible(license)}
    assert wrong == licenses.EXPLAINED.keys()  # no explanation that nobody needs either


def test_what_may_be_passed_on_and_what_may_not():
    for fine in ("MIT", "MIT AND ISC", "GPL-3.0-only OR MIT", "MIT AND (0BSD OR Zlib)", "(MIT)"):
        assert licenses.compatible(fine)
    for wrong in ("", "GPL-3.0-only", "MIT AND AGPL-3.0-only", "MIT AND (ISC OR GPL-2.0-only)", "UNKNOWN", "MITx"):
        assert not licenses.compatible(wrong)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ([("License-Expression", "MIT AND PSF-2.0"), ("License", "GPL")], "MIT AND PSF-2.0"),
        ([("License", "MIT"), ("Classifier", "License :: OSI Approved :: BSD License")], "BSD"),
        ([("Classifier", "License :: OSI Approved :: ISC License (ISCL)")], "ISC"),
        ([("Classifier", "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)")], "MPL-2.0"),
        ([("License", "BSD 3-Clause License\n\nCopyright (c) 2020")], "BSD-3-Clause"),
        ([("License", "Apache License, Version 2.0")], "Apache-2.0"),
        ([("License", "MPL-2.0 AND MIT")], "MPL-2.0 AND MIT"),
        (
            [("Classifier", f"License :: OSI Approved :: {name}") for name in ("MIT License", "GNU Affero")],
            "GNU Affero AND MIT",
        ),
        ([("Classifier", "Programming Language :: Python")], ""),
    ],
)
def test_a_package_says_its_license_in_one_of_three_fields(fields, says):
    metadata = Message()
    for name, value in fields:
        metadata.add_header(name, value.replace("\n", "\n "))
    assert licenses.stated(metadata) == says


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(SystemExit, match="no-such-package is not installed"):
        licenses.needed(["no-such-package==1"])


def carried():
    """The rows of the table: patterns of files, and a license."""
    lines = (ROOT / "LICENSES-third-party.md").read_text("utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    return [(re.findall("`([^`]+)`", files), license) for files, _, _, license in rows]


def test_what_the_pages_carry_may_be_passed_on():
    for files, license in carried():
        # Icons and fonts may be passed on with whatever shows them.
        assert files and (licenses.compatible(license) or license in ("CC-BY-4.0", "OFL-1.1"))


@pytest.mark.site
def test_the_table_names_every_file_that_is_not_the_books_own():
    if not (SITE / "index.html").exists():
        pytest.exit("No built book found: `make book` first.", 1)
    own = {f"_static/{path.name}" for path in (ROOT / "_static").iterdir()} | {"LICENSES-third-party.md"}
    own |= {
        f"_static/{path.name}" for place in ("saelib/book", "_ext/search_page") for path in (ROOT / place).iterdir()
    }
    own |= {f"_static/{made}.js" for made in ("sections", "glances", "train-patches")}  # while the book is built
    beside = ("_images/*", "_sources/*", "notebooks/*", "lite/*", ".buildinfo", "sitemap.xml", "*.pdf", "*.html")
    files = {path.relative_to(SITE).as_posix() for path in SITE.rglob("*") if path.is_file()}
    files = {
        file for file in files - own if file.startswith("_static/") or not any(fnmatch(file, own) for own in beside)
    }
    patterns = [pattern for row, _ in carried() for pattern in row]
    assert {file for file in files if not any(fnmatch(file, pattern) for pattern in patterns)} == set()
    assert [pattern for pattern in patterns if not any(fnmatch(file, pattern) for file in files)] == []
    assert (SITE / "LICENSES-third-party.md").read_bytes() == (ROOT / "LICENSES-third-party.md").read_bytes()
