"""What `import saelib` costs and offers: NumPy and nothing else, and every name that it promises."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

import saelib


def packages_after(*trials):
    """The packages outside the standard library that a fresh Python has loaded after each of the trials (statements).

    The process forks for each of them after `import numpy`, which all of them do first.
    """
    # -S: no site-packages at start, for an editable install or a plugin there may load modules of its own.
    site = [path for path in sys.path if path.endswith("-packages")]
    code = f"""
import os, sys
sys.path += {site!r}
import numpy
for trial in {trials!r}:
    if not (child := os.fork()):
        exec(trial, {{}})
        print(*{{name.partition(".")[0] for name in sys.modules}}, flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"failed: {{trial}}")
"""
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(saelib.__file__))}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, check=True, capture_output=True, text=True)
    return [set(line.split()) - sys.stdlib_module_names - {"__main__"} for line in done.stdout.splitlines()]


def test_no_module_but_the_estimator_loads_more_than_numpy():
    modules = [module for module in saelib._MODULES if module != "estimator"]
    core = """
import numpy as np, saelib
rng = np.random.default_rng(0)
params = saelib.init_params(4, 3, rng)
saelib.cost_and_gradient(params, rng.uniform(size=(5, 4)), lam=0, rho=0.1, beta=1)
saelib.Objective(saelib.nets.Sigmoid(), rng.uniform(size=(5, 4)))(saelib.pack(params))
"""
    trials = ["import saelib", core, *(f"import saelib.{module}" for module in modules)]
    numpy, *found = packages_after("import numpy.random", *trials)
    assert {trial: after - numpy for trial, after in zip(trials, found, strict=True)} == dict.fromkeys(
        trials, {"saelib"}
    )


def test_the_estimator_comes_when_asked_for():
    before, after = packages_after("import saelib; dir(saelib)", "import saelib; saelib.SparseAutoencoder")
    assert "sklearn" not in before and "sklearn" in after


def test_every_promised_name_is_there():
    assert len(set(saelib.__all__)) == len(saelib.__all__)
    for name in saelib.__all__:
        assert name in dir(saelib)
        assert getattr(saelib, name) is not None
    for module, names in saelib._HOME.items():
        for name in names:
            assert getattr(saelib, name) is getattr(import_module(f"saelib.{module}"), name)
            assert getattr(saelib, name).__doc__


def test_an_old_path_still_works_and_warns():
    code = """
import sys, warnings
for name in "plots", "explore", "steps", "tutor":
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        old = __import__(f"saelib.{name}", fromlist="x")
        new = __import__(f"saelib.book.{name}", fromlist="x")
    said = [str(w.message) for w in found if w.category is DeprecationWarning and "saelib." in str(w.message)]
    assert old is new and said == [f"saelib.{name} has moved to saelib.book.{name}"], (name, said)
"""
    root = os.path.dirname(os.path.dirname(saelib.__file__))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=True)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="module 'saelib' has no attribute 'nonsense'"):
        saelib.nonsense  # noqa: B018
