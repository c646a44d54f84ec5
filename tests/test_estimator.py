"""The scikit-learn estimator: the contract of scikit-learn, and agreement with the functions that it stands on."""

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import saelib
from saelib import Autoencoder, SparseAutoencoder, nets
from saelib.train import History

pytestmark = pytest.mark.filterwarnings("error")
SOLVERS = {"lbfgs": {}, "adam": {"batch_size": 40}, "gradient_descent": {"learning_rate": 0.1}}


def digits(m=200):
    X, y = load_digits(return_X_y=True)
    return X[:m] / 16, y[:m]


def _name(estimator):
    return f"{type(getattr(estimator, 'net', None)).__name__}-{estimator.solver}"


def checks_of(estimator):
    """scikit-learn's checks, but for the one that needs arrays of another library switched on."""
    for instance, check in estimator_checks_generator(estimator):
        if check.func.__name__ != "check_array_api_input":
            yield pytest.param(instance, check, id=f"{_name(estimator)}-{check.func.__name__}")


@pytest.mark.parametrize(
    ("instance", "check"),
    [
        *(
            param
            for solver in SOLVERS
            for param in checks_of(SparseAutoencoder(5, output="linear", solver=solver, max_iter=50))
        ),
        *checks_of(Autoencoder(nets.Sigmoid(output="linear"), 5)),
        *checks_of(Autoencoder(nets.TopK(2), 5, solver="adam")),
        *checks_of(Autoencoder(nets.ReluL1(0.01), 5, solver="lbfgs")),
    ],
)
def test_scikit_learns_own_checks(instance, check):
    check(instance)


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_fit_is_the_function_of_the_same_name(solver, output):
    X, _ = digits()
    estimator = SparseAutoencoder(
        6,
        rho=0.1,
        beta=2,
        lam=1e-3,
        output=output,
        solver=solver,
        max_iter=7,
        tol=1e-8,
        random_state=3,
        **SOLVERS[solver],
    )
    assert estimator.fit(X) is estimator
    rng = np.random.default_rng(3)
    start = saelib.init_params(64, 6, rng)
    settings, net = {"lam": 1e-3, "rho": 0.1, "beta": 2}, nets.Sigmoid(1e-3, 0.1, 2, output)
    if solver == "adam":
        batches = saelib.Minibatches(X, 40, epochs=7, seed=int(rng.integers(2**31)))
        params, history = saelib.adam(net, start, batches, learning_rate=1e-3, tol=1e-8)
    elif solver == "lbfgs":
        params, history = saelib.lbfgs(net, start, X, max_iter=7, tol=1e-8)
    else:
        params, history = saelib.gradient_descent(start, X, **settings, alpha=0.1, output=output, max_iter=7, tol=1e-8)
    assert_array_equal(saelib.pack(estimator.params_), saelib.pack(params))
    assert_array_equal(estimator.history_.cost, history.cost)
    assert len(history.cost) == (7 if solver == "adam" else 8)  # of epochs, or of iterations after the start
    assert estimator.n_iter_ == (7 * 5 if solver == "adam" else 7)
    assert estimator.n_features_in_ == 64


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_transform_inverse_and_score_by_loops(output):
    X, _ = digits(30)
    estimator = SparseAutoencoder(4, output=output, max_iter=10, random_state=0).fit(X)
    lists = reference.as_lists(estimator.params_)
    by_loops = [reference.feedforward(lists, x, output) for x in X.tolist()]
    A2, A3 = (np.array(layer) for layer in zip(*by_loops, strict=True))
    assert_allclose(estimator.transform(X), A2, rtol=1e-11)
    assert_allclose(estimator.inverse_transform(A2), A3, rtol=1e-10, atol=1e-12)
    assert_allclose(estimator.score(X), -np.mean(np.sum((A3 - X) ** 2, axis=1)) / 2, rtol=1e-11)
    assert_allclose(estimator.fit_transform(X), A2, rtol=1e-11)


def test_training_raises_the_score():
    X, _ = digits()
    little, much = (SparseAutoencoder(10, max_iter=k, random_state=0).fit(X).score(X) for k in (2, 100))
    assert little < much < 0


