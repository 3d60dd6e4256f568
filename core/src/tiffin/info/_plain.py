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


def _plain(value: Any, where: str, depth: int) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
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
            return base.__str__(value) if base is str else base(value)
    raise MetadataError(
        f"{where} is {_article(type(value).__name__)}, which has no plain form",
        why="Numbers, strings, booleans, None, dates, numpy values, and lists and dicts of these are kept as readable text",
        fix="Pass what describes it, or keep the object itself with custom_objects=",
        where=where,
    )


def _from_numpy(value: Any, where: str, depth: int) -> Any:
    if value.dtype.kind not in "biufUM":
        raise MetadataError(
            f"{where} is a numpy value of dtype {value.dtype}, which has no plain form",
            fix="Keep it with custom_objects=",
            where=where,
        )
    if value.dtype.kind == "M":
        value = value.astype("datetime64[us]")
    listed = value.tolist()
    return _plain(listed, where, depth + 1) if isinstance(listed, list) else listed


def _from_datetime(value: datetime.datetime, where: str) -> datetime.datetime:
    if value != value:  # pandas' "not a time" is a datetime to isinstance, and has no date
        raise MetadataError(f"{where} is not a time", fix="Pass None", where=where)
    # YAML and JSON keep microseconds and an offset, but no named zone.
    if value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc)
    zone = None if value.tzinfo is None else datetime.timezone.utc
    return datetime.datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, zone
    )


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
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
