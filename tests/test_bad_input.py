"""Bad input to the core: a ValueError that names the argument, what came, and what is wanted."""

import re

import numpy as np
import pytest

import saelib
from saelib import Params, _checks, nets

pytestmark = pytest.mark.filterwarnings("error")

RNG = np.random.default_rng(0)
P = saelib.init_params(4, 3, RNG)
X = RNG.uniform(size=(5, 4))
CACHE = saelib.forward(P, X)
DELTA3 = saelib.output_delta(CACHE, X)
S = {"lam": 1e-3, "rho": 0.1, "beta": 3.0}
NAN = np.where(np.arange(20).reshape(5, 4) == 6, np.nan, X)


def another(**settings):
    return {**S, **settings}


def objective(X, theta=None, *, lam=1e-3, rho=0.1, beta=3.0, output="sigmoid", **options):
    net = nets.Sigmoid(lam, rho, beta, output)
    return saelib.Objective(net, X, **options)(saelib.pack(P) if theta is None else theta)


TABLE = [
    # network
    (lambda: saelib.sigmoid("high"), "Z must be an array of real numbers, got"),
    (lambda: saelib.sigmoid([1j]), "Z must be an array of real numbers, got"),
    (lambda: saelib.sigmoid([[1], [2, 3]]), "Z must be an array of real numbers, got list [[1], [2, 3]]"),
    (lambda: saelib.sigmoid_prime(None), "A must be an array of real numbers, got"),
    (lambda: saelib.sigmoid_slope("z"), "Z must be an array of real numbers, got"),
    (lambda: saelib.init_params(0, 3, RNG), "n_visible must be a whole number >= 1, got 0"),
    (lambda: saelib.init_params(4, 3.0, RNG), "n_hidden must be a whole number, got float 3.0"),
    (lambda: saelib.init_params(4, True, RNG), "n_hidden must be a whole number, got bool True"),
    (lambda: saelib.init_params(4, 3, 0), "rng must be a Generator such as np.random.default_rng(0), got int 0"),
    (lambda: saelib.init_params(4, 3, RNG, dtype=int), "dtype must be one of 'float32', 'float64', got 'int64'"),
    (lambda: saelib.forward(None, X), "params must be Params(W1, b1, W2, b2), got NoneType"),
    (lambda: saelib.forward(P[:3], X), "params must be Params(W1, b1, W2, b2), got tuple"),
    (lambda: saelib.forward(P._replace(W1=P.b1), X), "W1 must be a matrix of shape (s2, s1), got shape (3,)"),
    (
        lambda: saelib.forward(P._replace(W1=np.ones((0, 4))), X),
        "W1 must be a matrix of shape (s2, s1), got shape (0, 4)",
    ),
    (lambda: saelib.forward(P._replace(b1=P.b2), X), "b1 must have shape (3,) beside W1 of shape (3, 4), got (4,)"),
    (lambda: saelib.forward(P._replace(W2=P.W1), X), "W2 must have shape (4, 3) beside W1 of shape (3, 4), got (3, 4)"),
    (
        lambda: saelib.forward(P._replace(b2=P.b2[None]), X),
        "b2 must have shape (4,) beside W1 of shape (3, 4), got (1, 4)",
    ),
    (lambda: saelib.forward(P._replace(b1=["a"] * 3), X), "b1 must be an array of real numbers, got"),
    (lambda: saelib.forward(P._replace(b1=P.b1 + np.inf), X), "b1 must be finite, got inf among its values"),
    (lambda: saelib.forward(P, X[0]), "X must be a matrix of shape (samples, 4) with at least one row, got shape (4,)"),
    (lambda: saelib.forward(P, X[0]), "for a single sample write X[np.newaxis, :]"),
    (
        lambda: saelib.forward(P, X[:0]),
        "X must be a matrix of shape (samples, 4) with at least one row, got shape (0, 4)",
    ),
    (lambda: saelib.forward(P, X[:, :3]), "X must have 4 columns, got shape (5, 3)"),
    (lambda: saelib.forward(P, NAN), "X must be finite, but X[1, 2] is nan"),
    (lambda: saelib.forward(P, [[np.inf, -np.inf, 0, 0]]), "X must be finite, but X[0, 0] is inf"),
    (lambda: saelib.forward(P, X, output="relu"), "output must be one of 'sigmoid', 'linear', got 'relu'"),
    (lambda: saelib.forward(P, X, output=np.ones(2)), "output must be one of 'sigmoid', 'linear', got array"),
    (lambda: saelib.pack(3), "params must be Params(W1, b1, W2, b2), got int"),
    (lambda: saelib.unpack(np.ones(5), P), "theta must be a vector of 31 numbers for these shapes, got shape (5,)"),
    (
        lambda: saelib.unpack(np.ones((31, 1)), P),
        "theta must be a vector of 31 numbers for these shapes, got shape (31, 1)",
    ),
    (lambda: saelib.unpack("theta", P), "theta must be an array of real numbers, got"),
    (lambda: saelib.unpack(np.ones(31), P.W1), "like must be Params(W1, b1, W2, b2), got ndarray"),
    # cost
    (lambda: saelib.reconstruction_error(X[0], X), "A3 must be a matrix of shape (samples, features)"),
    (lambda: saelib.reconstruction_error(X, X[:4]), "A3 and X must have the same shape, got (5, 4) and (4, 4)"),
    (lambda: saelib.reconstruction_error(X, X[:1]), "A3 and X must have the same shape, got (5, 4) and (1, 4)"),
    (lambda: saelib.reconstruction_error(NAN, X), "A3 must be finite, but A3[1, 2] is nan"),
    (lambda: saelib.weight_decay(P, -1), "lam must be a finite number >= 0, got -1"),
    (lambda: saelib.weight_decay(X, 1), "params must be Params(W1, b1, W2, b2), got ndarray"),
    (lambda: saelib.mean_activation(X[0]), "A2 must be a matrix of shape (samples, features)"),
    (lambda: saelib.kl_divergence(0, 0.5), "rho must lie strictly between 0 and 1, got 0"),
    (lambda: saelib.kl_divergence(np.nan, 0.5), "rho must lie strictly between 0 and 1, got nan"),
    (lambda: saelib.kl_divergence([0.1, 0.2], 0.5), "rho must be a number, got list [0.1, 0.2]"),
    (lambda: saelib.kl_divergence(0.1, [0.5, 1.5]), "rho_hat must lie in [0, 1], got values from 0.5 to 1.5"),
    (lambda: saelib.kl_divergence(0.1, [0.5, np.nan]), "rho_hat must lie in [0, 1], got values from nan to nan"),
    (lambda: saelib.sparsity_penalty(1, X[0]), "rho must lie strictly between 0 and 1, got 1"),
    # backprop
    (lambda: saelib.kl_prime(2, 0.5), "rho must lie strictly between 0 and 1, got 2"),
    (lambda: saelib.kl_prime(0.1, -0.5), "rho_hat must lie in [0, 1], got values from -0.5 to -0.5"),
    (
        lambda: saelib.output_delta(X, X),
        "cache must be Forward(Z2, A2, Z3, A3), what saelib.forward returns, got ndarray",
    ),
    (lambda: saelib.output_delta(CACHE, X[:, :1]), "A3 and X must have the same shape, got (5, 4) and (5, 1)"),
    (lambda: saelib.output_delta(CACHE, X, output="tanh"), "output must be one of 'sigmoid', 'linear', got 'tanh'"),
    (lambda: saelib.hidden_delta(3, CACHE, DELTA3, rho=0.1, beta=1), "params must be Params(W1, b1, W2, b2), got int"),
    (lambda: saelib.hidden_delta(P, None, DELTA3, rho=0.1, beta=1), "cache must be Forward(Z2, A2, Z3, A3)"),
    (
        lambda: saelib.hidden_delta(P, CACHE, DELTA3[:1], rho=0.1, beta=1),
        "delta3 and A3 must have the same shape, got (1, 4)",
    ),
    (lambda: saelib.hidden_delta(P, CACHE, DELTA3, rho=1.5, beta=1), "rho must lie strictly between 0 and 1, got 1.5"),
    (lambda: saelib.hidden_delta(P, CACHE, DELTA3, rho=0.1, beta=-1), "beta must be a finite number >= 0, got -1"),
    (
        lambda: saelib.hidden_delta(saelib.init_params(4, 2, RNG), CACHE, DELTA3, rho=0.1, beta=1),
        "W2 must have shape (4, 3) to fit cache, got (4, 2)",
    ),
    # gradcheck
    (lambda: saelib.numerical_gradient(3, np.ones(2)), "J must be a function, got int 3"),
    (
        lambda: saelib.numerical_gradient(lambda t: t, np.ones(2)),
        "J(theta) must be a number, got ndarray of shape (2,)",
    ),
    (
        lambda: saelib.numerical_gradient(np.sum, P.W1),
        "theta must be a vector, got shape (3, 4); pack(params) makes one",
    ),
    (lambda: saelib.numerical_gradient(np.sum, []), "theta must be a vector, got shape (0,)"),
    (lambda: saelib.numerical_gradient(np.sum, np.ones(2), 0), "epsilon must be a finite number > 0, got 0"),
    (lambda: saelib.relative_error([1, 2], [1]), "a and b must have the same shape, got (2,) and (1,)"),
    (lambda: saelib.relative_error("a", [1]), "a must be an array of real numbers, got"),
    (lambda: saelib.check_gradient(None, np.ones(2)), "cost_and_gradient must be a function, got NoneType None"),
    (lambda: saelib.check_gradient(np.sum, np.ones(2)), "cost_and_gradient must return the pair (J, gradient), got"),
    (
        lambda: saelib.check_gradient(lambda t: (1, t[:1]), np.ones(2)),
        "gradient and theta must have the same shape, got (1,)",
    ),
    (
        lambda: saelib.check_gradient(lambda t: (1, t), np.ones(2), tolerance=-1),
        "tolerance must be a finite number > 0, got -1",
    ),
    # objective
    (lambda: objective(X[0]), "X must be a matrix of shape (samples, features)"),
    (lambda: objective(X[:, :0]), "X must be a matrix of shape (samples, features) with at least one row, got shape"),
    (lambda: objective(X.astype(str)), "X must be an array of real numbers, got"),
    (lambda: objective(2 * X), "X must lie in [0, 1] for a sigmoid output, got values from"),
    (lambda: objective(X, like=saelib.init_params(5, 3, RNG)), "X must have 5 columns, got shape (5, 4)"),
    (lambda: objective(X, target=X[:4]), "target must have a row for each row of X, got 4 and 5"),
    (lambda: objective(X, lam=np.inf), "lam must be a finite number >= 0, got inf"),
    (lambda: objective(X, rho=-0.1), "rho must lie strictly between 0 and 1, got -0.1"),
    (lambda: objective(X, beta=None), "beta must be a number, got NoneType None"),
    (lambda: objective(X, output=1), "output must be one of 'sigmoid', 'linear', got 1"),
    (lambda: objective(X, n_jobs=0), "n_jobs must be a whole number >= 1, got 0"),
    (lambda: objective(X, block_rows=0), "block_rows must be a whole number >= 1, got 0"),
    (lambda: objective(X, scale=0), "scale must be a finite number > 0, got 0"),
    (lambda: objective(X, run=3), "run must be a function, got int 3"),
    # Of a network on 4 inputs, 22 numbers are two hidden units and 31 are three.
    (lambda: objective(X, np.ones(30)), "theta must be a vector of 22 numbers for these shapes, got shape (30,)"),
    (lambda: objective(X, np.ones(4)), "theta must be a vector of 13 numbers for these shapes, got shape (4,)"),
    (
        lambda: objective(X, np.ones((31, 1))),
        "theta must be a vector of 31 numbers for these shapes, got shape (31, 1)",
    ),
    (lambda: objective(X, np.full(31, np.nan)), "theta must be finite, but theta[0] is not"),
    (lambda: objective(X, "theta"), "theta must be an array of real numbers, got"),
]


