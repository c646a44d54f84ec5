"""Open every page of the built book in a real browser, from the disk, with the network cut off (`make site-test`)."""

import base64
import functools
import gzip
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote_plus, unquote, urlparse

import numpy as np
import pytest

import saelib

pytestmark = pytest.mark.site

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
sys.path.insert(0, str(SITE.parents[1] / "_ext"))

import finished_pages  # noqa: E402
import page_policy  # noqa: E402

PAGES = sorted(
    path.as_posix()
    for path in (page.relative_to(SITE) for page in SITE.rglob("*.html"))
    if path.parts[0][0] != "_" and path.parts[0] != "lite"  # the JupyterLab of `make lite` has tests of its own
) or ["index.html"]  # no built book: the first page says so

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium's own services stay silent, so that what is counted is what the pages ask for.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
DESK, LAPTOP, PHONE = ({"width": w, "height": h} for w, h in ((1360, 900), (1280, 800), (390, 844)))


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium: $CHROMIUM, or one of the usual names."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.exit("No Chromium found: `apt-get install chromium`, or CHROMIUM=/path/to/it make site-test.", 1)
    if not (SITE / "index.html").exists():
        pytest.exit("No built book found: `make book` first.", 1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu", *QUIET])
        yield browser
        browser.close()


def wait_until(tab, condition):
    """Ask a page until a condition holds. (Playwright's own waiting asks again by `eval`, which the pages forbid.)"""
    deadline = time.monotonic() + 30
    while not tab.evaluate(condition):
        assert time.monotonic() < deadline, f"not within 30 seconds: {condition}"
        tab.wait_for_timeout(50)


def load(tab, page):
    """Open a page in a tab and wait until its mathematics is drawn."""
    tab.goto((SITE / page).as_uri())
    wait_until(tab, "document.readyState == 'complete' && (!window.MathJax || !!MathJax.startup.promise)")
    tab.evaluate("window.MathJax && MathJax.startup.promise.then(() => null)")


@pytest.fixture
def tab(browser):
    """An empty tab that refuses the network and remembers what was asked for and which errors there were."""
    yield from new_tab(browser)


@pytest.fixture(scope="module", params=PAGES)
def page(browser, request):
    """Each page in turn, loaded once for all its tests, which leave it as they found it."""
    for tab in new_tab(browser):
        load(tab, request.param)
        tab.source = SITE / request.param
        yield tab
        assert tab.errors == [] and tab.outside == []  # whatever the tests did there


# What a page's policy forbids; the browser's own message says it too, but may leave out what was forbidden.
LISTEN = """addEventListener("securitypolicyviolation", (e) =>
  console.error(`${e.effectiveDirective} forbids ${e.blockedURI} ${e.sample}, ${e.sourceFile}:${e.lineNumber}`))"""


def new_tab(browser, home=("file:", "data:", "blob:")):
    context = browser.new_context(viewport=DESK, color_scheme="light")
    tab = context.new_page()
    tab.asked, tab.outside, tab.errors = set(), [], []

    def gate(route):
        if route.request.url.startswith(home):
            tab.asked.add(route.request.url)
            route.continue_()
        else:
            tab.outside.append(route.request.url)
            route.abort()

    tab.route("**/*", gate)
    tab.add_init_script(LISTEN)
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("console", lambda line: tab.errors.append(line.text) if line.type == "error" else None)
    yield tab
    context.close()


def test_page_needs_no_network_and_has_no_script_error(page):
    page.wait_for_timeout(300)  # what a script asks for after loading
    assert page.outside == []
    assert page.errors == []


def test_all_mathematics_is_drawn(page):
    written = page.locator("span.math, div.math").count()
    assert page.locator("mjx-container").count() >= written
    assert page.locator("merror, mjx-merror").count() == 0
    # No TeX is left over as text, as when a delimiter or a backslash went missing.
    prose = page.evaluate(
        """() => { const main = document.querySelector('main').cloneNode(true);
                   main.querySelectorAll('pre, code, mjx-container, script').forEach(e => e.remove());
                   return main.textContent; }"""
    )
    assert re.findall(r"\\[a-zA-Z(\[]+|\$\$", prose) == []


def test_the_formulas_on_the_screen_are_drawn_first(tab):
    tab.add_init_script(
        """new MutationObserver((_, observer) => {
             if (!document.querySelector("mjx-container")) return;
             const unset = [...document.querySelectorAll(".math:not(:has(mjx-container))")];
             window.first = unset.map(formula => formula.getBoundingClientRect().top - innerHeight);
             observer.disconnect();
           }).observe(document, {childList: true, subtree: true})"""
    )
    load(tab, "chapters/pca.html")
    first = tab.evaluate("window.first")
    assert len(first) > 100 and min(first) > -200  # these waited; a line grows or shrinks when its formulas are drawn
    assert tab.evaluate("document.querySelectorAll('.math:not(:has(mjx-container))').length") == 0


def test_nothing_is_wider_than_a_phone(page):
    page.set_viewport_size(PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth")
    # What is wide scrolls in a box of its own; what hangs out of the page in no such box is wrong, seen or cut off.
    cut = page.evaluate(
        """width => [...document.querySelectorAll('main *')].filter(e => {
             const box = e.getBoundingClientRect();
             if (box.width == 0 || box.right <= width + 1 || e.closest('mjx-assistive-mml')) return false;
             for (let p = e; p; p = p.parentElement)
               if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return false;
             return true;
           }).map(e => e.outerHTML.slice(0, 120))""",
        PHONE["width"],
    )
    page.set_viewport_size(DESK)
    assert wide <= PHONE["width"]
    assert cut == []


def test_no_line_of_code_no_output_and_no_formula_is_cut_on_a_desk(page):
    """But for the source of the checks, whose lines are those of the tests and scroll."""
    page.set_viewport_size(LAPTOP)
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    page.wait_for_timeout(200)  # what is a little too wide is set smaller
    cut = page.evaluate(
        """[...document.querySelectorAll('.bd-article pre, .bd-article div.math > mjx-container')]
           .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && !e.closest(".equation-check"))
           .map(e => e.textContent.split('\\n').sort((a, b) => b.length - a.length)[0])"""
    )
    page.set_viewport_size(DESK)
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = false; })")
    assert cut == []


