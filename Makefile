# Every target sets itself up: a virtual environment in .venv with the versions of constraints.txt.
# Without an NVIDIA GPU, `make TORCH=cpu ...` the first time installs torch's far smaller CPU build.
PYTHON ?= python3
VENV ?= .venv
TORCH ?=
DEMO ?= runs/demo

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP_FLAGS := $(if $(filter cpu,$(TORCH)),--extra-index-url https://download.pytorch.org/whl/cpu)
# pyright asks the network for news of itself unless told not to.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: help venv demo test check bench

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

venv: $(INSTALLED) ## install farframe and its tools into .venv

# The stamp is touched last: an interrupted installation is taken up again, a finished one is skipped.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "farframe needs Python 3.11 or newer as $(PYTHON): install it, or name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) can't make virtual environments: apt-get install python3-venv (as root), then make again" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(INSTALLED) ## train on bouncing shapes, predict 100 frames of clips never seen, measure: about 5 minutes
	$(BIN)/farframe train shapes-tiny --out $(DEMO) --resume
	$(BIN)/farframe predict $(DEMO) shapes:0 --horizon 100 --out $(DEMO)/prediction --overwrite
	$(BIN)/farframe evaluate $(DEMO) --horizon 100 --videos 2

test: check ## everything: the checks, then all tests, on all cores
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal --ignore tests/unit/test_budgets.py

check: $(INSTALLED) ## lint, format, types, budgets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -q tests/unit/test_budgets.py

bench: $(INSTALLED) ## ratios of this machine's speeds, measured in one run: about 20 minutes on two cores
	$(BIN)/farframe bench
