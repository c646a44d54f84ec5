"""Show what a module of the library offers: signatures, docstrings, and where the book derives and uses it.

The modules are read without being imported. A function computes the equations that the comments `# (eq-...)` in its
lines name, and is used in the chapters whose cells call it; so neither can fall behind the code.
"""

import ast
import json
import re
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

LIBRARY = "saelib"
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.M)
ITEMIZED = ("Parameters", "Returns", "Raises", "Attributes")
NAMED = ("Parameters", "Attributes")  # what stands there are names
LABEL = re.compile(r"\((eq-[\w-]+)\)")
TABLED = re.compile(r'(?:^|")(\w+)\(([\w, ]+)\)(?: -> \w+)? \| ([^"\n]+)', re.M)  # a row of `saelib.book._tutor`
INLINE = re.compile(r"``(.+?)``|`([^`]+)`", re.S)


# What the source says --------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    name: str
    kind: str  # "function" or "class"
    signature: str
    docstring: str
    labels: tuple  # of the equations that it computes
    members: tuple  # of a class: (signature, first sentence) of what can be called


def entries(folder, module):
    """The public functions and classes of a module, in the order of the source, and its docstring."""
    path = Path(folder, LIBRARY, *module.split(".")).with_suffix(".py")
    source = path.read_text("utf-8")
    tree, lines = ast.parse(source), source.splitlines()
    defined = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    found = [entry(node, defined, lines) for name, node in defined.items() if not name.startswith("_")]
    for name in next((ast.literal_eval(node.value) for node in tree.body if assigns(node, "__all__")), []):
        if name not in defined:  # it comes from a module behind this one
            home = next(n.module for n in tree.body if isinstance(n, ast.ImportFrom) and name in names_of(n))
            found += [e for e in entries(folder, ".".join([*module.split(".")[:-1], home]))[0] if e.name == name]
    for table in sorted(path.parent.glob(f"_{path.stem}/*.py")):  # checks that are made from a table behind the module
        for name, arguments, doc in TABLED.findall(re.sub(r"\n {8,}", " ", table.read_text("utf-8"))):
            found.append(Entry(f"check_{name}", "function", "(function)", f"Mark ``f({arguments})``: {doc}", (), ()))
    return found, ast.get_docstring(tree) or ""


def homes(folder):
    """The modules that each public name is in."""
    known = {}
    library = Path(folder, LIBRARY)
    for path in sorted([*library.glob("[!_]*.py"), *library.glob("[!_]*/[!_]*.py")]):
        module = ".".join(path.relative_to(library).with_suffix("").parts)
        for e in entries(folder, module)[0]:
            known.setdefault(e.name, []).append(module)
    return known


def assigns(node, name):
    return isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets)


def names_of(node):
    return [alias.name for alias in node.names]


def entry(node, defined, lines):
    docstring = ast.get_docstring(node) or ""
    labels = tuple(
        dict.fromkeys(
            label for line in lines_of(node, defined, lines) for label in LABEL.findall(line.partition("  #")[2])
        )
    )
    if isinstance(node, ast.FunctionDef):
        return Entry(node.name, "function", signature(node), docstring, labels, ())
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    start = next((method for method in methods if method.name == "__init__"), None)
    shown = signature(start, bound=True) if start else "(" + ", ".join(field.target.id for field in fields) + ")"
    members = tuple(
        (
            ("" if m.name == "__call__" else "." + m.name) + ("" if is_property(m) else signature(m, bound=True)),
            first(m),
        )
        for m in methods
        if m.name == "__call__" or not m.name.startswith("_")
    )
    return Entry(node.name, "class", shown, docstring, labels, members)


def signature(node, bound=False):
    """The arguments as the source has them, without annotations; of a method, as it is called."""
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    if bound:
        arguments.args = arguments.args[1:]
    return f"({ast.unparse(arguments)})"


def is_property(node):
    return any(getattr(decorator, "id", "") == "property" for decorator in node.decorator_list)


def first(node):
    """The first sentence of a docstring."""
    return re.split(r"(?<=\.)\s", " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split()))[0]


def lines_of(node, defined, lines):
    """The lines of a function, and of the private ones of its module that it calls."""
    called = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id.startswith("_")}
    for part in (node, *(defined[name] for name in sorted(called & defined.keys()) if defined[name] is not node)):
        yield from lines[part.lineno - 1 : part.end_lineno]


def chapters(folder):
    """The notebooks among the chapters, in the order of the book."""
    toc = Path(folder, "_toc.yml")
    found = re.findall(r"file: (chapters/\S+)", toc.read_text("utf-8")) if toc.exists() else []
    return [page for page in found if Path(folder, f"{page}.ipynb").exists()]


