"""Timers that wait for their times: those that nobody needs any more take no memory until then."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

_FEW = 64
"""Timers from which on it is worth it to look for cancelled ones."""


class Timer:
    """One entry; `cancel` it, from any thread, when it is not needed any more."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget what it was to call."""
        self.callback = None


class Timers:
    """Timers, soonest first. For one thread at a time.

    Most are cancelled long before their time, which their askers choose: a client may give each of its calls an hour. So the
    cancelled ones are thrown out whenever there are twice as many as were left the last time.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._tie = count()
        self._many = _FEW

    def __len__(self) -> int:
        """Return how many timers are held, cancelled ones among them."""
        return len(self._heap)

    @property
    def next(self) -> float | None:
        """The time of the soonest; `None` if there is none."""
        return self._heap[0][0] if self._heap else None

    def add(self, timer: Timer) -> None:
        """Hold a timer until it is taken."""
        if len(self._heap) >= self._many:
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapify(self._heap)
            self._many = max(_FEW, 2 * len(self._heap))
        heappush(self._heap, (timer.when, next(self._tie), timer))

    def take(self) -> Timer:
        """Return the soonest, and hold it no more."""
        return heappop(self._heap)[2]
