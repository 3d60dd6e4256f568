"""The container of numpy arrays."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy

from tiffin.values._kind import BatchContainer, registry

KEEP_WHOLE = 16 << 10
"""Bytes up to which a batch's result may stay alive behind one caller's rows."""

MUCH_LARGER = 4
"""A whole of more than this many times a part's size is much larger than it."""


class ArrayContainer(BatchContainer):
    """Arrays of exactly `numpy.ndarray`. Masked arrays and matrices join differently, and are not handled by it."""

    def count_rows(self, value: Any, axis: int) -> int | None:
        """Return the length of the axis; an array without axes is no batch."""
        if not value.ndim:
            return None
        if not -value.ndim <= axis < value.ndim:
            raise ValueError(f"an array of shape {value.shape} has no axis {axis}")
        return int(value.shape[axis])

    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        """Return the dtype and the shape without the axis."""
        shape = value.shape
        if axis == 0:
            return value.dtype, shape[1:]
        axis %= len(shape)
        return value.dtype, shape[:axis] + shape[axis + 1 :], axis

    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        """Return the arrays joined along the axis, in new memory."""
        return numpy.concatenate(values, axis)

    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a view of the rows."""
        if axis == 0:
            return value[start:stop]
        return value[(slice(None),) * (axis % value.ndim) + (slice(start, stop),)]

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return views of a small result, and copies of parts behind which a much larger one would stay alive."""
        if len(counts) == 1:
            return [value]
        each = counts[0]
        if axis == 0 and value.flags.c_contiguous and counts.count(each) == len(counts) and value.size:
            # Iterating over a reshaped array makes the views in C, at half the price of slicing in Python.
            parts = list(value.reshape((len(counts), each, *value.shape[1:])))
        else:
            parts, start = [], 0
            for count in counts:
                parts.append(self.slice_rows(value, start, start + count, axis))
                start += count
        if value.nbytes > KEEP_WHOLE:
            limit = value.nbytes // MUCH_LARGER
            parts = [part.copy() if part.nbytes < limit else part for part in parts]
        return parts


registry.register(numpy.ndarray, ArrayContainer())
