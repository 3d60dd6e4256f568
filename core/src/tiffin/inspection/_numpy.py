"""What numpy's pickles may do: its classes can be talked into reading any memory, so they are followed more closely.

A dtype whose state contradicts itself, such as one of objects that says it holds none, makes numpy take bytes of the file
for pointers. The same does numpy.ndarray itself when it is called with a buffer. numpy's own pickles do neither.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any, Protocol

from tiffin.inspection._inert import Dtype, Fields, Made, Name


class Machine(Protocol):
    """What follows a pickle, as far as it is needed here."""

    @property
    def consume(self) -> Any:
        """What takes an argument that is used up."""

    @property
    def problem(self) -> Any:
        """What notes that a pickle is not in order."""


TYPES = frozenset({"numpy.ndarray", "numpy.dtype", "numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"})
"""Classes that may stand only where numpy's own pickles have them."""
TAKE_TYPES = {
    "numpy.core.multiarray._reconstruct": 1,
    "numpy._core.multiarray._reconstruct": 1,
    "numpy.ma.core._mareconstruct": 2,
}
"""Functions that take such classes, and how many as their first arguments."""

_CODE = re.compile(r"[<>|=]?([biufcOSUVMm])(\d{1,9})")
"""Kind and bytes, as numpy pickles them; characters for U."""
_HAS_OBJECTS = 0b11
"""Flags of numpy's dtypes: elements are counted references, and are pickled as a list."""
_POINTERS = 0b111


def call(machine: Machine, kind: str, arguments: Any, how: str) -> Made:
    """Return a stand-in for what a call of numpy's would make."""
    if kind == "numpy.dtype" and how == "REDUCE":
        return _dtype(machine, arguments)
    if kind in TAKE_TYPES and how == "REDUCE" and isinstance(arguments, tuple):
        for number, argument in enumerate(arguments):
            if not (number < TAKE_TYPES[kind] and isinstance(argument, Name) and argument.dotted in TYPES):
                machine.consume(argument)
    else:
        machine.problem(f"it calls {kind} otherwise than numpy does")
    return Made(kind)


def _dtype(machine: Machine, arguments: Any) -> Made:
    if isinstance(arguments, tuple) and 1 <= len(arguments) <= 3 and isinstance(arguments[0], str):
        match = _CODE.fullmatch(arguments[0])
        if match is not None:
            width = 8 if match[1] == "O" else int(match[2]) * (4 if match[1] == "U" else 1)
            return Dtype(match[1], width)
    machine.problem("it makes a numpy dtype otherwise than numpy does")
    return Made("numpy.dtype")


def build(machine: Machine, dtype: Dtype, state: Any) -> None:
    """Set a dtype's state, and note where it contradicts itself."""
    machine.consume(state)
    wrong = _wrong(dtype, state)
    dtype.built = True
    if wrong:
        machine.problem(f"it makes a numpy dtype {wrong}")


def _wrong(dtype: Dtype, state: Any) -> str:
    if dtype.built or dtype.used:
        return "and changes it afterwards"
    if not isinstance(state, tuple) or len(state) not in (8, 9) or state[0] not in (3, 4):
        return "with a state that numpy does not write"
    subarray, names, fields, size, flags = state[2], state[3], state[4], state[5], state[7]
    if type(size) is not int or type(flags) is not int:
        return "with a state that numpy does not write"
    if size >= 0 and dtype.flexible:
        dtype.size = size
    elif size != -1:
        return "whose size is not that of its kind"
    if (names is None) != (fields is None):
        return "with a state that numpy does not write"
    if fields is not None or subarray is not None:
        parts = _parts(dtype, subarray, fields)
        if parts is None:
            return "whose fields reach outside, or cannot be told"
        dtype.has_objects = any(part.has_objects for part in parts)
    if dtype.has_objects and flags & _HAS_OBJECTS != _HAS_OBJECTS:
        return "of objects that says it holds none"
    if not dtype.has_objects and flags & _POINTERS:
        return "without objects that says it holds some"
    return ""


def _parts(dtype: Dtype, subarray: Any, fields: Any) -> list[Dtype] | None:
    """Return the dtypes that a dtype consists of, `None` where one reaches outside of it."""
    if dtype.code != "V":
        return None
    parts = []
    if subarray is not None:
        if not isinstance(subarray, tuple) or len(subarray) != 2 or not isinstance(subarray[0], Dtype):
            return None
        shape = subarray[1] if isinstance(subarray[1], tuple) else (subarray[1],)
        if not all(type(n) is int and n >= 0 for n in shape) or prod(shape) * subarray[0].size > dtype.size:
            return None
        parts.append(subarray[0])
    if fields is not None:
        if not isinstance(fields, Fields) or fields.others or fields.unsure:
            return None
        fields.frozen = True
        for field in fields.items.values():
            if not isinstance(field, tuple) or len(field) < 2 or not isinstance(field[0], Dtype):
                return None
            offset = field[1]
            if type(offset) is not int or offset < 0 or offset + field[0].size > dtype.size:
                return None
            parts.append(field[0])
    return parts
