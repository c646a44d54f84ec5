"""Give each page the script and the style of the figures that move, which the library brings along."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "saelib" / "book"


def add_files(app, config):
    config.html_static_path += [str(FOLDER / "live.js"), str(FOLDER / "live.css")]


def setup(app):
    app.connect("config-inited", add_files)
    app.add_css_file("live.css", priority=900)  # after the book's own
    app.add_js_file("live.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
