"""Reading archives from strangers: one member after the other, and a refusal of everything that no honest archive holds."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiffin.archives._codecs import Unpacked
from tiffin.archives._formats import COMPRESSION, format_of_start
from tiffin.archives._rules import Checks, Entry
from tiffin.archives._tar import read_exactly, read_tar
from tiffin.archives._zip import read_zip
from tiffin.exceptions import ArchiveError, DamagedArchiveError

_START = 512
"""Bytes by which a format is known."""


class Reader(Checks):
    """Reads one archive's files in their order, and keeps to the limits.

    Args:
        path: the archive's path, for errors.
        limits: how much may be unpacked.
    """

    def read(self, source: Any, kind: str | None = None) -> Iterator[Entry]:
        """Yield the files of an open archive.

        Args:
            source: the archive; never sought in.
            kind: its format; found by its first bytes where it is `None`.

        Raises:
            UnsafeArchiveError: a member is refused; it is named.
            DamagedArchiveError: the archive is cut off or damaged.
        """
        start = read_exactly(source, _START)
        kind = kind or format_of_start(start)
        if kind is None:
            raise DamagedArchiveError(
                f"{self.path} is not an archive that can be read",
                why="It is empty" if not start else "Its first bytes are those of no known format",
                path=self.path,
                member="",
            )
        whole = _Again(start, source)
        if kind == "zip":
            yield from read_zip(whole, self)
        else:
            compression = COMPRESSION[kind]
            yield from read_tar(Unpacked(whole, compression, self) if compression else whole, self)

    def read_folder(self, folder: Path) -> Iterator[Entry]:
        """Yield the files of a folder, as if it were an archive."""
        for parent, folders, files in os.walk(folder, onerror=self._unreadable):
            folders.sort()
            for name in [*folders, *sorted(files)]:
                path = Path(parent, name)
                member = path.relative_to(folder).as_posix()
                kind = path.lstat().st_mode
                if stat.S_ISDIR(kind):
                    self.check_path(member, folder=True)
                    continue
                if not stat.S_ISREG(kind):
                    raise self.refuse(member, "it is a link or a special file")
                self.check_path(member)
                # What was a file a moment ago must not be followed, or waited for, if it is a link or a pipe by now.
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                with open(descriptor, "rb") as stream:
                    size = os.fstat(descriptor).st_size
                    self.check_size(member, size)
                    yield Entry(member, size, stream)

    def _unreadable(self, error: OSError) -> None:
        raise ArchiveError(
            f"Could not read {error.filename}: {error.strerror}", path=self.path, member=str(error.filename)
        ) from error


class _Again(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, start: bytes, rest: Any) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if self._start:
            data, self._start = self._start[:size], self._start[size:]
            return data
        rest: bytes = self._rest.read(size)
        return rest
