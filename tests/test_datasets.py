"""The embedded data against what is known of them; readers and downloads against files and servers that misbehave."""

import contextlib
import errno
import gzip
import hashlib
import http.server
import importlib.util
import io
import json
import math
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saelib import _mat, _mnist
from saelib.datasets import (
    find_mnist,
    load_digits,
    load_images_mat,
    load_mnist,
    load_natural_images,
    normalize_patches,
    read_idx,
    sample_patches,
)
from saelib.pca import whiten_image

ROOT = Path(__file__).parent.parent
NAMES = ("camera", "brick", "grass", "gravel", "chelsea", "coffee")


# Digits ---------------------------------------------------------------------------------------------------------------


def test_digits_are_scikit_learns_in_the_unit_interval():
    from sklearn import datasets

    X, y = load_digits()
    reference = datasets.load_digits()
    assert X.shape == (1797, 64) and X.dtype == np.float64 and (X.min(), X.max()) == (0, 1)
    np.testing.assert_array_equal(X * 16, reference.images.reshape(1797, 64))
    np.testing.assert_array_equal(y, reference.target)


# Photographs ----------------------------------------------------------------------------------------------------------


def test_photographs_are_gray_levels_in_the_unit_interval():
    names, images = load_natural_images(whiten=False)
    assert names == NAMES
    assert [image.shape for image in images] == [(512, 512)] * 4 + [(300, 451), (400, 600)]
    for image in images:
        assert image.dtype == np.float64 and image.min() >= 0 and image.max() <= 1 and np.ptp(image) > 0.5
        levels = image * 255
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-9)
        assert np.unique(np.round(levels)).size > 100  # a photograph, not a drawing


def test_whitened_photographs_lose_their_frame():
    gray, white = load_natural_images(whiten=False), load_natural_images()
    assert white.names == gray.names
    for before, after in zip(gray.images, white.images, strict=True):
        height, width = before.shape
        assert after.shape == (height - 8, width - 8)
        np.testing.assert_array_equal(after, whiten_image(before, 0.4)[4 : height - 4, 4 : width - 4])


def amplitude_ratio(image):
    """Mean amplitude at 0.02-0.05 cycles per pixel over that at 0.2-0.25."""
    amplitude = np.abs(np.fft.fft2(image - image.mean()))
    r = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1]))
    return amplitude[(r > 0.02) & (r < 0.05)].mean() / amplitude[(r > 0.2) & (r < 0.25)].mean()


def test_whitening_flattens_the_spectrum():
    gray, white = load_natural_images(whiten=False), load_natural_images()
    for before, after in zip(gray.images, white.images, strict=True):
        # r exp(-(r/f0)^4) at 0.035 is 1/5.8 of what it is at 0.225.
        assert amplitude_ratio(after) == pytest.approx(amplitude_ratio(before) / 5.8, rel=0.25)
        assert abs(np.log(amplitude_ratio(after))) < abs(np.log(amplitude_ratio(before))) / 2


def test_the_embedded_file_is_small_plain_and_credited():
    data = ROOT / "saelib" / "data"
    assert (data / "natural_images.npz").stat().st_size < 1.5e6
    with np.load(data / "natural_images.npz", allow_pickle=False) as archive:
        assert tuple(archive.files) == NAMES
        assert all(archive[name].dtype == np.uint8 for name in NAMES)
    credits = (data / "CREDITS.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in credits for name in NAMES) and "CC0" in credits


@pytest.fixture
def make_natural_images(monkeypatch):
    spec = importlib.util.spec_from_file_location("make_natural_images", ROOT / "tools" / "make_natural_images.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_wheel(path, pictures):
    """Write a wheel of PNGs and return the sha256 of each."""
    from PIL import Image

    sums = {}
    with zipfile.ZipFile(path, "w") as archive:
        for name, picture in pictures.items():
            png = io.BytesIO()
            Image.fromarray(picture).save(png, "PNG")
            archive.writestr(f"skimage/data/{name}.png", png.getvalue())
            sums[name] = hashlib.sha256(png.getvalue()).hexdigest()
    return sums


def test_the_photographs_are_made_alike_twice(make_natural_images, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    pictures = {"gray": rng.integers(256, size=(5, 7), dtype=np.uint8)}
    pictures["color"] = rng.integers(256, size=(6, 4, 3), dtype=np.uint8)
    sums = make_wheel(tmp_path / "a.whl", pictures)
    monkeypatch.setattr(make_natural_images, "SHA256", sums)
    for name in ("one.npz", "two.npz"):
        monkeypatch.setattr(sys, "argv", ["make", str(tmp_path / "a.whl"), str(tmp_path / name)])
        make_natural_images.main()
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["gray"], pictures["gray"])
        luma = pictures["color"] @ [0.299, 0.587, 0.114]
        assert archive["color"].dtype == np.uint8
        assert np.abs(archive["color"] - luma).max() <= 0.51  # rounded, so half a level off at most


def test_the_photographs_are_not_made_from_other_pictures(make_natural_images, monkeypatch, tmp_path):
    make_wheel(tmp_path / "a.whl", {name: np.zeros((9, 9), np.uint8) for name in NAMES})
    (tmp_path / "b.whl").write_bytes(b"no zip")
    make_wheel(tmp_path / "c.whl", {})
    assert tuple(make_natural_images.SHA256) == NAMES
    for wheel, complaint in {"a.whl": "sha256 differs", "b.whl": "not a wheel", "c.whl": "not a wheel"}.items():
        monkeypatch.setattr(sys, "argv", ["make", str(tmp_path / wheel), str(tmp_path / "out.npz")])
        with pytest.raises(SystemExit, match=complaint):
            make_natural_images.main()
    assert not (tmp_path / "out.npz").exists()


# IMAGES.mat -----------------------------------------------------------------------------------------------------------


def test_images_mat_comes_apart_into_pictures(tmp_path):
    from scipy.io import savemat

    IMAGES = np.random.default_rng(0).standard_normal((12, 9, 3))
    savemat(tmp_path / "IMAGES.mat", {"IMAGES": IMAGES, "other": np.ones(3)}, do_compression=True)
    names, images = load_images_mat(tmp_path / "IMAGES.mat")
    assert names == ("image 1", "image 2", "image 3")
    for k in range(3):
        np.testing.assert_array_equal(images[k], IMAGES[:, :, k])
        assert images[k].dtype == np.float64
    assert sample_patches(images, 8, 5, np.random.default_rng(0)).shape == (5, 64)


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ({"IMAGESr": np.ones((4, 4, 2))}, "must hold an array called IMAGES"),
        ({"IMAGES": np.ones((4, 4))}, r"got shape \(4, 4\)"),
        ({"IMAGES": np.full((4, 4, 2), np.nan)}, "must be finite"),
        ({"IMAGES": np.zeros((0, 4, 2))}, "got shape"),
        ({"IMAGES": np.ones((4, 4, 2)) * 1j}, "real numbers"),
        ({"IMAGES": "text"}, "real numbers"),
        ({"IMAGES": {"a": 1}}, "IMAGES as a struct"),
        ({"IMAGES": np.array([1, "b"], object)}, "IMAGES as a cell array"),
    ],
)
def test_images_mat_without_such_an_array_is_refused(tmp_path, contents, complaint):
    from scipy.io import savemat

    savemat(tmp_path / "IMAGES.mat", contents)
    with pytest.raises(ValueError, match=complaint) as error:
        load_images_mat(tmp_path / "IMAGES.mat")
    assert "IMAGES.mat" in str(error.value)


