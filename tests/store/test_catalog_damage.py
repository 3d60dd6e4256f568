"""The catalog is a cache: deleted, damaged, locked or of another version, it changes no answer."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from store_states import save, snapshot

from inside.store import VERSION, _scan
from tiffin.exceptions import ModelNotFoundError
from tiffin.store import ModelStore
from tiffin.store.verifying import verify


@pytest.fixture
def filled(store: ModelStore) -> ModelStore:
    """Give a store with some models."""
    for name in ("a", "b", "c"):
        for version in (1, 2):
            save(store, f"{name}:{version}", version)
    store.list()
    return store


def sides(path: str) -> list[Path]:
    return [Path(path + suffix) for suffix in ("", "-wal", "-shm")]


def delete_all(path: str) -> None:
    for side in sides(path):
        side.unlink(missing_ok=True)


def delete_the_file_alone(path: str) -> None:
    Path(path).unlink()


def garbage(path: str) -> None:
    Path(path).write_bytes(os.urandom(20_000))


def garbage_everywhere(path: str) -> None:
    for side in sides(path):
        side.write_bytes(os.urandom(20_000))


def garbage_behind_the_header(path: str) -> None:
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[:100] + os.urandom(len(content) - 100))


def truncated(path: str) -> None:
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])


def empty(path: str) -> None:
    Path(path).write_bytes(b"")


def other_version(path: str) -> None:
    delete_all(path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE names (all_is, different)")
        connection.execute("CREATE TABLE versions (name)")
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()


def other_tables(path: str) -> None:
    delete_all(path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE names (name)")
        connection.execute("CREATE TABLE versions (name)")
        connection.execute(f"PRAGMA user_version={VERSION}")
    connection.close()


def a_folder(path: str) -> None:
    delete_all(path)
    Path(path).mkdir()


DAMAGES = [
    delete_all,
    delete_the_file_alone,
    garbage,
    garbage_everywhere,
    garbage_behind_the_header,
    truncated,
    empty,
    other_version,
    other_tables,
    a_folder,
]


def close(store: ModelStore) -> None:
    """Write all to the file itself and close it, as at the end of a process."""
    store.finder.catalog._read("PRAGMA wal_checkpoint(TRUNCATE)")
    store.finder.catalog.close()


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_catalog_changes_no_answer(filled: ModelStore, damage: Callable[[str], None], is_open: bool) -> None:
    """The first list after the damage is right, whether the file was in use or not, and so is what follows."""
    before = snapshot(filled)
    if not is_open:
        close(filled)
    damage(filled.layout.catalog)
    for store in (filled if is_open else ModelStore(filled.path), ModelStore(filled.path)):
        assert len(store.list()) == 6
        assert [model.version for model in store.list("b")] == ["2", "1"]
        assert snapshot(store) == before
    save(filled, "d:1", 3)
    assert list(snapshot(ModelStore(filled.path))) == [*before, "d:1"]


def test_every_damaged_page_of_the_catalog_is_survived(filled: ModelStore) -> None:
    """Whichever page is damaged, and whenever that shows, no list is short or wrong."""
    before = snapshot(filled)
    close(filled)
    path = Path(filled.layout.catalog)
    good = path.read_bytes()
    assert len(good) > 5 * 4096
    for start in range(0, len(good), 4096):
        delete_all(str(path))
        path.write_bytes(good[:start] + b"\xa5" * 4096 + good[start + 4096 :])
        store = ModelStore(filled.path)
        assert snapshot(store) == before, start
        assert store.get("a").version == "2"
        close(store)


def test_verify_names_a_damaged_catalog(filled: ModelStore) -> None:
    """It says so, and that it is mended."""
    close(filled)
    garbage(filled.layout.catalog)
    (problem,) = verify(ModelStore(filled.path))
    assert (problem.path, problem.state) == (filled.layout.catalog, "repaired")
    assert verify(ModelStore(filled.path)) == []


def test_a_locked_catalog_is_no_error(filled: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process writes to it for long, all is read from the records, and changes are made."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout, **rest: connect(path, timeout=0.01, **rest))
    before = snapshot(filled)
    other = connect(filled.layout.catalog, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = ModelStore(filled.path)
    save(store, "d:1", 3)
    store.edit("a:1", labels={"stage": "test"})
    store.delete("b:1")
    assert {str(model.tag) for model in store.list()} == {"a:1", "a:2", "b:2", "c:1", "c:2", "d:1"}
    assert store.get("a:1").labels == {"mark": "1", "stage": "test"}
    assert len(snapshot(store)) == 6
    other.execute("COMMIT")
    other.close()
    assert snapshot(store).keys() == (before.keys() | {"d:1"}) - {"b:1"}


def test_a_catalog_of_another_user_is_left_alone(
    filled: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a store that several users write to, one who may not write to the catalog keeps one in the own cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    close(filled)
    before = Path(filled.layout.catalog).read_bytes()
    access = os.access
    # Root may write to everything, so permissions alone do not show it.
    monkeypatch.setattr(os, "access", lambda path, mode: path != filled.layout.catalog and access(path, mode))
    store = ModelStore(filled.path)
    assert len(store.list()) == 6
    assert Path(filled.layout.catalog).read_bytes() == before
    assert len(list((tmp_path / "cache" / "tiffin" / "catalogs").glob("*.sqlite"))) == 1


def test_a_model_that_was_deleted_before_it_was_ever_listed_is_not_listed(store: ModelStore) -> None:
    """What a save has noted goes with the name's folder."""
    save(store, "x:1", 1)
    store.delete("x:1")
    assert store.list() == []
    assert store.names() == []
    with pytest.raises(ModelNotFoundError):
        store.list("x")


def test_what_is_noted_late_is_not_taken_for_what_is_there(store: ModelStore) -> None:
    """A process that notes its edit after another's later one was noted does not bring the older labels back."""
    save(store, "x:1", 1)
    old = store.finder.catalog
    first = store.edit("x:1", labels={"stage": "first"})
    noted = old.entry("x", "1")
    store.edit("x:1", labels={"stage": "second"})
    os.utime(f"{store.layout.models}/x", (1, 1))  # long ago, so that it is relied on
    assert store.list()[0].labels["stage"] == "second"
    from inside.store import make_entry
    from tiffin.info import encode_cached

    assert noted[1] is not None
    store.note([make_entry(store.layout, first.info, noted[1], encode_cached(first.info))])
    assert store.list()[0].labels["stage"] == "second"
    assert store.get("x:1").labels["stage"] == "second"


def test_a_change_within_the_tick_of_the_last_one_is_seen(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems give changes that follow each other closely one time: it is not relied on until a second has passed."""
    save(store, "x:1", 1)
    folder = f"{store.layout.models}/x"
    moment = os.stat(folder).st_mtime_ns  # noqa: PTH116
    monkeypatch.setattr(_scan.time, "time_ns", lambda: moment + 900_000_000)
    assert [model.version for model in store.list()] == ["1"]
    save(ModelStore(store.path), "x:2", 1)
    os.utime(folder, ns=(moment, moment))
    assert [model.version for model in ModelStore(store.path).list()] == ["2", "1"]
    shutil.rmtree(f"{folder}/1")
    os.utime(folder, ns=(moment, moment))
    assert [model.version for model in store.list()] == ["2"]
