"""A store of its own for each test, and programs that load in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def store_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty TIFFIN_HOME."""
    home = tmp_path / "tiffin-home"
    monkeypatch.setenv("TIFFIN_HOME", str(home))
    return home


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], str]:
    """Run a program as `__main__` of another process, and return its output; fail with all it said."""

    def run(program: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(program), encoding="utf-8")
        command = [sys.executable, str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run
