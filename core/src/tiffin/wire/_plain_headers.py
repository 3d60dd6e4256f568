"""Headers of what most calls and answers bring: one plain array in C order, and nothing else.

Such a header depends on nothing but the method, the dtype and the shape. So it is written once and read once, and neither
side walks a tree for the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tiffin.values.dtypes import Cache
from tiffin.wire._frames import COPIED
from tiffin.wire._shared_memory import Lent, decides_nothing

LONGEST = 1024
"""Bytes of a header that is remembered: it may come from a peer."""


class PlainHeaders:
    """The headers of one sort of frame, of calls or of single values. Safe from several threads."""

    def __init__(self) -> None:
        self._written: Cache[tuple[Any, ...], bytes] = Cache()
        self._read: Cache[bytes, tuple[str, np.dtype[Any], tuple[int, ...], int]] = Cache()

    def write(self, method: str, value: np.ndarray[Any, Any]) -> tuple[bytes, list[Any]] | None:
        """Return header and buffers of an array if the like has been written before, else `None`.

        Args:
            method: the method that is called, "" for a value by itself.
            value: the array.
        """
        header = self._written.get((method, value.dtype, value.shape))
        if header is None:
            return None
        if value.nbytes <= COPIED:
            return header, [value.tobytes()]
        return (header, [value]) if value.flags.c_contiguous else None

    def wrote(self, method: str, value: np.ndarray[Any, Any], header: bytes) -> None:
        """Remember the header that was written for an array."""
        if not value.dtype.hasobject and (value.nbytes <= COPIED or value.flags.c_contiguous):
            self._written.put((method, value.dtype, value.shape), header)

    def read(self, header: bytes, buffers: Sequence[Any]) -> tuple[str, np.ndarray[Any, Any]] | None:
        """Return method and array if the header has been read before and these buffers fit it.

        Otherwise `None`, and whoever reads the header's tree says what is wrong.
        """
        known = self._read.get(header)
        if known is None or len(buffers) != 1:
            return None
        method, dtype, shape, size = known
        buffer = buffers[0]
        if len(buffer) != size or (type(buffer) is Lent and not decides_nothing(dtype)):
            return None
        return method, np.ndarray(shape, dtype, buffer)

    def learn(self, header: bytes, method: str, node: Any, value: Any) -> None:
        """Remember a header that was read, if all that it says of buffers is one plain array in C order.

        Args:
            header: the header.
            method: the method that it names, "" for a value by itself.
            node: the part of its tree that describes the value.
            value: what was made of that.
        """
        if len(header) <= LONGEST and type(node) is dict and len(node.get("a", ())) == 2 and value.nbytes:
            self._read.put(header, (method, value.dtype, value.shape, value.nbytes))
