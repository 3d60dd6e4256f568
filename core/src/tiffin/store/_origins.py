"""Origins: how this store got a content: saved here, accepted by hand, or from elsewhere.

Kept per content digest, outside the versions, so that nothing that arrives with a model can claim an origin.
"""

from __future__ import annotations

import datetime
import json
import os
from typing import Any

from tiffin.exceptions import StoreError
from tiffin.store._layout import Layout


def _path(layout: Layout, content_digest: str) -> str:
    return f"{layout.origins}/{content_digest.removeprefix('sha256:')}"


def write(layout: Layout, folder: str, content_digest: str, how: str) -> None:
    """Note how the store got a content; what was noted before stays.

    Args:
        layout: the store.
        folder: a staging folder, for the unfinished file.
        content_digest: as the record holds it.
        how: "saved here", or another short text.
    """
    path = _path(layout, content_digest)
    if os.path.exists(path):
        return
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    temporary = folder + ".origin"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps({"how": how, "time": now}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read(layout: Layout, content_digest: str) -> dict[str, Any] | None:
    """Return what was noted of a content, `None` where nothing was.

    Raises:
        StoreError: the note is damaged.
    """
    path = _path(layout, content_digest)
    try:
        with open(path, encoding="utf-8") as file:
            origin = json.loads(file.read())
    except FileNotFoundError:
        return None
    except (ValueError, UnicodeDecodeError) as error:
        raise StoreError(f"The origin record {path} is damaged: {error}", fix="Delete it", path=path) from error
    if not isinstance(origin, dict) or not isinstance(origin.get("how"), str):
        raise StoreError(f"The origin record {path} is damaged", fix="Delete it", path=path)
    return origin
