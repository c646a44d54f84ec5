"""The checks of the equations of the chapter "Natural images give edges"."""

import cmath
import math
import statistics

import numpy as np

import saelib
from saelib import datasets, metrics, pca
from tests.equations import (
    error,
    f,
    mistakes,
    network,
    slopes,
    verifies,
)

# --- waves and patches ------------------------------------------------------------------------------------------------

RINGS = np.array([0.0, 0.12, 0.25, 0.38, 0.75])


def power_spectrum(image, power=lambda F: np.abs(F) ** 2, average=np.mean, radius=np.hypot):
    """The mean power of the waves in each ring of frequencies."""
    v, u = np.meshgrid(np.fft.fftfreq(image.shape[0]), np.fft.fftfreq(image.shape[1]), indexing="ij")
    P, ring = power(np.fft.fft2(image)), np.digitize(radius(u, v), RINGS)
    return [average(P[ring == k]) for k in range(1, len(RINGS))]


@verifies(
    "eq-power-spectrum",
    formula=power_spectrum,
    wrong={
        "the amplitude instead of the power": lambda image: power_spectrum(image, power=np.abs),
        "the sum instead of the mean": lambda image: power_spectrum(image, average=np.sum),
        "the square of the mean": lambda image: power_spectrum(image, np.abs, lambda F: np.mean(F) ** 2),
        "rings are squares": lambda image: power_spectrum(image, radius=lambda u, v: np.maximum(abs(u), abs(v))),
        "one direction only": lambda image: power_spectrum(image, radius=lambda u, v: abs(u) + 0 * v),
        "the real part only": lambda image: power_spectrum(image, power=lambda F: F.real**2),
    },
    method="index loops",
)
def power_of_waves_by_sums_over_pixels(formula, rng):
    """Rings of frequencies of a small image, against a sum over all pixels for each wave by itself."""
    image, powers = rng.normal(size=(7, 9)), [[] for _ in RINGS]
    for v in range(-3, 4):
        for u in range(-4, 5):
            wave = [np.exp(-2j * np.pi * (v * y / 7 + u * x / 9)) * image[y, x] for y in range(7) for x in range(9)]
            r = ((v / 7) ** 2 + (u / 9) ** 2) ** 0.5
            powers[sum(r >= RINGS) - 1].append(abs(sum(wave)) ** 2)
    return error(formula(image), [sum(P) / len(P) for P in powers[:-1]])


def filtered_by(R):
    """A whitening with another factor ``R(r, f0)`` for the waves of frequency r."""

    def whiten(image, f0):
        r = np.hypot(np.fft.fftfreq(image.shape[0])[:, np.newaxis], np.fft.fftfreq(image.shape[1]))
        result = np.fft.ifft2(R(r, f0) * np.fft.fft2(image)).real
        return result / result.std()

    return whiten


@verifies(
    "eq-whiten-filter",
    formula=pca.whiten_image,
    wrong={
        "the factor r is missing": filtered_by(lambda r, f0: np.exp(-((r / f0) ** 4))),
        "the exponential is missing": filtered_by(lambda r, f0: r),
        "a Gaussian, the power 2": filtered_by(lambda r, f0: r * np.exp(-((r / f0) ** 2))),
        "the sign in the exponent": filtered_by(lambda r, f0: r * np.exp((r / f0) ** 4)),
        "f0 is not raised to the power": filtered_by(lambda r, f0: r * np.exp(-(r**4) / f0)),
        "frequencies up to 1, not 1/2": filtered_by(lambda r, f0: r * np.exp(-((2 * r / f0) ** 4))),
        "r squared": filtered_by(lambda r, f0: r**2 * np.exp(-((r / f0) ** 4))),
    },
    method="property",
)
def whitening_multiplies_each_wave_by_R(formula, rng):
    """Two waves go in, with known amplitudes; the ratio of what comes out, measured by sums over the pixels."""
    y, x = np.mgrid[:16, :20]
    slow, fast = np.cos(2 * np.pi * (y / 16 + 2 * x / 20)), np.cos(2 * np.pi * (5 * y / 16 - 3 * x / 20))
    r_slow, r_fast = np.sqrt(1 / 16**2 + 2**2 / 20**2), np.sqrt(5**2 / 16**2 + 3**2 / 20**2)
    f0, a, b = rng.uniform(0.3, 0.5), *rng.uniform(1, 2, 2)
    white = formula(128 + a * slow + b * fast, f0)
    ratio = (r_fast / r_slow) * np.exp((r_slow / f0) ** 4 - (r_fast / f0) ** 4)
    return error(np.sum(white * fast) / np.sum(white * slow), b / a * ratio)


@verifies(
    "eq-normalize-patches",
    formula=datasets.normalize_patches,
    wrong=mistakes("normalize_patches"),
    method="index loops",
)
def patches_normalized_pixel_by_pixel(formula, rng):
    """Against plain Python, one pixel at a time; two pixels lie far out, so that the clipping has something to do."""
    P = rng.normal(5, 2, (30, 9))
    P[3, 4], P[7, 0] = 40, -40
    deviations = [[p - statistics.fmean(patch) for p in patch] for patch in P.tolist()]
    limit = 3 * statistics.stdev(d for row in deviations for d in row)
    expected = [[0.1 + 0.4 * (1 + min(max(d, -limit), limit) / limit) for d in row] for row in deviations]
    return error(formula(P), expected)


# --- what a unit learned ----------------------------------------------------------------------------------------------


def favorite_inputs(W1):
    """Each row of weights, divided by its length."""
    with np.errstate(invalid="ignore"):
        return W1 / np.sqrt(np.sum(W1**2, axis=1, keepdims=True))


