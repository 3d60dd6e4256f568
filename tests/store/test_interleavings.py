"""Moments at which something else happens just then, brought about on purpose."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_states import assert_tidy, mark_of, problems, save, snapshot

import tiffin.pickling
from inside.store import Lock, _changes, _publish, _staging, sweep
from tiffin.exceptions import ModelNotFoundError
from tiffin.store import ModelStore


def once(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, happens: Callable[[], object], *, after: bool = False
) -> None:
    """Let something happen before, or after, the next call of a function."""
    function = getattr(place, name)
    left = [happens]

    def called(*args: Any, **kwargs: Any) -> Any:
        happening = left.pop() if left else None
        if happening and not after:
            happening()
        result = function(*args, **kwargs)
        if happening and after:
            happening()
        return result

    monkeypatch.setattr(place, name, called)


def test_a_sweep_at_any_moment_of_a_save_leaves_its_work_alone(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that belongs to live work is behind its lock, single files beside the folder too."""
    replace, fsync = os.replace, os.fsync

    def sweep_and(function: Callable[..., object]) -> Callable[..., object]:
        def called(*args: Any) -> object:
            assert sweep(store.layout) == []
            return function(*args)

        return called

    save(store, "x:1", 1)
    monkeypatch.setattr(os, "replace", sweep_and(replace))
    monkeypatch.setattr(os, "fsync", sweep_and(fsync))
    save(store, "x:2", 1)
    save(store, "x:3", 3)
    save(store, "x:1", 4, overwrite=True)
    store.edit("x:1", labels={"a": "b"})
    store.set_alias("x:1", "prod")
    store.delete("x:2")
    monkeypatch.undo()
    snapshot(store)
    assert_tidy(store)


def test_a_new_store_may_be_swept_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The format file is written although another process removes it as abandoned."""
    store = ModelStore(tmp_path / "store")
    once(monkeypatch, os, "replace", lambda: sweep(ModelStore(store.path).layout))
    save(store, "x:1", 1)
    assert Path(store.layout.format).read_text() == "1\n"


def test_a_version_that_is_deleted_right_after_it_was_overwritten_stays_deleted(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content that was replaced does not come back."""
    save(store, "x:1", 1)
    once(monkeypatch, _publish, "exchange", lambda: shutil.rmtree(Path(store.layout.models, "x")), after=True)
    save(store, "x:1", 2, overwrite=True)
    monkeypatch.undo()
    assert store.list() == []


