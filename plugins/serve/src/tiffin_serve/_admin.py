"""The admin socket: what is served by whom, moving it, and ending it, for the user who serves and nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from tiffin_serve._errors import ServeError
from tiffin_serve._line import Line


class Administered(Protocol):
    """What can be asked of a supervisor."""

    async def status(self) -> dict[str, Any]:
        """Return what is served by whom, as plain values."""

    async def roll(self, asked: str, to: str | None = None) -> dict[str, Any]:
        """Move a target, and return where it is then."""

    def stop(self) -> None:
        """Begin to end."""


def sockets_of(host: str, port: int) -> Path:
    """Return the beginning of the paths of the sockets of a server at an address, in a folder that only this user enters.

    The folder is `tiffin-USER` in $XDG_RUNTIME_DIR, or where temporary files are; it is made if there is none.

    Raises:
        ServeError: the folder is another user's, or open to others.
    """
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"tiffin-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise ServeError(
            f"The folder {str(folder)!r} is not this user's alone",
            why="Whoever reaches the sockets in it can stop the server",
            fix="Remove it, or set XDG_RUNTIME_DIR to another place",
        )
    return folder / f"{host}:{port}"


def sweep(sockets: Path) -> None:
    """Remove what a server at this address has left behind that was killed. The caller holds the address."""
    for left in sockets.parent.iterdir():
        if left.name == f"{sockets.name}.admin" or left.name.startswith(f"{sockets.name}-"):
            left.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def administered(sockets: Path, supervisor: Administered) -> AsyncIterator[None]:
    """Let this user ask a supervisor, for the block."""

    async def answer(question: dict[str, Any]) -> Mapping[str, Any] | None:
        do = question["do"]
        if do == "status":
            return await supervisor.status()
        if do == "rollout":
            return await supervisor.roll(question["asked"], question["to"])
        if do == "stop":
            supervisor.stop()
            return None
        raise ServeError(f"{do!r} is not known here")

    lines: dict[Line, asyncio.Task[Any]] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        line = Line(reader, writer, answer)
        lines[line] = task
        await line.listen()
        del lines[line]

    path = f"{sockets}.admin"
    server = await asyncio.start_unix_server(connected, path)
    try:
        yield
    finally:
        server.close()
        Path(path).unlink(missing_ok=True)
        # Who asked for the end waits until the connection closes; a task that the loop cancels would be complained of.
        open_lines = dict(lines)
        for line in open_lines:
            await line.close()
        await asyncio.gather(*open_lines.values())


def ask_server(host: str, port: int, do: str, **facts: Any) -> dict[str, Any]:
    """Ask the server at an address, from another process of the same user.

    Raises:
        ServeError: there is none, or it refuses.
    """
    address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]
    path = f"{sockets_of(str(address), port)}.admin"

    async def asked() -> dict[str, Any]:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path)
        except OSError as error:
            sock.close()
            raise ServeError(
                f"No server of this user's is at {host} port {port}",
                why=f"Nobody listens at {path}",
                fix="Say where it is with --host and --port",
            ) from error

        async def refuse(question: dict[str, Any]) -> None:
            raise ServeError("Nothing is to be asked here")

        line = await Line.over(sock, refuse)
        hearing = asyncio.create_task(line.listen())
        try:
            answer = await line.ask(do, **facts)
            if do == "stop":
                await hearing  # until it has ended
            return answer
        finally:
            hearing.cancel()

    return asyncio.run(asked())
