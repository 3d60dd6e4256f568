"""What a language model writes, up to a stop or a number of pieces; and what it is asked for besides a prompt."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from tiffin_serve._errors import RequestError

_LIMITS = ("max_completion_tokens", "max_tokens")
_NUMBERS = ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty")
_MOST_STOPS = 16


class Written:
    """The pieces of text that a model yields. No generator: one that was not begun would not end the model's.

    Args:
        items: what the model yields.
        stops: texts behind which nothing is taken; they are not part of what was written.
        most: pieces at most; `None` for as many as come.

    Attributes:
        finish: why it ended, once it has: "stop" or "length".
    """

    def __init__(self, items: AsyncIterator[Any], stops: Sequence[str], most: int | None) -> None:
        self._items, self._stops, self._most = items, stops, most
        self._held, self._count = "", 0
        self._first: str | None = None
        self._over = False
        self.finish = "stop"

    async def begin(self) -> None:
        """Make the first piece. Raises what the model raises."""
        try:
            self._first = await self._next()
        except StopAsyncIteration:
            self._over = True
        except BaseException:
            await self.aclose()
            raise

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        first, self._first = self._first, None
        return await self._next() if first is None else first

    async def _next(self) -> str:
        while not self._over:
            try:
                piece = await anext(self._items)
            except StopAsyncIteration:
                return await self._end(self._held)
            if not isinstance(piece, str):
                raise RequestError(500, f"The model yields {type(piece).__name__}, and no texts")
            self._held += piece
            self._count += 1
            cuts = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
            if cuts:
                return await self._end(self._held[: min(cuts)])
            if self._most is not None and self._count >= self._most:
                self.finish = "length"
                return await self._end(self._held)
            kept = max((_overlap(self._held, stop) for stop in self._stops), default=0)
            ready, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
            if ready:
                return ready
        raise StopAsyncIteration

    async def _end(self, rest: str) -> str:
        self._over, self._held = True, ""
        await self.aclose()
        if not rest:
            raise StopAsyncIteration
        return rest

    async def aclose(self) -> None:
        """End the model's work. Repeatable."""
        self._over = True
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of a text may be the beginning of a stop."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if stop.startswith(text[-size:])), 0)


def stops_of(asked: Mapping[str, Any]) -> list[str]:
    """Return the texts behind which nothing is taken."""
    stop = asked.get("stop")
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    if type(stops) is not list or len(stops) > _MOST_STOPS or not all(isinstance(one, str) and one for one in stops):
        raise RequestError(400, f"'stop' is no text, and no list of up to {_MOST_STOPS}")
    return stops


def options_of(asked: Mapping[str, Any], parameters: Sequence[str] | None) -> tuple[dict[str, Any], int | None]:
    """Return what a model is called with besides the prompt, and how many pieces are taken at most.

    Args:
        asked: the request.
        parameters: names of the method's parameters. Where it names none besides the prompt it may take any, and gets those
            that are asked for as `generate` of the library transformers names them: most of these models are its own.

    Raises:
        RequestError: a number is none, or the model names its parameters, and this is none of them.
    """
    names = tuple(parameters or ())[1:]
    most = next((asked[name] for name in _LIMITS if asked.get(name) is not None), None)
    if most is not None and (type(most) is not int or most < 1):
        raise RequestError(400, f"'max_tokens' is {str(most)[:40]}", fix="Send a whole number from 1 on")
    options: dict[str, Any] = {}
    if most is not None and (not names or "max_new_tokens" in names or "max_tokens" in names):
        options["max_tokens" if "max_tokens" in names else "max_new_tokens"] = most
    for name in _NUMBERS:
        value = asked.get(name)
        if value is None:
            continue
        if type(value) not in (int, float) or not math.isfinite(value):
            raise RequestError(400, f"{name!r} is {str(value)[:40]}, and no number")
        if names and name not in names:
            raise RequestError(400, f"The model does not take {name!r}", why=f"It takes {', '.join(names)}")
        options[name] = value
    if not names and "temperature" in options:
        options["do_sample"] = options["temperature"] > 0
        if not options["do_sample"]:
            del options["temperature"]
    return options, most


def without(given: Mapping[str, Any], name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model is called with next, when it does not take an option that it was called with.

    Raises:
        RequestError: it does not take what its caller asked for. The number of tokens is no matter: pieces are counted here.
    """
    rest = {key: value for key, value in given.items() if key != name}
    if name == "max_new_tokens":
        return {**rest, "max_tokens": given[name]}
    if name == "do_sample":
        return {**rest, "temperature": asked.get("temperature", 0.0)}
    if name != "max_tokens":
        raise RequestError(400, f"The model does not take {name!r}", fix="Leave it out")
    return rest
