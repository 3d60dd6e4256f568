"""The client: a connection to a runner that listens in another process, which is called as if it were here."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from tiffin.calls import PLAIN, CallOptions, CallRequest, Deliver, Outcome
from tiffin.exceptions import (
    ForkedRunnerError,
    FrameError,
    RunnerClosedError,
    RunnerNotReadyError,
    SocketPathError,
    TiffinError,
    UnsendableError,
)
from tiffin.sharing._connection import Message
from tiffin.sharing._loop import Loop
from tiffin.sharing._session import Session, connect
from tiffin.sharing._socket_paths import socket_path
from tiffin.wire import (
    CALL,
    CALLS,
    CANCEL,
    CREDIT,
    ERROR,
    EXPLAIN,
    ITEM,
    RESULT,
    RESULTS,
    Frame,
    close_in_forks,
    decode_value,
    encode_call,
    is_stackable,
    joins,
    rebuild_error,
    stack,
    unstack,
)

_PAUSE = 0.05
"""Seconds between attempts to attach again."""
_ACCEPTS = 1.0
"""Seconds within which whoever listens must accept a connection that is made anew."""


class _Call:
    """One call that has no last outcome yet.

    Attributes:
        request: what was asked for, to be sent once more if the runner goes away.
        session: the connection that it was sent on; `None` while it waits for one.
        repeated: whether it has been sent before, on another one.
    """

    __slots__ = ("explanation", "port", "repeated", "request", "session")

    def __init__(self, port: AttachedPort, request: CallRequest, session: Session | None) -> None:
        self.port, self.request, self.session = port, request, session
        self.repeated = False
        self.explanation: Mapping[str, Any] | None = None


class AttachedService:
    """A runner in another process. Any number of threads and event loops share the one connection.

    When the connection breaks, it is made anew, at the same address. Calls of idempotent methods wait for that, those that
    were under way are sent once more; all others end with `RunnerClosedError`. After a runner that has ended in order nobody
    waits: the next call attaches if somebody listens again.

    Args:
        address: what the runner listens at: `unix:/path`, or the path.
        timeout: seconds to wait for the connection and the runner's first word.
        reattach: seconds for which calls wait for a runner that has gone without a word, such as a killed one.
        shared_memory: bytes of shared memory for this process's arguments; `None` means a sixteenth of the machine's
            memory, at most 1 GiB; 0 sends everything through the socket.

    Raises:
        RunnerNotReadyError: nobody listens there, or nobody answers in time.
        SocketPathError: the path is none, or another user listens there.
    """

    def __init__(
        self,
        address: str | os.PathLike[str],
        *,
        timeout: float = 10.0,
        reattach: float = 10.0,
        shared_memory: int | None = None,
    ) -> None:
        path = socket_path(address)
        self._path, self._timeout, self._reattach = os.fspath(path), timeout, reattach
        self._address = f"unix:{path}"
        self._shared_memory = shared_memory
        self._ids = itertools.count(1)
        self._calls: dict[int, _Call] = {}
        self._ended: TiffinError | None = None
        self._first = threading.Event()
        self._until, self._trying = 0.0, False
        sock = connect(self._path, timeout)
        self._loop = Loop(f"tiffin:attach:{path.name}")
        self._session = self._open(sock)
        close_in_forks(self)
        self._loop.start()
        self._session.connection.start()
        if not self._first.wait(timeout):
            self._session.error = RunnerNotReadyError(
                f"The runner at {self._address} did not answer within {timeout} s"
            )
        if self._session.error is not None:
            error = self._session.error
            self.close()
            raise error

    def _open(self, sock: socket.socket) -> Session:
        return Session(self._loop, sock, self._shared_memory, self._greeted, self._received, self._lost)

    def describe(self) -> Mapping[str, Any]:
        """Return what the runner says of itself; see `CallService.describe`."""
        return self._session.description

    @property
    def gates(self) -> Mapping[str, BaseException]:
        """The methods whose calls the runner would turn away now, each with the error."""
        return self._session.gates

    def open_port(self, deliver: Deliver) -> AttachedPort:
        """Return a new port, whose outcomes go to `deliver`, in the connection's thread."""
        return AttachedPort(self, deliver)

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._session.is_open

    def close(self) -> None:
        """Close the connection; open calls end with `RunnerClosedError`. Repeatable; not from `deliver`."""
        if self._ended is None:
            self._ended = self._closed_error(None)
        self._session.connection.close()
        self._loop.call_soon(self._end_calls)
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
        session = self._session
        if self._ended is not None:
            port.deliver([Outcome(request.token, error=_copy(self._ended)) for request in requests])
            return
        sent_on = session if session.is_open else None
        calls = {next(self._ids): request for request in requests}
        messages, failed = ([], {}) if sent_on is None else self._frames(calls, session)
        # Before sending: the answer may come sooner than the next line.
        for call, request in calls.items():
            if call not in failed:
                self._calls[call] = _Call(port, request, sent_on)
                port.tokens[request.token] = call
        if messages:
            session.connection.send(messages, session.agreement)
        if failed:
            port.deliver([Outcome(calls[call].token, error=error) for call, error in failed.items()])
        if self._ended is not None or not session.is_open or session.connection.is_closed:
            # Whoever noticed the end may have done so before these calls were there to be seen.
            self._loop.call_soon(self._look_again)

    def _frames(
        self, calls: Mapping[int, CallRequest], session: Session
    ) -> tuple[list[Message], dict[int, BaseException]]:
        """Return the frames that bring these calls, and those of them that cannot be sent, with the errors."""
        messages: list[Message] = []
        failed: dict[int, BaseException] = {}
        for alike in _runs(calls):
            numbers = [number for number, _ in alike]
            _, method, args, kwargs, _ = alike[0][1]
            try:
                if len(alike) > 1:
                    args = stack(numbers, [request.args[0] for _, request in alike])
                header, buffers = encode_call(method, args, kwargs, _said_of(alike), peer=session.agreement)
                self._check_size(method, buffers, session)
            except UnsendableError as error:
                failed |= {number: _copy(error) for number in numbers}
                continue
            messages.append((CALL if len(alike) == 1 else CALLS, numbers[0], header, buffers))
        return messages, failed

    def _check_size(self, method: str, buffers: Sequence[Any], session: Session) -> None:
        size = sum([len(buffer) if type(buffer) is bytes else buffer.nbytes for buffer in buffers])
        if size > session.largest:
            raise UnsendableError(
                f"A call of {method!r} brings {size} bytes",
                why=f"The runner at {self._address} takes {session.largest} at a time from a client",
                fix="Call with less at a time, or raise the limits given to listen",
                where="",
                type_name="",
            )

    def cancel(self, calls: Sequence[int]) -> None:
        """Forget calls, there and here. Repeatable."""
        session = self._session
        sent = [call for call in calls if (entry := self._calls.get(call)) is not None and entry.session is session]
        if sent:
            session.connection.send([(CANCEL, call, b"", ()) for call in sent])
        for call in calls:
            self._calls.pop(call, None)

    def request_items(self, call: int, count: int) -> None:
        """Allow a streaming call more items."""
        self._session.connection.send([(CREDIT, call, b"%d" % count, ())])

    # In the loop's thread

    def _received(self, session: Session, frames: list[Frame]) -> None:
        delivered: dict[AttachedPort, list[Outcome]] = {}
        for frame in frames:
            if frame.kind == RESULTS:
                self._take_results(session, frame, delivered)
                continue
            call = frame.call
            last = frame.kind in (RESULT, ERROR)
            entry = self._calls.pop(call, None) if last else self._calls.get(call)
            if entry is None:
                continue  # cancelled meanwhile
            token = entry.request.token
            try:
                value = decode_value(frame.header, frame.buffers, kinds=session.agreement.receives)
            except FrameError as error:
                if not last:
                    self._calls.pop(call, None)
                    session.connection.send([(CANCEL, call, b"", ())])
                outcome = Outcome(token, error=error)
                last = True
            else:
                if frame.kind == EXPLAIN:
                    entry.explanation = value
                    continue
                if frame.kind == ERROR:
                    outcome = Outcome(token, None, rebuild_error(value), entry.explanation)
                else:
                    outcome = Outcome(token, value, None, entry.explanation, frame.kind == ITEM)
            if last:
                entry.port.tokens.pop(token, None)
            delivered.setdefault(entry.port, []).append(outcome)
        # Leased memory is the callers' from here on.
        frames.clear()
        for port, outcomes in delivered.items():
            port.deliver(outcomes)

    def _take_results(self, session: Session, frame: Frame, delivered: dict[AttachedPort, list[Outcome]]) -> None:
        try:
            numbers, stacked, explanation = decode_value(frame.header, frame.buffers)
            answers = list(zip(*unstack(numbers, stacked), strict=True))
        except (FrameError, TypeError, ValueError) as error:
            # Whose answers these were is not known, so they would wait for ever.
            session.connection.close(error)
            return
        for call, result in answers:
            entry = self._calls.pop(call, None)
            if entry is not None:  # else cancelled meanwhile
                entry.port.tokens.pop(entry.request.token, None)
                outcome = Outcome(entry.request.token, result, None, explanation)
                delivered.setdefault(entry.port, []).append(outcome)

    def _greeted(self, session: Session) -> None:
        if session is self._session:
            self._first.set()
        elif session.error is None:
            self._session, self._trying = session, False
            self._look_again()
        else:
            session.connection.close(session.error)

    def _lost(self, session: Session, error: BaseException | None) -> None:
        """See to what a connection that has ended leaves."""
        if not self._first.is_set():
            session.error = session.error or self._closed_error(error)
            self._first.set()
        elif session is self._session:
            self._until = time.monotonic() + (0.0 if session.in_order else self._reattach)
            self._look_again()
        elif session.error is not None:
            self._give_up(session.error)
        else:
            self._pause(self._closed_error(error))

    def _look_again(self) -> None:
        """See to calls that no open connection carries."""
        session = self._session
        if self._ended is not None:
            self._end_calls()
            return
        for call, entry in tuple(self._calls.items()):
            if entry.session is not None and entry.session.is_open:
                continue
            if (session.is_open and entry.session is None) or self._may_wait(entry):
                entry.repeated, entry.session = entry.repeated or entry.session is not None, None
            else:
                self._fail({call: self._closed_error(None)})
        waiting = {call: entry.request for call, entry in tuple(self._calls.items()) if entry.session is None}
        if waiting and not session.is_open:
            if not self._trying:
                self._trying = True
                self._attempt()
        elif waiting:
            messages, failed = self._frames(waiting, session)
            for call in waiting:
                if (entry := self._calls.get(call)) is not None:  # type: ignore[assignment]
                    entry.session = session
            session.connection.send(messages, session.agreement)
            self._fail(failed)

    def _may_wait(self, entry: _Call) -> bool:
        """Return whether a call may wait for the next connection; for one that was under way, whether to send it again."""
        traits = self._session.description["methods"].get(entry.request.method)
        if traits is None or traits["kind"] not in ("call", "async"):
            return False
        return entry.session is None or (traits.get("idempotent") is True and not entry.repeated)

    def _attempt(self) -> None:
        if self._ended is not None:
            return
        try:
            sock = connect(self._path, _ACCEPTS)
        except RunnerNotReadyError as error:
            self._pause(error)
            return
        except SocketPathError as error:
            self._give_up(error)
            return
        session = self._open(sock)
        session.connection.start()
        self._loop.call_later(self._timeout, lambda: None if session.is_open else session.connection.close())

    def _pause(self, error: TiffinError) -> None:
        """Try again in a moment, if there is time."""
        left = self._until - time.monotonic()
        if left > 0:
            self._loop.call_later(min(_PAUSE, left), self._attempt)
        else:
            self._give_up(error)

    def _give_up(self, error: TiffinError) -> None:
        self._trying = False
        self._fail(dict.fromkeys(self._calls, self._closed_error(error)))

    def _end_calls(self) -> None:
        if self._ended is not None:
            self._fail(dict.fromkeys(self._calls, self._ended))

    def _fail(self, errors: Mapping[int, BaseException]) -> None:
        """End calls, each with an error of its own."""
        delivered: dict[AttachedPort, list[Outcome]] = {}
        for call, error in errors.items():
            if (entry := self._calls.pop(call, None)) is not None:
                entry.port.tokens.pop(entry.request.token, None)
                delivered.setdefault(entry.port, []).append(Outcome(entry.request.token, error=_copy(error)))
        for port, outcomes in delivered.items():
            port.deliver(outcomes)

    def _closed_error(self, cause: BaseException | None) -> RunnerClosedError:
        error = RunnerClosedError(
            f"The connection to the runner at {self._address} is closed",
            why=str(cause) if cause is not None else "One side ended it",
            fix="Attach again when the runner is back",
        )
        error.__cause__ = cause
        return error


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


