"""What the tutor says about mistakes in patches, filters, principal components and sparse codes."""

from .words import Line, chapter

_PATCHES = chapter("Patches", "natural-images", "eq-normalize-patches")
_FAVORITE = chapter("What it learned", "natural-images", "eq-optimal-input")
_PCA = chapter("By the singular value decomposition", "pca", "eq-pca-covariance")
_SHRINK = chapter("One coefficient: the soft threshold", "sparse-coding", "eq-soft-threshold")
_ISTA = chapter("ISTA", "sparse-coding", "eq-ista")

LINES = (
    Line(
        "An input of length one: which entries belong to one hidden unit, and how is a vector's length measured?",
        _FAVORITE,
        {
            "length_missing": "the inputs do not have length one",
            "length_squared": "the weights are divided by the square of their length",
            "length_of_columns": "each column is brought to length one, not each hidden unit's row",
            "length_of_all": "one length is taken for the whole matrix",
            "length_absolute": "the length is a sum of absolute values",
            "length_largest": "the weights are divided by the largest of them, not by their length",
            "favorite_sign": "this is the input that the unit likes least",
            "favorite_absolute": "the weights have lost their signs",
        },
    ),
    Line(
        "Brightness belongs to a patch: what should be the same for each patch once it has gone?",
        _PATCHES,
        {
            "patch_mean_missing": "the patches keep their means",
            "pixel_mean": "the mean of each pixel is removed, not that of each patch",
        },
    ),
    Line(
        "The standard deviation is one number for all patches, once their means are gone. Limits are three of them.",
        _PATCHES,
        {
            "sd_population": "the standard deviation divides by the number of values; the book's, by one less",
            "sd_before": "the standard deviation is taken before the patches lose their means",
            "sd_per_patch": "each patch has a standard deviation of its own, so that faint patches are blown up",
            "sd_squared": "the variance is taken for the standard deviation",
            "limit_single": "the limit is one standard deviation",
        },
    ),
    Line(
        "Where must a pixel of mean brightness end up, and where those at the limits and beyond them?",
        _PATCHES,
        {
            "clip_missing": "values beyond the limits are not clipped",
            "range_unit": "the values are mapped to [0, 1], which a sigmoid never reaches",
            "range_unshifted": "the values are scaled, but lie around zero",
            "range_wide": "the values are mapped to [0.1, 1]",
        },
    ),
    Line(
        "Directions of largest variance: what is a variance measured from?",
        _PCA,
        {
            "center_missing": "the data are not centered",
            "center_rows": "each sample's own mean is removed, not the mean sample",
            "overall_mean": "one mean of all the numbers is removed, not one for each column",
            "standardized": "each column is divided by its standard deviation, which changes the directions",
        },
    ),
    Line(
        "Look at which comes first, at how long a direction is, and whether vectors stand in rows or in columns.",
        _PCA,
        {
            "least_first": "the directions are the right ones in the wrong order: the largest variance comes first",
            "smallest": "these are the directions of least variance",
            "columns_of_V": "rows and columns are mixed up: directions are the rows of what the SVD calls Vt",
            "rows_of_eigenvectors": "rows and columns are mixed up: eigenvectors stand in the columns",
            "left_vectors": "these are the left singular vectors, which have an entry for each sample",
            "scaled": "the directions are multiplied by the singular values",
            "whitened": "the directions are divided by their standard deviations, as for whitening",
        },
    ),
    Line(
        "Every number moves towards zero by the same amount, from either side, and stops when it is there.",
        _SHRINK,
        {
            "hard": "this is the hard threshold: what stays is not moved",
            "one_sided": "negative numbers are all lost",
            "sign_lost": "negative numbers come out positive",
            "no_stop": "small numbers are not stopped at zero but go beyond",
            "shifted": "all numbers are moved down, whatever their sign",
            "clipped": "the part that should go is kept, and the rest is gone",
            "outward": "the numbers move away from zero",
            "half_threshold": "the numbers move by half of the threshold",
        },
    ),
    Line(
        "Half the squared error, as a function of the codes: what is its gradient, and which way is down?",
        _ISTA,
        {
            "residual_sign": "the step goes up the squared error",
            "codes_ignored": "the residual leaves out what the codes explain already",
            "D_untransposed": "D is turned the wrong way in the gradient, which only a square D allows",
            "gradient_doubled": "the gradient is twice too large: the half is forgotten",
            "gradient_mean": "the gradient is divided by the number of samples, but the cost is a sum",
            "start_forgotten": "the step does not start from the codes A",
            "step_forgotten": "the codes are thresholded where they are, without a step",
        },
    ),
    Line(
        "L is the largest eigenvalue of D times its transpose. Which two places need it?",
        _ISTA,
        {
            "L_root": "L is the largest singular value, without its square",
            "L_trace": "L is the sum of all eigenvalues, which makes the step shorter than need be",
            "L_largest_entry": "L is the largest entry of D times its transpose, not its largest eigenvalue",
            "L_doubled": "L is twice too large",
            "step_unscaled": "the step along the gradient is not divided by L",
            "threshold_unscaled": "the threshold is not divided by L",
            "threshold_times_L": "the threshold is multiplied by L",
            "threshold_forgotten": "the codes are not thresholded after the step",
        },
    ),
    Line(
        "What is left over, compared with what guessing one row for all, the mean sample, leaves over.",
        "help(saelib.metrics.fvu)",
        {
            "fvu_uncentered": "the inputs are not centered: their squares are not their variance",
            "fvu_one_mean": "one mean of all numbers is removed, not one for each column",
            "fvu_row_means": "each sample's own mean is removed, not the mean sample",
            "fvu_of_reconstructions": "the variance is measured from the mean of the reconstructions",
            "fvu_of_columns": "one ratio is taken for each column, and these are averaged: the sums come first",
            "fvu_of_samples": "one ratio is taken for each sample, and these are averaged: the sums come first",
            "fvu_explained": "this is the fraction that is explained",
            "fvu_root": "this is the ratio's square root",
            "fvu_upside_down": "the ratio is upside down",
            "fvu_error_alone": "this is the error, not yet divided by the variance",
            "fvu_of_variances": "the variance of the errors is taken, which forgives an error that all samples share",
            "fvu_over_samples": "a mean over all entries is divided by a sum over them",
        },
    ),
    Line(
        "Row by row: which k pre-activations are the largest, and what becomes of a negative one among them?",
        "help(saelib.nets.TopK)",
        {
            "topk_not_rectified": "negative pre-activations are kept where fewer than k are positive",
            "topk_by_size": "the largest absolute values are kept, not the largest values",
            "topk_smallest": "the k smallest are kept, not the k largest",
            "topk_dropped": "what should be dropped is kept, and the reverse",
            "topk_of_batch": "the k m largest of the whole batch are kept, not k of each row: this is BatchTopK",
            "topk_of_columns": "the k largest of each column are kept, not those of each row",
            "topk_ones": "the codes are ones and zeros: what is kept should keep its value",
            "topk_less_threshold": "the kth largest is subtracted from what is kept",
            "topk_one_more": "one too many is kept: k + 1",
            "topk_one_less": "one too few is kept: k - 1",
            "topk_all": "all positive ones are kept, whatever k is",
        },
    ),
    Line(
        "Without the two rows, their residuals r become (I - H_SS)^-1 r. What is then the prediction?",
        "help(saelib.book.tutor.check_leave_two_out)",
        {
            "loo_plain": "this is the prediction of the fit that has seen the two rows",
            "loo_diagonal": "each row is left out by itself: the entries of H between i and j are missing",
            "loo_turned": "H_SS is transposed",
            "loo_plus": "H_SS is added to the identity, not subtracted from it",
            "loo_H_alone": "the identity is missing: H_SS stands where I - H_SS belongs",
            "loo_no_inverse": "the residuals are multiplied by I - H_SS, not by its inverse",
            "loo_fitted": "the fitted values stand where the residuals belong",
            "loo_targets": "the targets stand where the residuals belong",
            "loo_residual_sign": "the residuals have the wrong sign: they are Y - H Y",
            "loo_error": "these are the residuals without the two rows, not the predictions",
            "loo_order": "the rows i and j are in each other's place",
        },
    ),
)
