"""Aliases: names for versions that are set by hand, one file each, moved atomically."""

from __future__ import annotations

import contextlib
import os

from tiffin._files import sync_file
from tiffin.store._layout import Layout, step
from tiffin.store._staging import staged
from tiffin.tags import is_part


def read(layout: Layout, name: str, alias: str) -> str | None:
    """Return the version that the alias holds, whether or not it still exists; `None` where there is no such alias."""
    if not is_part(alias):
        return None
    try:
        with open(f"{layout.aliases}/{name}/{alias}", encoding="ascii", errors="replace") as file:
            version = file.read(256).strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return version if is_part(version) else None


def of_name(layout: Layout, name: str) -> dict[str, str]:
    """Return alias → version for one name."""
    try:
        found = sorted(os.listdir(f"{layout.aliases}/{name}"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {alias: version for alias in found if (version := read(layout, name, alias)) is not None}


def names(layout: Layout) -> list[str]:
    """Return the names that have aliases."""
    try:
        return sorted(name for name in os.listdir(layout.aliases) if is_part(name))
    except FileNotFoundError:
        return []


def write(layout: Layout, name: str, alias: str, version: str) -> None:
    """Let the alias mean the version; readers see the old one or the new one."""
    with staged(layout, "alias") as folder:
        temporary = f"{folder}/{alias}"
        with open(temporary, "w", encoding="ascii") as file:
            file.write(version + "\n")
            file.flush()
            os.fsync(file.fileno())
        step("alias", "written")
        parent = f"{layout.aliases}/{name}"
        while True:
            os.makedirs(parent, exist_ok=True)
            with contextlib.suppress(
                FileNotFoundError
            ):  # another process removed the name's last alias, and the folder
                os.replace(temporary, f"{parent}/{alias}")
                break
        step("alias", "renamed")
        sync_file(parent)


def remove(layout: Layout, name: str, alias: str) -> bool:
    """Remove the alias; returns whether it was there."""
    try:
        os.unlink(f"{layout.aliases}/{name}/{alias}")
    except FileNotFoundError:
        return False
    with contextlib.suppress(OSError):  # other aliases of the name are left, or it is gone already
        os.rmdir(f"{layout.aliases}/{name}")
    return True
