"""References: a version by its tag and exactly its content, found or pulled wherever they are used."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin.exceptions import ModelNotFoundError
from tiffin.model import found_here


@pytest.fixture
def url(table: Any, tmp_path: Path) -> str:
    """Save a model, push it, and return the remote's URL."""
    tiffin.save("lookup:1", table)
    tiffin.models.push("lookup:1", (tmp_path / "remote").as_uri())
    return (tmp_path / "remote").as_uri()


def test_a_reference_is_small_and_finds_the_version_in_the_store(url: str) -> None:
    """By tag or by handle, and also after it went through a pickle."""
    referred = tiffin.models.reference("lookup:1")
    assert referred == tiffin.models.reference(tiffin.get("lookup"))
    assert len(pickle.dumps(referred)) < 1000
    assert pickle.loads(pickle.dumps(referred)).ensure_local() == tiffin.get("lookup:1")


def test_the_store_that_it_was_made_from_counts_where_it_is_there(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two programs of one machine may have different homes."""
    model = tiffin.get("lookup:1")
    referred = tiffin.models.reference(model)
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "other-home"))
    assert referred.ensure_local() == model
    assert tiffin.models.list() == []


def test_a_store_that_lacks_the_version_pulls_it(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the default store; handles that were pickled elsewhere are found there."""
    pickled = pickle.dumps(tiffin.get("lookup:1"))
    referred = tiffin.models.reference("lookup:1", remote=url)
    tiffin.models.delete("lookup:1", now=True)
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "other-home"))
    found = referred.ensure_local()
    assert found.path.is_relative_to(tmp_path / "other-home")
    with found_here({"lookup:1": found}):
        assert pickle.loads(pickled) == found
    assert pickle.loads(pickled) != found


def test_another_content_under_the_tag_is_neither_used_nor_taken(
    url: str, table: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the store as on the remote: what the store has stays, and what the remote has does not come."""
    referred = tiffin.models.reference("lookup:1", remote=url)
    tiffin.save("lookup:1", type(table)({"other": 2}), overwrite=True)
    other = tiffin.get("lookup:1").info.content_digest
    tiffin.models.push("lookup:1", url, force=True)
    with pytest.raises(ModelNotFoundError, match="on the remote is not what it was when it was referred to"):
        referred.ensure_local()
    assert tiffin.get("lookup:1").info.content_digest == other
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "other-home"))
    tiffin.models.delete("lookup:1", now=True, store=tiffin.models.ModelStore(referred.store))
    with pytest.raises(ModelNotFoundError, match="is not what it was"):
        referred.ensure_local()
    assert tiffin.models.list() == []


def test_without_a_remote_the_error_says_what_to_do(url: str) -> None:
    """Share a store, or name a remote."""
    referred = tiffin.models.reference("lookup:1")
    tiffin.models.delete("lookup:1", now=True)
    with pytest.raises(ModelNotFoundError, match="is not in the store of this process") as error:
        referred.ensure_local()
    assert "remote=" in error.value.fix
