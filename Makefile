# Two commands are enough: `make demo` and `make test` set everything up when needed.
# `make help` lists the rest.

PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
BIN := .venv/bin
TASK := L+T->F
RUN := runs/phantom-64/L+T-to-F/codixr

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint perf site docs docs-outputs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

setup: .venv/.ready ## make .venv with everything in it (once, and again when pyproject.toml changes)

.venv/.ready: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "codixr needs Python 3.11 or newer; name one: make setup PYTHON=python3.12" >&2; exit 2; }
	@echo "setting up .venv: some 180 packages, a few minutes, once"
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --editable '.[dev]' --constraint $(CONSTRAINTS)
	@touch $@

demo: setup ## the main job: evaluate the embedded model on 64 simulated studies
	$(BIN)/codixr-bench run --task '$(TASK)' --model codixr --limit 64
	@test -s $(RUN)/result.json && test -s $(RUN)/grid.png
	@echo "results: $(RUN)/result.json   picture: $(RUN)/grid.png"

# One thread a worker: two workers with two threads each are slower than one.
test: setup ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest --quiet --numprocesses 2

lint: setup ## check style, format, types, the arrows between modules, and dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

perf: setup ## measure start-up, the main job, the phantom and the generator; prints tables
	$(BIN)/python tests/perf/measure.py
	$(BIN)/python tests/perf/labeler.py
	$(BIN)/python tests/perf/generation.py
	$(BIN)/python tests/perf/training.py
	$(BIN)/python tests/perf/cpu_attention.py
	$(BIN)/python tests/perf/preparation.py
	$(BIN)/python tests/perf/scores.py
	$(BIN)/python tests/perf/frechet.py
	$(BIN)/python tests/perf/false_alarms.py

site: setup ## build the leaderboard's static pages: site/index.html
	$(BIN)/codixr-bench site leaderboard/results site

# Material for MkDocs tells in colours that MkDocs 2 will differ; pyproject.toml keeps to MkDocs 1.
docs: setup ## build the documents' pages: build/docs/index.html; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-outputs: setup ## write what commands print into README and docs anew
	$(BIN)/python docs/outputs.py
	$(BIN)/python docs/walk.py --write docs/tutorials/*.md

clean: ## remove caches and build outputs; keeps .venv and runs/
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
