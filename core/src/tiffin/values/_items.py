"""What the items of lists look like: lists are joined only if a model that makes an array of one cannot tell."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from tiffin.values._kind_registry import registry

_SCALARS = frozenset({bool, float, complex, str, bytes, type(None)})
_FITS_INT64 = 1 << 63
_FITS_UINT64 = 1 << 64


_FIXED = _SCALARS | {int, range, datetime.date, datetime.datetime, datetime.time, datetime.timedelta, decimal.Decimal}


def are_fixed(items: Iterable[Any]) -> bool:
    """Return whether no item can be changed in place."""
    return all(type(item) in _FIXED or _is_fixed(item) for item in items)


def _is_fixed(item: Any) -> bool:
    if type(item) in (tuple, frozenset):
        return are_fixed(item)
    return isinstance(item, (numpy.bool_, numpy.number, numpy.str_, numpy.bytes_, numpy.datetime64, numpy.timedelta64))


def describe_items(items: Sequence[Any]) -> Any:
    """Return what the items look like, the same whichever of several alike items come together.

    A model that makes an array of a list gets another dtype or a ragged error when other kinds of items join in, so
    that its answer to one caller would depend on the others.
    """
    first = type(items[0]) if items else None
    if first in _SCALARS and all(type(item) is first for item in items):
        return first
    if (
        first is int
        and all(type(item) is int for item in items)
        and min(items) >= -_FITS_INT64
        and max(items) < _FITS_INT64
    ):
        return int
    return frozenset(_describe_item(item) for item in items)


def _describe_item(item: Any) -> Any:
    kind = type(item)
    if kind in _SCALARS:
        return kind
    if kind is int:
        # Whole numbers become int64 if they all fit, else uint64, floats or objects.
        if -_FITS_INT64 <= item < _FITS_INT64:
            return kind
        return kind, "uint64" if 0 < item < _FITS_UINT64 else "larger"
    if kind is list or kind is tuple or kind is range:
        return kind, len(item), describe_items(item)
    if kind is dict:
        return kind, tuple((type(key), key, _describe_item(value)) for key, value in item.items())
    if kind is datetime.datetime or kind is datetime.time:
        return kind, repr(item.tzinfo)
    if isinstance(item, numpy.generic):
        # Text and bytes get the width of the widest anyway; dates of two units get the finer one.
        return kind, None if item.dtype.kind in "US" else item.dtype
    found = registry.find(kind)
    if found is None:
        return kind
    try:
        rows = found.count(item, 0)
        key = found.key(item, 0)
    except ValueError:
        return kind
    # What joins with nothing is like nothing.
    return kind, rows, object() if key is None else key
