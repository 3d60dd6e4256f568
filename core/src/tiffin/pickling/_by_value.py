"""Modules whose classes and functions go into the pickle themselves, instead of by their names."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from types import ModuleType

from tiffin.exceptions import PicklingError

_lock = threading.Lock()
_users: dict[str, int] = {}
# Registered by someone else before us, who goes on relying on it after us.
_foreign: set[str] = set()


@contextlib.contextmanager
def by_value(modules: Iterable[ModuleType | str]) -> Iterator[None]:
    """Pickle, within the block, classes and functions of these modules, and of their submodules, by value.

    The pickle can then be loaded where the modules cannot be imported. Blocks may be nested, and entered by several
    threads. cloudpickle keeps one list for the whole process: what other threads pickle meanwhile is affected too.

    Args:
        modules: imported modules, or their dotted names.

    Raises:
        PicklingError: one of them is not a module, or not imported. Nothing is registered then.
    """
    if isinstance(modules, (str, ModuleType)):
        raise PicklingError(
            f"Modules to pickle by value must come as a list, not {modules!r}", fix="Write [module] instead of module"
        )
    found = {module.__name__: module for module in map(_resolve, modules)}
    entered: list[ModuleType] = []
    try:
        for module in found.values():
            _enter(module)
            entered.append(module)
        yield
    finally:
        for module in entered:
            _leave(module)


def _resolve(module: object) -> ModuleType:
    name = module if isinstance(module, str) else getattr(module, "__name__", None)
    if not isinstance(module, (str, ModuleType)) or not isinstance(name, str):
        raise PicklingError(
            f"{module!r} cannot be pickled by value: it is a {type(module).__name__}, not a module",
            fix="Give imported modules or their names",
        )
    imported = sys.modules.get(name)
    if not isinstance(imported, ModuleType):
        raise PicklingError(
            f"The module {name!r} cannot be pickled by value: it is not imported",
            why="Its classes and functions are copied from the imported module",
            fix=f"Write 'import {name}' first, and check the spelling",
        )
    return imported


def _enter(module: ModuleType) -> None:
    import cloudpickle  # type: ignore[import-untyped]

    name = module.__name__
    with _lock:
        if not _users.get(name):
            if name in cloudpickle.list_registry_pickle_by_value():
                _foreign.add(name)
            else:
                cloudpickle.register_pickle_by_value(module)
        _users[name] = _users.get(name, 0) + 1


def _leave(module: ModuleType) -> None:
    import cloudpickle

    name = module.__name__
    with _lock:
        _users[name] -= 1
        if _users[name]:
            return
        del _users[name]
        if name in _foreign:
            _foreign.discard(name)
        elif name in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.unregister_pickle_by_value(module)


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a lock that another thread held during the fork would stay held in the child
    os.register_at_fork(after_in_child=_renew_lock)
