"""Threads, event loops and synchronous callers at once on one runner: each gets exactly its own rows."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy
import pytest

from tiffin.exceptions import CallTimeoutError, LatencyLimitError, UndecidedError
from tiffin.runners import Runnable, Runner

BAD = -1.0


class Model(Runnable):
    """Fails for a batch with a bad value in it."""

    SUPPORTS_CPU_MULTI_THREADING = True

    @Runnable.method(batchable=True)
    def predict(self, x: Any, scale: int = 1) -> Any:
        if (x == BAD).any():
            raise ValueError("bad value")
        return x.sum(axis=1) * scale

    @Runnable.method(batchable=True, batch_dim=1)
    def across(self, x: Any) -> Any:
        return x * 2

    @Runnable.method
    def plain(self, x: Any) -> Any:
        return x.shape

    @Runnable.method
    async def later(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return x + 1

    @Runnable.method
    def stream(self, count: int) -> Any:
        yield from range(count)


def plan(seed: int, calls: int) -> list[tuple[str, Any, dict[str, Any]]]:
    """Return calls of all kinds: many alike, so that they merge, some larger than a batch, some bad."""
    draws = random.Random(seed)
    made: list[tuple[str, Any, dict[str, Any]]] = []
    for _ in range(calls):
        rows = draws.choice([1] * 12 + [2, 3, 70])
        x = numpy.full((rows, 4), float(draws.randint(0, 1000)))
        kind = draws.choice(["predict"] * 8 + ["scaled", "bad", "across", "plain", "later", "stream"])
        if kind == "scaled":
            made.append(("predict", x, {"scale": draws.choice([2, 3])}))
        elif kind == "bad":
            x[-1, -1] = BAD
            made.append(("predict", x, {}))
        elif kind == "stream":
            made.append(("stream", draws.randint(0, 4), {}))
        else:
            made.append((kind, x, {}))
    return made


def judge(call: tuple[str, Any, dict[str, Any]], answer: Any) -> None:
    method, x, kwargs = call
    if method == "stream":
        assert answer == list(range(x))
    elif method == "predict" and (x == BAD).any():
        # Several bad ones in a batch can spend the budget.
        assert isinstance(answer, (ValueError, UndecidedError))
    elif method == "predict":
        if not isinstance(answer, UndecidedError):
            assert numpy.array_equal(answer, x.sum(axis=1) * kwargs.get("scale", 1))
    elif method == "across":
        assert numpy.array_equal(answer, x * 2)
    elif method == "plain":
        assert answer == x.shape
    else:
        assert numpy.array_equal(answer, x + 1)


def from_a_thread(runner: Runner, seed: int) -> None:
    for call in plan(seed, 60):
        method, x, kwargs = call
        try:
            answer = runner.methods[method].run(x, **kwargs)
            if method == "stream":
                answer = list(answer)
        except (ValueError, UndecidedError) as error:
            answer = error
        judge(call, answer)


async def one(runner: Runner, call: tuple[str, Any, dict[str, Any]]) -> None:
    method, x, kwargs = call
    try:
        answer = await runner.methods[method].async_run(x, **kwargs)
        if method == "stream":
            answer = [item async for item in answer]
    except (ValueError, UndecidedError) as error:
        answer = error
    judge(call, answer)


async def impatient(runner: Runner, number: int) -> None:
    """Leave before the answer is there."""
    task = asyncio.create_task(runner.methods["predict"].async_run(numpy.full((1, 4), float(number))))
    for _ in range(number % 4):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def from_a_loop(runner: Runner, seed: int) -> None:
    calls = plan(seed, 200)
    await asyncio.gather(*[one(runner, call) for call in calls], *[impatient(runner, n) for n in range(20)])


def run_all(jobs: list[Callable[[], None]]) -> None:
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        start.wait()
        job()

    with ThreadPoolExecutor(len(jobs)) as executor:
        for future in [executor.submit(run, job) for job in jobs]:
            future.result(timeout=120)


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (2, 1), (1, 3)])
def test_threads_and_event_loops_at_once_each_get_their_own_rows(workers: int, threads: int) -> None:
    """Four threads and four loops with hundreds of calls of all kinds, some bad, some cancelled: nobody is mixed up."""
    with Runner(Model, max_batch_size=50, workers=workers, threads=threads, max_concurrency=4) as runner:
        jobs: list[Callable[[], None]] = []
        for seed in range(4):
            jobs.append(lambda seed=seed: from_a_thread(runner, seed))  # type: ignore[misc]
            jobs.append(lambda seed=seed: asyncio.run(from_a_loop(runner, 100 + seed)))  # type: ignore[misc]
        run_all(jobs)
        while runner.metrics()["busy"]:  # a worker hands its answers over before it is counted free
            os.sched_yield()
        metrics = runner.metrics()
    assert metrics["waiting_rows"] == 0
    counters = metrics["methods"]["predict"]
    assert counters["batches"] - counters["probes"] < counters["calls"], "nothing merged"


def test_overload_with_impatient_callers_ends() -> None:
    """Refused callers that come back at once, timeouts, a limit of latency: every call ends, and the queue is empty."""
    held = threading.Event()

    class Slow(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x: Any) -> Any:
            held.wait(0.002)
            return x

    async def caller(runner: Runner, number: int, ends: list[str]) -> None:
        for _ in range(20):
            try:
                timeout = 0.001 if number % 7 == 0 else None
                answer = await runner.predict.options(timeout=timeout).async_run(numpy.full((1, 2), number))
                assert (answer == number).all()
                ends.append("answered")
            except LatencyLimitError as error:
                ends.append("refused" if error.retry_after > 0 else "refused without an estimate")
                await asyncio.sleep(0)
            except CallTimeoutError:
                ends.append("timed out")

    async def everybody(runner: Runner, ends: list[str]) -> None:
        await asyncio.gather(*[caller(runner, number, ends) for number in range(100)])

    with Runner(Slow, max_batch_size=5, max_latency_ms=10) as runner:
        runner.engine.core.methods["predict"].cost.learn(1, 1.0)  # learned far too high
        ends: list[list[str]] = [[], [], []]
        run_all([lambda own=own: asyncio.run(everybody(runner, own)) for own in ends])  # type: ignore[misc]
        assert [len(own) for own in ends] == [2000] * 3
        metrics = runner.metrics()
    together = [end for own in ends for end in own]
    assert set(together) <= {"answered", "refused", "timed out"}
    assert {"answered", "refused"} <= set(together)
    assert metrics["waiting_rows"] == 0
    refused = metrics["methods"]["predict"]["refused"] + metrics["methods"]["predict"]["dropped"]
    assert refused >= together.count("refused"), "some may have timed out while they were refused"


def test_many_short_lived_event_loops_leave_nothing_behind() -> None:
    """asyncio.run for each call: ports of closed loops are forgotten."""

    async def call(runner: Runner) -> Any:
        return await runner.predict.async_run(numpy.ones((1, 4)))

    with Runner(Model) as runner:
        for _ in range(30):
            assert asyncio.run(call(runner)) == [4.0]
        assert len(runner.methods["predict"]._ports._ports) <= 2
        assert len(runner.methods["predict"]._stages) <= 2


def test_a_loop_that_is_closed_with_calls_open_does_not_harm_others() -> None:
    """Its answers find nobody."""
    release, running = threading.Event(), threading.Event()

    class Held(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x: Any) -> Any:
            running.set()
            release.wait(30)
            return x

    with Runner(Held) as runner:
        loop = asyncio.new_event_loop()
        task = loop.create_task(runner.predict.async_run(numpy.ones(1)))
        while not running.is_set():
            loop.run_until_complete(asyncio.sleep(0))
        waiting: list[Any] = []
        thread = threading.Thread(target=lambda: waiting.append(runner.predict.run(numpy.zeros(1))))
        thread.start()
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()
        release.set()
        thread.join(30)
        assert waiting == [[0.0]]
