"""Arrivals: when a version came into this store, where its record says that it was made later than that.

Kept per version and outside it, so that nothing that arrives can say when it did. Most versions need none.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from typing import TYPE_CHECKING

from tiffin.store._deleted import entries
from tiffin.store._layout import Layout
from tiffin.store._staging import is_aside

if TYPE_CHECKING:
    from tiffin.info import ModelInfo

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_SKEW = 300_000_000
"""Microseconds by which the clocks of machines that share a store may differ."""
_UNDER_WAY = 3600
"""Seconds for which a note may be of a version that is not in its place yet."""


def created(info: ModelInfo) -> int:
    """Return a record's creation time in microseconds since 1970, UTC."""
    return (info.creation_time - _EPOCH) // _MICROSECOND


def note(layout: Layout, folder: str, info: ModelInfo) -> None:
    """Note that a version arrives now, if it says that it was made later.

    Args:
        layout: the store.
        folder: a staging folder, for the unfinished file.
        info: the version's record.
    """
    now = time.time_ns() // 1000
    if created(info) <= now:
        return
    temporary = folder + ".arrival"
    # With the time that it claims: what is stored under the same version later has another.
    layout.modes().write(temporary, f"{created(info)} {now}\n".encode())
    layout.make_folder(f"{layout.arrivals}/{info.name}")
    os.replace(temporary, f"{layout.arrivals}/{info.name}/{info.version}")


def since(layout: Layout, info: ModelInfo) -> int:
    """Return the time that a version's age counts from, in microseconds since 1970: its creation, at most its arrival."""
    claimed = created(info)
    with contextlib.suppress(OSError, ValueError):
        with open(f"{layout.arrivals}/{info.name}/{info.version}", encoding="ascii") as file:
            about, arrived = map(int, file.read(64).split())
        if about == claimed:
            return min(claimed, arrived)
    if claimed > time.time_ns() // 1000 + _SKEW:
        with contextlib.suppress(OSError):  # copied in by other means: the file system knows since when it is here
            return min(claimed, os.lstat(layout.version(info.name, info.version)).st_ctime_ns // 1000)
    return claimed


def sweep(layout: Layout) -> None:
    """Remove the notes of versions that are gone; those of the last hour stay, since their versions may be on their way."""
    for folder in _entries(layout.arrivals):
        for note in _entries(folder.path):
            # Somebody may remove them, or let another version arrive, at the same time.
            with contextlib.suppress(FileNotFoundError):
                if (
                    note.stat(follow_symlinks=False).st_mtime < time.time() - _UNDER_WAY
                    and not os.path.lexists(layout.version(folder.name, note.name))
                    and not is_aside(layout, folder.name, note.name)
                    and not any(found.version == note.name for found in entries(layout, folder.name))
                ):
                    os.unlink(note.path)
        with contextlib.suppress(OSError):  # it holds others
            os.rmdir(folder.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
