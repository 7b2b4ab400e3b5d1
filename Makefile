# Two commands matter: make demo and make test. Everything they need is set up on the way.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo stop test check format bench clean

VENV := .venv/bin
TESTS ?= tests
KEEP ?=

help: ## What can be done
	@echo "Trunkline: an Asterisk PBX as a voice-AI calling platform"; echo
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo; echo "  make demo KEEP=1   leaves PBX, carrier and service up and prints base URL, API key and numbers"

setup: ## Python, the locked packages, this package
	@.ci/setup

demo: setup ## A real call: dialled, talked through, transferred, recorded, judged
	@$(VENV)/trunkline demo $(if $(filter-out 0 no false,$(KEEP)),--keep)

stop: setup ## Ends what `make demo KEEP=1` left up
	@$(VENV)/trunkline demo --stop

test: setup ## Every test, against a real PBX and a real carrier
	@$(VENV)/python -m trunkline.cli.ready
	@$(VENV)/pytest $(TESTS)

check: setup ## Lint, format, strict types, import rules, house rules
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check
	@$(VENV)/mypy
	@$(VENV)/lint-imports
	@$(VENV)/pytest -q tests/unit/test_house_rules.py

format: setup ## Lets the formatter and the linter mend what they can
	@$(VENV)/ruff check --fix
	@$(VENV)/ruff format

bench: setup ## Figures: capacity and turn latency, a JSON line each
	@$(VENV)/python -m trunkline.cli.ready
	@$(VENV)/python -m bench

clean: ## Removes what set-up and tests made
	@rm -rf .venv .setup .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
