"""The journal of a name: each change once, in an order that explains what there is; and what nobody noted is found."""

from __future__ import annotations

import datetime
import errno
import json
import os
import random
import shutil
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_mounts import mounted
from store_processes import Processes, wait_at
from store_states import assert_explained, assert_tidy, save, snapshot

from inside.store import State, changing_name, read
from tiffin.exceptions import AliasedVersionError, ModelExistsError, ModelNotFoundError, StoreWarning
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.history import Event, aliases_at, history
from tiffin.store.trash import trash, undelete
from tiffin.store.verifying import verify

UTC = datetime.UTC


def told(store: ModelStore, tag: str = "x") -> list[str]:
    """Return what happened, in short."""
    words = []
    for event in history(store, tag):
        what = f"{event.alias}: {event.before} > {event.after}" if event.alias else f"{event.what} {event.version}"
        words.append(what.strip() + (" (found)" if event.found else ""))
    return words


def test_each_change_is_told_in_its_order(store: ModelStore) -> None:
    """Saves, edits, aliases, trust, deletions, and what came back; with who, when and more."""
    before = datetime.datetime.now(UTC)
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    store.set_alias("x:1", "prod")
    store.set_alias("x:2", "prod")
    store.set_alias("x:2", "prod")  # no change
    store.edit("x:2", labels={"stage": "test", "mark": "2"}, metadata={"score": 0.5})
    save(store, "x:1", 3, overwrite=True)
    store.delete("x:1")
    undelete(store, "x:1")
    store.remove_alias("x", "prod")
    store.trust("x:2")
    store.untrust("x:2")
    assert told(store) == [
        "saved 1",
        "saved 2",
        "prod: None > 1",
        "prod: 1 > 2",
        "edited 2",
        "overwritten 1",
        "deleted 1",
        "restored 1",
        "prod: 2 > None",
        "trusted 2",
        "untrusted 2",
    ]
    events = history(store, "x")
    assert before <= events[0].time <= events[-1].time <= datetime.datetime.now(UTC)
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert {event.by for event in events} == {events[0].by}
    assert events[4].how == "labels.stage, metadata.score"
    assert json.loads(json.dumps(events[3].to_dict()))["before"] == "1"


def test_the_history_of_one_version_is_told_by_its_tag(store: ModelStore) -> None:
    """By version, by alias, by a beginning; also when it is gone."""
    for number in (1, 2):
        save(store, f"x:v{number}", number)
        store.set_alias(f"x:v{number}", "prod")
    expected = ["saved v1", "prod: None > v1", "prod: v1 > v2"]
    assert told(store, "x:v1") == expected
    assert told(store, "x:prod") == ["saved v2", "prod: v1 > v2"]
    assert told(store, "x:latest") == ["saved v2", "prod: v1 > v2"]
    store.delete("x:v1")
    assert told(store, "x:v1") == [*expected, "deleted v1"]
    store.delete("x", force=True)
    assert told(store, "x:prod")[-1] == "prod: v2 > None"
    assert len(told(store)) == 7


def test_what_came_from_elsewhere_says_from_where(store: ModelStore, tmp_path: Path) -> None:
    """Imports and pulls; where they replace what was there, that too."""
    from tiffin.archives import export_model, import_model
    from tiffin.remotes import connected, pull, push

    save(store, "x:1", 1)
    archive = export_model("x:1", tmp_path / "x.tar", store=store)
    other = ModelStore(tmp_path / "other")
    import_model(archive, store=other)
    import_model(archive, force=True, store=other)
    with connected(f"{tmp_path}/remote") as remote:
        push(store, "x:1", remote)
        pull(other, "x:1", remote, name="y:1")
        events = [*history(other, "x"), *history(other, "y")]
        assert [(event.what, event.how) for event in events] == [
            ("imported", f"from {archive}"),
            ("overwritten", f"imported from {archive}"),
            ("pulled", f"from {remote.url}"),
        ]