def mat_file(**options):
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {"before": "text", "IMAGES": np.ones((4, 5, 2))}, **options)
    return buffer.getvalue()


def taken_or_refused(path, data):
    """Read a file with this content: either pictures come, or one sentence that names it; return which."""
    path.write_bytes(data)
    try:
        _, images = load_images_mat(path)
    except ValueError as error:
        assert str(error).startswith((str(path), "IMAGES in")) and str(path) in str(error) and len(str(error)) < 400
        return False
    assert all(np.isfinite(image).all() and image.ndim == 2 for image in images)
    return True


@pytest.mark.parametrize("packed", [False, True])
def test_every_single_byte_of_an_images_mat_may_be_wrong(scratch, packed):
    data = mat_file(do_compression=packed)
    for place in range(len(data)):
        for value in (0, 255, data[place] ^ 16):
            taken_or_refused(scratch / "IMAGES.mat", data[:place] + bytes([value]) + data[place + 1 :])
    for length in range(0, len(data) - 8, 7):
        assert not taken_or_refused(scratch / "IMAGES.mat", data[:length])


def test_the_file_that_ended_the_process_is_refused(tmp_path):
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {"IMAGES": np.ones((4, 5, 2))})
    data = bytearray(buffer.getvalue())
    data[data.index(b"IMAGES") + 8] = 0  # the type of the numbers: a segmentation fault in SciPy's parser
    assert not taken_or_refused(tmp_path / "IMAGES.mat", bytes(data))


@settings(max_examples=100, deadline=None)
@given(noise=st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), max_size=6), packed=st.booleans())
def test_a_damaged_images_mat_is_refused_or_still_whole(scratch, noise, packed):
    data = bytearray(mat_file(do_compression=packed))
    for place, value in noise:
        data[place % len(data)] = value
    taken_or_refused(scratch / "IMAGES.mat", bytes(data))


def test_a_small_images_mat_claims_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(_mat, "LARGEST", 2**20)
    lies = bytearray(mat_file())
    shape = lies.index(struct.pack("<3i", 4, 5, 2))
    lies[shape : shape + 12] = struct.pack("<3i", 2**15, 2**15, 10)
    packed = zlib.compress(bytes(2**24))  # a bomb: 16 MB in 16 kB
    bomb = mat_file()[:128] + struct.pack("<II", 15, len(packed)) + packed
    tracemalloc.start()
    try:
        assert not taken_or_refused(tmp_path / "lies.mat", bytes(lies))
        assert not taken_or_refused(tmp_path / "bomb.mat", bomb)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "u1", "<i2", "<u8"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_images_mat_of_other_numbers_is_read_as_scipy_does(tmp_path, dtype, packed):
    from scipy.io import loadmat, savemat

    IMAGES = np.random.default_rng(0).integers(0, 99, (3, 4, 5)).astype(dtype)
    savemat(tmp_path / "a.mat", {"other": {"a": [1, "b"]}, "IMAGES": IMAGES, "z": "z"}, do_compression=packed)
    stack = np.stack(load_images_mat(tmp_path / "a.mat").images, axis=2)
    np.testing.assert_array_equal(stack, loadmat(tmp_path / "a.mat")["IMAGES"])


def test_an_images_mat_of_a_big_endian_machine_is_read(tmp_path):
    numbers = np.arange(24, dtype=">f8").reshape(2, 3, 4)
    parts = [(6, struct.pack(">II", 6, 0)), (5, struct.pack(">3i", 2, 3, 4)), (1, b"IMAGES")]
    parts.append((9, numbers.tobytes(order="F")))
    body = b"".join(struct.pack(">II", kind, len(c)) + c + bytes(-len(c) % 8) for kind, c in parts)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "a.mat").write_bytes(head + struct.pack(">II", 14, len(body)) + body)
    np.testing.assert_array_equal(np.stack(load_images_mat(tmp_path / "a.mat").images, axis=2), numbers)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        (b"\x89HDF\r\n\x1a\n", r"HDF5 .*save\('IMAGES.mat', 'IMAGES', '-v7'\)"),
        (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n", "HDF5"),
        (
            struct.pack("<5i", 0, 4, 5, 0, 7) + b"IMAGES\0" + bytes(160),
            r"version 4 has no arrays of three .*save\('IMAGES.mat', 'IMAGES', '-v7'\)",
        ),
        (b"", "not a MATLAB file"),
        (b"\x93NUMPY" + bytes(200), "not a MATLAB file"),
    ],
)
def test_other_versions_and_formats_are_named_in_one_line(tmp_path, head, complaint):
    (tmp_path / "IMAGES.mat").write_bytes(head)
    with pytest.raises(ValueError, match=complaint) as error:
        load_images_mat(tmp_path / "IMAGES.mat")
    assert "\n" not in str(error.value)