def gradient_descent(params, X, **options):
    return saelib.gradient_descent(params, X, **{"alpha": 0.1, "max_iter": 2, **options})


def adam(params, X, *, lam, rho, beta, output="sigmoid", **options):
    return saelib.adam(nets.Sigmoid(lam, rho, beta, output), params, [X, X], **options)


def lbfgs(params, X, *, lam, rho, beta, output="sigmoid", **options):
    return saelib.lbfgs(nets.Sigmoid(lam, rho, beta, output), params, X, **{"max_iter": 2, **options})


TRAINERS = [gradient_descent, adam, lbfgs]
narrow = Params(P.W1, P.b1, P.W2[:1], P.b2[:1])  # one output, which would broadcast against the targets
for call in (saelib.sparse_cost, saelib.cost.cost_terms, saelib.sparse_gradient, saelib.cost_and_gradient, *TRAINERS):
    TABLE += [
        (lambda call=call: call(P, X[:, :3], **S), "X must have 4 columns, got shape (5, 3)"),
        (lambda call=call: call(P, X[0], **S), "X must be a matrix of shape (samples, "),
        (lambda call=call: call(P, NAN, **S), "X must be finite, but X[1, 2] is nan"),
        (lambda call=call: call(P, X - 1, **S), 'rescale the data or use output="linear"'),
        (lambda call=call: call(P, X.astype(str), **S), "X must be an array of real numbers, got"),
        (lambda call=call: call(narrow, X, **S), "b2 must have 4 entries, one for each column of X, got 1"),
        (lambda call=call: call(P._replace(b1=P.b1 * np.nan), X, **S), "b1 must be finite, got nan among its values"),
        (lambda call=call: call(5, X, **S), "got int"),
        (lambda call=call: call(P, X, **another(lam=-1)), "lam must be a finite number >= 0, got -1"),
        (lambda call=call: call(P, X, **another(lam="0.1")), "lam must be a number, got str '0.1'"),
        (lambda call=call: call(P, X, **another(rho=0)), "rho must lie strictly between 0 and 1, got 0"),
        (lambda call=call: call(P, X, **another(beta=np.nan)), "beta must be a finite number >= 0, got nan"),
        (
            lambda call=call: call(P, X, **S, output="softmax"),
            "output must be one of 'sigmoid', 'linear', got 'softmax'",
        ),
    ]
