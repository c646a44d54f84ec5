"""What the tutor says about mistakes in the forward pass, the deltas, the gradient and the update."""

from .words import Line, chapter

_SYMBOLS = chapter("The network in symbols", "autoencoders", "eq-z2")
_DECAY = chapter("What we minimize", "autoencoders", "eq-weight-decay")
_OUTPUT = chapter("One weight into an output unit", "backpropagation", "eq-delta3")
_SLOPE = chapter("The derivative of the sigmoid", "backpropagation", "eq-sigmoid-prime")
_HIDDEN = chapter("One weight into a hidden unit", "backpropagation", "eq-delta2-plain")
_LAYER = chapter("All weights of a layer at once", "backpropagation", "eq-delta2-vector")
_BATCH = chapter("A batch, and where the 1/m goes", "backpropagation", "eq-grad-W2")
_UPDATE = chapter("The algorithm", "backpropagation", "eq-update-W")


def _slopes(layer, z):
    """The mistakes of the factor f' in one layer."""
    return {
        f"{layer}_slope_missing": f"the factor f' is missing in the {layer} delta",
        f"{layer}_slope_half": f"f' in the {layer} delta is only half there: the activation without its second factor",
        f"{layer}_slope_rest": f"f' in the {layer} delta is only half there: one minus the activation, and no more",
        f"{layer}_slope_plus": f"f' in the {layer} delta has a plus where the sigmoid's derivative has a minus",
        f"{layer}_slope_tanh": f"f' in the {layer} delta is the derivative of tanh, but the units are sigmoid",
        f"{layer}_slope_again": f"f' in the {layer} delta takes the sigmoid of what is an activation already",
        f"{layer}_slope_squared": f"the factor f' stands in the {layer} delta twice",
        f"{layer}_slope_of_z": f"f' in the {layer} delta is the formula in activations, applied to {z}",
    }


LINES = (
    Line(
        "Each unit takes a weighted sum, adds its own bias, and only then the activation function follows.",
        _SYMBOLS,
        {
            "b1_missing": "the hidden units have lost their biases",
            "b2_missing": "the output units have lost their biases",
            "hidden_linear": "the hidden units skip their activation function",
            "output_linear": "the output units skip their activation function",
            "Z3_from_Z2": "the output layer takes its inputs from the hidden layer before the activation function",
            "order": "pre-activations and activations are handed back in each other's place",
        },
    ),
    Line(
        "In the batch form samples are rows. Along which axis of the weights must the sum run?",
        _SYMBOLS,
        {
            "W1_untransposed": "W1 is used the wrong way round, which goes unnoticed only where it is square",
            "W1_first": "W1 stands on the wrong side: it sums over the samples instead of the inputs",
            "W2_untransposed": "W2 is used the wrong way round, which goes unnoticed only where it is square",
        },
    ),
    Line(
        "Try the activation function alone: what should it give at 0, and for a large positive number?",
        chapter("The network in symbols", "autoencoders", "eq-sigmoid"),
        {
            "tanh": "the units are tanh, where sigmoid ones are wanted",
            "sigmoid_sign": "the exponent in the sigmoid has the wrong sign",
            "slope_for_sigmoid": "the sigmoid's derivative stands where the sigmoid itself is wanted",
        },
    ),
    Line(
        "Differentiate one sample's half squared error by one output.",
        _OUTPUT,
        {
            "error_sign": "the error in the output delta has the wrong sign: output and target are swapped",
            "error_squared": "the error in the output delta is squared, as in the cost, but not differentiated",
            "error_absolute": "the error in the output delta has lost its sign",
            "error_doubled": "the output delta is twice too large: it has a 2 that should have canceled",
            "error_halved": "the output delta is half too small: a half is left over that should have canceled",
        },
    ),
    Line(
        "How fast does a unit's output rise with its pre-activation, said in terms of the output itself?",
        _SLOPE,
        _slopes("output", "Z3") | _slopes("hidden", "Z2"),
    ),
    Line(
        "A hidden unit collects a delta from each unit that it feeds. Over which index of W2 must the sum run?",
        _LAYER,
        {
            "W2_turned": "W2 is turned the wrong way when the deltas travel back, which only a square W2 allows",
            "W2_skipped": "the output deltas come back to the hidden units without passing the weights W2",
        },
    ),
    Line(
        "Compare with the output delta: whose sign does a hidden delta inherit?",
        _HIDDEN,
        {"back_sign": "the deltas change their sign on the way back to the hidden units"},
    ),
    Line(
        "A delta belongs to one sample. Where, and how often, is the mean over samples taken?",
        _BATCH,
        {
            "delta3_mean": "the output delta is divided by m, though the mean over the samples comes later",
            "delta2_mean": "the hidden delta is divided by m, though the mean over the samples comes later",
            "mean_missing": "the 1/m is missing: the samples' gradients are added up, but not averaged",
            "mean_missing_weights": "the 1/m is missing in the gradients of the weights (the biases have it)",
            "mean_missing_biases": "the 1/m is missing in the gradients of the biases (the weights have it)",
            "mean_twice": "the sums are divided by m twice",
        },
    ),
    Line(
        "Differentiate the decay term by a single weight: which parameters are in it, and is there an m?",
        _BATCH,
        {
            "decay_missing": "the weight decay is missing",
            "decay_sign": "the weight decay has the wrong sign, so that weights grow",
            "decay_halved": "the weight decay is half too small: a half is left over that should have canceled",
            "decay_doubled": "the weight decay is twice too large",
            "decay_mean": "the weight decay is divided by m as well",
            "decay_biases": "the biases decay too",
            "decay_squared": "the weights are squared in the decay, as in the cost, but not differentiated",
            "decay_absolute": "only the signs of the weights are in the decay, as if it were a sum of absolute values",
        },
    ),
    Line(
        "Which of the two weight matrices does the decay hold back?",
        _DECAY,
        {
            "decay_W1_only": "the weight decay of W2 is missing",
            "decay_W2_only": "the weight decay of W1 is missing",
        },
    ),
    Line(
        "A weight's derivative is the delta where it arrives times the activation where it starts.",
        chapter("One weight into an output unit", "backpropagation", "eq-dW2"),
        {
            "starts_swapped": "the activations where the weights start are swapped: W1 starts at X, W2 does not",
            "start_before_f": "the gradient of W2 is built from the hidden units before their activation function",
            "biases_forgotten": "the gradients of the biases are zero, as if the biases were fixed",
            "negated": "the whole gradient has the wrong sign",
        },
    ),
    Line(
        "A gradient has the shape of its parameter, and stands in the same place.",
        _BATCH,
        {
            "sums_turned": "the gradients of the weights are turned: rows and columns are swapped",
            "layers_swapped": "the gradients of the two layers are swapped",
        },
    ),
    Line(
        "The step goes downhill: alpha times the whole gradient, taken away from every parameter.",
        _UPDATE,
        {
            "ascent": "the step goes uphill",
            "step_only": "the step itself is returned, not where it leads to",
            "alpha_missing": "the learning rate alpha is not used",
            "alpha_not_on_decay": "the learning rate alpha multiplies the sums but not the decay",
            "biases_kept": "the biases stay where they are",
        },
    ),
)
