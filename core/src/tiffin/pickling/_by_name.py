"""Whether other programs find a class, a function or a module by its name.

By name goes what they can import. All else goes into the pickle itself, by value: what the running script defines, what
cannot be reached under its own name, modules that the user named, and modules that no import finds, because their file was
loaded by its path.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import weakref
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

# `multiprocessing` knows the script under the second name in processes that it started by spawning; no other program does.
MAIN = ("__main__", "__mp_main__")

_importable: weakref.WeakKeyDictionary[ModuleType, bool] = weakref.WeakKeyDictionary()


def is_by_name(obj: Any, name: str | None = None) -> bool:
    """Tell whether other programs find this very object.

    Args:
        obj: a class, a function, or whatever else is pickled by its name.
        name: its dotted name within its module; its qualified name by default.
    """
    if name is None:
        name = getattr(obj, "__qualname__", "")
    module_name = getattr(obj, "__module__", None)
    if not isinstance(module_name, str):
        modules = [each for each in sys.modules.items() if each[0] not in MAIN]
        module_name = next((each for each, module in modules if _has(module, name, obj)), "")
    module = sys.modules.get(module_name)
    if module is None or module_name in MAIN or not _has(module, name, obj):
        return False
    return not is_by_value(module_name) and (not isinstance(module, ModuleType) or imports(module))


def _has(module: Any, name: str, obj: Any) -> bool:
    found = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except Exception:  # noqa: BLE001 - modules may answer by code of their own, which may fail in any way
            return False
    return found is obj


def is_module_by_name(module: ModuleType) -> bool:
    """Tell whether other programs find this module."""
    name = module.__name__
    # Some stand for a module of their name that is imported when something of it is used.
    known = sys.modules.get(name)
    if known is None or name in MAIN or is_by_value(name) or (type(module) is ModuleType and known is not module):
        return False
    return not isinstance(known, ModuleType) or imports(known)


def is_by_value(module_name: str) -> bool:
    """Tell whether the module, or a package that it is in, is registered to go by value."""
    registered = cloudpickle.list_registry_pickle_by_value()
    if not registered:
        return False
    parts = module_name.split(".")
    return any(".".join(parts[:count]) in registered for count in range(1, len(parts) + 1))


def imports(module: ModuleType) -> bool:
    """Tell whether an import under the module's name finds this module. Remembers the answer."""
    known = _importable.get(module)
    if known is None:
        known = _importable[module] = _search(module)
    return known


def _search(module: ModuleType) -> bool:
    name = module.__name__
    spec = getattr(module, "__spec__", None)
    top = name.rpartition(".")[0]
    parent = sys.modules.get(top) if top else None
    if spec is None:
        # A module that the import of a package makes, as C code does; or one that the program made.
        return isinstance(parent, ModuleType) and imports(parent)
    origin = spec.origin
    if not spec.has_location or not isinstance(origin, str):
        return True  # built in, frozen, a namespace, or of an importer of its own
    tail = name.replace(".", os.sep)
    endings = (f"{tail}.py", f"{tail}{os.sep}__init__.py")
    if any(origin == f"{entry}{os.sep}{ending}" for entry in sys.path for ending in endings):
        return True
    if top and not (isinstance(parent, ModuleType) and imports(parent)):
        return False
    found = _find(name, getattr(parent, "__path__", None))
    return found is not None and (not isinstance(found, str) or os.path.realpath(found) == os.path.realpath(origin))


def _find(name: str, path: Any) -> Any:
    """Return where an import finds the module, `None` if nowhere; what is imported already counts for nothing."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        try:
            spec = None if find is None else find(name, path)
        # An importer of somebody else's may fail in any way; its modules are taken to be importable, as they were.
        except Exception:  # noqa: BLE001
            return True
        if spec is not None:
            return spec.origin or True
    return None


def imported_by_value(
    name: str, items: tuple[str, ...], level: int, package: str | None, given: Mapping[str, ModuleType]
) -> dict[str, ModuleType | None]:
    """Return the modules that an import statement needs and other programs do not find; `None` for one not imported yet.

    Args:
        name: what the statement imports from, without dots in front.
        items: the names that it takes from it.
        level: number of dots in front.
        package: the package of the module that the statement is in.
        given: modules by value that the statement finds because its function came with them.
    """
    if level:
        try:
            name = importlib.util.resolve_name("." * level + name, package)
        except ImportError:
            return {}  # it fails here, too
    parts = name.split(".")
    wanted = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    wanted += [each for item in items if (each := f"{name}.{item}") in sys.modules or each in given]
    found: dict[str, ModuleType | None] = {}
    for each in wanted:
        module = given.get(each) or sys.modules.get(each)
        if (
            each in given
            or each in MAIN
            or is_by_value(each)
            or (isinstance(module, ModuleType) and not imports(module))
        ):
            found[each] = module
    return found
