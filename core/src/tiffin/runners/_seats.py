"""Seats and slots: where workers sit, and the threads that pull batches for them."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tiffin.batching import Station
from tiffin.calls import Worker, WorkerSpec

if TYPE_CHECKING:
    from tiffin.batching import Batch


class Slot:
    """One place to run a batch: a worker, a slot number in it, and the thread that pulls for it.

    Attributes:
        seat: whose slot it is.
        number: its number in the worker, from 0.
        inbox: rings for the thread: `True` has it look for work, `None` ends it.
        pending: a batch that the thread is to run next.
        thread: the thread.
        freed: when a caller's thread that had used it gave it back, seconds.
    """

    __slots__ = ("_holder", "_name", "freed", "inbox", "number", "pending", "seat", "thread")

    def __init__(self, seat: Seat, number: int) -> None:
        self.seat = seat
        self.number = number
        self.inbox: SimpleQueue[bool | None] = SimpleQueue()
        self.pending: Batch | None = None
        self.thread: threading.Thread | None = None
        self.freed = 0.0
        self._holder: dict[int, Batch] = {}
        self._name = seat.spec.name if seat.spec.threads == 1 else f"{seat.spec.name}.{number}"

    # Who runs something here. A lock would not say whose it is, and so could not be given back by whoever was interrupted
    # in the middle of taking it. One operation on a dict is done or not done, and leaves a name.

    @property
    def batch(self) -> Batch | None:
        """The batch that has the slot."""
        return self._holder.get(0)

    def take(self, batch: Batch) -> bool:
        """Take the slot for a batch; return whether the batch has it. Repeatable, never waits."""
        return self._holder.setdefault(0, batch) is batch

    def leave(self, batch: Batch) -> None:
        """Give the slot back, if the batch has it. Repeatable."""
        if self._holder.get(0) is batch:
            self._holder.pop(0, None)

    def pass_on(self, batch: Batch) -> None:
        """Let another batch have the slot at once. Only for whoever has it."""
        self._holder[0] = batch

    def ring(self) -> None:
        """Have the thread look for work."""
        if self.inbox.empty():  # else it will look anyway
            self.inbox.put(True)

    def __str__(self) -> str:
        return self._name

    __repr__ = __str__


class Seat:
    """A worker's place in a runner; the worker changes when one dies and another is started.

    Attributes:
        spec: what its workers are made from.
        worker: the present one.
        usable: whether batches may be given to it.
        restarting: whether a thread is replacing the worker.
        resting: whether no worker is wanted here at present.
        failures: restarts in a row that failed.
        slots: its places to run.
        station: what its slots share, for the batching core.
    """

    __slots__ = ("failures", "restarting", "resting", "slots", "spec", "station", "usable", "worker")

    def __init__(self, spec: WorkerSpec, worker: Worker) -> None:
        self.spec = spec
        self.worker = worker
        self.usable = False
        self.restarting = False
        self.resting = False
        self.failures = 0
        self.station = Station(spec.threads)
        first_ahead = spec.threads + spec.extra_slots
        numbers = [*range(spec.threads), *range(first_ahead, first_ahead + spec.ahead)]
        self.slots = [Slot(self, number) for number in numbers]