def test_no_line_of_code_and_no_formula_is_cut_on_a_phone(page):
    """Code goes on in the next line, and formulas are set smaller; outputs scroll, whose columns must stay columns."""
    page.set_viewport_size(PHONE)
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    page.wait_for_timeout(200)
    cut = page.evaluate(
        """[...document.querySelectorAll(
             ".bd-article :is(.cell_input, [class*='highlight-']:not(.output)) pre, div.math > mjx-container")]
           .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 200))"""
    )
    page.set_viewport_size(DESK)
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = false; })")
    assert cut == []


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_a_long_title_does_not_run_into_the_button_beside_it(page, viewport):
    page.set_viewport_size(viewport)
    page.wait_for_timeout(200)
    met = page.evaluate(
        """[...document.querySelectorAll('.admonition.toggle > .admonition-title')].filter(title => {
             const words = document.createRange(), button = title.querySelector('button').getBoundingClientRect();
             words.setStart(title, 0);
             words.setEndBefore(title.querySelector('button'));
             return [...words.getClientRects()].some(line => line.right > button.left && line.bottom > button.top
                                                             && line.top < button.bottom);
           }).map(title => title.textContent)"""
    )
    page.set_viewport_size(DESK)
    assert met == []


def test_every_picture_is_told_in_words(page):
    for text in page.evaluate("[...document.images].map(e => e.getAttribute('alt'))"):
        assert text and len(text.split()) >= 3, f"alternative text is {text!r}"
        assert not re.search(r"\.(png|svg|jpe?g)|[0-9a-f]{16}", text), f"a file name for alternative text: {text!r}"


def test_every_control_has_a_name_that_holds_the_words_shown(page):
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, summary, a[href], input, select, [role=button]')]
             .filter(e => e.checkVisibility({visibilityProperty: true}) && e.type != 'hidden').filter(e => {
               const shown = e.innerText.replace(/\\s+/g, ' ').trim();
               const label = e.getAttribute('aria-label') || '';
               const name = label || shown || e.title || e.labels?.[0]?.innerText
                            || e.querySelector('img[alt]')?.alt || '';
               return !name || (label && shown && !label.toLowerCase().includes(shown.toLowerCase()));
             }).map(e => e.outerHTML.slice(0, 160))"""
    )
    assert nameless == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page, theme):
    page.emulate_media(color_scheme=theme)
    wait_until(page, f"document.documentElement.dataset.theme == '{theme}'")
    page.wait_for_timeout(500)  # colors fade over, some of them late
    wait_until(page, "document.getAnimations().every(fade => fade.playState != 'running')")
    faint = page.evaluate(CONTRAST)
    page.emulate_media(color_scheme="light")
    assert faint == []


def test_drawings_have_the_colors_of_the_page(page):
    """In the dark nothing is a white card: the ground of each drawing is that of the page, its ink is light."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        wait_until(page, f"document.documentElement.dataset.theme == '{theme}'")
        wrong = page.evaluate(
            """theme => {
                 const light = color => color.match(/[\\d.]+/g).slice(0, 3).every(level => level > 200);
                 return [...document.querySelectorAll(":is(.drawing, .explore-frame) > svg")].filter(svg => {
                   const ground = svg.querySelector("path[fill^='var(--book-paper']");
                   return light(getComputedStyle(svg).fill) == (theme == "light")
                     || (ground && light(getComputedStyle(ground).fill) != (theme == "light"));
                 }).map(svg => svg.getAttribute("aria-label"));
               }""",
            theme,
        )
        assert wrong == []
    page.emulate_media(color_scheme="light")


def test_labels_in_drawings_are_legible_on_a_phone(page):
    """Letters of 9 pixels at least; a drawing wider than the phone can be scrolled with the keyboard."""
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(300)
    found = page.evaluate(
        r"""[...document.querySelectorAll(":is(.drawing, .explore-frame) > svg")]
           .filter(e => e.checkVisibility()).map(svg => {
             const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width, box = svg.parentElement;
             const letters = [...svg.querySelectorAll("g[transform]")]
               .map(g => /scale\(([\d.]+) -\1\)/.exec(g.getAttribute("transform"))).filter(Boolean);
             return [letters.length ? Math.min(...letters.map(size => 100 * size[1] * scale)) : 9,
                     box.scrollWidth > box.clientWidth + 2 && box.tabIndex != 0, svg.getAttribute("aria-label")];
           })"""
    )
    page.set_viewport_size(DESK)
    assert [alt for size, stuck, alt in found if size < 8.95 or stuck] == []


