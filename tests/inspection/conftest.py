"""Fixtures for tests of inspection: a canary that every hostile sample would leave behind if it ran."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the path of a file that is made by whatever sample runs; after the test it must not be there."""
    path = tmp_path / "canary"
    monkeypatch.setenv("TIFFIN_TEST_CANARY", str(path))
    yield path
    assert not path.exists(), "a sample ran"
