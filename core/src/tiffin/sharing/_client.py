"""One attached client, as the listener sees it: its calls go to the runner, the outcomes back."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, cast

from tiffin.calls import (
    PLAIN,
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
    NEWS,
    RESULT,
    RESULTS,
    Agreement,
    Allowance,
    Frame,
    SegmentPool,
    decode_call,
    decode_value,
    describe_error,
    encode_value,
    is_stackable,
    joins,
    stack,
    unstack,
)

logger = logging.getLogger("tiffin.runners")

PROTOCOL = 5
_GREETING = 10.0
"""Seconds within which a client must say which version of the protocol it speaks."""
_PATIENCE = 60.0
"""Seconds within which a frame that a client has begun must come to its end, or bring some bytes."""
_CREDIT = 1024
"""Items of a stream that a client may ask for at a time."""
_AT_A_TIME = 1 << 20
"""Bytes of answers that are made before the first of them is sent."""
_POOL = 256 << 20
"""Bytes of shared memory for the answers of one client."""
_TREE = 16
"""Bytes of memory that each byte of a header may take as values."""


class Host(Protocol):
    """What a client belongs to: the listener."""

    service: CallService
    limits: ClientLimits
    memory: Allowance
    pooled: Allowance

    @property
    def unread(self) -> int:
        """Bytes of answers that all clients have not taken."""

    def forget(self, client: Client) -> None:
        """Count a client no more."""


class Client:
    """One attached client."""

    def __init__(self, listener: Host, loop: Loop, sock: socket.socket, segments: int) -> None:
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
        self._open: dict[int, Port] = {}
        """Where each call that has no last answer yet has gone: there may be a new runner since."""
        self._gates: Mapping[str, BaseException] = {}
        self._agreement = Agreement()
        hello = {
            "protocol": PROTOCOL,
            "process": os.getpid(),
            "service": dict(listener.service.describe()),
            "limits": {"bytes": limits.bytes, "segments": segments},
            "values": self._agreement.greeting(),
        }
        self.connection.send([(HELLO, 0, *encode_value(hello))])
        self._port, self._unwatch = self._take_up(listener.service)
        self._awaited = loop.call_later(_GREETING, self._never_greeted)
        self.connection.start()

    def _take_up(self, service: CallService) -> tuple[Port, Callable[[], None]]:
        """Return a port of a service, and what ends watching it."""
        watch = getattr(service, "watch", None)
        unwatch = (lambda: None) if watch is None else watch(lambda: self._loop.call_soon(self._tell_gates))
        return service.open_port(self._deliver), unwatch

    def switch(self) -> None:
        """Let calls go to the listener's present service from here on; those that are open stay where they are."""
        self._unwatch()
        service = self._listener.service
        self._port, self._unwatch = self._take_up(service)
        self._gates = {}
        self._tell({"service": dict(service.describe()), "gates": {}})

    def leave(self) -> None:
        """Tell the client that the runner ends in order, and close the connection."""
        self._tell({"ends": True})
        self.connection.close()

    def _tell_gates(self) -> None:
        """Let the client know whose calls would be turned away now, if that is not what it knows."""
        gates = dict(getattr(self._listener.service, "gates", {}))
        if gates.keys() != self._gates.keys():
            self._gates = gates
            self._tell({"gates": {method: describe_error(error) for method, error in gates.items()}})

    def _tell(self, news: Mapping[str, Any]) -> None:
        self.connection.send([(NEWS, 0, *encode_value(dict(news), "news"))])

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
        cancelled: list[tuple[Port, int]] = []
        for kind, call, header, buffers, _ in frames:
            if kind == CALL:
                if call in self._open:
                    raise FrameError(f"Call {call} is open already")
                self._open[call] = self._port
                try:
                    method, args, kwargs, extra = decode_call(header, buffers, kinds=self._agreement.receives)
                    (options,) = _options(extra, 1)
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
                cancelled.append((self._open.pop(call, self._port), call))
            elif kind == CREDIT:
                # The call may be in this very batch of frames.
                if requests:
                    self._port.submit(requests)
                    requests = []
                self._open.get(call, self._port).request_items(call, _credit(header))
            else:
                raise FrameError(f"A client sent a frame of kind {kind}")
        del frames
        if requests:
            self._port.submit(requests)
        for port in {port for port, _ in cancelled}:
            port.cancel([call for gone_to, call in cancelled if gone_to is port])

    def _several(self, header: bytes, buffers: Sequence[Any]) -> Iterator[CallRequest]:
        """Yield the calls of a frame that brings several."""
        method, args, kwargs, extra = decode_call(header, buffers)
        if len(args) != 2 or kwargs:
            raise FrameError("A frame brings several calls in another way than one array each")
        numbers, rows = unstack(*args)
        if not self._open.keys().isdisjoint(numbers):
            raise FrameError("A call of several in a frame is open already")
        self._open.update(dict.fromkeys(numbers, self._port))
        size = rows[0].nbytes + len(header)
        for call, row, options in zip(numbers, rows, _options(extra, len(rows)), strict=True):
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
                for number in calls:
                    self._open.pop(number, None)
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
            self._open.get(call, self._port).cancel([call])  # a stream
            outcome = Outcome(call, error=self._refuse_answer())
        if not outcome.more:
            self._open.pop(call, None)
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
        self._unwatch()
        for port in {self._port, *self._open.values()}:
            port.close()


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


def _options(extra: Any, calls: int) -> list[CallOptions]:
    """Return the options of so many calls, as a frame says them: of each, once for all, or not at all."""
    if extra is None:
        return [PLAIN] * calls
    try:
        said = [CallOptions(*values) for values in extra]
        return said * calls if len(said) == 1 else [said[number] for number in range(calls)]
    except (TypeError, IndexError, RunnerOptionError) as error:
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
