"""Make ``pytest --nbval`` compare what readers see: tolerant of the last digits, not blind.

nbval compares text exactly and pictures not at all.  Here words and whole numbers must agree exactly, other numbers
within a tolerance, and pictures pixel by pixel within a tolerance, overall and in the worst tile.  HTML is taken
apart: its text, the coordinates and colors of its drawings, and the pictures embedded in them, each by its own rule.  A
figure in SVG whose coordinates differ is compared by its words and, drawn, as a picture.

A cell can set its own limits, with the reason, in its metadata::

    {"nbval": {"rtol": 0.02, "tile_rms": 30, "reason": "the filters after 400 steps differ between processors"}}

When a comparison fails, what is stored and what came are saved side by side in ``_build/nbval-diff``.

Another Matplotlib draws other pixels: ``--nbval-without-figures`` compares everything but the pictures, whose number
must still agree, and says how many it left out.  With ``OPENBLAS_NUM_THREADS=2`` the cells run on two threads.
"""

import base64
import binascii
import io
import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from nbval.plugin import IPyNbFile

from tests.offline import sitecustomize  # noqa: F401  (from here on no test reaches beyond this machine)
from tests.svg_pixels import pixels
from tools.store_notebooks import (
    ROOT,
    build_folder,
    canonical_outputs,
    kernel_environment,
    missing_data,
    read,
    started,
)

LIMITS = {
    "rtol": 1e-5,  # of a number in text
    "atol": 1e-9,
    "svg_atol": 0.02,  # of a coordinate in a drawing, in points; colors may differ by two levels out of 255
    "rms": 1.5,  # of a whole picture, in levels out of 255
    "tile_rms": 8.0,  # of its worst tile
    "sorted_rms": 8.0,  # of its gray levels in increasing order: what units that come in any order leave as it is
}
WITHOUT_FIGURES, LEFT_OUT = "--nbval-without-figures", "figures left out"
THREADS = "OPENBLAS_NUM_THREADS"
LAST_DIGIT = 2.5e-4  # two roundings of one value differ by one last digit: allowed where that is a smaller change
TILE = 16

# What takes longest, notebooks and files of tests: processes that share the work begin with it, and so end together.
LONGEST_FIRST = ("digits", "deep", "autoencoders", "test_properties")

NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?(?:\d+\.\d+|\.\d+|\d+)(?:[eE][-+]?\d+)?")
PICTURE = re.compile(r"data:image/(?:png|jpeg|webp);base64,([A-Za-z0-9+/=\s]+)")
DRAWING = re.compile(r"(<svg\b.*?</svg>)", re.S)
SHARED = re.compile(r'<svg class="explore-shared".*?</svg>', re.S)  # as saelib/book/_frames.py writes it
USE = re.compile(r'<use href="#([^"]+-s\d+)" />')
CLIPPED = re.compile(r'clip-path="url\(#([^")]+)\)"')
COMMENT = re.compile(r"<!--(.*?)-->", re.S)
LABEL = re.compile(r'\baria-label="[^"]*"')  # says what is seen, in words and numbers
TAG = re.compile(r"(<(?!!--)[^>]*>)")
CHANCE_ID = re.compile(r"\b[a-z][0-9a-f]{10}\b")  # Matplotlib's names for clip paths and markers
COLOR = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\b", re.I)


# --- one rule for each kind of content: None when the two agree, otherwise a sentence ---------------------------


def text_problem(stored, now, limits, *, whole_numbers_exact=True):
    """Compare two texts: words and whole numbers exactly, other numbers within the tolerance."""
    if stored == now:
        return None
    # Beside a number spaces may vary: a sign more or a digit less shifts the columns of an array.
    words = [[part.strip(" ") for part in NUMBER.split(text)] for text in (stored, now)]
    numbers = [list(NUMBER.finditer(text)) for text in (stored, now)]
    if words[0] != words[1]:
        k = next((k for k, (a, b) in enumerate(zip(*words, strict=False)) if a != b), min(map(len, words)) - 1)
        starts = [found[k - 1].end() if k else 0 for found in numbers]
        shared = len(os.path.commonprefix([text[start:] for text, start in zip((stored, now), starts, strict=True)]))
        places = [start + shared for start in starts]
        return f"the words differ\n{_excerpts(stored, now, *places)}"
    pairs = list(zip(*numbers, strict=True))
    changes = [(why, a, b) for a, b in pairs if (why := _number_problem(a[0], b[0], limits, whole_numbers_exact))]
    if not changes:
        return None
    more = f"; and {len(changes) - 3} more of {len(pairs)} numbers" if len(changes) > 3 else ""
    _, a, b = changes[0]
    return "; ".join(why for why, *_ in changes[:3]) + f"{more}\n{_excerpts(stored, now, a.start(), b.start())}"


