"""Partial contents: what has come of a file when a pull broke off, kept so that the next one goes on from there.

Each is called by the digest that it is going to have; whose lock can be taken is nobody's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator

from tiffin.store._layout import Layout


class Downloads:
    """What broken-off pulls have fetched.

    Args:
        layout: where the store has what.
    """

    KEPT = 7 * 24 * 3600.0
    """Seconds for which nobody has to ask for a partial content before it goes."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @contextlib.contextmanager
    def open(self, sha256: str) -> Iterator[int | None]:
        """Open the partial content of a digest, for writing and reading, for the block; it stays unless it is moved away.

        Args:
            sha256: the digest.

        Returns:
            A descriptor, which the block need not close; `None` where another process has it open, or something else is in
            its place.
        """
        self._layout.make_folder(self._layout.partial, inner=True)
        modes = self._layout.modes()
        path = self.path_of(sha256)
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.EISDIR, errno.EACCES):
                    raise
                yield None  # a link or a folder is not of this store's making, or it is another user's: its place is taken
                return
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    yield None
                    return
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                        raise
                    yield None
                    return
                # Whoever had it may have completed it, and so moved it away, a moment ago.
                if _is_at(descriptor, path):
                    modes.give(descriptor, modes.held)
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def path_of(self, sha256: str) -> str:
        """Return the path of a partial content."""
        return f"{self._layout.partial}/{sha256}"

    def discard(self, sha256: str) -> None:
        """Remove a partial content that this process has open."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path_of(sha256))

    def sweep(
        self, names: set[str] | None = None, *, older: float = 0.0, dry_run: bool = False
    ) -> list[tuple[str, int]]:
        """Remove partial contents that nobody is working on.

        Args:
            names: only those of these digests.
            older: only those that have not grown for so many seconds.
            dry_run: whether only to tell.

        Returns:
            Digest and bytes of each that was removed, or would be.
        """
        removed = []
        with contextlib.suppress(FileNotFoundError, PermissionError):
            for name in sorted(os.listdir(self._layout.partial)):
                if names is not None and name not in names:
                    continue
                path = f"{self._layout.partial}/{name}"
                with contextlib.suppress(OSError):
                    status = os.lstat(path)
                    if time.time() - status.st_mtime < older:
                        continue
                    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        if not dry_run and _is_at(descriptor, path):
                            os.unlink(path)
                        removed.append((name, status.st_size))
                    finally:
                        os.close(descriptor)
        return removed


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
