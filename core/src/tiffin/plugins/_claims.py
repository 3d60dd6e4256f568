"""Which adapter an object belongs to: the nearest claim along its class's MRO."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence


def nearest(kind: type, claims: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the adapters whose claim is nearest to `kind`: one, several that claim the same class, or none.

    Args:
        kind: the class of the object to save.
        claims: adapter → dotted names of classes.
    """
    resolved = {name: [(_resolve(dotted), dotted) for dotted in types] for name, types in claims.items()}
    for ancestor in kind.__mro__:
        found = [name for name, types in resolved.items() if any(ancestor is claimed for claimed, _ in types)]
        found = found or [
            name for name, types in resolved.items() if any(_named(ancestor, dotted) for _, dotted in types)
        ]
        if found:
            return found
    return []


def claims(kind: type, types: Iterable[str]) -> bool:
    """Tell whether `kind` is one of the named classes or derives from one."""
    resolved = [(_resolve(dotted), dotted) for dotted in types]
    return any(
        ancestor is claimed or _named(ancestor, dotted) for ancestor in kind.__mro__ for claimed, dotted in resolved
    )


def _named(ancestor: type, dotted: str) -> bool:
    # A class whose public name is not in sys.modules (a lazy package, a class that was reloaded) is known by its own name.
    return f"{ancestor.__module__}.{ancestor.__qualname__}" == dotted


def _resolve(dotted: str) -> object:
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found: object = sys.modules.get(".".join(parts[:end]))
        if found is not None:
            for part in parts[end:]:
                # Not getattr: packages with lazy attributes would import their framework here.
                found = getattr(found, "__dict__", {}).get(part)
            return found
    return None
