"""Contents on their way: what is sent is compared with its digest, what comes goes on where a connection broke."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tiffin.exceptions import RemoteDamagedError, RemoteUnreachableError
from tiffin.places import Digest, Progress
from tiffin.remotes._interface import Content, Remote, RemoteVersion, Source

TRIES = 6
"""Times that a content is asked for without any of it coming."""
_FIRST_WAIT = 0.25
"""Seconds before the second try; doubled for each further one."""


class Stop:
    """Ends all transfers of one push or pull: the first error, or Ctrl-C, must not wait for the rest.

    Also counts, since progress is told by several threads.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._event = threading.Event()
        self.moved = 0

    def stop(self) -> None:
        """Let every read fail from now on, and every wait end."""
        self._event.set()

    def advance(self, count: int) -> None:
        """Note that bytes have moved."""
        if self._event.is_set():
            raise StoppedError
        with self._lock:
            self.moved += count
            self._progress.advance(count)

    def take_back(self, count: int) -> None:
        """Note that bytes have to move again."""
        with self._lock:
            self.moved -= count
            self._progress.advance(-count)

    def wait(self, seconds: float) -> None:
        """Wait before another try."""
        if self._event.wait(seconds):
            raise StoppedError


class StoppedError(Exception):
    """A transfer ends because another one of the same push or pull has failed."""


class Sending:
    """A file to be sent: raises instead of giving its last bytes where it is not what its digest says.

    Args:
        source: the open file.
        digest: what hashes it.
        size: its bytes.
        sha256: its digest.
        advance: told of the bytes.
        changed: makes the error.
    """

    def __init__(
        self,
        source: Any,
        digest: Digest,
        size: int,
        sha256: str,
        advance: Callable[[int], None],
        changed: Callable[[], Exception],
    ) -> None:
        self._source = source
        self._digest = digest
        self._left = size
        self._sha256 = sha256
        self._advance = advance
        self._changed = changed

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        data: bytes = self._source.read(self._left if size < 0 else min(size, self._left))
        self._digest.update(data)
        self._left -= len(data)
        if self._left == 0 and data:
            if self._digest.hexdigest() != self._sha256:
                raise self._changed()
        elif not data and self._left:
            raise self._changed()
        self._advance(len(data))
        return data


class Receiving:
    """A content as it comes; asked for again, from where it broke off, until all of it is there.

    Args:
        remote: where it comes from.
        version: the version that has it.
        content: which.
        start: bytes that need not come.
        stop: told of the bytes.
    """

    def __init__(self, remote: Remote, version: RemoteVersion, content: Content, start: int, stop: Stop) -> None:
        self._remote = remote
        self._version = version
        self._content = content
        self._at = start
        self._stop = stop
        self._open = contextlib.ExitStack()
        self._source: Source | None = None
        self._failures = self._ends = 0

    def __enter__(self) -> Receiving:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, none at the end.

        Raises:
            RemoteDamagedError: it goes on behind its end.
            RemoteUnreachableError: nothing came, several times.
        """
        while self._at < self._content.size:
            try:
                if self._source is None:
                    self._source = self._open.enter_context(self._remote.open(self._version, self._content, self._at))
                data = self._source.read(size)
            except RemoteUnreachableError as error:
                self._again(error)
                continue
            if not data:
                self._ended()
                continue
            self._at += len(data)
            self._failures = self._ends = 0
            if self._at > self._content.size:
                break
            self._stop.advance(len(data))
            return data
        if self._at > self._content.size or self._goes_on():
            raise RemoteDamagedError(
                f"The content {shown(self._content)} on {self._remote.url} is longer than the {self._content.size} bytes "
                "that are stated of it",
                why="Nothing of the model was stored",
                url=self._remote.url,
            )
        return b""

    def _goes_on(self) -> bool:
        try:
            return self._source is not None and self._source.read(1) != b""
        except RemoteUnreachableError:  # all of it is there
            return False

    def _ended(self) -> None:
        """Ask again after an end that came too early, once: connections can be cut off without an error."""
        self._close()
        self._ends += 1
        if self._ends > 1:
            raise RemoteDamagedError(
                f"The content {shown(self._content)} on {self._remote.url} has {self._at} of the {self._content.size} "
                "bytes that are stated of it",
                why="Nothing of the model was stored",
                fix="Push the model again from where it is whole",
                url=self._remote.url,
            )

    def _close(self) -> None:
        self._source = None
        # The connection is broken already: how it ends is of no interest.
        with contextlib.suppress(RemoteUnreachableError):
            self._open.close()

    def _again(self, error: RemoteUnreachableError) -> None:
        self._close()
        self._failures += 1
        if self._failures >= TRIES:
            raise RemoteUnreachableError(
                f"{self._remote.url} broke off {TRIES} times in {shown(self._content)}, after {self._at} of "
                f"{self._content.size} bytes",
                why=error.what,
                fix="What has come is kept for a while: pull again to go on from there",
                url=self._remote.url,
            ) from error
        self._stop.wait(_FIRST_WAIT * 2 ** (self._failures - 1))


def shown(content: Content) -> str:
    """Return how a content is called in messages."""
    return repr(content.path) if content.path else f"sha256:{content.sha256}"


@contextlib.contextmanager
def stopping(stop: Stop) -> Iterator[None]:
    """Stop what other threads do where the block fails."""
    try:
        yield
    except BaseException:
        stop.stop()
        raise
