"""Compression as streams: each writes the same bytes for the same input, and reads within bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import zlib
from typing import IO, Any

from tiffin.archives._rules import Checks
from tiffin.archives._zstd_library import make_compressor
from tiffin.places import PIECE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd
MEMORY = 33 << 20
"""Bytes that unpacking may use, so that an import of any size takes 64 MiB at most. `xz -8` and `zstd --ultra -20` need no
more; what was packed harder (`xz -9`, `zstd --ultra -22`) is refused."""
_WINDOW_LOG = 25
"""The window that unpacking zstd may use, as a power of two: 32 MiB."""


def open_writer(target: Any, compression: str) -> Any:
    """Return a stream that compresses into `target`; closing it ends the compressed stream and leaves `target` open."""
    if compression == "zst":
        # Two workers write the same bytes as any other number of workers above none.
        options = {
            zstd.CompressionParameter.compression_level: 3,
            zstd.CompressionParameter.checksum_flag: 1,
            zstd.CompressionParameter.nb_workers: 2,
            # Each worker holds several jobs, of 8 MiB if nobody says otherwise.
            zstd.CompressionParameter.job_size: 2 << 20,
        }
        return _Packed(target, make_compressor(options))
    if compression == "gz":
        return gzip.GzipFile("", "wb", 6, target, mtime=0)
    if compression == "xz":
        return lzma.LZMAFile(target, "wb", preset=1, check=lzma.CHECK_CRC64)
    return _Uncompressed(target)


class _Packed(io.BufferedIOBase):
    def __init__(self, target: IO[bytes], compressor: Any) -> None:
        self._target, self._compressor = target, compressor

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._target.write(self._compressor.compress(data))
        return memoryview(data).nbytes

    def close(self) -> None:
        if not self.closed:
            try:
                self._target.write(self._compressor.flush())
            finally:
                super().close()


class _Uncompressed(io.BufferedIOBase):
    def __init__(self, target: IO[bytes]) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._target.write(data)


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a compressed stream, bounded in memory and in number, whole or an error.

    Args:
        source: the compressed stream, from its beginning to its end.
        compression: "zst", "gz", "xz" or "bz2".
        checks: the rules to keep.
    """

    def __init__(self, source: Any, compression: str, checks: Checks) -> None:
        self._source = source
        self._checks = checks
        self._compression = compression
        self._input = b""
        self._packed = self._unpacked = 0
        self._decoder: Any
        if compression == "zst":
            self._decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
        elif compression == "xz":
            self._decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY)
        elif compression == "bz2":
            self._decoder = bz2.BZ2Decompressor()
        else:
            self._decoder = zlib.decompressobj(31)  # 31: with gzip's header and checksum

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, at most PIECE; none at the end.

        Raises:
            DamagedArchiveError: the stream is cut off, damaged, or goes on behind its end.
            UnsafeArchiveError: it needs too much memory, or unpacks to too much.
        """
        room = PIECE if size < 0 else min(size, PIECE)
        while room:
            if data := self._unpack(room):
                self._unpacked += len(data)
                self._checks.check_unpacked(self._packed, self._unpacked)
                return data
            if self._decoder.eof:
                if self._decoder.unused_data or self._input or self._source.read(1):
                    raise self._checks.damaged("more data follows its end")
                break
            if not self._input:
                self._input = self._source.read(PIECE)
                self._packed += len(self._input)
                if not self._input:
                    raise self._checks.damaged("it is cut off")
        return b""

    def _unpack(self, room: int) -> bytes:
        if self._decoder.eof:
            return b""
        data, self._input = self._input, b""
        try:
            if self._compression == "gz":
                unpacked: bytes = self._decoder.decompress(data, room)
                self._input = self._decoder.unconsumed_tail
            elif data or not self._decoder.needs_input:
                unpacked = self._decoder.decompress(data, room)
            else:
                unpacked = b""
        except (zlib.error, lzma.LZMAError, OSError, zstd.ZstdError, ValueError, MemoryError) as error:
            # The libraries name the condition in words only.
            if isinstance(error, MemoryError) or re.search("memory", str(error), re.IGNORECASE):
                raise self._checks.refuse(
                    "",
                    f"to unpack it takes more memory than the {MEMORY >> 20} MiB that are granted",
                    fix="If you trust who made it, pack it again at a lower level",
                ) from error
            raise self._checks.damaged(str(error)) from error
        return unpacked
