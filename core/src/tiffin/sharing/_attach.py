"""The client: a connection to a runner that listens in another process, which is called as if it were here."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from tiffin.calls import CallRequest, Deliver, Outcome
from tiffin.exceptions import (
    ForkedRunnerError,
    FrameError,
    RunnerClosedError,
    RunnerError,
    RunnerNotReadyError,
    SocketPathError,
    TiffinError,
    UnsendableError,
)
from tiffin.sharing._connection import Connection, Message
from tiffin.sharing._listen import PROTOCOL, describe_service
from tiffin.sharing._loop import Loop
from tiffin.sharing._socket_paths import peer_user, socket_path
from tiffin.wire import (
    CALL,
    CALLS,
    CANCEL,
    CREDIT,
    ERROR,
    EXPLAIN,
    HELLO,
    ITEM,
    RESULT,
    RESULTS,
    Agreement,
    Frame,
    SegmentPool,
    close_in_forks,
    decode_value,
    encode_call,
    encode_value,
    is_stackable,
    joins,
    rebuild_error,
    stack,
    unstack,
)


class _Call:
    """One call that has no last outcome yet."""

    __slots__ = ("explanation", "port", "token")

    def __init__(self, port: AttachedPort, token: Hashable) -> None:
        self.port, self.token = port, token
        self.explanation: Mapping[str, Any] | None = None


class AttachedService:
    """A runner in another process. Any number of threads and event loops share the one connection.

    Args:
        address: what the runner listens at: `unix:/path`, or the path.
        timeout: seconds to wait for the connection and the runner's first word.
        shared_memory: bytes of shared memory for this process's arguments; `None` means a sixteenth of the machine's
            memory, at most 1 GiB; 0 sends everything through the socket.

    Raises:
        RunnerNotReadyError: nobody listens there, or nobody answers in time.
        SocketPathError: the path is none, or another user listens there.
    """

    def __init__(
        self, address: str | os.PathLike[str], *, timeout: float = 10.0, shared_memory: int | None = None
    ) -> None:
        path = socket_path(address)
        self._address = f"unix:{path}"
        self._ids = itertools.count(1)
        self._agreement = Agreement()
        self._calls: dict[int, _Call] = {}
        self._ended: TiffinError | None = None
        self._greeting: Any = None
        self._greeted = threading.Event()
        sock = _connect(os.fspath(path), timeout)
        self._loop = Loop(f"tiffin:attach:{path.name}")
        self._pool = None if shared_memory == 0 else SegmentPool(shared_memory)
        self._connection = Connection(self._loop, sock, self._received, self._closed, pool=self._pool)
        close_in_forks(self)
        self._loop.start()
        self._connection.start()
        if not self._greeted.wait(timeout):
            self._greeting = RunnerNotReadyError(f"The runner at {self._address} did not answer within {timeout} s")
        if isinstance(self._greeting, BaseException):
            self.close()
            raise self._greeting
        self._description, limits = self._greeting
        self._largest = limits["bytes"]
        if self._pool is not None:
            self._pool.restrict(limits["bytes"], limits["segments"])

    def describe(self) -> Mapping[str, Any]:
        """Return what the runner says of itself; see `CallService.describe`."""
        return self._description  # type: ignore[no-any-return]

    def open_port(self, deliver: Deliver) -> AttachedPort:
        """Return a new port, whose outcomes go to `deliver`, in the connection's thread."""
        return AttachedPort(self, deliver)

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._ended is None

    def close(self) -> None:
        """Close the connection; open calls end with `RunnerClosedError`. Repeatable; not from `deliver`."""
        self._connection.close()
        self._loop.stop()

    def close_after_fork(self) -> None:
        """Refuse calls: the connection's thread did not come along."""
        self._calls = {}
        self._ended = ForkedRunnerError(
            f"The connection to the runner at {self._address} was made in the parent of this process",
            why="Threads do not come along when a process forks",
            fix="Attach again in this process, or start it with the method 'spawn'",
        )

    def enter(self, port: AttachedPort, requests: Sequence[CallRequest]) -> None:
        """Send calls whose outcomes go to the port. Those that are alike and stand together travel in one frame."""
        messages: list[Message] = []
        failed: list[Outcome] = []
        entered: list[int] = []
        for alike in _runs(requests):
            token, method, args, kwargs, options = alike[0]
            extra = None
            if options.timeout is not None or options.explain:
                extra = (options.timeout, options.explain)
            calls = [next(self._ids) for _ in alike]
            try:
                if len(alike) > 1:
                    args = stack(calls, [request.args[0] for request in alike])
                header, buffers = encode_call(method, args, kwargs, extra, peer=self._agreement)
                self._check_size(method, buffers)
            except UnsendableError as error:
                failed.append(Outcome(token, error=error))
                continue
            # Before sending: the answer may come sooner than the next line.
            for call, request in zip(calls, alike, strict=True):
                self._calls[call] = _Call(port, request.token)
                port.tokens[request.token] = call
            entered += calls
            messages.append((CALL if len(alike) == 1 else CALLS, calls[0], header, buffers))
        ended = self._ended
        if ended is not None:
            # Whoever takes a call out, here or where the connection ends, tells its caller.
            for call in entered:
                if (entry := self._calls.pop(call, None)) is not None:
                    port.tokens.pop(entry.token, None)
                    failed.append(Outcome(entry.token, error=_copy(ended)))
        if failed:
            port.deliver(failed)
        if ended is None and messages:
            self._connection.send(messages, self._agreement)

    def _check_size(self, method: str, buffers: Sequence[Any]) -> None:
        size = sum([len(buffer) if type(buffer) is bytes else buffer.nbytes for buffer in buffers])
        if size > self._largest:
            raise UnsendableError(
                f"A call of {method!r} brings {size} bytes",
                why=f"The runner at {self._address} takes {self._largest} at a time from a client",
                fix="Call with less at a time, or raise the limits given to listen",
                where="",
                type_name="",
            )

    def cancel(self, calls: Sequence[int]) -> None:
        """Forget calls, there and here. Repeatable."""
        messages = [(CANCEL, call, b"", ()) for call in calls if call in self._calls]
        if messages:
            self._connection.send(messages)
        for call in calls:
            self._calls.pop(call, None)

    def request_items(self, call: int, count: int) -> None:
        """Allow a streaming call more items."""
        self._connection.send([(CREDIT, call, b"%d" % count, ())])

    def _received(self, frames: list[Frame]) -> None:
        if not self._greeted.is_set():
            self._greet(frames.pop(0))
        delivered: dict[AttachedPort, list[Outcome]] = {}
        for frame in frames:
            if frame.kind == HELLO:
                self._agreement.hear(decode_value(frame.header, frame.buffers))
                continue
            if frame.kind == RESULTS:
                self._take_results(frame, delivered)
                continue
            call = frame.call
            last = frame.kind in (RESULT, ERROR)
            entry = self._calls.pop(call, None) if last else self._calls.get(call)
            if entry is None:
                continue  # cancelled meanwhile
            try:
                value = decode_value(frame.header, frame.buffers, kinds=self._agreement.receives)
            except FrameError as error:
                if not last:
                    self._calls.pop(call, None)
                    self._connection.send([(CANCEL, call, b"", ())])
                outcome = Outcome(entry.token, error=error)
                last = True
            else:
                if frame.kind == EXPLAIN:
                    entry.explanation = value
                    continue
                if frame.kind == ERROR:
                    outcome = Outcome(entry.token, None, rebuild_error(value), entry.explanation)
                else:
                    outcome = Outcome(entry.token, value, None, entry.explanation, frame.kind == ITEM)
            if last:
                entry.port.tokens.pop(entry.token, None)
            delivered.setdefault(entry.port, []).append(outcome)
        # Leased memory is the callers' from here on.
        frames.clear()
        for port, outcomes in delivered.items():
            port.deliver(outcomes)

    def _take_results(self, frame: Frame, delivered: dict[AttachedPort, list[Outcome]]) -> None:
        try:
            numbers, stacked, explanation = decode_value(frame.header, frame.buffers)
            answers = list(zip(*unstack(numbers, stacked), strict=True))
        except (FrameError, TypeError, ValueError) as error:
            # Whose answers these were is not known, so they would wait for ever.
            self._connection.close(error)
            return
        for call, result in answers:
            entry = self._calls.pop(call, None)
            if entry is not None:  # else cancelled meanwhile
                entry.port.tokens.pop(entry.token, None)
                delivered.setdefault(entry.port, []).append(Outcome(entry.token, result, None, explanation))

    def _greet(self, frame: Frame) -> None:
        try:
            if frame.kind != HELLO:
                raise FrameError(f"It began with a frame of kind {frame.kind}")
            hello = decode_value(frame.header, frame.buffers)
            self._greeting = describe_service(hello)
            self._agreement.hear(hello.get("values"))
            # Before any call: it may come from another thread as soon as this one says so.
            said = {"protocol": PROTOCOL, "process": os.getpid(), "values": self._agreement.greeting()}
            self._connection.send([(HELLO, 0, *encode_value(said))])
        except RunnerError as error:
            self._greeting = error
        self._greeted.set()

    def _closed(self, error: BaseException | None) -> None:
        if self._ended is None:
            ended = RunnerClosedError(
                f"The connection to the runner at {self._address} is closed",
                why=str(error) if error is not None else "One side ended it",
                fix="Attach again when the runner is back",
            )
            ended.__cause__ = error
            self._ended = ended
        # Calls that are entered from here on see that it has ended.
        open_calls: list[_Call] = []
        with contextlib.suppress(KeyError):
            while True:
                open_calls.append(self._calls.popitem()[1])
        open_calls.reverse()
        if not self._greeted.is_set():
            self._greeting = _copy(self._ended)
            self._greeted.set()
        delivered: dict[AttachedPort, list[Outcome]] = {}
        for entry in open_calls:
            entry.port.tokens.pop(entry.token, None)
            delivered.setdefault(entry.port, []).append(Outcome(entry.token, error=_copy(self._ended)))
        for port, outcomes in delivered.items():
            port.deliver(outcomes)


