"""An exception from a signal handler, at any line of a call: the runner goes on answering."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy
import pytest

import tiffin
from tiffin.runners import Runnable, Runner

ROOM = str(Path(tiffin.__file__).parent)
X = numpy.ones((1, 2))
LARGE = numpy.ones((1, 1 << 15))  # goes through shared memory


class SoftLimitError(Exception):
    """What the handler raises."""


class Model(Runnable):
    @Runnable.method(batchable=True)
    def predict(self, rows: Any) -> Any:
        return rows + 1

    @Runnable.method
    async def later(self, value: int) -> int:
        return value

    @Runnable.method
    def count(self, limit: int) -> Iterator[int]:
        yield from range(limit)


def interrupt_at(line: int, call: Callable[[], Any]) -> bool:
    """Raise in this thread at the given line of Tiffin's that the call comes to; return whether it came so far."""
    left = line

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(ROOM):
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
