"""Autoencoders as scikit-learn estimators, over the functions of the other modules."""

import sys
import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ._checks import as_matrix, one_of, positive, unmasked, whole_number
from .architecture import flatten, leaves, unflatten
from .cost import reconstruction_error
from .nets import Sigmoid
from .train import Minibatches, adam, gradient_descent, lbfgs, linear_decay


class _OfANet(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What estimators have in common once ``params_`` are there; ``_net()`` gives the architecture."""

    def transform(self, X):
        """Return the activations of the hidden units for the rows of ``X``, of shape (m, s2)."""
        X, (net, params) = self._validated(X), self._evaluated()
        return net.encode(params, X).A

    def inverse_transform(self, A2):
        """Return the reconstruction ``A3`` of shape (m, s1) from hidden activations ``A2`` of shape (m, s2)."""
        check_is_fitted(self)
        net, params = self._evaluated()
        return net.decode(params, as_matrix(A2, "A2", columns=self._n_features_out))

    def score(self, X, y=None):
        """Return minus the `reconstruction_error` on ``X``: half the squared error, averaged over samples.

        Greater is better, 0 is perfect.
        """
        X, (net, params) = self._validated(X), self._evaluated()
        return -reconstruction_error(net.decode(params, net.encode(params, X).A), X)

    def _evaluated(self):
        net = self._net()
        return net.for_evaluation(self.params_) if hasattr(net, "for_evaluation") else (net, self.params_)

    def _validated(self, X, **options):
        if not options:
            check_is_fitted(self)
            options = {"reset": False}
        return validate_data(self, unmasked(X, "X"), dtype=[np.float64, np.float32], **options)

    def _rate(self):
        return positive(self.learning_rate, "learning_rate")

    def _fresh(self, X, rng):
        return self._net().init(X.shape[1], whole_number(self.n_hidden, "n_hidden"), rng, dtype=X.dtype)

    def _start(self, X, fresh):
        """Return where the training begins: fresh parameters, or after a warm start those of the fit before."""
        old = getattr(self, "params_", None)
        if not self.warm_start or old is None:
            return fresh
        came, wanted = ([P.shape for P in leaves(params)] for params in (old, fresh))
        if came != wanted:
            raise ValueError(f"warm_start goes on from params_ of shapes {came}, but they must be {wanted}")
        return unflatten(flatten(old).astype(X.dtype), fresh)

    def _train(self, X, start, rng, rate):
        net, options = self._net(), {"tol": self.tol, "progress": bool(self.verbose)}
        if self.solver == "lbfgs":
            return self._found(*lbfgs(net, start, X, max_iter=self.max_iter, **options))
        seed, epochs = int(rng.integers(2**31)), whole_number(self.max_iter, "max_iter")
        batches = Minibatches(X, whole_number(self.batch_size, "batch_size"), epochs=epochs, seed=seed)
        return self._found(*adam(net, start, batches, learning_rate=rate, **options))

    def _found(self, params, history):
        self.params_, self.history_, self.state_ = params, history, getattr(history, "state", None)
        self.n_iter_ = self.state_.t if self.state_ else max(len(history.cost) - 1, 0)
        if history.stopped == "interrupted":
            _warn("Training was interrupted; the parameters so far are kept.", UserWarning)
        return self

    def _step(self, X):
        """Go one step of Adam on the rows of ``X``, from where the last step or fit ended."""
        if not hasattr(self, "params_"):
            self.params_, self.state_ = self._fresh(X, _generator(self.random_state)), None
        state = getattr(self, "state_", None)
        options = {"state": state, "learning_rate": self._rate()}
        self.params_, descent = adam(self._net(), self.params_, [X], **options)
        self.state_, self.n_iter_ = descent.state, descent.state.t
        return self

    @property
    def _n_features_out(self):
        net, params = self._evaluated()
        return net.encode(params, np.zeros((1, self.n_features_in_))).A.shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Autoencoder(_OfANet):
    """Any net of `saelib.nets` as an estimator that learns codes in ``fit`` and returns them from ``transform``.

    Parameters
    ----------
    net : Architecture
        Settings such as ``nets.TopK(8)``; by default ``nets.Sigmoid()``, which asks for data in [0, 1].
    n_hidden : int
        Number of hidden units.
    solver : {"adam", "lbfgs"}
        The function of `saelib.train` that trains.
    learning_rate : float
        Adam's step size, which falls in a straight line to 0 over the training.
    batch_size : int
        Samples in a mini-batch of Adam.
    max_iter : int
        Epochs of Adam, or largest number of iterations of L-BFGS.
    tol : float
        The training has converged when an epoch or iteration changes the cost by at most ``tol`` times its size.
    warm_start : bool
        Whether ``fit`` goes on from the parameters of the fit before.
    random_state : int, Generator, RandomState or None
        Source of the first weights, and of the order of the mini-batches.
    verbose : bool
        Whether to show a progress bar.

    Attributes
    ----------
    params_ : NamedTuple of arrays
    history_ : saelib.train.Descent or saelib.train.History
    n_iter_, n_features_in_ : int
        Steps of Adam, or iterations of L-BFGS; and the number of inputs.
    """

    def __init__(
        self,
        net=None,
        n_hidden=25,
        *,
        solver="adam",
        learning_rate=1e-3,
        batch_size=256,
        max_iter=20,
        tol=0.0,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.net, self.n_hidden, self.solver = net, n_hidden, solver
        self.learning_rate, self.batch_size = learning_rate, batch_size
        self.max_iter, self.tol = max_iter, tol
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    def _net(self):
        return Sigmoid() if self.net is None else self.net

    def fit(self, X, y=None):
        """Learn from the rows of ``X``, of shape (m, s1), in float32 if they are; ``y`` is ignored.

        A keyboard interrupt ends the training with a warning and keeps the parameters so far.
        """
        X, rng = self._validated(X, reset=True), _generator(self.random_state)
        one_of(self.solver, "solver", ("adam", "lbfgs"))
        start = self._start(X, self._fresh(X, rng))
        steps = whole_number(self.max_iter, "max_iter") * -(-len(X) // whole_number(self.batch_size, "batch_size"))
        return self._train(X, start, rng, linear_decay(self.learning_rate, steps))

    def partial_fit(self, X, y=None):
        """Go one step of Adam on the rows of ``X``, a mini-batch; ``y`` is ignored."""
        return self._step(self._validated(X, reset=not hasattr(self, "params_")))


class SparseAutoencoder(_OfANet):
    """A sparse autoencoder that learns features in ``fit`` and returns hidden activations from ``transform``.

    Parameters
    ----------
    n_hidden : int
        Number of hidden units s2, which is the number of features that come out.
    rho, beta, lam
        As for `saelib.sparse_cost`.
    output : {"sigmoid", "linear"}
        Activation function of the output units; "sigmoid" asks for data in [0, 1]. For data of any other range take
        "linear", with lam and beta as the data's variance asks: they grow with it.
    solver : {"lbfgs", "adam", "gradient_descent"}
        The function of `saelib.train` that goes downhill; ``learning_rate`` is the step size of the last two,
        ``batch_size`` belongs to Adam.
    max_iter : int
        Largest number of iterations (of Adam: epochs).  To stop there is usual for these networks and raises no
        warning; ``history_.stopped`` says whether the training had converged.
    tol : float
        The training has converged when an iteration changes the cost by at most ``tol`` times its size.
    warm_start : bool
        Whether ``fit`` goes on from the parameters of the fit before, if there was one, and not from new ones.
        Gradient descent then does exactly what it would have done without a pause; L-BFGS and Adam have to gather
        anew what they remember of earlier gradients. Set ``params_`` by hand, for example to `saelib.load_params`,
        to go on from parameters that were saved.
    random_state : int, Generator, RandomState or None
        Source of the first weights, and of Adam's shuffling.
    verbose : bool
        Whether to show a progress bar.
    alpha : float, optional
        The old name of ``learning_rate``, for one release.

    Attributes
    ----------
    params_, history_ : saelib.Params, and saelib.train.History or (of Adam) Descent
        What the solver returned.
    n_iter_, n_features_in_ : int
        The number of iterations made (of Adam: steps), and of inputs.
    """

    def __init__(
        self,
        n_hidden=25,
        *,
        rho=0.05,
        beta=3.0,
        lam=1e-4,
        output="sigmoid",
        solver="lbfgs",
        max_iter=400,
        tol=1e-9,
        learning_rate=1e-3,
        batch_size=256,
        warm_start=False,
        random_state=None,
        verbose=False,
        alpha=None,
    ):
        self.n_hidden, self.output = n_hidden, output
        self.rho, self.beta, self.lam = rho, beta, lam
        self.solver, self.max_iter, self.tol = solver, max_iter, tol
        self.learning_rate, self.batch_size, self.alpha = learning_rate, batch_size, alpha
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    def fit(self, X, y=None):
        """Learn from the rows of ``X``, of shape (m, s1), in float32 if they are; ``y`` is ignored.

        A keyboard interrupt ends the training with a warning and keeps the parameters so far.
        """
        X, rng = self._validated(X, reset=True), _generator(self.random_state)
        one_of(self.solver, "solver", ("lbfgs", "adam", "gradient_descent"))
        start = self._start(X, self._fresh(X, rng))
        if self.solver == "gradient_descent":
            settings = {name: getattr(self, name) for name in ("lam", "rho", "beta", "output", "max_iter", "tol")}
            found = gradient_descent(start, X, **settings, alpha=self._rate(), progress=bool(self.verbose))
            return self._found(*found)
        return self._train(X, start, rng, self._rate() if self.solver == "adam" else None)

    def partial_fit(self, X, y=None):
        """Go one step of Adam on the rows of ``X``, a mini-batch; ``y`` is ignored."""
        return self._step(self._validated(X, reset=not hasattr(self, "params_")))

    def _rate(self):
        if self.alpha is None:
            return positive(self.learning_rate, "learning_rate")
        _warn("alpha is called learning_rate now, as elsewhere in scikit-learn", FutureWarning)
        return positive(self.alpha, "alpha")

    def _net(self):
        return Sigmoid(self.lam, self.rho, self.beta, self.output)


def _warn(message, category):
    """Warn, naming the line outside of this file that called."""
    frame, level = sys._getframe(1), 2
    while frame.f_code.co_filename == __file__ and frame.f_back:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _generator(random_state):
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError):
        wanted = "a whole number, a Generator, a RandomState or None"
        raise ValueError(f"random_state must be {wanted}, got {random_state!r}") from None
