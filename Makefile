# Stage. `make help` lists the targets; `make demo` and `make test` do all the set-up by themselves.
# Paths here are relative, so a checkout below a folder with a space works.
.DEFAULT_GOAL := help
.PHONY: help setup messages demo test test-all check format bench evidence policy docs constraints clean
PYTHON := .venv/bin/python
ARGUMENTS ?=

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "  Options go through ARGUMENTS, for example: make demo ARGUMENTS='--task PickCube --episodes 3'"

setup:  ## make .venv with everything Stage needs (does nothing when that is done)
	@sh scripts/setup.sh

messages: setup  ## build the ROS messages again where a .msg or .srv file changed

demo: setup  ## the robot pushes a cube in simulation, through the real ROS 2 nodes
	@$(PYTHON) -m stage_bringup.cli.main demo $(ARGUMENTS)

test: setup  ## run the tests that take seconds
	@$(PYTHON) -m pytest -n 2 --dist loadgroup $(ARGUMENTS)

test-all: setup  ## run these and the slow tests, which guard the promises of the README
	@$(PYTHON) -m pytest -m "not hardware" $(ARGUMENTS)

check: setup  ## lint, formatting, spelling and import contracts
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m codespell_lib
	@$(PYTHON) scripts/lint_imports.py

format: setup  ## let ruff put the files in order
	@$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .

bench: setup  ## measure every figure the project claims, quickly
	@$(PYTHON) -m stage_bringup.cli.main bench $(if $(ARGUMENTS),$(ARGUMENTS),all --quick)

evidence: setup  ## measure again everything that lies in docs/evidence (hours)
	@$(PYTHON) -m benchmarks.evidence $(ARGUMENTS)

policy: setup  ## make the bundled policy from nothing: demonstrations through the nodes, then training (40 min)
	@sh scripts/make_policy.sh $(ARGUMENTS)

docs: setup  ## write the file list of docs/architecture.md, then check links and commands of all pages
	@$(PYTHON) scripts/list_files.py
	@$(PYTHON) -m pytest -q tests/architecture/test_documentation.py

constraints: setup  ## pin the versions again for this Python
	@$(PYTHON) scripts/pin_versions.py --keep constraints/constraints-$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt

clean:  ## remove the environment and everything built
	@rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
