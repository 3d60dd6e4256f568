"""A store that cannot be written to can be read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from store_mounts import mounted, read_only
from store_processes import Processes
from store_states import mark_of, save, snapshot

from tiffin.exceptions import ReadOnlyStoreError, StoreError
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.verifying import verify

NOBODY = 65534


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system with a store of two models; others may reach it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as above, mounted(Path(above, "disk"), "size=8m") as point:
        Path(above).chmod(0o755)
        point.chmod(0o755)
        store = ModelStore(point / "store")
        save(store, "x:1", 1)
        save(store, "x:2", 2)
        store.set_alias("x:1", "prod")
        yield point


@pytest.fixture
def mirror(disk: Path) -> Iterator[Path]:
    """Give the same, read-only."""
    with read_only(disk, disk.parent / "mirror") as point:
        yield point


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def create(store: ModelStore) -> None:
    with store.create("new:1"):
        pytest.fail("there is no folder to write to")


CHANGES: list[Callable[[ModelStore], object]] = [
    lambda store: save(store, "new", 3),
    lambda store: save(store, "x:1", 3, overwrite=True),
    create,
    lambda store: store.delete("x:1"),
    lambda store: store.edit("x:1", labels={"a": "b"}),
    lambda store: store.set_alias("x:2", "prod"),
    lambda store: store.remove_alias("x", "prod"),
]


def test_a_read_only_store_is_read_with_a_catalog_in_the_cache_folder(mirror: Path, cache: Path) -> None:
    """List, get, load and verify work, and the catalog is kept where the user may write."""
    store = ModelStore(mirror / "store")
    assert list(snapshot(store)) == ["x:2", "x:1", "x:prod"]
    assert verify(store) == []
    assert gc(store, dry_run=True).freed == 0
    (catalog,) = (cache / "tiffin" / "catalogs").glob("*.sqlite")
    catalog.write_bytes(b"garbage")
    assert list(snapshot(ModelStore(mirror / "store"))) == ["x:2", "x:1", "x:prod"]


def test_a_read_only_store_is_read_without_any_catalog(mirror: Path, cache: Path) -> None:
    """Where the cache folder cannot be written to either, the catalog is kept in memory."""
    cache.write_text("a file, where a folder should be")
    assert list(snapshot(ModelStore(mirror / "store"))) == ["x:2", "x:1", "x:prod"]


def test_a_store_that_becomes_read_only_while_it_is_used_is_read_on(disk: Path, cache: Path) -> None:
    """A store object that has chosen where its catalog is chooses again."""
    store = ModelStore(disk / "store")
    before = snapshot(store)
    with read_only(disk, disk), ThreadPoolExecutor(1) as other_thread:
        assert other_thread.submit(snapshot, store).result() == before
        assert other_thread.submit(snapshot, store).result() == before
    save(store, "new:1", 3)
    assert list(snapshot(store)) == ["new:1", *before]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_read_only_store_is_refused(
    mirror: Path, cache: Path, change: Callable[[ModelStore], object]
) -> None:
    """The error says which store, and that reading works."""
    store = ModelStore(mirror / "store")
    with pytest.raises(ReadOnlyStoreError) as caught:
        change(store)
    assert str(caught.value) == (
        f"The store {mirror}/store may not be written to (Read-only file system). Reading models from it works, changing it "
        "does not. Set TIFFIN_HOME to a folder that you may write to."
    )
    assert list(snapshot(store)) == ["x:2", "x:1", "x:prod"]


def read_as_nobody(root: str, cache: str) -> list[object]:
    os.environ["XDG_CACHE_HOME"] = cache
    snapshot(ModelStore(root))  # imports what this user may, and the other perhaps may not
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    store = ModelStore(root)
    found: list[object] = sorted(snapshot(store))
    assert verify(store) == []
    try:
        save(store, "x:3", 3)
    except ReadOnlyStoreError as error:
        found.append(str(error))
    return found


def test_another_user_reads_a_store_that_is_not_theirs(disk: Path, processes: Processes) -> None:
    """Permissions of the folders and files let others read; their changes are refused with the reason."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    found = processes.run(read_as_nobody, root=str(disk / "store"), cache="/nonexistent")
    assert found[:3] == ["x:1", "x:2", "x:prod"]
    assert "may not be written to (Permission denied)" in found[3]


def list_with_a_locked_name(root: str) -> list[str]:
    snapshot(ModelStore(root))
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    store = ModelStore(root)
    with pytest.warns(Warning, match="cannot be read"):
        return [str(model.tag) for model in store.list()]


def test_a_folder_that_may_not_be_read_is_passed_over(disk: Path, processes: Processes) -> None:
    """A name's folder and a record without permission are named in a warning; the others are listed."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    save(ModelStore(disk / "store"), "locked:1", 1)
    (disk / "store" / "models" / "locked").chmod(0o700)
    (disk / "store" / "models" / "x" / "1" / "model.yaml").chmod(0o600)
    assert processes.run(list_with_a_locked_name, root=str(disk / "store")) == ["x:2"]


def test_an_adapter_that_may_not_read_a_file_elsewhere_is_not_taken_for_a_read_only_store(store: ModelStore) -> None:
    """Only what concerns the store's own files is told as the store's error."""

    class Unreadable:
        def __reduce__(self) -> tuple[object, ...]:
            raise PermissionError(13, "Permission denied", "/elsewhere/data")

    with pytest.raises(Exception, match=r".") as caught:
        store.save("x", Unreadable())
    assert not isinstance(caught.value, StoreError)
    assert mark_of(save(store, "x", 1).load()) == 1
