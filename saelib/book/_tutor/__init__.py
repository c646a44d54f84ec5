"""What `saelib.book.tutor` is made of.

`costs`, `deltas` and `codes` hold the formulas that it marks.  Their first argument, ``on``, is the set of switches
that are on; with none of them the formula is right.  A switch turns one line into a known mistake, and two switches
make two mistakes at once.  `words` says what each of them is, `cases` has the inputs on which a learner's function is
tried, `mistakes` is the table that brings these together, and `judge` runs the learner's function.
"""


def pick(on, right, **wrong):
    """Return ``right()``, or what stands in its place when one of the switches named in ``wrong`` is on."""
    chosen = [line for name, line in wrong.items() if name in on]
    return chosen[-1]() if chosen else right()
