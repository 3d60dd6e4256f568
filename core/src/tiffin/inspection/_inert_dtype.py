"""dtypes as numpy's pickles say them: read by a grammar, so that arrays are sized without numpy, and nothing is believed.

A dtype whose state contradicts itself, such as one of objects that says it holds none, makes numpy take bytes of a file for
pointers. So exactly what numpy writes is read, once, and everything else is refused.
"""

from __future__ import annotations

import re
from typing import Any

from tiffin.inspection.tape import CALL, DICT, DTYPE, Node, Unfollowable, is_name, items_of

_CODE = re.compile(r"[biufcSUVMmO](?:0|[1-9]\d{0,8})")
_SIZES = {
    "b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8, 12, 16), "c": (8, 16, 24, 32),
    "M": (8,), "m": (8,), "O": (4, 8),
}  # fmt: skip
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic")
_MAX_FIELDS = 64
_MAX_RECORD = 1 << 20
_FLAGS = {"O": (63,), "U": (0, 8), "S": (0, 8)}
"""Flags that numpy gives each kind; none to the others, but what says that Python's lock is needed (16)."""


class InertDtype:
    """A dtype that a stream describes.

    Attributes:
        spec: what `numpy.dtype` may be given to make it.
        size: bytes of one element.
        has_objects: whether elements are objects.
        alignment: of its elements in bytes; 0 where the kind says it.
        fields: how many it has.
        complete: whether its state was set; before that it is none yet.
    """

    __slots__ = ("alignment", "code", "complete", "fields", "has_objects", "size", "spec")

    def __init__(self, code: str) -> None:
        if not _CODE.fullmatch(code):
            raise Unfollowable("it makes a dtype otherwise than numpy does")
        self.code = code[0]
        width = int(code[1:])
        if self.code in _SIZES and width not in _SIZES[self.code]:
            raise Unfollowable("it makes a dtype of a size that numpy does not have")
        self.size = width * 4 if self.code == "U" else width
        self.has_objects = self.code == "O"
        self.spec: Any = code
        self.alignment = 0
        self.fields = 0
        self.complete = False

    @classmethod
    def from_call(cls, arguments: Any) -> InertDtype:
        """Return the dtype that a call of numpy's would make."""
        if (
            type(arguments) is not tuple
            or len(arguments) != 3
            or type(arguments[0]) is not str
            or not all(type(argument) in (bool, int) for argument in arguments[1:])
            or arguments[1:] != (False, True)  # not aligned, a copy
        ):
            raise Unfollowable("it makes a dtype otherwise than numpy does")
        return cls(arguments[0])

    @classmethod
    def from_text(cls, text: str) -> InertDtype:
        """Return the dtype that one of numpy's files describes so, with its byte order in front."""
        dtype = cls(text[1:])
        if text[:1] not in ("<", ">", "|", "=") or dtype.has_objects:
            raise Unfollowable("it describes a dtype that no file of numpy's has")
        dtype.spec = text
        dtype.complete = True
        return dtype

    @classmethod
    def from_description(cls, description: Any) -> InertDtype:
        """Return the dtype that one of numpy's files describes: a text, or a list of `(name, text)` for fields of a record.

        Raises:
            Unfollowable: numpy does not describe it so.
        """
        if type(description) is str:
            return cls.from_text(description)
        if type(description) is not list or not 0 < len(description) <= 2 * _MAX_FIELDS:
            raise Unfollowable("it describes a dtype that no file of numpy's has")
        dtype = cls("V0")
        names, formats, offsets = [], [], []
        for part in description:
            if type(part) is not tuple or len(part) != 2 or not all(type(text) is str for text in part):
                raise Unfollowable("it describes a dtype that no file of numpy's has")
            field = cls.from_text(part[1])
            if part[0]:  # one without a name is the gap before the next
                names.append(part[0])
                formats.append(field.spec)
                offsets.append(dtype.size)
            dtype.size += field.size
        dtype.spec = {"names": names, "formats": formats, "offsets": offsets, "itemsize": dtype.size}
        dtype.fields = len(names)
        dtype.complete = True
        return dtype

    @classmethod
    def of_objects(cls) -> InertDtype:
        """Return the dtype of arrays of objects."""
        dtype = cls("O8")
        dtype.spec = "|O"
        dtype.complete = True
        return dtype

    def set_state(self, operand: Any) -> None:
        """Complete the dtype by its state, as numpy writes it.

        Raises:
            Unfollowable: numpy does not write it so.
        """
        state = items_of(operand)
        if self.complete:
            raise Unfollowable("it makes a dtype and changes it afterwards")
        if (
            type(state) is not tuple
            or len(state) not in (8, 9)
            or state[1] not in ("<", ">", "|")
            or not all(type(number) is int for number in (state[0], *state[5:8]))
        ):
            raise Unfollowable("it makes a dtype with a state that numpy does not write")
        order, subarray, names, fields, size, alignment, flags = state[1:8]
        if subarray is not None:
            raise Unfollowable("it makes a dtype of arrays")
        # Dates have a unit, and nothing else has a ninth part; without one, numpy itself reads what is not there.
        if (len(state) == 9) != (self.code in "Mm") or state[0] != (4 if len(state) == 9 else 3):
            raise Unfollowable("it makes a dtype with a state that numpy does not write")
        if fields is not None:
            if order != "|":
                raise Unfollowable("it makes a dtype of fields otherwise than numpy does")
            self._set_fields(names, fields, size, flags)
        else:
            self._set_plain(order, names, size, flags)
            if len(state) == 9:
                self._set_unit(state[8])
            self.spec = order + self.spec
        if alignment < 1 if self.code in "SUV" else alignment != -1:
            raise Unfollowable("it makes a dtype with a state that numpy does not write")
        self.alignment = max(alignment, 0)
        self.complete = True

    def _set_plain(self, order: str, names: Any, size: int, flags: int) -> None:
        if names is not None or (self.code in "O|V|S" and order != "|"):
            raise Unfollowable("it makes a dtype with a state that numpy does not write")
        if self.code in "SUV":
            if size != self.size or size >= 1 << 31:
                raise Unfollowable("it makes a dtype of another size than it says")
        elif size != -1:
            raise Unfollowable("it makes a dtype whose size is not that of its kind")
        if flags not in _FLAGS.get(self.code, (0,)):
            said = "of objects that says it holds none" if self.has_objects else "that says it holds what it cannot"
            raise Unfollowable(f"it makes a dtype {said}")

    def _set_unit(self, metadata: Any) -> None:
        parts = items_of(metadata)
        unit = items_of(parts[1]) if type(parts) is tuple and len(parts) == 2 and _is_nothing(parts[0]) else None
        if type(unit) is not tuple or len(unit) != 4 or unit[1:] != (1, 1, 1):
            raise Unfollowable("it makes a dtype of dates with an unknown unit")
        name = _latin(unit[0])
        if type(name) is not str or name not in _UNITS:
            raise Unfollowable("it makes a dtype of dates with an unknown unit")
        if name != "generic":
            self.spec += f"[{name}]"

    def _set_fields(self, names: Any, fields: Any, size: int, flags: int) -> None:
        if (
            self.code != "V"
            or type(names) is not tuple
            or not 0 < len(names) <= _MAX_FIELDS
            or size != self.size
            or not 0 < size < _MAX_RECORD
            or flags & ~(16 | 128)  # needs Python's lock; aligned as C does it
            or fields.__class__ is not Node
            or fields.kind != DICT
            or fields.content is None
            or len(fields.content) != 2 * len(names)
            or not all(type(name) is str for name in (*names, *fields.content[::2]))
        ):
            raise Unfollowable("it makes a dtype of fields otherwise than numpy does")
        placed = dict(zip(fields.content[::2], fields.content[1::2], strict=True))
        formats, offsets = [], []
        for name in names:
            place = items_of(placed.get(name))
            if type(place) is not tuple or len(place) != 2:
                raise Unfollowable("it makes a dtype of fields otherwise than numpy does")
            part, offset = place[0], place[1]
            if part.__class__ is not Node or part.kind != DTYPE or type(offset) is not int:
                raise Unfollowable("it makes a dtype of fields otherwise than numpy does")
            field: InertDtype = part.of
            # Fields of fields could be shared so that their number doubles with each level.
            if not field.complete or field.has_objects or type(field.spec) is not str:
                raise Unfollowable("it makes a dtype whose fields hold objects or fields")
            if offset < 0 or offset + field.size > size:
                raise Unfollowable("it makes a dtype whose fields reach outside")
            formats.append(field.spec)
            offsets.append(offset)
        if len(placed) != len(names):
            raise Unfollowable("it makes a dtype with one field twice")
        self.spec = {"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size}
        if flags & 128:
            self.spec["aligned"] = True
        self.fields = len(names)


def _is_nothing(operand: Any) -> bool:
    """Tell whether an operand is `None`, or the empty dict that older releases of numpy write."""
    if operand.__class__ is Node and operand.kind == DICT and operand.content == [] and not operand.has_state:
        operand.has_state = True
        return True
    return operand is None


def _latin(operand: Any) -> Any:
    """Return the text that bytes have, as pickles write them; of protocol 2, which has no bytes, as a call."""
    if type(operand) is bytes:
        return operand.decode("latin-1")
    if operand.__class__ is Node and operand.kind == CALL and is_name(operand.of, "_codecs", "encode"):
        content = operand.content
        return content[0] if type(content) is tuple and len(content) == 2 and content[1] == "latin1" else None
    return None
