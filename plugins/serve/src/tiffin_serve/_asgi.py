"""The application as ASGI, for other servers and for clients in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from tiffin_serve._application import Application, error_response
from tiffin_serve._errors import RequestError
from tiffin_serve._requests import Limits, Request, Response, StreamedResponse, broken_off

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiRequest(Request):
    """A request as ASGI gives it."""

    __slots__ = ("_receive", "_scope")

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, limits: Limits) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        super().__init__(scope["method"], scope["path"], headers, limits)
        self._scope, self._receive = scope, receive

    @property
    def query(self) -> str:
        """The query, as it came."""
        return str(self._scope["query_string"].decode("latin-1"))

    @property
    def client(self) -> str:
        """The address that it came from; empty where the server does not say."""
        return ":".join(map(str, self._scope.get("client") or ()))

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise broken_off()
            more = message.get("more_body", False)
            yield message.get("body", b"")

    async def gone(self) -> None:
        """Return when the server says that the connection is closed."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class AsgiApplication:
    """An application, as a server that speaks ASGI calls it."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._watch = application.watch

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request. What starts and stops is not the server's business here."""
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        request = AsgiRequest(scope, receive, self._application.limits)
        task = self._watch.enter(request)
        try:
            if request.headers.get("content-length") and request.headers.get("transfer-encoding"):
                # Whoever stands before the server may have believed the other of the two: RFC 9112, section 6.1.
                response = error_response(
                    RequestError(
                        400,
                        "The request has a Content-Length beside a Transfer-Encoding",
                        headers={"connection": "close"},
                    )
                )
            else:
                response = await self._application.entry(request)
            if isinstance(response, StreamedResponse):
                await _send(response, send, request)
                return
        finally:
            self._watch.leave(task)
        pairs = _pairs(response)
        if response.status != 204:
            pairs.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": pairs})
        body = b"" if request.method == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})


def _pairs(response: Response) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]


async def _send(response: StreamedResponse, send: Send, request: Request) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": _pairs(response)})

    async def write(part: bytes) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": True})

    if await response.send(write, request):
        await send({"type": "http.response.body", "body": b""})
