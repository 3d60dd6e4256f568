"""What the content digest covers, and what survives an edit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from store_states import save

from tiffin.store import ModelStore
from tiffin.store.verifying import verify

EDITS: list[Callable[[ModelStore], object]] = [
    lambda store: store.edit("x:1", labels={"stage": "test"}),
    lambda store: store.edit("x:1", labels={"mark": None}),
    lambda store: store.edit("x:1", metadata={"score": 1.5, "list": [1, {"a": None}]}),
    lambda store: store.edit("x:1", labels={}, metadata={}, replace=True),
    lambda store: store.set_alias("x:1", "prod"),
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_does_not_change_the_content_digest(store: ModelStore, edit: Callable[[ModelStore], object]) -> None:
    """Trust and signatures, which attach to the digest, outlive it."""
    before = save(store, "x:1", 1).info
    edit(store)
    after = ModelStore(store.path).get("x:1").info
    assert after.content_digest == before.content_digest == after.compute_digest()
    assert (after.files, after.creation_time, after.context) == (before.files, before.creation_time, before.context)
    assert verify(store) == []


def test_the_same_object_under_other_names_has_the_same_content_digest(store: ModelStore) -> None:
    """Name, version, labels and time do not matter; the object, options and custom objects do."""
    first = store.save("x:1", {"a": 1}, labels={"a": "b"}, metadata={"c": 1})
    assert store.save("y:2", {"a": 1}).info.content_digest == first.info.content_digest
    assert store.save("z", {"a": 2}).info.content_digest != first.info.content_digest
    assert store.save("z", {"a": 1}, custom_objects={"b": 1}).info.content_digest != first.info.content_digest


def test_unknown_fields_survive_an_edit_and_an_accept(store: ModelStore) -> None:
    """A field that a newer Tiffin or another tool wrote stays."""
    record = save(store, "x:1", 1).path / "model.yaml"
    record.write_text("owner:\n  team: vision\n  since: 2024-05-01\n" + record.read_text())
    verify(store, "x:1", accept=True)
    for store_object in (store, ModelStore(store.path)):
        store_object.edit("x:1", labels={"stage": "test"})
        extra = store_object.get("x:1").info.extra
        assert {key: str(value) for key, value in extra["owner"].items()} == {"team": "vision", "since": "2024-05-01"}
    assert "team: vision" in record.read_text()
    assert verify(store) == []


def test_aliases_are_no_part_of_a_version(store: ModelStore) -> None:
    """Setting one writes nothing into the version's folder."""
    path = save(store, "x:1", 1).path
    before = {file: file.stat().st_mtime_ns for file in Path(path).rglob("*")}
    store.set_alias("x:1", "prod")
    assert {file: file.stat().st_mtime_ns for file in Path(path).rglob("*")} == before
