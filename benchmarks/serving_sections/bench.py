"""What every section gets: stored models, requests for them, the client, and servers that are started and ended."""

from __future__ import annotations

import base64
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import batching
from measuring.environments import BENCHMARKS
from measuring.workers import Worker, clean_environment

OPENING = 60.0
"""Seconds in which a server has to take connections."""


@dataclass
class Question:
    """A request that a server answers.

    Attributes:
        path: of the server's endpoint.
        body: what is sent.
        headers: with which.
        answer: what its answer holds.
    """

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    answer: str = ""

    def at(self, port: int) -> dict[str, Any]:
        """Return it as the client is asked it."""
        body = base64.b64encode(self.body).decode()
        return {"port": port, "path": self.path, "body": body, "headers": dict(self.headers)}


class Server:
    """A server's process and its children.

    Args:
        command: starts it.
        port: where it listens.
        environment: variables for it.
    """

    def __init__(self, command: Sequence[object], port: int, environment: Mapping[str, str]) -> None:
        self.port = port
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("SERVING_SHOW") else subprocess.DEVNULL,
            cwd=BENCHMARKS,
            env=clean_environment(environment),
            start_new_session=True,
        )

    def wait(self) -> None:
        """Return once it takes connections."""
        while self.process.poll() is None and time.perf_counter() < self.began + OPENING:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.005)
            else:
                return
        raise RuntimeError(f"{' '.join(map(str, self.process.args))} took no connections")  # type: ignore[arg-type]

    def pids(self) -> list[int]:
        """Return its processes, itself first."""
        found = [self.process.pid]
        for pid in found:
            for file in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, file.read_text().split())
        return found

    def named(self, text: str) -> list[int]:
        """Return its processes whose command line has a text."""
        return [pid for pid in self.pids() if text in Path(f"/proc/{pid}/cmdline").read_text()]

    def settle(self, text: str, count: int) -> None:
        """Return once it has so many processes whose command line has a text, and none of them does anything."""
        before, found = -1.0, 0
        while found < count or self.worked() - before > 0.05:
            before = self.worked()
            time.sleep(0.5)
            found = len(self.named(text))

    def worked(self) -> float:
        """Return the seconds that processors have worked for it so far."""
        files = [file for pid in self.pids() for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9

    def stop(self) -> None:
        """End it, and all that it has started."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(3)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


class Bench:
    """Two stored models, and who asks for them.

    Args:
        folder: where the store and the pickles are made.
        rounds: how often each is measured, in turns.
        seconds: for how long each time.
        client: asks the servers.

    Attributes:
        rows: model → its rows.
        environment: variables of servers.
    """

    def __init__(self, folder: Path, rounds: int, seconds: float, client: Worker) -> None:
        self.folder, self.rounds, self.seconds, self.client = folder, rounds, seconds, client
        self.environment = {"TIFFIN_HOME": str(folder / "home")}
        self.rows: dict[str, Any] = {}
        self._questions: dict[str, Question] = {}
        import tiffin

        os.environ.update(self.environment)
        for name, predict, rows in batching.models():
            model = predict.__self__
            tiffin.save(name.lower(), model, signatures={"predict": {"batchable": True}}, input_example=rows[:2])
            (folder / f"{name}.pickle").write_bytes(pickle.dumps(model))
            self.rows[name] = rows

    def question(self, subject: str, model: str) -> Question:
        """Return a request for one row."""
        path = f"/{model}" if subject == "bare" else f"/models/{model.lower()}/predict"
        body = b'{"inputs": %s}' % str(self.rows[model][:1].tolist()).encode()
        return Question(path, body, answer='{"outputs":[0]}')

    @contextmanager
    def bare(self, *models: str) -> Iterator[Server]:
        """Have the bare server with these models."""
        port = free_port()
        paths = [self.folder / model for model in models]
        with self.running([sys.executable, "-m", "serving_sections.bare", port, *paths], port) as server:
            yield server

    @contextmanager
    def tiffin(self, *words: str) -> Iterator[Server]:
        """Have `tiffin serve` with these arguments."""
        port = free_port()
        with self.running([sys.executable, "-m", "tiffin", "serve", *words, "--port", port], port) as server:
            yield server

    @contextmanager
    def running(self, command: Sequence[object], port: int, **environment: str) -> Iterator[Server]:
        """Have a server, once it takes connections."""
        server = Server(command, port, {**self.environment, **environment})
        try:
            server.wait()
            yield server
        finally:
            server.stop()

    def check(self, server: Server, question: Question) -> None:
        """Refuse a server that answers something else."""
        told = self.client.ask("once", **question.at(server.port))
        if question.answer not in told.replace(" ", ""):
            raise RuntimeError(f"{question.path} was answered with {told!r}, and not with {question.answer!r}")

    def ready(self, server: Server, question: Question) -> None:
        """Return once it answers as it should; peers take connections before they can."""
        while True:
            try:
                self.check(server, question)
            except RuntimeError:
                if time.perf_counter() > server.began + OPENING:
                    raise
                time.sleep(0.02)
            else:
                return

    def closed(
        self, server: Server, question: Question, connections: int, seconds: float | None = None
    ) -> dict[str, Any]:
        """Return what `closed` of the client does, and the processors' seconds for each answer; only 200 may come."""
        before = server.worked()
        told = self.client.ask(
            "closed", **question.at(server.port), connections=connections, seconds=seconds or self.seconds
        )
        if set(told["statuses"]) != {"200"}:
            raise RuntimeError(f"{question.path} was answered with {told['statuses']}")
        return {**told, "worked": (server.worked() - before) / told["all"]}
