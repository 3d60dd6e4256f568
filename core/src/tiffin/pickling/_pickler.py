"""The pickler: cloudpickle's, with buffers kept out of the stream.

cloudpickle's pickler does all of the work, not only what plain pickle refuses: plain pickle writes a class of
`__main__` by its name without complaint, and no other program can load that. It costs under a microsecond per object
that is not of a built-in type.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import cloudpickle  # type: ignore[import-untyped]

from tiffin.pickling import _array_buffers as _arrays
from tiffin.pickling._index import OWN_FILE, STREAM_BUDGET, TINY
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
    """

    def __init__(self, stream: Writable) -> None:
        self._placement = _Placement()
        super().__init__(stream, protocol=PROTOCOL, buffer_callback=self._placement.place)

    def collect(self, obj: Any) -> list[Content]:
        """Pickle `obj`, and return the buffers outside the stream, in the order in which the stream asks for them."""
        try:
            self.dump(obj)
            return self._placement.contents
        except BaseException:
            self._placement.forget()
            raise
        finally:
            # Before 3.13, CPython crashes if the cycle collector frees a memoryview that a PickleBuffer uses, which
            # may happen when a traceback with this pickler in it is part of a cycle: so keep nothing.
            self.clear_memo()

    def reducer_override(self, obj: Any) -> Any:
        """Return how to pickle `obj`, or `NotImplemented` to leave it to cloudpickle's and pickle's tables."""
        if type(obj) is memoryview:
            return reduce_memoryview(obj)
        if _arrays.is_plain_array(obj):
            return self._reduce_array(obj)
        return super().reducer_override(obj)

    def _reduce_array(self, array: Any) -> Any:
        if _arrays.is_contiguous(array):
            # Dates and time spans, and records, which may contain them.
            return _arrays.reduce_as_bytes(array) if array.dtype.kind in "MmV" and array.nbytes else NotImplemented
        if array.nbytes < OWN_FILE:
            return NotImplemented
        recipe = _arrays.reduce_as_bytes(_arrays.stand_in(array))
        if recipe is not NotImplemented:
            self._placement.replace(recipe[1][0], Content(array.nbytes, _arrays.Gathered(array)))
        return recipe


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
