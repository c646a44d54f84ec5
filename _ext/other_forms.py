"""Lead to the other forms of the book that lie beside the pages, if they were built: the chapters in a JupyterLab that
runs in the browser (`make lite`), and the whole book as one PDF (`make pdf`).

The browser's own Python needs pages that come from a server; opened from a disk, they do not show the way to it.
"""

from pathlib import Path

from docutils import nodes
from sphinx.util.osutil import relative_uri

PDF, LITE = "sparse-autoencoders.pdf", "lite/lab/index.html"


def find(app):
    """Which of the other forms there are."""
    if app.builder.format != "html":
        return set()
    return {form for form in (PDF, LITE) if Path(app.outdir, form).is_file()}


def is_notebook(app, page):
    return str(app.env.doc2path(page)).endswith(".ipynb")


def write_what_changed(app, env):
    """Name the pages on which a link comes or goes."""
    before, env.other_forms = getattr(env, "other_forms", set()), find(app)
    changed = before ^ env.other_forms
    pages = {env.config.root_doc} if PDF in changed else set()
    return sorted(pages | ({page for page in env.found_docs if is_notebook(app, page)} if LITE in changed else set()))


def way_to_lite(app, page):
    return f"{relative_uri(app.builder.get_target_uri(page), LITE)}?path={page}.ipynb"


def add_link(app, doctree, page):
    """Below the title: of the cover to the PDF, of a chapter to itself in the browser."""
    title = doctree.next_node(nodes.title)
    if page == app.config.root_doc and PDF in find(app) and title is not None:
        line = nodes.paragraph("", classes=["under-the-title"])
        line += nodes.raw("", f'The whole book as <a href="{PDF}">one PDF</a>', format="html")
        title.parent.insert(title.parent.index(title) + 1, line)
    if LITE in find(app) and is_notebook(app, page):
        for line in doctree.findall(
            lambda node: "under-the-title" in getattr(node, "attributes", {}).get("classes", [])
        ):
            link = (
                f'<span class="run-in-browser"> · <a href="{way_to_lite(app, page)}">Run it in the browser</a></span>'
            )
            line += nodes.raw("", link, format="html")


def add_button(app, page, template, context, doctree):
    """At the top right, in the menu of what a chapter can be run with, or alone."""
    if doctree is None or LITE not in find(app) or not is_notebook(app, page):
        return
    link = {
        "type": "link",
        "url": way_to_lite(app, page),
        "tooltip": "Run this chapter in the browser",
        "icon": "fas fa-rocket",
        "label": "run-in-browser",
    }
    for button in context["header_buttons"]:
        if button.get("label") == "launch-buttons":
            button["buttons"].append(link | {"text": "In the browser"})
            return
    context["header_buttons"].insert(0, link)


def setup(app):
    app.connect("env-updated", write_what_changed)
    app.connect("doctree-resolved", add_link, priority=900)  # under_the_title has made the line
    app.connect("html-page-context", add_button, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
