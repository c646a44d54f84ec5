"""Words from recordings of magnetic fields of the brain: a simulation, ridge regression, and the 2-versus-2 test.

What `simulate` returns is made up by a formula; no measurement is contained in it but the word vectors.
"""

from typing import NamedTuple

import numpy as np

from ._checks import as_matrix, exponent, generator, nonnegative, positive, whole_number

FREQUENCY = 100  # samples in a second
BACKGROUND, ALPHA = 20, 10  # sources that know nothing of the word


class Nouns(NamedTuple):
    """Sixty nouns in twelve categories of five: ``words``, ``categories``, and their vectors ``Y`` (60, 50)."""

    words: tuple[str, ...]
    categories: tuple[str, ...]
    Y: np.ndarray


class Recording(NamedTuple):
    """Trials ``X`` (m, samples, sensors) in float32, the number ``word`` (m,) of the word shown in each, and times."""

    X: np.ndarray
    word: np.ndarray
    times: np.ndarray


class Score(NamedTuple):
    """The ``share`` of pairs that are told apart, the ``pairs`` (M, 2), and whether each was ``correct`` (M,)."""

    share: float
    pairs: np.ndarray
    correct: np.ndarray


def load_nouns():
    """Load sixty concrete nouns with their GloVe vectors of 50 numbers (credits in ``saelib/data/CREDITS.md``).

    Returns
    -------
    Nouns
        Each of the 50 columns of ``Y`` has mean 0 and variance 1 over the sixty words.

    References
    ----------
    Mitchell et al. (2008), Predicting human brain activity associated with the meanings of nouns: the words.
    Pennington, Socher and Manning (2014), GloVe: the vectors.
    """
    from importlib.resources import files

    rows = [line.split(",") for line in (files("saelib") / "data" / "nouns.csv").read_text("utf-8").splitlines()[1:]]
    Y = np.array([row[2:] for row in rows], dtype=float)
    return Nouns(tuple(row[0] for row in rows), tuple(row[1] for row in rows), (Y - Y.mean(axis=0)) / Y.std(axis=0))


