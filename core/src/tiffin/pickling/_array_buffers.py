"""Arrays that numpy itself would copy into the stream: those with gaps, and those of dates.

numpy is used only when the program has imported it; nothing here imports it.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from pickle import PickleBuffer
from typing import Any

# Elements that are gathered at a time: a piece is to fit into the processor's cache.
_GATHERED = 1 << 15


def is_plain_array_type(kind: type) -> bool:
    """Tell whether this is numpy's class of arrays, and no subclass."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and kind is getattr(numpy, "ndarray", None)


def is_contiguous(array: Any) -> bool:
    """Tell whether numpy pickles the array without a copy, were it not for its type of elements."""
    return bool(array.flags.c_contiguous or array.flags.f_contiguous)


class Gathered:
    """The elements of an array in C order, in pieces of which each is copied only when it is asked for."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __iter__(self) -> Iterator[Any]:
        numpy = sys.modules["numpy"]
        flags = ["external_loop", "buffered", "zerosize_ok"]
        for piece in numpy.nditer(self._array, flags=flags, order="C", buffersize=_GATHERED):
            # The iterator lends one scratch array again and again, or a view with gaps where it need not copy.
            yield memoryview(numpy.ascontiguousarray(piece).view("u1"))


def stand_in(array: Any) -> Any:
    """Return a C-contiguous array of the same type and shape that takes no memory as long as nobody reads it."""
    numpy = sys.modules["numpy"]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    memory = mmap.mmap(-1, array.nbytes, flags=flags)
    return numpy.ndarray(array.shape, array.dtype, memory)


def reduce_as_bytes(array: Any) -> Any:
    """Return numpy's own recipe for a contiguous array, made as if its elements were mere bytes.

    numpy copies what has dates in it into the stream, because the buffer protocol has no name for them.

    Returns:
        The recipe as for `__reduce_ex__`, its first argument a `PickleBuffer`; `NotImplemented` if numpy gives another.
    """
    function, arguments, *_ = array.view(f"V{array.itemsize}").__reduce_ex__(5)
    if not isinstance(arguments[0], PickleBuffer):
        return NotImplemented
    return function, (arguments[0], array.dtype, *arguments[2:])
