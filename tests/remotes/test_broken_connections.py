"""Connections that break, programs that are killed: a transfer goes on where it was, or ends without a trace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inside.remotes import TRIES, Stop
from tiffin import Model, models
from tiffin.exceptions import RemoteDamagedError, RemoteDeniedError, RemoteUnreachableError
from tiffin.remotes import Content, FolderRemote, RemoteVersion
from tiffin.store import ModelStore

MIB = 1 << 20


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is waited between tries is noted instead."""
    noted: list[float] = []
    monkeypatch.setattr(Stop, "wait", lambda self, seconds: noted.append(seconds))
    return noted


class Faulty(FolderRemote):
    """A folder that is read through a bad connection.

    Args:
        folder: the folder.
        after: bytes after which each connection breaks.
        opens: how many times a content can be opened at all.
        clean: whether the connection ends without an error.
    """

    def __init__(self, folder: str, *, after: int, opens: int = 1000, clean: bool = False) -> None:
        super().__init__(folder)
        self.after, self.opens, self.clean = after, opens, clean
        self.offsets: list[int] = []
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def open(self, version: RemoteVersion, content: Content, offset: int) -> Iterator[Any]:
        with self.lock:
            self.offsets.append(offset)
            self.opens -= 1
            if self.opens < 0:
                raise RemoteUnreachableError("The line is dead", url=self.url)
        with super().open(version, content, offset) as source:
            yield _Breaking(source, self.after, self)


class _Breaking:
    def __init__(self, source: Any, left: int, remote: Faulty) -> None:
        self.source, self.left, self.remote = source, left, remote

    def read(self, size: int = -1) -> bytes:
        if self.left <= 0:
            if self.remote.clean:
                return b""
            raise RemoteUnreachableError("The connection was reset", url=self.remote.url)
        data: bytes = self.source.read(min(size, self.left))
        self.left -= len(data)
        return data


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def one(store: ModelStore, make: Callable[..., Model]) -> Model:
    """A version of one file of 4 MiB."""
    return make(store, {"weights": os.urandom(4 * MIB)}, "one:v1")


@pytest.mark.parametrize("clean", [False, True])
def test_a_pull_goes_on_where_the_connection_broke(
    clean: bool, folder: str, one: Model, store: ModelStore, other: ModelStore
) -> None:
    """Each new connection asks for the rest only, and what has come is compared as a whole."""
    models.push(one, folder, store=store)
    remote = Faulty(folder, after=MIB, clean=clean)
    assert models.pull(one.tag, remote, store=other).info.content_digest == one.info.content_digest
    assert remote.offsets == [0, MIB, 2 * MIB, 3 * MIB]
    assert models.verify(store=other) == []


def test_a_dead_connection_is_given_up_after_some_tries(
    folder: str, one: Model, store: ModelStore, other: ModelStore, waits: list[float]
) -> None:
    """Each try waits twice as long; what has come is kept, and the next pull asks for the rest only."""
    models.push(one, folder, store=store)
    remote = Faulty(folder, after=MIB, opens=2)
    with pytest.raises(RemoteUnreachableError, match=f"broke off {TRIES} times in 'weights', after {2 * MIB}"):
        models.pull(one.tag, remote, store=other)
    assert waits == [0.25, 0.25, 0.5, 1.0, 2.0, 4.0]
    assert models.list(store=other) == []
    assert below(other.path / "staging") == []
    assert below(other.path / "partial") == [one.info.files["weights"].sha256]
    again = Faulty(folder, after=100 * MIB)
    assert models.pull(one.tag, again, store=other).info.files == one.info.files
    assert again.offsets == [2 * MIB]
    assert below(other.path / "partial") == []
    assert models.verify(store=other) == []


def test_what_was_kept_and_is_damaged_comes_again(
    folder: str, one: Model, store: ModelStore, other: ModelStore
) -> None:
    """Its digest does not fit at the end: then the whole content is asked for once more."""
    models.push(one, folder, store=store)
    with pytest.raises(RemoteUnreachableError):
        models.pull(one.tag, Faulty(folder, after=MIB, opens=2), store=other)
    [kept] = (other.path / "partial").iterdir()
    data = kept.read_bytes()
    kept.write_bytes(bytes([data[0] ^ 1]) + data[1:])  # another byte, whatever the random one is
    remote = Faulty(folder, after=100 * MIB)
    assert models.pull(one.tag, remote, store=other).info.files == one.info.files
    assert remote.offsets == [2 * MIB, 0]
    assert models.verify(store=other) == []


