"""One end of a connection between two processes: frames, the shared memory they refer to, and sending that blocks.

A `Link` knows what goes over the wire besides calls: new segments, ended leases. A `Channel` is a link on a blocking
socket, used by one thread at a time for one call at a time, as between a runner and its worker.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tiffin.exceptions import FrameError
from tiffin.wire._agreement import Agreement
from tiffin.wire._codec import decode_value, encode_value
from tiffin.wire._frames import (
    CALL,
    COPIED,
    FORGET,
    HELLO,
    ITEM,
    LIMITS,
    RELEASE,
    RESULT,
    SEGMENT,
    Allocate,
    Frame,
    FrameReader,
    Limits,
    frame_parts,
    is_one_piece,
    pass_descriptors,
    unsent,
)
from tiffin.wire._shared_memory import THRESHOLD, SegmentMap, SegmentPool, decides_nothing

_PARTS = 256
"""Parts in one sendmsg at most; the system's limit is 1024."""
_WITH_VALUES = frozenset({CALL, RESULT, ITEM})
# As an enumeration of Python it would cost a microsecond at each use.
_AT_ONCE = int(socket.MSG_DONTWAIT)


class ExpiredError(Exception):
    """The deadline passed before the peer took or sent what was awaited."""


class Link:
    """What a connection keeps besides its socket. Packing is safe from several threads, receiving from one at a time.

    Args:
        ended: called when leases have ended that the peer should hear of; from any thread and at any moment, the
            garbage collector's too, so it must not block.
        pool: this side's shared memory; `None` sends everything through the socket.
        limits: what to accept.
        allocate: gives memory for large buffers that come through the socket.
        believed: whether the peer changes no shared memory while it is lent. Otherwise only arrays of floating-point numbers
            go through it, both ways.
    """

    def __init__(
        self,
        ended: Callable[[], None],
        pool: SegmentPool | None,
        limits: Limits = LIMITS,
        allocate: Allocate | None = None,
        *,
        believed: bool = True,
    ) -> None:
        self._pool, self._ended, self._believed = pool, ended, believed
        self.releases: deque[int] = deque()
        """Leases that have ended and of which the peer has not been told."""
        self._map = SegmentMap(self._end_lease, limits, believed=believed)
        self.reader = FrameReader(self._map.view, self._control, limits=limits, allocate=allocate)

    def pack(
        self, kind: int, call: int, header: bytes = b"", buffers: Sequence[Any] = ()
    ) -> tuple[list[bytes | memoryview], list[int]]:
        """Return a frame, and those that must precede it, as parts to send, and descriptors to pass with the first.

        The caller closes the descriptors once they are sent. Changes nothing here, unless `shares` says so.
        """
        if is_one_piece(buffers):
            return frame_parts(kind, call, header, buffers), []
        parts: list[bytes | memoryview] = []
        descriptors: list[int] = []
        if any(len(buffer) >= THRESHOLD if type(buffer) is bytes else buffer.nbytes > COPIED for buffer in buffers):
            buffers = [self._place(buffer, parts, descriptors) for buffer in buffers]
        parts += frame_parts(kind, call, header, buffers)
        if len(parts) > 1:
            parts = _joined(parts)
        return parts, descriptors

    def shares(self, buffers: Sequence[Any]) -> bool:
        """Return whether packing these would use shared memory."""
        return self._pool is not None and any(map(self._is_shared, buffers))

    def pack_releases(self) -> bytes:
        """Return frames that tell the peer of ended leases, perhaps none."""
        return b"".join([frame_parts(RELEASE, lease)[0] for lease in self.take_releases()])

    def take_releases(self) -> list[int]:
        """Return the leases that the peer is to be told of now."""
        leases = []
        with contextlib.suppress(IndexError):
            while True:
                leases.append(self.releases.popleft())
        return leases

    def receive(self, sock: socket.socket) -> list[Frame]:
        """Receive once, and return the frames that are not this class's business. Raises as `FrameReader.receive`."""
        return self.reader.receive(sock)

    def close(self) -> None:
        """Free the shared memory of this side; views that callers hold stay valid. Repeatable."""
        if self._pool is not None:
            self._pool.close()
        self._map.close()
        self.reader.close()

    def _control(self, frame: Frame) -> None:
        if len(frame.descriptors) != (frame.kind == SEGMENT):
            for descriptor in frame.descriptors:
                os.close(descriptor)
            raise FrameError(f"A frame of kind {frame.kind} came with {len(frame.descriptors)} file descriptors")
        if frame.kind == SEGMENT:
            self._map.add(frame.call, frame.descriptors[0])
        elif frame.kind == FORGET:
            self._map.forget(frame.call)
        elif self._pool is not None:
            self._pool.release(frame.call)

    def _end_lease(self, lease: int) -> None:
        self.releases.append(lease)
        self._ended()

    def _place(self, buffer: Any, parts: list[bytes | memoryview], descriptors: list[int]) -> Any:
        # A message carries few descriptors, so the rest of very many large arrays goes through the socket.
        if self._pool is not None and self._is_shared(buffer) and len(descriptors) < LIMITS.descriptors:
            array = np.frombuffer(buffer, np.uint8) if type(buffer) is bytes else buffer
            placed = self._pool.place(array)
            if placed is not None:
                shared, descriptor, gone = placed
                parts += [frame_parts(FORGET, segment)[0] for segment in gone]
                if descriptor is not None:
                    descriptors.append(descriptor)
                    parts += frame_parts(SEGMENT, shared.segment, descriptors=1)
                return shared
        return buffer if type(buffer) is bytes else np.ascontiguousarray(buffer)

    def _is_shared(self, buffer: Any) -> bool:
        if type(buffer) is bytes:
            return self._believed and len(buffer) >= THRESHOLD
        return int(buffer.nbytes) >= THRESHOLD and (self._believed or decides_nothing(buffer.dtype))


