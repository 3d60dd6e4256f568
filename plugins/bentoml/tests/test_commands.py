"""`tiffin models import` of BentoML's models: what a user of the command line sees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parent / "data"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `tiffin models …` without any adapter, with a home of its own."""
    hidden = {"TIFFIN_HOME": str(tmp_path / "home"), "TIFFIN_DISABLE_PLUGINS": "sklearn,picklable,picklable_model"}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tiffin", "models", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **hidden}, cwd=tmp_path, check=False
        )

    return run


def test_a_model_that_no_adapter_reads_is_refused_or_taken_as_files(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """The error names what wrote it and the way out, which says what is lost; no traceback."""
    sample = SAMPLES / "iris.bentomodel"
    done = run("import", sample)
    assert done.returncode == 1
    assert "No installed adapter reads what BentoML calls 'bentoml.sklearn'" in done.stderr
    assert "--as-files" in done.stderr
    assert "Traceback" not in done.stderr
    done = run("import", sample, "--as-files")
    assert (done.returncode, done.stdout) == (0, "Imported iris_clf:qkm3rkdvpw\n")
    assert "Not kept of what model 'iris_clf:qkm3rkdvpw' had:\n      - how to load it" in done.stderr
    assert "saved_model.pkl" in run("inspect", "iris_clf").stdout


def test_a_folder_of_files_of_bentoml_s_needs_nothing(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """One line, and no warning."""
    done = run("import", SAMPLES / "files.bentomodel")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Imported files:v1\n", "")
