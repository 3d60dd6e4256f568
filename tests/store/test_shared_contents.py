"""Versions that hold the same content share it on disk, and removing one frees what is its own."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy
import pytest
from store_states import assert_tidy, mark_of, problems, save, snapshot

from tiffin.exceptions import ModelNotFoundError
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.usage import usage

MEGA = 1_000_000


def bytes_on_disk(store: ModelStore) -> int:
    """Return the bytes of all contents, each counted once."""
    found = {}
    for folder in (store.layout.models, store.layout.blobs):
        for parent, _, files in os.walk(folder):
            for file in files:
                status = Path(parent, file).stat()
                found[status.st_ino] = 0 if file == "model.yaml" else status.st_size
    return sum(found.values())


def test_three_versions_that_share_an_array_take_its_bytes_once(store: ModelStore) -> None:
    """The 5 MB are on disk once; deleting a version frees its own bytes, and the last one all."""
    shared = numpy.random.default_rng(1).random(5 * MEGA // 8)
    for number in range(3):
        own = numpy.random.default_rng(10 + number).random(2 * MEGA // 8)
        store.save(f"x:{number}", {"shared": shared, "own": own})
    used = usage(store)
    assert 11 * MEGA <= used.total < 11.1 * MEGA
    assert 21 * MEGA <= used.apparent < 21.1 * MEGA
    assert {row.tag for row in used.versions} == {"x:0", "x:1", "x:2"}
    assert all(2 * MEGA <= row.own < 2.1 * MEGA and 5 * MEGA <= row.shared < 5.1 * MEGA for row in used.versions)
    assert bytes_on_disk(store) == used.total
    for left in (2, 1, 0):
        own = next(row.own for row in usage(store).versions if row.tag == f"x:{left}")
        before = bytes_on_disk(store)
        store.delete(f"x:{left}", now=True)
        assert before - bytes_on_disk(store) == own
    assert bytes_on_disk(store) == 0
    assert list(Path(store.layout.blobs).glob("*/*")) == []


def test_usage_of_a_name_is_told_while_its_versions_are_in_the_trash(store: ModelStore) -> None:
    """They take room until they are freed; then the name is not known any more."""
    save(store, "x:1", 1)
    store.delete("x:1")
    used = usage(store, "x")
    assert (used.versions, used.total, used.trash > 0) == ([], 0, True)
    gc(store, trash=True)
    with pytest.raises(ModelNotFoundError, match="'x' was not found"):
        usage(store, "x")


def test_usage_of_one_name_counts_what_other_names_share(store: ModelStore) -> None:
    """Bytes that another name has too are shared, and the total is that of the name."""
    array = numpy.random.default_rng(1).random(5 * MEGA // 8)
    store.save("x:1", {"array": array})
    store.save("y:1", {"array": array})
    used = usage(store, "x")
    assert [row.tag for row in used.versions] == ["x:1"]
    assert used.versions[0].shared >= 5 * MEGA
    assert used.total < 5.1 * MEGA


def test_overwriting_frees_what_only_the_old_content_had(store: ModelStore) -> None:
    """A version that is overwritten over and over does not fill the disk."""
    for number in range(3):
        store.save("x:1", {"array": numpy.random.default_rng(number).random(MEGA // 8)}, overwrite=True)
        assert bytes_on_disk(store) < 1.1 * MEGA
    assert bytes_on_disk(store) == usage(store).total


def test_an_abandoned_save_is_told_by_a_dry_run_and_removed_by_gc(store: ModelStore) -> None:
    """The dry run names what the real one then removes, byte for byte, and removes nothing."""
    save(store, "kept:1", 1, size=200_000)
    for number in (2, 3):
        save(store, f"lost:{number}", number, size=100_000 * number)
        store.set_alias(f"lost:{number}", f"best{number}")
    # As a process that was killed leaves it: staged files whose blobs nothing else links to, and one without a blob.
    identity = "00000000000000000000"
    store.get("lost:2").path.rename(f"{store.layout.staging}/{identity}")
    Path(store.layout.staging, identity, "unfinished").write_bytes(b"12345")
    Path(store.layout.staging, f"{identity}.lock").touch()
    Path(store.layout.staging, f"{identity}.origin").write_bytes(b"123")
    # And one that only lost its folder.
    for file in sorted(store.get("lost:3").path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (Path(store.layout.models) / "lost" / "3").rmdir()
    before = bytes_on_disk(store)
    told = gc(store, dry_run=True)
    assert bytes_on_disk(store) == before
    assert Path(store.layout.staging, identity).is_dir()
    done = gc(store)
    assert done == told
    assert (done.staging, done.names) == ([identity], ["lost"])
    assert done.aliases == ["lost:best2", "lost:best3"]
    assert len(done.blobs) == len({*done.blobs}) > 2
    # The record, the unfinished file and the origin lay in staging/.
    record_and_rest = done.freed - (before - bytes_on_disk(store))
    assert 0 < record_and_rest < 4096
    assert gc(store) == gc(store, dry_run=True)
    assert gc(store).freed == 0
    assert list(snapshot(store)) == ["kept:1"]
    assert_tidy(store)


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP])
def test_where_links_are_impossible_versions_hold_plain_copies(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """All works as ever, and nothing is shared."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    for version in (1, 2):
        store.save(f"x:{version}", {"array": numpy.full(MEGA // 8, 7.0)})
    save(store, "y:1", 3)
    save(store, "y:1", 4, overwrite=True)
    assert mark_of(store.get("y:1").load()) == 4
    assert (store.get("x:2").load()["array"] == 7).all()
    assert all(row.shared == 0 for row in usage(store).versions)
    assert 2 * MEGA <= usage(store).total < 2.1 * MEGA
    assert problems(store) == []
    store.delete("x:1")
    assert gc(store).freed == 0
    assert (store.get("x:2").load()["array"] == 7).all()


def test_a_blob_with_no_link_left_to_give_is_copied(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content that more versions have than a file can have links: the next ones keep copies of their own."""
    link = os.link

    def full(source: str, target: str) -> None:
        if str(store.layout.blobs) in str(source):
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        link(source, target)

    monkeypatch.setattr(os, "link", full)
    for version in (1, 2, 3):
        save(store, f"x:{version}", 1)
    assert len(snapshot(store)) == 3
    assert problems(store) == []


def test_a_file_with_names_elsewhere_is_copied_into_the_store(store: ModelStore, tmp_path: Path) -> None:
    """Whoever changes the other name afterwards, or finds it read-only, has nothing to do with the store."""
    mine = tmp_path / "mine.bin"
    mine.write_bytes(b"before")
    with store.create("x:1") as new:
        os.link(mine, new.path / "theirs.bin")
    mine.write_bytes(b"after!")
    assert store.get("x:1").path_of("theirs.bin").read_bytes() == b"before"
    assert mine.stat().st_mode & 0o200
    assert problems(store) == []


def test_files_may_have_any_name_beside_each_other(store: ModelStore) -> None:
    """No name that a user may give is one that saving uses for itself."""
    with store.create("x:1") as new:
        for name in ("a", "a.tiffin-link", "a.link", "a.origin", "a.gone"):
            (new.path / name).write_text("same")
    with store.create("x:2") as new:
        for name in ("a", "a.tiffin-link", "a.link", "a.origin", "a.gone"):
            (new.path / name).write_text("same")
    assert len(store.get("x:2").info.files) == 5
    assert problems(store) == []
    assert usage(store).total == 4
