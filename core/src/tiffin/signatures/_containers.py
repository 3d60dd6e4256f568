"""What kind of container a value is, told by what it can do; no array or frame library is imported.

A frame has columns, dtypes and a shape; a series has a dtype, a name and can turn itself into a frame; an array has a
dtype and a shape. That covers numpy, pandas, polars and the tensors of frameworks that core does not know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import SignatureError
from tiffin.signatures._text import of_method

_DOTTED = re.compile(r"(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)")
_NUMPY_NAME = re.compile(r"[<>=|]?[A-Za-z]\w*(\[\w+\])?")


def is_frame(value: object) -> bool:
    """Tell whether `value` is a table with named columns (a pandas or polars frame, or the like)."""
    # Asked of the class: a lazy frame's properties warn, or compute, when they are looked at.
    kind = type(value)
    return hasattr(kind, "columns") and hasattr(kind, "dtypes") and hasattr(kind, "shape")


def is_series(value: object) -> bool:
    """Tell whether `value` is one named column (a pandas or polars series, or the like)."""
    # Tensors have a name too; only a series can turn itself into a frame.
    kind = type(value)
    return hasattr(kind, "to_frame") and hasattr(value, "dtype") and hasattr(value, "shape")


def is_array(value: object) -> bool:
    """Tell whether `value` has a dtype and a shape: an array, a tensor, a numpy scalar. A series has them too."""
    # numpy's classes have both attributes as descriptors; a class is no array.
    if isinstance(value, type) or not hasattr(value, "dtype"):
        return False
    shape = getattr(value, "shape", None)
    return shape is not None and hasattr(shape, "__iter__")


def shape_of(array: Any) -> list[int | None]:
    """Return an array's shape as plain numbers; an axis whose length the array does not know is `None`."""
    return [None if length is None else int(length) for length in array.shape]


def dtype_name(dtype: Any) -> str:
    """Return the plain name of a dtype.

    Text and bytes of numpy are "str" and "bytes" without their width, which changes from batch to batch; byte order is
    left out; a framework's "package.float32" is "float32". Everything else is named as its library names it.
    """
    kind = getattr(dtype, "kind", None)
    if kind in ("U", "S") and hasattr(dtype, "itemsize"):
        return "str" if kind == "U" else "bytes"
    if getattr(dtype, "names", None):
        return str(dtype)  # a structured dtype: its name is only a width
    name = getattr(dtype, "name", None)
    text = name if isinstance(name, str) else str(dtype)
    dotted = _DOTTED.fullmatch(text)
    return dotted[1] if dotted else text


def plain_dtype(dtype: object) -> str:
    """Return the name that `dtype_name` gives to what a user wrote as a dtype ("<f8", `float`, `numpy.float32`)."""
    if isinstance(dtype, str) and not _NUMPY_NAME.fullmatch(dtype):
        return dtype
    import numpy

    try:
        return dtype_name(numpy.dtype(dtype))  # type: ignore[call-overload]
    except TypeError:  # not one of numpy's: pandas' "category", polars' "String", …
        return dtype_name(dtype) if not isinstance(dtype, str) else dtype


def plain_name(name: Any) -> Any:
    """Return a column's name as plain data: text, a number, a truth value, `None`, or a list of these."""
    if isinstance(name, tuple):
        return [plain_name(part) for part in name]
    if is_array(name) and hasattr(name, "item"):
        name = name.item()
    if name is None or isinstance(name, (str, bool, int)):
        return name
    if isinstance(name, float) and math.isfinite(name):
        return name
    return str(name)


def class_names(value: object) -> list[str]:
    """Return the dotted names of a value's class and its bases, the class first."""
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(value).__mro__]


def count_rows(value: Any, axis: int, *, where: str, method: str = "") -> int:
    """Return how many rows `value` has along its batch axis.

    Args:
        value: An array, frame, series or list, or a tuple or dict of these, which must agree in their number of rows.
        axis: The batch axis; negative counts from the last one. Frames, series and lists have rows along axis 0 only.
        where: The value's place, for errors: "input", "output", with a path inside it ("input['x']").
        method: The method that the value belongs to, for errors.

    Raises:
        SignatureError: The value has no such axis, or its parts differ in their number of rows.
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
