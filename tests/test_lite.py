"""JupyterLab in the browser (`make lite`), served from a folder within a site, as far as it goes without the network:
Python itself comes from a content network, so what is tried ends where the kernel asks for it."""

import hashlib
import json
import re
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "_ext"), str(ROOT / "tools")]

import make_lite  # noqa: E402
import make_pdf  # noqa: E402
import plain_notebooks  # noqa: E402

CHAPTERS = [
    f"{page}.ipynb" for page, _ in make_pdf.table_of_contents(ROOT / "_toc.yml") if page.startswith("chapters/")
]
PYTHON = re.compile(r"https://cdn\.jsdelivr\.net/pyodide/v[\d.]+/full/")


def cell(kind, source, *outputs):
    more = {"execution_count": 1, "outputs": list(outputs)} if kind == "code" else {}
    return {"cell_type": kind, "id": source[:9], "metadata": {}, "source": source.splitlines(keepends=True), **more}


def test_a_copy_installs_what_the_chapter_imports():
    code = "%matplotlib inline\nimport numpy as np, os\nimport sympy.abc as s\nfrom pandas import io\nimport saelib"
    code += "\nsaelib.load_saelens(s)"
    original = {"cells": [cell("markdown", "# Title"), cell("code", code)], "metadata": {"x": 1}}
    plain = plain_notebooks.see_to_the_library(original, "saelib-1-py3-none-any.whl")
    before = json.dumps(plain)
    copy = make_lite.for_the_browser(json.loads(before))
    assert [c["cell_type"] for c in copy["cells"]] == ["markdown", "code", "code"]
    assert "".join(copy["cells"][1]["source"]).endswith("\n%pip install -q saelib ipywidgets pandas safetensors sympy")
    assert copy["cells"][::2] == json.loads(before)["cells"][::2]
    assert copy["metadata"]["kernelspec"]["name"] == "python"


# --- with what was built ----------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The address of the built book, served on this machine from a folder of a site."""
    if not (make_lite.TARGET / "lab" / "index.html").exists():
        pytest.exit("No JupyterLite found: `make lite` first.", 1)
    site = tmp_path_factory.mktemp("site")
    (site / "shelf").mkdir()
    (site / "shelf" / "book").symlink_to(make_lite.TARGET.parent)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/shelf/book/"
    server.shutdown()


@pytest.fixture
def context(book):
    """A browser that reaches the book alone, and remembers what else it was asked for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = make_pdf.find_browser()
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1360, "height": 900})
        context.outside = []

        def gate(route):
            address = route.request.url
            if address.startswith((book, "data:", "blob:", "file:")):
                route.continue_()
            else:
                context.outside.append(address)
                route.abort()

        context.route("**/*", gate)
        yield context
        browser.close()


def read(base, address=""):
    with urlopen(urljoin(base, address)) as answer:
        assert answer.status == 200
        return answer.read()


@pytest.mark.site
def test_the_kernel_will_find_the_wheel_and_the_reader_every_chapter(book):
    config = json.loads(read(book, "lite/jupyter-lite.json"))["jupyter-config-data"]
    kernel = config["litePluginSettings"]["@jupyterlite/pyodide-kernel-extension:kernel"]
    indexes = [urljoin(book + "lite/", address) for address in kernel["pipliteUrls"]]
    (release,) = next(json.loads(read(index))["saelib"] for index in indexes)["releases"].values()
    wheel = read(indexes[0], release[0]["url"])
    assert hashlib.sha256(wheel).hexdigest() == release[0]["digests"]["sha256"]
    listed = json.loads(read(book, "lite/api/contents/chapters/all.json"))["content"]
    assert {file["path"] for file in listed} == set(CHAPTERS)
    for chapter in CHAPTERS:
        sources = ["".join(c["source"]) for c in json.loads(read(book, f"lite/files/{chapter}"))["cells"]]
        plain = json.loads((make_lite.PLAIN / chapter).read_text("utf-8"))["cells"]
        own = ["".join(c["source"]) for c in plain if "library" not in c["metadata"].get("tags", ())]
        assert [source for source in sources if "%pip install -q saelib" not in source] == own
        assert len(sources) == len(own) + 1


@pytest.mark.site
def test_the_button_of_a_chapter_opens_it_and_the_kernel_starts(book, context):
    from playwright.sync_api import expect

    tab = context.new_page()
    tab.goto(book + "chapters/kl-divergence.html")
    expect(tab.locator(".btn-run-in-browser")).to_be_visible()
    line = tab.locator(".under-the-title").get_by_role("link", name="Run it in the browser")
    assert line.evaluate("a => a.href") == tab.locator(".btn-run-in-browser").evaluate("a => a.href")
    workers = []
    tab.on("worker", lambda worker: workers.append(worker.url))
    line.click()
    tab.wait_for_url(book + "lite/lab/index.html?path=chapters/kl-divergence.ipynb")
    expect(tab.locator(".jp-Notebook h1")).to_contain_text("The KL penalty", timeout=60_000)
    expect(tab.locator(".jp-CodeCell").first).to_contain_text("%pip install -q saelib ipywidgets sympy")
    expect(tab.locator(".jp-Dialog")).to_have_count(0)  # no question which kernel to take
    expect(tab.get_by_text("Python (Pyodide)").first).to_be_visible()
    for _ in range(300):
        if workers and any(map(PYTHON.match, context.outside)):
            break
        tab.wait_for_timeout(100)
    assert any(worker.startswith((book, "blob:")) for worker in workers)
    # It says what is missing, instead of leaving cells at [*] without a word.
    expect(tab.get_by_role("alert").filter(has_text="Python is missing")).to_contain_text("cdn.jsdelivr.net")
    tab.get_by_role("button", name="Close").click()
    expect(tab.locator("#python-is-missing")).to_have_count(0)
    # All that it asks the network for is Python.
    assert context.outside and all(map(PYTHON.match, context.outside)), context.outside


@pytest.mark.site
def test_a_page_from_the_disk_does_not_lead_where_nothing_runs(context):
    tab = context.new_page()
    tab.goto((make_lite.TARGET.parent / "chapters" / "kl-divergence.html").as_uri())
    assert tab.locator(".btn-run-in-browser").count() == 1
    assert not tab.locator(".btn-run-in-browser").is_visible()
    assert not tab.get_by_role("link", name="Run it in the browser").is_visible()
