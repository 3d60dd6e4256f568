"""What a store holds, and whether all of it is whole."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy

from inside.store import State, changing_name, read
from tiffin.examples import read_file
from tiffin.model import Model
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.verifying import Problem, verify


def a_model(mark: int, size: int = 200) -> dict[str, Any]:
    """Return an object whose every part holds `mark`."""
    return {"mark": mark, "array": numpy.full(size, mark), "text": str(mark) * 10}


def mark_of(value: dict[str, Any]) -> int:
    """Return the mark of an object, or fail if its parts are of different ones."""
    mark = value["mark"]
    assert isinstance(mark, int)
    assert value["text"] == str(mark) * 10
    assert (value["array"] == mark).all()
    return mark


def save(
    store: ModelStore, tag: str, mark: int, *, overwrite: bool = False, size: int = 200, **arguments: Any
) -> Model:
    """Save a model whose every part, custom object and label included, holds `mark`."""
    return store.save(
        tag,
        a_model(mark, size),
        custom_objects={"twin": a_model(mark)},
        labels={"mark": str(mark)},
        overwrite=overwrite,
        **arguments,
    )


def snapshot(store: ModelStore) -> dict[str, Any]:
    """Return all that a store holds; fail if a version is not whole, or if list, get and load disagree."""
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listed = store.list()
        for model in listed:
            got = store.get(model.tag)
            assert got.info.labels == model.labels
            assert got.size == model.size
            assert got.creation_time == model.creation_time
            if got.framework:
                mark = mark_of(got.load())
                assert mark_of(got.custom_objects["twin"]) == mark
                assert got.labels["mark"] == str(mark)
            else:
                mark = int((got.path / "mark.txt").read_text())
            found[str(model.tag)] = (mark, got.labels, got.info.metadata)
            if signatures := store.signatures(got.info.content_digest):
                found[f"signatures of {model.tag}"] = len(signatures)
            if (examples := store.examples(got.info.content_digest)) is not None:
                found[f"examples of {model.tag}"] = len(read_file(examples, "It").examples)
        for name in {model.name for model in listed}:
            newest = max((m for m in listed if m.name == name), key=lambda m: (m.creation_time, m.version))
            assert store.get(name).tag == newest.tag
            for alias, version in store.aliases(name).items():
                found[f"{name}:{alias}"] = version
                assert store.get(f"{name}:{alias}").version == version
    return found


def problems(store: ModelStore) -> list[Problem]:
    """Return what verify finds, what it has mended left out."""
    return [problem for problem in verify(store) if problem.state != "repaired"]


def assert_tidy(store: ModelStore) -> None:
    """Fail if anything is left in the store that no version needs, once garbage is collected."""
    gc(store, trash=True)
    layout = store.layout
    assert_explained(store)
    assert list(Path(layout.staging).iterdir()) == []
    digests = {entry.sha256 for model in store.list() for entry in model.info.files.values()}
    blobs = {path.name for path in Path(layout.blobs).glob("*/*")}
    assert blobs <= digests
    assert problems(store) == []


def assert_explained(store: ModelStore) -> None:
    """Fail if the journals do not say what there is, once each has been compared."""
    layout = store.layout
    for name in {path.name for folder in (layout.journal, layout.models) for path in Path(folder).glob("*")}:
        with changing_name(layout, name):
            pass
        state = State()
        for line in read(layout, name):
            state.apply(line)
        versions = {path.parent.name for path in Path(layout.models, name).glob("*/model.yaml")}
        assert state.records.keys() == versions, name
        assert state.aliases == store.finder.aliases.of_name(name), name
