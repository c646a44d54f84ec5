"""One setting, `public_address`, says where the repository lives; all that points outside the book comes from it.

With an empty address the book has no button or link that leads nowhere. With https://github.com/OWNER/NAME it has
links to the repository and for reporting a mistake, a button that opens a chapter in Binder (which the folder .binder
tells what to install), and the canonical address of each page on GitHub Pages. There is no button for Colab, because
a notebook opened there has no saelib beside it.
"""

import re

from sphinx.errors import ConfigError


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


def setup(app):
    app.add_config_value("public_address", "", "html", types=[str])
    app.connect("config-inited", apply, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
