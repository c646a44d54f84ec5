"""Files of safetensors, read and written with NumPy; of sound files alone, nothing is checked."""

import json

import numpy as np

TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


def load(content):
    start = 8 + int.from_bytes(content[:8], "little")
    header, numbers = json.loads(content[8:start]), content[start:]
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(numbers[slice(*about["data_offsets"])], TYPES[about["dtype"]]).reshape(about["shape"])
        for name, about in header.items()
    }


def save(arrays):
    header, numbers, names = {}, b"", {dtype: name for name, dtype in TYPES.items()}
    for name, P in arrays.items():
        ends = [len(numbers), len(numbers) + P.nbytes]
        header[name] = {"dtype": names[P.dtype.str], "shape": P.shape, "data_offsets": ends}
        numbers += P.tobytes()
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + numbers
