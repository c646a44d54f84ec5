"""The progress bar where tests seldom are: in a notebook, in a browser, and in a process that is forked after it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import saelib
from saelib import progress


def test_the_bar_is_a_widget_in_a_notebook(monkeypatch):
    import tqdm.notebook

    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with progress.progress_bar(3, "steps") as bar:
        assert isinstance(bar, tqdm.notebook.tqdm) and not bar.disable


def test_a_notebook_without_widgets_has_a_plain_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with progress.progress_bar(3, "steps") as bar:
        bar.update(3)
    assert "steps" in capsys.readouterr().err


def test_a_bar_with_a_delay_is_shown_once_it_has_passed(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with progress.progress_bar(3, "steps", delay=60) as bar:
        bar.update(3)
    assert not capsys.readouterr().err
    with progress.progress_bar(3, "steps", delay=60) as bar:
        bar.start_t, bar.last_print_t = bar.start_t - 61, bar.last_print_t - 61
        bar.update(1)
        assert "1/3" in capsys.readouterr().err


@pytest.mark.parametrize("in_notebook", [False, True])
def test_no_thread_watches_the_bars(monkeypatch, in_notebook):
    import tqdm.notebook

    monkeypatch.setattr(progress, "_in_notebook", lambda: in_notebook)
    monkeypatch.setattr(tqdm.tqdm, "monitor", None)
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 10)
    before = set(threading.enumerate())
    for shown in (True, False):
        progress.progress_bar(3, "steps", shown).close()
    assert set(threading.enumerate()) == before
    tqdm.tqdm(disable=True)  # what others show is watched as before
    (watch,) = set(threading.enumerate()) - before
    watch.exit()


FORKED = """
import multiprocessing, os, sys, threading, warnings
import numpy as np, saelib
from saelib import nets

warnings.simplefilter("error")  # from Python 3.12 on, os.fork warns where there are other threads
rng = np.random.default_rng(0)
X, net = rng.uniform(size=(6000, 20)), nets.Sigmoid()
start = net.init(20, 10, rng)

def train():
    lbfgs = saelib.lbfgs(net, start, X, max_iter=2, n_jobs=2)[1]
    adam = saelib.adam(net, start, saelib.Minibatches(X, 3000, epochs=2))[1]
    codes = saelib.sparse_coding.lasso_codes(X, np.eye(20), 0.1, n_jobs=2)
    return lbfgs.cost[-1], adam.cost[-1], codes.sum()

before = train()
assert threading.active_count() == 1, threading.enumerate()
with multiprocessing.get_context("fork").Pool(2) as pool:
    calls = [pool.apply_async(train) for _ in range(3)]
    assert [call.get(timeout=60) for call in calls] == [before] * 3
assert train() == before
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_process_forked_after_a_training_trains_too(threads):
    here = {**os.environ, "PYTHONPATH": str(Path(saelib.__file__).parents[1]), "OPENBLAS_NUM_THREADS": threads}
    done = subprocess.run([sys.executable, "-c", FORKED], env=here, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
