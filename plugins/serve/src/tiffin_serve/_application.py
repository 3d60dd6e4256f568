"""The application: which handler answers which path, and how errors are answered. It knows no server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from tiffin_serve._errors import RequestError, as_request_error
from tiffin_serve._json_forms import JSON, write_json
from tiffin_serve._requests import Limits, Request, Response, StreamedResponse
from tiffin_serve._traffic import Traffic
from tiffin_serve._watching import Watch

Handler = Callable[[Request], Awaitable[Response]]
"""Answers a request; what it raises is answered as an error."""


class Application:
    """Answers requests.

    Args:
        limits: what a request may take up.

    Attributes:
        routes: path → method → handler.
        unknown: beginnings of paths → what is raised for one below that is not there.
        traffic: what was answered so far.
        oip_root: where the paths of the Open Inference Protocol begin.
        mounted: beginnings of paths → what answers all below that no route is for, whatever the method.
        entry: what servers call: `answer`, and what was put before it.
        watch: the requests that are open.
        count: returns what was counted, in Prometheus' text format; `None` for what this process has counted.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.routes: dict[str, dict[str, Handler]] = {}
        self.unknown: dict[str, Callable[[str], RequestError]] = {}
        self.traffic = Traffic()
        self.oip_root = "/v2"
        self.mounted: dict[str, Handler] = {}
        self.entry: Handler = self.answer
        self.watch = Watch(self.limits)
        self.count: Callable[[], Awaitable[str]] | None = None

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Answer a method of a path by a handler, and HEAD like GET."""
        handlers = self.routes.setdefault(path, {})
        handlers[method] = handler
        if method == "GET":
            handlers["HEAD"] = handler

    def wrap(self, layer: Callable[[Handler], Handler]) -> None:
        """Put something before all that is answered: it gets what answered so far, and returns what answers now."""
        self.entry = layer(self.entry)

    async def answer(self, request: Request) -> Response:
        """Answer a request. Raises nothing, unless it is cancelled by somebody who does not say why.

        A `StreamedResponse` has to be sent: what makes its parts has begun.
        """
        began = time.perf_counter()
        known = True
        try:
            try:
                handler = self.routes[request.path][request.method]
            except KeyError:
                known = request.path in self.routes
                handler = self._elsewhere(request)
            response = await handler(request)
        except asyncio.CancelledError:
            if request.ended is None:
                raise
            response = error_response(request.ended)
        # Whatever a handler or a model raises is answered.
        except Exception as error:  # noqa: BLE001
            response = error_response(as_request_error(error))
        path = request.path if known else ""
        if isinstance(response, StreamedResponse):
            response.sent = lambda status: self.traffic.note(path, status, time.perf_counter() - began)
        else:
            self.traffic.note(path, response.status, time.perf_counter() - began)
        return response

    def _elsewhere(self, request: Request) -> Handler:
        """Return what answers a request that no route is for."""
        path = request.path
        if path not in self.routes:
            for beginning in sorted(self.mounted, key=len, reverse=True):
                if path == beginning or path.startswith(f"{beginning}/"):
                    return self.mounted[beginning]
        raise self._missing(request)

    def _missing(self, request: Request) -> RequestError:
        path = request.path
        handlers = self.routes.get(path)
        if handlers is not None:
            allowed = ", ".join(sorted({*handlers, "OPTIONS"}))
            if request.method == "OPTIONS":
                return RequestError(204, "", headers={"allow": allowed})
            return RequestError(
                405, f"{request.method[:20]} is not for {path[:200]}", fix=f"Use {allowed}", headers={"allow": allowed}
            )
        for beginning in sorted(self.unknown, key=len, reverse=True):
            if path.startswith(beginning):
                return self.unknown[beginning](path.removeprefix(beginning))
        return RequestError(404, f"There is nothing at {path[:200]!r}", fix="See /docs for what there is")


def error_response(error: RequestError) -> Response:
    """Return an error as a response: JSON with the one field "error"."""
    headers = list(error.headers.items())
    if error.status == 204:
        return Response(204, b"", headers)
    return Response(error.status, write_json({"error": str(error)}), JSON + headers)


def json_response(value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as a response in JSON."""
    return Response(200, write_json(value), JSON + list((headers or {}).items()))
