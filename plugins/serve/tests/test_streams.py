"""Answers in parts: what streams is sent as it is made, and ends with its caller."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tiffin_serve import ServeError, Service
from tiffin_serve._streams import event
from tiffin_serve.io import JSON, Event, ServerSentEvents, TextStream

COUNT = "/models/teller/count"
WAYS = pytest.mark.parametrize("way", [["--server", "granian"], ["--server", "uvicorn"], ["--hosts"]])


def events(text: str) -> list[tuple[str, Any]]:
    """Return (name, data) of each server-sent event in a text."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = [line.partition(": ")[::2] for line in block.split("\n")]
        data = "\n".join(value for name, value in fields if name == "data")
        found.append((dict(fields).get("event", ""), json.loads(data)))
    return found


def test_a_method_that_streams_is_answered_with_events(client: Callable[..., Any]) -> None:
    """One for each item, in JSON, and a last one that says that it is whole; with a name around the input, too."""
    one = client("teller")
    numbers = [("", {"number": 0}), ("", {"number": 1}), ("end", {})]
    for path, body in ((COUNT, 2), ("/models/teller", {"inputs": 2})):
        answer = one.post(path, body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        assert events(answer.text) == numbers
        assert answer.headers["tiffin-model"].startswith("teller:")
    assert events(one.post(COUNT, 0).text) == [("end", {})]
    assert one.get("/models/teller").json()["methods"]["count"]["streams"] is True
    described = one.get("/openapi.json").json()["paths"][COUNT]["post"]["responses"]["200"]["content"]
    assert list(described) == ["text/event-stream"]


def test_what_fails_before_the_first_item_is_an_ordinary_error(client: Callable[..., Any]) -> None:
    """The status tells it; what fails later is the last event, and what is the house's own secret stays so."""
    one = client("teller")
    refused = one.post(COUNT, -1)
    assert (refused.status_code, "not for counting" in refused.json()["error"]) == (422, True)
    found = events(one.post(COUNT, 20).text)
    assert [name for name, _ in found] == [""] * 13 + ["error"]
    assert "secret" not in json.dumps(found)
    assert 'path="/models/teller/count",status="200"' in one.get("/metrics").text


def test_the_open_inference_protocol_has_no_streams(client: Callable[..., Any]) -> None:
    """It has no form for them."""
    assert client("teller", "words").get("/v2/models/teller").status_code == 404


@WAYS
def test_a_caller_who_goes_ends_his_stream(
    serving: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: list[str]
) -> None:
    """The method's generator is closed in the runner, also while the caller takes nothing, and it counts as 499."""
    log = tmp_path / "log"
    monkeypatch.setenv("TELLER_LOG", str(log))
    one = serving("teller", *way)
    endless = b"1000000000"
    head = b"POST /models/teller/count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    with socket.create_connection(("127.0.0.1", one.port), timeout=10) as connection:
        connection.sendall(head + endless)
        assert b"200" in connection.recv(20)
    counted = ""
    while 'path="/models/teller/count",status="499"} 1' not in counted:
        counted = httpx.get(f"{one.url}/metrics").text
    while not log.exists() or log.read_text() != "closed":
        httpx.get(f"{one.url}/livez")
    assert httpx.post(f"{one.url}/models/teller/count", json=0).status_code == 200


def asked(loop: Callable[..., Any], service: Service, path: str, body: Any = None) -> httpx.Response:
    """Send one request to a service in this process."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(service.asgi(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post(path, json=body)

    found: httpx.Response = loop(send())
    return found


def test_functions_that_yield_are_sent_as_they_yield(loop: Callable[..., Any]) -> None:
    """Texts as text, all else as events; of generators, asynchronous ones, and functions that return either."""
    service = Service("told")

    @service.api
    def words(count: int) -> Iterator[str]:
        for number in range(count):
            yield f"{number}, "

    @service.api
    async def numbers(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @service.api(output=ServerSentEvents())
    async def returned(count: int) -> Any:
        return numbers(count)

    @service.api(output=ServerSentEvents())
    def listed(count: int) -> Any:
        return [Event("one\ntwo", name="pair", id="7"), Event({"a": count})]

    assert asked(loop, service, "/words", 3).text == "0, 1, 2, "
    assert asked(loop, service, "/words", 3).headers["content-type"] == TextStream.media_type
    whole = [("", 0), ("", 1), ("end", {})]
    assert events(asked(loop, service, "/numbers", 2).text) == whole
    assert events(asked(loop, service, "/returned", 2).text) == whole
    assert asked(loop, service, "/listed", 1).text.startswith("event: pair\nid: 7\ndata: one\ndata: two\n\ndata: {")
    loop(service.stop())


def test_a_generator_that_fails_is_told_where_there_is_a_form_for_it(loop: Callable[..., Any]) -> None:
    """Before the first item by the status, later by the last event, or the last line."""
    service = Service("broken")

    @service.api
    def early(value: Any) -> Iterator[str]:
        raise ValueError("not this one")
        yield

    @service.api
    def late(value: Any) -> Iterator[dict[str, int]]:
        yield {"a": 1}
        raise ValueError("not the second")

    assert asked(loop, service, "/early", 1).status_code == 422
    found = events(asked(loop, service, "/late", 1).text)
    assert (found[0], found[1][0], "not the second" in found[1][1]["error"]) == (("", {"a": 1}), "error", True)

    @service.api
    def torn(value: Any) -> Iterator[str]:
        yield "abc"
        raise KeyError("secret")

    text = asked(loop, service, "/torn", 1).text
    assert text.startswith("abc\n[The request could not be answered (error ")
    with pytest.raises(ServeError, match="yields"):
        service.api(output=JSON(), route="/again")(late)


def test_a_generator_in_a_thread_is_closed_when_its_caller_goes(loop: Callable[..., Any]) -> None:
    """Also in the middle of making an item: then as soon as that is made."""
    service = Service("closing")
    closed, making, going = threading.Event(), threading.Event(), threading.Event()

    @service.api
    def endless() -> Iterator[str]:
        try:
            yield "a"
            making.set()
            going.wait(30)
            yield "b"
        finally:
            closed.set()

    async def leave() -> None:
        application = service.asgi()
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            while not making.is_set():
                await asyncio.sleep(0)
            return {"type": "http.disconnect"} if sent else {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        async def first() -> dict[str, Any]:
            return await receive() if sent else {"type": "http.request"}

        scope = {"type": "http", "method": "POST", "path": "/endless", "query_string": b"", "headers": []}
        await application(scope, first, send)
        assert [message.get("body") for message in sent[1:]] == [b"a"]

    loop(leave())
    assert not closed.is_set()
    going.set()
    assert closed.wait(30)
    loop(service.stop())


def test_an_event_has_no_other_fields_than_its_own() -> None:
    """Breaks of lines in data stay data; in a name or an id they are refused."""
    assert event("a\r\nevent: evil\rb\n") == b"data: a\ndata: event: evil\ndata: b\ndata: \n\n"
    for bad in ("a\nb", "a\rb", "a\0b"):
        with pytest.raises(ValueError, match="no field"):
            event("x", bad)
