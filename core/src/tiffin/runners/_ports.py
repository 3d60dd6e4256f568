"""Ports: how calls get in from event loops and threads, and how answers get back there."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import Any

from tiffin.batching import Batch, Chunk, Layout, Method, Prepared, explain
from tiffin.calls import CallOptions, Explained
from tiffin.exceptions import RunnerError
from tiffin.runners._engine import Engine


def explained(answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> list[tuple[Chunk, list[Any]]]:
    """Return the answers with the explanation of each."""
    return [
        (chunk, [Explained(result, record) for result in results])
        for chunk, results, record in ((chunk, results, explain(chunk, batch)) for chunk, results in answered)
    ]


def explained_one(result: Any, batch: Batch) -> Explained:
    """Return the answer of a batch of one call with its explanation."""
    return Explained(result, explain(batch.chunks[0], batch))


class Explaining:
    """A sink in front of another one, for calls that asked for an explanation."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        """Hand on the answers with their explanations."""
        self._sink.deliver(explained(answered, batch), batch)

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        """Hand on the errors."""
        self._sink.reject(chunk, errors)


class LoopPort:
    """The port of one event loop: calls of one tick of the loop go in together.

    So they merge without any of them having to wait for others to come.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.explaining = Explaining(self)
        self._engine = engine
        self._scheduled = False
        self._stages: list[Stage] = []
        self._chunks: dict[Hashable, Chunk] = {}

    def stage(self, method: Method, prepared: Prepared, options: CallOptions) -> asyncio.Future[Any]:
        """Return the future of a call that goes in with this tick."""
        future = self.loop.create_future()
        key, rows, payload, layout = prepared
        sink = self.explaining if options.explain else self
        place: Hashable = object() if key is None else (key, options.explain, options.about)
        chunk = self._chunks.get(place)
        if chunk is None:
            counts = None if key is None else [rows]
            chunk = self._chunks[place] = Chunk(method, key, layout, [payload], [future], rows, counts, sink)
            chunk.about = options.about
        else:
            chunk.payloads.append(payload)
            chunk.waiters.append(future)
            assert chunk.counts is not None
            chunk.counts.append(rows)
        # This call's chunk counts its calls, each other one at least one.
        if len(self._chunks) - 1 + len(chunk.waiters) >= method.max_batch_size:
            self.flush()
        else:
            self.schedule(None)
        return future

    def schedule(self, stage: Stage | None) -> None:
        """Have the tick's calls submitted when the tick is over."""
        if stage is not None:
            self._stages.append(stage)
            # Calls of this tick that are staged otherwise leave with these, in the same batch.
            others = sum(len(chunk.waiters) for chunk in self._chunks.values() if chunk.method is stage.method)
            stage.enough = max(1, stage.method.max_batch_size - others)
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._end_tick)

    def _end_tick(self) -> None:
        self._scheduled = False
        if self._stages or self._chunks:
            self.flush()

    def flush(self) -> None:
        """Submit what has gathered. Before the tick ends if it fills a batch: nothing is gained by more.

        Then calls that come in the same tick and are too many learn so before anything is made for them.
        """
        chunks = [stage.cut() for stage in self._stages]
        self._stages.clear()
        if self._chunks:
            chunks += self._chunks.values()
            self._chunks.clear()
        try:
            self._engine.submit(chunks)
        except RunnerError:
            for chunk in chunks:
                self.reject(chunk, [self._engine.refusal() for _ in chunk.waiters])

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        """Have the futures resolved in their loop."""
        self._call(_resolve, answered)

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        """Have the futures fail in their loop."""
        self._call(_fail, chunk, errors)

    def _call(self, function: Any, *args: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            # The loop is closed: nobody waits for its futures any more.
            if not self.loop.is_closed():
                raise


def _resolve(answered: Sequence[tuple[Chunk, Sequence[Any]]]) -> None:
    for chunk, results in answered:
        for future, result in zip(chunk.waiters, results, strict=True):
            # The caller may have been cancelled.
            if not future.done():
                future.set_result(result)


def _fail(chunk: Chunk, errors: Sequence[BaseException]) -> None:
    for future, error in zip(chunk.waiters, errors, strict=True):
        if not future.done():
            future.set_exception(error)


class Stage:
    """Where an event loop gathers the calls of one tick that look like the last one: one array, same dtype and shape.

    Attributes:
        port: the loop's port.
        loop: the loop.
        method: the method they call.
        shape: the shape of each call's array, `None` while nothing is known.
        dtype: its dtype.
        payloads: the arrays.
        waiters: a future for each.
        enough: how many of them fill a batch, with the tick's other calls of the method.
        create_future: the loop's.
    """

    __slots__ = (
        "_each",
        "_key",
        "_layout",
        "create_future",
        "dtype",
        "enough",
        "loop",
        "method",
        "payloads",
        "port",
        "shape",
        "waiters",
    )

    def __init__(self, port: LoopPort, method: Method) -> None:
        self.port = port
        self.loop = port.loop
        self.create_future = port.loop.create_future
        self.method = method
        self.shape: tuple[int, ...] | None = None
        self.dtype: Any = None
        self.payloads: list[Any] = []
        self.waiters: list[Any] = []
        self._key: Hashable = None
        self._layout: Layout | None = None
        self._each = 0
        self.enough = method.max_batch_size

    def learn(self, array: Any, prepared: Prepared) -> None:
        """Gather calls that look like this one from now on, unless others are waiting here for the tick to end."""
        if prepared.key is not None and not self.payloads:
            self.shape, self.dtype = array.shape, array.dtype
            self._key, self._layout, self._each = prepared.key, prepared.layout, prepared.rows

    def cut(self) -> Chunk:
        """Return the tick's calls, and begin anew."""
        chunk = Chunk(self.method, self._key, self._layout, self.payloads, self.waiters, self._each, None, self.port)
        self.payloads, self.waiters = [], []
        return chunk


class Life:
    """Is there as long as anybody can call a runner: the runner itself and all of its methods hold it."""


class ThreadPort:
    """The port of all plain threads."""

    def __init__(self) -> None:
        self.explaining = Explaining(self)

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        """Wake each thread up with its result."""
        for chunk, results in answered:
            for waiter, result in zip(chunk.waiters, results, strict=True):
                waiter.answer(result, None)

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        """Wake each thread up with its error."""
        for waiter, error in zip(chunk.waiters, errors, strict=True):
            waiter.answer(None, error)


class InlineWaiter:
    """The waiter, and the sink, of a call that its own thread runs."""

    def done(self) -> bool:
        """Return that somebody waits."""
        return False

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        """Do nothing: the thread has the result."""

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        """Do nothing: the thread has the error."""


INLINE = InlineWaiter()
