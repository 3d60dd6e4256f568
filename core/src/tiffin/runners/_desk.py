"""The desk: one thread of an engine that calls back at given times, and does what callers' threads must not.

A caller's thread can be interrupted anywhere by an exception from a signal handler, so what it hands over goes into a
`SimpleQueue`: that is done or not done, and needs no lock that could stay locked.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from tiffin.calls import Timer, Timers

logger = logging.getLogger("tiffin.runners")


class Desk:
    """Calls back from a thread of its own. Callbacks must be quick; from any thread, signal handlers and finalizers too.

    Args:
        name: the thread's name.
        clock: the clock whose times are given.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._inbox: SimpleQueue[Timer | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread. What is asked for before is done then."""
        self.thread.start()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at a time of the clock, seconds."""
        timer = Timer(when, callback)
        self._inbox.put(timer)
        return timer

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call back at once."""
        self._inbox.put(Timer(float("-inf"), callback))

    def close(self) -> None:
        """End the thread after what has been asked for; pending timers are forgotten."""
        self._inbox.put(None)

    def _run(self) -> None:
        pending = Timers()
        while True:
            soonest = pending.next
            rest = None if soonest is None else min(max(0.0, soonest - self._clock()), threading.TIMEOUT_MAX)
            try:
                timer = self._inbox.get(timeout=rest)
            except Empty:
                timer = pending.take()
            else:
                if timer is None:
                    return
                if timer.when > self._clock():
                    pending.add(timer)
                    continue
            callback = timer.callback
            if callback is None:
                continue
            try:
                callback()
            except Exception:  # one caller's fault must not end what all others rely on
                logger.exception("an error in the thread %s; it goes on", self.thread.name)
