"""What holds for every public function that takes arrays, whatever the arrays: a table, and a few tests over all of it.

A function has an entry in `CASES` (what it takes, in letters for the sizes) or in `ELSEWHERE` (where else it is
tested).  First comes what all functions have in common: the form of an argument does not matter, none is changed, bad
ones are named, and size does no harm.  Then what is particular to each.
"""

import itertools
import math
import tempfile
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal

import saelib
from saelib import Params, datasets, meg, metrics, nets, pca, sparse_coding, synthetic
from saelib.book import plots, steps

pytestmark = pytest.mark.filterwarnings("error")

# The table -----------------------------------------------------------------------------------------------------------
# A small letter is a size from 1 (or what `sizes` says) up: m samples, n inputs, h hidden units, k codes or filters; a
# capital letter is exactly what `sizes` says; "*" is any shape at all. After the shape comes what the numbers are: any
# where nothing is said, "unit" in [0, 1], "atoms" rows of norm 1.

SETTINGS = {"lam": 0.01, "rho": 0.2, "beta": 2.0}
NET = {"W1": "hn", "b1": "h", "W2": "nh", "b2": "n"}
FEW = {"rho": 0.2, "beta": 2.0}
FEW_STEPS = {"alpha": 0.1, "max_iter": 2, "tol": 0}


class Case(NamedTuple):
    call: object
    arrays: dict
    passes: str  # what of "nan" and "empty" is no error
    sizes: dict


def case(call, passes="", sizes=(), **arrays):
    return Case(call, arrays, passes, dict(sizes))


def of_net(call, passes="", **arrays):
    """A case whose first argument is the parameters of a network."""
    return case(lambda W1, b1, W2, b2, **rest: call(Params(W1, b1, W2, b2), **rest), passes, **NET, **arrays)


def forward_of(Z2, Z3):
    """A `Forward` with these pre-activations."""
    return saelib.Forward(Z2, saelib.sigmoid(Z2), Z3, saelib.sigmoid(Z3))


def saved_and_loaded(params):
    with tempfile.TemporaryDirectory() as folder:
        saelib.save_params(Path(folder) / "net.npz", params)
        return saelib.load_params(Path(folder) / "net.npz")


def drawn(draw, *arguments, **options):
    """The numbers that a function of `saelib.book.plots` has drawn."""
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    draw(*arguments, ax=ax, **options)
    return np.asarray(ax.images[0].get_array(), dtype=float) if ax.images else ax.lines[0].get_xydata()


def found(params, history):
    """What a training gives that is made of numbers."""
    return params, history.cost


def plane(n):
    """Two principal components of some data with n columns."""
    return pca.fit_pca(rng().standard_normal((20, n)), 2)


def rng():
    return np.random.default_rng(0)


def quadratic(theta):
    return float(theta @ theta), 2 * theta


COST = {"X": "mn unit"}
LINEAR = {"X": "mn"}
linear = {**SETTINGS, "output": "linear"}
KL = nets.Sigmoid(**SETTINGS)
CODING = {"X": "mn", "D": "kn"}
THRICE = {"n": 3, "k": 3}