def simulate(Y, rng, *, trials=20, snr=0.2, sensors=102, samples=50):
    """Make up the recording of one person to whom each word is shown ``trials`` times.

    Eight sources follow the meaning: each responds, rectified as a firing rate is, to a direction of ``Y`` drawn at
    random.  Sixteen respond to every word alike.  Thirty sources know nothing of the word: twenty have a spectrum whose
    amplitude falls as 1/f, ten oscillate at 10 Hz with a phase of their own in each trial.  Sensors add white noise.

    Parameters
    ----------
    Y : array of shape (words, k)
        What the words mean.
    rng : numpy.random.Generator
    trials : int
    snr : float
        Size of the part that follows the meaning; with 0 the recording holds no information on the word.
    sensors, samples : int
        Sensors on a sphere, and samples from the moment at which the word appears, 100 in a second.

    Returns
    -------
    Recording

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    Y, rng, snr = as_matrix(Y, "Y"), generator(rng), nonnegative(snr, "snr")
    whole_number(trials, "trials"), whole_number(sensors, "sensors"), whole_number(samples, "samples", least=2)
    n, k = Y.shape
    meaning, common = 8, 16
    sources = meaning + common
    t = np.arange(samples) / FREQUENCY

    places = rng.normal(size=(sensors, 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    inside = rng.normal(size=(sources + BACKGROUND + ALPHA, 3))
    inside *= 0.75 / np.linalg.norm(inside, axis=1, keepdims=True)
    field = _dipole_field(places, inside, rng.normal(size=inside.shape))
    field /= np.linalg.norm(field, axis=0)

    peak, width = rng.uniform(0.1, 0.4, sources), rng.uniform(0.03, 0.08, sources)
    course = np.exp(-(((t[:, None] - peak) / width) ** 2) / 2) * np.cos(8 * np.pi * (t[:, None] - peak))
    drive = np.maximum(Y @ rng.normal(size=(k, meaning)) / np.sqrt(k), 0)
    strength = np.hstack([snr * (drive - drive.mean(axis=0)), np.full((n, common), 2.0)])
    evoked = np.einsum("wd,td,sd->wts", strength, course, field[:, :sources], optimize=True)

    m = n * trials
    noise = np.concatenate([_one_over_f(m, samples, rng), _oscillations(m, t, rng)], axis=2) @ field[:, sources:].T
    noise = noise / noise.std() * 0.25 + 0.15 * rng.normal(size=noise.shape)
    return Recording((np.repeat(evoked, trials, axis=0) + noise).astype(np.float32), np.repeat(np.arange(n), trials), t)


def _dipole_field(sensors, places, moments):
    """Return the field along the radius (s, d) at sensors (s, 3) of dipoles inside a conducting ball (Sarvas, 1987)."""
    apart = sensors[:, None] - places
    outward = sensors / np.linalg.norm(sensors, axis=1, keepdims=True)
    lever = np.cross(apart, outward[:, None]) / np.linalg.norm(apart, axis=2, keepdims=True) ** 3
    return np.einsum("sdk,dk->sd", lever, moments)  # (eq-dipole-field)


def _one_over_f(m, samples, rng):
    frequency = np.fft.rfftfreq(samples, 1 / FREQUENCY)
    shape = (m, len(frequency), BACKGROUND)
    spectrum = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.maximum(frequency, 1)[:, None]
    courses = np.fft.irfft(spectrum, samples, axis=1)
    return courses / courses.std()


def _oscillations(m, t, rng):
    phase, size = rng.uniform(0, 2 * np.pi, (m, 1, ALPHA)), rng.gamma(2, 0.5, (m, 1, ALPHA))
    return np.sqrt(2) * size * np.cos(20 * np.pi * t[:, None] + phase)


def standardized(X):
    """Return the rows of ``X`` from their mean, divided by one number so that their mean squared length is 1.

    Raises
    ------
    ValueError
        If ``X`` is not a matrix, or all rows are equal.
    """
    X = as_matrix(X).astype(float, copy=False)
    X = X - X.mean(axis=0)
    X = np.ldexp(X, -exponent(X))
    if not X.any():
        raise ValueError("X must differ from row to row; all rows are equal")
    return X / np.sqrt(np.sum(X**2) / len(X))


def averages(values, word):
    """Return the mean of the entries of ``values`` (m, ...) over the trials of each word, of shape (words, ...).

    Raises
    ------
    ValueError
        If the two are not of one length, or some word from 0 to the largest has no trial.
    """
    values, word = np.asarray(values), np.asarray(word)
    if values.ndim == 0 or word.shape != values.shape[:1] or word.dtype.kind not in "iu":
        raise ValueError(f"word must be whole numbers, one for each trial, got shapes {word.shape} and {values.shape}")
    count = np.bincount(word)
    if not count.size or not count.all():
        raise ValueError("word must name every word from 0 to the largest at least once")
    return np.stack([values[word == w].mean(axis=0, dtype=float) for w in range(len(count))])


def ridge(X, Y, lam):
    """Return the weights (n, k) and intercepts (k,) that minimize the squared error plus lam times the squared weights.

    Parameters
    ----------
    X : array of shape (m, n)
        Features, a row for each word.
    Y : array of shape (m, k)
        What is to be predicted.
    lam : float
        Above 0.  The sum of squared errors is not divided by anything, and the intercepts are not shrunk.

    Raises
    ------
    ValueError
        If a shape does not fit or ``lam`` is not above 0.

    References
    ----------
    Hoerl and Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems.
    """
    X, Y, lam = _problem(X, Y, lam)
    U, s, Vt = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    long = np.hypot(s, np.sqrt(lam))
    W = Vt.T @ ((s / long / long)[:, None] * (U.T @ (Y - Y.mean(axis=0))))  # (eq-ridge) (eq-ridge-svd)
    return W, Y.mean(axis=0) - X.mean(axis=0) @ W


def hat_matrix(X, lam):
    """Return the matrix H (m, m) with which `ridge` turns the targets Y into its predictions H Y for the same rows."""
    X, lam = as_matrix(X).astype(float, copy=False), positive(lam, "lam")
    U, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    return 1 / len(X) + U * (s / np.hypot(s, np.sqrt(lam))) ** 2 @ U.T  # (eq-hat-matrix)


def leave_two_out(H, Y):
    """Return what ridge regression predicts for each pair of rows when it is fitted without the two.

    Parameters
    ----------
    H : array of shape (m, m)
        The `hat_matrix` of all m rows.
    Y : array of shape (m, k)

    Returns
    -------
    pairs : array of shape (m (m - 1) / 2, 2)
    P : array of shape (m (m - 1) / 2, 2, k)

    Raises
    ------
    ValueError
        If a shape does not fit, or there are fewer than three rows.
    """
    Y = as_matrix(Y, "Y")
    m = whole_number(len(Y), "the number of rows of Y", least=3)
    H = as_matrix(H, "H", columns=m)
    if len(H) != m:
        raise ValueError(f"H must have shape {(m, m)}, got {H.shape}")
    R = Y - H @ Y
    i, j = np.triu_indices(m, 1)
    p, q, h = 1 - H[i, i], 1 - H[j, j], H[i, j]
    determinant = (p * q - h * h)[:, None]
    if not (np.abs(determinant) > 0).all():
        raise ValueError("H must be the hat matrix of a regression with lam > 0; this one has 1 - H singular")
    first = Y[i] - (q[:, None] * R[i] + h[:, None] * R[j]) / determinant  # (eq-leave-two-out)
    second = Y[j] - (h[:, None] * R[i] + p[:, None] * R[j]) / determinant
    return np.stack([i, j], axis=1), np.stack([first, second], axis=1)


def matched(P, Y):
    """Return whether each pair of predictions is nearer, by cosine, to its own two words than to the words exchanged.

    A tie counts as failed.  This is a choice: features that do not tell two words apart get no credit for the pair.

    Parameters
    ----------
    P, Y : arrays of shape (M, 2, k)
        Two predictions, and the vectors of the two words that they are predictions of.

    Returns
    -------
    array of shape (M,), of bool

    Raises
    ------
    ValueError
        If the shapes do not fit or a number is not finite.
    """
    P, Y = (np.asarray(A, dtype=float) for A in (P, Y))
    if P.ndim != 3 or P.shape != Y.shape or P.shape[1] != 2:
        raise ValueError(f"P and Y must have one shape (pairs, 2, k), got {P.shape} and {Y.shape}")
    if not (np.isfinite(P).all() and np.isfinite(Y).all()):
        raise ValueError("P and Y must be finite")
    P, Y = _of_length_one(P), _of_length_one(Y)
    return np.sum((P[:, 0] - P[:, 1]) * (Y[:, 0] - Y[:, 1]), axis=1) > 0  # (eq-two-versus-two)


def two_versus_two(X, Y, lam):
    """Return how many of all pairs of words ridge regression tells apart when it is fitted without the pair.

    Parameters
    ----------
    X : array of shape (m, n)
        Features, a row for each word.
    Y : array of shape (m, k)
        The words' vectors.
    lam : float
        The regularization, as a multiple of the mean squared length of the centered rows of ``X``.

    Returns
    -------
    Score

    Raises
    ------
    ValueError
        If a shape does not fit, ``lam`` is not above 0, there are fewer than three rows, or all rows of ``X`` are
        equal.
    """
    X, Y, lam = _problem(X, Y, lam)
    pairs, P = leave_two_out(hat_matrix(standardized(X), lam), Y)
    correct = matched(P, Y[pairs])
    return Score(float(correct.mean()), pairs, correct)


def _of_length_one(A):
    A = A / np.maximum(np.abs(A).max(axis=-1, keepdims=True), np.finfo(float).tiny)
    return A / np.maximum(np.linalg.norm(A, axis=-1, keepdims=True), np.finfo(float).tiny)


def _problem(X, Y, lam):
    X, Y = as_matrix(X).astype(float, copy=False), as_matrix(Y, "Y").astype(float, copy=False)
    if len(X) != len(Y):
        raise ValueError(f"X and Y must have as many rows, got {len(X)} and {len(Y)}")
    return X, Y, positive(lam, "lam")
