"""Run core's tests with no framework installed, and each plugin's tests with only its own.

Each gets a virtual environment of its own (.venv-alone-NAME): its third-party packages and those of the dependency
groups `test` and `data` from requirements.lock, core, and for a plugin that one plugin. Core's tests get tiffin-picklable,
which brings no framework: a store can be tested only with something to store. Arguments are names of distributions; without
any, all are run.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workspace import ROOT, Package, group, packages, pins, run_together, third_party

NOT_ALONE = ["tests/integration", "tests/packaging"]
"""Folders of tests that cross packages, or need the tools of the full environment."""
PICKLABLE = next(package for package in packages() if package.name == "tiffin-picklable")


def environment(core: Package, package: Package) -> Path:
    """Return the Python of the environment that has `core` and `package` alone, made or updated if need be."""
    folder = ROOT / f".venv-alone-{package.name}"
    python = folder / "bin" / "python"
    installed = [core, PICKLABLE] if package is core else [core, package]
    # hatchling and editables build the editable installs; that they are there hides nothing, as core needs neither.
    text = pins(third_party(installed) + group("test") + group("data") + ["hatchling", "editables"])
    projects = "".join((own.folder / "pyproject.toml").read_text(encoding="utf-8") for own in installed)
    wanted = f"{sys.version}\n{folder}\n{text}\n{projects}"
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        venv.create(folder, clear=True, with_pip=True)
        requirements = folder / "requirements.lock"
        requirements.write_text(text, encoding="utf-8")
        pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
        subprocess.run([*pip, "--require-hashes", "-r", requirements], check=True)
        editable: list[str | Path] = [option for own in installed for option in ("-e", own.folder)]
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", *editable], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def tests_of(core: Package, package: Package, python: Path) -> list[str | Path]:
    """Return the command that runs the tests of `package` with this Python."""
    folder = ROOT / "tests" if package is core else package.folder / "tests"
    ignored = [f"--ignore={ROOT / path}" for path in NOT_ALONE]
    return [python, "-m", "pytest", "-q", "-m", "not slow", *ignored, folder]


def main() -> None:
    """Run what the command line names; exit with the number of packages whose tests fail."""
    core, *plugins = packages()
    chosen = [package for package in (core, *plugins) if package.name in sys.argv[1:] or not sys.argv[1:]]
    with ThreadPoolExecutor(2) as pool:  # unpacking keeps one core busy, and the index is waited for
        pythons = list(pool.map(lambda package: environment(core, package), chosen))
    made = zip(chosen, pythons, strict=True)
    failed = run_together({f"{package.name} alone": tests_of(core, package, python) for package, python in made})
    if failed:
        print(f"tools/test_alone.py: failed: {', '.join(failed)}", file=sys.stderr)
    sys.exit(len(failed))


if __name__ == "__main__":
    main()
