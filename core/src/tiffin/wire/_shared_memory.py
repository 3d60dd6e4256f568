"""Shared memory for large arrays between processes that hold the two ends of a socket.

Each side owns a pool of segments that it alone writes to. A segment is an anonymous file (memfd) whose descriptor is
handed to the peer over the socket: it has no name, so nothing is left behind however either process ends. An array is
copied into a free segment and travels as a lease; the receiver gets a view onto the segment, and gives the lease back
when the view and everything derived from it are gone. Memory is reserved before a segment is used and its size is
sealed, so neither side can be struck by SIGBUS; from a peer, nothing else is taken. When there is no memory, or the pool
is at its limit, or the system has no sealed memory, the array goes through the socket.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from tiffin.exceptions import FrameError
from tiffin.wire._frames import LIMITS, Limits, Shared

THRESHOLD = 128 << 10
"""Bytes from which on an array goes through shared memory; below, the socket is as fast, and above it soon takes twice as
long (`benchmarks/process.py --crossover`)."""
IDLE = 60.0
"""Seconds after which a free segment that nothing needed is given back to the system."""
_STEP = 64 << 10


def default_limit() -> int:
    """Return how many bytes one pool may hold: a sixteenth of the machine's memory, at most 1 GiB."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(memory // 16, 1 << 30)


