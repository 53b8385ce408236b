# The commands everybody uses: make run, make test, make check. Python 3.11+ with venv is all they need.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
LOG    ?=
STORE  ?= duckdb
ARGS   ?=

FAST     := tests/architecture tests/unit tests/property tests/conformance
COVERAGE := --cov --cov-report=term:skip-covered # what is measured, and the floor, is in pyproject.toml

# runs every one of the targets, also after one that fails, and names those that failed
define each
@failed=; for target in $(1); do $(MAKE) --no-print-directory $$target || failed="$$failed $$target"; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi
endef

.PHONY: help run test check check-all lint fast-tests tests browser-tests coverage format clean

help:
	@echo "make run             set up, run the worked city end to end, leave console and API serving"
	@echo "make run ARGS=--once the same, then stop"
	@echo "make run LOG=FILE    also push a web server's access log as that of the open-data interface"
	@echo "make run STORE=elasticsearch  the same on an Elasticsearch started for it"
	@echo "make test            set up everything the tests use and run the whole suite"
	@echo "make check           lint, types and fast tests"
	@echo "make check-all       lint, types and the whole suite: what continuous integration runs"
	@echo "make coverage        fast tests, with the branch coverage of the parts that only compute"

run:
	@$(PYTHON) tools/environment.py run$(if $(filter elasticsearch,$(STORE)),-elasticsearch)
	@$(PY) -m examples.laiwu.run --store $(STORE) $(if $(LOG),--log "$(LOG)") $(ARGS)

test:
	@$(PYTHON) tools/environment.py test
	$(call each,tests browser-tests)

check:
	@$(PYTHON) tools/environment.py check
	$(call each,lint fast-tests)

check-all:
	@$(PYTHON) tools/environment.py test
	$(call each,lint tests browser-tests)

# The targets below work in an environment that is set up.

lint:
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

fast-tests:
	@$(PY) -m pytest -q -m "not slow and not e2e" $(FAST) $(ARGS)

tests:
	@$(PY) -m pytest --ignore tests/e2e $(if $(ARGS),$(ARGS),$(COVERAGE)) # a part of the tests does not reach the floor

browser-tests: # apart: the browser's event loop forbids asyncio.run, which signing uses
	@$(PY) -m pytest tests/e2e $(ARGS)

coverage:
	@$(PY) -m pytest -q -m "not slow and not e2e" $(FAST) $(COVERAGE) $(ARGS)

format:
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean:
	rm -rf $(VENV) .cache var out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
