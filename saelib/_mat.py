"""One array out of a MATLAB file, read by its tags and sizes in Python alone: SciPy's parser trusts them, and a damaged
file can end the process or claim all memory."""

import math
import os
import struct
import zlib

import numpy as np

MATRIX, COMPRESSED = 14, 15
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
KINDS = {1: "a cell array", 2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix"}  # from 6 on: numbers
LARGEST = 2**28  # bytes that a compressed array may have; Olshausen's has 21 million


def read_array(path, wanted):
    """Return the array called ``wanted`` of a MATLAB file of version 5 to 7, or None if the file has none.

    Raises `ValueError`, whose message has the file as its subject, for everything else; takes no memory that the file,
    unpacked, does not fill.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise ValueError(f"has more than {LARGEST} bytes")
        data = file.read()
    again = f"save('IMAGES.mat', '{wanted}', '-v7')"
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[512:520] == b"\x89HDF\r\n\x1a\n":
        raise ValueError(f"is HDF5 (MATLAB's version 7.3): load it there and {again}")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        other = "is not a MATLAB file of version 5 to 7 (version 4 has no arrays of three dimensions)"
        raise ValueError(f"{other}; MATLAB writes one with {again}")
    data = memoryview(data)[128:]
    while len(data):
        kind, content, data = _element(data, order)
        if kind == COMPRESSED:
            kind, content, _ = _element(_unpacked(content), order)
        if kind == MATRIX and (array := _matrix(content, order, wanted)) is not None:
            return array
    return None


def _element(data, order):
    """Return the type and the content of the first element, and what comes after it."""
    if len(data) < 8:
        raise ValueError("is damaged: it ends inside a tag")
    kind, size = struct.unpack(f"{order}II", data[:8])
    start, whole = 8, size if kind == COMPRESSED else size + -size % 8
    if kind >> 16:  # the short form: type, size and content in 8 bytes
        kind, size, start, whole = kind & 0xFFFF, kind >> 16, 4, 4
    if size > min(whole, len(data) - start):
        raise ValueError(f"is damaged: an element claims {size} bytes, and {len(data) - start} are there")
    return kind, data[start : start + size], data[start + whole :]


def _unpacked(content):
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(content, LARGEST)
    except zlib.error as error:
        raise ValueError(f"is damaged: {error}") from None
    if not unpack.eof:
        raise ValueError(f"is damaged, or unpacks to more than {LARGEST} bytes")
    return memoryview(data)


def _matrix(content, order, wanted):
    _, flags, content = _element(content, order)
    _, shape, content = _element(content, order)
    _, name, content = _element(content, order)
    if bytes(name) != wanted.encode():
        return None
    if len(flags) != 8 or len(shape) % 4:
        raise ValueError(f"is damaged: the head of {wanted} has an impossible size")
    flags, shape = struct.unpack(f"{order}II", flags)[0], struct.unpack(f"{order}{len(shape) // 4}i", shape)
    kind = flags & 0xFF
    if kind in KINDS or flags & 0x0800:
        kind = KINDS.get(kind, "complex")
        raise ValueError(f"holds {wanted} as {kind}; it must be an array of real numbers")
    if kind > 15 or not 1 <= len(shape) <= 32 or min(shape) < 0:
        raise ValueError(f"is damaged: {wanted} has class {kind} and shape {shape[:8]}")
    kind, numbers, _ = _element(content, order)
    if kind not in TYPES:
        raise ValueError(f"is damaged: {wanted} has numbers of type {kind}")
    dtype = np.dtype(order + TYPES[kind])
    if len(numbers) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"is damaged: {wanted} of shape {shape} has {len(numbers)} bytes")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F")
