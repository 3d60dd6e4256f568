"""A store of raw folders, which need no adapter, and ways to run the command line on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import tiffin
from tiffin.cli import cli

Run = Callable[..., Result]


@pytest.fixture
def store(store_home: Path) -> Path:
    """Return TIFFIN_HOME with three versions: raw:1, raw:2 (alias prod), and notes:1."""
    for tag, labels in (("raw:1", {"stage": "dev"}), ("raw:2", {"stage": "prod", "team": "a"}), ("notes:1", {})):
        with tiffin.models.create(tag, labels=labels, metadata={"score": float("nan")}) as new:
            (new.path / "file.txt").write_text(tag, encoding="utf-8")
    tiffin.models.set_alias("raw:2", "prod")
    return store_home


@pytest.fixture
def run() -> Run:
    """Run a command in this process; the result has its exit code, stdout and stderr."""

    def run(*arguments: str, **options: Any) -> Result:
        result = CliRunner().invoke(cli, list(arguments), prog_name="tiffin", **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def read(run: Run) -> Callable[..., Any]:
    """Run a command with `-o json`, and return what it printed."""

    def read(*arguments: str) -> Any:
        result = run(*arguments, "-o", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return read


@pytest.fixture
def shell() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a line of bash in which `tiffin` is this Python's command line."""

    def shell(line: str, **settings: str) -> subprocess.CompletedProcess[str]:
        program = f'tiffin() {{ "{sys.executable}" -m tiffin "$@"; }}; set -o pipefail; {line}'
        env = {**os.environ, **settings}
        return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False, env=env)

    return shell
