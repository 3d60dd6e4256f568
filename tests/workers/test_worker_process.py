"""Worker processes: whatever dies, hangs or raises, callers hear of it clearly and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inside.wire import THRESHOLD
from inside.workers import ProcessWorker
from process_support import by_value, descriptors, segments_of, start_python, wait_until_gone
from tiffin.calls import Backend, MethodTraits, Worker, WorkerSpec
from tiffin.exceptions import (
    MethodTimeoutError,
    PicklingError,
    RemoteError,
    RunnerNotReadyError,
    UnsendableError,
    WorkerDiedError,
)
from tiffin.workers import ProcessBackend

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


_by_value = by_value(__name__)


class Model:
    """A runnable with everything that can go right or wrong."""

    def __init__(self, offset: Any = 0) -> None:
        self.offset = offset
        self.made_in = threading.get_ident()
        self.closed: list[str] = []
        self.both = threading.Barrier(2)
        self.kept: Any = None
        self.loops: set[int] = set()

    def add(self, x: Any, *, n: Any = 1) -> Any:
        return x + n + self.offset

    def same(self, x: Any) -> Any:
        return x

    def keep(self, x: Any) -> None:
        self.kept = x

    def kept_sum(self) -> Any:
        return self.kept.sum()

    def fail(self, kind: str) -> None:
        raise {"KeyError": KeyError, "OSError": FileNotFoundError, "own": Odd, "exit": SystemExit}[kind](
            "no such thing"
        )

    def unsendable(self) -> Any:
        return {"good": 1, "bad": [0, threading.Lock()]}

    def die(self, how: str) -> None:
        os.kill(os.getpid(), getattr(signal, how)) if how != "exit" else os._exit(3)

    def hang(self, path: str | None = None) -> None:
        if path is not None:
            Path(path).write_text("in")
        # Holds the GIL, as native code may: no thread of the worker can act any more.
        re.match(r"(a+)+$", "a" * 64 + "b")

    def pause(self, path: str) -> str:
        return Path(path).read_text()

    def start_child(self) -> int:
        import subprocess

        return subprocess.Popen(["sleep", "1000"]).pid

    def who(self) -> tuple[int, str]:
        return os.getpid(), threading.current_thread().name

    def in_making_thread(self) -> bool:
        return threading.get_ident() == self.made_in

    def meet(self) -> int:
        return self.both.wait(20)

    def environment(self, name: str) -> str | None:
        return os.environ.get(name)

    def segments(self) -> int:
        gc.collect()
        return Path("/proc/self/maps").read_text().count("/memfd:tiffin")

    def count(self, n: int, fail_at: int = -1) -> Iterator[int]:
        try:
            for number in range(n):
                if number == fail_at:
                    raise ValueError(f"no {number}")
                self.closed.append(f"made {number}")
                yield number
        finally:
            self.closed.append("closed")

    def happened(self) -> list[str]:
        return self.closed

    async def double(self, x: Any) -> Any:
        self.loops.add(id(asyncio.get_running_loop()))
        await asyncio.sleep(0)
        return x * 2

    def loops_seen(self) -> int:
        return len(self.loops)

    async def letters(self, text: str) -> AsyncIterator[str]:
        try:
            for letter in text:
                yield letter
        finally:
            self.closed.append("async closed")


class Odd(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("cannot say")


KINDS = {"count": "stream", "double": "async", "letters": "async_stream"}
METHODS = {
    name: MethodTraits(KINDS.get(name, "call")) for name, value in vars(Model).items() if not name.startswith("_")
}


def start(threads: int = 1, extra_slots: int = 1, params: Any = None, **options: Any) -> ProcessWorker:
    environment = options.pop("environment", {})
    spec = WorkerSpec("model-0", Model, params or {}, METHODS, threads, extra_slots, environment)
    worker = ProcessBackend(**options).create_worker(spec)
    worker.start(60)
    assert isinstance(worker, ProcessWorker)
    return worker


@pytest.fixture(scope="module")
def shared() -> Iterator[ProcessWorker]:
    """A worker that tests use which leave it as it was."""
    worker = start(threads=2, params={"offset": 10}, environment={"OMP_NUM_THREADS": "3"})
    yield worker
    assert worker.healthy
    worker.close(20)


@pytest.fixture
def worker() -> Iterator[ProcessWorker]:
    """A worker of the test's own."""
    worker = start()
    yield worker
    worker.kill()
    worker.close(20)


