# Headgate's targets, the same here and in CI. `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv

.DEFAULT_GOAL := help
.PHONY: help run test durations test-long test-stalls test-clients coverage test-lowest test-pythons check stats wheel release bench chaos terraform terraform-schema terraform-security docs lock clean

# Tests start hundreds of Python processes, none of which is to compile the same sources again.
unexport PYTHONDONTWRITEBYTECODE

# Asked for together, `check` runs beside `test`; it says what it has found when it ends.
ifneq ($(and $(filter check,$(MAKECMDGOALS)),$(filter test,$(MAKECMDGOALS))),)
MAKEFLAGS += --jobs=2 --output-sync=target
endif

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## run an embedded MLflow with the gate in front of it (ARGS="--help" for options)
	@$(BIN)/headgate up $(ARGS)

# `+` lets their output be seen while they run, also where `check` runs beside them.
test: $(VENV)/.dev ## run all tests, against a real MLflow server, client and browser (ARGS="-k NAME" selects)
	@$(BIN)/python -m tests.install_debian_packages
	+@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(SIDE_BY_SIDE) --junitxml build/tests.xml)
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder --durations 25

durations: $(VENV)/.dev ## list the files and tests that used the most CPU time in the last run
	@$(BIN)/python -m tools.durations $(ARGS)

test-long: $(VENV)/.dev ## run the long tests, and record in build/ for which commit they passed
	@$(BIN)/python -m tests.install_debian_packages
	@$(BIN)/python -m tools.long_tests $(ARGS)

test-clients: $(VENV)/.dev ## compare MLflow's clients 2.9.2 to 3.17.2 with and without the gate
	@$(BIN)/python -m pytest -m clients -s $(ARGS)

test-stalls: $(VENV)/.dev ## run tests of real gates whose processes stall now and then (ARGS="tests/integration/FILE")
	@$(BIN)/python -m tests.support.stalls -- $(BIN)/python -m pytest -n 0 $(ARGS)

coverage: $(VENV)/.dev ## unit tests with coverage: all of the pure packages, of the others no less than before
	@mkdir -p build
	@$(BIN)/coverage run -m pytest -q tests/unit
	@$(BIN)/coverage json -q -o build/coverage.json
	@$(BIN)/python -m tools.coverage_floor check

test-lowest: $(VENV)/.dev ## run the unit tests with the lowest dependency versions that pyproject.toml allows
	@$(UV) venv -q --allow-existing --python $(BIN)/python .venv-lowest
	@$(UV) pip sync -q --python .venv-lowest/bin/python --require-hashes requirements/dev.lock requirements/tools.lock
	@$(UV) pip install -q --python .venv-lowest/bin/python --require-hashes -r requirements/lowest.lock
	@$(UV) pip install -q --python .venv-lowest/bin/python --no-deps --no-build-isolation -e .
	@.venv-lowest/bin/python -m pytest $(or $(ARGS),-q tests/unit)

test-pythons: $(VENV)/.dev ## run the unit tests on each installed Python from 3.11 to 3.14
	@$(BIN)/python -m tools.pythons $(ARGS)

check: $(VENV)/.dev ## check formatting, lint, types, import contracts, generated pages and links
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/python -m tools.cycles
	@$(BIN)/python -m docs.generate --check
	@$(BIN)/python -m tools.terraform.tables --check
	@$(BIN)/python -m tools.terraform.conventions
	@$(BIN)/python -m tools.terraform.schema
	@$(BIN)/python -m tools.links
	@$(BIN)/python -m tools.page_commands
	@$(BIN)/python -m tools.terms
	@$(BIN)/python -m tools.changelog check

wheel: $(VENV)/.dev ## build a wheel for this Python and platform, with a compiled hot path (PURE=1: for any)
	@HEADGATE_COMPILE=$(if $(PURE),0,1) $(BIN)/python -m hatchling build --target wheel --directory dist

release: $(VENV)/.dev ## build all that is released of a commit for which `make test-long` has passed (DRY_RUN=1: of any)
	@$(if $(DRY_RUN),:,$(BIN)/python -m tools.release allowed)
	@$(if $(DRY_RUN),:,$(MAKE) --no-print-directory check)
	@$(BIN)/python -m tools.release $(if $(DRY_RUN),rehearse,build)
export PYTHON_IMAGE BUILD_IMAGE

bench: ## run the benchmarks, with other programs measured in the same run
	@$(MAKE) --no-print-directory PYTHON=$(BENCH_PYTHON) VENV=.venv-bench .venv-bench/.dev
	@.venv-bench/bin/python -m bench $(ARGS)
