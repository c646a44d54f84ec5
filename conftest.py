"""What holds for every test, those in `tests` and the notebooks in `chapters`."""

pytest_plugins = ["tests.nbval_tolerance"]
