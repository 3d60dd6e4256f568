"""What is built, and what it needs: made once for all tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fresh import run
from workspace import locked, packages

USED = ["core", "picklable", "sklearn"]
"""The packages that the main job is run with; the wheels of all are built and looked into."""
TOOLS = ["editable", "test", "serve", "map", "data"]
"""What tutorials use besides: the dependency groups that one builds and tests its package with, the server of another, and
jobs over tables."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the sdist of every package, each wheel made from its sdist."""
    folder = tmp_path_factory.mktemp("built")
    for package in packages():
        run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, package.folder], folder)
    return folder


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the third-party wheels that the packages in use need, as locked."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    requirements = folder / "requirements.txt"
    requirements.write_text(locked(USED + TOOLS), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--require-hashes", "-r", requirements]
    run(command, folder)
    return folder
