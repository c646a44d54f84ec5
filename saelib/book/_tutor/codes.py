"""Patches, filters, principal components and sparse codes, with switches."""

import numpy as np

from . import pick


def optimal_input(on, W1):
    length = pick(
        on,
        lambda: np.sqrt(np.sum(W1**2, axis=1, keepdims=True)),
        length_missing=lambda: 1,
        length_squared=lambda: np.sum(W1**2, axis=1, keepdims=True),
        length_of_columns=lambda: np.sqrt(np.sum(W1**2, axis=0)),
        length_of_all=lambda: np.sqrt(np.sum(W1**2)),
        length_absolute=lambda: np.sum(np.abs(W1), axis=1, keepdims=True),
        length_largest=lambda: np.max(np.abs(W1), axis=1, keepdims=True),
    )
    return pick(on, lambda: W1, favorite_sign=lambda: -W1, favorite_absolute=lambda: np.abs(W1)) / length


def normalize_patches(on, X):
    centered = X - pick(
        on,
        lambda: X.mean(axis=1, keepdims=True),
        patch_mean_missing=lambda: 0,
        pixel_mean=lambda: X.mean(axis=0),
        overall_mean=lambda: X.mean(),
    )
    sd = pick(
        on,
        lambda: centered.std(ddof=1),
        sd_population=lambda: centered.std(),
        sd_before=lambda: X.std(ddof=1),
        sd_per_patch=lambda: centered.std(axis=1, keepdims=True, ddof=1),
        sd_squared=lambda: centered.var(ddof=1),
    )
    limit = pick(on, lambda: 3, limit_single=lambda: 1) * sd
    scaled = centered / limit
    scaled = pick(on, lambda: np.clip(scaled, -1, 1), clip_missing=lambda: scaled)
    return pick(
        on,
        lambda: 0.1 + 0.4 * (1 + scaled),
        range_unit=lambda: 0.5 * (1 + scaled),
        range_unshifted=lambda: 0.4 * scaled,
        range_wide=lambda: 0.1 + 0.9 * (1 + scaled) / 2,
    )


def pca(on, X, k):
    X = X - pick(
        on,
        lambda: X.mean(axis=0),
        center_missing=lambda: 0,
        center_rows=lambda: X.mean(axis=1, keepdims=True),
        overall_mean=lambda: X.mean(),
    )
    X = pick(on, lambda: X, standardized=lambda: X / X.std(axis=0))
    U, s, V = np.linalg.svd(X, full_matrices=False)
    scale = pick(on, lambda: 1 + 0 * s, scaled=lambda: s, whitened=lambda: np.sqrt(len(X)) / s)
    return pick(
        on,
        lambda: scale[:k, np.newaxis] * V[:k],
        least_first=lambda: scale[:k][::-1, np.newaxis] * V[:k][::-1],
        smallest=lambda: scale[::-1][:k, np.newaxis] * V[::-1][:k],
        columns_of_V=lambda: scale[:k, np.newaxis] * V.T[:k],
        rows_of_eigenvectors=lambda: scale[:k, np.newaxis] * V[::-1].T[:k],
        left_vectors=lambda: scale[:k, np.newaxis] * U.T[:k],
    )


def soft_threshold(on, u, t):
    return pick(
        on,
        lambda: np.sign(u) * np.maximum(np.abs(u) - t, 0),
        hard=lambda: u * (np.abs(u) > t),
        one_sided=lambda: np.maximum(u - t, 0),
        sign_lost=lambda: np.maximum(np.abs(u) - t, 0),
        no_stop=lambda: u - t * np.sign(u),
        shifted=lambda: u - t,
        clipped=lambda: np.clip(u, -t, t),
        outward=lambda: u + t * np.sign(u),
        half_threshold=lambda: np.sign(u) * np.maximum(np.abs(u) - t / 2, 0),
    )


