"""What kind of container a value is, told by what it can do; no array or frame library is imported.

A frame has columns, dtypes and a shape; a series has a dtype, a name and can turn itself into a frame; an array has a
dtype and a shape. That covers numpy, pandas, polars and the tensors of frameworks that core does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import SignatureError
from tiffin.signatures._text import of_method
from tiffin.values import find_kind
from tiffin.values.looks import is_array, is_frame, shape_of


def count_rows(value: Any, axis: int, *, where: str, method: str = "") -> int:
    """Return how many rows `value` has along its batch axis.

    Args:
        value: an array, frame, series or list, or a tuple or dict of these, which must agree in their number of rows.
        axis: the batch axis; negative counts from the last one. Frames, series and lists have rows along axis 0 only.
        where: the value's place, for errors: "input", "output", with a path inside it ("input['x']").
        method: the method that the value belongs to, for errors.

    Raises:
        SignatureError: the value has no such axis, or its parts differ in their number of rows.
    """
    if isinstance(value, (tuple, Mapping)):
        parts = list(value.items() if isinstance(value, Mapping) else enumerate(value))
        rows = {key: count_rows(part, axis, where=f"{where}[{key!r}]", method=method) for key, part in parts}
        counts = set(rows.values())
        if len(counts) == 1:
            return counts.pop()
        found = ", ".join(f"{count} in [{key!r}]" for key, count in rows.items()) or "none, as it is empty"
        raise SignatureError(
            f"The parts of {where}{of_method(method)} must have equally many rows along batch axis {axis}",
            why=f"Found {found}; in a batch, row i of every part belongs to the same caller",
            fix="Set batchable=False if the parts are not rows",
            method=method,
        )
    kind = None if isinstance(value, list) else find_kind(value)
    try:
        counted = None if kind is None else kind.count(value, axis)
    except ValueError:
        counted = None  # it has no such axis; said below
    if counted is not None:
        return counted
    if is_array(value) and not is_frame(value):
        shape = shape_of(value)
        if -len(shape) <= axis < len(shape):
            return shape[axis] or 0
        found = f"an array with {len(shape)} axes" if len(shape) != 1 else "an array with 1 axis"
    elif isinstance(value, list) or is_frame(value):
        axes = 2 if is_frame(value) else 1
        if axis in (0, -axes):
            return len(value)
        found = f"a {type(value).__name__}, whose rows lie along axis 0"
    else:
        found = f"a value of type {type(value).__name__}"
    raise SignatureError(
        f"The {where}{of_method(method)} must have rows along batch axis {axis}, but is {found}",
        why="A batchable method takes and returns one row per item along batch_dim",
        fix="Set batch_dim to the axis of the rows, or batchable=False",
        method=method,
    )
