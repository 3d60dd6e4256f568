"""What is refused before it costs anything, and how long heads and bodies may take."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tiffin.exceptions import LatencyLimitError
from tiffin_serve import AsgiApplication, Limits, Request, Watch

HEAD = b"POST /models/sums/predict HTTP/1.1\r\nHost: x\r\n"
INFER = "/v2/models/sums/infer"


@pytest.mark.parametrize("path", ["/models/sums/predict", INFER])
def test_a_call_that_would_be_turned_away_is_refused_before_its_body_is_read(
    client: Callable[..., Any], loop: Callable[..., Any], path: str
) -> None:
    """503 with the seconds that the runner says; nobody asks for the body."""
    one = client("sums:prod", max_latency_ms=1000.0)
    method = one.shelf.served[0].runner.methods["predict"].method
    method.gate = LatencyLimitError("too much waits", why="", runner="sums:1", reason="refused", retry_after=2.4)
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body is read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    loop(AsgiApplication(one.application)(scope, receive, send))
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"3") in sent[0]["headers"]
    method.gate = None
    assert one.post("/models/sums/predict", [[1, 2, 3]]).json() == [6.0]


@pytest.mark.parametrize("path", ["/models/sums/predict", INFER])
def test_a_call_whose_time_was_over_when_it_was_looked_at_is_refused_before_its_body_is_read(
    client: Callable[..., Any], loop: Callable[..., Any], path: str
) -> None:
    """503, and not the cost of an answer that comes too late: else whoever waits behind it is too late as well."""
    one = client("sums:prod", max_latency_ms=1000.0)

    class Late(Request):
        __slots__ = ()

        async def body(self) -> bytes:
            raise AssertionError("the body is read")

    late = Late("POST", path, {}, one.application.limits)
    late.since = time.monotonic() - 1.5
    answer = loop(one.application.answer(late))
    assert answer.status == 503
    assert ("retry-after", "1") in answer.headers
    assert b"1.5" in answer.body


def test_the_limit_of_latency_counts_from_the_head(client: Callable[..., Any], loop: Callable[..., Any]) -> None:
    """What has waited too long before it gets to the runner is not run."""
    one = client("sums:prod", max_latency_ms=60_000.0)
    method, runner = one.shelf.served[0].methods["predict"], one.shelf.served[0].runner
    row = np.ones((1, 3))
    before = runner.metrics()["methods"]["predict"]["calls"]
    with pytest.raises(TimeoutError):
        loop(method.run_within(row, time.monotonic() - 61.0))
    assert runner.metrics()["methods"]["predict"]["calls"] == before
    assert loop(method.run_within(row, time.monotonic() - 1.0)).tolist() == [3.0]
    assert one.post("/models/sums/predict", [[1, 2, 3]]).json() == [6.0]


def test_a_head_that_comes_while_the_loop_works_counts_from_the_turn_before() -> None:
    """It has waited for the loop; when the loop has rested meanwhile, it has not."""
    found: dict[str, float] = {}

    async def main() -> None:
        watch = Watch(Limits())
        watch.exact = True

        async def request(name: str) -> None:
            one = Request("POST", "/", {}, watch.limits)
            task = watch.enter(one)
            found[name] = one.since
            watch.leave(task)

        async def first() -> None:
            await request("first")

        tasks = [asyncio.create_task(first())]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(request("second")))
        await asyncio.gather(*tasks)
        for _ in range(5):
            await asyncio.sleep(0)
        await asyncio.create_task(request("third"))

    asyncio.run(main())
    assert found["second"] == found["first"] < found["third"]


def test_heads_and_bodies_that_do_not_come_are_given_up(serving: Callable[..., Any]) -> None:
    """Half a head is closed, half a body is a 408; connections beyond the limit wait, and others are served meanwhile."""
    one = serving("sums:prod", "--head-timeout", "0.5", "--body-timeout", "0.5")
    halves = [socket.create_connection(("127.0.0.1", one.port), timeout=30) for _ in range(20)]
    for half in halves:
        half.sendall(HEAD)
    body = b"[[1, 2, 3]]"
    whole = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert b"[6.0]" in one.talk(whole + body)
    late = socket.create_connection(("127.0.0.1", one.port), timeout=30)
    late.sendall(whole + body[:4])
    assert late.recv(65536).startswith(b"HTTP/1.1 408")
    for half in halves:
        answer = b"".join(iter(lambda half=half: half.recv(65536), b""))  # type: ignore[misc]
        assert b"200" not in answer[:20]
        half.close()
    late.close()
    assert b"[6.0]" in one.talk(whole + body)
