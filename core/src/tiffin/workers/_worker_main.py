"""What runs inside a worker process: makes the runnable, then answers calls until the connections end.

Started by `_worker_process` with inherited descriptors: one socket per slot, a file with the spec, and the life line,
a pipe on whose other end the parent holds on for as long as it lives.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeAlias

from tiffin.exceptions import UnsendableError
from tiffin.surroundings import worker_context
from tiffin.values import ValueKind, registry
from tiffin.wire import (
    CALL,
    CANCEL,
    CREDIT,
    END,
    ERROR,
    HELLO,
    ITEM,
    RESULT,
    Channel,
    Frame,
    decode_call,
    describe_error,
    encode_value,
)
from tiffin.workers._life_line import die_with_parent

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

logger = logging.getLogger("tiffin.runners")

Turn: TypeAlias = "contextlib.AbstractContextManager[Any]"


def main(life_line: int, spec: int, *sockets: int) -> None:
    """Run a worker until its parent closes the connections; ends the process if the parent dies.

    Args:
        life_line: descriptor of the pipe's reading end.
        spec: descriptor of a file with the pickled spec. Written by the parent, which started this program: no peer of
            any socket can reach it.
        sockets: descriptors of the slots' sockets.
    """
    for descriptor in (life_line, spec, *sockets):
        # Not for the runnable's own child processes: they would keep the connections open.
        os.set_inheritable(descriptor, False)
    die_with_parent(life_line)
    # The parent decides when to stop; an interrupt from the terminal is for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(spec, "rb") as file:
        started = pickle.load(file)  # noqa: S301 - the parent's own file, see above
    _set_up_logging(started["name"], started["log_level"])
    threading.current_thread().name = f"tiffin:{started['name']}:0"
    limit = started["shared_memory"]
    for descriptor in sockets:
        # The parent may have sockets that never block, in place of Python's.
        os.set_blocking(descriptor, True)
    channels = [Channel(socket.socket(fileno=descriptor), shared_memory=limit) for descriptor in sockets]
    context = worker_context(started["runner"])
    try:
        registry.sources.append(_kinds_of_plugins)
        if any(started["plugins"].values()):
            from tiffin.plugins import restore

            restore(started["plugins"])
        runnable = context.run(lambda: pickle.loads(started["make"])())  # noqa: S301 - as above
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent hears of it
        channels[0].send(ERROR, 0, *encode_value(describe_error(error)))
        sys.exit(1)
    methods = _Methods(runnable, started["kinds"], context)
    threads, unmerged = started["threads"], started["extra_slots"]
    # More slots than threads: a call on one of them waits here, received and decoded, until another one ends.
    several: Turn = contextlib.nullcontext()
    if len(channels) > threads + unmerged:
        # A lock is the same as a semaphore of one, and ten times as fast.
        several = threading.Lock() if threads == 1 else threading.Semaphore(threads)
    turns = [
        contextlib.nullcontext() if threads <= slot < threads + unmerged else several for slot in range(len(channels))
    ]
    others = [
        threading.Thread(
            target=_serve, args=(channel, methods, turns[slot]), name=f"tiffin:{started['name']}:{slot}", daemon=True
        )
        for slot, channel in enumerate(channels[1:], 1)
    ]
    if any(package in sys.modules for package in started["unasked"]):
        registry.ask()
    for channel in channels:
        channel.agreement.hear(started["values"])
        greeting = channel.agreement.greeting()
    for thread in others:
        thread.start()
    channels[0].send(HELLO, 0, *encode_value({"process": os.getpid(), "values": greeting}))
    _serve(channels[0], methods, turns[0])
    for thread in others:
        thread.join()
    methods.close()


def _kinds_of_plugins() -> Iterator[ValueKind | None]:
    """Return the kinds that plugins bring; they are imported for the first value that needs one, not at each start."""
    from tiffin.plugins import known_kinds

    return known_kinds()


def _set_up_logging(name: str, level: int) -> None:
    """Let log records go to the standard error, marked with the worker's name; does nothing to handlers that exist."""
    who = f"worker {name} (process {os.getpid()})".replace("%", "%%")
    logging.basicConfig(level=level, format=f"%(asctime)s %(levelname)s {who} %(name)s: %(message)s")


