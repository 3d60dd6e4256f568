"""Runners that are served: started, and called once before anybody else calls them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tiffin import Runner
from tiffin.exceptions import RemoteError, RunnerError, TiffinError
from tiffin.runners import RunnableMethod
from tiffin.signatures import plain_spec
from tiffin_serve._streams import Stream
from tiffin_serve._taking import ArrayTaker, Taker, make_taker


class Offer(Protocol):
    """What a process serves: stored models, or a service.

    Attributes:
        draining: whether it takes no more.
    """

    draining: bool

    async def metrics(self) -> Sequence[Mapping[str, Any]]:
        """Return the counters of all runners that it calls, as `Runner.metrics`."""

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

    Attributes:
        call: awaits the method's answer.
        run: awaits its answer to what its taker made.
        taker: makes its arguments of what a request brings.
        output_spec: what it returns; `None` where that is not known.
        by_name: whether its arguments are given by their names.
        streams: whether it yields items, in place of one answer: then `stream` is what calls it.
    """

    def __init__(self, name: str, handle: Any, about: RunnableMethod, seconds: float | None = None) -> None:
        self.name = name
        self.about = about
        limited = handle if seconds is None else handle.options(timeout=seconds)
        self.streams = about.kind in ("stream", "async_stream")
        self.call = limited.async_stream if self.streams else limited.async_run
        spec = None if about.input_spec is None else plain_spec(about.input_spec)
        self.by_name = spec is not None and spec["type"] == "arguments"
        self.taker: Taker = make_taker(spec)
        # Not a coroutine around a coroutine: each call would pay for it.
        self.run: Callable[[Any], Awaitable[Any]] = self._run_by_name if self.by_name else self.call
        self.output_spec = None if about.output_spec is None else plain_spec(about.output_spec)

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


def make_methods(runner: Runner, handles: Mapping[str, Any], seconds: float | None = None) -> dict[str, Method]:
    """Return a runner's methods.

    Args:
        runner: says which there are; it need not be started.
        handles: what is called: name → the method of this runner, or of one that is attached in its place.
        seconds: in which a call has to be answered, `None` for no limit.
    """
    return {
        name: Method(name, handles[name], about, seconds) for name, about in runner.runnable.runnable_methods.items()
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
