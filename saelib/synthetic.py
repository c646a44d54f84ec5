"""Data whose features are known, to ask of an autoencoder whether it finds them.

A sample is a sum of a few rows of a true dictionary, with positive coefficients: ``X = A @ dictionary + noise``.
"""

from typing import NamedTuple

import numpy as np

from ._checks import as_matrix, generator, in_open_unit_interval, nonnegative, positive, whole_number
from .metrics import dictionary_recovery


class World(NamedTuple):
    """What samples are made of: k features in n dimensions, each active on its own or only with its parent.

    Feature j is active with probability ``chance[j]``; if ``parent[j]`` is not -1, then with that probability among
    the samples in which feature ``parent[j]`` is active, and in no others.  Active coefficients are uniform between
    ``low`` and ``high``.  `known_dictionary` and `parent_child` make such worlds.
    """

    dictionary: np.ndarray  # (k, n), a feature per row
    chance: np.ndarray  # (k,)
    parent: np.ndarray  # (k,), int
    low: float
    high: float
    noise: float
    rng: "np.random.Generator"  # in quotes: NumPy loads it at its first use

    def sample(self, m, rng=None):
        """Return ``X`` of shape (m, n) and its true coefficients ``A`` of shape (m, k), both of the dictionary's dtype.

        Without ``rng``, the world's own generator goes on.
        """
        m, rng = whole_number(m, "m"), self.rng if rng is None else generator(rng)
        k, n = self.dictionary.shape
        dtype = self.dictionary.dtype
        active = rng.random((m, k)) < self.chance
        for child in np.flatnonzero(self.parent >= 0):  # a parent stands before its children
            active[:, child] &= active[:, self.parent[child]]
        A = np.where(active, rng.uniform(self.low, self.high, (m, k)), 0).astype(dtype)
        X = A @ self.dictionary
        if self.noise:
            X = X + (self.noise * rng.standard_normal((m, n))).astype(dtype)
        return X, A

    def batches(self, size, steps, seed):
        """Yield ``steps`` fresh batches ``X`` of ``size`` samples, the same ones for the same whole number ``seed``."""
        rng = np.random.default_rng(whole_number(seed, "seed", least=0))
        for _ in range(whole_number(steps, "steps")):
            yield self.sample(size, rng)[0]


def known_dictionary(n_features, dim, n_active, rng, *, low=0.0, high=1.0, noise=0.0, dtype=np.float64):
    """Return a `World` of random directions of length one, of which ``n_active`` are active in a sample, on average.

    Each feature is active on its own with probability ``n_active / n_features``.  There may be many more features than
    dimensions.

    Parameters
    ----------
    n_features, dim : int
    n_active : float
        Above 0 and at most ``n_features``.
    rng : numpy.random.Generator
        Draws the features, and later the samples.
    low, high : float
        Active coefficients are uniform in between.
    noise : float
        Standard deviation of normal noise in every dimension.
    dtype : float64 or float32

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    k, n, rng = whole_number(n_features, "n_features"), whole_number(dim, "dim"), generator(rng)
    n_active = positive(n_active, "n_active")
    if n_active > k:
        raise ValueError(f"n_active must be at most n_features = {k}, got {n_active:g}")
    D = rng.standard_normal((k, n))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    return _world(D, np.full(k, n_active / k), np.full(k, -1), low, high, noise, rng, dtype)


def parent_child(n_features, dim, rng, *, parent=0.3, child=0.3, others=0.1, low=0.8, high=1.2, dtype=np.float64):
    """Return a `World` of orthonormal features in which feature 1 is active only where feature 0, its parent, is.

    Nothing but this hierarchy makes the features hard to find: it is the smallest world in which absorption can happen.

    Parameters
    ----------
    n_features, dim : int
        At least 2, and not more features than dimensions.
    rng : numpy.random.Generator
        Draws the features, and later the samples.
    parent, child, others : float
        Probabilities: of the parent, of the child where the parent is active, and of every other feature.
    low, high : float
        Active coefficients are uniform in between.
    dtype : float64 or float32

    Raises
    ------
    ValueError
        If an argument is outside its range.

    References
    ----------
    Chanin et al. (2024), A is for absorption.
    """
    n, rng = whole_number(dim, "dim", least=2), generator(rng)
    k = whole_number(n_features, "n_features", least=2, most=n)
    chance = np.full(k, in_open_unit_interval(others, "others"))
    chance[:2] = in_open_unit_interval(parent, "parent"), in_open_unit_interval(child, "child")
    above = np.full(k, -1)
    above[1] = 0
    D = np.linalg.qr(rng.standard_normal((n, k)))[0].T
    return _world(D, chance, above, low, high, 0.0, rng, dtype)


def _world(D, chance, parent, low, high, noise, rng, dtype):
    low, noise = nonnegative(low, "low"), nonnegative(noise, "noise")
    if not low < positive(high, "high"):
        raise ValueError(f"high must be above low = {low:g}, got {high:g}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
    return World(np.ascontiguousarray(D, dtype), chance, parent, low, float(high), noise, rng)


class Recovery(NamedTuple):
    """``mean_max``: of the true features, mean largest |cosine|; ``found``: the share paired above the threshold."""

    mean_max: float
    found: float


def recovery(D_true, D, threshold=0.9):
    """Return how much of a true dictionary another one holds, as a `Recovery`; atoms are rows of any length.

    ``mean_max`` lets several features share one atom; ``found`` does not: it is `saelib.metrics.dictionary_recovery`,
    which pairs one to one.  Signs do not count, so that a filter may stand for a feature by its negative.

    Parameters
    ----------
    D_true, D : arrays of shape (k_true, n) and (k, n)
    threshold : float

    Raises
    ------
    ValueError
        If the atoms do not have the same length.
    """
    D_true = as_matrix(D_true, "D_true")
    D = as_matrix(D, "D", columns=D_true.shape[1])
    found = dictionary_recovery(D_true, D, threshold)
    return Recovery(float(np.mean(np.max(np.abs(_unit(D_true) @ _unit(D).T), axis=1))), found)


def _unit(D):
    D = np.ldexp(D, -np.frexp(np.max(np.abs(D), axis=1, keepdims=True))[1]).astype(float)
    length = np.linalg.norm(D, axis=1, keepdims=True)
    return D / np.where(length > 0, length, 1)