@verifies(
    "eq-optimal-input",
    formula=favorite_inputs,
    wrong=mistakes("optimal_input") | {"only the sign of each weight": lambda W1: np.sign(W1) / np.sqrt(W1.shape[1])},
    method="property",
)
def favorite_input_cannot_be_bettered(formula, rng):
    """At the best point of a ball the activation rises straight outward, and no other point does better.

    The slope of the activation is found by nudging each input.  A unit without weights has no favorite: the theorem
    excludes it, and there all inputs excite it alike.
    """
    params, rivals = network(rng)[0], rng.normal(size=(1000, 4))
    rivals /= np.linalg.norm(rivals, axis=1, keepdims=True)
    params.W1[2] = 0
    inputs, errors = formula(params.W1), []
    for j, x in enumerate(inputs[:2]):
        uphill = slopes(lambda x, j=j: f(params.W1[j] @ x + params.b1[j]), x).astype(float)
        errors.append(error(x, uphill / np.linalg.norm(uphill)))
        best = saelib.forward(params, [x]).A2[0, j]
        errors.append(max(0.0, np.max(saelib.forward(params, rivals).A2[:, j] - best)))
    excluded = np.ptp(saelib.forward(params, rivals).A2[:, 2]) + np.isfinite(inputs[2]).any()
    return max(*errors, excluded)


def coherence(filters, shape, power=2, angle=2, constant=0, divide=True):
    """The coherence of filters with odd sides, with a step that can be replaced."""
    P = np.abs(np.fft.fft2(filters.reshape(-1, *shape))) ** power
    P[:, 0, 0] *= constant
    theta = np.arctan2(np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.fftfreq(shape[1]))
    return np.abs(np.sum(P * np.exp(angle * 1j * theta), axis=(1, 2))) / (np.sum(P, axis=(1, 2)) if divide else 1)


@verifies(
    "eq-orientation-coherence",
    formula=metrics.orientation_coherence,
    wrong={
        "the angle is not doubled": lambda filters, shape: coherence(filters, shape, angle=1),
        "the angle is multiplied by 4": lambda filters, shape: coherence(filters, shape, angle=4),
        "the amplitude instead of the power": lambda filters, shape: coherence(filters, shape, power=1),
        "the constant wave counts": lambda filters, shape: coherence(filters, shape, constant=1),
        "not divided by the whole power": lambda filters, shape: coherence(filters, shape, divide=False),
        "height and width are swapped": lambda filters, shape: coherence(filters, shape[::-1]),
    },
    method="index loops",
)
def coherence_adds_up_arrows_of_waves(formula, rng):
    """Against sums over pixels for each wave and over waves, one by one; and a single wave, which has coherence 1."""
    y, x = np.mgrid[:5, :7]
    filters = np.array([rng.normal(size=(5, 7)), 3 + np.cos(2 * np.pi * (2 * y / 5 - x / 7))])
    expected = []
    for F in filters:
        arrows, power = 0, 0
        for v, u in ((v, u) for v in range(-2, 3) for u in range(-3, 4) if (v, u) != (0, 0)):
            wave = sum(
                F[i, j] * cmath.exp(-2j * cmath.pi * (v * i / 5 + u * j / 7)) for i in range(5) for j in range(7)
            )
            theta = math.atan2(v / 5, u / 7)
            arrows, power = arrows + abs(wave) ** 2 * cmath.exp(2j * theta), power + abs(wave) ** 2
        expected.append(abs(arrows) / power)
    found = formula(filters.reshape(2, 35), (5, 7))
    return max(error(found, expected), abs(found[1] - 1))


def spread(filters, n, power=2, mean=True, center=True, root=np.sqrt, whole=6):
    """How far each filter of n x n pixels reaches, with a step that can be replaced."""
    w = np.abs(filters - mean * filters.mean(axis=1, keepdims=True)) ** power
    q = w / w.sum(axis=1, keepdims=True)
    place = np.array(list(np.ndindex(n, n)))
    variance = q @ np.sum(place**2, axis=1) - center * np.sum((q @ place) ** 2, axis=1)
    return root(whole / (n**2 - 1) * variance)


@verifies(
    "eq-spread",
    formula=spread,
    wrong={
        "magnitudes instead of squares": lambda filters, n: spread(filters, n, power=1),
        "the filter keeps its mean": lambda filters, n: spread(filters, n, mean=False),
        "measured from a corner": lambda filters, n: spread(filters, n, center=False),
        "no root": lambda filters, n: spread(filters, n, root=lambda v: v),
        "one direction only": lambda filters, n: spread(filters, n, whole=12),
    },
    method="index loops",
)
def spread_is_half_the_mean_squared_distance_of_two_pixels(formula, rng):
    """The variance as half the mean squared distance of two pixels, drawn by their weights; and checkers have 1."""
    filters, expected = rng.normal(size=(3, 25)), []
    filters[2] = [(-1) ** (i + j) for i in range(5) for j in range(5)]
    for w in filters.tolist():
        q = [(weight - statistics.fmean(w)) ** 2 for weight in w]
        pairs = 0
        for i in range(25):
            for j in range(25):
                apart = (i // 5 - j // 5) ** 2 + (i % 5 - j % 5) ** 2
                pairs += q[i] * q[j] * apart / sum(q) ** 2
        expected.append(math.sqrt(6 / 24 * pairs / 2))
    checkers = np.array([(-1) ** (i + j) for i in range(4) for j in range(4)], float)[np.newaxis]
    return max(error(formula(filters, 5), expected), abs(formula(checkers, 4)[0] - 1))
