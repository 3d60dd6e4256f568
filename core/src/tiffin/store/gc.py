"""Garbage collection: what an interrupted change or a lost race has left behind."""

from __future__ import annotations

import contextlib
import os
from collections import Counter

import attrs

from tiffin.store import _arrivals, _changes
from tiffin.store._aliases import Aliases
from tiffin.store._deleted import bytes_of, entries, remove
from tiffin.store._examples import KeptExamples
from tiffin.store._journal import settle
from tiffin.store._layout import Layout, disk_errors, step
from tiffin.store._rename import split_aside
from tiffin.store._staging import abandoned, is_aside, sweep
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
        partial: digests of contents of which a pull that broke off has fetched a part.
        freed: bytes.
        trash: tags of deleted versions.
        examples: digests of contents that no version has, of which there are examples.
    """

    staging: list[str]
    blobs: list[str]
    damaged: list[str]
    aliases: list[str]
    names: list[str]
    partial: list[str]
    freed: int
    trash: list[str]
    examples: list[str] = attrs.field(factory=list)


def gc(store: ModelStore, *, dry_run: bool = False, trash: bool = False) -> Garbage:
    """Remove what no version needs: abandoned work, unused blobs, dangling aliases, empty names; the trash on request.

    Safe beside saves, loads and deletions of other processes. Origins stay: what was saved here once is known for ever.

    Args:
        store: the store.
        dry_run: whether only to tell.
        trash: whether deleted versions are removed for good, too.
    """
    from tiffin.plugins import registry

    layout = store.layout
    layout.check_format()
    if not os.path.isdir(layout.models):
        return Garbage([], [], [], [], [], [], 0, [])
    hook = registry().broadcast()
    with disk_errors(layout.root):
        deleted = sorted(entries(layout)) if trash else []
        emptied = bytes_of(layout, [found.path for found in deleted])
        if not dry_run:
            deleted = [found for found in deleted if remove(layout, found)]
        # How many links to each content, and bytes without any other, go with the abandoned work.
        links, freed = _staged_links(abandoned(layout))
        freed += emptied
        staging = sweep(layout, dry_run=dry_run)
        step("gc", "staging-swept")
        held = links if dry_run else Counter[tuple[int, int]]()
        unused = {
            os.path.basename(path): status
            for path, status in store.blobs.all()
            if status.st_nlink - held[status.st_dev, status.st_ino] == 1
        }
        blobs = sorted(unused) if dry_run else sorted(store.blobs.release(set(unused)))
        freed += sum(unused[digest].st_size for digest in blobs)
        step("gc", "blobs-released")
        damaged = []
        for path, status in _damaged(layout.damaged):
            if status.st_nlink - held[status.st_dev, status.st_ino] == 1:
                damaged.append(os.path.basename(path))
                freed += status.st_size
                if not dry_run:
                    with contextlib.suppress(FileNotFoundError):  # another gc was faster
                        os.unlink(path)
        step("gc", "damaged-removed")
        aliases = []
        for name in Aliases(layout).names():
            for version in sorted(_dangling(layout, name)):
                if dry_run:
                    found = [alias for alias, target in Aliases(layout).of_name(name).items() if target == version]
                else:
                    found = _changes.remove_dangling(layout, name, version)
                    for alias in found:
                        hook.alias_changed(name=name, alias=alias, before=version, after=None)
                aliases += [f"{name}:{alias}" for alias in found]
        step("gc", "aliases-removed")
        names = []
        for name in sorted(os.listdir(layout.models)):
            if is_part(name) and _is_empty(f"{layout.models}/{name}"):
                names.append(name)
                if not dry_run:
                    with contextlib.suppress(OSError):  # somebody saves a version right now
                        os.rmdir(f"{layout.models}/{name}")
        step("gc", "names-removed")
        if not dry_run:
            _arrivals.sweep(layout)
            step("gc", "arrivals-swept")
            settle(layout)
            step("gc", "names-settled")
        partial = store.downloads.sweep(dry_run=dry_run)
        freed += sum(size for _, size in partial)
        step("gc", "partial-removed")
        examples = KeptExamples(layout).sweep(dry_run=dry_run)
        freed += sum(size for _, size in examples)
        step("gc", "examples-removed")
    tags = [f"{found.name}:{found.version}" for found in deleted]
    return Garbage(
        staging,
        blobs,
        damaged,
        sorted(aliases),
        names,
        [digest for digest, _ in partial],
        freed,
        tags,
        [digest for digest, _ in examples],
    )


def _staged_links(paths: list[str]) -> tuple[Counter[tuple[int, int]], int]:
    links: Counter[tuple[int, int]] = Counter()
    alone = 0
    for path in paths:
        if split_aside(os.path.basename(path)):
            continue  # put back rather than removed
        found = (
            [path] if os.path.isfile(path) else [f"{folder}/{f}" for folder, _, files in os.walk(path) for f in files]
        )
        for file in found:
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(file)
                links[status.st_dev, status.st_ino] += 1
                if status.st_nlink == 1:
                    alone += status.st_size
    return links, alone


def _dangling(layout: Layout, name: str) -> set[str]:
    versions = set(Aliases(layout).of_name(name).values())
    missing = {version for version in versions if not os.path.exists(layout.record(name, version))}
    # A folder without a record may be mended; one that is just replaced, in several steps, is there again in a moment.
    return {
        version
        for version in missing
        if not os.path.lexists(layout.version(name, version))
        and not is_aside(layout, name, version)
        and not os.path.exists(layout.record(name, version))
    }


def _is_empty(folder: str) -> bool:
    try:
        return not os.path.islink(folder) and not os.listdir(folder)
    except OSError:  # gone meanwhile, or not a folder
        return False


def _damaged(folder: str) -> list[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except FileNotFoundError:
        return []
    result = []
    for entry in found:
        with contextlib.suppress(FileNotFoundError):
            result.append((entry.path, entry.stat(follow_symlinks=False)))
    return result
