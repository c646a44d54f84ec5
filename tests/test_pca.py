"""Components against scikit-learn and Eckart-Young, whitening against its purpose, the filter against a plain sum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA as SklearnPCA

from saelib.pca import PCA, fit_pca, pca_project, pca_reconstruct, pca_whiten, whiten_image, zca_whiten


def correlated(m, n, seed=0, dtype=float):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((m, n)) @ rng.standard_normal((n, n)) + 10 * rng.standard_normal(n)).astype(dtype)


@pytest.mark.parametrize("m, n, k", [(50, 6, 3), (50, 6, 6), (5, 9, 4), (9, 1, 1)])
def test_agrees_with_scikit_learn(m, n, k):
    X = correlated(m, n)
    pca, reference = fit_pca(X, k), SklearnPCA(k, svd_solver="full").fit(X)
    signs = np.sign(np.sum(pca.components * reference.components_, axis=1))
    np.testing.assert_allclose(pca.mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(pca.components, signs[:, np.newaxis] * reference.components_, atol=1e-10)
    np.testing.assert_allclose(pca.variances, reference.explained_variance_ * (m - 1) / m, rtol=1e-10)
    np.testing.assert_allclose(pca.variances / pca.total_variance, reference.explained_variance_ratio_, rtol=1e-10)
    codes = pca_project(pca, X)
    np.testing.assert_allclose(codes, signs * reference.transform(X), atol=1e-9)
    np.testing.assert_allclose(
        pca_reconstruct(pca, codes), reference.inverse_transform(reference.transform(X)), atol=1e-9
    )


def test_components_are_eigenvectors_of_the_covariance():
    X = correlated(30, 5)
    mean = sum(X) / 30
    covariance = sum(np.outer(x - mean, x - mean) for x in X) / 30
    pca = fit_pca(X, 5)
    np.testing.assert_allclose(pca.components @ covariance, pca.variances[:, np.newaxis] * pca.components, atol=1e-9)
    np.testing.assert_allclose(pca.total_variance, np.trace(covariance), rtol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 12), st.integers(1, 8), st.integers(0, 10**6), st.data())
def test_orthonormal_rows_with_a_definite_sign_in_order_of_variance(m, n, seed, data):
    k = data.draw(st.integers(1, min(m, n)))
    pca = fit_pca(correlated(m, n, seed), k)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(k), atol=1e-10)
    assert all(row[np.abs(row).argmax()] > 0 for row in pca.components)
    assert np.all(np.diff(pca.variances) <= 1e-12 * pca.variances[0])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_order_of_samples_does_not_matter(seed):
    X = correlated(20, 4, seed)
    a, b = fit_pca(X, 3), fit_pca(np.random.default_rng(seed).permutation(X), 3)
    np.testing.assert_allclose(a.variances, b.variances, rtol=1e-9)
    np.testing.assert_allclose(a.components.T @ a.components, b.components.T @ b.components, atol=1e-6)


def test_no_subspace_reconstructs_better():
    X = correlated(60, 7)
    pca = fit_pca(X, 3)
    error = np.mean(np.sum((X - pca_reconstruct(pca, pca_project(pca, X))) ** 2, axis=1))
    np.testing.assert_allclose(error, pca.total_variance - pca.variances.sum(), rtol=1e-10)
    rng, centered = np.random.default_rng(1), X - X.mean(axis=0)
    for closeness in [0, 0.5, 0.9, 0.99, 0.999]:
        for _ in range(20):
            start = closeness * pca.components + (1 - closeness) * rng.standard_normal((3, 7))
            Q = np.linalg.qr(start.T)[0]
            assert np.mean(np.sum((centered - centered @ Q @ Q.T) ** 2, axis=1)) >= error * (1 - 1e-12)


def test_a_far_mean_costs_no_digits_of_the_variances():
    X = correlated(40, 4)
    np.testing.assert_allclose(fit_pca(X + 1e6, 4).variances, fit_pca(X, 4).variances, rtol=1e-7)


def test_the_mean_of_many_samples_in_float32_keeps_its_digits():
    X = (100 + np.random.default_rng(7).standard_normal((200_000, 2))).astype(np.float32)
    np.testing.assert_allclose(fit_pca(X, 1).mean, X.astype(float).mean(axis=0), rtol=1e-7)


@pytest.mark.parametrize("m, n", [(200, 6), (2000, 3)])
def test_whitened_data_have_the_identity_as_covariance(m, n):
    X = correlated(m, n)
    for whitened in (pca_whiten(fit_pca(X, n), X, 0), zca_whiten(X, 0)):
        np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-10)
        np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(n), atol=1e-8)


def test_zca_is_the_inverse_square_root_of_the_covariance():
    from scipy.linalg import sqrtm

    X = correlated(100, 5)
    covariance = np.cov(X.T, bias=True) + 0.3 * np.eye(5)
    expected = (X - X.mean(axis=0)) @ np.linalg.inv(sqrtm(covariance))
    np.testing.assert_allclose(zca_whiten(X, 0.3), expected, atol=1e-9)


def test_zca_changes_the_data_least_of_all_whitenings():
    X = correlated(200, 4)
    centered, whitened = X - X.mean(axis=0), zca_whiten(X, 0)
    rng, change = np.random.default_rng(2), np.sum((X - X.mean(axis=0) - whitened) ** 2)
    for size in [0.01, 0.1, 1, 10]:
        for _ in range(10):
            Q = np.linalg.qr(np.eye(4) + size * rng.standard_normal((4, 4)))[0]
            Q *= np.sign(np.diag(Q))
            assert np.sum((centered - whitened @ Q) ** 2) > change


def test_new_data_are_whitened_by_the_old_components():
    X = correlated(50, 4)
    pca = fit_pca(X, 4)
    np.testing.assert_allclose(zca_whiten(X[:3], 0.1, pca=pca), zca_whiten(X, 0.1)[:3], atol=1e-12)


def test_epsilon_holds_back_directions_without_variance():
    X = correlated(50, 5)
    X -= X.mean(axis=1, keepdims=True)  # as with patches: nothing along (1, ..., 1)
    with pytest.raises(ValueError, match="epsilon must be > 0 where the data do not vary"):
        zca_whiten(X, 0)
    whitened = zca_whiten(X, 0.01)
    np.testing.assert_allclose(whitened.sum(axis=1), 0, atol=1e-10)
    assert np.all(np.linalg.eigvalsh(np.cov(whitened.T, bias=True)) < 1)
    assert not zca_whiten(np.ones((4, 3)), 0.1).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_epsilon_may_be_zero_where_every_direction_has_some_variance_and_only_there(dtype):
    X = correlated(50, 3) - 10
    steep = (X * [1, 1, 1e-9] if dtype is np.float64 else X * [1, 1, 1e-4]).astype(dtype)
    whitened = pca_whiten(fit_pca(steep, 3), steep, 0)
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(3), atol=1e-3)
    on_a_line = np.outer(X[:, 0] - X[:, 0].mean(), [1, 1 / 3, 0.7]).astype(dtype)  # but for rounding
    for flat in (on_a_line, np.ones((4, 3), dtype)):
        with pytest.raises(ValueError, match="epsilon must be > 0 where the data do not vary"):
            pca_whiten(fit_pca(flat, 3), flat, 0)


def test_the_error_names_the_direction_without_variance():
    pca = PCA(mean=np.zeros(3), components=np.eye(3), variances=np.array([4.0, 1.0, 0.0]), total_variance=5.0)
    with pytest.raises(ValueError, match=r"\(variance 0 along component 3\), got 0"):
        pca_whiten(pca, np.ones((2, 3)), 0)


def test_float32_stays_float32():
    X, X64 = correlated(40, 5, dtype=np.float32), correlated(40, 5)
    pca = fit_pca(X, 3)
    codes = pca_project(pca, X)
    arrays = [*pca[:3], codes, pca_reconstruct(pca, codes), pca_whiten(pca, X, 0.1), zca_whiten(X, 0.1)]
    assert all(a.dtype == np.float32 for a in arrays)
    np.testing.assert_allclose(zca_whiten(X, 0.1), zca_whiten(X64, 0.1), atol=1e-4)
    assert whiten_image(X).dtype == np.float32


@pytest.mark.parametrize("height, width", [(6, 6), (7, 4), (1, 5), (5, 8)])
def test_filter_multiplies_each_wave_by_its_factor(height, width):
    image = np.random.default_rng(3).standard_normal((height, width))
    rows, columns = np.arange(height)[:, np.newaxis], np.arange(width)
    filtered = np.zeros((height, width), dtype=complex)
    for u in range(height):
        for v in range(width):
            wave = np.exp(2j * np.pi * (u * rows / height + v * columns / width))
            fu, fv = min(u, height - u) / height, min(v, width - v) / width
            r = (fu**2 + fv**2) ** 0.5
            filtered += r * np.exp(-((r / 0.3) ** 4)) * np.mean(image * wave.conj()) * wave
    np.testing.assert_allclose(whiten_image(image, f0=0.3), filtered.real / filtered.real.std(), atol=1e-10)


def test_filter_flattens_a_spectrum_that_falls_as_one_over_r():
    n = 64
    r = np.hypot(np.fft.fftfreq(n)[:, np.newaxis], np.fft.fftfreq(n))
    r[0, 0] = 1
    phases = np.fft.fft2(np.random.default_rng(4).standard_normal((n, n)))
    phases /= np.abs(phases)
    spectrum = np.abs(np.fft.fft2(whiten_image(np.fft.ifft2(phases / r).real)))
    low = (r > 0) & (r < 0.15)
    low[0, 0] = False
    assert spectrum[low].std() < 0.01 * spectrum[low].mean()
    assert spectrum[r > 0.65].max() < 0.01 * spectrum[low].mean()
    assert spectrum[0, 0] < 1e-9


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(-100, 100))
def test_whitened_image_is_free_of_brightness_and_contrast(seed, contrast, brightness):
    image = np.random.default_rng(seed).integers(0, 256, (9, 12), dtype=np.uint8)
    whitened = whiten_image(image)
    assert whitened.shape == (9, 12) and whitened.dtype == np.float64
    np.testing.assert_allclose([whitened.mean(), whitened.std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(whiten_image(contrast * image.astype(float) + brightness), whitened, atol=1e-9)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda X: fit_pca(X, 0), "n_components must be a whole number from 1 to 4, got 0"),
        (lambda X: fit_pca(X, 5), "n_components must be a whole number from 1 to 4, got 5"),
        (lambda X: fit_pca(X[0], 1), "X must be a matrix"),
        (lambda X: fit_pca(np.where(X == X.max(), np.nan, X), 1), "X must be finite"),
        (lambda X: pca_project(fit_pca(X, 2), X[:, :3]), "X must have 4 columns"),
        (lambda X: pca_reconstruct(fit_pca(X, 2), X), "codes must have 2 columns"),
        (lambda X: pca_whiten(fit_pca(X, 2), X, -1), "epsilon must be a finite number >= 0, got -1"),
        (lambda X: zca_whiten(X, None), "epsilon must be a number"),
        (lambda X: whiten_image(X, f0=0), "f0 must be a finite number > 0"),
        (lambda X: whiten_image(np.full((5, 5), 0.1)), "image must not be constant, got 0.1"),
        (lambda X: whiten_image(0.1 + 1e-17 * np.eye(5)), "image must not be constant, got 0.1"),  # but for rounding
        (lambda X: whiten_image(np.full((5, 5), 65535, np.uint16)), "image must not be constant"),
        (lambda X: whiten_image(np.where(X > 1, np.nan, X)), r"image must be finite, but image\["),
        (
            lambda X: whiten_image(np.zeros((5, 5, 3))),
            r"image must be a picture .*; image\[..., :3\] @ .* color picture",
        ),
        (lambda X: whiten_image(np.zeros((5, 5, 2))), r"image must be a picture .*; image\[..., 0\] .* alpha channel"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(correlated(10, 4))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("f0", [0.001, 1e-90, 1e-300, 5e-324])
def test_a_cutoff_that_lets_nothing_pass_is_named(f0):
    image = np.random.default_rng(0).uniform(size=(16, 16))
    with pytest.raises(ValueError, match=f"f0 must let some frequency of the image pass, but {f0:g} leaves nothing"):
        whiten_image(image, f0=f0)


@pytest.mark.parametrize("steps, constant", [(0, True), (4, True), (4.5, False), (5, False)])
def test_an_image_is_constant_when_it_varies_by_four_rounding_errors_at_most(steps, constant):
    image = np.full((6, 6), 0.75)
    image[2, 3] += steps * np.finfo(float).eps
    if constant:
        with pytest.raises(ValueError, match="^image must not be constant, got 0.75 at every pixel"):
            whiten_image(image)
    else:
        assert whiten_image(image).std() == pytest.approx(1)
