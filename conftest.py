"""What holds for every test, those in `tests` and the notebooks in `chapters` and `appendices`."""

from hypothesis import Phase, settings

pytest_plugins = ["tests.nbval_tolerance"]

# For `make mutants`, which wants to know that a test fails, but not the smallest example for it.
settings.register_profile("mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])

# How long a test takes says more about the machine than about the code.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")
