"""Faults while calls run: each test prints how many were sent, answered, refused and lost."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import tiffin

ROWS = "[[1, 2, 3]]"
SUMS = "/models/sums/predict"


@pytest.mark.slow
def test_sigterm_ten_times_loses_no_request_whose_head_was_read(
    serving: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request that is open when the signal comes is answered, though its model is done after all doors are closed."""
    import served_models

    tiffin.save("held", served_models.Held(), signatures={"predict": {"batchable": False}})
    for number in range(10):
        gate = tmp_path / f"gate-{number}"
        monkeypatch.setenv("GATE", str(gate))
        one = serving("held", *([], ["--workers", "2"], ["--server", "uvicorn"])[number % 3])
        with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=one.url, timeout=60) as client:
            asked = [pool.submit(client.post, "/models/held", json=[[1.5]]) for _ in range(4)]
            try:
                while _open(httpx.get(one.url + "/metrics").text) < 4:
                    assert one.process.poll() is None
                one.process.send_signal(signal.SIGTERM)
                while _answers(one.url):
                    pass
            finally:
                gate.touch()
            assert [answer.result().json() for answer in asked] == [[[1.5]]] * 4
        assert one.process.wait(60) == 0
    print("40 sent, 40 answered, 0 refused, 0 lost")


def _answers(url: str) -> bool:
    """Tell whether a new connection is served; fail where it is taken in, and nothing ever comes."""
    try:
        return httpx.get(url + "/readyz", timeout=10).status_code > 0
    except httpx.TimeoutException as error:
        raise AssertionError("a server that drains takes connections in and leaves them unanswered") from error
    except httpx.TransportError:
        return False


def _open(text: str) -> int:
    names = ("tiffin_runner_busy{", "tiffin_runner_waiting_rows{")
    return sum(int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(names))


def test_a_model_that_raises_or_hangs_costs_only_its_own_calls(serving: Callable[..., Any], tmp_path: Path) -> None:
    """What it raises is a 500 for the one whose row it was; a worker that hangs is killed, and another one answers."""
    # To a file: what is logged would fill a pipe that nobody reads.
    with (tmp_path / "log").open("w") as log:
        one = serving("sums:1", "slow", "--backend", "process", "--timeout", "2", log=log)
        with one.called(SUMS, ROWS) as calls, httpx.Client(base_url=one.url, timeout=60) as client:
            assert [failed(client, 13) for _ in range(5)] == [500] * 5
            assert client.post("/models/slow", content="[[3600]]").status_code == 504
            calls.further(20)
    assert calls.statuses == {200: calls.sent}


def test_a_model_that_loses_rows_or_takes_all_memory_costs_its_batch(
    serving: Callable[..., Any], tmp_path: Path
) -> None:
    """Of a wrong number of rows nobody can tell whose are missing; who is killed for its memory comes back."""
    with (tmp_path / "log").open("w") as log:
        one = serving("sums:1", "--backend", "process", log=log)
        with one.called(SUMS, ROWS) as calls, httpx.Client(base_url=one.url, timeout=60) as client:
            assert [failed(client, row) for row in (17, 18, 19)] == [500, 500, 503]
            calls.further(20)
    assert calls.sent == calls.answered + calls.refused + calls.statuses.get(500, 0)
    assert calls.statuses.get(500, 0) <= 2 * 4  # two batches, of these callers at most
    assert calls.refused <= 4


def failed(client: httpx.Client, row: int) -> int:
    """Return the status of a call that the model makes something else of."""
    return client.post(SUMS, content=f"[[{row}, 2, 3]]").status_code


def test_a_full_disk_under_the_log_does_not_end_the_server(serving: Callable[..., Any]) -> None:
    """Who is killed comes back although nobody can be told."""
    with Path("/dev/full").open("w") as full:
        one = serving("sums:prod", "--access-log", "/dev/full", log=full)
        pid = one.tree()["api 0"]
        os.kill(pid, signal.SIGKILL)
        while one.tree().get("api 0") in (pid, None):
            assert one.process.poll() is None
        assert httpx.post(one.url + SUMS, content=ROWS, timeout=60).json() == [6.0]
        one.process.terminate()
        assert one.process.wait(60) == 0


def test_half_open_and_slow_connections_are_closed_and_hold_up_nobody(serving: Callable[..., Any]) -> None:
    """A hundred without a head, with half a head or with half a body are ended in their time, and calls go on."""
    one = serving("sums:1", "--head-timeout", "1", "--body-timeout", "1")
    head = f"POST {SUMS} HTTP/1.1\r\nHost: x\r\n".encode()
    beginnings = [b"", head, head + b"Content-Length: 50\r\n\r\n[[1"]
    slow = [socket.create_connection(("127.0.0.1", one.port), timeout=60) for _ in range(99)]
    for number, connection in enumerate(slow):
        connection.sendall(beginnings[number % 3])
    with one.called(SUMS, ROWS) as calls:
        ended = [rest_of(connection) for connection in slow]
        calls.further(20)
    assert calls.statuses == {200: calls.sent}
    assert all(b" 408 " in answer for answer in ended[2::3])
    assert not any(b" 200 " in answer for answer in ended)


def rest_of(connection: socket.socket) -> bytes:
    """Return what comes on a connection until the other side closes it."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--workers", "2"]])
def test_two_hundred_thousand_requests_leave_nothing_behind(serving: Callable[..., Any], options: list[str]) -> None:
    """After the first tenth the processes have no further files and threads, and grow by less than 40 bytes a request."""
    one = serving("sums:1", *options)
    tree = one.tree()
    call(one.port, 20_000)
    before = {title: taken(pid) for title, pid in tree.items()}
    call(one.port, 180_000)
    after = {title: taken(pid) for title, pid in tree.items()}
    print("200000 sent, 200000 answered, 0 refused, 0 lost;", before, after)
    assert one.tree() == tree
    for title, (size, files, threads) in after.items():
        was = before[title]
        assert size - was[0] < 40 * 180_000, (title, was, after[title])
        assert (files, threads) == was[1:], title


def call(port: int, count: int) -> None:
    """Make so many calls, on connections that stay open, ten in a row on each; fail unless all are answered."""
    request = f"POST {SUMS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ROWS)}\r\n\r\n{ROWS}".encode() * 10

    async def one(times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            writer.write(request)
            answers = b""
            while answers.count(b"[6.0]") < 10:
                part = await reader.read(65536)
                assert part, answers
                answers += part
            assert answers.count(b"HTTP/1.1 200 ") == 10, answers
        writer.close()
        await writer.wait_closed()

    async def all_together() -> None:
        await asyncio.gather(*(one(count // 200) for _ in range(20)))

    asyncio.run(all_together())


def taken(pid: int) -> tuple[int, int, int]:
    """Return what a process has: bytes in memory, open files, threads."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    files = [path for path in Path(f"/proc/{pid}/fd").iterdir() if not path.readlink().name.startswith("socket:")]
    return pages * resource.getpagesize(), len(files), len(list(Path(f"/proc/{pid}/task").iterdir()))
