"""Permissions: what is made in a store gets the mode and the group of the folders that are there.

So a store for a group stays one, whatever the umask of who works in it, and a private store stays private.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import NamedTuple


class Modes(NamedTuple):
    """The modes and the group of what is made in a store.

    Attributes:
        folder: of folders that readers look into.
        inner: of folders that only those need who may change the store: staging/, partial/.
        kept: of files that are replaced, and never written again.
        grown: of files that are written again: journals, the catalog.
        held: of files that only those need who may change the store: locks, broken-off downloads.
        group: the group's number.
    """

    folder: int
    inner: int
    kept: int
    grown: int
    held: int
    group: int

    @classmethod
    def of(cls, folder: str) -> Modes:
        """Return what follows from the mode and group of a folder."""
        status = os.stat(folder)
        mode = stat.S_IMODE(status.st_mode)
        # Whoever may read a lock may hold it, and so keep everybody from changing the store.
        writers = 0o700 | (0o070 if mode & 0o020 else 0) | (0o007 if mode & 0o002 else 0)
        kept, held = mode & 0o644, writers & 0o666
        return cls(mode, writers | mode & stat.S_ISGID, kept, kept | held, held, status.st_gid)

    def give(self, place: str | int, mode: int) -> None:
        """Give a mode, and the group, to a path or descriptor; what another user has made stays as it is."""
        status = os.stat(place)
        if os.geteuid() not in (status.st_uid, 0):
            return
        if status.st_gid != self.group:
            with contextlib.suppress(PermissionError):  # of a group that this user is not in
                os.chown(place, -1, self.group)
        if stat.S_IMODE(status.st_mode) != mode:
            os.chmod(place, mode)

    def write(self, path: str, data: bytes, *, new: bool = False) -> os.stat_result:
        """Write a file that is going to be renamed into its place, and sync it; returns its status.

        Args:
            path: where to.
            data: what.
            new: whether a file that is there is an error.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if new else os.O_TRUNC)
        descriptor = os.open(path, flags, 0o600)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            self.give(descriptor, self.kept)
            os.fsync(descriptor)
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)


def make_folders(root: str, path: str, modes: Modes, mode: int) -> None:
    """Make a folder below `root`, and those above it; those that are there stay as they are."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        if len(path) <= len(root):
            raise
        make_folders(root, os.path.dirname(path), modes, modes.folder)
        make_folders(root, path, modes, mode)
        return
    with contextlib.suppress(FileNotFoundError):  # an empty one may be removed at any moment
        modes.give(path, mode)
