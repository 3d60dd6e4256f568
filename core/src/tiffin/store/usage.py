"""Usage: which bytes a version has for itself, and which it shares."""

from __future__ import annotations

import os
from collections import defaultdict

import attrs

from tiffin.model import Model
from tiffin.store._deleted import bytes_of, entries
from tiffin.store._store import ModelStore
from tiffin.tags import Tag, check_part


@attrs.frozen
class Usage:
    """The bytes of one version.

    Attributes:
        tag: the version.
        own: bytes that deleting it alone would free.
        shared: bytes that it shares with other versions.
    """

    tag: str
    own: int
    shared: int


@attrs.frozen
class StoreUsage:
    """The bytes of a store.

    Attributes:
        versions: each version's, largest own first.
        total: bytes on disk of all contents, each counted once.
        apparent: bytes if nothing was shared.
        trash: bytes that only deleted versions have, which emptying the trash would free.
    """

    versions: list[Usage]
    total: int
    apparent: int
    trash: int


def usage(store: ModelStore, name: str | None = None) -> StoreUsage:
    """Return which bytes the versions of a store, or of one name, have for themselves and share.

    What is shared with other names is counted as shared, too. Records (model.yaml) are left out.

    Args:
        store: the store.
        name: only this name's versions.

    Raises:
        InvalidTagError: `name` breaks the naming rules.
        ModelNotFoundError: there is no model of the name, in the trash neither.
    """
    if name is not None:
        check_part(name, "model name")
    holders: dict[tuple[int, int], set[str]] = defaultdict(set)
    sizes: dict[tuple[int, int], int] = {}
    versions: dict[str, set[tuple[int, int]]] = {}
    everything = store.list()
    for model in everything:
        tag = str(model.tag)
        versions[tag] = set()
        for path in _files(model):
            try:
                status = os.stat(path)
            except FileNotFoundError:
                continue  # deleted meanwhile, or missing: verify says so
            key = (status.st_dev, status.st_ino)
            holders[key].add(tag)
            sizes[key] = status.st_size
            versions[tag].add(key)
    chosen = [str(model.tag) for model in everything if name is None or model.name == name]
    rows = []
    for tag in chosen:
        own = sum(sizes[key] for key in versions[tag] if len(holders[key]) == 1)
        rows.append(Usage(tag, own, sum(sizes[key] for key in versions[tag]) - own))
    rows.sort(key=lambda row: (-row.own, row.tag))
    contents = set().union(*(versions[tag] for tag in chosen)) if chosen else set()
    deleted = [found.path for found in entries(store.layout, name)]
    if name is not None and not chosen and not deleted:
        raise store.finder.not_found(Tag(name))
    trash = bytes_of(store.layout, deleted)
    return StoreUsage(rows, sum(sizes[key] for key in contents), sum(row.own + row.shared for row in rows), trash)


def _files(model: Model) -> list[str]:
    folder = str(model.path)
    return [f"{folder}/{file}" for file in model.info.files]
