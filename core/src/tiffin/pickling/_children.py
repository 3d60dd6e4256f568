"""What an object holds that is pickled with it, and how to say where."""

from __future__ import annotations

import functools
import types
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from tiffin.pickling._by_name import is_by_name, is_module_by_name

_HOLDS_NOTHING = (str, bytes, bytearray, int, float, complex, type(None))


def children(obj: Any) -> Iterator[tuple[str, Any]]:
    """Yield what `obj` holds, each with what to write behind the path to `obj`."""
    if isinstance(obj, _HOLDS_NOTHING):
        return
    if isinstance(obj, types.ModuleType):
        if not is_module_by_name(obj):
            yield from _items(vars(obj), ".{}")
        return
    if isinstance(obj, type):
        if not is_by_name(obj):
            yield from _items(vars(obj), ".{}")
            yield from ((f".__bases__[{number}]", base) for number, base in enumerate(obj.__bases__))
            yield ".__class__", type(obj)
        return
    if isinstance(obj, types.FunctionType):
        if is_by_name(obj):
            return
        yield from _function_children(obj)
    elif isinstance(obj, Mapping) and isinstance(
        obj, (dict, types.MappingProxyType, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
    ):
        for key, value in list(obj.items()):
            yield f"[{key!r:.50}]", value
            yield f" key {key!r:.50}", key
    elif isinstance(obj, (list, tuple, deque)):
        for number, value in enumerate(list(obj)):
            yield f"[{number}]", value
    elif isinstance(obj, (set, frozenset, weakref.WeakSet)):
        for value in list(obj):
            yield " element", value
    elif isinstance(obj, functools.partial):
        yield from ((".func", obj.func), (".args", obj.args), (".keywords", obj.keywords))
    elif isinstance(obj, (types.MethodType, staticmethod, classmethod)):
        yield from ((f".{name}", getattr(obj, name)) for name in ("__self__", "__func__") if hasattr(obj, name))
    elif isinstance(obj, property):
        yield from ((f".{name}", getattr(obj, name)) for name in ("fget", "fset", "fdel"))
    yield from _attributes(obj)
    yield ".__class__", type(obj)


def _items(names: Mapping[str, Any], form: str) -> Iterator[tuple[str, Any]]:
    for name, value in list(names.items()):
        yield form.format(name), value


def _function_children(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    code = function.__code__
    for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f" variable {variable!r}", cell.cell_contents
        except ValueError:  # not set yet
            continue
    names = {name: None for part in with_inner(code) for name in part.co_names}
    for name in names:
        if name in function.__globals__:
            yield f" global {name!r}", function.__globals__[name]
    yield from ((f" default {value!r:.50}", value) for value in function.__defaults__ or ())
    yield from ((f" default {value!r:.50}", value) for value in (function.__kwdefaults__ or {}).values())


def with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code, and that of the functions and classes within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from with_inner(constant)


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    # Past a __getattr__ of the object's own, which may answer anything.
    try:
        attributes = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        attributes = {}
    yield from _items(attributes, ".{}")
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else tuple(slots):
            try:
                yield f".{slot}", object.__getattribute__(obj, slot)
            except AttributeError:  # not set, a private name, or one that a subclass hides
                continue
