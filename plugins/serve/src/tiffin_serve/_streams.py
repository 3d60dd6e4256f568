"""Answers that come in parts: made one by one as the caller takes them, and ended when he goes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from tiffin_serve._errors import as_request_error
from tiffin_serve._json_forms import write_json
from tiffin_serve._requests import StreamedResponse

EVENTS = "text/event-stream"
"""The media type of server-sent events."""
UNSTORED = [("cache-control", "no-store"), ("x-accel-buffering", "no")]
"""Headers that keep what stands between from gathering parts."""

_BREAK = re.compile("\r\n|\r|\n")


class Stream:
    """The parts of an answer, made of items. No generator: one that was not begun would not end what it reads from.

    Args:
        items: what the parts are made of.
        write: makes a part of an item.
        last: the part behind the last item; empty for none.
        failed: makes the last part of an error that comes after other parts. Not every server can break an answer off so that
            its caller sees it.
    """

    def __init__(
        self,
        items: AsyncIterator[Any],
        write: Callable[[Any], bytes],
        last: bytes = b"",
        failed: Callable[[Exception], bytes] = lambda error: b"",
    ) -> None:
        self._items = items
        self._write = write
        self._last = last
        self._failed = failed
        self._made: bytes | None = None
        self._over = False

    async def begin(self) -> Stream:
        """Make the first part, so that what fails at once is answered as any failure.

        Raises:
            Exception: what making the first item raised.
        """
        try:
            self._made = await self._make()
        except StopAsyncIteration:
            pass
        except BaseException:
            await self.aclose()
            raise
        return self

    async def _make(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        try:
            return self._write(await anext(self._items))
        except StopAsyncIteration:
            self._over = True
            if not self._last:
                raise
            return self._last

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        made, self._made = self._made, None
        if made is not None:
            return made
        try:
            return await self._make()
        except StopAsyncIteration:
            raise
        # Whatever a model raises is told to the caller, in the form that the stream has for it.
        except Exception as error:  # noqa: BLE001
            self._over = True
            return self._failed(error)

    async def aclose(self) -> None:
        """End what makes the items. Repeatable."""
        self._over = True
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


def event(data: str | bytes, name: str = "", number: str = "") -> bytes:
    """Return a server-sent event, as https://html.spec.whatwg.org/multipage/server-sent-events.html has it.

    Args:
        data: its text; breaks of lines stay what they are.
        name: what happened; empty for a plain message.
        number: its id; empty for none.

    Raises:
        ValueError: the name or the number has a break of lines, or NUL.
    """
    text = data.decode() if isinstance(data, bytes) else data
    for field in (name, number):
        if _BREAK.search(field) or "\0" in field:
            raise ValueError(f"{field[:80]!r} is no field of an event: it has a break of lines, or NUL")
    lines = [f"event: {name}"] * bool(name) + [f"id: {number}"] * bool(number)
    lines += [f"data: {line}" for line in _BREAK.split(text)]
    return "\n".join([*lines, "", ""]).encode()


def json_event(item: Any) -> bytes:
    """Return a server-sent event whose data are an item in JSON."""
    return event(write_json(item))


def failed_event(error: Exception) -> bytes:
    """Return the last event of a stream that failed."""
    return event(write_json({"error": str(as_request_error(error))}), "error")


END = event("{}", "end")
"""The last event of a stream that is whole."""


async def answer_events(items: AsyncIterator[Any], headers: list[tuple[str, str]]) -> StreamedResponse:
    """Return the answer that sends items as server-sent events, each in JSON.

    Raises:
        Exception: what making the first item raised.
    """
    stream = await Stream(items, json_event, END, failed_event).begin()
    return StreamedResponse(200, stream, [("content-type", EVENTS), *UNSTORED, *headers])
