"""Rows of files, read in pieces from any row on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import attrs
import numpy as np
import pyarrow as pa

from tiffin.showing import close_names
from tiffin_map._errors import MapError
from tiffin_map._files import LINES, Source, SourceFile
from tiffin_map._lines import LineFile, infer, parse

ARRAY = "array"
"""The name of the one column that a numpy file is."""

_GATHERED = 1 << 16
"""Rows of a piece at most."""


class BadRow(NamedTuple):
    """A row that is not scored.

    Attributes:
        row: its number in the whole input, from 0.
        file: the file's name.
        row_in_file: its number there, from 0.
        input: what was read of it.
        error: why it is not scored.
    """

    row: int
    file: str
    row_in_file: int
    input: Any
    error: str


@attrs.frozen
class Piece:
    """Rows that follow one another in one file, as they were read.

    Attributes:
        first: the number of its first row in the whole input.
        count: its rows, those that cannot be read included.
        rows: the others: a table, or an array for numpy's files.
        numbers: int64 array: the number of each of `rows` in the whole input.
        file: the file's name.
        start: the number of the file's first row in the whole input.
        bad: rows that cannot be read.
    """

    first: int
    count: int
    rows: Any
    numbers: Any
    file: str
    start: int
    bad: Sequence[BadRow]


class Reader:
    """Reads the rows of a source.

    Args:
        source: the files.
        columns: those to read; `None` for all.
        types: column → Arrow type, as text, for formats that do not say types themselves.

    Attributes:
        schema: the columns that are read, and their types; of numpy's files one, `ARRAY`, with the rows' type.
        end: the number of rows, once all were read or passed over.

    Raises:
        MapError: the files differ in their columns or types, or lack one that was asked for.
    """

    def __init__(self, source: Source, columns: Sequence[str] | None, types: Mapping[str, str]) -> None:
        self.source = source
        self.end = 0
        self._types = {name: _type_of(name, text) for name, text in types.items()}
        self.schema = self._schema(source.files[0], columns, None)
        for file in source.files[1:]:
            self._compare(file, self._schema(file, self.schema.names, self.schema))

    def _schema(self, file: SourceFile, columns: Sequence[str] | None, like: pa.Schema | None) -> pa.Schema:
        with self._opened(file) as opened:
            if file.format == "npy":
                shape, _, dtype = _array_header(opened, file)
                row = pa.from_numpy_dtype(dtype)
                return pa.schema([(ARRAY, row if len(shape) == 1 else pa.list_(row, int(np.prod(shape[1:]))))])
            if file.format in LINES:
                lines = LineFile(file, opened)
                found = _inferred(lines, pa.schema(list(self._types.items())), like)
            else:
                found = _arrow_schema(opened, file)
        for name, kind in self._types.items():
            self._require(file, found, [name])
            found = found.set(found.get_field_index(name), pa.field(name, kind))
        if columns is None:
            return pa.schema(list(found))
        self._require(file, found, columns)
        return pa.schema([found.field(name) for name in columns])

    def _require(self, file: SourceFile, schema: pa.Schema, columns: Sequence[str]) -> None:
        for name in columns:
            if schema.names.count(name) == 1:
                continue
            close = close_names(name, schema.names, 1)
            raise MapError(
                f"The file {file.name!r} has {'several columns' if name in schema.names else 'no column'} {name!r}",
                why=f"It has: {', '.join(schema.names[:50])}",
                fix=f"Did you mean {close[0]!r}?" if close else "",
            )

    def _compare(self, file: SourceFile, found: pa.Schema) -> None:
        first = self.source.files[0].name
        for mine, other in zip(self.schema, found, strict=True):
            if mine.type != other.type:
                raise MapError(
                    f"Column {mine.name!r} is {other.type} in {file.name!r}, and {mine.type} in {first!r}",
                    why="A model would be given different values for what is the same",
                    fix="Write the files with one type, or score them one by one",
                )

    @contextlib.contextmanager
    def _opened(self, file: SourceFile) -> Iterator[Any]:
        with self.source.open(file) as opened:
            try:
                yield opened
            except (pa.ArrowInvalid, pa.ArrowIOError, EOFError) as error:
                why = str(error).partition("\n")[0]
                raise MapError(f"The file {file.name!r} is no readable {file.format} file", why=why) from error

    def count(self) -> int | None:
        """Return the number of all rows; `None` where the files do not say it."""
        total = 0
        for file in self.source.files:
            if file.format not in ("parquet", "npy"):
                return None
            with self._opened(file) as opened:
                if file.format == "npy":
                    total += _array_header(opened, file)[0][0]
                    continue
                from pyarrow import parquet

                total += parquet.ParquetFile(opened).metadata.num_rows
        return total

    def read(self, start: int, size: int) -> Iterator[Piece]:
        """Give the rows from number `start` on, in pieces of at most `size` rows."""
        first = 0
        for file in self.source.files:
            with self._opened(file) as opened:
                rows = first
                for piece in self._read(file, opened, first, max(0, start - first), min(size, _GATHERED)):
                    rows = piece.first + piece.count
                    if piece.count:
                        yield piece
                first = self.end = rows

    def _read(self, file: SourceFile, opened: Any, start: int, skip: int, size: int) -> Iterator[Piece]:
        """Give a file's rows, after a piece without rows that says over how many was passed."""
        if file.format in LINES:
            yield from self._read_lines(file, opened, start, skip, size)
            return
        read = {"parquet": _parquet, "arrow": _arrow, "npy": _npy}[file.format]
        at = start
        for rows in read(opened, file, self.schema.names, skip, size):
            if isinstance(rows, int):
                at += rows
                yield Piece(at, 0, None, np.arange(0), file.name, start, ())
                continue
            yield Piece(at, len(rows), rows, np.arange(at, at + len(rows)), file.name, start, ())
            at += len(rows)

    def _read_lines(self, file: SourceFile, opened: Any, start: int, skip: int, size: int) -> Iterator[Piece]:
        lines = LineFile(file, opened)
        at = start + lines.skip(skip)
        yield Piece(at, 0, None, np.arange(0), file.name, start, ())
        parser = lines.parser(self.schema)
        while taken := lines.take(size):
            table, unread = parse(taken, parser)
            bad = [BadRow(at + index, file.name, at + index - start, line, why) for index, line, why in unread]
            numbers = np.delete(np.arange(at, at + len(taken)), [index for index, _, _ in unread])
            yield Piece(at, len(taken), table, numbers, file.name, start, bad)
            at += len(taken)


