"""The order of versions: by creation, where a time after the arrival counts as the arrival."""

from __future__ import annotations

import datetime
import os
import shutil
from pathlib import Path

import attrs
import pytest

import tiffin
from inside.cli import read_time
from tiffin import ModelStore, models
from tiffin.exceptions import RecordError
from tiffin.info import render_record
from tiffin.store.gc import gc

UTC = datetime.UTC


def raw(store: ModelStore, tag: str) -> tiffin.Model:
    with store.create(tag) as new:
        (new.path / "file.txt").write_text(tag, encoding="utf-8")
    return store.get(tag)


def from_the_future(tmp_path: Path, tag: str, year: int) -> tuple[ModelStore, str]:
    theirs = ModelStore(tmp_path / "theirs")
    model = raw(theirs, tag)
    info = attrs.evolve(model.info, creation_time=datetime.datetime(year, 6, 1, tzinfo=UTC))
    record = model.path / "model.yaml"
    record.chmod(0o600)
    record.write_bytes(render_record(info))
    models.push(tag, f"{tmp_path}/remote/", store=theirs)
    return theirs, f"{tmp_path}/remote/"


@pytest.mark.parametrize("year", [2100, 9998])
def test_what_comes_from_the_future_is_as_old_as_its_arrival(tmp_path: Path, year: int) -> None:
    """`latest`, lists and prune agree, and go on to agree when the catalog is lost."""
    _, remote = from_the_future(tmp_path, "iris:e1", year)
    mine = ModelStore(tmp_path / "mine")
    raw(mine, "iris:a1")
    models.pull("iris:e1", remote, store=mine)
    assert mine.get("iris").version == "e1"
    raw(mine, "iris:a2")
    for _ in range(2):
        assert mine.get("iris").version == "a2"
        assert mine.versions("iris") == ["a2", "e1", "a1"]
        assert [tag.version for tag in mine.prune("iris", 1, dry_run=True)] == ["e1", "a1"]
        mine.edit("iris:e1", labels={"seen": "yes"})
        mine = ModelStore(mine.path)
        for file in mine.path.glob("catalog.sqlite*"):
            file.unlink()
    assert mine.get("iris:e1").creation_time.year == year


def test_what_was_copied_in_by_hand_is_as_old_as_its_folder(tmp_path: Path) -> None:
    """Without a note of its arrival the file system says since when it is here."""
    theirs, _ = from_the_future(tmp_path, "iris:e1", 2100)
    mine = ModelStore(tmp_path / "mine")
    raw(mine, "iris:a1")
    shutil.copytree(theirs.layout.version("iris", "e1"), mine.layout.version("iris", "e1"))
    raw(mine, "iris:a2")
    assert mine.versions("iris") == ["a2", "e1", "a1"]


def test_in_a_remote_a_time_ahead_of_the_clock_never_wins(tmp_path: Path) -> None:
    """Whoever may push one version must not be what `latest` means for ever."""
    theirs, remote = from_the_future(tmp_path, "iris:e1", 2100)
    raw(theirs, "iris:a1")
    models.push("iris:a1", remote, store=theirs)
    assert [info.version for info in models.list_remote(remote)] == ["a1", "e1"]
    assert models.pull("iris", remote, store=ModelStore(tmp_path / "mine")).version == "a1"


@pytest.mark.parametrize("year", [1, 9999])
def test_times_at_the_ends_of_the_calendar_can_be_shown(monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    """A list must not end at one version's time."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert str(year) in read_time(datetime.datetime(year, 12, 31, 23, tzinfo=UTC)) or year == 1


def test_gc_forgets_the_arrivals_of_what_is_gone(tmp_path: Path) -> None:
    """The note of a version that is there stays, and so does a fresh one, whose version may be on its way."""
    mine = ModelStore(tmp_path / "mine")
    for tag in ("iris:gone", "iris:here", "iris:fresh"):
        _, remote = from_the_future(tmp_path / tag, tag, 2100)
        models.pull(tag, remote, store=mine)
    notes = mine.path / "arrivals" / "iris"
    for version in ("gone", "here"):
        os.utime(notes / version, (0, 0))
    for version in ("gone", "fresh"):
        mine.delete(f"iris:{version}", now=True)
    gc(mine, dry_run=True)
    assert sorted(path.name for path in notes.iterdir()) == ["fresh", "gone", "here"]
    gc(mine)
    assert sorted(path.name for path in notes.iterdir()) == ["fresh", "here"]


def test_an_edit_does_not_write_what_no_record_may_say(tmp_path: Path) -> None:
    """A number that reading from elsewhere would refuse is refused; what was so before does not hinder another edit."""
    mine = ModelStore(tmp_path / "mine")
    model = raw(mine, "iris:e1")
    with pytest.raises(RecordError, match="more than 499 digits"):
        mine.edit("iris:e1", metadata={"huge": 10**600})
    assert mine.get("iris:e1").info.metadata == {}
    record = model.path / "model.yaml"
    record.chmod(0o600)
    record.write_bytes(render_record(attrs.evolve(model.info, metadata={"huge": 10**600})))
    mine.edit("iris:e1", labels={"seen": "yes"})
    assert mine.get("iris:e1").info.labels == {"seen": "yes"}
