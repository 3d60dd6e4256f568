"""Clients of a server, made of its description: a function for each function of a service, and each method of a model."""

from __future__ import annotations

import abc
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from tiffin_serve._described_calls import (
    Described,
    async_items_of,
    check_answer,
    items_of,
    read_description,
    write_stub,
)
from tiffin_serve._errors import ServeError


class _Calls:
    """The calls of a service, or of one model, as attributes."""

    def __init__(self, calls: Iterable[Described], make: Any) -> None:
        self._described = {one.name: one for one in calls}
        self._made = {name: make(one) for name, one in self._described.items()}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._made[name]
        except KeyError:
            raise AttributeError(f"There is no {name!r} here; there are: {', '.join(self._made)}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._made]

    def stub(self, name: str = "Served") -> str:
        """Return a Python module with a class of these calls, for tools that check types.

        Args:
            name: the class's.
        """
        return write_stub(list(self._described.values()), name)


class _Described(abc.ABC):
    """What both clients have."""

    def __init__(self) -> None:
        self._calls: list[Described] | None = None

    @abc.abstractmethod
    def _make(self, one: Described) -> Any:
        """Return the function that makes a call."""

    @abc.abstractmethod
    def _known(self) -> list[Described]:
        """Return all calls that the server describes."""

    def model(self, name: str) -> Any:
        """Return a served model, by any of its names; its methods are attributes.

        Raises:
            ServeError: there is none of this name.
        """
        found = [one for one in self._known() if name in one.group]
        if not found:
            names = sorted({group for one in self._known() for group in one.group})
            raise ServeError(f"No model {name!r} is served there", why=f"Served are: {', '.join(names)}")
        return _Calls(found, self._make)

    @property
    def service(self) -> Any:
        """The service's functions, as attributes."""
        return _Calls([one for one in self._known() if not one.group], self._make)

    def _named(self, function: Any, one: Described) -> Any:
        function.__name__, function.__doc__, function.__signature__ = one.name, one.text, one.signature
        return function


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise ServeError(
            "A client needs httpx, which is not installed", fix="Try: pip install 'tiffin-serve[client]'"
        ) from error
    return httpx


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


class Client(_Described):
    """Calls a server. Its description is read when it is needed first. Needs the extra `tiffin-serve[client]`.

    `client.service.classify(rows)` calls a function of a service, `client.model("iris").predict(rows)` a method of a model.
    Arrays, frames, dataclasses, classes of attrs and pydantic are sent as JSON; where an array or a frame is answered,
    there is one. What streams returns an iterator.

    Args:
        url: the server's address, such as "http://127.0.0.1:3000".
        token: one of its tokens, where it asks for one.
        seconds: to wait for an answer, or a part of one; `None` waits.
        **options: more, as `httpx.Client` has them: verify, transport, …

    Raises:
        ServeError: httpx is not installed.
        AnswerError: the server answers a call with an error.
    """

    def __init__(self, url: str, *, token: str = "", seconds: float | None = 60.0, **options: Any) -> None:
        super().__init__()
        self._http = _httpx().Client(base_url=url, headers=_headers(token), timeout=seconds, **options)

    def _known(self) -> list[Described]:
        if self._calls is None:
            answer = self._http.get("/openapi.json")
            check_answer(answer.status_code, answer.headers, answer.content)
            self._calls = read_description(answer.json())
        return self._calls

    def _make(self, one: Described) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            request = one.request(args, kwargs)
            if one.streams:
                return self._stream(one, request)
            answer = self._http.post(one.path, **request)
            check_answer(answer.status_code, answer.headers, answer.content)
            return one.value(answer.content)

        return self._named(call, one)

    def _stream(self, one: Described, request: dict[str, Any]) -> Iterator[Any]:
        with self._http.stream("POST", one.path, **request) as answer:
            if answer.status_code >= 400:
                check_answer(answer.status_code, answer.headers, answer.read())
            yield from items_of(one, answer.iter_lines(), answer.iter_text())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Described):
    """Calls a server from coroutines: as `Client`, and each call is awaited, or iterated over by `async for`.

    Args:
        url: the server's address; any, where `transport` leads elsewhere.
        token: one of its tokens, where it asks for one.
        seconds: to wait for an answer, or a part of one; `None` waits.
        **options: more, as `httpx.AsyncClient` has them; `transport=httpx.ASGITransport(svc.asgi())` calls a service in this
            process.
    """

    def __init__(self, url: str = "http://served", *, token: str = "", seconds: float | None = 60.0, **options: Any):
        super().__init__()
        self._http = _httpx().AsyncClient(base_url=url, headers=_headers(token), timeout=seconds, **options)

    async def open(self) -> None:
        """Read the server's description.

        Raises:
            AnswerError: the server does not give it.
        """
        answer = await self._http.get("/openapi.json")
        check_answer(answer.status_code, answer.headers, answer.content)
        self._calls = read_description(answer.json())

    def _known(self) -> list[Described]:
        if self._calls is None:
            raise ServeError("This client is not open", fix="Use it as `async with AsyncClient(…) as client`")
        return self._calls

    def _make(self, one: Described) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            answer = await self._http.post(one.path, **one.request(args, kwargs))
            check_answer(answer.status_code, answer.headers, answer.content)
            return one.value(answer.content)

        def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            return self._stream(one, one.request(args, kwargs))

        return self._named(stream if one.streams else call, one)

    async def _stream(self, one: Described, request: dict[str, Any]) -> AsyncIterator[Any]:
        async with self._http.stream("POST", one.path, **request) as answer:
            if answer.status_code >= 400:
                check_answer(answer.status_code, answer.headers, await answer.aread())
            async for item in async_items_of(one, answer.aiter_lines(), answer.aiter_text()):
                yield item

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
