"""Aliases: names for versions that are set by hand, one file each, moved atomically."""

from __future__ import annotations

import contextlib
import os

from tiffin.exceptions import ModelNotFoundError, StoreError
from tiffin.files import sync_file, unreadable
from tiffin.store._layout import Layout, step
from tiffin.store._staging import named_lock, staged
from tiffin.tags import is_part


class Aliases:
    """The aliases of a store.

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

    def write(self, name: str, alias: str, version: str) -> None:
        """Let the alias mean the version; readers see the old one or the new one.

        Raises:
            ModelNotFoundError: the version was deleted meanwhile.
        """
        with staged(self._layout, "alias") as folder, self._lock(name):
            # Looked at under the lock: whoever deletes the version later finds the alias, and removes it.
            if not os.path.exists(self._layout.record(name, version)):
                raise ModelNotFoundError(f"Model '{name}:{version}' was deleted", tag=f"{name}:{version}")
            temporary = f"{folder}/{alias}"
            self._layout.modes().write(temporary, f"{version}\n".encode())
            step("alias", "written")
            parent = f"{self._layout.aliases}/{name}"
            made = not os.path.isdir(parent)
            self._layout.make_folder(parent)
            os.replace(temporary, f"{parent}/{alias}")
            step("alias", "renamed")
            sync_file(parent)
            if made:
                sync_file(self._layout.aliases)

    def remove(self, name: str, alias: str) -> bool:
        """Remove the alias; returns whether it was there."""
        with self._lock(name):
            return self._unlink(name, alias)

    def remove_those_of(self, name: str, version: str) -> list[str]:
        """Remove the aliases that mean a version; returns them."""
        if version not in self.of_name(name).values():
            return []
        with self._lock(name):
            found = [alias for alias, target in self.of_name(name).items() if target == version]
            return [alias for alias in found if self._unlink(name, alias)]

    def _unlink(self, name: str, alias: str) -> bool:
        parent = f"{self._layout.aliases}/{name}"
        try:
            os.unlink(f"{parent}/{alias}")
        except (FileNotFoundError, NotADirectoryError):
            return False
        with contextlib.suppress(FileNotFoundError):
            sync_file(parent)
        with contextlib.suppress(OSError):  # other aliases of the name are left
            os.rmdir(parent)
        return True

    def _lock(self, name: str) -> contextlib.AbstractContextManager[None]:
        # Else an alias that is moved at the moment in which the version that it meant is deleted would go with that.
        return named_lock(self._layout, f"aliases.{name}")
