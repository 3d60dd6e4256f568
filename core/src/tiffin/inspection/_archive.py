"""Zip archives around pickles, as several frameworks write them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from tiffin.inspection._unpack import Budget, decoder_for
from tiffin.inspection.tape import Unfollowable

_PICKLES = (".pkl", ".pickle", ".joblib", ".p", ".pt", ".pth", ".bin", ".ckpt", ".dat")


def members(view: memoryview, most: int, budget: Budget) -> Iterator[tuple[str, memoryview]]:
    """Yield name and content of an archive's members that look as if they hold pickles; check that all can be read.

    Args:
        view: the archive.
        most: how many members it may have.
        budget: what they may unpack to.

    Raises:
        Unfollowable: the archive cannot be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(view)) as archive:
            entries = archive.infolist()
            if not 0 < len(entries) <= most:
                raise Unfollowable(f"it is an archive of {len(entries)} members")
            for entry in entries:
                if not entry.is_dir():
                    budget.take(entry.file_size)
                    with archive.open(entry) as file:
                        content = file.read(entry.file_size + 1)
                    if len(content) != entry.file_size:
                        raise Unfollowable("it is an archive that says other sizes than it has")
                    if _may_be_pickle(entry.filename, content[:8]):
                        yield entry.filename, memoryview(content)
    except (
        zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error, ValueError, MemoryError,
    ) as error:  # fmt: skip
        raise Unfollowable(f"it is an archive that cannot be read: {error}") from error


def _may_be_pickle(name: str, start: bytes) -> bool:
    return (
        name.lower().endswith(_PICKLES)
        or (start[:1] == b"\x80" and start[1:2] <= b"\x05")
        or start.startswith((b"PK\x03\x04", b"\x93NUMPY"))
        or decoder_for(start) is not None
    )
