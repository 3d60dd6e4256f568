"""Types of options: whether a value is what an options class declares, also inside lists and dicts.

A record holds lists where a class has tuples, so what is declared as a tuple is made one.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

_SCALARS = (bool, int, float, str, bytes)
_ITEMS = (list, Sequence, Collection, Iterable)
_MAPPINGS = (dict, Mapping)


class _UnfitError(TypeError):
    """A value is not what was declared."""

    def __init__(self, where: str, kind: Any, value: Any) -> None:
        name = kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)
        super().__init__(f"{where}: expected {name.replace('typing.', '')}, found {value!r}")


@functools.lru_cache(maxsize=128)
def declared_types(options: Any) -> Mapping[str, Any]:
    """Return what an options class declares of its attributes; nothing where a name that it uses cannot be found here."""
    try:
        return typing.get_type_hints(options)
    except NameError:  # imported for type checkers only, or a class of a function
        return {}


def fit(value: Any, kind: Any, where: str) -> Any:
    """Return a value as it is declared: a list where a tuple is meant is made one, and so within lists and dicts.

    Declared types that are not looked into (a class of the adapter's own, a type variable) take any value.

    Args:
        value: what a user gave, or a record holds.
        kind: the annotation.
        where: the value's place, for errors.

    Raises:
        TypeError: it is something else.
    """
    origin = _origin(kind)
    arguments = typing.get_args(kind)
    if origin is typing.Annotated:
        return fit(value, arguments[0], where)
    if origin in (typing.Union, types.UnionType):
        return _fit_any(value, kind, where)
    if origin in (*_SCALARS, *_ITEMS, tuple) and hasattr(value, "dtype") and hasattr(value, "tolist"):
        value = value.tolist()  # numpy's numbers and arrays stand for Python's numbers and lists
    if origin is typing.Literal:
        fits = any(value == known and type(value) is type(known) for known in arguments)
    elif origin in (None, types.NoneType):
        fits = value is None
    elif origin in _SCALARS:
        fits = isinstance(value, (int, float) if origin is float else origin)
        fits = fits and (origin is bool or not isinstance(value, bool))
    elif origin is tuple:
        return _fit_tuple(value, kind, arguments, where)
    elif origin in _ITEMS:
        fits = isinstance(value, (list, tuple))  # not a text, which would be read letter by letter
        if fits:
            part = arguments[0] if arguments else Any
            items = [fit(item, part, f"{where}[{index}]") for index, item in enumerate(value)]
            value = tuple(items) if isinstance(value, tuple) and origin is not list else items
    elif origin in _MAPPINGS:
        fits = isinstance(value, Mapping)
        if fits and arguments:
            value = {
                fit(key, arguments[0], f"a key of {where}"): fit(item, arguments[1], f"{where}[{key!r}]")
                for key, item in value.items()
            }
    else:
        return value
    if not fits:
        raise _UnfitError(where, kind, value)
    return value


def _origin(kind: Any) -> Any:
    return typing.get_origin(kind) or kind


def _fit_any(value: Any, kind: Any, where: str) -> Any:
    # What has the value's own type goes first: a list is no tuple where both are declared.
    options = sorted(typing.get_args(kind), key=lambda one: _origin(one) is not type(value))
    for option in options:
        try:
            return fit(value, option, where)
        except TypeError:
            continue
    raise _UnfitError(where, kind, value)


def _fit_tuple(value: Any, kind: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _UnfitError(where, kind, value)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    elif not arguments:
        arguments = (Any,) * len(value)
    if len(arguments) != len(value):
        raise _UnfitError(where, kind, value)
    return tuple(
        fit(item, part, f"{where}[{index}]") for index, (item, part) in enumerate(zip(value, arguments, strict=True))
    )