def test_a_version_that_vanishes_just_before_it_is_overwritten_is_saved(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing left to replace, the new version is put in place."""
    save(store, "x:1", 1)
    once(monkeypatch, _publish, "exchange", lambda: shutil.rmtree(Path(store.layout.models, "x")))
    assert mark_of(save(store, "x:1", 2, overwrite=True).load()) == 2
    assert list(snapshot(store)) == ["x:1"]


def test_of_two_who_overwrite_at_once_the_catalog_has_the_record_that_is_there(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one's record is never taken for the second one's, however late it is noted."""
    save(store, "x:1", 1)
    other = ModelStore(store.path)
    once(monkeypatch, _publish, "sync_file", lambda: None)
    placed = _publish._place

    def place_and_lose(*args: Any, **kwargs: Any) -> bool:
        replaced = placed(*args, **kwargs)
        # As soon as the lock is free, and before the first one goes on, another overwrites it.
        once(monkeypatch, _publish, "sync_file", lambda: save(other, "x:1", 3, overwrite=True))
        monkeypatch.setattr(_publish, "_place", placed)
        return replaced

    monkeypatch.setattr(_publish, "_place", place_and_lose)
    mine = save(store, "x:1", 2, overwrite=True)
    for reader in (store, other, ModelStore(store.path)):
        assert reader.get("x:1").labels == {"mark": "3"}
        assert reader.list()[0].labels == {"mark": "3"}
        assert mark_of(reader.get("x:1").load()) == 3
    assert mark_of(mine.load()) == 3
    assert problems(store) == []


def test_a_load_that_reads_a_mixture_is_done_again(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter may fail in any way at files of two versions; the version that is there then is loaded."""
    save(store, "x:1", 1, size=200_000)
    model = store.get("x:1")
    load = tiffin.pickling.load
    failures = [RuntimeError("a mixture"), ValueError("another")]

    def disturbed(*args: Any, **kwargs: Any) -> object:
        if failures:
            save(store, "x:1", 1 + len(failures), overwrite=True)
            raise failures.pop()
        return load(*args, **kwargs)

    monkeypatch.setattr(tiffin.pickling, "load", disturbed)
    assert mark_of(model.load()) == 2
    failures.append(ValueError("really"))
    monkeypatch.setattr(tiffin.pickling, "load", lambda *_: (_ for _ in ()).throw(failures[0]))
    with pytest.raises(ValueError, match="really"):
        model.load()


def test_a_load_of_a_version_that_is_deleted_meanwhile_says_so(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is ModelNotFoundError, not that of a missing file."""
    save(store, "x:1", 1)
    model = store.get("x:1")
    once(monkeypatch, tiffin.pickling, "load", lambda: store.delete("x:1"))
    with pytest.raises(ModelNotFoundError, match="'x:1'"):
        model.load()


def test_latest_is_the_next_newest_when_the_newest_is_deleted_just_then(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is always a latest version as long as there is any."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    once(monkeypatch, store.finder, "read_record", lambda: shutil.rmtree(Path(store.layout.models, "x", "2")))
    assert store.get("x").version == "1"


def test_an_alias_that_moves_just_then_means_one_version_or_the_other(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never none, although the version it meant before is deleted then."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    store.set_alias("x:1", "prod")

    def move() -> None:
        store.set_alias("x:2", "prod")
        store.delete("x:1")

    once(monkeypatch, store.finder.aliases, "read", move, after=True)
    assert store.get("x:prod").version == "2"


def test_an_alias_of_a_version_that_is_deleted_just_then_is_refused(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No alias is left that means nothing."""
    save(store, "x:1", 1)
    once(monkeypatch, _changes, "staged", lambda: store.delete("x:1"))
    with pytest.raises(ModelNotFoundError, match="was deleted"):
        store.set_alias("x:1", "prod")
    assert problems(store) == []


def put_aside(store: ModelStore, tag: str) -> Path:
    """Put a version aside as an exchange does that is made of several steps, by a process that then dies."""
    name, version = tag.split(":")
    aside = Path(store.layout.staging, f"00000000000000000000.old.{name}:{version}")
    Path(store.layout.version(name, version)).rename(aside)
    return aside


def test_a_version_that_was_put_aside_comes_back_with_its_name(store: ModelStore) -> None:
    """Also where gc has removed the name's folder in between; whoever asks for it brings it back."""
    save(store, "my.old.model:1", 1)
    put_aside(store, "my.old.model:1")
    Path(store.layout.models, "my.old.model").rmdir()
    assert mark_of(store.get("my.old.model:1").load()) == 1
    assert_tidy(store)


def test_an_alias_of_a_version_that_is_put_aside_is_not_collected(store: ModelStore) -> None:
    """Gc takes a version that is just being overwritten for one that is there."""
    save(store, "x:1", 1)
    store.set_alias("x:1", "prod")
    put_aside(store, "x:1")
    lock = Lock(store.layout, "00000000000000000000")
    assert lock.acquire(wait=False)
    from tiffin.store.gc import gc

    assert gc(store, dry_run=True).aliases == []
    assert gc(store).aliases == []
    lock.release()
    sweep(store.layout)
    assert store.get("x:prod").version == "1"


def test_half_of_a_version_that_was_replaced_never_comes_back(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that dies while it removes what was put aside leaves nothing that a later one would take for whole."""
    model = save(store, "x:1", 1)
    shutil.copytree(model.path, Path(store.layout.staging, "00000000000000000000.old.x:1"))

    def die_half_way(path: str) -> None:
        if os.path.isdir(path):  # noqa: PTH112
            Path(path, "model.pkl").unlink()
            raise KeyboardInterrupt

    aside = next(Path(store.layout.staging).glob("*.old.*"))
    assert aside.is_dir()
    monkeypatch.setattr(_staging, "discard", die_half_way)
    with pytest.raises(KeyboardInterrupt):
        sweep(store.layout)
    monkeypatch.undo()
    store.delete("x:1")
    sweep(store.layout)
    assert store.list() == []
    assert_tidy(store)


def test_staging_that_cannot_be_swept_does_not_stop_a_save(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another user or a faulty disk keeps there is left."""
    save(store, "x:1", 1)
    Path(store.layout.staging, "00000000000000000000").write_text("stuck")
    unlink = os.unlink

    def refuse(path: str, **rest: Any) -> None:
        if str(path).endswith("00000000000000000000"):
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path, **rest)

    monkeypatch.setattr(os, "unlink", refuse)
    assert mark_of(save(store, "x:2", 2).load()) == 2
