"""Reading archives from strangers: one member after the other, and a refusal of everything that no honest archive holds."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from tiffin.exceptions import DamagedArchiveError, UnsafeArchiveError
from tiffin.transfer._codecs import PIECE, Unpacked
from tiffin.transfer._formats import COMPRESSION, format_of_start
from tiffin.transfer._limits import FREE, Limits

_HEADER = 1 << 20
"""Bytes that a tar header of variable length may have: it is read into memory."""


class Entry(NamedTuple):
    """One file of an archive: its path, the size that the archive states, and a stream to read before the next entry."""

    path: str
    size: int
    stream: IO[bytes]


class Reader:
    """Reads an archive's files in their order, and keeps to the limits.

    Args:
        path: the archive's path, for errors.
        limits: how much may be unpacked.
    """

    def __init__(self, path: str, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        self._seen: dict[str, str] = {}
        self._files: set[str] = set()
        self._bytes = 0
        self._source: Counted | None = None

    def read(self, source: Any, kind: str | None = None) -> Iterator[Entry]:
        """Yield the files of an open archive.

        Args:
            source: the archive; must be seekable for zip.
            kind: its format; found by its first bytes where it is `None`.

        Raises:
            UnsafeArchiveError: a member is refused; it is named.
            DamagedArchiveError: the archive is cut off or damaged.
        """
        start = source.read(512)
        kind = kind or format_of_start(start)
        if kind is None:
            raise DamagedArchiveError(
                f"{self.path} is not an archive that can be read",
                why="Its first bytes are those of no known format",
                path=self.path,
                member="",
            )
        if kind == "zip":
            yield from self._read_zip(source)
            return
        self._source = counted = Counted(source, start)
        compression = COMPRESSION[kind]
        unpacked: Any = io.BufferedReader(Unpacked(counted, compression, self.path), PIECE) if compression else counted
        yield from self._read_tar(unpacked)

    def read_folder(self, folder: Path) -> Iterator[Entry]:
        """Yield the files of a folder, as if it were an archive."""
        for parent, folders, files in os.walk(folder):
            folders.sort()
            for name in [*folders, *files]:
                path = Path(parent, name)
                member = path.relative_to(folder).as_posix()
                mode = path.lstat().st_mode
                if stat.S_ISDIR(mode):
                    continue
                if not stat.S_ISREG(mode):
                    raise self.refuse(member, "it is a link or a special file")
                self.check_path(member)
                with path.open("rb") as stream:
                    yield self._entry(member, path.stat().st_size, stream)

    def _read_tar(self, unpacked: Any) -> Iterator[Entry]:
        try:
            with tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_BoundedInfo, bufsize=PIECE) as archive:
                for member in archive:
                    # tarfile keeps every member for a second look, which a stream cannot have.
                    archive.members = []  # type: ignore[attr-defined]  # not in the published types
                    path = member.name.removeprefix("./")
                    if member.isdir():
                        if path not in (".", ""):
                            self.check_path(path.rstrip("/"), folder=True)
                        continue
                    if not member.isreg() or member.sparse is not None:
                        raise self.refuse(member.name, "it is a link, a device or another special file")
                    self.check_path(path)
                    stream = archive.extractfile(member)
                    assert stream is not None
                    yield self._entry(path, member.size, stream)
                    # What fills the last block is no part of any file, so only this look tells that it was changed.
                    end = member.offset_data + member.size
                    if archive.fileobj.tell() == end and archive.fileobj.read(-end % 512).strip(b"\0"):
                        raise self.damaged("the filling behind it is not empty", path)
        except (tarfile.TarError, OverflowError, UnicodeError, ValueError) as error:
            raise self.damaged(str(error)) from error
        # What the archive states as its end must be its end: else a cut or a second archive would go unnoticed.
        while rest := unpacked.read(PIECE):
            if rest.strip(b"\0"):
                raise self.damaged("more data follows its end")

    def _read_zip(self, source: Any) -> Iterator[Entry]:
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
        self._source = Counted(source, b"")
        self._source.count = size
        try:
            with zipfile.ZipFile(source) as archive:
                members = archive.infolist()
                if len(members) > self.limits.max_files:
                    raise self.refuse(members[-1].filename, f"it is more than file {self.limits.max_files}")
                for member in members:
                    kind = member.external_attr >> 16
                    if member.is_dir():
                        self.check_path(member.filename.rstrip("/"), folder=True)
                        continue
                    if kind and not stat.S_ISREG(kind) and stat.S_IFMT(kind):
                        raise self.refuse(member.filename, "it is a link or a special file")
                    if member.flag_bits & 1:
                        raise self.refuse(member.filename, "it is encrypted")
                    self.check_path(member.filename)
                    with archive.open(member) as stream:
                        yield self._entry(member.filename, member.file_size, stream)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, UnicodeError, RuntimeError) as error:
            raise self.damaged(str(error)) from error

    def _entry(self, path: str, size: int, stream: IO[bytes]) -> Entry:
        self._bytes += size
        if self._bytes > self.limits.max_bytes:
            raise self.refuse(path, f"the files are more than {self.limits.max_bytes} bytes (settable: max_bytes)")
        return Entry(path, size, stream)

    def check_ratio(self, path: str, unpacked: int) -> None:
        """Refuse an archive that unpacks to absurdly more than it is.

        Args:
            path: the member that is being read, for the error.
            unpacked: bytes unpacked so far, of all members.
        """
        packed = self._source.count if self._source is not None else unpacked
        if unpacked > FREE and unpacked > packed * self.limits.max_ratio:
            raise self.refuse(
                path, f"it unpacks to more than {self.limits.max_ratio:g} times its size (settable: max_ratio)"
            )

    def check_path(self, path: str, *, folder: bool = False) -> None:
        """Refuse a path that leads outside, collides with another one, or cannot exist on every system."""
        parts = path.split("/")
        if not path or path.startswith("/") or (len(path) > 1 and path[1] == ":"):
            raise self.refuse(path, "its path is absolute")
        if any(part in ("", ".", "..") for part in parts):
            raise self.refuse(path, "its path leads outside, or is not plain")
        if "\\" in path or any(ord(character) < 32 or ord(character) == 127 for character in path):
            raise self.refuse(path, "its path holds a backslash or a control character")
        if len(path.encode(errors="surrogateescape")) > 1024 or any(len(part.encode()) > 255 for part in parts):
            raise self.refuse(path, "its path is too long")
        for end in range(1, len(parts) + 1):
            place = "/".join(parts[:end])
            kind = "file" if end == len(parts) and not folder else "folder"
            # One name to a file system that does not tell case or composed letters apart.
            key = unicodedata.normalize("NFC", place).casefold()
            before = self._seen.setdefault(key, f"{kind}:{place}")
            if before != f"{kind}:{place}" or (kind == "file" and key in self._files):
                raise self.refuse(path, f"it collides with {before.partition(':')[2]!r}")
            if kind == "file":
                self._files.add(key)
                if len(self._files) > self.limits.max_files:
                    raise self.refuse(path, f"it is more than file {self.limits.max_files} (settable: max_files)")

    def refuse(self, member: str, why: str) -> UnsafeArchiveError:
        """Return the error for a member that no honest archive holds."""
        shown = member if len(member) <= 200 else member[:197] + "…"
        return UnsafeArchiveError(
            f"The archive {self.path} was refused because of its member {shown!r}: {why}",
            why="Nothing of it was imported",
            fix="Do not trust who made it",
            path=self.path,
            member=member,
        )

    def damaged(self, how: str, member: str = "") -> DamagedArchiveError:
        """Return the error for an archive that is not what was written."""
        where = f" at {member!r}" if member else ""
        return DamagedArchiveError(
            f"The archive {self.path} is damaged{where}: {how}",
            why="Nothing of it was imported",
            fix="Get it again from where it came",
            path=self.path,
            member=member,
        )


class _BoundedInfo(tarfile.TarInfo):
    """A tar header whose extensions are bounded: tarfile reads long names and pax headers into memory, of any size."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type not in tarfile.SUPPORTED_TYPES:
            raise tarfile.ReadError(f"a header of the unknown type {self.type!r}")
        if self.type not in tarfile.REGULAR_TYPES and self.size > _HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]  # not in the published types


class Counted:
    """A stream whose bytes are counted; begins with what was read of it already."""

    def __init__(self, source: Any, start: bytes) -> None:
        self._source = source
        self._start = start
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        if self._start:
            data, self._start = self._start[:size], self._start[size:]
        else:
            data = self._source.read(size)
        self.count += len(data)
        return data
