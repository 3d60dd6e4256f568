"""The containers of Python's own collections: a list is a batch of items, tuples and dicts hold batches side by side.

In a list every item is a row. A tuple or dict is a batch if each of its values is one and all have as many rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy

from tiffin.values._kind import BatchContainer, registry

_SCALARS = frozenset({bool, int, float, complex, str, bytes, type(None)})


class ListContainer(BatchContainer):
    """Lists. Items of one call and of another are joined only if they look alike: types, lengths, keys, shapes."""

    def count_rows(self, value: Any, axis: int) -> int | None:
        """Return the number of items."""
        if axis != 0:
            raise ValueError(f"a list has only axis 0, not {axis}")
        return len(value)

    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        """Return what the items look like."""
        description: Hashable = _describe_items(value)
        return description

    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        """Return one list of all the items."""
        return [item for value in values for item in value]

    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a list of these items."""
        return value[start:stop]


def _describe_items(items: Sequence[Any]) -> Any:
    """Return what the items look like, the same whichever of several alike items come together.

    A model that makes an array of a list gets another dtype or a ragged error when other kinds of items join in, so
    that its answer to one caller would depend on the others.
    """
    first = type(items[0]) if items else None
    if first in _SCALARS and all(type(item) is first for item in items):
        return first
    return frozenset(_describe_item(item) for item in items)


def _describe_item(item: Any) -> Any:
    kind = type(item)
    if kind in _SCALARS:
        return kind
    if kind is list or kind is tuple:
        return kind, len(item), _describe_items(item)
    if kind is dict:
        return kind, tuple((key, _describe_item(value)) for key, value in item.items())
    if kind is numpy.ndarray:
        return kind, item.dtype, item.shape
    return kind


class TupleContainer(BatchContainer):
    """Tuples of batches. Named tuples are classes of their own; register a container for one that is to merge."""

    def count_rows(self, value: Any, axis: int) -> int | None:
        """Return the number of rows that all the values have in common, or `None` if one of them is not a batch."""
        return _count_common_rows(value, axis)

    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        """Return the keys of all values."""
        return _combine_keys(value, axis)

    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        """Return a tuple of the values joined."""
        return tuple(_inner(column[0]).concatenate(column, axis) for column in zip(*values, strict=True))

    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a tuple of the values' rows."""
        return tuple(_inner(item).slice_rows(item, start, stop, axis) for item in value)

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return tuples of what the values split into."""
        if len(counts) == 1:
            return [value]
        return list(zip(*(_inner(item).split(item, counts, axis) for item in value), strict=True))


class DictContainer(BatchContainer):
    """Dicts of batches with the same keys in the same order."""

    def count_rows(self, value: Any, axis: int) -> int | None:
        """Return the number of rows that all the values have in common, or `None` if one of them is not a batch."""
        return _count_common_rows(tuple(value.values()), axis)

    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        """Return the dict's keys, and the compatibility keys of all values."""
        keys = _combine_keys(tuple(value.values()), axis)
        return None if keys is None else (tuple(value), keys)

    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        """Return a dict of the values joined."""
        return {
            key: _inner(item).concatenate([value[key] for value in values], axis) for key, item in values[0].items()
        }

    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a dict of the values' rows."""
        return {key: _inner(item).slice_rows(item, start, stop, axis) for key, item in value.items()}

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return dicts of what the values split into."""
        if len(counts) == 1:
            return [value]
        columns = [_inner(item).split(item, counts, axis) for item in value.values()]
        return [dict(zip(value, parts, strict=True)) for parts in zip(*columns, strict=True)]


def _inner(item: Any) -> BatchContainer:
    container = registry.find(type(item))
    if container is None:
        raise ValueError(f"a {type(item).__name__} is not a batch of rows")
    return container


def _count_common_rows(values: Sequence[Any], axis: int) -> int | None:
    common: int | None = None
    for value in values:
        container = registry.find(type(value))
        rows = None if container is None else container.count_rows(value, axis)
        if rows is None:
            return None
        if common is not None and rows != common:
            raise ValueError(f"values with {common} and with {rows} rows stand side by side")
        common = rows
    return common


def _combine_keys(values: Sequence[Any], axis: int) -> Hashable:
    keys = []
    for value in values:
        key = _inner(value).compatibility_key(value, axis)
        if key is None:
            return None
        keys.append((type(value), key))
    return tuple(keys)


registry.register(list, ListContainer())
registry.register(tuple, TupleContainer())
registry.register(dict, DictContainer())
