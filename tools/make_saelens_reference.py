"""Write tests/data/saelens.json, what SAELens' own SAEs compute, and tests/data/saelens/, files as it writes them.

tests/test_nets.py compares with the one, tests/test_saelens_files.py reads the others.

Needs PyTorch and SAELens, which the project does not install; the stored numbers stand for them.

    python -m venv /tmp/saelens && /tmp/saelens/bin/pip install torch==2.13.0 sae-lens==6.54.12
    /tmp/saelens/bin/python tools/make_saelens_reference.py

Parameters and inputs are drawn by NumPy; outputs, losses and gradients (autograd) are SAELens', in float64, thresholds
too, which it keeps in float32 otherwise.  Run it twice and the file is the same.

What SAELens 6.54.12 defines (``sae_lens/saes/``), in its names; rows are samples:

* All: ``sae_in = x - b_dec`` when ``apply_b_dec_to_input``, which is the default; ``hidden_pre = sae_in @ W_enc +
  b_enc``; ``sae_out = feature_acts @ W_dec + b_dec``.  ``mse_loss`` is the mean over samples of the squared error
  summed over coordinates, without 1/2.  ``loss`` is ``mse_loss`` plus all of ``calculate_aux_loss``.
  ``normalize_activations`` is "none" by default: inputs are not scaled.  Columns of the decoder (rows of ``W_dec``)
  are not held at length one by any of them.
* standard: ``l1_loss = l1 * mean_i sum_j a_ij |W_dec_j|``, for ``lp_norm = 1``; the gradient goes to ``W_dec`` too.
* gated: ``pi_gate = sae_in @ W_enc + b_gate``, magnitudes ``ReLU(sae_in @ (W_enc exp(r_mag)) + b_mag)``; ``l1_loss =
  l1 * mean_i sum_j ReLU(pi_gate)_ij |W_dec_j|``; ``auxiliary_reconstruction_loss`` decodes ReLU(pi_gate) with the
  decoder itself, which is not detached (the paper freezes it).
* jumprelu: the threshold is a parameter itself, in float32 and clamped at 0 or above before each pass (older
  checkpoints hold its logarithm).  "step": ``l0 * mean_i #{j: z_ij > threshold_j}``.  "quadratic": ``l0 * mean_i
  2/target (L0_i - target)^2``, of each sample's own L0.  "tanh": ``l0 * mean_i sum_j tanh(c a_ij |W_dec_j|)``.
  Straight-through by the open rectangle of width ``bandwidth``; with ``jumprelu_ste_to_input`` (False by default) it
  goes to the pre-activations too.
* topk: the k largest of a sample, then ReLU.  ``rescale_acts_by_decoder_norm`` (True by default in training)
  multiplies pre-activations by |W_dec_j| before the choice, and divides activations by it before decoding; with rows
  of length one it changes nothing, as the case "topk unit rows" shows; it is off in the others.
  ``use_sparse_activations`` stores activations as a sparse tensor, for speed; the numbers are the same.  AuxK: k_aux =
  d_in // 2 largest unrectified pre-activations of the dead latents, decoded without ``b_dec``, against the detached
  residual; squared error times ``aux_loss_coefficient`` times min(dead / k_aux, 1), no normalization by the
  residual's variance.
* batchtopk: ReLU, then the int(k m) largest of the whole batch; ``topk_threshold`` (float64, 0 at first) becomes 0.99
  of itself plus 0.01 of the smallest positive activation of the batch; saved as a JumpReLU SAE with that threshold.
* matryoshka_batchtopk: ``mse_loss`` of all latents plus ``inner_mse_loss_w`` of each prefix: their sum, not their
  mean.
"""

import json
import sys
from pathlib import Path

import numpy as np
import sae_lens
import torch
from sae_lens.saes.sae import TrainStepInput

HERE = Path(__file__).resolve().parent.parent / "tests" / "data"
D_IN, D_SAE, M = 5, 7, 6
SIZES = {"d_in": D_IN, "d_sae": D_SAE, "dtype": "float64", "device": "cpu"}
DEAD = [1, 4]  # fewer than k_aux = 2 would be scaled
CASES = {
    "standard": ("Standard", {"l1_coefficient": 0.6}, None),
    "gated": ("Gated", {"l1_coefficient": 0.6}, None),
    "jumprelu": ("JumpReLU", {"l0_coefficient": 0.2, "jumprelu_bandwidth": 0.75}, None),
    "jumprelu wide": ("JumpReLU", {"l0_coefficient": 0.5, "jumprelu_bandwidth": 1.5}, None),
    "topk": ("TopK", {"k": 2, "rescale_acts_by_decoder_norm": False}, None),
    "topk aux": ("TopK", {"k": 2, "rescale_acts_by_decoder_norm": False, "aux_loss_coefficient": 0.5}, DEAD),
    "topk aux one dead": ("TopK", {"k": 2, "rescale_acts_by_decoder_norm": False}, DEAD[:1]),
    "topk aux many dead": ("TopK", {"k": 1, "rescale_acts_by_decoder_norm": False}, [0, 2, 3, 5]),
    "topk unit rows": ("TopK", {"k": 2, "rescale_acts_by_decoder_norm": True}, DEAD),
    "batchtopk": ("BatchTopK", {"k": 1.5, "rescale_acts_by_decoder_norm": False}, None),
    "batchtopk aux": ("BatchTopK", {"k": 2, "rescale_acts_by_decoder_norm": False}, DEAD),
    "matryoshka": (
        "MatryoshkaBatchTopK",
        {"k": 2, "matryoshka_widths": [2, 4, D_SAE], "rescale_acts_by_decoder_norm": False},
        None,
    ),
}


