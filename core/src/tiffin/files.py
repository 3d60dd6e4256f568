"""Files: digests, syncing, a ledger of what was already hashed while it was written, and whose permission is missing.

Whoever writes a large file can hash it on the way; the ledger carries the digest to the store, which then need not read
the file again. An entry counts only while the file's size, mtime and inode are those that were recorded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tiffin.exceptions import StoreError

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
            path: an existing file that the caller has finished writing and closed.
            sha256: the content's digest, 64 hexadecimal digits.
            synced: whether the caller has already synced the content to disk.
        """
        status = os.stat(path)
        self._entries[os.fspath(path)] = (_state(status), WrittenFile(status.st_size, sha256, synced))

    def lookup(self, path: str | os.PathLike[str]) -> WrittenFile | None:
        """Return what was recorded of `path`, or `None` if nothing was or the file has changed since."""
        entry = self._entries.get(os.fspath(path))
        if entry is None or entry[0] != _state(os.stat(path)):
            return None
        return entry[1]


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


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
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(min(CHUNK, os.fstat(file.fileno()).st_size + 1))
        view = memoryview(buffer)
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


def denial(error: OSError) -> tuple[str, str]:
    """Return whose permission a refusal is about, as a sentence, and who could give it; empty where that cannot be told."""
    for named in (error.filename, error.filename2):
        if not isinstance(named, (str, bytes)):
            continue
        path = Path(os.path.abspath(os.fsdecode(named)))
        for place in (path, *path.parents):
            try:
                status = os.stat(place)
            except OSError:  # not there, or behind what refuses
                continue
            is_folder = stat.S_ISDIR(status.st_mode)
            if not os.access(place, os.R_OK | os.W_OK | os.X_OK if is_folder else os.R_OK):
                owner = _owner(status)
                mode = f"{stat.S_IMODE(status.st_mode):04o}"
                return f"{place} belongs to {owner} and the group {_group(status)}, with permissions {mode}", owner
    return "", ""


def _owner(status: os.stat_result) -> str:
    """Return the name of a file's owner, or the number where there is no name."""
    import pwd

    try:
        return pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return f"user {status.st_uid}"


def _group(status: os.stat_result) -> str:
    import grp

    try:
        return grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        return str(status.st_gid)


def unreadable(what: str, error: OSError, path: str) -> StoreError:
    """Return the error for something in a store that may not be read.

    Args:
        what: what it is, with its name, as the beginning of a sentence.
        error: the refusal.
        path: where it is.
    """
    whose, owner = denial(error)
    return StoreError(
        f"{what} may not be read ({error.strerror})",
        why=whose,
        fix=f"Ask {owner or 'its owner'} to let you read it",
        path=path,
    )
