"""The errors for calls that are turned away."""

from __future__ import annotations

from typing import Any

from tiffin.batching._admission import Forecast, excess_seconds
from tiffin.batching._chunks import Chunk
from tiffin.batching._method import Method
from tiffin.exceptions import LatencyLimitError, QueueFullError


def queue_full(runner: str, method: Method, waiting: int, allowed: int) -> QueueFullError:
    """Return the error for a call that finds the queue full."""
    return QueueFullError(
        f"The queue of runner {runner!r} is full: {waiting} rows wait, {allowed} may",
        why="Calls arrive faster than the model answers them",
        fix="Try again later, or raise max_queue_rows",
        runner=runner,
        retry_after=max(0.001, method.cost.estimate(method.max_batch_size)),
    )


def too_late(runner: str, chunk: Chunk, forecast: Forecast, reason: str) -> LatencyLimitError:
    """Return the error for calls that would not be answered in time: "refused" on arrival, or "dropped" later."""
    method = chunk.method
    limit = chunk.deadline - chunk.arrived
    wait = excess_seconds(method, forecast, limit)
    own = limit < method.max_latency
    allowed = f"{limit:.3f} s, by its deadline" if own else f"max_latency_ms={method.max_latency * 1000:g}"
    how = "is not taken in" if reason == "refused" else "was dropped"
    return LatencyLimitError(
        f"A call of {method.name!r} {how}: it would not be answered within {allowed}",
        why=f"{method.waiting} rows wait before it",
        fix=f"Try again in {wait:.3f} s",
        runner=runner,
        reason=reason,
        retry_after=wait,
    )


def again(error: Any) -> BaseException:
    """Return another error like this one; callers must not share one object."""
    kind: type[BaseException] = type(error)
    copied = kind.__new__(kind)
    copied.args = error.args
    copied.__dict__.update(error.__dict__)
    return copied
