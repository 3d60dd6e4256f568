"""A store of its own for each test, and no hub."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_store(store_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a store of its own, and reaches no hub."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
