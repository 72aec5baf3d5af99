# make demo       train a first network and write its report
# make test       the tests; slow ones apart
# make test-all   the slow ones too
# make lint       style, types, the floors of the house
# make bench      side by side with what one would use instead: writes docs/performance.md
# make docs       the table of operations, from the registry and `underhood check all`; augmentation's pictures; what
#                 PyTorch has and the engine lacks
# make clean      remove what was built; runs/ stays
#
# Each sets up what it needs in .venv, once, and again when pyproject.toml or constraints.txt change.
# Another interpreter: make demo PYTHON=/path/to/python3.12

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := demo
MAKEFLAGS += --no-print-directory
# pytest rewrites the assertions of every test and plugin, and does it again in each process that may keep no bytecode.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt
CORE := $(VENV)/core.stamp
DEV := $(VENV)/dev.stamp
ALL := $(VENV)/all.stamp
BENCH := $(VENV)/bench.stamp

.PHONY: demo test test-all lint bench docs clean

demo: $(CORE)
	@echo "· underhood run quickstart"
	@SECONDS=0; $(BIN)/underhood run quickstart; echo "· the run took $$SECONDS s"

# A file's tests have one worker, so that what they share is made once; and three workers have two processors, for they
# wait for browsers and processes a third of their time. Hundreds of processes import the package: it is compiled for
# all of them at once.
PYTEST := n=$$(getconf _NPROCESSORS_ONLN); $(BIN)/pytest --numprocesses $$(( (3 * n + 1) / 2 )) --dist loadfile
test: $(DEV)
	@$(BIN)/python -m compileall -q -j 0 src
	@echo "· pytest"
	@$(PYTEST)

test-all: $(ALL)
	@$(BIN)/python -m compileall -q -j 0 src
	@echo "· pytest --all"
	@$(PYTEST) --all

lint: $(DEV)
	@echo "· ruff check";  $(BIN)/ruff check
	@echo "· ruff format --check";  $(BIN)/ruff format --check
	@echo "· mypy";  $(BIN)/mypy
	@echo "· lint-imports";  $(BIN)/lint-imports

bench: $(BENCH)
	@$(BIN)/python -m benchmarks --write docs/performance.md

docs: $(DEV)
	@$(BIN)/python -m underhood.instruments.check.document docs/operations.md
	@$(BIN)/python -m underhood.data.augmentation.document docs/augmentation
	@$(BIN)/python -m underhood.instruments.missing docs/differences.md

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------------- the environment

$(CORE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "· installing underhood and what it needs into $(VENV) (once)"
	@SECONDS=0; $(PIP) --editable .; touch $@; echo "  that took $$SECONDS s"

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "· installing underhood, PyTorch and the tools for developers into $(VENV) (once)"
	@SECONDS=0; $(PIP) --editable '.[dev]'; touch $(CORE) $@; echo "  that took $$SECONDS s"

$(ALL): $(DEV)
	@echo "· installing what exported runs are read with, and the architectures that cost is tried on (once)"
	@SECONDS=0; $(PIP) --editable '.[architectures,exports]'; touch $@; echo "  that took $$SECONDS s"

# tinygrad compiles with clang. Where there is none, Zig's stands in for it: Zig brings a whole clang in a wheel.
$(BENCH): $(DEV)
	@echo "· installing what underhood is measured beside into $(VENV) (once): JAX, MyGrad, tinygrad"
	@SECONDS=0; $(PIP) --editable '.[bench]' || echo "  not all could be had; the tables will say so"; \
	if ! command -v clang >/dev/null && $(PIP) ziglang; then \
	    printf '#!/bin/sh\nexec "%s" -m ziglang clang "$$@"\n' "$$(cd $(BIN) && pwd)/python" > $(BIN)/clang; \
	    chmod +x $(BIN)/clang; \
	fi; \
	touch $@; echo "  that took $$SECONDS s"

# The first interpreter that is new enough and can make a virtual environment with pip in it.
$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "· making $(VENV) with $$("$$python" --version) ($$(command -v "$$python"))"; \
	        exec "$$python" -m venv $(VENV); \
	    fi; \
	done; \
	echo "underhood needs Python 3.11 or newer with its venv module; none was found." >&2; \
	echo "  Debian, Ubuntu: sudo apt-get install python3 python3-venv    macOS: brew install python" >&2; \
	echo "  or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
	exit 3
