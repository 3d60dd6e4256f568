"""Writing archives: the same model gives the same bytes, whenever and wherever it is written."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from tiffin.archives._codecs import open_writer
from tiffin.archives._formats import COMPRESSION
from tiffin.archives._tar import BLOCK
from tiffin.places import PIECE

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that zip can hold."""


class Member(NamedTuple):
    """One file to write: its path in the archive, its size in bytes, and how to open it.

    What is opened checks at the end of its block that it was what it should be.
    """

    path: str
    size: int
    open: Callable[[], AbstractContextManager[Any]]


def write_archive(target: Any, kind: str, members: Iterable[Member]) -> None:
    """Write members to an open file as one archive.

    Args:
        target: where to; only its `write` and `flush` are used.
        kind: the format, one of FORMATS but "folder".
        members: what to write, in this order.
    """
    sink = _Sink(target)
    if kind == "zip":
        _write_zip(sink, members)
        return
    with open_writer(sink, COMPRESSION[kind]) as packed:
        for member in members:
            entry = tarfile.TarInfo(member.path)
            entry.size, entry.mode = member.size, 0o644
            packed.write(entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
            with member.open() as source:
                shutil.copyfileobj(source, packed, PIECE)
            packed.write(bytes(-member.size % BLOCK))
        # The end, without the zeros that fill a tape's last block: so a cut anywhere leaves less than an archive.
        packed.write(bytes(2 * BLOCK))


def _write_zip(target: Any, members: Iterable[Member]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=6) as archive:
        for member in members:
            entry = zipfile.ZipInfo(member.path, _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            with member.open() as source, archive.open(entry, "w", force_zip64=member.size >= 1 << 31) as packed:
                shutil.copyfileobj(source, packed, PIECE)


class _Sink:
    """Only writes: where a target could be sought in, zipfile would write other bytes."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def write(self, data: Any) -> int:
        count: int = self._target.write(data)
        return count

    def flush(self) -> None:
        self._target.flush()
