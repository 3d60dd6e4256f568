"""Which adapter an object belongs to: the nearest claim along its class's MRO."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tiffin.values import is_called, loaded_class


def nearest(kind: type, claims: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the adapters whose claim is nearest to `kind`: one, several that claim the same class, or none.

    Args:
        kind: the class of the object to save.
        claims: adapter → dotted names of classes.
    """
    resolved = {name: [(loaded_class(dotted), dotted) for dotted in types] for name, types in claims.items()}
    for ancestor in kind.__mro__:
        found = [name for name, types in resolved.items() if any(ancestor is claimed for claimed, _ in types)]
        found = found or [
            name for name, types in resolved.items() if any(is_called(ancestor, dotted) for _, dotted in types)
        ]
        if found:
            return found
    return []


def claims(kind: type, types: Iterable[str]) -> bool:
    """Tell whether `kind` is one of the named classes or derives from one."""
    resolved = [(loaded_class(dotted), dotted) for dotted in types]
    return any(
        ancestor is claimed or is_called(ancestor, dotted) for ancestor in kind.__mro__ for claimed, dotted in resolved
    )
