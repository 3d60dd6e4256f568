"""Stored models that are served, by all names that they have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tiffin import Model, Runner, Tag
from tiffin.exceptions import RunnerError
from tiffin.runners import metrics_text
from tiffin_serve._application import Handler
from tiffin_serve._checking import check_answers
from tiffin_serve._running import Method, call_once, make_methods, start_runner, stop_runner
from tiffin_serve._trying import Tally, Trial


class Served:
    """One stored version behind a runner, in this process or in a host.

    Args:
        model: the version.
        options: of the runner, as for `Model.to_runner`.
        seconds: in which a call has to be answered, `None` for no limit.
        address: where the version's host listens; empty where the runner is in this process. It is attached to here.

    Attributes:
        methods: its methods by their names; those that stream answer in parts.
        default: the method that is meant where none is named; empty where there are several, and none is called predict.
        answered: whether its runner has answered a call.
        up: whether its host is there, as far as is known.
    """

    def __init__(
        self, model: Model, options: Mapping[str, Any], *, seconds: float | None = None, address: str = ""
    ) -> None:
        self.model, self.tag, self.address = model, model.tag, address
        # Not started where a host has it: here it says which methods there are.
        self.runner: Runner = model.to_runner(name=str(model.tag), **options)
        self.attached = Runner.attach(address) if address else None
        limit = options.get("max_latency_ms")
        handles = self.runner.methods if self.attached is None else self.attached.methods
        self.methods = make_methods(self.runner, handles, seconds, None if limit is None else limit / 1000)
        names = list(self.methods)
        preferred = [name for name in ("predict", "__call__") if name in names]
        self.default = names[0] if len(names) == 1 else next(iter(preferred), "")
        self.answered, self.up = False, True

    async def start(self, *, check: bool = False) -> None:
        """Start the runner unless a host has it, and have it answer a call of each method whose spec says what to bring.

        Args:
            check: whether to replay the version's examples, too.

        Raises:
            TiffinError: the model cannot be loaded, its worker does not run, or it answers otherwise than when it was saved.
            Exception: what loading raised.
        """
        if self.attached is None:
            await start_runner(self.runner)
        await call_once(self.methods.values())
        if check:
            await check_answers(
                self.model, self.runner, [name for name, one in self.methods.items() if not one.streams]
            )
        self.answered = True

    async def stop(self, seconds: float) -> None:
        """Answer what was taken in, for so many seconds at most, and end; what a host has goes on there."""
        if self.attached is None:
            await stop_runner(self.runner, seconds)
        else:
            await asyncio.to_thread(self.attached.close)

    async def metrics(self) -> Mapping[str, Any] | None:
        """Return the counters of the host's runner, as `Runner.metrics`; `None` where it does not answer."""
        assert self.attached is not None
        try:
            return await asyncio.to_thread(self.attached.metrics) if self.up else None
        except RunnerError:
            return None

    @property
    def ready(self) -> bool:
        """Whether it has answered a call, and takes more."""
        return self.answered and (self.up if self.attached is not None else self.runner.ready())


class Place(NamedTuple):
    """What is served by a tag as it was asked for.

    Attributes:
        asked: the tag, such as `iris:prod`.
        tag: the full tag of the version that it means now.
        canary: the full tag of a version that answers a part of its calls; empty for none.
        share: which part, from 0 to 1.
        shadow: the full tag of a version that gets copies of its calls; empty for none.
    """

    asked: str
    tag: str
    canary: str = ""
    share: float = 0.0
    shadow: str = ""


class Shelf:
    """All that is served, by every name that it has. Empty at first.

    Attributes:
        versions: full tag → the version.
        by_name: every name → what it means. Of several versions of one name the first that was asked for is meant by the
            name alone.
        tally: counts of what is tried beside it.
        draining: whether it takes no more.
    """

    def __init__(self, served: Sequence[Served] = ()) -> None:
        self.versions: dict[str, Served] = {}
        self.by_name: dict[str, Served] = {}
        self.tally, self.draining = Tally(), False
        self._trials: dict[str, Trial] = {}
        tags = [str(one.tag) for one in served]
        self.show(dict(zip(tags, served, strict=True)), [Place(tag, tag) for tag in tags])

    def show(self, versions: Mapping[str, Served], places: Sequence[Place]) -> None:
        """Serve these versions from here on, and no others."""
        by_name: dict[str, Served] = {}
        trials: dict[str, Trial] = {}
        for place in places:
            if place.canary or place.shadow:
                trial = Trial(self.tally, versions.get(place.canary), place.share, versions.get(place.shadow))
                for name in (place.asked, Tag.parse(place.asked).name):
                    if name not in by_name:
                        trials[name] = trial
            for name in (place.tag, place.asked, Tag.parse(place.asked).name):
                by_name.setdefault(name, versions[place.tag])
        self.versions, self.by_name, self._trials = dict(versions), by_name, trials

    def handler(self, name: str, method: Method, make: Callable[[Served, Method], Handler]) -> Handler:
        """Return the handler of a method's calls by a name, with what is tried beside it; see `Trial.handler`."""
        trial, one = self._trials.get(name), self.by_name[name]
        return make(one, method) if trial is None else trial.handler(one, method, make)

    @property
    def served(self) -> list[Served]:
        """The versions that have a name, in the order in which they were asked for: not those that are only tried."""
        named = set(map(id, self.by_name.values()))
        return [one for one in self.versions.values() if id(one) in named]

    async def metrics(self) -> list[Mapping[str, Any]]:
        """Return the counters of every host's runner that answers."""
        told = await asyncio.gather(*(one.metrics() for one in self.versions.values() if one.attached is not None))
        return [counters for counters in told if counters is not None]

    def counts(self) -> str:
        """Return what runners of this process did and what is tried, in Prometheus' text format."""
        alone = (one.runner.metrics() for one in self.versions.values() if one.attached is None)
        return metrics_text(*alone) + self.tally.text()

    def states(self) -> dict[str, bool]:
        """Return which versions have answered a call, and take more."""
        return {str(one.tag): one.ready for one in self.served}

    async def start(self) -> None:
        """Start all."""
        # One by one: threads that import parts of one framework at the same time may see each other's half-made modules.
        for one in self.versions.values():
            await one.start()

    async def stop(self, seconds: float) -> None:
        """Answer what was taken in, for so many seconds at most, and end."""
        await asyncio.gather(*(one.stop(seconds) for one in self.versions.values()))

    def called(self, one: Served) -> list[str]:
        """Return the names that mean this version: the shortest first."""
        return sorted((name for name, found in self.by_name.items() if found is one), key=len)
