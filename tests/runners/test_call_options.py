"""What callers say of a call goes with it: to workers of every kind, to hooks, to whoever lets it in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import tiffin
from tiffin.exceptions import CallTimeoutError, RunnerOptionError
from tiffin.runners import CallAbout, CallOptions, Runnable, Runner, running_calls

X = numpy.ones((1, 2))
ABOUT = {"request_id": "req-1", "trace_parent": f"00-{'a' * 32}-{'b' * 16}-01"}


def told() -> list[tuple[Any, ...]]:
    return [tuple(about) for about in running_calls()]


class Telling(Runnable):
    """Answers with what was said of the calls."""

    @Runnable.method
    def plain(self) -> Any:
        return told()

    @Runnable.method
    async def later(self) -> Any:
        await asyncio.sleep(0)
        return told()

    @Runnable.method
    def items(self) -> Iterator[Any]:
        yield told()
        yield told()

    @Runnable.method
    async def later_items(self) -> Any:
        yield told()

    @Runnable.method(batchable=True)
    def rows(self, x: Any) -> Any:
        ids = [about.request_id for about in running_calls()]
        return numpy.array([[len(x), ids.count(f"req-{int(row[0])}")] for row in x])


@pytest.fixture(params=["local", "process", "attached"], scope="module")
def telling(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with Runner(Telling, backend="process" if request.param == "process" else "local") as runner:
        if request.param == "attached":
            with Runner.attach(runner.listen(tmp_path_factory.mktemp("telling") / "private" / "socket")) as attached:
                yield attached
        else:
            yield runner


@pytest.mark.parametrize("how", ["plain", "later"])
def test_a_method_is_told_what_was_said_of_its_call(telling: Any, how: str) -> None:
    """Deadline, request id and trace parent arrive in the worker, and nothing of them stays for the next call."""
    deadline = time.monotonic() + 60
    method = getattr(telling, how)
    expected = [(deadline, ABOUT["request_id"], ABOUT["trace_parent"])]
    assert method.options(deadline=deadline, **ABOUT).run() == expected
    assert asyncio.run(method.options(deadline=deadline, explain=True, **ABOUT).async_run()).result == expected
    assert method.run() == []
    assert running_calls() == ()


@pytest.mark.parametrize("how", ["items", "later_items"])
def test_a_stream_is_told_what_was_said_of_it(telling: Any, how: str) -> None:
    """For every item; and the next stream is told nothing."""
    found = list(getattr(telling, how).options(**ABOUT).run())
    assert found == [[(None, *ABOUT.values())]] * len(found)
    assert found
    assert next(getattr(telling, how).run()) == []


def test_calls_of_one_tick_merge_and_each_keeps_its_id(telling: Any) -> None:
    """What is said of a call keeps it neither from merging nor from travelling with others."""

    async def calls() -> list[Any]:
        return await asyncio.gather(
            *(
                telling.rows.options(request_id=f"req-{number}").async_run(numpy.array([[number]]))
                for number in range(40)
            )
        )

    answers = asyncio.run(calls())
    assert [list(answer[0])[1] for answer in answers] == [1] * 40
    assert max(answer[0][0] for answer in answers) > 1


def test_a_call_whose_deadline_has_passed_is_not_run(telling: Any) -> None:
    """It ends at once, whoever asks: the answer is worth nothing."""
    late = {"deadline": time.monotonic() - 1}
    with pytest.raises(CallTimeoutError, match="by its deadline"):
        telling.rows.options(**late).run(X)
    with pytest.raises(CallTimeoutError, match="by its deadline"):
        asyncio.run(telling.rows.options(**late).async_run(X))
    with pytest.raises(CallTimeoutError, match="within 30 s or by its deadline"):
        telling.later.options(timeout=30, **late).run()
    with pytest.raises(CallTimeoutError):
        list(telling.items.options(**late).run())


class Gated(Runnable):
    gate = threading.Event()
    seen: list[Any] = []  # noqa: RUF012 - the test and the runnable share it

    @Runnable.method(batchable=True)
    def wait(self, x: Any) -> Any:
        self.seen.append(len(x))
        self.gate.wait(30)
        return x


def test_a_call_that_waits_beyond_its_deadline_ends_and_never_runs() -> None:
    """Its caller is told when the time has come; the worker never sees it."""
    Gated.gate.clear()
    Gated.seen.clear()
    with Runner(Gated, max_batch_size=1) as runner:
        first = threading.Thread(target=runner.wait.run, args=(X,))
        first.start()
        try:
            with pytest.raises(CallTimeoutError):
                runner.wait.options(deadline=time.monotonic() + 0.05).run(X)
        finally:
            Gated.gate.set()
            first.join()
        runner.wait.run(X)
    assert Gated.seen == [1, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"deadline": float("nan")},
        {"deadline": "soon"},
        {"request_id": "x" * 201},
        {"request_id": "a\nb"},
        {"trace_parent": 7},
    ],
)
def test_what_is_no_option_is_refused_with_what_to_write(wrong: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(RunnerOptionError, match=next(iter(wrong))):
        CallOptions(**wrong)


class Watcher:
    def __init__(self) -> None:
        self.ran: queue.Queue[Any] = queue.Queue()
        self.fails = False

    @tiffin.hookimpl
    def batch_ran(self, batch: Any) -> None:
        self.ran.put(batch)
        if self.fails:
            raise OSError("the disk of the log is full")


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    made = Watcher()
    tiffin.register(made, name="watcher")
    yield made
    tiffin.unregister("watcher")


class Fussy(Runnable):
    @Runnable.method(batchable=True)
    def predict(self, x: Any) -> Any:
        if numpy.isnan(x).any():
            raise ValueError("a value is missing")
        return x

    @Runnable.method
    async def later(self) -> int:
        return 1


@pytest.mark.parametrize("backend", ["local", "process"])
def test_plugins_hear_of_every_run_with_its_times_and_error(watcher: Watcher, backend: str) -> None:
    """Runs in the caller's thread, queued ones, failed ones, async ones: each once, after its answer."""
    said = (CallAbout(None, *ABOUT.values()),)
    with Runner(Fussy, backend=backend, name="watched") as runner:
        telling = runner.predict.options(**ABOUT)
        calls: list[tuple[Callable[[], Any], str, bool, Any]] = [
            (lambda: telling.run(X), "predict", False, said),
            (lambda: asyncio.run(telling.async_run(X)), "predict", False, said),
            (lambda: telling.run(X * numpy.nan), "predict", True, said),
            (lambda: runner.later.options(**ABOUT).run(), "later", False, said),
            (lambda: runner.predict.run(X), "predict", False, ()),
        ]
        for call, method, fails, abouts in calls:
            with contextlib.suppress(ValueError):
                call()
            ran = watcher.ran.get(timeout=20)
            assert (ran.runner, ran.method, ran.calls, ran.abouts) == ("watched", method, 1, abouts)
            assert isinstance(ran.error, ValueError) == fails
            assert all(arrived <= ran.finished for arrived in ran.arrived)
            assert ran.started <= ran.finished
    assert watcher.ran.empty()


def test_a_plugin_that_fails_is_logged_and_the_answer_does_not_suffer(
    watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    """Who watches must not break what is watched."""
    watcher.fails = True
    with caplog.at_level(logging.ERROR, "tiffin.runners"), Runner(Fussy) as runner:
        assert (runner.predict.run(X) == X).all()
        assert (asyncio.run(runner.predict.async_run(X)) == X).all()
        assert runner.later.run() == 1
    assert watcher.ran.qsize() == 3
    assert caplog.text.count("a plugin fails to take note of a batch of runner 'fussy'") == 3
