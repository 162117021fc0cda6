# The commands of the house. `make run` and `make test` need python3.11 or newer with venv, and make; nothing else.
#
# Three lock files, each a superset of the one before: requirements.lock (to run), requirements-test.lock (to
# test), requirements-dev.lock (lint, types, locking). Every package is pinned, hashed and a wheel: no compiler.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
LOCKED := $(PIP) install --require-hashes --only-binary :all: -r

.PHONY: run test test-full soak bench bench-quick check check-docker lock docs clean

run: $(VENV)/.run  ## crawl the practice site
	$(BIN)/crawler run spiders/bookstore.py
	@echo
	@echo "The books are in $$(ls -td runs/bookstore/*/ | head -n 1)items.jsonl, one JSON object a line."
	@echo "As a table: $(BIN)/crawler export last -o books.csv"

test: $(VENV)/.test  ## what every change must pass, within four minutes
	$(BIN)/python -m pytest -n 2

test-full: $(VENV)/.test  ## what needs Debian packages or more time, and properties with many more examples
	$(BIN)/python -m pytest -m "full or hypothesis" --hypothesis-profile=long

soak: $(VENV)/.test  ## the long torture, and whether memory grows
	$(BIN)/python -m pytest -m soak || [ $$? -eq 5 ]
	$(BIN)/python benchmarks/soak.py --seconds 75

BENCHMARKS := compare real python_doc startup links frontier resume scheduler wide robots memory
bench: $(VENV)/.test  ## every benchmark in full; needs nginx-light, python3-doc and wget (docs/performance.md)
	set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done

bench-quick: $(VENV)/.test  ## a few minutes: is anything slower than recorded? needs nginx-light
	$(BIN)/python benchmarks/links.py
	$(BIN)/python benchmarks/frontier.py --quick
	$(BIN)/python benchmarks/quick.py

check: $(VENV)/.dev  ## lint, form, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint Dockerfile; fi  # it has wheels for x86-64 only

check-docker: $(VENV)/.dev  ## the Dockerfile's steps in clean environments, without an engine
	$(BIN)/python -m pytest -m full tests/cli/test_cli_docker.py

docs: $(VENV)/.run  ## config.example.toml and docs/settings.md from crawler/settings.py
	$(BIN)/python -m crawler.cli.example

# pip-compile takes hashes of every file of a release: the locks hold for each Python and machine that has wheels.
COMPILE := $(BIN)/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --all-build-deps --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock: $(VENV)/.dev  ## pins anew what pyproject.toml asks for; UPGRADE=--upgrade for newer versions
	$(COMPILE) $(UPGRADE) -o requirements.lock pyproject.toml
	$(COMPILE) $(UPGRADE) -c requirements.lock --extra test -o requirements-test.lock pyproject.toml
	$(COMPILE) $(UPGRADE) -c requirements-test.lock --extra test --extra dev -o requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist *.egg-info

# -- the environment; a stamp says what it was last brought to. The project itself is pure Python: it is put in
# place as it stands, with the pinned setuptools, so nothing is fetched for it and an edit needs no new install.

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crawler needs Python 3.11 or newer: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(LOCKED) requirements.lock
	PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-build-isolation --no-index --config-settings editable_mode=compat -e .
	$(BIN)/python -m compileall -q crawler  # as pip does for what it installs elsewhere
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements-test.lock
	$(LOCKED) requirements-test.lock
	@touch $@

$(VENV)/.dev: $(VENV)/.test requirements-dev.lock
	$(LOCKED) requirements-dev.lock
	@touch $@
