"""Hashing beside reading and writing: a file of some size is hashed by a thread of its own."""

from __future__ import annotations

import hashlib
import queue
import threading
from types import TracebackType

_WORTH_A_THREAD = 4 << 20
"""Bytes from which on a file is hashed aside: for less, the thread costs more than it gains."""
_IN_FLIGHT = 8
"""Pieces that may wait to be hashed; with the one that is hashed, all that is held in memory."""

PIECE = 1 << 18
"""Bytes that are read, hashed and written at a time. The memory of larger pieces goes back to the system after each use, and
to get it again costs more than to copy them."""


class Digest:
    """The sha256 of a stream, within a `with` block.

    Args:
        size: bytes that are expected.
    """

    def __init__(self, size: int) -> None:
        self._digest = hashlib.sha256()
        self._pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(_IN_FLIGHT):
            self._room.put(None)
        self._thread = threading.Thread(target=self._hash, name="tiffin-digest") if size >= _WORTH_A_THREAD else None

    def __enter__(self) -> Digest:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()

    def update(self, data: bytes) -> None:
        """Hash the next piece; it may still be read after this returns, so it must not change."""
        if self._thread is None:
            self._digest.update(data)
        elif data:
            self._room.get()
            self._pieces.put(data)

    def hexdigest(self) -> str:
        """Return the digest of all pieces, as hex; nothing may follow."""
        self._finish()
        return self._digest.hexdigest()

    def _finish(self) -> None:
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None

    def _hash(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._digest.update(piece)
            self._room.put(None)