def test_a_missing_images_mat_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.mat"):
        load_images_mat(tmp_path / "nowhere.mat")


# Patches --------------------------------------------------------------------------------------------------------------


def coded_images(*shapes):
    """Pictures in which each pixel says where it is: 10^6 picture + 10^3 row + column."""
    return [10**6 * k + 10**3 * np.arange(h)[:, None] + np.arange(w) for k, (h, w) in enumerate(shapes)]


@settings(max_examples=50, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(4, 12), st.integers(4, 12)), min_size=1, max_size=4),
    size=st.integers(1, 4),
    m=st.integers(1, 30),
    seed=st.integers(0, 2**32),
)
def test_a_patch_is_a_window_of_one_picture(shapes, size, m, seed):
    images = coded_images(*shapes)
    X = sample_patches(images, size, m, np.random.default_rng(seed))
    assert X.shape == (m, size * size)
    for x in X.astype(int):
        k, i, j = x[0] // 10**6, x[0] // 10**3 % 10**3, x[0] % 10**3
        np.testing.assert_array_equal(x.reshape(size, size), images[k][i : i + size, j : j + size])


def test_every_picture_and_every_place_in_it_is_equally_likely():
    from scipy.stats import chisquare

    images = coded_images((5, 3), (4, 6))  # 3x3 patches: 3 places in the first, 2 * 4 in the second
    X = sample_patches(images, 3, 24_000, np.random.default_rng(0)).astype(int)
    places, counts = np.unique(X[:, 0], return_counts=True)
    assert places.tolist() == [0, 1000, 2000] + [10**6 + 1000 * i + j for i in range(2) for j in range(4)]
    expected = [24_000 / 2 / 3] * 3 + [24_000 / 2 / 8] * 8
    assert chisquare(counts, expected).pvalue > 0.001


def test_patches_depend_on_the_generator_alone():
    images = load_natural_images().images
    one, two, three = (sample_patches(images, 8, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


def test_patches_keep_float32_and_take_integers_and_stacks():
    stack = np.random.default_rng(0).integers(256, size=(3, 6, 6), dtype=np.uint8)
    assert sample_patches(stack, 4, 5, np.random.default_rng(0)).dtype == np.float64
    assert sample_patches(stack.astype(np.float32), 4, 5, np.random.default_rng(0)).dtype == np.float32
    narrow = sample_patches(list(stack[..., :3]), 3, 5, np.random.default_rng(0))
    assert {tuple(x) for x in narrow} <= {tuple(stack[k, i : i + 3, :3].ravel()) for k in range(3) for i in range(4)}


def test_sixteen_bits_are_sixteen_bits():
    image = np.random.default_rng(0).integers(2**16, size=(9, 9), dtype=np.uint16)
    for kind in (image, image.astype(">u2")):  # as PNG and TIFF may have them
        X = sample_patches([kind], 9, 1, np.random.default_rng(0))
        np.testing.assert_array_equal(X, image.reshape(1, -1))
        np.testing.assert_allclose(whiten_image(kind), whiten_image(image / 65535), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"images": []}, "images must hold at least one picture"),
        (
            {"images": np.ones((9, 9))},
            r"sequence of pictures, got ndarray of shape \(9, 9\); a single one goes as \[im",
        ),
        ({"images": 5}, "images must be a sequence of pictures, got int 5"),
        ({"images": np.ones((9, 9, 4)), "size": 4}, r"\(9, 9, 4\) look like one color picture: .* give list\(images\)"),
        (
            {"images": [np.ones((9, 9, 4))]},
            r"got shape \(9, 9, 4\); images\[0\]\[..., :3\] @ .* is the gray of a color",
        ),
        (
            {"images": [np.ones((9, 9, 2))]},
            r"got shape \(9, 9, 2\); images\[0\]\[..., 0\] is a gray picture without its al",
        ),
        ({"images": [np.ones((9, 9, 7))]}, r"got shape \(9, 9, 7\)$"),
        ({"images": [np.ma.masked_less(np.eye(9), 0.5)]}, r"images\[0\] must have no masked entries, got 72"),
        ({"images": [np.ones((9, 9)), np.ones((7, 30))]}, r"images\[1\] must be at least size = 8 .* \(7, 30\)"),
        ({"images": [np.full((9, 9), np.inf)]}, r"images\[0\] must be finite"),
        ({"images": [[["a"] * 9] * 9]}, r"images\[0\] must be an array of real numbers"),
        ({"size": 0}, "size must be a whole number >= 1"),
        ({"size": 2.5}, "size must be a whole number"),
        ({"m": 0}, "m must be a whole number >= 1"),
        ({"rng": 0}, "rng must be a numpy random Generator"),
    ],
)
def test_sample_patches_names_what_is_wrong(arguments, complaint):
    good = {"images": [np.ones((9, 9))], "size": 8, "m": 3, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=complaint):
        sample_patches(**{**good, **arguments})


def normalized_by_loops(X):
    centered = [[x - statistics.fmean(row) for x in row] for row in X.tolist()]
    sd = statistics.stdev([x for row in centered for x in row])
    return [[(max(min(x, 3 * sd), -3 * sd) / (3 * sd) + 1) * 0.4 + 0.1 for x in row] for row in centered]


def test_normalize_patches_is_ufldls():
    X = np.random.default_rng(0).standard_t(2, size=(20, 9)) + np.arange(20)[:, None]
    result = normalize_patches(X)
    np.testing.assert_allclose(result, normalized_by_loops(X), rtol=0, atol=1e-13)
    assert result.min() == 0.1 and result.max() == 0.9  # this set has outliers, so the clipping is seen


