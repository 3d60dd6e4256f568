"""What runs in an actor: makes the runnable, and answers the calls of a worker's slots, each in a thread of its own."""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from tiffin.calls import CallAbout, hand_over
from tiffin.model import found_here
from tiffin.models import ModelReference
from tiffin.plugins import restore
from tiffin.runners import LocalBackend
from tiffin.wire import Agreement, decode_call, describe_error, encode_value

WINDOW = 8
"""Items of a stream that are made ahead of what was taken."""
_COPIED = 1 << 16

Said = Mapping[str, Any] | None
"""Which kinds of values an end takes and sends, where the other end has not heard it yet."""
Message = tuple[Said, bytes, list[Any]]
"""News, and a value's header and buffers."""


def packed(news: Said, header: bytes, buffers: Sequence[Any]) -> Message:
    """Return a message that Ray sends without looking into it: small buffers as bytes, large ones as arrays of bytes."""
    return news, header, [_packed(one) for one in buffers]


def _packed(data: Any) -> Any:
    if isinstance(data, np.ndarray):
        return data.tobytes() if data.nbytes < _COPIED else np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return data


def writable(buffers: Sequence[Any]) -> list[bytearray]:
    """Return copies of what came: Ray's memory may not be written to, and methods may write to their arguments."""
    return [bytearray(one) for one in buffers]


def news_of(agreement: Agreement) -> Said:
    """Return what the other end has not heard yet."""
    said: list[dict[str, Any]] = []
    agreement.say(said.append)
    return said[0] if said else None


class Lane:
    """One slot: its thread, and what is agreed with the other end of it."""

    def __init__(self, number: int, turn: contextlib.AbstractContextManager[Any]) -> None:
        self.number, self.turn = number, turn
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"tiffin:{number}")
        self.agreement = Agreement()
        self.stream: Stream | None = None

    def hear(self, news: Said) -> None:
        """Take in what the other end says."""
        if news is not None:
            self.agreement.hear(news)

    def packed(self, value: Any, name: str = "result") -> Message:
        """Return a value as a message."""
        header, buffers = encode_value(value, name, peer=self.agreement)
        return packed(news_of(self.agreement), header, buffers)

    def failed(self, error: BaseException) -> tuple[str, Message]:
        """Return an error as an answer."""
        return "error", self.packed(describe_error(error))


class Stream:
    """The items of one call, made in the slot's thread as long as there is room for them."""

    def __init__(self) -> None:
        self.items: SimpleQueue[tuple[str, Message | None]] = SimpleQueue()
        self.room = threading.Semaphore(WINDOW)
        self.closed = False
        self.done: Future[None] | None = None

    def taken(self) -> list[tuple[str, Message | None]]:
        """Return what there is, at least one entry."""
        entries = [self.items.get()]
        with contextlib.suppress(Empty):
            while True:
                entries.append(self.items.get_nowait())
        for _ in entries:
            self.room.release()
        return entries

    def close(self) -> None:
        """Make no more items."""
        self.closed = True
        self.room.release()


