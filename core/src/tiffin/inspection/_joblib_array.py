"""The raw arrays in joblib's files: what stands behind a NumpyArrayWrapper, as joblib itself writes it.

The layout is that of joblib 0.10 to 1.6: the wrapper with its state, from 1.2 on a padding to 16 bytes, then the elements;
or, for elements that are objects, a pickle of its own.
"""

from __future__ import annotations

from math import prod
from typing import Any

from tiffin.inspection.tape import ARRAY, DICT, DTYPE, Node, Unfollowable, is_name

_FIELDS = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})
_TEXT = frozenset({str})
_ALIGNMENT = 16
_MOST = 1 << 48
"""Of an axis; to multiply numbers of millions of digits takes for ever."""


def read_state(node: Node, state: Any) -> tuple[Node, tuple[int, ...], str, bool]:
    """Return dtype, shape and order of the array that a wrapper stands for, and whether padding goes before its elements.

    Raises:
        Unfollowable: joblib does not write it so.
    """
    if (
        node.content != ()
        or node.has_state
        or state.__class__ is not Node
        or state.kind != DICT
        or state.has_state
        or state.content is None
        or not _TEXT.issuperset(map(type, state.content[::2]))
    ):
        raise Unfollowable("it makes an array of joblib's otherwise than joblib does")
    fields = dict(zip(state.content[::2], state.content[1::2], strict=True))
    if not fields.keys() <= _FIELDS or 2 * len(fields) != len(state.content):
        raise Unfollowable("it makes an array of joblib's otherwise than joblib does")
    shape, order, dtype = fields.get("shape"), fields.get("order"), fields.get("dtype")
    subclass = fields.get("subclass")
    if not (is_name(subclass, "numpy", "ndarray") or is_name(subclass, "numpy", "memmap")):
        raise Unfollowable("it holds an array of a subclass")
    if dtype.__class__ is not Node or dtype.kind != DTYPE or not dtype.of.complete or order not in ("C", "F"):
        raise Unfollowable("it holds an array whose size cannot be told")
    if type(shape) is not tuple or len(shape) > 32:
        raise Unfollowable("it holds an array whose size cannot be told")
    for length in shape:
        if type(length) is not int or not 0 <= length < _MOST:
            raise Unfollowable("it holds an array whose size cannot be told")
    alignment = fields.get("numpy_array_alignment_bytes")
    if alignment is not None and (type(alignment) is not int or alignment != _ALIGNMENT):
        raise Unfollowable("it aligns an array otherwise than joblib does")
    return dtype, shape, order, alignment is not None


def take_elements(view: memoryview, at: int, parts: tuple[Node, tuple[int, ...], str, bool]) -> tuple[Node, int]:
    """Return the array whose elements begin at a position, and the position behind them.

    Args:
        view: the stream.
        at: where the wrapper ends.
        parts: as `read_state` returned them.

    Raises:
        Unfollowable: they are cut off, or padded otherwise than joblib does.
    """
    dtype, shape, order, padded = parts
    if padded:
        padding = view[at]
        if padding > _ALIGNMENT or view[at + 1 : at + 1 + padding] != b"\xff" * padding:
            raise Unfollowable("it pads an array otherwise than joblib does")
        at += 1 + padding
    end = at + prod(shape) * dtype.of.size
    if end > len(view):
        raise Unfollowable("it is cut off within an array")
    return Node(ARRAY, view[at:end], (dtype, shape, order, True)), end
