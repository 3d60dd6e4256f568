"""An attached runner: the same calls, answered by a runner in another process."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Unpack

from tiffin.batching import Explanation, again
from tiffin.calls import (
    METRICS,
    PLAIN,
    READY,
    CallFacts,
    CallOptions,
    CallRequest,
    Explained,
    Items,
    Outcome,
    Port,
    ThreadWaiter,
)
from tiffin.exceptions import CallTimeoutError, RunnerError, RunnerOptionError
from tiffin.sharing._attach import AttachedService
from tiffin.sharing._offer import offer_methods

_Called = tuple[str, tuple[Any, ...], Mapping[str, Any], CallOptions]
"""Method, arguments and options of a call."""
_PATIENCE = 5.0
"""Seconds within which a runner must say how it is."""


class AttachedRunner:
    """A runner in another process, with the methods of a `Runner` here. Safe for any thread and any number of loops.

    Args:
        service: the connection.
    """

    def __init__(self, service: AttachedService) -> None:
        self._service = service
        about = service.describe()
        self.name: str = about["name"]
        self.default_method: str | None = about["default"]
        threads = self._threads = _ThreadCalls(service)
        loops = self._loops = _LoopCalls(service)
        self.methods: dict[str, AttachedMethod] = {
            name: AttachedMethod(self.name, name, traits["kind"], threads, loops)
            for name, traits in about["methods"].items()
        }
        offer_methods(self, self.methods)

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the one obvious method; as that method's `run`."""
        return self._default().run(*args, **kwargs)

    async def async_run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the one obvious method, from a coroutine; as that method's `async_run`."""
        return await self._default().async_run(*args, **kwargs)

    def options(self, **given: Unpack[CallFacts]) -> AttachedMethod:
        """Return the one obvious method with options for a call."""
        return self._default().options(**given)

    def _default(self) -> AttachedMethod:
        if self.default_method is None:
            raise RunnerOptionError(
                f"Runner {self.name!r} has several methods: {', '.join(self.methods)}",
                fix=f"Say which: runner.{next(iter(self.methods))}.run(…)",
                runner=self.name,
            )
        return self.methods[self.default_method]

    def ready(self) -> bool:
        """Return whether the runner takes calls: asks it, and waits some seconds at most. False after a drain."""
        try:
            return bool(self._ask(READY))
        except RunnerError:
            return False

    def metrics(self) -> dict[str, Any]:
        """Return the runner's counters, as `Runner.metrics`: those of all its callers.

        Raises:
            RunnerError: it did not answer.
        """
        return dict(self._ask(METRICS))

    def describe(self) -> Mapping[str, Any]:
        """Return what the runner says of itself: name, methods with kinds and specs, tags and digests of its models."""
        return self._service.describe()

    def _ask(self, what: str) -> Any:
        return AttachedMethod(self.name, what, "call", self._threads, self._loops, CallOptions(_PATIENCE)).run()

    def close(self) -> None:
        """Close the connection; open calls are cancelled there and end with `RunnerClosedError` here. Repeatable."""
        self._service.close()

    def __enter__(self) -> AttachedRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AttachedRunner:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def __getattr__(self, name: str) -> Any:
        methods = self.__dict__.get("methods", {})
        if name in methods:
            return methods[name]
        raise AttributeError(f"Runner has no attribute or method {name!r}; its methods: {', '.join(methods)}")

    def __repr__(self) -> str:
        return f"<AttachedRunner {self.name!r}: {', '.join(self.methods)}>"


