"""Who is let in, and who is dropped, under a limit of latency.

The rule: a call is refused only if a full batch waits already, and the work before it and its own would end after the
limit, by the learned costs and with a margin for their error. Without the first part a cost learned too high would lock
itself in: it would let in single rows only, whose cost per row is the highest, and never see that batches are cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiffin.batching._chunks import Batch, Chunk
    from tiffin.batching._method import Method


def remaining_seconds(batch: Batch, now: float) -> float:
    """Return what is left of a batch that runs, seconds; all of it if it waits in its worker for another one to end."""
    cost = batch.method.cost.estimate(batch.rows)
    return cost if batch.ahead else max(0.0, batch.started + cost - now)


def running_seconds(busy: Iterable[Batch], now: float) -> float:
    """Return what is left of the running batches, together, seconds."""
    return sum(remaining_seconds(batch, now) for batch in busy)


def work_seconds(method: Method, rows: float, groups: int = 0) -> float:
    """Return what a method's rows in line cost: full batches, a last one, and the smallest for each further group."""
    size = method.max_batch_size
    full, rest = divmod(rows, size)
    cost = method.cost
    seconds = full * cost.estimate(size) + cost.estimate(rest)
    if groups > 1:
        seconds += (groups - 1) * cost.estimate(1)
    return seconds


class Forecast:
    """How long a call that arrives now would take to be answered."""

    __slots__ = ("_base", "_method", "_workers")

    def __init__(self, method: Method, methods: Mapping[str, Method], busy: Iterable[Batch], workers: int, now: float):
        self._method = method
        self._workers = max(1, workers)
        self._base = running_seconds(busy, now) + sum(
            work_seconds(other, other.waiting, other.groups)
            for other in methods.values()
            if other is not method and other.waiting
        )

    def seconds(self, rows: float) -> float:
        """Return when the last of this many rows is answered, those that wait already and the call's own included."""
        method = self._method
        size = method.max_batch_size
        full, rest = divmod(rows, size)
        # The batches before the last one are shared out among the workers.
        before = self._base + full * method.cost.estimate(size)
        if method.groups > 1:
            before += (method.groups - 1) * method.cost.estimate(1)
        return before / self._workers + method.cost.estimate(rest)


def count_admitted(chunk: Chunk, forecast: Forecast, now: float) -> int:
    """Return how many of a chunk's calls, from the first on, are answered in time."""
    method = chunk.method
    allowed = (chunk.deadline - now) / (1 + method.cost.margin)
    ahead = method.waiting
    counts: list[Any] = chunk.counts if chunk.counts is not None else [chunk.each] * len(chunk.waiters)
    for number, rows in enumerate(counts):
        if ahead >= method.max_batch_size and forecast.seconds(ahead + rows) > allowed:
            return number
        ahead += rows
    return len(counts)


def excess_seconds(method: Method, forecast: Forecast, limit: float) -> float:
    """Return after how many seconds a call of one row would be let in again, if nothing else came and it may take `limit`."""
    allowed = limit / (1 + method.cost.margin)
    return max(forecast.seconds(method.waiting + 1) - allowed, method.cost.estimate(1), 0.001)
