"""Inspection of a file: pickles, several in one stream, compressed ones, and archives of them."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import attrs

from tiffin.inspection._limits import InspectionLimits
from tiffin.inspection._machine import Machine, Unfollowable

_PIECE = 1 << 18


@attrs.frozen
class Inspection:
    """What was found in a file.

    Attributes:
        names: dotted names of all that the file would import, sorted.
        problems: what could not be followed, as sentences; a file with a problem is never safe.
    """

    names: tuple[str, ...]
    problems: tuple[str, ...] = ()


def inspect_file(path: Path, limits: InspectionLimits | None = None) -> Inspection:
    """Return what a pickle would import when it is loaded. Loads and runs nothing.

    Understands plain pickles, several in one file, joblib's files (raw arrays inside; compressed by zlib, gzip, bz2, lzma or
    xz), and zip archives of pickles.

    Args:
        path: the file.
        limits: how much work to do.
    """
    inspector = _Inspector(limits or InspectionLimits())
    with path.open("rb") as file:
        inspector.stream(file, os.fstat(file.fileno()).st_size, "the file", 0)
    return Inspection(tuple(sorted(inspector.found)), tuple(inspector.problems))


class _Inspector:
    def __init__(self, limits: InspectionLimits) -> None:
        self.limits = limits
        self.found: dict[str, int] = {}
        self.problems: list[str] = []
        self.unpacked = 0

    def stream(self, stream: Any, size: int, where: str, depth: int) -> None:
        """Inspect a stream that can be read from its beginning again."""
        if depth > self.limits.max_depth:
            self.problems.append(f"{where} is nested more than {self.limits.max_depth} levels deep")
            return
        start = stream.read(8)
        stream.seek(0)
        if start.startswith(b"PK\x03\x04"):
            self._zip(stream, where, depth)
        elif start.startswith(b"\x93NUMPY"):
            self._npy(stream, size, where)
        elif (decoder := _decoder(start)) is not None:
            unpacked = self._unpack(stream, decoder, where)
            if unpacked is not None:
                self.stream(io.BytesIO(unpacked), len(unpacked), where, depth + 1)
        else:
            self._pickles(stream, size, where, depth)

    def _pickles(self, stream: Any, size: int, where: str, depth: int) -> None:
        count = 0
        while True:
            position = stream.tell()
            if position >= size:
                if not count:
                    self.problems.append(f"{where} is empty")
                return
            count += 1
            try:
                self._one(stream, size, depth)
            except Unfollowable as error:
                what = where if count == 1 else f"what follows the end of pickle {count - 1} in {where}, at {position},"
                self.problems.append(f"{what} cannot be followed: {error}")
                return

    def _one(self, stream: IO[bytes], size: int, depth: int) -> None:
        if depth > self.limits.max_depth:
            raise Unfollowable(f"it is nested more than {self.limits.max_depth} levels deep")
        Machine(stream, size, self.limits, self.found, lambda inner: self._one(inner, size, depth + 1)).run()

    def _npy(self, stream: Any, size: int, where: str) -> None:
        header = stream.read(1 << 16)
        if b"'O'" in header or b"|O" in header:
            end = header.find(b"\n")
            stream.seek(end + 1)
            self._pickles(stream, size, where, 0)

    def _zip(self, stream: Any, where: str, depth: int) -> None:
        try:
            with zipfile.ZipFile(stream) as archive:
                for member in archive.infolist():
                    name = f"{member.filename!r} in {where}"
                    if member.is_dir():
                        continue
                    with archive.open(member) as packed:
                        start = packed.read(2)
                        if not _could_be_pickle(start, member.filename):
                            continue
                    with archive.open(member) as packed:
                        data = packed.read(self.limits.max_unpacked - self.unpacked + 1)
                    if not self._count(len(data), name):
                        return
                    self.stream(io.BytesIO(data), len(data), name, depth + 1)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OSError) as error:
            self.problems.append(f"{where} is an archive that cannot be read: {error}")

    def _unpack(self, stream: Any, decoder: Any, where: str) -> bytes | None:
        pieces = []
        try:
            while not decoder.eof:
                data = getattr(decoder, "unconsumed_tail", b"")
                if not data and getattr(decoder, "needs_input", True):
                    data = stream.read(_PIECE)
                    if not data:
                        raise EOFError("it is cut off")
                piece = decoder.decompress(data, _PIECE * 4)
                if not self._count(len(piece), where):
                    return None
                pieces.append(piece)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            self.problems.append(f"{where} is compressed and cannot be unpacked: {error}")
            return None
        if decoder.unused_data or stream.read(1):
            self.problems.append(f"{where} goes on behind its compressed part")
        return b"".join(pieces)

    def _count(self, count: int, where: str) -> bool:
        self.unpacked += count
        if self.unpacked > self.limits.max_unpacked:
            self.problems.append(f"{where} unpacks to more than {self.limits.max_unpacked} bytes")
            return False
        return True


def _decoder(start: bytes) -> Any:
    if start.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31)
    # 0x78 is "x", which is no pickle opcode; the second byte makes the two a multiple of 31 in every zlib stream.
    if len(start) > 1 and start[0] == 0x78 and int.from_bytes(start[:2], "big") % 31 == 0:
        return zlib.decompressobj()
    if start.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=256 << 20)
    if start.startswith(b"]\x00\x00"):
        return lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=256 << 20)
    return None


def _could_be_pickle(start: bytes, name: str) -> bool:
    return start[:1] == b"\x80" or name.lower().endswith((".pkl", ".pickle", ".joblib", ".npy", ".bin", ".pt", ".zip"))