def ista_step(on, A, X, D, lam):
    residual = pick(on, lambda: A @ D - X, residual_sign=lambda: X - A @ D, codes_ignored=lambda: -X)
    gradient = pick(
        on,
        lambda: residual @ D.T,
        D_untransposed=lambda: residual @ D,
        gradient_doubled=lambda: 2 * residual @ D.T,
        gradient_mean=lambda: residual @ D.T / len(X),
    )
    L = pick(
        on,
        lambda: np.linalg.norm(D, 2) ** 2,
        L_root=lambda: np.linalg.norm(D, 2),
        L_trace=lambda: np.sum(D**2),
        L_largest_entry=lambda: np.max(D @ D.T),
        L_doubled=lambda: 2 * np.linalg.norm(D, 2) ** 2,
    )
    size = pick(on, lambda: 1 / L, step_unscaled=lambda: 1)
    u = pick(
        on,
        lambda: A - size * gradient,
        start_forgotten=lambda: -size * gradient,
        step_forgotten=lambda: A,
    )
    t = pick(
        on,
        lambda: lam / L,
        threshold_unscaled=lambda: lam,
        threshold_forgotten=lambda: 0,
        threshold_times_L=lambda: lam * L,
    )
    return soft_threshold(on, u, t)


def fvu(on, X, X_hat):
    center = pick(
        on,
        lambda: X.mean(axis=0),
        fvu_uncentered=lambda: 0,
        fvu_one_mean=lambda: X.mean(),
        fvu_row_means=lambda: X.mean(axis=1, keepdims=True),
        fvu_of_reconstructions=lambda: X_hat.mean(axis=0),
    )
    unexplained, total = (X - X_hat) ** 2, (X - center) ** 2
    return pick(
        on,
        lambda: unexplained.sum() / total.sum(),
        fvu_of_columns=lambda: np.mean(unexplained.sum(axis=0) / total.sum(axis=0)),
        fvu_of_samples=lambda: np.mean(unexplained.sum(axis=1) / total.sum(axis=1)),
        fvu_explained=lambda: 1 - unexplained.sum() / total.sum(),
        fvu_root=lambda: np.sqrt(unexplained.sum() / total.sum()),
        fvu_upside_down=lambda: total.sum() / unexplained.sum(),
        fvu_error_alone=lambda: unexplained.sum(axis=1).mean(),
        fvu_of_variances=lambda: np.sum((X - X_hat).var(axis=0)) / total.sum() * len(X),
        fvu_over_samples=lambda: unexplained.mean() / total.sum(),
    )


def topk_codes(on, Z, k):
    order = pick(
        on,
        lambda: np.sort(Z, axis=1)[:, ::-1],
        topk_smallest=lambda: np.sort(Z, axis=1),
        topk_by_size=lambda: np.sort(np.abs(Z), axis=1)[:, ::-1],
    )
    k = pick(on, lambda: k, topk_one_more=lambda: min(k + 1, Z.shape[1]), topk_one_less=lambda: k - 1)
    least = order[:, [k - 1]] if k else np.full((len(Z), 1), np.inf)
    kept = pick(
        on,
        lambda: Z >= least,
        topk_smallest=lambda: Z <= least,
        topk_by_size=lambda: np.abs(Z) >= least,
        topk_of_batch=lambda: Z >= np.sort(Z, axis=None)[-k * len(Z) or len(Z) * len(Z.T) :].min(initial=np.inf),
        topk_of_columns=lambda: Z >= np.sort(Z, axis=0)[-min(k, len(Z))],
        topk_dropped=lambda: Z < least,
    )
    values = pick(
        on,
        lambda: np.maximum(Z, 0),
        topk_not_rectified=lambda: Z,
        topk_ones=lambda: 1.0 * (Z > 0),
        topk_less_threshold=lambda: np.maximum(Z - np.maximum(least, 0), 0),
    )
    return pick(on, lambda: kept * values, topk_all=lambda: values)


def leave_two_out(on, H, Y, i, j):
    S = [i, j]
    residual = pick(
        on,
        lambda: Y[S] - H[S] @ Y,
        loo_fitted=lambda: H[S] @ Y,
        loo_residual_sign=lambda: H[S] @ Y - Y[S],
        loo_targets=lambda: Y[S],
    )
    block = pick(
        on,
        lambda: H[np.ix_(S, S)],
        loo_diagonal=lambda: np.diag(np.diag(H)[S]),
        loo_turned=lambda: H[np.ix_(S, S)].T,
    )
    G = pick(
        on,
        lambda: np.eye(2, dtype=H.dtype) - block,
        loo_plus=lambda: np.eye(2, dtype=H.dtype) + block,
        loo_H_alone=lambda: block,
    )
    left_out = pick(
        on,
        lambda: np.linalg.solve(G, residual),
        loo_no_inverse=lambda: G @ residual,
        loo_plain=lambda: residual,
    )
    return pick(on, lambda: Y[S] - left_out, loo_error=lambda: left_out, loo_order=lambda: (Y[S] - left_out)[::-1])
