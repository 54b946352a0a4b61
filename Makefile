# What can be done here. `make help` lists it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test bench docs pictures lock messages clean

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## The ten steps on real meters (ARGS='--once', '--json FILE')
	@$(BIN)/meterhall demo $(ARGS)

test: $(VENV)/.dev ## Every check: style, types, floors, tests on SQLite and PostgreSQL, pages in a browser
	@$(BIN)/python -m tests.run $(ARGS)

bench: $(VENV)/.dev ## Measure, as ratios against named baselines
	@$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.dev ## Build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: $(VENV)/.dev ## Photograph every page and component for the documentation, in a browser (minutes)
	@PYTHONPATH=src:. $(BIN)/python -m tools.pictures

lock: $(VENV)/.dev ## Write the lock files anew
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header pyproject.toml --extra platform --group build -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header pyproject.toml --extra platform --group build --group dev -c requirements.lock -o requirements-dev.lock

messages: $(VENV)/.dev ## Gather the texts of pages into the translations and compile them
	@$(BIN)/python tools/messages.py

clean: ## Remove what the other commands made
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime
