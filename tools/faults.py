"""A TCP proxy on loopback that does harm: cuts connections, answers in a server's place, changes bytes, keeps what passes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from servers import HOST

PIECE = 1 << 16


class Request(NamedTuple):
    """The head of a request that passes.

    Attributes:
        number: how many came before it.
        method: GET, PUT, …
        path: its path, with the query.
        headers: its headers, in lower case.
    """

    number: int
    method: str
    path: str
    headers: dict[str, str]


class Fault(NamedTuple):
    """What is done to a request.

    Attributes:
        answer: sent in the server's place; the connection is closed after it.
        cut_request: bytes of the request's body that pass before the connection is cut; `None` for all.
        cut_answer: bytes of the answer, its head included, that pass before the connection is cut; `None` for all.
        change: changes the bytes of the answer.
    """

    answer: bytes | None = None
    cut_request: int | None = None
    cut_answer: int | None = None
    change: Callable[[bytes], bytes] | None = None


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Return the fault that answers with a status; `_` in a header's name stands for "-"."""
    lines = [f"HTTP/1.1 {status} Fault", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Fault(answer="\r\n".join([*lines, "", ""]).encode() + body)


class Proxy:
    """Passes requests to a server, but for those that `decide` returns a fault for.

    Attributes:
        requests: the heads of all requests, as they came.
        host: where it listens.
    """

    def __init__(self, port: int, decide: Callable[[Request], Fault | None]) -> None:
        self._target = (HOST, port)
        self._decide = decide
        self._socket = socket.create_server((HOST, 0))
        self.host = f"{HOST}:{self._socket.getsockname()[1]}"
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        # Closing alone would leave the thread that waits, and with it the port.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._socket.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, client.makefile("rb") as reader:
            # One request for each connection: where an answer ends is then plain.
            if (head := _head(reader)) is not None:
                request = self._note(head)
                fault = self._decide(request) or Fault()
                length = int(request.headers.get("content-length", 0))
                if fault.answer is not None:
                    _skip(reader, length)
                    client.sendall(fault.answer)
                    return
                self._pass(client, reader, head, length, fault)

    def _note(self, head: bytes) -> Request:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        with self._lock:
            request = Request(len(self.requests), method, path, headers)
            self.requests.append(request)
        return request

    def _pass(self, client: socket.socket, reader: BinaryIO, head: bytes, length: int, fault: Fault) -> None:
        with socket.create_connection(self._target) as server:
            server.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            left = length if fault.cut_request is None else min(length, fault.cut_request)
            for piece in _pieces(reader, left):
                server.sendall(piece)
            if left < length:
                return
            passed = 0
            while data := server.recv(PIECE):
                if fault.change is not None:
                    data = fault.change(data)
                if fault.cut_answer is not None and passed + len(data) > fault.cut_answer:
                    client.sendall(data[: fault.cut_answer - passed])
                    return
                client.sendall(data)
                passed += len(data)


def _head(reader: BinaryIO) -> bytes | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return None
        head += line
    return head


def _pieces(reader: BinaryIO, length: int) -> Iterator[bytes]:
    while length and (piece := reader.read(min(length, PIECE))):
        length -= len(piece)
        yield piece


def _skip(reader: BinaryIO, length: int) -> None:
    for _ in _pieces(reader, length):
        pass


@contextlib.contextmanager
def proxy(port: int, decide: Callable[[Request], Fault | None]) -> Iterator[Proxy]:
    """Run a proxy before a server on a port of this machine for the block."""
    made = Proxy(port, decide)
    try:
        yield made
    finally:
        made.close()
