"""Progress: how transfers tell how far they are."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by transfers as bytes move; `tiffin models export` draws a bar with it."""

    def start(self, what: str, total: int | None) -> None:
        """A transfer begins.

        Args:
            what: a short text.
            total: bytes in all, `None` where that is not known.
        """

    def advance(self, count: int) -> None:
        """So many more bytes have been moved."""


class Silent:
    """Tells nobody."""

    def start(self, what: str, total: int | None) -> None:
        """Do nothing."""

    def advance(self, count: int) -> None:
        """Do nothing."""
