"""Changes to published versions: editing a record, deleting a version."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from tiffin.exceptions import ModelNotFoundError
from tiffin.files import sync_file
from tiffin.model import Stamp
from tiffin.store import _records
from tiffin.store._blobs import Blobs
from tiffin.store._layout import Layout, step
from tiffin.store._staging import discard, staged, version_lock
from tiffin.tags import new_version

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
    parent = f"{layout.models}/{name}"
    # Of two processes that edit one record, the second must start from what the first has written; and a record must not
    # come into a version that was replaced meanwhile, whose files it does not list.
    with version_lock(layout, name, version), staged(layout, "edit") as folder:
        info, _ = _records.read(layout, name, version)
        info = change(info)
        temporary = f"{folder}/model.yaml"
        stamp = _records.write(layout, temporary, info)
        step("edit", "written")
        try:
            os.utime(parent)  # the catalog looks at the name's folder; before, too, for one who is killed in between
            os.replace(temporary, path)
        except FileNotFoundError as error:
            raise ModelNotFoundError(f"Model '{name}:{version}' was deleted", tag=f"{name}:{version}") from error
        step("edit", "renamed")
        with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
            os.utime(parent)
            step("edit", "touched")
            sync_file(os.path.dirname(path))
    return info, stamp


def delete(layout: Layout, name: str, version: str) -> None:
    """Delete one version: rename it away, then remove it, and the blobs that nothing else links to.

    Raises:
        ModelNotFoundError: there is no such version.
    """
    path = layout.version(name, version)
    parent = os.path.dirname(path)
    digests: set[str] = set()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(version_lock(layout, name, version))
            gone = f"{stack.enter_context(staged(layout, 'delete'))}/{version}"
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # Not even an empty file can be made, and now of all times deleting must work. Without a lock others may sweep
            # what is put there; they do the same with it.
            gone = f"{layout.staging}/{new_version()[0]}"
        try:
            os.rename(path, gone)
        except FileNotFoundError as error:
            raise ModelNotFoundError(f"Model '{name}:{version}' was not found", tag=f"{name}:{version}") from error
        step("delete", "renamed")
        with contextlib.suppress(FileNotFoundError):
            sync_file(parent)
        step("delete", "parent-synced")
        if not os.path.islink(gone):
            digests = _records.digests_below(gone)
        discard(gone)
    step("delete", "removed")
    Blobs(layout).release(digests)
    step("delete", "blobs-released")
    with contextlib.suppress(OSError):  # other versions are left, or somebody saves one right now
        os.rmdir(parent)
    step("delete", "name-removed")
