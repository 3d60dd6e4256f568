"""From rows of a file to what a method takes, and from what it returns to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tiffin_map._errors import MapError

PREDICTION = "prediction"
"""The name of a column for what has no name of its own."""


class Feeder:
    """Makes a method's argument of rows.

    Args:
        schema: what is read.
        columns: the columns that the method is given, in its order; `None` for those of its spec, or all.
        spec: what the method takes, as `tiffin.signatures.plain_spec` has it; `None` where that is not known.
        form: one of `tiffin_map._defaults.FORMS`; `None` to choose by the spec, and without one by the columns.

    Attributes:
        columns: the columns that the method is given.
        form: the form that it is given.
        row_bytes: bytes of a row that is given, `None` where rows differ.

    Raises:
        MapError: the columns cannot be given in that form.
    """

    def __init__(
        self, schema: pa.Schema, columns: Sequence[str] | None, spec: Mapping[str, Any] | None, form: str | None
    ) -> None:
        self.columns = list(schema.names if columns is None else columns)
        types = [schema.field(name).type for name in self.columns]
        widths = [_width(one) for one in types]
        self.row_bytes = None if None in widths else sum(width for width in widths if width)
        self._spec = spec or {}
        self.form = form or self._choose(types)
        self._dtype = self._array_dtype(types) if self.form == "array" else None
        shape = self._spec.get("shape") if self._spec.get("type") == "array" else None
        self._row: tuple[int, ...] | None = None
        if shape and all(isinstance(length, int) for length in shape[1:]):
            self._row = tuple(shape[1:])

    def _choose(self, types: Sequence[pa.DataType]) -> str:
        kind = self._spec.get("type")
        if kind in ("array", "frame"):
            return str(kind)
        if kind in ("list", "series"):
            return "list"
        if all(_is_number(one) for one in types) or (len(types) == 1 and _listed(types[0]) is not None):
            return "array"
        return "list" if len(types) == 1 else "frame"

    def _array_dtype(self, types: Sequence[pa.DataType]) -> np.dtype[Any] | None:
        """Return the dtype of the array; `None` for objects."""
        if len(types) == 1 and (inner := _listed(types[0])) is not None:
            types = [inner]
        for name, one in zip(self.columns, types, strict=False):
            if not _is_number(one) and not _is_text(one):
                raise MapError(
                    f"Column {name!r} is {one}, which is no part of an array",
                    fix="Leave it out by columns=, or give the model a frame: as_='frame'",
                )
        wanted = self._spec.get("dtype")
        if isinstance(wanted, str) and wanted != "object":
            return np.dtype(wanted)
        if any(_is_text(one) for one in types):
            return None
        return np.result_type(*(one.to_pandas_dtype() for one in types))

    def feed(self, rows: Any) -> Any:
        """Return the argument for some rows.

        Args:
            rows: a table, or an array from a numpy file.

        Raises:
            ValueError: a value does not fit, such as a missing one among whole numbers. Which row that is, is not said.
        """
        if isinstance(rows, np.ndarray):
            return self._shaped(rows if self._dtype is None else _cast(rows, self._dtype))
        table = rows.select(self.columns)
        if self.form == "arrow":
            return table
        if self.form == "frame":
            return table.to_pandas()
        if self.form == "list":
            return table.column(0).to_pylist() if len(self.columns) == 1 else table.to_pylist()
        return self._shaped(self._stack(table))

    def _stack(self, table: pa.Table) -> Any:
        columns = [column.combine_chunks() for column in table.columns]
        if len(columns) == 1 and _listed(columns[0].type) is not None:
            return self._unlist(columns[0])
        dtype = np.dtype(object) if self._dtype is None else self._dtype
        # Column by column into rows: what numpy stacks itself is laid out by columns, which models copy again.
        stacked = np.empty((table.num_rows, len(columns)), dtype)
        for index, column in enumerate(columns):
            stacked[:, index] = self._values(column, self.columns[index])
        return stacked

    def _values(self, column: Any, name: str) -> Any:
        if self._dtype is None:
            return np.array(column.to_pylist(), dtype=object)
        if column.null_count and self._dtype.kind not in "fc":
            raise ValueError(f"Column {name!r} has no value, and the model takes {self._dtype}")
        return _cast(column.to_numpy(zero_copy_only=False), self._dtype)

    def _unlist(self, column: Any) -> Any:
        flat = column.flatten()
        count = len(column)
        if column.null_count or flat.null_count or (count and len(flat) % count):
            raise ValueError(f"The lists of column {self.columns[0]!r} have no common length, or lack values")
        if not pa.types.is_fixed_size_list(column.type):
            lengths = set(np.diff(column.offsets.to_numpy()).tolist())
            if len(lengths) > 1:
                raise ValueError(
                    f"The lists of column {self.columns[0]!r} have lengths from {min(lengths)} to {max(lengths)}"
                )
        values = flat.to_numpy(zero_copy_only=False).reshape(count, -1)
        return values if self._dtype is None else _cast(values, self._dtype)

    def _shaped(self, rows: Any) -> Any:
        """Return the array in the shape that the spec says, where rows of that many values can have it."""
        if self._row is not None and rows.shape[1:] != self._row and np.prod(rows.shape[1:]) == np.prod(self._row):
            return rows.reshape(len(rows), *self._row)
        return rows

    def odd(self, rows: Any) -> Any:
        """Return which rows hold what models often refuse, as a boolean array: no value, or no finite number."""
        if isinstance(rows, np.ndarray):
            if rows.dtype.kind not in "fc":
                return np.zeros(len(rows), bool)
            return ~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)
        odd = np.zeros(rows.num_rows, bool)
        for name in self.columns:
            column = rows.column(name).combine_chunks()
            if column.null_count:
                odd |= column.is_null().to_numpy(zero_copy_only=False)
            if pa.types.is_floating(column.type):
                odd |= ~np.isfinite(column.to_numpy(zero_copy_only=False))
        return odd


def columns_of(spec: Mapping[str, Any] | None) -> list[str] | None:
    """Return the columns that a spec names; `None` where it names none."""
    if spec is None or spec.get("type") != "frame" or "columns" not in spec:
        return None
    return [str(column["name"]) for column in spec["columns"]]


def _cast(values: Any, dtype: np.dtype[Any]) -> Any:
    if values.dtype == dtype:
        return values
    if not np.can_cast(values.dtype, dtype, "same_kind"):
        cast = values.astype(dtype)
        if not np.array_equal(cast, values):
            raise ValueError(f"There are values of {values.dtype} that {dtype} cannot hold")
        return cast
    return values.astype(dtype)


def _is_number(one: pa.DataType) -> bool:
    return bool(pa.types.is_integer(one) or pa.types.is_floating(one) or pa.types.is_boolean(one))


def _is_text(one: pa.DataType) -> bool:
    if pa.types.is_dictionary(one):
        one = one.value_type
    return bool(pa.types.is_string(one) or pa.types.is_large_string(one))


def _listed(one: pa.DataType) -> pa.DataType | None:
    """Return the type of what a list of numbers holds; `None` where it is none."""
    if pa.types.is_list(one) or pa.types.is_large_list(one) or pa.types.is_fixed_size_list(one):
        return one.value_type if _is_number(one.value_type) else None
    return None


def _width(one: pa.DataType) -> int | None:
    """Return the bytes of a value, `None` where values differ."""
    if pa.types.is_fixed_size_list(one):
        inner = _width(one.value_type)
        return None if inner is None else inner * one.list_size
    return int(one.byte_width) if _is_number(one) and one.bit_width >= 8 else 1 if pa.types.is_boolean(one) else None


def pick(rows: Any, at: Any) -> Any:
    """Return the rows at some indexes, of a table or an array."""
    return rows[at] if isinstance(rows, np.ndarray) else rows.take(pa.array(at))


def inputs_of(rows: Any, index: int, columns: Sequence[str]) -> Any:
    """Return one row as plain values, for people: a dict, or for an array a list."""
    if isinstance(rows, np.ndarray):
        return rows[index].tolist()
    return {name: rows.column(name)[index].as_py() for name in columns}


def as_columns(answer: Any, count: int) -> pa.Table:
    """Return what a method answered as columns.

    Args:
        answer: an array (of more axes than one: a column of lists), a frame or series of pandas or polars, a dict of
            these, an Arrow table, or a list with an item for each row.
        count: the rows that were given.

    Raises:
        MapError: it has not one row for each row, or is nothing that columns can be made of.
    """
    try:
        table = _table(answer)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError) as error:
        raise MapError("The model's answer is nothing that columns can be made of", why=str(error)) from error
    if table.num_rows != count:
        raise MapError(
            f"The model answered {count:,} rows with {table.num_rows:,}",
            why="Which answer is for which row cannot be told",
            fix="Have the method answer each row, or save it as not batchable",
        )
    return table


def _table(answer: Any) -> pa.Table:
    if isinstance(answer, pa.Table):
        return answer
    if isinstance(answer, pa.RecordBatch):
        return pa.Table.from_batches([answer])
    if isinstance(answer, Mapping):
        columns = {str(name): _column(value) for name, value in answer.items()}
        if len({len(column) for column in columns.values()}) > 1:
            raise ValueError("The model answered with columns of different lengths")
        return pa.table(columns)
    if hasattr(answer, "columns") and hasattr(answer, "iloc"):
        return pa.Table.from_pandas(answer, preserve_index=False).replace_schema_metadata(None)
    if hasattr(answer, "columns") and hasattr(answer, "to_arrow"):
        return answer.to_arrow()
    name = getattr(answer, "name", None)
    return pa.table({name if isinstance(name, str) and name else PREDICTION: _column(answer)})


def _column(value: Any) -> Any:
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return value
    if hasattr(value, "to_arrow"):  # polars
        return value.to_arrow()
    if hasattr(value, "iloc"):
        return pa.Array.from_pandas(value)
    if not isinstance(value, (np.ndarray, Sequence)) and hasattr(value, "__array__"):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            raise ValueError("The model answered all rows with one value")
        if value.dtype.kind in "OU":
            return pa.array(value.tolist())
        if value.ndim == 1:
            return pa.array(value)
        flat = pa.array(np.ascontiguousarray(value).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, int(np.prod(value.shape[1:])))
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return pa.array(list(value))
    raise ValueError(f"The model answered with {type(value).__name__}, which is no column")
