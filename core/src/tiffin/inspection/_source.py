"""Source: bytes of a file or of something unpacked, read once from front to back, never all held in memory."""

from __future__ import annotations

from typing import Any

_PIECE = 1 << 16


class Source:
    """Reads a stream forward.

    Args:
        stream: anything with `read(n)`.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0
        self._before = 0

    @property
    def position(self) -> int:
        """Bytes that were read or skipped so far."""
        return self._before + self._at

    def byte(self) -> int:
        """Return the next byte.

        Raises:
            EOFError: there is none.
        """
        at = self._at
        if at >= len(self._buffer):
            self._fill()
            at = 0
        self._at = at + 1
        return self._buffer[at]

    def at_end(self) -> bool:
        """Tell whether nothing is left."""
        try:
            self.byte()
        except EOFError:
            return True
        self._at -= 1
        return False

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes; meant for small counts, up to some KiB."""
        end = self._at + count
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        data = self._buffer[self._at :]
        self._at = len(self._buffer)
        while len(data) < count:
            self._fill()
            self._at = min(len(self._buffer), count - len(data))
            data += self._buffer[: self._at]
        return data

    def skip(self, count: int) -> None:
        """Pass over `count` bytes without holding them."""
        while count > len(self._buffer) - self._at:
            count -= len(self._buffer) - self._at
            self._fill()
        self._at += count

    def line(self, limit: int = 4096) -> bytes | None:
        """Return what stands before the next line feed, and pass over both; `None` for a line longer than `limit`."""
        kept: bytes | None = b""
        while True:
            if self._at >= len(self._buffer):
                self._fill()
            end = self._buffer.find(b"\n", self._at)
            piece = self._buffer[self._at : end if end >= 0 else len(self._buffer)]
            if kept is not None:
                kept = kept + piece if len(kept) + len(piece) <= limit else None
            if end >= 0:
                self._at = end + 1
                return kept
            self._at = len(self._buffer)

    def _fill(self) -> None:
        self._before += len(self._buffer)
        self._at = 0
        self._buffer = self._stream.read(_PIECE)
        if not self._buffer:
            self._buffer = b""
            raise EOFError
