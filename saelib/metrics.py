"""Numbers that judge a model: how well it reconstructs, how sparse its codes are, and what its filters look like.

Codes or activations ``A`` are (m, k), a sample per row and a unit per column. Where there is nothing to measure (a unit
that never responds, a filter without contrast) the entry is NaN; ``np.nanmean`` and ``np.nanmedian`` pass over it.
"""

import numpy as np

from ._checks import as_matrix, exponent, nonnegative, whole_number


def squared_error(X, X_hat):
    """Return the squared error of the reconstructions ``X_hat``, summed over features and averaged over samples."""
    X, X_hat = _check_pair(X, X_hat)
    return float(np.sum((X - X_hat) ** 2, dtype=float) / len(X))


def fvu(X, X_hat):
    """Return the fraction of variance unexplained: the squared error over that of guessing the mean of ``X``.

    0 is a perfect reconstruction, 1 is no better than the mean, and there is no upper limit.
    """
    X, X_hat = _check_pair(X, X_hat)
    if not _varies(X).any():
        raise ValueError(
            f"X must hold samples that differ, or there is no variance to explain; got {len(X)} equal rows"
        )
    centered = X - X.mean(axis=0, dtype=float)
    size = exponent(centered)
    unexplained = np.sum(np.ldexp(X - X_hat, -size) ** 2, dtype=float)
    total = np.sum(np.ldexp(centered, -size) ** 2)
    return float(unexplained / total)  # (eq-fvu)


def population_sparsity(A):
    """Return how few units carry each sample's code, from 0 (all equally) to 1 (a single one); shape (m,).

    Vinje and Gallant's measure ``(1 - (mean |a|)^2 / mean a^2) / (1 - 1/k)``, the means over the k units.

    References
    ----------
    Treves and Rolls (1991); Vinje and Gallant (2000); chapter "What sparse means".
    """
    return _treves_rolls(as_matrix(A, "A"), axis=1)  # (eq-population-sparsity)


def lifetime_sparsity(A):
    """Return how few samples each unit responds to, from 0 (all equally) to 1 (a single one); shape (k,).

    The same measure as `population_sparsity`, with the means over the m samples. One does not imply the other: units
    that each respond rarely may all respond together.

    References
    ----------
    Treves and Rolls (1991); Vinje and Gallant (2000); Willmore and Tolhurst (2001).
    """
    return _treves_rolls(as_matrix(A, "A"), axis=0)  # (eq-lifetime-sparsity)


def active_share(A, threshold=0.0):
    """Return the share of units active in each sample's code (L0 over k): those with ``|a| > threshold``; shape (m,).

    ``active_share(A.T, threshold)`` is the share of samples that each unit is active for.
    """
    threshold = nonnegative(threshold, "threshold")
    return np.mean(np.abs(as_matrix(A, "A")) > threshold, axis=1)  # (eq-active-share)


def dead_units(A, threshold=0.0):
    """Return a mask of the units that no sample activates beyond the threshold, shape (k,); its mean is their share."""
    return np.all(np.abs(as_matrix(A, "A")) <= nonnegative(threshold, "threshold"), axis=0)


def kurtosis(A):
    """Return each unit's excess kurtosis over samples, shape (k,): 0 for a Gaussian, large for rare, strong values."""
    A = as_matrix(A, "A").astype(float)
    deviation = A - A.mean(axis=0)
    deviation = np.ldexp(deviation, -exponent(deviation, axis=0))
    m4, m2 = np.mean(deviation**4, axis=0), np.mean(deviation**2, axis=0)
    return _divide(m4, m2**2 * _varies(A)) - 3  # (eq-kurtosis)