for call in TRAINERS:
    # One hidden unit on ten columns has as many parameters as ten on one column.
    TABLE += [
        (
            lambda call=call: call(saelib.init_params(10, 1, RNG), X[:, :1], **S),
            "X must have 10 columns, got shape (5, 1)",
        ),
        (lambda call=call: call(P, X, **S, tol=-1), "tol must be a finite number >= 0, got -1"),
        (lambda call=call: call(P, X, **S, callback="print"), "callback must be a function, got str 'print'"),
    ]
for call in (gradient_descent, lbfgs):
    TABLE += [
        (lambda call=call: call(P, X, **S, max_iter=-1), "max_iter must be a whole number >= 0, got -1"),
        (lambda call=call: call(P, X, **S, max_iter=1e3), "max_iter must be a whole number, got float 1000.0"),
    ]
TABLE += [
    (lambda: gradient_descent(P, X, **S, alpha=0), "alpha must be a finite number > 0, got 0"),
    (lambda: adam(P, X, **S, learning_rate=-1), "learning_rate must be a finite number > 0, got -1"),
    (lambda: adam(P, X, **S, report=0), "report must be a whole number >= 1, got 0"),
    (lambda: adam(P, X, **S, betas=(-0.1, 0.9)), "betas must be two numbers >= 0 and < 1, got (-0.1, 0.9)"),
    (lambda: adam(P, X, **S, betas=(0.9, 1)), "betas must be two numbers >= 0 and < 1, got (0.9, 1)"),
    (lambda: adam(P, X, **S, betas=0.9), "betas must be two numbers >= 0 and < 1, got 0.9"),
    (lambda: adam(P, X, **S, revive_every=0), "revive_every must be a whole number >= 1, got 0"),
    (
        lambda: adam(P, X, **S, revive_every=5),
        "rng must be a Generator such as np.random.default_rng(0), got NoneType None",
    ),
    (lambda: saelib.adam(nets.Sigmoid(), P, [(X, X[:4])]), "X and target must have the same shape, got (5, 1)"),
    (lambda: saelib.Minibatches(X[0], 2), "X must be a matrix of shape (samples, features)"),
    (lambda: saelib.Minibatches(X, 0), "size must be a whole number >= 1, got 0"),
    (lambda: saelib.Minibatches(X, 2, epochs=0), "epochs must be a whole number >= 1, got 0"),
    (lambda: saelib.Minibatches(X, 2, seed=-1), "seed must be a whole number >= 0, got -1"),
    (lambda: saelib.Minibatches(X, 2, start=-1), "start must be a whole number >= 0, got -1"),
    (lambda: saelib.Minibatches(X, 2, scale=0), "scale must be a finite number > 0, got 0"),
    (lambda: saelib.Minibatches(X, 2, target=X[:4]), "target must have a row for each row of X, got 4 and 5"),
    (lambda: saelib.linear_decay(0, 5), "learning_rate must be a finite number > 0, got 0"),
    (lambda: saelib.linear_decay(1, 0), "steps must be a whole number >= 1, got 0"),
    (lambda: lbfgs(P, X, **S, n_jobs=1.5), "n_jobs must be a whole number, got float 1.5"),
    (lambda: lbfgs(P, np.ones((5, 6), np.uint8), **S), "X must have 4 columns, got shape (5, 6)"),
]


