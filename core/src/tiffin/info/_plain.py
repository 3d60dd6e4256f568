"""Plain values: what YAML and JSON can both hold, made from what users pass."""

from __future__ import annotations

import datetime
import math
import sys
from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import MetadataError

MAX_DEPTH = 64
"""Levels of lists and dicts within each other that a plain value may have."""
MAX_BITS = 8192
"""Bits that a whole number may have: Python refuses to read many more as decimal digits."""

MAX_VALUES = 4_000_000
"""Values in a record beyond which it is not read. A few lines of YAML that refer to each other can stand for billions."""

_KEPT_AS = {
    "builtins.bytes": "value.hex()",
    "builtins.bytearray": "value.hex()",
    "builtins.set": "sorted(value)",
    "builtins.frozenset": "sorted(value)",
    "builtins.complex": "[value.real, value.imag]",
    "datetime.timedelta": "value.total_seconds()",
    "datetime.time": "value.isoformat()",
    "decimal.Decimal": "str(value)",
    "fractions.Fraction": "str(value)",
    "pathlib.PurePath": "str(value)",
    "uuid.UUID": "str(value)",
    "enum.Enum": "value.name",
    "pandas.NAType": "None",
    "pandas.Period": "str(value)",
    "pandas.Interval": "[value.left, value.right]",
    "pandas.Series": "value.tolist(), or where its index is text, value.to_dict()",
    "pandas.Index": "value.tolist()",
    "pandas.ExtensionArray": "value.tolist()",
    "pandas.DataFrame": "value.to_dict('list')",
    "polars.Series": "value.to_list()",
    "polars.DataFrame": "value.to_dict(as_series=False)",
}
"""What is no plain value, by its class in the package's name → how to write it as one."""
_NUMPY_KEPT_AS = {"c": "[value.real, value.imag]", "m": "value / numpy.timedelta64(1, 's')", "S": "value.astype(str)"}
"""The same for numpy's kinds of numbers."""

_PLAIN = frozenset({type(None), bool, int, float, str, datetime.date, datetime.datetime})


def plain(value: Any, where: str = "metadata") -> Any:
    """Return `value` as numbers, strings, booleans, `None`, dates, and lists and dicts of these.

    numpy scalars and arrays become Python numbers and nested lists, tuples become lists. Does not import numpy.

    Args:
        value: the value; never changed.
        where: what it is, for errors: "metadata", "options".

    Raises:
        MetadataError: a value inside has no plain form, or the value contains itself.
    """
    return _plain(value, where, 0)