def create_segment(size: int) -> int:
    """Return the descriptor of a new anonymous file with `size` bytes of reserved memory, its size sealed.

    Raises:
        OSError: there is no memory for it, or the system has no such files.
    """
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, "This system has no memory whose size can be sealed")
    descriptor = os.memfd_create("tiffin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        # Reserves; a sparse file would raise SIGBUS in whoever writes the page that memory has run out for.
        os.posix_fallocate(descriptor, 0, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class Allowance:
    """Bytes that several holders may have together. `take` is for one thread at a time, `give_back` for any, at any moment.

    Args:
        limit: the bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        # No lock: the garbage collector may call in the middle of `take`.
        self._returned: deque[int] = deque()

    @property
    def taken(self) -> int:
        """Bytes that are held now."""
        while self._returned:
            self._taken -= self._returned.popleft()
        return self._taken

    def take(self, size: int) -> bool:
        """Take so many bytes; return whether they are there."""
        if self.taken + size > self.limit:
            return False
        self._taken += size
        return True

    def give_back(self, size: int) -> None:
        """Give back bytes that were taken."""
        self._returned.append(size)


class Lent(np.ndarray[Any, Any]):
    """Bytes in memory of a peer that is not believed: it may change them at any moment.

    So nothing that they decide could be relied on: not an index, a mask, a length or a text that was checked. Only
    floating-point numbers are taken from there.
    """


def decides_nothing(dtype: np.dtype[Any]) -> bool:
    """Tell whether compiled code follows no values of a dtype: no places, lengths or truths, but floating-point numbers."""
    return dtype.kind in "fc"


class _Segment:
    __slots__ = ("descriptor", "id", "lease", "memory", "size", "used")

    def __init__(self, number: int, size: int, descriptor: int, memory: mmap.mmap) -> None:
        self.id, self.size, self.memory = number, size, memory
        self.descriptor: int | None = descriptor
        self.lease = 0
        self.used = 0.0


class SegmentPool:
    """The segments that this side of a connection owns and writes to. Safe to use from several threads.

    Args:
        limit: bytes that the pool holds at most, free or leased.
        segments: segments that it holds at most; each takes a file descriptor.
        allowance: what it shares with other pools, all of them used by one thread; `None` for nothing.
        create: makes a segment, as `create_segment`.
        clock: the time in seconds, monotonic.
    """

    def __init__(
        self,
        limit: int | None = None,
        *,
        segments: int = LIMITS.segments,
        allowance: Allowance | None = None,
        create: Callable[[int], int] = create_segment,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = default_limit() if limit is None else limit
        self._segments, self._allowance = segments, allowance
        self._create, self._clock = create, clock
        self._lock = threading.Lock()
        self._free: list[_Segment] = []
        self._leased: dict[int, _Segment] = {}
        self._size = self._count = 0
        self._numbers = 0
        self._leases = 0
        self._closed = False

    @property
    def size(self) -> int:
        """Bytes that the pool holds."""
        return self._size

    @property
    def leased(self) -> int:
        """How many segments the peer holds leases on."""
        return len(self._leased)

    def restrict(self, limit: int, segments: int) -> None:
        """Keep to lower limits from now on: those of the peer."""
        self._limit, self._segments = min(self._limit, limit), min(self._segments, segments)

    def place(self, array: np.ndarray[Any, Any]) -> tuple[Shared, int | None, list[int]] | None:
        """Copy an array into a segment and lease it to the peer.

        Args:
            array: an array of a plain dtype, in any layout; its elements are written in C order.

        Returns:
            The lease; a descriptor of the segment for the peer if it has not got one, to be closed once it is sent;
            and the ids of segments that are no more, for the peer to forget. `None` if there is no room: send it
            otherwise.
        """
        size = -(-max(array.nbytes, 1) // _STEP) * _STEP
        with self._lock:
            gone = self._trim()
            segment = self._take(size, gone)
            if segment is None:
                return None
            self._leases += 1
            segment.lease = self._leases
            self._leased[segment.lease] = segment
            # The mapping stays; the descriptor is of no more use here.
            descriptor, segment.descriptor = segment.descriptor, None
            into = np.ndarray(array.shape, array.dtype, segment.memory)
        # Outside the lock: it takes milliseconds, and the segment is this call's alone.
        np.copyto(into, array)
        return Shared(array.nbytes, segment.id, segment.lease), descriptor, gone

    def release(self, lease: int) -> None:
        """Take back a lease that the peer has ended; unknown ones are passed over."""
        with self._lock:
            segment = self._leased.pop(lease, None)
            if segment is not None:
                segment.used = self._clock()
                self._free.append(segment)

    def close(self) -> None:
        """Free everything, leased or not: the peer is gone, or keeps mappings of its own. Repeatable."""
        with self._lock:
            self._closed = True
            for segment in [*self._free, *self._leased.values()]:
                self._discard(segment)
            self._free.clear()
            self._leased.clear()

    def _take(self, size: int, gone: list[int]) -> _Segment | None:
        fitting = [segment for segment in self._free if size <= segment.size <= 2 * size]
        if fitting:
            best = min(fitting, key=lambda segment: segment.size)
            self._free.remove(best)
            return best
        if self._closed or size > self._limit:
            return None
        # Oldest first: what was used last is likely to be needed again.
        while self._free and self._is_full(size):
            gone.append(self._discard(self._free.pop(0)))
        if self._is_full(size) or (self._allowance is not None and not self._allowance.take(size)):
            return None
        segment = self._make(size)
        if segment is None and self._allowance is not None:
            self._allowance.give_back(size)
        return segment

    def _is_full(self, size: int) -> bool:
        return self._size + size > self._limit or self._count >= self._segments

    def _make(self, size: int) -> _Segment | None:
        try:
            descriptor = self._create(size)
        except OSError:
            return None
        try:
            memory = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
        except (OSError, ValueError):
            os.close(descriptor)
            return None
        self._numbers += 1
        self._count += 1
        self._size += size
        return _Segment(self._numbers, size, descriptor, memory)

    def _trim(self) -> list[int]:
        old = self._clock() - IDLE
        gone = []
        while self._free and self._free[0].used < old:
            gone.append(self._discard(self._free.pop(0)))
        return gone

    def _discard(self, segment: _Segment) -> int:
        # The mapping ends with the last reference: another thread may be copying into it while the pool closes, and
        # closing it would not stop at that (numpy does not hold on to the buffers of its arrays).
        self._size -= segment.size
        self._count -= 1
        if self._allowance is not None:
            self._allowance.give_back(segment.size)
        if segment.descriptor is not None:
            os.close(segment.descriptor)
        return segment.id


class SegmentMap:
    """The peer's segments, as this side sees them. Safe to use from several threads.

    Args:
        release: called with a lease's number when its view is gone: from any thread, at any moment, by the garbage
            collector too. Must not block.
        limits: bytes to map at most, and segments.
        believed: whether the peer changes nothing while it is lent; otherwise the views are `Lent`.
    """

    def __init__(self, release: Callable[[int], None], limits: Limits = LIMITS, *, believed: bool = True) -> None:
        self._release, self._limits = release, limits
        self._view: type[np.ndarray[Any, Any]] = np.ndarray if believed else Lent
        self._segments: dict[int, mmap.mmap] = {}
        self._size = 0

    def add(self, segment: int, descriptor: int) -> None:
        """Map a segment. Closes the descriptor.

        Raises:
            FrameError: it is not memory that can be relied on.
        """
        try:
            size = _reliable_size(descriptor)
            limits, count = self._limits, len(self._segments)
            if segment in self._segments or count >= limits.segments or self._size + size > limits.mapped:
                raise FrameError(
                    f"A peer offers segment {segment} of {size} bytes twice, or beyond the limit",
                    why=f"{count} segments of {self._size} bytes are here; {limits.segments} of {limits.mapped} may be",
                )
            memory = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
        except (OSError, ValueError) as error:
            raise FrameError(f"A peer's shared memory cannot be mapped: {error}") from error
        finally:
            os.close(descriptor)
        self._segments[segment] = memory
        self._size += size

    def view(self, segment: int, lease: int, nbytes: int) -> np.ndarray[Any, Any]:
        """Return the leased bytes as a writable uint8 array; the lease ends with it and all arrays derived from it.

        Raises:
            FrameError: there is no such segment, or it is smaller.
        """
        memory = self._segments.get(segment)
        if memory is None or nbytes > len(memory):
            raise FrameError(f"A frame refers to {nbytes} bytes of the shared segment {segment}, which has not come")
        # Its base is the mapping, not an array: so numpy gives every array derived from it this one as a base.
        view: np.ndarray[Any, Any] = self._view((nbytes,), np.uint8, memory)
        weakref.finalize(view, self._release, lease).atexit = False
        return view

    def forget(self, segment: int) -> None:
        """Drop a segment that its owner has freed. Views of it stay valid."""
        memory = self._segments.pop(segment, None)
        if memory is not None:
            # Not closed: that would take the memory from under the views. It ends with the last of them.
            self._size -= len(memory)

    def close(self) -> None:
        """Drop every segment. Views stay valid."""
        for segment in list(self._segments):
            self.forget(segment)


def _reliable_size(descriptor: int) -> int:
    """Return the size of a segment whose pages all exist and stay; otherwise touching it could end this process."""
    status = os.fstat(descriptor)
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except (OSError, AttributeError):
        seals = 0
    if not stat.S_ISREG(status.st_mode) or not seals & fcntl.F_SEAL_SHRINK:
        raise FrameError("A peer passed a descriptor of memory that could shrink under this process")
    # Pages of other sizes come from a reserve of their own: one that was given back may not come again.
    ordinary = os.fstatvfs(descriptor).f_bsize == mmap.PAGESIZE
    if not ordinary or not status.st_size or status.st_blocks * 512 < status.st_size:
        raise FrameError(f"A peer's shared memory of {status.st_size} bytes is not reserved")
    return status.st_size