CASES = {
    "network.sigmoid": [case(saelib.sigmoid, "nan empty", Z="*")],
    "network.sigmoid_prime": [case(saelib.sigmoid_prime, "nan empty", A="* unit")],
    "network.sigmoid_slope": [case(saelib.sigmoid_slope, "nan empty", Z="*")],
    "network.forward": [
        of_net(saelib.forward, X="mn"),
        of_net(lambda params, X: saelib.forward(params, X, output="linear"), X="mn"),
    ],
    "network.pack": [of_net(lambda params: saelib.pack(params).astype(float), passes="nan empty")],
    "network.unpack": [
        case(
            lambda theta: saelib.unpack(theta, saelib.init_params(2, 3, rng())),
            "nan",
            theta="T",
            sizes={"T": 17},
        )
    ],
    "cost.reconstruction_error": [case(saelib.reconstruction_error, A3="mn", X="mn")],
    "cost.weight_decay": [of_net(lambda params: saelib.weight_decay(params, 0.1))],
    "cost.mean_activation": [case(saelib.mean_activation, A2="mh unit")],
    "cost.kl_divergence": [case(lambda rho_hat: saelib.kl_divergence(0.2, rho_hat), "empty", rho_hat="* unit")],
    "cost.sparsity_penalty": [case(lambda rho_hat: saelib.sparsity_penalty(0.2, rho_hat), "empty", rho_hat="* unit")],
    "cost.cost_terms": [of_net(lambda params, X: saelib.cost_terms(params, X, **SETTINGS), **COST)],
    "cost.sparse_cost": [
        of_net(lambda params, X: saelib.sparse_cost(params, X, **SETTINGS), **COST),
        of_net(lambda params, X: saelib.sparse_cost(params, X, **linear), **LINEAR),
    ],
    "backprop.kl_prime": [case(lambda rho_hat: saelib.kl_prime(0.2, rho_hat), "empty", rho_hat="* unit")],
    "backprop.output_delta": [
        case(lambda X: saelib.output_delta(forward_of(np.ones((1, 1)), np.full(np.shape(X), 0.3)), X), X="mn"),
        case(
            lambda X: saelib.output_delta(forward_of(np.ones((1, 1)), np.full(np.shape(X), 0.3)), X, output="linear"),
            X="mn",
        ),
    ],
    "backprop.hidden_delta": [
        of_net(
            lambda params, delta3: saelib.hidden_delta(
                params, forward_of(np.ones((len(delta3), len(params.W1))), np.ones(np.shape(delta3))), delta3, **FEW
            ),
            delta3="mn",
        )
    ],
    "backprop.sparse_gradient": [of_net(lambda params, X: saelib.sparse_gradient(params, X, **SETTINGS), **COST)],
    "backprop.cost_and_gradient": [
        of_net(lambda params, X: saelib.cost_and_gradient(params, X, **SETTINGS), **COST),
        of_net(lambda params, X: saelib.cost_and_gradient(params, X, **linear), **LINEAR),
    ],
    "gradcheck.numerical_gradient": [
        case(lambda theta: saelib.numerical_gradient(lambda t: quadratic(t)[0], theta, 0.5), theta="t")
    ],
    "gradcheck.relative_error": [case(saelib.relative_error, "nan", a="mn", b="mn")],
    "gradcheck.check_gradient": [
        case(lambda theta: saelib.check_gradient(quadratic, theta, epsilon=0.5)[1:], theta="t")
    ],
    "objective.Objective": [
        case(lambda X: saelib.Objective(KL, X)(np.linspace(-1, 1, 5 * np.shape(X)[1] + 2)), **COST),
        case(lambda X: saelib.Objective(nets.ReluL1(0.1), X)(np.linspace(-1, 1, 5 * np.shape(X)[1] + 2)), **LINEAR),
        case(
            lambda X: saelib.Objective(KL, [[0.5] * np.shape(X)[1]] * len(X), target=X)(
                np.linspace(-1, 1, 5 * np.shape(X)[1] + 2)
            ),
            **COST,
        ),
        case(lambda theta: saelib.Objective(KL, [[0.5]])(theta), theta="T", sizes={"T": 7}),
    ],
    "train.gradient_descent": [
        of_net(lambda params, X: found(*saelib.gradient_descent(params, X, **SETTINGS, **FEW_STEPS)), **COST)
    ],
    "train.adam": [of_net(lambda params, X: found(*saelib.adam(KL, params, [X, X], report=1)), **COST)],
    "train.lbfgs": [of_net(lambda params, X: found(*saelib.lbfgs(KL, params, X, max_iter=2, tol=0)), **COST)],
    "train.Minibatches": [case(lambda X: list(saelib.Minibatches(X, 2, epochs=2)), "nan", X="mn")],
    "storage.save_params": [of_net(saved_and_loaded)],
    "estimator.SparseAutoencoder": [
        case(
            lambda X: saelib.SparseAutoencoder(2, output="linear", max_iter=2, random_state=0).fit_transform(X),
            "sklearn",
            **LINEAR,
        )
    ],
    "estimator.Autoencoder": [
        case(
            lambda X: saelib.Autoencoder(nets.Sigmoid(output="linear"), 2, max_iter=2, random_state=0).fit_transform(X),
            "sklearn",
            **LINEAR,
        )
    ],
    "pca.fit_pca": [case(lambda X: pca.fit_pca(X, 1), sizes={"m": 2}, X="mn")],
    "pca.pca_project": [case(lambda X: pca.pca_project(plane(np.shape(X)[1]), X), X="mn", sizes=THRICE)],
    "pca.pca_reconstruct": [case(lambda codes: pca.pca_reconstruct(plane(5), codes), codes="mC", sizes={"C": 2})],
    "pca.pca_whiten": [case(lambda X: pca.pca_whiten(plane(np.shape(X)[1]), X, 0.1), X="mn", sizes=THRICE)],
    "pca.zca_whiten": [case(lambda X: pca.zca_whiten(X, 0.1), X="mn")],
    "pca.whiten_image": [case(pca.whiten_image, image="mn", sizes={"m": 2, "n": 2})],
    "sparse_coding.soft_threshold": [case(lambda u: sparse_coding.soft_threshold(u, 0.5), "nan empty", u="*")],
    "sparse_coding.lasso_cost": [case(lambda A, X, D: sparse_coding.lasso_cost(A, X, D, 0.2), A="mk", **CODING)],
    "sparse_coding.lipschitz": [case(sparse_coding.lipschitz, D="kn")],
    "sparse_coding.ista_step": [case(lambda A, X, D: sparse_coding.ista_step(A, X, D, 0.2), A="mk", **CODING)],
    "sparse_coding.ista": [case(lambda X, D: sparse_coding.ista(X, D, 0.2, 3), **CODING)],
    "sparse_coding.fista": [case(lambda X, D: sparse_coding.fista(X, D, 0.2, 3), **CODING)],
    "sparse_coding.lasso_codes": [case(lambda X, D: sparse_coding.lasso_codes(X, D, 0.2, max_iter=30), **CODING)],
    "sparse_coding.matching_pursuit": [
        case(lambda X, D: sparse_coding.matching_pursuit(X, D, 2), X="mn", D="kn atoms", sizes={"n": 2})
    ],
    "sparse_coding.orthogonal_matching_pursuit": [
        case(lambda X, D: sparse_coding.orthogonal_matching_pursuit(X, D, 2), X="mn", D="kn atoms", sizes=THRICE)
    ],
    "sparse_coding.update_dictionary": [case(sparse_coding.update_dictionary, D="kn atoms", AA="kk", AX="kn")],
    "sparse_coding.learn_dictionary": [
        case(lambda X: sparse_coding.learn_dictionary(X, 2, 0.1, n_iter=2, n_code_iter=3, rng=rng()), X="mn")
    ],
    "metrics.squared_error": [case(metrics.squared_error, X="mn", X_hat="mn")],
    "metrics.fvu": [case(metrics.fvu, X="mn", X_hat="mn", sizes={"m": 2})],
    "metrics.population_sparsity": [case(metrics.population_sparsity, A="mk", sizes={"k": 2})],
    "metrics.lifetime_sparsity": [case(metrics.lifetime_sparsity, A="mk", sizes={"m": 2})],
    "metrics.active_share": [case(lambda A: metrics.active_share(A, 0.5), A="mk")],
    "metrics.dead_units": [case(lambda A: metrics.dead_units(A, 0.5), A="mk")],
    "metrics.kurtosis": [case(metrics.kurtosis, A="mk", sizes={"m": 2})],
    "metrics.orientation_coherence": [
        case(lambda filters: metrics.orientation_coherence(filters, (2, 3)), filters="kP", sizes={"P": 6})
    ],
    "metrics.match_atoms": [case(metrics.match_atoms, D_true="kn", D="gn", sizes={"n": 2})],
    "metrics.dictionary_recovery": [case(metrics.dictionary_recovery, D_true="kn", D="gn", sizes={"n": 2})],
    "synthetic.recovery": [case(synthetic.recovery, D_true="kn", D="gn", sizes={"n": 2})],
    "datasets.sample_patches": [case(lambda images: datasets.sample_patches([images], 1, 4, rng()), images="mn")],
    "datasets.normalize_patches": [case(datasets.normalize_patches, X="mn", sizes={"n": 2})],
    "meg.ridge": [case(lambda X, Y: meg.ridge(X, Y, 0.5), X="mn", Y="mk")],
    "meg.hat_matrix": [case(lambda X: meg.hat_matrix(X, 0.5), X="mn")],
    "meg.leave_two_out": [
        case(lambda X, Y: meg.leave_two_out(meg.hat_matrix(X, 0.5), Y), X="mn", Y="mk", sizes={"m": 3})
    ],
    "meg.standardized": [case(meg.standardized, X="mn", sizes={"m": 2})],
    "meg.two_versus_two": [case(lambda X, Y: meg.two_versus_two(X, Y, 0.5), X="mn", Y="mk", sizes={"m": 3})],
    "plots.mosaic": [
        case(lambda X, scale=scale: drawn(plots.mosaic, X, (1, np.shape(X)[1]), scale=scale), X="mn")
        for scale in ("shared", "each", "unit")
    ],
    "plots.filters": [case(lambda W1: drawn(plots.filters, W1, (1, np.shape(W1)[1])), W1="hn")],
    "plots.photograph": [case(lambda image: drawn(plots.photograph, image), image="mn unit")],
    "plots.activations": [case(lambda A2: drawn(plots.activations, A2), A2="mh unit")],
    "plots.cost_curve": [case(lambda cost: drawn(plots.cost_curve, cost), "nan empty", cost="t unit")],
    "steps.steps": [of_net(steps.steps, x="n unit")],
}
ELSEWHERE = {
    "tests/test_embeddings.py": (
        "embeddings: load_glove load_examples load_plays load_minilm tokenize numbers_of embed layers attention "
        "layer_norm sentence_vectors token_states auc loss_recovered"
    ),
    "tests/test_stacks.py": "stacks: he_start unroll softmax reference_runs",
    "tests/test_network.py": "network: init_params",
    "tests/test_bad_input.py": "network: check_params check_forward; cost: check_problem check_columns check_means",
    "tests/test_cost.py": "cost: terms_from_forward means_of kl_of; backprop: kl_prime_of",
    "tests/test_storage.py": "storage: load_params",
    "tests/test_saelens_files.py": "storage: load_saelens save_saelens",
    "tests/test_objective.py": "objective: Plain form_of blocks_by Step",
    "tests/test_compiled.py": "compiled: use",
    "tests/test_scaling.py": "scaling: Spread; objective: elsewhere lies_elsewhere",
    "tests/test_nets.py": (
        "architecture: Architecture nothing free no_decay as_it_is leaves named_leaves as_params flatten unflatten "
        "write check_architecture; nets: examples"
    ),
    "tests/test_train.py": "train: linear_decay; progress: track",
    "tests/test_progress.py": "progress: progress_bar",
    "tests/test_datasets.py": "datasets: load_digits load_natural_images load_images_mat load_mnist read_idx",
    "tests/test_synthetic.py": "synthetic: known_dictionary parent_child",
    "tests/test_meg.py": "meg: load_nouns simulate averages matched",
    "tests/test_plots.py": "plots: use_style network_diagram",
    "tests/test_explore.py": (
        "explore: slider choice figure prefix_of; steps: step_through number factor weighted_sum tex"
    ),
    "tests/test_live.py": "live: slider fine choice point figure word as_html control",
    "tests/test_tutor.py": "tutor: kinds mistakes "
    + " ".join(f"check_{kind}" for kind in ("backward", *saelib.book.tutor.kinds())),
}
ALL = [pytest.param(one, id=f"{name}-{i}") for name, cases in CASES.items() for i, one in enumerate(cases)]
each_case = pytest.mark.parametrize("one", ALL)


