"""Small arrays that are alike, many in one: what the calls of one moment bring, and what their answers are.

A frame, its header and its decoding cost a call more than its row does. So arrays of equal dtype and shape travel stacked,
with the numbers of the calls that they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tiffin.exceptions import FrameError

SMALL = 4096
"""Bytes up to which an array is stacked: larger ones gain nothing."""
TOGETHER = 1 << 16
"""Bytes of arrays that are stacked at most."""
KEEP_WHOLE = 1 << 14
"""Bytes up to which whoever keeps one array may keep all."""
MOST = 1024
"""Arrays that are stacked at most."""


def is_stackable(value: Any) -> bool:
    """Return whether a value may be stacked with others like it."""
    return (
        type(value) is np.ndarray
        and value.nbytes <= SMALL
        and value.ndim > 0
        and value.flags.c_contiguous
        and not value.dtype.hasobject
    )


def joins(first: Any, count: int, other: Any) -> bool:
    """Return whether another value can be stacked onto so many that began with a stackable one."""
    return (
        type(other) is np.ndarray
        and other.shape == first.shape
        and (other.dtype is first.dtype or other.dtype == first.dtype)
        and other.flags.c_contiguous
        and count < MOST
        and (count + 1) * first.nbytes <= TOGETHER
    )


def stack(numbers: Sequence[int], arrays: Sequence[Any]) -> tuple[Any, Any]:
    """Return the calls' numbers as an array, and the arrays as one with a first axis more."""
    return np.array(numbers, np.int64), np.concatenate(arrays).reshape((len(arrays), *arrays[0].shape))


def unstack(numbers: Any, stacked: Any) -> tuple[list[int], list[Any]]:
    """Return what `stack` was given: views of one array, or copies if that is much larger.

    Raises:
        FrameError: it was not made by `stack`.
    """
    if not (
        type(numbers) is type(stacked) is np.ndarray
        and numbers.dtype == np.int64
        and numbers.ndim == 1
        and stacked.ndim > 1
        and 1 <= len(numbers) == len(stacked) <= MOST
        and not stacked.dtype.hasobject
        and len(set(found := numbers.tolist())) == len(found)
        and min(found) >= 0
    ):
        raise FrameError("A frame brings several arrays for several calls, and whose are whose cannot be told")
    return found, list(stacked) if stacked.nbytes <= KEEP_WHOLE else [array.copy() for array in stacked]
