"""Arrow streams of strangers, looked through before a library reads them. Imports neither of those.

Libraries believe what a stream says of itself: some releases of polars follow an address that the metadata of an extension
type holds; compressed bodies unpack to whatever size they claim; fields that share their children take exponential time. So
only what is written here is read: one schema of plain types, and batches that are not compressed.

The format is Apache Arrow's, "Encapsulated message format"; its messages are tables of FlatBuffers.
"""

from __future__ import annotations

import struct
from typing import Any

_EXTENSION = b"ARROW:extension:"
_MARK = b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_DEPTH = 64
"""Fields within fields: libraries go down into them by recursion."""
_ROWS, _FREE_ROWS = 64, 1 << 26
"""Rows for each byte of a batch, all columns together, and rows that need none: those of columns without values."""
_FIELD = 16
"""Bytes that a field takes at least, and a message of a stream."""


def check_stream(data: Any) -> None:
    """Refuse a stream that Tiffin does not write.

    Args:
        data: the stream's bytes, or a view of them.

    Raises:
        ValueError: it is damaged, is compressed, has an extension type, or fields that share parts.
    """
    view = memoryview(data).cast("B")
    try:
        _check(view)
    except (struct.error, IndexError) as error:
        raise ValueError(f"an Arrow stream is damaged: {error}") from error


def has_extension(data: Any) -> bool:
    """Tell whether the schema of a stream of our own has an extension type: one whose meaning its reader must know."""
    view = memoryview(data).cast("B")
    (length,) = struct.unpack_from("<i", view, 4)
    return _EXTENSION in bytes(view[8 : 8 + length])


def _check(view: memoryview) -> None:
    at, first = 0, True
    while at < len(view):
        if view[at : at + 4] != _MARK:
            raise ValueError("an Arrow stream has something else where a message begins")
        (length,) = struct.unpack_from("<i", view, at + 4)
        if not length:
            if at + 8 != len(view) or first:
                raise ValueError("an Arrow stream goes on behind its end, or has no schema")
            return
        begin, end = at + 8, at + 8 + length
        if length < _FIELD or end > len(view):
            raise ValueError("an Arrow stream is cut off within a message")
        message = _Table(view[begin:end], struct.unpack_from("<I", view, begin)[0])
        kind, header, body = message.number(1, "<B"), message.table(2), message.number(3, "<q")
        if header is None or (kind != _SCHEMA if first else kind not in (_DICTIONARY, _BATCH)):
            raise ValueError("an Arrow stream has messages that are not written, or in another order")
        if not 0 <= body <= len(view) - end or (first and body):
            raise ValueError("an Arrow stream is cut off within a body")
        if first:
            if _EXTENSION in bytes(view[begin:end]):
                raise ValueError("an Arrow stream has an extension type")
            _check_fields(header, length // _FIELD)
        else:
            batch = header.table(1) if kind == _DICTIONARY else header
            if batch is None or batch.table(3) is not None:
                raise ValueError("an Arrow stream has a compressed batch, or an empty one")
            _check_batch(batch, body)
        at, first = end + body, False
    if first:
        raise ValueError("an Arrow stream has no schema")


def _check_batch(batch: _Table, body: int) -> None:
    """Refuse lengths that the bytes do not bear out: polars ends the program where there is no memory for them."""
    nodes, buffers, counts = batch.numbers(1, 2), batch.numbers(2, 2), batch.numbers(4, 1)
    rows = body * _ROWS + _FREE_ROWS
    lengths, places = nodes[::2], buffers[::2]
    if (
        min([batch.number(0, "<q"), *nodes, *buffers, *counts], default=0) < 0
        or sum(lengths) + batch.number(0, "<q") > rows
        or any(missing > length for length, missing in zip(lengths, nodes[1::2], strict=True))
        or any(place + size > body for place, size in zip(places, buffers[1::2], strict=True))
        or sum(counts) > len(places)
    ):
        raise ValueError("an Arrow stream has more rows than its bytes bear out, or parts outside of them")


def _check_fields(schema: _Table, left: int) -> None:
    pending = [(field, 1) for field in schema.tables(1, left)]
    while pending:
        left -= 1
        field, depth = pending.pop()
        if left < 0 or depth > _DEPTH:
            raise ValueError("an Arrow stream has fields that share parts, or are nested too deeply")
        pending += [(child, depth + 1) for child in field.tables(5, left)]


class _Table:
    """A table of FlatBuffers: its fields are found through a list of offsets, and may all be missing."""

    def __init__(self, view: memoryview, at: int) -> None:
        self._view = view
        self._at = at
        self._offsets = at - struct.unpack_from("<i", view, at)[0]
        if not 0 <= self._offsets <= len(view) - 4:
            raise ValueError("an Arrow stream points outside of a message")

    def _place(self, field: int) -> int | None:
        (size,) = struct.unpack_from("<H", self._view, self._offsets)
        where = 4 + 2 * field
        if where + 2 > size:
            return None
        (offset,) = struct.unpack_from("<H", self._view, self._offsets + where)
        return self._at + offset if offset else None

    def number(self, field: int, form: str) -> int:
        """Return a number, 0 where there is none."""
        place = self._place(field)
        return 0 if place is None else int(struct.unpack_from(form, self._view, place)[0])

    def table(self, field: int) -> _Table | None:
        """Return the table that a field refers to."""
        place = self._place(field)
        return None if place is None else _Table(self._view, place + struct.unpack_from("<I", self._view, place)[0])

    def numbers(self, field: int, wide: int) -> list[int]:
        """Return the 64-bit numbers of a list of them, or of structs of `wide` of them."""
        place = self._place(field)
        if place is None:
            return []
        start = place + struct.unpack_from("<I", self._view, place)[0]
        count = struct.unpack_from("<I", self._view, start)[0] * wide
        return list(struct.unpack_from(f"<{count}q", self._view, start + 4)) if 8 * count <= len(self._view) else [-1]

    def tables(self, field: int, most: int) -> list[_Table]:
        """Return the tables of a list; raises ValueError where there are more than may be."""
        place = self._place(field)
        if place is None:
            return []
        start = place + struct.unpack_from("<I", self._view, place)[0]
        (count,) = struct.unpack_from("<I", self._view, start)
        if count > most:
            raise ValueError("an Arrow stream has fields that share parts, or are nested too deeply")
        places = [start + 4 + 4 * number for number in range(count)]
        return [_Table(self._view, one + struct.unpack_from("<I", self._view, one)[0]) for one in places]
