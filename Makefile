# Everything works on a fresh clone that has Python (3.11 to 3.13), make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Without compiled files every process would compile the whole program again: a quarter of what it takes to start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all screenshots check format schemas docs lock bench soak fuzz clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

$(VENV)/run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; name it with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@

demo: $(VENV)/run ## screen the examples and show balances and one explanation
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	@echo "== examples/quickstart.jsonl: 21 events; one line is malformed on purpose"
	@$(BIN)/tpp screen examples/quickstart.jsonl --ledger sqlite:///$(DEMO)/quickstart.db --out $(DEMO)/quickstart.jsonl || test $$? -eq 1
	@$(BIN)/tpp balance --ledger sqlite:///$(DEMO)/quickstart.db
	@$(BIN)/tpp explain SHP-0002 --ledger sqlite:///$(DEMO)/quickstart.db
	@echo
	@echo "== examples/gpu-clusters.jsonl.gz: the demand of 786 GPU clusters (Epoch AI, CC BY 4.0)"
	@$(BIN)/tpp screen examples/gpu-clusters.jsonl.gz --ledger sqlite:///$(DEMO)/clusters.db --out $(DEMO)/clusters.jsonl
	@$(BIN)/tpp balance 'uveu/*' 'nveu/*' 'aia/CON-SOFTBANK*' 'lpp/CON-[*' --ledger sqlite:///$(DEMO)/clusters.db
	@echo "Answers: $(DEMO)/*.jsonl. Next: $(BIN)/tpp --help"

test: $(VENV)/dev ## pass the tests that need no broker and no browser and kill nothing
	$(BIN)/python -m pytest -n 4 --dist worksteal -m "not (broker or browser or kills)"

test-all: $(VENV)/dev ## pass all tests, on SQLite, PostgreSQL and Kafka, as CI does
	$(BIN)/python -m pytest -n 4 --dist worksteal

screenshots: $(VENV)/dev ## take the pictures of the page in docs/assets/console (needs chromium)
	$(BIN)/python -m pytest -n 2 tests/browser/test_screenshots.py
	mkdir -p docs/assets/console
	cp build/screenshots/*.png docs/assets/console/

check: $(VENV)/dev ## ruff, mypy, import-linter, and whether the generated schemas and docs are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m schemas.generate --check
	$(BIN)/python -m rulebook.coverage --check

format: $(VENV)/dev ## format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

schemas: $(VENV)/dev ## write the schemas, the AsyncAPI document, the contract's tables and docs/coverage.md
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m rulebook.coverage

docs: $(VENV)/dev ## build the guide into build/site, and check its links
	$(BIN)/zensical build --clean --strict
	@echo "Open build/site/index.html"

bench: $(VENV)/dev ## tpp screen, the turn, the stream, the books, HTTP and the page, each beside its bare limit in one run
	$(BIN)/python ops/bench.py
	$(BIN)/python ops/bench_turn.py
	$(BIN)/python ops/bench_stream.py
	$(BIN)/python ops/bench_rescreen.py
	$(BIN)/python ops/bench_books.py
	$(BIN)/python ops/bench_http.py
	$(BIN)/python ops/bench_console.py
	$(BIN)/python ops/bench_names.py

soak: $(VENV)/dev ## the longest tests at length (hours), then ten minutes of the stream at 200 events a second
	TPP_TEST_SOAK=1 $(BIN)/python -m pytest -n 2 -m soak
	$(BIN)/python ops/bench_stream.py --soak 600 --rate 200

fuzz: $(VENV)/dev ## 30,000 odd messages through the engine, then odd and large ones to a large ledger: one answer each, within bounds
	$(BIN)/python ops/fuzz.py
	$(BIN)/python ops/large.py

lock: ## renew the three lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra build pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra build --extra notify --extra oidc --extra traces -c requirements.lock pyproject.toml -o requirements-extras.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra build --extra notify --extra oidc --extra traces --extra dev -c requirements-extras.lock pyproject.toml -o requirements-dev.lock

clean: ## remove what was built
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .cache .hypothesis
