"""Keep parameters in a file and take them out again: a plain NumPy archive (.npz) without pickled objects."""

import io
import math
import os
import zipfile
from pathlib import Path

import numpy as np

from .network import Params, check_params


def save_params(path, params):
    """Write the parameters to the file ``path``, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Usually ending in ".npz"; `numpy.load` reads the file too. A file of this name is replaced.
    params : Params

    Raises
    ------
    ValueError
        If ``params`` are not finite or their shapes do not fit together.
    OSError
        If the file cannot be written; one that was there before is still there.
    """
    path, params = Path(path), check_params(params)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            np.savez(file, **params._asdict())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_params(path):
    """Read parameters that `save_params` has written, bit for bit.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Params

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or holds something else. Nothing in it is executed, and no more memory is taken than
        the file is long.
    """
    content = io.BytesIO(Path(path).read_bytes())
    try:
        with zipfile.ZipFile(content) as archive:
            arrays = [_read(archive, f"{name}.npy") for name in Params._fields]
        return check_params(Params(*arrays))
    except (ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} does not hold parameters as saelib.save_params writes them: {error}") from None


def _read(archive, name):
    """Return the array of that name, after a look at whether the file is as long as its header says."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with archive.open(member) as file:
        np.lib.format.read_magic(file)
        shape, column_by_column, dtype = np.lib.format.read_array_header_1_0(file)
        data = file.read()
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} holds {dtype}, not floating-point numbers")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} has {len(data)} bytes, which do not fill an array of shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if column_by_column else "C").copy()
