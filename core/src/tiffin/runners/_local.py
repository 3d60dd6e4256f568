"""The local back end: the runnable lives in this process, and threads of this process call it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from tiffin.calls import Worker, WorkerSpec
from tiffin.exceptions import MethodTimeoutError, RunnerNotReadyError


class LocalWorker:
    """One runnable in this process."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.name = spec.name
        self._spec = spec
        self._runnable: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_lock = threading.Lock()

    def start(self, timeout: float | None = None) -> None:
        """Make the runnable. What its class raises comes through; the time is not limited."""
        self._runnable = self._spec.runnable_class(**self._spec.init_params)

    def run(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        slot: int = 0,
    ) -> Any:
        """Call one method here and now. Only async methods are cut off; the runner watches the others from outside."""
        bound = self.bind(method)
        if self._spec.methods[method].kind == "async":
            future = asyncio.run_coroutine_threadsafe(bound(*args, **kwargs), self._own_loop())
            try:
                return future.result(timeout)
            except TimeoutError:
                if future.done():
                    raise  # the method's own
                future.cancel()
                raise MethodTimeoutError(
                    f"{method!r} ran longer than its timeout of {timeout:g} s and was cancelled",
                    runner=self.name,
                    method=method,
                    timeout=timeout,
                ) from None
        return bound(*args, **kwargs)

    def bind(self, method: str) -> Any:
        """Return the runnable's method."""
        runnable = self._runnable
        if runnable is None:
            raise RunnerNotReadyError(f"Worker {self.name!r} is closed", runner=self.name)
        return getattr(runnable, method)

    def stream(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        slot: int = 0,
    ) -> Iterator[Any]:
        """Call a generator method and yield its items."""
        bound = self.bind(method)
        if self._spec.methods[method].kind == "async_stream":
            return self._step(bound(*args, **kwargs))
        return iter(bound(*args, **kwargs))

    def _step(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        # A coroutine that ends with StopAsyncIteration carries it through a future; StopIteration could not be.
        loop = self._own_loop()
        try:
            while True:
                try:
                    item = asyncio.run_coroutine_threadsafe(_next(items), loop).result()
                except StopAsyncIteration:
                    return
                yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                asyncio.run_coroutine_threadsafe(_await(close()), loop).result()

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        # All async methods of a runnable share one loop: what they open in it belongs to it.
        with self._loop_lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run_loop, args=(self._loop,), name=f"{self.name}-async", daemon=True).start()
            return self._loop

    @property
    def healthy(self) -> bool:
        """Whether the runnable is there."""
        return self._runnable is not None

    def close(self, timeout: float | None = None) -> None:
        """Let go of the runnable and end the loop of its async methods."""
        self._runnable = None
        with self._loop_lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def kill(self) -> None:
        """Let go of the runnable. A thread that hangs in it cannot be ended."""
        self.close()


async def _next(items: AsyncIterator[Any]) -> Any:
    return await items.__anext__()


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    finally:
        loop.close()


class LocalBackend:
    """Workers in this process."""

    inline = True
    takes_ahead = False

    def create_worker(self, spec: WorkerSpec) -> Worker:
        """Return a worker that is not started."""
        return LocalWorker(spec)
