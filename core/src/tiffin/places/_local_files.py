"""Local targets: a new file has no name until it is whole."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiffin.exceptions import ArchiveError
from tiffin.files import start_writeback
from tiffin.places._driver_errors import exists_error

WRITEBACK = 8 << 20
"""Bytes after which the system is told to write them to disk, so that little is left to wait for at the end."""


def check_target(target: Path, path: str, *, replace: bool) -> None:
    try:
        kind = target.lstat().st_mode
    except FileNotFoundError:
        return
    if not replace:
        raise exists_error(path)
    if not stat.S_ISREG(kind):
        # Renaming over a device would remove the device.
        raise ArchiveError(f"{path} is not a regular file", fix="Choose another path", path=path, member="")


@contextlib.contextmanager
def parents(target: Path, path: str, *, make: bool = True) -> Iterator[None]:
    """Make the folders above `target`, and remove those that were made if the block fails.

    Args:
        target: the file or folder.
        path: as the user gave it, for errors.
        make: whether they are made; where not, a missing one is an error.

    Raises:
        ArchiveError: one is missing, and `make` is false.
    """
    missing = [folder for folder in target.parents if not folder.exists()]
    if missing and not make:
        raise ArchiveError(
            f"{path} cannot be written: there is no folder {target.parent}",
            why="A mistyped path would else become folders that nobody looks for",
            fix="Look at the path; or have the folders made: parents=True (--parents)",
            path=path,
            member="",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # another program may use them by now
            for folder in missing:
                folder.rmdir()
        raise


class Unnamed:
    """A new file that has no name until it is published, so that nothing is left even if the program is killed."""

    def __init__(self, target: Path, path: str, *, replace: bool) -> None:
        self._target = target
        self._path = path
        self._replace = replace
        self._temporary = target.with_name(f".{target.name[:200]}.{uuid.uuid4().hex[:8]}.part")
        self._named = False
        self._size = self._written_back = 0

    def __enter__(self) -> Unnamed:
        flags = os.O_WRONLY | os.O_CLOEXEC
        try:
            # Not every system or file system has it, and each says so in its own way.
            self._descriptor = os.open(self._target.parent, flags | os.O_TMPFILE, 0o666)
        except (AttributeError, OSError):
            self._descriptor = os.open(self._temporary, flags | os.O_CREAT | os.O_EXCL, 0o666)
            self._named = True
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        if self._named:
            self._temporary.unlink(missing_ok=True)

    def write(self, data: Any) -> None:
        write_all(self._descriptor, data)
        self._size += len(data)
        if self._size - self._written_back >= WRITEBACK:
            start_writeback(self._descriptor, self._written_back, self._size - self._written_back)
            self._written_back = self._size

    def set_mode(self, mode: int) -> None:
        os.fchmod(self._descriptor, mode)

    def publish(self) -> None:
        os.fsync(self._descriptor)
        if not self._named and not self._replace:
            self._link(self._target)
            return
        if not self._named:
            self._link(self._temporary)
            self._named = True
        if self._replace:
            self._temporary.replace(self._target)
        else:
            try:
                os.link(self._temporary, self._target)
            except FileExistsError:
                raise exists_error(self._path) from None
            except OSError:  # no hard links there, as on FAT: another program may be a moment faster
                self._temporary.rename(self._target)

    def _link(self, name: Path) -> None:
        try:
            # With a folder's descriptor Python calls linkat, which alone follows /proc's link to the file.
            folder = os.open(name.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.link(f"/proc/self/fd/{self._descriptor}", name, src_dir_fd=folder, follow_symlinks=True)
            finally:
                os.close(folder)
        except FileExistsError:
            raise exists_error(self._path) from None


def write_all(descriptor: int, data: Any) -> None:
    """Write all of `data`: the system may take less at a time, as on a disk that is nearly full."""
    with memoryview(data) as view:
        done = os.write(descriptor, view)
        while done < len(view):
            done += os.write(descriptor, view[done:])
