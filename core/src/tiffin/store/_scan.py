"""Reading the store's folders: which versions there are, and what does not belong there.

Works through the catalog, and brings it up to date on the way.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time

from tiffin.exceptions import ModelNotFoundError, RecordError
from tiffin.model import Row, Stamp
from tiffin.store import _arrivals, _records
from tiffin.store._catalog import Catalog, Entry
from tiffin.store._layout import Layout
from tiffin.tags import is_part

_SETTLED_NS = 1_000_000_000
"""Nanoseconds after which an mtime is relied on: file systems tick coarsely, and a later change may have the same one."""
_MAX_INTEGER = (1 << 63) - 1
"""What SQLite can hold."""


def entry_of(layout: Layout, name: str, version: str) -> Entry:
    """Read one version's record into an entry.

    Raises:
        ModelNotFoundError, RecordError: there is no valid record.
    """
    from tiffin.info import encode_cached

    info, stamp = _records.read(layout, name, version)
    return make_entry(layout, info, stamp, encode_cached(info))


def make_entry(layout: Layout, info, stamp: Stamp, record: str) -> Entry:  # type: ignore[no-untyped-def]  # ModelInfo is slow to import
    """Return the catalog's entry of a record."""
    import json

    labels = json.dumps(info.labels)
    size = min(info.size, _MAX_INTEGER)  # of a record from elsewhere; no disk holds that much
    row = Row(
        info.name,
        info.version,
        _arrivals.created(info),
        _arrivals.since(layout, info),
        info.framework,
        size,
        labels,
        int(info.edited),
    )
    return Entry(row, stamp, record)


def refresh(layout: Layout, catalog: Catalog) -> list[str]:
    """Bring the catalog up to date with the folders of all names.

    Returns:
        Warnings: what in the store is not a model.
    """
    notes: list[str] = []
    known = catalog.names()
    found: dict[str, int] = {}
    try:
        with os.scandir(layout.models) as entries:
            for entry in entries:
                if _is_place(entry, "name", notes):
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        found[entry.name] = entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        pass
    changed = [name for name, mtime in found.items() if known.get(name) != mtime]
    gone = known.keys() - found.keys()

    def update() -> None:
        for name in changed:
            notes.extend(refresh_name(layout, catalog, name))
        catalog.forget(gone)

    if (changed or gone) and not catalog.failed:
        catalog.atomically(update)
    return notes


def refresh_name(layout: Layout, catalog: Catalog, name: str, *, versions_only: bool = False) -> list[str]:
    """Bring the catalog up to date with one name's folder.

    Args:
        layout, catalog: the store's.
        name: the name.
        versions_only: whether it is enough, within a second of a change, that the catalog has the versions that are there.
            Their records are not looked at then, which whoever writes one tells the catalog of: a look-up right after a save
            takes no longer for hundreds of versions.

    Returns:
        Warnings: what in the folder is not a model.
    """
    notes: list[str] = []
    mtime = _mtime(f"{layout.models}/{name}")
    if catalog.mtime(name) != mtime and not catalog.failed:
        if (
            versions_only
            and mtime is not None
            and 0 <= _age(mtime) <= _SETTLED_NS
            and _has_versions(layout, catalog, name)
        ):
            return notes
        # Read as one change: what others note meanwhile would be lost, or taken for what was found here.
        catalog.atomically(lambda: _read_again(layout, catalog, name, notes))
    return notes


def _read_again(layout: Layout, catalog: Catalog, name: str, notes: list[str]) -> None:
    folder = f"{layout.models}/{name}"
    mtime = _mtime(folder)
    if mtime is None:
        catalog.forget([name])
        return
    settled = _age(mtime) > _SETTLED_NS
    versions = []
    try:
        with os.scandir(folder) as found:
            versions = [entry.name for entry in found if _is_place(entry, "version", notes)]
    except (FileNotFoundError, NotADirectoryError):
        catalog.forget([name])
        return
    except PermissionError as error:
        settled = False  # another user may read it
        notes.append(f"Passed over {folder}, which cannot be read: {error.strerror}")
    stamps = catalog.stamps(name)
    keep: set[str] = set()
    entries = []
    for version in versions:
        stamp = _records.stamp_of(f"{folder}/{version}/model.yaml")
        if stamp is not None and stamps.get(version) == stamp:
            keep.add(version)
            continue
        try:
            entries.append(entry_of(layout, name, version))
        except ModelNotFoundError:
            pass  # deleted meanwhile
        except RecordError as error:
            # Mending it does not touch the name's folder, so look again next time.
            settled = False
            notes.append(f"Passed over {name}/{version}: {error.what}. 'tiffin models verify' explains")
    if entries or settled or keep != stamps.keys():
        catalog.replace(name, mtime if settled else None, keep, entries)


def _has_versions(layout: Layout, catalog: Catalog, name: str) -> bool:
    try:
        found = {version for version in os.listdir(f"{layout.models}/{name}") if not version.startswith(".")}
    except OSError:
        return False
    return found == catalog.versions(name)


def _age(mtime: int) -> int:
    return time.time_ns() - mtime


def _mtime(folder: str) -> int | None:
    """Return the mtime of a name's folder, `None` where there is none."""
    try:
        status = os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_mtime_ns if stat.S_ISDIR(status.st_mode) else None


def _is_place(entry: os.DirEntry[str], what: str, notes: list[str]) -> bool:
    if is_part(entry.name) and entry.is_dir(follow_symlinks=False):
        return True
    if not entry.name.startswith("."):  # desktop and file-sync programs leave hidden files everywhere
        notes.append(f"Passed over {entry.path}, which is not the folder of a {what}")
    return False
