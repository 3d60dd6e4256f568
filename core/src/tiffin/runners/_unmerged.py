"""Async and streaming methods: they run past the batching core, several at a time under a limit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from tiffin.batching import Explanation
from tiffin.calls import CallOptions, Explained
from tiffin.exceptions import CallTimeoutError, QueueFullError, RunnerNotReadyError
from tiffin.runners._engine import Engine
from tiffin.runners._runnable import RunnableMethod
from tiffin.runners._seats import Seat

T = TypeVar("T")


class Lanes:
    """The extra slots of all workers of a runner, and the threads that use them. Threads are made as calls come.

    Args:
        engine: The runner's engine.
        per_worker: Calls at one time in one worker.
        queue: Calls that may wait for a lane.
    """

    def __init__(self, engine: Engine, per_worker: int, queue: int) -> None:
        self.engine = engine
        self._per_worker = per_worker
        self._queue = queue
        self._lock = threading.Lock()
        self._free: dict[Seat, list[int]] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._open = 0
        self._streams: set[StreamCall] = set()

    def submit(self, work: Callable[[Seat, int], T]) -> Future[T]:
        """Run `work(seat, slot)` as soon as a lane is free.

        Raises:
            RunnerError: The runner takes no calls.
            QueueFullError: Too many wait already.
        """
        engine = self.engine
        engine.enter()
        with self._lock:
            seats = len(engine.seats)
            if self._executor is None:
                self._executor = ThreadPoolExecutor(seats * self._per_worker, f"{engine.name}-lane")
                first = engine.seats[0].spec.threads
                self._free = {seat: list(range(first, first + self._per_worker)) for seat in engine.seats}
            full = self._open >= seats * self._per_worker + self._queue
            if not full:
                self._open += 1
        if full:
            engine.leave()
            raise QueueFullError(
                f"Runner {engine.name!r} has {self._open} unmerged calls open, as many as it may",
                why=f"{seats * self._per_worker} run at a time, {self._queue} may wait",
                fix="Try again later, or raise max_concurrency",
                runner=engine.name,
                retry_after=0.1,
            )
        future = self._executor.submit(self._work, work)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[Any]) -> None:
        # Also for a call that was cancelled before it began.
        with self._lock:
            self._open -= 1
        self.engine.leave()

    def _work(self, work: Callable[[Seat, int], T]) -> T:
        with self._lock:
            usable = [seat for seat in self._free if seat.usable and self._free[seat]]
            if not usable:
                raise RunnerNotReadyError(
                    f"No worker of runner {self.engine.name!r} is healthy", fix="Try again", runner=self.engine.name
                )
            seat = max(usable, key=lambda candidate: len(self._free[candidate]))
            slot = self._free[seat].pop()
        try:
            return work(seat, slot)
        finally:
            with self._lock:
                self._free[seat].append(slot)
            self.engine.mend()

    def add_stream(self, stream: StreamCall) -> None:
        """Remember an open stream, to be ended with the runner."""
        with self._lock:
            self._streams.add(stream)

    def remove_stream(self, stream: StreamCall) -> None:
        """Forget it."""
        with self._lock:
            self._streams.discard(stream)

    def end_streams(self) -> None:
        """End all open streams."""
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()

    def close(self) -> None:
        """End the streams and the threads."""
        self.end_streams()
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)


class StreamCall:
    """One call of a generator method, in a lane. Makes an item only when one is asked for.

    Args:
        lanes: Where it runs.
        method: The method's name.
        args: Positional arguments.
        kwargs: Keyword arguments.
        timeout: Seconds that a worker may take for one item.
        emit: Called with (item, error, more) from the lane's thread.
    """

    def __init__(
        self,
        lanes: Lanes,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        timeout: float | None,
        emit: Callable[[Any, BaseException | None, bool], None],
    ) -> None:
        self._lanes = lanes
        self._call = (method, args, kwargs, timeout)
        self._emit = emit
        self._credits = threading.Semaphore(0)
        self._cancelled = False

    def start(self) -> None:
        """Have it run. Raises as `Lanes.submit`."""
        self._lanes.add_stream(self)
        try:
            future = self._lanes.submit(self._work)
        except BaseException:
            self._lanes.remove_stream(self)
            raise
        future.add_done_callback(self._ended)

    def _ended(self, future: Future[None]) -> None:
        self._lanes.remove_stream(self)
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._emit(None, error, False)

    def request(self, count: int) -> None:
        """Ask for so many more items."""
        self._credits.release(count)

    def cancel(self) -> None:
        """Make no more items, and close the method's generator."""
        self._cancelled = True
        self._credits.release()

    def _work(self, seat: Seat, slot: int) -> None:
        method, args, kwargs, timeout = self._call
        items = seat.worker.stream(method, args, kwargs, timeout=timeout, slot=slot)
        try:
            while True:
                self._credits.acquire()
                if self._cancelled:
                    return
                try:
                    item = next(items)
                except StopIteration:
                    self._emit(None, None, False)
                    return
                self._emit(item, None, True)
                del item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()


