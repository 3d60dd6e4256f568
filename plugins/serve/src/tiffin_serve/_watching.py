"""Open requests: whose caller has gone, whose body does not come. Looked at from time to time, so that most cost nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tiffin_serve._errors import RequestError
from tiffin_serve._requests import Limits, Request

INTERVAL = 0.25
"""Seconds after which an open request is looked at, and looked at again."""


class Watch:
    """Cancels requests for which nobody waits, and those whose body is late.

    A request is in `open` from its head to its answer, by its task.

    Attributes:
        exact: whether a request's time is that of its head, also where it waited while the loop was busy.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.exact = False
        self.open: dict[asyncio.Task[Any], Request] = {}
        self._watched: dict[asyncio.Task[Any], asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._turning = self._followed = False
        self._turn = self._since = 0.0

    def enter(self, request: Request) -> asyncio.Task[Any]:
        """Note that the current task answers a request; return the task, for `leave`."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        request.since = self._begun(loop) if self.exact else time.monotonic()
        self.open[task] = request
        if self._timer is None:
            self._timer = loop.call_later(INTERVAL, self._look, loop)
        return task

    def _begun(self, loop: asyncio.AbstractEventLoop) -> float:
        """Return when the heads came that are looked at in this turn of the loop, at the latest."""
        if not self._turning:
            # What comes while the loop works waits until its next turn: so the heads of this one came during the last.
            self._turning, now = True, time.monotonic()
            self._since = self._turn if self._followed else now
            self._turn = now
            loop.call_soon(self._turned)
        return self._since

    def _turned(self) -> None:
        """Note that the loop has begun another turn; whatever came during the last is answered in this one."""
        self._turning, self._followed = False, True
        asyncio.get_running_loop().call_soon(self._rested)

    def _rested(self) -> None:
        if not self._turning:
            self._followed = False

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Note that a task has answered its request."""
        del self.open[task]
        if self._watched and (watcher := self._watched.pop(task, None)) is not None:
            watcher.cancel()

    async def settled(self, seconds: float) -> None:
        """Return when the requests that are open now are answered, or after so many seconds."""
        mine = asyncio.current_task()
        if tasks := [task for task in self.open if task is not mine]:
            await asyncio.wait(tasks, timeout=seconds)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(INTERVAL, self._look, loop) if self.open else None
        now = time.monotonic()
        for task, request in self.open.items():
            since = request.since
            if now - since < INTERVAL:
                break  # those after it came later
            if request.reading:
                if now - since > self.limits.body_seconds:
                    what = f"The body was not there within {self.limits.body_seconds:g} s"
                    request.ended = RequestError(408, what, headers={"connection": "close"})
                    task.cancel()
            elif task not in self._watched:
                self._watched[task] = loop.create_task(_cancel_when_gone(request, task))


async def _cancel_when_gone(request: Request, task: asyncio.Task[Any]) -> None:
    await request.gone()
    request.ended = RequestError(499, "The connection was closed before the answer")
    task.cancel()