def test_every_public_function_has_an_entry():
    """Records (NamedTuples) take what they are given; that a module can hand out other modules' names is no matter."""
    public = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in [
            *(getattr(saelib, name) for name in saelib._MODULES),
            *(getattr(saelib.book, name) for name in saelib.book.__all__),
        ]
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        if isinstance(value, types.FunctionType) or (isinstance(value, type) and not issubclass(value, tuple))
    }
    elsewhere = {
        f"{module}.{name}"
        for told in ELSEWHERE.values()
        for module, names in (part.split(": ") for part in told.split("; "))
        for name in names.split()
    }
    assert public == {*CASES, *elsewhere} and not {*CASES} & elsewhere
    assert all((Path(__file__).parent.parent / place).is_file() for place in ELSEWHERE)


@st.composite
def problem(draw, one, whole=False):
    """Arrays for a case, by name: generic numbers, or whole ones, which every type can hold."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    letters = sorted({letter for told in one.arrays.values() for letter in told.split()[0]} - {"*"})
    least = {letter: one.sizes.get(letter, 1) for letter in letters}
    sizes = {k: least[k] if k.isupper() else draw(st.integers(least[k], max(5, least[k]))) for k in letters}
    found = {}
    for name, told in one.arrays.items():
        letters, _, kind = told.partition(" ")
        shape = (
            draw(array_shapes(min_dims=0, max_dims=3, max_side=4)) if letters == "*" else [sizes[k] for k in letters]
        )
        found[name] = numbers(kind, tuple(shape), rng, whole)
    return found


def numbers(kind, shape, rng, whole):
    if kind == "unit":
        return rng.integers(0, 2, shape).astype(float) if whole else rng.uniform(0.05, 0.95, shape)
    X = rng.integers(-2, 3, shape).astype(float) if whole else rng.standard_normal(shape)
    if kind == "atoms":
        X = np.sign(X[:, :1] + 0.5) * np.roll(np.eye(*shape), 1, axis=1) if whole else X
        X[~X.any(axis=1), 0] = 1
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X


def outcome(one, arguments):
    """What a call gives, as a list of arrays and strings: the error's words, if it is a ValueError."""
    try:
        return leaves(one.call(**arguments))
    except ValueError as error:
        return [str(error)]