# Texts whose contrast with the nearest ground painted behind them is below 4.5, or 3 for large ones.
CONTRAST = r"""() => {
  const parse = color => (color.match(/[\d.]+/g) || []).map(Number);
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = rgb => [.2126, .7152, .0722].reduce((sum, part, i) => sum + part * linear(rgb[i] / 255), 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
      if (a > .5) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const text = words.currentNode.data.trim(), e = words.currentNode.parentElement;
    if (!text || !e.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    if (e.closest("mjx-assistive-mml, script, style, noscript, .skip-link, .headerlink")) continue;
    const style = getComputedStyle(e), [one, two] = [light(parse(style.color)), light(ground(e))];
    const ratio = (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) faint.add(`${ratio.toFixed(2)} ${e.tagName} ${e.className}: ${text.slice(0, 30)}`);
  }
  return [...faint];
}"""


def test_axe_finds_no_violation(page):
    """With every solution and every folded cell open, in light and dark, on a desk and on a phone.

    The colors are the same on a phone, and all but the colors is the same in the dark.
    """
    from axe_playwright_python.sync_playwright import Axe

    fold = """open => {
      document.querySelectorAll("details").forEach(e => { e.open = open; });
      document.querySelectorAll("button.toggle-button").forEach(e => {
        if (e.classList.contains("toggle-button-hidden") == open) e.click();
      });
    }"""
    # The glyphs of a formula are hidden from who listens, and their color is that of the text around them.
    # Style sheets may not be read again from a disk, so axe is not to try ("preload").
    options = {"preload": False, "resultTypes": ["violations"]}
    colors = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
    no_colors = {"rules": {"color-contrast": {"enabled": False}}}
    violations = {}
    page.evaluate(fold, True)
    for size, theme, rules in ((DESK, "light", {}), (DESK, "dark", colors), (PHONE, "light", no_colors)):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=theme)
        page.wait_for_timeout(500)  # colors fade over
        found = Axe().run(page, context={"exclude": [["mjx-math"]]}, options=options | rules).response
        assert found["passes"]
        for rule in found["violations"]:
            at = [element["html"][:160] for element in rule["nodes"][:5]]
            violations[rule["id"], theme, size["width"]] = rule["help"], len(rule["nodes"]), at
    page.set_viewport_size(DESK)
    page.evaluate(fold, False)
    assert violations == {}


def test_every_numbered_equation_and_figure_has_a_link_to_itself(page):
    numbered = page.locator("main .eqno, main figcaption:has(.caption-number)")
    for number in numbered.all():
        link = number.locator("a.headerlink")
        assert link.get_attribute("title") in ("Link to this equation", "Link to this image")
        assert link.evaluate("a => document.getElementById(decodeURIComponent(a.hash.slice(1))).contains(a)")


def test_links_within_the_book_lead_somewhere(page):
    broken = []
    for target, fragment in page.evaluate(
        "[...document.querySelectorAll('a[href]')].filter(a => a.protocol == 'file:')"
        ".map(a => [decodeURI(a.pathname), decodeURIComponent(a.hash.slice(1))])"
    ):
        path = Path(target)
        if not path.is_file() or (fragment and path.suffix == ".html" and f'id="{fragment}"' not in path.read_text()):
            broken.append(f"{target}#{fragment}")
    assert broken == []


def test_solutions_open_with_the_keyboard(page):
    for button in page.locator("button.toggle-button").all():
        last = button.locator("xpath=ancestor::div[contains(@class, 'admonition')][1]/*[last()]")
        for visible in (True, False):  # open, and close again
            assert last.is_visible() != visible
            button.focus()
            page.keyboard.press("Enter")
            assert last.is_visible() == visible


@pytest.mark.parametrize("chapter", [page for page in PAGES if page.startswith("chapters/")])
def test_a_chapter_can_be_downloaded_as_a_plain_notebook_with_the_library(tab, chapter):
    load(tab, chapter)
    links = tab.locator("article a[download], a.btn-download-source-button")
    assert links.filter(has_text="Download this notebook").is_visible()
    files = {Path(link.evaluate("a => decodeURI(a.pathname)")) for link in links.all()}
    (wheel,) = (SITE / "notebooks").glob("saelib-*.whl")
    assert files == {(SITE / "notebooks" / chapter).with_suffix(".ipynb"), wheel}


