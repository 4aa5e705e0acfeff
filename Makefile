# The commands of the project. Everything is installed into .venv and nowhere else; PORT=, LIVE=1 and FRESH=1 are explained in the README.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
WORKERS ?= 2
export PORT LIVE FRESH

INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/bench/.installed

.PHONY: help setup run up down demo status test test-fast e2e bench check format openapi clean

help: ## what there is
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## /  make \1\t/' | expand -t 18

setup: $(INSTALLED) ## make .venv with everything that runs and tests the project

$(INSTALLED): pyproject.toml layers/gpubroker/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is older or missing. Set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV) || \
		{ echo "python3 -m venv failed; on Debian and Ubuntu install the package python3-venv"; exit 1; }; }
	@echo "Installing into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c layers/gpubroker/constraints.txt -e '.[local,test]'
	@touch $@

# In an environment of their own inside .venv: what they bring must not be there when the project is tested.
$(BENCH_INSTALLED): $(INSTALLED) tests/benchmarks/peers.py
	@echo "Installing the peers of the benchmarks into $(VENV)/bench"
	@$(BIN)/python tests/benchmarks/peers.py
	@touch $@

run: setup ## start everything, rent a GPU before your eyes, keep serving until Ctrl-C
	@$(BIN)/python -m infra.local run

up: setup ## the same cloud in the background
	@$(BIN)/python -m infra.local up

down: ## end it; nothing keeps running
	@if test -x $(BIN)/python; then $(BIN)/python -m infra.local down; else echo "Nothing was ever started."; fi

demo: setup ## rent a GPU in the running cloud
	@$(BIN)/python -m infra.local demo

status: setup ## what runs where
	@$(BIN)/python -m infra.local status

test: setup ## all tests
	$(BIN)/python -m pytest tests/unit tests/integration tests/contract tests/infra tests/faults -n $(WORKERS)
	$(BIN)/python -m pytest tests/e2e

test-fast: setup ## the tests without a local cloud
	$(BIN)/python -m pytest tests/unit tests/integration tests/contract tests/infra tests/faults -n $(WORKERS)

e2e: setup ## the tests with one
	$(BIN)/python -m pytest tests/e2e

bench: $(BENCH_INSTALLED) ## measure against the peers; writes tests/benchmarks/results.json
	@$(BIN)/python -m tests.benchmarks

check: setup ## formatting, lint, types, import rules, templates, state machines
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m infra.check

format: setup ## rewrite the sources as `check` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: setup ## write the API document and the page of problems again
	@$(BIN)/python -m infra.openapi
	@$(BIN)/python -m infra.problems

clean: down ## forget the local state as well
	@rm -rf .local
