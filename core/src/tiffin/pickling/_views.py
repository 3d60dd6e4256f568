"""Memoryviews, which neither pickle nor cloudpickle can give back as such."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any


def restore_memoryview(buffer: Any, format: str, shape: tuple[int, ...]) -> memoryview:
    """Return a view of `buffer`, as a pickled memoryview asks for it. Does not copy.

    Args:
        buffer: an object with the buffer protocol, read as plain bytes.
        format: the elements' format as in the module `struct`, one native character.
        shape: elements along each axis, C order.
    """
    view = memoryview(buffer).cast("B")
    if len(shape) == 1:
        # `cast` refuses a shape with zeros, and needs none for one axis.
        return view if format == "B" else view.cast(format)  # type: ignore[call-overload]
    return view.cast(format, shape)  # type: ignore[call-overload,no-any-return]


# The name stands in stored models for ever, so it must not depend on the file that the function lies in.
restore_memoryview.__module__ = "tiffin.pickling"


def reduce_memoryview(view: memoryview) -> tuple[Callable[..., memoryview], tuple[Any, ...]]:
    """Return how pickle shall rebuild `view`; one that is not C-contiguous is copied.

    Raises:
        TypeError: its elements are of a kind that a plain view of bytes cannot be turned into.
    """
    content: Any = view if view.c_contiguous else (view.tobytes() if view.readonly else bytearray(view.tobytes()))
    if view.format != "B":
        try:
            memoryview(bytes(view.itemsize)).cast(view.format)  # type: ignore[call-overload]
        except ValueError as error:
            raise TypeError(f"cannot pickle a memoryview of format {view.format!r}") from error
    shape = view.shape or ()
    if 0 in shape and len(shape) != 1:
        raise TypeError(f"cannot pickle a memoryview of shape {shape}, which has several axes and no elements")
    return restore_memoryview, (pickle.PickleBuffer(content), view.format, shape)