def leaves(value):
    if isinstance(value, dict):
        return leaves(list(value.items()))
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    return ["nothing" if value is None else value]


def assert_same(got, wanted, tolerance):
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        if isinstance(other, str):
            assert one == other or tolerance > 1e-6  # a sentence may tell a last digit
        elif tolerance == 0:
            assert np.asarray(one).dtype == np.asarray(other).dtype
            assert_array_equal(one, other)
        else:
            assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# What holds for all ---------------------------------------------------------------------------------------------------


def in_a_file(a):
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, dtype=a.dtype, shape=a.shape or 1)
    mapped[...] = a
    return mapped.reshape(a.shape)


def with_gaps(a):
    wide = np.full([2 * side for side in a.shape], np.nan)
    wide[(slice(None, None, 2),) * a.ndim] = a
    return wide[(slice(None, None, 2),) * a.ndim]


def from_behind(a):
    behind = (slice(None, None, -1),) * a.ndim
    return a[behind].copy()[behind]


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def pandas_of(a):
    return {1: pd.Series, 2: pd.DataFrame}.get(a.ndim, np.array)(a.copy())


LAYOUTS = {
    "columns first": np.asfortranarray,
    "gaps": with_gaps,
    "from behind": from_behind,
    "read-only": read_only,
    "list": np.ndarray.tolist,
    "pandas": pandas_of,
    "memmap": in_a_file,
    "plain": np.copy,
}
TYPES = ["float16", ">f8", "longdouble", "int8", "uint16", "int64", "bool"]
few = settings(max_examples=8, deadline=None)


@each_case
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_layout_does_not_matter_and_nothing_is_changed(one, data):
    plain = data.draw(problem(one))
    layouts = {name: data.draw(st.sampled_from(list(LAYOUTS)), name) for name in plain}
    arguments = {name: LAYOUTS[layout](plain[name]) for name, layout in layouts.items()}
    assert_same(outcome(one, arguments), outcome(one, plain), 1e-9)
    for name, argument in arguments.items():
        assert_array_equal(np.asarray(argument), plain[name])


@each_case
@few
@given(data=st.data(), dtype=st.sampled_from(TYPES))
def test_numbers_of_any_type_count_as_float64(one, data, dtype):
    typed = {name: a.astype(dtype) for name, a in data.draw(problem(one, whole=True)).items()}
    assert_same(outcome(one, typed), outcome(one, {name: a.astype(float) for name, a in typed.items()}), 0)


@each_case
@few
@given(data=st.data())
def test_float32_gives_nearly_the_same(one, data):
    single = {name: a.astype(np.float32) for name, a in data.draw(problem(one)).items()}
    assert_same(outcome(one, single), outcome(one, {name: a.astype(float) for name, a in single.items()}), 2e-4)


@each_case
@few
@given(data=st.data())
def test_what_is_not_finite_is_named(one, data):
    arguments = data.draw(problem(one))
    name = data.draw(st.sampled_from(list(arguments)))
    bad = data.draw(st.sampled_from([np.nan] if "nan" in one.passes else [np.nan, np.inf, -np.inf]))
    arguments[name].flat[data.draw(st.integers(0, arguments[name].size - 1))] = bad
    if "nan" in one.passes:
        assert any(np.isnan(leaf).any() for leaf in leaves(one.call(**arguments)))
    else:
        with pytest.raises(ValueError, match=rf"\b{name}\b") as error:
            one.call(**arguments)
        assert "sklearn" in one.passes or "\n" not in str(error.value)


@each_case
@few
@given(data=st.data())
def test_what_is_empty_is_named(one, data):
    arguments = data.draw(problem(one))
    name = data.draw(st.sampled_from(list(arguments)))
    shape = list(arguments[name].shape) or [1]
    shape[data.draw(st.integers(0, len(shape) - 1))] = 0
    arguments[name] = np.zeros(shape)
    if "empty" in one.passes:
        one.call(**arguments)
    else:
        with pytest.raises(ValueError, match="shape") as error:
            one.call(**arguments)
        assert "\n" not in str(error.value)
        assert "sklearn" in one.passes or any(each in str(error.value) for each in arguments)


# Size does no harm ----------------------------------------------------------------------------------------------------

MAY_REFUSE = {
    "train.": "the cost grew beyond all bounds",
    "estimator.": "the cost grew beyond all bounds",
    "sparse_coding.": "D must have a largest singular value whose square is a number",
    "meg.": "H must be the hat matrix of a regression with lam > 0",  # beside 1e300 any lam is 0
    "pca.": "epsilon must be > 0 where the data do not vary",  # for 0.1 beside 1e300 is no more than rounding
}


