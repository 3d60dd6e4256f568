"""The supervisor: it holds the address, starts the processes that serve, has back who dies, and ends them in order.

It has no threads, and imports neither numpy nor what serves. API processes read requests; each takes connections from the
one socket. With hosts, each version that is served has a process with its runner, to which they attach; else they have
runners of their own. The supervisor always tells all that is to be served, so whoever starts late misses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import tiffin
from tiffin import Tag
from tiffin.exceptions import TiffinError
from tiffin_serve._children import BackOff, Child
from tiffin_serve._errors import ServeError
from tiffin_serve._hosting import Version
from tiffin_serve._line import LineClosedError, parts_of
from tiffin_serve._plan import Plan
from tiffin_serve._reloading import newest
from tiffin_serve._summing import sum_texts

BACKLOG = 1024
_LATE = 5.0
"""Seconds that a process has to end beyond those that it gives open requests."""
_LOOK = 0.5
"""Seconds between two looks at the files of a service."""


class Target:
    """What is served by a tag as it was asked for.

    Attributes:
        asked: the tag.
        tag: the full tag of the version that processes are told to serve.
        serves: the one that all of them serve; another than `tag` while they change.
        follows: whether it is an alias, which may move.
        refused: the version that it was to move to and that did not do; empty where there is none.
        trouble: why it did not.
        passed: the version that the alias meant when the target was moved elsewhere by hand; empty once it means another.
        beside: which target it is tried beside; empty for one that is served itself.
        share: the part of that one's calls that it answers.
        shadow: whether it gets copies of them, in place of that.
    """

    def __init__(self, asked: str, beside: str = "", share: float = 0.0) -> None:
        self.asked, self.beside, self.share, self.shadow = asked, beside, share, bool(beside) and not share
        self.tag = self.serves = str(tiffin.get(asked).tag)
        parsed = Tag.parse(asked)
        self.follows = parsed.version is not None and parsed.version in tiffin.models.aliases(parsed.name)
        self.refused = self.trouble = self.passed = ""
        self.since = time.time()

    def told(self) -> dict[str, Any]:
        """Return what it is, as plain values."""
        return {
            "asked": self.asked,
            "serves": self.serves,
            "since": self.since,
            "follows": self.follows,
            "trouble": self.trouble,
            "beside": self.beside,
            "share": self.share,
        }


def _beside(asked: str, targets: Sequence[Target]) -> str:
    """Return the first target of the same name.

    Raises:
        ServeError: there is none.
    """
    name = Tag.parse(asked).name
    found = next((target.asked for target in targets if Tag.parse(target.asked).name == name), None)
    if found is None:
        raise ServeError(
            f"{asked!r} is to be tried beside a version of {name!r}, and none is served",
            fix=f"Served are: {', '.join(target.asked for target in targets)}",
        )
    return found


class Supervisor:
    """Serves by processes.

    Args:
        plan: what is served, and how.
        held: a socket that holds the address.
        sockets: where the sockets of hosts are made, a beginning of their paths.
        opened: called with lines that say what is served, when connections are taken.
        log: told what operators should know.

    Raises:
        TiffinError: a tag means nothing.
    """

    def __init__(
        self,
        plan: Plan,
        held: socket.socket,
        sockets: Path,
        *,
        opened: Callable[[list[str]], None],
        log: Callable[[str], None],
    ) -> None:
        self.plan, self.log = plan, log
        self._held, self._sockets, self._opened = held, sockets, opened
        self.targets = [] if plan.service else [Target(asked) for asked in plan.targets]
        self.targets += [Target(asked, _beside(asked, self.targets), share) for asked, share in plan.tried]
        self._apis: list[Child] = []
        self._versions: dict[str, Version] = {}
        self._number = 0
        self._moving = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._signals = 0
        self.ending, self._hurry = asyncio.Event(), asyncio.Event()
        self._changed = asyncio.Event()
        self._restarts = 0
        self._lines: list[str] = []

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT comes, or `stop` is called; a second signal ends everything at once.

        Raises:
            ServeError: what is to be served cannot be.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            # Until all is loaded a signal ends everything: nobody waits for an answer yet.
            if await self._unless(self.ending, self._start()):
                self._opened(self._lines)
                await self.ending.wait()
                await self._unless(self._hurry, self._drain())
        finally:
            self.ending.set()
            for task in self._tasks:
                task.cancel()
            for child in self._children():
                child.kill()
            await asyncio.gather(*(child.ended for child in self._children() if child.process is not None))
            self._held.close()

    def stop(self) -> None:
        """Begin to end; called once more, end at once."""
        if self.ending.is_set():
            self._hurry.set()
        self.ending.set()

    async def _unless(self, event: asyncio.Event, coroutine: Any) -> bool:
        """Return whether a coroutine came to its end before an event did; raises what it raised."""
        task, other = asyncio.ensure_future(coroutine), asyncio.create_task(event.wait())
        await asyncio.wait([task, other], return_when=asyncio.FIRST_COMPLETED)
        other.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return False

    def _keep(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Not to be served on without what the task was for.
            self.log(f"The supervisor has failed: {parts_of(error)['what']}")
            self.stop()

    def _children(self) -> list[Child]:
        hosts = [child for version in self._versions.values() for child in version.children]
        return [*self._apis, *hosts]

    # Start and end

    async def _start(self) -> None:
        if self.plan.hosts:
            await asyncio.gather(*(self._open_version(tag) for tag in self._tags()))
        self._apis = [self._new_api(number) for number in range(self.plan.doors)]
        told = await asyncio.gather(
            *(child.start(self._facts(number), self._held) for number, child in enumerate(self._apis))
        )
        self._lines = told[0]["lines"]
        if self.plan.grpc_port is not None:
            self._lines.insert(-1, f"    gRPC on port {self.plan.grpc_port}: the Open Inference Protocol")
        self._held.listen(BACKLOG)
        await asyncio.gather(*(self._open(child) for child in self._apis))
        for number in range(self.plan.doors):
            self._keep(self._keep_api(number))
        if any(target.follows for target in self.targets):
            self._keep(self._follow())
        if self.plan.reload:
            self._keep(self._reload())

    async def _drain(self) -> None:
        """Have open requests answered, and everybody end."""
        await self._tell("drain")
        await asyncio.sleep(self.plan.grace)
        async with self._moving:
            self._held.close()
            seconds = self.plan.drain + _LATE
            await asyncio.gather(*(child.end("end", seconds) for child in self._apis))
            await asyncio.gather(*(version.end(seconds) for version in self._versions.values()))

    # API processes

    def _new_api(self, number: int) -> Child:
        return Child("api", f"api {number}" if number < self.plan.workers else "grpc", self._answer)

    def _facts(self, number: int) -> dict[str, Any]:
        plan = self.plan if number < self.plan.workers else replace(self.plan, server="grpc")
        return {"plan": plan.plain(), **self._shown()}

    def _shown(self) -> dict[str, Any]:
        """Return what is to be served, as API processes are told."""
        versions = {tag: self._versions[tag].address if self.plan.hosts else "" for tag in self._tags()}
        places: list[dict[str, Any]] = []
        for target in self.targets:
            if not target.beside:
                place: dict[str, Any] = {"asked": target.asked, "tag": target.tag}
                places.append(place)
                for other in self.targets:
                    if other.beside == target.asked and other.shadow:
                        place["shadow"] = other.tag
                    elif other.beside == target.asked:
                        place |= {"canary": other.tag, "share": other.share}
        return {"versions": versions, "places": places}

    def _tags(self) -> list[str]:
        return list(dict.fromkeys(target.tag for target in self.targets))

    async def _open(self, child: Child) -> None:
        await child.ask("open")
        child.state = "serving"

    async def _keep_api(self, number: int) -> None:
        """Have another API process whenever this one ends."""
        pause = BackOff()
        while True:
            child = self._apis[number]
            await asyncio.shield(child.ended)
            if self.ending.is_set():
                return
            self._restarts += 1
            wait = pause.next(time.monotonic() - child.began)
            self.log(f"{child.told()['title']} (process {child.told()['pid']}) has ended: {child.last_words()}")
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)
            async with self._moving:
                self._apis[number] = child = self._new_api(number)
                try:
                    await child.start(self._facts(number), self._held)
                    await self._open(child)
                except ServeError as error:
                    self.log(f"{child.title} does not start: {error}")
                    child.kill()
                    if child.process is None:
                        child.ended.set_result(None)
                else:
                    self.log(f"{child.title} serves again (process {child.told()['pid']})")

    async def _tell(self, do: str, **facts: Any) -> list[dict[str, Any]]:
        """Ask every API process that serves, and return the answers; one that ends meanwhile does not matter."""
        told = await asyncio.gather(
            *(child.ask(do, **facts) for child in self._apis if child.state == "serving"), return_exceptions=True
        )
        for error in told:
            if isinstance(error, BaseException) and not isinstance(error, LineClosedError):
                raise error
        return [answer for answer in told if not isinstance(answer, BaseException)]

    # Hosts

    async def _open_version(self, tag: str, spare: Child | None = None) -> Version:
        """Have a host that listens for a version; a spare of another one may become it."""
        self._number += 1
        version = Version(tag, f"unix:{self._sockets}-{self._number}", self.plan, self.log, self._answer)
        self._versions[tag] = version
        try:
            await version.open(spare)
        except BaseException:
            del self._versions[tag]
            version.kill()
            raise
        self._keep(version.keep(partial(self._tell_up, tag)))
        if self.plan.spares:
            self._keep(version.keep_spare())
        return version

    async def _tell_up(self, tag: str, up: bool) -> None:
        await self._tell("up", hosts={tag: up})

    # Moving

    async def _follow(self) -> None:
        """Look what aliases mean, and serve that."""
        while True:
            await asyncio.sleep(self.plan.follow)
            for target in self.targets:
                if not target.follows:
                    continue
                try:
                    tag = str(tiffin.get(target.asked).tag)
                except TiffinError as error:
                    self._note(target, "", str(error))
                    continue
                if tag != target.passed:
                    target.passed = ""
                if tag == target.tag:
                    target.refused = target.trouble = ""
                elif tag not in (target.refused, target.passed):
                    with contextlib.suppress(TiffinError):
                        await self.move(target, tag)

    async def move(self, target: Target, tag: str) -> None:
        """Serve another version in a target's place, once it is loaded and checked. No request is lost.

        Raises:
            ServeError: it cannot be served; the one before goes on.
        """
        async with self._moving:
            before = target.tag
            if tag == before:
                return
            self.log(f"{target.asked} moves from {before} to {tag}")
            try:
                if self.plan.hosts and tag not in self._versions:
                    await self._open_version(tag, self._versions[before].take_spare())
                target.tag = tag
                await self._tell("show", **self._shown())
            except TiffinError as error:
                target.tag = before
                self._note(target, tag, str(error))
                # Those that had moved already go back.
                with contextlib.suppress(ServeError):
                    await self._tell("show", **self._shown())
                await self._retire()
                raise
            target.serves = tag
            target.refused = target.trouble = ""
            target.since = time.time()
            await self._retire()
            self.log(f"{target.asked} is {tag} now")

    def _note(self, target: Target, tag: str, trouble: str) -> None:
        if trouble != target.trouble:
            self.log(f"{target.asked} stays {target.tag}: {trouble}")
        target.refused, target.trouble = tag, trouble

    async def _retire(self) -> None:
        """End the hosts of versions that nobody asks for any more."""
        over = [version for tag, version in self._versions.items() if tag not in self._tags()]
        await asyncio.gather(*(version.end(self.plan.drain + _LATE) for version in over))
        for version in over:
            del self._versions[version.tag]

    async def _reload(self) -> None:
        """Start API processes anew when a file of the service has changed."""
        seen = newest(self.plan.targets[0])
        while True:
            await asyncio.sleep(_LOOK)
            now = newest(self.plan.targets[0])
            if now != seen:
                seen = now
                self.log("Files have changed: the service starts anew")
                self._changed.set()
                for child in self._apis:
                    if child.state == "serving":
                        await child.end("end", self.plan.drain + _LATE)

    # Asked

    async def _answer(self, question: dict[str, Any]) -> Mapping[str, Any] | None:
        """Answer what a child asks."""
        do = question["do"]
        if do == "count":
            return {"text": await self._count()}
        if do == "admin status":
            return await self.status()
        if do == "admin rollout":
            # Not waited for: whoever asks is a request of a process that cannot move before its requests are answered.
            target, tag = self._meant(question["asked"], question["to"])
            self._keep(self._move_later(target, tag))
            return {"asked": target.asked, "moves": tag}
        if do == "admin stop":
            self.stop()
            return {"stops": True}
        raise ServeError(f"{question['do']!r} is not known here")

    async def _count(self) -> str:
        return sum_texts([answer["text"] for answer in await self._tell("count")])

    async def status(self) -> dict[str, Any]:
        """Return what is served by whom, as plain values."""
        tried = [
            line for line in (await self._count()).splitlines() if line.startswith(("tiffin_canary", "tiffin_shadow"))
        ]
        return {
            "tried": tried,
            "targets": [target.told() for target in self.targets]
            or [{"asked": self.plan.targets[0], "serves": "service"}],
            "processes": [child.told() for child in self._children()],
            "restarts": self._restarts + sum(version.restarts for version in self._versions.values()),
            "draining": self.ending.is_set(),
        }

    async def roll(self, asked: str, to: str | None = None) -> dict[str, Any]:
        """Move a target to what it means now, or to another version of its name; return where it is then.

        Raises:
            ServeError: it is not served, or the version cannot be.
            TiffinError: there is no such version.
        """
        target, tag = self._meant(asked, to)
        await self._move_by_hand(target, tag)
        return target.told()

    async def _move_by_hand(self, target: Target, tag: str) -> None:
        """Move a target; what its alias means now is passed over until it means something else."""
        before, target.passed = target.passed, str(tiffin.get(target.asked).tag) if target.follows else ""
        try:
            await self.move(target, tag)
        except BaseException:
            target.passed = before
            raise

    async def _move_later(self, target: Target, tag: str) -> None:
        with contextlib.suppress(TiffinError):
            await self._move_by_hand(target, tag)  # what goes wrong is told by the target's status

    def _meant(self, asked: str, to: str | None) -> tuple[Target, str]:
        """Return a target and the full tag that it is to move to; see `roll`."""
        found = next((one for one in self.targets if one.asked == asked), None)
        if found is None:
            raise ServeError(
                f"{asked!r} is not served here", fix=f"Served are: {', '.join(one.asked for one in self.targets)}"
            )
        tag = str(tiffin.get(to or asked).tag)
        if Tag.parse(tag).name != Tag.parse(asked).name:
            raise ServeError(f"{tag!r} is no version of {Tag.parse(asked).name!r}")
        return found, tag
