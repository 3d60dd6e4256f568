"""Writing files that are hashed on the way, on two threads, with their write-back begun early."""

from __future__ import annotations

import hashlib
import mmap
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tiffin.files import start_writeback, sync_file
from tiffin.pickling._pickler import Content

PIECE = 256 << 10
"""Bytes that are copied, written and hashed at a time; they stay in the processor's cache from one to the next."""

WRITEBACK = 8 << 20
"""Bytes after which the system is told to write them to disk, so that little is left to wait for at the end."""

_WORTH_WRITING_BACK = 1 << 20
# From this size on, a file that outweighs all others together is worth a thread for its hash alone.
_WORTH_A_THREAD = 4 << 20
_PIECES_IN_FLIGHT = 4


class HashedFile:
    """A new file that is hashed while it is written.

    What is written is first copied, piece by piece, and both the file and the hash take the copy. If another thread
    changes the array meanwhile, the digest is still that of the file; a wrong one would, in a store that shares files
    by their digests, damage other models.

    Args:
        path: the file; must not exist.
        created: where the file is noted once it exists, so that whoever fails knows what to remove.

    Raises:
        FileExistsError: it exists.
    """

    def __init__(self, path: Path, created: list[Path]) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._written_back = 0
        self._filled = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
        created.append(path)
        self._buffer = self._next_buffer()

    def write(self, data: Any, /) -> int:
        """Append `data`, an object with the buffer protocol, C-contiguous; return its length in bytes."""
        with memoryview(data) as given, given.cast("B") as view:
            done, size = 0, len(view)
            while done < size:
                count = min(PIECE - self._filled, size - done)
                self._buffer[self._filled : self._filled + count] = view[done : done + count]
                done += count
                self._filled += count
                if self._filled == PIECE:
                    self._flush()
        return size

    def close(self) -> str:
        """Write what is left, close the file, and return its sha256 as hex. The content is not synced yet."""
        try:
            self._flush()
            if self.size >= _WORTH_WRITING_BACK:
                start_writeback(self._descriptor, self._written_back, self.size - self._written_back)
        finally:
            os.close(self._descriptor)
        return self._digest.hexdigest()

    def abandon(self) -> None:
        """Close the file as it is, after an error."""
        os.close(self._descriptor)

    def _flush(self) -> None:
        if not self._filled:
            return
        view = self._buffer[: self._filled]
        written = 0
        while written < self._filled:
            written += os.write(self._descriptor, view[written:])
        self.size += self._filled
        self._filled = 0
        if self.size - self._written_back >= WRITEBACK:
            start_writeback(self._descriptor, self._written_back, self.size - self._written_back)
            self._written_back = self.size
        self._hash(view)

    def _hash(self, view: memoryview) -> None:
        self._digest.update(view)

    def _next_buffer(self) -> memoryview:
        # A bytearray would be filled with zeros, which takes longer than to write a small model.
        return memoryview(mmap.mmap(-1, PIECE))


class _HashedAside(HashedFile):
    """A file whose hash is computed by a thread of its own, which takes longer than to write it."""

    def __init__(self, path: Path, created: list[Path]) -> None:
        self._full: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        for _ in range(_PIECES_IN_FLIGHT):
            self._free.put(memoryview(mmap.mmap(-1, PIECE)))
        super().__init__(path, created)
        self._thread = threading.Thread(target=self._hash_all, name="tiffin-hash")
        self._thread.start()

    def close(self) -> str:
        try:
            super().close()
        finally:
            self._full.put(None)
            self._thread.join()
        return self._digest.hexdigest()

    def abandon(self) -> None:
        super().abandon()
        self._full.put(None)
        self._thread.join()

    def _hash(self, view: memoryview) -> None:
        self._full.put(view)
        self._buffer = self._free.get()

    def _next_buffer(self) -> memoryview:
        return self._free.get()

    def _hash_all(self) -> None:
        while (view := self._full.get()) is not None:
            self._digest.update(view)
            self._free.put(memoryview(view.obj))


def write_files(contents: dict[Path, Content], created: list[Path]) -> dict[Path, str]:
    """Write new files and return their sha256 digests as hex. They are not synced yet.

    Two threads share the work, of which the calling one is one. A file that outweighs all others together is written by
    one and hashed by the other.

    Args:
        contents: for each file, what it shall hold.
        created: where each file is noted once it exists.
    """
    waiting = sorted(contents, key=lambda path: contents[path].size, reverse=True)
    left = sum(content.size for content in contents.values())
    digests: dict[Path, str] = {}
    while waiting and (size := contents[waiting[0]].size) > _WORTH_A_THREAD and 2 * size > left:
        path = waiting.pop(0)
        digests[path] = _write_file(_HashedAside(path, created), contents[path].pieces)
        left -= size

    def write(path: Path) -> None:
        digests[path] = _write_file(HashedFile(path, created), contents[path].pieces)

    on_two_threads(write, waiting)
    return digests


def _write_file(file: HashedFile, pieces: Iterable[Any]) -> str:
    try:
        for piece in pieces:
            file.write(piece)
    except BaseException:
        file.abandon()
        raise
    return file.close()


def sync_files(paths: Iterable[Path]) -> None:
    """Make the contents of the files durable; two at a time."""
    on_two_threads(sync_file, list(paths))


def on_two_threads(work: Callable[[Path], None], paths: list[Path]) -> None:
    """Call `work` with each path, on this thread and a second one; after an error begin no more, and raise it."""
    if len(paths) < 2:
        for path in paths:
            work(path)
        return
    waiting: Iterator[Path] = iter(paths)
    lock = threading.Lock()
    errors: list[BaseException] = []

    def take_turns() -> None:
        while not errors:
            with lock:
                path = next(waiting, None)
            if path is None:
                return
            work(path)

    def help_out() -> None:
        try:
            take_turns()
        except BaseException as error:  # noqa: BLE001 - carried over to the calling thread, which raises it
            errors.append(error)

    helper = threading.Thread(target=help_out, name="tiffin-write")
    helper.start()
    try:
        take_turns()
    except BaseException as error:
        errors.append(error)
        raise
    finally:
        helper.join()
    if errors:
        raise errors[0]
