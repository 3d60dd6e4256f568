"""Renames that the standard library lacks: one that replaces nothing, and one that exchanges two folders.

Both are one system call on Linux (renameat2, since 3.15) and on macOS (renamex_np). Elsewhere, and on file systems that
refuse the flags, they are made of several steps.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable

_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


def rename_new(source: str, target: str) -> None:
    """Rename the folder `source` to `target`.

    Raises:
        FileExistsError: something is at `target`, an empty folder included.
        OSError: the rename failed.
    """
    if _call(source, target, exchange=False):
        return
    # rename() replaces an empty folder without a word, so look first; a full one it refuses by itself.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) or os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
        raise


def exchange(first: str, second: str) -> None:
    """Exchange two existing folders of one file system.

    Where the system cannot do that in one step, there is a moment in which nothing is at `second`; what was there then lies
    beside `first`, under a name that tells where it belongs (`split_aside`).

    Raises:
        FileNotFoundError: one of them does not exist.
        OSError: the exchange failed.
    """
    if _call(first, second, exchange=True):
        return
    parent, name = os.path.split(second)
    aside = f"{first}.old.{os.path.basename(parent)}:{name}"
    os.rename(second, aside)
    try:
        os.rename(first, second)
    except OSError:
        rename_new(aside, second)
        raise
    os.rename(aside, first)


def split_aside(entry: str) -> tuple[str, str, str] | None:
    """Return (the first folder's name, the second's parent, the second's name) of what `exchange` put aside."""
    first, found, target = entry.partition(".old.")
    parent, colon, name = target.partition(":")
    return (first, parent, name) if found and colon else None


def _call(source: str, target: str, *, exchange: bool) -> bool:
    function = _system_call()
    if function is None:
        return False
    if function(os.fsencode(source), os.fsencode(target), exchange) == 0:
        return True
    import ctypes  # takes a millisecond, and lists do not rename

    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), source, None, target)


@functools.lru_cache(maxsize=1)
def _system_call() -> Callable[[bytes, bytes, bool], int] | None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        here = -100  # AT_FDCWD
        renameat2 = library.renameat2
        renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        # RENAME_NOREPLACE is 1, RENAME_EXCHANGE 2
        return lambda source, target, exchange: int(renameat2(here, source, here, target, 2 if exchange else 1))
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        renamex_np = library.renamex_np
        renamex_np.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint]
        # RENAME_SWAP is 2, RENAME_EXCL 4
        return lambda source, target, exchange: int(renamex_np(source, target, 2 if exchange else 4))
    return None
