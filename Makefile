# Khata's tasks. Each makes .venv on first use; Python 3.11 or later and make are all it takes.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What runs the tests; `make check` measures coverage with it.
RUN := $(BIN)/python
# Another interpreter: make test PYTHON=/path/to/python3
PYTHON ?=
# Some of the tests: make test ARGS="tests/pure -k money"
ARGS ?=
# What is measured for coverage: the bounds are about what is behind the doors, and being measured
# takes long. Tests that draw long histories go again and again through what the others have shown to
# be reached. What takes long comes first, so that no process is left with it at the end.
DRAWN := $(wildcard tests/*/test_*_properties.py) tests/store/test_properties.py \
	tests/store/test_verify_cells.py tests/flow/test_sagas_machine.py tests/flow/test_sales.py
MEASURED := tests/flow tests/store tests/pure $(DRAWN:%=--ignore=%)
UNMEASURED := tests/crash $(DRAWN) tests/edge
# How long each bench runs.
SECONDS ?= 10

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The suite starts some hundred processes, of which each would compile Khata anew if none might keep
# what it compiled.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak lint types shape format clean

help: ## say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

# The first suitable interpreter wins; one that is too old or incomplete says so. The system's own is
# asked first: distributions build it with profile-guided optimisation, version managers mostly do
# not, and Khata is a tenth faster with it.
$(READY): pyproject.toml constraints.txt
	@set -e; \
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		found=; \
		for python in $(PYTHON) /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11 \
			python; do \
			if command -v $$python >/dev/null 2>&1 && $$python -c \
				'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
			then found=$$python; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "Khata needs Python 3.11 or later with its venv module, and found none. Install" \
				"one (on Debian and Ubuntu: apt-get install python3-venv), or name it:" \
				"make PYTHON=/path/to/python3" >&2; exit 1; \
		fi; \
		rm -rf $(VENV); \
		$$found -m venv $(VENV); \
	fi
	@echo "Installing Khata into $(VENV) …"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,demo]'
	@touch $@

demo: $(READY) ## play a marketplace day, and explain it
	@$(BIN)/khata demo

test: $(READY) ## run every test (SQLite, and a PostgreSQL of its own)
	@$(RUN) -m pytest $(ARGS)

check: $(READY) ## all that must hold before a change is done
	@# side by side: each keeps one processor busy
	@$(MAKE) --no-print-directory -j3 lint types shape
	@$(BIN)/coverage erase
	@$(MAKE) --no-print-directory test RUN="$(BIN)/coverage run" ARGS="$(MEASURED)"
	@$(MAKE) --no-print-directory test ARGS="$(UNMEASURED)"
	@$(BIN)/coverage combine --quiet
	@set -e; for shelf in base engine domain; do \
		echo "coverage of $$shelf:"; $(BIN)/coverage report --include="*/khata/$$shelf/*"; \
	done

lint: $(READY) ## style
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

types: $(READY) ## types
	@$(BIN)/mypy

shape: $(READY) ## the architecture: imports, purity, sizes, words
	@$(BIN)/python -m pytest -q tests/shape

bench: $(READY) ## measure, beside the usual way of doing it
	@$(BIN)/khata bench all --seconds $(SECONDS)

soak: $(READY) ## the long forms of the crash and property tests
	@KHATA_SOAK=1 $(BIN)/python -m pytest $(ARGS)

format: $(READY) ## rewrite what can be rewritten
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

clean: ## remove everything that was made here
	@rm -rf $(VENV) build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
