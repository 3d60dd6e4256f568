# Each line is a command that anyone can type. All that a machine needs: Python ≥ 3.11, git, make.
# PYTHON=/path/to/python chooses the Python that .venv is made with.

MAKEFLAGS += --no-print-directory
BIN := .venv/bin

.PHONY: help setup demo test test-frameworks test-fast test-alone test-pythons lint types docs lock build compat bench clean

help:  ## show this list
	@awk -F ': .*## |:  ## ' '/^[a-z-]+: .*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

setup:  ## make .venv: packages of locks/, the workspace's own editable; nothing if up to date
	@tools/setup.sh .venv

demo:  ## save, list, alias, load, predict, verify, share, serve: the main job on real data
	@tools/setup.sh .venv picklable sklearn serve
	@$(BIN)/python examples/demo.py

# What is quick to fail comes first; in both tiers pytest has the last word.
test: lint types docs test-fast  ## lint, types, docs, and the fast tier

test-frameworks: test-alone test-pythons  ## the slow tier: each package alone, other Pythons, tests that take longer, heavy frameworks
	@tools/setup.sh .venv --heavy
	$(BIN)/python -m pytest -m slow -n 2 --dist loadgroup

test-fast: setup  ## the fast tier: all tests that take seconds, on this Python
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadgroup

test-alone: setup  ## core's tests with no framework installed, each plugin's with only its own
	$(BIN)/python tools/test_alone.py

test-pythons: setup  ## what depends on the Python, on every other CPython 3.11–3.13 that the machine has
	$(BIN)/python tools/test_pythons.py

lint: setup  ## ruff, and the rooms of core
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/python tools/check_rooms.py

types: setup  ## mypy --strict
	$(BIN)/mypy

docs: setup  ## build the documentation into docs/_build, warnings are errors
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build

lock: setup  ## resolve locks/ anew, keeping pins that still fit (UPGRADE=--upgrade takes the newest)
	$(BIN)/python tools/lock.py $(UPGRADE)

build: setup  ## wheels and sdists of every package, into dist/
	@for project in core plugins/*/; do $(BIN)/python -m build --no-isolation --outdir dist $$project || exit 1; done

compat: setup  ## every adapter's kit against the oldest and newest release it declares; writes the page and the reports that ship
	$(BIN)/python tools/compat.py

bench: setup  ## the store's benchmarks, against their limits
	$(BIN)/python benchmarks/store.py

clean:  ## remove what these commands made
	rm -rf .venv .venv-* dist docs/_build benchmarks/.envs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
