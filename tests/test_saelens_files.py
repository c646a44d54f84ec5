"""SAELens' files without PyTorch: read as SAELens reads them, written as it loads them; a bad file does no harm.

tests/data/saelens holds folders that SAELens wrote, tests/data/saelens.json what it computes with them
(tools/make_saelens_reference.py).
"""

import json
import shutil
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saelib
from saelib import nets
from saelib.architecture import leaves

safetensors = pytest.importorskip("safetensors.numpy")
DATA = Path(__file__).parent / "data"
FILES = json.loads((DATA / "saelens.json").read_text())["files"]
READABLE = [name for name in FILES if name != "layer-norm"]


@pytest.mark.parametrize("name", READABLE)
def test_a_file_of_saelens_computes_the_same(name):
    net, params = saelib.load_saelens(DATA / "saelens" / name)
    X, case = np.array(FILES[name]["X"], np.float32), FILES[name]
    A = net.encode(params, X).A
    assert A.dtype == np.float32 and {P.dtype for P in leaves(params)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(A, case["feature_acts"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net.decode(params, A), case["sae_out"], rtol=1e-5, atol=1e-6)
    assert 0 < np.count_nonzero(A) < A.size


def test_settings_come_along():
    kinds = {name: saelib.load_saelens(DATA / "saelens" / name) for name in READABLE}
    assert kinds["gated"][0] == nets.Gated(0.3, frozen=False)
    assert kinds["jumprelu"][0] == nets.JumpReLU(0.1, 0.75)
    assert kinds["topk"][0] == nets.TopK(2)
    assert kinds["batchtopk"][0] == nets.JumpReLU(0.0)
    assert kinds["batchtopk-checkpoint"][0] == nets.BatchTopK(2)
    assert kinds["batchtopk"][1].threshold == pytest.approx(np.full(7, 0.3125))
    X = np.array(FILES["batchtopk"]["X"], np.float32)
    net, params = saelib.load_saelens(DATA / "saelens" / "batchtopk-checkpoint")
    single, trained = net.for_evaluation(params)
    assert np.count_nonzero(single.encode(trained, X).A) > 0


@pytest.mark.parametrize(
    "net", [nets.ReluL1(0.1), nets.Gated(0.1), nets.JumpReLU(0.1), nets.TopK(2), nets.BatchTopK(2)], ids=repr
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back(net, dtype, tmp_path):
    rng = np.random.default_rng(0)
    params = net.init(5, 7, rng, dtype=dtype)
    saelib.save_saelens(net, params, tmp_path / "new" / "folder")
    again, came = saelib.load_saelens(tmp_path / "new" / "folder")
    if hasattr(net, "for_evaluation"):
        net, params = net.for_evaluation(params)
    assert type(again) is type(net) and type(came) is type(params)
    for before, after in zip(leaves(params), leaves(came), strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


def test_written_files_have_the_form_of_those_of_saelens(tmp_path):
    for name in ("standard", "gated-uncentered", "batchtopk", "topk"):
        net, params = saelib.load_saelens(DATA / "saelens" / name)
        saelib.save_saelens(net, params, tmp_path)
        ours, theirs = (
            safetensors.load_file(d / "sae_weights.safetensors") for d in (tmp_path, DATA / "saelens" / name)
        )
        assert {key: (P.shape, P.dtype) for key, P in ours.items()} == {
            k: (P.shape, P.dtype) for k, P in theirs.items()
        }
        ours, theirs = (json.loads((d / "cfg.json").read_text()) for d in (tmp_path, DATA / "saelens" / name))
        assert set(ours) == set(theirs) and ours["architecture"] == theirs["architecture"]
        assert ours["metadata"]["sae_lens_version"] == theirs["metadata"]["sae_lens_version"]


@pytest.mark.saelens
def test_saelens_itself_loads_what_is_written(tmp_path):
    import sae_lens
    import torch

    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 5)).astype(np.float32)
    for net in (nets.ReluL1(0.1), nets.Gated(0.1), nets.JumpReLU(0.1), nets.TopK(2)):
        params = net.init(5, 7, rng, dtype=np.float32)
        saelib.save_saelens(net, params, tmp_path)
        sae = sae_lens.SAE.load_from_disk(tmp_path)
        np.testing.assert_allclose(sae.encode(torch.tensor(X)).detach(), net.encode(params, X).A, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "old, net",
    [
        ({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3}, "normalize_activations": False}, nets.TopK(3)),
        ({"activation_fn": "relu", "normalize_activations": None}, nets.ReluL1(0.0)),
    ],
)
def test_settings_as_they_were_before_version_6(old, net, tmp_path):
    shutil.copytree(DATA / "saelens" / "standard", tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "cfg.json").read_text())
    del config["metadata"], config["architecture"]
    (tmp_path / "cfg.json").write_text(json.dumps(config | old))
    assert saelib.load_saelens(tmp_path)[0] == net


