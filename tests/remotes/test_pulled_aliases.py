"""Aliases that come with a pull."""

from __future__ import annotations

from pathlib import Path

import pytest

from inside.remotes import _pull
from tiffin import ModelStore, models
from tiffin.exceptions import StoreWarning


def raw(store: ModelStore, tag: str, *aliases: str) -> None:
    with store.create(tag) as new:
        (new.path / "file.txt").write_text(tag, encoding="utf-8")
    for alias in aliases:
        store.set_alias(tag, alias)


def test_an_alias_that_means_another_version_here_moves_only_when_forced(tmp_path: Path) -> None:
    """What a remote says must not silently change what a service loads."""
    theirs, mine = ModelStore(tmp_path / "theirs"), ModelStore(tmp_path / "mine")
    raw(theirs, "iris:2", "prod", "new")
    models.push("iris:2", f"{tmp_path}/remote/", aliases=True, store=theirs)
    raw(mine, "iris:1", "prod")
    with pytest.warns(StoreWarning, match="means 1 here, and stays so"):
        models.pull("iris:2", f"{tmp_path}/remote/", aliases=True, store=mine)
    assert mine.aliases("iris") == {"new": "2", "prod": "1"}
    with pytest.warns(StoreWarning, match="meant 1 here, and means 2 now"):
        models.pull("iris:2", f"{tmp_path}/remote/", aliases=True, force=True, store=mine)
    assert mine.aliases("iris") == {"new": "2", "prod": "2"}


def test_a_flood_of_aliases_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number has a bound, and that is told."""
    monkeypatch.setattr(_pull, "MAX_ALIASES", 2)
    theirs, mine = ModelStore(tmp_path / "theirs"), ModelStore(tmp_path / "mine")
    raw(theirs, "iris:2", "a", "b", "c")
    models.push("iris:2", f"{tmp_path}/remote/", aliases=True, store=theirs)
    with pytest.warns(StoreWarning, match="3 aliases there"):
        models.pull("iris:2", f"{tmp_path}/remote/", aliases=True, store=mine)
    assert mine.aliases("iris") == {}
