"""Write into each page what it may load and run (a content security policy), and leave nothing in it that may not.

Scripts are those of the book's own files and the inline ones that the page was built with, which their hashes name: a
script that comes into a page in any other way does not run. MathJax puts its style sheet into the page with the
fonts' address in it, and the tutor's answers have a style of their own, so styles may be inline; scripts never.
`file:` is for pages opened from a disk, where by the standard no file is of the same origin as another (Chromium's
'self' covers them); on a server it allows nothing, because a browser loads no file from the disk into such a page.
The JupyterLab of `make lite` has pages of its own, which start a Python, and which this leaves alone.
"""

import base64
import hashlib

from sphinx.util import logging

POLICY = {
    "default-src": "'none'",
    "script-src": "'self' file:",
    "style-src": "'self' file: 'unsafe-inline'",
    "img-src": "'self' file: data:",
    "font-src": "'self' file:",
    "connect-src": "'self'",  # the search reads the pages that it finds
    "form-action": "'self' file:",  # the search again
    "base-uri": "'none'",
}
PRINT = "window.print()"  # the theme's; access.js listens instead


def digest(script):
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def policy(tree):
    """The policy of a page, with a hash for each script that stands in it."""
    hashes = sorted({digest(script.string or "") for script in tree.find_all("script", src=False)})
    rules = POLICY | {"script-src": " ".join([POLICY["script-src"], *hashes])}
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def handlers(tree):
    """The tags of a page with a script in an attribute, which no policy can tell from one that came in later."""

    def is_script(name, value):
        return name.startswith("on") or (value or "").strip().lower().startswith("javascript:")

    return [tag for tag in tree.find_all(True) if any(is_script(name, value) for name, value in tag.attrs.items())]


def secure(app, page, tree):
    """Put its policy into a page, as the last change."""
    for button in tree.find_all(onclick=PRINT):
        del button["onclick"]
        button["data-print"] = ""
    for tag in handlers(tree):
        start = str(tag)[:200]
        logging.getLogger(__name__).warning("A script in an attribute, which the policy forbids: %s", start)
    if charset := tree.find("meta", charset=True):
        attributes = {"http-equiv": "Content-Security-Policy", "content": policy(tree)}
        charset.insert_after("\n    ", tree.new_tag("meta", attrs=attributes))


def setup(app):
    app.setup_extension("finished_pages")
    app.connect("page-parsed", secure, priority=1000)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
