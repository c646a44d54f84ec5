"""One setting, `public_address`, says where the repository lives; all that points outside the book comes from it.

With an empty address the book has no button or link that leads nowhere. With https://github.com/OWNER/NAME it has
links to the repository and for reporting a mistake, a button that opens a chapter in Binder (which the folder .binder
tells what to install), and the canonical address of each page on GitHub Pages; and with that, what is shown where
somebody shares a page, and a sitemap. There is no button for Colab, because a notebook opened there has no saelib
beside it.
"""

import re
from html import escape
from pathlib import Path
from textwrap import shorten

from docutils import nodes
from sphinx.errors import ConfigError

PICTURE = "_static/edges.png", "A grid of small squares, each showing a light bar beside a dark bar"
SITEMAP = """<?xml version="1.0" encoding="utf-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
{}
</urlset>
"""


def apply(app, config):
    address = config.public_address.rstrip("/")
    options = config.html_theme_options = dict(config.html_theme_options)
    if not address:
        options.pop("repository_url", None)
        return
    github = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", address)
    if not github:
        raise ConfigError(f"public_address is {address!r}, wanted https://github.com/OWNER/NAME or nothing")
    owner, name = github.groups()
    options |= {
        "repository_url": address,
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
        },
    }
    config.html_baseurl = f"https://{owner.lower()}.github.io/{name}/"


def add_preview(app, pagename, templatename, context, doctree):
    """What a page says of itself where it is shared: title, first paragraph and the picture of the cover."""
    if not app.config.public_address or doctree is None:
        return
    picture, alt = PICTURE
    preview = {
        "type": "website" if pagename == app.config.root_doc else "article",
        "site_name": app.config.project,
        "title": app.env.titles[pagename].astext(),
        "description": first_words(doctree),
        "url": context["pageurl"],
        "image": app.config.html_baseurl + picture,
        "image:alt": alt,
    }
    tags = [f'<meta property="og:{name}" content="{escape(text)}" />' for name, text in preview.items()]
    context["metatags"] += "\n".join(["", *tags, '<meta name="twitter:card" content="summary" />\n'])


def first_words(doctree):
    """The first paragraph of the text, or as much of it as a preview has room for; formulas would be raw there."""
    for paragraph in doctree.findall(nodes.paragraph):
        prose = isinstance(paragraph.parent, nodes.section) and not paragraph["classes"]
        if prose and not paragraph.next_node(nodes.math):
            return shorten(paragraph.astext(), 200, placeholder=" …")
    return ""


def write_sitemap(app, exception):
    if exception or app.builder.name != "html":
        return
    sitemap = Path(app.outdir, "sitemap.xml")
    if not app.config.public_address:
        return sitemap.unlink(missing_ok=True)  # of a build with an address
    addresses = (app.config.html_baseurl + app.builder.get_target_uri(page) for page in sorted(app.env.found_docs))
    lines = "\n".join(f"<url><loc>{escape(address)}</loc></url>" for address in addresses)
    sitemap.write_text(SITEMAP.format(lines), "utf-8")


def setup(app):
    app.add_config_value("public_address", "", "html", types=[str])
    app.connect("config-inited", apply, priority=100)
    app.connect("html-page-context", add_preview)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
