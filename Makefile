# Two commands do everything: `make run` and `make test`. Each makes .venv when it is missing or its locks have changed.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
ONLY ?=

.DEFAULT_GOAL := help
.PHONY: help run test check demo bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.local ## start the server on 127.0.0.1:8080 with its data in ./data (ARGS="--port 9000")
	@exec $(BIN)/retold serve $(ARGS)

test: .venv/.test ## format, lint, types, imports and every test; what a change must pass
	@scripts/system-packages
	@$(BIN)/python scripts/sdk_environments.py >/dev/null
	@exec $(BIN)/python scripts/test.py $(ARGS)

check: .venv/.test ## the fast part of `make test`: everything up to the unit tests
	@exec $(BIN)/python scripts/test.py --fast $(ARGS)

demo: .venv/.local ## three real calls to the demo agent, printed for a person
	@scripts/system-packages
	@exec $(BIN)/retold demo $(ARGS)

bench: .venv/.test ## the figures: latency added, cost of a call, truth of the record (ONLY="leaks startup", ARGS=--long)
	@scripts/system-packages
	@exec $(BIN)/python bench/run.py $(ONLY) $(ARGS)

lock: .venv/.tools ## pin the newest allowed versions, with hashes, in requirements/*.txt
	@scripts/lock $(ARGS)

clean: ## remove what was made, except ./data
	rm -rf .venv .cache .coverage* .hypothesis .pytest_cache .ruff_cache .import_linter_cache dist

# The stamp files say which lock the environment was last brought to.
.venv/.tools: requirements/tools.txt scripts/venv
	@scripts/venv $(PYTHON)
	@touch $@

.venv/.local: .venv/.tools requirements/local.txt pyproject.toml
	@scripts/install requirements/local.txt
	@touch $@

.venv/.test: .venv/.local requirements/test.txt
	@scripts/install requirements/test.txt
	@touch $@