def run_in_thread(worker: Worker, method: str, *args: Any, **options: Any) -> tuple[threading.Thread, list[Any]]:
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append(worker.run(method, args, {}, **options))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    return thread, outcome


def test_it_is_a_backend_and_a_worker(shared):
    """The classes have what the interfaces ask for."""
    assert isinstance(ProcessBackend(), Backend)
    assert isinstance(shared, Worker)
    assert not ProcessBackend.inline


def test_calls_run_in_another_process(shared):
    """Arguments arrive, results come back, and the runnable was made with its parameters over there."""
    assert shared.run("add", (np.arange(3),), {"n": 2}).tolist() == [12, 13, 14]
    pid, name = shared.run("who", (), {})
    assert pid == shared.pid != os.getpid()
    assert name == "tiffin:model-0:0"
    assert str(pid) in shared.name


def test_slot_zero_runs_in_the_thread_that_made_the_runnable(shared):
    """Thread-affine models are made and called in one thread, and other slots have threads of their own."""
    assert shared.run("in_making_thread", (), {}) is True
    assert shared.run("in_making_thread", (), {}, slot=1) is False
    assert shared.run("who", (), {}, slot=1) == shared.run("who", (), {}, slot=1)


def test_slots_run_at_the_same_time(shared):
    """Two calls that wait for each other both return."""
    thread, outcome = run_in_thread(shared, "meet", slot=0)
    assert {shared.run("meet", (), {}, slot=1), *(thread.join() or outcome)} == {0, 1}


def test_coroutines_share_one_event_loop(shared):
    """Async methods run to their end, all on one loop, whichever slot they come by."""
    assert shared.run("double", (21,), {}, slot=2) == 42
    assert shared.run("double", (4,), {}, slot=0) == 8
    assert shared.run("loops_seen", (), {}) == 1


def test_the_environment_is_set_before_anything_is_imported(shared):
    """Thread counts reach the libraries that read them when they are imported."""
    assert shared.run("environment", ("OMP_NUM_THREADS",), {}) == "3"


def test_a_worker_does_not_inherit_the_password_of_a_key(monkeypatch):
    """It runs a model's code, and signs nothing."""
    monkeypatch.setenv("TIFFIN_KEY_PASSWORD", "s3cret")
    monkeypatch.setenv("TIFFIN_TEST_OTHER", "kept")
    worker = start()
    try:
        assert worker.run("environment", ("TIFFIN_KEY_PASSWORD",), {}) is None
        assert worker.run("environment", ("TIFFIN_TEST_OTHER",), {}) == "kept"
    finally:
        worker.close(20)


def test_errors_keep_their_kind_text_and_traceback(shared):
    """An error arrives as RemoteError and as the builtin class that it was, with its traceback over there."""
    with pytest.raises(RemoteError) as caught:
        shared.run("fail", ("KeyError",), {})
    error = caught.value
    assert isinstance(error, KeyError)
    assert (error.type_name, error.text) == ("KeyError", "'no such thing'")
    assert "raise {" in error.traceback_text
    assert "raise {" in str(error.__cause__)
    assert str(error) == "KeyError: 'no such thing'."
    with pytest.raises(OSError, match="no such thing"):
        shared.run("fail", ("OSError",), {})


def test_errors_of_unknown_classes_are_of_the_nearest_builtin_one(shared):
    """A class that this process may not have is named, not imported, and its own faults do not hide it."""
    with pytest.raises(ValueError, match="Odd") as caught:
        shared.run("fail", ("own",), {})
    assert isinstance(caught.value, RemoteError)
    assert caught.value.type_name.endswith("Odd")
    assert "RuntimeError" in caught.value.text


