"""Clients that are made of a server's description."""

from __future__ import annotations

import dataclasses
import inspect
import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tiffin_serve import AsyncClient, Client, ServeError, Service
from tiffin_serve._described_calls import AnswerError, Events
from tiffin_serve.io import File, Multipart, NumpyNdarray, Text


@dataclasses.dataclass
class Flower:
    """Something to send."""

    name: str
    size: float = 1.0


def shop() -> Service:
    """Return a service with a function of each kind."""
    service = Service("shop")

    @service.api
    def doubled(rows: np.ndarray) -> np.ndarray:
        """Double each."""
        return rows * 2

    @service.api
    def scaled(rows: np.ndarray, factor: float = 2.0) -> np.ndarray:
        return rows * factor

    @service.api
    async def named(flower: Flower) -> str:
        return f"{flower.name} {flower.size}"

    @service.api(input=Multipart(note=Text(), data=File(as_bytes=True), rows=NumpyNdarray()))
    def parts(note: str, data: bytes, rows: Any) -> dict[str, Any]:
        return {"note": note, "data": len(data), "sum": rows.sum()}

    @service.api
    def words(count: int) -> Iterator[str]:
        for number in range(count):
            yield f"{number} "

    @service.api
    async def numbers(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @service.api
    def nothing() -> bytes:
        return b"\0"

    return service


def test_a_client_in_this_process_calls_every_kind_of_function(loop: Callable[..., Any]) -> None:
    """Values go and come as the function has them; nothing else is needed for a test of a service."""

    async def use(service: Service) -> None:
        transport = httpx.ASGITransport(service.asgi())
        async with service, AsyncClient(transport=transport) as client:
            calls = client.service
            doubled = await calls.doubled(np.array([[1, 2]]))
            assert (type(doubled), doubled.tolist()) == (np.ndarray, [[2, 4]])
            assert (await calls.scaled([[1]], factor=3)).tolist() == [[3.0]]
            assert (await calls.scaled([[1]])).tolist() == [[2.0]]
            assert await calls.named(Flower("rose")) == "rose 1.0"
            told = await calls.parts(note="ö", data=io.BytesIO(b"abc"), rows=np.ones(2))
            assert told == {"note": "ö", "data": 3, "sum": 2.0}
            assert "".join([piece async for piece in calls.words(3)]) == "0 1 2 "
            assert [item async for item in calls.numbers(3)] == [0, 1, 2]
            assert await calls.nothing() == b"\0"
            assert calls.doubled.__doc__ == "Double each."
            assert str(inspect.signature(calls.scaled)).startswith("(rows: Any, factor: float = Ellipsis)")
            with pytest.raises(TypeError, match="factors"):
                await calls.scaled([[1]], factors=3)
            with pytest.raises(AttributeError, match="there are: doubled"):
                calls.nix
            with pytest.raises(AnswerError, match="no array") as refused:
                await calls.doubled("x")
            assert refused.value.status == 422

    loop(use(shop()))
    with pytest.raises(ServeError, match="not open"):
        AsyncClient().model("iris")


def test_a_client_calls_models_of_a_server(serving: Callable[..., Any]) -> None:
    """By any of their names; streams are iterators; what fails is an error with the server's words."""
    one = serving("sums:prod", "teller", "matcher")
    with Client(one.url) as client:
        for name in ("sums", "sums:prod", "sums:1"):
            found = client.model(name).predict(np.array([[1, 2, 3]]))
            assert (type(found), found.tolist()) == (np.ndarray, [6.0])
        pair = {"left": [[1, 2, 3]], "right": [[1, 1, 1]]}
        assert client.model("matcher").match(**pair, scale=2.0).tolist() == [12.0]
        assert list(client.model("teller").count(3)) == [{"number": 0}, {"number": 1}, {"number": 2}]
        with pytest.raises(AnswerError, match="not for counting"):
            list(client.model("teller").count(-1))
        with pytest.raises(AnswerError, match="could not be answered"):
            list(client.model("teller").count(20))
        with pytest.raises(ServeError, match="Served are: "):
            client.model("nix")


def test_a_stub_of_a_client_is_python_that_names_every_call(loop: Callable[..., Any], tmp_path: Path) -> None:
    """Tools that check types read it."""

    async def stub() -> str:
        async with AsyncClient(transport=httpx.ASGITransport(shop().asgi())) as client:
            text: str = client.service.stub("Shop")
            return text

    text = loop(stub())
    names: dict[str, Any] = {}
    exec(compile(text, "stub", "exec", dont_inherit=True), names)
    assert "def words(self, value: int, /) -> Iterator[str]: ..." in text
    assert inspect.signature(names["Shop"].doubled).return_annotation is np.ndarray


def test_a_stream_that_broke_off_is_an_error() -> None:
    """Without the last event it is not whole."""
    events = Events()
    assert [events.take(line) for line in ("data: 1", "")] == [[], [1]]
    with pytest.raises(AnswerError, match="broke off"):
        events.finish()