# (The error of a huge guess as a share of a tiny variance is beyond float64; see `LAWS` for both of a size.)
@pytest.mark.parametrize("name", [name for name in CASES if name != "metrics.fvu"])
@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150])
@few
@given(data=st.data())
def test_the_huge_and_the_tiny_give_finite_numbers(name, scale, data):
    """One argument at a time: of two that are huge the product may be too large for a float64."""
    one = data.draw(st.sampled_from(CASES[name]))
    arguments = data.draw(problem(one))
    free = [name for name, told in one.arrays.items() if " " not in told or ("unit" in told and scale < 1)]
    arguments[data.draw(st.sampled_from(free or list(arguments)))] *= scale if free else 1
    try:
        result = leaves(one.call(**arguments))
    except ValueError as error:
        assert any(str(error).startswith(words) for part, words in MAY_REFUSE.items() if part in name), error
    else:
        known = np.isfinite if "plots." not in name else lambda a: ~np.isinf(a)  # NaN are the gaps between pictures
        assert all(isinstance(leaf, str) or known(leaf).all() for leaf in result)


GENERIC = np.random.default_rng(5)
X, Y, A = GENERIC.standard_normal((3, 20, 6))
D = GENERIC.standard_normal((8, 6))
D /= np.linalg.norm(D, axis=1, keepdims=True)
V = saelib.init_params(6, 4, GENERIC)

# What does not depend on the unit in which the data are measured, and how far that can be driven: 2 to the power of so
# much.  A variance is a square, so float64 holds it only half as far as the data.
LAWS = {
    "relative_error": (1000, lambda s: saelib.relative_error(s * X, s * Y)),
    "reconstruction_error": (500, lambda s: saelib.reconstruction_error(s * X, s * Y) / s / s),
    "weight_decay": (500, lambda s: saelib.weight_decay([s * P for P in V], 0.1) / s / s),
    "mean_activation": (1000, lambda s: saelib.mean_activation(s * X) / s),
    "fit_pca": (500, lambda s: scaled_pca(pca.fit_pca(s * X, 3), s)),
    "pca_whiten": (250, lambda s: pca.pca_whiten(pca.fit_pca(s * X, 6), s * X, 0)),
    "zca_whiten": (250, lambda s: pca.zca_whiten(s * X, 0)),
    "whiten_image": (1000, lambda s: pca.whiten_image(s * X)),
    "normalize_patches": (1000, lambda s: datasets.normalize_patches(s * X)),
    "squared_error": (500, lambda s: metrics.squared_error(s * X, s * Y) / s / s),
    "fvu": (1000, lambda s: metrics.fvu(s * X, s * Y)),
    "population_sparsity": (1000, lambda s: metrics.population_sparsity(s * A)),
    "lifetime_sparsity": (1000, lambda s: metrics.lifetime_sparsity(s * A)),
    "active_share": (1000, lambda s: metrics.active_share(s * A, s)),
    "dead_units": (1000, lambda s: metrics.dead_units(s * A, s)),
    "kurtosis": (1000, lambda s: metrics.kurtosis(s * A)),
    "orientation_coherence": (1000, lambda s: metrics.orientation_coherence(s * X, (2, 3))),
    "match_atoms": (1000, lambda s: metrics.match_atoms(s * D, A)),
    "soft_threshold": (1000, lambda s: sparse_coding.soft_threshold(s * X, s) / s),
    "lasso_cost": (500, lambda s: sparse_coding.lasso_cost(s * X @ D.T, s * Y, D, s * 0.1) / s / s),
    "lipschitz": (500, lambda s: sparse_coding.lipschitz(s * D) / s / s),
    "fista": (1000, lambda s: sparse_coding.fista(s * X, D, s * 0.1, 20) / s),
    "fista's dictionary": (250, lambda s: sparse_coding.fista(X, s * D, s * 0.1, 20) * s),
    "lasso_codes": (1000, lambda s: sparse_coding.lasso_codes(s * X, D, s * 0.1) / s),
    "matching_pursuit": (1000, lambda s: sparse_coding.matching_pursuit(s * X, D, 4) / s),
    "orthogonal_matching_pursuit": (1000, lambda s: sparse_coding.orthogonal_matching_pursuit(s * X, D, 4) / s),
    "mosaic": (1000, lambda s: drawn(plots.mosaic, s * X, (2, 3), scale="each")),
}


def scaled_pca(found, s):
    return found.mean / s, found.components, found.variances / s / s, found.total_variance / s / s


