# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# Needs python3, make and git; everything else is set up below .venv and build.

PYTHON ?= python3
VENV := .venv/bin/python
.PHONY: help env demo test lint docs collection lock clean

help:
	@echo 'make demo                  upgrade a simulated fleet'
	@echo 'make test                  every check and test (STRICT=1: a skip is a failure; ONLY=unit,ruff: some of them)'
	@echo 'make lint                  the quick checks'
	@echo 'make docs                  build the documentation as a website and say where it is'
	@echo 'make collection DEST=dir   build the collection and install it below dir/ansible_collections'
	@echo 'make lock                  write the locks of requirements/ anew'
	@echo 'make clean                 remove all that is made here, the virtual environment included'

env:
	@$(PYTHON) tests/tools/env.py

demo: env
	@$(VENV) tests/tools/demo.py

test: env
	@STRICT='$(STRICT)' $(VENV) tests/tools/check.py $(if $(ONLY),--only $(ONLY))

lint: env
	@$(VENV) tests/tools/check.py --only ruff,mypy,importlinter,independence,yamllint,shellcheck,licences,changelog

docs: env
	@$(VENV) tests/tools/docsite.py

collection: env
	@test -n '$(DEST)' || { echo 'collection: say where: make collection DEST=<dir>' >&2; exit 2; }
	@$(VENV) tests/tools/build.py install '$(DEST)'

lock: env
	@$(PYTHON) tests/tools/env.py --lock

clean:
	rm -rf .venv build .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .metersim tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
