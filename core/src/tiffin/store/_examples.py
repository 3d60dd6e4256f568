"""Examples of contents, kept per content digest, outside the versions: `examples/<64 digits>`, one file each.

What a save recorded takes the place of what was there; what comes from elsewhere never does.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tiffin.exceptions import ExamplesError, StoreWarning
from tiffin.files import sync_file
from tiffin.store import _records
from tiffin.store._layout import Layout

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.store._store import ModelStore

_CONTENT = re.compile(r"[0-9a-f]{64}")
_UNDER_WAY = 3600
"""Seconds for which examples may be of a version that is not in its place yet."""


class KeptExamples:
    """The examples of a store's contents.

    Args:
        layout: where the store has what.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def path_of(self, content_digest: str) -> str:
        """Return the path of a content's examples; need not exist."""
        return f"{self._layout.examples}/{content_digest.removeprefix('sha256:')}"

    def read(self, content_digest: str) -> bytes | None:
        """Return the file of a content's examples, `None` where there is none. What is in it is not looked at.

        Raises:
            ExamplesError: it is larger than any may be, or cannot be read.
        """
        path = self.path_of(content_digest)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
            with open(descriptor, "rb") as file:
                from tiffin.info import MAX_EXAMPLES

                data = file.read(MAX_EXAMPLES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ExamplesError(
                f"The examples at {path} cannot be read ({error.strerror})",
                fix="Look at the file; without it the model loads all the same",
                path=path,
            ) from error
        return data

    def write(self, staging: str, content_digest: str, data: bytes, *, replace: bool = True) -> bool:
        """Keep examples of a content.

        Args:
            staging: a staging folder, for the unfinished file.
            content_digest: of which content.
            data: the file.
            replace: whether those that are there are replaced.

        Returns:
            Whether they were written.
        """
        path = self.path_of(content_digest)
        if not replace and os.path.lexists(path):
            with contextlib.suppress(OSError):  # as if written now: the version may not be in its place yet
                os.utime(path)
            return False
        temporary = staging + ".examples"
        self._layout.modes().write(temporary, data)
        self._layout.make_folder(self._layout.examples)
        os.replace(temporary, path)
        for parent in (self._layout.examples, self._layout.root):
            sync_file(parent)
        return True

    def wrong(self, content_digest: str) -> str:
        """Return what is wrong with a content's examples as a sentence; empty where nothing is."""
        try:
            data = self.read(content_digest)
            if data is not None:
                from tiffin.examples import check_file  # imports numpy

                check_file(data, "The file of examples")
        except ExamplesError as error:
            return error.what
        return ""

    def foreign(self) -> Iterator[str]:
        """Yield the paths of what belongs to no content, where examples are kept."""
        return (f"{self._layout.examples}/{name}" for name in self._names() if not _CONTENT.fullmatch(name))

    def of_removed(self, folder: str) -> str | None:
        """Return the digest of the content in a folder that is about to be removed, if there are examples of it."""
        if not self._names():
            return None
        digest = _records.content_below(folder)
        return digest if digest and os.path.lexists(self.path_of(digest)) else None

    def sweep(self, *, only: str | None = None, dry_run: bool = False) -> list[tuple[str, int]]:
        """Remove examples of contents that no version has, those in the trash included.

        Args:
            only: the digest of the one content to look at; its version is known to be gone. Else those of the last hour
                stay, since their version may be on its way.
            dry_run: whether only to tell.

        Returns:
            The digest and the bytes of each that was removed, or would be.
        """
        found = [only.removeprefix("sha256:")] if only else [name for name in self._names() if _CONTENT.fullmatch(name)]
        unheld: dict[str, int] = {}
        for name in found:
            with contextlib.suppress(OSError):
                status = os.lstat(self.path_of(name))
                if only or status.st_mtime < time.time() - _UNDER_WAY:
                    unheld[name] = status.st_size
        for record in _records_of(self._layout) if unheld else ():
            for name in [name for name in unheld if name.encode() in record]:
                del unheld[name]
            if not unheld:
                break
        if not dry_run:
            for name in unheld:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path_of(name))
        return sorted(unheld.items())

    def _names(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return sorted(name for name in os.listdir(self._layout.examples) if not name.startswith("."))
        return []


def take(store: ModelStore, info: ModelInfo, data: bytes | None, where: str) -> None:
    """Keep what somebody else has of a content's examples; see `ModelStore.take_examples`."""
    if data is None:
        return
    from tiffin.examples import check_file  # imports numpy

    try:
        check_file(data, where)
    except ExamplesError as error:
        warnings.warn(f"{error.what}. They were left out; the model itself is whole", StoreWarning, stacklevel=4)
        return
    with store.changing() as folder:
        KeptExamples(store.layout).write(folder, info.content_digest, data, replace=False)


def _records_of(layout: Layout) -> Iterator[bytes]:
    """Yield the text of every record, of versions and of what is in the trash."""
    for name in {*_listed(layout.models), *_listed(layout.trash)}:
        for version in _listed(f"{layout.models}/{name}"):
            yield _records.text_of(layout.record(name, version)) or b""
        for version in _listed(f"{layout.trash}/{name}"):
            yield _records.text_of(f"{layout.trash}/{name}/{version}/model.yaml") or b""


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