class _Methods:
    """The runnable's methods, and the event loop that the asynchronous ones share."""

    def __init__(self, runnable: Any, kinds: Mapping[str, str], context: Context) -> None:
        self._bound = {name: (getattr(runnable, name), kind) for name, kind in kinds.items()}
        self._context = context
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def find(self, name: str) -> tuple[Callable[..., Any], str, Context]:
        """Return a method, its kind, and a context of its own for the call: what the call sets is gone after it."""
        return *self._bound[name], self._context.copy()

    def begin(self, coroutine: Coroutine[Any, Any, Any], context: Context) -> Future[Any]:
        """Run a coroutine on the shared loop: what the runnable keeps between calls belongs to one loop."""
        import asyncio  # the runnable's module has it, where it has asynchronous methods

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="tiffin:async", daemon=True)
                self._thread.start()
        return context.run(asyncio.run_coroutine_threadsafe, coroutine, self._loop)

    def close(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


class _GoneError(Exception):
    """The parent has ended the connection."""


class _CancelledError(Exception):
    """Nobody waits for the call any more."""


class _Call:
    """One call in a slot, which hears of its cancelling while it waits for a coroutine."""

    def __init__(self, channel: Channel, methods: _Methods, number: int, context: Context) -> None:
        self._channel, self._methods, self._number, self._context = channel, methods, number, context
        self._credit = 0

    def wait_for(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine returns; raises `_CancelledError` if the parent cancels the call meanwhile."""
        future = self._methods.begin(coroutine, self._context)
        reading, writing = os.pipe()
        try:
            # Told by a descriptor, so that one poll waits for both.
            future.add_done_callback(lambda _: os.write(writing, b"."))
            poller = select.poll()
            poller.register(reading, select.POLLIN)
            poller.register(self._channel.fileno(), select.POLLIN)
            while reading not in (ready for ready, _ in poller.poll()):
                if self._channel.poll() and self._cancelled():
                    raise _CancelledError
            return future.result()
        finally:
            future.cancel()  # of no effect on one that has ended
            os.read(reading, 1)  # the callback has written, and the descriptors can go
            os.close(reading)
            os.close(writing)

    def granted(self) -> bool:
        """Wait until an item may be sent; return whether the parent wants one."""
        while not self._credit or self._channel.poll():
            if self._cancelled():
                return False
        self._credit -= 1
        return True

    def _cancelled(self) -> bool:
        try:
            frame = self._channel.receive()
        except (EOFError, ConnectionError) as error:
            raise _GoneError from error
        if frame.kind == CREDIT and frame.call == self._number:
            self._credit += int(frame.header)
        return frame.kind == CANCEL and frame.call == self._number

    def iterate(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        """Yield an asynchronous iterator's items; closing closes it too."""
        try:
            while True:
                try:
                    item = self.wait_for(_next(items))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                with contextlib.suppress(RuntimeError):  # its cancelled step has not ended yet, and closes it
                    self._methods.begin(close(), self._context).result()

    def step(self, items: Iterator[Any]) -> Iterator[Any]:
        """Yield a generator's items; closing closes it too."""
        end: Any = object()
        try:
            while (item := self._context.run(next, items, end)) is not end:
                yield item
                del item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                self._context.run(close)


async def _next(items: AsyncIterator[Any]) -> Any:
    return await items.__anext__()


def _serve(channel: Channel, methods: _Methods, turn: Turn) -> None:
    """Answer one slot's calls, one after the other, until the parent ends the connection."""
    while True:
        try:
            frame = channel.receive()
        except (EOFError, ConnectionError):
            return
        # What concerns a stream that has ended meanwhile is passed over.
        if frame.kind == CALL:
            # Handed over whole: held here as well, its leases would outlive the answer.
            handed = [frame]
            del frame
            try:
                _answer(channel, methods, turn, handed)
            except ConnectionError:
                return


def _answer(channel: Channel, methods: _Methods, turn: Turn, handed: list[Frame]) -> None:
    frame = handed.pop()
    number = frame.call
    try:
        name, args, kwargs, abouts = decode_call(frame.header, frame.buffers, kinds=channel.agreement.receives)
        del frame
        method, kind, context = methods.find(name)
        if abouts:
            from tiffin.calls import take_in_hand  # what a worker begins with does without

            context.run(take_in_hand, abouts)
        if kind in ("stream", "async_stream"):
            call = _Call(channel, methods, number, context)
            _stream(channel, call, number, context.run(method, *args, **kwargs), kind)
            return
        with turn:
            result = context.run(method, *args, **kwargs)
        if kind == "async":
            result = _Call(channel, methods, number, context).wait_for(result)
        # So that the leases on what came in end before the answer goes out, and their memory serves the next call.
        del args, kwargs
        header, buffers = encode_value(result, peer=channel.agreement)
    except _GoneError:
        return
    except BaseException as error:  # noqa: BLE001 - SystemExit too: it fails the call, and does not end the worker
        _send_error(channel, number, error)
    else:
        del result
        channel.send(RESULT, number, header, buffers)


def _send_error(channel: Channel, call: int, error: BaseException) -> None:
    if not isinstance(error, UnsendableError):
        logger.debug("a method raised", exc_info=error)
    described = describe_error(error)
    # Its frames hold the arguments, and these their leases.
    error.__traceback__ = error.__context__ = None
    channel.send(ERROR, call, *encode_value(described))


def _stream(channel: Channel, call: _Call, number: int, items: Any, kind: str) -> None:
    """Send a generator's items, as many as the parent has room for, until it ends or the parent cancels."""
    iterator: Any = call.iterate(items) if kind == "async_stream" else call.step(iter(items))
    # Closed before the end is told: what the generator does last has happened when the caller goes on.
    with contextlib.closing(iterator), contextlib.suppress(_CancelledError):
        while call.granted():
            try:
                item = next(iterator)
            except StopIteration:
                break
            channel.send(ITEM, number, *encode_value(item, "item", peer=channel.agreement))
            del item
    channel.send(END, number)
