"""What is published is on the disk before it is visible, and its name before save returns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from store_states import save

from inside.store import _publish
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.trash import undelete


class Watch:
    """Notes what is synced, and when a version is put in place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.root = str(root)
        self.log: list[str] = []
        fsync, rename_new, exchange = os.fsync, _publish.rename_new, _publish.exchange

        def note_fsync(descriptor: int) -> None:
            self.log.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            fsync(descriptor)

        def note(rename: object) -> object:
            def renamed(source: str, target: str) -> None:
                self.log.append(f"{source} -> {target}")
                rename(source, target)  # type: ignore[operator]

            return renamed

        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(_publish, "rename_new", note(rename_new))
        monkeypatch.setattr(_publish, "exchange", note(exchange))

    def parts(self) -> tuple[str, str, list[str], list[str]]:
        """Return source and target of the rename that succeeded, what was synced before it, and after it."""
        at = max(index for index, line in enumerate(self.log) if " -> " in line)
        source, target = self.log[at].split(" -> ")
        return source, target, self.log[:at], self.log[at + 1 :]


@pytest.fixture
def watch(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watch the store."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("what is synced is seen through /proc")
    return Watch(monkeypatch, store.path)


@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
def test_every_file_and_folder_is_synced_before_it_is_visible(store: ModelStore, watch: Watch, overwrite: bool) -> None:
    """Files, their folders, the record, its origin, the folder of a new name; afterwards the version's entry in it."""
    if overwrite:
        save(store, "x:1", 1, size=200_000)
        watch.log.clear()
    model = save(store, "x:1", 2, size=200_000, overwrite=overwrite)
    source, target, before, after = watch.parts()
    assert target == str(model.path)
    staged = {f"{source}/{file}" for file in (*model.info.files, "model.yaml")}
    assert len(staged) > 4
    folders = {source, f"{source}/custom_objects", f"{source}/custom_objects/twin"}
    assert staged | folders | {f"{source}.origin"} <= set(before)
    last_file = max(before.index(file) for file in staged)
    assert all(len(before) - before[::-1].index(folder) > last_file for folder in folders)
    assert str(model.path.parent) in after
    # Under the name's lock, by whoever makes the name: others find it there, and rely on it.
    assert (store.layout.models in before) is not overwrite


@pytest.mark.parametrize("made_by", ["undelete", "gc"])
def test_whoever_makes_a_names_folder_makes_it_last(store: ModelStore, watch: Watch, made_by: str) -> None:
    """A save into a name that is there does not sync the folder of all names again."""
    model = save(store, "x:1", 1)
    if made_by == "undelete":
        store.delete("x:1")
        watch.log.clear()
        undelete(store, "x:1")
    else:  # an exchange in several steps was interrupted
        aside = Path(store.layout.staging, "0" * 20 + ".old.x:1")
        model.path.rename(aside)
        model.path.parent.rmdir()
        watch.log.clear()
        gc(store)
    assert store.layout.models in watch.log
    assert store.get("x:1").path.is_dir()


def test_a_name_that_a_killed_process_has_made_is_made_last(store: ModelStore, watch: Watch) -> None:
    """It may have been killed before it synced the folder of all names; the lock that it has left tells."""
    save(store, "x:1", 1)
    Path(store.layout.staging, "name.x.lock").touch()
    watch.log.clear()
    save(store, "x:2", 2)
    assert store.layout.models in watch.log


def test_a_folder_of_files_is_synced_too(store: ModelStore, watch: Watch) -> None:
    """What a user writes within `create` is not synced by the user."""
    with store.create("x:1") as new:
        (new.path / "a" / "b").mkdir(parents=True)
        (new.path / "a" / "b" / "file").write_text("text")
    source, _, before, _ = watch.parts()
    assert {f"{source}/a/b/file", f"{source}/a/b", f"{source}/a", source, f"{source}/model.yaml"} <= set(before)


def test_a_new_store_is_synced_with_its_folders(store: ModelStore, watch: Watch) -> None:
    """A power failure after the first save does not take the store's own folders."""
    save(store, "x:1", 1)
    assert {str(store.path), str(store.path.parent), str(store.path / "blobs")} <= set(watch.log)


def test_edits_aliases_and_deletions_are_synced(store: ModelStore, watch: Watch) -> None:
    """Each syncs the new file before the rename, and the folder whose entry changed after it."""
    model = save(store, "x:1", 1)
    watch.log.clear()
    store.edit("x:1", labels={"a": "b"})
    assert any(line.endswith("/model.yaml") for line in watch.log)
    assert watch.log[-1] == str(model.path)
    watch.log.clear()
    store.set_alias("x:1", "prod")
    assert watch.log[0].endswith("/prod")
    assert watch.log[1:] == [f"{store.layout.aliases}/x", store.layout.aliases]
    watch.log.clear()
    store.delete("x:1", force=True)
    assert str(model.path.parent) in watch.log
    assert f"{store.layout.aliases}/x" in watch.log
