"""Keep parameters in a file and take them out again: a plain NumPy archive (.npz) without pickled objects.

`load_saelens` and `save_saelens` do the same with the files of SAELens, without PyTorch.
"""

import io
import json
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


# --- the files of SAELens -----------------------------------------------------------------------------------------
_SAELENS = "6.54.12"  # the version that tests/data/saelens was written with
_CONFIG, _WEIGHTS = "cfg.json", "sae_weights.safetensors"
_BIASES = {
    "standard": ("b_enc",),
    "topk": ("b_enc",),
    "jumprelu": ("b_enc", "threshold"),
    "batchtopk": ("b_enc", "topk_threshold"),
    "gated": ("b_gate", "r_mag", "b_mag"),
}


def load_saelens(folder):
    """Read a sparse autoencoder as SAELens writes it: ``cfg.json`` and ``sae_weights.safetensors`` in a folder.

    Its architecture is "standard", "gated", "jumprelu", "topk" or "batchtopk" (of which the checkpoint of a training is
    a `BatchTopK`; saved for use, it is a "jumprelu").  What SAELens does beside the network is put into the weights: an
    input from which b_dec is not subtracted, and pre-activations that are compared times the decoder's lengths.  As
    there, inputs of ``normalize_activations = "expected_average_only_in"`` are to be scaled by the caller.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    net : Architecture
    params : NamedTuple of arrays
        float32, or float64 where the file has that.

    Raises
    ------
    FileNotFoundError
        If one of the two files is not there.
    ImportError
        If the package safetensors is not installed.
    ValueError
        If a file is damaged, or holds what these nets cannot compute.  Nothing in it is executed.
    """
    folder = Path(folder)
    content = (folder / _CONFIG).read_bytes(), (folder / _WEIGHTS).read_bytes()
    _, load = _safetensors()
    try:
        config = json.loads(content[0])
        if not isinstance(config, dict):
            raise ValueError(f"{_CONFIG} holds no settings")
        return _net_and_params(config, _arrays(content[1], load))
    except KeyError as error:
        raise ValueError(f"{folder} does not hold a SAE as SAELens writes it: {error} is missing") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder} does not hold a SAE as SAELens writes it: {error}") from None


def save_saelens(net, params, folder):
    """Write a sparse autoencoder so that SAELens loads it (``SAE.load_from_disk``), without PyTorch.

    `ReluL1`, `Gated`, `JumpReLU` and `TopK` are its "standard", "gated", "jumprelu" and "topk"; of a net that has it,
    ``for_evaluation`` is written, as SAELens does.

    Parameters
    ----------
    net : Architecture
    params : NamedTuple of arrays
    folder : str or Path
        Made if it is not there; the two files in it are replaced.

    Raises
    ------
    ImportError
        If the package safetensors is not installed.
    ValueError
        If SAELens has no such net, or the parameters do not fit.
    """
    from . import nets

    if hasattr(net, "for_evaluation"):
        net, params = net.for_evaluation(params)
    kinds = {nets.ReluL1: "standard", nets.Gated: "gated", nets.JumpReLU: "jumprelu", nets.TopK: "topk"}
    if type(net) not in kinds:
        raise ValueError(f"SAELens has no architecture for {type(net).__name__}")
    kind, n = kinds[type(net)], params.b2.size
    net.check(params, np.zeros((1, n)), np.zeros((1, n)))
    arrays = {"W_enc": params.W1.T, "W_dec": params.W2.T, "b_dec": params.b2}
    arrays |= {name: getattr(params, "b1" if name == "b_enc" else name) for name in _BIASES[kind]}
    config = {
        "architecture": kind,
        "d_in": n,
        "d_sae": params.W1.shape[0],
        "dtype": params.W1.dtype.name,
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": _SAELENS},
    }
    if kind == "topk":
        config |= {"k": int(net.k), "rescale_acts_by_decoder_norm": False}
    save, _ = _safetensors()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: np.ascontiguousarray(P) for name, P in arrays.items()})
    for name, content in ((_WEIGHTS, weights), (_CONFIG, json.dumps(config).encode())):
        part = folder / f"{name}.{os.getpid()}.part"
        try:
            part.write_bytes(content)
            part.replace(folder / name)
        finally:
            part.unlink(missing_ok=True)


def _safetensors():
    try:
        from safetensors.numpy import load, save
    except ImportError:
        raise ImportError("the files of SAELens need the package safetensors: pip install safetensors") from None
    return save, load


