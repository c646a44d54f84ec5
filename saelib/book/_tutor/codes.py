"""Patches, filters, principal components and codes: inputs, formulas with what goes wrong, and what is marked."""

from functools import lru_cache

import numpy as np

from .kinds import Table, kinds
from .networks import TRIED, networks


@lru_cache
def patches():
    """Return, for each of some sizes, a label and patches of various brightness, one of them with an outlier."""
    cases = []
    for m, n in ((8, 9), (1, 4), (5, 16), (20, 4), (4, 4)):
        rng = np.random.default_rng((m, n))
        X = rng.normal(size=(m, n)) + rng.uniform(1, 3, (m, 1))
        X[-1, 0] += 12  # beyond three standard deviations, where there are pixels enough
        X[0, -1] -= 12
        cases.append((f"m = {m}, n = {n}", {"X": X}))
    return tuple(cases)


@lru_cache
def data():
    """Return, for each of some sizes, a label, data whose variances are well apart, and a number of directions."""
    cases = []
    for m, n, k in ((12, 4, 2), (9, 3, 1), (7, 3, 3), (30, 6, 4), (4, 4, 2)):
        rng = np.random.default_rng((m, n, k))
        turn = np.linalg.qr(rng.normal(size=(n, n)))[0]
        spread = np.linalg.qr(rng.normal(size=(m, n)))[0] * 2.0 ** -np.arange(n)
        X = np.sqrt(m) * spread @ turn + rng.normal(size=n)
        cases.append((f"m = {m}, n = {n}, k = {k}", {"X": X, "k": k}))
    return tuple(cases)


@lru_cache
def matrices():
    """Return, for each of some sizes, a label, data, codes and a dictionary, reconstructions, and pre-activations."""
    cases = []
    for m, n, s2, k in ((6, 4, 7, 2), (1, 3, 4, 3), (3, 2, 5, 1), (9, 5, 3, 3), (2, 6, 6, 4), (5, 5, 5, 2)):
        rng = np.random.default_rng((m, n, s2, k))
        X, Z = rng.normal(size=(m, n)) + rng.normal(size=n), rng.normal(size=(m, s2))
        Z[:2] = [[-1], [1]][: len(Z)] * np.abs(Z[:2])  # a sample without a positive one, and one without a negative one
        case = {
            "X": X,
            "X_hat": X + 0.3 * rng.normal(size=(m, n)),
            "Z": Z,
            "k": k,
            "u": 2 * X,
            "t": float(rng.uniform(0.3, 0.6)),
            "A": rng.normal(size=(m, s2)) * (rng.uniform(size=(m, s2)) < 0.7),
            "D": 0.5 * rng.normal(size=(s2, n)),
            "lam": float(rng.uniform(0.2, 0.4)),
        }
        cases.append((f"m = {m}, n = {n}, k = {k}", case))
    return tuple(cases)


def samples():
    """Return the cases with more than one sample, which have a variance."""
    return tuple((label, case) for label, case in matrices() if len(case["X"]) > 1)


@lru_cache
def smoothers():
    """Return, for each of some sizes, a label, the matrix of a linear smoother, what it predicts, and two rows."""
    cases = []
    for m, n, outputs, i, j in ((8, 3, 2, 2, 5), (3, 3, 4, 0, 1), (6, 4, 1, 5, 0), (4, 4, 4, 1, 2)):
        rng = np.random.default_rng((m, n, outputs))
        X = rng.normal(size=(m, n))
        H = X @ np.linalg.solve(X.T @ X + np.eye(n), X.T) + 0.1 * rng.normal(size=(m, m))  # it need not be symmetric
        cases.append((f"m = {m}, i = {i}, j = {j}", {"H": H, "Y": rng.normal(size=(m, outputs)), "i": i, "j": j}))
    return tuple(cases)