def code_of(notebook):
    cells = json.loads(Path(notebook).read_text("utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def uses(code, module, name):
    """Whether code uses a name of a module: by the module, by the library, or imported by itself."""
    imported = re.search(rf"from {LIBRARY}\.{re.escape(module)} import [^\n(]*\b{name}\b", code)
    called = module.rpartition(".")[2] if not module.startswith("nets.") else "nets"
    return bool(imported or re.search(rf"\b(?:{LIBRARY}|{called})\.{name}\b", code))


def sections(docstring):
    """The text before the first heading, and the text under each heading."""
    text, *rest = SECTION.split(docstring)
    return text.strip(), dict(zip(rest[::2], (part.strip("\n") for part in rest[1::2]), strict=True))


def items(text):
    """The pairs of a term and what is said about it, which stands indented below."""
    pairs = []
    for line in text.splitlines():
        if line.startswith(" ") or not line:
            pairs[-1][1].append(line.strip())
        else:
            pairs.append((line, []))
    return [(term, "\n".join(lines).strip()) for term, lines in pairs]


# The page --------------------------------------------------------------------------------------------------------


class Library(SphinxDirective):
    """What a module offers; the title of its section is the page's business."""

    required_arguments = 1

    def run(self):
        module = self.arguments[0]
        folder = self.env.app.srcdir
        found, docstring = entries(folder, module)
        self.homes = homes(folder)
        pages = {page: code_of(Path(folder, f"{page}.ipynb")) for page in chapters(folder)}
        for file in (f"{LIBRARY}/{module.replace('.', '/')}.py", "_toc.yml", *(f"{page}.ipynb" for page in pages)):
            self.env.note_dependency(str(Path(folder, file)))
        intro = [self.paragraph(part) for part in prose(docstring)]
        return [*intro, *(self.description(module, e, pages) for e in found)]

    def description(self, module, e, pages):
        target = f"{LIBRARY}.{module}.{e.name}"
        sign = addnodes.desc_signature("", "", ids=[target], fullname=e.name)
        sign += addnodes.desc_annotation("", "", *([nodes.Text("class ")] if e.kind == "class" else []))
        sign += addnodes.desc_addname("", f"{module}.")
        sign += addnodes.desc_name("", e.name)
        sign += nodes.inline(e.signature, e.signature, classes=["api-arguments"])
        self.env.get_domain("py").note_object(target, e.kind, target, location=sign)
        body = addnodes.desc_content("", *self.told(e), *self.places(module, e, pages))
        return addnodes.desc("", sign, body, domain="py", objtype=e.kind, classes=["py", e.kind], no_index=True)

    def told(self, e):
        text, parts = sections(e.docstring)
        yield from (self.paragraph(part) for part in prose(text))
        for heading, body in parts.items():
            yield nodes.paragraph("", heading, classes=["api-heading"])
            if heading in ITEMIZED:
                yield nodes.definition_list("", *(self.item(*pair, heading in NAMED) for pair in items(body)))
            else:
                yield from (self.paragraph(part) for part in prose(body))
        if e.members:
            yield nodes.paragraph("", "Methods", classes=["api-heading"])
            yield nodes.definition_list("", *(self.item(f"``{name}``", said) for name, said in e.members))

    def item(self, term, said, named=False):
        name, colon, kind = term.partition(" : ")
        head = nodes.term("", "", *self.inline(f"``{name}``" if named or colon else name))
        if colon:
            head += [nodes.Text(" : "), *self.inline(kind)]
        return nodes.definition_list_item(
            "", head, nodes.definition("", *(self.paragraph(part) for part in prose(said)))
        )

    def places(self, module, e, pages):
        """Where the book derives what this computes, and which chapters use it."""
        line = []
        if e.labels:
            line += ["Computes ", *joined(self.link("math", "eq", label) for label in e.labels), ". "]
        used = [page for page, code in pages.items() if uses(code, module, e.name)]
        if used:
            line += ["Used in ", *joined(self.link("std", "doc", f"/{page}") for page in used), "."]
        if line:
            yield nodes.paragraph("", "", *map(as_node, line), classes=["api-places"])

    def paragraph(self, text):
        return nodes.paragraph("", "", *self.inline(text))

    def inline(self, text):
        """Text in which ``code`` is code, and so is a `name`, which links to its entry if it has one."""
        place = 0
        for match in INLINE.finditer(text):
            yield nodes.Text(text[place : match.start()])
            place = match.end()
            code, name = match.groups()
            yield nodes.literal("", code) if code else self.named(name)
        yield nodes.Text(text[place:])

    def named(self, name):
        """A name in the code; the one of this module first, if there are two."""
        code = nodes.literal("", name)
        homes = self.homes.get(name.removeprefix(f"{LIBRARY}.").split(".")[-1], [])
        home = self.arguments[0] if self.arguments[0] in homes else next(iter(homes), None)
        if home is None:
            return code
        return nodes.reference("", "", code, internal=True, refid=f"{LIBRARY}.{home}.{name.split('.')[-1]}")

    def link(self, domain, kind, target):
        words = {"refdomain": domain, "reftype": kind, "reftarget": target, "refdoc": self.env.docname}
        return addnodes.pending_xref("", nodes.inline(), **words, refexplicit=False, refwarn=True)


def prose(text):
    """The paragraphs of a text, each in one line; what shows a session at the prompt is left out."""
    parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return [part for part in parts if part and not part.startswith(">>>")]


def joined(links):
    links = list(links)
    for k, link in enumerate(links):
        yield link
        if k < len(links) - 1:
            yield " and " if k == len(links) - 2 else ", "


def as_node(part):
    return nodes.Text(part) if isinstance(part, str) else part


def setup(app):
    app.add_directive("library", Library)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
