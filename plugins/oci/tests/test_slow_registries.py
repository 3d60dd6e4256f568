"""Registries that are slow, or mean to hold their clients up: each answer has its time, and what is large a least rate."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tiffin.exceptions import RemoteUnreachableError
from tiffin.remotes import Content, RemoteVersion
from tiffin_oci import _pace
from tiffin_oci._pace import LEAST, WINDOW, Pace
from tiffin_oci._referrers import Subject
from tiffin_oci._remote import OciRemote, connect

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: %d\r\n\r\n"


@contextlib.contextmanager
def server(answer: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """Answer every request on loopback with these pieces; give the host."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                for piece in answer():
                    connection.sendall(piece)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listening.accept()[0]], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def drip(piece: bytes) -> Iterator[bytes]:
    """Send a piece every few milliseconds, for ever."""
    pause = threading.Event()
    while not pause.wait(0.005):
        yield piece


def head_that_drips() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    yield from drip(b"x: y\r\n")


def body_that_drips() -> Iterator[bytes]:
    yield HEAD % 1_000_000
    yield from drip(b" ")


def preliminaries() -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
def hasty() -> Iterator[Callable[[str], OciRemote]]:
    """Connect to a host; a second of this clock passes in some milliseconds."""
    with contextlib.ExitStack() as stack:

        def open_remote(host: str) -> OciRemote:
            options = {"timeout": 20, "retries": 0}
            remote = connect(f"oci://{host}/x", options, clock=lambda: 200 * time.monotonic())
            stack.callback(remote.close)
            return remote

        yield open_remote


@pytest.mark.parametrize("answer", [head_that_drips, body_that_drips, preliminaries])
def test_a_small_answer_that_never_ends_is_given_up(
    hasty: Callable[[str], OciRemote], answer: Callable[[], Iterator[bytes]]
) -> None:
    """Whatever comes meanwhile: the timeout is for the whole of it, not for each byte."""
    with server(answer) as host, pytest.raises(RemoteUnreachableError, match="not complete after 20 s"):
        hasty(host).find("iris", "v1")


def test_a_blob_that_drips_is_given_up(hasty: Callable[[str], OciRemote]) -> None:
    """It may take as long as it likes, but has to bring something in each minute."""

    def answer() -> Iterator[bytes]:
        yield HEAD % (1 << 30)
        yield from drip(b" " * 10)

    content = Content(sha256="a" * 64, size=1 << 30, path="big")
    with server(answer) as host:
        remote = hasty(host)
        key = Subject("x/iris", "sha256:" + "b" * 64, 1, "")
        version = RemoteVersion(name="iris", version="v1", record=None, contents=[content], key=key)
        with remote.open(version, content, 0) as source:
            pieces = iter(lambda: source.read(1 << 16), b"")
            with pytest.raises(RemoteUnreachableError, match="less than 256 KiB came within 60 s"):
                sum(map(len, pieces))


class Line:
    """A connection and its clock: each read takes some seconds and brings some bytes."""

    def __init__(self, seconds: float, count: int) -> None:
        self.now = 0.0
        self.seconds, self.count = seconds, count
        self.timeouts: list[float] = []

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def readinto(self, into: Any) -> int:
        if self.seconds > self.timeouts[-1]:
            self.now += self.timeouts[-1]
            raise TimeoutError
        self.now += self.seconds
        return self.count

    def pace(self, timeout: float) -> Pace:
        return Pace(timeout, lambda: self.now)

    def read(self, pace: Pace) -> int | None:
        return pace.read(self, self, bytearray(1))  # type: ignore[arg-type]


def test_a_slow_line_may_take_its_time() -> None:
    """Just above the least rate, a blob of any size comes; and each read may wait as long as the timeout says."""
    line = Line(seconds=WINDOW - 1, count=LEAST)
    pace = line.pace(timeout=100)
    pace.expect_rate()
    assert [line.read(pace) for _ in range(100)] == [LEAST] * 100
    line.count = LEAST // 2
    with pytest.raises(TimeoutError, match="less than"):
        [line.read(pace) for _ in range(3)]


def test_what_the_reader_takes_does_not_count() -> None:
    """A disk that is slow, or a program that was stopped for a night, is not the server's fault."""
    line = Line(seconds=1, count=LEAST // 40)
    pace = line.pace(timeout=10)
    pace.expect_rate()
    for _ in range(200):
        line.read(pace)
        line.now += 1000


def test_the_socket_keeps_its_own_timeout() -> None:
    """What is sent next has as long as ever, whatever was left for the last read."""
    line = Line(seconds=3, count=1)
    pace = line.pace(timeout=10)
    for _ in range(3):
        line.read(pace)
    assert line.timeouts == [10, 10, 7, 10, 4, 10]
    with pytest.raises(TimeoutError, match="not complete after 10 s"):
        line.read(pace)
    assert line.timeouts[-1] == 10


def test_an_answer_is_read_to_its_end_after_its_connection_was_let_go() -> None:
    """Of one without a length the end is where the server closes; http.client closes its own side at the head."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        client = socket.create_connection(listening.getsockname())
        served, _ = listening.accept()
        served.sendall(b"HTTP/1.1 200 OK\r\n\r\nto the end")
        served.close()
        response = _pace.PacedResponse(client, pace=Pace(5, time.monotonic))
        client.close()
        response.begin()
        assert response.read() == b"to the end"


def test_a_token_server_that_drips_is_given_up(hasty: Callable[[str], OciRemote]) -> None:
    """It answers in a registry's place, and is as little believed."""

    def refuse() -> Iterator[bytes]:
        challenge = f'WWW-Authenticate: Bearer realm="http://{tokens}/t"'.encode()
        yield b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n" + challenge + b"\r\n\r\n"

    with (
        server(body_that_drips) as tokens,
        server(refuse) as host,
        pytest.raises(RemoteUnreachableError, match="not complete after 20 s"),
    ):
        hasty(host).find("iris", "v1")
