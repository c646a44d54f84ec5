"""Take away the identifiers that sphinx-exercise and sphinx-proof give to every exercise, solution and proof alike.

No link leads to them, and on one page an identifier may stand only once.
"""

COMMON = ["proof", "exercise-content", "solution-content", "proof-content"]


def take_away(app, page, tree):
    for tag in tree.find_all(["div", "section"], id=COMMON):
        del tag["id"]


def setup(app):
    app.setup_extension("finished_pages")
    app.connect("page-parsed", take_away)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
