"""`tiffin.models.create`: a raw folder of files becomes a version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import (
    LabelError,
    MetadataError,
    ModelExistsError,
    PicklingError,
    SignatureError,
    StoreError,
    TiffinError,
    UntrustedModelError,
)


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


def test_what_create_gives_is_usable_in_the_block_and_after_it() -> None:
    """Paths of what is not there yet within, and the version's afterwards; the record too."""
    with models.create("bert:1", metadata={"a": 1}) as new:
        weights = new.path_of("weights/w.bin")
        assert weights == new.path / "weights" / "w.bin"
        assert not weights.parent.exists()
        new.path_of("weights").mkdir()
        weights.write_text("x", encoding="utf-8")
        new.info.labels["a"] = "1"  # the record's are those of `new`
        new.info.metadata["b"] = 2
        assert (new.info.tag, new.info.metadata, new.info.files) == (new.tag, {"a": 1, "b": 2}, {})
    assert new.path == tiffin.get("bert").path
    assert new.path_of("weights/w.bin").read_text(encoding="utf-8") == "x"
    assert new.path_of("/weights/") == new.path / "weights"
    assert new.path_of("/") == new.path
    assert new.info == tiffin.get("bert").info
    assert (new.info.labels, new.info.metadata) == ({"a": "1"}, {"a": 1, "b": 2})
    with pytest.raises(StoreError, match=r"no file or folder 'other'\. It has weights/w.bin"):
        new.path_of("other")


@pytest.mark.parametrize("item", ["..", "../x", "a/../../x"])
def test_no_path_leads_out_of_the_new_folder(item: str) -> None:
    """Within the block as after it."""
    with models.create("bert:1") as new, pytest.raises(StoreError, match="leads outside"):
        new.path_of(item)
    with pytest.raises(StoreError, match="leads outside"):
        new.path_of(item)


def test_a_raw_folder_has_signatures_options_and_custom_objects(module_here: Any) -> None:
    """Given at the beginning or in the block; options are plain, objects are each loaded alone."""
    module = module_here("words_of_mine", "def split(text):\n    return text.split()\n")
    with models.create(
        "bert:1",
        signatures={"encode": {"batchable": True, "batch_dim": 1}},
        options={"width": (1, 2)},
        custom_objects={"split": module.split},
        external_modules=[module],
    ) as new:
        new.path_of("w").write_text("x", encoding="utf-8")
        new.signatures["decode"] = {"batchable": False}
        new.options["device"] = "cpu"
        new.custom_objects["none"] = None
    model = tiffin.get("bert")
    assert {name: value.batchable for name, value in model.info.signatures.items()} == {"encode": True, "decode": False}
    assert model.info.options == {"width": [1, 2], "device": "cpu"}
    assert list(model.custom_objects) == ["split", "none"]
    assert model.custom_objects["none"] is None
    assert model.custom_objects["split"]("a b") == ["a", "b"]
    assert models.verify() == []
    assert models.inspect("bert").verdict == "made here"


def test_a_raw_folder_with_custom_objects_moves(tmp_path: Path) -> None:
    """Into another store, where its objects are those of a stranger: what could run code is refused until it is trusted."""
    with models.create("bert:1", signatures={"f": {}}, options={"a": 1}, custom_objects={"run": os.system}) as new:
        new.path_of("w").write_text("x", encoding="utf-8")
    archive = models.export_model("bert", tmp_path / "bert.tiffin")
    other = models.ModelStore(tmp_path / "other")
    moved = models.import_model(archive, store=other)
    assert (moved.info.signatures, moved.info.options) == (new.info.signatures, {"a": 1})
    with pytest.raises(UntrustedModelError):
        moved.custom_objects["run"]
    models.trust("bert", store=other)
    assert moved.custom_objects["run"] is os.system


def test_names_that_tiffin_writes_itself_are_refused() -> None:
    """A folder of custom objects is the user's own where there are none."""
    with pytest.raises(StoreError, match="holds 'custom_objects'"), models.create("a", custom_objects={"b": 1}) as new:
        new.path_of("custom_objects").mkdir()
    with models.create("a:1") as new:
        new.path_of("custom_objects").mkdir()
        new.path_of("custom_objects/x").write_text("x", encoding="utf-8")
    assert list(tiffin.get("a").info.files) == ["custom_objects/x"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"signatures": {"f": 1}}, SignatureError),
        ({"signatures": {"f": {"batchable": "yes"}}}, SignatureError),
        ({"options": {"a": object()}}, MetadataError),
        ({"custom_objects": {"": 1}}, StoreError),
        ({"external_modules": ["nowhere_at_all"]}, PicklingError),
    ],
)
def test_what_a_raw_folder_cannot_have_is_refused(said: Any, error: Any, store_home: Path) -> None:
    """And nothing is published."""
    with pytest.raises(error), models.create("bert", **said):
        pass
    assert models.list() == []
    assert staged(store_home) == []
