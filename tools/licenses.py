"""List the licenses of everything that the book needs here (`make licenses`), and stop at one that does not go with it.

What is installed says itself what its license is, in one of three fields; what says nothing, or something that needs a
reason, is explained below. What the built pages carry of others is in LICENSES-third-party.md.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]

# Whoever keeps the notices may copy, change and pass on; MPL asks that of its own files alone.
COMPATIBLE = {
    *("MIT", "MIT-0", "MIT-CMU", "BSD", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "ISCL", "Zlib", "CC0-1.0"),
    *("Apache-2.0", "PSF-2.0", "PSFL", "Python Software Foundation", "MPL-2.0", "Public Domain"),
}
EXPLAINED = {
    "axe-playwright-python": "MIT, by its file LICENSE; a test runs it",
    "codespell": "GPL-2.0-only; a command that `make lint` runs, no part of the library or the pages",
    "font-source-sans-pro": "OFL-1.1; letters of it are beside the pages, under another name, with the license",
    "font-source-serif-pro": "OFL-1.1; as the other",
    "llvmlite": "BSD-2-Clause, and LLVM in it Apache-2.0 with LLVM's exception; Numba, an extra, compiles with it",
    "docutils": "public domain, in parts BSD and PSF; under the GPL is an Emacs mode, which is not used",
}
NAMES = (  # what older packages write
    (r"^The | Software$| [Ll]icen[cs]e(?=,|$)|^License :: (OSI Approved :: )?|\(.*\)", ""),
    (r"^(BSD|MIT|ISC|Python Software Foundation|Apache Software) License.*", r"\1"),
    (r"^BSD[ -]([23])-Clause.*", r"BSD-\1-Clause"),
    (r"^Apache( Software| License)?,?( Version)?( 2\.0)?$", "Apache-2.0"),
    (r"^Mozilla Public.*", "MPL-2.0"),
)


def plain(name):
    """A license's short name."""
    for pattern, short in NAMES:
        name = re.sub(pattern, short, name.strip())
    return name.strip()


def stated(metadata):
    """What a package says its license is: an expression, as in "MIT AND (ISC OR Zlib)"."""
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = [plain(line) for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    if classifiers:
        return " AND ".join(sorted(set(classifiers)))
    words = (metadata.get("License") or "").strip().splitlines()
    return " AND ".join(plain(part) for part in words[0].split(" AND ")) if words else ""


def compatible(expression):
    """Whether an expression lets the book do what it does; of alternatives one is enough, unless there are brackets."""
    alternatives = [expression] if "(" in expression else expression.split(" OR ")
    return any(
        all(name in COMPATIBLE for name in re.split(r" AND | OR |[()]+", one) if name) for one in alternatives if one
    )


def needed(names):
    """The distributions of some packages and of all that they need here."""
    found, waiting = {}, [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if (name, *requirement.extras) in found:
            continue
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            raise SystemExit(f"{requirement.name} is not installed") from None
        found[name, *requirement.extras] = package
        for line in package.requires or ():
            other = Requirement(line)
            if other.marker is None or any(
                other.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
            ):
                waiting.append(other)
    return {key[0]: package for key, package in sorted(found.items())}


def requirements(file):
    lines = (line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def main():
    wrong = 0
    for name, package in needed(requirements(ROOT / "requirements.txt")).items():
        says = stated(package.metadata)
        fine = name in EXPLAINED or compatible(says)
        wrong += not fine
        print(
            *["NOT COMPATIBLE:"] * (not fine), name, package.version, "-", EXPLAINED.get(name, says or "says nothing")
        )
    sys.exit(wrong and f"{wrong} licenses that do not go with the book's; see tools/licenses.py")


if __name__ == "__main__":
    main()
