"""Staging: unfinished work, in folders that nothing reads, each behind a lock that its owner holds.

A lock is a file `<id>.lock` with an flock on it. The kernel drops the lock when its holder dies, however it dies; so work
whose lock can be taken is abandoned, and is swept.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator

from tiffin.store._layout import Layout, step
from tiffin.store._rename import rename_new, split_aside
from tiffin.tags import new_version


class Lock:
    """An exclusive lock on a file in staging/, held from `acquire` until `release` or the process's end."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = -1

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock; returns whether it was taken.

        Args:
            wait: whether to wait for another holder.
        """
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                os.close(descriptor)
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return False
                raise
            # Whoever held the lock may have removed its file meanwhile; a lock on a removed file excludes nobody.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self.path), os.fstat(descriptor)):
                    self._descriptor = descriptor
                    return True
            os.close(descriptor)

    def release(self) -> None:
        """Remove the file and give the lock up."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        os.close(self._descriptor)
        self._descriptor = -1


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
    lock = Lock(folder + ".lock")
    lock.acquire(wait=True)
    try:
        os.mkdir(folder, 0o700)
        step(operation, "locked")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


@contextlib.contextmanager
def named_lock(layout: Layout, name: str) -> Iterator[None]:
    """Hold the lock called `name` for the block; waits for others that hold it."""
    lock = Lock(f"{layout.staging}/{name}.lock")
    lock.acquire(wait=True)
    try:
        yield
    finally:
        lock.release()


def sweep(layout: Layout, *, dry_run: bool = False) -> list[str]:
    """Remove abandoned work; put back a version that an interrupted exchange had put aside.

    Returns:
        The ids of what was removed, or would be with `dry_run`.
    """
    try:
        entries = os.listdir(layout.staging)
    except FileNotFoundError:
        return []
    by_identity: dict[str, list[str]] = {}
    for entry in entries:
        aside = split_aside(entry)
        identity = aside[0] if aside else entry.removesuffix(".lock")
        by_identity.setdefault(identity, []).append(entry)
    removed = []
    for identity, found in sorted(by_identity.items()):
        lock = Lock(f"{layout.staging}/{identity}.lock")
        if not lock.acquire(wait=False):
            continue
        remains = [entry for entry in found if not entry.endswith(".lock")]
        if remains:
            removed.append(identity)
        if not dry_run:
            for entry in remains:
                _remove(layout, entry)
        lock.release()
    return removed


def _remove(layout: Layout, entry: str) -> None:
    path = f"{layout.staging}/{entry}"
    aside = split_aside(entry)
    if aside:
        with contextlib.suppress(FileExistsError):
            rename_new(path, layout.version(*aside[1:]))
            return
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)
