"""The server of attached clients: feeds calls that arrive on a Unix socket to a runner, and sends the outcomes back."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tiffin.calls import CallOptions, CallRequest, CallService, Outcome, Port
from tiffin.exceptions import FrameError, RunnerError, UnsendableError
from tiffin.sharing._connection import Connection, Loop, Message
from tiffin.sharing._socket_paths import bind, file_identity, peer_user, socket_path, unlink_own
from tiffin.wire import (
    CALL,
    CANCEL,
    CREDIT,
    ERROR,
    EXPLAIN,
    HELLO,
    ITEM,
    RESULT,
    Agreement,
    Frame,
    close_in_forks,
    decode_call,
    decode_value,
    describe_error,
    encode_value,
)

logger = logging.getLogger("tiffin.runners")

PROTOCOL = 2
_NO_OPTIONS = CallOptions()


class Listener:
    """Lets other processes of the same user call a service. Starts at once.

    Args:
        service: What answers the calls.
        address: `unix:/path` or a path. Its folder is made with mode 0700, or must be so; the socket gets mode 0600.
        shared_memory: Bytes of shared memory for the results of each client; `None` means a sixteenth of the machine's
            memory, at most 1 GiB; 0 sends everything through the socket.

    Raises:
        SocketPathError: There can be no safe socket at the address.
    """

    def __init__(
        self, service: CallService, address: str | os.PathLike[str], *, shared_memory: int | None = None
    ) -> None:
        self._service, self._shared_memory = service, shared_memory
        self._path = socket_path(address)
        self._sock = bind(self._path)
        self._sock.setblocking(False)
        self._identity = file_identity(self._path)
        self._clients: set[_Client] = set()
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
        self._clients.add(_Client(self._service, self._loop, sock, self._clients, self._shared_memory))


class _Client:
    """One attached client."""

    def __init__(
        self,
        service: CallService,
        loop: Loop,
        sock: socket.socket,
        clients: set[_Client],
        shared_memory: int | None,
    ) -> None:
        self._loop, self._clients = loop, clients
        self.connection = Connection(loop, sock, self._received, self._ended, shared_memory=shared_memory)
        self._port: Port = service.open_port(self._deliver)
        self._agreement = Agreement()
        hello = {"protocol": PROTOCOL, "process": os.getpid(), "service": dict(service.describe())}
        hello["values"] = self._agreement.greeting()
        self.connection.send([(HELLO, 0, *encode_value(hello))])
        self.connection.start()

    def _received(self, frames: list[Frame]) -> None:
        requests: list[CallRequest] = []
        cancelled: list[int] = []
        for kind, call, header, buffers, _ in frames:
            if kind == CALL:
                try:
                    method, args, kwargs, extra = decode_call(header, buffers, kinds=self._agreement.receives)
                    options = _NO_OPTIONS if extra is None else _options(extra)
                except FrameError as error:
                    # The frame's bounds are sound, only its content is not: the other calls may go on.
                    self._send([Outcome(call, error=error)])
                    continue
                requests.append(CallRequest(call, method, args, kwargs, options))
            elif kind == HELLO:
                self._agreement.hear(decode_value(header, buffers))
            elif kind == CANCEL:
                cancelled.append(call)
            elif kind == CREDIT:
                # The call may be in this very batch of frames.
                if requests:
                    self._port.submit(requests)
                    requests = []
                with contextlib.suppress(ValueError):
                    self._port.request_items(call, int(header))
        del frames
        if requests:
            self._port.submit(requests)
        if cancelled:
            self._port.cancel(cancelled)

    def _deliver(self, outcomes: Sequence[Outcome]) -> None:
        # Encoding is left to the loop's thread: the worker that delivers has a model to run.
        self._loop.call_soon(partial(self._send, outcomes))

    def _send(self, outcomes: Sequence[Outcome]) -> None:
        messages: list[Message] = []
        for outcome in outcomes:
            call: Any = outcome.token
            if outcome.explanation is not None:
                messages.append((EXPLAIN, call, *encode_value(dict(outcome.explanation), "explanation")))
            messages.append(_message(call, outcome, self._agreement))
        self._agreement.say(lambda news: self.connection.send([(HELLO, 1, *encode_value(news))]))
        self.connection.send(messages)

    def _ended(self, error: BaseException | None) -> None:
        if error is not None:
            logger.warning("the connection to an attached client broke: %s", error)
        self._clients.discard(self)
        self._port.close()


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
    except (TypeError, ValueError) as error:
        raise FrameError(f"A call's options are {str(extra)[:80]}") from error


def describe_service(hello: Any) -> Mapping[str, Any]:
    """Return what a server says of its service; raises `RunnerError` if it speaks another protocol."""
    if not isinstance(hello, dict) or hello.get("protocol") != PROTOCOL or not isinstance(hello.get("service"), dict):
        raise RunnerError(
            "The runner at the other end speaks another protocol",
            why=f"This Tiffin speaks version {PROTOCOL}",
            fix="Use the same version of Tiffin on both sides",
        )
    service: Mapping[str, Any] = hello["service"]
    return service