def test_random_state_decides():
    X, _ = digits(50)

    def fitted(state):
        return SparseAutoencoder(3, max_iter=3, random_state=state).fit(X).params_.W1

    assert_array_equal(fitted(1), fitted(1))
    assert_array_equal(fitted(1), fitted(np.random.default_rng(1)))
    assert not np.array_equal(fitted(1), fitted(2))
    assert not np.array_equal(fitted(None), fitted(None))
    assert_array_equal(fitted(np.random.RandomState(1)), fitted(np.random.RandomState(1)))


def test_float32_stays_float32():
    X = digits(40)[0].astype(np.float32)
    for solver, own in SOLVERS.items():
        estimator = SparseAutoencoder(3, solver=solver, max_iter=4, random_state=0, **own).fit(X)
        codes = estimator.transform(X)
        arrays = [*estimator.params_, codes, estimator.inverse_transform(codes)]
        assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_stopping_at_max_iter_raises_no_warning_but_is_told():
    estimator = SparseAutoencoder(3, max_iter=2, random_state=0).fit(digits(40)[0])
    assert estimator.history_.stopped == "max_iter"
    converged = SparseAutoencoder(3, tol=1e-2, random_state=0).fit(digits(40)[0])
    assert converged.history_.stopped == "converged"
    assert converged.n_iter_ < 400


def test_an_interrupt_keeps_the_best_so_far_and_warns(monkeypatch):
    calls = 0

    class Interrupted(saelib.Objective):
        def __call__(self, theta):
            nonlocal calls
            calls += 1
            if calls == 6:
                raise KeyboardInterrupt
            return super().__call__(theta)

    monkeypatch.setattr("saelib.train.Objective", Interrupted)
    with pytest.warns(UserWarning, match="interrupted; the parameters so far are kept"):
        estimator = SparseAutoencoder(3, random_state=0).fit(digits(40)[0])
    assert estimator.history_.stopped == "interrupted"
    assert estimator.transform(digits(40)[0]).shape == (40, 3)


def test_in_a_pipeline_and_a_grid_search():
    X, y = digits(300)
    pipeline = make_pipeline(
        MinMaxScaler(clip=True),
        SparseAutoencoder(max_iter=30, random_state=0),
        LogisticRegression(max_iter=2000),
    )
    search = GridSearchCV(pipeline, {"sparseautoencoder__n_hidden": [1, 20]}, cv=3).fit(X, y)
    assert search.best_params_ == {"sparseautoencoder__n_hidden": 20}
    assert search.best_score_ > 0.6  # ten classes


@pytest.mark.parametrize("estimator", [SparseAutoencoder(4, max_iter=2), Autoencoder(n_hidden=4, max_iter=2)], ids=repr)
def test_standardized_data_are_refused_by_a_sigmoid_output_with_what_to_do(estimator):
    X, _ = digits(60)
    with pytest.raises(
        ValueError, match=r'lie in \[0, 1\] for a sigmoid output, .*; rescale the data or use output="l'
    ):
        make_pipeline(StandardScaler(), clone(estimator)).fit(X)
    with pytest.raises(ValueError, match="rescale the data"):
        clone(estimator).partial_fit(StandardScaler().fit_transform(X))
    linear = {"output": "linear"} if hasattr(estimator, "output") else {"net": nets.Sigmoid(output="linear")}
    fitted = make_pipeline(StandardScaler(), clone(estimator).set_params(**linear)).fit(X)
    assert np.isfinite(fitted.score(X))


def test_grid_search_in_two_processes_is_that_in_one():
    X, y = digits(120)
    pipeline = make_pipeline(MinMaxScaler(), SparseAutoencoder(max_iter=5, random_state=0), LogisticRegression())
    grid = {"sparseautoencoder__n_hidden": [2, 6]}
    one, two = (GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2))
    assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])


@pytest.mark.parametrize("estimator", [SparseAutoencoder(3, max_iter=2), Autoencoder(nets.TopK(2), 3)], ids=_name)
def test_on_some_columns_of_a_frame(estimator):
    X, _ = digits(40)
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    some = list(frame.columns[10:30])
    transformer = ColumnTransformer([("codes", clone(estimator), some), ("rest", "passthrough", ["pixel 40"])])
    codes = transformer.set_output(transform="pandas").fit_transform(frame)
    assert [name.rstrip("0123456789") for name in codes.columns] == [
        f"codes__{type(estimator).__name__.lower()}"
    ] * 3 + ["rest__pixel "]
    assert_array_equal(codes.iloc[:, :3], transformer.named_transformers_["codes"].transform(frame[some]))
    with pytest.raises(ValueError, match="pixel 12"):
        transformer.transform(frame.drop(columns="pixel 12"))


