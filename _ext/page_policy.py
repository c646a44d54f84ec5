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
import re
from html.parser import HTMLParser

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
CHARSET = '<meta charset="utf-8" />'
INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
PRINT = 'onclick="window.print()"'  # the theme's; access.js listens instead


def digest(script):
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def policy(html):
    """The policy of a page, with a hash for each script that stands in it."""
    hashes = sorted({digest(script) for script in INLINE.findall(html)})
    rules = POLICY | {"script-src": " ".join([POLICY["script-src"], *hashes])}
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


class Attributes(HTMLParser):
    """Collects the tags with a script in an attribute."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if any(
            name.startswith("on") or (value or "").strip().lower().startswith("javascript:") for name, value in attrs
        ):
            self.found.append(self.get_starttag_text())


def handlers(html):
    """The tags of a page with a script in an attribute, which no policy can tell from one that came in later."""
    parser = Attributes()
    parser.feed(html)
    return parser.found


def secure(html):
    """A page with its policy in it."""
    html = html.replace(PRINT, "data-print")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(html)}" />'
    return html.replace(CHARSET, f"{CHARSET}\n    {meta}", 1)


def secure_each_page(app):
    """Pages are finished when their template is filled in; there is no later event for a single one."""
    if app.builder.name != "html":
        return
    render = app.builder.templates.render

    def render_secured(template, context):
        text = render(template, context)
        if CHARSET not in text:
            return text
        text = secure(text)
        for tag in handlers(text):
            logging.getLogger(__name__).warning("A script in an attribute, which the policy forbids: %s", tag[:200])
        return text

    app.builder.templates.render = render_secured


def setup(app):
    app.connect("builder-inited", secure_each_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