def test_pulled_aliases_gc_and_an_accepted_edit_are_noted(store: ModelStore, tmp_path: Path) -> None:
    """What moves aliases or records on the way of something else."""
    from tiffin.remotes import connected, pull, push

    save(store, "x:1", 1)
    store.set_alias("x:1", "prod")
    other = ModelStore(tmp_path / "other")
    with connected(f"{tmp_path}/remote") as remote:
        push(store, "x:1", remote, aliases=True)
        pull(other, "x:1", remote, aliases=True)
    assert told(other) == ["pulled 1", "prod: None > 1"]
    shutil.rmtree(other.get("x:1").path)
    gc(other)
    assert told(other)[2:] == ["deleted 1 (found)", "prod: 1 > None"]
    record = store.get("x:1").path / "model.yaml"
    record.write_text(record.read_text().replace("mark: '1'", "mark: '1'\n  by: hand"))
    verify(store, "x:1", accept=True)
    assert told(store)[-1] == "accepted 1"


def test_a_store_from_before_the_journal_begins_one(store: ModelStore) -> None:
    """With what is there then; nothing is said of before."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    store.set_alias("x:1", "prod")
    save(store, "y:1", 1)
    shutil.rmtree(store.layout.journal)
    with pytest.raises(ModelNotFoundError, match="Nothing was noted of 'x' in this store yet"):
        history(store, "x")
    store.set_alias("x:2", "next")
    assert told(store) == ["begun", "next: None > 2"]
    assert history(store, "x")[0].how == "2 versions were here, aliases: prod = 1"
    assert aliases_at(store, "x", datetime.datetime.now(UTC)) == {"prod": "1", "next": "2"}
    assert_explained(store)


def test_a_name_that_nobody_knows_is_not_found(store: ModelStore) -> None:
    """As everywhere, with what is like it."""
    save(store, "iris:1", 1)
    with pytest.raises(ModelNotFoundError, match="Did you mean 'iris'"):
        history(store, "irsi")
    with pytest.raises(ModelNotFoundError):
        aliases_at(store, "irsi", datetime.datetime.now(UTC))
    with pytest.raises(ModelNotFoundError, match="'iris:9'"):
        history(store, "iris:9")


def test_what_aliases_meant_at_a_time(store: ModelStore) -> None:
    """Before the first entry it is not known; a time without a zone is local."""
    start = datetime.datetime.now(UTC)
    moments = []
    for number in (1, 2):
        save(store, f"x:{number}", number)
        store.set_alias(f"x:{number}", "prod")
        moments.append(history(store, "x")[-1].time)
    store.remove_alias("x", "prod")
    assert aliases_at(store, "x", start) is None
    assert [aliases_at(store, "x", moment) for moment in moments] == [{"prod": "1"}, {"prod": "2"}]
    assert aliases_at(store, "x", moments[0].astimezone().replace(tzinfo=None)) == {"prod": "1"}
    assert aliases_at(store, "x", datetime.datetime.now(UTC)) == {}


def test_an_entry_of_a_clock_that_was_wrong_hides_no_other(store: ModelStore) -> None:
    """What is noted for the year 2099 does not count now; all else does."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    store.set_alias("x:1", "prod")
    path = Path(store.layout.journal_of("x"))
    lines = path.read_text().splitlines()
    lines[-1] = lines[-1].replace(f'"time": "{json.loads(lines[-1])["time"]}"', '"time": "2099-01-01T00:00:00+00:00"')
    path.write_text("\n".join(lines) + "\n")
    store.set_alias("x:2", "next")
    assert aliases_at(store, "x", datetime.datetime.now(UTC)) == {"next": "2"}


# -- what nobody noted -------------------------------------------------------------------------------------------------


def remove_by_hand(store: ModelStore) -> str:
    shutil.rmtree(store.layout.version("x", "1"))
    return "deleted 1 (found)"


def copy_by_hand(store: ModelStore) -> str:
    record = Path(shutil.copytree(store.layout.version("x", "1"), store.layout.version("x", "9")), "model.yaml")
    record.write_text(record.read_text().replace("version: '1'", "version: '9'"))
    return "saved 9 (found)"


def move_alias_by_hand(store: ModelStore) -> str:
    path = Path(store.layout.aliases, "x", "prod")
    path.unlink()
    path.write_text("2\n")
    return "prod: 1 > 2 (found)"


