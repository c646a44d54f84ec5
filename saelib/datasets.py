"""Digits, photographs and patches: data that comes with the library, and readers for data that does not.

`load_digits` and `load_natural_images` need no network; `load_mnist` looks on this machine first and then downloads.
"""

import math
import struct
from typing import NamedTuple

import numpy as np

from ._checks import as_matrix, as_picture, describe, exponent, whole_number
from ._mat import read_array
from ._mnist import find_mnist


class Digits(NamedTuple):
    """Pictures of digits, one per row of ``X`` (m, pixels), with values in [0, 1]; ``y`` (m,) says which digits."""

    X: np.ndarray
    y: np.ndarray


class Photographs(NamedTuple):
    """Pictures of any sizes: their ``names``, and ``images``, one array of shape (height, width) each."""

    names: tuple[str, ...]
    images: tuple[np.ndarray, ...]


def load_digits():
    """Load the 1797 handwritten digits of 8x8 pixels that scikit-learn carries.

    Returns
    -------
    Digits
        ``X`` float64 of shape (1797, 64) in [0, 1], ``y`` of shape (1797,).

    References
    ----------
    Alpaydin and Kaynak (1998), Optical recognition of handwritten digits, UCI machine learning repository.
    """
    from sklearn import datasets

    X, y = datasets.load_digits(return_X_y=True)
    return Digits(X / 16, y)


def load_natural_images(*, whiten=True):
    """Load the six CC0 photographs that come with the library (credits in ``saelib/data/CREDITS.md``).

    Parameters
    ----------
    whiten : bool
        Whether to flatten each photograph's spectrum with `saelib.pca.whiten_image` (f0 = 0.4 cycles per pixel), and to
        drop a frame of 4 pixels, where the filter has met the opposite edge.

    Returns
    -------
    Photographs
        Whitened: float64 of mean about 0 and variance about 1. Otherwise float64 gray levels in [0, 1].
    """
    from importlib.resources import files

    from .pca import whiten_image

    source = files("saelib") / "data" / "natural_images.npz"
    with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        gray = {name: archive[name] / 255 for name in archive.files}
    images = (whiten_image(image, f0=0.4)[4:-4, 4:-4] if whiten else image for image in gray.values())
    return Photographs(tuple(gray), tuple(images))


def load_images_mat(path):
    """Load the ten whitened photographs of Olshausen's ``IMAGES.mat``, from the reader's own copy.

    Parameters
    ----------
    path : str or path
        A MATLAB file with an array ``IMAGES`` of shape (height, width, count), 512 x 512 x 10 in the original.

    Returns
    -------
    Photographs
        float64, as they are in the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, is not a MATLAB file of version 5 to 7, or holds no such array of real numbers.

    References
    ----------
    Olshausen and Field (1996), Emergence of simple-cell receptive field properties by learning a sparse code.
    """
    try:
        stack = read_array(path, "IMAGES")
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    if stack is None:
        raise ValueError(f"{path} must hold an array called IMAGES, and holds none")
    stack = stack.astype(np.float64)
    if stack.ndim != 3 or stack.size == 0 or not np.isfinite(stack).all():
        raise ValueError(f"IMAGES in {path} must be finite, of shape (height, width, count), got shape {stack.shape}")
    images = tuple(np.ascontiguousarray(image) for image in np.moveaxis(stack, 2, 0))
    return Photographs(tuple(f"image {k}" for k in range(1, len(images) + 1)), images)


def sample_patches(images, size, m, rng):
    """Cut ``m`` square patches out of pictures, each from a picture and a place drawn uniformly at random.

    Parameters
    ----------
    images : sequence of arrays of shape (height, width)
        The pictures; they need not have the same size.
    size : int
        Side of a patch in pixels.
    m : int
        How many patches; they may overlap.
    rng : numpy.random.Generator
        Source of the random numbers: first all the pictures, then the rows, then the columns.

    Returns
    -------
    array of shape (m, size * size)
        A patch per row, itself read row by row.

    Raises
    ------
    ValueError
        If there is no picture, or one of them is not a finite 2-D array at least ``size`` pixels high and wide.
    """
    size, m = whole_number(size, "size"), whole_number(m, "m")
    shape = getattr(images, "shape", ())
    if len(shape) == 2 or not hasattr(images, "__iter__"):
        raise ValueError(f"images must be a sequence of pictures, got {describe(images)}; a single one goes as [image]")
    if len(shape) == 3 and shape[2] in (3, 4):  # 4x4 patches of its rows would come without a word
        raise ValueError(
            f"images of shape {shape} look like one color picture: give [images[..., :3] @ [0.299, 0.587, 0.114]], its "
            "gray; if they are many narrow pictures, give list(images)"
        )
    images = [as_picture(image, f"images[{k}]", size) for k, image in enumerate(images)]
    if not images:
        raise ValueError("images must hold at least one picture, got none")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng must be a numpy random Generator such as np.random.default_rng(0), got {type(rng).__name__}"
        )
    heights, widths = np.array([image.shape for image in images]).T
    which = rng.integers(len(images), size=m)
    tops = rng.integers(heights[which] - size + 1)
    lefts = rng.integers(widths[which] - size + 1)
    corners = zip(which, tops, lefts, strict=True)
    return np.stack([images[k][i : i + size, j : j + size].ravel() for k, i, j in corners])


