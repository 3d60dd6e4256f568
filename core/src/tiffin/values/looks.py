"""What a value looks like, told from its class without importing the package that it comes from."""

from __future__ import annotations

import math
import re
from typing import Any

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
