"""Examples lie beside a content, and go where it goes: archives, remotes, the trash, and away with it."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

import tiffin
from scaling import ROWS, Scale
from tiffin import models
from tiffin.exceptions import DamagedArchiveError, StoreWarning
from tiffin.models import default_store
from tiffin.store import ModelStore


def path_of(model: tiffin.Model) -> Path:
    return Path(default_store().layout.examples, model.info.content_digest.removeprefix("sha256:"))


@pytest.fixture
def other(tmp_path: Path) -> ModelStore:
    """Return another store."""
    return ModelStore(tmp_path / "other")


def test_an_archive_brings_them_along(saved: tiffin.Model, tmp_path: Path, other: ModelStore) -> None:
    """In every format, and twice the same bytes; the content is the same."""
    for name in ("a.tiffin", "a.zip", "a.tar", "folder"):
        kind = "folder" if name == "folder" else None
        for number in (1, 2):
            models.export_model(saved.tag, tmp_path / f"{number}-{name}", kind)
        if not kind:
            assert (tmp_path / f"1-{name}").read_bytes() == (tmp_path / f"2-{name}").read_bytes()
        model = models.import_model(tmp_path / f"1-{name}", name=f"x:{name[-3:]}", store=other)
        assert model.info.content_digest == saved.info.content_digest
        assert other.examples(model.info.content_digest) == default_store().examples(saved.info.content_digest)
        assert models.check(model.tag, store=other).verdict == "equal"
        Path(other.layout.examples, path_of(saved).name).unlink()


def with_member(archive: Path, target: Path, data: bytes, *, first: bool = False) -> Path:
    """Write an archive again with other examples."""
    with tarfile.open(archive) as before, tarfile.open(target, "w") as after:
        entries = [(entry, before.extractfile(entry)) for entry in before if entry.name != "model.examples"]
        member = tarfile.TarInfo("model.examples")
        member.size = len(data)
        entries.insert(0 if first else 1, (member, io.BytesIO(data)))  # type: ignore[arg-type]
        for entry, stream in entries:
            after.addfile(entry, stream)
    return target


def test_an_archive_with_damaged_examples_is_refused(saved: tiffin.Model, tmp_path: Path, other: ModelStore) -> None:
    """As all of an archive they are in order, or nothing is imported, wherever they stand in it."""
    models.export_model(saved.tag, tmp_path / "a.tar")
    data = path_of(saved).read_bytes()
    for first in (False, True):
        for wrong in (b"", b"\x80\x05.", data[:-1]):
            with pytest.raises(DamagedArchiveError, match=r"model\.examples"):
                models.import_model(
                    with_member(tmp_path / "a.tar", tmp_path / "b.tar", wrong, first=first), store=other
                )
        assert other.list() == []
    model = models.import_model(with_member(tmp_path / "a.tar", tmp_path / "b.tar", data, first=True), store=other)
    assert other.examples(model.info.content_digest) == data


def test_what_comes_from_elsewhere_replaces_nothing_and_a_save_does(saved: tiffin.Model, tmp_path: Path) -> None:
    """A stranger must not say what one's own model answered."""
    own = path_of(saved).read_bytes()
    models.export_model(saved.tag, tmp_path / "a.tar")
    again = tiffin.save("scale:2", Scale(3.0), examples=ROWS[:1])
    newer = path_of(saved).read_bytes()
    assert path_of(again) == path_of(saved)
    assert newer != own
    models.import_model(tmp_path / "a.tar", name="scale:3")
    assert path_of(saved).read_bytes() == newer


def test_a_model_with_a_file_of_that_name_keeps_both(tmp_path: Path, other: ModelStore) -> None:
    """The name gives way, as those of signatures do."""
    with models.create("raw:1") as new:
        (new.path / "model.examples").write_text("mine", encoding="utf-8")
    models.export_model("raw:1", tmp_path / "raw.tar")
    assert (models.import_model(tmp_path / "raw.tar", store=other).path / "model.examples").read_text() == "mine"