# --- files that are no SAE ----------------------------------------------------------------------------------------
def with_header(header, data=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


HUGE = {"W_enc": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}
BAD_WEIGHTS = {
    "empty": b"",
    "cut off": (DATA / "saelens" / "standard" / "sae_weights.safetensors").read_bytes()[:-8],
    "longer": (DATA / "saelens" / "standard" / "sae_weights.safetensors").read_bytes() + b"12345678",
    "a header of terabytes": struct.pack("<Q", 2**42) + b"{}",
    "arrays of terabytes": with_header(HUGE, b"1234"),
    "no JSON": with_header(b"\x80\x04cos\nsystem\n"),
    "nothing in it": with_header({}),
    "bfloat16": with_header({"W_enc": {"dtype": "BF16", "shape": [1, 1], "data_offsets": [0, 2]}}, b"12"),
    "a pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n(S'true'\ntR.",
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_bad_weights_are_one_clear_error(name, tmp_path):
    shutil.copy(DATA / "saelens" / "standard" / "cfg.json", tmp_path)
    (tmp_path / "sae_weights.safetensors").write_bytes(BAD_WEIGHTS[name])
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="does not hold a SAE as SAELens writes it"):
            saelib.load_saelens(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1e7
    finally:
        tracemalloc.stop()


def changed(**settings):
    return lambda config: json.dumps({**config, **settings})


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda config: "[1, 2]", "holds no settings"),
        (lambda config: "{", "does not hold a SAE"),
        (lambda config: "[" * 100_000, "does not hold a SAE"),
        (changed(architecture="temporal"), "architecture 'temporal' is none of"),
        (changed(architecture=["topk"]), "does not hold a SAE"),
        (changed(architecture="gated"), "'b_gate' is missing"),
        (changed(architecture="topk"), "'k' is missing"),
        (changed(architecture="topk", k="many"), "k must be a whole number"),
        (changed(architecture="topk", k=8), "k must be a whole number from 1 to 7"),
        (changed(activation_fn="tanh-relu"), "activation 'tanh-relu'"),
        (changed(d_sae=8), "do not agree on the sizes"),
        (changed(normalize_activations="covariance_whitening"), "normalized by 'covariance_whitening'"),
        (changed(l1_coefficient=-1), "mu must be a finite number >= 0"),
    ],
)
def test_bad_settings_are_one_clear_error(change, sentence, tmp_path):
    shutil.copytree(DATA / "saelens" / "standard", tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "cfg.json").read_text())
    (tmp_path / "cfg.json").write_text(change(config))
    with pytest.raises(ValueError, match=sentence):
        saelib.load_saelens(tmp_path)


@pytest.mark.parametrize(
    "name, array",
    [
        ("b_enc", np.zeros(6, np.float32)),
        ("W_dec", np.zeros((7, 4), np.float32)),
        ("W_enc", np.zeros(7, np.float32)),
        ("b_dec", np.full(5, np.nan, np.float32)),
        ("b_dec", np.zeros(5, np.int64)),
    ],
)
def test_bad_arrays_are_one_clear_error(name, array, tmp_path):
    shutil.copytree(DATA / "saelens" / "standard", tmp_path, dirs_exist_ok=True)
    weights = safetensors.load_file(tmp_path / "sae_weights.safetensors")
    safetensors.save_file({**weights, name: array}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(ValueError, match="does not hold a SAE as SAELens writes it"):
        saelib.load_saelens(tmp_path)


BIT = st.tuples(
    st.floats(0, 1), st.sampled_from([b"", b"\0", b"9" * 9, b"-", b"null", b"[", b"1e999", b"NaN", b"\xff"])
)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(READABLE),
    name=st.sampled_from(["cfg.json", "sae_weights.safetensors"]),
    bits=st.lists(BIT, min_size=1, max_size=4),
    cut=st.integers(0, 8),
)
def test_a_damaged_folder_is_refused_in_a_sentence_or_still_sound(tmp_path_factory, kind, name, bits, cut):
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copytree(DATA / "saelens" / kind, folder, dirs_exist_ok=True)
    data = (folder / name).read_bytes()
    for where, piece in bits:
        place = int(where * min(len(data), 600))
        data = data[:place] + piece + data[place + cut :]
    (folder / name).write_bytes(data)
    try:
        net, params = saelib.load_saelens(folder)
    except ValueError as error:
        assert str(error).startswith(f"{folder} does not hold a SAE") and len(str(error)) < 600
    else:
        net.check(params, *2 * [np.zeros((1, params.b2.size), params.b2.dtype)])


