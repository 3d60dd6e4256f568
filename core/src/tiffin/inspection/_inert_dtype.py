"""dtypes as numpy's pickles say them: read by a grammar, so that arrays are sized without numpy, and nothing is believed.

A dtype whose state contradicts itself, such as one of objects that says it holds none, makes numpy take bytes of a file for
pointers. So exactly what numpy writes is read, once, and everything else is refused.
"""

from __future__ import annotations

import re
from typing import Any

from tiffin.inspection.tape import DICT, DTYPE, Node, Unfollowable, items_of

_CODE = re.compile(r"[biufcSUVMmO](?:0|[1-9]\d{0,8})")
_SIZES = {
    "b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8, 12, 16), "c": (8, 16, 24, 32),
    "M": (8,), "m": (8,), "O": (4, 8),
}  # fmt: skip
_UNITS = (b"Y", b"M", b"W", b"D", b"h", b"m", b"s", b"ms", b"us", b"ns", b"ps", b"fs", b"as", b"generic")
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
        complete: whether its state was set; before that it is none yet.
    """

    __slots__ = ("code", "complete", "has_objects", "size", "spec")

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
        self.complete = False

    @classmethod
    def from_call(cls, arguments: Any) -> InertDtype:
        """Return the dtype that a call of numpy's would make."""
        if type(arguments) is not tuple or len(arguments) != 3 or type(arguments[0]) is not str:
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
            or state[0] not in (3, 4)
            or state[1] not in ("<", ">", "|", "=")
            or not all(type(number) is int for number in state[5:8])
        ):
            raise Unfollowable("it makes a dtype with a state that numpy does not write")
        order, subarray, names, fields, size, _, flags = state[1:8]
        if subarray is not None:
            raise Unfollowable("it makes a dtype of arrays")
        if fields is not None:
            self._set_fields(names, fields, size, flags)
        else:
            self._set_plain(order, names, size, flags)
            if self.code in "Mm" and len(state) == 9:
                self._set_unit(state[8])
            self.spec = order + self.spec
        self.complete = True

    def _set_plain(self, order: str, names: Any, size: int, flags: int) -> None:
        if names is not None or (self.code in "O|V|S" and order != "|"):
            raise Unfollowable("it makes a dtype with a state that numpy does not write")
        if self.code in "SUV":
            if not 0 <= size < 1 << 31 or (self.code == "U" and size % 4):
                raise Unfollowable("it makes a dtype of an impossible size")
            self.size = size
            self.spec = f"{self.code}{size // 4 if self.code == 'U' else size}"
        elif size != -1:
            raise Unfollowable("it makes a dtype whose size is not that of its kind")
        if flags not in _FLAGS.get(self.code, (0,)):
            said = "of objects that says it holds none" if self.has_objects else "that says it holds what it cannot"
            raise Unfollowable(f"it makes a dtype {said}")

    def _set_unit(self, metadata: Any) -> None:
        unit = metadata[1] if type(metadata) is tuple and len(metadata) == 2 else None
        if type(unit) is not tuple or len(unit) != 4 or unit[0] not in _UNITS or unit[1:] != (1, 1, 1):
            raise Unfollowable("it makes a dtype of dates with an unknown unit")
        if unit[0] != b"generic":
            self.spec += f"[{unit[0].decode()}]"

    def _set_fields(self, names: Any, fields: Any, size: int, flags: int) -> None:
        if (
            self.code != "V"
            or type(names) is not tuple
            or not 0 < len(names) <= _MAX_FIELDS
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
        self.size = size