def orientation_coherence(filters, shape):
    """Return how well each filter keeps to one orientation, from 0 (all alike) to 1 (a grating); shape (k,).

    It is ``|sum P exp(2 i theta)| / sum P`` over the nonzero frequencies, where P is the power and theta the direction
    of a frequency. Doubling the angle makes opposite directions count as one, as they do for a wave.

    Parameters
    ----------
    filters : array of shape (k, height * width)
    shape : (height, width)

    References
    ----------
    Bigun and Granlund (1987), Optimal orientation detection of linear symmetry; chapter "Natural images give edges".
    """
    filters = as_matrix(filters, "filters").astype(float)
    if np.shape(shape) != (2,) or np.prod(shape) != filters.shape[1]:
        raise ValueError(f"shape must be (height, width) with height * width = {filters.shape[1]}, got {shape}")
    height, width = (whole_number(side, "shape") for side in shape)
    filters = np.ldexp(filters, -exponent(filters, axis=1))
    P = np.abs(np.fft.fft2(filters.reshape(-1, height, width))) ** 2
    P[:, 0, 0] = 0
    fx, fy = np.fft.fftfreq(width), np.fft.fftfreq(height)[:, np.newaxis]
    r = np.hypot(fx, fy)
    r[0, 0] = 1
    doubled_angle = ((fx + 1j * fy) / r) ** 2
    # At the highest frequency a wave and its mirror image have the same pixels: their mean angle counts.
    doubled_angle.imag[(fx == -0.5) | (fy == -0.5)] = 0
    resultant = np.abs(np.sum(P * doubled_angle, axis=(1, 2)))
    return _divide(resultant, np.sum(P, axis=(1, 2)) * _varies(filters.T))  # (eq-orientation-coherence)


def match_atoms(D_true, D):
    """Pair the atoms of two dictionaries, one to one, so that the sum of their ``|cosine|`` is largest.

    Parameters
    ----------
    D_true, D : arrays of shape (k_true, n) and (k, n)

    Returns
    -------
    similarity : array of shape (k_true,)
        ``|cosine|`` of each atom of ``D_true`` with its partner; 0 without a partner.
    partner : array of shape (k_true,), int
        The partner's row in ``D``; -1 without one, where ``D`` has fewer atoms.
    """
    from scipy.optimize import linear_sum_assignment

    D_true = as_matrix(D_true, "D_true")
    D = as_matrix(D, "D", columns=D_true.shape[1])
    cosine = np.abs(_unit_rows(D_true) @ _unit_rows(D).T)
    similarity, partner = np.zeros(len(D_true), dtype=cosine.dtype), np.full(len(D_true), -1)
    i, j = linear_sum_assignment(cosine, maximize=True)  # (eq-match-atoms)
    similarity[i], partner[i] = cosine[i, j], j
    return similarity, partner


def dictionary_recovery(D_true, D, threshold=0.9):
    """Return the share of atoms of ``D_true`` that `match_atoms` pairs with one of ``D`` at |cosine| > threshold."""
    similarity, _ = match_atoms(D_true, D)
    return float(np.mean(similarity > nonnegative(threshold, "threshold")))


def _treves_rolls(A, axis):
    n = A.shape[axis]
    if n < 2:
        raise ValueError(f"A must have at least two {('samples', 'units')[axis]} to compare, got shape {A.shape}")
    A = np.ldexp(np.abs(A), -exponent(A, axis)).astype(float)
    activity_ratio = _divide(A.mean(axis=axis) ** 2, np.mean(A**2, axis=axis))
    return np.clip((1 - activity_ratio) / (1 - 1 / n), 0, 1)


def _varies(A):
    """Return a mask of the columns that are not constant, told exactly: a computed variance need not come out as 0."""
    return (A != A[0]).any(axis=0)


def _divide(a, b):
    """Return a / b, and NaN where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=b != 0)


def _unit_rows(D):
    D = np.ldexp(D, -exponent(D, axis=1))
    norm = np.linalg.norm(D, axis=1, keepdims=True)
    return D / np.where(norm > 0, norm, 1)


def _check_pair(X, X_hat):
    X, X_hat = as_matrix(X), as_matrix(X_hat, "X_hat")
    if X.shape != X_hat.shape:
        raise ValueError(f"X_hat must have the shape of X, {X.shape}, got {X_hat.shape}")
    return X, X_hat
