"""Draw the book's logo and favicon: small edge filters of the kind that chapter "Natural images" finds.

    python tools/draw_logo.py        writes _static/logo.svg and _static/favicon.svg

Each filter is a Gabor function on 8 x 8 pixels, an oriented wave under a bell curve; the tones run from ink to paper.
"""

from math import cos, exp, pi, sin
from pathlib import Path

STATIC = Path(__file__).resolve().parents[1] / "_static"
SIZE, GAP, LEVELS = 8, 1, 9
INK, PAPER = (0x14, 0x2F, 0x4B), (0xFB, 0xF3, 0xE2)


def gabor(angle, frequency, phase, row, column):
    """Return an 8 x 8 filter, centered on (row, column), whose largest value is 1 or -1."""

    def value(r, c):
        y, x = r - row, c - column
        along, across = x * cos(angle) + y * sin(angle), y * cos(angle) - x * sin(angle)
        return exp(-(across**2) / 5 - along**2 / 12) * cos(2 * pi * frequency * across + phase)

    pixels = [[value(r, c) for c in range(SIZE)] for r in range(SIZE)]
    largest = max(abs(pixel) for line in pixels for pixel in line)
    return [[pixel / largest for pixel in line] for line in pixels]


def color(tone):
    """Return the color of a tone from 0 (ink) to LEVELS - 1 (paper)."""
    share = tone / (LEVELS - 1)
    return "#" + "".join(f"{round(i + share * (p - i)):02x}" for i, p in zip(INK, PAPER, strict=True))


def svg(grid):
    """Return an SVG picture of filters in rows: for each tone one path, made of a rectangle for each pixel."""
    step = SIZE + GAP
    paths = [""] * LEVELS
    for i, row in enumerate(grid):
        for j, pixels in enumerate(row):
            for r, line in enumerate(pixels):
                for c, value in enumerate(line):
                    tone = round((value + 1) / 2 * (LEVELS - 1))
                    paths[tone] += f"M{j * step + c} {i * step + r}h1v1h-1z"
    view = f"0 0 {len(grid[0]) * step - GAP} {len(grid) * step - GAP}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" shape-rendering="crispEdges">'
    shapes = [f'<path fill="{color(tone)}" d="{path}"/>' for tone, path in enumerate(paths)]
    return "\n".join([head, "<title>Sparse Autoencoders</title>", *shapes, "</svg>", ""])


def spread(k):
    """Return filter number k: angles step by the golden section, so that neighbors never agree."""
    turn = k * 0.618 % 1
    return gabor(pi * turn, 0.13 + 0.05 * (k % 3), pi / 2 * (k % 4), 3.5 + cos(5 * k), 3.5 + sin(3 * k))


if __name__ == "__main__":
    (STATIC / "logo.svg").write_text(svg([[spread(6 * i + j) for j in range(6)] for i in range(2)]))
    (STATIC / "favicon.svg").write_text(svg([[gabor(pi / 3, 0.16, pi / 2, 3.5, 3.5)]]))
