"""Make saelib/data/natural_images.npz from a wheel of scikit-image, where the six photographs come as PNG files.

    python tools/make_natural_images.py scikit_image-0.26.0-*.whl

Each picture is checked against the sha256 that scikit-image itself keeps for it, so any wheel that still holds these
six gives the same arrays, and a second run gives the same file.  Needs NumPy and Pillow, but not scikit-image.
"""

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

SHA256 = {
    "camera": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "brick": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    "grass": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    "gravel": "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    "chelsea": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
}
HOME = Path(__file__).parent.parent / "saelib" / "data" / "natural_images.npz"


def read_photographs(wheel):
    """Return the photographs as a dict of gray uint8 arrays, in the order of ``SHA256``."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: gray(archive.read(f"skimage/data/{name}.png"), name) for name in SHA256}


def gray(png, name):
    """Return a PNG's gray levels; Pillow's 0.299 R + 0.587 G + 0.114 B is integer arithmetic, the same everywhere."""
    if hashlib.sha256(png).hexdigest() != SHA256[name]:
        sys.exit(f"{name}.png in this wheel is not the picture that the book uses: its sha256 differs")
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=HOME)
    arguments = parser.parse_args()
    try:
        photographs = read_photographs(arguments.wheel)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"{arguments.wheel} is not a wheel of scikit-image with the six photographs: {error}")
    np.savez_compressed(arguments.output, **photographs)  # NumPy dates every member 1980-01-01
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
