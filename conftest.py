"""What holds for every test, those in `tests` and the notebooks in `chapters` and `appendices`."""

pytest_plugins = ["tests.nbval_tolerance"]
