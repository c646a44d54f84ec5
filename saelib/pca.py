"""Principal component analysis, and the two ways of whitening: along the components, and in the Fourier domain."""

from typing import NamedTuple

import numpy as np

from ._checks import as_matrix, as_picture, exponent, nonnegative, positive, whole_number


class PCA(NamedTuple):
    """The mean of the data and its directions of largest variance.

    The covariance is a mean over samples (divided by m, as the cost is), so ``total_variance - variances.sum()`` is the
    mean squared error of the reconstruction exactly, and ``variances / total_variance`` the share that each explains.
    """

    mean: np.ndarray  # (n,)
    components: np.ndarray  # (k, n), orthonormal rows
    variances: np.ndarray  # (k,), decreasing
    total_variance: float


def fit_pca(X, n_components):
    """Find the orthogonal directions along which the data vary most, by the SVD of the centered data.

    Parameters
    ----------
    X : array of shape (m, n)
    n_components : int, from 1 to min(m, n)

    Returns
    -------
    PCA
        One direction per row of ``components``; the sign is chosen so that its entry of largest size is positive.

    Raises
    ------
    ValueError
        If ``X`` is not a finite matrix or ``n_components`` is out of range.

    References
    ----------
    Chapter "Linear autoencoders and PCA"; Eckart and Young (1936).
    """
    X = as_matrix(X)
    k = whole_number(n_components, "n_components", most=min(X.shape))
    mean = X.mean(axis=0, dtype=float).astype(X.dtype)
    # Q of X - mean = Q R has orthonormal columns, so R has the same singular values and directions, in far fewer rows.
    R = np.linalg.qr(X - mean, mode="r")
    _, s, components = np.linalg.svd(R, full_matrices=False)
    variances = s**2 / len(X)  # (eq-pca-covariance)
    components = components[:k]
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(k), largest])[:, np.newaxis]
    return PCA(mean, components, variances[:k], float(variances.sum()))


def pca_project(pca, X):
    """Return the codes ``(X - mean) @ components.T``, shape (m, k): each sample's coordinates along the components."""
    return (as_matrix(X, columns=len(pca.mean)) - pca.mean) @ pca.components.T  # (eq-pca-project)


def pca_reconstruct(pca, codes):
    """Return ``mean + codes @ components``, shape (m, n): the points of the principal subspace with these codes."""
    codes = as_matrix(codes, "codes", columns=len(pca.components))
    return pca.mean + codes @ pca.components  # (eq-pca-reconstruct)


def pca_whiten(pca, X, epsilon):
    """Return the codes, each divided by ``sqrt(variance + epsilon)``, shape (m, k): variance 1 along every component.

    ``epsilon >= 0`` keeps directions of little variance, mostly noise, from being blown up. It may be 0 only where
    every direction has some variance.
    """
    epsilon = nonnegative(epsilon, "epsilon")
    codes = pca_project(pca, X)
    rounding = (10 * np.finfo(pca.variances.dtype).eps) ** 2 * pca.variances[0]
    if pca.variances[-1] + epsilon <= rounding:
        raise ValueError(
            f"epsilon must be > 0 where the data do not vary in some direction (variance {pca.variances[-1]:.2g} along "
            f"component {len(pca.variances)}), got {epsilon:g}"
        )
    return codes / np.sqrt(pca.variances + epsilon)  # (eq-pca-whiten)


def zca_whiten(X, epsilon, *, pca=None):
    """Whiten, and turn back into the original coordinates: whitened patches still look like patches.

    Of all transforms that make the covariance the identity, this one changes the data least.

    Parameters
    ----------
    X : array of shape (m, n)
    epsilon : float, >= 0
        Added to each variance (see `pca_whiten`).
    pca : PCA, optional
        The components and variances to whiten by; those of ``X``, all of them, when not given. To treat new data like
        the old: ``pca = fit_pca(X, n)``, then ``zca_whiten(X_new, epsilon, pca=pca)``.

    Returns
    -------
    array of shape (m, n)

    References
    ----------
    Bell and Sejnowski (1997), The "independent components" of natural scenes are edge filters.
    """
    X = as_matrix(X)
    pca = fit_pca(X, min(X.shape)) if pca is None else pca
    return pca_whiten(pca, X, epsilon) @ pca.components  # (eq-zca)


def whiten_image(image, f0=0.4):
    """Flatten the spectrum of a photograph with Olshausen and Field's filter ``r exp(-(r/f0)^4)``.

    The amplitude of natural images falls off about as ``1/r``, so the factor ``r`` evens it out, and the exponential
    removes the highest frequencies, where little but noise and sampling artifacts are left. The result has mean 0, and
    is scaled to variance 1 so that every photograph has the same say. The filter takes the image to repeat itself in
    both directions, so a few pixels along the frame are not to be trusted.

    Parameters
    ----------
    image : array of shape (height, width)
        Gray levels of any real type, not all the same.
    f0 : float
        Cutoff in cycles per pixel (Nyquist's limit is 0.5 along the axes).

    Returns
    -------
    array of shape (height, width), floating-point

    Raises
    ------
    ValueError
        If the image is constant or not finite, or ``f0`` is so small that nothing passes.

    References
    ----------
    Olshausen and Field (1997), Sparse coding with an overcomplete basis set: a strategy employed by V1?
    They scale all their images together to variance 0.1; this function scales each by itself to variance 1.
    """
    image, f0 = as_picture(image, "image"), positive(f0, "f0")
    if np.ptp(np.ldexp(image, -exponent(image))) <= 4 * np.finfo(image.dtype).eps:  # but for rounding
        raise ValueError(f"image must not be constant, got {image.min():.4g} at every pixel")
    height, width = image.shape
    image = np.ldexp(image, -exponent(image))
    r = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width))
    with np.errstate(over="ignore"):
        transfer = r * np.exp(-((r / f0) ** 4))  # (eq-whiten-filter)
    whitened = np.fft.ifft2(transfer * np.fft.fft2(image)).real
    size = whitened.std()
    if not size > 0:
        raise ValueError(f"f0 must let some frequency of the image pass, but {f0:g} leaves nothing; 0.4 is usual")
    return (whitened / size).astype(image.dtype)