@settings(max_examples=100, deadline=None)
@given(
    X=arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 6)), elements=st.floats(-100, 100, width=32)),
    scale=st.floats(0.01, 100),
    shift=st.floats(-10, 10),
)
def test_normalized_patches_lie_in_the_interval_whatever_brightness_and_contrast(X, scale, shift):
    assume(np.ptp(X, axis=1).max() > 0.01)
    result = normalize_patches(X)
    assert result.min() >= 0.1 and result.max() <= 0.9
    np.testing.assert_allclose(normalize_patches(scale * X + shift), result, atol=1e-6)
    low = normalize_patches(X.astype(np.float32))
    assert low.dtype == np.float32 and low.min() >= np.float32(0.1) and low.max() <= np.float32(0.9)


def test_normalize_patches_leaves_its_input_alone():
    X = np.random.default_rng(0).random((4, 9))
    before = X.copy()
    normalize_patches(X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("X", [np.full((3, 4), 0.1), np.zeros((2, 2)), np.ones((1, 1)), np.arange(3.0)[:, None]])
def test_patches_that_do_not_vary_are_refused(X):
    with pytest.raises(ValueError, match="X must have patches that vary"):
        normalize_patches(X)


def test_patches_that_are_no_matrix_are_refused():
    for X in (np.ones(4), np.ones((2, 2, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match="X must be"):
            normalize_patches(X)


def test_the_patches_of_the_photographs():
    patches = sample_patches(load_natural_images().images, 8, 10_000, np.random.default_rng(0))
    X = normalize_patches(patches)
    assert X.shape == (10_000, 64) and X.min() == 0.1 and X.max() == 0.9
    np.testing.assert_allclose(X.mean(), 0.5, atol=0.001)
    # An unclipped set would have the standard deviation 0.4 / 3; natural images have heavy tails, so some is clipped.
    assert 0.12 < X.std() < 0.4 / 3
    clipped = (X == 0.1) | (X == 0.9)
    assert 0.005 < clipped.mean() < 0.03


# IDX files ------------------------------------------------------------------------------------------------------------

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    """The bytes of an IDX file, one number at a time."""
    code = array.dtype.str[1:]
    letter = {"u1": "B", "i1": "b", "i2": "h", "i4": "i", "f4": "f", "f8": "d"}[code]
    header = struct.pack(">HBB", 0, IDX_CODES[code], array.ndim) + b"".join(struct.pack(">I", n) for n in array.shape)
    return header + b"".join(struct.pack(">" + letter, x) for x in array.ravel().tolist())


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("code", IDX_CODES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 5)])
def test_idx_files_of_every_type(tmp_path, code, pack, shape):
    array = np.random.default_rng(0).integers(-100, 100, size=shape).astype(code)
    (tmp_path / "a").write_bytes(pack(idx_bytes(array)))
    result = read_idx(tmp_path / "a")
    assert result.dtype == array.dtype and result.dtype.isnative
    np.testing.assert_array_equal(result, array)
    result += 1  # the array is the reader's own


GOOD = idx_bytes(np.arange(24, dtype="u1").reshape(2, 3, 4))
BROKEN = {
    "empty": (b"", "ends after 0 of 4 bytes"),
    "no shape": (GOOD[:10], "ends after 6 of 12 bytes"),
    "truncated": (GOOD[:-1], "ends after 23 of 24 bytes"),
    "oversized": (GOOD + b"x", "goes on after the array"),
    "wrong magic": (b"\1" + GOOD[1:], "begins with 01000803"),
    "wrong type": (GOOD[:2] + b"\x0a" + GOOD[3:], "begins with 00000a03"),
    "no dimensions": (GOOD[:3] + b"\0" + GOOD[4:], "begins with 00000800"),
    "many dimensions": (GOOD[:3] + b"\xff" + GOOD[4:], "begins with 000008ff"),
    "an empty array": (struct.pack(">HBBIII", 0, 8, 3, 0, 2**32 - 1, 2**32 - 1), "is empty"),
    "a giant": (struct.pack(">HBB8I", 0, 14, 8, *[2**32 - 1] * 8), "ends after 0 of"),
    "a web page": (b"<!DOCTYPE html><html></html>", "begins with 3c21"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_broken_idx_file_is_refused_in_one_line(tmp_path, fault, pack):
    data, complaint = BROKEN[fault]
    path = tmp_path / "digits-idx3-ubyte"
    path.write_bytes(pack(data))
    with pytest.raises(ValueError, match=complaint) as error:
        read_idx(path)
    assert str(error.value).startswith(f"{path} is not a sound IDX file: ") and "\n" not in str(error.value)


def damaged_gzips():
    packed = gzip.compress(GOOD, mtime=0)
    return {
        "cut": packed[:-9],
        "cut in its checksum": packed[:-3],
        "wrong checksum": packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        "garbage inside": packed[:12] + b"\xff\xff\xff" + packed[15:],
        "garbage behind": packed + b"garbage",
    }


@pytest.mark.parametrize("fault", damaged_gzips())
def test_a_damaged_gzip_file_is_refused_in_one_line(tmp_path, fault):
    path = tmp_path / "digits.gz"
    path.write_bytes(damaged_gzips()[fault])
    with pytest.raises(ValueError) as error:
        read_idx(path)
    assert str(error.value).startswith(f"{path} is not a sound IDX file: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_lies_costs_no_memory(tmp_path, pack):
    (tmp_path / "a").write_bytes(pack(struct.pack(">HBBII", 0, 8, 2, 2**16, 2**15) + bytes(1000)))  # promises 2 GB
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="ends after 1000 of 2147483648 bytes"):
            read_idx(tmp_path / "a")
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_missing_idx_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


def outcome(path, data):
    """Read a file of these bytes: an array, or None where it was refused as it should be."""
    path.write_bytes(data)
    try:
        return read_idx(path)
    except ValueError as error:
        assert str(error).startswith(f"{path} is not a sound IDX file: ") and "\n" not in str(error)
        return None


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=64), magic=st.booleans(), packed=st.booleans())
def test_random_bytes_are_read_exactly_or_refused(scratch, data, magic, packed):
    if magic:
        data = b"\0\0" + data
    array = outcome(scratch / "random", gzip.compress(data) if packed else data)
    if array is not None:
        assert idx_bytes(array) == data or np.isnan(array).any()


@settings(max_examples=200, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 40),
    tail=st.binary(max_size=16),
)
def test_a_changed_header_is_read_exactly_or_refused(scratch, changes, cut, tail):
    data = bytearray(GOOD)
    for place, value in changes:
        data[place] = value
    data = bytes(data[: len(data) - cut]) + tail
    array = outcome(scratch / "changed", data)
    if array is not None:
        assert math.prod(array.shape) * array.itemsize + 4 + 4 * array.ndim == len(data)


