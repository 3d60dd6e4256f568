"""Reading the store's folders: which versions there are, and what does not belong there.

Works through the catalog, and brings it up to date on the way.
"""

from __future__ import annotations

import os
import time
import warnings

from tiffin._model import Row, Stamp
from tiffin.exceptions import ModelNotFoundError, RecordError, StoreWarning
from tiffin.store import _records
from tiffin.store._catalog import Catalog, Entry
from tiffin.store._layout import Layout
from tiffin.tags import is_part

_SETTLED_NS = 1_000_000_000
"""Nanoseconds after which an mtime is relied on: file systems tick coarsely, and a later change may have the same one."""


def entry_of(layout: Layout, name: str, version: str) -> Entry:
    """Read one version's record into an entry.

    Raises:
        ModelNotFoundError, RecordError: there is no valid record.
    """
    from tiffin.info import encode_cached

    info, stamp = _records.read(layout, name, version)
    return make_entry(info, stamp, encode_cached(info))


def make_entry(info, stamp: Stamp, record: str) -> Entry:  # type: ignore[no-untyped-def]  # ModelInfo is slow to import
    """Return the catalog's entry of a record."""
    import json

    created = info.creation_time
    microseconds = int(created.timestamp()) * 1_000_000 + created.microsecond
    labels = json.dumps(info.labels)
    row = Row(info.name, info.version, microseconds, info.framework, info.size, labels, int(info.edited))
    return Entry(row, stamp, record)


def refresh(layout: Layout, catalog: Catalog) -> None:
    """Bring the catalog up to date with the folders of all names.

    Warns:
        StoreWarning: something in the store is not a model.
    """
    known = catalog.names()
    found: dict[str, int] = {}
    try:
        with os.scandir(layout.models) as entries:
            for entry in entries:
                if entry.name in known or _is_place(entry, "name"):
                    found[entry.name] = entry.stat().st_mtime_ns
    except FileNotFoundError:
        pass
    changed = [name for name, mtime in found.items() if known.get(name) != mtime]
    gone = known.keys() - found.keys()
    if changed or gone:
        with catalog.together():
            for name in changed:
                refresh_name(layout, catalog, name)
            catalog.forget(gone)


def refresh_name(layout: Layout, catalog: Catalog, name: str) -> bool:
    """Bring the catalog up to date with one name's folder; returns whether there is one.

    Warns:
        StoreWarning: something in the folder is not a model.
    """
    folder = f"{layout.models}/{name}"
    try:
        mtime = os.stat(folder).st_mtime_ns
        known = catalog.mtime(name)
        if known == mtime:
            return True
        settled = time.time_ns() - mtime > _SETTLED_NS
        with os.scandir(folder) as found:
            versions = [entry.name for entry in found if _is_place(entry, "version")]
    except (FileNotFoundError, NotADirectoryError):
        catalog.forget([name])
        return False
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
            warnings.warn(
                f"Passed over {name}/{version}: {error.what}. 'tiffin models verify' explains", StoreWarning, 3
            )
    if entries or settled or known is None or keep != stamps.keys():
        catalog.replace(name, mtime if settled else None, keep, entries)
    return True


def _is_place(entry: os.DirEntry[str], what: str) -> bool:
    if is_part(entry.name) and entry.is_dir(follow_symlinks=False):
        return True
    if not entry.name.startswith("."):  # desktop and file-sync programs leave hidden files everywhere
        warnings.warn(f"Passed over {entry.path}, which is not the folder of a {what}", StoreWarning, 4)
    return False