def plain_mapping(value: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """Return `value` as a dict of plain values; `None` gives an empty one.

    Raises:
        MetadataError: it is not a mapping, or a value inside has no plain form.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise MetadataError(f"{where} must be a dict, not {type(value).__name__}", where=where)
    result: dict[str, Any] = plain(value, where)
    return result


def check_plain(value: Any) -> None:
    """Refuse parsed data that is not plain: YAML knows sets, bytes, keys of any kind, and lists that hold themselves.

    Raises:
        ValueError: `value` holds something that is not plain, or too much of it.
    """
    level = [value]
    count = 0
    for _ in range(MAX_DEPTH + 8):  # metadata lies some levels deep in a record
        deeper: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                deeper += item
                deeper += item.values()
                for key in item:
                    if type(key) is not str:
                        raise ValueError(f"the key {key!r} is not a string")
            elif kind is list:
                deeper += item
            elif kind is str:
                if not item.isascii():
                    item.encode()  # half of a surrogate pair is no text
            elif kind is int:
                if item.bit_length() > MAX_BITS:
                    raise ValueError(f"it holds a whole number of {item.bit_length()} bits")
            elif kind not in _PLAIN:
                raise ValueError(f"{kind.__name__} is not a plain value")
        count += len(deeper)
        if not deeper:
            return
        if count > MAX_VALUES:
            raise ValueError(f"it holds more than {MAX_VALUES} values, or a value that contains itself")
        level = deeper
    raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep, or contains itself")


def _plain(value: Any, where: str, depth: int) -> Any:
    kind = type(value)
    if value is None or kind in (bool, float):
        return value
    if kind is str:
        return _text(value, where)
    if kind is int:
        return _number(value, where)
    if depth > MAX_DEPTH:
        raise MetadataError(
            f"{where} is nested more than {MAX_DEPTH} levels deep", why="It may contain itself", where=where
        )
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, datetime.datetime):
        return _from_datetime(value, where)
    if isinstance(value, datetime.date):
        return datetime.date(value.year, value.month, value.day)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        return _from_numpy(value, where, depth)
    # Subclasses (enums of strings, numpy's own str and float types) lose their class, not their value.
    for base in (bool, int, float, str):
        if isinstance(value, base):
            return _plain(base.__str__(value) if base is str else base(value), where, depth)
    raise MetadataError(
        f"{where} is {_article(type(value).__name__)}, which has no plain form",
        why="Numbers, strings, booleans, None, dates, numpy values, and lists and dicts of these are kept as readable text",
        fix=_how_to_keep(next(filter(None, map(_KEPT_AS.get, _names(value))), "")),
        where=where,
    )


def _names(value: object) -> list[str]:
    return [f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in type(value).__mro__]


def _how_to_keep(expression: str) -> str:
    text = f"pass {expression}" if expression else "pass what describes it"
    return f"Instead of the value, {text}; or keep the object itself with custom_objects="


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise MetadataError(
            f"{where} holds the character {value[error.start]!r}, which no text file can hold",
            why="It is half of a pair, as in file names that are not UTF-8",
            where=where,
        ) from error
    return value


def _number(value: int, where: str) -> int:
    if value.bit_length() > MAX_BITS:
        raise MetadataError(
            f"{where} is a whole number of {value.bit_length()} bits",
            why=f"Up to {MAX_BITS} bits can be read back",
            fix="Pass it as a string of hexadecimal digits: hex(number)",
            where=where,
        )
    return value


def _from_numpy(value: Any, where: str, depth: int) -> Any:
    if value.dtype.kind not in "biufUM":
        raise MetadataError(
            f"{where} is a numpy value of dtype {value.dtype}, which has no plain form",
            fix=_how_to_keep(_NUMPY_KEPT_AS.get(value.dtype.kind, "")),
            where=where,
        )
    if value.dtype.kind == "M":
        value = value.astype("datetime64[us]")
        for item in value.reshape(-1).tolist():
            if not isinstance(
                item, datetime.datetime
            ):  # None is "not a time", a number lies beyond the years 1 to 9999
                raise _no_time(where)
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        value = value.astype(float)  # as the list of a long double array holds numpy's numbers, not Python's
    return _plain(value.tolist(), where, depth)


def _from_datetime(value: datetime.datetime, where: str) -> datetime.datetime:
    if value != value:  # pandas' "not a time" is a datetime to isinstance, and has no date
        raise _no_time(where)
    # YAML and JSON keep microseconds and an offset, but no named zone.
    if value.tzinfo is not None:
        try:
            value = value.astimezone(datetime.UTC)
        except (OverflowError, ValueError) as error:
            raise _no_time(where) from error
    zone = None if value.tzinfo is None else datetime.UTC
    return datetime.datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, zone
    )


def _no_time(where: str) -> MetadataError:
    return MetadataError(f"{where} is not a time in the years 1 to 9999", fix="Pass None", where=where)


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return _text(str.__str__(key), where)
    raise MetadataError(
        f"A key of {where} is {_article(type(key).__name__)} ({key!r})", fix="Keys must be strings", where=where
    )


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def same(left: Any, right: Any) -> bool:
    """Tell whether two plain values are equal, with NaN equal to NaN and 1 unequal to True."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and math.isnan(left):
        return math.isnan(right)
    return bool(left == right)
