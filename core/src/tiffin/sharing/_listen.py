"""The server of attached clients: feeds calls that arrive on a Unix socket to a runner, and sends the outcomes back."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import selectors
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from tiffin.calls import (
    CallOptions,
    CallRequest,
    CallService,
    ClientLimits,
    Outcome,
    Port,
    ReceivedRequest,
)
from tiffin.exceptions import FrameError, RunnerError, RunnerOptionError, UnsendableError
from tiffin.sharing._connection import Connection, Message
from tiffin.sharing._loop import Loop
from tiffin.sharing._socket_paths import bind, file_identity, peer_user, socket_path, unlink_own
from tiffin.wire import (
    CALL,
    CALLS,
    CANCEL,
    CREDIT,
    ERROR,
    EXPLAIN,
    HELLO,
    ITEM,
    LIMITS,
    RESULT,
    RESULTS,
    Agreement,
    Allowance,
    Frame,
    SegmentPool,
    close_in_forks,
    decode_call,
    decode_value,
    default_limit,
    describe_error,
    encode_value,
    is_stackable,
    joins,
    stack,
    unstack,
)

logger = logging.getLogger("tiffin.runners")

PROTOCOL = 4
_NO_OPTIONS = CallOptions()
_GREETING = 10.0
"""Seconds within which a client must say which version of the protocol it speaks."""
_PATIENCE = 60.0
"""Seconds within which a frame that a client has begun must come to its end, or bring some bytes."""
_CREDIT = 1024
"""Items of a stream that a client may ask for at a time."""
_SEGMENTS = 64
"""Segments of shared memory that one client may offer, if there are descriptors enough for that."""
_AT_A_TIME = 1 << 20
"""Bytes of answers that are made before the first of them is sent."""
_POOL = 256 << 20
"""Bytes of shared memory for the answers of one client."""
_TREE = 16
"""Bytes of memory that each byte of a header may take as values."""


class Listener:
    """Lets other processes of the same user call a service. Starts at once.

    Args:
        service: what answers the calls.
        address: `unix:/path` or a path. Its folder is made with mode 0700, or must be so; the socket gets mode 0600.
        limits: what each client may take up. Of its calls, rows and bytes the service keeps account.
        shared_memory: bytes of shared memory for the results of all clients; `None` means a sixteenth of the machine's
            memory, at most 1 GiB; 0 sends everything through the socket.

    Raises:
        SocketPathError: there can be no safe socket at the address.
    """

    def __init__(
        self,
        service: CallService,
        address: str | os.PathLike[str],
        *,
        limits: ClientLimits | None = None,
        shared_memory: int | None = None,
    ) -> None:
        self.service = service
        self.limits = limits or ClientLimits()
        # One client may send as much as it may have open; all together twice as much.
        self.memory = Allowance(2 * self.limits.bytes)
        self.pooled = Allowance(default_limit() if shared_memory is None else shared_memory)
        self._descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4
        self._path = socket_path(address)
        self._sock = bind(self._path)
        self._sock.setblocking(False)
        self._identity = file_identity(self._path)
        self._clients: set[_Client] = set()
        self._turned_away = False
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._closed = False
        self._loop = Loop(f"tiffin:listen:{self._path.name}")
        close_in_forks(self)
        self._loop.start()
        self._loop.call_soon(partial(self._loop.watch, self._sock, selectors.EVENT_READ, self._accept))
        logger.info("listening at %s", self.address)

    @property
    def address(self) -> str:
        """What clients attach to."""
        return f"unix:{self._path}"

    @property
    def clients(self) -> int:
        """How many clients are attached."""
        return len(self._clients)

    @property
    def unread(self) -> int:
        """Bytes of answers that clients have not taken."""
        return sum(client.connection.unread for client in self._clients)

    def close(self) -> None:
        """Close every connection, which cancels their calls, and remove the socket. Repeatable."""
        if self._closed:
            return
        self._closed = True
        self._loop.call_soon(self._end)
        self._loop.stop()

    def close_after_fork(self) -> None:
        """Close this process's copy of the socket."""
        self._closed = True
        self._sock.close()

    def _end(self) -> None:
        unlink_own(self._path, self._identity)
        self._loop.watch(self._sock, 0, self._accept)
        self._sock.close()
        os.close(self._spare)
        for client in list(self._clients):
            client.connection.close()

    def _refuse(self) -> None:
        """Turn one client away although there is no descriptor for it: left waiting, it would wake this thread for ever."""
        os.close(self._spare)
        with contextlib.suppress(OSError):
            self._sock.accept()[0].close()
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def _accept(self, events: int) -> None:
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            logger.error("a client could not be accepted at %s: %s", self.address, error)
            self._refuse()
            return
        user = peer_user(sock)
        if user != os.geteuid():
            logger.warning("refused a client of user %d at %s", user, self.address)
            sock.close()
            return
        if len(self._clients) >= self.limits.clients:
            if not self._turned_away:
                logger.warning("%d clients are attached at %s; no more are taken", len(self._clients), self.address)
            self._turned_away = True
            sock.close()
            return
        # Each segment that is mapped keeps a descriptor. A part of what is left, so that something stays for the next.
        held = sum(client.segments for client in self._clients)
        self._clients.add(_Client(self, self._loop, sock, max(0, min(_SEGMENTS, (self._descriptors - held) // 4))))

    def forget(self, client: _Client) -> None:
        """Count a client no more."""
        self._clients.discard(client)
        self._turned_away = False


class _Client:
    """One attached client."""

    def __init__(self, listener: Listener, loop: Loop, sock: socket.socket, segments: int) -> None:
        self._listener, self._loop, self.segments = listener, loop, segments
        limits = listener.limits
        pool = None
        if listener.pooled.limit:
            pool = SegmentPool(min(_POOL, listener.pooled.limit), allowance=listener.pooled)
        self.connection = Connection(
            loop,
            sock,
            self._received,
            self._ended,
            pool=pool,
            limits=replace(LIMITS, total=limits.bytes, segments=segments, mapped=limits.bytes),
            memory=listener.memory,
            patience=_PATIENCE,
        )
        self._greeted = False
        self._open: set[int] = set()
        self._port: Port = listener.service.open_port(self._deliver)
        self._agreement = Agreement()
        hello = {
            "protocol": PROTOCOL,
            "process": os.getpid(),
            "service": dict(listener.service.describe()),
            "limits": {"bytes": limits.bytes, "segments": segments},
            "values": self._agreement.greeting(),
        }
        self.connection.send([(HELLO, 0, *encode_value(hello))])
        self._awaited = loop.call_later(_GREETING, self._never_greeted)
        self.connection.start()

    def _never_greeted(self) -> None:
        self.connection.close(FrameError(f"It did not say which protocol it speaks within {_GREETING:g} s"))

    def _greet(self, frame: Frame) -> None:
        said = decode_value(frame.header, frame.buffers) if frame.kind == HELLO else None
        if not isinstance(said, dict) or said.get("protocol") != PROTOCOL:
            raise FrameError(
                f"A client speaks another protocol: {str(said)[:80]}",
                why=f"This Tiffin speaks version {PROTOCOL}",
                fix="Use the same version of Tiffin on both sides",
            )
        if "values" in said:
            self._agreement.hear(said["values"])
        self._greeted = True
        self._awaited.cancel()

    def _received(self, frames: list[Frame]) -> None:
        try:
            if not self._greeted:
                self._greet(frames.pop(0))
            self._take(frames)
        except FrameError as error:
            self.connection.close(error)

    def _take(self, frames: list[Frame]) -> None:
        requests: list[CallRequest] = []
        cancelled: list[int] = []
        for kind, call, header, buffers, _ in frames:
            if kind == CALL:
                if call in self._open:
                    raise FrameError(f"Call {call} is open already")
                self._open.add(call)
                try:
                    method, args, kwargs, extra = decode_call(header, buffers, kinds=self._agreement.receives)
                    options = _NO_OPTIONS if extra is None else _options(extra)
                except FrameError as error:
                    # The frame's bounds are sound, only its content is not: the other calls may go on.
                    self._send([Outcome(call, error=error)])
                    continue
                request = ReceivedRequest(call, method, args, kwargs, options)
                request.size = _TREE * len(header) + sum([len(buffer) for buffer in buffers])
                requests.append(request)
            elif kind == CALLS:
                requests += self._several(header, buffers)
            elif kind == HELLO:
                self._agreement.hear(decode_value(header, buffers))
            elif kind == CANCEL:
                cancelled.append(call)
                self._open.discard(call)
            elif kind == CREDIT:
                # The call may be in this very batch of frames.
                if requests:
                    self._port.submit(requests)
                    requests = []
                self._port.request_items(call, _credit(header))
            else:
                raise FrameError(f"A client sent a frame of kind {kind}")
        del frames
        if requests:
            self._port.submit(requests)
        if cancelled:
            self._port.cancel(cancelled)

    def _several(self, header: bytes, buffers: Sequence[Any]) -> Iterator[CallRequest]:
        """Yield the calls of a frame that brings several."""
        method, args, kwargs, extra = decode_call(header, buffers)
        if len(args) != 2 or kwargs:
            raise FrameError("A frame brings several calls in another way than one array each")
        numbers, rows = unstack(*args)
        if not self._open.isdisjoint(numbers):
            raise FrameError("A call of several in a frame is open already")
        self._open.update(numbers)
        options = _NO_OPTIONS if extra is None else _options(extra)
        size = rows[0].nbytes + len(header)
        for call, row in zip(numbers, rows, strict=True):
            request = ReceivedRequest(call, method, (row,), {}, options)
            request.size = size
            yield request

    def _deliver(self, outcomes: Sequence[Outcome]) -> None:
        # Encoding is left to the loop's thread: the worker that delivers has a model to run.
        self._loop.call_soon(partial(self._send, outcomes))

    def _send(self, outcomes: Sequence[Outcome]) -> None:
        messages: list[Message] = []
        size = 0
        for alike in _runs(outcomes):
            outcome = alike[0]
            call: Any = outcome.token
            if len(alike) > 1 and not self._is_behind():
                calls: list[Any] = [each.token for each in alike]
                self._open.difference_update(calls)
                stacked = stack(calls, [each.result for each in alike])
                explanation = None if outcome.explanation is None else dict(outcome.explanation)
                messages.append((RESULTS, call, *encode_value((*stacked, explanation))))
            else:
                for each in alike:
                    messages += self._messages(each)
            size += sum([len(buffer) if type(buffer) is bytes else buffer.nbytes for buffer in messages[-1][3]])
            if size >= _AT_A_TIME:
                self.connection.send(messages, self._agreement)
                messages, size = [], 0
        self.connection.send(messages, self._agreement)

    def _messages(self, outcome: Outcome) -> list[Message]:
        call: Any = outcome.token
        if outcome.result is not None and self._is_behind():
            self._port.cancel([call])  # a stream
            outcome = Outcome(call, error=self._refuse_answer())
        if not outcome.more:
            self._open.discard(call)
        message = _message(call, outcome, self._agreement)
        if outcome.explanation is None:
            return [message]
        return [(EXPLAIN, call, *encode_value(dict(outcome.explanation), "explanation")), message]

    def _is_behind(self) -> bool:
        unread, allowed = self.connection.unread, self._listener.limits.answers
        return unread > allowed or (unread > allowed // 8 and self._listener.unread > 4 * allowed)

    def _refuse_answer(self) -> RunnerError:
        return RunnerError(
            f"The answer was dropped: {self.connection.unread} bytes of others wait for this client",
            why=f"It does not read them as fast as they come, and {self._listener.limits.answers} bytes may wait",
            fix="Call less at a time, or raise the limits given to listen",
        )

    def _ended(self, error: BaseException | None) -> None:
        if error is not None:
            logger.warning("the connection to an attached client broke: %s", error)
        self._awaited.cancel()  # nobody waits for it any more
        self._listener.forget(self)
        self._port.close()


def _runs(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """Yield the outcomes, in order, those together that can travel as one frame."""
    alike: list[Outcome] = []
    for outcome in outcomes:
        _, result, error, explanation, more = outcome
        if error is not None or more:
            if alike:
                yield alike
            alike = []
            yield [outcome]
        elif alike and explanation is alike[0].explanation and joins(alike[0].result, len(alike), result):
            alike.append(outcome)
        else:
            if alike:
                yield alike
            alike = [outcome] if is_stackable(result) else []
            if not alike:
                yield [outcome]
    if alike:
        yield alike


def _message(call: int, outcome: Outcome, agreement: Agreement) -> Message:
    if outcome.error is None:
        try:
            header, buffers = encode_value(outcome.result, peer=agreement)
        except UnsendableError as error:
            return (ERROR, call, *encode_value(describe_error(error)))
        return ITEM if outcome.more else RESULT, call, header, buffers
    return (ERROR, call, *encode_value(describe_error(outcome.error)))


def _options(extra: Any) -> CallOptions:
    try:
        timeout, explain = extra
        return CallOptions(None if timeout is None else float(timeout), bool(explain))
    except (TypeError, ValueError, OverflowError, RunnerOptionError) as error:
        raise FrameError(f"A call's options are {str(extra)[:80]}") from error


def _credit(header: bytes) -> int:
    """Return how many items of a stream a frame asks for."""
    if not (len(header) <= 4 and header.isdigit() and 0 < int(header) <= _CREDIT):
        raise FrameError(f"A client asks for {header[:20]!r} items of a stream at once; {_CREDIT} may be")
    return int(header)


def describe_service(hello: Any) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """Return what a server says of its service, and of its limits; raises `RunnerError` if it speaks another protocol."""
    version = hello.get("protocol") if isinstance(hello, dict) else None
    service, limits = (hello.get(part) if version == PROTOCOL else None for part in ("service", "limits"))
    sound = isinstance(service, dict) and {"name", "methods", "default"} <= service.keys()
    if not (sound and isinstance(limits, dict) and {type(limits.get(key)) for key in ("bytes", "segments")} == {int}):
        raise RunnerError(
            f"The runner at the other end speaks another protocol: version {str(version)[:20]}",
            why=f"This Tiffin speaks version {PROTOCOL}",
            fix="Use the same version of Tiffin on both sides",
        )
    return cast("Mapping[str, Any]", service), cast("Mapping[str, int]", limits)
