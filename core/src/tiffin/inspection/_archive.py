"""Zip archives around pickles, as several frameworks write them."""

from __future__ import annotations

import contextlib
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from tiffin.inspection._unpack import Budget, decoder_for
from tiffin.inspection.tape import Unfollowable

_PICKLES = (".pkl", ".pickle", ".joblib", ".p", ".pt", ".pth", ".bin", ".ckpt", ".dat")


_ENTRY = b"PK\x01\x02"
_LIST = 32 << 20
"""Bytes of the list of members: some hundred for each of the most that there may be."""
_END = 1 << 17
"""Bytes that are read to the end, where the archive's own end stands behind a comment of at most 64 KiB."""


@contextlib.contextmanager
def open_archive(file: BinaryIO, most: int) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive, of whose members Python makes objects of several times their size, once they are counted.

    Args:
        file: the archive.
        most: how many members it may have.

    Raises:
        Unfollowable: it has none, or more than that, or zipfile finds that it cannot be read, also while it is open.
    """
    try:
        counting = _Counting(file, most)
        with zipfile.ZipFile(counting) as archive:
            counting.most = None
            if not archive.filelist:
                raise Unfollowable("it is an archive of no members")
            yield archive
    except (
        zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error, lzma.LZMAError, struct.error,
        ValueError, LookupError, ArithmeticError, MemoryError,
    ) as error:  # fmt: skip
        said = f"{type(error).__name__}: {str(error)[:200]}"
        raise Unfollowable(f"it is an archive that cannot be read: {said}") from error


class _Counting:
    """A file that counts the members in what is read of it: zipfile reads their list, wherever it finds it, in one piece."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self.most: int | None = most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> Any:
        if self.most is None:
            return self._file.read(size)
        data = self._file.read(_END if size < 0 else min(size, _LIST + 1))
        if len(data) > _LIST or data.count(_ENTRY) > self.most:
            raise Unfollowable(f"it is an archive of more than {self.most} members, or with very long names")
        return data


def members(view: memoryview, most: int, budget: Budget) -> Iterator[tuple[str, memoryview]]:
    """Yield name and content of an archive's members that look as if they hold pickles; check that all can be read.

    Args:
        view: the archive.
        most: how many members it may have.
        budget: what they may unpack to.

    Raises:
        Unfollowable: the archive cannot be read.
    """
    with open_archive(io.BytesIO(view), most) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                budget.take(entry.file_size)
                with archive.open(entry) as file:
                    content = file.read(entry.file_size + 1)
                if len(content) != entry.file_size:
                    raise Unfollowable("it is an archive that says other sizes than it has")
                if _may_be_pickle(entry.filename, content[:8]):
                    yield entry.filename, memoryview(content)


def _may_be_pickle(name: str, start: bytes) -> bool:
    return (
        name.lower().endswith(_PICKLES)
        or (start[:1] == b"\x80" and start[1:2] <= b"\x05")
        or start.startswith((b"PK\x03\x04", b"\x93NUMPY"))
        or decoder_for(start) is not None
    )
