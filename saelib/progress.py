"""One progress bar for everything that takes long."""

import os
import sys
from functools import cache
from importlib.util import find_spec


def progress_bar(total, label, progress=True, delay=0):
    """Return a tqdm bar of ``total`` steps, to be used in a ``with`` statement.

    It is a widget in a notebook (with ipywidgets), a bar in a terminal, and in a log file a line at most every thirty
    seconds.  It stays silent when ``progress`` is false, when the output is captured (as pytest does), and where
    ``TQDM_DISABLE`` is set.  What is done within ``delay`` seconds shows no bar.
    """
    options = {"total": total, "desc": label, "miniters": 1, "delay": delay}
    captured = sys.stderr is not sys.__stderr__ and not _in_notebook()
    if not progress or captured or os.environ.get("TQDM_DISABLE"):
        options["disable"] = True
    if _in_notebook() and find_spec("ipywidgets"):
        from tqdm.notebook import tqdm
    else:
        from tqdm import tqdm

        if not sys.stderr.isatty():
            options["mininterval"] = 30
    return _unwatched(tqdm)(**options)


def track(values, label):
    """Yield the values one after the other, with a `progress_bar` that says how many are done."""
    values = list(values)
    with progress_bar(len(values), label) as bar:
        for value in values:
            yield value
            bar.update(1)


@cache
def _unwatched(tqdm):
    """Return a class of bars without tqdm's thread, which stays when they are closed.

    Python in a browser has no threads, and elsewhere warns of them when a process is forked.  With ``miniters`` of 1
    the thread would have nothing to do.
    """
    return type("Bar", (tqdm,), {"monitor_interval": 0})


def _in_notebook():
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
