"""The beginning of each process that the supervisor starts: it hears what it is to be, and becomes it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from importlib import import_module
from typing import Any, Protocol

from tiffin.workers import die_with_parent
from tiffin_serve._line import Line


class Role(Protocol):
    """What a process does. The module of each has a function `make_role(line, held, ending)` that returns it.

    Its arguments are the line to the supervisor, the socket to listen on, and an event to set when all is done.
    """

    async def begin(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Begin, and return what the supervisor is told."""

    async def answer(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """Answer what the supervisor asks after that."""


def main() -> None:
    """Be a child until the supervisor says that it is over, or is gone."""
    life, control, *listening = (int(text) for text in sys.argv[1:-1])
    for descriptor in (life, control, *listening):
        os.set_inheritable(descriptor, False)
    die_with_parent(life)
    # The supervisor says when to end, to each in its turn. Not ignored: that would be handed down to other programs.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _pass_over)
    held = socket.socket(fileno=listening[0]) if listening else None
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_live(socket.socket(fileno=control), held))


def _pass_over(number: int, frame: object) -> None:
    """Do nothing."""


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's, where that is to be had."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


async def _live(control: socket.socket, held: socket.socket | None) -> None:
    role: Role | None = None
    ending = asyncio.Event()

    async def answer(question: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal role
        if role is None:
            sys.path[:] = question["path"]
            role = import_module(f"tiffin_serve._{question['role']}").make_role(line, held, ending)
            return await role.begin(question)
        return await role.answer(question)

    line = await Line.over(control, answer)
    hearing, over = asyncio.create_task(line.listen()), asyncio.create_task(ending.wait())
    await asyncio.wait([hearing, over], return_when=asyncio.FIRST_COMPLETED)
    await line.close()


if __name__ == "__main__":
    main()