def _excerpts(stored, now, *places):
    return "\n".join(
        f"    {when}: {_line_around(text, place)}"
        for when, text, place in zip(("stored", "now   "), (stored, now), places, strict=True)
    )


def _line_around(text, place):
    start, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
    return text[max(start, place - 60) : min(end if end >= 0 else len(text), place + 60)]


def _number_problem(a, b, limits, whole_numbers_exact):
    if a == b:
        return None
    a, b = a.replace("\u2212", "-"), b.replace("\u2212", "-")
    if whole_numbers_exact and not (_is_decimal(a) and _is_decimal(b)):
        if {a, b} == {"0", "-0"}:  # of an array's 0. and -0.
            return None
        return f"{a} became {b} (whole numbers must agree exactly)"
    x, y = float(a), float(b)
    allowed = max(limits["atol"], limits["rtol"] * abs(x))
    digit = max(_last_digit(a), _last_digit(b))
    if digit <= LAST_DIGIT * abs(x):
        allowed += 1.001 * digit
    if abs(x - y) <= allowed:
        return None
    return f"{a} became {b} (a difference of {abs(x - y):.2g}, the limit is {allowed:.2g})"


def _is_decimal(number):
    return not number.lstrip("+-").isdigit()


def _last_digit(number):
    mantissa, _, exponent = number.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def picture_problem(stored, now, limits):
    """Compare two pictures in base64 by the root mean square of their differences, overall and in the worst tile."""
    if "".join(stored.split()) == "".join(now.split()):
        return None
    try:
        a, b = _pixels(stored), _pixels(now)
    except (OSError, binascii.Error) as error:
        return f"a picture cannot be read: {error}"
    return pixels_problem(a, b, limits)


def pixels_problem(a, b, limits):
    """Compare two pictures, arrays of shape (height, width, 4), by the same rule."""
    if a.shape != b.shape:
        return "the picture's size changed from {}x{} to {}x{} pixels".format(*a.shape[1::-1], *b.shape[1::-1])
    # A transparent picture is judged on a white page and on a black one.
    square = np.maximum(*(((_on(page, a) - _on(page, b)) ** 2).mean(axis=-1) for page in (0.0, 255.0)))
    rows, columns = (np.arange(0, n, TILE) for n in square.shape)
    sums, counts = (np.add.reduceat(np.add.reduceat(s, rows, 0), columns, 1) for s in (square, np.ones_like(square)))
    tiles = np.sqrt(sums / counts)
    rms, worst = np.sqrt(square.mean()), tiles.max()
    levels = np.sqrt(((_gray_levels(a) - _gray_levels(b)) ** 2).mean())
    if rms <= limits["rms"] and worst <= limits["tile_rms"] and levels <= limits["sorted_rms"]:
        return None
    i, j = np.unravel_index(tiles.argmax(), tiles.shape)
    return (
        f"the picture differs: RMS {rms:.2f} of 255 (limit {limits['rms']:g}); in the worst tile, {j * TILE} pixels "
        f"from the left and {i * TILE} from the top, {worst:.2f} (limit {limits['tile_rms']:g}); between the sorted "
        f"gray levels {levels:.2f} (limit {limits['sorted_rms']:g})"
    )


def _pixels(content):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA"), float)


def _gray_levels(pixels):
    return np.sort(_on(255.0, pixels).mean(axis=-1), axis=None)


def _on(page, pixels):
    alpha = pixels[..., 3:] / 255
    return alpha * pixels[..., :3] + (1 - alpha) * page


