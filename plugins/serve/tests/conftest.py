"""Fixtures for tests of serving: models of all kinds, a client in this process, and a server in another."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import tiffin
from tiffin.plugins import registry
from tiffin_serve import Application, AsgiApplication, Limits, Place, Served, Shelf, fill, make_application

MODELS = """
import os
import threading
import time

import numpy as np


class Sums:
    "Adds up each row; says no to negative numbers, breaks at 13, loses rows at 17, and dies at 19."

    def predict(self, rows):
        if (rows < 0).any():
            raise ValueError("negative numbers are not for sums")
        if (rows == 13).any():
            raise RuntimeError("secret of the house")
        if (rows == 17).any():
            return rows.sum(axis=1)[:-1]
        if (rows == 18).any():
            bytearray(1 << 62)
        if (rows == 19).any():
            os.kill(os.getpid(), 9)
        return rows.sum(axis=1)

    def divided(self, rows):
        with np.errstate(all="ignore"):
            return rows / rows

    def both(self, rows):
        return {"low": rows.min(axis=1), "high": rows.max(axis=1)}


class Drifting(Sums):
    "Answers otherwise where somebody has set DRIFT."

    def predict(self, rows):
        return rows.sum(axis=1) + float(os.environ.get("DRIFT", 0))


class Plus(Sums):
    "Adds one to every sum but 0, and breaks at 99."

    def predict(self, rows):
        if (rows == 99).any():
            raise RuntimeError("99")
        found = rows.sum(axis=1)
        return found + (found != 0)


class Words:
    "Takes texts."

    def predict(self, texts):
        return [text.upper() for text in texts]


class Matcher:
    "Takes several arguments."

    def match(self, left, right, *, scale=1.0):
        return (left * right).sum(axis=1) * scale


class Teller:
    "Counts up to a number; breaks at 13 on the way to less than 100, and refuses negative ones."

    def count(self, upto):
        if upto < 0:
            raise ValueError("negative numbers are not for counting")
        try:
            for number in range(int(upto)):
                if number == 13 and upto < 100:
                    raise RuntimeError("secret of the house")
                yield {"number": number}
        finally:
            with open(os.environ.get("TELLER_LOG", os.devnull), "a") as log:
                log.write("closed")


class Writer:
    "Writes the words of a prompt or of the last message, one after the other; embeds texts."

    def stream(self, prompt, max_tokens=100, temperature=1.0):
        if isinstance(prompt, list):
            prompt = f"{prompt[-1]['role']} said {prompt[-1]['content']}"
        try:
            for number, word in enumerate(prompt.split()):
                if number == max_tokens:
                    break
                if word == "fail":
                    raise RuntimeError("secret of the house")
                yield word + " "
        finally:
            with open(os.environ.get("TELLER_LOG", os.devnull), "a") as log:
                log.write("closed")

    def embed(self, texts):
        return np.array([[len(text), text.count("a")] for text in texts], np.float32)


class Open:
    "Writes what it is called with besides the prompt; takes no number of tokens."

    def stream(self, prompt, **options):
        if "max_new_tokens" in options or "seed" in options:
            name = "max_new_tokens" if "max_new_tokens" in options else "seed"
            raise TypeError(f"stream() got an unexpected keyword argument '{name}'")
        yield from ("a", "b", "c", str(sorted(options.items())))


class Slow:
    "Waits for as long as it is told."

    def predict(self, rows):
        time.sleep(float(rows.max()))
        return rows


class Held:
    "Waits until somebody has made the file GATE."

    def predict(self, rows):
        while not os.path.exists(os.environ["GATE"]):
            time.sleep(0.01)  # the model waits, not the test
        return rows
"""


ADAPTER = """
import pickle

from tiffin import hookimpl


@hookimpl
def context_info():
    names = "Drifting", "Held", "Plus", "Sums", "Words", "Matcher", "Slow", "Teller", "Writer", "Open"
    return {"types": [f"served_models.{name}" for name in names], "distributions": ["served-adapter"]}


