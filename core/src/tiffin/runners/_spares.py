"""Spare workers: started, with the model loaded and warmed up, for the moment in which another one dies."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from tiffin.calls import Backend, Worker, WorkerSpec

logger = logging.getLogger("tiffin.runners")

_PAUSES = (0.1, 1.0, 15.0)
"""Seconds between attempts to make a spare, the last one again and again."""


class Spares:
    """So many workers that wait. Made one after the other, in a thread that is there only as long as some are missing.

    Args:
        runner: the runner's name.
        backend: makes them.
        specs: what the runner's workers are made from; spares are made for them in turn.
        number: how many are to wait.
        warm_up: called with each before it counts.
        stopping: set when none are needed any more.
    """

    def __init__(
        self,
        runner: str,
        backend: Backend,
        specs: Sequence[WorkerSpec],
        number: int,
        warm_up: Callable[[Worker], None],
        stopping: threading.Event,
    ) -> None:
        self._runner, self._backend, self._specs, self._number = runner, backend, specs, number
        self._warm_up, self._stopping = warm_up, stopping
        self._numbers = count()
        self._lock = threading.Lock()
        self._waiting: deque[tuple[WorkerSpec, Worker]] = deque()
        self._making: Worker | None = None
        self._busy = False

    @property
    def ready(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def fill(self) -> None:
        """Make those that are missing. Does not wait for it."""
        with self._lock:
            if self._busy or self._stopping.is_set() or len(self._waiting) >= self._number:
                return
            self._busy = True
        threading.Thread(target=self._fill, name=f"{self._runner}-spares", daemon=True).start()

    def take(self, spec: WorkerSpec) -> Worker | None:
        """Return a spare that can take the place of a worker of this spec, if one is well; another one is made for it."""
        taken, lost = None, []
        with self._lock:
            for entry in tuple(self._waiting):
                # Another one sees another GPU, or has been given other threads.
                if taken is None and entry[0].environment == spec.environment:
                    self._waiting.remove(entry)
                    if entry[1].healthy:
                        taken = entry[1]
                    else:
                        lost.append(entry[1])
        self.fill()
        for worker in lost:
            _end(worker)
        return taken

    def close(self) -> None:
        """End those that wait and the one that is being made. After `stopping` is set."""
        with self._lock:
            ended = [worker for _, worker in self._waiting] + ([] if self._making is None else [self._making])
            self._waiting.clear()
        for worker in ended:
            _end(worker)

    def _fill(self) -> None:
        failures = 0
        while True:
            with self._lock:
                if self._stopping.is_set() or len(self._waiting) >= self._number:
                    self._busy = False
                    return
                number = next(self._numbers)
                spec = self._specs[number % len(self._specs)]
                worker = self._making = self._backend.create_worker(
                    replace(spec, name=f"{self._runner}-spare-{number}")
                )
            try:
                worker.start(None)
                self._warm_up(worker)
            except Exception as error:  # noqa: BLE001 - whatever a model's class raises, it is tried again
                _end(worker)
                if not self._stopping.is_set():
                    wait = _PAUSES[min(failures, len(_PAUSES) - 1)]
                    logger.error(
                        "A spare worker of runner %r does not start, next attempt in %g s: %s",
                        self._runner,
                        wait,
                        error,
                    )
                    failures += 1
                    self._stopping.wait(wait)
                continue
            failures = 0
            with self._lock:
                self._making = None
                if not self._stopping.is_set():
                    self._waiting.append((spec, worker))
                    continue
            _end(worker)


def _end(worker: Worker) -> None:
    worker.kill()
    worker.close(0)
