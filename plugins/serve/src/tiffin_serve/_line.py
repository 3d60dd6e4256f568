"""What the server's processes say to each other: questions and answers, one JSON object a line, in both directions."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tiffin.exceptions import TiffinError
from tiffin_serve._errors import ServeError

Answer = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any] | None]]
"""Answers a question; what it raises goes to whoever asked."""

_LONGEST = 16 << 20
"""Bytes of one line."""


class LineClosedError(ServeError):
    """The process on the other end is gone."""


class Line:
    """One end of a connection between two processes of the server.

    Args:
        answer: answers what the other end asks: a dict with "do", and what goes with it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        self._reader, self._writer, self._answer = reader, writer, answer
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._answering: set[asyncio.Task[None]] = set()
        self.closed = False

    @classmethod
    async def over(cls, sock: socket.socket, answer: Answer) -> Line:
        """Return the end that a socket is."""
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=_LONGEST), answer)

    async def ask(self, do: str, **facts: Any) -> dict[str, Any]:
        """Ask the other end, and return its answer.

        Raises:
            LineClosedError: it is gone, or goes before it has answered.
            ServeError: what it raised, in its words.
        """
        if self.closed:
            raise _closed()
        self._number += 1
        future = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"do": do, "number": self._number, **facts})
            answer: dict[str, Any] = await future
        finally:
            self._waiting.pop(self._number, None)
        if error := answer.get("error"):
            raise ServeError(error["what"], why=error["why"], fix=error["fix"])
        return answer

    async def listen(self) -> None:
        """Hear the other end until it is gone."""
        try:
            while text := await self._reader.readline():
                message = json.loads(text)
                if "do" in message:
                    task = asyncio.create_task(self._reply(message))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)
                elif (future := self._waiting.get(message.pop("answers"))) is not None and not future.done():
                    future.set_result(message)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it was killed, which is an end like any other
        finally:
            self.closed = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(_closed())
            self._writer.close()

    async def close(self) -> None:
        """Send the answers that are due, and close this end."""
        await asyncio.gather(*self._answering)
        self._writer.close()

    async def _reply(self, message: dict[str, Any]) -> None:
        answer: Mapping[str, Any]
        try:
            answer = await self._answer(message) or {}
        # Whatever it is, who asked hears of it; loading a model may raise anything.
        except Exception as error:  # noqa: BLE001
            answer = {"error": parts_of(error)}
        if not self.closed:
            self._send({**answer, "answers": message["number"]})

    def _send(self, message: Mapping[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")


def parts_of(error: BaseException) -> dict[str, str]:
    """Return an error's three parts as plain values."""
    if isinstance(error, TiffinError):
        return {"what": getattr(error, "what", str(error)), "why": error.why, "fix": error.fix}
    return {"what": f"{type(error).__name__}: {error}", "why": "", "fix": ""}


def _closed() -> LineClosedError:
    return LineClosedError("The process on the other end is gone")
