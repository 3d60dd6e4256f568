"""Looking after a store: reading it again, collecting what nothing needs, counting bytes."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from tiffin.models._default import default_store
from tiffin.store import ModelStore
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.store.gc import Garbage
    from tiffin.store.usage import StoreUsage
    from tiffin.store.verifying import Problem


def verify(
    tag: str | Tag | None = None, *, accept: bool = False, store: ModelStore | None = None
) -> builtins.list[Problem]:
    """Read a version, or the whole store, again, and return what is not as it was saved.

    Args:
        tag: which version; a name alone stands for all its versions, `None` for everything.
        accept: whether a record that was edited by hand becomes the record.
        store: another store than the default one.
    """
    from tiffin.store.verifying import verify

    return verify(store or default_store(), tag, accept=accept)


def gc(*, dry_run: bool = False, trash: bool = False, store: ModelStore | None = None) -> Garbage:
    """Remove what no version needs: abandoned work, unused contents, dangling aliases. See `tiffin models gc`.

    Args:
        dry_run: whether only to tell.
        trash: whether deleted versions are freed as well; they cannot be had back then.
        store: another store than the default one.
    """
    from tiffin.store.gc import gc

    return gc(store or default_store(), dry_run=dry_run, trash=trash)


def usage(name: str | None = None, *, store: ModelStore | None = None) -> StoreUsage:
    """Return which bytes the versions have for themselves, and which they share."""
    from tiffin.store.usage import usage

    return usage(store or default_store(), name)
