"""Draw the two pictures of the cover and the README: the learned filters, and a photograph redrawn with them.

    python tools/draw_cover.py

The filters are the pixels in the stored output of the cell named `fig-filters` of the chapter on natural images,
enlarged. A test compares the two. The cat is redrawn by a network of one hundred
hidden units, trained here as that chapter trains it: at each place the one filter that fits best is painted, as
strongly as it fits.
"""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np

import saelib
from saelib import datasets, nets, sparse_coding

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = ROOT / "chapters" / "natural-images.ipynb"
EDGES, CAT = ROOT / "_static" / "edges.png", ROOT / "_static" / "cat.png"
SIZE, STRIDE, SCALE, TONES = 12, 3, 3, 40
SIDE = 9  # of the square for a pixel of a filter
INK, PAPER = np.array([0x14, 0x2F, 0x4B]), np.array([0xFB, 0xF3, 0xE2])


def edges():
    """Return as PNG the image in the chapter's figure of the filters."""
    for cell in json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]:
        if cell["metadata"].get("mystnb", {}).get("figure", {}).get("name") == "fig-filters":
            data = next(out["data"] for out in cell["outputs"] if "data" in out)
            return enlarged(base64.b64decode(re.search('base64,([^"]+)', "".join(data["image/svg+xml"]))[1]))
    raise SystemExit(f"{CHAPTER.name} has no figure named fig-filters")


def enlarged(png, times=SIDE):
    """Return a PNG with a square of pixels for each pixel."""
    from PIL import Image

    picture, content = Image.open(io.BytesIO(png)).convert("RGBA"), io.BytesIO()
    picture.resize((times * picture.width, times * picture.height), Image.NEAREST).save(content, "PNG", optimize=True)
    return content.getvalue()


def learn_filters(images):
    """Return one hundred filters of length one, (100, 144), learned from patches of the whitened photographs."""
    X = datasets.normalize_patches(datasets.sample_patches(images, SIZE, 20_000, np.random.default_rng(0)))
    params = saelib.init_params(SIZE**2, 100, np.random.default_rng(1), dtype=np.float32)
    net = nets.Sigmoid(lam=1e-4, rho=0.01, beta=3)
    W1 = saelib.lbfgs(net, params, X.astype(np.float32), max_iter=400, progress=True)[0].W1.astype(float)
    return W1 / np.linalg.norm(W1, axis=1, keepdims=True)


def redraw(image, filters):
    """Return the image with each patch replaced by its best filter; where patches overlap, their mean."""
    patches = np.lib.stride_tricks.sliding_window_view(image, (SIZE, SIZE))[::STRIDE, ::STRIDE]
    X = patches.reshape(-1, SIZE**2)
    strokes = sparse_coding.matching_pursuit(X - X.mean(axis=1, keepdims=True), filters, 1) @ filters
    total, count = np.zeros(image.shape), np.zeros(image.shape)
    for (row, column), stroke in zip(np.ndindex(patches.shape[:2]), strokes.reshape(-1, SIZE, SIZE), strict=True):
        place = np.s_[STRIDE * row : STRIDE * row + SIZE, STRIDE * column : STRIDE * column + SIZE]
        total[place] += stroke
        count[place] += 1
    return total / np.maximum(count, 1)


def tones(image, low, high):
    """Return the gray levels between two percentiles as numbers from 0 to 1."""
    low, high = np.percentile(image, [low, high])
    return np.clip((image - low) / (high - low), 0, 1)


def cat():
    """Return the picture as a PIL image: the photograph on the left, turning into the drawing patch by patch."""
    from PIL import Image

    whitened, photographs = datasets.load_natural_images(), datasets.load_natural_images(whiten=False)
    number = photographs.names.index("chelsea")
    frame = (photographs.images[number].shape[0] - whitened.images[number].shape[0]) // 2
    photograph = photographs.images[number][frame:-frame, frame:-frame].astype(float)
    drawing = redraw(whitened.images[number], learn_filters(whitened.images))
    window = np.s_[50:230, 16:412]
    photograph, drawing = tones(photograph[window], 0.5, 99.5), tones(drawing[window], 0.7, 99.3)
    rows, columns = photograph.shape[0] // SIZE, photograph.shape[1] // SIZE
    drawn = np.random.default_rng(2).random((rows, columns)) < np.clip(
        (np.arange(columns) / columns - 0.36) / 0.2, 0, 1
    )
    mixed = np.where(np.kron(drawn, np.ones((SIZE, SIZE))) > 0, drawing, photograph)
    gray = Image.fromarray(mixed.astype(np.float32)).resize(
        (SCALE * mixed.shape[1], SCALE * mixed.shape[0]), Image.BICUBIC
    )
    tone = np.clip(np.asarray(gray), 0, 1) * (TONES - 1)
    picture = Image.fromarray(tone.round().astype(np.uint8), mode="P")
    shares = np.linspace(0, 1, TONES)[:, np.newaxis]
    picture.putpalette((INK + shares * (PAPER - INK)).round().astype(np.uint8).tobytes())
    return picture


if __name__ == "__main__":
    EDGES.write_bytes(edges())
    cat().save(CAT, optimize=True)
    print(f"wrote {EDGES.relative_to(ROOT)} and {CAT.relative_to(ROOT)}")