def parameters(kind, rng):
    """Return values for the parameters of an SAE of a kind."""
    values = {
        "W_enc": rng.normal(size=(D_IN, D_SAE)),
        "W_dec": rng.normal(size=(D_SAE, D_IN)) / 2,
        "b_dec": rng.normal(size=D_IN) / 5,
    }
    if kind == "Gated":
        values |= {name: rng.normal(size=D_SAE) / 5 for name in ("b_gate", "r_mag", "b_mag")}
    else:
        values["b_enc"] = rng.normal(size=D_SAE) / 5
    if kind == "JumpReLU":
        values["threshold"] = rng.uniform(0.02, 0.6, D_SAE)
    return values


def build(kind, settings, values):
    """Return SAELens' training SAE of a kind with given parameters."""
    config = getattr(sae_lens, f"{kind}TrainingSAEConfig")(**{**SIZES, **settings})
    sae = getattr(sae_lens, f"{kind}TrainingSAE")(config)
    with torch.no_grad():
        for name, value in values.items():
            parameter = getattr(sae, name)
            parameter.data = torch.tensor(value)  # in float64, thresholds too, which SAELens keeps in float32
    unset = {name for name, _ in sae.named_parameters()} - set(values)
    assert not unset, unset
    return sae


def case(name, kind, settings, dead):
    """Return one entry of the file."""
    rng = np.random.default_rng(list(name.encode()))
    values, X = parameters(kind, rng), rng.normal(size=(M, D_IN))
    if settings.get("rescale_acts_by_decoder_norm"):
        values["W_dec"] /= np.linalg.norm(values["W_dec"], axis=1, keepdims=True)
    sae = build(kind, settings, values)
    mask = None if dead is None else torch.tensor([j in dead for j in range(D_SAE)])
    coefficients = {key: c if isinstance(c, float) else c.value for key, c in sae.get_coefficients().items()}
    step = TrainStepInput(torch.tensor(X), coefficients, mask, n_training_steps=0, is_logging_step=False)
    out = sae.training_forward_pass(step)
    out.loss.backward()
    entry = {
        "architecture": sae.cfg.architecture(),
        "config": settings,
        "dead": dead or [],
        "params": {key: value.tolist() for key, value in values.items()},
        "X": X.tolist(),
        "hidden_pre": out.hidden_pre.tolist(),
        "feature_acts": out.feature_acts.tolist(),
        "sae_out": out.sae_out.tolist(),
        "loss": out.loss.item(),
        "losses": {key: value.item() for key, value in out.losses.items()},
        "gradient": {key: p.grad.tolist() for key, p in sae.named_parameters()},
    }
    if hasattr(sae, "topk_threshold"):
        entry["topk_threshold"] = sae.topk_threshold.item()
    return entry, sae


# Files in float32: (kind, settings, whether the checkpoint of a training or what is saved for use)
FILES = {
    "standard": ("Standard", {"l1_coefficient": 0.6}, False),
    "standard-uncentered": ("Standard", {"apply_b_dec_to_input": False}, True),
    "gated": ("Gated", {"l1_coefficient": 0.6}, True),
    "gated-uncentered": ("Gated", {"apply_b_dec_to_input": False}, False),
    "jumprelu": ("JumpReLU", {"l0_coefficient": 0.2, "jumprelu_bandwidth": 0.75}, True),
    "topk": ("TopK", {"k": 2}, False),
    "topk-checkpoint": ("TopK", {"k": 2}, True),
    "batchtopk": ("BatchTopK", {"k": 2}, False),
    "batchtopk-checkpoint": ("BatchTopK", {"k": 2}, True),
    "layer-norm": ("Standard", {"normalize_activations": "layer_norm"}, False),
}


def written(name, kind, settings, checkpoint):
    """Write one folder, have SAELens read it again, and return inputs, activations and reconstructions."""
    rng = np.random.default_rng(list(name.encode()))
    values, X = parameters(kind, rng), torch.tensor(rng.normal(size=(M, D_IN)), dtype=torch.float32)
    sae = build(kind, {**settings, "dtype": "float32"}, {key: v.astype(np.float32) for key, v in values.items()})
    if kind == "BatchTopK":
        sae.topk_threshold.fill_(0.3125)
    folder = HERE / "saelens" / name
    _, config = (sae.save_model if checkpoint else sae.save_inference_model)(folder)
    config.write_text(json.dumps(json.loads(config.read_text()), sort_keys=True) + "\n")  # it comes in any order
    again = (sae_lens.TrainingSAE if checkpoint else sae_lens.SAE).load_from_disk(folder)
    with torch.no_grad():
        A = again.encode(X)
        entry = {"X": X.tolist(), "feature_acts": A.tolist()}
        if settings.get("normalize_activations") != "layer_norm":
            entry["sae_out"] = again.decode(A).tolist()
    return entry


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    HERE.mkdir(exist_ok=True)
    cases, saes = {}, {}
    for name, (kind, settings, dead) in CASES.items():
        cases[name], saes[name] = case(name, kind, settings, dead)
    file = {"sae_lens": sae_lens.__version__, "torch": torch.__version__.split("+")[0], "cases": cases}
    file["files"] = {name: written(name, *settings) for name, settings in FILES.items()}
    text = json.dumps(file, indent=None, separators=(",", ":"))
    (HERE / "saelens.json").write_text(text.replace('},"', '},\n"') + "\n")
    print(f"tests/data/saelens.json: {len(cases)} cases, {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
