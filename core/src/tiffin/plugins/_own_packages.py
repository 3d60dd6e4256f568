"""Public names that a package of its own brings, one of Tiffin's: asked for when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tiffin.exceptions import PackageNotInstalledError
from tiffin.hints import install_hint


def part_of(module: str, name: str) -> Any:
    """Return what a public name stands for that a package of its own brings.

    Args:
        module: that package's module.
        name: the name in it.

    Raises:
        PackageNotInstalledError: it is not installed.
    """
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        what = f"{name!r} is in a package of its own, which is not installed"
        raise PackageNotInstalledError(what, fix=install_hint(module, "modules"), plugin=module) from None