def _joined(parts: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """Return the parts with neighbours that are `bytes` joined."""
    joined: list[bytes | memoryview] = []
    run: list[bytes] = []
    for part in parts:
        if type(part) is bytes:
            run.append(part)
        else:
            joined += [b"".join(run), part]
            run = []
    if run:
        joined.append(b"".join(run))
    return joined


class Channel:
    """A link on a blocking socket. Sending and receiving are each for one thread at a time.

    Args:
        sock: a connected AF_UNIX stream socket, in blocking mode; the channel owns it.
        shared_memory: bytes of shared memory for what this side sends; `None` means a share of the machine's memory,
            0 none.
    """

    def __init__(self, sock: socket.socket, *, shared_memory: int | None = None) -> None:
        self._sock = sock
        self.agreement = Agreement()
        """Which kinds of values cross; kept up to date with a further HELLO, of the number 1, before what relies on it."""
        self._lock = threading.Lock()
        pool = None if shared_memory == 0 else SegmentPool(shared_memory)
        self._link = Link(self._tell_releases, pool)
        self._waiting: deque[Frame] = deque()
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        close_in_forks(self)

    def send(
        self,
        kind: int,
        call: int,
        header: bytes = b"",
        buffers: Sequence[Any] = (),
        deadline: float | None = None,
    ) -> None:
        """Send one frame; returns when the system has taken all of it.

        Raises:
            ExpiredError: the time `deadline` (of `time.monotonic`) came first; the channel cannot be used any more.
            OSError: the connection is broken.
        """
        if kind in _WITH_VALUES and self.agreement.has_news:
            self.agreement.say(lambda news: self.send(HELLO, 1, *encode_value(news), deadline))
        parts, descriptors = self._link.pack(kind, call, header, buffers)
        if self._link.releases:
            parts = [self._link.pack_releases(), *parts]
        try:
            with self._lock:
                self._send(parts, descriptors, deadline)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if self._link.releases:
            self._tell_releases()

    def receive(self, deadline: float | None = None) -> Frame:
        """Return the next frame.

        Raises:
            ExpiredError: the time `deadline` (of `time.monotonic`) came first.
            EOFError: the peer closed the connection.
            FrameError: what came is no frame.
            OSError: the connection is broken.
        """
        while True:
            while not self._waiting:
                if deadline is not None:
                    _wait(self._readable, deadline)
                try:
                    self._waiting.extend(self._link.receive(self._sock))
                except BlockingIOError:
                    # Whatever stands in place of Python's sockets does not block.
                    _wait(self._readable, deadline)
            frame = self._waiting.popleft()
            if frame.kind != HELLO or frame.call != 1:
                return frame
            self.agreement.hear(decode_value(frame.header, frame.buffers))

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for several things at once; `poll` says whether it is worth it."""
        return self._sock.fileno()

    def poll(self) -> bool:
        """Return whether bytes or frames have arrived; does not wait."""
        return bool(self._waiting) or bool(self._readable.poll(0))

    def finish_sending(self) -> None:
        """Let the peer read end-of-file after what was sent. Repeatable."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket and free the shared memory. Repeatable."""
        with contextlib.suppress(OSError):
            # Wakes a thread that waits in recv; close alone does not.
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._link.close()

    def close_after_fork(self) -> None:
        """Close only this process's copy of the socket, so that it does not keep the connection open."""
        self._sock.close()

    def _send(self, parts: list[bytes | memoryview], descriptors: list[int], deadline: float | None) -> None:
        flags = 0 if deadline is None else _AT_ONCE
        while parts:
            try:
                if len(parts) == 1 and not descriptors:
                    sent = self._sock.send(parts[0], flags)
                else:
                    sent = self._sock.sendmsg(parts[:_PARTS], pass_descriptors(descriptors), flags)
            except BlockingIOError:
                writable = select.poll()
                writable.register(self._sock, select.POLLOUT)
                _wait(writable, deadline)
                continue
            descriptors = []
            if len(parts) == 1 and sent == len(parts[0]):
                return
            parts = unsent(parts, sent)

    def _tell_releases(self) -> None:
        """Tell the peer of ended leases. In any thread, in the middle of anything: a finalizer calls it."""
        going = True
        # Whoever holds the lock looks for releases once more after letting go of it.
        while going and self._link.releases:
            # An exception from a signal handler may come between any two steps: so that the lock is taken, or given back, is
            # noted in the same one. Twice: an interrupt in the one leaves the other.
            taken: list[Any] = []
            try:
                try:
                    taken.extend(map(self._lock.acquire, (False,)))
                    going = taken[0] and self._send_releases()
                finally:
                    self._give_back(taken)
            finally:
                self._give_back(taken)

    def _give_back(self, taken: list[Any]) -> None:
        if taken == [True]:
            taken.extend(map(self._lock.__exit__, (None,), (None,), (None,)))

    def _send_releases(self) -> bool:
        try:
            # Some bytes, which the system takes whole or not at all.
            self._sock.send(self._link.pack_releases(), _AT_ONCE)
        except OSError:
            # Broken, and the peer frees everything; or full: then the peer is not reading, has died or will be killed.
            return False
        return True


def _wait(poller: select.poll, deadline: float | None) -> None:
    if not poller.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000):
        raise ExpiredError


class Forkable(Protocol):
    """Holds descriptors that belong to one process: copies in a forked child would hide this process's end from others."""

    def close_after_fork(self) -> None:
        """Close this process's copies only; say nothing to the other side. Called in a new child."""


_held: weakref.WeakSet[Forkable] = weakref.WeakSet()


def close_in_forks(holder: Forkable) -> None:
    """Let `holder.close_after_fork` be called in every child that is forked from now on."""
    _held.add(holder)


def _close_after_fork() -> None:
    for holder in list(_held):
        holder.close_after_fork()


os.register_at_fork(after_in_child=_close_after_fork)
