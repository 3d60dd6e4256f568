"""What was: the history of a name, what its aliases meant, deleted versions."""

from __future__ import annotations

import builtins
import datetime
from typing import TYPE_CHECKING

from tiffin.model import Model
from tiffin.models._default import default_store
from tiffin.store import ModelStore
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.store.history import Event
    from tiffin.store.trash import Trashed


def history(tag: str | Tag, *, store: ModelStore | None = None) -> builtins.list[Event]:
    """Return what happened to a name in this store, or to one version of it and its aliases, the oldest first.

    It tells what happened in this store only: what was done elsewhere before a model was pulled is not known here.

    Args:
        tag: a name; or `name:version` or `name:alias`, for one version, which may be gone.
        store: another store than the default one.

    Raises:
        ModelNotFoundError: nothing was ever noted of the name, or of the version.
    """
    from tiffin.store.history import history

    return history(store or default_store(), tag)


def aliases_at(name: str, time: datetime.datetime, *, store: ModelStore | None = None) -> dict[str, str] | None:
    """Return alias → version of a name as it was at a time; `None` where that is not known: before its history begins.

    Args:
        name: the model's name.
        time: a moment; one without a time zone is local time.
        store: another store than the default one.

    Raises:
        ModelNotFoundError: nothing was ever noted of the name.
    """
    from tiffin.store.history import aliases_at

    return aliases_at(store or default_store(), name, time)


def trash(name: str | None = None, *, store: ModelStore | None = None) -> builtins.list[Trashed]:
    """Return the deleted versions that can be had back, what was deleted last first.

    Args:
        name: only versions of this name.
        store: another store than the default one.
    """
    from tiffin.store.trash import trash

    return trash(store or default_store(), name)


def undelete(tag: str | Tag, *, id: str | None = None, store: ModelStore | None = None) -> Model:
    """Put a deleted version back as it was, with its place among the others by age. Aliases that it had are not set again.

    Args:
        tag: `name:version`, or a unique beginning of the version; a name alone stands for what was deleted last of it.
        id: which, where several were deleted under the tag (`trash` tells); default: the last one.
        store: another store than the default one.

    Returns:
        A handle on the version.

    Raises:
        ModelNotFoundError: it is not in the trash.
        ModelExistsError: the store has a version of this tag.
    """
    from tiffin.store.trash import undelete

    return undelete(store or default_store(), tag, id=id)