def normalize_patches(X):
    """Bring patches into [0.1, 0.9], where a sigmoid output can follow them.

    Each patch loses its mean; then 3 standard deviations of the whole set become 0.4 on either side of 0.5, and what
    lies beyond is clipped.

    Parameters
    ----------
    X : array of shape (m, pixels)

    Returns
    -------
    array of the same shape, in [0.1, 0.9]; float32 stays float32

    Raises
    ------
    ValueError
        If ``X`` is not a finite matrix, or no patch varies.

    References
    ----------
    UFLDL, exercise Sparse Autoencoder, ``normalizeData``; its standard deviation divides by the number of values
    less 1.
    """
    X = as_matrix(X)
    X = np.ldexp(X, -exponent(X))
    centered = X - X.mean(axis=1, keepdims=True)
    sd = centered.std(ddof=1) if X.size > 1 else 0.0
    if sd <= 4 * np.finfo(X.dtype).eps * np.abs(X).max():
        raise ValueError("X must have patches that vary, but each row of X is constant")
    return np.clip(0.5 + 0.4 * centered / (3 * sd), 0.1, 0.9)  # (eq-normalize-patches)


def load_mnist(split="train", *, download=True):
    """Load MNIST: 28x28 pictures of handwritten digits, 60,000 to train on or 10,000 to test with.

    The original files are looked for in ``$SAELIB_DATA/mnist``, then in the user's cache; what is in neither is
    downloaded into the cache.

    Parameters
    ----------
    split : {"train", "test"}
    download : bool
        Whether files that are not on this machine may be downloaded.

    Returns
    -------
    Digits
        ``X`` float32 of shape (60000, 784) or (10000, 784) in [0, 1], ``y`` integers from 0 to 9.

    Raises
    ------
    FileNotFoundError
        If the files are not here and may not, or could not, be downloaded; the message says what to do.
    ValueError
        If a file on this machine is not the original one.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition.
    """
    images, labels = (read_idx(path) for path in find_mnist(split, download=download))
    return Digits(images.reshape(len(images), -1) / np.float32(255), labels.astype(int))


_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path):
    """Read an array from an IDX file, the format of MNIST's files, compressed with gzip or plain.

    Of Fashion-MNIST, QMNIST (whose labels are rows of eight numbers) and others too. EMNIST stores its pictures column
    by column: ``read_idx(path).swapaxes(1, 2)`` stands upright.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    array
        Of the shape and type that the file's header says.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is truncated, too long, damaged, or not an IDX file. No memory is taken on the header's word alone.

    References
    ----------
    LeCun, Cortes and Burges, The MNIST database of handwritten digits: The IDX file format.
    """
    import gzip
    import zlib

    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if compressed else open)(path, "rb") as file:
            return _parse_idx(file)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a sound IDX file: {error}") from None


def _parse_idx(file):
    zeros, code, ndim = struct.unpack(">HBB", _read(file, 4))
    if zeros != 0 or code not in _IDX_TYPES or not 1 <= ndim <= 8:
        raise ValueError(f"it begins with {zeros:04x}{code:02x}{ndim:02x}, not with 0000, a type and 1 to 8 dimensions")
    shape, dtype = struct.unpack(f">{ndim}I", _read(file, 4 * ndim)), np.dtype(_IDX_TYPES[code])
    if 0 in shape:
        raise ValueError(f"its header promises an array of shape {shape}, which is empty")
    data = _read(file, math.prod(shape) * dtype.itemsize)
    if file.read(1):
        raise ValueError(f"it goes on after the array of shape {shape} that its header promises")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read(file, size):
    """Read ``size`` bytes, a piece at a time: asked for all at once, Python would allocate them before looking."""
    data = bytearray()
    while len(data) < size:
        piece = file.read(min(size - len(data), 2**20))
        if not piece:
            raise ValueError(f"it ends after {len(data)} of {size} bytes")
        data += piece
    return data
