"""Tiffin stores, versions, moves and runs machine-learning models.

The public names; each is imported when it is first used, so that `import tiffin` costs next to nothing. Besides these,
`tiffin.<framework>` is there for every installed adapter.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tiffin.surroundings  # noqa: F401 - remembers the folder
from tiffin._moved import MOVED, MovedFinder
from tiffin.version import __version__

if TYPE_CHECKING:
    from tiffin import exceptions, models
    from tiffin.examples import Examples
    from tiffin.info import ModelContext, ModelOptions
    from tiffin.model import Model
    from tiffin.models import get, load, save
    from tiffin.plugins import AdapterInfo, hookimpl, register, unregister
    from tiffin.runners import Runnable, Runner
    from tiffin.signatures import Arguments, ModelSignature
    from tiffin.store import ModelStore
    from tiffin.tags import Tag

# `map` is none of these: `from tiffin import *` is for everybody, and must not hide the builtin function of this name.
__all__ = [
    "AdapterInfo",
    "Arguments",
    "Examples",
    "Model",
    "ModelContext",
    "ModelOptions",
    "ModelSignature",
    "ModelStore",
    "Runnable",
    "Runner",
    "Tag",
    "__version__",
    "exceptions",
    "get",
    "hookimpl",
    "load",
    "models",
    "register",
    "save",
    "unregister",
]

_NAMES = {
    "AdapterInfo": "tiffin.plugins",
    "Arguments": "tiffin.signatures",
    "Examples": "tiffin.examples",
    "Model": "tiffin.model",
    "ModelContext": "tiffin.info",
    "ModelOptions": "tiffin.info",
    "ModelSignature": "tiffin.signatures",
    "ModelStore": "tiffin.store",
    "Runnable": "tiffin.runners",
    "Runner": "tiffin.runners",
    "Tag": "tiffin.tags",
    "get": "tiffin.models",
    "hookimpl": "tiffin.plugins",
    "load": "tiffin.models",
    "map": "tiffin_map",
    "register": "tiffin.plugins",
    "save": "tiffin.models",
    "unregister": "tiffin.plugins",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if _NAMES.get(name, "").startswith("tiffin_"):
        from tiffin.plugins import part_of

        return part_of(_NAMES[name], name)
    if name in _NAMES:
        value = globals()[name] = getattr(import_module(_NAMES[name]), name)
        return value
    if name.startswith("_"):
        raise AttributeError(f"module 'tiffin' has no attribute {name!r}")
    from importlib.machinery import PathFinder

    if f"tiffin.{name}" in MOVED or PathFinder.find_spec(f"tiffin.{name}", __path__) is not None:
        return import_module(f"tiffin.{name}")
    from tiffin.frameworks import framework

    # Not kept: an adapter may be unregistered, and another registered under its name.
    return framework(name)


def __dir__() -> list[str]:
    from tiffin.plugins import registry

    return sorted({*__all__, *registry().names()})


class _FrameworkFinder:
    """Stands at the end of Python's import path, for `import tiffin.<framework>`."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Return a spec for `tiffin.<framework>`; for what is neither a part of Tiffin nor a framework, say what to do.

        Raises:
            ModuleNotFoundError: `fullname` is a name in this package that no adapter has.
        """
        if not fullname.startswith("tiffin.") or fullname.count(".") > 1 or fullname.startswith("tiffin._"):
            return None
        from tiffin.frameworks import find_spec

        return find_spec(fullname)


sys.meta_path.insert(0, MovedFinder())
sys.meta_path.append(_FrameworkFinder())
