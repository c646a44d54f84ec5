"""Lay out copies of the built book's plain notebooks (see _ext/plain_notebooks.py) for those who work with them.

    python tools/copies.py lab                 lab/: for a reader, who may change them (`make lab`)
    python tools/copies.py handout pca deep    _build/handout/: to hand out, without the solutions (`make handout`)

What a reader has changed in lab/ stays as it is; delete a notebook there to get the book's again. A handout holds
notebooks and pages, with the solutions gone and room for an answer under each exercise; without names it is the whole
book. What a link would lead to and is not handed out loses its link.
"""

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urldefrag

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_ext"))

from finished_pages import parse, written  # noqa: E402
from plain_notebooks import FOLDER  # noqa: E402

SITE, TOC = ROOT / "_build" / "html", ROOT / "_toc.yml"
LAB, HANDOUT = ROOT / "lab", ROOT / "_build" / "handout"
DATA = ("benchmarks", "tests/data")  # what chapters read
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s:]+\.ipynb)(?:#[^()\s]*)?\)")


def files(toc):
    """The files that a table of contents names, or a part of it, in their order."""
    if isinstance(toc, dict):
        return [toc[key] for key in ("file",) if key in toc] + [file for value in toc.values() for file in files(value)]
    return [file for value in toc for file in files(value)] if isinstance(toc, list) else []


def pages():
    """The pages of the book that have a notebook, in their order."""
    names = [Path(file).with_suffix("").as_posix() for file in files(yaml.safe_load(TOC.read_text("utf-8")))]
    return [page for page in names if (SITE / FOLDER / f"{page}.ipynb").exists()]


def chosen(names):
    """The pages with these names; without names, all."""
    every = pages()
    known = {page.rpartition("/")[2]: page for page in every}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"There is no chapter {unknown[0]}; there are {', '.join(known)}.")
    return [known[name] for name in names] or every


def copy_data(target):
    for data in DATA:
        ignore = shutil.ignore_patterns("*.py", "__pycache__")
        shutil.copytree(ROOT / data, target / data, ignore=ignore, dirs_exist_ok=True)


# --- for a reader -----------------------------------------------------------------------------------------------


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def written_by_hand(file):
    """A digest of what a person has written in a notebook, which an editor's own marks and outputs do not change."""
    cells = json.loads(file.read_text("utf-8"))["cells"]
    return hashlib.sha256(json.dumps([[c["cell_type"], "".join(c["source"])] for c in cells]).encode()).hexdigest()


def lay_out(source, target, names):
    """Copy notebooks into a folder, but for those changed there since they were copied; return these.

    What has not changed in the book is left as it is there, with the outputs that it has got.
    """
    memory = target / ".copied.json"
    before = json.loads(memory.read_text("utf-8")) if memory.exists() else {}
    kept, now = [], {}
    for name in names:
        file, copy = source / name, target / name
        of_the_book, as_copied = before.get(name, (None, None))
        if copy.exists() and written_by_hand(copy) not in (as_copied, written_by_hand(file)):
            kept.append(name)
            now[name] = of_the_book, as_copied
            continue
        if not copy.exists() or digest(file) != of_the_book:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        now[name] = digest(file), written_by_hand(file)
    memory.write_text(json.dumps(now, indent=1), "utf-8")
    return kept


def no_news():
    """Answer JupyterLab's question at its first start, whether it may fetch news, with no; it can be changed there."""
    if folder := os.environ.get("JUPYTERLAB_SETTINGS_DIR"):
        setting = Path(folder, "@jupyterlab", "apputils-extension", "notification.jupyterlab-settings")
        if not setting.exists():
            setting.parent.mkdir(parents=True, exist_ok=True)
            setting.write_text('{"fetchNews": "false"}\n', "utf-8")


def lab():
    LAB.mkdir(exist_ok=True)
    no_news()
    copy_data(LAB)
    kept = lay_out(SITE / FOLDER, LAB, [f"{page}.ipynb" for page in pages()])
    print(f"lab/: {len(pages()) - len(kept)} notebooks as in the book" + f", {len(kept)} that you changed" * bool(kept))
    for name in kept:
        print(f"  {name} is yours; delete it to get the book's again")


# --- to hand out ------------------------------------------------------------------------------------------------


def tagged(cell, tag):
    return tag in cell["metadata"].get("tags", ())


def text_cell(identifier, text):
    return {"cell_type": "markdown", "id": identifier, "metadata": {"tags": ["answer"]}, "source": [text]}


def empty_cell(identifier):
    more = {"execution_count": None, "outputs": [], "source": []}
    return {"cell_type": "code", "id": identifier, "metadata": {"tags": ["answer"]}} | more