@pytest.mark.parametrize("estimator", [SparseAutoencoder(3, max_iter=2), Autoencoder(nets.TopK(2), 3)], ids=_name)
def test_what_is_no_dense_matrix_is_named_with_the_way_out(estimator):
    X, _ = digits(40)
    fitted = clone(estimator).fit(X)
    for form in ("csr", "csc", "coo"):
        for call in (clone(estimator).fit, clone(estimator).partial_fit, fitted.transform, fitted.score):
            with pytest.raises(TypeError, match=r"Sparse data was passed for X, .* '.toarray\(\)"):
                call(sparse.csr_array(X).asformat(form))
    for call in (clone(estimator).fit, clone(estimator).partial_fit, fitted.transform, fitted.score):
        with pytest.raises(ValueError, match=r"X must have no masked entries, got \d+; X.filled\(0\) fills them"):
            call(np.ma.masked_greater(X, 0.5))
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    stepped = clone(estimator).partial_fit(frame)
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        stepped.partial_fit(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="X has 30 features, but .* is expecting 64"):
        clone(estimator).partial_fit(X).partial_fit(X[:, :30])


def test_grid_search_on_its_own_score():
    search = GridSearchCV(SparseAutoencoder(max_iter=40, random_state=0), {"n_hidden": [1, 16]}, cv=3).fit(digits()[0])
    assert search.best_params_ == {"n_hidden": 16}


def test_clone_copies_parameters_and_nothing_fitted():
    estimator = SparseAutoencoder(7, rho=0.2, solver="adam", max_iter=2, random_state=0).fit(digits(40)[0])
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    assert not hasattr(copy, "params_")


def test_pickled_and_back():
    X, _ = digits(40)
    estimator = SparseAutoencoder(3, max_iter=5, random_state=0).fit(X)
    back = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(back.transform(X), estimator.transform(X))
    assert isinstance(back.params_, saelib.Params)
    assert back.history_.stopped == estimator.history_.stopped


def test_pandas_in_and_out():
    X, _ = digits(40)
    frame = pd.DataFrame(X, index=[f"digit {i}" for i in range(40)], columns=[f"pixel {i}" for i in range(64)])
    estimator = SparseAutoencoder(3, max_iter=5, random_state=0).set_output(transform="pandas")
    codes = estimator.fit_transform(frame)
    assert list(codes.columns) == ["sparseautoencoder0", "sparseautoencoder1", "sparseautoencoder2"]
    assert list(estimator.get_feature_names_out()) == list(codes.columns)
    assert list(codes.index) == list(frame.index)
    assert list(estimator.feature_names_in_) == list(frame.columns)
    assert estimator.inverse_transform(codes).shape == (40, 64)
    with pytest.raises(ValueError, match="feature names"):
        estimator.transform(frame.rename(columns={"pixel 0": "other"}))


def test_unfitted():
    for method in ("transform", "inverse_transform", "score"):
        with pytest.raises(NotFittedError):
            getattr(SparseAutoencoder(), method)(np.ones((2, 3)))


def test_verbose_is_the_progress_bar(monkeypatch):
    asked = []
    bar = saelib.train.progress_bar
    monkeypatch.setattr(
        "saelib.train.progress_bar", lambda total, label, progress: asked.append(progress) or bar(total, label, False)
    )
    for verbose in (True, False, 1, 0):
        SparseAutoencoder(2, max_iter=1, verbose=verbose).fit(digits(10)[0])
    assert asked == [True, False, True, False]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_hidden": 0}, "n_hidden must be a whole number >= 1, got 0"),
        ({"n_hidden": 2.5}, "n_hidden must be a whole number, got float 2.5"),
        ({"rho": 1}, "rho must lie strictly between 0 and 1, got 1"),
        ({"beta": -1}, "beta must be a finite number >= 0, got -1"),
        ({"lam": "much"}, "lam must be a number, got str 'much'"),
        ({"output": "relu"}, "output must be one of 'sigmoid', 'linear', got 'relu'"),
        ({"solver": "sgd"}, "solver must be one of 'lbfgs', 'adam', 'gradient_descent', got 'sgd'"),
        ({"solver": ["adam"]}, "solver must be one of"),
        ({"max_iter": -1}, "max_iter must be a whole number >= 0, got -1"),
        ({"tol": -1}, "tol must be a finite number >= 0, got -1"),
        ({"solver": "adam", "learning_rate": 0}, "learning_rate must be a finite number > 0, got 0"),
        ({"solver": "adam", "batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        (
            {"random_state": "seed"},
            "random_state must be a whole number, a Generator, a RandomState or None, got 'seed'",
        ),
        ({"random_state": -1}, "random_state must be .* got -1"),
    ],
    ids=str,
)
def test_bad_parameters_are_named_by_fit(options, words):
    with pytest.raises(ValueError, match=words):
        SparseAutoencoder(**options).fit(digits(10)[0])


