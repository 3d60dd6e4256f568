"""What clients may claim, ask for and hold is bounded: whatever one does, an honest one is answered."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inside.runners import Desk
from inside.sharing import _client
from inside.wire import PREFIX, Shared
from process_support import segments_of, wait_until_gone
from stranger import Stranger, make_runner, resident
from tiffin.exceptions import (
    BatchInputError,
    CallTimeoutError,
    QueueFullError,
    RunnerClosedError,
    RunnerOptionError,
    UnsendableError,
)
from tiffin.runners import CallOptions, Runner
from tiffin.wire import CALL, CALLS, CANCEL, CREDIT, ERROR, ITEM, LIMITS, RESULT

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux")

MIB = 1 << 20


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[Runner, str]]:
    """A runner, and its address."""
    runner, address = make_runner(tmp_path, calls=50, bytes=32 * MIB, answers=8 * MIB, clients=4)
    yield runner, address
    runner.stop(0)


@pytest.fixture
def address(listening: tuple[Runner, str]) -> str:
    return listening[1]


@pytest.fixture
def stranger(address: str) -> Iterator[Stranger]:
    stranger = Stranger(address)
    yield stranger
    stranger.close()


@pytest.fixture(autouse=True)
def honest(address: str) -> Iterator[None]:
    """Afterwards an honest client is answered, of each kind of method."""
    yield
    with Runner.attach(address) as attached:
        assert (attached.predict.run(np.ones((2, 3))) == 1).all()
        items = attached.count.run()
        assert next(items) == 0
        items.close()


@pytest.mark.parametrize("credit", [b"1000000000000", b"1025", b"0", b"-1", b"1e3", b"9" * 5000, "٣".encode(), b""])
def test_a_client_asks_for_a_bounded_number_of_items(stranger, credit):
    """More than 1024 at once, or what is no number, cuts it off: the counter of items was stepped up one by one."""
    stranger.call(1, "count")
    stranger.send(CREDIT, 1, credit)
    assert stranger.is_cut_off()


def test_items_are_made_as_they_are_asked_for(stranger):
    """Up to the bound the credit is good."""
    stranger.call(1, "count")
    stranger.send(CREDIT, 1, b"1024")
    assert [stranger.answer() for _ in range(1024)] == [(ITEM, number) for number in range(1024)]
    stranger.send(CANCEL, 1)


@pytest.mark.parametrize("shape", [(10**12, 0), (1 << 40, 0, 3)])
def test_rows_without_bytes_are_no_way_to_endless_work(listening, stranger, shape):
    """They cost nothing to send, and each batch of them costs as much as any: the call is refused, here as there."""
    runner, _ = listening
    stranger.call(1, "predict", np.zeros(shape))
    kind, error = stranger.answer()
    assert (kind, error["tiffin"]) == (ERROR, "BatchInputError")
    with pytest.raises(BatchInputError, match=r"has 1.* rows.*fewer rows"):
        runner.predict.run(np.zeros(shape))


@pytest.mark.parametrize("timeout", [1e300, float("inf"), float("nan"), -1.0, "soon", [1], 10**400])
def test_a_timeout_is_a_number_that_a_clock_can_count_to(stranger, timeout):
    """Another one fails its call only."""
    header = b'["predict",[1],{},{"t":[%s,false]}]' % (
        {"soon": b'"soon"'}.get(timeout, str(timeout).replace("inf", "Infinity").replace("nan", "NaN").encode())
        if isinstance(timeout, (str, float))
        else str(timeout).encode()
    )
    stranger.send(CALL, 1, header)
    kind, error = stranger.answer()
    assert (kind, error["tiffin"]) == (ERROR, "FrameError")


def test_timeouts_of_programs_are_checked_too(listening):
    """Where they are given, with the value."""
    runner, _ = listening
    for timeout in (1e300, float("nan"), -1):
        with pytest.raises(RunnerOptionError, match="timeout of a call is"):
            runner.predict.options(timeout=timeout)
    assert CallOptions(1e9).timeout == 1e9
    with pytest.raises(CallTimeoutError):
        runner.predict.options(timeout=0).run(np.zeros((1, 1)))


def test_the_thread_of_the_timers_outlives_a_time_that_never_comes():
    """The system's waits take no such number."""
    import threading
    import time

    timers = Desk("test", time.monotonic)
    timers.start()
    timers.call_at(1e300, lambda: None)
    rung = threading.Event()
    timers.call_at(time.monotonic(), rung.set)
    assert rung.wait(20)
    timers.call_at(0.0, lambda: None)
    timers.close()


