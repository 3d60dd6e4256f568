"""Metadata and options become plain values: what YAML and JSON can both hold."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import pathlib
import re
import uuid
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inside.info import same
from tiffin.exceptions import MetadataError
from tiffin.info import plain, plain_mapping

UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))


class Colour(str, enum.Enum):  # noqa: UP042 - what users have from before StrEnum
    """A string with a name."""

    RED = "red"


class Level(enum.IntEnum):
    """A number with a name."""

    HIGH = 3


Point = namedtuple("Point", "x y")

KEPT = {
    "numpy int": (np.int64(-3), -3),
    "numpy unsigned": (np.uint64(2**64 - 1), 2**64 - 1),
    "numpy float": (np.float32(0.5), 0.5),
    "numpy double": (np.float64(0.1), 0.1),
    "numpy long double": (np.longdouble(0.25), 0.25),
    "numpy half": (np.float16(2), 2.0),
    "numpy bool": (np.bool_(True), True),
    "numpy text": (np.str_("é"), "é"),
    "numpy date": (np.datetime64("2024-02-29"), datetime.datetime(2024, 2, 29)),
    "numpy time": (np.datetime64("2024-02-29T12:00:00.123456789"), datetime.datetime(2024, 2, 29, 12, 0, 0, 123456)),
    "array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "array of no axes": (np.array(1.5), 1.5),
    "empty array": (np.zeros((2, 0)), [[], []]),
    "array of long doubles": (np.array([0.5, 1], dtype=np.longdouble), [0.5, 1.0]),
    "array of texts": (np.array(["a", "bc"]), ["a", "bc"]),
    "array of dates": (np.array(["2024-01-01"], dtype="M8[ns]"), [datetime.datetime(2024, 1, 1)]),
    "masked array": (np.ma.masked_array([1, 2], mask=[False, True]), [1, None]),
    "date": (datetime.date(2024, 1, 1), datetime.date(2024, 1, 1)),
    "time without a zone": (datetime.datetime(2024, 1, 1, 5, fold=1), datetime.datetime(2024, 1, 1, 5)),
    "time with a zone": (datetime.datetime(2024, 1, 1, 5, 30, tzinfo=EAST), datetime.datetime(2024, 1, 1, tzinfo=UTC)),
    "pandas time": (pd.Timestamp("2024-01-01 01:02:03.5"), datetime.datetime(2024, 1, 1, 1, 2, 3, 500000)),
    "pandas time with a zone": (
        pd.Timestamp("2024-07-01", tz="Asia/Tokyo"),
        datetime.datetime(2024, 6, 30, 15, tzinfo=UTC),
    ),
    "tuple": ((1, (2, 3)), [1, [2, 3]]),
    "named tuple": (Point(1, 2), [1, 2]),
    "ordered dict": (OrderedDict(b=1, a=np.int8(2)), {"b": 1, "a": 2}),
    "enum of strings": (Colour.RED, "red"),
    "enum of numbers": (Level.HIGH, 3),
    "a large number": (2**200, 2**200),
}

REFUSED: dict[str, tuple[Any, str]] = {
    "object": (object(), r"metadata\['x'\] is an object, which has no plain form"),
    "set": ({1}, "is a set"),
    "bytes": (b"x", "is a bytes"),
    "complex": (1j, "is a complex"),
    "path": (pathlib.PurePosixPath("x"), "is a PurePosixPath"),
    "decimal": (decimal.Decimal("0.1"), "is a Decimal"),
    "time of day": (datetime.time(1), "is a time"),
    "duration": (datetime.timedelta(1), "is a timedelta"),
    "function": (len, "is a builtin_function"),
    "frame": (pd.DataFrame({"a": [1]}), "is a DataFrame"),
    "pandas NaT": (pd.NaT, "is not a time"),
    "pandas NA": (pd.NA, "is a NAType"),
    "numpy NaT": (np.datetime64("NaT", "s"), "is not a time"),
    "array with a NaT": (np.array(["2024-01-01", "NaT"], dtype="M8[s]"), "is not a time"),
    "numpy time beyond the year 9999": (np.datetime64("20000-01-01"), "is not a time in the years 1 to 9999"),
    "time that UTC cannot hold": (datetime.datetime(1, 1, 1, tzinfo=EAST), "is not a time in the years"),
    "numpy complex": (np.complex128(1), "numpy value of dtype complex128"),
    "array of objects": (np.array([object()]), "numpy value of dtype object"),
    "array of records": (np.zeros(1, dtype=[("a", int)]), "numpy value of dtype"),
    "numpy duration": (np.timedelta64(1, "s"), "numpy value of dtype timedelta64"),
    "inside": ({"a": [1, {"b": {2}}]}, r"metadata\['x'\]\['a'\]\[1\]\['b'\] is a set"),
    "half of a surrogate pair": ("caf\udce9", r"holds the character '\\udce9'"),
    "half a pair in an array": (np.array(["\ud800"]), "holds the character"),
    "half a pair in a key": ({"\ud800": 1}, r"\['x'\] holds the character"),
    "a number that cannot be read back": (10**5000, "whole number of 16610 bits"),
    "key that is a number": ({1: 2}, r"A key of metadata\['x'\] is an int \(1\)"),
    "key that is None": ({None: 2}, "A key of .* is a NoneType"),
    "key that is a tuple": ({("a", "b"): 2}, "A key of .* is a tuple"),
}


@pytest.mark.parametrize("kind", KEPT)
def test_values_become_plain(kind: str) -> None:
    """Their class is lost, their value is not."""
    given_, wanted = KEPT[kind]
    result = plain({"x": given_})["x"]
    assert result == wanted
    assert type(result) is type(wanted)


def test_missing_numbers_stay_missing_numbers() -> None:
    """NaN and the infinities are numbers that YAML knows."""
    assert same(plain([np.nan, np.float32("inf"), float("-inf")]), [float("nan"), float("inf"), float("-inf")])


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_plain_form_is_refused_with_its_place(kind: str) -> None:
    """The error says where in the metadata it lies, and keeps that as an attribute."""
    value, text = REFUSED[kind]
    with pytest.raises(MetadataError, match=text) as caught:
        plain({"x": value})
    assert caught.value.where.startswith("metadata['x']")


WRITTEN = [
    b"x\xff",
    bytearray(b"x"),
    {2, 1},
    frozenset({1}),
    1j,
    datetime.timedelta(1),
    datetime.time(1, 2),
    decimal.Decimal("0.1"),
    fractions.Fraction(1, 3),
    pathlib.PurePosixPath("x"),
    uuid.UUID(int=1),
    enum.Enum("Plain", "A").A,  # type: ignore[attr-defined]
    pd.NA,
    pd.Timedelta(1, "s"),
    pd.Period("2024-01"),
    pd.Interval(1, 2),
    pd.Series([1.5, None]),
    pd.Index(["a", "b"]),
    pd.RangeIndex(3),
    pd.DatetimeIndex(["2024-01-01"]),
    pd.array([1, 2]),
    pd.Categorical(["a", "b"]),
    pd.DataFrame({"a": [1], "b": ["x"]}),
    pl.Series([1, 2]),
    pl.DataFrame({"a": [1]}),
    np.complex128(1),
    np.timedelta64(1, "m"),
    np.array([1, 2], dtype="m8[ms]"),
    np.array([b"a"]),
]


@pytest.mark.parametrize("value", WRITTEN, ids=lambda value: f"{type(value).__name__}-{value!r}"[:40])
def test_what_is_refused_is_kept_as_the_error_says(value: Any) -> None:
    """What the error tells to pass is code, and it gives a plain value."""
    with pytest.raises(MetadataError) as caught:
        plain({"x": value})
    found = re.search(r"Instead of the value, pass (.*?)(, or .*)?; or keep the object itself", caught.value.fix)
    assert found is not None, caught.value.fix
    plain({"x": eval(found[1], {"value": value, "numpy": np})})


def test_a_series_with_names_is_kept_as_a_dict() -> None:
    """The second way that the error tells: the means of a frame's columns."""
    means = pd.DataFrame({"a": [1.0, 3.0], "b": [2.0, 2.0]}).mean()
    with pytest.raises(MetadataError, match=r"or where its index is text, value.to_dict\(\)"):
        plain(means)
    assert plain(means.to_dict()) == {"a": 2.0, "b": 2.0}


