# make demo   install, then the article's protocol on synthetic digits
# make test   install, then all tests but those that take minutes; make test-slow: those
# make bench  install, then measure speed and write docs/performance.md; bench-quick takes minutes
VENV ?= .venv
PYTHON ?= python3
# The versions that are tested. `make CONSTRAINTS=` takes the newest that pyproject.toml admits.
CONSTRAINTS ?= constraints.txt

python := $(VENV)/bin/python
installed := $(VENV)/.installed

# glibc hands every large activation back to the system and takes page faults to get it again.
# These keep them: set before the process starts, they change its speed and memory, never results.
export MALLOC_MMAP_THRESHOLD_ ?= 4294967296
export MALLOC_TRIM_THRESHOLD_ ?= 4294967296
export MALLOC_TOP_PAD_ ?= 268435456
# torch asks the system for huge pages for its large tensors (Linux).
export THP_MEM_ALLOC_ENABLE ?= 1

.PHONY: install demo test test-slow check bench bench-quick clean

install: $(installed)

$(installed): pyproject.toml $(CONSTRAINTS)
	test -x $(python) || $(PYTHON) -m venv $(VENV)
	$(python) -m pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS)) --editable '.[dev,launchers]'
	touch $@

demo: install
	$(python) src/train.py experiment=demo

test: install
	$(python) -m pytest

test-slow: install
	$(python) -m pytest -m slow

check: install
	$(python) -m ruff format --check .
	$(python) -m ruff check .
	$(python) -m mypy

bench: install
	$(python) -m benchmarks

bench-quick: install
	$(python) -m benchmarks --quick

clean:
	rm -rf $(VENV) build *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
