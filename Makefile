# One command a concern; everything happens in .venv, and every target may be run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.msb-
SOURCES := pyproject.toml constraints.txt
WORKERS ?= 2
EXTRA ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format docs clean

help:
	@echo 'make install        .venv with msb in it, editable (EXTRA=pyemma or another extra adds that one)'
	@echo 'make demo           install, then msb demo: a backmapped trajectory and a page of figures in msb-demo/'
	@echo 'make test           install with the test extra, then the whole suite'
	@echo 'make lint           ruff, the format check, mypy --strict on src'
	@echo 'make format         ruff rewrites what it can'
	@echo 'make docs           the documentation, warnings are errors, in docs/_build/html'
	@echo 'make clean          removes .venv and everything made'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "msb needs Python 3.11 or newer, and '$(PYTHON)' is `$(PYTHON) -V 2>&1`: run make PYTHON=python3.11 (or newer)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP)base: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable .
	@touch $@

$(STAMP)%: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[$*]'
	@touch $@ $(STAMP)base

install: $(if $(EXTRA),$(STAMP)$(EXTRA),$(STAMP)base)

demo: install
	$(BIN)/msb demo

test: $(STAMP)test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

lint: $(STAMP)dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build docs/reference/generated msb-demo build dist src/*.egg-info