@hookimpl
def save(model, path):
    (path / "model.bin").write_bytes(pickle.dumps(model))


@hookimpl
def load(path):
    return pickle.loads((path / "model.bin").read_bytes())
"""
BY_ROW = {"batchable": True}


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with the models' classes and an installed plugin that stores them; it is importable."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "served_models.py").write_text(MODELS, encoding="utf-8")
    (folder / "served_adapter.py").write_text(ADAPTER, encoding="utf-8")
    dist = folder / "served_adapter-1.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: served-adapter\nVersion: 1\n", encoding="utf-8")
    (dist / "entry_points.txt").write_text("[tiffin]\nserved = served_adapter\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def store(store_home: Path, models_folder: Path) -> Iterator[None]:
    """Give the test a store with a model of each kind."""
    import numpy as np
    import served_adapter
    import served_models as models

    # Where plugins were looked for before its folder was there.
    alone = not registry().has("served")
    if alone:
        tiffin.register(served_adapter, "served")
    save: Callable[..., Any] = tiffin.save
    signatures = {"predict": BY_ROW, "divided": BY_ROW, "both": BY_ROW}
    save("sums:1", models.Sums(), signatures=signatures, input_example=np.ones((2, 3)))
    save("sums:2", models.Sums(), signatures={"predict": BY_ROW})
    save("words", models.Words(), signatures={"predict": BY_ROW}, input_example=["a", "b"])
    example = tiffin.Arguments(np.ones((2, 3)), right=np.ones((2, 3)), scale=2.0)
    save("matcher", models.Matcher(), signatures={"match": BY_ROW}, input_example=example)
    save("slow", models.Slow(), signatures={"predict": {"batchable": False}}, input_example=np.zeros((1, 1)))
    save("teller", models.Teller(), signatures={"count": {"stream": True}})
    save("writer", models.Writer(), signatures={"stream": {"stream": True}, "embed": {"batchable": True}})
    save("open", models.Open(), signatures={"stream": {"stream": True}})
    tiffin.models.set_alias("sums:1", "prod")
    yield
    if alone:
        tiffin.unregister("served")


def shelf_of(tags: Iterable[str], *, seconds: float | None = None, **options: Any) -> Shelf:
    """Return a shelf that serves these tags, by these names; not started."""
    versions: dict[str, Served] = {}
    places = [Place(tag, str(tiffin.get(tag).tag)) for tag in tags]
    for place in places:
        versions.setdefault(place.tag, Served(tiffin.get(place.tag), options, seconds=seconds))
    shelf = Shelf()
    shelf.show(versions, places)
    return shelf


class Client:
    """Calls an application in this process, from a test that is no coroutine."""

    def __init__(self, application: Application, shelf: Shelf, call: Callable[..., Any]) -> None:
        self.application, self.shelf, self._call = application, shelf, call
        self._transport = httpx.ASGITransport(app=AsgiApplication(application))

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request, and return its answer."""

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://served") as client:
                return await client.request(method, path, **options)

        found: httpx.Response = self._call(ask())
        return found

    def refill(self) -> None:
        """Have the application serve what is on the shelf now."""
        self.application.routes.clear()
        fill(self.application, self.shelf)

    def get(self, path: str) -> httpx.Response:
        """Send a GET."""
        return self.request("GET", path)

    def post(self, path: str, value: Any = None, **options: Any) -> httpx.Response:
        """Send a POST, with a value as JSON unless there is `content`."""
        if "content" not in options:
            options["content"] = json.dumps(value)
        return self.request("POST", path, **options)


