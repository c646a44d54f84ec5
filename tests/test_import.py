"""What `import saelib` costs and offers: NumPy and nothing else, and every name that it promises."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

import saelib


def packages_after(statements):
    """The packages outside the standard library that a fresh Python has loaded after these statements."""
    code = f"{statements}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(saelib.__file__))}
    # -S: no site-packages at start, for an editable install or a plugin there may load modules of its own.
    site = [path for path in sys.path if path.endswith("-packages")]
    code = f"import sys; sys.path += {site!r}; {code}"
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, check=True, capture_output=True, text=True)
    return {name for name in done.stdout.split() if name not in sys.stdlib_module_names} - {"__main__"}


def test_import_loads_numpy_alone():
    assert packages_after("import saelib") - packages_after("import numpy") == {"saelib"}


@pytest.mark.parametrize("module", [m for m in saelib._MODULES if m != "estimator"])
def test_no_module_but_the_estimator_loads_more(module):
    assert packages_after(f"import saelib.{module}") - packages_after("import numpy") == {"saelib"}


def test_the_core_works_on_numpy_alone():
    code = (
        "import numpy as np, saelib; rng = np.random.default_rng(0); params = saelib.init_params(4, 3, rng); "
        "saelib.cost_and_gradient(params, rng.uniform(size=(5, 4)), lam=0, rho=0.1, beta=1); "
        "saelib.Objective(saelib.nets.Sigmoid(), rng.uniform(size=(5, 4)))(saelib.pack(params))"
    )
    assert packages_after(code) - packages_after("import numpy, numpy.random") == {"saelib"}


def test_the_estimator_comes_when_asked_for():
    assert "sklearn" not in packages_after("import saelib; dir(saelib)")
    assert "sklearn" in packages_after("import saelib; saelib.SparseAutoencoder")


def test_every_promised_name_is_there():
    assert len(set(saelib.__all__)) == len(saelib.__all__)
    for name in saelib.__all__:
        assert name in dir(saelib)
        assert getattr(saelib, name) is not None
    for module, names in saelib._HOME.items():
        for name in names:
            assert getattr(saelib, name) is getattr(import_module(f"saelib.{module}"), name)
            assert getattr(saelib, name).__doc__


@pytest.mark.parametrize("name", ["plots", "explore", "steps", "tutor"])
def test_an_old_path_still_works_and_warns(name):
    code = (
        "import warnings; caught = warnings.catch_warnings(record=True); found = caught.__enter__(); "
        f"warnings.simplefilter('always'); import saelib.{name} as old, saelib.book.{name} as new; assert old is new; "
        f"assert [str(w.message) for w in found if w.category is DeprecationWarning and 'saelib.' in str(w.message)] "
        f"== ['saelib.{name} has moved to saelib.book.{name}']"
    )
    root = os.path.dirname(os.path.dirname(saelib.__file__))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=True)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="module 'saelib' has no attribute 'nonsense'"):
        saelib.nonsense  # noqa: B018