def test_dark_mode_can_be_switched_on_and_stays_on(tab):
    load(tab, "index.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    theme = "document.documentElement.dataset.theme"
    before = tab.evaluate(ground)
    for _ in range(3):  # the switch goes round light, dark and the system's own
        if tab.evaluate(theme) != "dark":
            tab.locator(".theme-switch-button").first.click()
    assert tab.evaluate(theme) == "dark"
    assert tab.evaluate(ground) != before
    tab.wait_for_timeout(300)  # the browser writes it down, for whichever process shows the next page
    load(tab, "appendices/bibliography.html")
    assert tab.evaluate(theme) == "dark"


def test_search_finds_a_page_by_its_words(tab):
    load(tab, "index.html")
    tab.locator(".search-button-field").click()
    field = tab.locator("#pst-search-dialog input[name=q]")
    field.fill("rho_hat")
    field.press("Enter")
    tab.wait_for_url("**/search.html?q=rho_hat*")
    tab.locator("#search-results li a[href*=notation]").first.wait_for(timeout=30_000)  # results come one by one
    assert tab.outside == []
    assert tab.errors == []


@pytest.mark.parametrize(
    ("query", "section"),
    {
        "1/m": "chapters/sparse-gradient.html#where-is-the-1-m",
        "dead units": "chapters/kl-divergence.html#dead-units",
        "rho": "chapters/digits.html#how-to-choose-rho-beta-lambda-and-s-2",
        "why KL": "chapters/kl-divergence.html#why-kl-has-two-terms",
        "tanh": "appendices/faq.html#may-i-use-tanh-or-relu",
        "gradient check fails": "chapters/training.html#why-does-my-gradient-check-fail",
        "L-BFGS": "chapters/training.html#l-bfgs-estimating-the-curvature-on-the-way",
        "dictionary learning": "chapters/sparse-coding.html#learning-the-dictionary",
        "PCA equivalent": "chapters/pca.html",
        "sparsity parameter": "appendices/glossary.html#term-sparsity-parameter",
        "overcomplete": "appendices/glossary.html#term-overcomplete",
        "TopK": "chapters/modern.html#topk-the-k-largest",
    }.items(),
)
def test_the_right_section_is_found_first(tab, query, section):
    tab.goto(f"{(SITE / 'search.html').as_uri()}?q={quote_plus(query)}")
    first = tab.locator("#search-results li a").first
    first.wait_for(timeout=30_000)
    assert first.get_attribute("href") == section
    page, _, anchor = section.partition("#")
    assert not anchor or f'id="{anchor}"' in (SITE / page).read_text("utf-8")


# --- the policy of a page: what it may load and run -------------------------------------------------------------


def test_a_page_holds_no_script_but_those_that_its_policy_names(page):
    html = page.source.read_text("utf-8")
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert html.index(policy) < html.index("<title>") < html.index("<script")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    inline = page.evaluate("[...document.querySelectorAll('script:not([src])')].map(e => e.textContent)")
    assert inline and {page_policy.digest(script) for script in inline} <= set(rules["script-src"].split())
    assert "unsafe" not in rules["script-src"] and not re.search(r"https?:|\*", policy)
    assert (rules["default-src"], rules["base-uri"]) == ("'none'", "'none'")
    assert page_policy.handlers(finished_pages.parse(html)) == []


def test_a_script_that_came_in_later_does_not_run(tab):
    """Otherwise the listening for violations would hear nothing, and prove nothing."""
    load(tab, "index.html")
    tab.evaluate(
        """() => { const put = (kind, rest) => document.body.append(Object.assign(document.createElement(kind), rest));
                   put("script", {textContent: "window.ran = true"});
                   put("div", {innerHTML: "<img src='data:,' alt='' onerror='window.ran = true'>"});
                   put("script", {src: "data:text/javascript,window.ran = true"});
                   put("iframe", {srcdoc: "<script>parent.ran = true</script>"}); }"""
    )
    tab.wait_for_timeout(300)
    assert tab.evaluate("window.ran") is None
    forbidden = {error.split(" forbids ")[0] for error in tab.errors if " forbids " in error}
    assert {"script-src-elem", "script-src-attr"} <= forbidden


@pytest.fixture(scope="module")
def served(browser):
    """A tab with the book from a server on this machine, and the book's address there."""
    handler = type("Silent", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        for tab in new_tab(browser, home=(address, "data:")):
            yield tab, address
        server.shutdown()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_from_a_server_works_under_its_policy(served, name):
    tab, address = served
    tab.errors.clear()
    tab.goto(address + name)
    tab.evaluate("window.MathJax && MathJax.startup.promise.then(() => document.fonts.ready).then(() => null)")
    assert tab.locator("mjx-container").count() >= tab.locator("span.math, div.math").count()
    assert tab.evaluate("[...document.styleSheets].every(sheet => sheet.cssRules.length)")
    assert tab.evaluate("[...document.images].every(e => e.loading == 'lazy' || e.naturalWidth)")
    assert (tab.errors, tab.outside) == ([], [])


def test_search_on_a_server_shows_the_lines_around_the_words(served):
    tab, address = served
    tab.errors.clear()
    tab.goto(address + "search.html?q=rho_hat")
    tab.locator("#search-results li p.context").first.wait_for(timeout=30_000)
    assert (tab.errors, tab.outside) == ([], [])


def test_the_button_for_printing_prints(tab):
    tab.add_init_script("window.print = () => { window.printed = true; }")
    load(tab, "index.html")
    tab.locator("button[data-print]").evaluate("e => e.click()")
    assert tab.evaluate("window.printed")


def test_a_button_copies_the_code_beside_it(tab):
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    load(tab, "chapters/start.html")
    tab.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    button = tab.locator("button.copybtn").first
    button.evaluate("e => e.click()")
    tab.locator("button.copybtn.success").first.wait_for()
    code = button.locator("xpath=preceding-sibling::pre").inner_text().strip()
    assert code and tab.evaluate("navigator.clipboard.readText()").strip() == code


# --- what a link leads to ---------------------------------------------------------------------------------------


def test_a_link_shows_the_equation_the_theorem_and_the_source_that_it_leads_to(tab):
    load(tab, "chapters/sparse-coding.html")
    box = tab.locator(".glance")
    equation = tab.locator("a.reference[href='#equation-eq-lasso']").first
    equation.hover()
    box.locator("mjx-container").first.wait_for()
    number = equation.inner_text().strip("()")
    assert f"({number})" in box.inner_text()
    assert equation.get_attribute("aria-describedby") == "glance"
    tab.keyboard.press("Escape")
    assert not box.is_visible() and equation.get_attribute("aria-describedby") is None
    theorem = tab.locator("a[href='#thm-soft-threshold']").first
    theorem.focus()
    theorem.press("Shift")  # as one who came by keyboard
    theorem.hover()
    tab.locator(".glance .admonition-title").wait_for()
    assert "soft threshold" in box.inner_text().lower()
    assert box.locator("[id], a").count() == 0
    source = tab.locator("a[href*='bibliography.html#']").first
    title = source.get_attribute("title")
    tab.keyboard.press("Escape")
    source.hover()
    box.wait_for()
    assert box.inner_text() == title and source.get_attribute("title") is None
    tab.mouse.move(0, 0)
    box.wait_for(state="hidden")
    assert source.get_attribute("title") == title


def test_a_statement_of_another_page_is_shown_too_and_lies_within_the_window(tab):
    load(tab, "appendices/faq.html")
    links = tab.locator("a.reference.internal[href*='#equation-']:not([href^='#'])")
    assert links.count() > 5
    for at in range(3):
        links.nth(at).hover()
        tab.locator(".glance mjx-container").first.wait_for()
        place = tab.locator(".glance").bounding_box()
        assert place["x"] >= 0 and place["x"] + place["width"] <= DESK["width"]
        tab.keyboard.press("Escape")


def test_the_first_tap_shows_and_the_second_goes(browser):
    context = browser.new_context(viewport=PHONE, has_touch=True)
    tab = context.new_page()
    load(tab, "chapters/pca.html")
    tab.locator("a[href='#thm-eckart-young']").first.tap()
    tab.locator(".glance .admonition-title").wait_for()
    assert not tab.url.endswith("#thm-eckart-young")
    tab.locator("a[href='#thm-eckart-young']").first.tap()
    wait_until(tab, "location.hash == '#thm-eckart-young'")
    context.close()


# --- a network trained on the page -----------------------------------------------------------------------------


def test_the_page_computes_the_cost_and_the_gradient_of_the_library(tab):
    load(tab, "index.html")
    tab.evaluate("saelibTrain.patches(document.querySelector('figure.train').dataset.patches)")
    X = np.array(tab.evaluate("[...saelibTrain.numbers(saelibPatches)]")).reshape(-1, 64)
    assert np.all((X > 0.09) & (X < 0.91)) and len(X) == 2000
    rng = np.random.default_rng(0)
    for seed in range(4):
        lam, rho, beta = 10 ** rng.uniform(-5, -2), rng.uniform(0.005, 0.3), rng.uniform(0, 5)
        theta = rng.normal(0, 0.3, 2 * 64 * 25 + 25 + 64)
        page = tab.evaluate(
            """([theta, rows, setting]) => {
                 const X = saelibTrain.numbers(saelibPatches).slice(0, 64 * rows);
                 const [J, gradient] = saelibTrain.costAndGradient(new Float64Array(theta), X, 64, 25, setting);
                 return [J, [...gradient]];
               }""",
            [theta.tolist(), 100, {"lam": lam, "rho": rho, "beta": beta}],
        )
        params = saelib.unpack(theta, saelib.init_params(64, 25, rng))
        J, gradient = saelib.cost_and_gradient(params, X[:100], lam=lam, rho=rho, beta=beta)
        assert page[0] == pytest.approx(J, rel=1e-12), seed
        np.testing.assert_allclose(page[1], saelib.pack(gradient), rtol=1e-9, atol=1e-15)


def test_the_page_trains_as_far_as_the_library(tab):
    """From the same weights on the same patches, as many iterations: costs within a few percent, edges in both."""
    load(tab, "index.html")
    tab.evaluate("saelibTrain.patches(document.querySelector('figure.train').dataset.patches)")
    X = np.array(tab.evaluate("[...saelibTrain.numbers(saelibPatches)]")).reshape(-1, 64)[:500]
    start, end, costs = tab.evaluate(
        """() => {
             const X = saelibTrain.numbers(saelibPatches).slice(0, 64 * 500), theta = saelibTrain.start(64, 25, 1);
             const J = (t) => saelibTrain.costAndGradient(t, X, 64, 25, { lam: 1e-4, rho: 0.01, beta: 3 });
             const states = [...saelibTrain.lbfgs(J, theta, 150)].filter((state) => state);
             return [[...theta], [...states.at(-1).theta], states.map((state) => state.J)];
           }"""
    )
    net = saelib.nets.Sigmoid(lam=1e-4, rho=0.01, beta=3)
    params = saelib.unpack(np.array(start), saelib.init_params(64, 25, np.random.default_rng(0)))
    r = np.sqrt(6 / (64 + 25 + 1))
    assert np.ptp(params.W1) > 1.9 * r and max(np.abs(params.W1).max(), np.abs(params.W2).max()) <= r
    assert not params.b1.any() and not params.b2.any()
    assert np.all(np.diff(costs) < 0) and len(costs) == 150
    assert saelib.Objective(net, X, like=params)(np.array(end))[0] == pytest.approx(costs[-1], rel=1e-12)
    _, history = saelib.lbfgs(net, params, X, max_iter=150)
    assert costs[-1] == pytest.approx(history.cost[-1], rel=0.05)


def test_a_training_on_the_page_runs_stops_and_begins_again(tab):
    load(tab, "index.html")
    figure = tab.locator("figure.train")
    button, says = figure.locator("button"), figure.locator(".train-says")
    assert figure.locator("img").is_visible() and not figure.locator("canvas").is_visible()
    button.focus()
    tab.keyboard.press("Enter")
    first = figure.locator("canvas")
    first.wait_for()
    wait_until(tab, "document.querySelector('.train-says').textContent.startsWith('Iteration 25 of 300, cost ')")
    assert not figure.locator("img").is_visible() and figure.locator("path").get_attribute("d").count("L") >= 24
    button.click()
    said = says.inner_text()
    assert button.inner_text() == "Train from new weights"
    tab.wait_for_timeout(300)
    assert says.inner_text() == said
    figure.locator("input[name=rho]").press("ArrowRight")
    assert figure.locator("input[name=rho]").get_attribute("aria-valuetext") == "0.02"
    button.click()
    wait_until(tab, "document.querySelector('.train-says').textContent.startsWith('Iteration 50')")
    button.click()


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(253, 252, 248)"), ("dark", "rgb(20, 24, 29)")])
def test_without_scripts_the_page_has_the_colors_that_the_reader_prefers(browser, scheme, paper):
    context = browser.new_context(java_script_enabled=False, color_scheme=scheme)
    tab = context.new_page()
    tab.goto((SITE / "index.html").as_uri())
    # The page runs no script, and the browser asks for the style by itself.
    style = context.new_cdp_session(tab)
    style.send("DOM.enable")
    style.send("CSS.enable")
    body = style.send(
        "DOM.querySelector", {"nodeId": style.send("DOM.getDocument")["root"]["nodeId"], "selector": "body"}
    )
    computed = style.send("CSS.getComputedStyleForNode", {"nodeId": body["nodeId"]})["computedStyle"]
    assert {c["name"]: c["value"] for c in computed}["background-color"] == paper
    context.close()


def test_without_scripts_the_trained_filters_stand(browser):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((SITE / "index.html").as_uri())
    assert tab.locator("figure.train img").is_visible() and not tab.locator("figure.train button").is_visible()
    context.close()


# --- figures to explore -----------------------------------------------------------------------------------------

FIGURE_BYTES, PAGE_BYTES, COMPRESSED_BYTES = 250_000, 3_000_000, 500_000
SHARED_BYTES = 1_430_000  # of which the faces have 110_000 and the script of figures that move 43_000


def state(figure):
    """What a figure shows and says, and where its parts are."""
    return figure.evaluate(
        """figure => {
             const picture = figure.querySelector(".explore-frame").firstElementChild;
             const box = e => {
               const {x, y, width, height} = e.getBoundingClientRect();
               return [x + scrollX, y + scrollY, width, height].map(Math.round);
             };
             const parts = [figure, ...figure.querySelectorAll(".explore-frame > *, input, button, figcaption")];
             const told = picture.cloneNode(true);
             ["alt", "aria-label"].forEach(name => told.removeAttribute(name));
             return {picture: told.outerHTML, words: picture.getAttribute("alt") || picture.getAttribute("aria-label"),
                     says: figure.querySelector("output > span").textContent,
                     boxes: parts.map(box)};
           }"""
    )


def move_every_control(tab, figure):
    """Move each control of a figure by keyboard and back; the figure changes, stays in its place, and comes back."""
    start = state(figure)
    for slider in figure.locator("input[type=range]").all():
        there, back = (
            ("ArrowRight", "ArrowLeft") if slider.evaluate("e => e.value == e.min") else ("ArrowLeft", "ArrowRight")
        )
        check_one_control(tab, figure, slider, there, back, start)
    for group in figure.locator("fieldset").all():
        check_one_control(tab, figure, group.locator("input:checked"), "ArrowRight", "ArrowLeft", start)


def check_one_control(tab, figure, control, there, back, start):
    control.focus()
    tab.keyboard.press(there)
    now = state(figure)
    assert now["picture"] != start["picture"], "the picture did not change"
    sentence = now["words"].removeprefix(figure.get_attribute("data-alt")).strip()
    assert sentence and now["says"].endswith(sentence), "the picture's description is not what is said"
    assert now["says"] != start["says"], "nothing was said"
    assert now["boxes"] == start["boxes"], "something moved"
    tab.keyboard.press(back)
    again = state(figure)
    assert [again[key] for key in ("picture", "words", "boxes")] == [
        start[key] for key in ("picture", "words", "boxes")
    ]


def test_every_figure_answers_to_the_keyboard_and_stays_in_its_place(page):
    before = len(page.errors)
    if figures := page.locator("figure.explore").all():
        page.wait_for_timeout(500)  # the sidebar slides when a test before this one was on a phone
    for figure in figures:
        move_every_control(page, figure)
    assert page.errors[before:] == []


def test_pages_are_light(page):
    html = page.source.read_bytes()
    assert len(html) <= PAGE_BYTES and len(gzip.compress(html)) <= COMPRESSED_BYTES
    for figure in re.findall(rb'<figure class="explore".*?</figure>', html, re.S):
        assert len(figure) <= FIGURE_BYTES, figure[:120]


def test_a_page_asks_for_little_besides_its_text_and_pictures(page):
    """Scripts, styles and fonts of MathJax, the theme, the extensions and the book, unpacked."""
    files = {Path(unquote(urlparse(address).path)) for address in page.asked}
    weights = {file: file.stat().st_size for file in files if file.suffix in (".js", ".css", ".woff", ".woff2", ".ttf")}
    assert len(weights) > 10
    assert sum(weights.values()) <= SHARED_BYTES, sorted(weights.items(), key=lambda item: -item[1])[:5]


SHIFTS = """globalThis.shifts = 0;
new PerformanceObserver((list) => { for (const entry of list.getEntries()) shifts += entry.value; })
  .observe({ type: "layout-shift", buffered: true });"""


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["index.html", "chapters/pca.html", "chapters/kl-divergence.html"])
def test_the_lines_stay_where_they_are_while_a_page_loads(browser, name, viewport):
    """The browsers' own measure, of which less than 0.1 counts as good; with faces that come late it was up to 0.24."""
    found = []
    for _ in range(3):  # on a busy machine a face may come late
        context = browser.new_context(viewport=viewport)
        context.add_init_script(SHIFTS)
        tab = context.new_page()
        load(tab, name)
        tab.wait_for_timeout(500)
        assert tab.evaluate("document.fonts.check('1em Book Serif')")
        found.append(tab.evaluate("shifts"))
        context.close()
    assert min(found) < 0.01, found


def test_every_icon_is_drawn(page):
    assert page.locator("i[class*='fa-'], span[class*='fa-']").count() == 0
    assert page.locator("svg.svg-inline--fa > path").count() >= 5


def test_no_two_things_on_a_page_have_one_id(page):
    twice = page.evaluate(
        """() => [...document.querySelectorAll("figure.explore, figure.explore *")].map(e => e.id)
                  .filter(id => id && document.querySelectorAll("#" + CSS.escape(id)).length > 1)"""
    )
    assert twice == []


@pytest.fixture(scope="session")
def explorables(tmp_path_factory):
    """A page with two figures to explore, the book's script and style, and a policy that forbids all else."""
    import matplotlib

    matplotlib.use("Agg")
    from saelib.book import explore

    def line(ax, slope, kind="solid"):
        ax.plot([0, 1], [0, slope], linestyle=kind)
        ax.set_ylim(0, 4)
        return f"The {kind} line rises to {slope}" + " and that is a good deal for a line to rise" * slope + "."

    def image(ax, row):
        ax.imshow([[k == row] * 3 for k in range(3)])
        return f"Row {row} is white."

    kind = explore.choice("Line", {"solid": "-", "dashed": "--"})
    figures = [
        explore.figure(
            lambda ax, slope, kind: line(ax, slope, kind),
            caption="A line that rises.",
            alt="A line from the origin.",
            name="first",
            slope=explore.slider("Slope", [1, 2, 3, 4], start=2, play=0.1),
            kind=kind,
        ),
        explore.figure(
            image,
            caption="An image of three rows.",
            alt="Three rows of pixels.",
            name="second",
            row=explore.slider("Row", [0, 1, 2]),
        ),
    ]
    body = "".join(figure._repr_mimebundle_()["text/html"] for figure in figures)
    page = tmp_path_factory.mktemp("explorables") / "page.html"
    static = SITE / "_static"
    page.write_text(
        f"""<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A page</title>
        <meta http-equiv="Content-Security-Policy"
              content="default-src 'none'; script-src file:; style-src file:; font-src file:; img-src data:">
        <link rel="stylesheet" href="{(static / "book.css").as_uri()}">
        <link rel="stylesheet" href="{(static / "live.css").as_uri()}">
        <script src="{(static / "explore.js").as_uri()}"></script></head>
        <body><main class="bd-article"><h1>A page</h1>{body}<p>What follows.</p></main></body></html>""",
        encoding="utf-8",
    )
    return page.as_uri()


def test_figures_answer_to_the_keyboard_under_a_strict_policy(tab, explorables):
    for viewport in (DESK, PHONE):
        tab.set_viewport_size(viewport)
        tab.goto(explorables)
        below = tab.evaluate("document.documentElement.scrollHeight")
        for figure in tab.locator("figure.explore").all():
            move_every_control(tab, figure)
            assert figure.locator(".explore-frame > *").count() == 1
        tab.locator("#first-slope").press("End")  # the longest sentence
        assert tab.evaluate("document.documentElement.scrollHeight") == below
        assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert tab.errors == [] and tab.outside == []


def test_the_compact_frames_look_as_matplotlib_draws_them(tab, tmp_path):
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib.figure import Figure

    from saelib import Params
    from saelib.book import explore, steps
    from tests.nbval_tolerance import LIMITS, picture_problem

    params, x = Params(np.eye(2, 3) - 0.5, np.zeros(2), np.ones((3, 2)), np.array([0.0, 1, -1])), np.array([1.0, 0, 1])

    def both(ax, step):
        ax.figure.set_facecolor("white")
        return steps.step_through(step, params, x, ax)

    drawn = explore.figure(
        both, caption="Step by step through it", alt="A small network.", step=explore.slider("Step", [5, 11])
    )
    full = Figure(figsize=drawn.figsize)
    both(full.subplots(1, 1), 5)
    with matplotlib.rc_context({"path.simplify": False}):
        full.savefig(tmp_path / "full.svg")
    whole = (tmp_path / "full.svg").read_text(encoding="utf-8")
    style = "<style>body { margin: 0 } svg { display: block; height: 391px; position: absolute; width: 598px }</style>"
    shots = []
    for content in (drawn.shared + drawn.pictures[0], whole[whole.index("<svg") :]):
        (tmp_path / "page.html").write_text(f"<!DOCTYPE html>{style}{content}", encoding="utf-8")
        tab.goto((tmp_path / "page.html").as_uri())
        clip = {"x": 0, "y": 0, "width": 598, "height": 391}
        tab.wait_for_timeout(200)
        shots.append(base64.b64encode(tab.screenshot(clip=clip)).decode())
    # Two decimals of a point are kept: an edge is a little lighter or darker than it was.
    assert picture_problem(*shots, LIMITS | {"tile_rms": 12}) is None


def test_a_listener_hears_the_setting_and_what_there_is_to_see(tab, explorables):
    tab.goto(explorables)
    tab.locator("#first-slope").press("End")
    output = tab.locator("#first output")
    assert output.get_attribute("aria-live") == "polite"
    assert output.locator("span").first.text_content().startswith("Slope 4, Line solid. The - line rises to 4")
    assert tab.locator("#first-slope").get_attribute("aria-valuetext") == "4"
    assert (
        tab.locator("#first svg[role=img]")
        .get_attribute("aria-label")
        .startswith("A line from the origin. The - line rises to 4")
    )
    heard = output.locator(".explore-heard").bounding_box()
    assert heard["width"] <= 1 and heard["height"] <= 1  # the reader sees the setting beside the slider
    assert tab.locator("#first .explore-value").inner_text() == "4"


def test_play_steps_to_the_end_stops_there_and_begins_again(tab, explorables):
    tab.clock.install(time=0)  # the page's time goes on when we say so
    tab.goto(explorables)
    tab.clock.pause_at(60_000)
    play, slider = tab.locator("#first [data-play]"), tab.locator("#first-slope")
    play.press("Enter")
    assert (play.inner_text(), slider.input_value()) == ("Pause", "2")
    tab.clock.run_for(10_000)
    assert (play.inner_text(), slider.input_value()) == ("Play", "3")
    play.press("Enter")
    assert (play.inner_text(), slider.input_value()) == ("Pause", "0")
    play.press("Enter")
    tab.clock.run_for(10_000)
    assert (play.inner_text(), slider.input_value()) == ("Play", "0")
    play.press("Enter")
    slider.press("Home")  # whoever takes the slider wants to look
    assert play.inner_text() == "Play"
    tab.locator("#first [data-step='1']").press("Enter")
    tab.locator("#first [data-step='1']").press("Enter")
    tab.locator("#first [data-step='-1']").press("Enter")
    assert slider.input_value() == "1"


def test_who_wants_less_motion_goes_step_by_step(tab, explorables):
    tab.emulate_media(reduced_motion="reduce")
    tab.goto(explorables)
    assert not tab.locator("#first [data-play]").is_visible()
    assert tab.locator("#first [data-step='1']").is_visible()


def test_paper_shows_the_frame_of_the_moment(tab, explorables):
    tab.goto(explorables)
    tab.locator("#first-slope").press("End")
    tab.emulate_media(media="print")
    assert tab.locator("#first .explore-frame svg").is_visible()
    assert "rises to 4" in tab.locator("#first .explore-frame svg").get_attribute("aria-label")
    assert not tab.locator("#first .explore-controls").is_visible()


def test_without_scripts_the_start_frame_and_the_caption_stand(browser, explorables):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(explorables)
    assert tab.locator("#first .explore-frame svg").bounding_box()["height"] > 300
    assert tab.locator("#second .explore-frame image").is_visible()
    assert tab.locator("#first figcaption").inner_text() == "A line that rises."
    assert tab.locator("#first output").inner_text().startswith("The - line rises to 2")
    assert not tab.locator("#first .explore-controls").is_visible()
    context.close()


@pytest.fixture
def lab(tmp_path):
    code = (
        "from saelib.book import explore\n\n\ndef line(ax, slope):\n    ax.plot([0, 1], [0, slope])\n"
        "    return f'It rises to {slope:.2f}.'\n\n\nexplore.figure(\n    line, caption='A line that rises.', "
        "alt='A line from the origin.',\n    slope=explore.slider('Slope', [1.0, 2.0, 3.0]),\n)"
    )
    yield from laboratory(tmp_path, code)


def laboratory(tmp_path, code):
    """A JupyterLab of its own, on this machine alone, with a notebook of one cell; its address."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(code)], metadata=kernel), tmp_path / "line.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    homes = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("RUNTIME", "CONFIG", "DATA")}
    homes |= {f"JUPYTERLAB_{name}_DIR": str(tmp_path / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    homes |= {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(SITE.parents[1])}
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--notebook-dir={tmp_path}", "--allow-root"]
    options += ["--IdentityProvider.token=", "--ServerApp.password="]
    with open(tmp_path / "log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=os.environ | homes, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}/lab/tree/line.ipynb"
    server.terminate()
    server.wait(30)


def test_in_jupyterlab_a_kernel_draws_any_setting(browser, lab):
    from playwright.sync_api import expect

    context = browser.new_context(viewport=DESK)
    tab = context.new_page()
    tab.goto(lab)
    expect(tab.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    tab.locator(".jp-CodeCell").first.click()
    tab.keyboard.press("Shift+Enter")
    picture = tab.locator(".jupyter-widgets img")
    expect(picture).to_have_attribute("alt", "A line from the origin. It rises to 1.00.", timeout=60_000)
    before = picture.get_attribute("src")
    handle = tab.locator(".widget-slider .noUi-handle")
    for _ in range(13):  # the book has no frame for this
        handle.press("ArrowRight")  # at the handle, even if JupyterLab has moved the focus to the next cell meanwhile
    expect(picture).to_have_attribute("alt", "A line from the origin. It rises to 2.30.", timeout=20_000)
    assert picture.get_attribute("src") != before
    assert tab.locator("figure.explore").count() == 0  # one face at a time
    context.close()
