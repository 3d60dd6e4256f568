"""ASGI applications beside a service's own paths: requests go to them, and their life is the service's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from tiffin_serve._errors import RequestError, ServeError
from tiffin_serve._requests import Request, Response, StreamedResponse
from tiffin_serve._streams import Stream

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
_WAITING = 8
"""Parts that an application may be ahead of its caller."""


class Mounted:
    """An ASGI application below a path.

    Args:
        path: where it begins; it is its `root_path`.
        application: speaks ASGI 3.
    """

    def __init__(self, path: str, application: Asgi) -> None:
        self.path = path
        self.application = application
        self._life: asyncio.Task[None] | None = None
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._told: asyncio.Queue[Message] = asyncio.Queue()

    async def answer(self, request: Request) -> Response:
        """Have the application answer a request."""
        sent: asyncio.Queue[Message | None] = asyncio.Queue(_WAITING)
        task = asyncio.get_running_loop().create_task(self._run(request, sent))
        stream = _Sent(sent, task)
        try:
            start = await sent.get()
            if start is None or start["type"] != "http.response.start":
                raise RequestError(500, f"What is below {self.path!r} gave no answer")
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start.get("headers", ())]
            headers = [(name.lower(), value) for name, value in headers if name.lower() != "transfer-encoding"]
            first = await sent.get()
            if first is not None and not first.get("more_body", False):
                whole = [(name, value) for name, value in headers if name != "content-length"]
                return Response(start["status"], first.get("body", b""), whole)
        except BaseException:
            await stream.aclose()
            raise
        if first is None:
            return Response(start["status"], b"", headers)
        stream.first = first
        return StreamedResponse(start["status"], Stream(stream, bytes), headers)

    async def _run(self, request: Request, sent: asyncio.Queue[Message | None]) -> None:
        body = request.parts()
        bare = request.path.removeprefix(self.path) or "/"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.path,
            "raw_path": request.path.encode(),
            "root_path": self.path,
            "query_string": request.query.encode("latin-1"),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()],
            "client": None,
            "server": None,
            "state": {},
            "tiffin.path": bare,
        }

        async def receive() -> Message:
            try:
                return {"type": "http.request", "body": await anext(body), "more_body": True}
            except StopAsyncIteration:
                if ended:
                    await (
                        asyncio.get_running_loop().create_future()
                    )  # for ever: the task is cancelled when its caller goes
                ended.append(True)
                return {"type": "http.request", "body": b"", "more_body": False}

        ended: list[bool] = []
        try:
            await self.application(scope, receive, sent.put)
        finally:
            if not asyncio.current_task().cancelling():  # type: ignore[union-attr]  # there is one: it runs this
                await sent.put(None)

    # Its life

    async def start(self) -> None:
        """Start the application by the protocol `lifespan`; one that does not speak it has nothing to start.

        Raises:
            ServeError: it says that it cannot start.
        """
        self._life = asyncio.get_running_loop().create_task(self._live())
        if await self._say("startup"):
            return
        self._life = None

    async def stop(self) -> None:
        """Stop the application, if it was started."""
        if self._life is not None and not self._life.done():
            await self._say("shutdown")
            self._life.cancel()
        self._life = None

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self.application(scope, self._messages.get, self._told.put)
        finally:
            await self._told.put({"type": "over"})

    async def _say(self, what: str) -> bool:
        await self._messages.put({"type": f"lifespan.{what}"})
        told = await self._told.get()
        if told["type"] == f"lifespan.{what}.failed":
            raise ServeError(f"What is below {self.path!r} fails at its {what}: {str(told.get('message', ''))[:300]}")
        if told["type"] == "over" and self._life is not None and self._life.done():
            self._life.exception()  # it does not speak the protocol, and may say so in any way
        return bool(told["type"] == f"lifespan.{what}.complete")


class _Sent:
    """The bodies that an application sends."""

    def __init__(self, sent: asyncio.Queue[Message | None], task: asyncio.Task[None]) -> None:
        self._sent = sent
        self._task = task
        self.first: Message | None = None
        self._over = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        message, self.first = self.first, None
        if message is None:
            message = await self._sent.get()
        if message is None:
            raise StopAsyncIteration
        self._over = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part

    async def aclose(self) -> None:
        """End the application's work at this request."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
