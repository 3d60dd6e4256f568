"""What a function knows of its request, what it says besides a body, and what lives with its service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tiffin_serve import Context, ServeError, Service, current_context


def ask(loop: Callable[..., Any], service: Service, path: str, method: str = "POST", **options: Any) -> httpx.Response:
    """Send one request to a service in this process."""

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.asgi()), base_url="http://service"
        ) as client:
            return await client.request(method, path, **options)

    found: httpx.Response = loop(send())
    return found


def test_a_function_reads_its_request_and_adds_to_the_answer(loop: Callable[..., Any]) -> None:
    """Headers, query, cookies and the request's id go in; a status, headers and cookies come out."""
    service = Service("knowing")

    @service.api
    async def told(value: Any, context: Context) -> dict[str, Any]:
        asked = context.request
        context.response.status = 201
        context.response.set_header("X-Seen", "yes")
        context.response.set_cookie("seen", "a b", httponly=True, max_age=60)
        return {
            "query": asked.query,
            "cookies": asked.cookies,
            "id": asked.id,
            "agent": asked.headers.get("user-agent"),
        }

    @service.api
    def only(context: Context) -> str:
        return current_context().request.path

    @service.api
    def parts(context: Context) -> Iterator[str]:
        context.response.status = 202
        yield context.request.id

    headers = {"x-request-id": "r-1", "cookie": "a=1; b=2", "user-agent": "me"}
    found = ask(loop, service, "/told?x=1&x=2&y=", json=1, headers=headers)
    assert found.json() == {
        "query": {"x": ["1", "2"], "y": [""]},
        "cookies": {"a": "1", "b": "2"},
        "id": "r-1",
        "agent": "me",
    }
    assert (found.status_code, found.headers["x-seen"], found.headers["x-request-id"]) == (201, "yes", "r-1")
    assert found.headers["set-cookie"] == 'seen="a b"; HttpOnly; Max-Age=60'
    assert ask(loop, service, "/only").text == "/only"
    first, second = (ask(loop, service, "/parts", headers={"x-request-id": bad}) for bad in ("two words", "x" * 200))
    assert (first.status_code, first.text) == (202, first.headers["x-request-id"])
    assert first.text != second.text
    with pytest.raises(ServeError, match="No request"):
        current_context()
    loop(service.stop())


def test_an_answer_takes_no_header_that_would_make_others(loop: Callable[..., Any]) -> None:
    """Breaks of lines in what a function took over from a caller."""
    service = Service("careful")

    @service.api
    def told(value: dict[str, str], context: Context) -> str:
        context.response.set_header(value["name"], value["value"])
        return "done"

    assert ask(loop, service, "/told", json={"name": "a", "value": "b"}).headers["a"] == "b"
    for name, value in (("a", "b\r\nc: d"), ("a b", "c"), ("a:", "b"), ("", "b")):
        found = ask(loop, service, "/told", json={"name": name, "value": value})
        assert (found.status_code, "c" in found.headers) == (500, False)
    loop(service.stop())


def test_hooks_run_when_a_service_starts_and_stops(loop: Callable[..., Any]) -> None:
    """In the order in which they were given, of either kind."""
    service, ran = Service("living"), []

    @service.on_startup
    def first() -> None:
        ran.append("first")

    @service.on_startup
    async def second() -> None:
        ran.append("second")

    @service.on_shutdown
    async def last() -> None:
        ran.append("last")

    async def live() -> None:
        async with service:
            assert ran == ["first", "second"]

    loop(live())
    assert ran == ["first", "second", "last"]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Speak ASGI: live, echo a body, stream parts, fail."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            what = (await receive())["type"]
            scope["app_log"].append(what) if "app_log" in scope else LOG.append(what)
            await send({"type": f"{what}.complete"})
        return
    if scope["path"].endswith("/fails"):
        raise KeyError("secret")
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 203, "headers": [(b"X-Root", scope["root_path"].encode())]})
    if scope["path"].endswith("/parts"):
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
    await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + body})


LOG: list[str] = []


def test_an_application_is_mounted_beside_the_service(loop: Callable[..., Any]) -> None:
    """It gets what is below its path, lives with the service, and its faults are its own."""
    LOG.clear()
    service = Service("host")

    @service.api
    def own() -> str:
        return "own"

    service.mount("/app", application)
    for taken in ("/app", "/own", "/livez", "no path"):
        with pytest.raises(ServeError):
            service.mount(taken, application)

    async def live() -> None:
        async with service:
            assert LOG == ["lifespan.startup"]

    loop(live())
    assert LOG == ["lifespan.startup", "lifespan.shutdown"]
    found = ask(loop, service, "/app/x", "PUT", content=b"body")
    assert (found.status_code, found.text, found.headers["x-root"]) == (203, "/app/x body", "/app")
    assert ask(loop, service, "/app/parts", "GET").text == "012/app/parts "
    failed = ask(loop, service, "/app/fails", "GET")
    assert (failed.status_code, "secret" in failed.text) == (500, False)
    assert ask(loop, service, "/own").text == "own"
    assert ask(loop, service, "/other").status_code == 404
    loop(service.stop())


def test_an_application_that_knows_no_life_is_mounted_as_well(loop: Callable[..., Any]) -> None:
    """Whatever it does when it is asked for it; one that says it cannot start stops the start."""

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"silent"})

    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    service = Service("host")
    service.mount("/", silent)
    loop(service.start())
    assert ask(loop, service, "/anything", "GET").text == "silent"
    assert ask(loop, service, "/livez", "GET").json() == {"live": True}
    loop(service.stop())
    other = Service("host")
    other.mount("/", refusing)
    with pytest.raises(ServeError, match="no database"):
        loop(other.start())
    loop(other.stop())
