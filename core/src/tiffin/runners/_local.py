"""The local back end: the runnable lives in this process, and threads of this process call it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextvars import Context
from typing import Any

from tiffin.calls import Worker, WorkerSpec, handed, take_in_hand
from tiffin.exceptions import MethodTimeoutError, RunnerNotReadyError
from tiffin.surroundings import worker_context
from tiffin.values import registry


class LocalWorker:
    """One runnable in this process."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.name = spec.name
        self._spec = spec
        self._runnable: Any = None
        self._context = worker_context(spec.runner)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_lock = threading.Lock()
        self._awaited: dict[int, Future[Any]] = {}

    def start(self, timeout: float | None = None) -> None:
        """Make the runnable. What its class raises comes through; the time is not limited."""
        self._runnable = self._context.run(self._spec.runnable_class, **self._spec.init_params)

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
        context = self._call_context()
        if self._spec.methods[method].kind != "async":
            return context.run(bound, *args, **kwargs)
        future = self._begin(slot, context, context.run(bound, *args, **kwargs))
        try:
            return registry.settle(future.result(timeout))
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
        finally:
            self._awaited.pop(slot, None)

    def _call_context(self) -> Context:
        """Return a context for one call: what it sets is gone after it, and several may run at a time."""
        context = self._context.copy()
        if abouts := handed.get():
            context.run(take_in_hand, abouts)
        return context

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
        context = self._call_context()
        items = context.run(self.bind(method), *args, **kwargs)
        if self._spec.methods[method].kind == "async_stream":
            return _settled(self._step(slot, context, items))
        return _settled(_iterate(context, iter(items)))

    def _step(self, slot: int, context: Context, items: AsyncIterator[Any]) -> Iterator[Any]:
        # A coroutine that ends with StopAsyncIteration carries it through a future; StopIteration could not be.
        try:
            while True:
                try:
                    item = self._begin(slot, context, _next(items)).result()
                except (StopAsyncIteration, CancelledError):
                    return
                yield item
        finally:
            self._awaited.pop(slot, None)
            close = getattr(items, "aclose", None)
            if close is not None:
                self._begin(-1, context, _close(close())).result()

    def _begin(self, slot: int, context: Context, coroutine: Any) -> Future[Any]:
        future = context.run(asyncio.run_coroutine_threadsafe, coroutine, self._own_loop())
        if slot >= 0:
            self._awaited[slot] = future
        return future

    def cancel(self, slot: int) -> None:
        """Cancel the coroutine that runs in a slot; see `Worker.cancel`."""
        future = self._awaited.get(slot)
        if future is not None:
            future.cancel()

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


def _settled(items: Iterator[Any]) -> Iterator[Any]:
    """Yield the items as callers get them; closing closes the items too."""
    try:
        for item in items:
            yield registry.settle(item)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


async def _next(items: AsyncIterator[Any]) -> Any:
    return await items.__anext__()


async def _close(closing: Any) -> None:
    # A generator whose last step was cancelled may still be in it, and is closed by that.
    with contextlib.suppress(RuntimeError):
        await closing


def _iterate(context: Context, items: Iterator[Any]) -> Iterator[Any]:
    end: Any = object()
    try:
        while (item := context.run(next, items, end)) is not end:
            yield item
            del item
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            context.run(close)


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
