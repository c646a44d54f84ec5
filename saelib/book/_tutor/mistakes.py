"""The table of mistakes: for each kind of function the formula, its inputs, and what can go wrong in it."""

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import combinations
from typing import NamedTuple

from . import codes, costs, deltas, words_codes, words_costs, words_deltas
from .cases import DATA, MATRICES, NETWORKS, PATCHES, SMOOTHERS, VARIED, data, networks, patches, smoothers, varied

LINES = (*words_deltas.LINES, *words_costs.LINES, *words_codes.LINES)
_WORDS = {name: (sentence, line) for line in LINES for name, sentence in line.mistakes.items()}


class Mistake(NamedTuple):
    """A mistake: its name, what is wrong, what to think about, where to read on, and a function that makes it.

    ``function`` takes the same arguments as the learner's function of that kind.
    """

    name: str
    sentence: str
    hint: str
    where: str
    function: Callable

    @classmethod
    def of(cls, names, sentences, hints, places, function):
        """Return one mistake, or two at once."""
        return cls(
            name=" + ".join(names),
            sentence=sentences[0] if len(names) == 1 else "first, {}; second, {}".format(*sentences),
            hint=" ".join(dict.fromkeys(hints)),
            where=" and ".join(dict.fromkeys(places)),
            function=function,
        )


class Kind(NamedTuple):
    """What the tutor knows about a kind of function.

    ``formula(on, *arguments)`` is right when the set ``on`` of switches is empty.  ``fields`` names what is returned
    when it is several arrays.  ``cases()`` gives labels and inputs by name, and ``tried`` says which they are.
    ``signless`` is for rows that may be turned round.
    """

    name: str
    formula: Callable
    arguments: tuple
    fields: tuple = ()
    cases: Callable = networks
    tried: str = NETWORKS
    signless: bool = False
    asked: tuple = ()
    parts: Callable = lambda value: value
    known: Callable | None = None

    def inputs(self, names=()):
        """Return a label and the tuple of arguments for each case: all, or those of the ``names``."""
        return [(label, tuple(case[name] for name in names or self.arguments)) for label, case in self.cases()]

    def mistakes(self):
        """Return the mistakes that the tutor knows by name in a function of this kind, as a tuple of `Mistake`."""
        return self.known()[0] if self.known else mistakes(self.name)

    def pairs(self):
        """Return two mistakes at once, for every two of them, told apart from others or not."""
        return self.known()[1] if self.known else pairs(self.name)


_FORWARD, _PARAMS = ("Z2", "A2", "Z3", "A3"), ("W1", "b1", "W2", "b2")
KINDS = {
    "forward": Kind("forward", deltas.forward, ("params", "X"), _FORWARD),
    "delta3": Kind("delta3", deltas.delta3, ("A3", "X")),
    "hidden_delta": Kind("hidden_delta", deltas.hidden_delta, ("W2", "delta3", "A2")),
    "delta2": Kind("delta2", deltas.delta2, ("W2", "delta3", "A2", "rho", "beta")),
    "gradient": Kind("gradient", deltas.gradient, ("params", "X", "lam"), _PARAMS),
    "sparse_gradient": Kind("sparse_gradient", deltas.sparse_gradient, ("params", "X", "lam", "rho", "beta"), _PARAMS),
    "update": Kind("update", deltas.update, ("params", "Delta", "m", "alpha", "lam"), _PARAMS),
    "reconstruction_error": Kind("reconstruction_error", costs.reconstruction_error, ("A3", "X")),
    "weight_decay": Kind("weight_decay", costs.weight_decay, ("params", "lam")),
    "numerical_gradient": Kind("numerical_gradient", costs.numerical_gradient, ("J", "theta", "epsilon")),
    "mean_activation": Kind("mean_activation", costs.mean_activation, ("A2",)),
    "kl_divergence": Kind("kl_divergence", costs.kl_divergence, ("rho", "rho_hat")),
    "kl_prime": Kind("kl_prime", costs.kl_prime_each, ("rho", "rho_hat")),
    "optimal_input": Kind("optimal_input", codes.optimal_input, ("W1",)),
    "normalize_patches": Kind("normalize_patches", codes.normalize_patches, ("X",), cases=patches, tried=PATCHES),
    "pca": Kind("pca", codes.pca, ("X", "k"), cases=data, tried=DATA, signless=True),
    "soft_threshold": Kind("soft_threshold", codes.soft_threshold, ("u", "t"), tried=MATRICES),
    "ista_step": Kind("ista_step", codes.ista_step, ("A", "X", "D", "lam"), tried=MATRICES),
    "fvu": Kind("fvu", codes.fvu, ("X", "X_hat"), cases=varied, tried=VARIED),
    "topk_codes": Kind("topk_codes", codes.topk_codes, ("Z", "k"), cases=varied, tried=VARIED),
    "leave_two_out": Kind("leave_two_out", codes.leave_two_out, ("H", "Y", "i", "j"), cases=smoothers, tried=SMOOTHERS),
}


class _Asked(set):
    """A set of switches, all off, that remembers which of them a formula asks for."""

    def __contains__(self, name):
        self.add(name)
        return False


@lru_cache
def mistakes(kind):
    """Return the mistakes that the tutor knows by name in a function of this kind, as a tuple of `Mistake`."""
    asked = _Asked()
    KINDS[kind].formula(asked, *KINDS[kind].inputs()[0][1])
    return tuple(_mistake(kind, name) for name in _WORDS if set.__contains__(asked, name))


@lru_cache
def pairs(kind):
    """Return two mistakes at once, for every two of `mistakes(kind)`, told apart from others or not."""
    return tuple(_mistake(kind, a.name, b.name) for a, b in combinations(mistakes(kind), 2))


def _mistake(kind, *names):
    sentences, lines = zip(*(_WORDS[name] for name in names), strict=True)
    formula = partial(KINDS[kind].formula, frozenset(names))
    return Mistake.of(names, sentences, [line.hint for line in lines], [line.where for line in lines], formula)
