"""Compressed streams: unpacked with a limit, and only if nothing follows them."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Any

from tiffin.inspection.tape import Unfollowable

_PIECE = 1 << 18
_MEMORY = 256 << 20
"""Bytes that a decoder may take for its tables."""


class Budget:
    """Counts the bytes that are unpacked, of all streams of a file together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit

    def take(self, count: int) -> None:
        """Count bytes.

        Raises:
            Unfollowable: it was the one too many.
        """
        self.left -= count
        if self.left < 0:
            raise Unfollowable(f"it unpacks to more than {self.limit} bytes")


def decoder_for(start: bytes) -> Any:
    """Return what unpacks a stream that begins so, `None` for what is not compressed by zlib, gzip, bz2, lzma or xz."""
    if start.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31)
    # "x" is no pickle operation; the second byte makes the two a multiple of 31 in every zlib stream.
    if len(start) > 1 and start[0] == 0x78 and int.from_bytes(start[:2], "big") % 31 == 0:
        return zlib.decompressobj()
    if start.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY)
    if start.startswith(b"]\x00\x00"):
        return lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=_MEMORY)
    return None


def unpack(packed: memoryview, budget: Budget) -> memoryview:
    """Return the unpacked bytes of a whole stream that begins with what tells how it is packed.

    Raises:
        Unfollowable: the stream is damaged, cut off, goes on behind its end, or is too long.
    """
    decoder = decoder_for(bytes(packed[:8]))
    result = bytearray()
    at = 0
    try:
        while not decoder.eof:
            data: Any = getattr(decoder, "unconsumed_tail", b"")
            if not data and getattr(decoder, "needs_input", True):
                data = packed[at : at + _PIECE]
                at += len(data)
                if not data:
                    raise Unfollowable("its compressed part is cut off")
            piece = decoder.decompress(data, _PIECE)
            budget.take(len(piece))
            result += piece
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise Unfollowable(f"its compressed part is damaged: {error}") from error
    if decoder.unused_data or at < len(packed):
        raise Unfollowable("it goes on behind its compressed part")
    return memoryview(result)
