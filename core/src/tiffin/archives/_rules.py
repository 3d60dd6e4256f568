"""What is checked of every archive, whatever its format: paths, limits; and the errors of what is refused."""

from __future__ import annotations

from typing import IO, NamedTuple

from tiffin.archives._limits import FREE, Limits
from tiffin.exceptions import DamagedArchiveError, UnsafeArchiveError
from tiffin.info import Paths
from tiffin.showing import shown

_OVERHEAD = 256 << 20
"""Bytes of headers and filling that are borne beside the files."""


class Entry(NamedTuple):
    """One file of an archive, to be read before the next entry.

    Attributes:
        path: its path in the archive, checked.
        size: the bytes that the archive states; `None` where it states them only behind the content (zip).
        stream: its content; `read` raises what is wrong with it.
    """

    path: str
    size: int | None
    stream: IO[bytes]


def without_dot(path: str) -> str:
    """Return a path without the "./" that some programs put before each."""
    return path.removeprefix("./")


class Checks:
    """The rules that one archive has to keep, and how far it has come.

    Args:
        path: the archive's path, for errors.
        limits: how much may be unpacked.
    """

    def __init__(self, path: str, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        self._paths = Paths()
        self._members = 0
        self._bytes = 0
        self._member = ""

    def check_path(self, path: str, *, folder: bool = False) -> None:
        """Refuse a path that leads outside, collides with another one, or cannot exist on every system."""
        self._member = path
        self.check_count(path)
        wrong = self._paths.add(path, folder=folder)
        if wrong:
            raise self.refuse(path, wrong)

    def check_folder(self, path: str) -> None:
        """Take a folder's path; that of the folder which was packed ("./", as `tar c .` writes it) counts, and is none."""
        if path in (".", "./"):
            self.check_count(path)
        else:
            self.check_path(without_dot(path).rstrip("/") or path, folder=True)

    def check_count(self, path: str) -> None:
        """Count one more member, whatever it is, and refuse one too many."""
        self._members += 1
        if self._members > self.limits.max_files:
            raise self.over(path, f"it is more than file {self.limits.max_files}", "max_files")

    def check_size(self, path: str, size: int) -> None:
        """Refuse a file of `size` bytes that is more than all files together may have."""
        self._bytes += size
        if self._bytes > self.limits.max_bytes:
            raise self.over(path, f"the files are more than {self.limits.max_bytes} bytes", "max_bytes")

    def check_unpacked(self, packed: int, unpacked: int) -> None:
        """Refuse an archive of which `packed` bytes unpack to absurdly many, or to more than all files may have."""
        if unpacked > self.limits.max_bytes + _OVERHEAD:
            raise self.over(self._member, f"it unpacks to more than {self.limits.max_bytes} bytes", "max_bytes")
        if unpacked > FREE and unpacked > packed * self.limits.max_ratio:
            raise self.over(
                self._member, f"it unpacks to more than {self.limits.max_ratio:g} times its size", "max_ratio"
            )

    def over(self, member: str, why: str, limit: str) -> UnsafeArchiveError:
        """Return the error for an archive that passes a limit which can be set."""
        return self.refuse(
            member, why, fix=f"If you trust who made it, allow more: {limit}=… (--{limit.replace('_', '-')})"
        )

    def refuse(self, member: str, why: str, fix: str = "Do not trust who made it") -> UnsafeArchiveError:
        """Return the error for a member that no honest archive holds."""
        where = f" because of its member {shown(repr(member))}" if member else ""
        return UnsafeArchiveError(
            f"The archive {self.path} was refused{where}: {why}",
            why="Nothing of it was imported",
            fix=fix,
            path=self.path,
            member=member,
        )

    def damaged(self, how: str, member: str = "") -> DamagedArchiveError:
        """Return the error for an archive that is not what was written."""
        where = f" at {shown(repr(member))}" if member else ""
        return DamagedArchiveError(
            f"The archive {self.path} is damaged{where}: {how}",
            why="Nothing of it was imported",
            fix="Get it again from where it came",
            path=self.path,
            member=member,
        )
