"""Versions that are tried beside the one that is served: canaries answer a part of the calls, shadows get copies of them."""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from tiffin.examples import compare, pack, read_tolerances, unpack_inert
from tiffin_serve._application import Handler
from tiffin_serve._errors import as_request_error
from tiffin_serve._requests import Request, Response
from tiffin_serve._running import Method

if TYPE_CHECKING:
    from tiffin_serve._served import Served

logger = logging.getLogger("tiffin.serve")
MOST = 32
"""Copies that a shadow has open at one time; further ones are left out."""


class Tally:
    """Counts what two versions did of the same work.

    Attributes:
        calls: (version, outcome) → calls that it answered in place of others: "answered", "refused" (the caller's fault) or
            "failed".
        seconds: version → seconds that these took, all together.
        copies: (version, shadow, outcome) → copies: "equal", "close", "different", "failed" or "left out".
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}
        self.seconds: dict[str, float] = {}
        self.copies: dict[tuple[str, str, str], int] = {}

    def text(self) -> str:
        """Return the counts in Prometheus' text format; empty where nothing is tried."""
        return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.calls:
            yield "# TYPE tiffin_canary_calls_total counter\n"
        for (version, outcome), count in self.calls.items():
            yield f'tiffin_canary_calls_total{{version="{version}",outcome="{outcome}"}} {count}\n'
        if self.seconds:
            yield "# TYPE tiffin_canary_seconds_total counter\n"
        for version, seconds in self.seconds.items():
            yield f'tiffin_canary_seconds_total{{version="{version}"}} {seconds}\n'
        if self.copies:
            yield "# TYPE tiffin_shadow_copies_total counter\n"
        for (version, shadow, outcome), count in self.copies.items():
            labels = f'version="{version}",shadow="{shadow}",outcome="{outcome}"'
            yield f"tiffin_shadow_copies_total{{{labels}}} {count}\n"


class Trial:
    """What is tried beside one version, of the calls by one name.

    Args:
        tally: where it is counted.
        canary: the version that answers a part of the calls.
        share: which part, from 0 to 1.
        shadow: the version that gets copies.
    """

    def __init__(
        self, tally: Tally, canary: Served | None = None, share: float = 0.0, shadow: Served | None = None
    ) -> None:
        self._tally, self._canary, self._share, self._shadow = tally, canary, share, shadow
        self._open: set[asyncio.Task[None]] = set()

    def handler(self, one: Served, method: Method, make: Callable[[Served, Method], Handler]) -> Handler:
        """Return the handler of a method's calls, by this version and those that are tried.

        Args:
            one: the version.
            method: its method. A version that has none of this name is not tried with it.
            make: makes the handler of a method of a version.
        """
        shadow, canary = self._shadow, self._canary
        if shadow is not None and not method.streams and method.name in shadow.methods:
            method = self._copied(one, method, shadow)
        handler = make(one, method)
        if canary is None or method.name not in canary.methods:
            return handler
        mine, its = self._counted(one, handler), self._counted(canary, make(canary, canary.methods[method.name]))
        owed, share = 0.0, self._share

        async def split(request: Request) -> Response:
            nonlocal owed
            owed += share
            if owed < 1.0:
                return await mine(request)
            owed -= 1.0
            return await its(request)

        return split

    def _counted(self, one: Served, handler: Handler) -> Handler:
        tag, tally = str(one.tag), self._tally

        async def counted(request: Request) -> Response:
            began, outcome = time.perf_counter(), "answered"
            try:
                return await handler(request)
            except Exception as error:
                outcome = "refused" if as_request_error(error).status < 500 else "failed"
                raise
            finally:
                tally.calls[tag, outcome] = tally.calls.get((tag, outcome), 0) + 1
                tally.seconds[tag] = tally.seconds.get(tag, 0.0) + time.perf_counter() - began

        return counted

    def _copied(self, one: Served, method: Method, shadow: Served) -> Method:
        """Return a method that has a shadow's answer the same call once it has answered."""
        copied, other = copy.copy(method), shadow.methods[method.name]

        def beside(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def run(argument: Any, *since: float) -> Any:
                answer = await call(argument, *since)
                if len(self._open) >= MOST:
                    self._note(one, shadow, "left out")
                else:
                    task = asyncio.create_task(self._compare(one, shadow, other, argument, answer))
                    self._open.add(task)
                    task.add_done_callback(self._open.discard)
                return answer

            return run

        copied.run, copied.run_within = beside(method.run), beside(method.run_within)
        return copied

    async def _compare(self, one: Served, shadow: Served, method: Method, argument: Any, answer: Any) -> None:
        try:
            found = await method.run(argument)
            mine, its = (unpack_inert(pack(value, method.name)) for value in (answer, found))
            outcome = compare(mine, its, read_tolerances(None)).verdict
        # Whatever a version on trial raises, it is counted, and nobody's call.
        except Exception as error:  # noqa: BLE001
            logger.info("%s, as a shadow of %s: %s", shadow.tag, one.tag, error)
            outcome = "failed"
        self._note(one, shadow, outcome)

    def _note(self, one: Served, shadow: Served, outcome: str) -> None:
        key = str(one.tag), str(shadow.tag), outcome
        self._tally.copies[key] = self._tally.copies.get(key, 0) + 1