class UnmergedHandle:
    """An async or streaming method of a runner, to be called from any thread or event loop."""

    def __init__(
        self,
        lanes: Lanes,
        name: str,
        declared: RunnableMethod,
        timeout: float | None,
        options: CallOptions | None = None,
    ) -> None:
        self.name = name
        self.declared = declared
        self._lanes = lanes
        self._timeout = timeout
        self._options = options or CallOptions()

    @property
    def streaming(self) -> bool:
        """Whether it yields items."""
        return self.declared.kind in ("stream", "async_stream")

    def options(self, *, timeout: float | None = None, explain: bool = False) -> UnmergedHandle:
        """Return the same method with options for a call.

        Args:
            timeout: Seconds after which to give up with `CallTimeoutError`; of a stream, for each item.
            explain: Whether to return `Explained(result, explanation)`; of no effect on a stream.
        """
        return UnmergedHandle(self._lanes, self.name, self.declared, self._timeout, CallOptions(timeout, explain))

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method and return its result; of a streaming method, an iterator over its items.

        Raises:
            Exception: What the method raised.
            RunnerError: The call could not be taken in, or was not answered.
        """
        if self.streaming:
            return self._iterate(args, kwargs)
        future = self.submit(args, kwargs)
        try:
            return future.result(self._options.timeout)
        except TimeoutError:
            if future.done():
                raise
            future.cancel()
            raise self._timed_out() from None

    async def async_run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method and return its result; of a streaming method, an async iterator over its items.

        Raises:
            Exception: What the method raised.
            RunnerError: The call could not be taken in, or was not answered.
        """
        if self.streaming:
            return self.async_stream(*args, **kwargs)
        future = asyncio.wrap_future(self.submit(args, kwargs))
        done, _ = await asyncio.wait([future], timeout=self._options.timeout) if self._options.timeout else ((), ())
        if self._options.timeout and not done:
            future.cancel()
            raise self._timed_out()
        return await future

    def submit(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Future[Any]:
        """Return the future of a call, which runs as soon as a lane is free. Raises as `Lanes.submit`."""
        return self._lanes.submit(self._call(args, kwargs))

    def _call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[[Seat, int], Any]:
        arrived = time.monotonic()

        def work(seat: Seat, slot: int) -> Any:
            started = time.monotonic()
            result = seat.worker.run(self.name, args, kwargs, timeout=self._timeout, slot=slot)
            if not self._options.explain:
                return result
            record = Explanation(
                method=self.name,
                queued_seconds=started - arrived,
                batch=0,
                batch_rows=1,
                batch_calls=1,
                released="it runs unmerged",
                compute_seconds=time.monotonic() - started,
                worker=f"{seat.spec.name}.{slot}",
            )
            return Explained(result, record)

        return work

    def open_stream(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        emit: Callable[[Any, BaseException | None, bool], None],
    ) -> StreamCall:
        """Return a started stream, which makes items when asked to and hands them to `emit`."""
        stream = StreamCall(self._lanes, self.name, args, kwargs, self._timeout, emit)
        stream.start()
        return stream

    def _iterate(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Any]:
        arrived = threading.Semaphore(0)
        events: deque[tuple[Any, BaseException | None, bool]] = deque()

        def emit(item: Any, error: BaseException | None, more: bool) -> None:
            events.append((item, error, more))
            arrived.release()

        stream = self.open_stream(args, kwargs, emit)
        try:
            while True:
                stream.request(1)
                if not arrived.acquire(timeout=self._options.timeout):
                    raise self._timed_out()
                item, error, more = events.popleft()
                if error is not None:
                    raise error
                if not more:
                    return
                yield item
        finally:
            stream.cancel()

    async def async_stream(self, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Call a streaming method and yield its items.

        Raises:
            Exception: What the method raised.
            RunnerError: The call could not be taken in, or an item did not come in time.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[tuple[Any, BaseException | None, bool]] = asyncio.Queue()

        def emit(item: Any, error: BaseException | None, more: bool) -> None:
            try:
                loop.call_soon_threadsafe(events.put_nowait, (item, error, more))
            except RuntimeError:
                stream.cancel()  # the loop is closed

        stream = self.open_stream(args, kwargs, emit)
        try:
            while True:
                stream.request(1)
                try:
                    item, error, more = await asyncio.wait_for(events.get(), self._options.timeout)
                except TimeoutError:
                    raise self._timed_out() from None
                if error is not None:
                    raise error
                if not more:
                    return
                yield item
        finally:
            stream.cancel()

    def _timed_out(self) -> CallTimeoutError:
        name = self._lanes.engine.name
        timeout = self._options.timeout or 0.0
        return CallTimeoutError(
            f"{self.name!r} of runner {name!r} did not answer within {timeout:g} s",
            why="That is the timeout of this call",
            runner=name,
            timeout=timeout,
        )

    def __repr__(self) -> str:
        return f"<{self.declared.kind} method {self.name!r} of runner {self._lanes.engine.name!r}>"