class AttachedMethod:
    """One method of an attached runner."""

    def __init__(
        self,
        runner: str,
        name: str,
        kind: str,
        threads: _ThreadCalls,
        loops: _LoopCalls,
        options: CallOptions = PLAIN,
    ) -> None:
        self.name = name
        self.kind = kind
        self._runner = runner
        self._threads = threads
        self._loops = loops
        self._options = options
        # A timeout is kept here: it counts from now, and needs no timer there.
        self._sent = options if options.timeout is None else replace(options, timeout=None)

    @property
    def streaming(self) -> bool:
        """Whether it yields items."""
        return self.kind in ("stream", "async_stream")

    @property
    def gate(self) -> BaseException | None:
        """The refusal that a call would get now, whatever it brings; `None` where it may be let in."""
        return self._threads.service.gates.get(self.name)

    def options(self, **given: Unpack[CallFacts]) -> AttachedMethod:
        """Return the same method with options for a call.

        Args:
            **given: timeout, explain, deadline, request_id, trace_parent: see `CallOptions`. With `explain=True` calls return
                `Explained(result, explanation)` in place of the result.
        """
        options = CallOptions(**given)
        return AttachedMethod(self._runner, self.name, self.kind, self._threads, self._loops, options)

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method and return its result; of a streaming method, an iterator over its items.

        Raises:
            RemoteError: what the method raised there.
            RunnerError: the call could not be taken in, sent, or was not answered.
        """
        self._check_gate()
        if self.streaming:
            return Items(
                lambda emit: _ThreadStream(self._threads, (self.name, args, kwargs, self._sent), emit),
                self._patience,
                self._timed_out,
            )
        patience = self._patience()
        waiter = ThreadWaiter()
        token = self._threads.next_token()
        answered = False
        # Twice: an interrupt in the one leaves the other.
        try:
            try:
                self._threads.submit(token, waiter, self.name, args, kwargs, self._sent)
                answered = waiter.wait(patience)
            finally:
                if not answered:
                    self._threads.cancel(token)
        finally:
            if not answered:
                self._threads.cancel(token)
        if not answered:
            raise self._timed_out()
        if waiter.error is not None:
            try:
                raise waiter.error
            finally:
                del waiter
        return waiter.result

    async def async_run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method and return its result; of a streaming method, an async iterator over its items.

        Raises:
            RemoteError: what the method raised there.
            RunnerError: the call could not be taken in, sent, or was not answered.
        """
        if self._threads.service.gates:
            self._check_gate()
        if self.streaming:
            return self.async_stream(*args, **kwargs)
        patience = None if self._options is PLAIN else self._patience()
        calls = self._loops.find(asyncio.get_running_loop())
        token, future = calls.submit(self.name, args, kwargs, self._sent)
        timer = None
        if patience is not None:
            timer = calls.loop.call_later(patience, self._expire, calls, token, future)
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            if future.cancelled():
                calls.cancel(token)

    def _expire(self, calls: _OneLoop, token: Hashable, future: asyncio.Future[Any]) -> None:
        if not future.done():
            future.set_exception(self._timed_out())
            calls.cancel(token)

    async def async_stream(self, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Call a streaming method and yield its items.

        Raises:
            RemoteError: what the method raised there.
            RunnerError: the call could not be taken in, or an item did not come in time.
        """
        calls = self._loops.find(asyncio.get_running_loop())
        events: asyncio.Queue[Outcome] = asyncio.Queue()
        token = calls.open_stream((self.name, args, kwargs, self._sent), events)
        try:
            while True:
                calls.request_item(token)
                try:
                    outcome = await asyncio.wait_for(events.get(), self._patience())
                except TimeoutError:
                    raise self._timed_out() from None
                if outcome.error is not None:
                    raise outcome.error
                if not outcome.more:
                    return
                yield outcome.result
        finally:
            calls.cancel(token)

    def _check_gate(self) -> None:
        """Turn the call away here if the runner would do so."""
        gate = self._threads.service.gates.get(self.name)
        if gate is not None:
            raise again(gate)

    def _patience(self) -> float | None:
        """Return for how many seconds the caller waits; raises CallTimeoutError if its deadline has passed."""
        patience = self._options.patience(time.monotonic())
        if self._options.deadline is not None and not patience:
            raise self._timed_out()
        return patience

    def _timed_out(self) -> CallTimeoutError:
        why = "That is as long as this call waits; the other calls in its batch go on"
        return self._options.timed_out(self.name, self._runner, why)

    def __repr__(self) -> str:
        return f"<method {self.name!r} of attached runner {self._runner!r}>"


def _answer_of(outcome: Outcome) -> Any:
    if outcome.explanation is None:
        return outcome.result
    return Explained(outcome.result, Explanation(**outcome.explanation))


class _ThreadCalls:
    """The open calls of plain threads. An exception from a signal handler may end each of them anywhere."""

    def __init__(self, service: AttachedService) -> None:
        self.service = service
        self._port: Port = service.open_port(self._deliver)
        self.next_token = itertools.count().__next__
        self._waiters: dict[Hashable, ThreadWaiter | _ThreadStream] = {}

    def submit(
        self,
        token: Hashable,
        waiter: ThreadWaiter | _ThreadStream,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: CallOptions,
    ) -> None:
        self._waiters[token] = waiter
        self._port.submit([CallRequest(token, method, args, kwargs, options)])

    def request_items(self, token: Hashable, count: int) -> None:
        self._port.request_items(token, count)

    def cancel(self, token: Hashable) -> None:
        """Forget a call. Repeatable."""
        if token in self._waiters:
            self._port.cancel([token])
            self._waiters.pop(token, None)

    def _deliver(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            waiter = self._waiters.get(outcome.token) if outcome.more else self._waiters.pop(outcome.token, None)
            if isinstance(waiter, ThreadWaiter):
                waiter.answer(_answer_of(outcome), outcome.error)
            elif waiter is not None:
                waiter.emit(outcome.result, outcome.error, outcome.more)


class _ThreadStream:
    """One stream for a thread; see `Stream`."""

    def __init__(self, calls: _ThreadCalls, call: _Called, emit: Callable[..., None]) -> None:
        self._calls, self._call = calls, call
        self._token = calls.next_token()
        self.emit = emit

    def start(self) -> None:
        self._calls.submit(self._token, self, *self._call)

    def request(self, count: int) -> None:
        self._calls.request_items(self._token, count)

    def abandon(self) -> None:
        self._calls.cancel(self._token)


class _LoopCalls:
    """The open calls of every event loop."""

    def __init__(self, service: AttachedService) -> None:
        self._service = service
        self._loops: dict[asyncio.AbstractEventLoop, _OneLoop] = {}

    def find(self, loop: asyncio.AbstractEventLoop) -> _OneLoop:
        calls = self._loops.get(loop)
        if calls is None:
            for other in [other for other in tuple(self._loops) if other.is_closed()]:
                if (closed := self._loops.pop(other, None)) is not None:
                    closed.close()
            calls = self._loops[loop] = _OneLoop(self._service, loop)
        return calls


class _OneLoop:
    """The open calls of one event loop; those of one tick are sent together, and answers of one batch come together."""

    def __init__(self, service: AttachedService, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._port: Port = service.open_port(self._deliver)
        self._tokens = itertools.count()
        self._waiters: dict[Hashable, asyncio.Future[Any] | asyncio.Queue[Outcome]] = {}
        self._staged: list[CallRequest] = []

    def submit(
        self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: CallOptions
    ) -> tuple[Hashable, asyncio.Future[Any]]:
        token, future = next(self._tokens), self.loop.create_future()
        self._waiters[token] = future
        if not self._staged:
            self.loop.call_soon(self._flush)
        self._staged.append(CallRequest(token, method, args, kwargs, options))
        return token, future

    def _flush(self) -> None:
        staged, self._staged = self._staged, []
        self._port.submit([request for request in staged if request.token in self._waiters])

    def open_stream(self, call: _Called, events: asyncio.Queue[Outcome]) -> Hashable:
        token = next(self._tokens)
        self._waiters[token] = events
        self._port.submit([CallRequest(token, *call)])
        return token

    def request_item(self, token: Hashable) -> None:
        self._port.request_items(token, 1)

    def cancel(self, token: Hashable) -> None:
        if self._waiters.pop(token, None) is not None:
            self._port.cancel([token])

    def close(self) -> None:
        self._port.close()

    def _deliver(self, outcomes: Sequence[Outcome]) -> None:
        try:
            self.loop.call_soon_threadsafe(self._resolve, outcomes)
        except RuntimeError:
            if not self.loop.is_closed():
                raise

    def _resolve(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            waiter = self._waiters.get(outcome.token) if outcome.more else self._waiters.pop(outcome.token, None)
            if isinstance(waiter, asyncio.Queue):
                waiter.put_nowait(outcome)
            elif waiter is not None and not waiter.done():
                if outcome.error is not None:
                    waiter.set_exception(outcome.error)
                else:
                    waiter.set_result(_answer_of(outcome))


def attach(address: str, *, timeout: float = 10.0, reattach: float = 10.0) -> AttachedRunner:
    """Return a runner whose calls go to one that listens in another process.

    Args:
        address: what `Runner.listen` returned, "unix:" and a path.
        timeout: seconds to wait for the connection.
        reattach: seconds for which calls wait when the runner has gone without a word, until one listens there again.

    Raises:
        RunnerNotReadyError: nobody listens there.
    """
    return AttachedRunner(AttachedService(address, timeout=timeout, reattach=reattach))
