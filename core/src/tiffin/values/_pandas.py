"""Frames, series and indexes of pandas. Known by name: nothing here imports pandas.

The default index (0, 1, 2, …) is no data: the model gets a default index over the whole batch, and each caller one
over its own rows, in a result too whose index is made of those numbers. Any other index travels with its rows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from typing import Any

import numpy

from tiffin.values import _pandas_parts as parts_of
from tiffin.values._items import are_fixed, describe_items
from tiffin.values._kind import Inseparable, ValueKind
from tiffin.values._kind_registry import registry


class PandasKind(ValueKind):
    """Frames or series of exactly these classes, joined row by row."""

    table = True

    def __init__(self, name: str, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> None:
        self.name, self.types = name, (name,)
        self._encode, self._decode = encode, decode

    def count(self, value: Any, axis: int) -> int | None:
        """Return the number of rows."""
        if axis != 0:
            raise ValueError(f"the rows of a pandas {type(value).__name__} lie along axis 0, not {axis}")
        return len(value)

    def key(self, value: Any, axis: int) -> Hashable:
        """Return columns or name, dtypes, what objects look like, and the kind of index."""
        if value.attrs or value.index.nlevels > 1 or getattr(value.index, "freq", None) is not None:
            return None  # joining would lose these, or widen them
        index = _describe_index(value.index)
        if value.ndim == 1:
            return _typed(value.name), _describe_column(value), index
        columns = value.columns
        return (
            tuple(map(_typed, columns)),
            tuple(map(_typed, columns.names)),
            columns.dtype,
            tuple(_describe_column(value.iloc[:, number]) for number in range(len(columns)))
            if any(map(_holds_objects, value.dtypes))
            else tuple(map(_describe_dtype, value.dtypes)),
            index,
        )

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return the rows one below the other."""
        first = values[0]
        if first.ndim == 2 and not all(first.columns.equals(value.columns) for value in values):
            # Of the parts of one large call: pandas would fill the gaps.
            raise ValueError("frames with different columns do not join")
        return sys.modules["pandas"].concat(values, ignore_index=_is_default(first.index))

    def shares(self, value: Any) -> bool:
        """Return whether a column holds objects that can be changed."""
        columns = [value] if value.ndim == 1 else [value.iloc[:, place] for place in range(value.shape[1])]
        return any(column.dtype == object and not are_fixed(column) for column in columns)

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return the rows; a default index starts again at 0."""
        part = value.iloc[start:stop]
        if _is_default(value.index):
            part = part.reset_index(drop=True)
        return part

    def own(self, part: Any) -> Any:
        """Return a copy: a slice of a frame shares the frame's memory."""
        return part.copy()

    def separate(self, result: Any, counts: Sequence[int], axis: int, brought: Sequence[Sequence[Any]]) -> list[Any]:
        """Return each caller's rows as the index tells, with the index that they would have alone."""
        index = result.index
        given = next((values for values in brought if isinstance(registry.find(type(values[0])), PandasKind)), None)
        if len(counts) == 1 or given is None or _is_default(index):
            return self.split(result, counts, axis)
        labels = _labels(index)
        named = _columns_called(index, given)
        if named is not None:
            if named != labels:
                raise Inseparable(f"Its index {index.name or list(index.names)!r} is not in the order of the rows")
            return self.split(result, counts, axis)
        if _is_default(given[0].index):
            total = sum(counts)
            if _counts_up(index) and sorted(labels) == list(range(total)):
                if any(column == labels for column in _plain_columns(given)):
                    raise Inseparable("Its index may be the numbers of the rows, or a column")
                return self._by_owner(result, counts, list(range(total)), restart=True)
            return self.split(result, counts, axis)
        brought_labels = [label for value in given for label in _labels(value.index)]
        if labels == brought_labels:
            return self.split(result, counts, axis)
        known = set(brought_labels)
        if known.issuperset(labels):
            if len(known) < len(brought_labels):
                raise Inseparable("Several calls brought rows of one label")
            return self._by_owner(result, counts, brought_labels, restart=False)
        return self.split(result, counts, axis)

    def _by_owner(self, result: Any, counts: Sequence[int], labels: Sequence[Any], *, restart: bool) -> list[Any]:
        """Return each caller's rows in the order of the result, whoever's rows lie between them."""
        owners = numpy.repeat(numpy.arange(len(counts)), counts)
        owner_of = dict(zip(labels, owners.tolist(), strict=True))
        found = numpy.array([owner_of[label] for label in _labels(result.index)])
        parts = []
        for number, start in enumerate([0, *accumulate(counts[:-1])]):
            part = result.iloc[numpy.flatnonzero(found == number)].copy()
            if len(part) != counts[number]:
                raise Inseparable(f"It has {len(part)} rows with the labels of a call that brought {counts[number]}")
            if restart:
                part.index = part.index - start
            parts.append(part)
        return parts

    def send(self, value: Any) -> Any:
        """Return plain arrays and labels."""
        return self._encode(value)

    def receive(self, parts: Any) -> Any:
        """Return what these parts were taken from."""
        return self._decode(parts)


