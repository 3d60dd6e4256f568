"""Shared memory: leases end with their views, pools keep to their limits, and nothing can end in SIGBUS or be left over."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inside.wire import IDLE, THRESHOLD, SegmentMap, Shared, create_segment
from tiffin.exceptions import FrameError
from tiffin.wire import RESULT, Channel, SegmentPool, decode_value, encode_value

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memfd")

MIB = 1 << 20


class Pair:
    """A pool and the map of its segments, joined without a socket."""

    def __init__(self, limit: int = 64 * MIB, **options: object) -> None:
        self.pool = SegmentPool(limit, **options)  # type: ignore[arg-type]
        self.map = SegmentMap(self.pool.release)

    def lend(self, array: np.ndarray) -> np.ndarray | None:
        placed = self.pool.place(array)
        if placed is None:
            return None
        shared, descriptor, gone = placed
        for segment in gone:
            self.map.forget(segment)
        if descriptor is not None:
            self.map.add(shared.segment, descriptor)
        return self.map.view(shared.segment, shared.lease, shared.nbytes)


def mapped() -> int:
    """Return how many mappings of segments this process has."""
    gc.collect()
    return Path("/proc/self/maps").read_text().count("/memfd:tiffin")


def test_a_lease_lasts_as_long_as_anything_made_of_its_view():
    """Slices, other dtypes, reshaped arrays and memoryviews keep the memory; when the last goes, it is free."""
    pair = Pair()
    array = np.arange(MIB, dtype=np.float64)
    view = pair.lend(array)
    derived = [view.view(np.float64)[5:], view.reshape(2, -1).T, memoryview(view)[3:], np.frombuffer(view, np.uint8)]
    del view
    assert pair.pool.leased == 1
    assert derived[0][0] == 5
    while derived:
        assert pair.pool.leased == 1
        derived.pop()
    assert pair.pool.leased == 0


def test_free_segments_are_used_again():
    """A thousand arrays, one after the other, need one segment."""
    pair = Pair()
    array = np.zeros(MIB, np.uint8)
    for number in range(1000):
        array[0] = number % 256
        assert pair.lend(array)[0] == number % 256
    assert pair.pool.size == MIB


def test_leased_memory_is_never_overwritten():
    """While a view lives, later arrays go elsewhere."""
    pair = Pair()
    views = [pair.lend(np.full(MIB, number, np.uint8)) for number in range(8)]
    assert [set(view.tolist()) for view in views] == [{number} for number in range(8)]


def test_arrays_of_any_layout_arrive_in_c_order():
    """What is not contiguous is copied once, straight into the segment."""
    pair = Pair()
    array = np.arange(MIB, dtype=np.int32).reshape(1024, -1)[::2, ::-3].T
    view = pair.lend(array).view(np.int32).reshape(array.shape)
    assert (view == array).all()


def test_a_pool_keeps_to_its_limit():
    """Beyond the limit nothing is placed, free segments make way for other sizes, and the peer hears which are gone."""
    pair = Pair(4 * MIB)
    assert pair.lend(np.zeros(5 * MIB, np.uint8)) is None
    held = [pair.lend(np.zeros(MIB, np.uint8)) for _ in range(4)]
    assert pair.lend(np.zeros(MIB, np.uint8)) is None
    del held[1:]
    gc.collect()
    large = pair.lend(np.zeros(3 * MIB, np.uint8))
    assert large is not None
    assert pair.pool.size <= 4 * MIB
    del large, held


def test_unused_segments_are_given_back():
    """What nothing needed for a minute goes back to the system with the next large array."""
    now = 0.0
    pair = Pair(clock=lambda: now)
    views = [pair.lend(np.zeros(MIB, np.uint8)) for _ in range(5)]
    views.clear()
    assert pair.pool.size == 5 * MIB
    now = IDLE + 1
    pair.lend(np.zeros(MIB, np.uint8))
    assert pair.pool.size == MIB


def test_views_outlive_their_owner():
    """When the owner goes, its memory stays for the views that exist, and goes with them."""
    before = mapped()
    pair = Pair()
    view = pair.lend(np.full(MIB, 7, np.uint8))
    pair.pool.close()
    pair.map.close()
    assert pair.pool.size == 0
    assert (view == 7).all()
    view += 1
    del view, pair
    assert mapped() == before


def test_a_closed_pool_places_nothing():
    """After closing, arrays go through the socket, and late leases are passed over."""
    pair = Pair()
    view = pair.lend(np.zeros(MIB, np.uint8))
    pair.pool.close()
    del view
    assert pair.lend(np.zeros(MIB, np.uint8)) is None


@pytest.mark.parametrize(
    "flaw",
    ["may shrink", "cannot be sealed", "is an unlinked file", "has huge pages", "is sparse", "is empty", "is a pipe"],
)
def test_memory_that_could_vanish_is_not_mapped(flaw):
    """A segment that can shrink, or whose pages are not reserved, is refused: touching it could end the process."""
    if flaw == "is a pipe":
        descriptor, other = os.pipe()
        os.close(other)
    elif flaw == "is an unlinked file":
        descriptor = os.open("/tmp", os.O_TMPFILE | os.O_RDWR)
        os.posix_fallocate(descriptor, 0, MIB)
    elif flaw == "cannot be sealed":
        descriptor = os.memfd_create("test", 0)
        os.posix_fallocate(descriptor, 0, MIB)
    elif flaw == "has huge pages":
        descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING | os.MFD_HUGETLB | os.MFD_HUGE_2MB)
        os.ftruncate(descriptor, 2 * MIB)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    else:
        descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
        if flaw == "may shrink":
            os.posix_fallocate(descriptor, 0, MIB)
        elif flaw == "is sparse":
            os.ftruncate(descriptor, MIB)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    with pytest.raises(FrameError):
        SegmentMap(lambda lease: None).add(1, descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_segment_cannot_shrink():
    """The size of what is handed over is sealed."""
    descriptor = create_segment(MIB)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def test_frames_cannot_reach_beyond_a_segment():
    """A frame that claims more bytes than its segment has, or another segment, is refused."""
    pool = SegmentPool(MIB)
    segments = SegmentMap(pool.release)
    shared, descriptor, _ = pool.place(np.zeros(MIB // 2, np.uint8))
    segments.add(shared.segment, descriptor)
    for number, size in ((shared.segment, MIB), (shared.segment + 1, 1)):
        with pytest.raises(FrameError):
            segments.view(number, shared.lease, size)


@pytest.fixture
def channels() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = socket.socketpair()
    one, other = Channel(ours), Channel(theirs)
    yield one, other
    one.close()
    other.close()


def send_through(one: Channel, other: Channel, array: np.ndarray) -> np.ndarray:
    """Send an array from one channel to the other; small enough for the socket's buffer, or in shared memory."""
    one.send(RESULT, 1, *encode_value(array))
    frame = other.receive()
    return decode_value(frame.header, frame.buffers)


