"""What stands on the inert unpickler's stack in place of real objects."""

from __future__ import annotations

from typing import Any


class Unfollowable(Exception):
    """The pickle does something that cannot be followed."""


class Marker:
    """A stand-in of which nothing else matters."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __repr__(self) -> str:
        return self.what


OPAQUE = Marker("a value")
"""Any value whose content does not matter: a number, bytes, a long text."""
LIST = Marker("a list")
SET = Marker("a set")


class Name:
    """A global that the pickle names; never imported."""

    __slots__ = ("dotted",)

    def __init__(self, dotted: str) -> None:
        self.dotted = dotted


class Made:
    """What the pickle would make by a call.

    Attributes:
        kind: the dotted name of what would be called.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Dtype(Made):
    """A numpy dtype that the pickle would make.

    Attributes:
        size: bytes of one element.
        has_objects: whether elements are, or hold, references to objects.
        flexible: whether the size may be stated apart from the code.
        built: whether its state was set.
        used: whether it went into something, so that its state must not change any more.
    """

    __slots__ = ("built", "code", "flexible", "has_objects", "size", "used")

    def __init__(self, code: str, size: int) -> None:
        super().__init__("numpy.dtype")
        self.code = code
        self.size = size
        self.has_objects = code == "O"
        self.flexible = code in "SUV"
        self.built = False
        self.used = False


class Fields:
    """A dict. Of its items only those are kept that tell the size of raw arrays, or the fields of a dtype.

    Attributes:
        items: what is kept.
        others: whether it has, or may have, further items.
        unsure: whether an item might have any key, also one of those that are kept.
        frozen: whether it became a part of a dtype, which would change with it.
        used: whether it went into something.
        has_type: whether it holds one of numpy's own classes, as the state of joblib's wrappers does.
    """

    __slots__ = ("frozen", "has_type", "items", "others", "unsure", "used")

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.others = False
        self.unsure = False
        self.frozen = False
        self.used = False
        self.has_type = False

    def put(self, key: Any, value: Any) -> None:
        """Note an item."""
        if not isinstance(key, str):
            self.unsure = self.unsure or not isinstance(key, int)
            self.others = True
            return
        field = isinstance(value, tuple) and bool(value) and isinstance(value[0], Dtype)
        if (key in WRAPPER_FIELDS or field) and len(self.items) < _MAX_FIELDS:
            self.items[key] = value
        else:
            self.items.pop(key, None)
            self.others = True


_MAX_FIELDS = 10_000
ATTRIBUTES = frozenset({"__array_interface__", "__array_struct__", "__class__"})
"""Attributes by which an object makes numpy read memory anywhere, or becomes an instance of another class."""
WRAPPER_FIELDS = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})
"""Fields of joblib's NumpyArrayWrapper."""
