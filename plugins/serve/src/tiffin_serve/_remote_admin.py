"""What an owner asks of a server from elsewhere: over HTTP, by tokens that let nobody else's calls in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import orjson

from tiffin_serve._application import Handler, error_response, json_response
from tiffin_serve._errors import RequestError, ServeError, as_request_error
from tiffin_serve._layers import with_tokens
from tiffin_serve._requests import Request, Response

PREFIX = "/admin/"
METHODS = {"status": "GET", "rollout": "POST", "stop": "POST"}
"""What can be asked, and by which method."""


def with_admin(handler: Handler, tokens: Collection[str], ask: Callable[..., Awaitable[dict[str, Any]]]) -> Handler:
    """Answer what is asked below /admin/, by those who bring one of these tokens.

    Args:
        handler: answers all else.
        tokens: any of them will do.
        ask: asks the supervisor, as `Line.ask`.
    """

    async def answer(request: Request) -> Response:
        try:
            do = request.path.removeprefix(PREFIX)
            if do not in METHODS:
                raise RequestError(404, f"There is nothing at {request.path[:200]!r}", fix=f"Ask {', '.join(METHODS)}")
            if request.method != METHODS[do]:
                headers = {"allow": METHODS[do]}
                raise RequestError(405, f"{request.method[:20]} is not for {request.path}", headers=headers)
            facts = _asked(await request.body()) if do == "rollout" else {}
            return json_response(await ask(f"admin {do}", **facts))
        except ServeError as error:
            return error_response(RequestError(409, error.what, why=error.why, fix=error.fix))
        except RequestError as error:
            return error_response(as_request_error(error))

    guarded = with_tokens(answer, tokens)

    async def administered(request: Request) -> Response:
        return await (guarded if request.path.startswith(PREFIX) else handler)(request)

    return administered


def _asked(body: bytes) -> dict[str, Any]:
    """Return what a rollout is asked of: `{"target": TAG, "to": TAG or null}`.

    Raises:
        RequestError: it is something else.
    """
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"The body is no JSON: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("target"), str) or not told.keys() <= {"target", "to"}:
        raise RequestError(
            422, "The body is not what a rollout takes", fix='Send {"target": "iris:prod", "to": "iris:2"}'
        )
    if not isinstance(told.get("to"), str | None):
        raise RequestError(422, "'to' is no tag", fix="Leave it out for what the target means now")
    return {"asked": told["target"], "to": told.get("to")}