def test_gc_removes_what_was_kept(folder: str, one: Model, store: ModelStore, other: ModelStore) -> None:
    """And tells its bytes; a dry run only tells."""
    models.push(one, folder, store=store)
    with pytest.raises(RemoteUnreachableError):
        models.pull(one.tag, Faulty(folder, after=MIB, opens=1), store=other)
    digest = one.info.files["weights"].sha256
    told = models.gc(dry_run=True, store=other)
    assert (told.partial, told.freed) == ([digest], MIB)
    assert models.gc(store=other).partial == [digest]
    assert below(other.path / "partial") == []


def test_a_content_that_ends_too_early_twice_is_damaged(
    folder: str, one: Model, store: ModelStore, other: ModelStore
) -> None:
    """It is not asked for for ever, and nothing of it is kept."""
    models.push(one, folder, store=store)
    with pytest.raises(RemoteDamagedError, match="has 0 of the 4194304 bytes"):
        models.pull(one.tag, Faulty(folder, after=0, clean=True), store=other)
    assert below(other.path / "partial") == []


def test_the_first_error_ends_the_other_transfers(
    folder: str, large: Model, store: ModelStore, other: ModelStore
) -> None:
    """And is the one that is told, not what the others say when they are stopped."""
    models.push(large, folder, store=store)

    class Denied(FolderRemote):
        threads = 2
        opened = 0

        @contextlib.contextmanager
        def open(self, version: RemoteVersion, content: Content, offset: int) -> Iterator[Any]:
            type(self).opened += 1
            if content.path == "part1":
                raise RemoteDeniedError("No longer", url=self.url)
            with super().open(version, content, offset) as source:
                yield source

    with pytest.raises(RemoteDeniedError, match="No longer"):
        models.pull(large.tag, Denied(folder), store=other)
    assert Denied.opened < 10
    assert models.list(store=other) == []


SCRIPT = """
import os, signal, sys
from tiffin import models
from tiffin.store import ModelStore

class Kill:
    moved = 0
    def start(self, what, total): pass
    def advance(self, count):
        self.moved += count
        if self.moved > int(sys.argv[1]):
            os.kill(os.getpid(), int(sys.argv[2]))

act, store, folder = sys.argv[3:]
getattr(models, act)("large:v1", folder, progress=Kill(), store=ModelStore(store))
"""


def run(act: str, store: ModelStore, folder: str, after: int, number: int = signal.SIGKILL) -> int:
    command = [sys.executable, "-c", SCRIPT, str(after), str(int(number)), act, str(store.path), folder]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode


@pytest.mark.parametrize("after", [0, 3 * MIB, 11 * MIB, 19 * MIB])
def test_a_push_that_is_killed_shows_nothing_and_can_be_done_again(
    after: int, folder: str, large: Model, store: ModelStore, other: ModelStore
) -> None:
    """No version, no half content under a digest; the next push sends what is missing."""
    assert run("push", store, folder, after) == -signal.SIGKILL
    assert models.list_remote(folder) == []
    whole = [path for path in Path(folder, "blobs").rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert all(path.stat().st_size == 2 * MIB for path in whole)
    assert models.push(large, folder, store=store).sent == (10 - len(whole)) * 2 * MIB
    assert models.pull(large.tag, folder, store=other).info.files == large.info.files


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("after", [0, 3 * MIB, 11 * MIB, 19 * MIB])
def test_a_pull_that_is_killed_or_stopped_goes_on_later(
    number: int, after: int, folder: str, large: Model, store: ModelStore, other: ModelStore
) -> None:
    """Nothing is published; the next pull ends well, and leaves nothing behind."""
    models.push(large, folder, store=store)
    assert run("pull", other, folder, after, number) == -number
    assert models.list(store=other) == []
    assert models.pull(large.tag, folder, store=other).info.files == large.info.files
    assert below(other.path / "partial") == below(other.path / "staging") == []
    assert models.verify(store=other) == []


def test_two_pulls_of_one_version_at_once_both_succeed(
    folder: str, large: Model, store: ModelStore, other: ModelStore
) -> None:
    """Two programs, one store: one version, whole, nothing left."""
    models.push(large, folder, store=store)
    command = [
        sys.executable,
        "-c",
        "import sys; from tiffin import models; from tiffin.store import ModelStore\n"
        "models.pull('large:v1', sys.argv[2], store=ModelStore(sys.argv[1]))",
        str(other.path),
        folder,
    ]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert models.get(large.tag, store=other).info.files == large.info.files
    assert below(other.path / "partial") == below(other.path / "staging") == []
    assert models.verify(store=other) == []
