"""Frames: what travels over a stream socket between a runner, its workers and attached clients.

A frame is a fixed prefix, a table of buffers, a header (JSON that describes values, see `_values`) and the buffers'
bytes. Nothing in a frame is ever unpickled, evaluated, or used as a name to import. Large buffers are sent from where
they lie (sendmsg) and received into their final memory (recvmsg_into); a buffer may also lie in shared memory, and
then the table holds its segment and lease instead of its bytes following.

Layout, little-endian:

    prefix   2s magic "Tf" | B kind | B descriptors passed along | I header bytes | Q call id | I buffers in the table
    table    per buffer: Q bytes | Q segment, 0 if the bytes follow in the frame | Q lease
    header   UTF-8 JSON
    buffers  those that lie in the frame, one after the other
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tiffin.exceptions import FrameError

PREFIX = struct.Struct("<2sBBIQI")
ENTRY = struct.Struct("<QQQ")
MAGIC = b"Tf"

# Kinds of frames. CALL to ITEM carry values; the rest concern the connection.
CALL, RESULT, ERROR, ITEM, END, CANCEL, CREDIT, HELLO, EXPLAIN, SEGMENT, RELEASE, FORGET = range(1, 13)
CALLS, RESULTS = 13, 14
"""Several at a time, alike but for their numbers and one small array each; see `tiffin.wire._alike`."""
NEWS = 15
"""What has changed of the runner behind a connection: its description, who is turned away, or that it ends."""
_KINDS = frozenset(range(1, 16))
_CONTROL = frozenset({SEGMENT, RELEASE, FORGET})

SMALL = 1 << 16
"""Bytes up to which a frame is read and written as one piece."""
COPIED = 1 << 14
"""Bytes up to which an array is copied before it is sent: that costs less than to keep track of where it lies."""
# As enumerations of Python they would cost a microsecond at each use.
_CLOEXEC, _TRUNCATED = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0)), int(socket.MSG_CTRUNC)


@dataclass(frozen=True)
class Limits:
    """What a receiver accepts and a sender keeps to.

    Attributes:
        header: bytes of a header at most.
        buffers: buffers in one frame at most.
        total: bytes of all buffers of a frame at most. Memory for them is reserved when the frame begins and only
            used as bytes arrive.
        descriptors: file descriptors that may arrive before the frame that they belong to; as many as a sender passes
            along with one message.
        segments: segments of shared memory that are held at one time, and so descriptors.
        mapped: bytes of these segments.
    """

    header: int = 16 << 20
    buffers: int = 1 << 16
    total: int = 16 << 30
    descriptors: int = 16
    segments: int = 128
    mapped: int = 64 << 30


LIMITS = Limits()


class Frame(NamedTuple):
    """One received frame.

    Attributes:
        kind: one of this module's constants.
        call: the id of the call that it belongs to; 0 if it concerns the connection.
        header: the header's bytes.
        buffers: writable memory, one per entry of the table: `bytearray` if small, else one-dimensional uint8 arrays.
        descriptors: file descriptors that came along; the receiver must close them.
    """

    kind: int
    call: int
    header: bytes
    buffers: Sequence[Any]
    descriptors: Sequence[int] = ()


Allocate = Callable[[int], Any]
"""Return a new uint8 array of so many bytes, or raise FrameError."""

Resolve = Callable[[int, int, int], Any]
"""Return a uint8 array for (segment, lease, bytes) of shared memory, or raise FrameError."""


class Shared(NamedTuple):
    """A buffer that was written to shared memory: its size in bytes, its segment and its lease."""

    nbytes: int
    segment: int
    lease: int


def frame_parts(
    kind: int, call: int, header: bytes = b"", buffers: Sequence[Any] = (), descriptors: int = 0
) -> list[bytes | memoryview]:
    """Return the frame's bytes as parts to send one after the other; small parts are joined, large ones are not copied.

    Args:
        kind: one of this module's constants.
        call: the call's id, 0 to 2**64 - 1.
        header: the header.
        buffers: `bytes`, C-contiguous arrays, or `Shared` for what lies in shared memory already.
        descriptors: how many file descriptors are passed along with the frame.
    """
    small = [PREFIX.pack(MAGIC, kind, descriptors, len(header), call, len(buffers))]
    if not buffers:
        return [small[0] + header]
    if is_one_piece(buffers):
        return [b"".join((small[0], ENTRY.pack(len(buffers[0]), 0, 0), header, buffers[0]))]
    inline: list[Any] = []
    for buffer in buffers:
        if type(buffer) is bytes:
            small.append(ENTRY.pack(len(buffer), 0, 0))
            inline.append(buffer)
        elif type(buffer) is Shared:
            small.append(ENTRY.pack(*buffer))
        else:
            small.append(ENTRY.pack(buffer.nbytes, 0, 0))
            # datetime64 and friends do not export their memory; bytes do.
            inline.append(memoryview(buffer.reshape(-1).view(np.uint8)))
    small.append(header)
    parts: list[bytes | memoryview] = []
    for piece in inline:
        if len(piece) <= SMALL:
            small.append(piece)
        else:
            parts += [b"".join(small), piece]
            small = []
    if small:
        parts.append(b"".join(small))
    return parts


def is_one_piece(buffers: Sequence[Any]) -> bool:
    """Return whether there is one buffer, and it goes with the rest of its frame: what most calls bring."""
    return len(buffers) == 1 and type(buffers[0]) is bytes and len(buffers[0]) <= SMALL


def unsent(parts: Sequence[bytes | memoryview], sent: int) -> list[bytes | memoryview]:
    """Return what is left of `parts` after their first `sent` bytes."""
    for index, part in enumerate(parts):
        if sent < len(part):
            rest: list[bytes | memoryview] = [memoryview(part)[sent:]] if sent else [part]
            rest.extend(parts[index + 1 :])
            return rest
        sent -= len(part)
    return []


def pass_descriptors(descriptors: Sequence[int]) -> list[tuple[int, int, array.array[int]]]:
    """Return the ancillary data for sendmsg that hands over the file descriptors."""
    if not descriptors:
        return []
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]


class _Partial:
    """A large frame of which some bytes are still to come."""

    __slots__ = ("buffers", "call", "descriptors", "header", "kind", "targets")

    def __init__(self, kind: int, call: int, header: bytes, buffers: list[Any], descriptors: list[int]) -> None:
        self.kind, self.call, self.header, self.buffers, self.descriptors = kind, call, header, buffers, descriptors
        self.targets: deque[memoryview] = deque()


class FrameReader:
    """Turns what a socket receives into frames. Not safe for use from several threads at a time.

    Args:
        resolve: finds buffers that lie in shared memory; `None` refuses them.
        control: takes the frames that concern shared memory and those with file descriptors, which it must close.
            Called in order, before a later frame's buffers are resolved. `None` refuses descriptors; else the socket
            must be an AF_UNIX one.
        limits: what to accept.
        allocate: gives memory for large buffers that come through the socket.

    Attributes:
        received: bytes that have come, all together.
        finished: frames that have come.
    """

    def __init__(
        self,
        resolve: Resolve | None = None,
        control: Callable[[Frame], None] | None = None,
        *,
        limits: Limits = LIMITS,
        allocate: Allocate | None = None,
    ) -> None:
        self._resolve, self._control, self._limits = resolve, control, limits
        self._allocate = allocate or _new_memory
        self.received = self.finished = 0
        self._passing = control is not None
        self._buffer = bytearray(SMALL)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._partial: _Partial | None = None
        self._descriptors: deque[int] = deque()
        self._ancillary = socket.CMSG_SPACE(4 * limits.descriptors) if self._passing else 0

    def receive(self, sock: socket.socket) -> list[Frame]:
        """Receive once and return the frames that are now complete, perhaps none.

        Raises:
            EOFError: the peer closed the connection.
            FrameError: what came is no frame; the connection cannot be used any more.
            OSError: as recv.
        """
        into: list[memoryview] = [self._view[self._end :]]
        if self._partial is not None:
            # Straight into the arrays; what follows them goes to the common buffer in the same call.
            into = [*list(self._partial.targets)[:64], self._view[self._end :]]
            if len(self._partial.targets) > 64:
                into.pop()
        if self._passing:
            count, ancillary, flags, _ = sock.recvmsg_into(into, self._ancillary, _CLOEXEC)
            if ancillary:
                self._take_descriptors(ancillary)
            if flags & _TRUNCATED:
                raise _malformed("more file descriptors than are allowed came at once")
        elif len(into) == 1:
            count = sock.recv_into(into[0])
        else:
            count, *_ = sock.recvmsg_into(into)
        if not count:
            raise EOFError
        self.received += count
        return self._received(count)

    @property
    def unfinished(self) -> bool:
        """Whether a frame has come in part, or descriptors without theirs."""
        return self._partial is not None or self._end > self._start or bool(self._descriptors)

    def close(self) -> None:
        """Close the file descriptors that belong to no frame yet."""
        while self._descriptors:
            os.close(self._descriptors.popleft())
        if self._partial is not None:
            for descriptor in self._partial.descriptors:
                os.close(descriptor)
            self._partial = None

    def let_go(self) -> None:
        """Let go of the bytes that have come; nothing more is received. Only in the thread that receives."""
        self._buffer = bytearray()
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def _take_descriptors(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
                self._descriptors.extend(numbers)
        if len(self._descriptors) > self._limits.descriptors:
            raise _malformed("more file descriptors than are allowed came without their frames")

    def _received(self, count: int) -> list[Frame]:
        frames: list[Frame] = []
        partial = self._partial
        if partial is not None:
            targets = partial.targets
            while targets and count >= len(targets[0]):
                count -= len(targets.popleft())
            if targets:
                # Cannot be negative: recv stops in this target only if it did not fill it.
                targets[0] = targets[0][count:]
                return frames
            self._partial = None
            self._deliver(self._finish(partial), frames)
        self._end += count
        while self._start < self._end and self._partial is None and (frame := self._next()) is not None:
            self._deliver(frame, frames)
        self._make_room()
        return frames

    def _deliver(self, frame: Frame, frames: list[Frame]) -> None:
        self.finished += 1
        if self._control is not None and (frame.kind in _CONTROL or frame.descriptors):
            self._control(frame)
        else:
            frames.append(frame)

    def _next(self) -> Frame | None:
        start, available = self._start, self._end - self._start
        if available < PREFIX.size:
            if not MAGIC.startswith(self._buffer[start : min(self._end, start + 2)]):
                # Whoever speaks another protocol may wait for an answer now.
                raise _malformed(f"a frame begins with {bytes(self._buffer[start : self._end])!r}")
            return None
        magic, kind, passed, header_size, call, entries = PREFIX.unpack_from(self._buffer, start)
        if magic != MAGIC or kind not in _KINDS:
            raise _malformed(f"a frame begins with {bytes(self._buffer[start : start + 3])!r}")
        limits = self._limits
        if header_size > limits.header or entries > limits.buffers:
            raise _malformed(f"a frame claims a header of {header_size} bytes and {entries} buffers")
        offset = PREFIX.size + entries * ENTRY.size
        body = offset + header_size
        if available < body:
            return None
        if not entries and not passed:
            self._start = start + body
            return Frame(kind, call, bytes(self._view[start + offset : start + body]), ())
        table = list(ENTRY.iter_unpack(self._view[start + PREFIX.size : start + offset]))
        inline = total = 0
        shared = False
        for nbytes, segment, _lease in table:
            total += nbytes
            if segment:
                shared = True
            else:
                inline += nbytes
        if total > limits.total:
            raise _malformed(f"a frame claims {total} bytes of buffers")
        if passed > len(self._descriptors):
            raise _malformed(f"a frame claims {passed} file descriptors and {len(self._descriptors)} came")
        if available < body + inline <= SMALL:
            return None
        header = bytes(self._view[start + offset : start + body])
        if not passed and not shared and available >= body + inline and inline <= SMALL:
            return self._small(kind, call, header, table, start + body)
        descriptors = [self._descriptors.popleft() for _ in range(passed)]
        partial = _Partial(kind, call, header, [], descriptors)
        position = start + body
        try:
            for nbytes, segment, lease in table:
                position = self._add_buffer(partial, nbytes, segment, lease, position)
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        self._start = position
        if partial.targets:
            self._partial = partial
            return None
        return self._finish(partial)

    def _small(self, kind: int, call: int, header: bytes, table: list[tuple[int, ...]], position: int) -> Frame:
        buffers = []
        for nbytes, *_ in table:
            buffers.append(self._buffer[position : position + nbytes])
            position += nbytes
        self._start = position
        return Frame(kind, call, header, buffers)

    def _add_buffer(self, partial: _Partial, nbytes: int, segment: int, lease: int, position: int) -> int:
        if segment:
            if self._resolve is None:
                raise _malformed("a frame refers to shared memory, which this connection does not use")
            partial.buffers.append(self._resolve(segment, lease, nbytes))
            return position
        here = min(nbytes, self._end - position)
        if here == nbytes <= SMALL:
            partial.buffers.append(self._buffer[position : position + nbytes])
            return position + nbytes
        memory = self._allocate(nbytes)
        partial.buffers.append(memory)
        target = memoryview(memory)
        if here:
            target[:here] = self._view[position : position + here]
        if here < nbytes:
            partial.targets.append(target[here:])
        return position + here

    def _finish(self, partial: _Partial) -> Frame:
        return Frame(partial.kind, partial.call, partial.header, partial.buffers, partial.descriptors)

    def _make_room(self) -> None:
        size = self._end - self._start
        if not size:
            self._start = self._end = 0
            if len(self._buffer) > SMALL:
                self._replace(SMALL)
        elif self._end == len(self._buffer) or self._start:
            # Doubles only when it is full of bytes that did arrive, so a claimed size alone allocates nothing.
            self._replace(len(self._buffer) * 2 if size == len(self._buffer) else len(self._buffer))

    def _replace(self, capacity: int) -> None:
        size = self._end - self._start
        kept = bytes(self._view[self._start : self._end])
        if capacity != len(self._buffer):
            self._view.release()
            self._buffer = bytearray(capacity)
            self._view = memoryview(self._buffer)
        self._buffer[:size] = kept
        self._start, self._end = 0, size


def _new_memory(nbytes: int) -> Any:
    try:
        return np.empty(nbytes, np.uint8)
    except MemoryError as error:
        raise FrameError(f"There is no memory for a buffer of {nbytes} bytes that a peer sends") from error


def _malformed(what: str) -> FrameError:
    return FrameError(
        f"The connection is closed, because {what}",
        why="The peer does not speak this protocol, or the stream is damaged",
        fix="Connect only Tiffin's own runners, workers and clients, of the same version",
    )
