"""Eight processes save at one moment: the same version, the same one over and over, and different ones."""

from __future__ import annotations

import pytest
from store_processes import Processes, wait_at
from store_states import assert_tidy, mark_of, save, snapshot

from inside.store import without_exchange
from tiffin.exceptions import ModelExistsError
from tiffin.store import ModelStore

WRITERS = range(8)
SIZE = 150_000


def save_the_same(root: str, gate: str, mark: int) -> str:
    store = ModelStore(root)
    wait_at(gate)
    try:
        save(store, "same:1", mark, size=SIZE)
    except ModelExistsError as error:
        return str(error)
    return "saved"


def overwrite(root: str, gate: str, mark: int, *, times: int, exchange: bool) -> None:
    if not exchange:
        without_exchange()
    store = ModelStore(root)
    wait_at(gate)
    for _ in range(times):
        save(store, "same:1", mark, overwrite=True, size=SIZE)


def read(root: str, gate: str, *, times: int, exchange: bool) -> list[int]:
    if not exchange:
        without_exchange()
    store = ModelStore(root)
    wait_at(gate)
    seen = set()
    for _ in range(times):
        model = store.get("same:1")
        seen.add(mark_of(model.load()))
        seen.add(mark_of(model.custom_objects["twin"]))
        assert all(0 <= int(model.labels["mark"]) <= 8 for model in store.list("same"))
    return sorted(seen)


def save_others(root: str, gate: str, mark: int, *, times: int) -> list[str]:
    store = ModelStore(root)
    wait_at(gate)
    tags = []
    for number in range(times):
        tags.append(str(save(store, f"shared:{mark}.{number}", mark).tag))
        tags.append(str(save(store, f"own{mark}", mark).tag))
        listed = {str(model.tag) for model in store.list()}
        assert set(tags) <= listed
        assert store.get(f"own{mark}").version == tags[-1].partition(":")[2]
    return tags


def test_of_eight_that_save_the_same_version_one_wins(store: ModelStore, processes: Processes) -> None:
    """One process saves, seven get a clear error, and the bytes are all the winner's."""
    for _ in range(5):
        gate = processes.gate()
        started = [processes.start(save_the_same, root=str(store.path), gate=gate.path, mark=n) for n in WRITERS]
        gate.open()
        results = [process.result() for process in started]
        assert results.count("saved") == 1
        (error,) = {result for result in results if result != "saved"}
        assert error.startswith("Model 'same:1' exists already.")
        assert mark_of(store.get("same:1").load()) == results.index("saved")
        snapshot(store)
        assert_tidy(store)
        store.delete("same:1")


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no-exchange"])
def test_who_loads_while_eight_overwrite_gets_a_whole_model(
    store: ModelStore, processes: Processes, exchange: bool
) -> None:
    """Readers see models of one writer each, never a mixture and never none."""
    save(store, "same:1", 8, size=SIZE)
    gate = processes.gate()
    arguments = {"root": str(store.path), "gate": gate.path, "exchange": exchange}
    writers = [processes.start(overwrite, **arguments, mark=n, times=8) for n in WRITERS]
    readers = [processes.start(read, **arguments, times=60) for _ in range(2)]
    gate.open()
    for writer in writers:
        writer.result()
    assert set().union(*(reader.result() for reader in readers)) <= {*WRITERS, 8}
    snapshot(store)
    assert_tidy(store)


def test_eight_that_save_different_versions_all_succeed(store: ModelStore, processes: Processes) -> None:
    """Each version is listed as soon as it is saved, for its writer at once, and none is lost."""
    gate = processes.gate()
    started = [processes.start(save_others, root=str(store.path), gate=gate.path, mark=n, times=5) for n in WRITERS]
    gate.open()
    tags = [tag for process in started for tag in process.result()]
    assert len(set(tags)) == len(WRITERS) * 10
    assert set(tags) == set(snapshot(store))
    assert_tidy(store)