def markup_problem(stored, now, limits):
    """Compare HTML or SVG piece by piece: embedded pictures, drawings, and the text around them."""
    if stored == now:
        return None
    pictures = [PICTURE.findall(content) for content in (stored, now)]
    if len(pictures[0]) != len(pictures[1]):
        return f"{len(pictures[0])} embedded pictures became {len(pictures[1])}"
    for k, (a, b) in enumerate(zip(*pictures, strict=True), start=1):
        if why := picture_problem(a, b, limits):
            return f"in embedded picture {k} of {len(pictures[0])} {why}"
    pieces = [DRAWING.split(_with_parts_in_place(PICTURE.sub("data:image", content))) for content in (stored, now)]
    if len(pieces[0]) != len(pieces[1]):
        return f"{len(pieces[0]) // 2} drawings became {len(pieces[1]) // 2}"
    for k, (a, b) in enumerate(zip(*pieces, strict=True)):
        if k % 2 and (why := drawing_problem(a, b, limits)):
            return f"in drawing {k // 2 + 1} of {len(pieces[0]) // 2} {why}"
        if k % 2 == 0 and (why := text_problem(a, b, limits)):
            return why
    return None


def _with_parts_in_place(content):
    """Put what frames share, parts and the boxes that clip them, back into each: last digits decide what is shared."""
    parts, boxes = {}, {}

    def left(match):
        root = ET.fromstring(match[0])
        for part in list(root[0]):
            name = part.get("id", "")
            if part.tag == "clipPath":
                root[0].remove(part)
                boxes[name] = " ".join(f"{child.tag} {' '.join(child.attrib.values())}" for child in part)
            elif re.search(r"-s\d+$", name):
                root[0].remove(part)
                del part.attrib["id"]
                parts[name] = ET.tostring(part, encoding="unicode")
        return ET.tostring(root, encoding="unicode")

    content = SHARED.sub(left, content)
    content = USE.sub(lambda match: parts[match[1]], content)
    return CLIPPED.sub(lambda match: f'clip-path="{boxes.get(match[1], match[1])}"', content)


def drawing_problem(stored, now, limits):
    """Compare two SVG drawings: coordinates and colors nearly, the text in them as text."""
    if stored == now:
        return None
    parts = [TAG.split(_with_plain_names(drawing)) for drawing in (stored, now)]
    if len(parts[0]) != len(parts[1]):
        return f"{len(parts[0]) // 2} elements became {len(parts[1]) // 2}"
    nearly = limits | {"rtol": 0.0, "atol": limits["svg_atol"]}
    for k, (a, b) in enumerate(zip(*parts, strict=True)):
        if k % 2:  # a tag
            tags = [_with_color_numbers(LABEL.sub("", tag)) for tag in (a, b)]
            why = text_problem(*("".join(LABEL.findall(tag)) for tag in (a, b)), limits)
            why = why or text_problem(*tags, nearly, whole_numbers_exact=False)
        else:
            why = text_problem(a, b, limits)
        if why:
            return why
    return None


def figure_problem(stored, now, limits):
    """Compare two figures in SVG: as drawings, or else by their words, which are comments, and by their pixels."""
    if markup_problem(stored, now, limits) is None:
        return None
    words = ["\n".join(COMMENT.findall(drawing)) for drawing in (stored, now)]
    try:
        return text_problem(*words, limits) or pixels_problem(pixels(stored), pixels(now), limits)
    except (ValueError, KeyError, OSError, SyntaxError) as error:
        return f"a figure cannot be read: {error!r}"


def _with_plain_names(drawing):
    names = {}
    return CHANCE_ID.sub(lambda match: names.setdefault(match[0], f"id-{len(names)}"), drawing)


def _with_color_numbers(tag):
    """Write #4080ff as 0.64 1.28 2.55: two levels are then the 0.02 that coordinates are allowed."""
    return COLOR.sub(lambda match: " ".join(f"{int(level, 16) / 100:.2f}" for level in match.groups()), tag)


def problem(kind, stored, now, limits):
    """Compare one representation of an output by the rule for its kind (a MIME type or the name of a stream)."""
    if kind in ("image/png", "image/jpeg"):
        return picture_problem(stored, now, limits)
    if kind == "image/svg+xml":
        return figure_problem(stored, now, limits)
    if kind == "text/html":
        return markup_problem(stored, now, limits)
    return text_problem(stored, now, limits)


# --- a cell's outputs -------------------------------------------------------------------------------------------


def limits_of(cell):
    """Return the limits for this cell: the general ones and those of its metadata."""
    own = {key: value for key, value in cell.metadata.get("nbval", {}).items() if key != "reason"}
    if unknown := set(own) - set(LIMITS):
        raise ValueError(
            f"cell metadata nbval: no limit is called {', '.join(sorted(unknown))}; there are {list(LIMITS)}"
        )
    return LIMITS | own