@settings(max_examples=200, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), max_size=3), cut=st.integers(0, 60))
def test_a_changed_gzip_file_is_read_as_it_was_or_refused(scratch, changes, cut):
    data = bytearray(gzip.compress(GOOD, mtime=0))
    for place, value in changes:
        data[place % len(data)] = value
    array = outcome(scratch / "changed.gz", bytes(data[: max(0, len(data) - cut)]))
    if array is not None:
        assert idx_bytes(array) == GOOD


# MNIST: a made-up one, from servers that misbehave --------------------------------------------------------------------

PICTURES = np.random.default_rng(0).integers(256, size=(6, 28, 28)).astype("u1")
LABELS = np.array([5, 0, 4, 1, 9, 2], "u1")
CONTENTS = {
    "train-images-idx3-ubyte.gz": gzip.compress(idx_bytes(PICTURES), mtime=0),
    "train-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(LABELS), mtime=0),
    "t10k-images-idx3-ubyte.gz": gzip.compress(idx_bytes(PICTURES[:2]), mtime=0),
    "t10k-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(LABELS[:2]), mtime=0),
}
PAGE = b"<html><body>Please log in to this network.</body></html>"


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves CONTENTS below a folder whose name says in which way to go wrong."""

    def do_GET(self):
        _, fault, name = self.path.split("/")
        self.server.requests.append((fault, name))
        getattr(self, fault.replace("-", "_"))(CONTENTS[name])

    def send(self, body, *, status=200, length=None):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def good(self, body):
        self.send(body, length=len(body))

    def without_length(self, body):
        self.send(body)

    def moved(self, body):
        self.redirect(self.path.replace("moved", "good"))

    def truncated(self, body):
        self.send(body[:-5], length=len(body))

    def truncated_without_length(self, body):
        self.send(body[:-5])

    def web_page(self, body):
        self.send(PAGE, length=len(PAGE))

    def not_found(self, body):
        self.send(PAGE, status=404, length=len(PAGE))

    def server_error(self, body):
        self.send(PAGE, status=500, length=len(PAGE))

    def tampered(self, body):
        self.send(body[:-20] + bytes([body[-20] ^ 1]) + body[-19:], length=len(body))

    def empty(self, body):
        self.send(b"", length=0)

    def odd_length(self, body):
        self.send(body, length="many")

    def stalled(self, body):
        self.send(body[:10], length=len(body))
        self.server.over.wait(30)

    def silent(self, body):
        self.server.over.wait(30)

    def endless(self, body):
        try:
            self.send(body)
            for _ in range(2**10):  # "endless" as the library sees it
                self.wfile.write(bytes(2**12))
        except OSError:
            pass  # the other side has had enough

    def drip(self, body):
        self.send(body[:10], length=len(body))
        try:
            for byte in body[10:]:  # often enough for every socket's patience, and not done within ours
                self.wfile.write(bytes([byte]))
                if self.server.over.wait(0.2):
                    break
        except OSError:
            pass

    def dies(self, body):
        """End the connection half-way as a machine does that is switched off: with a reset, not with a goodbye."""
        self.send(body[: len(body) // 2], length=len(body))
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def redirect(self, location):
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def in_circles(self, body):
        self.redirect(self.path)

    def from_a_file(self, body):
        self.redirect(Path(__file__).as_uri())

    def bomb(self, body):
        """Send a megabyte and a half that unpacks to 1.5 GB, in the form that every client unpacks unasked."""
        packer = zlib.compressobj(wbits=31)
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        try:
            for _ in range(1500):
                self.wfile.write(packer.compress(bytes(2**20)))
        except OSError:
            pass

    def together(self, body):
        """Answer two who ask for the same file at the same moment, as soon as both have asked."""
        with contextlib.suppress(threading.BrokenBarrierError):
            self.server.meeting.wait(50)
        self.good(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.requests, server.over, server.meeting = [], threading.Event(), threading.Barrier(2)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def mirrors(server, monkeypatch, tmp_path):
    """Make the library believe in the made-up MNIST, in an empty cache, and in mirrors with the faults given."""
    import pooch

    server.requests.clear()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SAELIB_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setattr(_mnist, "SHA256", {name: hashlib.sha256(data).hexdigest() for name, data in CONTENTS.items()})
    monkeypatch.setattr(_mnist, "LARGEST", 2**16)

    def address(fault):
        if fault == "refused":
            with socket.socket() as free:  # a port where nobody listens
                free.bind(("127.0.0.1", 0))
                return f"http://127.0.0.1:{free.getsockname()[1]}/"
        return f"http://127.0.0.1:{server.server_port}/{fault}/"

    def use(*faults):
        monkeypatch.setattr(_mnist, "MIRRORS", tuple(map(address, faults)))
        monkeypatch.setattr(_mnist, "PATIENCE", 1 if {"stalled", "silent", "drip"} & set(faults) else 10)

    return use


def cached(tmp_path):
    """Every file in the cache, by name."""
    return {path.name: path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()}


def test_mnist_is_downloaded_once(server, mirrors, tmp_path, capfd, caplog, monkeypatch):
    import pooch

    mirrors("good")
    monkeypatch.setattr(pooch.get_logger(), "handlers", [caplog.handler])  # its own writes to the stderr of long ago
    X, y = load_mnist()
    assert X.shape == (6, 784) and X.dtype == np.float32 and y.dtype.kind == "i"
    np.testing.assert_array_equal(X, (PICTURES.reshape(6, 784) / 255).astype(np.float32))
    np.testing.assert_array_equal(y, LABELS)
    assert cached(tmp_path) == {name: CONTENTS[name] for name in list(CONTENTS)[:2]}
    assert (tmp_path / "cache" / "saelib" / "mnist" / "train-images-idx3-ubyte.gz").is_file()
    load_mnist("train")
    load_mnist("train", download=False)
    assert len(server.requests) == 2
    assert len(load_mnist("test").X) == 2 and len(cached(tmp_path)) == 4
    assert capfd.readouterr() == ("", "") and not caplog.records  # neither a bar nor a log where no terminal shows it


FAULTS = {
    "truncated": "could not be reached, or broke off",
    "truncated-without-length": "sent another file (its sha256 differs)",
    "web-page": "sent another file (its sha256 differs)",
    "not-found": "answered with HTTP status 404",
    "server-error": "answered with HTTP status 500",
    "tampered": "sent another file (its sha256 differs)",
    "empty": "sent another file (its sha256 differs)",
    "stalled": "could not be reached, or broke off",
    "silent": "sent nothing, or too little, for 1 s",  # or, a moment earlier, the socket's own word for it
    "endless": "sent far too much",
    "refused": "could not be reached, or broke off",
    "drip": "sent nothing, or too little, for 1 s",
    "dies": "could not be reached, or broke off",
    "in-circles": "could not be reached, or broke off",
    "from-a-file": "could not be reached, or broke off",
    "bomb": "sent far too much",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_when_a_mirror_fails_the_next_is_tried(server, mirrors, tmp_path, fault):
    mirrors(fault, "good")
    np.testing.assert_array_equal(load_mnist("test").y, LABELS[:2])
    assert [request for request in server.requests if request[0] == "good"] == [("good", n) for n in list(CONTENTS)[2:]]
    assert cached(tmp_path) == {name: CONTENTS[name] for name in list(CONTENTS)[2:]}


@pytest.mark.parametrize("fault", FAULTS)
def test_when_every_mirror_fails_one_line_says_so(mirrors, tmp_path, fault):
    mirrors(fault, "not-found")
    with pytest.raises(FileNotFoundError, match="MNIST could not be downloaded") as error:
        load_mnist()
    message, (first, second) = str(error.value), _mnist.MIRRORS
    reasons = {FAULTS["silent"], FAULTS["stalled"]} if fault in ("silent", "stalled") else {FAULTS[fault]}
    assert any(f"{first} {reason}; " in message for reason in reasons)
    assert f"{second} {FAULTS['not-found']}" in message
    assert "make data" in message and "$SAELIB_DATA/mnist" in message and "\n" not in message
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert cached(tmp_path) == {}


@pytest.mark.parametrize("kind", ["without-length", "odd-length", "moved"])
def test_odd_but_honest_mirrors_will_do(mirrors, kind):
    mirrors(kind)
    np.testing.assert_array_equal(load_mnist().y, LABELS)


def test_a_name_that_is_looked_up_for_ever_is_given_up(mirrors, monkeypatch, tmp_path):
    over = threading.Event()

    def look_up(*_, **__):
        over.wait(30)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(_mnist, "MIRRORS", ("http://mirror.invalid/",))
    monkeypatch.setattr(_mnist, "PATIENCE", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        with pytest.raises(FileNotFoundError, match="mirror.invalid/ sent nothing, or too little, for 0.2 s"):
            load_mnist()
    finally:
        over.set()
    assert cached(tmp_path) == {}


def test_dead_mirrors_are_given_up_within_ten_seconds():
    assert len(_mnist.MIRRORS) * _mnist.PATIENCE < 10


def test_a_cache_that_cannot_be_written_is_said(mirrors, tmp_path):
    mirrors("good")
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(FileNotFoundError, match="MNIST could not be downloaded") as error:
        load_mnist()
    assert str(tmp_path / "cache") in str(error.value)


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("moment", ["opening", "writing", "naming"])
def test_a_disk_that_takes_no_more_is_said_and_left_clean(mirrors, tmp_path, monkeypatch, trouble, moment):
    def fail(*_, **__):
        raise OSError(trouble, os.strerror(trouble))

    class Full(io.FileIO):
        def write(self, data):
            return super().write(data) if self.tell() < 100 else fail()

    mirrors("good", "good")
    monkeypatch.setattr(_mnist, "PIECE", 64)
    if moment == "naming":
        monkeypatch.setattr("shutil.move", fail)
    else:
        monkeypatch.setattr(_mnist, "open", fail if moment == "opening" else Full, raising=False)
    with pytest.raises(FileNotFoundError, match=f"MNIST could not be downloaded .*{os.strerror(trouble)}") as error:
        load_mnist()
    assert "\n" not in str(error.value) and cached(tmp_path) == {}


def test_an_interrupt_leaves_no_partial_file(mirrors, tmp_path, monkeypatch):
    class Interrupted(io.FileIO):
        def write(self, data):
            super().write(data[:100])
            raise KeyboardInterrupt

    mirrors("good")
    monkeypatch.setattr(_mnist, "open", Interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        load_mnist()
    assert cached(tmp_path) == {}


CHILD = """
import json, sys
from pathlib import Path
import pooch
from saelib import _mnist, datasets

