"""The pickler: cloudpickle's, with code by value that stays what it was, and buffers kept out of the stream.

How an object is pickled depends on its class, and is looked up once for each class. Functions, classes and modules are ours
(`rebuild` is what makes them anew); of cloudpickle's is the table for Python's smaller things, as properties, views of dicts
and loggers. Only its public names are used: `Pickler` with `dispatch_table`, and the registry of modules by value.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
import sys
import types
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple, Protocol

import cloudpickle  # type: ignore[import-untyped]

from tiffin.pickling import _array_buffers, _objects
from tiffin.pickling._by_name import is_by_name
from tiffin.pickling._classes import reduce_class, reduce_member
from tiffin.pickling._functions import FunctionReducers, Namespace, Reducer, reduce_code
from tiffin.pickling._index import OWN_FILE, STREAM_BUDGET, TINY
from tiffin.pickling._keyed import KeyedObjects
from tiffin.pickling._views import reduce_memoryview

PROTOCOL = 5


class Writable(Protocol):
    """What a pickle stream can be written to."""

    def write(self, data: Any, /) -> int:
        """Take `data`, an object with the buffer protocol, and return its length in bytes."""


class Content(NamedTuple):
    """The content of one buffer: its size in bytes, and the pieces that make it up, in order."""

    size: int
    pieces: Iterable[Any]


class BufferPickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickle one object into a stream, and collect the buffers that shall lie outside it.

    Args:
        stream: takes the pickle stream.
        reducers: how to pickle objects of some classes and of their subclasses; the nearest class counts.
        inline: whether all buffers stay in the stream.
    """

    def __init__(
        self, stream: Writable, reducers: Mapping[type, Reducer] | None = None, *, inline: bool = False
    ) -> None:
        self._placement = _Placement()
        self._functions = FunctionReducers()
        self._given = reducers or {}
        self._by_type: dict[type, Reducer] = {}
        self._own: dict[type, Reducer] = {
            types.FunctionType: self._reduce_function,
            types.CodeType: reduce_code,
            types.CellType: self._functions.reduce_cell,
            Namespace: Namespace.reduce,
            memoryview: reduce_memoryview,
        }
        self._keys = KeyedObjects()
        super().__init__(stream, protocol=PROTOCOL, buffer_callback=None if inline else self._placement.place)

    def collect(self, obj: Any) -> list[Content]:
        """Pickle `obj`, and return the buffers outside the stream, in the order in which the stream asks for them."""
        try:
            self.dump(obj)
            self._keys.check()
            return self._placement.contents
        except BaseException:
            self._placement.forget()
            raise
        finally:
            # Before 3.13, CPython crashes if the cycle collector frees a memoryview that a PickleBuffer uses, which
            # may happen when a traceback with this pickler in it is part of a cycle: so keep nothing.
            self.clear_memo()
            # The methods in these make a cycle with this pickler.
            self._by_type.clear()
            self._own.clear()

    def reducer_override(self, obj: Any) -> Any:
        """Return how to pickle `obj`, or `NotImplemented` to leave it to cloudpickle's and pickle's tables."""
        kind = type(obj)
        reducer = self._by_type.get(kind)
        if reducer is None:
            reducer = self._by_type[kind] = self._reducer(kind)
        return reducer(obj)

    def _reducer(self, kind: type) -> Reducer:
        given = next((self._given[base] for base in kind.__mro__ if base in self._given), None) if self._given else None
        if given is not None:
            return given
        if issubclass(kind, type):
            return reduce_class
        own = self._own.get(kind) or _objects.TYPES.get(kind)
        if own is not None:
            return own
        if _array_buffers.is_plain_array_type(kind):
            return self._reduce_array
        if issubclass(kind, types.ModuleType):
            return self._functions.reduce_module
        if kind in self.dispatch_table:
            reducer = self.dispatch_table[kind]
            return _objects.reduce_by_table(reducer) if kind in copyreg.dispatch_table else _leave
        return self._object_reducer(kind)

    def _object_reducer(self, kind: type) -> Reducer:
        if issubclass(kind, Enum) and not is_by_name(kind):
            return reduce_member
        if issubclass(kind, functools.cached_property) and sys.version_info < (3, 12):
            return _objects.reduce_cached_property
        if _is_python(kind, "__reduce_ex__") or _is_python(kind, "__reduce__"):
            return _objects.reduce_by_own_way
        if issubclass(kind, (property, classmethod, staticmethod)):
            return _objects.reduce_descriptor
        if issubclass(kind, BaseException):
            return _objects.reduce_exception if _is_python(kind, "__init__") or _is_python(kind, "__new__") else _leave
        return self._keys.reduce if _is_python(kind, "__hash__") else _leave

    def _reduce_function(self, function: types.FunctionType) -> Any:
        return NotImplemented if is_by_name(function) else self._functions.reduce_function(function)

    def _reduce_array(self, array: Any) -> Any:
        if array.dtype.hasobject or array.dtype.kind == "T":  # numpy's strings of any length: they lie elsewhere
            return NotImplemented
        if _array_buffers.is_contiguous(array):
            # Dates and time spans, and records, which may contain them.
            plain = array.dtype.kind not in "MmV" or not array.nbytes
            return NotImplemented if plain else _array_buffers.reduce_as_bytes(array)
        if array.nbytes < OWN_FILE:
            return NotImplemented
        recipe = _array_buffers.reduce_as_bytes(_array_buffers.stand_in(array))
        if recipe is not NotImplemented:
            self._placement.replace(recipe[1][0], Content(array.nbytes, _array_buffers.Gathered(array)))
        return recipe


def _leave(obj: Any) -> Any:
    return NotImplemented


def _is_python(kind: type, method: str) -> bool:
    return isinstance(getattr(kind, method, None), types.FunctionType)


class _Placement:
    """Decides where each buffer goes. Apart from the pickler, which would be part of a cycle else."""

    def __init__(self) -> None:
        self.contents: list[Content] = []
        self._budget = STREAM_BUDGET
        # Holds the buffers too, so that no id is used a second time.
        self._replaced: dict[int, tuple[pickle.PickleBuffer, Content]] = {}

    def replace(self, buffer: pickle.PickleBuffer, content: Content) -> None:
        """When `buffer` comes, put `content` in its place, outside the stream."""
        self._replaced[id(buffer)] = buffer, content

    def forget(self) -> None:
        """Let go of all buffers."""
        self.contents.clear()
        self._replaced.clear()

    def place(self, buffer: pickle.PickleBuffer) -> bool:
        """Take the buffer and return false, or return true to leave it in the stream."""
        replaced = self._replaced.get(id(buffer))
        if replaced is not None:
            self.contents.append(replaced[1])
            return False
        view = buffer.raw()
        size = view.nbytes
        if size < TINY:
            return True
        if size < OWN_FILE and size <= self._budget:
            self._budget -= size
            return True
        self.contents.append(Content(size, (view,)))
        return False
