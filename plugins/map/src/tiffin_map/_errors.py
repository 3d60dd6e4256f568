"""What a batch job is refused or ended with."""

from __future__ import annotations

from tiffin.exceptions import TiffinError


class MapError(TiffinError):
    """A batch job cannot begin, or cannot go on. What it published so far stays, and a later run goes on from there."""


class TooManyBadRowsError(MapError):
    """More rows cannot be scored than are allowed. Attribute: `bad`, those found so far."""

    bad: int
