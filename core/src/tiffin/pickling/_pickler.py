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

from tiffin.pickling import _arrays
from tiffin.pickling._layout import OWN_FILE, STREAM_BUDGET, TINY
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

    Attributes:
        contents: the buffers outside the stream, in the order in which the stream asks for them.
    """

    def __init__(self, stream: Writable) -> None:
        super().__init__(stream, protocol=PROTOCOL, buffer_callback=self._place)
        self.contents: list[Content] = []
        self._budget = STREAM_BUDGET
        # What to write in place of a stand-in's buffer. Holds the buffer too, so that its id stays its own.
        self._gathered: dict[int, tuple[Any, Content]] = {}

    def reducer_override(self, obj: Any) -> Any:
        """Return how to pickle `obj`, or `NotImplemented` to leave it to cloudpickle's and pickle's tables."""
        if type(obj) is memoryview:
            return reduce_memoryview(obj)
        if _arrays.is_plain_array(obj):
            return self._reduce_array(obj)
        return super().reducer_override(obj)

    def _reduce_array(self, array: Any) -> Any:
        if _arrays.is_contiguous(array):
            return _arrays.reduce_dates(array) if array.dtype.kind in "Mm" else NotImplemented
        if array.nbytes < OWN_FILE:
            return NotImplemented
        standing = _arrays.stand_in(array)
        if array.dtype.kind in "Mm":
            recipe = _arrays.reduce_dates(standing)
        else:
            recipe = standing.__reduce_ex__(PROTOCOL)
        buffer = recipe[1][0]
        self._gathered[id(buffer)] = buffer, Content(array.nbytes, _arrays.Gathered(array))
        return recipe

    def _place(self, buffer: pickle.PickleBuffer) -> bool:
        """Take the buffer and return false, or return true to leave it in the stream."""
        gathered = self._gathered.get(id(buffer))
        if gathered is not None:
            self.contents.append(gathered[1])
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
