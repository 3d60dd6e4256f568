"""What is taken from inside `tiffin.archives`."""

from __future__ import annotations

from tiffin.archives import _codecs, _zstd_library
from tiffin.archives._codecs import open_writer, zstd

__all__ = [
    "_codecs",
    "_zstd_library",
    "open_writer",
    "zstd",
]
