"""Mapping files into memory, copy-on-write."""

from __future__ import annotations

import mmap
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from tiffin.exceptions import PicklingError

_PROTECTION = mmap.PROT_READ | mmap.PROT_WRITE
# Without NORESERVE the system may refuse to map a file larger than its memory, as if each page would be written.
_FLAGS = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
# linux/mman.h; the module `mmap` has no name for it.
_MAP_FIXED = 0x10


def map_file(path: Path, size: int) -> memoryview:
    """Return the file's content as a writable view. Pages are read when touched, and copied when written.

    Writing to the view never changes the file. The view outlives the file's deletion, and holds no descriptor on Linux.

    Args:
        path: an existing file.
        size: bytes that it must have, more than 0: to touch a page past the end of a file kills the process.

    Raises:
        PicklingError: the file has another size.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        found = os.fstat(descriptor).st_size
        if found != size:
            raise PicklingError(
                f"The file '{path}' has {found} bytes instead of {size}",
                why="It is damaged, or belongs to another model",
                fix="Restore it from a copy of the model",
                path=str(path),
            )
        return memoryview(_map(descriptor, size))
    finally:
        os.close(descriptor)


def _map(descriptor: int, size: int) -> mmap.mmap:
    # By itself a mapping keeps a descriptor open as long as it lives, and a process may have about a thousand.
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, flags=_FLAGS, prot=_PROTECTION, trackfd=False)
    system_mmap = _system_mmap()
    if system_mmap is None:
        return mmap.mmap(descriptor, size, flags=_FLAGS, prot=_PROTECTION)

    import ctypes

    # An anonymous mapping holds no descriptor. The file is then mapped in its place, and goes with it.
    reserved = mmap.mmap(-1, size, flags=_FLAGS | mmap.MAP_ANONYMOUS, prot=_PROTECTION)
    address = ctypes.addressof(ctypes.c_char.from_buffer(reserved))
    if system_mmap(address, size, _PROTECTION, _FLAGS | _MAP_FIXED, descriptor, 0) != address:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return reserved


@lru_cache(maxsize=1)
def _system_mmap() -> Any:
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        # Where an offset has 32 bits, mmap64 is the one that takes 64.
        function = getattr(library, "mmap64", None) or library.mmap
    except (ImportError, OSError, AttributeError):  # Python without ctypes
        return None
    integer, pointer = ctypes.c_int, ctypes.c_void_p
    function.argtypes = [pointer, ctypes.c_size_t, integer, integer, integer, ctypes.c_int64]
    function.restype = pointer
    return function
