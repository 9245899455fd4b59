# Two commands matter: `make demo` and `make test`.  Both need Python 3.11 or newer and make, nothing else.
# Everything they write stays in this folder: .venv (packages) and .mien (data and logs).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test faults fuzz openapi bench check format lock clean

BIN := .venv/bin
READY := .venv/.ready
BENCH_READY := .venv-bench/.ready

# The first Python that really runs and is new enough; choose another one with `make PYTHON=/path/to/python`.
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo $$python && break; done)

# Without a cache of your own choosing pip keeps none, so nothing is written to your home.
PIP := $(BIN)/python -m pip --disable-pip-version-check $(if $(PIP_CACHE_DIR),,--no-cache-dir)

# Show this list.
help:
	@awk '/^# / { said = substr($$0, 3) } /^[a-z]+:/ { sub(":.*", ""); printf "  make %-8s %s\n", $$0, said } !/^# / { said = "" }' Makefile

# Start everything on this machine with a shop's events and open the screen; Ctrl-C ends it, ONCE=1 makes one round.
demo: $(READY)
	@$(BIN)/mien demo $(if $(ONCE),--once)

# KAFKA, STORE, LANES and FAULTS_ROUNDS reach the tests because make exports what its command line sets.
# One thread for linear algebra: its small sums gain nothing from two, and two that share busy cores wait for each other.
test faults bench: export OPENBLAS_NUM_THREADS ?= 1
# Run every test, skipped ones with their reason; ARGS="-x" goes to pytest; KAFKA=apache|apache3 STORE=cluster|redis; JOBS=3.
test: $(READY)
	$(BIN)/python -m pytest --numprocesses $(or $(JOBS),3) --dist loadfile $(ARGS)

# Let processes, servers and networks die under load, again and again; FAULTS_ROUNDS=3 SEED=7 KAFKA=apache STORE=cluster.
faults: $(READY)
	FAULTS_ROUNDS=$(or $(FAULTS_ROUNDS),1) $(BIN)/python -m pytest tests/faults -s $(ARGS)

# Throw FUZZ=1000000 records at the decoder and what stands behind it; SEED=7 repeats a run, FROM=120 goes on at a block.
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz --count $(or $(FUZZ),1000000) $(if $(SEED),--seed $(SEED)) $(if $(FROM),--from $(FROM))

# Ask the API whatever its own description allows or forbids, TRIES=2000 times each; no answer may be a fault of ours.
openapi: $(READY)
	SCHEMATHESIS=$(or $(TRIES),2000) $(BIN)/python -m pytest tests/fuzz/test_openapi.py $(ARGS)

# Measure beside the peers, results in bench/RESULTS.md; ARGS=--quick, update or --help; MODULE=bench.importing or bench.collect.
bench: $(BENCH_READY)
	@.venv-bench/bin/python -m $(or $(MODULE),bench) $(ARGS)

# Check style, formatting and types.
check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Put the code into the house's format.
format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Resolve the dependencies of pyproject.toml anew, UPGRADE=1 to newer versions too; needs uv on the PATH.
lock:
	$(COMPILE) --all-extras --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra data --group build --constraint requirements.lock \
		--output-file requirements-run.lock pyproject.toml
	@cp requirements.lock bench/requirements.lock  # its versions are kept wherever the peers allow it
	$(COMPILE) --all-extras --group build --group test --output-file bench/requirements.lock \
		pyproject.toml bench/requirements.in

# Remove the packages, the data of the private stack and every cache.
clean:
	rm -rf .venv .venv-bench .mien .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

COMPILE := uv pip compile --quiet $(if $(UPGRADE),--upgrade) --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

# The environment is made anew when the lock changes, and only then.
$(READY): requirements.lock
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer with venv and pip was found.  Install one" \
	"(on Debian also python3-venv), or say which: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "making .venv from requirements.lock with $(PYTHON); this takes about a minute, once"
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m profiles.kernels
	@touch $@

# The peers have an environment of their own, because what they need does not go with what Mien runs on.
$(BENCH_READY): PIP := $(patsubst $(BIN)/%,.venv-bench/bin/%,$(PIP))
$(BENCH_READY): bench/requirements.lock
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer with venv and pip was found" >&2; exit 1; }
	@echo "making .venv-bench from bench/requirements.lock with $(PYTHON); this takes a minute or two, once"
	@rm -rf .venv-bench
	@$(PYTHON) -m venv .venv-bench
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r bench/requirements.lock
	@.venv-bench/bin/python -m profiles.kernels
	@touch $@
