"""Ordinary functions and generators of a user's, run in threads so that the event loop goes on."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

logger = logging.getLogger("tiffin.serve")

THREADS = 32
"""Functions that run at one time; more wait."""
_END = object()


class Threads:
    """Threads, made when they are needed first.

    Args:
        name: what they are called.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pool: ThreadPoolExecutor | None = None

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=self._name)
        return self._pool

    async def call(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """Call a function in a thread, in a copy of this context."""
        run = partial(contextvars.copy_context().run, function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self.pool, run)

    def close(self) -> None:
        """Let the threads end when they have nothing to do."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)


class ThreadItems:
    """The items of an ordinary iterator, each made in a thread when it is asked for.

    Args:
        iterator: makes the items; it is closed when nobody asks any more.
        threads: where.
    """

    def __init__(self, iterator: Iterator[Any], threads: Threads) -> None:
        self._iterator = iterator
        self._threads = threads
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._closed = False

    def __aiter__(self) -> ThreadItems:
        return self

    async def __anext__(self) -> Any:
        item = await asyncio.get_running_loop().run_in_executor(self._threads.pool, self._step)
        if item is _END:
            raise StopAsyncIteration
        return item

    def _step(self) -> Any:
        with self._lock:
            return _END if self._closed else self._context.run(next, self._iterator, _END)

    async def aclose(self) -> None:
        """Close the iterator, as soon as it makes no item any more. Does not wait for that."""
        if not self._closed:
            self._closed = True
            self._threads.pool.submit(self._close)

    def _close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is None:
            return
        with self._lock:
            try:
                self._context.run(close)
            # Nobody waits for it: its caller has gone, or has all items.
            except Exception:
                logger.exception("A generator failed when it was closed")
