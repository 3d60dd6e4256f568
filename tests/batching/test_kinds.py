"""Containers: joining calls and cutting results apart gives each caller exactly its own rows."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.values import KindRegistry, ValueKind, find_kind


def equal(left: Any, right: Any) -> bool:
    assert type(left) is type(right)
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(map(equal, left.values(), right.values()))
    if isinstance(left, pandas.DataFrame):
        pandas.testing.assert_frame_equal(left, right)
        return True
    if isinstance(left, pandas.Series):
        pandas.testing.assert_series_equal(left, right)
        return True
    if isinstance(left, numpy.ndarray):
        return left.dtype == right.dtype and numpy.array_equal(left, right)
    return bool(left == right)


def array(rows: int, axis: int = 0, dtype: str = "float64") -> Any:
    shape = [2, 3, 4]
    shape[axis] = rows
    return numpy.arange(numpy.prod(shape)).reshape(shape).astype(dtype)


def frame(rows: int, index: Any = None) -> Any:
    made = pandas.DataFrame({"a": range(rows), "b": [f"text {row}" for row in range(rows)]})
    made["c"] = pandas.Categorical(["x" if row % 2 else "y" for row in range(rows)], categories=["y", "x"])
    if index is not None:
        made.index = pandas.Index([f"{index}{row}" for row in range(rows)], name="key")
    return made


MAKERS = {
    "array": lambda rows: array(rows),
    "array of text": lambda rows: array(rows, dtype="U8"),
    "array of objects": lambda rows: numpy.array([{"row": row} for row in range(rows)], dtype=object),
    "structured array": lambda rows: numpy.zeros(rows, dtype=[("a", "i4"), ("b", "f8")]),
    "frame": frame,
    "frame with an index": lambda rows: frame(rows, index="row"),
    "series": lambda rows: frame(rows)["b"],
    "list of numbers": lambda rows: list(range(rows)),
    "list of lists": lambda rows: [[row, row + 0.5] for row in range(rows)],
    "list of dicts": lambda rows: [{"a": row, "b": "text"} for row in range(rows)],
    "list of arrays": lambda rows: [numpy.ones(3) * row for row in range(rows)],
    "tuple": lambda rows: (array(rows), list(range(rows))),
    "dict": lambda rows: {"x": array(rows), "y": frame(rows), "z": (list(range(rows)),)},
}


@pytest.mark.parametrize("kind", MAKERS)
@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_what_is_joined_comes_apart_again(kind: str, counts: list[int]) -> None:
    """Concatenating calls and splitting the whole gives back every call, of every kind of kind_of."""
    values = [MAKERS[kind](count) for count in counts]
    kind_of = find_kind(values[0])
    assert kind_of is not None
    assert [kind_of.count(value, 0) for value in values] == counts
    assert len({kind_of.key(value, 0) for value in values}) == 1
    whole = kind_of.join(values, 0)
    assert kind_of.count(whole, 0) == sum(counts)
    parts = kind_of.split(whole, counts, 0)
    assert len(parts) == len(values)
    for part, value in zip(parts, values, strict=True):
        assert equal(part, value)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_arrays_join_along_any_axis(axis: int, counts: list[int]) -> None:
    """Also negative ones."""
    values = [array(count, axis) for count in counts]
    kind_of = find_kind(values[0])
    assert kind_of is not None
    whole = kind_of.join(values, axis)
    for part, value in zip(kind_of.split(whole, counts, axis), values, strict=True):
        assert equal(part, value)


DIFFERENT = {
    "dtype": (array(2), array(2, dtype="float32")),
    "trailing shape": (array(2), numpy.ones((2, 3))),
    "columns": (frame(2), frame(2).rename(columns={"a": "A"})),
    "order of columns": (frame(2), frame(2)[["b", "a", "c"]]),
    "dtype of a column": (frame(2), frame(2).astype({"a": "float64"})),
    "order of categories": (
        frame(2)["c"],
        pandas.Series(pandas.Categorical(["x", "y"], categories=["x", "y"]), name="c"),
    ),
    "kind of index": (frame(2), frame(2, index="row")),
    "name of a series": (frame(2)["a"], frame(2)["a"].rename("other")),
    "types in a list": ([1, 2], [1.0, 2.0]),
    "lengths of rows": ([[1, 2]], [[1, 2, 3]]),
    "keys of rows": ([{"a": 1}], [{"b": 1}]),
    "shape of arrays in a list": ([numpy.ones(2)], [numpy.ones(3)]),
    "keys of a dict": ({"x": array(2)}, {"y": array(2)}),
    "order of a dict": ({"x": array(2), "y": array(2)}, {"y": array(2), "x": array(2)}),
    "length of a tuple": ((array(2),), (array(2), array(2))),
    "class inside a tuple": ((array(2),), ([1, 2],)),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_values_that_differ_in_kind_are_not_joined(what: str) -> None:
    """Their compatibility keys differ."""
    left, right = DIFFERENT[what]
    kind_of = find_kind(left)
    assert kind_of is not None
    assert kind_of.key(left, 0) != kind_of.key(right, 0)


def test_what_pandas_would_lose_by_joining_travels_alone() -> None:
    """Attributes, an index of several levels, the frequency of a time index: the key is None."""
    noted = frame(2)
    noted.attrs["unit"] = "m"
    levels = frame(2).set_index(["a", "b"])
    times = frame(2).set_index(pandas.date_range("2026-01-01", periods=2))
    for value in (noted, levels, times):
        kind_of = find_kind(value)
        assert kind_of is not None
        assert kind_of.key(value, 0) is None


@pytest.mark.parametrize("value", [1, 2.5, "text", b"bytes", None, {1, 2}, object(), numpy.float64(3)])
def test_plain_values_are_no_batches(value: Any) -> None:
    """They have no kind_of."""
    assert find_kind(value) is None


def test_collections_that_hold_something_else_are_no_batches() -> None:
    """A tuple of numbers, a dict of options, an array without axes: no rows to count."""
    for value in ((1, 2), {"a": 1}, {"x": array(2), "option": 1}, (), {}, numpy.array(5)):
        kind_of = find_kind(value)
        assert kind_of is not None
        assert kind_of.count(value, 0) is None


def test_different_numbers_of_rows_side_by_side_are_refused() -> None:
    """A tuple or dict has as many rows as each of its values."""
    kind_of = find_kind(())
    assert kind_of is not None
    with pytest.raises(ValueError, match="2 and with 3 rows"):
        kind_of.count((array(2), array(3)), 0)


@pytest.mark.parametrize("value", [[1], frame(1), array(1)])
def test_an_axis_that_is_not_there_is_refused(value: Any) -> None:
    """With the axis in the message."""
    kind_of = find_kind(value)
    assert kind_of is not None
    with pytest.raises(ValueError, match="3"):
        kind_of.count(value, 3)


def test_subclasses_are_left_alone() -> None:
    """Matrices, records and named tuples join by other rules."""
    assert find_kind(numpy.matrix([[1, 2]])) is None
    assert find_kind(numpy.rec.array([(1, 2)])) is None


def base_bytes(part: Any) -> int:
    while isinstance(part.base, numpy.ndarray):
        part = part.base
    return int(part.nbytes)


@pytest.mark.parametrize("counts", [[1] * 100, [1, 2] * 40])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_part_never_keeps_a_much_larger_whole_alive(counts: list[int], axis: int) -> None:
    """Parts of a large result own their memory."""
    shape = [1000, 1000]
    shape[axis] = sum(counts)
    whole = numpy.ones(shape)
    kind_of = find_kind(whole)
    assert kind_of is not None
    for part in kind_of.split(whole, counts, axis):
        assert base_bytes(part) <= 4 * part.nbytes


def test_parts_of_a_frame_do_not_keep_the_whole_alive() -> None:
    """They are copies."""
    whole = pandas.DataFrame(numpy.ones((1000, 4)))
    kind_of = find_kind(whole)
    assert kind_of is not None
    for part in kind_of.split(whole, [1] * 1000, 0):
        assert not numpy.shares_memory(part.to_numpy(), whole.to_numpy())


class Tables(ValueKind):
    """A kind for a class that only its name is known of."""

    name = "tables"
    types = ("tables_of_the_test.Table",)


class OtherTables(Tables):
    name = "other tables"


def test_a_later_registration_counts() -> None:
    """Also for a class that has been found already."""

    class Table:
        pass

    Table.__module__ = "tables_of_the_test"
    Table.__qualname__ = "Table"
    module = type(sys)("tables_of_the_test")
    module.Table = Table  # type: ignore[attr-defined]
    sys.modules["tables_of_the_test"] = module
    try:
        own = KindRegistry()
        first, second = Tables(), OtherTables()
        own.register(first)
        assert own.find(Table) is first
        own.register(second)
        assert own.find(Table) is second
        own.forget([second])
        assert own.find(Table) is first
    finally:
        del sys.modules["tables_of_the_test"]


def test_batching_imports_no_library_of_frames() -> None:
    """They are found only when a caller has imported them."""
    names = "{'pandas', 'polars', 'pyarrow', 'scipy', 'PIL'}"
    code = f"import sys, tiffin.batching, tiffin.runners; sys.exit(len({names} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
