"""Hints to install a package: commands that people copy, so only names from the file of packages go into one.

What was typed, and what a stranger's record says, is looked up in that file, and is never a part of a hint.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

Kind = Literal["adapters", "backends", "commands", "drivers", "modules", "plugins", "records", "remotes"]
"""What can be missing. Adapters, back ends, plugins and modules go by their names, commands by their words ("models
sign"), drivers and remotes by the scheme of URLs, and what reads another tool's record by that file's name and a
field of it ("FILE: FIELD")."""

UPGRADE = "Try: pip install --upgrade tiffin"
"""What to try where something was made by a later version."""


def install_hint(name: str, kind: Kind = "adapters") -> str:
    """Return what to try where something is missing; empty where no package of Tiffin's own brings it.

    Args:
        name: what is missing, as a record or a user gives it.
        kind: what that is.
    """
    package = _packages()[kind].get(name)
    return f"Try: pip install {package}" if package else ""


def known(kind: Kind) -> frozenset[str]:
    """Return the names for which there is a hint."""
    return frozenset(_packages()[kind])


@cache
def _packages() -> dict[str, dict[str, str]]:
    import json
    from pkgutil import get_data

    data = get_data("tiffin", "packages.json")
    assert data is not None  # it lies beside this file
    packages: dict[str, dict[str, str]] = json.loads(data)
    return packages
