"""Leave out of what every page loads what no page uses: nine tenths of the theme's rules of style and of its icons.

After the pages are written, the big style sheets keep the rules whose classes stand in some page or script, and the
script with all icons of Font Awesome gives way to a short one with those of the pages. Pictures get a palette and
become WebP, a third smaller than PNG at the same pixels; code loses the marks that no style colors.
"""

import base64
import io
import json
import re
from pathlib import Path

from finished_pages import pages_of
from PIL import Image
from sphinx.util import logging

SHEETS = (
    "styles/pydata-sphinx-theme.css",
    "styles/sphinx-book-theme.css",
    "sphinx-design.min.css",
    "mystnb.*.css",
    "basic.css",
    "pygments.css",
    "proof.css",
)
ICONS = "scripts/fontawesome.js"
MARK = "/* light_pages: only what the book uses */\n"
KINDS = {"fa", "fas", "far", "fab", "fa-solid", "fa-regular", "fa-brands"}
# Bootstrap's scripts put such names together.
KEPT = re.compile(r"bs-|tooltip|popover|collapse|collapsing|dropdown|modal")

SCRIPT = """(() => {
  const icons = %s;
  function draw() {
    document.querySelectorAll("i[class*='fa-'], span[class*='fa-']").forEach((mark) => {
      const name = Object.keys(icons).find((key) => key.split(" ").every((part) => mark.classList.contains(part)));
      if (!name) return;
      const [width, height, path] = icons[name], kind = "http://www.w3.org/2000/svg";
      const svg = document.createElementNS(kind, "svg");
      for (const {name, value} of mark.attributes) svg.setAttribute(name, value);
      svg.classList.remove(name.split(" ")[0]);
      svg.classList.add("svg-inline--fa");
      svg.setAttribute("aria-hidden", "true");
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      const line = svg.appendChild(document.createElementNS(kind, "path"));
      line.setAttribute("fill", "currentColor");
      line.setAttribute("d", path);
      mark.replaceWith(svg);
    });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", draw); else draw();
})();
"""


def blocks(css):
    """The rules of a style sheet, each with its braces, and what stands between them."""
    start = at = depth = 0
    for part in re.finditer(r"""/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[{};]""", css, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(part.group(), 0)
        if part.group() in "};" and depth == 0:
            at = part.end()
            yield css[start:at]
            start = at
    yield css[start:]


def selectors(head):
    """The parts of a rule's head between the commas that are in no bracket."""
    return re.split(r",(?![^(\[]*[)\]])", head)


def used_rules(css, words):
    """A style sheet without the rules that need a class not among the words."""

    def may_match(selector):
        selector = re.sub(r":not\((?:[^()]|\([^()]*\))*\)", "", selector)
        classes = re.findall(r"\.((?:[\w-]|\\.)+)", selector)
        return bool(re.search(r":(is|where|has)\(", selector)) or all(c in words or KEPT.match(c) for c in classes)

    out = []
    for block in blocks(re.sub(r"/\*(?!!).*?\*/", "", css, flags=re.DOTALL)):
        head, brace, body = block.partition("{")
        if brace and head.strip().startswith(("@media", "@supports")):
            inner = used_rules(body[: body.rindex("}")], words)
            out += [f"{head}{{{inner}}}"] if inner.strip() else []
        elif brace and not head.strip().startswith("@"):
            found = [selector for selector in selectors(head) if may_match(selector)]
            out += [f"{','.join(found)}{{{body}"] if found else []
        else:
            out.append(block)
    return "".join(out)


def icon(script, kind, name):
    """Width, height and path of an icon of Font Awesome's script, which has brands first, and solid ones last."""
    word = re.escape(name)
    one = rf'(?:\b{word}|"{word}"):\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
    other = rf'[\w"-]+:\[(\d+),(\d+),\[[^\]]*"{word}"[^\]]*\],"[0-9a-f]+","([^"]+)"\]'  # by an older name
    found = re.findall(one, script) or re.findall(other, script)
    if not found:
        return None
    width, height, path = found[0 if kind in ("fa-brands", "fab") else -1]
    return int(width), int(height), path


def original(app, file):
    """What the theme's file said before it was cut, in this build or an earlier one."""
    store = Path(app.doctreedir, "light_pages", file.name)
    text = file.read_text("utf-8")
    if text.startswith(MARK):
        return store.read_text("utf-8")
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(text, "utf-8")
    return text


def cut(app, exception):
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    html = "\n".join(page.read_text("utf-8") for page in pages_of(out))
    classes = re.findall(r'\bclass=\\?["\']([^"\']*)', html)
    words = {word for names in set(classes) for word in re.split(r"[\s\\]+", names)}
    scripts = [p for p in out.glob("_static/**/*.js") if not {"mathjax", ICONS.rpartition("/")[2]} & set(p.parts)]
    for script in scripts:
        words |= set(re.findall(r"[\w-]+", script.read_text("utf-8")))
    words |= set(re.findall(r"[\w-]+", " ".join(re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL))))
    for pattern in SHEETS:
        for file in out.glob(f"_static/{pattern}"):
            file.write_text(MARK + used_rules(original(app, file), words), "utf-8")
    icons, file = {}, out / "_static" / ICONS
    if not file.is_file():
        return
    script = original(app, file)
    for names in sorted(set(re.findall(r'<(?:i|span) [^<>]*?class="([^"]*\bfa[\w-]* [^"]*)"', html))):
        kinds, names = set(names.split()) & KINDS, {name for name in names.split() if name.startswith("fa-")} - KINDS
        drawn = {f"{kind} {name}": icon(script, kind, name.removeprefix("fa-")) for kind in kinds for name in names}
        drawn = {name: found for name, found in drawn.items() if found}
        if kinds and not drawn:
            logging.getLogger(__name__).warning("No icon for %s in the theme's script", " ".join(names))
        icons |= drawn
    file.write_text(MARK + SCRIPT % json.dumps(icons), "utf-8")


