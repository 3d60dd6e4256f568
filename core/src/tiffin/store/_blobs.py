"""Blobs: the index of distinct contents, hard links that versions share."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator

from tiffin.files import WrittenFile
from tiffin.store._layout import Layout

_SHA256 = re.compile("[0-9a-f]{64}")
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
"""What `link` answers where links are impossible or used up: the version then keeps a plain copy."""


class Blobs:
    """The index of the distinct contents of a store.

    Args:
        layout: where the store has what.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def share(self, path: str, sha256: str, temporary: str) -> bool:
        """Make the file at `path` and the blob of its content one file.

        Where the blob exists, `path` becomes a link to it; else the blob becomes a link to `path`, which must be synced.
        Where links are impossible, nothing changes.

        Args:
            path: a finished file of a staged version.
            sha256: its digest.
            temporary: a free path in staging/.

        Returns:
            Whether the content was in the store already.
        """
        blob = self._layout.blob(sha256)
        for _ in range(10):  # the blob may come and go while others save and delete
            try:
                os.link(path, blob)
                return False
            except FileNotFoundError:
                self._layout.make_folder(os.path.dirname(blob))
            except FileExistsError:
                linked = _take(path, blob, temporary)
                if linked is not None:
                    return linked
            except OSError as error:
                if error.errno in _NO_LINKS:
                    return False
                raise
        return False

    def take(self, sha256: str, size: int, path: str) -> bool:
        """Make `path` a link to the blob of a content, where there is one of the size; returns whether it did.

        Its digest is not compared: whoever relies on it reads it.
        """
        try:
            if os.stat(self._layout.blob(sha256)).st_size == size:
                os.link(self._layout.blob(sha256), path)
                return True
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        return False

    def put_aside(self, path: str) -> None:
        """Move a blob aside whose content does not have its digest, so that nothing links to it any more.

        Raises:
            OSError: it cannot be moved.
        """
        self._layout.make_folder(self._layout.damaged)
        os.replace(path, f"{self._layout.damaged}/{os.path.basename(path)}")

    def is_linked(self, path: str, known: WrittenFile | None) -> bool:
        """Tell whether a staged file, whose digest is known, is a link to the blob of its content."""
        try:
            return known is not None and os.path.samefile(path, self._layout.blob(known.sha256))
        except FileNotFoundError:
            return False

    def restore(self, path: str, sha256: str) -> bool:
        """Put a good file of a published version into the index where its content is missing there; returns whether it did.

        Where that is impossible (read-only store, no links), nothing changes.
        """
        blob = self._layout.blob(sha256)
        if os.path.exists(blob):
            return False
        try:
            self._layout.make_folder(os.path.dirname(blob))
            os.link(path, blob)
        except OSError:
            return False
        return True

    def release(self, digests: set[str]) -> list[str]:
        """Remove those of the named blobs that no version links to any more.

        A save that links to one of them at this moment keeps its content and loses the index entry; its next save, or verify,
        restores that.

        Returns:
            The digests of the removed blobs.
        """
        removed = []
        for sha256 in digests:
            blob = self._layout.blob(sha256)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(blob).st_nlink == 1:
                    os.unlink(blob)
                    removed.append(sha256)
        return removed

    def all(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield (path, stat) of every blob."""
        for path, status in self.everything():
            if self.is_blob(path, status):
                yield path, status

    def everything(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield (path, stat) of all that lies where blobs lie, blobs or not."""
        for folder in _scan(self._layout.blobs):
            entries = _scan(folder.path) if folder.is_dir(follow_symlinks=False) and len(folder.name) == 2 else [folder]
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    yield entry.path, entry.stat(follow_symlinks=False)

    def is_blob(self, path: str, status: os.stat_result) -> bool:
        """Tell whether an entry is called and placed as a blob is."""
        return _SHA256.fullmatch(name := os.path.basename(path)) is not None and (
            path == self._layout.blob(name) and stat.S_ISREG(status.st_mode)
        )


def _take(path: str, blob: str, temporary: str) -> bool | None:
    """Replace `path` by a link to `blob`; `None` where the blob has gone meanwhile."""
    try:
        if os.path.samefile(blob, path):
            return True  # taken from there; and renaming a name of a file to another of its names does nothing
        if os.stat(blob).st_size != os.stat(path).st_size:
            return False  # damaged: verify will move it aside, and this version keeps its own copy
        os.link(blob, temporary)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    os.replace(temporary, path)
    return True


def _scan(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
