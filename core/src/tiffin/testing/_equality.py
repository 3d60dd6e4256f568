"""Whether two answers of models are the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import ConformanceError

RELATIVE = 1e-6
"""How far two floats may be apart, relative to the larger, and be close; below 1, as absolute distance."""


def equal(first: Any, second: Any) -> bool:
    """Tell whether two answers are equal in type, dtype, shape and every value. NaN equals NaN.

    Args:
        first, second: arrays, numbers, texts, lists, tuples and dicts of these, or objects whose `==` answers with a bool.

    Raises:
        ConformanceError: they are of a class whose `==` does not say it.
    """
    return _compare(first, second, 0.0)


def close(first: Any, second: Any, *, relative: float = RELATIVE) -> bool:
    """Tell the same as `equal`, floats being taken as equal up to one in a million.

    Args:
        first, second: as for `equal`.
        relative: how far two floats may be apart instead, as a part of the larger.

    Raises:
        ConformanceError: as for `equal`.
    """
    return _compare(first, second, relative)


def _compare(first: Any, second: Any, apart: float) -> bool:
    import numpy

    if type(first) is not type(second):
        return False
    if isinstance(first, (numpy.ndarray, numpy.generic)):
        return _compare_arrays(numpy.asarray(first), numpy.asarray(second), apart)
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(_compare(first[key], second[key], apart) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(
            _compare(one, other, apart) for one, other in zip(first, second, strict=True)
        )
    if isinstance(first, float):
        near = math.isclose(first, second, rel_tol=apart, abs_tol=apart)
        return near or (math.isnan(first) and math.isnan(second))
    answer = first == second
    if not isinstance(answer, (bool, numpy.bool_)):
        kind = f"{type(first).__module__}.{type(first).__qualname__}"
        raise ConformanceError(
            f"Whether two answers of type {kind} are equal cannot be told: their == answers with {type(answer).__name__}",
            fix="Give the Subject a function of its own: same=…, and close=… where it is batchable",
            check="",
        )
    return bool(answer)


def _compare_arrays(first: Any, second: Any, apart: float) -> bool:
    import numpy

    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind == "O":
        return _compare(first.tolist(), second.tolist(), apart)
    if first.dtype.kind not in "fc":
        return bool(numpy.array_equal(first, second))
    if not apart:
        return bool(numpy.array_equal(first, second, equal_nan=True))
    return bool(numpy.allclose(first, second, rtol=apart, atol=apart, equal_nan=True))
