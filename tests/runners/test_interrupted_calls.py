"""An exception from a signal handler, at any line of a call: the runner goes on answering."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import numpy
import pytest

import tiffin
from tiffin.exceptions import PluginError
from tiffin.plugins import registry
from tiffin.runners import Runnable, Runner
from tiffin.values import ValueKind, find_kind

ROOM = str(Path(tiffin.__file__).parent)
X = numpy.ones((1, 2))
LARGE = numpy.ones((1, 1 << 15))  # goes through shared memory


class SoftLimitError(Exception):
    """What the handler raises."""


class Model(Runnable):
    @Runnable.method(batchable=True)
    def predict(self, rows: Any) -> Any:
        return rows + 1

    @Runnable.method(batchable=True)
    def answer(self, newcomers: Any) -> Any:
        return newcomers.answered()

    @Runnable.method
    async def later(self, value: int) -> int:
        return value

    @Runnable.method
    def count(self, limit: int) -> Iterator[int]:
        yield from range(limit)


def interrupt_at(line: int, call: Callable[[], Any], rooms: tuple[str, ...] = (ROOM,)) -> bool:
    """Raise in this thread at the given line of Tiffin's that the call comes to; return whether it came so far."""
    left = line

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(rooms):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise SoftLimitError
        return trace

    with contextlib.suppress(SoftLimitError):
        sys.settrace(trace)
        try:
            call()
        finally:
            sys.settrace(None)
    return left <= 0


CALLS: dict[str, Callable[[Any], Any]] = {
    "run": lambda runner: runner.predict.run(X),
    "many bytes": lambda runner: runner.predict.run(LARGE),
    "a call with options": lambda runner: runner.predict.options(timeout=30, explain=True).run(X),
    "an async method": lambda runner: runner.later.run(1),
    "a stream": lambda runner: list(runner.count.run(2)),
}


@pytest.fixture(params=["local", "process", "attached"], scope="module")
def any_runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A runner of each kind, started once: every interrupted call must leave it well for the next."""
    with Runner(Model, backend="process" if request.param == "process" else "local", max_concurrency=2) as runner:
        if request.param == "attached":
            with Runner.attach(runner.listen(tmp_path_factory.mktemp("attached") / "private" / "socket")) as attached:
                yield attached
        else:
            yield runner


# An interrupt in a finalizer is reported there and goes no further: it is Python's, not a failure of the call.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("what", CALLS)
def test_a_call_interrupted_at_any_line_leaves_the_runner_answering(any_runner: Any, what: str) -> None:
    """A tracer raises at each line of the call in turn; after each, calls of every kind are answered."""
    line = 0
    while True:
        line += 1
        reached = interrupt_at(line, lambda: CALLS[what](any_runner))
        answer = any_runner.predict.options(timeout=10).run(X)
        assert (answer == X + 1).all(), f"after an interrupt at line {line}"
        assert any_runner.later.options(timeout=10).run(line) == line, f"after an interrupt at line {line}"
        if not reached:
            break
    assert line > 10
    assert list(any_runner.count.options(timeout=10).run(3)) == [0, 1, 2]
    assert any_runner.ready()


class Newcomers:
    """Rows of a class that nobody has met: each plugin below brings two classes of its own."""

    answer_class: type

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows

    def answered(self) -> Any:
        return self.answer_class(self.rows)


class NewcomersKind(ValueKind):
    def __init__(self, cls: type) -> None:
        self.name, self.types = f"newcomers.{cls.__name__}", (cls,)

    def count(self, value: Any, axis: int) -> int:
        return len(value.rows)

    def key(self, value: Any, axis: int) -> Any:
        return type(value)

    def join(self, values: Any, axis: int) -> Any:
        return type(values[0])([row for value in values for row in value.rows])

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        return type(value)(value.rows[start:stop])


def newcomers(number: int) -> tuple[type, object]:
    """Return a class that nobody has met, and a plugin that knows it and the class of its answers."""
    answer = type(f"Answer{number}", (Newcomers,), {})
    question = type(f"Question{number}", (Newcomers,), {"answer_class": answer})

    class Plugin:
        @tiffin.hookimpl
        def values(self) -> list[ValueKind]:
            return [NewcomersKind(question), NewcomersKind(answer)]

    return question, Plugin()


def lines_of(call: Callable[[], Any], rooms: tuple[str, ...]) -> list[int]:
    """Return where in a call, in lines of these rooms, each line is come to first, and where last."""
    first: dict[tuple[str, int], int] = {}
    last: dict[tuple[str, int], int] = {}
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(rooms):
            return None
        if event == "line":
            count += 1
            place = (frame.f_code.co_filename, frame.f_lineno)
            first.setdefault(place, count)
            last[place] = count
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return sorted({*first.values(), *last.values()})


# What strikes within a plugin's hook counts as its failure, and is told: it is asked again.
@pytest.mark.filterwarnings("ignore::tiffin.exceptions.PluginWarning")
def test_a_class_that_is_first_seen_in_an_interrupted_call_is_known_in_the_next() -> None:
    """At each line that asks plugins for kinds of values, in the caller's thread; the runner's own threads meet the other."""
    registry().usable()  # adapters are imported once in a process, and not by this call
    rooms = (str(Path(ROOM, "values")), str(Path(ROOM, "plugins")))
    lines = [0]
    with Runner(Model) as runner:
        for line in lines:
            question, plugin = newcomers(line)
            tiffin.register(plugin, "newcomers")

            def call(question: type = question) -> None:
                runner.answer.run(question([1]))

            try:
                if line == 0:
                    lines += lines_of(call, rooms)
                # What strikes while a plugin is looked at is told as a fault of that plugin.
                with contextlib.suppress(PluginError):
                    interrupt_at(line, call, rooms)
                answer = runner.answer.options(timeout=10).run(question([1, 2]))
            finally:
                tiffin.unregister("newcomers")
            assert (type(answer), answer.rows) == (question.answer_class, [1, 2]), f"after an interrupt at line {line}"
    assert len(lines) > 100


def test_a_class_that_several_threads_meet_at_once_is_known_to_all() -> None:
    """None of them goes on without an answer while another one asks."""
    meeting = threading.Barrier(4, timeout=30)
    question, plugin = newcomers(0)

    class Slow:
        @tiffin.hookimpl
        def values(self) -> Any:
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait()  # all of them are within the question
            return plugin.values()  # type: ignore[attr-defined]

    tiffin.register(Slow(), "newcomers")
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: find_kind(question([])), range(4)))
    finally:
        tiffin.unregister("newcomers")
    assert [kind.name for kind in found if kind] == ["newcomers.Question0"] * 4
