"""When are two arguments that are not batched the same? By type and value, and only where that can be told for sure."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import pathlib
import types
import uuid
from collections.abc import Hashable
from typing import Any

import numpy

LARGEST_COMPARED_ARRAY = 64 << 10
"""Bytes up to which arrays that are not batched are compared; a call with a larger one travels alone."""

_BY_VALUE = frozenset(
    {
        int,
        str,
        bytes,
        bool,
        type(None),
        type(...),
        uuid.UUID,
        datetime.date,
        datetime.timedelta,
        pathlib.PosixPath,
        pathlib.PurePosixPath,
        pathlib.WindowsPath,
        pathlib.PureWindowsPath,
        fractions.Fraction,
    }
)
# Equal values of these are not always alike: 0.0 and -0.0, nan and nan, Decimal 1.0 and 1.00, one instant in two zones,
# ranges of the same numbers with other ends.
_BY_REPR = frozenset({float, complex, decimal.Decimal, datetime.datetime, datetime.time, range, slice})
_BY_IDENTITY = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, enum.Enum)


class Incomparable(Exception):
    """Raised for a value of which nobody can say whether another one equals it."""


def value_key(value: Any) -> Hashable:
    """Return a key that two values share only if a method cannot tell them apart.

    Args:
        value: any argument. Lists, tuples, sets and dicts are compared item by item, dicts with their order.

    Raises:
        Incomparable: the value is of a class about which nothing is known, or a large array.
    """
    kind = type(value)
    if kind in _BY_VALUE:
        return kind, value
    if kind in _BY_REPR:
        return kind, repr(value)
    if kind is list or kind is tuple:
        return kind, tuple(value_key(item) for item in value)
    if kind is dict:
        return kind, tuple((value_key(key), value_key(item)) for key, item in value.items())
    if kind is set or kind is frozenset:
        return kind, frozenset(value_key(item) for item in value)
    if isinstance(value, _BY_IDENTITY):
        return kind, id(value), value
    if isinstance(value, numpy.dtype):
        return kind, value
    if isinstance(value, numpy.generic) and value.dtype.kind in "biufcSUMm":
        return kind, value.dtype, value.tobytes()
    if kind is numpy.ndarray and value.dtype.kind in "biufcSUMm" and value.nbytes <= LARGEST_COMPARED_ARRAY:
        return kind, value.dtype, value.shape, value.tobytes()
    raise Incomparable(kind)
