"""Editing, aliasing, deleting and collecting garbage while others do the same, save or load."""

from __future__ import annotations

import pytest
from store_processes import Processes, wait_at
from store_states import assert_tidy, mark_of, save, snapshot

from tiffin.exceptions import ModelNotFoundError
from tiffin.store import ModelStore
from tiffin.store.gc import gc

SIZE = 150_000


def label(root: str, gate: str, number: int, *, times: int) -> None:
    store = ModelStore(root)
    wait_at(gate)
    for turn in range(times):
        store.edit("x:1", labels={f"by{number}": str(turn)}, metadata={f"turn{number}.{turn}": turn})


def overwrite(root: str, gate: str, *, times: int) -> None:
    store = ModelStore(root)
    wait_at(gate)
    for turn in range(times):
        save(store, "x:1", turn, overwrite=True, size=SIZE if turn % 2 else 200)


def save_and_delete(root: str, gate: str, *, times: int) -> None:
    store = ModelStore(root)
    wait_at(gate)
    for turn in range(times):
        save(store, "x:2", turn, size=SIZE)
        store.set_alias("x:2", "prod")
        store.delete("x:2", force=True)


def load(root: str, gate: str, *, times: int) -> dict[str, int]:
    store = ModelStore(root)
    wait_at(gate)
    outcomes = {"loaded": 0, "gone": 0}
    for _ in range(times):
        # There is always one version at least.
        assert store.list("x")
        store.get("x:latest")
        try:
            mark_of(store.get("x:2").load())
            outcomes["loaded"] += 1
        except ModelNotFoundError:
            outcomes["gone"] += 1
    return outcomes


def collect(root: str, gate: str, *, times: int) -> None:
    store = ModelStore(root)
    wait_at(gate)
    for _ in range(times):
        gc(store)


def delete_one(root: str, gate: str) -> str:
    store = ModelStore(root)
    wait_at(gate)
    try:
        return str(*store.delete("x:1", force=True))
    except ModelNotFoundError as error:
        return str(error)


def move_alias(root: str, gate: str) -> None:
    store = ModelStore(root)
    wait_at(gate)
    store.set_alias("x:2", "prod")


def list_while_names_vanish(root: str, gate: str, *, times: int) -> None:
    store = ModelStore(root)
    wait_at(gate)
    for _ in range(times):
        assert {"kept-a:1", "kept-z:1"} <= {str(model.tag) for model in store.list()}


def make_names_vanish(root: str, gate: str, *, times: int) -> None:
    store = ModelStore(root)
    wait_at(gate)
    for turn in range(times):
        store.delete(save(store, f"m{turn % 3}", 1).tag)


def test_of_many_who_edit_one_record_no_edit_is_lost(store: ModelStore, processes: Processes) -> None:
    """Each edit starts from what the one before has written."""
    save(store, "x:1", 1)
    gate = processes.gate()
    started = [processes.start(label, root=str(store.path), gate=gate.path, number=n, times=5) for n in range(6)]
    gate.open()
    for process in started:
        process.result()
    info = store.get("x:1").info
    assert info.labels == {"mark": "1", **{f"by{n}": "4" for n in range(6)}}
    assert info.metadata == {f"turn{n}.{turn}": turn for n in range(6) for turn in range(5)}
    assert store.list("x")[0].labels == info.labels
    assert_tidy(store)


def test_an_edit_never_puts_the_record_of_an_overwritten_model_back(store: ModelStore, processes: Processes) -> None:
    """A record always lists the files that lie beside it, whatever is edited while the version is replaced."""
    save(store, "x:1", 100)
    gate = processes.gate()
    arguments = {"root": str(store.path), "gate": gate.path}
    started = [processes.start(label, **arguments, number=n, times=20) for n in range(3)]
    started += [processes.start(overwrite, **arguments, times=20) for _ in range(2)]
    gate.open()
    for process in started:
        process.result()
    assert mark_of(store.get("x:1").load()) == int(store.get("x:1").labels["mark"])
    assert_tidy(store)


def test_a_load_beside_deletions_gives_a_whole_model_or_says_that_there_is_none(
    store: ModelStore, processes: Processes
) -> None:
    """Also beside gc, whoever loads a version that comes and goes gets all of it, or ModelNotFoundError."""
    save(store, "x:1", 1)
    gate = processes.gate()
    arguments = {"root": str(store.path), "gate": gate.path}
    writers = [processes.start(save_and_delete, **arguments, times=25), processes.start(collect, **arguments, times=60)]
    readers = [processes.start(load, **arguments, times=80) for _ in range(3)]
    gate.open()
    for process in writers:
        process.result()
    outcomes = [process.result() for process in readers]
    assert sum(outcome["loaded"] + outcome["gone"] for outcome in outcomes) == 240
    assert list(snapshot(store)) == ["x:1"]
    assert_tidy(store)


def test_a_list_beside_deletions_of_other_names_is_complete(store: ModelStore, processes: Processes) -> None:
    """A name that vanishes while the store is listed takes no other along."""
    save(store, "kept-a:1", 1)
    save(store, "kept-z:1", 1)
    gate = processes.gate()
    arguments = {"root": str(store.path), "gate": gate.path}
    started = [processes.start(make_names_vanish, **arguments, times=30) for _ in range(2)]
    started += [processes.start(list_while_names_vanish, **arguments, times=150) for _ in range(2)]
    gate.open()
    for process in started:
        process.result()


def test_of_many_who_delete_a_version_one_does(store: ModelStore, processes: Processes) -> None:
    """The others are told that it is not there."""
    save(store, "x:1", 1)
    gate = processes.gate()
    started = [processes.start(delete_one, root=str(store.path), gate=gate.path) for _ in range(6)]
    gate.open()
    results = [process.result() for process in started]
    assert results.count("x:1") == 1
    assert all("'x:1' was not found" in result for result in results if result != "x:1")
    assert_tidy(store)


@pytest.mark.parametrize("turn", range(8))
def test_an_alias_that_moves_while_its_old_version_is_deleted_stays(
    store: ModelStore, processes: Processes, turn: int
) -> None:
    """Deleting a version takes the aliases along that mean it, not those that no longer do."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    store.set_alias("x:1", "prod")
    gate = processes.gate()
    started = [processes.start(one, root=str(store.path), gate=gate.path) for one in (delete_one, move_alias)]
    gate.open()
    for process in started:
        process.result()
    assert store.aliases("x") == {"prod": "2"}
