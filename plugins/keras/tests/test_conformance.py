"""The adapter for Keras keeps what adapters promise, on each back end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tiffin.testing import Subject
from tiffin.testing.suite import AdapterChecks

pytestmark = pytest.mark.slow


def subjects() -> list[Subject]:
    """Return those of the package, where its framework is there."""
    pytest.importorskip("keras")
    from tiffin_keras import conformance

    return conformance.subjects()


class TestConformance(AdapterChecks):
    """Each check, on each of the adapter's models, on the back end that the environment has."""

    @pytest.fixture(params=subjects(), ids=lambda subject: subject.name)
    def subject(self, request: Any) -> Subject:
        """Return one of the models that the package names."""
        return request.param


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_it_does_on_another_back_end(backend: str, tmp_path: Path) -> None:
    """The whole kit passes there, too."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tiffin", "plugins", "check", "keras", "--json"],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert done.returncode == 0, [one for one in report["verdicts"] if one["state"] == "failed"]
