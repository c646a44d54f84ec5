"""Take the picture of the learned filters out of the chapter on natural images, for the cover and the README.

    python tools/draw_cover.py

It is the stored output of the cell named `fig-filters`, byte for byte; a test compares the two.
"""

import base64
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = ROOT / "chapters" / "natural-images.ipynb"
PICTURE = ROOT / "_static" / "edges.png"


def picture():
    """Return the PNG that the chapter shows as its figure of the filters."""
    for cell in json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]:
        if cell["metadata"].get("mystnb", {}).get("figure", {}).get("name") == "fig-filters":
            return base64.b64decode(next(out["data"]["image/png"] for out in cell["outputs"] if "data" in out))
    raise SystemExit(f"{CHAPTER.name} has no figure named fig-filters")


if __name__ == "__main__":
    PICTURE.write_bytes(picture())
    print(f"wrote {PICTURE.relative_to(ROOT)}")
