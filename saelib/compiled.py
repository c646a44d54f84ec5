"""The same numbers quicker, with Numba: one compiled loop where NumPy goes through an array several times.

Nothing needs it, and the equations are those of the book.
"""

from . import sparse_coding, train
from ._workplace import COMPILED
from .nets import sigmoid


def use(on=True):
    """Compute by compiled loops from now on in this process, or with ``on=False`` by NumPy again.

    This holds for the sigmoid net (its objective, `saelib.lbfgs` and `saelib.adam`), for Adam's step whatever the net,
    and for `saelib.sparse_coding.lasso_codes`, which then goes one coordinate at a time.  Results agree with NumPy's to
    rounding, those of the lasso to its ``tol``.  The first call for numbers of a kind (float32 or float64) takes some
    seconds, in which it is compiled; what was compiled is kept for the next process where there is a folder for it.

    Raises
    ------
    ImportError
        If Numba is not installed.
    """
    COMPILED.clear()
    if not on:
        return
    try:
        from . import _compiled as loops
    except ImportError as error:
        raise ImportError('saelib.compiled needs Numba: pip install "saelib[fast]"') from error
    COMPILED.update({sigmoid.Fast: loops.Fast, train._move: loops.move, sparse_coding._code: loops.code})
