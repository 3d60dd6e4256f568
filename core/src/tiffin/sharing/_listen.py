"""The socket that attached clients connect to, and who they are."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import selectors
import threading
from functools import partial

from tiffin.calls import CallService, ClientLimits
from tiffin.sharing._client import Client
from tiffin.sharing._loop import Loop
from tiffin.sharing._socket_paths import bind, file_identity, peer_user, socket_path, unlink_own
from tiffin.wire import Allowance, close_in_forks, default_limit

logger = logging.getLogger("tiffin.runners")

_SEGMENTS = 64
"""Segments of shared memory that one client may offer, if there are descriptors enough for that."""


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
        self._clients: set[Client] = set()
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

    def serve(self, service: CallService) -> None:
        """Let another service answer from here on, and return when no further call goes to the one before.

        What is open there is still answered by it. From any thread but the listener's own.
        """
        switched = threading.Event()

        def switch() -> None:
            self.service = service
            for client in tuple(self._clients):
                client.switch()
            switched.set()

        self._loop.call_soon(switch)
        while not switched.wait(0.5) and not self._closed:
            pass

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
            client.leave()

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
        self._clients.add(Client(self, self._loop, sock, max(0, min(_SEGMENTS, (self._descriptors - held) // 4))))

    def forget(self, client: Client) -> None:
        """Count a client no more."""
        self._clients.discard(client)
        self._turned_away = False
