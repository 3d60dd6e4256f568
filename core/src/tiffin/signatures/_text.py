"""Words that several errors about signatures share: names that look alike, the method concerned."""

from __future__ import annotations

from collections.abc import Iterable

from tiffin.showing import close_names

SHOWN = 8
"""At most so many names are listed in one error."""


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return "Did you mean …?" or, when nothing looks alike, the known names behind the words `otherwise`.

    Args:
        name: what the user wrote.
        known: what could have been meant; may be empty.
        otherwise: how to introduce all known names, e.g. "Its methods are".

    Returns:
        One sentence without its full stop, or "" when no name is known.
    """
    known = list(known)
    close = close_names(name, known)
    if close:
        return f"Did you mean {' or '.join(repr(found) for found in close)}?"
    if not known:
        return ""
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"{otherwise} {', '.join(known[:SHOWN])}{more}"


def of_method(method: str) -> str:
    """Return " of method 'predict'", or "" when the method is not known."""
    return f" of method {method!r}" if method else ""