@pytest.mark.parametrize(
    ("call", "words"), [pytest.param(*row, id=f"{k}-{row[1][:40]}") for k, row in enumerate(TABLE)]
)
def test_the_error_names_what_came_and_what_is_wanted(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_large_and_narrow_and_odd_but_right_input_is_taken():
    """What must not raise: lists, integers, float16, booleans, and numbers whose sum overflows."""
    for good in ([[0, 1, 0, 1]], X.astype(np.float16), X > 0.5, np.asfortranarray(X), X[::-1, ::-1]):
        assert np.isfinite(saelib.sparse_cost(P, good, **S))
    huge = np.full((5, 4), 1e308)
    assert _checks.as_matrix(huge) is huge
    for one in (1, np.float32(1), np.int64(1), np.array(1.0)):
        assert _checks.nonnegative(one, "lam") == 1.0


@pytest.mark.parametrize("function", [saelib.sigmoid, saelib.mean_activation, saelib.pca.fit_pca])
def test_sparse_and_masked_arrays_are_named(function):
    from scipy import sparse

    arguments = (1,) if function is saelib.pca.fit_pca else ()
    with pytest.raises(ValueError, match=r"must be a dense array, got a sparse one; .*\.toarray\(\) makes it dense"):
        function(sparse.csr_array(np.eye(3)), *arguments)
    masked = np.ma.masked_greater(np.eye(3) / 2, 0.4)
    with pytest.raises(ValueError, match=r"must have no masked entries, got 3; .*\.filled\(0\) fills them"):
        function(masked, *arguments)


def test_a_sparse_matrix_is_no_source_of_rows():
    from scipy import sparse

    with pytest.raises(ValueError, match="^X must be a dense array, got a sparse one"):
        _checks.as_rows(sparse.csr_array(np.eye(3)))


def test_a_matrix_of_the_wrong_width_is_named_with_the_width_that_fits():
    with pytest.raises(ValueError, match=r"^X must be a matrix of shape \(samples, 4\) with at least one row"):
        saelib.sparse_cost(P, X[0], **S)
    with pytest.raises(ValueError, match=r"^X must have 4 columns, got shape \(5, 3\)$"):
        saelib.cost.check_columns(P, X[:, :3])


def test_targets_that_are_no_numbers_are_named():
    with pytest.raises(ValueError, match="^target must be an array of real numbers"):
        saelib.Objective(nets.Sigmoid(), X, target=X.astype(str))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_one_number_that_is_not_finite_is_enough(value):
    wrong = X.copy()
    wrong[3, 1] = value
    with pytest.raises(ValueError) as caught:
        _checks.as_matrix(wrong)
    assert str(caught.value) == f"X must be finite, but X[3, 1] is {value}"


def test_a_hint_for_one_sample_and_none_where_it_would_not_help():
    wanted = "X must be a matrix of shape (samples, features) with at least one row, got shape "
    for shape, more in (((4,), "(4,); for a single sample write X[np.newaxis, :]"), ((0, 3), "(0, 3)"), ((0,), "(0,)")):
        with pytest.raises(ValueError) as caught:
            _checks.as_matrix(np.ones(shape))
        assert str(caught.value) == wanted + more


def test_rows_that_are_no_numbers_are_called_by_their_name():
    with pytest.raises(ValueError, match="^target must be an array of real numbers"):
        _checks.as_rows([["a"]], "target")
