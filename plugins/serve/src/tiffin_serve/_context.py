"""The context of one request, for the functions of a service: what came, and what the answer says besides its body."""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from tiffin_serve._errors import ServeError
from tiffin_serve._requests import Headers, Request

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST_FIELDS = 1000


class Asked:
    """What came.

    Attributes:
        method: in capitals.
        path: without the query.
        headers: `headers.get(name)`, by names in lower case.
        id: the request's id: the header x-request-id, or one that was made.
        client: the address that it came from; empty where the server does not say.
    """

    def __init__(self, request: Request) -> None:
        self.method: str = request.method
        self.path: str = request.path
        self.headers: Headers = request.headers
        self.id: str = request.id
        self.client: str = request.client
        self._query = request.query

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The query: name → values, as they came."""
        return parse_qs(self._query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies by their names; empty where they are malformed."""
        try:
            return {name: one.value for name, one in SimpleCookie(self.headers.get("cookie", "")).items()}
        except CookieError:
            return {}


class Answer:
    """What the answer says besides its body.

    Attributes:
        status: its status.
        headers: pairs that are added to it.
    """

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[tuple[str, str]] = []

    def set_header(self, name: str, value: str) -> None:
        """Add a header.

        Raises:
            ServeError: its name is none, or its value has a break of lines.
        """
        if not _NAME.fullmatch(name) or not value.isprintable():
            raise ServeError(f"{name!r}: {value[:80]!r} is no header", why="It would make other headers")
        self.headers.append((name.lower(), value))

    def set_cookie(self, name: str, value: str, **attributes: Any) -> None:
        """Have the client keep a cookie.

        Args:
            name: its name.
            value: its value; it is quoted where that is needed.
            **attributes: max_age, path, domain, secure, httponly, samesite, expires, as `http.cookies.Morsel` has them.

        Raises:
            ServeError: the name is none, or there is no such attribute.
        """
        made: SimpleCookie = SimpleCookie()
        try:
            made[name] = value
            for key, one in attributes.items():
                made[name][key.replace("_", "-")] = one
        except CookieError as error:
            raise ServeError(f"Cookie {name!r} cannot be made: {error}") from error
        self.set_header("set-cookie", made[name].OutputString())


class Context:
    """The context of one request. A function with an argument that is annotated so gets it.

    Attributes:
        request: what came.
        response: what the answer says besides its body; of an answer in parts only until the first one.
    """

    def __init__(self, request: Request) -> None:
        self.request = Asked(request)
        self.response = Answer()


present: ContextVar[Context] = ContextVar("tiffin_serve_context")
"""The context of the request that is being answered."""


def current_context() -> Context:
    """Return the context of the request that is being answered.

    Raises:
        ServeError: there is none.
    """
    try:
        return present.get()
    except LookupError:
        raise ServeError("No request is being answered here", fix="Ask in a function of a service") from None
