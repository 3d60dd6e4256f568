"""Staging: unfinished work, in folders that nothing reads, each behind a lock that its owner holds.

A lock is a file `<id>.lock` with an flock on it. The kernel drops the lock when its holder dies, however it dies; so work
whose lock can be taken is abandoned, and is swept. All that belongs to the work `<id>` is called `<id>` or `<id>.…`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from tiffin.files import sync_file
from tiffin.store._layout import Layout, step
from tiffin.store._rename import rename_new, split_aside
from tiffin.tags import new_version

_LOCK = ".lock"
NAMES = "name."
"""What the locks of names begin with. One that a dead process has left says that a name may be other than its journal."""
_PATIENCE = 20
"""Times that a lock which another user has just made is tried to open, a millisecond apart."""
_held: set[Lock] = set()


class Lock:
    """An exclusive lock on a file in staging/, held from `acquire` until `release` or the process's end.

    A child of a fork does not have its parent's locks.

    Args:
        layout: the store.
        name: what it is called there.

    Attributes:
        was_left: whether its file was there when the lock was taken: a process that held it was killed.
    """

    def __init__(self, layout: Layout, name: str) -> None:
        self.path = f"{layout.staging}/{name}{_LOCK}"
        self.was_left = False
        self._layout = layout
        self._descriptor = -1

    @property
    def held(self) -> bool:
        """Whether this process holds the lock."""
        return self._descriptor >= 0

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock; returns whether it was taken.

        Args:
            wait: whether to wait for another holder.
        """
        while True:
            self._descriptor = self._open()
            _held.add(self)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                # Whoever held the lock may have removed its file meanwhile; a lock on a removed file excludes nobody.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.stat(self.path), os.fstat(self._descriptor)):
                        return True
            except BaseException as error:
                self._close()
                if isinstance(error, OSError) and error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return False
                raise
            self._close()

    def _open(self) -> int:
        flags, attempts = os.O_RDWR | os.O_CLOEXEC, _PATIENCE
        while True:
            try:
                descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                self.was_left = True
            else:
                self.was_left = False
                modes = self._layout.modes()
                modes.give(descriptor, modes.held)
                return descriptor
            try:
                return os.open(self.path, flags)
            except FileNotFoundError:
                continue  # released in this moment
            except PermissionError:
                # Another user may have made it in this moment, and not let the group have it yet.
                attempts -= 1
                if not attempts:
                    raise
                time.sleep(0.001)

    def release(self) -> None:
        """Remove the file and give the lock up."""
        if self.held:
            with contextlib.suppress(OSError):  # a file that stays, on a disk that fails, is swept like any other
                os.unlink(self.path)
            self._close()

    def _close(self) -> None:
        _held.discard(self)
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def _drop_locks() -> None:
    # A fork copies descriptors, and a lock is held until all copies are closed: if the parent were killed, its child would
    # go on holding the parent's locks.
    for lock in list(_held):
        lock._close()


os.register_at_fork(after_in_child=_drop_locks)


@contextlib.contextmanager
def staged(layout: Layout, operation: str) -> Iterator[str]:
    """Make a staging folder for the block, and remove what is left of it afterwards.

    Args:
        layout: the store.
        operation: what the steps are announced as.

    Returns:
        The folder's path; empty, on the store's file system.
    """
    identity = new_version()[0]
    folder = f"{layout.staging}/{identity}"
    lock = Lock(layout, identity)
    lock.acquire(wait=True)
    try:
        layout.make_folder(folder, inner=True)
        step(operation, "locked")
        yield folder
    finally:
        if lock.held:  # not so in a child that forked off within the block: the work is its parent's
            for suffix in ("", ".gone", ".link", ".origin", ".examples"):
                discard(folder + suffix)
            lock.release()


def sweep(layout: Layout, *, dry_run: bool = False) -> list[str]:
    """Remove abandoned work; put back a version that an interrupted exchange had put aside.

    Never fails: what cannot be removed now stays for the next time.

    Returns:
        The ids of what was removed, or would be with `dry_run`.
    """
    removed = []
    for identity in sorted(_work(layout)):
        if identity.startswith(NAMES):
            continue
        lock = Lock(layout, identity)
        try:
            if not lock.acquire(wait=False):
                continue
        except OSError:  # the disk is full or read-only
            continue
        try:
            # Looked up again: its owner may have gone on until a moment ago.
            remains = [entry for entry in _work(layout).get(identity, ()) if not entry.endswith(_LOCK)]
            if remains:
                removed.append(identity)
            if not dry_run:
                for entry in remains:
                    _remove(layout, identity, entry)
        finally:
            lock.release()
    return removed


def abandoned(layout: Layout) -> list[str]:
    """Return the paths of what `sweep` would remove."""
    work = _work(layout)
    return [
        f"{layout.staging}/{entry}"
        for identity in sweep(layout, dry_run=True)
        for entry in work.get(identity, ())
        if not entry.endswith(_LOCK)
    ]


def is_aside(layout: Layout, name: str, version: str) -> bool:
    """Tell whether a version is put aside at this moment, because it is being replaced in several steps."""
    asides = (split_aside(entry) for entries in _work(layout).values() for entry in entries)
    return any(aside is not None and aside[1:] == (name, version) for aside in asides)


def _work(layout: Layout) -> dict[str, list[str]]:
    """Return id → entries in staging/."""
    found: dict[str, list[str]] = {}
    with contextlib.suppress(FileNotFoundError, PermissionError):  # another user's is none of ours
        for entry in os.listdir(layout.staging):
            # The names of locks that are no work's have dots, too.
            identity = entry.removesuffix(_LOCK) if entry.endswith(_LOCK) else entry.partition(".")[0]
            found.setdefault(identity, []).append(entry)
    return found


def _remove(layout: Layout, identity: str, entry: str) -> None:
    path = f"{layout.staging}/{entry}"
    aside = split_aside(entry)
    if aside is not None:
        if _put_back(layout, path, layout.version(*aside[1:])):
            return
        # Under its name it would be put back by the next sweep, even if this one is interrupted and leaves the half of it.
        gone = f"{layout.staging}/{identity}.gone"
        discard(gone)
        with contextlib.suppress(OSError):
            os.rename(path, gone)
            path = gone
    discard(path)


def _put_back(layout: Layout, path: str, target: str) -> bool:
    """Put a version back to its place unless another is there; returns whether it lies there now."""
    for _ in range(10):  # its name's folder may come and go
        try:
            layout.make_folder(os.path.dirname(target))
            rename_new(path, target)
            sync_file(os.path.dirname(target))
            sync_file(layout.models)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return True
        except FileExistsError:
            return False
        except OSError:
            return True  # better left where it is than lost
        else:
            return True
    return True


def discard(path: str) -> None:
    """Remove a folder with all in it, or a file, or what can be removed of it."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError:  # a folder, most likely
        import shutil  # takes two milliseconds, and lists remove nothing

        shutil.rmtree(path, ignore_errors=True)
