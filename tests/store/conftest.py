"""What the tests of the store share: an empty store, and processes that may be killed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one that are no tests

from store_processes import Processes

from inside.store import _rename
from tiffin.store import ModelStore


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Give processes that run functions of tests, started within a millisecond."""
    with Processes() as started:
        yield started


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Give an empty store."""
    return ModelStore(tmp_path / "store")


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the system one that can rename, but neither exchange two folders nor refuse to replace one."""
    monkeypatch.setattr(_rename, "_system_call", lambda: None)
