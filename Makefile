# livebert: everything CI does, a person can do. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
INPUTS := requirements/lock.txt pyproject.toml $(wildcard requirements/*.in)

DATA ?=
SECONDS_OF_STREAM ?= 60
# A test mostly waits for a process it started, so two at a time keep two cores busy.
PROCESSES := --numprocesses 2 --dist loadfile

.PHONY: help setup services demo test test-slow lint format lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv with everything in it (Python 3.11, about 4 GB)

$(READY): $(INPUTS) requirements/setup.sh
	@bash requirements/setup.sh $(VENV)
	@touch $@

services: setup ## brokers, databases and the browser that slow tests and benchmarks start (as root: with apt-get)
	@for script in requirements/services/*.sh; do bash "$$script"; done

demo: setup ## train, serve and score a live stream, on this machine (DATA=path/to/BGL_2k.log for a real log)
	@$(PY) -m examples.demo --seconds $(SECONDS_OF_STREAM) $(if $(DATA),--data "$(DATA)")

test: setup ## the tests, under 10 minutes on 2 cores
	@$(PY) -m pytest -m "not slow" $(PROCESSES)

test-slow: services ## the tests that take minutes, a broker, a browser or a venv of their own
	@$(PY) -m pytest -m slow $(PROCESSES) --timeout 900

lint: setup ## ruff, mypy, import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache

format: setup ## let ruff rewrite the code
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

lock: setup ## compile requirements/*.in to requirements/lock.txt anew
	@PATH="$(CURDIR)/.tools/bin:$$PATH" uv pip compile --quiet --python-version 3.11 --no-header \
	  --override requirements/overrides.txt requirements/*.in --output-file requirements/lock.txt

clean: ## remove what setup, demo and the tests made here
	rm -rf $(VENV) .tools .demo .livebert .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
