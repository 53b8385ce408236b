# The three commands everybody uses: make run, make test, make check. Python 3.11+ with venv is all they need.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
LOG    ?=
STORE  ?= duckdb
ARGS   ?=

.PHONY: help run test check check-all format clean

help:
	@echo "make run             set up, run the worked city end to end, leave console and API serving"
	@echo "make run ARGS=--once the same, then stop"
	@echo "make run LOG=FILE    also push a web server's access log as that of the open-data interface"
	@echo "make run STORE=elasticsearch  the same on an Elasticsearch started for it"
	@echo "make test            set up everything the tests use and run the whole suite"
	@echo "make check           lint, types and fast tests"

run:
	@$(PYTHON) tools/environment.py run$(if $(filter elasticsearch,$(STORE)),-elasticsearch)
	@$(PY) -m examples.laiwu.run --store $(STORE) $(if $(LOG),--log "$(LOG)") $(ARGS)

test:
	@$(PYTHON) tools/environment.py test
	@$(PY) -m pytest --ignore tests/e2e $(ARGS)
	@$(PY) -m pytest tests/e2e $(ARGS) # apart: the browser's event loop forbids asyncio.run, which signing uses

check:
	@$(PYTHON) tools/environment.py check
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m pytest -q -m "not slow and not e2e" tests/architecture tests/unit tests/property tests/conformance

check-all: check test

format:
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean:
	rm -rf $(VENV) .cache var out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
