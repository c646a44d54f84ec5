"""The sparse autoencoder as a scikit-learn estimator, over the functions of the other modules."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ._checks import as_matrix, one_of
from .cost import reconstruction_error
from .network import Params, forward, init_params, sigmoid
from .train import adam, gradient_descent, lbfgs

_SOLVERS = {  # and the options that are their own
    "lbfgs": (lbfgs,),
    "adam": (adam, "alpha", "batch_size"),
    "gradient_descent": (gradient_descent, "alpha"),
}


class SparseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A sparse autoencoder that learns features in ``fit`` and returns hidden activations from ``transform``.

    Parameters
    ----------
    n_hidden : int
        Number of hidden units s2, which is the number of features that come out.
    rho, beta, lam
        As for `saelib.sparse_cost`.
    output : {"linear", "sigmoid"}
        Activation function of the output units; "sigmoid" asks for data in [0, 1].
    solver : {"lbfgs", "adam", "gradient_descent"}
        The function of `saelib.train` that goes downhill; ``alpha`` is the step size of the last two, ``batch_size``
        belongs to Adam.
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

    Attributes
    ----------
    params_, history_ : Params, History
        What the solver returned.
    n_iter_, n_features_in_ : int
        The number of iterations made, and of inputs.
    """

    def __init__(
        self,
        n_hidden=25,
        *,
        rho=0.05,
        beta=3.0,
        lam=1e-4,
        output="linear",
        solver="lbfgs",
        max_iter=400,
        tol=1e-9,
        alpha=1e-3,
        batch_size=256,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.n_hidden, self.output = n_hidden, output
        self.rho, self.beta, self.lam = rho, beta, lam
        self.solver, self.max_iter, self.tol = solver, max_iter, tol
        self.alpha, self.batch_size = alpha, batch_size
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    def fit(self, X, y=None):
        """Learn from the rows of ``X``, of shape (m, s1), in float32 if they are; ``y`` is ignored.

        A keyboard interrupt ends the training with a warning and keeps the best parameters so far.
        """
        X, rng = validate_data(self, X, dtype=[np.float64, np.float32]), _generator(self.random_state)
        descend, *own = _SOLVERS[one_of(self.solver, "solver", tuple(_SOLVERS))]
        options = {name: getattr(self, name) for name in ("lam", "rho", "beta", "output", "max_iter", "tol", *own)}
        if descend is adam:
            options["rng"] = rng
        start = self._start(X, rng)
        self.params_, self.history_ = descend(start, X, progress=bool(self.verbose), **options)
        self.n_iter_ = max(len(self.history_.cost) - 1, 0)
        if self.history_.stopped == "interrupted":
            warnings.warn("Training was interrupted; the best parameters so far are kept.", stacklevel=2)
        return self

    def _start(self, X, rng):
        fresh = init_params(X.shape[1], self.n_hidden, rng, dtype=X.dtype)
        if not (self.warm_start and hasattr(self, "params_")):
            return fresh
        wanted, came = fresh.W1.shape, self.params_.W1.shape
        if came != wanted:
            raise ValueError(
                f"warm_start goes on from params_ with W1 of shape {came}, but W1 must have shape {wanted}"
            )
        return Params(*(P.astype(X.dtype) for P in self.params_))

    def transform(self, X):
        """Return the hidden activations ``A2`` of the rows of ``X``, of shape (m, s2)."""
        X = self._validated(X)
        W1, b1, _, _ = self.params_
        return sigmoid(X @ W1.T + b1)

    def inverse_transform(self, A2):
        """Return the reconstruction ``A3`` of shape (m, s1) from hidden activations ``A2`` of shape (m, s2)."""
        check_is_fitted(self)
        _, _, W2, b2 = self.params_
        Z3 = as_matrix(A2, "A2", columns=W2.shape[1]) @ W2.T + b2
        return sigmoid(Z3) if self.output == "sigmoid" else Z3

    def score(self, X, y=None):
        """Return minus the `reconstruction_error` on ``X``: half the squared error, averaged over samples.

        Greater is better, 0 is perfect.  It is the first term of the cost, with its sign turned.
        """
        X = self._validated(X)
        return -reconstruction_error(forward(self.params_, X, output=self.output).A3, X)

    def _validated(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=False)

    @property
    def _n_features_out(self):
        return self.params_.W1.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _generator(random_state):
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError):
        wanted = "a whole number, a Generator, a RandomState or None"
        raise ValueError(f"random_state must be {wanted}, got {random_state!r}") from None