def remove_alias_by_hand(store: ModelStore) -> str:
    Path(store.layout.aliases, "x", "prod").unlink()
    return "prod: 1 > None (found)"


def replace_record_by_hand(store: ModelStore) -> str:
    record = Path(store.layout.record("x", "1"))
    record.write_text(record.read_text() + "\n")
    os.utime(record.parent.parent)
    return "edited 1 (found)"


BY_HAND = [remove_by_hand, copy_by_hand, move_alias_by_hand, remove_alias_by_hand, replace_record_by_hand]


@pytest.mark.parametrize("by_hand", BY_HAND)
def test_the_next_writer_notes_what_nobody_did(store: ModelStore, by_hand: Callable[[ModelStore], str]) -> None:
    """Once, marked as found, before its own change."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    store.set_alias("x:1", "prod")
    before = told(store)
    found = by_hand(store)
    store.set_alias("x:2", "mine")
    assert told(store) == [*before, found, "mine: None > 2"]
    store.set_alias("x:2", "other")
    assert told(store)[-1] == "other: None > 2"
    assert len(told(store)) == len(before) + 3


def test_a_folder_that_was_only_touched_is_no_difference(store: ModelStore) -> None:
    """As a copy of a store is, and one that a desktop has shown."""
    save(store, "x:1", 1)
    os.utime(store.get("x:1").path.parent)
    copy = ModelStore(shutil.copytree(store.path, store.path.parent / "copy", copy_function=shutil.copyfile))
    for one in (store, copy):
        one.set_alias("x:1", "prod")
        assert told(one) == ["saved 1", "prod: None > 1"]


def test_a_line_that_was_cut_off_costs_no_other(store: ModelStore) -> None:
    """As a power failure leaves it: it stands alone, is passed over, and what it would have told is found."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    path = Path(store.layout.journal_of("x"))
    path.write_bytes(path.read_bytes()[:-20])
    store.set_alias("x:1", "prod")
    assert told(store) == ["saved 1", "saved 2 (found)", "prod: None > 1"]
    path.write_bytes(path.read_bytes() + b"\xff\0garbage\n[1, 2]\nnull\n" + b'{"what": "saved"}\n{"what": 7}\n')
    store.set_alias("x:2", "prod")
    assert told(store)[-1] == "prod: 1 > 2"
    assert_explained(store)