cache, mirrors, sha256, most = json.loads(sys.argv[1])
pooch.os_cache = lambda project: Path(cache) / project
_mnist.MIRRORS, _mnist.SHA256, _mnist.PATIENCE = mirrors, sha256, 60
if most:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    print(datasets.load_mnist().y.tolist())
except FileNotFoundError as error:
    print(error)
"""


def other_process(tmp_path, most=0):
    """Start a Python that loads MNIST from the mirrors into the cache, and may write no file larger than ``most``."""
    about = json.dumps([str(tmp_path / "cache"), _mnist.MIRRORS, _mnist.SHA256, most])
    return subprocess.Popen([sys.executable, "-c", CHILD, about], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_that_load_at_once_do_not_harm_each_other(server, mirrors, tmp_path):
    mirrors("together")
    processes = [other_process(tmp_path) for _ in range(2)]
    assert [json.loads(process.communicate(timeout=60)[0]) for process in processes] == [LABELS.tolist()] * 2
    assert [name for _, name in server.requests] == [name for name in list(CONTENTS)[:2] for _ in range(2)]
    assert cached(tmp_path) == {name: CONTENTS[name] for name in list(CONTENTS)[:2]}


def test_a_limit_of_the_system_is_said_and_leaves_no_partial_file(mirrors, tmp_path):
    mirrors("good")
    said = other_process(tmp_path, most=2**10).communicate(timeout=60)[0]
    assert said.startswith("MNIST could not be downloaded") and os.strerror(errno.EFBIG) in said
    assert cached(tmp_path) == {}


def test_somebody_without_a_home_has_the_cache_in_the_temporary_folder(mirrors, tmp_path, monkeypatch):
    import pooch

    def nobody(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    pwd = pytest.importorskip("pwd", reason="on Windows everybody has a home")
    os_cache = pooch.utils.os_cache  # which the fixture has left alone
    mirrors("good")
    monkeypatch.setattr(pooch, "os_cache", os_cache)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("HOME", "XDG_CACHE_HOME", "SAELIB_DATA"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(FileNotFoundError, match="MNIST is not on this machine"):
        load_mnist(download=False)
    np.testing.assert_array_equal(load_mnist().y, LABELS)
    assert find_mnist()[0].parent == tmp_path / "saelib" / "mnist"


def test_without_leave_nothing_is_downloaded(server, mirrors, tmp_path, monkeypatch):
    mirrors("good")
    monkeypatch.setenv("SAELIB_DATA", str(tmp_path / "own"))
    for look in (lambda: load_mnist(download=False), find_mnist, lambda: find_mnist("test")):
        with pytest.raises(FileNotFoundError, match="MNIST is not on this machine") as error:
            look()
        message = str(error.value)
        assert str(tmp_path / "own" / "mnist") in message and str(tmp_path / "cache" / "saelib" / "mnist") in message
        assert "make data" in message and "\n" not in message
    assert server.requests == [] and not (tmp_path / "cache").exists()


def put(folder, names=CONTENTS):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(CONTENTS[name])


def test_the_readers_own_files_come_first_and_the_cache_second(server, mirrors, tmp_path, monkeypatch):
    own, cache = tmp_path / "own" / "mnist", tmp_path / "cache" / "saelib" / "mnist"
    monkeypatch.setenv("SAELIB_DATA", str(tmp_path / "own"))
    put(own, ["train-images-idx3-ubyte.gz"])
    put(cache)
    mirrors("good")
    assert find_mnist() == (own / "train-images-idx3-ubyte.gz", cache / "train-labels-idx1-ubyte.gz")
    np.testing.assert_array_equal(load_mnist().y, LABELS)
    assert server.requests == []


@pytest.mark.parametrize("place", ["own", "cache/saelib"])
@pytest.mark.parametrize("download", [False, True])
def test_a_file_here_that_is_not_the_original_is_refused(server, mirrors, tmp_path, monkeypatch, place, download):
    monkeypatch.setenv("SAELIB_DATA", str(tmp_path / "own"))
    mirrors("good")
    put(tmp_path / place / "mnist")
    damaged = tmp_path / place / "mnist" / "train-labels-idx1-ubyte.gz"
    damaged.write_bytes(gzip.compress(idx_bytes(LABELS[::-1].copy())))
    with pytest.raises(ValueError, match="is not MNIST's original file") as error:
        load_mnist(download=download)
    assert str(damaged) in str(error.value) and server.requests == []


def packed_anew(data):
    """A gzip file that says when it was made, as Python 3.14 no longer does unless told to."""
    return gzip.compress(data, mtime=1)


def with_an_extra_field(data):
    """A gzip file as some tools write it: with a name, a comment and a field of their own in its head."""
    packed = packed_anew(data)
    return packed[:3] + b"\x1c" + packed[4:10] + struct.pack("<H", 4) + b"ab\0\0name\0comment\0" + packed[10:]


@pytest.mark.parametrize("pack", [bytes, packed_anew, with_an_extra_field])
@pytest.mark.parametrize("dot", ["-", "."])
def test_mnist_packed_anew_or_not_at_all_is_taken_by_its_content(tmp_path, monkeypatch, mirrors, pack, dot):
    mirrors()
    monkeypatch.setenv("SAELIB_DATA", str(tmp_path))
    contents = {name: gzip.decompress(data) for name, data in CONTENTS.items()}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    monkeypatch.setattr(_mnist, "CONTENT_SHA256", sums)
    (tmp_path / "mnist").mkdir()
    for name, data in contents.items():
        name = name.replace("-idx", f"{dot}idx")
        (tmp_path / "mnist" / (name.removesuffix(".gz") if pack is bytes else name)).write_bytes(pack(data))
    assert len(load_mnist("test", download=False).X) and len(find_mnist()) == 2
    monkeypatch.setitem(sums, "t10k-images-idx3-ubyte.gz", "0" * 64)  # as if these were other pictures
    with pytest.raises(ValueError, match="not MNIST's original file .*Fashion-MNIST, EMNIST and QMNIST.*read_idx"):
        load_mnist("test", download=False)


def test_the_pictures_of_emnist_stand_upright_after_a_swap(tmp_path):
    upright = np.zeros((2, 28, 28), np.uint8)
    upright[:, 3:25, 13:15] = 255  # the digit 1
    (tmp_path / "emnist").write_bytes(gzip.compress(idx_bytes(upright.swapaxes(1, 2))))  # column by column
    np.testing.assert_array_equal(read_idx(tmp_path / "emnist").swapaxes(1, 2), upright)
    assert "EMNIST" in read_idx.__doc__ and "swapaxes(1, 2)" in read_idx.__doc__


def test_labels_of_four_bytes_are_read_as_qmnist_has_them(tmp_path):
    labels = np.arange(24, dtype=">i4").reshape(3, 8)
    (tmp_path / "qmnist").write_bytes(struct.pack(">HBBII", 0, 12, 2, 3, 8) + labels.tobytes())
    np.testing.assert_array_equal(read_idx(tmp_path / "qmnist"), labels)


def test_an_unknown_split_is_refused():
    for load in (load_mnist, find_mnist):
        with pytest.raises(ValueError, match="split must be one of 'train', 'test', got 'valid'"):
            load("valid")


@pytest.mark.parametrize("fault", ["good", "not-found"])
def test_make_data_fetches_or_says_why_not(mirrors, fault, capsys):
    import runpy

    mirrors(fault)
    main = runpy.run_path(str(ROOT / "tools" / "fetch_mnist.py"))["main"]
    if fault == "good":
        main()
        assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == list(CONTENTS)
    else:
        with pytest.raises(SystemExit, match="^MNIST could not be downloaded"):
            main()


def test_a_terminal_shows_how_far_the_download_is(mirrors, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    mirrors("good")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    find_mnist("test", download=True)
    assert "t10k-images-idx3-ubyte.gz: 100%" in terminal.getvalue()


def test_datasets_loads_nothing_heavy():
    heavy = "scipy sklearn matplotlib pandas pooch requests tqdm PIL"
    code = f"import sys, saelib.datasets; print([name for name in '{heavy}'.split() if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# MNIST: the real one --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["train", "test"])
def mnist(request):
    try:
        return request.param, load_mnist(request.param, download=False)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_mnist_is_the_one_that_everybody_knows(mnist):
    split, (X, y) = mnist
    counts = {
        "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    }
    assert X.shape == ({"train": 60_000, "test": 10_000}[split], 784) and X.dtype == np.float32
    assert X.min() == 0 and X.max() == 1
    assert np.bincount(y).tolist() == counts[split]
    assert y[:5].tolist() == {"train": [5, 0, 4, 1, 9], "test": [7, 2, 1, 0, 4]}[split]
    if split == "train":  # the two numbers by which PyTorch's examples normalize
        assert X.mean(dtype=float) == pytest.approx(0.1307, abs=5e-5)
        assert X.std(dtype=float) == pytest.approx(0.3081, abs=5e-5)


# Parts of the readers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"\x07", b"\x07\x08", b"\x01\x02\x03\x04"])
def test_a_short_element_has_its_content_beside_its_size(content):
    data = struct.pack("<I", len(content) << 16 | 2) + content.ljust(4, b"\0") + b"next"
    assert _mat._element(data, "<") == (2, content, b"next")


def test_an_element_that_claims_too_much_says_how_much_there_is():
    with pytest.raises(ValueError, match="^is damaged: an element claims 100 bytes, and 8 are there$"):
        _mat._element(struct.pack("<II", 2, 100) + bytes(8), "<")


def test_complex_pictures_are_refused_by_their_kind(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "IMAGES.mat", {"IMAGES": np.ones((2, 3, 4)) + 1j})
    with pytest.raises(ValueError, match="holds IMAGES as complex; it must be an array of real numbers$"):
        load_images_mat(tmp_path / "IMAGES.mat")


@pytest.mark.parametrize("dimensions", [0, 9])
def test_an_idx_file_has_one_to_eight_dimensions(tmp_path, dimensions):
    head = struct.pack(f">HBB{dimensions}I", 0, 8, dimensions, *[1] * dimensions)
    (tmp_path / "a.idx").write_bytes(head + b"\x05")
    with pytest.raises(ValueError, match=f"it begins with 000008{dimensions:02x}, not with 0000, a type and 1 to 8"):
        read_idx(tmp_path / "a.idx")


def test_what_is_no_generator_is_described():
    with pytest.raises(ValueError, match=r"^rng must be a numpy random Generator .*, got int$"):
        sample_patches([np.eye(4)], 2, 1, 0)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_large_file_under_the_name_of_a_small_one_claims_no_memory(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(_mnist, "LARGEST", 2**16)
    (tmp_path / "large").write_bytes(pack(bytes(2**23)))
    tracemalloc.start()
    try:
        with open(tmp_path / "large", "rb") as file:
            assert not _mnist._same_content(file, "train-labels-idx1-ubyte.gz")
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "length, total", [({"Content-Length": "3"}, 3), ({}, None), ({"Content-Length": "many"}, None)]
)
def test_the_bar_of_a_download_counts_its_bytes(tmp_path, monkeypatch, length, total):
    import requests
    import tqdm

    class Response:
        headers = length

        def raise_for_status(self):
            pass

        def iter_content(self, size):
            assert size == _mnist.PIECE
            return iter([b"a", b"bc"])

    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, **options):
            bars.append(options)
            super().__init__(**options)

    monkeypatch.setattr(requests, "get", lambda url, **options: Response())
    monkeypatch.setattr(tqdm, "tqdm", Bar)
    _mnist._fetch("https://example.org/mnist/file.gz", tmp_path / "file.gz", None)
    assert bars == [{"total": total, "desc": "file.gz", "unit": "B", "unit_scale": True, "disable": None}]
    assert (tmp_path / "file.gz").read_bytes() == b"abc"
