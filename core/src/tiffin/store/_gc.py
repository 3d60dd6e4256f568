"""Garbage collection: what an interrupted change or a lost race has left behind."""

from __future__ import annotations

import contextlib
import os

import attrs

from tiffin.store import _aliases, _blobs
from tiffin.store._layout import disk_errors, step
from tiffin.store._staging import sweep
from tiffin.store._store import ModelStore
from tiffin.tags import is_part


@attrs.frozen
class Garbage:
    """What was removed, or would be.

    Attributes:
        staging: ids of abandoned work.
        blobs: digests of contents that no version has.
        damaged: damaged contents that `verify` moved aside and no version has.
        aliases: aliases of versions that are gone, as `name:alias`.
        names: names without versions.
        freed: bytes.
    """

    staging: list[str]
    blobs: list[str]
    damaged: list[str]
    aliases: list[str]
    names: list[str]
    freed: int


def gc(store: ModelStore, *, dry_run: bool = False) -> Garbage:
    """Remove what no version needs: abandoned work, unused blobs, dangling aliases, empty names.

    Safe beside saves, loads and deletions of other processes. Origins stay: what was saved here once is known for ever.

    Args:
        store: the store.
        dry_run: whether only to tell.
    """
    layout = store.layout
    layout.check_format()
    if not os.path.isdir(layout.models):
        return Garbage([], [], [], [], [], 0)
    with disk_errors(layout.root):
        freed = 0
        staging = sweep(layout, dry_run=dry_run) if os.path.isdir(layout.staging) else []
        step("gc", "staging-swept")
        unused = {os.path.basename(path): status for path, status in _blobs.blobs(layout) if status.st_nlink == 1}
        freed += sum(status.st_size for status in unused.values())
        blobs = sorted(unused) if dry_run else sorted(_blobs.release(layout, set(unused)))
        step("gc", "blobs-released")
        damaged = []
        for path, status in _damaged(layout.damaged):
            if status.st_nlink == 1:
                damaged.append(os.path.basename(path))
                freed += status.st_size
                if not dry_run:
                    os.unlink(path)
        step("gc", "damaged-removed")
        aliases = []
        for name in _aliases.names(layout):
            for alias, version in _aliases.of_name(layout, name).items():
                if not os.path.exists(layout.record(name, version)):
                    aliases.append(f"{name}:{alias}")
                    if not dry_run:
                        _aliases.remove(layout, name, alias)
        step("gc", "aliases-removed")
        names = []
        for name in sorted(os.listdir(layout.models)):
            folder = f"{layout.models}/{name}"
            if is_part(name) and os.path.isdir(folder) and not os.listdir(folder):
                names.append(name)
                if not dry_run:
                    with contextlib.suppress(OSError):  # somebody saves a version right now
                        os.rmdir(folder)
        step("gc", "names-removed")
    return Garbage(staging, blobs, damaged, aliases, names, freed)


def _damaged(folder: str) -> list[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            return [(entry.path, entry.stat(follow_symlinks=False)) for entry in entries]
    except FileNotFoundError:
        return []
