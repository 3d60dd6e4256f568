"""Arrays of numpy: how they join and are cut. How they cross is the codec's own, for they are what most calls bring."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy

from tiffin.values._items import are_fixed, describe_items
from tiffin.values._kind import Unsendable, ValueKind
from tiffin.values._kind_registry import registry
from tiffin.values.dtypes import dtype_spec

KEEP_WHOLE = 16 << 10
"""Bytes up to which a batch's result may stay alive behind one caller's rows."""

MUCH_LARGER = 4
"""A whole of more than this many times a part's size is much larger than it."""


class ArrayKind(ValueKind):
    """Arrays of exactly `numpy.ndarray`. Matrices join differently, and are no kind of values."""

    name = "numpy.ndarray"
    types: Sequence[type | str] = (numpy.ndarray,)

    def count(self, value: Any, axis: int) -> int | None:
        """Return the length of the axis; an array without axes is no batch."""
        if not value.ndim:
            return None
        if not -value.ndim <= axis < value.ndim:
            raise ValueError(f"an array of shape {value.shape} has no axis {axis}")
        return int(value.shape[axis])

    def key(self, value: Any, axis: int) -> Hashable:
        """Return the dtype and the shape without the axis; of objects, what they look like too."""
        shape, dtype = value.shape, value.dtype
        if dtype.hasobject:
            return dtype, without(shape, axis), describe_items(value.ravel().tolist())
        if axis == 0:
            return dtype, shape[1:]
        return dtype, without(shape, axis)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return the arrays joined along the axis, in new memory."""
        return numpy.concatenate(values, axis)

    def shares(self, value: Any) -> bool:
        """Return whether it holds objects that can be changed."""
        return bool(value.dtype.hasobject) and not are_fixed(value.ravel().tolist())

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
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
                parts.append(self.cut(value, start, start + count, axis))
                start += count
        if value.nbytes > KEEP_WHOLE:
            limit = value.nbytes // MUCH_LARGER
            parts = [part.copy() if part.nbytes < limit else part for part in parts]
        return parts

    def from_numpy(self, array: Any, spec: Any) -> Any:
        """Return the array."""
        return array


class MaskedKind(ArrayKind):
    """Masked arrays: the mask is cut and joined with the data."""

    name = "numpy.ma.MaskedArray"
    types = ("numpy.ma.MaskedArray",)  # by name: numpy.ma takes 50 ms to import, and few need it

    def key(self, value: Any, axis: int) -> Hashable:
        """Return an array's key, what fills the holes, and whether there is a mask at all."""
        return super().key(value.data, axis), *_marks(value)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return the arrays joined along the axis, in new memory."""
        joined: Any = numpy.ma.concatenate(values, axis)  # type: ignore[no-untyped-call]
        first = values[0]
        # Concatenating forgets what fills the holes, and drops a mask in which nothing is masked.
        if first.mask is not numpy.ma.nomask and joined.mask is numpy.ma.nomask:
            joined.mask = False
        return _marked(joined, first._fill_value, first.hardmask)

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return copies of the rows, or the whole if there is one part."""
        return ValueKind.split(self, value, counts, axis)

    def own(self, part: Any) -> Any:
        """Return a copy."""
        return part.copy()

    def send(self, value: Any) -> Any:
        """Return data, mask, what fills the holes (or `None`, the default), and whether the mask is hard."""
        if dtype_spec(value.dtype) is None:
            raise Unsendable(f"a masked array of dtype {value.dtype}", "Its dtype has no form in plain bytes")
        mask = None if value.mask is numpy.ma.nomask else numpy.asarray(value.mask)
        fill = value._fill_value
        return [numpy.asarray(value.data), mask, None if fill is None else numpy.asarray(fill), bool(value.hardmask)]

    def receive(self, parts: Any) -> Any:
        """Return the masked array of these parts."""
        data, mask, fill, hard = parts
        if type(data) is not numpy.ndarray or not (mask is None or type(mask) is numpy.ndarray):
            raise ValueError("a masked array consists of two arrays")
        if mask is not None and mask.shape != data.shape:
            raise ValueError(f"a mask of shape {mask.shape} does not fit data of shape {data.shape}")
        made = numpy.ma.MaskedArray(data, numpy.ma.nomask if mask is None else mask, shrink=False)
        return _marked(made, fill, bool(hard))

    def from_numpy(self, array: Any, spec: Any) -> Any:
        """Return an array in which nothing is masked."""
        return numpy.ma.MaskedArray(array)


def _marks(value: Any) -> tuple[Hashable, ...]:
    fill = value._fill_value
    return (
        None if fill is None else (str(fill.dtype), fill.tobytes()),
        value.mask is numpy.ma.nomask,
        bool(value.hardmask),
    )


def _marked(value: Any, fill: Any, hard: bool) -> Any:
    if fill is not None:
        value.fill_value = fill
    if hard:
        value.harden_mask()
    return value


def without(shape: tuple[int, ...], axis: int) -> tuple[Hashable, ...]:
    """Return a shape without one axis, and which axis that is."""
    if not shape:
        return ()
    axis %= len(shape)
    return (*shape[:axis], *shape[axis + 1 :], f"axis {axis}") if axis else shape[1:]


registry.register(ArrayKind())
registry.register(MaskedKind())
