"""Finding out which part of an object could not be pickled."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from tiffin.exceptions import PicklingError
from tiffin.pickling._pickler import BufferPickler

# Objects that are looked at before the search for the path is given up.
_SEARCHED = 200_000


def explain(error: Exception, obj: Any, name: str) -> PicklingError:
    """Return the error to raise after pickling `obj` failed with `error`. Pickles once more, into nothing.

    Args:
        error: what pickling raised.
        obj: the object that was to be pickled.
        name: what to call the object in the path to the culprit.
    """
    whole = _type_name(obj)
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        return PicklingError(
            f"A {whole} cannot be pickled: it is nested too deeply",
            why="pickle descends one call per level, and Python limits their number",
            fix="Keep linked objects in a list or an array instead of within each other, or raise the limit with "
            "sys.setrecursionlimit",
            where=name,
            type_name=whole,
        )
    culprit = _culprit(obj)
    type_name = _type_name(culprit)
    where = _path(obj, culprit, name)
    if where == name:
        what = f"A {type_name} cannot be pickled"
    elif where is None:
        what = f"A {whole} cannot be pickled: within it is a {type_name} that cannot"
    else:
        what = f"A {whole} cannot be pickled: {where} is a {type_name}"
    return PicklingError(
        what,
        why=f"{type(error).__name__}: {error}",
        fix="Leave it out of the object's state (__getstate__) and make it anew when needed, or set it to None before "
        "saving",
        where=where or "",
        type_name=type_name,
    )


class _Tracer(BufferPickler):
    """Remembers the last object that it asked how to pickle: when pickling fails, that one is to blame."""

    last: Any = None

    def reducer_override(self, obj: Any) -> Any:
        self.last = obj
        return super().reducer_override(obj)


class _Nowhere:
    def write(self, data: Any, /) -> int:
        return memoryview(data).nbytes


def _culprit(obj: Any) -> Any:
    tracer = _Tracer(_Nowhere())
    tracer.last = obj
    try:
        tracer.collect(obj)
    except Exception:  # noqa: BLE001 - the same error again; the first one is reported
        return tracer.last
    # It worked this time: the object changes while it is saved. The first error says what it can.
    return obj


def _path(root: Any, target: Any, name: str) -> str | None:
    """Return how to reach `target` from `root`, the shortest way, or `None` if that is not found."""
    waiting = deque([(root, name)])
    # The objects too, so that no id is used a second time.
    seen: dict[int, Any] = {id(root): root}
    while waiting:
        obj, path = waiting.popleft()
        if obj is target:
            return path
        for step, child in _children(obj):
            if id(child) not in seen and len(seen) < _SEARCHED:
                seen[id(child)] = child
                waiting.append((child, path + step))
    return None


def _children(obj: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(obj, (str, bytes, bytearray, int, float, complex, types.ModuleType, type(None))):
        return
    if isinstance(obj, Mapping) and isinstance(obj, (dict, types.MappingProxyType)):
        for key, value in list(obj.items()):
            yield f"[{key!r:.50}]", value
            yield f" key {key!r:.50}", key
    elif isinstance(obj, (list, tuple, deque)):
        for number, value in enumerate(list(obj)):
            yield f"[{number}]", value
    elif isinstance(obj, (set, frozenset)):
        for value in list(obj):
            yield " element", value
    elif isinstance(obj, functools.partial):
        yield from ((".func", obj.func), (".args", obj.args), (".keywords", obj.keywords))
    elif isinstance(obj, types.MethodType):
        yield from ((".__self__", obj.__self__), (".__func__", obj.__func__))
    elif isinstance(obj, types.FunctionType):
        yield from _function_children(obj)
    elif isinstance(obj, type) and obj.__module__ != "__main__":
        return
    yield from _attributes(obj)


def _function_children(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    code = function.__code__
    for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f" variable {variable!r}", cell.cell_contents
        except ValueError:  # not set yet
            continue
    for variable in code.co_names:
        if variable in function.__globals__:
            yield f" global {variable!r}", function.__globals__[variable]
    yield from ((f" default {value!r:.50}", value) for value in function.__defaults__ or ())


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    # Past a __getattr__ of the object's own, which may answer anything.
    try:
        attributes = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        attributes = {}
    for attribute, value in list(attributes.items()):
        yield f".{attribute}", value
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else tuple(slots):
            try:
                yield f".{slot}", object.__getattribute__(obj, slot)
            except AttributeError:  # not set, a private name, or one that a subclass hides
                continue


def _type_name(obj: Any) -> str:
    cls = type(obj)
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"
