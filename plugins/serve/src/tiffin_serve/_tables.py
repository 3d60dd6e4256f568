"""Descriptors of arrays and tables: numpy's and pandas'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tiffin.exceptions import SignatureError
from tiffin.signatures import plain_spec
from tiffin_serve._description import schema_of
from tiffin_serve._descriptors import Descriptor
from tiffin_serve._errors import RequestError, ServeError
from tiffin_serve._json_forms import write_json
from tiffin_serve._taking import AnyTaker, ArrayTaker, FrameTaker, make_taker, plain_dtype


class NumpyNdarray(Descriptor):
    """An array of numpy: nested lists in JSON. What fits without loss is cast, everything else refused.

    Args:
        dtype: anything that numpy takes for a dtype; `None` for whatever comes.
        shape: lengths of the axes; -1 or `None` for any. `None` in its place: any shape.
    """

    kind = "array"

    def __init__(self, dtype: Any = None, shape: Sequence[int | None] | None = None) -> None:
        given: dict[str, Any] = {"type": "array"}
        if dtype is not None:
            given["dtype"] = dtype
        if shape is not None:
            given["shape"] = list(shape)
        try:
            spec = plain_spec(given, where="array")
        except SignatureError as error:
            raise ServeError(error.what, why=error.why, fix=error.fix) from error
        self.schema = schema_of(spec)
        self._taker = ArrayTaker(spec) if len(spec) > 1 else AnyTaker()

    def value(self, value: Any, text: bytes) -> np.ndarray:
        """Return the array."""
        found = self._taker.from_json(value, text)
        if not isinstance(found, np.ndarray):
            raise RequestError(422, "That is no array", fix="Send nested lists of numbers of the same lengths")
        return found

    def write(self, value: Any) -> bytes:
        """Return nested lists."""
        return write_json(np.asarray(value))


class PandasDataFrame(Descriptor):
    """A table of pandas: a list of records, or a dict of columns; written as records.

    Args:
        columns: the names of its columns, in order; `None` for those that come.
        dtype: column → dtype, of those that are checked and cast.
    """

    kind = "frame"

    def __init__(self, columns: Sequence[str] | None = None, dtype: Mapping[str, Any] | None = None) -> None:
        dtypes = dict(dtype or {})
        names = list(columns) if columns is not None else list(dtypes)
        unknown = [name for name in dtypes if name not in names]
        if unknown:
            raise ServeError(f"There is a dtype for {unknown[0]!r}, which is no column", why=f"They are: {names}")
        self._taker: FrameTaker | None = None
        self.schema = {"type": "array", "items": {"type": "object"}}
        if names:
            told = [{"name": name, **({"dtype": dtypes[name]} if name in dtypes else {})} for name in names]
            spec = plain_spec({"type": "frame", "columns": told}, where="table")
            self._taker = FrameTaker(spec)
            self.schema = schema_of(spec)

    def value(self, value: Any, text: bytes) -> Any:
        """Return the table."""
        if self._taker is not None:
            return self._taker.from_json(value, text)
        records = value if isinstance(value, list) else None
        first = records[0] if records else value
        if not isinstance(first, dict) or not first:
            raise RequestError(422, "That is no table", fix='Send [{"column": value, …}, …] or {"column": [value, …]}')
        columns = [{"name": name} for name in first]
        return FrameTaker({"type": "frame", "columns": columns}).from_json(value, text)


class PandasSeries(Descriptor):
    """A column of pandas: a list.

    Args:
        dtype: its dtype; `None` for whatever comes.
        name: its name.
    """

    kind = "series"

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        spec: dict[str, Any] = {"type": "array", "shape": [None], **({} if dtype is None else {"dtype": dtype})}
        spec = plain_spec(spec, where="series")
        if dtype is not None and plain_dtype(spec["dtype"]) is None:
            raise ServeError(f"A series of dtype {dtype!r} is not read from JSON", fix="Use one of numpy's")
        self.schema = schema_of(spec)
        self._taker, self._name = make_taker(spec), name

    def value(self, value: Any, text: bytes) -> Any:
        """Return the series."""
        import pandas

        return pandas.Series(self._taker.from_json(value, text), name=self._name)