# The benchmarks use the system's Python if possible, because the other programs are the system's
# builds too: a Python without profile-guided optimisation takes a quarter more time.
BENCH_PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, os, sys, sysconfig as s; \
  sys.exit(sys.version_info < (3, 11) or not os.path.exists(s.get_path("include") + "/Python.h"))' \
  2>/dev/null && echo /usr/bin/python3 || echo $(PYTHON))

chaos: $(VENV)/.dev ## stop, hang and replace MLflow servers during 2,000 operations each; compare with HAProxy
	@$(BIN)/python -m tests.install_debian_packages
	@HEADGATE_FAILOVER_RUNS=$(or $(RUNS),230) HEADGATE_FAILOVER_PEERS=haproxy $(BIN)/python -m pytest -s -m "" --timeout 3600 tests/integration/test_failover.py

stats: $(VENV)/.dev ## print the length of files and functions, and the number of broad exception handlers
	@$(BIN)/python -m tools.stats

terraform: $(VENV)/.dev ## check the Terraform modules: format, schema, and with a provider all the rest
	@$(BIN)/python -m pytest $(ARGS) tests/integration/test_terraform*.py

terraform-schema: $(VENV)/.dev ## extract the AWS provider's newer schema for all resources that the modules use (59 MB)
	@$(BIN)/python -m tools.terraform.bindings build/terraform
	@$(BIN)/python -m tools.terraform.schema extract build/terraform/*.whl

terraform-security: $(VENV)/.tools ## check the Terraform modules with checkov, in an environment of its own (300 MB)
	@test -e build/checkov/.made -a build/checkov/.made -nt requirements/terraform/security.lock || { \
	  $(UV) venv -q --allow-existing --python $(BIN)/python build/checkov && \
	  $(UV) pip sync -q --python build/checkov/bin/python --require-hashes requirements/terraform/security.lock && \
	  touch build/checkov/.made; }
	@build/checkov/bin/checkov --directory deploy/terraform --framework terraform --skip-download --quiet --compact $(ARGS)

docs: $(VENV)/.dev ## generate the reference pages
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m tools.terraform.tables

lock: $(VENV)/.tools ## update the pinned requirements (versions and hashes)
	@$(UV) pip compile -q $(COMPILE) requirements/tools.in -o requirements/tools.lock
	@$(UV) pip compile -q $(COMPILE) --extra mlflow pyproject.toml -o requirements/run.lock
	@$(UV) pip compile -q $(COMPILE) --extra mlflow --extra aws --extra postgresql --extra jwt --extra otel --group dev -c requirements/run.lock -c requirements/tools.lock pyproject.toml -o requirements/dev.lock
	@$(UV) pip compile -q $(COMPILE) --resolution lowest-direct --extra aws --extra postgresql --extra jwt --extra otel pyproject.toml -o requirements/lowest.lock
	@$(UV) pip compile -q $(COMPILE) --extra aws --extra postgresql --extra jwt --extra otel -c requirements/dev.lock pyproject.toml -o requirements/serve.lock
	@$(UV) pip compile -q $(COMPILE) -c requirements/serve.lock -c requirements/dev.lock -c requirements/tools.lock requirements/build.in -o requirements/build.lock
	@for each in requirements/mlflow/*.in; do \
	  $(UV) pip compile -q --python-version 3.11 --generate-hashes --no-header $$each -o $${each%.in}.lock || exit 1; done
	@$(UV) pip compile -q --no-deps $(COMPILE) requirements/terraform/schema.in -o requirements/terraform/schema.lock
	@$(UV) pip compile -q $(COMPILE) requirements/terraform/security.in -o requirements/terraform/security.lock
COMPILE := --universal --python-version 3.11 --generate-hashes --no-header

clean: ## remove everything that the targets created, except your headgate-data folder
	rm -rf $(VENV) .venv-bench .venv-lowest .venv-mlflow .venv-pythons .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find src tests bench docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- the environment: created once, and again when a lock file changes ---------------------
$(VENV)/.tools: requirements/tools.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "headgate needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv module is not installed; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.run: requirements/run.lock pyproject.toml $(VENV)/.tools
	@echo "installing Headgate and MLflow into $(VENV) (first time: about a minute)"
	@$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/run.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml $(VENV)/.tools
	@echo "installing the development tools into $(VENV)"
	@$(UV) pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.lock requirements/tools.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run
