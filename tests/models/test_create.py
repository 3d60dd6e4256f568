"""`tiffin.models.create`: a raw folder of files becomes a version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import LabelError, MetadataError, ModelExistsError, StoreError, TiffinError


@pytest.fixture(autouse=True)
def _store(store_home: Path) -> None:
    """Every test here has an empty store."""


def staged(store_home: Path) -> list[Path]:
    """Return what lies in staging/."""
    return list((store_home / "store" / "staging").iterdir())


def test_a_folder_of_files_is_published_at_the_end_of_the_block(store_home: Path) -> None:
    """Nothing is visible before; afterwards all files are, read-only, with the labels and metadata."""
    with models.create("bert", labels={"a": "1"}, metadata={"b": 2}) as new:
        (new.path / "weights").mkdir()
        (new.path / "weights" / "w.bin").write_bytes(b"x" * 1000)
        (new.path / "config.json").write_text("{}", encoding="utf-8")
        new.labels["c"] = "3"
        new.metadata["d"] = (4,)
        assert new.model is None
        assert models.list() == []
    model = tiffin.get("bert")
    assert new.model == model
    assert model.tag == new.tag
    assert sorted(model.info.files) == ["config.json", "weights/w.bin"]
    assert model.path_of("weights/w.bin").read_bytes() == b"x" * 1000
    assert (model.labels, model.info.metadata) == ({"a": "1", "c": "3"}, {"b": 2, "d": [4]})
    assert (model.framework, model.size) == ("", 1002)
    assert not model.path_of("config.json").stat().st_mode & 0o222
    assert models.verify() == []
    assert staged(store_home) == []


def test_an_exception_publishes_nothing(store_home: Path) -> None:
    """It passes on, and what was written is removed."""

    def fail(new: Any) -> None:
        (new.path / "x").write_text("x", encoding="utf-8")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), models.create("bert") as new:
        fail(new)
    assert models.list() == []
    assert new.model is None
    assert not new.path.exists()
    assert staged(store_home) == []


def test_a_raw_folder_is_not_loaded() -> None:
    """No adapter saved it."""
    with models.create("bert:1") as new:
        (new.path / "x").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match=r"'bert:1' is a raw folder of files.*below model.path"):
        tiffin.load("bert")


def test_an_empty_folder_is_a_model_without_files() -> None:
    """It has a record, labels and metadata."""
    with models.create("notes:1", metadata={"text": "hello"}):
        pass
    assert tiffin.get("notes").info.metadata == {"text": "hello"}
    assert tiffin.get("notes").size == 0


def test_an_explicit_version_is_not_replaced_unless_asked() -> None:
    """Refused at the beginning, before anything is written."""
    for text in ("one", "two"):
        with models.create("bert:1", overwrite=text == "two") as new:
            (new.path / text).write_text(text, encoding="utf-8")
    assert list(tiffin.get("bert:1").info.files) == ["two"]
    with pytest.raises(ModelExistsError), models.create("bert:1"):
        pytest.fail("was entered")


@pytest.mark.parametrize(
    ("field", "value", "error"), [("labels", {"a": [1]}, LabelError), ("metadata", {"a": {1}}, MetadataError)]
)
def test_bad_labels_and_metadata_are_refused(field: str, value: Any, error: Any, store_home: Path) -> None:
    """Those that are given at the beginning there, those that are set in the block at its end."""
    with pytest.raises(error), models.create("bert", **{field: value}):
        pytest.fail("was entered")
    with pytest.raises(error), models.create("bert") as new:
        setattr(new, field, value)
    assert models.list() == []
    assert staged(store_home) == []


def link(path: Path) -> None:
    (path / "link").symlink_to("/etc/passwd")


def link_to_folder(path: Path) -> None:
    (path / "link").symlink_to("/etc")


def pipe(path: Path) -> None:
    os.mkfifo(path / "pipe")


def record(path: Path) -> None:
    (path / "model.yaml").write_text("x", encoding="utf-8")


def backslash(path: Path) -> None:
    (path / "a\\b").write_text("x", encoding="utf-8")


def not_utf8(path: Path) -> None:
    (path / os.fsdecode(b"caf\xe9")).write_text("x", encoding="utf-8")


def newline(path: Path) -> None:
    (path / "a\nb").write_text("x", encoding="utf-8")


@pytest.mark.parametrize("put", [link, link_to_folder, pipe, record, backslash, not_utf8, newline])
def test_what_no_version_can_hold_is_refused(put: Any, store_home: Path) -> None:
    """Links, special files, Tiffin's own names, and names that other systems cannot hold; nothing is published."""
    with pytest.raises(TiffinError), models.create("bert") as new:
        put(new.path)
    assert models.list() == []
    assert staged(store_home) == []


def test_odd_file_names_are_kept() -> None:
    """Spaces, letters beyond ASCII, dots first, and what YAML would take for something else."""
    names = ["a b", "é", ".hidden", "yes", "1", "=", "<<", "- x", "é: b", "#", "~", "x" * 200, "ab: c", "1:2"]
    with models.create("odd:1") as new:
        for name in names:
            (new.path / name).write_text(name, encoding="utf-8")
    model = tiffin.get("odd")
    assert sorted(model.info.files) == sorted(names)
    assert all(model.path_of(name).read_text(encoding="utf-8") == name for name in names)
    assert models.verify() == []
