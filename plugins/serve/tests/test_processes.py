"""The processes of a server: who is killed comes back, nobody is left over, and what is not in the killed one goes on."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

ROWS = "[[1, 2, 3]]"
SUMS = "/models/sums/predict"


def counted(url: str, line: str) -> float:
    """Return the value of a line of /metrics."""
    text = httpx.get(url + "/metrics").text
    assert text.count("# TYPE tiffin_http_answers_total") == text.count("# TYPE tiffin_calls_total") == 1
    return sum(float(told.rpartition(" ")[2]) for told in text.splitlines() if told.startswith(f"{line} "))


def wait_for(pid: int) -> None:
    """Return when a process has ended that need not be a child of this one."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    assert poller.poll(60_000), f"process {pid} lives on"
    os.close(descriptor)


def test_the_supervisor_has_no_numpy_and_no_server(serving: Callable[..., Any]) -> None:
    """It lives as long as everything else, and what it does not import takes no memory and has no faults."""
    one = serving("sums", "--workers", "2")
    assert httpx.post(one.url + SUMS, content=ROWS).json() == [6.0]
    maps = Path(f"/proc/{one.process.pid}/maps").read_text(encoding="utf-8")
    assert [name for name in ("_multiarray_umath", "_granian", "uvloop") if name in maps] == []


@pytest.mark.parametrize("server", ["granian", "uvicorn"])
def test_several_processes_serve_one_address(serving: Callable[..., Any], server: str) -> None:
    """Each takes connections; a model has one host, to which they attach; SIGTERM ends all with 0."""
    one = serving("sums:prod", "words", "--workers", "2", "--server", server)
    tree = one.tree()
    assert {"api 0", "api 1", "host sums:1"} <= set(tree)
    with one.called(SUMS, ROWS, callers=8) as calls:
        calls.further(200)
    assert calls.statuses == {200: calls.sent}
    assert counted(one.url, f'tiffin_http_answers_total{{path="{SUMS}",status="200"}}') == calls.sent
    assert httpx.get(one.url + "/readyz").json()["ready"] is True
    told = one.status()
    assert {child["title"]: child["pid"] for child in told["processes"]}.items() <= tree.items()
    assert next(target["serves"] for target in told["targets"]) == "sums:1"
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(60) == 0
    for pid in tree.values():
        wait_for(pid)


@pytest.mark.parametrize("options", [["--no-hosts"], ["--no-hosts", "--grpc-port", "PORT"]])
def test_what_is_counted_is_that_of_all_processes_that_have_models_of_their_own(
    serving: Callable[..., Any], options: list[str]
) -> None:
    """Answers, and what the runners did, whichever process is asked."""
    if "PORT" in options:
        triton = pytest.importorskip(
            "tritonclient.grpc", reason="tritonclient[grpc] is not installed; make setup brings it"
        )
        with socket.create_server(("127.0.0.1", 0)) as held:
            options = [*options[:-1], str(held.getsockname()[1])]
    one = serving("sums:1", "--workers", "2", *options)
    assert {title.partition(" ")[0] for title in one.tree()} == {"api", *(["grpc"] if len(options) > 1 else [])}
    with one.called(SUMS, ROWS, callers=8) as calls:
        calls.further(200)
    assert calls.statuses == {200: calls.sent}
    made = len(one.tree())  # each has called its model once before it served
    if len(options) > 1:
        tensor = triton.InferInput("rows", [1, 3], "FP64")
        tensor.set_data_from_numpy(np.array([[1.0, 2.0, 3.0]]))
        with triton.InferenceServerClient(f"127.0.0.1:{options[-1]}") as client:
            assert client.infer("sums", [tensor]).as_numpy("output").tolist() == [6.0]
        made += 1
    for _ in range(4):
        assert counted(one.url, f'tiffin_http_answers_total{{path="{SUMS}",status="200"}}') == calls.sent
        assert counted(one.url, 'tiffin_calls_total{runner="sums:1",method="predict"}') == calls.sent + made
        assert counted(one.url, 'tiffin_runner_workers{runner="sums:1"}') == len(one.tree())


@pytest.mark.slow
def test_who_is_killed_comes_back_and_the_others_go_on(serving: Callable[..., Any]) -> None:
    """Of what was open in a killed API process connections close; a killed host or model worker costs no call."""
    one = serving("sums:prod", "--workers", "2", "--backend", "process", "--spares", "1")
    before = one.tree()
    for title in ("api 0", "host sums:1", "worker"):
        pid = one.tree()[title]
        with one.called(SUMS, ROWS) as calls:
            calls.further(20)
            os.kill(pid, signal.SIGKILL)
            wait_for(pid)
            calls.further(20)
            while not set(before) <= set(one.tree()):
                calls.further(1)
        assert one.tree()[title] != pid
        assert calls.answered + calls.refused + calls.lost == calls.sent, calls.statuses
        assert calls.lost <= (4 if title == "api 0" else 0)
        assert calls.refused == 0
    assert one.status()["restarts"] == 2, one.ended()


