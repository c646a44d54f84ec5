"""The table of mistakes: for each kind of function the formula, its inputs, and what can go wrong in it."""

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import combinations
from typing import NamedTuple

from . import codes, costs, deltas, words_codes, words_costs, words_deltas
from .cases import DATA, MATRICES, NETWORKS, PATCHES, data, networks, patches

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


class Kind(NamedTuple):
    """What the tutor knows about a kind of function.

    ``formula(on, *arguments)`` is right when the set ``on`` of switches is empty.  ``fields`` names what is returned
    when it is several arrays.  ``cases()`` gives labels and inputs by name, and ``tried`` says which they are.
    ``signless`` is for rows that may be turned round.
    """

    formula: Callable
    arguments: tuple
    fields: tuple = ()
    cases: Callable = networks
    tried: str = NETWORKS
    signless: bool = False

    def inputs(self):
        """Return a label and the tuple of arguments for each case."""
        return [(label, tuple(case[name] for name in self.arguments)) for label, case in self.cases()]


_FORWARD, _PARAMS = ("Z2", "A2", "Z3", "A3"), ("W1", "b1", "W2", "b2")
KINDS = {
    "forward": Kind(deltas.forward, ("params", "X"), _FORWARD),
    "delta3": Kind(deltas.delta3, ("A3", "X")),
    "hidden_delta": Kind(deltas.hidden_delta, ("W2", "delta3", "A2")),
    "delta2": Kind(deltas.delta2, ("W2", "delta3", "A2", "rho", "beta")),
    "gradient": Kind(deltas.gradient, ("params", "X", "lam"), _PARAMS),
    "sparse_gradient": Kind(deltas.sparse_gradient, ("params", "X", "lam", "rho", "beta"), _PARAMS),
    "update": Kind(deltas.update, ("params", "Delta", "m", "alpha", "lam"), _PARAMS),
    "reconstruction_error": Kind(costs.reconstruction_error, ("A3", "X")),
    "weight_decay": Kind(costs.weight_decay, ("params", "lam")),
    "numerical_gradient": Kind(costs.numerical_gradient, ("J", "theta", "epsilon")),
    "mean_activation": Kind(costs.mean_activation, ("A2",)),
    "kl_divergence": Kind(costs.kl_divergence, ("rho", "rho_hat")),
    "kl_prime": Kind(costs.kl_prime_each, ("rho", "rho_hat")),
    "optimal_input": Kind(codes.optimal_input, ("W1",)),
    "normalize_patches": Kind(codes.normalize_patches, ("X",), cases=patches, tried=PATCHES),
    "pca": Kind(codes.pca, ("X", "k"), cases=data, tried=DATA, signless=True),
    "soft_threshold": Kind(codes.soft_threshold, ("u", "t"), tried=MATRICES),
    "ista_step": Kind(codes.ista_step, ("A", "X", "D", "lam"), tried=MATRICES),
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
    return Mistake(
        name=" + ".join(names),
        sentence=sentences[0] if len(names) == 1 else "first, {}; second, {}".format(*sentences),
        hint=" ".join(dict.fromkeys(line.hint for line in lines)),
        where=" and ".join(dict.fromkeys(line.where for line in lines)),
        function=partial(KINDS[kind].formula, frozenset(names)),
    )
