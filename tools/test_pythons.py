"""Run the tests of what depends on the Python on every other CPython 3.11 to 3.13 that this machine has.

Looks for `python3.X` on PATH and in pyenv's folder ($PYENV_ROOT, else ~/.pyenv). Each gets an environment of its own
(.venv-3.X), and all its tests run in one process. Arguments are versions such as 3.12; without any, all that are found run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workspace import ROOT, run_together

VERSIONS = ["3.11", "3.12", "3.13"]
NAMES = ["picklable", "test", "data"]
"""What the environments hold besides core."""
TESTS = ["tests", "plugins/picklable"]
"""Core on top of the language: pickles and code by value, threads, event loops and processes, files that are raced for. Which
framework a model is of, and where it travels to, makes no difference to the Python."""
LEFT_OUT = ["archives", "cli", "integration", "packaging", "places", "remotes", "typing"]
"""Folders of tests/ that are about other things: protocols, formats, tables, packages."""

PROBE = """
import ensurepip, platform, sys, venv
print(platform.python_implementation(), "%d.%d" % sys.version_info[:2])
"""


def candidates(version: str) -> list[str]:
    """Return the programs that may be the CPython of this version, the one on PATH first."""
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    installed = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)
    return ([on_path] if on_path else []) + [str(path) for path in installed]


def works(python: str, version: str) -> bool:
    """Return whether this program runs, is that CPython, and can make virtual environments."""
    # pyenv puts a program of each name on PATH whether or not a version is selected: only running it tells.
    result = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, check=False)
    return result.returncode == 0 and result.stdout.split() == ["CPython", version]


def set_up(version: str, python: str) -> None:
    """Make the environment of this Python, or bring it up to date."""
    command = ["tools/setup.sh", f".venv-{version}", *NAMES]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHON": python})


def main() -> None:
    """Run on each Python; exit with the number of those on which tests fail."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = sys.argv[1:] or [version for version in VERSIONS if version != here]
    working = {version: [python for python in candidates(version) if works(python, version)] for version in wanted}
    for version in wanted:
        if not working[version]:
            print(f"Python {version}: not on this machine, left out", flush=True)
    found = {version: pythons[0] for version, pythons in working.items() if pythons}
    with ThreadPoolExecutor(2) as pool:  # unpacking keeps one core busy, and the index is waited for
        list(pool.map(set_up, found.keys(), found.values()))
    ignored = [f"--ignore=tests/{name}" for name in LEFT_OUT]
    tests: list[str | Path] = ["-m", "pytest", "-q", "-m", "not slow", *ignored, *TESTS]
    failed = run_together({f"Python {version}": [f".venv-{version}/bin/python", *tests] for version in found})
    if failed:
        print(f"tools/test_pythons.py: failed on {', '.join(failed)}", file=sys.stderr)
    sys.exit(len(failed))


if __name__ == "__main__":
    main()