@pytest.mark.parametrize("name", LAWS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_unit_of_measurement_does_not_matter(name, data):
    most, law = LAWS[name]
    power = data.draw(st.one_of(st.sampled_from([-most, most]), st.integers(-most, most)))
    assert_same(leaves(law(2.0**power)), leaves(law(1.0)), 1e-9)


# What is particular to each -------------------------------------------------------------------------------------------

seeds = st.integers(0, 2**32 - 1)
reals = st.floats(-1e6, 1e6)
shares = st.integers(1, 2**20 - 1).map(lambda k: k / 2**20)  # 1 - rho is exact
many = settings(max_examples=100, deadline=None)
some = settings(max_examples=30, deadline=None)


def a_net(seed, n=5, hidden=4, m=6):
    rng = np.random.default_rng(seed)
    params = saelib.init_params(n, hidden, rng)
    return params._replace(b1=rng.normal(size=hidden), b2=rng.normal(size=n)), rng.uniform(size=(m, n)), rng


@many
@given(arrays(float, array_shapes(max_dims=2), elements=st.floats(-700, 700)))
def test_sigmoid_rises_from_0_to_1_and_turns_about_one_half(Z):
    a = saelib.sigmoid(Z)
    assert np.all((a > 0) & (a <= 1)) and np.all(saelib.sigmoid(Z + 1) >= a)
    assert_allclose(a + saelib.sigmoid(-Z), 1, rtol=1e-15)
    assert_array_equal(saelib.sigmoid_slope(Z), saelib.sigmoid_slope(-Z))
    assert_allclose(saelib.sigmoid_slope(Z), saelib.sigmoid_prime(np.minimum(a, saelib.sigmoid(-Z))), rtol=1e-12)


@some
@given(seeds, st.integers(1, 8), st.integers(1, 8), st.sampled_from([np.float32, np.float64]))
def test_pack_and_unpack_are_inverse_both_ways_bit_for_bit(seed, n, hidden, dtype):
    params = saelib.init_params(n, hidden, np.random.default_rng(seed), dtype=dtype)
    theta = saelib.pack(params)
    assert theta.dtype == dtype and theta.shape == (2 * n * hidden + n + hidden,)
    for P, Q in zip(saelib.unpack(theta, params), params, strict=True):
        assert_array_equal(P, Q, strict=True)
    other = np.random.default_rng(seed).standard_normal(theta.size).astype(dtype)
    assert_array_equal(saelib.pack(saelib.unpack(other, params)), other, strict=True)


@some
@given(seeds, st.integers(1, 9), st.integers(1, 9))
def test_initial_weights_lie_in_their_interval_and_biases_are_zero(seed, n, hidden):
    W1, b1, W2, b2 = saelib.init_params(n, hidden, np.random.default_rng(seed))
    assert max(np.abs(W1).max(), np.abs(W2).max()) <= math.sqrt(6 / (n + hidden + 1))
    assert not b1.any() and not b2.any()


@many
@given(shares, st.sampled_from([0, 1]) | shares, shares, st.floats(0, 1))
def test_divergence_is_nonnegative_zero_only_at_rho_convex_and_symmetric_under_exchange(rho, p, q, t):
    K = saelib.kl_divergence
    assert K(rho, p) >= -1e-15 and K(rho, rho) == pytest.approx(0, abs=1e-15)
    assert K(rho, p) >= 2 * (rho - p) ** 2 - 1e-14  # Pinsker: so it is zero at rho only
    assert K(rho, t * p + (1 - t) * q) <= t * K(rho, p) + (1 - t) * K(rho, q) + 1e-9 * (1 + K(rho, p) + K(rho, q))
    assert K(1 - rho, 1 - p) == pytest.approx(float(K(rho, p)), rel=1e-6, abs=1e-9)
    assert np.sign(saelib.kl_prime(rho, p)) * np.sign(p - rho) >= 0  # downhill is towards rho


@some
@given(seeds, st.sampled_from(["sigmoid", "linear"]))
def test_the_order_of_samples_and_of_hidden_units_does_not_matter(seed, output):
    (W1, b1, W2, b2), X, rng = a_net(seed)
    J, G = saelib.cost_and_gradient(Params(W1, b1, W2, b2), X, **SETTINGS, output=output)
    rows, units = rng.permutation(len(X)), rng.permutation(len(b1))
    turned = Params(W1[units], b1[units], W2[:, units], b2)
    for call in (saelib.cost_and_gradient, packed_objective):
        J_turned, g = call(turned, X[rows], **SETTINGS, output=output)
        assert J_turned == pytest.approx(J, rel=1e-12)
        for P, Q in zip(g, Params(G.W1[units], G.b1[units], G.W2[:, units], G.b2), strict=True):
            assert_allclose(P, Q, rtol=1e-9, atol=1e-12)


def packed_objective(params, X, **options):
    J, gradient = saelib.Objective(nets.Sigmoid(**options), X)(saelib.pack(params))
    return J, saelib.unpack(gradient, params)


@some
@given(seeds, st.integers(2, 5))
def test_every_sample_several_times_is_the_same_data(seed, times):
    params, X, _ = a_net(seed)
    once, more = (saelib.cost_and_gradient(params, data, **SETTINGS) for data in (X, np.tile(X, (times, 1))))
    assert_same(leaves(more), leaves(once), 1e-10)


@some
@given(seeds, st.sampled_from(["sigmoid", "linear"]))
def test_the_cost_is_the_sum_of_its_terms_each_linear_in_its_weight(seed, output):
    params, X, _ = a_net(seed)
    terms = saelib.cost_terms(params, X, **SETTINGS, output=output)
    twice = saelib.cost_terms(params, X, lam=0.02, rho=0.2, beta=4, output=output)
    assert_allclose(twice, np.multiply(terms, (1, 2, 2)), rtol=1e-12)
    assert saelib.sparse_cost(params, X, **SETTINGS, output=output) == pytest.approx(math.fsum(terms), rel=1e-12)
    assert min(terms) >= 0


@some
@given(seeds, st.sampled_from(["sigmoid", "linear"]))
def test_the_gradient_predicts_a_small_step_in_any_direction(seed, output):
    params, X, rng = a_net(seed)
    theta, direction = saelib.pack(params), rng.standard_normal(saelib.pack(params).size)
    objective = saelib.Objective(nets.Sigmoid(**SETTINGS, output=output), X)
    ahead, behind = (objective(theta + step * direction)[0] for step in (1e-5, -1e-5))
    assert (ahead - behind) / 2e-5 == pytest.approx(float(objective(theta)[1] @ direction), rel=1e-5, abs=1e-7)


@some
@given(seeds)
def test_relative_error_is_symmetric_and_between_0_and_1(seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 7))
    assert 0 <= saelib.relative_error(a, b) == saelib.relative_error(b, a) <= 1
    assert saelib.relative_error(a, a) == 0 and saelib.relative_error(a, -a) == pytest.approx(1)


