"""A store of its own for each test; all adapters of the workspace are installed."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _empty_store(store_home: Path) -> None:
    """Every test here starts with an empty store."""
