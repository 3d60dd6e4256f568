"""Handles of async and streaming methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Unpack

from tiffin.calls import PLAIN, CallFacts, CallOptions, Event, Items, ThreadWaiter
from tiffin.exceptions import CallTimeoutError
from tiffin.runners._lanes import Emit, LaneCall, Lanes, Share, StreamCall
from tiffin.runners._ports import Life
from tiffin.runners._runnable import RunnableMethod


class UnmergedHandle:
    """An async or streaming method of a runner, to be called from any thread or event loop."""

    def __init__(
        self,
        lanes: Lanes,
        name: str,
        declared: RunnableMethod,
        timeout: float | None,
        life: Life,
        options: CallOptions = PLAIN,
    ) -> None:
        self._life = life
        self.name = name
        self.declared = declared
        self._lanes = lanes
        self._timeout = timeout
        self._options = options

    @property
    def streaming(self) -> bool:
        """Whether it yields items."""
        return self.declared.kind in ("stream", "async_stream")

    def options(self, **given: Unpack[CallFacts]) -> UnmergedHandle:
        """Return the same method with options for a call.

        Args:
            **given: timeout, explain, deadline, request_id, trace_parent: see `CallOptions`. With `explain=True` calls return
                `Explained(result, explanation)`; of no effect on a stream.
        """
        return self.given(CallOptions(**given))

    def given(self, options: CallOptions) -> UnmergedHandle:
        """Return the same method with these options."""
        return UnmergedHandle(self._lanes, self.name, self.declared, self._timeout, self._life, options)

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method and return its result; of a streaming method, an iterator over its items.

        A call that is given up (timeout, interrupt) is cancelled.

        Raises:
            Exception: what the method raised.
            RunnerError: the call could not be taken in, or was not answered.
        """
        if self.streaming:
            return Items(lambda emit: self.open_stream(args, kwargs, emit), self._patience, self.timed_out)
        patience = self._patience()
        waiter = ThreadWaiter()
        call = self.open_call(args, kwargs, lambda result, error, more: waiter.answer(result, error))
        answered = False
        # Twice: an interrupt in the one leaves the other.
        try:
            try:
                call.start()
                answered = waiter.wait(patience)
            finally:
                if not answered:
                    call.abandon()
        finally:
            if not answered:
                call.abandon()
        if not answered:
            raise self.timed_out()
        if waiter.error is not None:
            try:
                raise waiter.error
            finally:
                del waiter
        return waiter.result

    async def async_run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method and return its result; of a streaming method, an async iterator over its items.

        Cancelling it cancels the method's coroutine.

        Raises:
            Exception: what the method raised.
            RunnerError: the call could not be taken in, or was not answered.
        """
        if self.streaming:
            return self.async_stream(*args, **kwargs)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        patience = self._patience()

        def emit(result: Any, error: BaseException | None, more: bool) -> None:
            _call_in(loop, _resolve, future, result, error)

        call = self.open_call(args, kwargs, emit)
        call.start()
        timer = None if patience is None else loop.call_later(patience, _resolve, future, None, self.timed_out())
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            # Of no effect on one that has answered.
            call.abandon()

    def open_call(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], emit: Emit, share: Share | None = None
    ) -> LaneCall:
        """Return a call, not started, that hands its result or error to `emit`."""
        return LaneCall(self._lanes, self.name, args, kwargs, self._timeout, emit, self._options, share)

    def open_stream(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], emit: Emit, share: Share | None = None
    ) -> StreamCall:
        """Return a stream, not started, which makes items when asked to and hands them to `emit`."""
        return StreamCall(self._lanes, self.name, args, kwargs, self._timeout, emit, self._options, share)

    async def async_stream(self, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Call a streaming method and yield its items.

        Raises:
            Exception: what the method raised.
            RunnerError: the call could not be taken in, or an item did not come in time.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def emit(*event: Any) -> None:
            if not _call_in(loop, events.put_nowait, event):
                stream.abandon()

        stream = self.open_stream(args, kwargs, emit)
        try:
            stream.start()
            while True:
                stream.request(1)
                try:
                    item, error, more = await asyncio.wait_for(events.get(), self._patience())
                except TimeoutError:
                    raise self.timed_out() from None
                if error is not None:
                    raise error
                if not more:
                    return
                yield item
        finally:
            stream.abandon()

    def _patience(self) -> float | None:
        """Return for how many seconds the caller waits; raises CallTimeoutError if its deadline has passed."""
        patience = self._options.patience(self._lanes.engine.clock())
        if self._options.deadline is not None and not patience:
            raise self.timed_out()
        return patience

    def timed_out(self) -> CallTimeoutError:
        why = "That is as long as this call waits; it is cancelled"
        return self._options.timed_out(self.name, self._lanes.engine.name, why)

    def __repr__(self) -> str:
        return f"<{self.declared.kind} method {self.name!r} of runner {self._lanes.engine.name!r}>"


def _call_in(loop: asyncio.AbstractEventLoop, function: Any, *args: Any) -> bool:
    """Call a function in a loop's thread, soon; return whether the loop is still there."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
        return False
    return True


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
