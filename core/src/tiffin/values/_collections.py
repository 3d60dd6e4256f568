"""Python's own collections: a list is a batch of items, tuples and dicts hold batches side by side.

In a list every item is a row. A tuple or dict is a batch if each of its values is one and all have as many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any

from tiffin.values._items import are_fixed, describe_items
from tiffin.values._kind import Inseparable, ValueKind
from tiffin.values._kind_registry import registry


class ListKind(ValueKind):
    """Lists. Items of one call and of another are joined only if they look alike: types, lengths, keys, shapes."""

    name = "builtins.list"
    types = (list,)

    def count(self, value: Any, axis: int) -> int | None:
        """Return the number of items."""
        if axis != 0:
            raise ValueError(f"a list has only axis 0, not {axis}")
        return len(value)

    def key(self, value: Any, axis: int) -> Hashable:
        """Return what the items look like."""
        description: Hashable = describe_items(value)
        return description

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return one list of all the items."""
        return [item for value in values for item in value]

    def shares(self, value: Any) -> bool:
        """Return whether an item can be changed."""
        return not are_fixed(value)

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a list of these items."""
        return value[start:stop]

    def separate(self, result: Any, counts: Sequence[int], axis: int, brought: Sequence[Sequence[Any]]) -> list[Any]:
        """Return lists of the items, unless they may be several outputs with everybody's rows in each."""
        if len(counts) > 1 and could_be_outputs(result):
            raise Inseparable(
                f"It is a list of {len(result)} {type(result[0]).__name__}s with {len(result)} rows each: one for each "
                "row, or several outputs"
            )
        return self.split(result, counts, axis)

    def settle(self, result: Any) -> Any:
        """Return the list, or one of settled items if any of them changes."""
        settled = _settled(result)
        return result if settled is None else settled


def could_be_outputs(result: list[Any]) -> bool:
    """Tell whether each item of a result is a batch of as many rows as there are items: as outputs would be."""
    rows = len(result)
    for item in result:
        kind = registry.find(type(item))
        try:
            if kind is None or kind.count(item, 0) != rows:
                return False
        except ValueError:
            return False
    return rows > 0


class TupleKind(ValueKind):
    """Tuples of batches. Named tuples are classes of their own; register a kind for one that is to merge."""

    name = "builtins.tuple"
    types = (tuple,)

    def count(self, value: Any, axis: int) -> int | None:
        """Return the number of rows that all the values have in common, or `None` if one of them is not a batch."""
        return _count_common_rows(value, axis)

    def key(self, value: Any, axis: int) -> Hashable:
        """Return the keys of all values."""
        return _combine_keys(value, axis)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return a tuple of the values joined."""
        return tuple(_inner(column[0]).join(column, axis) for column in zip(*values, strict=True))

    def shares(self, value: Any) -> bool:
        """Return whether one of the values does."""
        return any(_inner(item).shares(item) for item in value)

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a tuple of the values' rows."""
        return tuple(_inner(item).cut(item, start, stop, axis) for item in value)

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return tuples of what the values split into."""
        if len(counts) == 1:
            return [value]
        return _side_by_side(value, counts, tuple, lambda item, kind: kind.split(item, counts, axis))

    def separate(self, result: Any, counts: Sequence[int], axis: int, brought: Sequence[Sequence[Any]]) -> list[Any]:
        """Return tuples of what the values come apart into."""
        return _side_by_side(result, counts, tuple, lambda item, kind: kind.separate(item, counts, axis, brought))

    def settle(self, result: Any) -> Any:
        """Return the tuple, or one of settled values if any of them changes."""
        settled = _settled(result)
        return result if settled is None else tuple(settled)


class DictKind(ValueKind):
    """Dicts of batches with the same keys in the same order."""

    name = "builtins.dict"
    types = (dict,)

    def count(self, value: Any, axis: int) -> int | None:
        """Return the number of rows that all the values have in common, or `None` if one of them is not a batch."""
        return _count_common_rows(value.values(), axis)

    def key(self, value: Any, axis: int) -> Hashable:
        """Return the dict's keys with their types, for 1 equals True, and the keys of all values."""
        keys = _combine_keys(value.values(), axis)
        return None if keys is None else (tuple((type(key), key) for key in value), keys)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return a dict of the values joined."""
        return {key: _inner(item).join([value[key] for value in values], axis) for key, item in values[0].items()}

    def shares(self, value: Any) -> bool:
        """Return whether one of the values does."""
        return any(_inner(item).shares(item) for item in value.values())

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a dict of the values' rows."""
        return {key: _inner(item).cut(item, start, stop, axis) for key, item in value.items()}

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return dicts of what the values split into."""
        if len(counts) == 1:
            return [value]
        return _side_by_side(value.values(), counts, _dicts(value), lambda item, kind: kind.split(item, counts, axis))

    def separate(self, result: Any, counts: Sequence[int], axis: int, brought: Sequence[Sequence[Any]]) -> list[Any]:
        """Return dicts of what the values come apart into."""
        return _side_by_side(
            result.values(), counts, _dicts(result), lambda item, kind: kind.separate(item, counts, axis, brought)
        )

    def settle(self, result: Any) -> Any:
        """Return the dict, or one of settled values if any of them changes."""
        settled = _settled(result.values())
        return result if settled is None else dict(zip(result, settled, strict=True))


def _dicts(keys: Iterable[Any]) -> Callable[[tuple[Any, ...]], Any]:
    names = list(keys)
    return lambda parts: dict(zip(names, parts, strict=True))


def _side_by_side(
    values: Iterable[Any],
    counts: Sequence[int],
    make: Callable[[tuple[Any, ...]], Any],
    part: Callable[[Any, ValueKind], list[Any]],
) -> list[Any]:
    columns = [part(item, _inner(item)) for item in values]
    return [make(parts) for parts in zip(*columns, strict=True)]


def _settled(values: Collection[Any]) -> list[Any] | None:
    """Return the values settled, or `None` if none of them changes."""
    # Asked of the classes: most lists are long, and of numbers.
    if all(
        kind is None or type(kind).settle is ValueKind.settle for kind in map(registry.find, set(map(type, values)))
    ):
        return None
    after = [registry.settle(value) for value in values]
    return None if all(one is other for one, other in zip(values, after, strict=True)) else after


def _inner(item: Any) -> ValueKind:
    kind = registry.find(type(item))
    if kind is None:
        raise ValueError(f"a {type(item).__name__} is not a batch of rows")
    return kind


def _count_common_rows(values: Iterable[Any], axis: int) -> int | None:
    common: int | None = None
    for value in values:
        kind = registry.find(type(value))
        rows = None if kind is None else kind.count(value, axis)
        if rows is None:
            return None
        if common is not None and rows != common:
            raise ValueError(f"values with {common} and with {rows} rows stand side by side")
        common = rows
    return common


def _combine_keys(values: Iterable[Any], axis: int) -> Hashable:
    keys = []
    for value in values:
        key = _inner(value).key(value, axis)
        if key is None:
            return None
        keys.append((type(value), key))
    return tuple(keys)


for _kind in (ListKind(), TupleKind(), DictKind()):
    registry.register(_kind)
