"""The client: a process of its own that asks a server over connections which it keeps, and tells what came back when."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import uvloop
from measuring.workers import serve

Told = Callable[["Connection", int, float], None]
"""Is told of an answer: the connection, the status, and the seconds that it took."""


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, request: bytes, told: Told) -> None:
        self._request, self._told = request, told
        self._head, self._left, self._status, self._since = b"", 0, 0, 0.0
        self.transport: Any = None
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._since:
            self._since = 0.0
            self._told(self, 0, 0.0)

    def send(self) -> None:
        """Send the request; nothing may be on its way."""
        self._since = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
            self.body = data
        else:
            self._head += data
            head, found, body = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            self._status, self._head, self.body = int(head[9:12]), b"", body
            self._left = int(length) - len(body)
        if self._left:
            return
        taken, self._since = time.perf_counter() - self._since, 0.0
        self._told(self, self._status, taken)


def request_of(path: str, body: str, headers: Mapping[str, str]) -> bytes:
    """Return a request; the body is written in base 64, since it may be no text."""
    data = base64.b64decode(body)
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def _connect(port: int, request: bytes, count: int, told: Told) -> list[Connection]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Connection(request, told), "127.0.0.1", port) for _ in range(count)]
    return [connection for _, connection in made]


def _quantile(taken: list[float], share: float) -> float:
    return sorted(taken)[int(len(taken) * share)] if taken else 0.0


async def closed(port: int, request: bytes, connections: int, seconds: float, warm: float = 0.2) -> dict[str, Any]:
    """Keep connections busy: each sends again once it has its answer. Return what came in the seconds, and all statuses."""
    counts: Counter[int] = Counter()
    taken: list[float] = []
    going = True

    def told(connection: Connection, status: int, seconds: float) -> None:
        counts[status] += 1
        taken.append(seconds)
        if going and status:
            connection.send()

    asked = await _connect(port, request, connections, told)
    for connection in asked:
        connection.send()
    await asyncio.sleep(warm)
    taken.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    rate = len(taken) / (time.perf_counter() - began)
    going = False
    found = {"rate": rate, "median": _quantile(taken, 0.5), "p99": _quantile(taken, 0.99), "statuses": dict(counts)}
    for connection in asked:
        connection.transport.abort()
    return {**found, "all": sum(counts.values())}


async def opened(
    port: int, request: bytes, rate: float, connections: int, seconds: float, warm: float = 1.0
) -> dict[str, Any]:
    """Send so many requests in a second, whatever comes back; those for which no connection is free wait for one.

    Return the answers in a second, and how long they took from when they were to be sent.
    """
    counts: Counter[int] = Counter()
    taken: list[float] = []
    going = True
    due: deque[float] = deque()
    free: list[Connection] = []
    sent: dict[Connection, float] = {}

    def told(connection: Connection, status: int, seconds: float) -> None:
        if going:
            counts[status] += 1
            if status == 200:
                taken.append(time.perf_counter() - sent[connection])
        if status:
            if due:
                sent[connection] = due.popleft()
                connection.send()
            else:
                free.append(connection)

    free += await _connect(port, request, connections, told)
    began = last = time.perf_counter()
    owed, most = 0.0, 0
    started = False
    while (now := time.perf_counter()) < began + warm + seconds:
        if not started and now >= began + warm:
            started, begun = True, now
            counts.clear()
            taken.clear()
        owed += (now - last) * rate
        last = now
        for _ in range(int(owed)):
            if free:
                connection = free.pop()
                sent[connection] = now
                connection.send()
            else:
                due.append(now)
        owed -= int(owed)
        most = max(most, len(due))
        await asyncio.sleep(0.001)
    going = False
    elapsed = time.perf_counter() - begun
    for connection in [*sent, *free]:
        connection.transport.abort()
    return {
        "rate": counts[200] / elapsed,
        "median": _quantile(taken, 0.5),
        "p99": _quantile(taken, 0.99),
        "statuses": dict(counts),
        "asked": sum(counts.values()) / elapsed,
        "waited": most,
    }


async def gaps(port: int, request: bytes, seconds: float) -> dict[str, Any]:
    """Ask once a millisecond, over another connection where the last one broke.

    Return the longest time between two good answers, and the statuses; 0 stands for a connection that broke or was refused.
    """
    counts: Counter[int] = Counter()
    end = time.perf_counter() + seconds
    last, longest = time.perf_counter(), 0.0
    connection: Connection | None = None
    while time.perf_counter() < end:
        answered = asyncio.get_running_loop().create_future()

        def told(connection: Connection, status: int, seconds: float, answered: asyncio.Future[int] = answered) -> None:
            if not answered.done():
                answered.set_result(status)

        try:
            if connection is None:
                [connection] = await _connect(port, request, 1, told)
            connection._told = told
            connection.send()
            status = await answered
        except OSError:
            status = 0
        counts[status] += 1
        if status == 200:
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        elif not status:
            connection = None
        await asyncio.sleep(0.001)
    return {"longest": longest, "statuses": dict(counts)}


async def once(port: int, request: bytes) -> str:
    """Return the body of one answer, or the beginning of it; nothing where there is none."""
    answered = asyncio.get_running_loop().create_future()
    try:
        [connection] = await _connect(port, request, 1, lambda *_: answered.set_result(None))
    except OSError:
        return ""
    connection.send()
    await answered
    connection.transport.abort()
    return connection.body[:500].decode(errors="replace")


def main() -> None:
    """Answer questions of the sections."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        def question(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
            def ask(port: int, path: str, body: str, headers: Mapping[str, str], **rest: Any) -> Any:
                return runner.run(function(port, request_of(path, body, headers), **rest))

            return ask

        serve(closed=question(closed), opened=question(opened), gaps=question(gaps), once=question(once))


if __name__ == "__main__":
    main()