def test_a_sigmoid_output_asks_for_data_between_0_and_1():
    with pytest.raises(ValueError, match=r'X must lie in \[0, 1\] .* got values from 0 to 16; .* output="linear"'):
        SparseAutoencoder().fit(16 * digits(10)[0])


def test_the_defaults_are_those_of_the_functions():
    X, _ = digits(20)
    start = saelib.init_params(64, 3, np.random.default_rng(0))
    params, _ = saelib.lbfgs(nets.Sigmoid(), start, X, max_iter=3)
    assert_array_equal(SparseAutoencoder(3, max_iter=3, random_state=0).fit(X).params_.W1, params.W1)
    assert Autoencoder()._net() == SparseAutoencoder()._net() == nets.Sigmoid()
    for function in (saelib.forward, saelib.sparse_cost, saelib.gradient_descent):
        assert inspect.signature(function).parameters["output"].default == "sigmoid"


def test_codes_of_another_width_are_refused():
    estimator = SparseAutoencoder(3, max_iter=1).fit(digits(10)[0])
    with pytest.raises(ValueError, match=r"A2 must have 3 columns, got shape \(2, 4\)"):
        estimator.inverse_transform(np.ones((2, 4)))


def test_warm_start_goes_on_where_the_last_fit_ended():
    X, _ = digits()
    options = {"n_hidden": 5, "solver": "gradient_descent", "learning_rate": 0.1, "tol": 0, "random_state": 0}
    whole = SparseAutoencoder(max_iter=20, **options).fit(X)
    parts = SparseAutoencoder(max_iter=8, warm_start=True, **options).fit(X)
    parts.set_params(max_iter=12).fit(X)
    for one, other in zip(whole.params_, parts.params_, strict=True):
        assert_array_equal(one, other)
    assert parts.n_iter_ == 12 and parts.history_.cost[-1] == whole.history_.cost[-1]


def test_without_warm_start_a_second_fit_begins_anew():
    X, _ = digits()
    estimator = SparseAutoencoder(5, max_iter=3, random_state=0)
    first = estimator.fit(X).params_
    assert_array_equal(first.W1, estimator.fit(X).params_.W1)


def test_warm_start_takes_parameters_that_were_saved(tmp_path):
    X, _ = digits()
    options = {"n_hidden": 5, "solver": "gradient_descent", "learning_rate": 0.1, "tol": 0, "random_state": 0}
    saelib.save_params(tmp_path / "net.npz", SparseAutoencoder(max_iter=8, **options).fit(X).params_)
    resumed = SparseAutoencoder(max_iter=12, warm_start=True, **options)
    resumed.params_ = saelib.load_params(tmp_path / "net.npz")
    assert_array_equal(resumed.fit(X).params_.W2, SparseAutoencoder(max_iter=20, **options).fit(X).params_.W2)


def test_warm_start_refuses_parameters_of_another_size():
    X, _ = digits()
    estimator = SparseAutoencoder(5, max_iter=1, warm_start=True).fit(X)
    with pytest.raises(ValueError, match=r"params_ of shapes \[\(5, 64\), .*\], but they must be \[\(6, 64\), "):
        estimator.set_params(n_hidden=6).fit(X)


