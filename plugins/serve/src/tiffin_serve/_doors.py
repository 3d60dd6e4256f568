"""The servers behind which an application can stand: granian, embedded, and uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from tiffin_serve._application import Application
from tiffin_serve._errors import ServeError

BACKLOG = 1024
Tls = tuple[Path, Path] | None
"""The files of a certificate and its key."""
_PATIENCE = 10.0
"""Seconds in which a server has to take a connection once it is started."""


class Door(Protocol):
    """A server. Of one process, on the running event loop."""

    async def open(self) -> None:
        """Take connections; return when they are taken."""

    async def close(self) -> None:
        """Take no more connections; return when every request whose head was read has its answer."""


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket that holds an address, without listening, so that servers of this process only may listen there.

    Args:
        host: a name or an address.
        port: 0 for one that is free.

    Raises:
        ServeError: the address is in use, or is not this machine's.
    """
    held = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        held = socket.socket(found[0], socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(found[4])
        # Only now: a server that is there already must not be joined unseen, and ours comes to this very address.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        if held is not None:
            held.close()
        raise ServeError(
            f"Cannot serve on {host} port {port}: {error.strerror or error}",
            fix="Choose another with --host and --port; port 0 takes one that is free",
        ) from error
    return held


class GranianDoor:
    """Granian's embedded server, by RSGI."""

    def __init__(self, application: Application, held: socket.socket, tls: Tls = None) -> None:
        from granian.constants import Interfaces
        from granian.http import HTTP1Settings
        from granian.server.embed import Server

        from tiffin_serve._rsgi import RsgiApplication

        self._held = held
        limits = application.limits
        host, port = held.getsockname()[:2]
        self._server = Server(
            RsgiApplication(application),
            address=host,
            port=port,
            interface=Interfaces.RSGI,
            websockets=False,
            backlog=BACKLOG,
            backpressure=limits.connections,
            http1_settings=HTTP1Settings(header_read_timeout=int(limits.head_seconds * 1000)),
            ssl_cert=None if tls is None else tls[0],
            ssl_key=None if tls is None else tls[1],
            log_enabled=False,
        )
        self._task: asyncio.Task[Any] | None = None

    async def open(self) -> None:
        """Take connections; return when they are taken."""
        self._task = asyncio.create_task(self._server.serve())
        await _wait_until_open(self._held, self._task)

    async def close(self) -> None:
        """Take no more connections; return when every request whose head was read has its answer."""
        if self._task is not None:
            self._server.stop()  # type: ignore[no-untyped-call]
            await self._task


class UvicornDoor:
    """Uvicorn, by ASGI."""

    def __init__(self, application: Application, held: socket.socket, tls: Tls = None) -> None:
        try:
            import uvicorn
        except ImportError as error:
            raise ServeError(
                "The server uvicorn is not installed", fix="Try: pip install 'tiffin-serve[uvicorn]'"
            ) from error
        from tiffin_serve._asgi import AsgiApplication

        class Server(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield  # signals are not its business

        self._held = held
        config = uvicorn.Config(
            AsgiApplication(application),
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            backlog=BACKLOG,
            limit_concurrency=application.limits.connections,
            server_header=False,
            ssl_certfile=None if tls is None else tls[0],
            ssl_keyfile=None if tls is None else tls[1],
        )
        self._server = Server(config)
        self._task: asyncio.Task[Any] | None = None
        held.listen(BACKLOG)

    async def open(self) -> None:
        """Take connections; return when they are taken."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._held]))
        await _wait_until_open(self._held, self._task)

    async def close(self) -> None:
        """Take no more connections; return when every request whose head was read has its answer."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task


async def _wait_until_open(held: socket.socket, task: asyncio.Task[Any]) -> None:
    host, port = held.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            if task.done():
                raise ServeError("The server ended when it was started", why=str(task.exception() or "")) from error
            if asyncio.get_running_loop().time() > deadline:
                raise ServeError(f"The server takes no connections on port {port}", why=str(error)) from error
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
