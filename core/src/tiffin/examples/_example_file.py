"""The file that holds a content's examples: a table in JSON, headers and buffers; see docs/reference/examples-format.md.

Nothing in it is unpickled or names a module to import. Whoever made it may be a stranger, so all sizes are compared with the
bytes that are there before anything is made of them.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tiffin.examples._packing import Packed
from tiffin.exceptions import ExamplesError
from tiffin.info import MAX_EXAMPLES

MAGIC = b"tiffin examples 1\n"
_MAX_TABLE = 1 << 20
_MAX_HEADERS = 8 << 20
"""Bytes of JSON that are read of a file: parsed, they take many times that."""
_MAX_CALLS = 1000
_MAX_BUFFERS = 4096
_PREFIX = struct.Struct("<32sI")


@attrs.frozen
class Example:
    """One call, and what the model answered.

    Attributes:
        method: which method.
        arguments: a list of the positional arguments, and a dict of those by keyword.
        answer: what it returned.
    """

    method: str
    arguments: Packed
    answer: Packed


@attrs.frozen
class Recording:
    """The examples of one content.

    Attributes:
        examples: in the order in which they were run.
        made: under which circumstances: name → text; thread counts and devices among them.
    """

    examples: Sequence[Example]
    made: Mapping[str, str] = attrs.field(factory=dict)

    def to_bytes(self) -> bytes:
        """Return the file.

        Raises:
            ExamplesError: it would have more than `MAX_EXAMPLES` bytes, or hold more than is read.
        """
        pieces: list[Any] = []

        def row(packed: Packed) -> list[Any]:
            pieces.extend([packed.header, *packed.buffers])
            return [len(packed.header), [len(buffer) for buffer in packed.buffers], list(packed.kinds)]

        inputs = list({id(example.arguments): example.arguments for example in self.examples}.values())
        table = {
            "made": dict(self.made),
            "inputs": [row(packed) for packed in inputs],
            "examples": [
                {
                    "method": example.method,
                    "input": next(n for n, packed in enumerate(inputs) if packed is example.arguments),
                    "answer": row(example.answer),
                }
                for example in self.examples
            ],
        }
        text = json.dumps(table, separators=(",", ":")).encode()
        rest = struct.pack("<I", len(text)) + text + b"".join(pieces)
        data = MAGIC + hashlib.sha256(rest).digest() + rest
        if len(data) > MAX_EXAMPLES:
            raise ExamplesError(
                f"The examples have {len(data)} bytes, and the most that is kept of one model is {MAX_EXAMPLES}",
                why="They travel with the model, and are read as a whole",
                fix="Give fewer or smaller inputs; a few rows show most changes",
                path="",
            )
        read_file(data, "The file of examples that was made")
        return data


def check_file(data: bytes, where: str) -> None:
    """Refuse what is no file of examples; reads the table, and makes nothing of the values.

    Args:
        data: the bytes.
        where: what it is called in errors.

    Raises:
        ExamplesError: it is damaged, larger than any may be, or of a newer format.
    """
    read_file(data, where)


def read_file(data: bytes, where: str) -> Recording:
    """Return the examples in a file; values stay packed.

    Args:
        data: the bytes.
        where: what it is called in errors.

    Raises:
        ExamplesError: as for `check_file`.
    """
    try:
        return _read(data)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ExamplesError(
            f"{where} cannot be read as examples of a model: {error}",
            why="It is damaged, or a newer Tiffin wrote it",
            fix="Get it again from where it came, or save the model again with examples",
            path=where,
        ) from error


def _read(data: bytes) -> Recording:
    start = len(MAGIC) + _PREFIX.size
    if not data.startswith(MAGIC):
        raise ValueError(f"it begins with {data[:24]!r}, not with {MAGIC!r}")
    if not start <= len(data) <= MAX_EXAMPLES:
        raise ValueError(f"it has {len(data)} bytes; between {start} and {MAX_EXAMPLES} are read")
    digest, size = _PREFIX.unpack_from(data, len(MAGIC))
    if hashlib.sha256(memoryview(data)[len(MAGIC) + 32 :]).digest() != digest:
        raise ValueError("its content is not that of its checksum")
    if size > min(_MAX_TABLE, len(data) - start):
        raise ValueError(f"its table claims {size} bytes")
    table = json.loads(data[start : start + size])
    made = {_text(name): _text(value) for name, value in table["made"].items()}
    inputs, rows = table["inputs"], table["examples"]
    if any(type(found) is not list or not 0 < len(found) <= _MAX_CALLS for found in (inputs, rows)):
        raise ValueError(f"it holds no lists of 1 to {_MAX_CALLS} inputs and examples")
    pieces = _Pieces(memoryview(data)[start + size :])
    given = [pieces.take(said) for said in inputs]
    examples = [Example(_text(row["method"]), given[_index(row["input"])], pieces.take(row["answer"])) for row in rows]
    pieces.finish()
    return Recording(examples, made)


def _index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{str(value)[:40]} is no number of an input")
    return value


class _Pieces:
    """Cuts headers and buffers off, as the table says."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._headers = 0

    def take(self, said: Any) -> Packed:
        size, lengths, kinds = said
        if (
            type(lengths) is not list
            or len(lengths) > _MAX_BUFFERS
            or type(kinds) is not list
            or len(kinds) > _MAX_CALLS
        ):
            raise ValueError("a value has too many parts")
        self._headers += self._length(size)
        if self._headers > _MAX_HEADERS:
            raise ValueError(f"its headers have more than {_MAX_HEADERS} bytes")
        header = bytes(self._cut(size))
        return Packed(header, [self._cut(length) for length in lengths], [_text(kind) for kind in kinds])

    def _cut(self, size: Any) -> memoryview:
        cut, self._data = self._data[: self._length(size)], self._data[size:]
        return cut

    def _length(self, size: Any) -> int:
        if type(size) is not int or not 0 <= size <= len(self._data):
            raise ValueError(f"a part claims {str(size)[:40]} bytes")
        return size

    def finish(self) -> None:
        if len(self._data):
            raise ValueError("there are more bytes than its table mentions")


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > 1000:
        raise ValueError("a name is none, or is too long")
    return value
