"""numpy's own files of one array, read onto a tape: a header and the raw elements. Elements that are objects are refused."""

from __future__ import annotations

import ast
from math import prod
from typing import Any

from tiffin.inspection._inert_dtype import InertDtype
from tiffin.inspection.tape import ARRAY, DTYPE, Node, Tape, Unfollowable

_HEADER = 1 << 14


def read_npy(tape: Tape, view: memoryview) -> Node:
    """Read one of numpy's files onto a tape, and return the array's node, whose elements stay a view of it.

    Args:
        tape: written on.
        view: the whole file.

    Raises:
        Unfollowable: numpy does not write it so, or its elements are objects.
    """
    tape.size += len(view)
    major = view[6] if bytes(view[:6]) == b"\x93NUMPY" and len(view) > 12 else 0
    begin = 10 if major == 1 else 12
    length = int.from_bytes(view[8:begin], "little")
    if major not in (1, 2, 3) or length > _HEADER:
        raise Unfollowable("it has a header that numpy does not write")
    try:
        header: Any = ast.literal_eval(
            bytes(view[begin : begin + length]).decode("latin-1" if major < 3 else "utf-8").strip()
        )
        description, is_fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise Unfollowable("it has a header that numpy does not write") from error
    dtype = InertDtype.from_description(description)
    elements = view[begin + length :]
    if (
        type(shape) is not tuple
        or not all(type(n) is int and n >= 0 for n in shape)
        or type(is_fortran) is not bool
        or prod(shape) * dtype.size != len(elements)
    ):
        raise Unfollowable("it has an array of another size than its bytes")
    return tape.make(ARRAY, elements, (tape.make(DTYPE, dtype), shape, "F" if is_fortran else "C", False))
