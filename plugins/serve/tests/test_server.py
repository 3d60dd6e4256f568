"""The server in its own process: real connections, faults on them, signals."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

HEAD = b"POST /models/sums/predict HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize("server", ["granian", "uvicorn"])
def test_a_model_is_served_and_the_server_says_where(serving: Callable[..., Any], server: str) -> None:
    """The address is printed, with each method; a signal ends it cleanly."""
    one = serving("sums:prod", "words", "--server", server)
    assert f"Serving on http://127.0.0.1:{one.port}" in one.said
    assert "    POST /models/sums/predict   takes array of float64, shape (any, 3)" in one.said
    with httpx.Client(base_url=one.url) as client:
        assert client.post("/models/sums/predict", json=[[1, 2, 3]]).json() == [6.0]
        assert client.post("/models/words", json={"inputs": ["a"]}).json() == {"outputs": ["A"]}
        assert client.get("/readyz").json()["ready"] is True
        assert client.request("GET", "/models/sums/predict").status_code == 405
        assert client.head("/livez").content == b""
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(30) == 0


def test_a_model_in_a_worker_process_is_served(serving: Callable[..., Any]) -> None:
    """Errors of values cross to the caller as those of a model in the same process do."""
    one = serving("sums:1", "--backend", "process")
    with httpx.Client(base_url=one.url) as client:
        assert client.post("/models/sums", json=[[1, 2, 3]]).json() == [6.0]
        assert client.post("/models/sums", json=[[-1, 2, 3]]).status_code == 422
        assert client.post("/models/sums", json=[[13, 2, 3]]).status_code == 500


@pytest.mark.parametrize("server", ["granian", "uvicorn"])
def test_what_could_smuggle_a_second_request_reaches_no_handler(serving: Callable[..., Any], server: str) -> None:
    """Of two lengths that differ, and of a length beside chunks, never more than one request is made."""
    one = serving("sums:1", "--server", server)
    hidden = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    cases = [
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!" + hidden,
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n" + hidden,
        HEAD + b"Content-Length: -5\r\n\r\nhello" + hidden,
        HEAD + b"Content-Length : 5\r\n\r\nhello" + hidden,
    ]
    for sent in cases:
        answer = one.talk(sent)
        assert answer.count(b"HTTP/1.1 ") <= 1, sent
        assert b" 200 " not in answer, sent
        assert not answer or b"HTTP/1.1 4" in answer, (sent, answer)
    assert httpx.get(one.url + "/livez").status_code == 200


def test_a_body_that_ends_early_or_comes_late_is_told_so(serving: Callable[..., Any]) -> None:
    """Half a body is a 400 as soon as the connection says so."""
    one = serving("sums:1")
    with socket.create_connection(("127.0.0.1", one.port), timeout=10) as connection:
        connection.sendall(HEAD + CLOSE + b"Content-Length: 50\r\n\r\n[[1")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    assert b"413" in one.talk(HEAD + CLOSE + b"Content-Length: 99999999999\r\n\r\n")


def test_a_call_whose_caller_has_gone_is_cancelled(serving: Callable[..., Any]) -> None:
    """Nobody waits for it: it leaves the queue, and is counted as such."""
    one = serving("slow")
    body = b"[[1.5]]"
    head = b"POST /models/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n"
    connections = [socket.create_connection(("127.0.0.1", one.port), timeout=10) for _ in range(3)]
    for connection in connections:
        connection.sendall(head + body)
    with httpx.Client(base_url=one.url) as asking:
        while not _open(asking, 3):
            pass
    for connection in connections:
        connection.close()
    counted = ""
    while 'path="/models/slow",status="499"} 3' not in counted:
        counted = httpx.get(one.url + "/metrics").text
    # The one that ran was not stopped; the two behind it never ran.
    assert 'tiffin_calls_total{runner="slow' in counted


def test_sigterm_loses_no_request_whose_head_was_read(serving: Callable[..., Any]) -> None:
    """Open requests are answered, those with half a body too; then the process ends with 0."""
    one = serving("slow", "sums:1")
    half = socket.create_connection(("127.0.0.1", one.port), timeout=30)
    half.sendall(HEAD + b"Content-Length: 12\r\n\r\n[[1,")
    with ThreadPoolExecutor(4) as pool:
        with httpx.Client(base_url=one.url) as asking:
            answers = [pool.submit(asking.post, "/models/slow", json=[[0.4]]) for _ in range(4)]
            while asking.get("/metrics").text.count("waiting_rows") < 1 or not _open(asking, 4):
                pass
            one.process.send_signal(signal.SIGTERM)
            half.sendall(b"2, 3.0]]")
            assert [answer.result().json() for answer in answers] == [[[0.4]]] * 4
        assert b"[6.0]" in half.recv(65536)
    half.close()
    assert one.process.wait(30) == 0


def _open(client: httpx.Client, count: int) -> bool:
    lines = client.get("/metrics").text.splitlines()
    busy = sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith('tiffin_runner_busy{runner="slow'))
    waiting = sum(
        int(line.rpartition(" ")[2]) for line in lines if line.startswith('tiffin_runner_waiting_rows{runner="slow')
    )
    return busy + waiting >= count


def test_a_port_in_use_is_an_error_in_words(serving: Callable[..., Any]) -> None:
    """Nobody joins a port that a server listens on, and no traceback is shown."""
    one = serving("sums:1")
    command = [sys.executable, "-m", "tiffin", "serve", "sums:1", "--port", str(one.port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"Cannot serve on 127.0.0.1 port {one.port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(httpx.get(one.url + "/livez").text) == {"live": True}
