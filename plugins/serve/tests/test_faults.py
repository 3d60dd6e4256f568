"""Faults while calls run: each test prints how many were sent, answered, refused and lost."""

from __future__ import annotations

import os
import signal
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


def test_a_model_that_raises_or_hangs_costs_only_its_own_calls(serving: Callable[..., Any]) -> None:
    """What it raises is a 500 for the one whose row it was; a worker that hangs is killed, and another one answers."""
    one = serving("sums:1", "slow", "--backend", "process", "--timeout", "2")
    with one.called(SUMS, ROWS) as calls, httpx.Client(base_url=one.url, timeout=60) as client:
        for _ in range(5):
            assert client.post(SUMS, content="[[13, 2, 3]]").status_code == 500
        assert client.post("/models/slow", content="[[3600]]").status_code == 504
        calls.further(20)
    assert calls.statuses == {200: calls.sent}


def test_a_full_disk_under_the_log_does_not_end_the_server(serving: Callable[..., Any]) -> None:
    """Who is killed comes back although nobody can be told."""
    with Path("/dev/full").open("w") as full:
        one = serving("sums:prod", log=full)
        pid = one.tree()["api 0"]
        os.kill(pid, signal.SIGKILL)
        while one.tree().get("api 0") in (pid, None):
            assert one.process.poll() is None
        assert httpx.post(one.url + SUMS, content=ROWS, timeout=60).json() == [6.0]
        one.process.terminate()
        assert one.process.wait(60) == 0
