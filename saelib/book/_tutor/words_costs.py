"""What the tutor says about mistakes in the cost's terms and their derivatives."""

from .words import Line, chapter

_MINIMIZE = chapter("What we minimize", "autoencoders", "eq-reconstruction")
_DECAY = chapter("What we minimize", "autoencoders", "eq-weight-decay")
_NUDGE = chapter("Nudging a weight", "backpropagation", "eq-central-difference")
_RHO_HAT = chapter("How active is a unit?", "sparsity", "eq-rho-hat")
_KL = chapter("Two coins", "kl-divergence", "eq-kl")
_KL_PRIME = chapter("Slope and curvature", "kl-divergence", "eq-kl-prime")
_DELTA2 = chapter("One more term in the hidden delta", "sparse-gradient", "eq-delta2")

LINES = (
    Line(
        "Each hidden unit has a mean of its own, and every sample has its part in it.",
        _RHO_HAT,
        {
            "rho_hat_over_units": "rho_hat is a mean over the hidden units, one number for each sample",
            "rho_hat_over_units_kept": "rho_hat is a mean over the hidden units, one number for each sample",
            "rho_hat_overall": "rho_hat is one mean over everything, the same for all hidden units",
            "rho_hat_sum": "rho_hat is a sum over the samples, not a mean",
            "rho_hat_per_sample": "rho_hat is taken per sample: each activation is used as if it were the mean",
            "rho_hat_first": "rho_hat is the activation of the first sample alone",
            "rho_hat_less_one": "rho_hat is divided by m - 1",
        },
    ),
    Line(
        "A divergence compares two coins: heads with heads, tails with tails, weighed by one coin's chances. Whose?",
        _KL,
        {
            "first_sign": "the first term of the divergence has the wrong sign",
            "second_sign": "the second term of the divergence has the wrong sign",
            "first_missing": "the first term of the divergence is missing",
            "second_missing": "the second term of the divergence is missing",
            "first_unweighted": "the first logarithm has lost its weight",
            "second_unweighted": "the second logarithm has lost its weight",
            "kl_sign": "the divergence has the wrong sign: it should never be negative",
            "coins_swapped": "rho and rho_hat are swapped, and the divergence is not symmetric",
            "entropy_missing": "this is the cross entropy: at rho_hat = rho it is not zero",
            "squares": "this is a squared difference, not a divergence",
        },
    ),
    Line(
        "Which logarithm has the derivative 1/x?",
        _KL,
        {
            "log2": "the logarithms are to the base 2",
            "log10": "the logarithms are to the base 10",
        },
    ),
    Line(
        "One number is wanted for each hidden unit; adding them up is the penalty's affair.",
        chapter("The penalty", "kl-divergence", "eq-sparsity-penalty"),
        {
            "kl_summed": "the units' values are added up to one number",
            "kl_averaged": "the units' values are averaged to one number",
        },
    ),
    Line(
        "Differentiate the divergence by rho_hat, first one term and then the other: which way does each pull?",
        _KL_PRIME,
        {
            "pull_first_sign": "the first term of the divergence's derivative has the wrong sign",
            "pull_second_sign": "the second term of the divergence's derivative has the wrong sign",
            "pull_sign": "the derivative of the divergence has the wrong sign",
            "pull_first_missing": "the first term of the divergence's derivative is missing",
            "pull_second_missing": "the second term of the divergence's derivative is missing",
            "pull_second_numerator": "the second term of the divergence's derivative has rho where 1 - rho belongs",
            "pull_second_denominator": "the second term of the divergence's derivative is divided by the wrong number",
            "pull_upside_down": "the fractions in the divergence's derivative are upside down",
            "pull_by_rho": "the divergence is differentiated by rho, but it is rho_hat that training can change",
            "pull_value": "the divergence itself stands where its derivative is wanted",
            "pull_difference": "the pull is a plain difference, as if the penalty were a squared error",
        },
    ),
    Line(
        "How does one pre-activation move the mean, and the mean the penalty? Where does beta belong, and where f'?",
        _DELTA2,
        {
            "penalty_missing": "the sparsity term is missing",
            "beta_missing": "beta is missing in the sparsity term",
            "beta_on_all": "beta multiplies the whole delta, not the sparsity term alone",
            "penalty_outside": "the sparsity term stands outside the bracket, so that it is not multiplied by f'",
            "penalty_mean": "the sparsity term is divided by m, though the mean over the samples comes later",
            "penalty_times_m": "the sparsity term is m times too large",
        },
    ),
    Line(
        "The cost of a sample sums over its outputs; the cost of a batch is a mean over its samples.",
        _MINIMIZE,
        {
            "samples_summed": "the samples' errors are added up, but not averaged",
            "outputs_averaged": "the errors are averaged over the outputs too",
            "outputs_not_samples": "the errors are divided by the number of outputs, not of samples",
            "error_per_sample": "each sample's error is returned by itself",
            "error_unsquared": "the errors are not squared, so that they cancel each other",
            "error_root": "the length of the error is taken, not its square",
        },
    ),
    Line(
        "Look at what will be left once the square is differentiated.",
        _DECAY,
        {"half_missing": "the half is missing"},
    ),
    Line(
        "The decay adds up the squares of single weights: of which parameters, and with which factor before them?",
        _DECAY,
        {
            "decay_with_biases": "the biases are counted too",
            "decay_root": "the lengths of the weight matrices are added, not their squares",
            "decay_l1": "absolute values are added up, not squares",
            "decay_averaged": "the squares are averaged, not added up",
            "sum_squared": "the weights are added up first and squared after",
            "lam_missing": "lambda is missing",
            "lam_squared": "lambda is squared",
        },
    ),
    Line(
        "One parameter moves at a time, a step to each side of where it is. How far apart are the two points?",
        _NUDGE,
        {
            "forward_difference": "the difference is one-sided: from theta a step up",
            "backward_difference": "the difference is one-sided: from theta a step down",
            "divisor_single": "the difference is divided by one epsilon, so that all slopes are twice too large",
            "divisor_missing": "the difference is not divided by the distance of the two points",
            "all_nudged": "all parameters are nudged at once",
            "not_put_back": "a parameter that was nudged is not put back before the next one's turn",
            "nudge_from_zero": "the nudges start from zero, not from theta",
            "difference_sign": "the slopes have the wrong sign: the lower point is not taken from the upper one",
        },
    ),
)
