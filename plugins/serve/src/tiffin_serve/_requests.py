"""Requests and responses, the same whichever server they come from."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tiffin_serve._errors import RequestError

MIB = 1 << 20
_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[\w.-]{0,80})?", re.ASCII)
_SEED = secrets.token_hex(8)
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Limits:
    """What a request may take up.

    Attributes:
        body: bytes of a body, as it comes and once more when it is decompressed.
        body_seconds: seconds in which a body has to be there.
        head_seconds: seconds in which a head has to be there.
        connections: connections that are served at one time; more wait to be taken.
        call_seconds: seconds in which a model has to answer; `None` for no limit.
    """

    body: int = 64 * MIB
    body_seconds: float = 30.0
    head_seconds: float = 10.0
    connections: int = 4096
    call_seconds: float | None = None


class Headers(Protocol):
    """Headers by their names in lower case."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a header's value."""

    def items(self) -> Any:
        """Return all names and values."""


class Request:
    """One request; its body is read when it is asked for. Servers derive from it.

    Attributes:
        method: in capitals.
        path: without the query, and without escapes.
        headers: by their names in lower case.
        reading: whether the body is being read.
        since: when its head came, at the latest, as `time.monotonic()`.
        ended: why nobody works at it any more, where that is so.
        closed: what the server raises where the body breaks off.
    """

    __slots__ = (
        "_id",
        "_trace_parent",
        "ended",
        "headers",
        "limits",
        "method",
        "path",
        "reading",
        "since",
    )

    closed: type[Exception] | tuple[type[Exception], ...] = ()

    def __init__(self, method: str, path: str, headers: Headers, limits: Limits) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.limits = limits
        self.reading = False
        self.since = 0.0
        self.ended: RequestError | None = None
        self._id = ""
        self._trace_parent: str | None = None

    # Both are asked for by few, and some servers make them when they are asked.

    @property
    def query(self) -> str:
        """The query, as it came."""
        return ""

    @property
    def client(self) -> str:
        """The address that it came from; empty where the server does not say."""
        return ""

    @property
    def said_id(self) -> str:
        """The header x-request-id, if it is one that may stand in logs; else empty."""
        said: str = self.headers.get("x-request-id") or ""
        return said if _ID.fullmatch(said) else ""

    @property
    def id(self) -> str:
        """The request's id: what its caller says, or one that is made."""
        if not self._id:
            self._id = self.said_id or f"{_SEED}{next(_NUMBERS):08x}"
        return self._id

    @property
    def says_nothing(self) -> bool:
        """Whether there is neither an id nor a trace parent to go with its calls."""
        get = self.headers.get
        return get("x-request-id") is None and not self._trace_parent and get("traceparent") is None

    @property
    def trace_parent(self) -> str:
        """The header traceparent of W3C's, or the span that was made for the request; empty if there is none."""
        if self._trace_parent is None:
            said: str = self.headers.get("traceparent") or ""
            self._trace_parent = said if _TRACE.fullmatch(said) else ""
        return self._trace_parent

    @trace_parent.setter
    def trace_parent(self, told: str) -> None:
        self._trace_parent = told

    async def body(self) -> bytes:
        """Return the body, decompressed.

        Raises:
            RequestError: it is too large, late, broken off, or compressed in a way that is not known.
        """
        stated = self.headers.get("content-length")
        if stated is not None and int(stated) > self.limits.body:
            raise too_large(f"The body has {stated} bytes", self.limits)
        self.reading = True
        try:
            body = await self.receive(stated is not None)
        except self.closed as error:
            raise broken_off() from error
        finally:
            self.reading = False
        coding = self.headers.get("content-encoding")
        return body if coding is None else decompress(body, coding, self.limits)

    def receive(self, stated: bool) -> Awaitable[bytes]:
        """Return the body as it came.

        Args:
            stated: whether its length was stated, so that it is known to be within the limit.
        """
        return self._gather()

    async def _gather(self) -> bytes:
        parts, size = [], 0
        async for part in self.parts():
            size += len(part)
            if size > self.limits.body:
                raise too_large("The body is larger than it may be", self.limits)
            parts.append(part)
        return b"".join(parts)

    def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        raise NotImplementedError

    async def gone(self) -> None:
        """Return when nobody waits for the answer any more. Called once the body was read."""
        raise NotImplementedError


class Response:
    """What is answered.

    Args:
        status: the HTTP status.
        body: all of it.
        headers: pairs of a name in lower case and a value.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.body = body
        self.headers = headers


class Parts(Protocol):
    """What an answer in parts is made of, one after the other."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return what yields the parts."""

    async def aclose(self) -> None:
        """End what makes them. Called in any case, once they were all taken, too."""


class StreamedResponse(Response):
    """What is answered in parts. Whoever gets one has to send it.

    Args:
        status: the HTTP status.
        parts: made as they are taken.
        headers: pairs of a name in lower case and a value.

    Attributes:
        sent: called when it was sent, with the status: 499 if the caller had gone, 500 if a part could not be made.
    """

    __slots__ = ("parts", "sent")

    def __init__(self, status: int, parts: Parts, headers: list[tuple[str, str]]) -> None:
        super().__init__(status, b"", headers)
        self.parts = parts
        self.sent: Callable[[int], None] | None = None

    async def send(self, write: Callable[[bytes], Awaitable[Any]], request: Request) -> bool:
        """Send all parts; return whether they were all sent.

        Args:
            write: sends one part; it raises `ConnectionError` when nobody takes it any more.
            request: what is answered.

        Raises:
            Exception: what making a part raised.
        """
        status = 500
        try:
            try:
                async for part in self.parts:
                    await write(part)
                status = self.status
            finally:
                await self.parts.aclose()
        except ConnectionError:
            status = 499
        except asyncio.CancelledError:
            status = 499
            if request.ended is None:
                raise
        finally:
            if self.sent is not None:
                self.sent(status)
        return status == self.status


def broken_off() -> RequestError:
    """Return the error for a body that ended before its end."""
    return RequestError(400, "The body is not complete", why="The connection ended, or its chunks are malformed")


def too_large(what: str, limits: Limits) -> RequestError:
    """Return the error for a body that is larger than the limit."""
    return RequestError(413, what, why=f"The limit is {limits.body} bytes", fix="Send fewer rows at a time")


def decompress(body: bytes, coding: str, limits: Limits) -> bytes:
    """Return what a body holds.

    Args:
        body: as it came.
        coding: the header Content-Encoding: gzip, deflate or identity.
        limits: with the bytes that may come out.

    Raises:
        RequestError: the coding is not known, the body is not of it, or too much comes out.
    """
    coding = coding.strip().lower()
    if coding == "identity":
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise RequestError(415, f"Content-Encoding {coding[:80]!r} is not known", fix="Use gzip, deflate, or none")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # a header of gzip or zlib, whichever there is
    try:
        unpacked = unpacker.decompress(body, limits.body + 1)
    except zlib.error as error:
        raise RequestError(400, f"The body is not {coding}: {error}") from error
    if len(unpacked) > limits.body:
        raise too_large("The body is larger than it may be once it is decompressed", limits)
    if not unpacker.eof or unpacker.unused_data:
        raise RequestError(400, f"The body is not one whole {coding} stream")
    return unpacked
