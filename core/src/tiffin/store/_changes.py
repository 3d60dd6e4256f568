"""Changes to published versions: editing a record, deleting a version."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from tiffin._files import sync_file
from tiffin._model import Stamp
from tiffin.exceptions import ModelNotFoundError, RecordError
from tiffin.store import _blobs, _records
from tiffin.store._layout import Layout, step
from tiffin.store._staging import named_lock, staged

if TYPE_CHECKING:
    from tiffin.info import ModelInfo


def edit(layout: Layout, name: str, version: str, change: Callable[[ModelInfo], ModelInfo]) -> tuple[ModelInfo, Stamp]:
    """Replace a version's record by a changed one; readers see the old one or the new one.

    Args:
        layout: the store.
        name, version: which.
        change: returns the new record; called while no other process edits it.

    Returns:
        The new record and its stamp.
    """
    path = layout.record(name, version)
    # Of two processes that edit one record, the second must start from what the first has written.
    with named_lock(layout, f"edit.{name}.{version}"), staged(layout, "edit") as folder:
        info, _ = _records.read(layout, name, version)
        info = change(info)
        temporary = f"{folder}/model.yaml"
        _records.write(temporary, info)
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, os.stat(path).st_mode & 0o777)
        step("edit", "written")
        try:
            os.replace(temporary, path)
        except FileNotFoundError as error:
            raise ModelNotFoundError(f"Model '{name}:{version}' was deleted", tag=f"{name}:{version}") from error
        step("edit", "renamed")
        with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
            os.utime(f"{layout.models}/{name}")  # the catalog looks at the name's folder
            step("edit", "touched")
            sync_file(os.path.dirname(path))
        stamp = _records.stamp_of(path)
    return info, stamp or Stamp(0, 0, 0)


def delete(layout: Layout, name: str, version: str) -> None:
    """Delete one version: rename it away, then remove it, and the blobs that nothing else links to.

    Raises:
        ModelNotFoundError: there is no such version.
    """
    path = layout.version(name, version)
    parent = os.path.dirname(path)
    digests: set[str] = set()
    with contextlib.suppress(RecordError):  # what has no readable record is deleted all the same; gc finds its blobs
        digests = {entry.sha256 for entry in _records.read(layout, name, version)[0].files.values()}
    with staged(layout, "delete") as folder:
        try:
            os.rename(path, f"{folder}/{version}")
        except FileNotFoundError as error:
            raise ModelNotFoundError(f"Model '{name}:{version}' was not found", tag=f"{name}:{version}") from error
        step("delete", "renamed")
        with contextlib.suppress(FileNotFoundError):
            sync_file(parent)
        step("delete", "parent-synced")
    step("delete", "removed")
    _blobs.release(layout, digests)
    step("delete", "blobs-released")
    with contextlib.suppress(OSError):  # other versions are left, or somebody saves one right now
        os.rmdir(parent)
    step("delete", "name-removed")
