"""A store of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_store(store_home: Path) -> None:
    """Each test has a store of its own."""
