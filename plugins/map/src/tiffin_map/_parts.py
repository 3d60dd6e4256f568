"""The output: parts, each published whole, and beside each the rows that it lacks."""

from __future__ import annotations

import contextlib
import json
import math
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tiffin.places import file_system, is_url, open_target, redact, to_path, told
from tiffin_map._defaults import BAD_ROWS, FORMATS
from tiffin_map._errors import MapError
from tiffin_map._reading import BadRow
from tiffin_map._scoring import Scored

JOB = "_job.json"
SUMMARY = "_summary.json"
BAD_PART = "_bad-"
"""How the files begin with the rows that one part lacks."""

_LOOKED_AT = 4096
"""Rows by which it is told whether a column's values repeat."""
_LONGEST = 64 << 10
"""Characters of a bad row's input that are kept."""


class Output:
    """The folder that a job writes into.

    Args:
        path: a local path, or a URL that fsspec opens.
        params: options of the URL's driver.
        format: one of `tiffin_map._defaults.FORMATS`.

    Raises:
        MapError: there is no such format.
        ArchiveError: the place cannot be reached, or its driver is missing; so do all methods.
    """

    def __init__(self, path: str, params: Mapping[str, Any] | None, format: str) -> None:
        if format not in FORMATS:
            raise MapError(f"Output cannot be written as {format!r}", fix=f"Formats are: {', '.join(FORMATS)}")
        self._path = to_path(path).rstrip("/") if is_url(path) else to_path(path)
        self.shown = redact(self._path)
        self._params = params
        self.format = format

    def _place(self, name: str) -> str:
        return f"{self._path}/{name}" if is_url(self._path) else posixpath.join(self._path, name)

    @contextlib.contextmanager
    def _system(self) -> Iterator[tuple[Any, str]]:
        if is_url(self._path):
            with file_system(self._path, self._params, "read") as (system, place), told(self.shown, "read"):
                system.invalidate_cache()
                yield system, place.rstrip("/")
            return
        from fsspec.implementations.local import LocalFileSystem

        with told(self.shown, "read"):
            system = LocalFileSystem()
            yield system, system._strip_protocol(self._path)

    def names(self) -> set[str]:
        """Return the names of all files in it, those in folders with their folders."""
        with self._system() as (system, place):
            if not system.exists(place):
                return set()
            if not system.isdir(place):
                raise MapError(f"The output {self.shown!r} is a file", why="A job writes parts into a folder")
            return {name.removeprefix(place).lstrip("/") for name in system.find(place)}

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        with self._system() as (system, place):
            return bytes(system.cat_file(f"{place}/{name}"))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        with self._system() as (system, place):
            for name in names:
                system.rm_file(f"{place}/{name}")

    def write(self, name: str, content: Callable[[Any], None], size: int = 0) -> None:
        """Write a file: it is there when it is whole."""
        with open_target(self._place(name), self._params, size=size) as file:
            content(file)

    def write_json(self, name: str, data: Any) -> None:
        """Write plain data."""
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        self.write(name, lambda file: _write_all(file, text.encode()))

    def part_name(self, number: int) -> str:
        """Return the name of a part."""
        return f"part-{number:05d}.{self.format}"

    def publish(self, number: int, scored: Sequence[Scored], schema: pa.Schema | None) -> pa.Schema | None:
        """Publish a part: first the rows that it lacks, then the part, by which it counts as done.

        Args:
            number: of the part, from 0.
            scored: its batches, in order.
            schema: that of the parts before; `None` where there is none.

        Returns:
            the schema of its rows.

        Raises:
            MapError: its columns are not those of the parts before.
        """
        tables = [one.table for one in scored if one.table is not None]
        bad = [row for one in scored for row in one.bad]
        table = self._fitting(tables, schema)
        if bad:
            lines = "".join(map(bad_line, bad)).encode()
            self.write(f"{BAD_PART}{number:05d}.jsonl", lambda file: _write_all(file, lines))
        if table is None:
            table = schema.empty_table() if schema is not None else pa.table({})
        self.write(self.part_name(number), lambda file: WRITERS[self.format](table, file), table.nbytes)
        return table.schema if tables else schema

    def _fitting(self, tables: Sequence[pa.Table], schema: pa.Schema | None) -> pa.Table | None:
        if not tables:
            return None
        try:
            table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
            return table if schema is None else table.cast(schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError) as error:
            raise MapError(
                "The model's answers have not one type",
                why=str(error).partition("\n")[0],
                fix="Have the method answer every row in the same form",
            ) from error

    def gather_bad(self, parts: int) -> None:
        """Write all bad rows into one file, and remove those of the parts."""
        names = sorted(name for name in self.names() if name.startswith(BAD_PART))
        if not names:
            return

        def content(file: Any) -> None:
            for name in names:
                _write_all(file, self.read(name))

        self.write(BAD_ROWS, content)
        self.remove(names)

    def bad_before(self, number: int) -> int:
        """Return how many rows the parts before one lack."""
        wanted = {f"{BAD_PART}{one:05d}.jsonl" for one in range(number)}
        return sum(self.read(name).count(b"\n") for name in self.names() & wanted)

    def schema_of(self, number: int) -> pa.Schema | None:
        """Return the schema of a part's rows; `None` where its format has none."""
        if self.format not in ("parquet", "arrow"):
            return None
        data = pa.BufferReader(self.read(self.part_name(number)))
        if self.format == "arrow":
            found = pa.ipc.open_file(data).schema
        else:
            from pyarrow import parquet

            found = parquet.read_schema(data)
        return found if found.names else None


