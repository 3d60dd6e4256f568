"""Origins: how this store got a content: saved here, accepted by hand, or from elsewhere.

Kept per content digest, outside the versions, so that nothing that arrives with a model can claim an origin. Each is one
line of JSON that holds its own digest.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from typing import Any

from tiffin.exceptions import StoreError
from tiffin.store._layout import Layout


def path_of(layout: Layout, content_digest: str) -> str:
    """Return the path of a content's origin record."""
    return f"{layout.origins}/{content_digest.removeprefix('sha256:')}"


def write(layout: Layout, folder: str, content_digest: str, how: str) -> None:
    """Note how the store got a content; what was noted before stays, unless it is damaged.

    The note's folder is not synced, to save time: where a file system forgets it in a power failure, the content is taken
    for a stranger's, which is safe.

    Args:
        layout: the store.
        folder: a staging folder, for the unfinished file.
        content_digest: as the record holds it.
        how: "saved here", or another short text.
    """
    try:
        if read(layout, content_digest) is not None:
            return
    except StoreError:
        pass  # damaged: what is known now replaces it
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    origin = {"content": content_digest, "how": how, "time": now}
    temporary = folder + ".origin"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps({**origin, "digest": _digest(origin)}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path_of(layout, content_digest))


def read(layout: Layout, content_digest: str) -> dict[str, Any] | None:
    """Return what was noted of a content, `None` where nothing was.

    Raises:
        StoreError: the note is damaged.
    """
    path = path_of(layout, content_digest)
    try:
        with open(path, encoding="utf-8") as file:
            origin = json.loads(file.read())
    except FileNotFoundError:
        return None
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
