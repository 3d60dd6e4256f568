"""One store object is used by many threads, and by processes that fork off while it is used."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from store_processes import Processes
from store_states import assert_tidy, mark_of, save, snapshot

from inside.store import changing_name
from tiffin.store import ModelStore


def busy_threads_and_forks(root: str) -> list[int]:
    """Fork children off a process whose threads save and list all the time; the children use the same store object."""
    store = ModelStore(root)
    # Whoever forks while another thread imports a module for the first time gets a child that waits for that for ever: so
    # what is imported on first use is imported before.
    save(store, "first:1", 1)
    store.list()
    done = threading.Event()

    def work(number: int) -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            save(store, f"busy{number}:1", turn, overwrite=True)
            store.list()

    codes = []
    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(work, number) for number in range(3)]
        for number in range(12):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    save(store, f"child{number}", number)
                    assert mark_of(store.get(f"child{number}").load()) == number
                    assert len(store.list(f"child{number}")) == 1
                    code = 0
                finally:
                    os._exit(code)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        done.set()
        for future in working:
            future.result()
    assert {f"child{number}" for number in range(12)} <= set(store.names())
    return codes


def fork_within_a_change(root: str) -> bool:
    """Fork within the block of `create`; the child leaves the block by an exception, as `sys.exit` does."""
    store = ModelStore(root)
    child = -1
    try:
        with store.create("folder:1") as new:
            (new.path / "mark.txt").write_text("1")
            child = os.fork()
            if child == 0:
                raise SystemExit
            os.waitpid(child, 0)
    except SystemExit:
        os._exit(0)
    return (store.get("folder:1").path / "mark.txt").exists()


def die_with_a_lock_and_leave_a_child(root: str, pid_file: str) -> None:
    store = ModelStore(root)
    with changing_name(store.layout, "x"):
        child = os.fork()
        if child == 0:
            signal.pause()
        Path(pid_file).write_text(str(child))
        os._exit(7)


def in_threads(count: int, function: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(count) as threads:
        for future in [threads.submit(function, number) for number in range(count)]:
            future.result()


def test_threads_save_and_list_through_one_store(store: ModelStore) -> None:
    """Each thread finds what it saved at once, and at the end all is there."""

    def work(number: int) -> None:
        for turn in range(5):
            tag = save(store, f"own{number}", turn).tag
            assert store.get(f"own{number}").tag == tag
            save(store, "shared", number)
            assert tag in {model.tag for model in store.list()}

    in_threads(8, work)
    assert len(store.list("shared")) == 40
    assert len(snapshot(store)) == 80
    assert_tidy(store)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are seen in /proc")
def test_threads_share_one_open_catalog(store: ModelStore) -> None:
    """However many threads use a store, the catalog is open once; a thread that ends leaves nothing behind."""
    open_files: list[str] = []

    def look() -> None:
        # While all threads wait, and open and close nothing. A link whose file is closed is that of the folder looked into.
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                open_files.append(str(link.readlink()))

    together = threading.Barrier(8, look)

    def work(number: int) -> None:
        save(store, f"own{number}", number)
        store.list()
        together.wait(60)

    in_threads(8, work)
    assert open_files.count(os.path.realpath(store.layout.catalog)) == 1


def test_threads_that_edit_one_record_lose_no_edit(store: ModelStore) -> None:
    """Locks hold between threads as between processes."""
    save(store, "x:1", 1)

    def work(number: int) -> None:
        for turn in range(5):
            store.edit("x:1", labels={f"by{number}": str(turn)})

    in_threads(6, work)
    assert store.get("x:1").labels == {"mark": "1", **{f"by{number}": "4" for number in range(6)}}
    assert_tidy(store)


def test_a_fork_amid_busy_threads_can_use_the_store(store: ModelStore, processes: Processes) -> None:
    """Neither SQLite's locks nor the store's go wrong or hang in a child that forks off at any moment."""
    assert processes.run(busy_threads_and_forks, root=str(store.path)) == [0] * 12
    snapshot(store)
    assert_tidy(store)


def test_a_child_that_forks_off_within_a_save_does_not_remove_its_parents_work(
    store: ModelStore, processes: Processes
) -> None:
    """The staged files are the parent's, however the child leaves the block."""
    assert processes.run(fork_within_a_change, root=str(store.path))
    assert_tidy(store)


def test_a_forked_child_does_not_keep_the_locks_of_a_parent_that_died(
    store: ModelStore, processes: Processes, tmp_path: Path
) -> None:
    """A record can be edited although the process that was editing it died, and left a child behind."""
    save(store, "x:1", 1)
    pid_file = tmp_path / "pid"
    process = processes.start(die_with_a_lock_and_leave_a_child, root=str(store.path), pid_file=str(pid_file))
    assert process.wait() == 7
    child = int(pid_file.read_text())
    try:
        os.kill(child, 0)  # it lives
        assert store.edit("x:1", labels={"by": "me"}).labels["by"] == "me"
    finally:
        os.kill(child, signal.SIGKILL)