def _arrays(content, load):
    """Return the arrays of a safetensors file, in float32 or float64, all finite."""
    from safetensors import SafetensorError

    try:
        arrays = load(content)
    except SafetensorError as error:
        raise ValueError(f"{_WEIGHTS}: {error}") from None
    except KeyError as error:  # a type that NumPy does not have
        raise ValueError(f"{_WEIGHTS} holds numbers of type {error}") from None
    for name, P in arrays.items():
        if P.dtype not in (np.float16, np.float32, np.float64):
            raise ValueError(f"{name} holds {P.dtype}, not floating-point numbers")
        if not np.isfinite(P).all():
            raise ValueError(f"{name} is not finite")
    return {name: P.astype(np.float32) if P.dtype == np.float16 else P.copy() for name, P in arrays.items()}


def _net_and_params(config, arrays):
    """Return the net of SAELens' settings, and its arrays as our parameters."""
    from . import nets
    from .nets.gated import GatedParams
    from .nets.jumprelu import JumpParams

    kind = config.get("architecture", "standard")
    activation = config.get("activation_fn") or config.get("activation_fn_str") or "relu"  # until version 5
    if activation == "topk":
        kind, config = "topk", {**config, **config["activation_fn_kwargs"]}
    elif activation != "relu":
        raise ValueError(f"the activation {activation!r} is not supported")
    if kind not in _BIASES:
        raise ValueError(f"architecture {kind!r} is none of {', '.join(_BIASES)}")
    scaling = config.get("normalize_activations") or "none"
    if scaling not in ("none", "expected_average_only_in", True):  # True as until version 5
        raise ValueError(f"inputs normalized by {scaling!r} are not supported")
    if "log_threshold" in arrays:
        arrays["threshold"] = np.exp(arrays.pop("log_threshold"))
    W1, W2, b2 = arrays["W_enc"].T, arrays["W_dec"].T, arrays["b_dec"]
    biases = {name: arrays[name] for name in _BIASES[kind]}
    if W1.ndim != 2 or W2.shape != W1.shape[::-1] or b2.shape != W2.shape[:1]:
        raise ValueError(f"W_enc, W_dec and b_dec have shapes {W1.T.shape}, {W2.T.shape} and {b2.shape}")
    for name, b in biases.items():
        if b.shape != (() if name == "topk_threshold" else W1.shape[:1]):
            raise ValueError(f"{name} has shape {b.shape} beside W_enc of shape {W1.T.shape}")
    if not config.get("apply_b_dec_to_input", True):  # W1 x + b = W1 (x - b2) + (b + W1 b2)
        shift = W1 @ b2
        for name, slope in (("b_enc", 1), ("b_gate", 1), ("b_mag", np.exp(biases.get("r_mag", 0)))):
            if name in biases:
                biases[name] = (biases[name] + slope * shift).astype(b2.dtype)
    if kind in ("topk", "batchtopk") and config.get("rescale_acts_by_decoder_norm", kind == "batchtopk"):
        lengths = np.maximum(np.sqrt(np.sum(W2 * W2, axis=0)), 1e-8)
        W1, W2, biases["b_enc"] = W1 * lengths[:, np.newaxis], W2 / lengths, biases["b_enc"] * lengths
    W1, W2 = np.ascontiguousarray(W1), np.ascontiguousarray(W2)
    half = {name: float(config.get(name) or 0) / 2 for name in ("l1_coefficient", "l0_coefficient")}
    if kind == "gated":
        net = nets.Gated(half["l1_coefficient"], frozen=False)
        params = GatedParams(W1, biases["b_gate"], biases["r_mag"], biases["b_mag"], W2, b2)
    elif kind == "standard":
        net, params = nets.ReluL1(half["l1_coefficient"]), Params(W1, biases["b_enc"], W2, b2)
    elif kind == "topk":
        net, params = nets.TopK(config["k"]), Params(W1, biases["b_enc"], W2, b2)
    elif kind == "batchtopk":
        net = nets.BatchTopK(config["k"])
        params = JumpParams(W1, biases["b_enc"], W2, b2, biases["topk_threshold"].astype(W1.dtype))
    else:
        net = nets.JumpReLU(half["l0_coefficient"], float(config.get("jumprelu_bandwidth", 0.05)))
        params = JumpParams(W1, biases["b_enc"], W2, b2, biases["threshold"])
    if (W1.shape[1], W1.shape[0]) != (config.get("d_in", W1.shape[1]), config.get("d_sae", W1.shape[0])):
        raise ValueError(f"{_CONFIG} and {_WEIGHTS} do not agree on the sizes")
    rows = np.zeros((1000, len(b2)))  # so many that a mean of less than one latent keeps some
    net.check(params, rows, rows)
    return net, params