def webp(picture):
    """The bytes of a picture as WebP, pixel by pixel the same."""
    content = io.BytesIO()
    picture.save(content, format="webp", lossless=True)
    return content.getvalue()


def lighten_pictures(folder):
    """Store each figure with 256 colors, which is what a figure has but for the softest of its edges, as WebP."""
    for file in folder.glob("*.png"):
        with Image.open(file) as picture:
            full = picture.convert("RGBA")
        if full.getextrema()[3][0] == 255:
            full = full.convert("RGB")
            full = full.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
        file.with_suffix(".webp").write_bytes(webp(full))
        file.unlink()


def plain_classes(css):
    """Classes of code to which a style sheet of Pygments gives in each theme the color that all code has there."""
    rules = re.findall(r"([^{}\n]*)\.highlight *(?:\.(\w+))? *\{([^{}]*)\}", css)
    base = {theme: re.findall(r"(?<![\w-])color: *(#\w+)", style)[-1] for theme, kind, style in rules if not kind}
    styles = {}
    for theme, kind, style in rules:
        if kind:
            styles.setdefault(kind, []).append(style.strip(" ;").lower() == f"color: {base[theme]}".lower())
    return {"w", *(kind for kind, same in styles.items() if all(same))}  # of a space one sees no color


def prepare(app, exception):
    """Make the pictures lighter before the pages are to point to them."""
    if not exception and app.builder.name == "html":
        lighten_pictures(Path(app.outdir, "_images"))
        app.plain_classes = plain_classes(original(app, Path(app.outdir, "_static", "pygments.css")))


def lighten(app, page, tree):
    """Let a page point to the light pictures and carry such frames, and drop marks of code without a color."""
    images = Path(app.outdir, "_images")

    def frame(found):
        with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
            seen = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            return f"data:image/webp;base64,{base64.b64encode(webp(seen)).decode()}"

    def picture(found):
        return f"{found[1]}.webp" if (images / f"{found[2]}.webp").is_file() else found[0]

    for tag in tree.find_all(True):
        for name, value in tag.attrs.items():
            if ".png" in value or "image/png" in value:
                value = re.sub(r"data:image/png;base64,([\w+/=]+)", frame, value)
                tag[name] = re.sub(r"(_images/([\w.-]+))\.png\b", picture, value)
    for span in tree.find_all("span", class_=sorted(app.plain_classes)):
        if not span.find(True):
            span.unwrap()


def setup(app):
    app.setup_extension("finished_pages")
    app.connect("build-finished", prepare, priority=600)  # after the theme has written its colors of code
    app.connect("page-parsed", lighten)
    app.connect("build-finished", cut, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
