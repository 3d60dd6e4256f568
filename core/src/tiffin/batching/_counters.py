"""Counters and histograms of one method, cheap enough to keep for every batch."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds, in seconds, of the histograms of time."""

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Upper bounds of the histograms of rows and calls."""


class Histogram:
    """Counts of values up to each bound and beyond the last, with their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, or several equal ones."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def snapshot(self) -> dict[str, Any]:
        """Return bounds, counts (one more than bounds), their sum, and how many values there were."""
        return {
            "bounds": list(self.bounds),
            "counts": list(self.counts),
            "count": sum(self.counts),
            "sum": self.sum,
        }


class Counters:
    """What happened to one method's calls.

    Attributes:
        calls: calls that ran, however they ended.
        rows: their rows.
        batches: batches that ran, probes included.
        failed: calls answered with an error of the method or its worker.
        undecided: of these, the ones that nobody could say were to blame.
        refused: calls refused on arrival because of max_latency_ms.
        dropped: calls dropped later for the same reason.
        overflowed: calls refused because the queue was full.
        abandoned: calls for which nobody waited any more when their turn came: cancelled, timed out, gone.
        probes: runs that looked for the call that made a batch fail.
        repeated: batches that ran again because their worker died.
        batch_rows: rows in each batch.
        batch_calls: calls in each batch.
        queue_seconds: how long each call waited.
        compute_seconds: how long each batch ran.
    """

    NUMBERS = (
        "calls",
        "rows",
        "batches",
        "failed",
        "undecided",
        "refused",
        "dropped",
        "overflowed",
        "abandoned",
        "probes",
        "repeated",
    )
    HISTOGRAMS = ("batch_rows", "batch_calls", "queue_seconds", "compute_seconds")
    __slots__ = NUMBERS + HISTOGRAMS

    def __init__(self) -> None:
        self.calls = self.rows = self.batches = self.failed = self.undecided = 0
        self.refused = self.dropped = self.overflowed = self.abandoned = self.probes = self.repeated = 0
        self.batch_rows = Histogram(SIZES)
        self.batch_calls = Histogram(SIZES)
        self.queue_seconds = Histogram(SECONDS)
        self.compute_seconds = Histogram(SECONDS)

    def snapshot(self) -> dict[str, Any]:
        """Return everything as plain numbers, lists and dicts."""
        numbers: dict[str, Any] = {name: getattr(self, name) for name in self.NUMBERS}
        return numbers | {name: getattr(self, name).snapshot() for name in self.HISTOGRAMS}
