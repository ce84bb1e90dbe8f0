# Set-up lives in .venv; a stamp named after the hash of the pinned file says that it is complete.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
hash = $(shell cat $(1) | cksum | cut -d' ' -f1)
RUN_STAMP := .venv/.run-$(call hash,requirements.txt)
TEST_STAMP := .venv/.test-$(call hash,requirements.txt requirements-test.txt)
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-header --no-annotate

