"""One connection of a client to a listening runner: greeting, what is agreed, what the runner says of itself meanwhile.

A client outlives its connections: when one breaks, it opens the next. What belongs to one connection alone is here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from tiffin.exceptions import FrameError, RunnerError, RunnerNotReadyError, SocketPathError, TiffinError
from tiffin.sharing._client import PROTOCOL, describe_service
from tiffin.sharing._connection import Connection
from tiffin.sharing._loop import Loop
from tiffin.sharing._socket_paths import peer_user
from tiffin.wire import HELLO, NEWS, Agreement, Frame, SegmentPool, decode_value, encode_value, rebuild_error


class Session:
    """A connection from its greeting to its end. All callbacks come in the loop's thread.

    Args:
        loop: the loop that serves it.
        sock: a connected socket.
        shared_memory: as for `AttachedService`.
        greeted: called once: the runner has said what it is, or `error` says why this is none to talk to.
        received: called with the frames that concern calls.
        ended: called once, with the session and the reason, when nothing more will arrive.

    Attributes:
        agreement: which kinds of values may cross.
        connection: what frames are sent on; the greeting goes before them.
        description: what the runner says of itself, see `CallService.describe`.
        gates: the methods whose calls it would turn away now, each with the error.
        largest: bytes that one call may bring.
        error: why the greeting was none.
        is_open: whether calls can be sent.
        in_order: whether the runner has said that it ends.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        shared_memory: int | None,
        greeted: Callable[[Session], None],
        received: Callable[[Session, list[Frame]], None],
        ended: Callable[[Session, BaseException | None], None],
    ) -> None:
        self.agreement = Agreement()
        self.description: Mapping[str, Any] = {}
        self.gates: Mapping[str, BaseException] = {}
        self.largest = 0
        self.error: TiffinError | None = None
        self.is_open = False
        self.in_order = False
        self._greeted, self._received, self._ended = greeted, received, ended
        self._heard = False
        self._pool = None if shared_memory == 0 else SegmentPool(shared_memory)
        self.connection = Connection(loop, sock, self._take, self._end, pool=self._pool)

    def _take(self, frames: list[Frame]) -> None:
        if not self._heard:
            self._heard = True
            self._greet(frames.pop(0))
        # A copy of the list would keep leased memory from being the callers'.
        if any(frame.kind in (HELLO, NEWS) for frame in frames):
            for frame in [frame for frame in frames if frame.kind in (HELLO, NEWS)]:
                frames.remove(frame)
                said = decode_value(frame.header, frame.buffers)
                if frame.kind == HELLO:
                    self.agreement.hear(said)
                else:
                    self._hear(said)
        if frames:
            self._received(self, frames)

    def _greet(self, frame: Frame) -> None:
        try:
            if frame.kind != HELLO:
                raise FrameError(f"It began with a frame of kind {frame.kind}")
            hello = decode_value(frame.header, frame.buffers)
            self.description, limits = describe_service(hello)
            self.largest = limits["bytes"]
            self.agreement.hear(hello.get("values"))
            if self._pool is not None:
                self._pool.restrict(limits["bytes"], limits["segments"])
            # Before any call: it may come from another thread as soon as this one says so.
            said = {"protocol": PROTOCOL, "process": os.getpid(), "values": self.agreement.greeting()}
            self.connection.send([(HELLO, 0, *encode_value(said))])
            self.is_open = True
        except RunnerError as error:
            self.error = error
        self._greeted(self)

    def _hear(self, news: Any) -> None:
        """Take in what has changed of the runner; raises FrameError if that is nothing of the kind."""
        if not isinstance(news, dict):
            raise FrameError("A runner's news are a dict")
        if "service" in news:
            self.description = describe_service({"protocol": PROTOCOL, "limits": {"bytes": 0, "segments": 0}, **news})[
                0
            ]
        if "gates" in news:
            self.gates = {method: rebuild_error(described) for method, described in news["gates"].items()}
        if "ends" in news:
            self.in_order = True

    def _end(self, error: BaseException | None) -> None:
        self.is_open = False
        self.gates = {}
        self._ended(self, error)


def connect(path: str, timeout: float) -> socket.socket:
    """Return a socket that is connected to whoever listens at a path.

    Args:
        path: the path.
        timeout: seconds to wait for it to accept.

    Raises:
        RunnerNotReadyError: nobody listens there, or nobody answers in time.
        SocketPathError: another user listens there.
    """
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
