"""Finding out which part of an object could not be pickled."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import PicklingError
from tiffin.pickling._children import children
from tiffin.pickling._functions import Reducer, Unloadable
from tiffin.pickling._keyed import KeyOfItself
from tiffin.pickling._pickler import BufferPickler

# Objects that are looked at before the search for the path is given up.
_SEARCHED = 200_000
_LEAVE_OUT = (
    "Leave it out of the object's state (__getstate__) and make it anew when needed, or set it to None before saving"
)


def explain(error: Exception, obj: Any, name: str, reducers: Mapping[type, Reducer] | None) -> PicklingError:
    """Return the error to raise after pickling `obj` failed with `error`. Pickles once more, into nothing.

    Args:
        error: what pickling raised.
        obj: the object that was to be pickled.
        name: what to call the object in the path to the culprit.
        reducers: as for `dump`.
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
    culprit = error.obj if isinstance(error, KeyOfItself) else _culprit(obj, reducers)
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
        why=str(error) if isinstance(error, Unloadable) else f"{type(error).__name__}: {error}",
        fix=error.fix if isinstance(error, Unloadable) else _LEAVE_OUT,
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


def _culprit(obj: Any, reducers: Mapping[type, Reducer] | None) -> Any:
    tracer = _Tracer(_Nowhere(), reducers)
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
        for step, child in children(obj):
            if id(child) not in seen and len(seen) < _SEARCHED:
                seen[id(child)] = child
                waiting.append((child, path + step))
    return None


def _type_name(obj: Any) -> str:
    cls = type(obj)
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"