# --- an estimator over any net ----------------------------------------------------------------------------------
@pytest.mark.parametrize("net", [nets.Sigmoid(1e-3, 0.1, 2.0), nets.TopK(3), nets.ReluL1(0.05)], ids=repr)
def test_any_net_is_trained_by_the_same_function(net):
    X, _ = digits()
    estimator = Autoencoder(net, 12, batch_size=50, max_iter=3, random_state=5).fit(X)
    rng = np.random.default_rng(5)
    start = net.init(64, 12, rng)
    batches = saelib.Minibatches(X, 50, epochs=3, seed=int(rng.integers(2**31)))
    params, history = saelib.adam(net, start, batches, learning_rate=saelib.linear_decay(1e-3, 12))
    assert_array_equal(saelib.pack(estimator.params_), saelib.pack(params))
    assert estimator.n_iter_ == 12 and estimator.history_.cost.shape == (3,)
    codes = estimator.transform(X)
    assert_array_equal(codes, net.encode(params, X).A)
    back = estimator.inverse_transform(codes)
    assert estimator.score(X) == pytest.approx(-np.sum((back - X) ** 2) / (2 * len(X)), rel=1e-12)
    assert estimator.get_feature_names_out().shape == (12,)


@pytest.mark.parametrize(
    "estimator", [Autoencoder(nets.TopK(3), 12, random_state=0), SparseAutoencoder(12, random_state=0)]
)
def test_partial_fit_is_adam_on_the_batches_that_it_was_given(estimator):
    X, _ = digits()
    estimator = clone(estimator)
    for i in range(0, 200, 50):
        estimator.partial_fit(X[i : i + 50])
    net, start = estimator._net(), estimator._fresh(X, np.random.default_rng(0))
    params, _ = saelib.adam(net, start, [X[i : i + 50] for i in range(0, 200, 50)], learning_rate=1e-3)
    assert_array_equal(saelib.pack(estimator.params_), saelib.pack(params))
    assert estimator.n_iter_ == 4


def test_clone_set_output_and_pickle_with_a_net():
    X, _ = digits()
    estimator = clone(Autoencoder(nets.TopK(3), 6, max_iter=2, random_state=0)).set_output(transform="pandas").fit(X)
    assert estimator.net == nets.TopK(3)
    frame = estimator.transform(X)
    assert list(frame.columns) == [f"autoencoder{j}" for j in range(6)]
    again = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(again.transform(X), frame)


def test_warm_start_with_a_net_goes_on_and_refuses_another_size():
    X, _ = digits()
    estimator = Autoencoder(nets.TopK(3), 6, max_iter=2, random_state=0, warm_start=True).fit(X)
    first = estimator.score(X)
    assert estimator.fit(X).score(X) > first
    with pytest.raises(ValueError, match="warm_start goes on from params_ of shapes"):
        estimator.set_params(n_hidden=7).fit(X)


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "gradient_descent"])
@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_a_warning_names_the_line_that_called(solver, name, monkeypatch):
    def interrupted(*_, **__):
        return saelib.init_params(64, 2, np.random.default_rng(0)), History(np.ones(2), np.ones(2), "interrupted")

    X, _ = digits(20)
    estimator = SparseAutoencoder(2, solver=solver, alpha=0.1, max_iter=1)
    if name == "fit":  # and both warnings, of which L-BFGS has one
        for function in ("lbfgs", "adam", "gradient_descent"):
            monkeypatch.setattr(f"saelib.estimator.{function}", interrupted)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        getattr(estimator, name)(X)
    here = getattr(estimator, name).__func__.__code__.co_filename
    assert seen and {one.filename for one in seen} == {__file__} and here != __file__
    assert len(seen) == (1 + (solver != "lbfgs") if name == "fit" else 1)


def test_the_old_name_of_the_learning_rate_warns_and_works():
    X, _ = digits()
    options = {"solver": "gradient_descent", "max_iter": 3, "random_state": 0}
    with pytest.warns(FutureWarning, match="learning_rate"):
        old = SparseAutoencoder(5, alpha=0.1, **options).fit(X)
    new = SparseAutoencoder(5, learning_rate=0.1, **options).fit(X)
    assert_array_equal(old.params_.W1, new.params_.W1)


@pytest.mark.parametrize("solver", ["adam", "gradient_descent"])
def test_a_bad_rate_is_called_by_the_name_it_was_given(solver):
    with pytest.warns(FutureWarning, match="learning_rate"), pytest.raises(ValueError, match="^alpha must be a finite"):
        SparseAutoencoder(2, solver=solver, alpha=-1.0).fit(digits(20)[0])
    with pytest.raises(ValueError, match="^learning_rate must be a finite"):
        SparseAutoencoder(2, solver=solver, learning_rate=-1.0).fit(digits(20)[0])
