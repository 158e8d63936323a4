# make run     the server, on http://127.0.0.1:8642 (make run ARGS="--port 9000")
# make test    the tests
# make check   format, lint, types, tests
# make chaos   10,000 requests against a pool that fails in every way
# make bench   how much lb adds to a request
# make codex   the real Codex CLI against lb
# make sdk     LangChain, and the JavaScript clients (npm): openai, Vercel AI SDK, LangChain
# make browser the dashboard in a real Chromium; LB_PICTURES=1 takes the README's pictures anew
# Needs Python 3.11 or later; another one than python3: make PYTHON=python3.12 run

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test check chaos bench codex sdk browser clean

run: $(VENV)/.run
	@exec $(BIN)/lb serve $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

chaos: $(VENV)/.dev
	$(BIN)/python -m pytest -m chaos -s $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(ARGS)

codex: $(VENV)/.dev
	$(BIN)/python -m pytest -m codex -rs $(ARGS)

sdk: $(VENV)/.dev
	$(PIP) install --editable ".[sdk]"
	cd tests/node && npm install --no-audit --no-fund --no-package-lock --loglevel=error
	$(BIN)/python -m pytest -m "sdk or not sdk" -rs tests/test_node_sdks.py tests/test_chat_sdk.py $(ARGS)

browser: $(VENV)/.dev
	$(BIN)/python -m pytest -m browser -n 0 -rs $(ARGS)

clean:
	rm -rf tests/node/node_modules $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: what is installed is installed again only when pyproject.toml has changed.
$(VENV)/.run: $(BIN)/python pyproject.toml
	@echo "Installing lb into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	@echo "Installing lb and what its tests need into $(VENV) ..."
	@$(PIP) install --editable ".[dev]"
	@touch $@ $(VENV)/.run

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "lb needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python cannot make a virtual environment; on Debian and Ubuntu:" >&2; \
		echo "    apt install python3-venv" >&2; exit 1; }
