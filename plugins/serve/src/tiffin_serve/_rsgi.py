"""The application behind granian: RSGI, which costs less than ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # public, and without an __all__

from tiffin_serve._application import Application
from tiffin_serve._requests import Request, StreamedResponse, broken_off


class RsgiRequest(Request):
    """A request as granian gives it."""

    __slots__ = ("_protocol", "_scope")
    closed = ProtocolClosed

    def __init__(self, scope: Any, protocol: Any, limits: Any) -> None:
        super().__init__(scope.method, scope.path, scope.headers, limits)
        self._scope, self._protocol = scope, protocol

    @property
    def query(self) -> str:
        """The query, as it came."""
        return str(self._scope.query_string)

    @property
    def client(self) -> str:
        """The address that it came from."""
        return str(self._scope.client)

    def receive(self, stated: bool) -> Awaitable[bytes]:
        """Return the body as it came: at once, where granian holds it to a stated length."""
        # Not a coroutine around another one: each request would pay for it.
        whole: Awaitable[bytes] = self._protocol() if stated else super().receive(False)
        return whole

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        try:
            async for part in self._protocol:
                yield part
        except ProtocolClosed as error:
            raise broken_off() from error

    async def gone(self) -> None:
        """Return when the connection is closed."""
        await self._protocol.client_disconnect()


class RsgiApplication:
    """An application, as granian calls it."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._watch = application.watch

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        if scope.proto != "http":
            protocol.close(None)
            return
        request = RsgiRequest(scope, protocol, self._application.limits)
        task = self._watch.enter(request)
        try:
            response = await self._application.entry(request)
            if isinstance(response, StreamedResponse):
                await _send(response, protocol, request)
                return
        finally:
            self._watch.leave(task)
        protocol.response_bytes(response.status, response.headers, response.body)


async def _send(response: StreamedResponse, protocol: Any, request: Request) -> None:
    transport = protocol.response_stream(response.status, response.headers)

    async def write(part: bytes) -> None:
        try:
            await transport.send_bytes(part)
        except ProtocolClosed as error:
            raise ConnectionResetError from error

    await response.send(write, request)