def outputs_problems(stored, now, limits):
    """Compare the outputs of a cell; return a list of (output number, kind, sentence)."""
    stored, now = ([_representations(output) for output in canonical_outputs(outputs)] for outputs in (stored, now))
    if [set(output) for output in stored] != [set(output) for output in now]:
        came = [
            f"{kind}: {text[:200]}" for output in now for kind, text in output.items() if not kind.startswith("image")
        ]
        return [(0, None, f"stored outputs: {_kinds(stored)}; now: {_kinds(now)}\n" + "\n".join(came[:6]))]
    return [
        (k, kind, f"output {k}, {kind}: {why}")
        for k, (a, b) in enumerate(zip(stored, now, strict=True), start=1)
        for kind in sorted(a)
        if (why := problem(kind, a[kind], b[kind], limits))
    ]


def _representations(output):
    if output.output_type == "stream":
        return {output.name: output.text}
    if output.output_type == "error":
        return {"error": f"{output.ename}: {output.evalue}"}
    return {
        kind: content if isinstance(content, str) else json.dumps(content, sort_keys=True)
        for kind, content in output.data.items()
    }


def _kinds(outputs):
    return ", ".join("+".join(sorted(output)) for output in outputs) or "none"


def without_figures(outputs):
    """Return the outputs with a name in the place of each picture and drawing, and how many of them there were."""
    outputs, left_out = canonical_outputs(outputs), 0
    for output in outputs:
        for kind, content in output.get("data", {}).items():
            if kind in ("image/png", "image/jpeg", "image/svg+xml"):
                output.data[kind], left_out = "", left_out + 1
            elif kind == "text/html":
                content, drawings = DRAWING.subn("a drawing", content)
                output.data[kind], pictures = PICTURE.subn("a picture", content)
                left_out += pictures + drawings
    return outputs, left_out