def test_a_remote_keeps_them(saved: tiffin.Model, tmp_path: Path, other: ModelStore) -> None:
    """Beside the content; a push of others replaces them, a pull of what is here brings those that are missing."""
    remote = tmp_path / "remote"
    models.push(saved.tag, str(remote))
    there = remote / "examples" / path_of(saved).name
    assert there.read_bytes() == path_of(saved).read_bytes()
    model = models.pull(saved.tag, str(remote), store=other)
    assert models.check(model.tag, store=other).verdict == "equal"
    tiffin.save("scale:1", Scale(3.0), examples=ROWS[:1], overwrite=True)
    models.push("scale:1", str(remote))
    assert there.read_bytes() == path_of(saved).read_bytes()
    Path(other.layout.examples, there.name).unlink()
    models.pull("scale:1", str(remote), store=other)
    assert other.examples(saved.info.content_digest) == there.read_bytes()


@pytest.mark.parametrize("data", [b"\x80\x05.", b"x" * 100, b""])
def test_examples_that_are_none_keep_nobody_from_pulling(
    saved: tiffin.Model, tmp_path: Path, other: ModelStore, data: bytes
) -> None:
    """Whoever may write there could else make the model unusable: they are left out, and that is said."""
    remote = tmp_path / "remote"
    models.push(saved.tag, str(remote))
    (remote / "examples" / path_of(saved).name).write_bytes(data)
    if data:
        with pytest.warns(StoreWarning, match="cannot be read as examples.*left out"):
            models.pull(saved.tag, str(remote), store=other)
    else:
        models.pull(saved.tag, str(remote), store=other)
    assert other.examples(saved.info.content_digest) is None
    assert other.get("scale:1").load().factor == 3.0


def test_the_trash_has_them_and_gives_them_back(saved: tiffin.Model) -> None:
    """Deleting takes nothing, `undelete` finds all; emptying the trash frees them."""
    models.delete(saved.tag)
    assert path_of(saved).exists()
    models.gc()
    models.undelete("scale:1")
    assert models.check("scale").verdict == "equal"
    models.delete("scale:1")
    models.gc(trash=True)
    assert not path_of(saved).exists()


def test_deleting_for_good_frees_them_unless_another_version_has_the_content(saved: tiffin.Model) -> None:
    """They belong to the content, not to one version."""
    models.import_model(models.export_model(saved.tag, default_store().path.parent / "a.tar"), name="copy:1")
    models.delete(saved.tag, now=True)
    assert models.check("copy").verdict == "equal"
    models.delete("copy:1")
    models.import_model(default_store().path.parent / "a.tar", name="third:1")
    models.delete("third:1", now=True)
    assert path_of(saved).exists(), "the trash holds one"
    models.undelete("copy:1")
    models.delete("copy:1", now=True)
    assert not path_of(saved).exists()


def test_gc_frees_those_of_no_version_but_none_that_may_be_on_its_way(saved: tiffin.Model) -> None:
    """A save writes them before its version is in place."""
    stray = path_of(saved).with_name("0" * 64)
    stray.write_bytes(path_of(saved).read_bytes())
    assert models.gc().examples == []
    old = time.time() - 7200
    for path in (stray, path_of(saved)):
        os.utime(path, (old, old))
    size = stray.stat().st_size
    told = models.gc(dry_run=True)
    assert (told.examples, told.freed, stray.exists()) == (["0" * 64], size, True)
    assert models.gc().examples == ["0" * 64]
    assert not stray.exists()
    assert path_of(saved).exists()


def test_verify_names_what_is_no_file_of_examples(saved: tiffin.Model) -> None:
    """Whatever somebody put there."""
    path_of(saved).with_name("notes.txt").write_text("x", encoding="utf-8")
    (problem,) = models.verify()
    assert (problem.state, Path(problem.path).name) == ("foreign", "notes.txt")


def test_a_save_that_fails_at_the_end_leaves_no_visible_trace(saved: tiffin.Model, monkeypatch: Any) -> None:
    """What it wrote of examples belongs to no version, and gc takes it."""
    from tiffin.exceptions import ModelExistsError

    monkeypatch.setattr(type(default_store().writer), "check_free", lambda *arguments, **named: None)
    with pytest.raises(ModelExistsError):
        tiffin.save("scale:1", Scale(4.0), examples=ROWS)
    assert len(list(path_of(saved).parent.iterdir())) == 2
    assert list(Path(default_store().layout.staging).iterdir()) == []
    for path in path_of(saved).parent.iterdir():
        os.utime(path, (0, 0))
    assert len(models.gc().examples) == 1
    assert models.check(saved.tag).verdict == "equal"
