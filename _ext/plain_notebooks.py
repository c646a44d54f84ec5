"""Write every page once more, as a notebook in plain Markdown: to download, and for `make lab` and `make lite`.

What is written is read from the page's finished tree, where each number, reference and citation is the one that the
page shows; a cell of code is that of the stored chapter. So the stored chapters stay the one source, and what
JupyterLab, VS Code or Colab show without any extension has the numbers of the book. A link leads to the notebook of its
page, to the section that holds its target. Solutions are `<details>`, with their code folded.
"""

import ast
import json
import posixpath
import re
import sys
import tomllib
from html import unescape
from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.osutil import relative_uri

FOLDER, PROJECT = "notebooks", Path(__file__).resolve().parents[1] / "pyproject.toml"
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
FOLDED = {"source_hidden": True}
WORKS = "Works cited"
EXPLORABLE = re.compile(r'<figure class="(?:explore|live)\b.*?<figcaption>(.*?)</figcaption>', re.S)
EQUATION = re.compile(r"\((eq-[\w-]+)\)")
# What has no words of its own in a notebook.
SILENT = {"target", "comment", "index", "toctree", "compound", "meta", "substitution_definition"}


def slug(heading):
    """The fragment by which JupyterLab finds a heading."""
    return "#" + quote(heading.replace(" ", "-"))


