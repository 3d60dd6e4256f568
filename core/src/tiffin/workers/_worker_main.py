"""What runs inside a worker process: makes the runnable, then answers calls until the connections end.

Started by `_worker_process` with inherited descriptors: one socket per slot, a file with the spec, and the life line,
a pipe on whose other end the parent holds on for as long as it lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import pickle
import select
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from tiffin.exceptions import UnsendableError
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

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger("tiffin.runners")

Turn: TypeAlias = "contextlib.AbstractContextManager[Any]"


def main(life_line: int, spec: int, sockets: Sequence[int]) -> None:
    """Run a worker until its parent closes the connections; ends the process if the parent dies.

    Args:
        life_line: Descriptor of the pipe's reading end.
        spec: Descriptor of a file with the pickled spec. Written by the parent, which started this program: no peer of
            any socket can reach it.
        sockets: Descriptors of the slots' sockets.
    """
    for descriptor in (life_line, spec, *sockets):
        # Not for the runnable's own child processes: they would keep the connections open.
        os.set_inheritable(descriptor, False)
    _die_with_parent(life_line)
    # The parent decides when to stop; an interrupt from the terminal is for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(spec, "rb") as file:
        started = pickle.load(file)  # noqa: S301 - the parent's own file, see above
    _set_up_logging(started["name"], started["log_level"])
    threading.current_thread().name = f"tiffin:{started['name']}:0"
    limit = started["shared_memory"]
    channels = [Channel(socket.socket(fileno=descriptor), shared_memory=limit) for descriptor in sockets]
    try:
        registry.sources.append(_kinds_of_plugins)
        if any(started["plugins"].values()):
            from tiffin.plugins import restore

            restore(started["plugins"])
        runnable = pickle.loads(started["make"])()  # noqa: S301 - as above
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent hears of it
        channels[0].send(ERROR, 0, *encode_value(describe_error(error)))
        sys.exit(1)
    methods = _Methods(runnable, started["kinds"])
    threads, unmerged = started["threads"], started["extra_slots"]
    # More slots than threads: a call on one of them waits here, received and decoded, until another one ends.
    several = threading.Semaphore(threads) if len(channels) > threads + unmerged else contextlib.nullcontext()
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


def _kinds_of_plugins() -> Sequence[ValueKind]:
    """Return the kinds that plugins bring; they are imported for the first value that needs one, not at each start."""
    from tiffin.plugins import known_kinds

    return known_kinds()


def _die_with_parent(life_line: int) -> None:
    """End this process when the other end of the pipe closes, even while some library holds the GIL."""
    if hasattr(fcntl, "F_SETSIG"):
        # The kernel itself sends the signal. PR_SET_PDEATHSIG would do so already when the parent's *thread* ends.
        # To the whole group (a negative number): what the runnable has started ends too.
        fcntl.fcntl(life_line, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(life_line, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life_line, fcntl.F_SETFL, fcntl.fcntl(life_line, fcntl.F_GETFL) | os.O_ASYNC)
        poller = select.poll()
        poller.register(life_line, 0)
        if poller.poll(0):
            os.kill(0, signal.SIGKILL)  # it had closed before the signal was set up
        return

    def watch() -> None:
        os.read(life_line, 1)
        os._exit(1)

    threading.Thread(target=watch, name="tiffin:life-line", daemon=True).start()


def _set_up_logging(name: str, level: int) -> None:
    """Let log records go to the standard error, marked with the worker's name; does nothing to handlers that exist."""
    who = f"worker {name} (process {os.getpid()})".replace("%", "%%")
    logging.basicConfig(level=level, format=f"%(asctime)s %(levelname)s {who} %(name)s: %(message)s")


class _Methods:
    """The runnable's methods, and the event loop that the asynchronous ones share."""

    def __init__(self, runnable: Any, kinds: Mapping[str, str]) -> None:
        self._bound = {name: (getattr(runnable, name), kind) for name, kind in kinds.items()}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def find(self, name: str) -> tuple[Callable[..., Any], str]:
        return self._bound[name]

    def wait_for(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the shared loop to its end: what the runnable keeps between calls belongs to one loop."""
        import asyncio  # the runnable's module has it, where it has asynchronous methods

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="tiffin:async", daemon=True)
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

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
                self.wait_for(close())

    def close(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()


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
    call = frame.call
    try:
        name, args, kwargs, _ = decode_call(frame.header, frame.buffers, kinds=channel.agreement.receives)
        del frame
        method, kind = methods.find(name)
        if kind in ("stream", "async_stream"):
            _stream(channel, methods, call, method(*args, **kwargs), kind)
            return
        with turn:
            result = method(*args, **kwargs)
        if kind == "async":
            result = methods.wait_for(result)
        # So that the leases on what came in end before the answer goes out, and their memory serves the next call.
        del args, kwargs
        header, buffers = encode_value(result, peer=channel.agreement)
    except BaseException as error:  # noqa: BLE001 - SystemExit too: it fails the call, and does not end the worker
        _send_error(channel, call, error)
    else:
        del result
        channel.send(RESULT, call, header, buffers)


def _send_error(channel: Channel, call: int, error: BaseException) -> None:
    if not isinstance(error, UnsendableError):
        logger.debug("a method raised", exc_info=error)
    described = describe_error(error)
    # Its frames hold the arguments, and these their leases.
    error.__traceback__ = error.__context__ = None
    channel.send(ERROR, call, *encode_value(described))


def _stream(channel: Channel, methods: _Methods, call: int, items: Any, kind: str) -> None:
    """Send a generator's items, as many as the parent has room for, until it ends or the parent cancels."""
    iterator: Any = methods.iterate(items) if kind == "async_stream" else items
    # Closed before the end is told: what the generator does last has happened when the caller goes on.
    with contextlib.closing(iterator):
        credit = 0
        while (granted := _granted(channel, call, credit)) is not None:
            try:
                item = next(iterator)
            except StopIteration:
                break
            channel.send(ITEM, call, *encode_value(item, "item", peer=channel.agreement))
            credit = granted - 1
            del item
    channel.send(END, call)


def _granted(channel: Channel, call: int, credit: int) -> int | None:
    """Return how many items may be sent now, waiting until it is one at least; `None` if the call is cancelled."""
    while not credit or channel.poll():
        frame = channel.receive()
        if frame.kind == CREDIT and frame.call == call:
            credit += int(frame.header)
        elif frame.kind == CANCEL and frame.call == call:
            return None
    return credit
