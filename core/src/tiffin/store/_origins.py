"""Origins: how this store got a content: saved here, accepted by hand, or from elsewhere.

Kept per content digest, outside the versions, so that nothing that arrives with a model can claim an origin. Each is one
line of JSON that holds its own digest.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import StoreError
from tiffin.files import unreadable
from tiffin.origin import LOCAL
from tiffin.store._layout import Layout


class Origins:
    """The notes of how a store got its contents.

    Args:
        layout: where the store has what.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def path_of(self, content_digest: str) -> str:
        """Return the path of a content's origin record."""
        return f"{self._layout.origins}/{content_digest.removeprefix('sha256:')}"

    def write(self, folder: str, content_digest: str, how: str) -> None:
        """Note how the store got a content.

        What was noted before stays, unless it is damaged, or says that a content came from elsewhere which was made here now.

        The note's folder is not synced, to save time: where a file system forgets it in a power failure, the content is taken
        for a stranger's, which is safe.

        Args:
            folder: a staging folder, for the unfinished file.
            content_digest: as the record holds it.
            how: "saved here", or another short text.
        """
        old = self._read_or_none(content_digest)
        if old is not None and (how not in LOCAL or old["how"] in LOCAL):
            return
        self._replace(folder, content_digest, {"how": how, "time": _now()})

    def set_trust(self, folder: str, content_digest: str, trusted: Mapping[str, str] | None) -> None:
        """Note that a content is trusted, or no longer.

        Args:
            folder: a staging folder, for the unfinished file.
            content_digest: the digest of what is in the version now.
            trusted: `kind` ("hand"), `by` and `how`; the time is added. `None` takes trust back.
        """
        origin = self._read_or_none(content_digest) or {"how": "unknown", "time": _now()}
        origin.pop("trusted", None)
        if trusted is not None:
            origin["trusted"] = {**trusted, "time": _now()}
        self._replace(folder, content_digest, origin)

    def _read_or_none(self, content_digest: str) -> dict[str, Any] | None:
        try:
            return self.read(content_digest)
        except StoreError:
            return None  # damaged: what is known now replaces it

    def _replace(self, folder: str, content_digest: str, origin: dict[str, Any]) -> None:
        origin["content"] = content_digest
        temporary = folder + ".origin"
        text = json.dumps({**origin, "digest": _digest(origin)}) + "\n"
        self._layout.modes().write(temporary, text.encode())
        try:
            os.replace(temporary, self.path_of(content_digest))
        except FileNotFoundError:  # somebody has removed the folder
            self._layout.make_folder(self._layout.origins)
            os.replace(temporary, self.path_of(content_digest))

    def read(self, content_digest: str) -> dict[str, Any] | None:
        """Return what was noted of a content, `None` where nothing was.

        Raises:
            StoreError: the note is damaged.
        """
        path = self.path_of(content_digest)
        try:
            with open(path, encoding="utf-8") as file:
                origin = json.loads(file.read())
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise unreadable(f"The origin record {path}", error, path) from error
        except (ValueError, RecursionError, OSError) as error:
            raise _damaged(path, f": {error}") from error
        if (
            not isinstance(origin, dict)
            or not isinstance(origin.get("how"), str)
            or origin.pop("digest", "") != _digest(origin)
            or origin.get("content") != content_digest
        ):
            raise _damaged(path)
        return origin


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _digest(origin: dict[str, Any]) -> str:
    text = json.dumps(origin, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _damaged(path: str, why: str = "") -> StoreError:
    return StoreError(
        f"The origin record {path} is damaged{why}",
        why="How the model came into this store cannot be told",
        fix="Delete it, or save the model again",
        path=path,
    )
