"""A disk without space or inodes: nothing is published, nothing remains, and what is stored can be used and deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from store_mounts import mounted, remount
from store_states import assert_tidy, mark_of, save, snapshot

from tiffin.exceptions import StorageFullError
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.verifying import verify


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 8 MiB."""
    with mounted(tmp_path / "disk", "size=8m") as point:
        yield point


@pytest.fixture
def small(disk: Path) -> ModelStore:
    """Give a store on it that holds one model."""
    store = ModelStore(disk / "store")
    save(store, "kept:1", 1)
    return store


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass


def files_in(folder: str) -> set[str]:
    return {f"{parent}/{file}" for parent, _, files in os.walk(folder) for file in files}


def test_a_save_that_does_not_fit_says_so_and_leaves_nothing(small: ModelStore) -> None:
    """The error names the store and what to do; the disk holds what it held before."""
    before = files_in(str(small.path))
    free = os.statvfs(small.path).f_bfree
    with pytest.raises(StorageFullError) as caught:
        small.save("big", {"a": numpy.zeros(1 << 20), "b": numpy.ones(1 << 20)})
    assert str(caught.value).startswith(f"No space is left in the store {small.path}.")
    assert "tiffin models gc" in str(caught.value)
    assert {file for file in files_in(str(small.path)) if "catalog" not in file} == {
        file for file in before if "catalog" not in file
    }
    assert free - os.statvfs(small.path).f_bfree < 20  # the catalog's log, at most
    assert list(snapshot(small)) == ["kept:1"]
    assert mark_of(save(small, "small", 3).load()) == 3
    assert_tidy(small)


def test_custom_objects_that_do_not_fit_publish_nothing(small: ModelStore) -> None:
    """A model is saved with all its custom objects, or not at all."""
    with pytest.raises(StorageFullError):
        small.save("x", {"small": 1}, custom_objects={"big": numpy.random.default_rng(1).random(2 << 20)})
    assert list(snapshot(small)) == ["kept:1"]
    assert_tidy(small)


def test_a_full_disk_can_be_read_and_freed(small: ModelStore, disk: Path) -> None:
    """With not a byte left, list, get, load and verify work, also without a catalog, and so do delete and gc."""
    save(small, "other:1", 2, size=100_000)
    small.set_alias("other:1", "prod")
    fill(disk)
    for name in ("", "-wal", "-shm"):
        Path(small.layout.catalog + name).unlink(missing_ok=True)
    (disk / "filler").write_bytes(b"")
    fill(disk)
    fresh = ModelStore(disk / "store")
    assert list(snapshot(fresh)) == ["kept:1", "other:1", "other:prod"]
    assert verify(fresh) == []
    for change in (lambda: save(fresh, "new", 3, size=100_000), lambda: save(fresh, "kept:1", 3, overwrite=True)):
        with pytest.raises(StorageFullError):
            change()
    fresh.delete("other:prod", force=True)
    assert list(snapshot(fresh)) == ["kept:1"]
    gc(fresh, trash=True)
    assert mark_of(save(fresh, "new:1", 3).load()) == 3
    assert list(snapshot(fresh)) == ["kept:1", "new:1"]


def test_a_disk_without_inodes_can_be_read_and_freed(tmp_path: Path) -> None:
    """Where not even an empty file can be made, as at the end of a quota, models can still be deleted."""
    with mounted(tmp_path / "disk", "size=8m,nr_inodes=200") as disk:
        store = ModelStore(disk / "store")
        save(store, "kept:1", 1)
        save(store, "other:1", 2)
        store.set_alias("other:1", "prod")
        with pytest.raises(OSError, match="No space left"):  # noqa: PT012
            for number in range(1000):
                (disk / f"filler{number}").touch()
        fresh = ModelStore(disk / "store")
        with pytest.raises(StorageFullError):
            save(fresh, "new", 3)
        assert list(snapshot(fresh)) == ["kept:1", "other:1", "other:prod"]
        fresh.delete("other:1", force=True)
        assert list(snapshot(fresh)) == ["kept:1"]
        remount(disk, "nr_inodes=1000")
        assert_tidy(fresh)


def test_a_catalog_that_cannot_be_written_is_no_error(small: ModelStore, disk: Path) -> None:
    """A change that fits is made, although the catalog does not fit."""
    fill(disk)
    with (disk / "filler").open("r+b") as file:
        file.truncate((disk / "filler").stat().st_size - 5 * 4096)  # a small save fits into five pages
    small.edit("kept:1", labels={"stage": "test"})
    assert ModelStore(small.path).list()[0].labels == {"mark": "1", "stage": "test"}
