"""How slow a server may be: time for each answer's head, for small answers, and a least rate for what is large."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Callable
from typing import Any

WINDOW = 60.0
"""Seconds of waiting in which a large answer has to bring `LEAST` bytes."""
LEAST = 256 << 10


class Pace:
    """What is expected of one connection now. Before anything is said, all that is read has to come within the timeout.

    Args:
        timeout: seconds without a byte after which a connection counts as broken, and seconds for a whole small answer.
        clock: seconds, ever growing.
    """

    def __init__(self, timeout: float, clock: Callable[[], float]) -> None:
        self._timeout = timeout
        self._clock = clock
        self._least = 0
        self._came = 0
        self._end = self._paused = 0.0
        self.expect_all()

    def expect_all(self) -> None:
        """From now on, all that is read has to come within the timeout."""
        self._least = 0
        self._end = self._clock() + self._timeout

    def expect_rate(self) -> None:
        """From now on, each `WINDOW` seconds of waiting have to bring `LEAST` bytes; what the reader takes does not count."""
        self._least, self._came = LEAST, 0
        self._paused = self._clock()
        self._end = self._paused + WINDOW

    def read(self, sock: socket.socket, raw: io.RawIOBase, into: Any) -> int | None:
        """Read from a socket's file; raises TimeoutError where that takes too long."""
        now = self._clock()
        if self._least:
            self._end += now - self._paused
            if self._came >= self._least:
                self._came, self._end = 0, now + WINDOW
        left = self._end - now
        if left <= 0:
            raise TimeoutError(self._late())
        sock.settimeout(min(left, self._timeout))
        try:
            count = raw.readinto(into)
        except TimeoutError:
            raise TimeoutError(self._late() if left <= self._timeout else "timed out") from None
        finally:
            sock.settimeout(self._timeout)
        self._paused = self._clock()
        self._came += count or 0
        return count

    def _late(self) -> str:
        if self._least:
            return f"less than {LEAST >> 10} KiB came within {WINDOW:g} s"
        return f"its answer was not complete after {self._timeout:g} s"


class PacedResponse(http.client.HTTPResponse):
    """An answer that is read at a pace."""

    def __init__(self, sock: socket.socket, *args: Any, pace: Pace, **options: Any) -> None:
        super().__init__(_Socket(sock, pace), *args, **options)  # type: ignore[arg-type]  # it is asked for a file only


class _Socket:
    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._sock, self._pace = sock, pace

    def makefile(self, mode: str) -> io.BufferedReader:
        # The socket's own file keeps it open for as long as it is read, also after http.client has let go of it.
        return io.BufferedReader(_Reads(self._sock, self._sock.makefile(mode, buffering=0), self._pace))  # type: ignore[call-overload]


class _Reads(io.RawIOBase):
    def __init__(self, sock: socket.socket, raw: io.RawIOBase, pace: Pace) -> None:
        self._sock, self._raw, self._pace = sock, raw, pace

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int | None:
        return self._pace.read(self._sock, self._raw, into)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
