"""What stands between a server and the application where it is asked for: tokens, CORS, a log of what was answered.

Each takes the handler behind it and returns one that stands before it. What is not asked for is not there, and costs nothing.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TextIO

import orjson

from tiffin_serve._application import error_response
from tiffin_serve._errors import RequestError
from tiffin_serve._requests import Request, Response, StreamedResponse

Handler = Callable[[Request], Awaitable[Response]]
logger = logging.getLogger("tiffin.serve")

OPEN = ("/livez", "/readyz")
"""Paths that need no token: who watches processes has none."""
OPEN_BELOW = "/assets/"
"""What is below needs none, either: it is the same for all servers, and says nothing of what is served."""
EXPOSED = "tiffin-model, tiffin-explain, x-request-id, retry-after"
"""Headers of answers that a page of another origin may read."""
TAKEN = "authorization, content-type, x-request-id, traceparent, tiffin-explain, inference-header-content-length"
"""Headers of requests that it may send."""


def with_tokens(handler: Handler, tokens: Collection[str], pages: Collection[str] = ()) -> Handler:
    """Refuse requests that bring none of these tokens as `Authorization: Bearer …`, but for the paths that are open.

    Args:
        handler: answers the others.
        tokens: any of them will do.
        pages: more paths that are open.
    """
    known = [token.encode() for token in tokens]
    open_paths = {*OPEN, *pages}

    async def guarded(request: Request) -> Response:
        if request.path in open_paths or request.path.startswith(OPEN_BELOW):
            return await handler(request)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        found = given.strip().encode()
        if scheme.lower() == "bearer" and any(hmac.compare_digest(found, token) for token in known):
            return await handler(request)
        headers = {"www-authenticate": 'Bearer realm="tiffin"'}
        fix = "Send it as Authorization: Bearer …"
        return error_response(
            RequestError(401, "The request has no token that is known here", fix=fix, headers=headers)
        )

    return guarded


def with_origins(handler: Handler, origins: Collection[str]) -> Handler:
    """Let pages of these origins call: CORS, https://fetch.spec.whatwg.org/#http-cors-protocol.

    Args:
        handler: answers the calls.
        origins: such as "https://app.example"; "*" for all.
    """
    allowed = frozenset(origins)

    async def crossed(request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is None or not ("*" in allowed or origin in allowed):
            return await handler(request)
        headers = [("access-control-allow-origin", "*" if "*" in allowed else origin), ("vary", "origin")]
        if request.method == "OPTIONS" and request.headers.get("access-control-request-method"):
            headers += [
                ("access-control-allow-methods", "GET, POST"),
                ("access-control-allow-headers", TAKEN),
                ("access-control-max-age", "600"),
            ]
            return Response(204, b"", headers)
        response = await handler(request)
        response.headers = [*response.headers, *headers, ("access-control-expose-headers", EXPOSED)]
        return response

    return crossed


def with_log(handler: Handler, into: TextIO) -> Handler:
    """Write a line of JSON for each answer: when, who, what, with which status, in which time, and its request's id.

    Args:
        handler: answers.
        into: gets the lines. Where it takes none, as on a full disk, requests are answered all the same.
    """
    failed = False

    def write(told: dict[str, Any]) -> None:
        nonlocal failed
        try:
            into.write(orjson.dumps(told).decode() + "\n")
            into.flush()
            failed = False
        except (OSError, ValueError) as error:
            if not failed:
                logger.warning("the log of answers takes no lines: %s", error)
            failed = True

    async def logged(request: Request) -> Response:
        began, when = time.perf_counter(), time.time()
        response = await handler(request)

        def note(status: int) -> None:
            write(
                {
                    "time": round(when, 3),
                    "client": request.client,
                    "method": request.method[:20],
                    "path": request.path[:500],
                    "status": status,
                    "seconds": round(time.perf_counter() - began, 6),
                    "bytes": len(response.body),
                    "id": request.id,
                }
            )

        if not isinstance(response, StreamedResponse):
            note(response.status)
            return response
        before = response.sent

        def sent(status: int) -> None:
            if before is not None:
                before(status)
            note(status)

        response.sent = sent
        return response

    return logged
