"""One version's host: the process that has its runner, another one when that dies, and a spare that waits for this."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tiffin_serve._children import BackOff, Child
from tiffin_serve._errors import ServeError
from tiffin_serve._line import Answer
from tiffin_serve._plan import Plan


class Version:
    """A version that is served by a host.

    Args:
        tag: its full tag.
        address: where the host listens, whichever it is.
        plan: how it is served.
        log: told what operators should know.
        answer: answers what the host asks.

    Attributes:
        restarts: how often another host took over.
    """

    def __init__(self, tag: str, address: str, plan: Plan, log: Callable[[str], None], answer: Answer) -> None:
        self.tag, self.address = tag, address
        self.restarts = 0
        self._plan, self._log, self._answer = plan, log, answer
        self._host = self._new()
        self._spare: Child | None = None
        self._ending = False

    @property
    def children(self) -> list[Child]:
        """Its processes."""
        return [self._host] if self._spare is None else [self._host, self._spare]

    def _new(self, what: str = "host") -> Child:
        return Child("host", f"{what} {self.tag}", self._answer)

    async def open(self, spare: Child | None = None) -> None:
        """Have a host that listens.

        Args:
            spare: of another version: it has imported what this one needs.

        Raises:
            ServeError: the version cannot be loaded, or does not do.
        """
        if spare is not None:
            self._host = spare
            spare.title, spare.state = f"host {self.tag}", "starting"
            await spare.ask("load", tag=self.tag)
        else:
            await self._start(self._host)
        await self._listen(self._host)

    async def _start(self, child: Child) -> None:
        await child.start({"plan": self._plan.plain(), "tag": self.tag})

    async def _listen(self, child: Child) -> None:
        await child.ask("listen", address=self.address)
        child.state = "serving"

    async def keep(self, tell: Callable[[bool], Awaitable[None]]) -> None:
        """Have another host whenever this one ends.

        Args:
            tell: told when there is none, and when there is one again.
        """
        pause = BackOff()
        while True:
            host = self._host
            await asyncio.shield(host.ended)
            if self._ending:
                return
            self.restarts += 1
            self._log(f"{host.title} (process {host.told()['pid']}) has ended: {host.last_words()}")
            await tell(False)
            spare = self.take_spare()
            if spare is None:
                await asyncio.sleep(pause.next(time.monotonic() - host.began))
            try:
                self._host = spare or self._new()
                self._host.title = f"host {self.tag}"
                if spare is None:
                    await self._start(self._host)
                await self._listen(self._host)
            except ServeError as error:
                self._log(f"{self._host.title} does not start: {error}")
                self._host.kill()
                if self._host.process is None:
                    self._host.ended.set_result(None)
            else:
                self._log(f"{self._host.title} serves again (process {self._host.told()['pid']})")
                await tell(True)

    def take_spare(self) -> Child | None:
        """Return the spare, if one waits; another one is made."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.state == "waiting":
            return spare
        if spare is not None:
            spare.kill()
        return None

    async def keep_spare(self) -> None:
        """Have a spare whenever there is none."""
        pause = BackOff()
        while not self._ending:
            spare = self._spare = self._new("spare")
            try:
                await self._start(spare)
            except ServeError as error:
                if self._ending:
                    return
                self._log(f"{spare.title} does not start: {error}")
                spare.kill()
                self._spare = None
                await asyncio.sleep(pause.next(0.0))
                continue
            spare.state = "waiting"
            while self._spare is spare and spare.state == "waiting":
                await asyncio.wait([spare.ended], timeout=_LOOK)

    async def end(self, seconds: float) -> None:
        """End all its processes, the host once it has answered what it took."""
        self._ending = True
        if self._spare is not None:
            self._spare.kill()
        await self._host.end("end", seconds)

    def kill(self) -> None:
        """End all its processes at once."""
        self._ending = True
        for child in self.children:
            child.kill()


_LOOK = 0.2
"""Seconds between two looks whether a spare was taken."""
