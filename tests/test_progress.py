"""The progress bar where tests seldom are: in a notebook, and in a browser."""

import sys

from saelib import progress


def test_the_bar_is_a_widget_in_a_notebook(monkeypatch):
    import tqdm.notebook

    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with progress.progress_bar(3, "steps") as bar:
        assert isinstance(bar, tqdm.notebook.tqdm) and not bar.disable


def test_no_thread_watches_the_bars_in_a_browser(monkeypatch):
    import tqdm

    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 10)
    monkeypatch.setattr(sys, "platform", "emscripten")
    progress.progress_bar(3, "steps").close()
    assert tqdm.tqdm.monitor_interval == 0