def test_what_contains_itself_is_refused() -> None:
    """At the depth of 64, and without filling the memory."""
    value: dict[str, Any] = {"list": []}
    value["list"].append(value)
    with pytest.raises(MetadataError, match=r"more than 64 levels deep. It may contain itself"):
        plain(value)


def test_what_is_given_is_not_changed_and_not_shared() -> None:
    """A later change of the user's own dict does not reach the record."""
    inner = [1, (2,)]
    value = {"a": inner}
    result = plain(value)
    inner.append(3)
    assert result == {"a": [1, [2]]}
    assert value == {"a": [1, (2,), 3]}


def test_metadata_has_to_be_a_mapping() -> None:
    """`None` stands for none."""
    assert plain_mapping(None, "metadata") == {}
    with pytest.raises(MetadataError, match="metadata must be a dict, not list"):
        plain_mapping([("a", 1)], "metadata")  # type: ignore[arg-type]


def test_plain_values_are_made_without_importing_numpy() -> None:
    """A save of a model of strings should not pay for numpy."""
    import subprocess
    import sys

    program = (
        "from tiffin.info import plain; plain({'a': [1, 'x', None]}); import sys; assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain_values)
def test_plain_values_are_left_as_they_are(value: Any) -> None:
    """Made plain once, a value stays the same."""
    assert same(plain(value), value)