def escape(text):
    """Text such that Markdown shows it as it is."""
    text = re.sub(r"([\\`*$~|])|\](?=[(\[:])|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    return re.sub(r"(?m)^(\s*)([#>+-](?=\s)|\d+(?=[.)]\s))", lambda m: m[1] + guarded(m[2]), text)


def guarded(start):
    """The start of a line that would begin a list, a heading or a quotation."""
    return start + "\\" if start.isdigit() else "\\" + start


def indented(text, first, rest):
    lines = text.split("\n")
    return "\n".join([first + lines[0], *(rest + line if line.strip() else rest.rstrip() for line in lines[1:])])


def details(summary, body):
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def cleaned(outputs, numbers):
    """Outputs as they look without the page's scripts: a figure to explore is its picture until it is run."""
    kept = json.loads(json.dumps(outputs))
    for output in kept:
        data = output.get("data", {})
        if {"text/html", "image/png"} <= data.keys():
            del data["text/html"]
        for kind in {"text/html", "text/plain"} & data.keys():
            data[kind] = [EQUATION.sub(lambda m: f"({numbers.get(m[1], m[1])})", "".join(data[kind]))]
    return kept


class Book:
    """What the built book knows: the numbers, and under which heading each target stands."""

    def __init__(self, app):
        self.app, self.env = app, app.env
        self.headings_of = {}

    def number(self, page, kind, identifier):
        return ".".join(map(str, self.env.toc_fignumbers.get(page, {}).get(kind, {}).get(identifier, ())))

    def equations(self):
        """The number of each labeled equation of the book."""
        homes = self.env.get_domain("math").equations
        return {
            label: self.number(page, "displaymath", nodes.make_id(f"equation-{label}"))
            for label, (page, _) in homes.items()
        }

    def chapter(self, page):
        """The number of a chapter; none for a page without one."""
        return ".".join(map(str, self.env.toc_secnumbers.get(page, {}).get("") or ()))

    def title(self, page, text):
        """The title of a page with its number, as the page has it."""
        number = self.chapter(page)
        return f"{number}. {text}" if number else text

    def headings(self, page):
        """The heading under which each identifier of a page stands; the page's own title is ``None``."""
        if page not in self.headings_of:
            found = self.headings_of[page] = {}
            for node in self.env.get_doctree(page).findall(nodes.Element):
                for identifier in node.get("ids", ()):
                    found[identifier] = self.heading_above(page, node)
        return self.headings_of[page]

    def heading_above(self, page, node):
        while node is not None and not isinstance(node, nodes.document):
            if type(node).__name__ == "exercise_enumerable_node":
                (subtitle,) = node.findall(lambda n: type(n).__name__ == "exercise_subtitle")
                return f"Exercise {self.number(page, 'exercise', node['ids'][0])} ({self.words(subtitle)})"
            if isinstance(node, nodes.section) and isinstance(node.children[0], nodes.title):
                return None if isinstance(node.parent, nodes.document) else self.words(node.children[0])
            node = node.parent
        return None

    @staticmethod
    def words(node):
        """The text of a heading as JupyterLab has it when it makes the fragment."""
        return "".join(
            f"${part.astext()}$" if isinstance(part.parent, nodes.math) else part.astext()
            for part in node.findall(nodes.Text)
        )


class Writer:
    """The cells of one page; methods `block_...` give Markdown, `inline_...` what stands in a line of it."""

    def __init__(self, book, page, stored=()):
        self.book, self.page, self.stored = book, page, stored
        self.cells, self.parts, self.cited = [], [], {}
        self.depth, self.frame, self.quoted, self.equations, self.explorables = 0, None, False, None, 0

    # --- cells --------------------------------------------------------------------------------------------------

    def flush(self, *tags):
        """End a cell of text."""
        body = "\n\n".join(part for part in self.parts if part.strip())
        self.parts = []
        if body:
            if self.frame:
                body, tags = details(self.frame(), body), (*tags, "solution")
            self.add("markdown", body, {"tags": list(tags)} if tags else {})

    def add(self, kind, source, metadata, **more):
        identifier = f"cell-{len(self.cells)}"
        self.cells.append({"cell_type": kind, "id": identifier, "metadata": metadata, "source": source} | more)

    def code(self, index):
        """A cell of code as it is stored, and its caption in a cell of text."""
        self.flush()
        cell = self.stored[index]
        if self.equations is None:
            self.equations = self.book.equations()
        tags = [tag for tag in cell["metadata"].get("tags", ()) if tag != "hide-input"]
        folded = FOLDED if "hide-input" in cell["metadata"].get("tags", ()) else {}
        if self.frame:
            tags, folded = [*tags, "solution"], FOLDED | {"outputs_hidden": True}
        metadata = ({"tags": tags} if tags else {}) | ({"jupyter": folded} if folded else {})
        outputs = cleaned(cell["outputs"], self.equations)
        count = cell.get("execution_count")
        self.add("code", "".join(cell["source"]), metadata, execution_count=count, outputs=outputs)
        for output in cell["outputs"]:
            if found := EXPLORABLE.search("".join(output.get("data", {}).get("text/html", ""))):
                self.explorables += 1
                number = self.book.chapter(self.page)
                name = f"**Explore {number}.{self.explorables}.** " if number else ""
                self.parts.append(f"{name}{escape(unescape(found[1]))} (Run the cell above: then it can be moved.)")

    def walk(self, node):
        """Write a node with all that it holds, in as many cells as it takes."""
        for child in node.children:
            name = type(child).__name__
            if isinstance(child, nodes.section) and isinstance(child.children[0], nodes.title):
                self.flush()
                self.depth += 1
                self.walk(child)
                self.depth -= 1
            elif isinstance(child, nodes.title):
                text = self.line(child)
                self.parts.append(f"{'#' * self.depth} {self.book.title(self.page, text) if self.depth == 1 else text}")
            elif is_code(child):
                self.code(child["cell_index"])
                for figure in child.findall(nodes.figure):
                    self.parts += self.caption(figure)
            elif name == "exercise_enumerable_node":
                self.flush()
                heading = f"Exercise {self.book.number(self.page, 'exercise', child['ids'][0])}"
                self.parts.append(f"{'#' * (self.depth + 1)} {heading}{self.line(child.children[0])}")
                self.parts.append(self.blocks(child.children[1:]))
                self.flush("exercise")
            elif name == "solution_node":
                self.solution(child)
            elif isinstance(child, nodes.container | nodes.section) and next(child.findall(is_code), None):
                self.walk(child)
            else:
                self.parts.append(self.block(child))

    def solution(self, node):
        self.flush()
        title = node.children[0].astext()
        code = next(node.findall(is_code), None)
        parts = iter([f"{title}{'; its code is folded below' if code else ''}"])
        self.frame = lambda: next(parts, f"{title}, continued")
        if code and next(node.findall(is_words_or_code)) is code:
            self.parts.append("In code:")
        for child in node.children[1:]:
            self.walk(child)
        self.flush()
        self.frame = None

    def caption(self, figure):
        number = self.book.number(self.page, "figure", figure["ids"][0]) if figure["ids"] else ""
        name = f"**Figure {number}.** " if number else ""
        return [name + self.line(caption) for caption in figure.findall(nodes.caption)]

    # --- blocks -------------------------------------------------------------------------------------------------

    def blocks(self, children):
        return "\n\n".join(filter(str.strip, map(self.block, children)))

    def block(self, node):
        if isinstance(node, nodes.Text):
            return escape(node.astext())
        name = type(node).__name__
        if name in SILENT:
            return ""
        if (method := getattr(self, f"block_{name}", None)) is None:
            raise ExtensionError(f"{self.page}: a {name} has no form in a plain notebook yet (_ext/plain_notebooks.py)")
        return method(node)

    def block_paragraph(self, node):
        return self.line(node)

    block_term = block_title = block_rubric = block_paragraph

    def block_section(self, node):
        return self.blocks(node.children)

    block_definition = block_list_item = block_glossary = block_desc = block_desc_content = block_section
    block_container = block_section

    def block_math_block(self, node):
        formula = node.astext().strip("\n")
        tag = f" \\tag{{{self.book.number(self.page, 'displaymath', node['ids'][0])}}}" if node.get("label") else ""
        if self.quoted:  # in a quotation every line would begin with its mark
            formula = " ".join(formula.split())
        return f"$$\n{formula}{tag}\n$$" if "\n" in formula else f"$${formula}{tag}$$"

    def block_literal_block(self, node):
        return f"```{node.get('language', '')}\n{node.astext()}\n```"

    def block_bullet_list(self, node):
        return self.items(node, lambda k: "- ")

    def block_enumerated_list(self, node):
        return self.items(node, lambda k: f"{k + node.get('start', 1)}. ")

    def items(self, node, mark):
        items = [self.blocks(item.children) for item in node.children]
        loose = any("\n\n" in item for item in items)
        marks = map(mark, range(len(items)))
        lines = [indented(item, m, " " * len(m)) for m, item in zip(marks, items, strict=True)]
        return ("\n\n" if loose else "\n").join(lines)

    def block_definition_list(self, node):
        return "\n".join(map(self.definition, node.children))

    def definition(self, item):
        terms = ", ".join(f"**{self.line(t)}**" for t in item.children if isinstance(t, nodes.term))
        bodies = [self.block(d) for d in item.children if isinstance(d, nodes.definition)]
        return indented(f"{terms}: " + "\n\n".join(bodies), "- ", "  ")

    def block_block_quote(self, node):
        before, self.quoted = self.quoted, True
        body = self.blocks(node.children)
        self.quoted = before
        return indented(body, "> ", "> ")

    def block_table(self, node):
        head = [row for part in node.findall(nodes.thead) for row in part.children]
        body = [row for part in node.findall(nodes.tbody) for row in part.children]
        rows = [[self.table_cell(entry) for entry in row.children] for row in [*head, *body]]
        rows.insert(1, ["---"] * len(rows[0]))
        title = [f"*{self.line(t)}*\n\n" for t in node.children if isinstance(t, nodes.title)]
        return "".join(title) + "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def table_cell(self, entry):
        return "<br>".join(self.block(child).replace("\n", " ") for child in entry.children)

    def block_admonition(self, node):
        """A proof, whose first word is *Proof.*, or a box with a title."""
        title = [child for child in node.children if isinstance(child, nodes.title)]
        rest = [child for child in node.children if not isinstance(child, nodes.title)]
        before, self.quoted = self.quoted, True
        body = self.blocks(rest)
        self.quoted = before
        if title:
            return indented(f"**{self.line(title[0])}**\n\n{body}", "> ", "> ")
        return indented(re.sub(r"\AProof\.", "*Proof.*", body), "> ", "> ")

    def block_proof_node(self, node):
        return self.blocks(node.children)

    def block_theorem_node(self, node):
        """A theorem, lemma or algorithm with its number."""
        number = self.book.number(self.page, node["countertype"], node["ids"][0])
        before, self.quoted = self.quoted, True
        title, body = self.line(node.children[0]), self.blocks(node.children[1:])
        self.quoted = before
        return indented(f"**{node['realtype'].title()} {number}**{title}\n\n{body}", "> ", "> ")

    block_lemma_node = block_algorithm_node = block_theorem_node

    def block_dropdown_main(self, node):
        (title,) = (part for part in node.children[0].children if "sd-summary-text" in part.get("classes", ()))
        return details(self.line(title), self.blocks(node.children[1:]))

    def block_raw(self, node):
        return node.astext() if node.get("format") == "html" else ""

    def block_desc_signature(self, node):
        return f"`{node.astext().strip()}`"

    def block_citation(self, node):
        return "- " + " ".join(self.line(c) for c in node.children if not isinstance(c, nodes.label))

    def block_figure(self, node):
        return self.blocks([c for c in node.children if not isinstance(c, nodes.caption)])

    def block_image(self, node):
        return f"*{escape(node.get('alt', ''))}*"

    # --- in a line ----------------------------------------------------------------------------------------------

    def line(self, node):
        return "".join(map(self.inline, node.children))

    def inline(self, node):
        if isinstance(node, nodes.Text):
            return escape(node.astext())
        if type(node).__name__ in SILENT:
            return ""
        method = getattr(self, f"inline_{type(node).__name__}", None)
        return method(node) if method else self.line(node)

    def inline_emphasis(self, node):
        return f"*{self.line(node)}*"

    def inline_strong(self, node):
        return f"**{self.line(node)}**"

    def inline_literal(self, node):
        text = node.astext()
        return f"`` {text} ``" if "`" in text else f"`{text}`"

    def inline_math(self, node):
        return f"${node.astext().strip()}$"

    def inline_raw(self, node):
        return node.astext() if node.get("format") == "html" else ""

    def inline_image(self, node):
        return escape(node.get("alt", ""))

    def inline_reference(self, node):
        text = self.line(node)
        address = node.get("refuri", "")
        if re.match(r"[a-z]+:", address):
            return f"[{text}]({address})"
        if node.get("reftitle") and "bibliography" in address:
            self.cited[node["reftitle"]] = None
            return f"[{text}]({slug(WORKS)})"
        path, _, identifier = address.partition("#")
        identifier = node.get("refid", identifier)
        page = posixpath.normpath(posixpath.join(posixpath.dirname(self.page), path)) if path else self.page
        page = page.removesuffix(".html")
        if page == self.book.app.config.root_doc or page not in self.book.env.found_docs:
            return text
        heading = self.book.headings(page).get(identifier)
        if page != self.page:
            return f"[{text}]({relative_uri(self.page, page)}.ipynb{slug(heading) if heading else ''})"
        return f"[{text}]({slug(heading or self.book.title(page, self.book.words(self.book.env.titles[page])))})"

    inline_number_reference = inline_reference


def is_code(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def is_words_or_code(node):
    return is_code(node) or isinstance(node, nodes.paragraph | nodes.math_block)


def write(book, page, doctree, following=None):
    """The notebook of a page; ``following`` is the page after it and its title."""
    source = Path(book.env.doc2path(page))
    stored = json.loads(source.read_text("utf-8"))["cells"] if source.suffix == ".ipynb" else []
    writer = Writer(book, page, stored)
    writer.walk(doctree)
    if following:
        where, title = following
        writer.parts.append(f"**Next:** [{book.title(where, escape(title))}]({relative_uri(page, where)}.ipynb)")
    writer.flush()
    if writer.cited:
        works = "\n".join(f"- {escape(unescape(work))}" for work in sorted(writer.cited))
        writer.parts.append(f"## {WORKS}\n\n{works}")
        writer.flush()
    for cell in writer.cells:
        cell["source"] = cell["source"].splitlines(keepends=True)
    return {"cells": writer.cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}


# --- the library beside them ------------------------------------------------------------------------------------

# What the library asks for comes with it; the widgets are for its figures.
SAELENS = {"load_saelens", "save_saelens"}  # which need a package that the library goes without otherwise
WITH_THE_LIBRARY = {"saelib", "numpy", "scipy", "sklearn", "matplotlib", "threadpoolctl", "tqdm", "pooch"}
LIBRARY = """\
# The library of the book: here already, or in the wheel that is offered
# beside this notebook and has to lie in its folder or in the one above.
import importlib.util
from pathlib import Path

if importlib.util.find_spec("saelib") is None:
    found = [*Path().glob("saelib-*.whl"), *Path("..").glob("saelib-*.whl")]
    if not found:
        {otherwise}
    %pip install -q "{{found[0]}}" {more}"""
MISSING = """\
raise ModuleNotFoundError(
            "Put {wheel} into the folder of this"
            " notebook, and run this cell again."
        )"""


def imports(notebook):
    """The packages that a notebook needs besides the library, what that needs itself, and Python's own."""
    names = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "library" not in cell["metadata"].get("tags", ()):
            code = "".join(line for line in cell["source"] if not line.startswith(("%", "!")))
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.Import):
                    names |= {name.name.partition(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names.add(node.module.partition(".")[0])
                elif isinstance(node, ast.Attribute) and node.attr in SAELENS:
                    names.add("safetensors")
    return names - WITH_THE_LIBRARY - sys.stdlib_module_names - {"IPython"}


def wheel_name():
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    return f"{project['name']}-{project['version']}-py3-none-any.whl"


def see_to_the_library(notebook, wheel, site=""):
    """A notebook with a first cell of code that installs the library where there is none."""
    begin = next((k for k, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"), None)
    if begin is not None:
        more = " ".join(["ipywidgets", *sorted(imports(notebook) - {"ipywidgets"})])
        otherwise = f'found = ["{site}{FOLDER}/{wheel}"]' if site else MISSING.format(wheel=wheel)
        source = LIBRARY.format(otherwise=otherwise, more=more).splitlines(keepends=True)
        new = {"execution_count": None, "id": "the-library", "metadata": {"tags": ["library"]}, "outputs": []}
        notebook["cells"].insert(begin, {"cell_type": "code", "source": source} | new)
    return notebook


# --- in the build -----------------------------------------------------------------------------------------------


def following(app, page):
    """The page after this one, as its name and title, or nothing."""
    *_, after = app.env.collect_relations().get(page, [None])
    return (after, app.env.titles[after].astext()) if after else None


def write_page(app, doctree, page):
    if app.builder.name != "html" or page == app.config.root_doc:
        return
    if not hasattr(app, "plain_book"):
        app.plain_book = Book(app)
    notebook = write(app.plain_book, page, doctree, following(app, page))
    see_to_the_library(notebook, wheel_name(), app.config.html_baseurl)
    file = Path(app.outdir, FOLDER, f"{page}.ipynb")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", "utf-8")


def write_wheel(app, exception):
    if exception or app.builder.name != "html":
        return
    from flit_core.wheel import make_wheel_in

    target = Path(app.outdir, FOLDER)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.whl"):
        old.unlink()
    make_wheel_in(PROJECT, target)


def lead_to_it(app, page, template, context, doctree):
    """The theme's button to download a page leads to its notebook too."""
    if doctree is None or page == app.config.root_doc:
        return
    for button in context.get("header_buttons", ()):
        for entry in button.get("buttons", ()):
            if entry.get("label") == "download-source-button" and entry["url"].endswith(".ipynb"):
                entry["url"] = way_to(app, page)


def way_to(app, page):
    """The address of a page's notebook, as the page sees it."""
    return relative_uri(app.builder.get_target_uri(page), f"{FOLDER}/{page}.ipynb")


def way_to_wheel(app, page):
    return relative_uri(app.builder.get_target_uri(page), f"{FOLDER}/{wheel_name()}")


def setup(app):
    # Before others add to the tree what is for the page alone.
    app.connect("doctree-resolved", write_page, priority=1)
    app.connect("html-page-context", lead_to_it, priority=900)
    app.connect("build-finished", write_wheel)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
