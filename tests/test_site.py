"""Open every page of the built book in a real browser, from the disk, with the network cut off (`make site-test`)."""

import os
import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.site

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
PAGES = sorted(
    page.relative_to(SITE).as_posix() for page in SITE.rglob("*.html") if not page.relative_to(SITE).parts[0][0] == "_"
) or ["index.html"]  # no built book: the first page says so

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium's own services stay silent, so that what is counted is what the pages ask for.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


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


def load(tab, page):
    """Open a page in a tab and wait until its mathematics is drawn."""
    tab.goto((SITE / page).as_uri())
    tab.wait_for_function("document.readyState == 'complete' && (!window.MathJax || MathJax.startup.promise)")
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


def new_tab(browser):
    context = browser.new_context(viewport=DESK, color_scheme="light")
    tab = context.new_page()
    tab.outside, tab.errors = [], []

    def gate(route):
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            tab.outside.append(route.request.url)
            route.abort()

    tab.route("**/*", gate)
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
    page.wait_for_function("theme => document.documentElement.dataset.theme == theme", arg=theme)
    page.wait_for_timeout(500)  # colors fade over
    faint = page.evaluate(CONTRAST)
    page.emulate_media(color_scheme="light")
    assert faint == []


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
def test_a_chapter_can_be_downloaded_as_the_notebook_it_is(tab, chapter):
    load(tab, chapter)
    download = tab.locator('a[href$=".ipynb"]').first.evaluate("a => decodeURI(a.pathname)")
    assert Path(download).read_bytes() == (SITE.parents[1] / chapter).with_suffix(".ipynb").read_bytes()


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
    load(tab, "appendices/bibliography.html")
    assert tab.evaluate(theme) == "dark"


def test_search_finds_a_page_by_its_words(tab):
    load(tab, "index.html")
    tab.locator(".search-button-field").click()
    field = tab.locator("#pst-search-dialog input[name=q]")
    field.fill("rho_hat")
    field.press("Enter")
    tab.wait_for_url("**/search.html?q=rho_hat*")
    found = tab.locator("#search-results li a")
    found.first.wait_for(timeout=10_000)
    assert any("notation" in link for link in found.evaluate_all("links => links.map(link => link.href)"))
    assert tab.outside == []
    assert tab.errors == []