def test_a_method_that_exits_fails_its_call_only(shared):
    """sys.exit in a model does not end the worker."""
    with pytest.raises(RemoteError, match="SystemExit"):
        shared.run("fail", ("exit",), {})
    assert shared.run("add", (1,), {}) == 12


def test_a_result_that_cannot_be_sent_fails_its_call_only(shared):
    """The error names the path to the value, and the worker takes the next call."""
    with pytest.raises(UnsendableError) as caught:
        shared.run("unsendable", (), {})
    assert caught.value.where == "result['bad'][1]"
    assert caught.value.type_name == "an object of type _thread.lock"
    assert shared.run("add", (1,), {}) == 12


def test_an_argument_that_cannot_be_sent_never_leaves(shared):
    """It is refused here, by name."""
    with pytest.raises(UnsendableError, match=re.escape("kwargs['n']")):
        shared.run("add", (1,), {"n": object()})
    assert shared.run("add", (1,), {}) == 12


def test_wrong_arguments_and_unknown_methods_fail_their_call_only(shared):
    """What Python raises at the call arrives like any other error."""
    with pytest.raises(TypeError, match="unexpected keyword"):
        shared.run("add", (1,), {"m": 1})
    with pytest.raises(RemoteError):
        shared.run("_spawn", (), {})


