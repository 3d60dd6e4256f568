"""Timers: one thread, started when first needed, that calls back at given times."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Timer:
    """One entry; `cancel` it when it is not needed any more."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget it."""
        self.callback = None


class Timers:
    """Calls back at given times, from a thread of its own. Callbacks must be quick and must not raise.

    Args:
        name: The thread's name.
        clock: The clock whose times are given.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._tie = count()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at a time of the clock, seconds."""
        timer = Timer(when, callback)
        with self._wake:
            heappush(self._heap, (when, next(self._tie), timer))
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif self._heap[0][2] is timer:
                self._wake.notify()
        return timer

    def close(self) -> None:
        """End the thread; pending timers are forgotten."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._closed:
                    return
                if not self._heap:
                    self._wake.wait()
                    continue
                rest = self._heap[0][0] - self._clock()
                if rest > 0:
                    self._wake.wait(rest)
                    continue
                _, _, timer = heappop(self._heap)
            callback = timer.callback
            if callback is not None:
                callback()
