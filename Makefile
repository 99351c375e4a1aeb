# Everything runs from a virtual environment in .venv, made here when it is missing. `make` alone prints the targets.

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip
# Stamps: present and newer than what they depend on means installed.
RUNS := .venv/.stamp-runs
DEVELOPS := .venv/.stamp-develops

.DEFAULT_GOAL := help
.PHONY: help setup thread test check format bench laws clean

help: ## print the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(DEVELOPS) ## make .venv and install lossgauge with all that development needs

thread: $(RUNS) ## the demonstration: every statement of the seed thread, tested on this machine
	$(BIN)/lossgauge thread $(ARGS)

test: $(DEVELOPS) ## run all tests, and the examples in the docstrings
	$(BIN)/pytest -n $(WORKERS) -p no:benchmark $(ARGS)

check: $(DEVELOPS) ## style, docstrings, types and the floors of the house
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(DEVELOPS) ## let ruff put right what it can
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: $(DEVELOPS) ## run the benchmarks; results in out/benchmarks.json
	@mkdir -p out
	$(BIN)/pytest benchmarks --benchmark-json=out/benchmarks.json $(ARGS)

laws: $(RUNS) ## regenerate the table of laws from the installed optimizers, and the pages of laws and rules in docs
	$(BIN)/python -m lossgauge.discovery.tabulate $(ARGS)
	$(BIN)/lossgauge laws --markdown > docs/laws.md
	$(BIN)/lossgauge rules --markdown > docs/rules.md

clean: ## remove what was generated, but keep .venv
	rm -rf out .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(RUNS): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e '.[torch,pictures]'
	@touch $@

$(DEVELOPS): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e '.[torch,pictures,dev]'
	@touch $(RUNS) $@
