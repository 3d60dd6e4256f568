"""Runners that are served: started, and called once before anybody else calls them."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tiffin import Runner
from tiffin.calls import CallFacts
from tiffin.exceptions import LatencyLimitError, RemoteError, RunnerError, TiffinError
from tiffin.runners import RunnableMethod
from tiffin.signatures import plain_spec
from tiffin_serve._errors import RequestError, as_request_error
from tiffin_serve._requests import Request
from tiffin_serve._streams import Stream
from tiffin_serve._taking import ArrayTaker, Taker, make_taker


class Offer(Protocol):
    """What a process serves: stored models, or a service.

    Attributes:
        draining: whether it takes no more.
    """

    draining: bool

    async def metrics(self) -> Sequence[Mapping[str, Any]]:
        """Return the counters of runners that it shares with other processes, as `Runner.metrics`."""

    def counts(self) -> str:
        """Return what this process alone has counted, its own runners' counters too, in Prometheus' text format."""

    def states(self) -> Mapping[str, bool]:
        """Return which of its parts have answered a call and take more."""

    async def start(self) -> None:
        """Start everything, and have every runner answer a call."""

    async def stop(self, seconds: float) -> None:
        """Answer what was taken in, for so many seconds at most, and end."""


def is_ready(offer: Offer) -> bool:
    """Tell whether everything answers, and goes on."""
    return not offer.draining and all(offer.states().values())


class Method:
    """One method of a runner that is served.

    Args:
        name: its name.
        handle: the runner's method.
        about: what is declared of it.
        seconds: in which it has to answer, `None` for no limit.
        latency: seconds after a request's head within which an answer is worth something, `None` for no limit.

    Attributes:
        call: awaits the method's answer.
        run: awaits its answer to what its taker made.
        run_within: likewise, of a request whose head came at a time of `time.monotonic()`; with a latency only.
        taker: makes its arguments of what a request brings.
        output_spec: what it returns; `None` where that is not known.
        by_name: whether its arguments are given by their names.
        streams: whether it yields items, in place of one answer: then `stream` is what calls it.
    """

    def __init__(
        self,
        name: str,
        handle: Any,
        about: RunnableMethod,
        seconds: float | None = None,
        latency: float | None = None,
    ) -> None:
        self.name = name
        self.latency = latency
        self.run_within: Callable[[Any, float], Awaitable[Any]] = self._run_within
        self._handle, self._seconds = handle, seconds
        self._gated = hasattr(handle, "gate")
        self._moment, self._by = -1, handle
        self._closed_until, self._refusal = 0.0, RequestError(503, "")
        self.about = about
        self.streams = about.kind in ("stream", "async_stream")
        spec = None if about.input_spec is None else plain_spec(about.input_spec)
        self.by_name = spec is not None and spec["type"] == "arguments"
        self.taker: Taker = make_taker(spec)
        self._take(handle if seconds is None else handle.options(timeout=seconds))
        self.output_spec = None if about.output_spec is None else plain_spec(about.output_spec)

    def of(self, request: Request, *, explain: bool = False) -> Method:
        """Return the method for one request: what it says of itself goes with the call. Itself, where it says nothing.

        Args:
            request: with the caller's id and trace parent, if there are any.
            explain: whether to answer with `Explained`; not for streams.
        """
        if not explain and request.says_nothing:
            return self
        said, trace = request.said_id, request.trace_parent
        facts: CallFacts = {"explain": explain and not self.streams, "request_id": said, "trace_parent": trace}
        if self._seconds is not None:
            facts["timeout"] = self._seconds
        if self.latency is not None:
            facts["deadline"] = request.since + self.latency
        made = copy.copy(self)
        made._take(self._handle.options(**facts))
        return made

    def _take(self, handle: Any) -> None:
        self.call = handle.async_stream if self.streams else handle.async_run
        # Not a coroutine around a coroutine: each call would pay for it.
        self.run: Callable[[Any], Awaitable[Any]] = self._run_by_name if self.by_name else self.call

    def check_open(self, since: float) -> None:
        """Refuse a call that would be turned away whatever it brings: before its body is read, which costs the most.

        Args:
            since: when its head came, as `time.monotonic()`.

        Raises:
            RequestError: it would be; with the seconds after which to try again.
        """
        if self._gated and (gate := self._handle.gate) is not None:
            raise as_request_error(gate)
        if self.latency is None:
            return
        now = time.monotonic()
        if now < self._closed_until:
            raise self._refusal.with_traceback(None)  # else each raise adds to what it holds
        if now - since >= self.latency:
            # It costs as much as one that is answered, unless it ends here; and where heads wait, others wait behind it.
            what = f"The call waited for {now - since:.3f} s before anything was done for it"
            why = f"It has to be answered within {self.latency:g} s, and more come than can be"
            raise RequestError(503, what, why=why, headers={"retry-after": "1"})

    async def _run_within(self, argument: Any, since: float) -> Any:
        assert self.latency is not None
        # One deadline for all heads of a millisecond: calls whose options are one and the same travel and queue together.
        moment = int(since * 1000)
        if moment != self._moment:
            self._moment = moment
            self._by = self._handle.options(timeout=self._seconds, deadline=moment / 1000 + self.latency)
        by = self._by
        try:
            return await (by.async_run(**argument) if self.by_name else by.async_run(argument))
        except LatencyLimitError as error:
            # For as long as the runner says, but never for long: only calls that get in show that there is room.
            self._closed_until = time.monotonic() + min(error.retry_after, self.latency / 4)
            self._refusal = as_request_error(error)
            raise

    async def _run_by_name(self, argument: Any) -> Any:
        return await self.call(**argument)

    def stream(self, argument: Any) -> AsyncIterator[Any]:
        """Return the items that it yields for what its taker made. Closing it ends the method."""
        items: AsyncIterator[Any] = self.call(**argument) if self.by_name else self.call(argument)
        return items

    async def try_out(self, argument: Any) -> None:
        """Have it answer a call, or make its first item. Raises what it raises."""
        if not self.streams:
            await self.run(argument)
            return
        stream = await Stream(self.stream(argument), lambda item: b"").begin()
        await stream.aclose()

    def example(self) -> Any:
        """Return an argument that its spec allows, one row of zeros; `None` where the spec does not say enough."""
        taker = self.taker
        if not isinstance(taker, ArrayTaker) or taker.shape is None:
            return None
        dtype = taker.dtype or np.dtype(np.float64)
        if dtype.kind not in "biufc":
            return None
        return taker.take(np.zeros([1 if length is None else length for length in taker.shape], dtype), taker.name)


def make_methods(
    runner: Runner, handles: Mapping[str, Any], seconds: float | None = None, latency: float | None = None
) -> dict[str, Method]:
    """Return a runner's methods.

    Args:
        runner: says which there are; it need not be started.
        handles: what is called: name → the method of this runner, or of one that is attached in its place.
        seconds: in which a call has to be answered, `None` for no limit.
        latency: seconds after a request's head within which an answer is worth something, `None` for no limit.
    """
    return {
        name: Method(name, handles[name], about, seconds, latency)
        for name, about in runner.runnable.runnable_methods.items()
    }


async def start_runner(runner: Runner) -> None:
    """Start a runner unless it is already.

    Raises:
        TiffinError: the model cannot be loaded, or its worker does not run.
        Exception: what loading raised.
    """
    if not runner.scheduled:
        await asyncio.get_running_loop().run_in_executor(None, runner.start)


async def call_once(methods: Iterable[Method]) -> None:
    """Have each method answer a call whose spec says what to bring.

    Raises:
        TiffinError: a call was not answered.
    """
    for method in methods:
        example = method.example()
        if example is None:
            continue
        try:
            await method.try_out(example)
        except RemoteError:
            pass  # the method's own error, at zeros: it was called, and answered
        except RunnerError:
            raise
        # A method may refuse zeros in any way; what counts is that it was called.
        except Exception as error:
            if isinstance(error, TiffinError):
                raise


async def stop_runner(runner: Runner, seconds: float) -> None:
    """Answer what was taken in, for so many seconds at most, and end."""
    await asyncio.get_running_loop().run_in_executor(None, runner.stop, seconds)
