"""Files: digests, syncing, and a ledger of what was already hashed while it was written.

Whoever writes a large file can hash it on the way; the ledger carries the digest to the store, which then need not read
the file again. An entry counts only while the file's size, mtime and inode are those that were recorded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

# linux/fs.h: begin to write the pages that are dirty and not yet on their way.
_SYNC_FILE_RANGE_WRITE = 2

CHUNK = 1 << 20
"""Bytes that are read or written at a time, where a file is streamed."""


class WrittenFile(NamedTuple):
    """What is known of a file's content: size in bytes, sha256 as hex, and whether it was synced to disk."""

    size: int
    sha256: str
    synced: bool


class WriteLedger:
    """Digests of files that were hashed while they were written. Safe to use from several threads."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[tuple[int, int, int], WrittenFile]] = {}

    def record(self, path: str | os.PathLike[str], sha256: str, *, synced: bool = False) -> None:
        """Record that `path`, as it lies on disk now, has this digest.

        Args:
            path: An existing file that the caller has finished writing and closed.
            sha256: The content's digest, 64 hexadecimal digits.
            synced: Whether the caller has already synced the content to disk.
        """
        stat = os.stat(path)
        self._entries[os.fspath(path)] = (_state(stat), WrittenFile(stat.st_size, sha256, synced))

    def lookup(self, path: str | os.PathLike[str]) -> WrittenFile | None:
        """Return what was recorded of `path`, or `None` if nothing was or the file has changed since."""
        entry = self._entries.get(os.fspath(path))
        if entry is None or entry[0] != _state(os.stat(path)):
            return None
        return entry[1]


def _state(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


_current: ContextVar[WriteLedger | None] = ContextVar("tiffin_write_ledger", default=None)


@contextlib.contextmanager
def collecting() -> Iterator[WriteLedger]:
    """Collect, within the block and in this context, what writers record with `record_written`."""
    ledger = WriteLedger()
    token = _current.set(ledger)
    try:
        yield ledger
    finally:
        _current.reset(token)


def record_written(path: str | os.PathLike[str], sha256: str, *, synced: bool = False) -> None:
    """Tell the store that `path` was hashed while it was written, so that it is not read once more.

    Does nothing outside of a save. What is recorded counts only while the file's size, mtime and inode stay as they are.

    Args:
        path: the file, complete and closed.
        sha256: the digest of its content, in hexadecimal digits.
        synced: whether its content was synced to disk as well.
    """
    ledger = _current.get()
    if ledger is not None:
        ledger.record(path, sha256, synced=synced)


def digest_file(path: str | os.PathLike[str]) -> WrittenFile:
    """Read the file at `path` and return its size and sha256."""
    digest = hashlib.sha256()
    size = 0
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    with Path(path).open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
            size += count
    return WrittenFile(size, digest.hexdigest(), False)


def sync_file(path: str | os.PathLike[str]) -> None:
    """Make the content of the file, or the entries of the folder, at `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def start_writeback(descriptor: int, offset: int, length: int) -> None:
    """Begin to write `length` bytes at `offset` to disk, where the system can be told to.

    A later fsync then has less to wait for. Promises nothing, and reports no error: the fsync does both.
    """
    function = _sync_file_range()
    if function is not None:
        function(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)


@lru_cache(maxsize=1)
def _sync_file_range() -> Any:
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        function = ctypes.CDLL(None).sync_file_range
    except (ImportError, OSError, AttributeError):  # Python without ctypes, or another C library than glibc's
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function