def _runs(calls: Mapping[int, CallRequest]) -> Iterator[list[tuple[int, CallRequest]]]:
    """Yield the calls with their numbers, in order, those together that can travel as one frame."""
    alike: list[tuple[int, CallRequest]] = []
    first: Any = None
    for numbered in calls.items():
        _, method, args, kwargs, options = numbered[1]
        if len(args) == 1 and not kwargs:
            array = args[0]
            if alike and first is not None and joins(first, len(alike), array):
                head = alike[0][1]
                if method == head.method and (options is head.options or _go_together(options, head.options)):
                    alike.append(numbered)
                    continue
        else:
            array = None
        if alike:
            yield alike
        alike, first = [numbered], array if is_stackable(array) else None
    if alike:
        yield alike


def _go_together(options: CallOptions, others: CallOptions) -> bool:
    return options.explain == others.explain and options.timeout == others.timeout


def _said_of(alike: Sequence[tuple[int, CallRequest]]) -> list[tuple[Any, ...]] | None:
    """Return the options of calls as plain values: of each, or once if they are the same; `None` if there are none."""
    first = alike[0][1].options
    if all(request.options is first or request.options == first for _, request in alike):
        return None if first == PLAIN else [first.plain()]
    return [request.options.plain() for _, request in alike]


def _copy(error: Any) -> Any:
    """Return an equal error: each caller raises its own, so that tracebacks do not mix."""
    copy = type(error)(error.what, why=error.why, fix=error.fix)
    copy.__cause__ = error.__cause__
    return copy
