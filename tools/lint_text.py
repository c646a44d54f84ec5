"""Read the text of the book as an editor would, for what no build reports (`make lint`).

It looks for words that the book does without, labels and references of the bibliography that nobody uses, and links
between the files beside the pages that lead nowhere. Spelling is codespell's, links on the pages are Sphinx's.
"""

import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]

# What says that a thing needs no saying, what sells, and what fills; "clearly on" is said of a unit.
WORDS = (
    r"simply|obvious(?:ly)?|clearly(?! on\b)|trivial(?:ly)?|basically|of course|needless to say"
    r"|it is (?:easy|clear) to see|in this (?:chapter|section|notebook),? we(?: will|'ll)|let us dive|delv(?:e|es|ing)"
    r"|seamless(?:ly)?|cutting-edge|state-of-the-art|groundbreaking|powerful|leverag(?:e|es|ed|ing)"
    r"|utili[sz](?:e|es|ed|ing)|crucial(?:ly)?"
)
# British forms that codespell does not know.
BRITISH = r"whilst|amongst|learnt|spelt|ageing|travell(?:ed|ing)|per cent"
BANNED = re.compile(rf"(?<![\"“'\w-])(?:{WORDS}|{BRITISH})\b", re.IGNORECASE)  # what is quoted is talked about

# Idioms of other languages, and things that are made to speak: each with what the book writes instead.
IDIOMS = {
    # "with respect to"
    r"\b(?:derivatives?|gradients?|slopes?|Jacobians?)"
    r"(?: of (?:(?!multipli|divid|chang|scal|follow)[^.;:()]){1,60}?)? by \$",
    r"\bbelongs? into\b",  # "in"
    r"\bhang(?:s|ing)? on\b",  # "depends on"
    r"\ba learning\b(?! (?:rate|rule|curve|algorithm|problem|method|task|theory))",  # "training"
    r"\btrainings\b",  # "runs", "trained networks"
    r"\b(?:a|every|each|one|another) training(?=[.,;:)]|\s+(?:that|which|is|was|of|with|from|ends|stops)\b)",  # "run"
    r"\beach for itself\b",  # "separately"
    r"\b(?:is|are) told in\b",  # "is in"
    r"\balso those\b",  # "those ..., too"
    r"\bhow many (?:\w+ ){1,3}has (?:it|this|that|the|a)\b",  # "how many ... does it have"
    r"\bin a last digit\b|\bpart exponentially\b",  # "in the last digit", "diverge"
    r"\bprice of not\b",  # "what ... costs"
    r"\bwhite in (?:all|every|each)\b",  # of a pixel: its value
    r"\bmore exactly\b",  # "more precisely"
    r"\bwhisper(?:s|er|ers)\b",  # of a unit: "has a small constant activation"
    # "the theorem shows", "the penalty is least at"
    r"\b(?:theorems?|matri(?:x|ces)|proofs?|formulas?|networks?|nets?|gradients?|costs?|penalt(?:y|ies)|(?:de|en)coders?)"
    r" (?:speaks?|knows?|wants?|wish(?:es)?|hopes?|believes?|would like)\b",
    r"(?<=[.!?] )So [^.!?]{1,160}[.!?] So\b",  # one of them goes
}
IDIOM = re.compile("|".join(sorted(IDIOMS)), re.IGNORECASE)

CODE = re.compile(
    r"^( *)(```+|~~~+)(?!\{).*?^\1\2 *$|(?<!`)(`+)(?!`).+?(?<!`)\3(?!`)|\$\$.*?\$\$", re.DOTALL | re.MULTILINE
)
LABEL = re.compile(r"^\(([\w:-]+)\)=\s*$", re.MULTILINE)
ROLE = re.compile(r"\{(ref|numref|prf:ref|cite(?::\w+)?)\}`([^`]+)`")
LINK = re.compile(r"\]\(<?([^()<>\s]+)>?\)")
# Entries that people outside the book point to by their address.
LASTING = re.compile(r"^(?:faq|errata)-")


def texts(root):
    """The prose of the book: for each file its Markdown, a notebook's from cell to cell."""
    files = [*root.glob("*.md"), *root.glob("appendices/*"), *root.glob("chapters/*.ipynb")]
    found = {}
    for file in sorted(files):
        if file.suffix == ".ipynb":
            cells = json.loads(file.read_text("utf-8"))["cells"]
            found[file] = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        elif file.suffix == ".md":
            found[file] = file.read_text("utf-8")
    return found


def words(text):
    """The words and phrases that the book does without, each with some of what is around it."""
    prose = CODE.sub(" ", text)
    found = [*BANNED.finditer(prose), *IDIOM.finditer(prose)]
    return [" ".join(prose[max(m.start() - 25, 0) : m.end() + 25].split()) for m in found]


def used(text, *roles):
    """What a text refers to by some roles, as {ref}`words <label>` or {cite}`one,two`."""
    targets = [target for role, target in ROLE.findall(text) if role.partition(":")[0] in roles or role in roles]
    return {part.strip() for target in targets for part in re.sub(r"^.*<(.*)>$", r"\1", target, flags=re.S).split(",")}


def orphans(text, everything):
    """The labels in a text that nothing leads to, but for that of the page itself, above its title."""
    start = text.find("\n# ") if not text.startswith("# ") else 0
    labels = [m[1] for m in LABEL.finditer(text) if m.start() > start]
    leads = used(everything, "ref", "numref", "prf:ref") | {
        link[1:] for link in LINK.findall(everything) if link[0] == "#"
    }
    return [label for label in labels if label not in leads and not LASTING.match(label)]


def anchors(text):
    """The addresses of the headings of a file, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.*?)\s*$", CODE.sub(" ", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(file, text):
    """The links of a file beside the pages (README, say) to a file or a heading that is not there."""
    dead = []
    for link in LINK.findall(CODE.sub(" ", text)):
        path, _, anchor = unquote(link).partition("#")
        target = file.parent / path if path else file
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.read_text("utf-8"))
        ):
            dead.append(link)
    return dead


def faults(root):
    """Everything that is wrong, a line for each."""
    book = texts(root)
    everything = "\n".join(book.values())
    for file, text in book.items():
        name = file.relative_to(root).as_posix()
        yield from (f"{name}: the book does without this: {found}" for found in words(text))
        yield from (f"{name}: nothing leads to the label {label}" for label in orphans(text, everything))
        if file.parent == root:
            yield from (f"{name}: the link leads nowhere: {link}" for link in dead_links(file, text))
    entries = re.findall(r"^@\w+\{\s*([^,\s]+)", (root / "references.bib").read_text("utf-8"), re.MULTILINE)
    cited = used(everything, "cite")
    yield from (f"references.bib: nobody cites {entry}" for entry in entries if entry not in cited)
    yield from (
        f"references.bib: {entry} is there twice" for entry in sorted({e for e in entries if entries.count(e) > 1})
    )


def main():
    found = list(faults(ROOT))
    print(*found, sep="\n" if found else "", end="\n" if found else "")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