@pytest.mark.parametrize("made", [Path.mkdir, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_in_the_place_of_a_journal_stops_no_change(store: ModelStore, made: Callable[[Path], None]) -> None:
    """The change is made, and a warning says that it could not be noted; what a link leads to is left alone."""
    save(store, "x:1", 1)
    path = Path(store.layout.journal_of("x"))
    path.unlink()
    made(path)
    with pytest.warns(StoreWarning, match="could not be noted"):
        store.set_alias("x:1", "prod")
    assert store.aliases("x") == {"prod": "1"}
    with pytest.raises(ModelNotFoundError):
        history(store, "x")


def die_between(root: str, change: str, step: str) -> None:
    store = ModelStore(root)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "tiffin.store.step" and args[1] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    KILLED[change][0](store)


KILLED: dict[str, tuple[Callable[[ModelStore], object], str, list[str]]] = {
    "save": (lambda store: save(store, "x:3", 3), "renamed", ["saved 3 (found)"]),
    "overwrite": (lambda store: save(store, "x:2", 3, overwrite=True), "renamed", ["edited 2 (found)"]),
    "edit": (lambda store: store.edit("x:2", labels={"a": "b"}), "renamed", ["edited 2 (found)"]),
    "alias": (lambda store: store.set_alias("x:2", "prod"), "renamed", ["prod: 1 > 2 (found)"]),
    "delete": (lambda store: store.delete("x:2"), "renamed", ["deleted 2 (found)"]),
    "undelete": (lambda store: undelete(store, "x:0"), "renamed", ["saved 0 (found)"]),
}


@pytest.mark.parametrize("change", KILLED)
def test_what_a_killed_process_did_is_noted_by_the_next(store: ModelStore, processes: Processes, change: str) -> None:
    """Killed between the change and its line; the folders' times may be the same, the lock that it left tells."""
    for number in (0, 1, 2):
        save(store, f"x:{number}", number)
    store.set_alias("x:1", "prod")
    store.delete("x:0")
    _, step, expected = KILLED[change]
    assert processes.start(die_between, root=str(store.path), change=change, step=step).wait() == -signal.SIGKILL
    before = told(store)
    store.set_alias("x:1", "mine")
    assert told(store) == [*before, *expected, "mine: None > 1"]
    assert_tidy(store)


def test_gc_notes_what_a_killed_process_did_and_removes_its_lock(store: ModelStore, processes: Processes) -> None:
    """No writer of that name has to come."""
    save(store, "x:2", 2)
    store.set_alias("x:2", "other")
    save(store, "x:1", 1)
    store.set_alias("x:1", "prod")
    processes.start(die_between, root=str(store.path), change="alias", step="renamed").wait()
    assert list(Path(store.layout.staging).glob("name.*.lock"))
    gc(store)
    assert told(store)[-1] == "prod: 1 > 2 (found)"
    assert list(Path(store.layout.staging).iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_never_stops_a_delete(store: ModelStore, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """No lock, no line, no folder in the trash can be made: the version goes, and the next writer notes it."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    store.set_alias("x:1", "prod")

    def full(*arguments: Any, **options: Any) -> Any:
        raise OSError(number, os.strerror(number), str(arguments[0]))

    real_open = os.open

    def open_full(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        return (
            full(path)
            if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
            else real_open(path, flags, *arguments, **options)
        )

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_full)
        patch.setattr(os, "mkdir", full)
        store.delete("x:1", force=True)
    assert [str(model.tag) for model in store.list()] == ["x:2"]
    save(store, "x:3", 3)
    assert told(store)[3:] == ["deleted 1 (found)", "prod: 1 > None (found)", "saved 3"]


def test_deletes_on_a_disk_that_is_full_go_on_until_it_is_empty(tmp_path: Path) -> None:
    """Not a byte is left; all are deleted, and freed on request; then there is room, and the journal tells all."""
    with mounted(tmp_path / "disk", "size=4m") as disk:
        store = ModelStore(disk / "store")
        for number in range(5):
            save(store, f"x:{number}", number, size=20_000)
        store.set_alias("x:1", "prod")
        with (disk / "filler").open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with warnings.catch_warnings():
                    try:
                        while True:
                            file.write(b"\0" * size)
                    except OSError:
                        pass
        assert len(store.delete("x", force=True)) == 5
        assert store.list() == []
        gc(store, trash=True)
        save(store, "x:9", 9, size=20_000)
        assert_tidy(store)
        assert {event.version for event in history(store, "x") if event.what == "deleted"} == set("01234")


# -- many at once ------------------------------------------------------------------------------------------------------

VERSIONS = [str(number) for number in range(6)]


def move_delete_restore(root: str, gate: str, *, seed: int, times: int) -> dict[str, int]:
    """Move aliases, delete and restore at random; returns how often each was done."""
    from tiffin import hookimpl
    from tiffin.plugins import registry

    store, chance, done = ModelStore(root), random.Random(seed), Counter[str]()

    class Heard:
        @hookimpl
        def alias_changed(self, name: str, alias: str, before: str | None, after: str | None) -> None:
            done[f"{alias}: {before} > {after}"] += 1

        @hookimpl
        def model_deleted(self, tag: Any) -> None:
            done[f"deleted {tag.version}"] += 1

        @hookimpl
        def model_restored(self, model: Any) -> None:
            done[f"restored {model.version}"] += 1

    registry().register(Heard(), "heard")
    wait_at(gate)
    while done.total() < times:
        version, kind = chance.choice(VERSIONS), chance.random()
        try:
            if kind < 0.6:
                store.set_alias(f"x:{version}", chance.choice(["prod", "test", "old"]))
            elif kind < 0.7:
                store.remove_alias("x", chance.choice(["prod", "test", "old"]))
            elif kind < 0.85:
                store.delete(f"x:{version}", force=chance.random() < 0.5)
            else:
                undelete(store, f"x:{version}")
        except (ModelNotFoundError, ModelExistsError, AliasedVersionError):
            pass
    return dict(done)


@pytest.mark.slow
def test_of_a_thousand_racing_changes_by_eight_processes_each_is_noted_once(
    store: ModelStore, processes: Processes
) -> None:
    """Alias moves, deletes and restores; the lines are those that the hooks told, in an order in which each could happen."""
    for version in VERSIONS:
        save(store, f"x:{version}", int(version))
    gate = processes.gate()
    started = [
        processes.start(move_delete_restore, root=str(store.path), gate=gate.path, seed=seed, times=125)
        for seed in range(8)
    ]
    gate.open()
    done: Counter[str] = sum((Counter(process.result()) for process in started), Counter())
    events = history(store, "x")[len(VERSIONS) :]
    noted = Counter(
        f"{event.alias}: {event.before} > {event.after}" if event.alias else f"{event.what} {event.version}"
        for event in events
    )
    assert noted == done
    assert noted.total() >= 1000
    assert not any(event.found for event in events)
    there, aliases = set(VERSIONS), dict[str, str]()
    for event in events:
        follow(event, there, aliases)
    assert {path.name for path in Path(store.layout.models, "x").iterdir()} == there
    assert store.finder.aliases.of_name("x") == aliases
    assert {str(entry.tag) for entry in trash(store)} == {f"x:{version}" for version in set(VERSIONS) - there}
    assert_tidy(store)


def follow(event: Event, there: set[str], aliases: dict[str, str]) -> None:
    """Check that an event could happen after those before it."""
    if event.what == "deleted":
        there.remove(event.version)
    elif event.what == "restored":
        assert event.version not in there
        there.add(event.version)
    else:
        assert event.what == "alias"
        assert aliases.get(event.alias) == event.before
        if event.after is None:
            del aliases[event.alias]
        else:
            assert event.after in there
            aliases[event.alias] = event.after


def save_many(root: str, gate: str, *, by: int, times: int) -> None:
    store = ModelStore(root)
    wait_at(gate)
    for number in range(times):
        save(store, f"x:{by}.{number}", number)
        store.edit(f"x:{by}.{number}", labels={"edited": "yes"})


def test_who_saves_and_edits_at_once_is_noted_each_once(store: ModelStore, processes: Processes) -> None:
    """Every save and every edit of four processes has its line."""
    gate = processes.gate()
    started = [processes.start(save_many, root=str(store.path), gate=gate.path, by=by, times=5) for by in range(4)]
    gate.open()
    for process in started:
        process.result()
    noted = Counter(told(store))
    assert noted == Counter(
        f"{what} {by}.{number}" for what in ("saved", "edited") for by in range(4) for number in range(5)
    )
    assert_tidy(store)


def test_the_lock_of_a_name_excludes_other_processes_and_threads(store: ModelStore) -> None:
    """What one holds, another waits for; a lock that was given up leaves nothing."""
    save(store, "x:1", 1)
    with changing_name(store.layout, "x"), changing_name(store.layout, "y"):
        assert sorted(path.name for path in Path(store.layout.staging).glob("*")) == ["name.x.lock", "name.y.lock"]
    assert list(Path(store.layout.staging).iterdir()) == []


def test_a_long_line_is_read_whole(store: ModelStore) -> None:
    """That of a name with many versions, with which a journal begins."""
    for number in range(3):
        save(store, f"x:{number}", number)
    path = Path(store.layout.journal_of("x"))
    versions = [f"{number:020}" for number in range(2000)]
    line = {"time": "2026-01-01T00:00:00+00:00", "by": "anna", "what": "begun", "versions": versions, "aliases": {}}
    path.write_text(json.dumps(line) + "\n")
    store.set_alias("x:1", "prod")
    state = State()
    for found in read(store.layout, "x"):
        state.apply(found)
    assert state.records.keys() == {"0", "1", "2"}
    assert state.aliases == {"prod": "1"}
    assert snapshot(store)
