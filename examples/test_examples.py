"""The examples run, as a user would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent


def test_the_demonstration_does_the_main_job(tmp_path: Path) -> None:
    """`make demo` saves two versions, lists, aliases, loads, predicts, verifies, and shows the store's folder."""
    command = [sys.executable, str(EXAMPLES / "demo.py")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("saved digits:") == 2
    assert "digits:prod is a Pipeline" in result.stdout
    assert "digits:latest is a RandomForestClassifier" in result.stdout
    assert "model.yaml  (" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_is_registered_in_a_running_program(tmp_path: Path) -> None:
    """The third party's adapter works without being installed, until it is unregistered."""
    command = [sys.executable, str(EXAMPLES / "notebook_adapter.py")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("saved sine:")
    assert lines[0].endswith("with the adapter 'polynomial': series.json")
    assert lines[1:3] == ["loaded a Chebyshev that is equal: True", "sin(1) is 0.84, and the curve says 0.84"]
    assert "was saved by the adapter 'polynomial', which is not installed" in lines[3]
