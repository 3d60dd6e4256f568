"""Run core's tests with no framework installed, and each plugin's tests with only its own.

Each gets a virtual environment of its own (.venv-alone-NAME): core, for a plugin that one plugin and its group `test`, and
the dependency groups `test` and `data`. Core's tests get tiffin-picklable, which brings no framework: a store can be tested
only with something to store. Arguments are names of distributions; without any, all but the heavy plugins are run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import environment
from workspace import ROOT, Package, groups, heavy, packages, run_together

NOT_ALONE = ["tests/integration", "tests/packaging"]
"""Folders of tests that cross packages, or need the tools of the full environment."""


def python_for(package: Package) -> Path:
    """Return the Python of the environment that has core and `package` alone, made or updated if need be."""
    name = package.folder.name
    own = ["picklable"] if name == "core" else [name, *({f"{name}-test"} & set(groups()))]
    return environment.make(ROOT / f".venv-alone-{name}", ["test", "data", *own])


def tests_of(package: Package, python: Path) -> list[str | Path]:
    """Return the command that runs the tests of `package` with this Python."""
    folder = ROOT / "tests" if package.folder.name == "core" else package.folder / "tests"
    ignored = [f"--ignore={ROOT / path}" for path in NOT_ALONE]
    return [python, "-m", "pytest", "-q", "-m", "not slow", *ignored, folder]


def main() -> None:
    """Run what the command line names; exit with the number of packages whose tests fail."""
    named = sys.argv[1:] or [package.name for package in packages() if package.folder.name not in heavy()]
    chosen = [package for package in packages() if package.name in named]
    failed = run_together({f"{package.name} alone": tests_of(package, python_for(package)) for package in chosen})
    if failed:
        print(f"tools/test_alone.py: failed: {', '.join(failed)}", file=sys.stderr)
    sys.exit(len(failed))


if __name__ == "__main__":
    main()
