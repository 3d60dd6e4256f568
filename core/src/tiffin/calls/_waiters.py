"""Those who wait for an answer, and what they get if they ask how it came about."""

from __future__ import annotations

from _thread import allocate_lock
from typing import Any, NamedTuple

from tiffin.calls._explanation import Explanation


class Explained(NamedTuple):
    """A result with what happened to its call."""

    result: Any
    explanation: Explanation


class ThreadWaiter:
    """A thread that waits for one answer."""

    __slots__ = ("_lock", "error", "finished", "result")

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()
        self.finished = False
        self.result: Any = None
        self.error: BaseException | None = None

    def done(self) -> bool:
        """Return whether it waits no more."""
        return self.finished

    def wait(self, timeout: float | None) -> bool:
        """Block until there is an answer; return whether one came within the seconds."""
        answered = False
        try:
            answered = self._lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout))
        finally:
            # An interrupt ends the waiting too.
            self.finished = True
        return answered

    def answer(self, result: Any, error: BaseException | None) -> None:
        """Wake the thread up."""
        if not self.finished:
            self.result, self.error = result, error
            self.finished = True
            self._lock.release()
