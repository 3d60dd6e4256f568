"""Stored models that are served, by all names that they have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tiffin import Model, Runner, Tag
from tiffin_serve._errors import ServeError
from tiffin_serve._running import methods_of, start_and_call, stop_runner


class Served:
    """One stored version behind a runner.

    Args:
        model: the version.
        asked: the tag as it was asked for.
        seconds: in which a call has to be answered, `None` for no limit.
        options: of the runner, as for `Model.to_runner`.

    Attributes:
        names: what it is called: its full tag, and the tag as asked for.
        methods: its methods by their names; those that stream answer in parts.
        default: the method that is meant where none is named; empty where there are several, and none is called predict.
        answered: whether its runner has answered a call.
    """

    def __init__(self, model: Model, asked: Tag, seconds: float | None, options: Mapping[str, Any]) -> None:
        self.model = model
        self.tag = model.tag
        self.names = list(dict.fromkeys([str(model.tag), str(asked)]))
        self.runner: Runner = model.to_runner(name=str(model.tag), **options)
        self.methods = methods_of(self.runner, seconds)
        names = list(self.methods)
        preferred = [name for name in ("predict", "__call__") if name in names]
        self.default = names[0] if len(names) == 1 else next(iter(preferred), "")
        self.answered = False

    async def start(self) -> None:
        """Start the runner, and have it answer a call of each method whose spec says what to bring.

        Raises:
            TiffinError: the model cannot be loaded, or its worker does not run.
            Exception: what loading raised.
        """
        await start_and_call(self.runner, self.methods.values())
        self.answered = True

    @property
    def ready(self) -> bool:
        """Whether it has answered a call, and takes more."""
        return self.answered and self.runner.ready()


class Shelf:
    """All that is served, by every name that it has.

    Args:
        served: in the order in which it was asked for; of several versions of one name the first is meant by the name alone.

    Raises:
        ServeError: two of them are the same version.
    """

    def __init__(self, served: list[Served]) -> None:
        self.served = served
        self.by_name: dict[str, Served] = {}
        self.draining = False
        for one in served:
            if str(one.tag) in self.by_name:
                raise ServeError(f"'{one.tag}' is to be served twice", why=f"Given: {', '.join(one.names)}")
            for name in (*one.names, one.tag.name):
                self.by_name.setdefault(name, one)

    @property
    def runners(self) -> list[Runner]:
        """The runners of all."""
        return [one.runner for one in self.served]

    def states(self) -> dict[str, bool]:
        """Return which versions have answered a call, and take more."""
        return {str(one.tag): one.ready for one in self.served}

    async def start(self) -> None:
        """Start all."""
        # One by one: threads that import parts of one framework at the same time may see each other's half-made modules.
        for one in self.served:
            await one.start()

    async def stop(self, seconds: float) -> None:
        """Answer what was taken in, for so many seconds at most, and end."""
        await asyncio.gather(*(stop_runner(runner, seconds) for runner in self.runners))

    def called(self, one: Served) -> list[str]:
        """Return the names that mean this version: the shortest first."""
        return sorted((name for name, found in self.by_name.items() if found is one), key=len)
