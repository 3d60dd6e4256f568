"""Attestations: who vouches for a content, kept per content digest, outside the versions.

Each is a file of its own, called by the sha256 of its bytes, and never changed. That one is here proves nothing: who made it
is told each time it is asked, with the keys that are trusted then.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re

from tiffin.exceptions import TooManySignaturesError
from tiffin.files import sync_file
from tiffin.info import MAX_ATTESTATION, MAX_ATTESTATIONS
from tiffin.store._layout import Layout, step

_CONTENT = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[0-9a-f]{64}\.json")


class Attestations:
    """Who vouches for the contents of a store.

    Args:
        layout: where the store has what.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def folder_of(self, content_digest: str) -> str:
        """Return the folder of a content's attestations; need not exist."""
        return f"{self._layout.signatures}/{content_digest.removeprefix('sha256:')}"

    def read_all(self, content_digest: str) -> list[bytes]:
        """Return the attestations of a content that are as they were written, always in the same order."""
        found = []
        for name in self._names(content_digest)[:MAX_ATTESTATIONS]:
            data = _read(f"{self.folder_of(content_digest)}/{name}")
            if data is not None:
                found.append(data)
        return found

    def damaged(self, content_digest: str) -> list[str]:
        """Return the paths of what is no attestation, or not as it was written, in the folder of a content's attestations."""
        folder = self.folder_of(content_digest)
        with contextlib.suppress(FileNotFoundError):
            return [
                f"{folder}/{name}"
                for name in sorted(os.listdir(folder))
                if not name.startswith(".") and (not _NAME.fullmatch(name) or _read(f"{folder}/{name}") is None)
            ]
        return []

    def foreign(self) -> list[str]:
        """Return the paths of what belongs to no content, where attestations are kept."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._layout.signatures) as entries:
            return sorted(
                entry.path
                for entry in entries
                if not entry.name.startswith(".")
                and not (_CONTENT.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False))
            )
        return []

    def add(self, staging: str, content_digest: str, data: bytes) -> bool:
        """Keep an attestation.

        Args:
            staging: a staging folder, for the unfinished file.
            content_digest: of what it is.
            data: the attestation.

        Returns:
            Whether it is new here.

        Raises:
            TooManySignaturesError: the content has as many attestations as are kept.
        """
        name = f"{hashlib.sha256(data).hexdigest()}.json"
        folder = self.folder_of(content_digest)
        path = f"{folder}/{name}"
        if _read(path) is not None:
            return False
        if len([other for other in self._names(content_digest) if other != name]) >= MAX_ATTESTATIONS:
            raise TooManySignaturesError(
                f"The content {content_digest} has {MAX_ATTESTATIONS} signatures already",
                why="No more are kept of one content",
                fix=f"Delete those that nobody needs, in {folder}",
                path=folder,
            )
        temporary = staging + ".signature"
        self._layout.modes().write(temporary, data)
        step("sign", "written")
        self._layout.make_folder(folder)
        os.replace(temporary, path)
        step("sign", "renamed")
        for parent in (folder, self._layout.signatures, self._layout.root):
            sync_file(parent)
        step("sign", "synced")
        return True

    def _names(self, content_digest: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.folder_of(content_digest)) if _NAME.fullmatch(name))
        except (FileNotFoundError, NotADirectoryError):
            return []


def _read(path: str) -> bytes | None:
    """Return an attestation, `None` where there is none, or not the one that was written there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            data = file.read(MAX_ATTESTATION + 1)
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == os.path.basename(path).removesuffix(".json") else None
