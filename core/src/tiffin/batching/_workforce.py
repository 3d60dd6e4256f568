"""Who is idle, who is busy, and who may take a batch ahead of its turn.

A worker that is alone takes a batch when it has none. Workers of one station share what computes (the threads of a
worker process): more of them than can compute at one time keep it from waiting between batches, since the next batch is
there when one ends. A worker beyond those that can compute takes only full batches: whatever it takes has to wait
anyway, and in a batch that is not full others could still join.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from tiffin.batching._admission import remaining_seconds

if TYPE_CHECKING:
    from tiffin.batching._chunks import Batch


class Station:
    """What several workers share.

    Args:
        threads: how many of their batches can be computed at one time.

    Attributes:
        busy: how many of them run something.
    """

    __slots__ = ("busy", "threads")

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.busy = 0

    @property
    def full(self) -> bool:
        """Whether a further batch would have to wait."""
        return self.busy >= self.threads


class Workforce:
    """The workers of one runner.

    Attributes:
        idle: those that would take anything.
        ahead: those that would take only a full batch.
        busy: what each of the others runs.
    """

    __slots__ = ("_stations", "ahead", "busy", "idle")

    def __init__(self) -> None:
        self.idle: list[Hashable] = []
        self.ahead: list[Hashable] = []
        self.busy: dict[Hashable, Batch] = {}
        self._stations: dict[Hashable, Station] = {}

    def add(self, worker: Hashable, station: Station | None) -> None:
        """Count on a worker, which has nothing to do."""
        if station is not None:
            self._stations[worker] = station
        self.park(worker)

    def remove(self, worker: Hashable) -> None:
        """Count on a worker no more, if it has nothing to do; what a busy one does is not forgotten."""
        for parked in (self.idle, self.ahead):
            if worker in parked:
                parked.remove(worker)

    def knows(self, worker: Hashable) -> bool:
        """Return whether the worker is idle, ahead or busy."""
        return worker in self.idle or worker in self.ahead or worker in self.busy

    def park(self, worker: Hashable) -> None:
        """Put a worker that has nothing to do where it belongs."""
        station = self._stations.get(worker)
        if (
            station is None
            or sum(self._stations.get(other) is station for other in self.idle) + station.busy < station.threads
        ):
            self.idle.append(worker)
        else:
            self.ahead.append(worker)

    def only_ahead(self, worker: Hashable) -> bool:
        """Return whether a worker that has nothing to do may take only a full batch."""
        station = self._stations.get(worker)
        return station is not None and station.full

    def begin(self, worker: Hashable, batch: Batch) -> None:
        """Note that a worker runs a batch."""
        station = self._stations.get(worker)
        if station is not None:
            batch.ahead = station.full
            station.busy += worker not in self.busy
        self.busy[worker] = batch

    def release(self, batch: Batch, now: float, *, promote: bool = True) -> None:
        """Note that a batch does not run any more.

        Args:
            batch: the batch.
            now: the time.
            promote: whether the next batch of its station can be computed now; not if all of them end.
        """
        worker = batch.worker
        station = self._stations.get(worker)
        if self.busy.get(worker) is batch:
            del self.busy[worker]
            if station is not None:
                station.busy -= 1
        if station is not None and promote and not batch.ahead:
            for other, following in self.busy.items():
                if following.ahead and self._stations.get(other) is station:
                    following.ahead = False
                    following.started = now
                    break

    def count(self) -> int:
        """Return how many batches can be computed at one time."""
        return len(self.idle) + sum(not batch.ahead for batch in self.busy.values())

    def wait_seconds(self, worker: Hashable, now: float) -> float:
        """Return how long a batch that this worker takes now waits before it is computed."""
        station = self._stations.get(worker)
        if station is None:
            return 0.0
        return min(
            (
                remaining_seconds(batch, now)
                for other, batch in self.busy.items()
                if not batch.ahead and self._stations.get(other) is station
            ),
            default=0.0,
        )