def _type_of(name: str, text: str) -> pa.DataType:
    try:
        return pa.type_for_alias(text)
    except ValueError:
        fix = "Types are Arrow's: float64, int64, string, bool, date32, timestamp[us], …"
        raise MapError(f"Column {name!r} is to be read as {text!r}, which is no type", fix=fix) from None


def _inferred(lines: LineFile, types: pa.Schema, like: pa.Schema | None) -> pa.Schema:
    """Return the columns of lines: of the first file told by its first rows, of others by the first file."""
    if like is None or lines.file.format != "jsonl":
        found = infer(lines, types)
    if like is None:
        return found
    if lines.file.format == "jsonl":
        return like
    # Told by its own rows, the types of a later file may differ by what happens to stand in them.
    return pa.schema([like.field(one.name) if one.name in like.names else one for one in found])


def _arrow_schema(opened: Any, file: SourceFile) -> pa.Schema:
    if file.format == "parquet":
        from pyarrow import parquet

        return parquet.ParquetFile(opened).schema_arrow
    return _open_arrow(opened).schema


def _open_arrow(opened: Any) -> Any:
    magic = opened.read(6)
    opened.seek(0)
    return pa.ipc.open_file(opened) if magic == b"ARROW1" else pa.ipc.open_stream(opened)


def _parquet(opened: Any, file: SourceFile, columns: Sequence[str], skip: int, size: int) -> Iterator[Any]:
    from pyarrow import parquet

    reader = parquet.ParquetFile(opened)
    groups, passed = list(range(reader.num_row_groups)), 0
    while groups and passed + reader.metadata.row_group(groups[0]).num_rows <= skip:
        passed += reader.metadata.row_group(groups.pop(0)).num_rows
    yield passed
    if groups:
        batches = reader.iter_batches(batch_size=size, row_groups=groups, columns=list(columns), use_threads=False)
        yield from _after(batches, skip - passed, size, columns)


def _arrow(opened: Any, file: SourceFile, columns: Sequence[str], skip: int, size: int) -> Iterator[Any]:
    reader = _open_arrow(opened)
    count = getattr(reader, "num_record_batches", None)
    batches = iter(reader) if count is None else (reader.get_batch(number) for number in range(count))
    yield from _after(batches, skip, size, columns)


def _after(batches: Any, skip: int, size: int, columns: Sequence[str]) -> Iterator[Any]:
    """Give tables of at most `size` rows, after passing over `skip` rows, which it says."""
    for batch in batches:
        passed = min(skip, batch.num_rows)
        if passed:
            skip -= passed
            yield passed
        for at in range(passed, batch.num_rows, size):
            yield pa.Table.from_batches([batch.slice(at, size)]).select(list(columns))


def _array_header(opened: Any, file: SourceFile) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(opened)
        shape, fortran, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(opened)
    except ValueError as error:
        raise MapError(f"The file {file.name!r} is no array of numpy", why=str(error)) from error
    if not shape or dtype.hasobject or dtype.names or (fortran and len(shape) > 1):
        raise MapError(
            f"The array in {file.name!r} has no rows that can be read one after another",
            why=f"Its shape is {shape}, its dtype {dtype}, {'columns' if fortran else 'rows'} first",
            fix="Write it with numpy.save(file, numpy.ascontiguousarray(array)), as numbers",
        )
    return shape, fortran, dtype


def _npy(opened: Any, file: SourceFile, columns: Sequence[str], skip: int, size: int) -> Iterator[Any]:
    shape, _, dtype = _array_header(opened, file)
    row = shape[1:]
    width = dtype.itemsize * int(np.prod(row))
    skip = min(skip, shape[0])
    opened.seek(skip * width, 1)
    yield skip
    for at in range(skip, shape[0], size):
        count = min(size, shape[0] - at)
        data = opened.read(count * width)
        if len(data) < count * width:
            raise MapError(f"The file {file.name!r} is cut off", why=f"It says that it has {shape[0]:,} rows")
        yield np.frombuffer(data, dtype).reshape(count, *row)
