"""A process that is killed at any named step leaves a store that holds what it held before, or after, and nothing half."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from store_processes import Processes
from store_states import assert_tidy, save, snapshot

import tiffin.store
from inside.store import Attestations, without_exchange
from tiffin.archives import export_model, import_model
from tiffin.exceptions import ModelExistsError, ModelNotFoundError
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.trash import undelete
from tiffin.store.verifying import verify

# What a process does before each of these calls can be interrupted there.
CALLS = {"open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime", "sqlite3.connect"}


def prepare(store: ModelStore) -> None:
    save(store, "kept:1", 1)
    save(store, "kept:2", 2)
    store.set_alias("kept:1", "prod")
    save(store, "alone:1", 2)
    store.set_alias("alone:1", "best")


def save_new_name(store: ModelStore) -> None:
    save(store, "new:1", 3)


def save_old_name(store: ModelStore) -> None:
    save(store, "kept:3", 3)


def save_with_examples(store: ModelStore) -> None:
    save(store, "new:1", 3, signatures={"get": {}}, examples="text")


def save_shared(store: ModelStore) -> None:
    save(store, "kept:3", 2)


def overwrite(store: ModelStore) -> None:
    save(store, "kept:1", 4, overwrite=True)


def create(store: ModelStore) -> None:
    with store.create("folder:1") as new:
        (new.path / "mark.txt").write_text("5")
        (new.path / "below").mkdir()
        (new.path / "below" / "data.bin").write_bytes(b"data")


def delete(store: ModelStore) -> None:
    store.delete("kept:1", force=True)


def delete_last(store: ModelStore) -> None:
    store.delete("alone:1", force=True)


def delete_now(store: ModelStore) -> None:
    store.delete("kept:2", now=True)


def put_back(store: ModelStore) -> None:
    undelete(store, "kept:0")


def empty(store: ModelStore) -> None:
    gc(store, trash=True)


def edit(store: ModelStore) -> None:
    store.edit("kept:1", labels={"stage": "test"}, metadata={"score": 0.5})


def set_alias(store: ModelStore) -> None:
    store.set_alias("kept:2", "next")


def move_alias(store: ModelStore) -> None:
    store.set_alias("kept:2", "prod")


def collect(store: ModelStore) -> None:
    gc(store)


def accept(store: ModelStore) -> None:
    verify(store, accept=True)


def bring_in(store: ModelStore) -> None:
    import_model(f"{store.path}.tar", name="kept:3", store=store)


def attest(store: ModelStore) -> None:
    with store.changing() as folder:
        Attestations(store.layout).add(
            folder, store.get("kept:1").info.compute_digest(), b"in whatever format", lambda kept: None
        )


CHANGES = [
    save_new_name,
    save_old_name,
    save_with_examples,
    save_shared,
    overwrite,
    create,
    delete,
    delete_last,
    delete_now,
    put_back,
    empty,
    edit,
    set_alias,
    move_alias,
    collect,
    accept,
    bring_in,
    attest,
]


def litter(store: ModelStore) -> None:
    """Leave what gc has to collect: a killed save, unused contents, a dangling alias, a name without versions."""
    save(store, "litter:1", 9)
    store.set_alias("litter:1", "old")
    store.get("litter:1").path.rename(f"{store.layout.staging}/00000000000000000000")


def edit_by_hand(store: ModelStore) -> None:
    record = store.get("kept:2").path / "model.yaml"
    record.write_text(record.read_text().replace("mark: '2'", "mark: '2'\n  by: hand"))


def record_steps(root: str, change: str) -> list[list[str]]:
    """Make the change and return the steps that it announces."""
    steps = []
    sys.addaudithook(lambda event, args: steps.append(list(args)) if event == "tiffin.store.step" else None)
    globals()[change](ModelStore(root))
    return steps


def die(root: str, change: str, at: int, *, calls: bool = False, exchange: bool = True) -> str:
    """Make the change, and die at the `at`-th step, or before the `at`-th call to the file system."""
    if not exchange:
        without_exchange()
    left = at

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        ours = event in CALLS and str(args[0]).startswith(root) if calls else event == "tiffin.store.step"
        if ours:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    store = ModelStore(root)
    sys.addaudithook(hook)
    globals()[change](store)
    return "done"


def before_and_after(root: Path, change: Callable[[ModelStore], None]) -> tuple[Any, Any]:
    store = ModelStore(root)
    prepare_for(store, change)
    before = None if change is accept else snapshot(store)
    change(store)
    return before, snapshot(store)


def prepare_for(store: ModelStore, change: Callable[[ModelStore], None]) -> None:
    prepare(store)
    if change in (put_back, empty):
        save(store, "kept:0", 7)
        store.delete("kept:0")
    if change is collect:
        litter(store)
    if change is accept:
        edit_by_hand(store)
    if change is bring_in:
        export_model("kept:1", f"{store.path}.tar", store=store)
    for name in Path(store.layout.models).iterdir():
        os.utime(name, (1, 1))  # long ago, so that the catalog is relied on
    store.list()


def check(root: Path, change: Callable[[ModelStore], None], before: Any, after: Any) -> None:
    """Check that the store is whole, and that the change can be made again."""
    store = ModelStore(root)
    if change is not accept:  # until then loading warns
        now = snapshot(store)
        assert now in (before, after)
    try:
        change(store)
    except (ModelExistsError, ModelNotFoundError):
        assert now == after
    assert snapshot(store) == after
    assert_tidy(store)


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: hundreds of stores are made there, which a disk would have to sync."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_at_any_step_leaves_the_store_as_before_or_after(
    change: Callable[[ModelStore], None], fast: Path, processes: Processes
) -> None:
    """Whatever step a process is killed at, the models are there and whole, and the change can be made again."""
    before, after = before_and_after(fast / "plain", change)
    at = 0
    while True:
        root = fast / str(at)
        prepare_for(ModelStore(root), change)
        process = processes.start(die, root=str(root), change=change.__name__, at=at)
        if process.wait() == 0:
            break
        check(root, change, before, after)
        at += 1
    assert at >= 3


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no-exchange"])
@pytest.mark.parametrize("change", [save_new_name, overwrite, delete_last, put_back, edit, move_alias, attest])
def test_a_kill_before_any_call_leaves_the_store_as_before_or_after(
    change: Callable[[ModelStore], None],
    exchange: bool,
    fast: Path,
    processes: Processes,
    request: pytest.FixtureRequest,
) -> None:
    """The same holds between steps, before every single call to the file system, also where folders cannot be exchanged."""
    if not exchange:
        request.getfixturevalue("no_exchange")
    before, after = before_and_after(fast / "plain", change)
    at = 0
    while True:
        root = fast / str(at)
        prepare_for(ModelStore(root), change)
        process = processes.start(die, root=str(root), change=change.__name__, at=at, calls=True, exchange=exchange)
        if process.wait() == 0:
            break
        if not exchange and change is overwrite:
            # For one moment nothing is in its place; whoever asks for the version puts it back.
            ModelStore(root).get("kept:1")
        check(root, change, before, after)
        at += 1
    assert at >= 10


def test_every_step_that_the_code_announces_is_one_that_a_process_is_killed_at(
    tmp_path: Path, processes: Processes
) -> None:
    """A step that is added to the store is covered, or this fails."""
    announced: set[tuple[str, str]] = set()
    for change in CHANGES:
        root = tmp_path / change.__name__
        prepare_for(ModelStore(root), change)
        announced |= {tuple(step) for step in processes.run(record_steps, root=str(root), change=change.__name__)}
    written = set()
    for file in Path(tiffin.store.__file__).parent.glob("*.py"):
        written |= set(re.findall(r'step\(([a-z]+|"[a-z-]+"), "([a-z-]+)"\)', file.read_text()))
    for operation, name in written:
        assert any(name == step and operation.strip('"') in (done, "operation") for done, step in announced), name
    assert len(written) > 20
