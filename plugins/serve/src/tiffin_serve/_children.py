"""The processes that the supervisor starts: each with a line to it, and gone when the supervisor is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tiffin_serve._errors import ServeError
from tiffin_serve._line import Answer, Line, LineClosedError

_PAUSES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Seconds before a process that has ended is started again; the last one again and again."""
_WELL = 10.0
"""Seconds after which a process counts as one that lives, so that the next one starts without much of a pause."""
_LOOK = 0.005
"""Seconds between two looks whether a process that was killed has ended."""


class Child:
    """One process of the server. Not started by its making.

    Args:
        role: what it does, a module's name: "api" or "host".
        title: for people.
        answer: answers what it asks.

    Attributes:
        state: "starting", "serving", "waiting" (a spare), "ending" or "ended".
        ended: done when the process has ended.
    """

    def __init__(self, role: str, title: str, answer: Answer) -> None:
        self.role, self.title, self._answer = role, title, answer
        self.state = "starting"
        self.began = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = None
        self.line: Line | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, facts: Mapping[str, Any], listening: socket.socket | None = None) -> dict[str, Any]:
        """Start the process, and return what it says when it has begun.

        Args:
            facts: what it is told.
            listening: a socket that it gets.

        Raises:
            ServeError: it could not begin, for the reason that it tells, or ended.
        """
        life, self._life = os.pipe()
        ours, theirs = socket.socketpair()
        descriptors = [life, theirs.fileno(), *([] if listening is None else [listening.fileno()])]
        command = [
            sys.executable,
            "-P",
            "-m",
            "tiffin_serve._child",
            *map(str, descriptors),
            f"tiffin-serve {self.title}",
        ]
        try:
            # A group of its own: what the terminal sends is for the supervisor, and killing it takes along what it started.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=descriptors, start_new_session=True
            )
        except OSError as error:
            ours.close()
            raise ServeError(f"No process can be started for {self.title}: {error}") from error
        finally:
            os.close(life)
            theirs.close()
        self.line = await Line.over(ours, self._answer)
        self._watching = asyncio.create_task(self._watch())
        path = [str(Path(entry).absolute()) for entry in sys.path]
        try:
            return await self.line.ask("begin", role=self.role, path=path, **facts)
        except LineClosedError:
            await self.ended
            raise ServeError(
                f"The process for {self.title} ended while it was starting", why=self.last_words()
            ) from None

    async def ask(self, do: str, **facts: Any) -> dict[str, Any]:
        """Ask the process; see `Line.ask`."""
        if self.line is None:
            raise LineClosedError(f"The process for {self.title} is not started")
        return await self.line.ask(do, **facts)

    async def end(self, do: str, seconds: float) -> None:
        """Tell it to end, and wait until it has; it is killed when it does not within so many seconds."""
        self.state = "ending"
        try:
            async with asyncio.timeout(seconds):
                await self.ask(do)
                await asyncio.shield(self.ended)
        except (TimeoutError, ServeError):
            self.kill()
        if self.line is not None:
            await asyncio.shield(self.ended)

    def kill(self) -> None:
        """Kill it, and what it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    async def _watch(self) -> None:
        assert self.line is not None
        assert self.process is not None
        await self.line.listen()
        while self.process.poll() is None:
            # It has closed its line: of itself it ends at once, and one that does not is of no use.
            if self.state != "ending":
                self.kill()
            await asyncio.sleep(_LOOK)
        os.close(self._life)
        self.state = "ended"
        self.ended.set_result(None)

    def last_words(self) -> str:
        """Return how the process ended."""
        code = None if self.process is None else self.process.returncode
        if code is None:
            return "It was not started"
        return f"It was ended by {signal.Signals(-code).name}" if code < 0 else f"Its exit code is {code}"

    def told(self) -> dict[str, Any]:
        """Return what it is, as plain values."""
        pid = None if self.process is None else self.process.pid
        return {
            "title": self.title,
            "pid": pid,
            "state": self.state,
            "seconds": round(time.monotonic() - self.began, 1),
        }


class BackOff:
    """How long to wait before a process is started again."""

    def __init__(self) -> None:
        self.failures = 0

    def next(self, lived: float) -> float:
        """Return seconds to wait after a process that lived for so many."""
        self.failures = 1 if lived >= _WELL else self.failures + 1
        return _PAUSES[min(self.failures - 1, len(_PAUSES) - 1)]


def say_to(log: Callable[[str], None], error: BaseException, what: str) -> None:
    """Log an error of a process in one line."""
    told = [what, str(error)]
    log(": ".join(part for part in told if part).replace("\n", " "))
