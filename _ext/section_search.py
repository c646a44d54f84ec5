"""Let the search of the built book find sections, and the terms of the glossary, instead of whole pages.

Beside Sphinx's index of pages there is one of sections: for each its title, its address, and how often each word
stands in it.  The words are stemmed by Sphinx's own stemmer for English, as those of the query are in the browser,
where `search_page/search.js` ranks the sections (BM25, titles counted more).  The search page is Sphinx's.
"""

import json
import re
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.search.en import SearchEnglish

WORD = re.compile(r"[^\W_]+(?:[/'’-][^\W_]+)*")
FRACTION = re.compile(r"\\[dt]?frac\s*\{?(\w)\}?\s*\{?(\w)\}?")
GREEK = dict(zip("rho beta lambda epsilon alpha delta theta mu sigma".split(), "ρβλεαδθμσ", strict=True))
# What a reader rarely looks for first, and what holds every word.
LESS = {
    "appendices/bibliography": 0.3,
    "appendices/checks": 0.3,
    "appendices/api": 0.5,
    "appendices/errata": 0.6,
    "appendices/timings": 0.6,
    "chapters/reproduction": 0.6,
    "appendices/glossary": 0.65,
    "appendices/faq": 0.9,
}
SKIPPED = (nodes.section, nodes.literal_block, nodes.raw, nodes.comment, nodes.image, addnodes.glossary)
INDEX = "sections.js"
HEADING = 6  # a word in a title counts as so many in the text


def words(text, stem):
    """The words of a text, stemmed; one put together, such as 1/m or L-BFGS, as a whole and in its parts."""
    text = text.replace(r"\hat\rho", " rhohat ").replace("rho_hat", "rhohat")
    text = FRACTION.sub(r" \1/\2 ", text).replace("\\", " ").lower()
    for word in WORD.findall(text):
        yield stem(word)
        parts = re.split(r"[/'’-]", word)
        if len(parts) > 1:
            yield from map(stem, parts)


def readable(text):
    r"""A title with its formulas as a list of results can show them: ``\hat\rho_j`` as ρ̂_j."""
    text = text.replace(r"\hat\rho", "ρ̂")
    for name, letter in GREEK.items():
        text = re.sub(rf"\\{name}(?![a-zA-Z])", letter, text)
    return " ".join(re.sub(r"\\(?:hat|frac|mathrm)(?![a-zA-Z])|[\\{}$]", "", text).split())


def own_text(node):
    """The text of a section without that of the sections in it, and without code."""
    texts, waiting = [], list(reversed(node.children))
    while waiting:
        child = waiting.pop()
        if isinstance(child, nodes.Text):
            texts.append(child.astext())
        elif not isinstance(child, (*SKIPPED, nodes.title)):
            waiting.extend(reversed(child.children))
            texts.append(" ")
    return "".join(texts)


def entries(doctree):
    """Yield ``(address in the page, title, text)`` for each section and each term of a glossary."""
    for section in doctree.findall(nodes.section):
        title = section.children[0] if section.children else None
        if not isinstance(title, nodes.title):  # of a solution: part of the section around it
            continue
        ids = section["ids"]
        named = next((i for i in ids if not re.fullmatch(r"id\d+", i)), ids[0] if ids else "")
        yield named, title.astext(), own_text(section)
    for item in doctree.findall(nodes.definition_list_item):
        term = item.next_node(nodes.term)
        if term is not None and term["ids"] and isinstance(item.parent.parent, addnodes.glossary):
            yield term["ids"][0], term.astext(), own_text(item)


def index_of(pages, stem):
    """Return the index for ``(page, doctree)`` pairs, as the browser reads it."""
    sections, found = [], {}
    for page, doctree in pages:
        chapter = None
        for anchor, title, text in entries(doctree):
            top, chapter = chapter is None, chapter or readable(title)
            heading, body = list(words(title, stem)), list(words(text, stem))
            shown = chapter if top else f"{chapter} > {readable(title)}"
            sections.append([page, "" if top else f"#{anchor}", shown, LESS.get(page, 1), len(body), heading])
            count = Counter(body)
            for word in heading:
                count[word] += HEADING
            for word, often in count.items():
                found.setdefault(word, []).extend([len(sections) - 1, often])
    return {"sections": sections, "words": found}


def write_index(app, error):
    if error or app.builder.format != "html":
        return
    stem = SearchEnglish({}).stem
    pages = ((page, app.env.get_doctree(page)) for page in sorted(app.env.found_docs) if page in app.env.all_docs)
    text = json.dumps(index_of(pages, stem), ensure_ascii=False, separators=(",", ":"))
    Path(app.outdir, "_static", INDEX).write_text(f"window.SECTIONS = {text};\n", "utf-8")


def add_script(app, pagename, templatename, context, doctree):
    if pagename == "search":
        for script in (INDEX, "search.js"):
            app.add_js_file(script, loading_method="defer")


def add_folder(app, config):
    config.html_static_path.append(str(Path(__file__).with_name("search_page")))


def setup(app):
    app.connect("config-inited", add_folder)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