def save_differences(folder, cell_number, found, stored, now):
    """Write what is stored and what came into ``folder``, for people to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    stored, now = ([_representations(output) for output in canonical_outputs(outputs)] for outputs in (stored, now))
    for k, kind, _ in found:
        name = folder / f"cell-{cell_number}-output-{k}"
        if kind is None:  # there is no pair to compare
            continue
        for when, outputs in (("stored", stored), ("now", now)):
            _save(f"{name}-{when}", kind, outputs[k - 1][kind])
        if read_pixels := {"image/png": _pixels, "image/svg+xml": pixels}.get(kind):
            _save_picture_difference(f"{name}-difference.png", read_pixels, stored[k - 1][kind], now[k - 1][kind])


def _save(path, kind, content):
    if kind in ("image/png", "image/jpeg"):
        Path(f"{path}.{kind[6:]}").write_bytes(base64.b64decode(content))
    else:
        suffix = {"text/html": "html", "image/svg+xml": "svg"}.get(kind, "txt")
        Path(f"{path}.{suffix}").write_text(content, encoding="utf-8")


def _save_picture_difference(path, read_pixels, stored, now):
    from PIL import Image

    try:
        a, b = (_on(255.0, read_pixels(content)) for content in (stored, now))
    except (ValueError, KeyError, OSError, SyntaxError):  # what cannot be read was said
        return
    if a.shape == b.shape:
        Image.fromarray(255 - np.clip(4 * abs(a - b), 0, 255).astype(np.uint8)).save(path)


# --- pytest -----------------------------------------------------------------------------------------------------


class Notebook(IPyNbFile):
    """A notebook that nbval runs cell by cell in our environment, compared by the rules above."""

    def setup(self):
        shutil.rmtree(self.differences, ignore_errors=True)
        env = kernel_environment() | {name: os.environ[name] for name in (THREADS,) if name in os.environ}
        offline = os.pathsep.join([str(ROOT / "tests" / "offline"), env["PYTHONPATH"]])
        with mock.patch.dict(os.environ, env | {"PYTHONPATH": offline}, clear=True):
            started(super().setup)

    def collect(self):
        self.items = []
        for item in super().collect():
            # nbval calls this method of its cells; it also lets a cell pass unseen that was never executed.
            item.compare_outputs = lambda now, stored, item=item: self.compare(item, now, stored)
            item.cell.execution_count = item.cell.execution_count or 0
            item.output_timeout = 60  # seconds: a busy machine may be slow to hand over a figure
            self.items.append(item)
            yield item

    def compare(self, item, now, stored):
        if self.config.getoption(WITHOUT_FIGURES):
            (now, _), (stored, left_out) = without_figures(now), without_figures(stored)
            item.user_properties.append((LEFT_OUT, left_out))
        found = outputs_problems(stored, now, limits_of(item.cell))
        item.comparison_traceback = [why for _, _, why in found]
        if any(kind for _, kind, _ in found):
            save_differences(self.differences, item.cell_num, found, stored, now)
            item.comparison_traceback.append(f"Both are saved in {self.differences}")
        return not found

    @property
    def differences(self):
        return build_folder(self.config.rootpath) / "nbval-diff" / self.path.stem


class NotebookWithoutData(pytest.File):
    """A notebook whose data are not on this machine: one skip that says how to get them; if others are, one failure."""

    def collect(self):
        item = NotRun.from_parent(self, name="data")
        if not self.wrong:
            item.add_marker(pytest.mark.skip(reason=self.reason))
        yield item


class NotRun(pytest.Item):
    """The one item of a notebook that cannot be run."""

    def runtest(self):
        pytest.fail(self.parent.reason, pytrace=False)

    def reportinfo(self):
        return self.path, 0, f"{self.path.name}: data"


def pytest_addoption(parser):
    """Add the one option."""
    parser.getgroup("nbval").addoption(
        WITHOUT_FIGURES, action="store_true", help="compare no pictures; say how many were left out"
    )


def pytest_configure(config):
    """Let `-n` deal out notebooks whole, since a cell needs those before it, and in the order of `LONGEST_FIRST`.

    Each of the processes gets processors of its own: a chapter's threads wait for each other, and those of two chapters
    on the same processors would wait for much longer.
    """
    if getattr(config.option, "dist", None) in ("load", "worksteal", "loadgroup"):
        config.option.dist = "loadscope"
    config.option.loadscopereorder = False
    if hasattr(config, "workerinput") and hasattr(os, "sched_setaffinity"):  # not on macOS
        mine, count = int(config.workerinput["workerid"].removeprefix("gw")), config.workerinput["workercount"]
        os.sched_setaffinity(0, share_of(sorted(os.sched_getaffinity(0)), mine, count))


def share_of(processors, mine, count):
    """Return the processors of one of ``count`` processes, or the one that it shares where there are fewer."""
    return processors[mine::count] or [processors[mine % len(processors)]]


def pytest_terminal_summary(terminalreporter):
    """Say how many figures were not compared, if any."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    properties = [dict(report.user_properties) for report in reports if getattr(report, "when", None) == "call"]
    if left_out := sum(found.get(LEFT_OUT, 0) for found in properties):
        terminalreporter.write_line(f"{LEFT_OUT} of the comparison: {left_out}")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Collect our notebooks in place of nbval's."""
    return [_ours(collector) for collector in (yield)]


def _ours(collector):
    if not isinstance(collector, IPyNbFile):
        return collector
    wrong = False
    try:
        reason = missing_data(read(collector.path))
    except ValueError as error:  # a file is not the one it should be: this notebook fails, and no other
        reason, wrong = str(error), True
    if reason is None:
        return Notebook.from_parent(collector.parent, path=collector.path)
    not_run = NotebookWithoutData.from_parent(collector.parent, path=collector.path)
    not_run.reason, not_run.wrong = reason, wrong
    return not_run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    """Keep the cells of a notebook together and in order, each with all before it: they share one kernel.

    Whoever asks for one cell, for those that failed last (``--lf``) or for a random order gets what these cells need.
    """
    last = {}
    for item in session.items:
        if isinstance(item.parent, Notebook):
            cells = item.parent.items
            last[item.parent] = max(last.get(item.parent, 0), cells.index(item))
    items = []
    for item in session.items:
        if not isinstance(item.parent, Notebook):
            items.append(item)
        elif item.parent in last:
            items += item.parent.items[: last.pop(item.parent) + 1]
    session.items[:] = longest_first(items) if hasattr(session.config, "workerinput") else items


def longest_first(items):
    """Return the tests of `LONGEST_FIRST`, then the others; within a file the order stays."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    return sorted(items, key=lambda item: places.get(item.path.stem, len(places)))
