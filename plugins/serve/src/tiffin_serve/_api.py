"""One of the processes that read requests: it serves what the supervisor says, and changes to what it says later."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Mapping
from typing import Any

import tiffin
from tiffin_serve._application import Application
from tiffin_serve._calling import PREFIX
from tiffin_serve._doors import DOORS, Door
from tiffin_serve._errors import ServeError
from tiffin_serve._finding import load_service
from tiffin_serve._gate import Gate
from tiffin_serve._line import Line
from tiffin_serve._making import fill
from tiffin_serve._plan import Plan
from tiffin_serve._requests import Limits
from tiffin_serve._running import Offer
from tiffin_serve._served import Place, Served, Shelf


class Api:
    """What reads requests; see `Role`."""

    def __init__(self, line: Line, held: socket.socket, ending: asyncio.Event) -> None:
        self._line, self._held, self._ending = line, held, ending
        self._plan: Plan
        self._offer: Offer
        self._application: Application
        self._door: Door

    async def begin(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Load what is served, and return the lines that say so."""
        plan = self._plan = Plan(**facts["plan"])
        limits = Limits(**plan.limits)
        if plan.service:
            service = load_service(plan.targets[0])
            self._offer, self._application = service, service.application(limits)
            await service.start()
            lines = [f"  {service.name}", *(f"    POST {route}" for route in service.apis)]
            see = "/docs, /readyz, /metrics"
        else:
            self._offer, self._application = Shelf(), Application(limits)
            await self._show(facts["versions"], facts["places"])
            lines, see = _lines(self._offer), "/models, /docs, /readyz, /metrics"
        if plan.doors > 1:
            self._application.count = self._count
        gate = Gate(**plan.gate)
        gate.close_in(self._application)
        if plan.server == "grpc":
            from tiffin_serve._grpc import GrpcDoor

            assert plan.grpc_port is not None
            self._door = GrpcDoor(self._application, self._held.getsockname()[0], plan.grpc_port, gate.tls)
        else:
            self._door = DOORS[plan.server](self._application, self._held, gate.tls)
        # What was loaded stays: the collector need not look at it again with each request's garbage.
        gc.collect()
        gc.freeze()
        return {"lines": [*lines, f"  See also {see}"]}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """Answer what the supervisor asks."""
        do = question["do"]
        if do == "open":
            await self._door.open()
        elif do == "show":
            await self._show(question["versions"], question["places"])
        elif do == "count":
            return {"text": self._application.traffic.text() + self._offer.counts()}
        elif do == "up":
            for tag, up in question["hosts"].items():
                if isinstance(self._offer, Shelf) and (one := self._offer.versions.get(tag)) is not None:
                    one.up = up
        elif do == "drain":
            self._offer.draining = True
        elif do == "end":
            self._offer.draining = True
            # The door closes its own copy only: while there is another one, connections are taken in and never served.
            self._held.close()
            try:
                async with asyncio.timeout(self._plan.drain):
                    await self._door.close()
            finally:
                await self._offer.stop(self._plan.drain)
                self._ending.set()
        else:
            raise ServeError(f"{do!r} is not known here")
        return None

    async def _count(self) -> str:
        """Return what all API processes have counted."""
        return str((await self._line.ask("count"))["text"])

    async def _show(self, versions: Mapping[str, str], places: list[dict[str, Any]]) -> None:
        """Serve these versions at these places, and end those that are not served any more.

        Args:
            versions: full tag → the address of its host; empty where it runs in this process.
            places: what is asked for by which name, as for `Place`.
        """
        shelf, plan = self._offer, self._plan
        assert isinstance(shelf, Shelf)
        made: dict[str, Served] = {}
        try:
            # One by one: threads that import parts of one framework at the same time may see each other's half-made modules.
            for tag, address in versions.items():
                if tag not in shelf.versions or shelf.versions[tag].address != address:
                    one = await asyncio.to_thread(make_served, tag, plan, address)
                    made[tag] = one
                    await one.start(check=plan.check and not address)
        except BaseException:
            await asyncio.gather(*(one.stop(0.0) for one in made.values()))
            raise
        found = {tag: made.get(tag) or shelf.versions[tag] for tag in versions}
        old = [one for one in shelf.versions.values() if one not in found.values()]
        shelf.show(found, [Place(**place) for place in places])
        self._application.routes.clear()
        fill(self._application, shelf, plan.oip_root, openai=plan.openai)
        # A request that came before may not have called its model yet.
        await self._application.watch.settled(plan.drain)
        await asyncio.gather(*(one.stop(plan.drain) for one in old))


def make_served(tag: str, plan: Plan, address: str = "") -> Served:
    """Return a version, served as the plan says; not started."""
    return Served(tiffin.get(tag), plan.options, seconds=plan.seconds, address=address)


def _lines(shelf: Shelf) -> list[str]:
    """Return what is served where."""
    lines = []
    for one in shelf.served:
        lines.append(f"  {one.tag}")
        path = f"{PREFIX}{shelf.called(one)[0]}"
        lines += [f"    POST {path}/{method.name}   takes {method.taker.words}" for method in one.methods.values()]
    return lines


def make_role(line: Line, held: socket.socket, ending: asyncio.Event) -> Api:
    """Return the role; see `Role`."""
    return Api(line, held, ending)
