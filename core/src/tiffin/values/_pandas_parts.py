"""The parts in which pandas frames, series and indexes cross to another process. Imports nothing of pandas.

Columns of numpy's plain dtypes travel as their memory, those of one dtype together as one block. Strings, categories,
nullable numbers and times with a zone are taken apart into plain arrays. Other columns are refused by name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tiffin.values._kind import Unsendable
from tiffin.values.dtypes import dtype_spec

_NULLABLE = frozenset(
    {"BooleanDtype", "Float32Dtype", "Float64Dtype"}
    | {f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)}
)


def _column(values: Any, path: str) -> Any:
    """Return plain arrays for the values of a series or index."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        array = values.to_numpy()
        if dtype.kind != "O" and dtype_spec(dtype) is None:
            raise Unsendable(f"values of dtype {dtype}", path=path)
        if dtype.kind == "O":
            _check_strings(array, path)
        return array
    kind = type(dtype).__name__
    if kind == "StringDtype":
        missing = dtype.na_value
        items = values.to_numpy(object, na_value=None).tolist()
        # Which of pandas' several string dtypes it is: where the strings lie, and whether NaN or NA stands for none.
        return ["strings", dtype.storage, missing != missing if isinstance(missing, float) else False, items]
    if kind == "CategoricalDtype":
        categories = encode_index(dtype.categories, f"{path}.categories")
        codes = values.cat.codes.to_numpy() if hasattr(values, "cat") else values.codes
        return ["categories", np.asarray(codes), categories, bool(dtype.ordered)]
    if kind in _NULLABLE:
        plain = np.dtype(bool) if kind == "BooleanDtype" else dtype.numpy_dtype
        return ["nullable", values.to_numpy(plain, na_value=plain.type(0)), np.asarray(values.isna())]
    if kind == "DatetimeTZDtype":
        zone = str(dtype.tz)
        if type(dtype)(dtype.unit, zone) == dtype:
            return ["times", values.array.tz_convert("UTC").tz_localize(None).to_numpy(), zone]
    raise Unsendable(
        f"values of dtype {dtype}",
        "Columns may hold plain dtypes, strings, categories, nullable numbers and times",
        path,
    )


def _check_strings(array: Any, path: str) -> None:
    for item in array:
        if type(item) is not str and item is not None and not (type(item) is float and item != item):
            found = f"{type(item).__module__}.{type(item).__qualname__}"
            raise Unsendable(
                f"a column of objects, among them one of type {found}",
                "Columns of dtype object may hold only strings, None and NaN",
                path,
            )


def _values(column: Any) -> Any:
    """Return the array that `_column` took apart."""
    if type(column) is np.ndarray:
        return column
    pd = sys.modules["pandas"]
    kind, *parts = column
    if kind == "strings":
        storage, uses_nan, items = parts
        # Older versions of pandas know NA only, and never get here with the other.
        return pd.array(items, dtype=pd.StringDtype(storage, na_value=np.nan) if uses_nan else pd.StringDtype(storage))
    if kind == "categories":
        codes, categories, ordered = parts
        return pd.Categorical.from_codes(codes, categories=decode_index(categories), ordered=bool(ordered))
    if kind == "nullable":
        data, mask = parts
        makers: dict[str, Callable[..., Any]] = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
        return makers.get(data.dtype.kind, pd.arrays.IntegerArray)(data, mask)
    if kind == "times":
        times, zone = parts
        return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(str(zone)).array
    raise ValueError(f"{kind!r} is no kind of column")


def encode_index(index: Any, path: str = ".index") -> Any:
    """Return the parts of an index of one level."""
    kind = type(index).__name__
    if kind == "RangeIndex":
        return ["range", index.start, index.stop, index.step, index.name]
    if kind == "MultiIndex":
        raise Unsendable(
            "a MultiIndex", "Only indexes of one level have a typed form; reset_index() makes columns of it", path
        )
    return ["index", _column(index, path), index.name]


def decode_index(value: Any) -> Any:
    """Return the index of these parts."""
    pd = sys.modules["pandas"]
    kind, *parts = value
    if kind == "range":
        start, stop, step, name = parts
        return pd.RangeIndex(start, stop, step, name=name)
    column, name = parts
    values = _values(column)
    # Without a dtype pandas would guess, and make times or another kind of strings of objects.
    return pd.Index(values, dtype=values.dtype, name=name, copy=False)


def encode_series(series: Any) -> Any:
    """Return the parts of a series."""
    return [_column(series, ".values"), encode_index(series.index), series.name, series.attrs or None]


def decode_series(value: Any) -> Any:
    """Return the series of these parts."""
    pd = sys.modules["pandas"]
    column, index, name, attributes = value
    series = pd.Series(_values(column), index=decode_index(index), name=name, copy=False)
    if attributes:
        series.attrs.update(attributes)
    return series


def encode_frame(frame: Any) -> Any:
    """Return the parts of a frame: one block if all of it is of one plain dtype, else columns."""
    dtypes = set(frame.dtypes)
    labels = [encode_index(frame.columns, ".columns"), encode_index(frame.index), frame.attrs or None]
    if len(dtypes) == 1 and isinstance(dtype := dtypes.pop(), np.dtype) and dtype_spec(dtype) is not None:
        return [frame.to_numpy(), *labels]
    return [[_column(series, _label(name)) for name, series in frame.items()], *labels]


def _label(name: Any) -> str:
    return f".{name}" if isinstance(name, str) and name.isidentifier() else f"[{name!r}]"


def decode_frame(value: Any) -> Any:
    """Return the frame of these parts."""
    pd = sys.modules["pandas"]
    content, columns, index, attributes = value
    index, columns = decode_index(index), decode_index(columns)
    if type(content) is np.ndarray:
        frame = pd.DataFrame(content, index=index, columns=columns, copy=False)
    else:
        # Numbered first: two columns may have one name.
        frame = pd.DataFrame({n: _values(column) for n, column in enumerate(content)}, index=index, copy=False)
        frame.columns = columns
    if attributes:
        frame.attrs.update(attributes)
    return frame