@many
@given(arrays(float, 6, elements=reals), arrays(float, 6, elements=reals), st.floats(0, 1e6))
def test_soft_threshold_is_firmly_nonexpansive_odd_and_never_longer(u, v, t):
    S = lambda w: sparse_coding.soft_threshold(w, t)  # noqa: E731
    d = S(u) - S(v)
    assert d @ d <= d @ (u - v) + 1e-9 * (1 + (u - v) @ (u - v))
    assert_array_equal(S(-u), -S(u))
    assert np.all(np.abs(S(u)) <= np.abs(u)) and np.all(S(u) * u >= 0)
    assert_array_equal(S(u) == 0, np.abs(u) <= t)


@some
@given(seeds, st.integers(2, 12), st.integers(1, 6), st.data())
def test_no_other_projection_loses_less_than_pca(seed, m, n, data):
    rng = np.random.default_rng(seed)
    X, k = rng.standard_normal((m, n)) * rng.uniform(0.1, 3, n), data.draw(st.integers(1, min(m, n)))
    found = pca.fit_pca(X, k)
    rebuilt = pca.pca_reconstruct(found, pca.pca_project(found, X))
    lost = metrics.squared_error(X, rebuilt)
    assert lost == pytest.approx(found.total_variance - found.variances.sum(), rel=1e-9, abs=1e-12)
    assert found.total_variance == pytest.approx(X.var(axis=0).sum(), rel=1e-12)
    if np.var(X, axis=0).any():
        explained = found.variances.sum() / found.total_variance
        assert metrics.fvu(X, rebuilt) == pytest.approx(1 - explained, rel=1e-9, abs=1e-12)
    for _ in range(5):  # another subspace, another center, and a projection that need not be orthogonal
        Q, _ = np.linalg.qr(rng.standard_normal((n, k)))
        center = X.mean(axis=0) + rng.normal(scale=0.3, size=n)
        assert metrics.squared_error(X, center + (X - center) @ Q @ Q.T) >= lost - 1e-12
        assert metrics.squared_error(X, X @ rng.standard_normal((n, k)) @ rng.standard_normal((k, n))) >= lost - 1e-12


@some
@given(seeds, st.integers(1, 5), st.integers(0, 20))
def test_whitened_data_have_the_identity_as_covariance(seed, n, more):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n + 5 + more, n)) @ rng.standard_normal((n, n)) + rng.normal(size=n)
    found = pca.fit_pca(X, n)
    assume(found.variances[-1] > 1e-6 * found.variances[0])
    for white in (pca.pca_whiten(found, X, 0), pca.zca_whiten(X, 0)):
        assert_allclose(white.mean(axis=0), 0, atol=1e-9)
        assert_allclose(white.T @ white / len(X), np.eye(n), atol=1e-6)


@some
@given(seeds, st.floats(0.1, 0.7))
def test_a_whitened_image_has_mean_0_and_variance_1(seed, f0):
    image = np.random.default_rng(seed).uniform(size=(6, 7))
    white = pca.whiten_image(image, f0)
    assert white.mean() == pytest.approx(0, abs=1e-12) and white.std() == pytest.approx(1)
    assert_allclose(pca.whiten_image(np.roll(image, (2, 3), (0, 1)), f0), np.roll(white, (2, 3), (0, 1)), atol=1e-9)


@some
@given(seeds, st.floats(0.01, 1))
def test_codes_cost_no_more_than_where_they_began_and_fit_what_was_asked(seed, lam):
    rng = np.random.default_rng(seed)
    X, D, A = rng.standard_normal((4, 6)), rng.standard_normal((8, 6)), rng.standard_normal((4, 8))
    cost = lambda A: sparse_coding.lasso_cost(A, X, D, lam)  # noqa: E731
    assert cost(sparse_coding.ista_step(A, X, D, lam)) <= cost(A) * (1 + 1e-12)
    costs = [cost(sparse_coding.ista(X, D, lam, k)) for k in (0, 1, 5, 20)]
    assert costs == sorted(costs, reverse=True) and cost(sparse_coding.fista(X, D, lam, 400)) <= costs[-1] + 1e-9
    atoms = D / np.linalg.norm(D, axis=1, keepdims=True)
    left = np.linalg.norm(X, axis=1)
    for s in range(1, 6):
        for pursuit in (sparse_coding.matching_pursuit, sparse_coding.orthogonal_matching_pursuit):
            codes = pursuit(X, atoms, s)
            assert np.all((codes != 0).sum(axis=1) <= s)
        rest = X - codes @ atoms  # of the orthogonal one: at right angles to every atom taken
        assert np.all(np.abs(rest @ atoms.T)[codes != 0] < 1e-7)
        assert np.all(np.linalg.norm(rest, axis=1) <= left + 1e-12)
        left = np.linalg.norm(rest, axis=1)


@some
@given(seeds)
def test_a_new_dictionary_has_atoms_of_norm_1_and_no_larger_error(seed):
    rng = np.random.default_rng(seed)
    X, A, D = rng.standard_normal((9, 5)), rng.standard_normal((9, 4)), numbers("atoms", (4, 5), rng, whole=False)
    new = sparse_coding.update_dictionary(D, A.T @ A, A.T @ X)
    assert_allclose(np.linalg.norm(new, axis=1), 1)
    assert metrics.squared_error(X, A @ new) <= metrics.squared_error(X, A @ D) * (1 + 1e-12)
    learned, costs = sparse_coding.learn_dictionary(X, 4, 0.1, n_iter=3, rng=rng)
    assert_allclose(np.linalg.norm(learned, axis=1), 1)
    assert len(costs) == 4 and min(costs) >= 0