class AttachedPort:
    """One caller's access to a runner in another process; see `Port`."""

    def __init__(self, service: AttachedService, deliver: Deliver) -> None:
        self._service, self.deliver = service, deliver
        self.tokens: dict[Hashable, int] = {}

    def submit(self, requests: Sequence[CallRequest]) -> None:
        """Send calls; see `Port.submit`."""
        self._service.enter(self, requests)

    def cancel(self, tokens: Sequence[Hashable]) -> None:
        """Forget calls; see `Port.cancel`."""
        self._service.cancel([call for token in tokens if (call := self.tokens.get(token)) is not None])
        for token in tokens:
            self.tokens.pop(token, None)

    def request_items(self, token: Hashable, count: int) -> None:
        """Allow a streaming call more items; see `Port.request_items`."""
        call = self.tokens.get(token)
        if call is not None:
            self._service.request_items(call, count)

    def close(self) -> None:
        """Cancel every open call. Repeatable."""
        self.cancel(list(self.tokens))


def _runs(requests: Sequence[CallRequest]) -> Iterator[list[CallRequest]]:
    """Yield the requests, in order, those together that can travel as one frame."""
    alike: list[CallRequest] = []
    first: Any = None
    for request in requests:
        _, method, args, kwargs, options = request
        if len(args) == 1 and not kwargs:
            array = args[0]
            if alike and first is not None and joins(first, len(alike), array):
                head = alike[0]
                if method == head.method and (options is head.options or options == head.options):
                    alike.append(request)
                    continue
        else:
            array = None
        if alike:
            yield alike
        alike, first = [request], array if is_stackable(array) else None
    if alike:
        yield alike


def _connect(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
        user = peer_user(sock)
        if user != os.geteuid():
            raise SocketPathError(f"User {user} listens at {path!r}, not {os.geteuid()}", path=path)
        return sock
    except SocketPathError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise RunnerNotReadyError(
            f"No runner listens at 'unix:{path}': {error}", fix="Start the one that calls listen() with this path"
        ) from error


def _copy(error: TiffinError) -> TiffinError:
    """Return an equal error: each caller raises its own, so that tracebacks do not mix."""
    copy = type(error)(error.what, why=error.why, fix=error.fix)
    copy.__cause__ = error.__cause__
    return copy
