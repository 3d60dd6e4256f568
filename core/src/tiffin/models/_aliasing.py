"""Aliases: names for versions that are set by hand."""

from __future__ import annotations

from tiffin.model import Model
from tiffin.models._default import default_store
from tiffin.store import ModelStore
from tiffin.tags import Tag


def set_alias(tag: str | Tag, alias: str, *, store: ModelStore | None = None) -> Model:
    """Let `name:alias` mean the version that `tag` means now.

    Raises:
        InvalidTagError: the alias is not allowed, or is a version.
        ModelNotFoundError: there is no such version.
    """
    return (store or default_store()).set_alias(tag, alias)


def remove_alias(name: str, alias: str, *, store: ModelStore | None = None) -> None:
    """Remove an alias; the version stays.

    Raises:
        ModelNotFoundError: the name has no such alias.
    """
    (store or default_store()).remove_alias(name, alias)


def aliases(name: str, *, store: ModelStore | None = None) -> dict[str, str]:
    """Return alias → version of a name.

    Raises:
        ModelNotFoundError: there is no model of the name.
    """
    place = store or default_store()
    found = place.aliases(name)
    if not found:
        place.list(name)
    return found
