"""Method handles: `runner.predict`, with `run` and `async_run`."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections.abc import Mapping
from typing import Any, Unpack

from numpy import ndarray

from tiffin.batching import BatchAxes, Chunk, Method, Prepared, prepare
from tiffin.calls import PLAIN, CallFacts, CallOptions, Explained, ThreadWaiter
from tiffin.exceptions import BatchInputError, CallTimeoutError
from tiffin.runners._engine import NOT_FREE, Engine
from tiffin.runners._ports import INLINE, Life, LoopPort, Stage, ThreadPort, explained_one
from tiffin.runners._runnable import RunnableMethod

_NOWHERE: Any = object()
_MOST_PARTS = 1 << 16
"""Parts into which one call is split at most: rows may have no bytes, so that there is no other limit to them."""


class LoopPorts:
    """The ports of one engine's event loops, made as loops come."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._ports: dict[asyncio.AbstractEventLoop, LoopPort] = {}

    def find(self, loop: asyncio.AbstractEventLoop) -> LoopPort:
        """Return the loop's port. Called in the loop's thread."""
        port = self._ports.get(loop)
        if port is None:
            for other in list(self._ports):
                if other.is_closed():
                    self._ports.pop(other, None)
            port = self._ports[loop] = LoopPort(self.engine, loop)
        return port


