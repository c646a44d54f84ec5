"""Parameters in a file: bit for bit and back, whole or not at all, and nothing in a bad file does harm."""

import errno
import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_array_equal

import saelib
from saelib import Params

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def some_params(dtype=np.float64, s1=3, s2=2):
    return saelib.init_params(s1, s2, np.random.default_rng(0), dtype=dtype)


@st.composite
def any_params(draw):
    s2, s1 = draw(array_shapes(min_dims=2, max_dims=2, max_side=5))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shapes = {"W1": (s2, s1), "b1": (s2,), "W2": (s1, s2), "b2": (s1,)}
    four = Params(**{name: draw(arrays(dtype, shape, elements=FLOATS)) for name, shape in shapes.items()})
    return four._replace(W1=np.asfortranarray(four.W1)) if draw(st.booleans()) else four


@given(params=any_params())
@settings(max_examples=50, deadline=None)
def test_what_was_saved_comes_back_bit_for_bit(tmp_path_factory, params):
    path = tmp_path_factory.mktemp("params") / "net.npz"
    saelib.save_params(path, params)
    loaded = saelib.load_params(path)
    for before, after in zip(params, loaded, strict=True):
        assert before.dtype == after.dtype and before.shape == after.shape
        assert before.tobytes("C") == after.tobytes("C")  # minus zero stays minus zero
        assert after.flags.writeable


def test_numpy_reads_the_file_too(tmp_path):
    params = some_params()
    saelib.save_params(tmp_path / "net.npz", params)
    with np.load(tmp_path / "net.npz") as archive:
        assert sorted(archive) == ["W1", "W2", "b1", "b2"]
        assert_array_equal(archive["W2"], params.W2)


def test_a_training_goes_on_as_if_it_had_not_been_saved(tmp_path):
    X = np.random.default_rng(1).uniform(size=(50, 3))
    options = {"lam": 1e-3, "rho": 0.1, "beta": 1, "alpha": 0.5, "tol": 0}
    whole, _ = saelib.gradient_descent(some_params(), X, **options, max_iter=30)
    half, _ = saelib.gradient_descent(some_params(), X, **options, max_iter=13)
    saelib.save_params(tmp_path / "half.npz", half)
    rest, _ = saelib.gradient_descent(saelib.load_params(tmp_path / "half.npz"), X, **options, max_iter=17)
    for one, other in zip(whole, rest, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("moment", ["writing", "renaming"])
def test_when_the_disk_is_full_the_old_file_stays_and_no_other(tmp_path, monkeypatch, moment):
    path = tmp_path / "net.npz"
    saelib.save_params(path, some_params())
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((np, "savez") if moment == "writing" else (type(path), "replace")), full)
    with pytest.raises(OSError, match="No space"):
        saelib.save_params(path, some_params(s2=5))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["net.npz"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        saelib.save_params(tmp_path / "nowhere" / "net.npz", some_params())
    with pytest.raises(FileNotFoundError, match="missing"):
        saelib.load_params(tmp_path / "missing.npz")


def test_bad_parameters_are_not_written(tmp_path):
    bad = some_params()._replace(b1=np.array([np.nan, 0]))
    with pytest.raises(ValueError, match="b1 must be finite"):
        saelib.save_params(tmp_path / "net.npz", bad)
    assert not os.listdir(tmp_path)


class Trap:
    def __reduce__(self):
        return (os.mkdir, ("sprung",))


def archive(path, **members):
    with zipfile.ZipFile(path, "w", members.pop("compression", zipfile.ZIP_STORED)) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


GOOD = {name: npy(P) for name, P in some_params()._asdict().items()}
BAD = {
    "nothing": (b"", "not a zip file"),
    "a page": (b"<html>404</html>", "not a zip file"),
    "a pickle": (pickle.dumps(Trap()), "not a zip file"),
    "one array": (GOOD["W1"], "not a zip file"),
    "no W2": ({name: GOOD[name] for name in ("W1", "b1", "b2")}, "W2"),
    "integers": ({**GOOD, "b1": npy(np.array([1, 2]))}, "b1.npy holds int64"),
    "objects": (
        {**GOOD, "b1": npy(np.array([Trap(), Trap()], dtype=object), allow_pickle=True)},
        "b1.npy holds object",
    ),
    "compressed": ({**GOOD, "compression": zipfile.ZIP_DEFLATED}, "compressed"),
    "too short": ({**GOOD, "W1": GOOD["W1"][:-8]}, "do not fill"),
    "too long": ({**GOOD, "W1": GOOD["W1"] + bytes(8)}, "do not fill"),
    "other shapes": ({**GOOD, "b1": npy(np.zeros(3))}, "b1 must have shape"),
    "not finite": ({**GOOD, "b1": npy(np.array([np.inf, 0]))}, "b1 must be finite"),
    "no header": ({**GOOD, "W1": b"\x93NUMPY"}, "save_params"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    content, words = BAD[kind]
    path = tmp_path / "net.npz"
    path.write_bytes(content) if isinstance(content, bytes) else archive(path, **content)
    with pytest.raises(ValueError, match=words) as caught:
        saelib.load_params(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_a_header_that_lies_costs_no_memory(tmp_path):
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**5)}
    np.lib.format.write_array_header_1_0(header, shape)
    archive(tmp_path / "net.npz", **{**GOOD, "W1": header.getvalue() + bytes(48)})
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="do not fill"):
            saelib.load_params(tmp_path / "net.npz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.floats(0, 1))
@example(position=0.998046875, bit=0, cut=1.0)  # a directory that starts before the file does
@settings(max_examples=200, deadline=None)
def test_a_damaged_file_is_refused_or_still_whole(tmp_path_factory, position, bit, cut):
    folder = tmp_path_factory.mktemp("damaged")
    params = some_params()
    saelib.save_params(folder / "net.npz", params)
    data = bytearray((folder / "net.npz").read_bytes())
    data[int(position * len(data))] ^= 1 << bit
    if cut < 0.5:
        del data[int(2 * cut * len(data)) :]
    (folder / "net.npz").write_bytes(data)
    try:
        loaded = saelib.load_params(folder / "net.npz")
    except ValueError:
        return
    for one, other in zip(params, loaded, strict=True):
        assert_array_equal(one, other)