FILTERS = """
@ natural-images eq-optimal-input What it learned
? An input of length one: which entries belong to one hidden unit, and how is a vector's length measured?
length = np.sqrt(np.sum(W1**2, axis=1, keepdims=True))
    length_missing | 1 | the inputs do not have length one
    length_squared | it**2 | the weights are divided by the square of their length
    length_of_columns | np.sqrt(np.sum(W1**2, axis=0)) | each column is brought to length one, not each unit's row
    length_of_all | np.sqrt(np.sum(W1**2)) | one length is taken for the whole matrix
    length_absolute | np.sum(np.abs(W1), axis=1, keepdims=True) | the length is a sum of absolute values
    length_largest | np.max(np.abs(W1), axis=1, keepdims=True) |
        the weights are divided by the largest of them, not by their length
    length_mean_square | np.sqrt(np.mean(W1**2, axis=1, keepdims=True)) |
        the length is a root mean square: the squares are averaged, not added up
    length_spread | np.std(W1, axis=1, keepdims=True) | the weights are divided by their standard deviation
optimal_input = W1 / length
    favorite_sign | -it | this is the input that the unit likes least
    favorite_absolute | np.abs(it) | the weights have lost their signs
    favorite_centered | (W1 - W1.mean(axis=1, keepdims=True)) / length | the mean of the weights is removed first
@ natural-images eq-normalize-patches Patches
? Brightness belongs to a patch: what should be the same for each patch once it has gone?
center = X.mean(axis=1, keepdims=True)
    patch_mean_missing | 0 | the patches keep their means
    pixel_mean | X.mean(axis=0) | the mean of each pixel is removed, not that of each patch
    patch_median | np.median(X, axis=1, keepdims=True) | the median of each patch is removed, not its mean
    overall_mean | X.mean()
    patch_least | X.min(axis=1, keepdims=True) | the smallest value of each patch is removed, not its mean
centered = X - center
? The standard deviation is one number for all patches, once their means are gone. Limits are three of them.
sd = centered.std(ddof=1)
    sd_population | centered.std() |
        the standard deviation divides by the number of values; the book's, by one less
    sd_before | X.std(ddof=1) | the standard deviation is taken before the patches lose their means
    sd_per_patch | centered.std(axis=1, keepdims=True, ddof=1) |
        each patch has a standard deviation of its own, so that faint patches are blown up
    sd_per_pixel | centered.std(axis=0) | each pixel has a standard deviation of its own
    sd_squared | centered.var(ddof=1) | the variance is taken for the standard deviation
limit = 3 * sd
    limit_single | sd | the limit is one standard deviation
    limit_double | 2 * sd | the limit is two standard deviations
    limit_largest | np.abs(centered).max() | the limit is the largest value, which one outlier decides
? Where must a pixel of mean brightness end up, and where those at the limits and beyond them?
scaled = np.clip(centered / limit, -1, 1)
    clip_missing | centered / limit | values beyond the limits are not clipped
    clip_above | np.minimum(centered / limit, 1) | values are clipped above the limit only, not below the other
    clip_to_zero | np.clip(centered / limit, 0, 1) | values below the mean are clipped to it
normalize_patches = 0.1 + 0.4 * (1 + scaled)
    range_unit | 0.5 * (1 + scaled) | the values are mapped to [0, 1], which a sigmoid never reaches
    range_unshifted | 0.4 * scaled | the values are scaled, but lie around zero
    range_wide | 0.1 + 0.9 * (1 + scaled) / 2 | the values are mapped to [0.1, 1]
    range_precedence | 0.1 + 0.4 * 1 + scaled | brackets are missing: `0.4 * 1 + x` does not scale x
    range_doubled | 0.1 + 0.8 * (1 + scaled) | the values are mapped to [0.1, 1.7]: from -1 to 1 it is 2, not 1
"""
DIRECTIONS = """
@ pca eq-pca-covariance By the singular value decomposition
? Directions of largest variance: what is a variance measured from?
mean_sample = X.mean(axis=0)
    center_missing | 0 | the data are not centered
    center_rows | X.mean(axis=1, keepdims=True) | each sample's own mean is removed, not the mean sample
    overall_mean | X.mean() | one mean of all the numbers is removed, not one for each column
    center_median | np.median(X, axis=0) | the median sample is removed, not the mean sample
spread = X - mean_sample
    standardized | it / it.std(axis=0) |
        each column is divided by its standard deviation, which changes the directions
    samples_scaled | it / np.linalg.norm(it, axis=1, keepdims=True) | each sample is brought to length one first
svd = np.linalg.svd(spread, full_matrices=False)
? Look at which comes first, at how long a direction is, and whether vectors stand in rows or in columns.
pca = svd[2][:k]
    least_first | it[::-1] |
        the directions are the right ones in the wrong order: the largest variance comes first
    smallest | svd[2][::-1][:k] | these are the directions of least variance
    columns_of_V | svd[2].T[:k] | rows and columns are mixed up: directions are the rows of what the SVD calls Vt
    rows_of_eigenvectors | svd[2][::-1].T[:k] | rows and columns are mixed up: eigenvectors stand in the columns
    one_too_few | svd[2][: k - 1] | one direction too few is returned
    one_too_many | svd[2][: k + 1] | one direction too many is returned
    directions_turned | it.T | the directions stand in the columns: each should be a row
    left_vectors | svd[0].T[:k] | these are the left singular vectors, which have an entry for each sample
    scores | spread @ it.T | these are the coordinates of the samples, not the directions
    scaled | svd[1][:k, np.newaxis] * it | the directions are multiplied by the singular values
    whitened | np.sqrt(len(X)) / svd[1][:k, np.newaxis] * it |
        the directions are divided by their standard deviations, as for whitening
"""
SPARSE = """
@ sparse-coding eq-soft-threshold One coefficient: the soft threshold
? Every number moves toward zero by the same amount, from either side, and stops when it is there.
shrunk = np.sign(u) * np.maximum(np.abs(u) - t, 0)
    hard | u * (np.abs(u) > t) | this is the hard threshold: what stays is not moved
    one_sided | np.maximum(u - t, 0) | negative numbers are all lost
    sign_lost | np.maximum(np.abs(u) - t, 0) | negative numbers come out positive
    no_stop | u - t * np.sign(u) | small numbers are not stopped at zero but go beyond
    shifted | u - t | all numbers are moved down, whatever their sign
    clipped | np.clip(u, -t, t) | the part that should go is kept, and the rest is gone
    outward | u + t * np.sign(u) | the numbers move away from zero
    half_threshold | np.sign(u) * np.maximum(np.abs(u) - t / 2, 0) | the numbers move by half of the threshold
    threshold_doubled | np.sign(u) * np.maximum(np.abs(u) - 2 * t, 0) | the numbers move by twice the threshold
    threshold_squared | np.sign(u) * np.sqrt(np.maximum(u**2 - t**2, 0)) | the squares are moved by the square of t
    threshold_relative | u * np.maximum(1 - t, 0) | the numbers are scaled, not moved by the same amount
    rectified | np.maximum(u, 0) | this is ReLU: no number is moved, and negative ones are lost
    sign_alone | np.sign(u) * (np.abs(u) > t) | only the sign is left of what stays
soft_threshold = shrunk
@ sparse-coding eq-ista ISTA
? Half the squared error, as a function of the codes: what is its gradient, and which way is down?
residual = A @ D - X
    residual_sign | X - A @ D | the step goes up the squared error
    codes_ignored | -X | the residual leaves out what the codes explain already
slope = residual @ D.T
    D_untransposed | residual @ D | D is turned the wrong way in the gradient, which only a square D allows
    gradient_doubled | 2 * it | the gradient is twice too large: the half is forgotten
    gradient_mean | it / len(X) | the gradient is divided by the number of samples, but the cost is a sum
    gradient_with_penalty | it + lam * np.sign(A) | the penalty is in the gradient too: the threshold takes care of it
? L is the largest eigenvalue of D times its transpose. Which two places need it?
L = np.linalg.norm(D, 2)**2
    L_root | np.linalg.norm(D, 2) | L is the largest singular value, without its square
    L_trace | np.sum(D**2) | L is the sum of all eigenvalues, which makes the step shorter than need be
    L_largest_entry | np.max(D @ D.T) | L is the largest entry of D times its transpose, not its largest eigenvalue
    L_doubled | 2 * it | L is twice too large
    L_root_of_sum | np.linalg.norm(D) | L is the square root of the sum of all eigenvalues: norm(D), not norm(D, 2)**2
    L_least | np.linalg.eigvalsh(D @ D.T)[0] | L is the smallest eigenvalue, not the largest
step = 1 / L
    step_unscaled | 1 | the step along the gradient is not divided by L
    step_times_L | L | the step along the gradient is multiplied by L
u = A - step * slope
? Half the squared error, as a function of the codes: what is its gradient, and which way is down?
    start_forgotten | -step * slope | the step does not start from the codes A
    step_forgotten | A | the codes are thresholded where they are, without a step
? L is the largest eigenvalue of D times its transpose. Which two places need it?
t = lam / L
    threshold_unscaled | lam | the threshold is not divided by L
    threshold_times_L | lam * L | the threshold is multiplied by L
    threshold_forgotten | 0 | the codes are not thresholded after the step
ista_step = shrunk
    thresholded_first | np.sign(A) * np.maximum(np.abs(A) - t, 0) - step * slope |
        the codes are thresholded before the step, not after it
"""
TODAY = """
@ help(saelib.metrics.fvu)
? What is left over, compared with what guessing one row for all, the mean sample, leaves over.
guess = X.mean(axis=0)
    fvu_uncentered | 0 | the inputs are not centered: their squares are not their variance
    fvu_one_mean | X.mean() | one mean of all numbers is removed, not one for each column
    fvu_row_means | X.mean(axis=1, keepdims=True) | each sample's own mean is removed, not the mean sample
    fvu_of_reconstructions | X_hat.mean(axis=0) | the variance is measured from the mean of the reconstructions
    fvu_variance_of_reconstructions | X - X_hat + X_hat.mean(axis=0) |
        the error is divided by the variance of the reconstructions, not of the inputs
unexplained = (X - X_hat)**2
    fvu_unsquared | np.abs(X - X_hat) | the error is not squared
total = (X - guess)**2
    fvu_variance_of_reconstructions | (X_hat - X_hat.mean(axis=0))**2
fvu = unexplained.sum() / total.sum()
    fvu_of_columns | np.mean(unexplained.sum(axis=0) / total.sum(axis=0)) |
        one ratio is taken for each column, and these are averaged: the sums come first
    fvu_of_samples | np.mean(unexplained.sum(axis=1) / total.sum(axis=1)) |
        one ratio is taken for each sample, and these are averaged: the sums come first
    fvu_explained | 1 - it | this is the fraction that is explained
    fvu_root | np.sqrt(it) | this is the ratio's square root
    fvu_upside_down | 1 / (it) | the ratio is upside down
    fvu_error_alone | unexplained.sum(axis=1).mean() | this is the error, not yet divided by the variance
    fvu_mean_error | unexplained.mean() | this is the mean squared error, not yet divided by the variance
    fvu_of_variances | np.sum((X - X_hat).var(axis=0)) / total.sum() * len(X) |
        the variance of the errors is taken, which forgives an error that all samples share
    fvu_over_samples | unexplained.mean() / total.sum() | a mean over all entries is divided by a sum over them
    fvu_per_sample_over_sum | unexplained.sum() / len(X) / total.sum() | a mean over the samples is divided by a sum
    fvu_precedence | 1 - np.sum(unexplained / np.maximum(total, 1e-300)) | entries are divided one by one before the sum
@ help(saelib.nets.TopK)
? Row by row: which k pre-activations are the largest, and what becomes of a negative one among them?
how_many = k
    topk_one_more | min(k + 1, len(Z.T)) | one too many is kept: k + 1
    topk_one_less | k - 1 | one too few is kept: k - 1
least = np.sort(Z, axis=1)[:, ::-1][:, [how_many - 1]] if how_many else np.full((len(Z), 1), np.inf)
kept = Z >= least
    topk_by_size | np.argsort(np.argsort(-np.abs(Z), axis=1), axis=1) < how_many |
        the largest absolute values are kept, not the largest values
    topk_smallest | np.argsort(np.argsort(Z, axis=1), axis=1) < how_many |
        the k smallest are kept, not the k largest
    topk_dropped | Z < least | what should be dropped is kept, and the reverse
    topk_of_batch | Z >= np.sort(Z, axis=None)[-how_many * len(Z)] |
        the k m largest of the whole batch are kept, not k of each row: this is BatchTopK
    topk_of_all | Z >= np.sort(Z, axis=None)[-how_many] | the k largest of the whole batch are kept, not k of each row
    topk_of_columns | Z >= np.sort(Z, axis=0)[-min(how_many, len(Z))] |
        the k largest of each column are kept, not those of each row
    topk_first | np.arange(len(Z.T)) < how_many | the first k are kept, not the k largest
    topk_all | np.isfinite(Z) | all positive ones are kept, whatever k is
kept_values = np.maximum(Z, 0)
    topk_not_rectified | Z | negative pre-activations are kept where fewer than k are positive
    topk_ones | 1.0 * (Z > 0) | the codes are ones and zeros: what is kept should keep its value
    topk_absolute | np.abs(Z) | negative pre-activations come out positive
    topk_less_threshold | np.maximum(Z - np.maximum(least, 0), 0) | the kth largest is subtracted from what is kept
topk_codes = kept * kept_values
    topk_values_alone | np.sort(np.maximum(Z, 0), axis=1)[:, ::-1][:, :how_many] |
        only the k values are returned: the code keeps its length, with zeros for the others
    topk_mask_alone | 1.0 * kept | the mask is returned, not the codes
@ help(saelib.book.tutor.check_leave_two_out)
? Without the two rows, their residuals r become (I - H_SS)^-1 r. What is then the prediction?
S = [i, j]
left_over = Y[S] - H[S] @ Y
    loo_fitted | H[S] @ Y | the fitted values stand where the residuals belong
    loo_targets | Y[S] | the targets stand where the residuals belong
    loo_residual_sign | H[S] @ Y - Y[S] | the residuals have the wrong sign: they are Y - H Y
    loo_residual_of_columns | Y[S] - H[:, S].T @ Y | the columns of H are taken, where its rows belong
block = H[np.ix_(S, S)]
    loo_diagonal | np.diag(np.diag(H)[S]) |
        each row is left out by itself: the entries of H between i and j are missing
    loo_off_diagonal | it - np.diag(np.diag(it)) | the diagonal of H_SS is missing
    loo_turned | it.T | H_SS is transposed
G = np.eye(2, dtype=H.dtype) - block
    loo_plus | np.eye(2, dtype=H.dtype) + block | H_SS is added to the identity, not subtracted from it
    loo_H_alone | block | the identity is missing: H_SS stands where I - H_SS belongs
    loo_ones | 1 - block | 1 - H_SS subtracts from every entry: the identity has ones on its diagonal only
left_out = np.linalg.solve(G, left_over)
    loo_no_inverse | G @ left_over | the residuals are multiplied by I - H_SS, not by its inverse
    loo_plain | left_over | this is the prediction of the fit that has seen the two rows
leave_two_out = Y[S] - left_out
    loo_error | left_out | these are the residuals without the two rows, not the predictions
    loo_order | it[::-1] | the rows i and j are in each other's place
    loo_from_fitted | H[S] @ Y - left_out | the residuals are subtracted from the fitted values, not from the targets
"""
TABLE = Table(FILTERS + DIRECTIONS + SPARSE + TODAY)
KINDS = (
    *kinds(
        TABLE,
        networks,
        TRIED,
        "optimal_input(W1) | in row j the input of length one that excites hidden unit j most, (s2, s1).",
    ),
    *kinds(
        TABLE,
        patches,
        "5 sets of patches, among them a single patch",
        "normalize_patches(X) | the patches brought into [0.1, 0.9], (m, pixels).",
    ),
    *kinds(
        TABLE,
        data,
        "5 sets of data, among them k = 1 and k = n",
        "pca(X, k) | the k directions of largest variance in X, (k, n), each of length one and of any sign.",
        signless=True,
    ),
    *kinds(
        TABLE,
        matrices,
        "6 inputs, among them m = 1",
        """
soft_threshold(u, t) | every entry of ``u`` moved toward zero by ``t`` and stopped there.
ista_step(A, X, D, lam) | the codes, (m, k), after a step of ISTA of size 1/L from ``A``.
topk_codes(Z, k) | the codes of TopK, (m, s2): each row's k largest pre-activations, if positive, and zeros.
""",
    ),
    *kinds(
        TABLE,
        samples,
        "5 inputs, among them m < n",
        "fvu(X, X_hat) | the fraction of variance unexplained by the reconstructions; a number.",
    ),
    *kinds(
        TABLE,
        smoothers,
        "4 smoothers, among them i > j and a single output",
        """
leave_two_out(H, Y, i, j) | what a linear smoother, which predicts ``H @ Y``, predicts for the rows S = (i, j) if it is
        fitted without them: Y_S - (I - H_SS)^-1 (Y_S - (H Y)_S), an array of two rows.
""",
    ),
)
