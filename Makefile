# Set-up lives in .venv; a stamp named after the checksum of the pinned files says that it is complete.
PYTHON ?= python3
BIN := .venv/bin
RUN_STAMP := .venv/.run-$(shell cat requirements.txt | cksum | cut -d' ' -f1)
TEST_STAMP := .venv/.test-$(shell cat requirements.txt requirements-test.txt | cksum | cut -d' ' -f1)
PEERS_STAMP := .venv-peers/.run-$(shell cat requirements-peers.txt | cksum | cut -d' ' -f1)
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-header --no-annotate

.PHONY: demo test bench lint peers pin

demo: $(RUN_STAMP)
	@exec $(BIN)/python manage.py demo

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy --strict .
	$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(RUN_STAMP)
	$(BIN)/python manage.py bench

# What the benchmarks compare with: its dependencies must not mix with the product's. Without it, bench says so.
peers: $(PEERS_STAMP)

# Resolve the *.in files again; run it after a change there, and commit the result.
pin: | $(BIN)/uv
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-test.in -o requirements-test.txt
	$(COMPILE) requirements-peers.in -o requirements-peers.txt

# uv for speed; where only pip is configured to reach an index, pip installs the same pinned files.
define install
$(BIN)/uv pip install --quiet --python $(1)/bin/python --require-hashes -r $(2) \
	|| $(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(2)
endef

$(RUN_STAMP): | $(BIN)/uv
	@echo "Installing what Candor runs on into .venv ..."
	@$(call install,.venv,requirements.txt)
	@rm -f .venv/.run-* && touch $@

$(TEST_STAMP): $(RUN_STAMP)
	@echo "Installing what the tests need into .venv ..."
	@$(call install,.venv,requirements-test.txt)
	@rm -f .venv/.test-* && touch $@

$(PEERS_STAMP): | $(BIN)/uv
	@echo "Installing the benchmarks' peer into .venv-peers ..."
	@$(BIN)/python -m venv --clear .venv-peers
	@$(call install,.venv-peers,requirements-peers.txt)
	@touch $@

$(BIN)/uv: | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Candor needs Python 3.11 or newer; name one with PYTHON=...")'
	@$(PYTHON) -m venv .venv
