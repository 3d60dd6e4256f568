"""What is served: stored models with their runners, and what is known of their methods."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np

from tiffin import Model, Runner, Tag
from tiffin.exceptions import RemoteError, RunnerError, TiffinError
from tiffin.runners import RunnableMethod
from tiffin.signatures import plain_spec
from tiffin_serve._errors import ServeError
from tiffin_serve._taking import ArrayTaker, Taker, make_taker


class Method:
    """One method that is served.

    Args:
        name: its name.
        handle: the runner's method.
        about: what is declared of it.
        seconds: in which it has to answer, `None` for no limit.

    Attributes:
        call: awaits the method's answer.
        taker: makes its arguments of what a request brings.
        output_spec: what it returns; `None` where that is not known.
        by_name: whether its arguments are given by their names.
    """

    def __init__(self, name: str, handle: Any, about: RunnableMethod, seconds: float | None = None) -> None:
        self.name = name
        self.about = about
        self.call = (handle if seconds is None else handle.options(timeout=seconds)).async_run
        spec = None if about.input_spec is None else plain_spec(about.input_spec)
        self.by_name = spec is not None and spec["type"] == "arguments"
        self.taker: Taker = make_taker(spec, about.parameters[0] if about.parameters else "input")
        self.output_spec = None if about.output_spec is None else plain_spec(about.output_spec)

    async def run(self, argument: Any) -> Any:
        """Call it with what its taker made."""
        if self.by_name:
            return await self.call(**argument)
        return await self.call(argument)

    def example(self) -> Any:
        """Return an argument that its spec allows, one row of zeros; `None` where the spec does not say enough."""
        taker = self.taker
        if not isinstance(taker, ArrayTaker) or taker.shape is None:
            return None
        dtype = taker.dtype or np.dtype(np.float64)
        if dtype.kind not in "biufc":
            return None
        return taker.take(np.zeros([1 if length is None else length for length in taker.shape], dtype), taker.name)


class Served:
    """One stored version behind a runner.

    Args:
        model: the version.
        asked: the tag as it was asked for.
        seconds: in which a call has to be answered, `None` for no limit.
        options: of the runner, as for `Model.to_runner`.

    Attributes:
        names: what it is called: its full tag, and the tag as asked for.
        methods: those that can be called with one request and answered with one response.
        default: the method that is meant where none is named; empty where there are several, and none is called predict.
        answered: whether its runner has answered a call.
    """

    def __init__(self, model: Model, asked: Tag, seconds: float | None, options: Mapping[str, Any]) -> None:
        self.model = model
        self.tag = model.tag
        self.names = list(dict.fromkeys([str(model.tag), str(asked)]))
        self.runner: Runner = model.to_runner(name=str(model.tag), **options)
        self.methods = {
            name: Method(name, self.runner.methods[name], about, seconds)
            for name, about in self.runner.runnable.runnable_methods.items()
            if about.kind in ("call", "async")
        }
        if not self.methods:
            raise ServeError(
                f"Model '{model.tag}' has no method that answers once",
                why=f"Its methods stream: {', '.join(self.runner.methods)}",
            )
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
        await asyncio.get_running_loop().run_in_executor(None, self.runner.start)
        for method in self.methods.values():
            example = method.example()
            if example is not None:
                try:
                    await method.call(example)
                except RemoteError:
                    pass  # the method's own error, at zeros: it was called, and answered
                except RunnerError:
                    raise
                # A method may refuse zeros in any way; what counts is that it was called.
                except Exception as error:
                    if isinstance(error, TiffinError):
                        raise
        self.answered = True

    @property
    def ready(self) -> bool:
        """Whether it has answered a call, and takes more."""
        return self.answered and self.runner.ready()

    async def stop(self, seconds: float) -> None:
        """Answer what was taken in, for so many seconds at most, and end."""
        await asyncio.get_running_loop().run_in_executor(None, self.runner.stop, seconds)


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
    def ready(self) -> bool:
        """Whether everything answers, and the server goes on."""
        return not self.draining and all(one.ready for one in self.served)

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model's name that are served."""
        return [str(one.tag.version) for one in self.served if one.tag.name == name]

    def called(self, one: Served) -> list[str]:
        """Return the names that mean this version: the shortest first."""
        return sorted((name for name, found in self.by_name.items() if found is one), key=len)
