# Two commands for a newcomer: `make demo` and `make test`. Both make .venv from exact versions first.
PYTHON ?= python3.11
ifeq (, $(shell command -v $(PYTHON) 2>/dev/null))
PYTHON := python3
endif
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?=

.PHONY: demo test check bench docs clean

demo: $(VENV)/.installed-train
	$(BIN)/mw demo $(ARGS)

test: $(VENV)/.installed-dev check
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks $(if $(JOBS),--jobs $(JOBS))

docs: $(VENV)/.installed-dev
	$(BIN)/python -m modelwright.cli.reference docs/cli.md
	$(BIN)/python -m modelwright.spec.reference docs/spec.md

# torch comes first and alone, from the index of CPU builds (a mirror that has the CPU build serves as well): what is in
# place can't be replaced by a build that brings gigabytes of GPU libraries. GPU=1 takes the registry's own build.
CPU_BUILDS ?= https://download.pytorch.org/whl/cpu
TORCH_SOURCE := $(if $(GPU),,--no-deps --retries 1 --extra-index-url $(CPU_BUILDS))

$(VENV)/.installed-train: pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit("Modelwright needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt $(TORCH_SOURCE) torch
	@$(if $(GPU),:,$(BIN)/python tools/check_torch_build.py)
	$(PIP) install --constraint constraints.txt --editable '.[all]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-train
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
