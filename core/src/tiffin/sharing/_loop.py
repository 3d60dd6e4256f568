"""The thread that serves all of a listener's or client's connections. It sleeps in epoll and never polls."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident

from tiffin.calls import Timer, Timers
from tiffin.wire import close_in_forks

logger = logging.getLogger("tiffin.runners")


class Loop:
    """A thread that waits for sockets, and runs what other threads hand to it.

    Args:
        name: the thread's name.
    """

    def __init__(self, name: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._tasks: deque[Callable[[], None]] = deque()
        self._timers = Timers()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        # Open for as long as anybody can call this object: a view that outlives its connection still reports its end
        # here, and must not write into whatever file has got the number meanwhile.
        self._close_pipe = weakref.finalize(self, _close_all, (self._reading, self._writing))
        self._close_pipe.atexit = False
        self._woken = False
        self._stopping = False
        self._selector.register(self._reading, selectors.EVENT_READ, self._drain)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        close_in_forks(self)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def call_soon(self, task: Callable[[], None]) -> None:
        """Run `task` in the loop's thread, soon. From any thread and at any moment, the garbage collector's too."""
        told = False
        try:
            self._tasks.append(task)
            if not self._woken:
                self._woken = True
                self._wake()
            told = True
        finally:
            if not told:
                self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full, so it will wake anyway
            os.write(self._writing, b"\0")

    @property
    def is_mine(self) -> bool:
        """Whether the calling thread is the loop's."""
        return self._thread.ident == get_ident()

    def call_later(self, seconds: float, task: Callable[[], None]) -> Timer:
        """Run `task` after so many seconds. In the loop's thread only."""
        timer = Timer(time.monotonic() + seconds, task)
        self._timers.add(timer)
        return timer

    def watch(self, sock: socket.socket, events: int, ready: Callable[[int], None]) -> None:
        """Call `ready(events)` whenever the socket is; with no events, stop watching it. In the loop's thread only."""
        known = sock.fileno() in self._selector.get_map()
        if known and events:
            self._selector.modify(sock, events, ready)
        elif known:
            self._selector.unregister(sock)
        elif events:
            self._selector.register(sock, events, ready)

    def stop(self) -> None:
        """End the thread after what has been handed to it, and wait for that (not in the thread itself). Repeatable."""
        self.call_soon(self._stop)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def close_after_fork(self) -> None:
        """Close this process's copies of the loop's descriptors."""
        self._tasks.clear()
        # Also keeps what ends later from writing to it.
        self._woken = True
        self._close_pipe()
        # epoll is shared with the parent; closing the copy takes nothing out of it.
        self._selector.close()

    def _stop(self) -> None:
        self._stopping = True

    def _drain(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reading, 4096)

    def _run(self) -> None:
        while not self._stopping:
            # Rounded up by the system, so it does not wake too early.
            soonest = self._timers.next
            for key, events in self._selector.select(None if soonest is None else max(0.0, soonest - time.monotonic())):
                # One of the handlers before may have closed it.
                if key.fd in self._selector.get_map():
                    self._do(partial(key.data, events))
            # Cleared before the tasks are taken: one that is added from here on wakes the loop again.
            self._woken = False
            for _ in range(len(self._tasks)):
                self._do(self._tasks.popleft())
            while (soonest := self._timers.next) is not None and soonest <= time.monotonic():
                task = self._timers.take().callback
                if task is not None:
                    self._do(task)
        # What the last tasks have added: connections that end, and whoever waits for that.
        while self._tasks:
            self._do(self._tasks.popleft())
        self._selector.close()

    def _do(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception:  # one client's fault, or a fault of this program: the other connections must go on
            logger.exception("an error in the thread %s; it goes on", self._thread.name)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