def test_large_arrays_go_through_shared_memory_and_small_ones_do_not(channels):
    """From the threshold on an array's bytes do not pass through the socket."""
    before = mapped()
    small = send_through(*channels, np.zeros(1000))
    assert mapped() == before
    large = send_through(*channels, np.arange(THRESHOLD / 8))
    assert mapped() == before + 2
    assert large[-1] == THRESHOLD / 8 - 1
    assert small.flags.writeable
    assert large.flags.writeable


def test_the_owner_hears_of_the_end_of_a_lease(channels):
    """When a view dies the owner may use the memory again, without any other traffic: the next array needs no more."""
    one, other = channels
    for _ in range(20):
        result = send_through(one, other, np.zeros(THRESHOLD))
        del result
        one.poll()
        # The release is on its way already; the owner reads it before it looks for room.
        one._waiting.extend(one._link.receive(one._sock))
    assert one._link._pool.size <= 2 * THRESHOLD * 8


def without_memory(size: int) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_memory_arrays_go_through_the_socket(channels, monkeypatch):
    """When no segment can be made, the array still arrives."""
    one, other = channels
    monkeypatch.setattr(one._link._pool, "_create", without_memory)
    import threading

    array = np.arange(THRESHOLD)
    sender = threading.Thread(target=one.send, args=(RESULT, 1, *encode_value(array)))
    sender.start()
    frame = other.receive()
    sender.join()
    assert (decode_value(frame.header, frame.buffers) == array).all()
    assert one._link._pool.size == 0


def test_without_sealed_memory_arrays_go_through_the_socket(monkeypatch):
    """On a system that cannot seal a file's size nobody is offered one that may shrink."""
    monkeypatch.delattr(os, "memfd_create")
    assert Pair().lend(np.zeros(MIB, np.uint8)) is None


def test_shared_is_three_plain_numbers():
    """What a frame holds in place of the bytes."""
    assert Shared(1, 2, 3) == (1, 2, 3)
