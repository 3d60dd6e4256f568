"""Classes by dotted names: which class a name means, told from what is imported already. Imports nothing."""

from __future__ import annotations

import sys


def loaded_class(dotted: str) -> object:
    """Return what stands under a dotted name in the modules that are imported, `None` if nothing does."""
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found: object = sys.modules.get(".".join(parts[:end]))
        if found is not None:
            for part in parts[end:]:
                # Not getattr: packages with lazy attributes would import their framework here.
                found = getattr(found, "__dict__", {}).get(part)
            return found
    return None


def is_called(kind: type, dotted: str) -> bool:
    """Tell whether a dotted name is one of the class's: where it is defined, or a public package above that place.

    For classes that `loaded_class` does not find: the package is lazy, or the class was reloaded.
    """
    if dotted == f"{kind.__module__}.{kind.__qualname__}":
        return True
    package = dotted.removesuffix(f".{kind.__qualname__}")
    return package != dotted and kind.__module__.startswith(f"{package}.") and loaded_class(dotted) is None


def means(claim: type | str, kind: type) -> bool:
    """Tell whether a claim, a class or the dotted name of one, private or public, means exactly this class."""
    if isinstance(claim, type):
        return claim is kind
    return loaded_class(claim) is kind or is_called(kind, claim)