def test_what_cannot_be_had_is_said(tmp_path):
    with pytest.raises(ValueError, match="normalized by 'layer_norm' are not supported"):
        saelib.load_saelens(DATA / "saelens" / "layer-norm")
    with pytest.raises(FileNotFoundError):
        saelib.load_saelens(tmp_path)
    with pytest.raises(ValueError, match="SAELens has no architecture for Tied"):
        saelib.save_saelens(nets.Tied(), nets.Tied().init(4, 3, np.random.default_rng(0)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_half_precision_is_computed_in_float32(tmp_path):
    shutil.copytree(DATA / "saelens" / "jumprelu", tmp_path, dirs_exist_ok=True)
    weights = safetensors.load_file(tmp_path / "sae_weights.safetensors")
    weights["log_threshold"] = np.log(weights.pop("threshold"))  # as older versions write it
    safetensors.save_file({k: P.astype(np.float16) for k, P in weights.items()}, tmp_path / "sae_weights.safetensors")
    _, params = saelib.load_saelens(tmp_path)
    assert {P.dtype for P in leaves(params)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(params.threshold, np.exp(weights["log_threshold"]), rtol=2e-3)


# --- what SAELens does beside the network -------------------------------------------------------------------------
def with_settings(folder, **settings):
    """Change settings of a folder; None takes one away."""
    config = json.loads((folder / "cfg.json").read_text()) | settings
    (folder / "cfg.json").write_text(json.dumps({name: v for name, v in config.items() if v is not None}))
    return saelib.load_saelens(folder)


def test_gates_of_an_input_that_is_not_centered_compute_the_same(tmp_path):
    rng = np.random.default_rng(0)
    X, (W1, b1, W2, _) = rng.normal(size=(6, 5)), saelib.init_params(5, 7, rng)
    r_mag, b_mag, b2 = rng.normal(size=7), rng.normal(size=7), rng.normal(size=5)
    params = nets.gated.GatedParams(W1, b1 + rng.normal(size=7), r_mag, b_mag, W2, b2)
    saelib.save_saelens(nets.Gated(0.1), params, tmp_path)
    net, moved = with_settings(tmp_path, apply_b_dec_to_input=False)
    codes = net.encode(moved, X)
    np.testing.assert_allclose(codes.Z, X @ W1.T + params.b_gate, atol=1e-12)
    np.testing.assert_allclose(codes.M, X @ W1.T * np.exp(r_mag) + b_mag, atol=1e-12)


def test_batchtopk_is_rescaled_where_nothing_is_said_of_it(tmp_path):
    shutil.copytree(DATA / "saelens" / "batchtopk-checkpoint", tmp_path, dirs_exist_ok=True)
    _, said = with_settings(tmp_path, rescale_acts_by_decoder_norm=True)
    _, unsaid = with_settings(tmp_path, rescale_acts_by_decoder_norm=None)
    _, plain = with_settings(tmp_path, rescale_acts_by_decoder_norm=False)
    np.testing.assert_array_equal(unsaid.W1, said.W1)
    np.testing.assert_allclose(np.linalg.norm(unsaid.W2, axis=0), 1, rtol=1e-6)
    assert np.abs(plain.W1 - said.W1).max() > 0.01


def test_a_batchtopk_may_keep_less_than_one_latent_of_a_row(tmp_path):
    shutil.copytree(DATA / "saelens" / "batchtopk-checkpoint", tmp_path, dirs_exist_ok=True)
    assert with_settings(tmp_path, k=0.5)[0] == nets.BatchTopK(0.5)


@pytest.mark.parametrize("scaling, fits", [("none", True), ("expected_average_only_in", True), (True, True), ("x", 0)])
def test_the_scaling_of_inputs_is_left_to_the_caller_or_refused(tmp_path, scaling, fits):
    shutil.copytree(DATA / "saelens" / "standard", tmp_path, dirs_exist_ok=True)
    if fits:
        assert type(with_settings(tmp_path, normalize_activations=scaling)[0]) is nets.ReluL1
    else:
        with pytest.raises(ValueError, match="inputs normalized by 'x' are not supported$"):
            with_settings(tmp_path, normalize_activations=scaling)


def test_the_settings_that_are_written(tmp_path):
    net = nets.TopK(2)
    saelib.save_saelens(net, net.init(5, 7, np.random.default_rng(0), dtype=np.float32), tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    assert config.pop("metadata").keys() == {"sae_lens_version"}
    assert config == {
        "architecture": "topk",
        "d_in": 5,
        "d_sae": 7,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "k": 2,
        "rescale_acts_by_decoder_norm": False,
    }
