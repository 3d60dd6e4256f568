"""What `latest` means within a second of a change, when the catalog has not settled."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tiffin.exceptions import ModelNotFoundError
from tiffin.store import ModelStore


def save(store: ModelStore, version: str, *, overwrite: bool = False) -> None:
    with store.create(f"iris:{version}", overwrite=overwrite) as new:
        (new.path / "weights").write_text(version)


def forget(store: ModelStore, version: str) -> None:
    """Take a version out of the catalog, as if whoever saved it could not write there."""
    with closing(sqlite3.connect(store.layout.catalog)) as connection, connection:
        for table in ("versions", "records"):
            connection.execute(f"DELETE FROM {table} WHERE version = ?", (version,))


def back_up(source: str | Path, target: str | Path) -> None:
    """Make one database the content of another."""
    with closing(sqlite3.connect(source)) as connection, closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)


def test_the_newest_is_what_was_saved_or_overwritten_last(store: ModelStore) -> None:
    """`latest` follows each save at once, in whatever order the versions sort."""
    for version in ("b", "a", "c"):
        save(store, version)
        assert store.get("iris:latest").version == version
    save(store, "b", overwrite=True)
    assert store.get("iris:latest").version == "b"


def test_a_deleted_version_is_not_the_newest_any_more(store: ModelStore) -> None:
    """After a delete, `latest` is the version before; after the last one there is none."""
    save(store, "a")
    save(store, "b")
    store.delete("iris:b")
    assert store.get("iris:latest").version == "a"
    store.delete("iris:a")
    with pytest.raises(ModelNotFoundError):
        store.get("iris:latest")


def test_a_version_that_the_catalog_lacks_is_found(store: ModelStore) -> None:
    """A save whose note in the catalog was lost is `latest` all the same."""
    save(store, "a")
    save(store, "b")
    forget(store, "b")
    assert store.get("iris:latest").version == "b"


def test_a_version_that_was_removed_by_hand_is_noticed(store: ModelStore) -> None:
    """`rm -r` of the newest version's folder makes the one before it `latest`."""
    save(store, "a")
    save(store, "b")
    shutil.rmtree(store.layout.version("iris", "b"))
    assert store.get("iris:latest").version == "a"


def test_after_a_second_records_are_looked_at_again(store: ModelStore) -> None:
    """An overwrite that the catalog does not know of is found at the latest when the folder's time is relied on."""
    save(store, "a")
    save(store, "b")
    store.list()
    noted = Path(store.layout.catalog + "-noted")
    back_up(store.layout.catalog, noted)
    save(store, "a", overwrite=True)
    back_up(noted, store.layout.catalog)
    earlier = time.time_ns() - 2 * 10**9
    os.utime(f"{store.models_folder}/iris", ns=(earlier, earlier))
    assert store.get("iris:latest").version == "a"
