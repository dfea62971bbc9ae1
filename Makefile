VENV ?= .venv
PYTHON ?= python3
# The versions that are tested. `make CONSTRAINTS=` takes the newest that pyproject.toml admits.
CONSTRAINTS ?= constraints.txt
# Tests at the same time, each with one thread.
WORKERS ?= 2
FACTOR ?= 10
MINUTES ?= 60
# What is imported is compiled then, once, and kept.
export PYTHONDONTWRITEBYTECODE :=

python := $(VENV)/bin/python
pip_install := $(python) -m pip install --quiet --no-compile $(addprefix --constraint ,$(CONSTRAINTS)) --editable
installed := $(VENV)/.installed
installed_dev := $(VENV)/.installed-dev
pytest := $(python) -m pytest --numprocesses $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install demo test test-quick test-slow fuzz soak check bench bench-quick clean

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(installed) ## into .venv: what runs, sweeps and their analysis need

demo: $(installed) ## the article's protocol on synthetic digits: minutes
	$(python) src/train.py experiment=demo

test: $(installed_dev) ## all tests but those of test-slow: minutes
	$(pytest)

test-quick: $(installed_dev) ## the tests that start no processes
	$(pytest) -m 'not process and not slow'

test-slow: $(installed_dev) ## twenty kills, a sweep on Ray, thousands of broken files, a short soak
	$(pytest) -m slow

fuzz: $(installed_dev) ## broken files, with other random ones each time: FACTOR times a minute
	FUZZ_SEED=random FUZZ_FACTOR=$(FACTOR) $(pytest) -m slow tests/fuzz --timeout 7200

soak: $(installed_dev) ## sweeps that are killed, filled and flipped, for MINUTES: all bits must come back
	$(python) -m tests.soak --minutes $(MINUTES)

check: $(installed_dev) ## format, lint, types, and who imports whom
	$(python) -m ruff format --check .
	$(python) -m ruff check .
	$(python) -m mypy
	$(VENV)/bin/lint-imports

bench: $(installed_dev) ## measure what it costs, beside others; write docs/performance.md
	$(python) -m benchmarks

bench-quick: $(installed_dev) ## the same in minutes
	$(python) -m benchmarks --quick

clean: ## remove .venv and what the tools leave
	rm -rf $(VENV) build *.egg-info src/*.egg-info .*_cache

$(installed): pyproject.toml $(CONSTRAINTS)
	test -x $(python) || $(PYTHON) -m venv $(VENV)
	$(pip_install) .
	touch $@

$(installed_dev): $(installed)
	$(pip_install) '.[dev,launchers,schedulefree,timm,lightning,transformers,tensorboard,wandb,mlflow]'
	touch $@