@some
@given(seeds)
def test_sparseness_lies_between_0_and_1_and_ignores_order_sign_and_zeros_at_the_right_place(seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((6, 5)) * (rng.uniform(size=(6, 5)) < 0.6)
    A[0] = 0
    rows, columns = rng.permutation(6), rng.permutation(5)
    turned = (A * rng.choice([-1, 1], A.shape))[rows][:, columns]
    population, lifetime = metrics.population_sparsity(A), metrics.lifetime_sparsity(A)
    for measured in (population, lifetime):
        assert np.all(np.isnan(measured) | ((measured >= 0) & (measured <= 1)))
    assert_allclose(metrics.population_sparsity(turned), population[rows], rtol=1e-9)
    assert_allclose(metrics.lifetime_sparsity(turned), lifetime[columns], rtol=1e-9)
    assert_array_equal(np.isnan(lifetime), metrics.dead_units(A))
    assert_array_equal(metrics.active_share(A.T) == 0, metrics.dead_units(A))
    assert metrics.active_share(A).mean() == pytest.approx(metrics.active_share(A.T).mean())
    measured = metrics.kurtosis(A)[~metrics.dead_units(A)]
    assert np.all(measured >= -2 - 1e-9)  # Pearson's inequality, of which a coin is the extreme
    assert_allclose(metrics.kurtosis(3 - 2 * A)[~metrics.dead_units(A)], measured, rtol=1e-7, atol=1e-7)


@some
@given(seeds, st.floats(0, 1))
def test_a_dictionary_recovers_itself_and_matching_takes_each_atom_once(seed, threshold):
    rng = np.random.default_rng(seed)
    D, E = rng.standard_normal((5, 6)), rng.standard_normal((4, 6))
    similarity, partner = metrics.match_atoms(D, E)
    taken = partner[partner >= 0]
    assert sorted(taken) == [0, 1, 2, 3] and np.all((similarity >= 0) & (similarity <= 1 + 1e-12))
    assert metrics.dictionary_recovery(D, -2 * D[rng.permutation(5)], 0.999) == 1
    assert metrics.dictionary_recovery(D, E, threshold) == np.mean(similarity > threshold)
    best = max(  # by trying all
        np.sum(np.abs(np.sum(unit(D[list(some)]) * unit(E), axis=1))) for some in itertools.permutations(range(5), 4)
    )
    assert similarity.sum() == pytest.approx(best)


def unit(D):
    return D / np.linalg.norm(D, axis=1, keepdims=True)


@some
@given(seeds)
def test_coherence_lies_between_0_and_1(seed):
    rng = np.random.default_rng(seed)
    filters = rng.standard_normal((4, 20))
    coherence = metrics.orientation_coherence(filters, (4, 5))
    assert np.all((coherence >= 0) & (coherence <= 1 + 1e-12))
    assert_allclose(metrics.orientation_coherence(3 - 2 * filters, (4, 5)), coherence, rtol=1e-9)


@some
@given(seeds, st.sampled_from(["gradient_descent", "lbfgs"]))
def test_a_training_never_returns_worse_than_it_began_and_ends_where_it_says(seed, name):
    params, X, _ = a_net(seed)
    if name == "gradient_descent":
        best, history = saelib.gradient_descent(params, X, **SETTINGS, alpha=0.3, max_iter=4)
    else:
        best, history = saelib.lbfgs(KL, params, X, max_iter=4)
    assert saelib.sparse_cost(best, X, **SETTINGS) == pytest.approx(history.cost.min(), rel=1e-12)
    assert history.cost.min() <= history.cost[0] == pytest.approx(saelib.sparse_cost(params, X, **SETTINGS))
    assert np.all(np.diff(history.evaluations) >= 1)


@some
@given(seeds, st.integers(0, 5))
def test_adam_may_stop_anywhere_and_go_on(seed, stop):
    params, X, _ = a_net(seed)
    batches = [X, X[:1], X[-1:], X, X]
    whole, told = saelib.adam(KL, params, batches, learning_rate=0.05, report=1)
    half, first = saelib.adam(KL, params, batches[:stop], learning_rate=0.05, report=1)
    rest, then = saelib.adam(KL, half, batches[stop:], learning_rate=0.05, report=1, state=first.state)
    assert_same(rest, whole, 0)
    assert [*first.steps, *then.steps] == told.steps.tolist() == [1, 2, 3, 4, 5]
    assert_array_equal([*first.cost, *then.cost], told.cost)
    assert told.cost[0] == pytest.approx(saelib.sparse_cost(params, X, **SETTINGS), rel=1e-12)


@some
@given(seeds)
def test_the_estimator_transforms_samples_one_by_one(seed):
    _, X, rng = a_net(seed)
    model = saelib.SparseAutoencoder(3, output="linear", max_iter=3, random_state=0).fit(X)
    A2, rows = model.transform(X), rng.permutation(len(X))
    assert_allclose(model.transform(X[rows]), A2[rows], rtol=1e-12)
    assert_allclose(model.transform(X[:1]), A2[:1], rtol=1e-12)
    error = saelib.reconstruction_error(model.inverse_transform(A2), X)
    assert model.score(X) == pytest.approx(-error, rel=1e-12)


@some
@given(seeds)
def test_the_steps_of_a_pass_take_every_unit_once_each_way(seed):
    params, X, _ = a_net(seed, n=3, hidden=2)
    found = steps.steps(params, X[0])
    assert len(found) == 1 + 2 + 3 + 1 + 1 + 2 + 2
    assert set(found[-1].activations) == {(0, i) for i in range(3)} | {(1, j) for j in range(2)} | {
        (2, k) for k in range(3)
    }
    assert set(found[-1].deltas) == {unit for unit in found[-1].activations if unit[0]}
