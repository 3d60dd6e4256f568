"""Stations: workers that share what computes take full batches ahead, and only those."""

from __future__ import annotations

from typing import Any

from tiffin.batching import Batch, Chunk, Core, Layout, Method, Station
from tiffin.exceptions import WorkerDiedError

LAYOUT = Layout("predict", (), (), {}, 0)


class Call:
    def done(self) -> bool:
        return False


def make_core(threads: int = 1, workers: int = 2) -> Core:
    core = Core("simulated", [Method("predict", max_batch_size=10)])
    station = Station(threads)
    for worker in range(workers):
        core.add_worker(worker, station)
    return core


def submit(core: Core, calls: int, now: float = 0.0) -> list[Batch]:
    sink: Any = None
    method = core.methods["predict"]
    core.submit(Chunk(method, "key", LAYOUT, [None] * calls, [Call() for _ in range(calls)], 1, None, sink), now)
    return core.dispatch(now)


def test_a_second_worker_takes_a_full_batch_ahead_and_nothing_less() -> None:
    """What is not full waits for others to join until the first is done."""
    core = make_core()
    (first,) = submit(core, 1)
    assert not first.ahead
    assert submit(core, 9) == []
    (second,) = submit(core, 6)
    assert second.ahead
    assert second.rows == 10
    assert core.workforce.count() == 1
    core.finish(first, 1.0)
    assert not second.ahead
    assert second.started == 1.0
    assert core.take(first.worker, 1.0) is None, "five rows wait, and the other worker computes"
    core.finish(second, 2.0)
    last = core.take(second.worker, 2.0)
    assert last is not None
    assert last.rows == 5


def test_what_a_batch_costs_is_counted_from_when_it_is_computed() -> None:
    """Not from when it was sent ahead."""
    core = make_core()
    first, second = submit(core, 20)
    core.finish(first, 1.0)
    core.finish(second, 2.0)
    assert core.methods["predict"].cost.estimate(10) == 1.0


def test_as_many_workers_take_anything_as_can_compute() -> None:
    """Three workers with two threads: two take single calls, the third only full batches."""
    core = make_core(threads=2, workers=3)
    assert [batch.ahead for batch in submit(core, 1) + submit(core, 1)] == [False, False]
    assert submit(core, 1) == []
    (ahead,) = submit(core, 9)
    assert ahead.ahead


def test_a_batch_sent_ahead_is_not_counted_as_repeated_when_its_worker_dies() -> None:
    """It had not begun. Only what was computed is blamed, and fails at the second death."""
    core = make_core()
    deadly, innocent = submit(core, 20)
    for batch in (deadly, innocent):
        core.fail(batch, WorkerDiedError("died", worker="w", exit_code=-9), 1.0)
    again = core.take(0, 1.0)
    assert again is not None
    assert again.chunks == deadly.chunks
    assert core.take(1, 1.0) is None, "a batch that runs again to be tried is not full work to send ahead"
    core.fail(again, WorkerDiedError("died", worker="w", exit_code=-9), 2.0)
    assert [chunk for chunk, _ in core.collect()] == deadly.chunks
    last = core.take(0, 2.0)
    assert last is not None
    assert last.chunks == innocent.chunks
    assert not any(chunk.repeated for chunk in last.chunks)
    assert core.methods["predict"].counters.repeated == 1
