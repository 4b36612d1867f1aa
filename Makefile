# `make` lists the targets. PYTHON=… names the Python that .venv is made from, the first time.
.DEFAULT_GOAL := help
.PHONY: help demo test coverage test-stores lint bench campaign docs lock sbom clean
export PYTHON

BIN := .venv/bin
# Each worker takes the next test, or the next group of those that share what is slow to make.
PARALLEL := --numprocesses logical --dist loadgroup --no-loadscope-reorder

STORE_TESTS := tests/unit/rules/test_promtool.py tests/e2e/test_month_turn.py \
	tests/e2e/test_stores.py tests/e2e/test_stores_otlp.py tests/e2e/test_dashboards_filter.py \
	tests/e2e/test_dashboards_console.py tests/e2e/test_alerts.py tests/e2e/test_backfill.py \
	tests/e2e/test_created.py

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## the exporter and the simulator in one process, no configuration
	@scripts/setup run
	@exec $(BIN)/sandbox-exporter demo

test: ## every test, with the real servers
	@scripts/setup dev
	@scripts/real-servers
	$(BIN)/pytest $(PARALLEL)

coverage: ## the unit tests once more, traced, and the gate on what they cover
	@scripts/setup dev
	@scripts/real-servers
	$(BIN)/pytest $(PARALLEL) -m "not no_cover" tests/unit --cov

test-stores: ## queries, rules and dashboards on Prometheus 2.53 and 3.x and on VictoriaMetrics
	@scripts/setup dev
	@scripts/real-servers
	SANDBOX_EXPORTER_STORES="$$(scripts/stores)" $(BIN)/pytest $(PARALLEL) $(STORE_TESTS)

lint: ## style, format, types, and whether the lock files are up to date
	@scripts/setup dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python scripts/check_lock.py

bench: ## the benchmarks, each with what it is measured against
	@scripts/setup dev
	@scripts/real-servers
	$(BIN)/pytest -s tests/bench

campaign: ## hostile vendors, crashes, a month's turn and load (ARGS="--seed N --only K", "--form short")
	@scripts/setup dev
	@scripts/real-servers
	$(BIN)/python -m tests.campaign $(ARGS)

docs: ## everything generated anew: documents, alert rules, dashboards
	@scripts/setup dev
	$(BIN)/python scripts/metrics_doc.py
	$(BIN)/python scripts/config_doc.py
	$(BIN)/python -m alerting
	$(BIN)/python -m dashboards

lock: ## the lock files from pyproject.toml (UPGRADE=1: with the newest versions)
	@scripts/setup dev
	scripts/lock $(if $(UPGRADE),--upgrade)

sbom: ## a bill of materials of what runs (CycloneDX): dist/sbom.cdx.json
	@scripts/setup dev
	$(BIN)/python -m scripts.sbom dist/sbom.cdx.json

clean: ## remove .venv and what the tools leave behind
	rm -rf .venv .build .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find exporter scripts tests -name __pycache__ -prune -exec rm -rf {} +
