"""A store of each test's own, and no adapters but those that a test registers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiffin import Model, models
from tiffin.store import ModelStore


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIFFIN_DISABLE_PLUGINS", "sklearn,picklable,picklable_model")


@pytest.fixture
def other(tmp_path: Path) -> ModelStore:
    """The store that models are imported into."""
    return ModelStore(tmp_path / "other")


@pytest.fixture
def bring_folder(other: ModelStore) -> Callable[..., Model]:
    """Import a folder into `other`; after an error check that nothing is there."""

    def bring_folder(folder: Path, **options: Any) -> Model:
        before = models.list(store=other)
        try:
            return models.import_model(folder, store=other, **options)
        except Exception:
            assert models.list(store=other) == before, "an import that failed changed the store"
            raise

    return bring_folder