class MethodHandle:
    """One method of a runner, to be called from any thread or event loop.

    Calls that are batchable merge with others; the caller sees no difference.
    """

    def __init__(
        self,
        engine: Engine,
        method: Method,
        declared: RunnableMethod,
        ports: LoopPorts,
        threads: ThreadPort,
        life: Life,
    ) -> None:
        self.name = method.name
        self._life = life
        self.declared = declared
        self._engine = engine
        self.method = method
        self._ports = ports
        self._threads = threads
        self._axes = BatchAxes.parse(declared.batch_dim)
        self._inline = engine.backend.inline and not declared.thread_affine and method.timeout is None
        self._stages: dict[LoopPort, Stage] = {}
        self._stage: Any = Stage.__new__(Stage)
        self._stage.loop = _NOWHERE
        self._last: tuple[Any, Any, Prepared] = (None, None, Prepared(None, 0, None, None))

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method and return its result. Blocks; in a coroutine await `async_run` instead.

        Args:
            *args: the method's positional arguments.
            **kwargs: its keyword arguments.

        Raises:
            Exception: what the method raised for this call.
            RunnerError: the call could not be taken in, or was not answered; its subclasses say why.
        """
        prepared = self.prepare(args, kwargs)
        if self._inline and prepared.rows <= self.method.max_batch_size:
            result = self._engine.run_inline(self._alone(prepared))
            if result is not NOT_FREE:
                return result
        return self._wait(prepared, PLAIN)

    def _alone(self, prepared: Prepared) -> Chunk:
        """Return a call that its own thread runs."""
        return Chunk(
            self.method, prepared.key, prepared.layout, [prepared.payload], [INLINE], prepared.rows, None, INLINE
        )

    async def async_run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method and return its result, from a coroutine.

        Cancelling it cancels this call only.

        Args:
            *args: the method's positional arguments.
            **kwargs: its keyword arguments.

        Raises:
            Exception: what the method raised for this call.
            RunnerError: the call could not be taken in, or was not answered; its subclasses say why.
        """
        stage = self._stage
        if stage.loop is not get_running_loop():
            stage = self._find_stage()
        if len(args) == 1 and not kwargs:
            array = args[0]
            if (
                type(array) is ndarray
                and array.shape == stage.shape
                and array.dtype is stage.dtype
                and self.method.gate is None
            ):
                future = stage.create_future()
                waiters = stage.waiters
                if not waiters:
                    stage.port.schedule(stage)
                stage.payloads.append(array)
                waiters.append(future)
                if len(waiters) >= stage.enough:
                    stage.port.flush()
                return await future
        return await self._stage_other(stage, args, kwargs, PLAIN)

    def _stage_other(
        self, stage: Stage, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: CallOptions
    ) -> asyncio.Future[Any]:
        self._engine.check_open()
        self._check_gate()
        prepared = self.prepare(args, kwargs)
        if len(args) == 1 and not kwargs and type(args[0]) is ndarray and not args[0].dtype.hasobject:
            stage.learn(args[0], prepared)
        return stage.port.stage(self.method, prepared, options)

    def _find_stage(self) -> Stage:
        self._engine.check_open()
        port = self._ports.find(get_running_loop())
        stage = self._stages.get(port)
        if stage is None:
            for other in list(self._stages):
                if other.loop.is_closed():
                    self._stages.pop(other, None)
            stage = self._stages[port] = Stage(port, self.method)
        self._stage = stage
        return stage

    @property
    def gate(self) -> Any:
        """The refusal that a call would get now, whatever it brings; `None` where it may be let in."""
        return self.method.gate

    def _check_gate(self) -> None:
        gate = self.method.gate
        if gate is not None:
            raise self._engine.turn_away(self.method, gate)

    def prepare(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Prepared:
        """Return a call taken apart, ready to be queued.

        Raises:
            BatchInputError: the arguments do not go together as a batch.
        """
        if not self.declared.batchable:
            return Prepared(None, 1, (args, kwargs), None)
        simple = len(args) == 1 and not kwargs and type(args[0]) is ndarray
        if simple:
            array = args[0]
            shape, dtype, last = self._last
            if array.dtype is dtype and array.shape == shape:
                return Prepared(last.key, last.rows, array, last.layout)
        prepared = prepare(self.name, self._axes, self.declared.parameters, args, kwargs)
        if prepared.rows > self.method.max_batch_size * _MOST_PARTS:
            raise BatchInputError(
                f"A call of {self.name!r} has {prepared.rows} rows",
                why=f"It would be split into batches of max_batch_size={self.method.max_batch_size} rows, and into no more "
                f"than {_MOST_PARTS}",
                fix="Call with fewer rows at a time, or raise max_batch_size",
                method=self.name,
            )
        # What arrays of objects hold counts too.
        if simple and prepared.layout is not None and prepared.key is not None and not args[0].dtype.hasobject:
            # Without the payload: nothing of the caller's may stay alive here.
            self._last = (args[0].shape, args[0].dtype, prepared._replace(payload=None))
        return prepared

    def _wait(self, prepared: Prepared, options: CallOptions) -> Any:
        engine = self._engine
        engine.check_open()
        self._check_gate()
        patience = self.patience(options)
        waiter = ThreadWaiter()
        key, rows, payload, layout = prepared
        sink = self._threads.explaining if options.explain else self._threads
        chunk = Chunk(self.method, key, layout, [payload], [waiter], rows, None, sink)
        chunk.about = options.about
        engine.submit([chunk])
        del payload, prepared, chunk
        if not waiter.wait(patience):
            raise self.timed_out(options)
        if waiter.error is not None:
            try:
                raise waiter.error
            finally:
                del waiter
        return waiter.result

    def patience(self, options: CallOptions) -> float | None:
        """Return for how many seconds a caller waits from now on; `None` for ever.

        Raises:
            CallTimeoutError: its deadline has passed already.
        """
        if options.deadline is None:
            return options.timeout
        patience = options.patience(self._engine.clock())
        if not patience:
            raise self.timed_out(options)
        return patience

    def timed_out(self, options: CallOptions) -> CallTimeoutError:
        """Return the error of a caller that has waited long enough."""
        why = "That is as long as this call waits; the other calls in its batch go on"
        return options.timed_out(self.name, self._engine.name, why)

    def options(self, **given: Unpack[CallFacts]) -> CallWithOptions:
        """Return the same method with options for a call.

        Args:
            **given: timeout, explain, deadline, request_id, trace_parent: see `CallOptions`. With `explain=True` calls return
                `Explained(result, explanation)` in place of the result.
        """
        return CallWithOptions(self, CallOptions(**given))

    def __repr__(self) -> str:
        return f"<method {self.name!r} of runner {self._engine.name!r}>"


class CallWithOptions:
    """A method with options for one call or several."""

    def __init__(self, handle: MethodHandle, options: CallOptions) -> None:
        self._handle = handle
        self._options = options

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method as `MethodHandle.run` does, with the options."""
        handle, options = self._handle, self._options
        prepared = handle.prepare(args, kwargs)
        waits = options.timeout is None and options.deadline is None
        if waits and handle._inline and prepared.rows <= handle.method.max_batch_size:
            chunk = handle._alone(prepared)
            chunk.about = options.about
            result = handle._engine.run_inline(chunk, explained_one if options.explain else None)
            if result is not NOT_FREE:
                return result
        return handle._wait(prepared, options)

    async def async_run(self, /, *args: Any, **kwargs: Any) -> Explained | Any:
        """Call the method as `MethodHandle.async_run` does, with the options."""
        handle, options = self._handle, self._options
        stage = handle._find_stage()
        patience = handle.patience(options)
        future = handle._stage_other(stage, args, kwargs, options)
        if patience is None:
            return await future
        timer = stage.loop.call_later(patience, _expire, future, handle, options)
        try:
            return await future
        finally:
            timer.cancel()


def _expire(future: asyncio.Future[Any], handle: MethodHandle, options: CallOptions) -> None:
    if not future.done():
        future.set_exception(handle.timed_out(options))
