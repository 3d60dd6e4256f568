"""Files whose rows are lines: CSV, tab-separated values, JSON lines. A line that cannot be read spoils no other."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from tiffin_map._errors import MapError
from tiffin_map._files import SourceFile

_PIECE = 1 << 20
"""Bytes that are read at a time."""
LONGEST = 16 << 20
"""Bytes of a line at most: what has no line's end must not fill the memory."""
SAMPLE = 10_000
"""Rows by which columns and types are told."""

_ROW = re.compile(r"Row #\d+: ")
"""The number that a parser gives to a line of those that it was given; the line's own is another."""

Parser = Callable[[Sequence[bytes]], pa.Table]
"""Makes a table of lines."""
Unread = tuple[int, str, str]
"""A line that cannot be read: its index, the line, why."""


class LineFile:
    """A file of lines, opened.

    Args:
        file: which one.
        opened: it, opened for reading bytes.
    """

    def __init__(self, file: SourceFile, opened: Any) -> None:
        self.file = file
        self._stream = pa.CompressedInputStream(opened, file.compression) if file.compression else opened
        self._lines = self._read()
        self.header = b""
        if file.format != "jsonl":
            self.header = next(self._lines, b"")

    def _read(self) -> Iterator[bytes]:
        """Give lines without their ends; empty ones are no rows."""
        rest, first = b"", True
        while True:
            piece = self._stream.read(_PIECE)
            block = rest + piece
            if first:
                block, first = block.removeprefix(b"\xef\xbb\xbf"), False
            lines = block.split(b"\n")
            rest = lines.pop() if piece else b""
            if len(rest) > LONGEST:
                raise MapError(
                    f"The file {self.file.name!r} has a line of more than {LONGEST >> 20} MiB",
                    why="It is kept in memory until it ends",
                    fix="Check that it is a file of lines",
                )
            yield from (line for line in lines if line.strip())
            if not piece:
                return

    def skip(self, rows: int) -> int:
        """Pass over rows, and return over how many."""
        skipped = 0
        while skipped < rows and next(self._lines, None) is not None:
            skipped += 1
        return skipped

    def take(self, rows: int) -> list[bytes]:
        """Return so many lines, fewer at the end."""
        taken = []
        for line in self._lines:
            taken.append(line)
            if len(taken) == rows:
                break
        return taken

    def parser(self, schema: pa.Schema, *, whole: bool = True) -> Parser:
        """Return what makes a table of lines.

        Args:
            schema: the columns, and their types.
            whole: whether these are all that is read; else there are others, whose types the lines tell.
        """
        return _json_parser(schema, whole) if self.file.format == "jsonl" else self._csv_parser(schema, whole)

    def _csv_parser(self, schema: pa.Schema, whole: bool) -> Parser:
        from pyarrow import csv

        convert = csv.ConvertOptions(column_types=schema, include_columns=schema.names if whole else [])
        parse = csv.ParseOptions(delimiter="\t" if self.file.format == "tsv" else ",")

        def parsed(lines: Sequence[bytes]) -> pa.Table:
            data = b"\n".join((self.header, *lines))
            read = csv.ReadOptions(use_threads=False, block_size=len(data) + 1)
            return csv.read_csv(io.BytesIO(data), read_options=read, parse_options=parse, convert_options=convert)

        return parsed

    def sample(self) -> list[bytes]:
        """Return the first lines; they are still to come."""
        from itertools import chain

        lines = self.take(SAMPLE)
        self._lines = chain(lines, self._lines)
        return lines


def infer(lines: LineFile, types: pa.Schema) -> pa.Schema:
    """Return all columns of a file, told by its first lines.

    Args:
        lines: the file, at its first row.
        types: columns whose types are known.

    Raises:
        MapError: none of these lines can be read, or not with the same columns and types.
    """
    sample, parser = lines.sample(), lines.parser(types, whole=False)
    try:
        table = parser(sample)
    except pa.ArrowInvalid:
        # What cannot be read even alone says nothing of columns.
        _, unread = parse(sample, parser, alone=True)
        broken = {index for index, _, _ in unread}
        sample = [line for index, line in enumerate(sample) if index not in broken]
        try:
            table = parser(sample)
        except pa.ArrowInvalid as error:
            raise MapError(
                f"The columns of {lines.file.name!r} cannot be told by its first rows",
                why=str(error).partition("\n")[0] if sample else "None of them can be read",
                fix="Say what they are by types=, such as types={'x': 'float64'} (--type x=float64)",
            ) from error
    return pa.schema([(one.name, pa.string() if pa.types.is_null(one.type) else one.type) for one in table.schema])


def _json_parser(schema: pa.Schema, whole: bool) -> Parser:
    from pyarrow import json as arrow_json

    rest = "ignore" if whole else "infer"
    options = arrow_json.ParseOptions(explicit_schema=schema, newlines_in_values=False, unexpected_field_behavior=rest)

    def parsed(lines: Sequence[bytes]) -> pa.Table:
        data = b"\n".join(lines)
        read = arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1)
        table = arrow_json.read_json(io.BytesIO(data), read_options=read, parse_options=options)
        return table.select(schema.names) if whole else table

    return parsed


def parse(lines: Sequence[bytes], parser: Parser, *, alone: bool = False) -> tuple[pa.Table | None, list[Unread]]:
    """Return the rows of lines, and the lines that cannot be read.

    Args:
        lines: the lines.
        parser: makes a table of lines.
        alone: whether only the lines that cannot be read are asked for; the others need not go together.

    Returns:
        the rows of all other lines, in order, `None` where there are none; and those lines.
    """
    tables: list[pa.Table] = []
    unread: list[Unread] = []
    _parse(lines, 0, parser, tables, unread)
    if alone:
        return None, unread
    return (pa.concat_tables(tables) if tables else None), unread


def _parse(lines: Sequence[bytes], first: int, parser: Parser, tables: list[pa.Table], unread: list[Unread]) -> None:
    try:
        table = parser(lines)
        why = "" if table.num_rows == len(lines) else f"It is {table.num_rows} rows"
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        table, why = None, str(error).partition("\n")[0]
    if not why:
        tables.append(table)
    elif len(lines) == 1:
        unread.append((first, lines[0].decode("utf-8", "replace").rstrip("\r"), _reason(lines[0], why)))
    else:
        half = len(lines) // 2
        _parse(lines[:half], first, parser, tables, unread)
        _parse(lines[half:], first + half, parser, tables, unread)


def _reason(line: bytes, why: str) -> str:
    """Return why a line cannot be read; Python's words where it is no JSON, since they say where."""
    if line.lstrip()[:1] == b"{":
        try:
            json.loads(line)
        except ValueError as error:
            return f"It is no JSON: {error}"
    return _ROW.sub("", why)
