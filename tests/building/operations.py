"""Streams written by hand, operation by operation."""

from __future__ import annotations

import struct
from typing import Any

from tiffin.building import Lists, build, core_lists, judge
from tiffin.inspection import Tape, parse_pickle


def text(value: str) -> bytes:
    """Return the operation that pushes a text."""
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def named(module: str, name: str) -> bytes:
    """Return the operation that pushes a name."""
    return f"c{module}\n{name}\n".encode()


def number(value: int) -> bytes:
    """Return the operation that pushes a number of any size."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<I", len(data)) + data


def dtype(code: str, state: bytes = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00", order: str = "|") -> bytes:
    """Return the operations that make a dtype, with a state of its own."""
    return named("numpy", "dtype") + text(code) + b"\x89\x88\x87R(K\x03" + text(order) + state + b"tb"


def array(kind: bytes, shape: bytes, content: bytes) -> bytes:
    """Return the operations that make an array as numpy writes it."""
    made = named("numpy._core.multiarray", "_reconstruct") + named("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
    return made + b"(K\x01" + shape + kind + b"\x89" + content + b"tb"


def whole(operations: bytes, protocol: int = 4) -> bytes:
    """Return a pickle of these operations."""
    return b"\x80" + bytes([protocol]) + operations + b"."


def made(data: bytes | bytearray, lists: Lists | None = None, *, joblib: bool = False, buffers: Any = None) -> Any:
    """Return what core builds of a stream.

    Raises:
        Unfollowable: it is refused, by the parser, by the verdict, or by the builder.
    """
    from tiffin.building import Unbuildable

    lists = lists or core_lists()
    tape = Tape()
    parse_pickle(tape, memoryview(data), joblib=joblib)
    refused, problems = judge(tape, lists)
    if refused or problems:
        raise Unbuildable(f"{refused} {problems}")
    return build(tape, lists, buffers)
