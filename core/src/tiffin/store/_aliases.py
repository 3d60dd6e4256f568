"""Aliases: names for versions that are set by hand, one file each. How they are changed is in `_changes`."""

from __future__ import annotations

import contextlib
import os

from tiffin.exceptions import StoreError
from tiffin.files import unreadable
from tiffin.store._layout import Layout
from tiffin.tags import is_part


class Aliases:
    """The aliases of a store, as they are on the disk.

    Args:
        layout: where the store has what.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def read(self, name: str, alias: str) -> str | None:
        """Return the version that the alias holds, whether or not it still exists; `None` where there is no such alias.

        Raises:
            StoreError: it may not be read.
        """
        if not is_part(alias):
            return None
        try:
            with open(f"{self._layout.aliases}/{name}/{alias}", encoding="utf-8", errors="replace") as file:
                version = file.read(256).strip()
        except PermissionError as error:
            raise unreadable(f"The alias '{name}:{alias}'", error, f"{self._layout.aliases}/{name}/{alias}") from error
        except OSError:  # not there, or nothing that can be read: verify says so
            return None
        return version if is_part(version) else None

    def entries(self, name: str) -> list[str]:
        """Return what lies where the aliases of a name lie, aliases or not."""
        try:
            return sorted(os.listdir(f"{self._layout.aliases}/{name}"))
        except OSError:
            return []

    def of_name(self, name: str) -> dict[str, str]:
        """Return alias → version for one name."""
        found = {}
        for alias in self.entries(name):
            with contextlib.suppress(StoreError):  # one that may not be read hides no other
                if (version := self.read(name, alias)) is not None:
                    found[alias] = version
        return found

    def names(self) -> list[str]:
        """Return the names that have aliases."""
        try:
            return sorted(name for name in os.listdir(self._layout.aliases) if is_part(name))
        except FileNotFoundError:
            return []

    def by_version(self) -> dict[tuple[str, str], list[str]]:
        """Return (name, version) → the aliases that mean it."""
        found: dict[tuple[str, str], list[str]] = {}
        for name in self.names():
            for alias, version in self.of_name(name).items():
                found.setdefault((name, version), []).append(alias)
        return found
