"""Telling the system to begin to write a part of a file to disk, without waiting for it."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

# linux/fs.h: begin to write the pages that are dirty and not yet on their way.
_SYNC_FILE_RANGE_WRITE = 2


def start_writeback(descriptor: int, offset: int, length: int) -> None:
    """Begin to write `length` bytes at `offset` to disk, where the system can be told to.

    A later fsync then has less to wait for. Promises nothing, and reports no error: the fsync does both.
    """
    function = _sync_file_range()
    if function is not None:
        function(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)


@lru_cache(maxsize=1)
def _sync_file_range() -> Any:
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        function = ctypes.CDLL(None).sync_file_range
    except (ImportError, OSError, AttributeError):  # Python without ctypes, or another C library than glibc's
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function
