"""Changes to what is published: editing a record, deleting a version, moving an alias. Each is noted in the journal."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from tiffin.exceptions import AliasedVersionError, ModelNotFoundError
from tiffin.files import sync_file
from tiffin.model import Stamp
from tiffin.store import _records
from tiffin.store._aliases import Aliases
from tiffin.store._blobs import Blobs
from tiffin.store._examples import KeptExamples
from tiffin.store._journal import Notes, changing_name
from tiffin.store._layout import Layout, step
from tiffin.store._staging import discard, staged
from tiffin.tags import new_version

if TYPE_CHECKING:
    from tiffin.info import ModelInfo

_FULL = (errno.ENOSPC, errno.EDQUOT)


def edit(
    layout: Layout, name: str, version: str, change: Callable[[ModelInfo], ModelInfo], *, what: str = "edited"
) -> tuple[ModelInfo, Stamp]:
    """Replace a version's record by a changed one; readers see the old one or the new one.

    Args:
        layout: the store.
        name, version: which.
        change: returns the new record; called while no other process changes anything of the name.
        what: what the journal calls it.

    Returns:
        The new record and its stamp.
    """
    path = layout.record(name, version)
    parent = f"{layout.models}/{name}"
    # Of two processes that edit one record, the second must start from what the first has written; and a record must not
    # come into a version that was replaced meanwhile, whose files it does not list.
    with staged(layout, "edit") as folder, changing_name(layout, name) as notes:
        before, _ = _records.read(layout, name, version)
        info = change(before)
        temporary = f"{folder}/model.yaml"
        stamp, mark = _records.write(layout, temporary, info)
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
            notes.add(what, version=version, fields=_changed(before, info), record=mark)
            sync_file(os.path.dirname(path))
    return info, stamp


def _changed(before: ModelInfo, now: ModelInfo) -> list[str]:
    """Return the labels and fields of metadata that differ, as "labels.stage"; and "card"."""
    pairs = (("labels", before.labels, now.labels), ("metadata", before.metadata, now.metadata))
    changed = [
        f"{kind}.{key}"
        for kind, old, new in pairs
        for key in sorted(old.keys() | new.keys())
        if key not in old or key not in new or old[key] != new[key]
    ]
    return changed + (["card"] if before.card != now.card else [])


def delete(layout: Layout, name: str, version: str, *, force: bool = False, now: bool = False) -> list[str]:
    """Delete one version: rename it into the trash, and remove the aliases that mean it.

    Args:
        layout: the store.
        name, version: which.
        force: whether it is deleted even if an alias means it.
        now: whether what it alone has is freed at once.

    Returns:
        The aliases that were removed.

    Raises:
        ModelNotFoundError: there is no such version.
        AliasedVersionError: an alias means it, and `force` is false.
    """
    path = layout.version(name, version)
    parent = os.path.dirname(path)
    with contextlib.ExitStack() as stack:
        with changing_name(layout, name, even_full=True) as notes:
            # What is no model is not kept. Looked at under the lock: a version that is just being restored is one.
            now = now or os.path.islink(path) or not os.path.lexists(f"{path}/model.yaml")
            try:
                gone = f"{stack.enter_context(staged(layout, 'delete'))}/{version}" if now else ""
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                # Not even an empty file can be made, and now of all times deleting must work. Without a lock others may
                # sweep what is put there; they do the same with it.
                gone = f"{layout.staging}/{new_version()[0]}"
            aliases = [alias for alias, target in Aliases(layout).of_name(name).items() if target == version]
            if aliases and not force and os.path.lexists(path):
                raise aliased_error(name, version, aliases)
            gone = _move_away(layout, name, version, gone)
            notes.add("deleted", version=version, how="for good" if now else "")
            step("delete", "renamed")
            for folder in (parent, os.path.dirname(gone)):
                with contextlib.suppress(FileNotFoundError):
                    sync_file(folder)
            step("delete", "parent-synced")
            for alias in aliases:
                _unlink_alias(layout, notes, name, alias, how="deleted")
            step("delete", "aliases-removed")
            with contextlib.suppress(OSError):  # other versions are left, or somebody saves one right now
                os.rmdir(parent)
            step("delete", "name-removed")
        if gone.startswith(layout.staging):
            digests = set() if os.path.islink(gone) else _records.digests_below(gone)
            content = None if os.path.islink(gone) else KeptExamples(layout).of_removed(gone)
            discard(gone)
            step("delete", "removed")
            Blobs(layout).release(digests)
            if content is not None:
                KeptExamples(layout).sweep(only=content)
            step("delete", "blobs-released")
    return aliases


def aliased_error(name: str, version: str, aliases: list[str]) -> AliasedVersionError:
    """Return the error for a version that is not deleted because aliases mean it."""
    names = ", ".join(f"'{name}:{alias}'" for alias in aliases)
    mean = f"the alias {names} means" if len(aliases) == 1 else f"the aliases {names} mean"
    return AliasedVersionError(
        f"'{name}:{version}' is not deleted: {mean} it",
        why="Whoever uses that name would lose the model",
        fix="Move or remove the alias first, or pass force=True (--force)",
        tag=f"{name}:{version}",
        aliases=tuple(aliases),
    )


def _move_away(layout: Layout, name: str, version: str, gone: str) -> str:
    """Move a version to `gone`, or into the trash where that is empty; returns where it is now."""
    path, folder, identity = layout.version(name, version), f"{layout.trash}/{name}", new_version()[0]
    while True:
        target = gone or f"{folder}/{version}.{identity}"
        try:
            if not gone:
                layout.make_folder(folder)
            os.rename(path, target)
        except FileNotFoundError as error:
            if not os.path.lexists(path):
                raise ModelNotFoundError(f"Model '{name}:{version}' was not found", tag=f"{name}:{version}") from error
            # Else the folder in the trash was removed just now, by another process that has emptied it.
        except OSError as error:
            if gone or error.errno not in _FULL:
                raise
            gone = f"{layout.staging}/{identity}"  # no room even for a folder: it is removed at once
        else:
            return target


def set_alias(layout: Layout, name: str, alias: str, version: str) -> str | None:
    """Let the alias mean the version; readers see the old one or the new one. Returns what it meant before.

    Raises:
        ModelNotFoundError: the version was deleted meanwhile.
    """
    with staged(layout, "alias") as folder, changing_name(layout, name) as notes:
        # Looked at under the lock: whoever deletes the version later finds the alias, and removes it.
        if not os.path.exists(layout.record(name, version)):
            raise ModelNotFoundError(f"Model '{name}:{version}' was deleted", tag=f"{name}:{version}")
        before = Aliases(layout).read(name, alias)
        if before == version:
            return before
        temporary = f"{folder}/{alias}"
        layout.modes().write(temporary, f"{version}\n".encode())
        step("alias", "written")
        parent = f"{layout.aliases}/{name}"
        made = not os.path.isdir(parent)
        layout.make_folder(parent)
        os.replace(temporary, f"{parent}/{alias}")
        notes.add("alias", alias=alias, before=before, after=version)
        step("alias", "renamed")
        sync_file(parent)
        if made:
            sync_file(layout.aliases)
    return before


def remove_alias(layout: Layout, name: str, alias: str) -> str | None:
    """Remove the alias; returns what it meant, `None` where it was not there."""
    with changing_name(layout, name) as notes:
        return _unlink_alias(layout, notes, name, alias)


def remove_dangling(layout: Layout, name: str, version: str) -> list[str]:
    """Remove the aliases that mean a version which is not there; returns them."""
    with changing_name(layout, name) as notes:
        if os.path.lexists(layout.version(name, version)):
            return []
        found = [alias for alias, target in Aliases(layout).of_name(name).items() if target == version]
        return [alias for alias in found if _unlink_alias(layout, notes, name, alias, how="its version was gone")]


def _unlink_alias(layout: Layout, notes: Notes, name: str, alias: str, *, how: str = "") -> str | None:
    parent = f"{layout.aliases}/{name}"
    before = Aliases(layout).read(name, alias)
    try:
        os.unlink(f"{parent}/{alias}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if before is not None:
        notes.add("alias", alias=alias, before=before, how=how)
    with contextlib.suppress(FileNotFoundError):
        sync_file(parent)
    with contextlib.suppress(OSError):  # other aliases of the name are left
        os.rmdir(parent)
    return before or ""
