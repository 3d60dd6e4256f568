"""The servers behind which an application can stand: granian, embedded, and uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from tiffin_serve._application import Application
from tiffin_serve._errors import ServeError

BACKLOG = 1024
Tls = tuple[Path, Path] | None
"""The files of a certificate and its key."""
_MOMENT = 0.05
"""Seconds in which a server that cannot serve says so."""


class Door(Protocol):
    """A server. Of one process, on the running event loop."""

    async def open(self) -> None:
        """Take connections; return when they are taken."""

    async def close(self) -> None:
        """Take no more connections; return when every request whose head was read has its answer."""


class GranianDoor:
    """Granian's embedded server, by RSGI."""

    def __init__(self, application: Application, held: socket.socket, tls: Tls = None) -> None:
        from granian._granian import SocketHolder
        from granian.constants import HTTPModes, Interfaces
        from granian.http import HTTP1Settings
        from granian.server.embed import Server

        from tiffin_serve._rsgi import RsgiApplication

        class OnHeld(Server):
            def _init_shared_socket(self) -> None:
                # A copy, which is closed with the server. All take from one queue: whoever ends leaves it to the others.
                self._shd: Any = SocketHolder(os.dup(held.fileno()), False, BACKLOG)  # type: ignore[call-arg]  # its stub lacks them

        limits = application.limits
        self._server = OnHeld(
            RsgiApplication(application),
            interface=Interfaces.RSGI,
            # While it finds out which HTTP is spoken no time limit holds: whoever says nothing would stay for ever.
            http=HTTPModes.http1,
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
        await _wait_until_open(self._task)

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

    async def open(self) -> None:
        """Take connections; return when they are taken."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._held.dup()]))
        await _wait_until_open(self._task)

    async def close(self) -> None:
        """Take no more connections; return when every request whose head was read has its answer."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task


DOORS: dict[str, Callable[[Application, socket.socket, Tls], Door]] = {"granian": GranianDoor, "uvicorn": UvicornDoor}
"""The servers by their names."""


async def _wait_until_open(task: asyncio.Task[Any]) -> None:
    """Return once a server runs. Until it takes the first connection, the system keeps that."""
    done, _ = await asyncio.wait([task], timeout=_MOMENT)
    if done:
        raise ServeError("The server ended when it was started", why=str(task.exception() or ""))