def without_solutions(notebook, page, handed):
    """A notebook to hand out: where a solution was, there is room for an answer; what ran has not run yet."""
    cells, asked = [], False
    for cell in notebook["cells"]:
        if tagged(cell, "solution"):
            if asked:
                number = sum(tagged(c, "answer") for c in cells)
                cells.append(text_cell(f"answer-{number}", "*Your answer:*"))
                if cells[-2]["cell_type"] == "markdown":  # no function to fill in
                    cells.append(empty_cell(f"answer-{number}-code"))
            asked = False
            continue
        asked = asked or tagged(cell, "exercise")
        if cell["cell_type"] == "markdown":
            cell = cell | {"source": unlinked("".join(cell["source"]), page, handed).splitlines(keepends=True)}
        cells.append(cell)
    return notebook | {"cells": [cell for cell in cells if cell["source"] or cell["cell_type"] == "code"]}


def unlinked(text, page, handed):
    """Markdown without the links to notebooks that are not handed out; a line that is such a link alone goes."""

    def plain(match):
        there = normpath(join(dirname(page), unquote(match[2]))).removesuffix(".ipynb")
        return match[0] if there in handed else match[1]

    lines = text.split("\n")
    kept = [line for line in lines if not line.startswith("**Next:** [") or LINK.sub(plain, line) == line]
    return "\n".join(LINK.sub(plain, line) for line in kept).strip("\n")


ANSWER = '<div class="answer"><p>Your answer:</p></div>'
STYLE = """
.answer { border: 1px solid currentColor; border-radius: .25rem; margin: 0 0 1.5rem; min-height: 12rem; padding: .5rem }
main.handout { margin: 0 auto; max-width: 60rem; padding: 1rem }
"""


def page_without_solutions(html, page, handed):
    """A page of the book to hand out: its text alone, with room for answers."""
    tree = parse(html)
    article = tree.select_one("article.bd-article").extract()
    for part in article.select("p.under-the-title, a.equation-mark, a.headerlink, .prev-next-area"):
        part.decompose()
    for link in tree.head.select(
        "link[rel=next], link[rel=prev], link[rel=search], link[rel=index], link[rel=preload]"
    ):
        link.decompose()
    for script in tree.head.find_all("script", src=False):
        if "dataset.theme" in (script.string or ""):  # there is no switch for the colors
            script.decompose()
    for solution in article.select("div.solution"):
        solution.replace_with(parse(ANSWER).div)
    for link in article.select("a[href]"):
        address, fragment = urldefrag(link["href"])
        if re.match(r"[a-z]+:", address):
            continue
        there = normpath(join(dirname(page), unquote(address))).removesuffix(".html") if address else page
        gone = there == page and fragment and not article.find(id=unquote(fragment))
        if there not in handed or gone:
            link.unwrap()
    main = tree.new_tag("main", attrs={"class": "bd-main bd-content handout", "id": "main-content"})
    main.append(article)
    tree.body.clear()
    # The theme's script looks for the first, and colors by the attributes.
    tree.body.extend([tree.new_tag("div", attrs={"class": "sbt-scroll-pixel-helper"}), main])
    tree.html.attrs |= {"data-theme": "light", "data-mode": "light"}
    style = tree.new_tag("style")
    style.string = STYLE
    tree.head.append(style)
    return written(tree)


def handout(names):
    handed = chosen(names)
    shutil.rmtree(HANDOUT, ignore_errors=True)
    for page in handed:
        file = HANDOUT / page
        file.parent.mkdir(parents=True, exist_ok=True)
        notebook = json.loads((SITE / FOLDER / f"{page}.ipynb").read_text("utf-8"))
        notebook = json.dumps(without_solutions(notebook, page, handed), ensure_ascii=False, indent=1)
        file.with_name(f"{file.name}.ipynb").write_text(notebook + "\n", "utf-8")
        html = page_without_solutions((SITE / f"{page}.html").read_text("utf-8"), page, handed)
        file.with_name(f"{file.name}.html").write_text(html, "utf-8")
        for picture in re.findall(r"_images/[\w.-]+", html):
            (HANDOUT / "_images").mkdir(exist_ok=True)
            shutil.copy(SITE / picture, HANDOUT / picture)
    shutil.copytree(SITE / "_static", HANDOUT / "_static")
    (wheel,) = (SITE / FOLDER).glob("*.whl")
    shutil.copy(wheel, HANDOUT)
    copy_data(HANDOUT)
    print(f"{HANDOUT.relative_to(ROOT)}: {len(handed)} pages and notebooks without solutions")


if __name__ == "__main__":
    what, *names = sys.argv[1:] or [""]
    if not (SITE / FOLDER).exists():
        sys.exit("No built book found: `make book` first.")
    if what == "lab" and not names:
        lab()
    elif what == "handout":
        handout(names)
    else:
        sys.exit(__doc__)