class TestMemory:
    """What clients send, and do not read."""

    def test_unread_answers_hold_no_more_than_they_may(self, listening, stranger):
        """The calls of those beyond fail, in few bytes; whoever reads then is answered again."""
        before = resident()
        for number in range(1, 41):
            stranger.call(number, "large", 32 * MIB)
            if number > 2:
                # Each is done before the next: what is measured is what waits unread.
                settle(listening[1])
        held = resident() - before
        assert held < 400 * MIB
        kinds = [stranger.answer()[0] for _ in range(40)]
        assert RESULT in kinds
        assert ERROR in kinds
        stranger.call(41, "large", 10)
        assert stranger.answer()[0] == RESULT

    def test_open_calls_have_a_budget_of_bytes(self, listening, stranger):
        """A client whose calls wait may not fill the memory; cancelled ones count until they are gone."""
        let_go = gate(listening[0])
        let_go.clear()
        for number in range(1, 6):
            stranger.call(number, "predict", np.zeros((1, MIB)))
            if number % 2:
                stranger.send(CANCEL, number)
        kind, error = stranger.answer()
        assert (kind, error["tiffin"]) == (ERROR, "QueueFullError")
        assert "bytes" in error["what"]
        let_go.set()
        stranger.call(6, "predict", np.zeros(1))
        assert [stranger.answer()[0] for _ in range(2 + 1)].count(ERROR) <= 1

    def test_a_call_larger_than_the_budget_is_refused_before_it_is_sent(self, address):
        """The client knows the runner's limits from its greeting."""
        with Runner.attach(address) as attached, pytest.raises(UnsendableError, match="takes 33554432 at a time"):
            attached.predict.run(np.zeros(33 * MIB // 8))

    def test_a_frame_beyond_the_budget_is_cut_off_before_memory_is_taken(self, stranger):
        """Whatever its prefix claims."""
        before = resident()
        stranger.write(PREFIX.pack(b"Tf", CALL, 0, 2, 1, 1) + np.array([1 << 33, 0, 0], "<u8").tobytes() + b"[]")
        assert stranger.is_cut_off()
        assert resident() - before < 16 * MIB

    def test_claims_of_several_clients_have_one_budget(self, address):
        """Frames that never come to their end take no more than all clients together may."""
        held = []
        for _ in range(3):
            stranger = Stranger(address)
            claim = np.array([30 * MIB, 0, 0], "<u8").tobytes() + b"[]"
            stranger.write(PREFIX.pack(b"Tf", CALL, 0, 2, 1, 1) + claim + bytes(70_000))
            held.append(stranger)
        assert held[2].is_cut_off()
        for stranger in held:
            stranger.close()


def settle(address: str) -> None:
    """Return when the runner's thread for clients has done what it had to do."""
    other = Stranger(address)
    other.call(1, "predict", np.zeros(1))
    other.answer()
    other.close()


def settle_queue(runner: Runner, rows: int) -> None:
    """Return when so many rows wait in line."""
    while runner.metrics()["waiting_rows"] < rows:
        os.sched_yield()


def gate(runner: Runner) -> Any:
    """Return the event that the runner's model waits for before it predicts."""
    return runner.engine.seats[0].worker.bind("predict").__self__.let_go


class TestCounts:
    """Calls, rows, clients, descriptors."""

    def test_open_calls_have_a_budget(self, listening, stranger):
        """More are turned away, and may come again when others are answered."""
        let_go = gate(listening[0])
        let_go.clear()
        for number in range(1, 52):
            stranger.call(number, "predict", np.zeros((1, 1)))
        kind, error = stranger.answer()
        assert (kind, error["tiffin"], error["facts"]["retry_after"]) == (ERROR, "QueueFullError", 0.1)
        let_go.set()
        assert [stranger.answer()[0] for _ in range(50)] == [RESULT] * 50
        stranger.call(99, "predict", np.zeros((1, 1)))
        assert stranger.answer()[0] == RESULT

    def test_rows_have_a_budget(self, listening, stranger):
        """One client cannot fill the queue: what it may not have is there for the next one."""
        let_go = gate(listening[0])
        let_go.clear()
        stranger.call(1, "predict", np.zeros((1, 1)))
        stranger.call(2, "predict", np.zeros((7_400, 1)))
        stranger.call(3, "predict", np.zeros((1_000, 1)))
        kind, error = stranger.answer()
        assert (kind, error["tiffin"]) == (ERROR, QueueFullError.__name__)
        assert "7401 in open calls" in error["what"]
        other = Stranger(listening[1])
        other.call(1, "predict", np.zeros((1_000, 1)))
        let_go.set()
        assert [client.answer()[0] for client in (stranger, stranger, other)] == [RESULT] * 3
        stranger.call(4, "predict", np.zeros((7_000, 1)))
        assert stranger.answer()[0] == RESULT, "what is answered counts no more"
        other.close()

    def test_rows_of_all_clients_have_a_limit(self, listening, stranger):
        """While they wait, there are no more than the queue holds, from all clients together."""
        let_go = gate(listening[0])
        let_go.clear()
        other = Stranger(listening[1])
        stranger.call(1, "predict", np.zeros((1, 1)))
        stranger.call(2, "predict", np.zeros((7_000, 1)))
        settle_queue(listening[0], 7_000)
        other.call(1, "predict", np.zeros((7_000, 1)))
        kind, error = other.answer()
        assert (kind, error["tiffin"]) == (ERROR, QueueFullError.__name__)
        let_go.set()
        assert [stranger.answer()[0] for _ in range(2)] == [RESULT] * 2
        other.close()

    def test_idle_streams_of_one_client_leave_lanes_for_others(self, listening, stranger):
        """It may hold some of the lanes; its further calls wait for its own, and run when one of those ends."""
        for number in range(1, 41):
            stranger.call(number, "count")
            stranger.send(CREDIT, number, b"1")
        assert [stranger.answer()[0] for _ in range(3)] == [ITEM] * 3, "three quarters of 4 lanes"
        with Runner.attach(listening[1]) as attached:
            items = attached.count.run()
            assert next(items) == 0, "the other one is free"
        for number in range(40, 0, -1):  # those that wait first
            stranger.send(CANCEL, number)
        stranger.call(99, "count")
        stranger.send(CREDIT, 99, b"1")
        assert stranger.answer()[0] == ITEM, "in place of one that ended"

    def test_a_number_of_an_open_call_cannot_be_used_again(self, stranger):
        """Two open calls under one number would share an answer."""
        stranger.call(1, "count")
        stranger.call(1, "count")
        assert stranger.is_cut_off()

    def test_clients_have_a_limit(self, address):
        """Those beyond are turned away at once, and let in when others have gone."""
        several = [Stranger(address) for _ in range(4)]
        for stranger in several:
            stranger.call(1, "large", 1)
            assert stranger.answer()[0] == RESULT
        late = Stranger(address, greets=False)
        assert late.is_cut_off()
        for stranger in [late, *several]:
            stranger.close()
        for _ in range(10_000):  # until the runner has noticed
            with contextlib.suppress(RunnerClosedError), Runner.attach(address):
                return
        raise AssertionError("nobody is let in")

    def test_parked_descriptors_are_few_and_not_for_ever(self, stranger, monkeypatch):
        """More than belong to one message cut off at once; fewer, once their frame does not come."""
        ours, theirs = os.pipe()
        stranger.park([theirs] * LIMITS.descriptors, b"T")
        stranger.park([theirs], b"f")
        assert stranger.is_cut_off()
        os.close(theirs)
        assert wait_until_gone(ours)  # nobody holds the other end

    def test_segments_have_a_limit(self, address, stranger):
        """Each takes a descriptor here."""
        before = segments_of()
        for number in range(1, 66):
            stranger.lend(number, 4096).close()
        assert stranger.is_cut_off()
        settle(address)
        assert segments_of() <= before


class TestLentMemory:
    """What a client lends it may change at any moment, after a check too."""

    @pytest.mark.parametrize(
        "argument",
        [
            b'{"a":["<i8",[512]]}',
            b'{"a":["|b1",[4096]]}',
            b'{"a":["|u1",[4096]]}',
            b'{"a":["<U1",[1024]]}',
            b'{"a":["<M8[s]",[512]]}',
            b'{"a":[{"fields":[["x","<f8",0]],"size":8},[512]]}',
            b'{"s":0}',
            b'{"b":0}',
            b'{"q":0}',
            b'{"f":0}',
        ],
    )
    def test_nothing_that_decides_is_taken_from_there(self, stranger, argument):
        """Places, masks, texts, and bytes that compiled code parses could be others after they were checked."""
        stranger.lend(1, 4096).close()
        stranger.send(CALL, 1, b'["predict",[%s],{},null]' % argument, [Shared(4096, 1, 1)])
        kind, error = stranger.answer()
        assert (kind, error["tiffin"]) == (ERROR, "FrameError")
        assert "may change" in error["what"]

    def test_neither_strings_nor_their_lengths_nor_the_numbers_of_calls_are(self, stranger):
        """Nor any of several buffers of a value."""
        stranger.lend(1, 4096).close()
        for number, buffers in enumerate(([Shared(8, 1, 1), bytes(8)], [b"", Shared(8, 1, 2)]), 1):
            stranger.send(CALL, number, b'["predict",[{"o":[[1],{"S":0}]}],{},null]', buffers)
            kind, error = stranger.answer()
            assert (kind, "may change" in error["what"]) == (ERROR, True)
        header = b'["predict",[{"a":["<i8",[2]]},{"a":["<f8",[2,2]]}],{},null]'
        stranger.send(CALLS, 1, header, [Shared(16, 1, 3), bytes(32)])
        assert stranger.is_cut_off()

    def test_floating_point_numbers_are(self, stranger):
        """They are answered as they are when they are read."""
        memory = stranger.lend(1, 4096)
        memory[:16] = np.array([1.0, 2.0]).tobytes()
        stranger.send(CALL, 1, b'["predict",[{"a":["<f8",[2]]}],{},null]', [Shared(16, 1, 1)])
        kind, answer = stranger.answer()
        assert (kind, answer.tolist()) == (RESULT, [1.0, 2.0])
        memory.close()

    @pytest.mark.parametrize("dtype", ["<f8", "<c16", "<i8", "|u1", "|b1", "<U3"])
    def test_large_arrays_of_every_kind_come_and_go(self, address, dtype):
        """Those that cannot be lent go through the socket."""
        given = np.arange(MIB // 4).astype(dtype)
        with Runner.attach(address) as attached:
            answer = attached.predict.run(given)
        assert answer.dtype == given.dtype
        assert (answer == given).all()


class TestPatience:
    """What is begun and does not go on."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(_client, "_PATIENCE", 0.05)

    @pytest.mark.parametrize("begun", [b"T", PREFIX.pack(b"Tf", CALL, 0, 1000, 1, 0) + b"["])
    def test_a_frame_that_does_not_go_on_is_cut_off(self, address, begun):
        """It holds memory, and may hold descriptors."""
        stranger = Stranger(address)
        ours, theirs = os.pipe()
        stranger.park([theirs], begun)
        os.close(theirs)
        assert stranger.is_cut_off()
        assert os.read(ours, 1) == b""
        os.close(ours)
        stranger.close()

    def test_a_client_that_does_not_greet_is_cut_off(self, address, monkeypatch):
        """It holds a connection."""
        monkeypatch.setattr(_client, "_GREETING", 0.05)
        stranger = Stranger(address, greets=False)
        assert stranger.is_cut_off()
        stranger.close()
