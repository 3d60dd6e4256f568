"""Frames and series of polars, tables and batches of Arrow: one below the other, and across as Arrow streams.

Known by name: nothing here imports either package.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from io import BytesIO
from typing import Any

import numpy

from tiffin.values._arrow_stream import check_stream, has_extension
from tiffin.values._kind import Unsendable, ValueKind
from tiffin.values._kind_registry import registry


class TableKind(ValueKind):
    """What tables of both packages share: rows along axis 0, and no other axis of rows."""

    table = True

    def __init__(self, name: str) -> None:
        self.name, self.types = name, (name,)

    def count(self, value: Any, axis: int) -> int | None:
        """Return the number of rows."""
        if axis != 0:
            raise ValueError(f"the rows of a {self.name} lie along axis 0, not {axis}")
        return len(value)

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a view of the rows."""
        return value.slice(start, stop - start)


class PolarsKind(TableKind):
    """Frames of polars."""

    def key(self, value: Any, axis: int) -> Hashable:
        """Return names and dtypes of the columns; frames of Python objects join with none."""
        schema = tuple(value.schema.items())
        return None if any(dtype.is_object() for _, dtype in schema) else schema

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return the rows one below the other."""
        return sys.modules["polars"].concat(values)

    def own(self, part: Any) -> Any:
        """Return a copy: a slice keeps all columns of the frame that it is cut from."""
        polars = sys.modules["polars"]
        return part.select(polars.all().gather(polars.int_range(polars.len())))

    def send(self, value: Any) -> Any:
        """Return an Arrow stream."""
        for name, dtype in value.schema.items():
            if dtype.is_object():
                raise Unsendable(
                    "a column of Python objects", "Columns of dtype Object have no typed form", f"[{name!r}]"
                )
        stream: bytes = value.write_ipc_stream(None).getvalue()
        _refuse_extensions(stream)
        return stream

    def receive(self, parts: Any) -> Any:
        """Return the frame of this stream."""
        if type(parts) is not bytes:
            raise TypeError("an Arrow stream is bytes")
        check_stream(parts)
        try:
            return sys.modules["polars"].read_ipc_stream(BytesIO(parts))
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # of Rust, and no Exception to Python
                raise ValueError(f"polars cannot read an Arrow stream: {error}") from error
            raise


class PolarsSeriesKind(PolarsKind):
    """Series of polars: frames of one column."""

    def key(self, value: Any, axis: int) -> Hashable:
        """Return name and dtype."""
        return None if value.dtype.is_object() else (value.name, value.dtype)

    def own(self, part: Any) -> Any:
        """Return a copy."""
        return super().own(part.to_frame()).to_series()

    def send(self, value: Any) -> Any:
        """Return an Arrow stream."""
        return super().send(value.to_frame())

    def receive(self, parts: Any) -> Any:
        """Return the series of this stream."""
        return super().receive(parts).to_series()


class ArrowKind(TableKind):
    """Tables and record batches of Arrow."""

    def key(self, value: Any, axis: int) -> Hashable:
        """Return the schema, its metadata included."""
        return bytes(value.schema.serialize())

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return the rows one below the other; of tables without copying."""
        arrow = sys.modules["pyarrow"]
        return (arrow.concat_tables if self.name == "pyarrow.Table" else arrow.concat_batches)(values)

    def own(self, part: Any) -> Any:
        """Return a copy: a slice keeps the whole alive."""
        return part.take(sys.modules["pyarrow"].array(range(len(part)), "int64"))

    def send(self, value: Any) -> Any:
        """Return an Arrow stream, as an array of bytes, which crosses through shared memory if it is large."""
        arrow = sys.modules["pyarrow"]
        sink = arrow.BufferOutputStream()
        with arrow.ipc.new_stream(sink, value.schema) as writer:
            writer.write(value)
        stream = numpy.frombuffer(sink.getvalue(), numpy.uint8)
        _refuse_extensions(stream)
        return stream

    def receive(self, parts: Any) -> Any:
        """Return the table or batch of this stream, on the memory that it came in."""
        arrow = sys.modules["pyarrow"]
        if type(parts) is not numpy.ndarray or parts.dtype != numpy.uint8 or parts.ndim != 1:
            raise ValueError("an Arrow stream is an array of bytes")
        check_stream(parts)
        table = arrow.ipc.open_stream(arrow.py_buffer(parts)).read_all()
        table.validate(full=True)
        if self.name == "pyarrow.Table":
            return table
        batches = table.to_batches()
        if not batches:
            return arrow.RecordBatch.from_pylist([], table.schema)
        return batches[0] if len(batches) == 1 else arrow.concat_batches(batches)


def _refuse_extensions(stream: Any) -> None:
    if has_extension(stream):
        raise Unsendable(
            "a column of an extension type",
            "What its values mean is told by a class; cast it to the type of its storage",
        )


registry.register(PolarsKind("polars.DataFrame"))
registry.register(PolarsSeriesKind("polars.Series"))
registry.register(ArrowKind("pyarrow.Table"))
registry.register(ArrowKind("pyarrow.RecordBatch"))
