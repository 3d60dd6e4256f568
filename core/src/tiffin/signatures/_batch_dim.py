"""The batch axes of a method, in every form that users write them.

What is kept is always a pair (input, output). The input side is one axis for all arguments, or a mapping from argument
name to axis, where `None`, or not being named, means that the argument is not batched: it goes to the method as it
is, and only calls in which it is equal share a batch. The output side is one axis.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from tiffin.exceptions import SignatureError
from tiffin.signatures._text import of_method

InputBatchDim = int | dict[str, int | None]
"""One axis for every argument, or the axis of each argument by name (`None`: not batched)."""

BatchDim = tuple[InputBatchDim, int]
"""The batch axes of input and output, as a signature keeps them."""

BatchDimLike = int | Mapping[str, int | None] | Sequence[Any]
"""What is accepted: an axis, a mapping by argument name, or a pair (input, output) with either as its input."""


def parse_batch_dim(value: Any, *, method: str = "") -> BatchDim:
    """Return the pair (input, output) that `value` stands for.

    Args:
        value: one axis n for (n, n); a mapping by argument name, whose output axis is the one that its batched
            arguments share; or a pair (input, output) as a tuple or list. Axes are whole numbers, negative ones
            count from the last axis.
        method: the method that it belongs to, for errors.

    Raises:
        SignatureError: the value has none of these forms, or names no batched argument.
    """
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise _wrong(value, f"A pair has two members, this one has {len(value)}", method)
        given, output = value
    elif isinstance(value, Mapping):
        given, output = value, None
    else:
        given = output = value
    if not isinstance(given, Mapping):
        return _axis(given, value, method), _axis(output, value, method)
    axes = _argument_axes(given, value, method)
    if output is None and not isinstance(value, Mapping):
        raise _wrong(value, "The output needs an axis of its own: a batch's answer is cut along it", method)
    return axes, _shared_axis(axes, value, method) if output is None else _axis(output, value, method)


def plain_batch_dim(batch_dim: BatchDim) -> int | dict[str, int | None] | list[Any]:
    """Return the shortest plain form that `parse_batch_dim` reads back as `batch_dim`; shares nothing with it."""
    given, output = batch_dim
    if not isinstance(given, dict):
        return given if given == output else [given, output]
    used = _used(given)
    return dict(given) if used == {output} else [dict(given), output]


def _argument_axes(given: Mapping[Any, Any], value: Any, method: str) -> dict[str, int | None]:
    for name in given:
        if not isinstance(name, str) or not name.isidentifier():
            raise _wrong(value, f"{name!r} is not the name of an argument", method)
    axes = {name: None if axis is None else _axis(axis, value, method) for name, axis in given.items()}
    if not _used(axes):
        raise _wrong(value, "It names no argument that is batched", method)
    return axes


def _shared_axis(axes: dict[str, int | None], value: Any, method: str) -> int:
    used = _used(axes)
    if len(used) > 1:
        why = f"The arguments' axes differ ({', '.join(map(str, sorted(used)))}), so the output's axis must be given"
        raise _wrong(value, why, method)
    return used.pop()


def _used(axes: dict[str, int | None]) -> set[int]:
    return {axis for axis in axes.values() if axis is not None}


def _axis(axis: Any, value: Any, method: str) -> int:
    # True would pass for 1, and is never meant as an axis.
    if not isinstance(axis, bool):
        try:
            return operator.index(axis)
        except TypeError:
            pass
    raise _wrong(value, f"{axis!r} is not the number of an axis", method)


def _wrong(value: Any, why: str, method: str) -> SignatureError:
    return SignatureError(
        f"batch_dim={value!r}{of_method(method)} is not understood",
        why=why,
        fix=(
            "Give one axis (0), an (input, output) pair ((0, 1)), or a mapping by argument name with None for "
            "arguments that are not batched ({'x': 0, 'mask': None})"
        ),
        method=method,
    )