class IndexKind(ValueKind):
    """Indexes of one level, which cross and do not merge."""

    name = "pandas.Index"
    types = tuple(
        f"pandas.{name}"
        for name in ("Index", "RangeIndex", "DatetimeIndex", "TimedeltaIndex", "CategoricalIndex", "MultiIndex")
    )

    def send(self, value: Any) -> Any:
        """Return plain arrays and the name."""
        return parts_of.encode_index(value)

    def receive(self, parts: Any) -> Any:
        """Return the index of these parts."""
        return parts_of.decode_index(parts)


def _is_default(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None


def _counts_up(index: Any) -> bool:
    return index.nlevels == 1 and index.name is None and getattr(index.dtype, "kind", "") == "i"


def _labels(index: Any) -> list[Any]:
    labels: list[Any] = index.tolist()
    return labels


def _columns_called(index: Any, given: Sequence[Any]) -> list[Any] | None:
    """Return what the callers brought in the columns that the index is named after, row by row; `None` if it is not."""
    if given[0].ndim == 1 or not all(name is not None and name in given[0].columns for name in index.names):
        return None
    columns = [[item for frame in given for item in frame[name].tolist()] for name in index.names]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def _plain_columns(given: Sequence[Any]) -> list[list[Any]]:
    if given[0].ndim == 1:
        return [[item for series in given for item in series.tolist()]]
    return [[item for frame in given for item in frame.iloc[:, number].tolist()] for number in range(given[0].shape[1])]


def _typed(label: Any) -> Hashable:
    """Return a label with its type: 1, 1.0 and True are equal."""
    return (tuple, *map(_typed, label)) if isinstance(label, tuple) else (type(label), label)


def _describe_index(index: Any) -> Hashable:
    if _is_default(index):
        return None
    return (
        type(index).__name__.replace("RangeIndex", "Index"),
        tuple(map(_typed, index.names)),
        _describe_dtype(index.dtype),
        describe_items(index.tolist()) if _holds_objects(index.dtype) else None,
    )


def _describe_column(column: Any) -> Hashable:
    dtype = column.dtype
    return (dtype, describe_items(column.tolist())) if _holds_objects(dtype) else _describe_dtype(dtype)


def _holds_objects(dtype: Any) -> bool:
    return isinstance(dtype, numpy.dtype) and dtype.kind == "O"


def _describe_dtype(dtype: Any) -> Hashable:
    # Two categorical dtypes are equal whatever the order of their categories; the joined one would have another order.
    categories = getattr(dtype, "categories", None)
    if categories is None:
        return dtype, repr(getattr(dtype, "tz", None))
    return str(dtype), categories.dtype, tuple(map(_typed, categories)), bool(dtype.ordered)


registry.register(PandasKind("pandas.DataFrame", parts_of.encode_frame, parts_of.decode_frame))
registry.register(PandasKind("pandas.Series", parts_of.encode_series, parts_of.decode_series))
registry.register(IndexKind())
