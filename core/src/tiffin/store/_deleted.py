"""The trash: deleted versions, whole, kept for some days as `trash/<name>/<version>.<id>`; the id tells since when."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tiffin.store import _records
from tiffin.store._blobs import Blobs
from tiffin.store._examples import KeptExamples
from tiffin.store._layout import Layout, step
from tiffin.store._staging import discard, staged
from tiffin.tags import is_part, time_of

DAY = 86_400_000_000
"""Microseconds."""


class Deleted(NamedTuple):
    """One deleted version.

    Attributes:
        name, version: its tag.
        identity: what tells it from others that were deleted under this tag; sorts by time.
        time: when it was deleted, in microseconds since 1970, UTC.
        path: its folder.
    """

    name: str
    version: str
    identity: str
    time: int
    path: str


def entries(layout: Layout, name: str | None = None) -> Iterator[Deleted]:
    """Yield the deleted versions of a name, or of all, in no order; what else lies in the trash is passed over."""
    for folder in _names(layout.trash) if name is None else [name]:
        for entry in _names(f"{layout.trash}/{folder}"):
            version, _, identity = entry.rpartition(".")
            since = time_of(identity)
            if is_part(folder) and is_part(version) and since is not None:
                yield Deleted(folder, version, identity, since, f"{layout.trash}/{folder}/{entry}")


def remove(layout: Layout, found: Deleted) -> bool:
    """Free what a deleted version alone has; returns whether it was there, and nobody else was faster."""
    with staged(layout, "empty") as folder:
        gone = f"{folder}/{found.version}"
        try:
            os.rename(found.path, gone)
        except FileNotFoundError:
            return False
        step("empty", "renamed")
        digests = _records.digests_below(gone)
        content = KeptExamples(layout).of_removed(gone)
        discard(gone)
        step("empty", "removed")
    Blobs(layout).release(digests)
    if content is not None:
        KeptExamples(layout).sweep(only=content)
    with contextlib.suppress(OSError):  # it holds others
        os.rmdir(os.path.dirname(found.path))
    step("empty", "released")
    return True


def bytes_of(layout: Layout, folders: list[str]) -> int:
    """Return how many bytes of contents it would free to remove folders; as in all sizes told, records do not count."""
    links: Counter[tuple[int, int]] = Counter()
    held: dict[tuple[int, int], tuple[int, int]] = {}
    for folder in folders:
        for parent, _, files in os.walk(folder):
            for file in files:
                if parent == folder and file == "model.yaml":
                    continue
                with contextlib.suppress(FileNotFoundError):
                    _count(os.lstat(f"{parent}/{file}"), links, held)
        for digest in _records.digests_below(folder):
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(layout.blob(digest))
                if (status.st_dev, status.st_ino) in held:
                    held[status.st_dev, status.st_ino] = (status.st_size, status.st_nlink - 1)
    return sum(size for inode, (size, others) in held.items() if others <= links[inode])


def _count(
    status: os.stat_result, links: Counter[tuple[int, int]], held: dict[tuple[int, int], tuple[int, int]]
) -> None:
    inode = status.st_dev, status.st_ino
    links[inode] += 1
    held.setdefault(inode, (status.st_size, status.st_nlink))


def sweep(layout: Layout, days: float) -> None:
    """Free what was deleted longer ago than so many days. Never fails: what cannot be removed stays for the next time."""
    now = time.time_ns() // 1000
    with contextlib.suppress(OSError):
        for found in entries(layout):
            if found.time < now - days * DAY:
                remove(layout, found)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