def bad_line(row: BadRow) -> str:
    """Return a bad row as a line of JSON."""
    given = _plain(row.input)
    if len(text := json.dumps(given, ensure_ascii=False)) > _LONGEST:
        given = f"{text[:_LONGEST]}…"
    line = {"row": row.row, "file": row.file, "row_in_file": row.row_in_file, "error": row.error, "input": given}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """Return what JSON can hold: of numbers that are none their names, of other values their texts."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return str(value)


def _write_all(file: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = file.write(view)
        view = view[len(view) if written is None else written :]


def _write_parquet(table: pa.Table, file: Any) -> None:
    from pyarrow import parquet

    # To look for equal values takes most of the time of writing, and numbers of rows have none.
    few = [name for name, column in zip(table.column_names, table.columns, strict=True) if _repeats(column)]
    parquet.write_table(table, _Whole(file), use_dictionary=few)


def _repeats(column: Any) -> bool:
    """Tell whether a column's values seem to come again and again."""
    if pa.types.is_nested(column.type) or pa.types.is_dictionary(column.type):
        return bool(pa.types.is_dictionary(column.type))
    some = column.slice(0, _LOOKED_AT)
    return 2 * len(some.unique()) <= len(some)


def _write_arrow(table: pa.Table, file: Any) -> None:
    with pa.ipc.new_file(_Whole(file), table.schema) as writer:
        writer.write_table(table)


def _write_csv(table: pa.Table, file: Any) -> None:
    from pyarrow import csv

    csv.write_csv(_spread(table), _Whole(file))


def _spread(table: pa.Table) -> pa.Table:
    """Return the table with a column for each item of lists of one length: CSV has no lists."""
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_fixed_size_list(column.type):
            columns[name] = column
            continue
        width, flat = column.type.list_size, column.combine_chunks().flatten()
        for index in range(width):
            columns[f"{name}_{index}"] = flat.take(pa.array(range(index, len(flat), width), pa.int64()))
    return pa.table(columns)


def _write_jsonl(table: pa.Table, file: Any) -> None:
    for batch in table.to_batches(10_000):
        lines = (json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in batch.to_pylist())
        _write_all(file, "".join(lines).encode())


class _Whole:
    """A file as pyarrow writes it: each write takes all."""

    closed = False

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = 0

    def write(self, data: Any) -> int:
        """Write all of `data`, and return its bytes."""
        _write_all(self._file, data)
        size = memoryview(data).nbytes
        self._at += size
        return size

    def tell(self) -> int:
        """Return the bytes written so far."""
        return self._at

    def flush(self) -> None:
        """Do nothing: the file is published, or not, as a whole."""

    def close(self) -> None:
        """Do nothing: who opened the file closes it."""

    def readable(self) -> bool:
        """Tell that it cannot be read."""
        return False

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def seekable(self) -> bool:
        """Tell that it is written from front to back."""
        return False


WRITERS: Mapping[str, Callable[[pa.Table, Any], None]] = dict(
    zip(FORMATS, (_write_parquet, _write_csv, _write_jsonl, _write_arrow), strict=True)
)
"""Format → what writes a table."""