@pytest.mark.parametrize("size", [10, THRESHOLD // 8 - 1, THRESHOLD // 8, 3 << 20])
def test_arrays_of_all_sizes_come_back_changed(shared, size):
    """Through the socket or through shared memory, the bytes are the right ones and may be written to."""
    array = np.arange(float(size))
    result = shared.run("add", (array,), {})
    assert (result == array + 11).all()
    result += 1


def test_repeated_large_calls_need_no_more_memory(worker):
    """Leases end with their views on both sides: twenty calls need the segments of one."""
    array = np.zeros(1 << 18)
    for _ in range(20):
        assert worker.run("add", (array,), {})[0] == 1
    # One of the caller's for the arguments, one of the worker's own for the results.
    assert worker.run("segments", (), {}) == 2


def test_results_outlive_their_worker(worker):
    """A result in shared memory stays valid when the worker that sent it is killed."""
    result = worker.run("add", (np.zeros(1 << 18),), {})
    gone = os.pidfd_open(worker.pid)
    worker.kill()
    assert wait_until_gone(gone)
    worker.close()
    assert (result == 1).all()
    before = segments_of()
    del result
    assert segments_of() < before


def test_a_runnable_may_keep_its_arguments(worker):
    """Memory that the model holds on to is not overwritten by later calls."""
    worker.run("keep", (np.ones(1 << 18),), {})
    for _ in range(3):
        worker.run("add", (np.zeros(1 << 18),), {})
    assert worker.run("kept_sum", (), {}) == 1 << 18


def test_without_shared_memory_large_arrays_go_through_sockets():
    """A limit of nothing changes nothing but the speed."""
    worker = start(shared_memory=0)
    array = np.arange(float(1 << 20))
    assert (worker.run("add", (array,), {}) == array + 1).all()
    assert worker.run("segments", (), {}) == segments_of(worker.pid) == 0
    worker.close(20)


@pytest.mark.parametrize(
    ("how", "said"), [("SIGKILL", "killed by SIGKILL"), ("SIGSEGV", "killed by SIGSEGV"), ("exit", "exit code 3")]
)
def test_a_worker_that_dies_in_a_call_says_how(worker, how, said, caplog):
    """The call fails with the exit code or signal, the log says so, and later calls are refused."""
    with pytest.raises(WorkerDiedError, match=said) as caught:
        worker.run("die", (how,), {})
    assert caught.value.exit_code == (3 if how == "exit" else -getattr(signal, how))
    assert caught.value.worker == worker.name
    assert any(said in record.getMessage() and "'die'" in record.getMessage() for record in caplog.records)
    assert not worker.healthy
    with pytest.raises(WorkerDiedError, match="cannot take calls"):
        worker.run("add", (1,), {})


def test_killing_a_worker_from_outside_fails_the_call_in_it(worker, tmp_path):
    """Kill -9 in the middle of a call: the caller hears of it at once."""
    os.mkfifo(tmp_path / "in")
    thread, outcome = run_in_thread(worker, "hang", str(tmp_path / "in"))
    assert (tmp_path / "in").read_text() == "in"
    os.kill(worker.pid, signal.SIGKILL)
    thread.join(20)
    assert isinstance(outcome[0], WorkerDiedError)
    assert outcome[0].exit_code == -signal.SIGKILL


def test_kill_ends_the_calls_in_it_and_its_own_children(worker, tmp_path):
    """Kill from another thread ends a worker that holds its GIL, and what it started."""
    os.mkfifo(tmp_path / "in")
    thread, outcome = run_in_thread(worker, "hang", str(tmp_path / "in"))
    assert (tmp_path / "in").read_text() == "in"
    worker.kill()
    thread.join(20)
    assert isinstance(outcome[0], WorkerDiedError)
    assert "it was killed" in str(outcome[0])
    worker.kill()


def test_a_method_that_hangs_is_given_up(worker):
    """After the timeout the call fails, the worker is unhealthy, and killing it leaves nothing."""
    gone = os.pidfd_open(worker.pid)
    with pytest.raises(MethodTimeoutError) as caught:
        worker.run("hang", (), {}, timeout=0.05)
    assert (caught.value.method, caught.value.timeout) == ("hang", 0.05)
    assert not worker.healthy
    with pytest.raises(WorkerDiedError, match=re.escape("'hang' ran longer than 0.05 s")):
        worker.run("add", (1,), {})
    worker.kill()
    assert wait_until_gone(gone)


def test_a_timeout_that_is_kept_changes_nothing(shared):
    """A call within its time returns as without one, large arguments too."""
    assert shared.run("add", (1,), {}, timeout=60) == 12
    assert shared.run("add", (np.zeros(1 << 20),), {}, timeout=60)[0] == 11


def test_closing_lets_the_running_call_end(worker, tmp_path):
    """Close waits for the call in the worker; its caller gets the answer."""
    os.mkfifo(tmp_path / "in")
    gone = os.pidfd_open(worker.pid)
    thread, outcome = run_in_thread(worker, "pause", str(tmp_path / "in"))
    with (tmp_path / "in").open("w") as file:  # opens only when the method has
        closing = threading.Thread(target=worker.close)
        closing.start()
        file.write("last words")
    thread.join(20)
    closing.join(20)
    assert outcome == ["last words"]
    assert wait_until_gone(gone)
    assert not worker.healthy
    worker.close()


def test_closing_kills_what_does_not_end(worker):
    """After the timeout of close the worker is killed."""
    gone = os.pidfd_open(worker.pid)
    thread, outcome = run_in_thread(worker, "hang")
    worker.close(0.05)
    assert wait_until_gone(gone)
    thread.join(20)
    assert isinstance(outcome[0], WorkerDiedError)


def test_a_closed_worker_leaves_no_descriptors():
    """Sockets, pipes and segments of a worker are closed with it."""
    start().close(20)  # what is made once and for all
    before, mapped = descriptors(), segments_of()
    worker = start()
    worker.run("add", (np.zeros(1 << 18),), {})
    worker.close(20)
    gc.collect()
    assert descriptors() <= before
    assert segments_of() <= mapped


class TestStart:
    """Making the runnable."""

    def make(self, runnable_class: type, **params: Any) -> Worker:
        return ProcessBackend().create_worker(WorkerSpec("broken-0", runnable_class, params, {}))

    def test_a_runnable_that_cannot_be_made_says_why(self):
        """Its error crosses, and the process is gone."""

        class Broken:
            def __init__(self, path: str) -> None:
                raise FileNotFoundError(f"no model at {path}")

        worker = self.make(Broken, path="/nowhere")
        with pytest.raises(RemoteError, match="no model at /nowhere") as caught:
            worker.start(60)
        assert isinstance(caught.value, FileNotFoundError)
        assert not worker.healthy
        worker.close()

    def test_a_runnable_that_takes_too_long_is_killed(self):
        """Start gives up after its timeout."""

        class Slow:
            def __init__(self) -> None:
                re.match(r"(a+)+$", "a" * 64 + "b")

        worker = self.make(Slow)
        with pytest.raises(RunnerNotReadyError, match=re.escape("within 0.05 s")):
            worker.start(0.05)
        worker.close()
        assert not worker.healthy

    def test_a_worker_that_dies_while_it_starts_says_how(self):
        """As in a call."""

        class Dying:
            def __init__(self) -> None:
                os._exit(7)

        with pytest.raises(WorkerDiedError, match="while it started: exit code 7"):
            self.make(Dying).start(60)

    def test_parameters_that_cannot_be_pickled_are_refused_here(self):
        """Before any process is started."""
        with pytest.raises(PicklingError, match="Model cannot be sent"):
            self.make(Model, offset=threading.Lock()).start(60)

    def test_a_worker_starts_once(self, shared):
        """A second start is an error, and the worker goes on."""
        with pytest.raises(RunnerNotReadyError, match="started before"):
            shared.start()
        assert shared.healthy

    def test_a_worker_that_was_not_started_refuses_calls(self):
        """With a clear error."""
        with pytest.raises(WorkerDiedError, match="not started"):
            self.make(Model).run("add", (1,), {})

    def test_the_working_folder_cannot_replace_modules(self, tmp_path, monkeypatch):
        """A numpy.py where the program happens to run is not imported by workers."""
        (tmp_path / "numpy.py").write_text("raise SystemExit('hijacked')")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
        start().close(20)


class TestStreams:
    """Generator methods."""

    def test_items_arrive_in_order_and_the_slot_is_free_again(self, shared):
        """Any number of items, of both kinds of generators."""
        assert list(shared.stream("count", (100,), {}, slot=2)) == list(range(100))
        assert list(shared.stream("letters", ("abc",), {}, slot=2)) == ["a", "b", "c"]
        assert list(shared.stream("count", (0,), {}, slot=2)) == []
        assert shared.run("add", (1,), {}, slot=2) == 12

    def test_a_worker_does_not_run_far_ahead(self, worker):
        """Nothing is made that nobody takes, but for some items."""
        items = worker.stream("count", (10**9,), {}, slot=1)
        assert [next(items) for _ in range(3)] == [0, 1, 2]
        items.close()
        happened = worker.run("happened", (), {})
        assert happened[-1] == "closed"
        assert len(happened) < 20

    def test_closing_closes_asynchronous_generators_too(self, worker):
        """Its finally clauses run before close returns."""
        items = worker.stream("letters", ("abcdefghijklmnopqrstuvwxyz",), {}, slot=1)
        assert next(items) == "a"
        items.close()
        assert worker.run("happened", (), {}) == ["async closed"]

    def test_an_error_in_the_middle_follows_the_items_before_it(self, shared):
        """The items that were made arrive, then the error."""
        items = shared.stream("count", (100, 20), {}, slot=2)
        assert [next(items) for _ in range(20)] == list(range(20))
        with pytest.raises(ValueError, match="no 20"):
            next(items)
        assert shared.run("add", (1,), {}, slot=2) == 12

    def test_other_slots_answer_meanwhile(self, shared):
        """A stream takes its slot only."""
        items = shared.stream("count", (10**9,), {}, slot=2)
        for _ in range(50):
            next(items)
            assert shared.run("add", (1,), {}) == 12
        items.close()

    def test_death_in_the_middle_is_said(self, worker):
        """As in any call."""
        items = worker.stream("count", (10**9,), {}, slot=1)
        next(items)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            list(itertools.islice(items, 10**6))


def test_what_the_runnable_started_ends_with_its_worker(worker):
    """Killed or closed, a worker takes along the processes that its model has started."""
    child = os.pidfd_open(worker.run("start_child", (), {}))
    worker.kill()
    assert wait_until_gone(child)


def test_children_end_with_a_worker_that_crashes(worker):
    """As soon as the crash is noticed."""
    child = os.pidfd_open(worker.run("start_child", (), {}))
    with pytest.raises(WorkerDiedError):
        worker.run("die", ("SIGSEGV",), {})
    assert wait_until_gone(child)


PARENT = """
import os, sys, re, signal, subprocess, threading
from tiffin.calls import MethodTraits, WorkerSpec
from tiffin.workers import ProcessBackend
import numpy as np

class Model:
    def __init__(self):
        print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
    def hang(self, x):
        print("in", flush=True)
        re.match(r"(a+)+$", "a" * 64 + "b")

worker = ProcessBackend().create_worker(WorkerSpec("m-0", Model, {}, {"hang": MethodTraits()}, 2))
worker.start(60)
print(worker.pid)
if sys.argv[1] == "with a forked child":
    if os.fork() == 0:
        print(os.getpid())
        signal.pause()
if sys.argv[1] == "idle":
    sys.stdin.read()
worker.run("hang", (np.zeros(1 << 20),), {})
"""


@pytest.mark.parametrize("state", ["idle", "in a call", "with a forked child"])
def test_no_worker_outlives_its_parent(state):
    """When the parent is killed its workers end, idle or holding their GIL, even while a forked copy of it lives on."""
    parent = start_python(PARENT, state)
    assert parent.stdout is not None
    started = os.pidfd_open(int(parent.stdout.readline()))
    worker = os.pidfd_open(int(parent.stdout.readline()))
    child = int(parent.stdout.readline()) if state == "with a forked child" else 0
    if state != "idle":
        assert parent.stdout.readline() == "in\n"
    parent.kill()
    parent.wait()
    try:
        assert wait_until_gone(worker)
        assert wait_until_gone(started)
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
        parent.communicate()


def test_a_parent_that_ends_without_closing_takes_its_workers_along():
    """An interpreter that exits normally, or by an error, leaves no worker."""
    parent = start_python(PARENT.replace("worker.run(", "sys.exit("), "in a call")
    assert parent.stdout is not None
    started, worker = (os.pidfd_open(int(parent.stdout.readline())) for _ in range(2))
    parent.wait(20)
    assert wait_until_gone(worker)
    assert wait_until_gone(started)
    parent.communicate()


def test_the_end_of_the_starting_thread_is_not_the_end_of_the_worker():
    """A worker belongs to its process, not to the thread that happened to start it."""
    made: list[ProcessWorker] = []
    thread = threading.Thread(target=lambda: made.append(start()))
    thread.start()
    thread.join()
    assert made[0].run("add", (1,), {}) == 2
    made[0].close(20)


def test_logs_name_the_worker(caplog):
    """Start and death are logged with name and process id."""
    with caplog.at_level(logging.INFO, logger="tiffin.runners"):
        worker = start()
        worker.close(20)
    assert any(
        re.search(rf"model-0 \(process {worker.pid}\) is ready", record.getMessage()) for record in caplog.records
    )


def call_until_it_ends(worker: Worker, slot: int, ends: list[BaseException], busy: threading.Semaphore) -> None:
    try:
        for number in itertools.count():
            # Every seventh goes through shared memory.
            array = np.full(10 if number % 7 else THRESHOLD // 8, number)
            assert (worker.run("add", (array,), {}, slot=slot) == number + 1).all()
            busy.release()
    except BaseException as error:  # noqa: BLE001 - the test looks at it
        ends.append(error)


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_no_call_is_lost_when_workers_are_killed_under_load(kills):
    """Killed while threads call it: each call returns its own answer or WorkerDiedError, and none hangs."""
    for _ in range(kills):
        worker = start(threads=3, extra_slots=0)
        ends: list[BaseException] = []
        busy = threading.Semaphore(0)

        threads = [threading.Thread(target=call_until_it_ends, args=(worker, slot, ends, busy)) for slot in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            assert busy.acquire(timeout=20)
        os.kill(worker.pid, signal.SIGKILL)
        for thread in threads:
            thread.join(20)
        worker.close()
        assert [type(error) for error in ends] == [WorkerDiedError] * 3
