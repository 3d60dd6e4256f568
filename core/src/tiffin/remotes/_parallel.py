"""Several contents at once: the first failure ends all, and is the one that is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from tiffin.remotes._streams import Stop, StoppedError

T = TypeVar("T")
R = TypeVar("R")
GRACE = 3.0
"""Seconds for which what still runs after a failure, or Ctrl-C, is waited for."""


def each(function: Callable[[T], R], items: Iterable[T], threads: int, stop: Stop) -> list[R]:
    """Return what a function returns for each item, in their order.

    After a failure, or Ctrl-C, calls that wait for a server which says nothing are left to themselves: they end when it
    answers or its connection times out, and keep nobody from ending the program.

    Args:
        function: called from `threads` threads at once.
        items: what for.
        threads: how many.
        stop: stopped when a call fails.

    Raises:
        Exception: what the first call that failed raised.
    """
    run = _Run(function, list(items), threads, stop)
    try:
        run.over.wait()
    finally:
        if not run.complete:
            stop.stop()
        run.join(GRACE)
    if run.error is not None:
        raise run.error
    return run.results


class _Run(Generic[T, R]):
    def __init__(self, function: Callable[[T], R], items: list[T], threads: int, stop: Stop) -> None:
        self._function = function
        self._stop = stop
        self._lock = threading.Lock()
        self._items = iter(enumerate(items))
        self.results: list[Any] = [None] * len(items)
        self.error: BaseException | None = None
        self.over = threading.Event()
        self._running = min(threads, len(items))
        if not self._running:
            self.over.set()
        # Not a pool of concurrent.futures: the interpreter's end would wait for its threads.
        self._threads = [
            threading.Thread(target=self._work, name=f"tiffin-transfer_{number}", daemon=True)
            for number in range(self._running)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def complete(self) -> bool:
        """Whether all calls have ended well."""
        return self._running == 0 and self.error is None

    def join(self, seconds: float) -> None:
        """Wait for the threads, but not for longer."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while self.error is None:
            with self._lock:
                number, item = next(self._items, (-1, None))
            if item is None and number < 0:
                break
            try:
                self.results[number] = self._function(item)  # type: ignore[arg-type]  # an item there was
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                with self._lock:
                    # What stops because of a failure is not the failure.
                    if self.error is None or isinstance(self.error, StoppedError):
                        self.error = error
                self._stop.stop()
                break
        with self._lock:
            self._running -= 1
            if not self._running or self.error is not None:
                self.over.set()