@pytest.mark.parametrize(
    "options", [[], pytest.param(["--workers", "2", "--backend", "process"], marks=pytest.mark.slow)]
)
def test_nobody_is_left_when_the_supervisor_is_killed(serving: Callable[..., Any], options: list[str]) -> None:
    """Its processes notice, however it ended, and the address is free."""
    one = serving("sums:prod", *options)
    tree = one.tree()
    one.process.kill()
    one.process.wait()
    for pid in tree.values():
        wait_for(pid)
    assert serving("sums:prod", "--port", str(one.port)).port == one.port


def test_a_signal_while_models_load_ends_at_once(store: None, models_folder: Path) -> None:
    """Nobody waits for an answer yet, and no process stays."""
    command = [sys.executable, "-m", "tiffin", "serve", "sums:prod", "--workers", "2", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(models_folder)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (pids := children.read_text().split()):
        assert process.poll() is None
    process.terminate()
    process.wait(60)
    for pid in pids:
        wait_for(int(pid))
    assert process.stdout is not None
    process.stdout.close()


def test_a_process_that_cannot_begin_is_an_error_in_words(store: None, models_folder: Path) -> None:
    """What loading raised is told with its fix, and no traceback."""
    command = [sys.executable, "-m", "tiffin", "serve", "sums:1", "--backend", "nowhere", "--port", "0"]
    for more in ([], ["--workers", "2"]):
        done = subprocess.run(
            [*command, *more],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(models_folder)},
        )
        assert done.returncode == 1
        assert "There is no runner back end 'nowhere'" in done.stderr
        assert "Traceback" not in done.stderr


def test_an_owner_administers_over_http_by_a_token(serving: Callable[..., Any], tmp_path: Path) -> None:
    """Status, rollout and stop; other tokens and none are refused, and this one lets nobody call models."""
    for name in ("admin", "callers"):
        (tmp_path / name).write_text(f"{name}-token\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    files = ["--admin-token-file", str(tmp_path / "admin"), "--token-file", str(tmp_path / "callers")]
    one = serving("sums:prod", *files)
    owner = httpx.Client(base_url=one.url, headers={"authorization": "Bearer admin-token"}, timeout=60)
    caller = httpx.Client(base_url=one.url, headers={"authorization": "Bearer callers-token"}, timeout=60)
    with owner, caller:
        assert caller.get("/admin/status").status_code == httpx.get(one.url + "/admin/status").status_code == 401
        assert owner.post(SUMS, content=ROWS).status_code == 401
        assert owner.get("/admin/status").json()["targets"][0]["serves"] == "sums:1"
        assert owner.get("/admin/stop").status_code == 405
        assert owner.post("/admin/rollout", json={"target": 1}).status_code == 422
        refused = owner.post("/admin/rollout", json={"target": "words"})
        assert (refused.status_code, "is not served here" in refused.text) == (409, True)
        told = owner.post("/admin/rollout", json={"target": "sums:prod", "to": "sums:2"})
        assert told.json() == {"asked": "sums:prod", "moves": "sums:2"}
        while owner.get("/admin/status").json()["targets"][0]["serves"] != "sums:2":
            assert one.process.poll() is None
        assert caller.post(SUMS, content=ROWS).headers["tiffin-model"] == "sums:2"
        assert owner.post("/admin/stop").json() == {"stops": True}
    assert one.process.wait(60) == 0


def test_only_its_user_reaches_the_admin_socket(serving: Callable[..., Any]) -> None:
    """It lies in a folder that nobody else enters; through it the server is stopped."""
    one = serving("sums:prod")
    [admin] = Path(os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp").glob(
        f"tiffin-{os.geteuid()}/*:{one.port}.admin"
    )
    assert admin.parent.stat().st_mode & 0o077 == 0
    command = [sys.executable, "-m", "tiffin", "serve", "stop", "--port", str(one.port)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "Stopped\n"
    assert one.process.wait(60) == 0
    assert one.process.stdout.read() == ""  # it ends in order, and complains of nothing
    assert not admin.exists()
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 1
    assert f"No server of this user's is at 127.0.0.1 port {one.port}" in again.stderr
