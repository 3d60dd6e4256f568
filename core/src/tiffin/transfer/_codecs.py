"""Compression as streams: each writes the same bytes for the same input, and reads within bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zlib
from typing import IO, Any

from tiffin.exceptions import DamagedArchiveError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = 1 << 18
"""Bytes that are read of a compressed stream at a time, and that are unpacked of it at a time."""

_MEMORY = 256 << 20
"""Bytes that unpacking xz may use; the highest setting of xz needs 65 MiB."""
_WINDOW_LOG = 27
"""The window that unpacking zstd may use, as a power of two: 128 MiB, what the command zstd allows too."""


def open_writer(target: Any, compression: str) -> Any:
    """Return a stream that compresses into `target`; closing it ends the compressed stream and leaves `target` open."""
    if compression == "zst":
        # Two workers write the same bytes as any other number of workers above none.
        options = {
            zstd.CompressionParameter.compression_level: 3,
            zstd.CompressionParameter.checksum_flag: 1,
            zstd.CompressionParameter.nb_workers: 2,
        }
        return zstd.ZstdFile(target, "wb", options={int(key): value for key, value in options.items()})
    if compression == "gz":
        return gzip.GzipFile("", "wb", 6, target, mtime=0)
    if compression == "xz":
        return lzma.LZMAFile(target, "wb", preset=1, check=lzma.CHECK_CRC64)
    return _Uncompressed(target)


class _Uncompressed(io.BufferedIOBase):
    def __init__(self, target: IO[bytes]) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._target.write(data)


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a compressed stream, bounded in memory, whole or an error.

    Args:
        source: the compressed stream; read from where it is.
        compression: "zst", "gz", "xz" or "bz2".
        path: the archive's path, for errors.
    """

    def __init__(self, source: Any, compression: str, path: str) -> None:
        self._source = source
        self._path = path
        self._compression = compression
        self._input = b""
        self._decoder: Any
        if compression == "zst":
            self._decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
        elif compression == "xz":
            self._decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY)
        elif compression == "bz2":
            self._decoder = bz2.BZ2Decompressor()
        else:
            self._decoder = zlib.decompressobj(31)  # 31: with gzip's header and checksum

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the unpacked stream; returns how many bytes, 0 at its end.

        Raises:
            DamagedArchiveError: the stream is cut off, damaged, or goes on behind its end.
        """
        view = memoryview(buffer).cast("B")
        while True:
            data = self._unpack(len(view))
            if data:
                view[: len(data)] = data
                return len(data)
            if self._decoder.eof:
                if self._decoder.unused_data or self._input or self._source.read(1):
                    raise self._damaged("more data follows its end")
                return 0
            if not self._input:
                self._input = self._source.read(PIECE)
                if not self._input:
                    raise self._damaged("it is cut off")

    def _unpack(self, room: int) -> bytes:
        if self._decoder.eof:
            return b""
        data, self._input = self._input, b""
        try:
            if self._compression == "gz":
                unpacked: bytes = self._decoder.decompress(data, min(room, PIECE))
                self._input = self._decoder.unconsumed_tail
            else:
                if not data and self._decoder.needs_input:
                    return b""
                unpacked = self._decoder.decompress(data, min(room, PIECE))
        except (zlib.error, lzma.LZMAError, OSError, zstd.ZstdError, ValueError) as error:
            raise self._damaged(str(error)) from error
        return unpacked

    def _damaged(self, how: str) -> DamagedArchiveError:
        return DamagedArchiveError(
            f"The archive {self._path} is damaged: {how}",
            why="Nothing of it was imported",
            fix="Get it again from where it came",
            path=self._path,
            member="",
        )
