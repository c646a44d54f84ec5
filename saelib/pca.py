"""Principal component analysis, and the two ways of whitening that it leads to."""

import numpy as np

from ._checks import as_matrix, positive


def whiten_image(image, f0=0.4):
    """Flatten the spectrum of a photograph with Olshausen and Field's filter ``r exp(-(r/f0)^4)``.

    The amplitude of natural images falls off about as ``1/r``, so the factor ``r`` evens it out, and the exponential
    removes the highest frequencies, where little but noise and sampling artifacts are left. The result has mean 0, and
    is scaled to variance 1 so that every photograph has the same say. The filter takes the image to repeat itself in both
    directions, so a few pixels along the frame are not to be trusted.

    Parameters
    ----------
    image : array of shape (height, width)
        Gray levels of any real type, not all the same.
    f0 : float
        Cutoff in cycles per pixel (Nyquist's limit is 0.5 along the axes).

    Returns
    -------
    array of shape (height, width), floating-point

    References
    ----------
    Olshausen and Field (1997), Sparse coding with an overcomplete basis set: a strategy employed by V1?
    They scale all their images together to variance 0.1; this function scales each by itself to variance 1.
    """
    image, f0 = as_matrix(image, "image"), positive(f0, "f0")
    if image.min() == image.max():
        raise ValueError(f"image must not be constant, got {image.min():.4g} at every pixel")
    height, width = image.shape
    r = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width))
    transfer = r * np.exp(-((r / f0) ** 4))
    whitened = np.fft.ifft2(transfer * np.fft.fft2(image)).real
    return (whitened / whitened.std()).astype(image.dtype)
