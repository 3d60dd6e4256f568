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
        seat: Whose slot it is.
        number: Its number in the worker, from 0.
        inbox: Batches for the thread, while it has none; `None` ends it.
        thread: The thread.
    """

    __slots__ = ("_name", "inbox", "number", "seat", "thread")

    def __init__(self, seat: Seat, number: int) -> None:
        self.seat = seat
        self.number = number
        self.inbox: SimpleQueue[Batch | None] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self._name = seat.spec.name if seat.spec.threads == 1 else f"{seat.spec.name}.{number}"

    def __str__(self) -> str:
        return self._name

    __repr__ = __str__


class Seat:
    """A worker's place in a runner; the worker changes when one dies and another is started.

    Attributes:
        spec: What its workers are made from.
        worker: The present one.
        usable: Whether batches may be given to it.
        restarting: Whether a thread is replacing the worker.
        failures: Restarts in a row that failed.
        slots: Its places to run.
        station: What its slots share, for the batching core.
    """

    __slots__ = ("failures", "restarting", "slots", "spec", "station", "usable", "worker")

    def __init__(self, spec: WorkerSpec, worker: Worker) -> None:
        self.spec = spec
        self.worker = worker
        self.usable = False
        self.restarting = False
        self.failures = 0
        self.station = Station(spec.threads)
        first_ahead = spec.threads + spec.extra_slots
        numbers = [*range(spec.threads), *range(first_ahead, first_ahead + spec.ahead)]
        self.slots = [Slot(self, number) for number in numbers]
