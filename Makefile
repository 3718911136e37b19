# SPDX-License-Identifier: Apache-2.0
# `make` prints what there is. The first two are all a newcomer needs.
SHELL := /bin/bash
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help
.PHONY: help up test down setup lint format fast-test bench e2e fresh conformance conformance-ledger soak clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## install what is missing (packages as root, Python packages into .venv)
	@scripts/setup.sh

up: setup ## set up everything and start a cluster; ends with what to type next
	@$(BIN)/pybernetes up

down: ## stop the cluster that `make up` started
	@$(BIN)/pybernetes down

test: setup ## run all tests but the labs' (make e2e); those that need root or kubectl are skipped loudly elsewhere
	@$(BIN)/pytest -q -n 2 --ignore-glob='*/test_e2e_lab*' $(ARGS)

fast-test: setup ## run the tests that start no containers
	@$(BIN)/pytest -q -m 'not node' $(ARGS)

lint: setup ## formatting, lint, types, the map of the rooms
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

format: setup ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: setup ## print the figures that the documentation quotes
	@$(BIN)/python -m benchmarks

e2e: setup ## what README.md and docs/labs.md promise, with real kubectls, containers and labs (minutes)
	@$(BIN)/pytest -q tests/e2e $(ARGS)

fresh: ## `make up` and `make test` in a bare Debian made by debootstrap (ARGS=up, ARGS=lab: a part)
	@scripts/fresh.sh $(ARGS)

conformance: setup ## Kubernetes' own suite [FOCUS=regex SIG=sig-apps SPECS=file SERIAL=0|1 MINUTES=n KEEP=1 EXTRA=1]
	@$(BIN)/python -m conformance run --focus '$(FOCUS)' --sig '$(SIG)' --specs '$(SPECS)' --serial '$(SERIAL)' \
	  --procs $(or $(PROCS),4) --nodes $(or $(NODES),2) --minutes $(or $(MINUTES),0) $(if $(KEEP),--keep) $(if $(EXTRA),--extra) $(ARGS)

conformance-ledger: setup ## add what passed twice in a row to the ledger; write docs/conformance.md
	@$(BIN)/python -m conformance ledger

soak: setup ## faults, crashes and growth for [SOAK_MINUTES=10]; stops by itself, prints what it did
	@SOAK_MINUTES=$(or $(SOAK_MINUTES),10) $(BIN)/pytest -q -p no:cacheprovider --timeout 3600 tests/soak $(ARGS)

clean: ## remove the virtual environment and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