@pytest.fixture
def loop() -> Iterator[Callable[..., Any]]:
    """Return a function that runs a coroutine on an event loop in another thread, and returns its result."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, running).result(60)
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


@pytest.fixture
def client(store: None, loop: Callable[..., Any]) -> Iterator[Callable[..., Client]]:
    """Return a function that serves tags in this process, and returns a client."""
    with contextlib.ExitStack() as stack:

        def serve(*tags: str, limits: Limits | None = None, seconds: float | None = None, **options: Any) -> Client:
            shelf = shelf_of(tags, seconds=seconds, **options)
            stack.callback(lambda: loop(shelf.stop(5.0)))
            loop(shelf.start())
            return Client(make_application(shelf, limits), shelf, loop)

        yield serve


class Calls:
    """What became of calls: how many were sent, how many found their connection closed, and the statuses of the others."""

    def __init__(self) -> None:
        self.sent = self.lost = 0
        self.statuses: dict[int, int] = {}
        self._counting = threading.Lock()

    def make(self, call: Callable[[], httpx.Response]) -> None:
        """Make one call, and count it; from any thread."""
        with self._counting:
            self.sent += 1
        try:
            status = call().status_code
        except httpx.TransportError:
            with self._counting:
                self.lost += 1
        else:
            with self._counting:
                self.statuses[status] = self.statuses.get(status, 0) + 1

    @property
    def answered(self) -> int:
        """How many were answered with 200."""
        return self.statuses.get(200, 0)

    @property
    def refused(self) -> int:
        """How many were answered with 503."""
        return self.statuses.get(503, 0)

    def further(self, count: int) -> None:
        """Return when so many more calls have been answered with 200."""
        least = self.answered + count
        while self.answered < least:
            time.sleep(0.01)  # gives the callers' threads their turn


class Server:
    """`tiffin serve` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], said: list[str]) -> None:
        self.process = process
        self.said = said
        self.url = said[0].split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def tree(self) -> dict[str, int]:
        """Return the processes below the supervisor that serve, by their titles, and the model's worker as "worker"."""
        found = {child["title"]: child["pid"] for child in self.status()["processes"] if child["state"] != "starting"}
        for title, pid in tuple(found.items()):
            for thread in Path(f"/proc/{pid}/task").iterdir() if title.startswith("host") else ():
                for child in (thread / "children").read_text().split():
                    found["worker"] = int(child)
        return found

    def ended(self) -> str:
        """End the server in order, and return what it said meanwhile."""
        self.process.terminate()
        self.process.wait(60)
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def status(self) -> dict[str, Any]:
        """Return what the server says of itself to whoever may ask."""
        command = [sys.executable, "-m", "tiffin", "serve", "status", "--json", "--port", str(self.port)]
        told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
        return told

    @contextlib.contextmanager
    def called(self, path: str, body: str, callers: int = 4) -> Iterator[Calls]:
        """Have it called without a pause by so many connections, for the block."""
        calls = Calls()
        over = threading.Event()

        def call() -> None:
            with httpx.Client(base_url=self.url, timeout=60) as client:
                while not over.is_set():
                    calls.make(lambda: client.post(path, content=body))

        threads = [threading.Thread(target=call) for _ in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield calls
        finally:
            over.set()
            for thread in threads:
                thread.join()
        print(f"{calls.sent} sent, {calls.answered} answered, {calls.refused} refused, {calls.lost} lost")

    def talk(self, sent: bytes, seconds: float = 10.0) -> bytes:
        """Send bytes as they are, and return all that comes back until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def serving(store: None, models_folder: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts `tiffin serve` with these arguments, and returns it when it serves."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, log: Any = None) -> Server:
        command = [sys.executable, "-m", "tiffin", "serve", "--port", "0", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(models_folder), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if log is None else log,
            text=True,
            env=environment,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.rstrip())
            if "See also" in line:
                return Server(process, said)
        raise AssertionError("\n".join(said))

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a certificate of 127.0.0.1 that vouches for itself, and of its key."""
    pytest.importorskip("cryptography", reason="cryptography is not installed; make setup brings it")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    return tmp_path / "cert.pem", tmp_path / "key.pem"
