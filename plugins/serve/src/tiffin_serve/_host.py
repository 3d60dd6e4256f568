"""The process of one model: it has the runner, and API processes attach to it."""

from __future__ import annotations

import asyncio
from typing import Any

from tiffin_serve._api import make_served
from tiffin_serve._errors import ServeError
from tiffin_serve._line import Line
from tiffin_serve._plan import Plan
from tiffin_serve._served import Served


class Host:
    """What runs a model; see `Role`."""

    def __init__(self, line: Line, held: object, ending: asyncio.Event) -> None:
        self._ending = ending
        self._plan: Plan
        self._served: Served | None = None

    async def begin(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Load the model, and have it checked."""
        self._plan = Plan(**facts["plan"])
        await self._load(facts["tag"])
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """Answer what the supervisor asks."""
        do = question["do"]
        if do == "load":
            await self._load(question["tag"])
        elif do == "listen":
            assert self._served is not None
            await asyncio.to_thread(self._served.runner.listen, question["address"])
        elif do == "end":
            if self._served is not None:
                await self._served.stop(self._plan.drain)
            self._ending.set()
        else:
            raise ServeError(f"{do!r} is not known here")
        return None

    async def _load(self, tag: str) -> None:
        """Have this version in place of the one that is there: a spare has imported what the next one needs."""
        if self._served is not None:
            await self._served.stop(0.0)
            self._served = None
        one = await asyncio.to_thread(make_served, tag, self._plan)
        try:
            await one.start(check=self._plan.check)
        except BaseException:
            await one.stop(0.0)
            raise
        self._served = one


def make_role(line: Line, held: object, ending: asyncio.Event) -> Host:
    """Return the role; see `Role`."""
    return Host(line, held, ending)