class Actor:
    """A worker's actor. Ray calls its methods in several threads at a time."""

    def __init__(self) -> None:
        self._lanes: list[Lane] = []
        self._worker: Any = None
        self._ended = threading.Event()

    def make(
        self, spec: bytes, references: Sequence[ModelReference], plugins: Mapping[str, Any], greeting: Said
    ) -> tuple[str, Any]:
        """Make the runnable, and return what this end takes, or the error.

        Args:
            spec: the worker's spec, pickled by the program that made this actor.
            references: the models that have to be here.
            plugins: what that program has registered itself.
            greeting: what its end takes.
        """
        first = Lane(0, contextlib.nullcontext())
        self._lanes = [first]
        try:
            first.thread.submit(self._make, spec, references, plugins).result()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other end hears of it
            return first.failed(error)
        for lane in self._lanes:
            lane.hear(greeting)
            said = lane.agreement.greeting()
        return "made", (os.getpid(), said)

    def _make(self, data: bytes, references: Sequence[ModelReference], plugins: Mapping[str, Any]) -> None:
        if any(plugins.values()):
            restore(plugins)
        models = {one.tag: one.ensure_local() for one in references}
        with found_here(models):
            # Comes from the program that made this actor, as all the code that runs in it does.
            spec = pickle.loads(data)  # noqa: S301
        worker = LocalBackend().create_worker(spec)
        worker.start()
        several: Any = threading.Semaphore(spec.threads) if spec.ahead else contextlib.nullcontext()
        unmerged = range(spec.threads, spec.threads + spec.extra_slots)
        for number in range(1, spec.threads + spec.extra_slots + spec.ahead):
            self._lanes.append(Lane(number, contextlib.nullcontext() if number in unmerged else several))
        self._lanes[0].turn = several
        self._worker = worker

    def call(self, slot: int, message: Message) -> tuple[str, Message]:
        """Call a method in a slot's thread; return its result, or the error."""
        lane = self._lanes[slot]
        return lane.thread.submit(self._call, lane, message).result()

    def _call(self, lane: Lane, message: Message) -> tuple[str, Message]:
        try:
            run, name, args, kwargs = self._received(lane, message)
            del message
            with lane.turn:
                result = run(self._worker.run, name, args, kwargs, slot=lane.number)
            del args, kwargs
            return "result", lane.packed(result)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: it fails the call, and does not end the worker
            return lane.failed(error)

    def _received(self, lane: Lane, message: Message) -> tuple[Callable[..., Any], str, tuple[Any, ...], Any]:
        news, header, buffers = message
        lane.hear(news)
        name, args, kwargs, said = decode_call(header, writable(buffers), kinds=lane.agreement.receives)
        abouts = [CallAbout(*about) for about in said or ()]
        return lambda function, *rest, **named: hand_over(abouts, function, *rest, **named), name, args, kwargs

    def begin(self, slot: int, message: Message) -> None:
        """Begin a stream in a slot's thread; `items` returns what it makes."""
        lane = self._lanes[slot]
        lane.stream = stream = Stream()
        stream.done = lane.thread.submit(self._stream, lane, stream, message)

    def _stream(self, lane: Lane, stream: Stream, message: Message) -> None:
        try:
            run, name, args, kwargs = self._received(lane, message)
            items = run(self._worker.stream, name, args, kwargs, slot=lane.number)
            with contextlib.closing(items):
                while True:
                    stream.room.acquire()
                    if stream.closed:
                        break
                    try:
                        item = next(items)
                    except StopIteration:
                        break
                    stream.items.put(("item", lane.packed(item, "item")))
                    del item
        except BaseException as error:  # noqa: BLE001 - as in `_call`
            stream.items.put(lane.failed(error))
        else:
            stream.items.put(("end", None))

    def items(self, slot: int) -> list[tuple[str, Message | None]]:
        """Return the items that a slot's stream has made, at least one; the last entry may be its end or an error."""
        stream = self._lanes[slot].stream
        return [("end", None)] if stream is None else stream.taken()

    def cancel(self, slot: int) -> None:
        """Have what runs in a slot end: nobody waits for it. Returns when a stream has ended."""
        lane = self._lanes[slot]
        if lane.stream is not None:
            lane.stream.close()
        self._worker.cancel(slot)
        if lane.stream is not None and lane.stream.done is not None:
            lane.stream.done.result()

    def watch(self) -> None:
        """Return when the actor ends: whoever waits for it hears of the end of the process, too."""
        self._ended.wait()

    def finish(self) -> None:
        """Let running calls end, and let go of the runnable."""
        for lane in self._lanes:
            if lane.stream is not None:
                lane.stream.close()
            lane.thread.shutdown()
        if self._worker is not None:
            self._worker.close()
        self._ended.set()
