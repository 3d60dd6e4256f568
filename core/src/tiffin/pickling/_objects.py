"""Objects that pickle gives back wrongly, or not at all, though nothing about them forbids it."""

from __future__ import annotations

import copyreg
import dataclasses
import datetime
import functools
import gc
import types
import typing
import weakref
from decimal import Decimal
from pathlib import PosixPath
from typing import Any

from tiffin.pickling import rebuild
from tiffin.pickling._by_name import is_by_name
from tiffin.pickling._functions import Reducer, Unloadable

_LEAVES = {
    bool, bytes, complex, float, int, str, type(None), Decimal, PosixPath,
    datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
}  # fmt: skip


def reduce_named(obj: Any, name: str) -> Any:
    """Return the recipe of an object whose own reduction is a name: that name, or the object by value.

    Raises:
        Unloadable: other programs do not have the name, and the object cannot go by value.
    """
    if is_by_name(obj, name):
        return name
    kind = type(obj)
    if rebuild.of_c(kind, "__new__") is not object.__new__:
        raise Unloadable(
            f"it is pickled by its name {name!r} in {getattr(obj, '__module__', None)!r}, which other programs do not have",
            "Define it in a module that is installed where it is loaded",
        )
    return rebuild.plain, (kind,), obj.__getstate__()


def reduce_by_own_way(obj: Any) -> Any:
    """Return what the object's own reduction says, with its name checked where that is one."""
    recipe = obj.__reduce_ex__(5)
    return reduce_named(obj, recipe) if isinstance(recipe, str) else recipe


def reduce_by_table(reducer: Reducer) -> Reducer:
    """Return how to pickle objects for which `copyreg` has a function."""

    def reduce(obj: Any) -> Any:
        recipe = reducer(obj)
        return reduce_named(obj, recipe) if isinstance(recipe, str) else recipe

    return reduce


def reduce_cached(obj: Any) -> Any:
    """Return the recipe of what `functools.lru_cache` made: by name, or its function with an empty cache."""
    if is_by_name(obj):
        return obj.__qualname__
    parameters = obj.cache_parameters()
    wrapped = getattr(obj, "__wrapped__", None)
    if wrapped is None:
        raise Unloadable(
            "its attribute __wrapped__ is gone, which is its function", "Save the function without the cache"
        )
    return (
        rebuild.cached,
        (wrapped, parameters["maxsize"], parameters["typed"]),
        dict(vars(obj)),
        None,
        None,
        rebuild.fill_dict,
    )


def reduce_cached_property(obj: Any) -> Any:
    """Return the recipe of a `functools.cached_property`, which has a lock before Python 3.12."""
    return rebuild.cached_property, (type(obj), {name: value for name, value in vars(obj).items() if name != "lock"})


def reduce_descriptor(obj: Any) -> Any:
    """Return the recipe of an object of a subclass of `property`, `classmethod` or `staticmethod`."""
    arguments = (obj.fget, obj.fset, obj.fdel, obj.__doc__) if isinstance(obj, property) else (obj.__func__,)
    return rebuild.descriptor, (type(obj), arguments), getattr(obj, "__dict__", {}), None, None, rebuild.fill_dict


def reduce_weak_proxy(obj: Any) -> Any:
    """Refuse what stands for another object: pickle would take it for that object, and make a second one."""
    raise Unloadable(
        "it is a weak reference, which holds nothing", "Keep the object itself, or leave it out of the state"
    )


def reduce_new_type(obj: Any) -> Any:
    """Return the recipe of a `typing.NewType`: by name, or what it was made of."""
    if is_by_name(obj):
        return obj.__qualname__
    return typing.NewType, (obj.__name__, obj.__supertype__), dict(vars(obj)), None, None, rebuild.fill_dict


def reduce_type_parameter(obj: Any) -> Any:
    """Return the recipe of a type variable and its like: by name, or what it was made of."""
    name, kind = obj.__name__, type(obj).__name__
    if is_by_name(obj, name):
        return name
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    if kind == "TypeAliasType" and not obj.__type_params__ and name.isidentifier():
        # It may be within its own value.
        variable = types.CellType()
        return (
            rebuild.alias,
            (name, obj.__module__, variable),
            (variable, obj.__value__),
            None,
            None,
            rebuild.fill_alias,
        )
    if kind == "TypeAliasType":
        arguments, keywords = (obj.__value__,), {"type_params": obj.__type_params__}
    elif kind != "TypeVarTuple":
        arguments = getattr(obj, "__constraints__", ())
        keywords = {"bound": obj.__bound__}
        infer = getattr(obj, "__infer_variance__", False)
        flags = ("infer_variance",) if infer else ("covariant", "contravariant")
        keywords.update({flag: True for flag in flags if getattr(obj, f"__{flag}__")})
    if getattr(obj, "has_default", bool)():
        keywords["default"] = obj.__default__
    return rebuild.type_parameter, (kind, name, arguments, keywords, obj.__module__)


def reduce_weak_dict(obj: Any) -> Any:
    """Return the recipe of a dict that holds its keys or values weakly; what nothing else holds is gone at once."""
    return type(obj), (), None, None, iter(list(obj.items()))


def reduce_mapping_proxy(obj: Any) -> Any:
    """Return the recipe of a read-only view of a dict: a view of the same dict, not of a copy."""
    (held,) = gc.get_referents(obj)
    return types.MappingProxyType, (held if type(held) is dict else dict(obj),)


def reduce_exception(obj: BaseException) -> Any:
    """Return the recipe of an exception whose class has an `__init__` or `__new__` of its own."""
    recipe: Any = obj.__reduce__()
    _, arguments, *state = recipe
    kind = type(obj)
    first = (obj.message, list(obj.exceptions)) if isinstance(obj, BaseExceptionGroup) else None
    return (rebuild.exception, (kind, rebuild.static_base(kind), arguments, first), *state)


def split_state(recipe: Any) -> tuple[Any, bool]:
    """Return the recipe with the plain attributes first, and whether the object has a state that may contain itself.

    An object with a hash of its own may be a key in a dict that it holds. The dict is filled before the object is, so
    what the hash needs has to be there as soon as the object is.

    Args:
        recipe: from `object.__reduce_ex__`.
    """
    function, arguments, state, *rest = (*recipe, None)[: max(3, len(recipe))]
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if function is not copyreg.__newobj__ or not isinstance(attributes, (dict, type(None))):  # type: ignore[attr-defined]
        return recipe, state is not None
    now: dict[str, Any] = {}
    later: list[dict[str, Any]] = []
    for part in (attributes or {}, slots or {}):
        plain = {name: value for name, value in part.items() if _is_leaf(value)}
        now |= plain
        later.append({name: value for name, value in part.items() if name not in plain})
    if not any(later):
        return recipe, False
    remaining: Any = later[0] if slots is None else (later[0] or None, later[1])
    return (rebuild.early, (arguments[0], arguments[1:], now), remaining, *rest), True


def _is_leaf(value: Any) -> bool:
    kind = type(value)
    return kind in _LEAVES or (kind in (tuple, frozenset) and all(map(_is_leaf, value)))


TYPES: dict[type, Reducer] = {
    type(functools.lru_cache(lambda: None)): reduce_cached,
    typing.NewType: reduce_new_type,
    typing.TypeVar: reduce_type_parameter,
    typing.ParamSpec: reduce_type_parameter,
    typing.TypeVarTuple: reduce_type_parameter,
    weakref.WeakKeyDictionary: reduce_weak_dict,
    weakref.WeakValueDictionary: reduce_weak_dict,
    weakref.ProxyType: reduce_weak_proxy,
    weakref.CallableProxyType: reduce_weak_proxy,
    types.MappingProxyType: reduce_mapping_proxy,
    # Compared by identity, and pickle would make another one.
    type(dataclasses.MISSING): lambda obj: "MISSING",
    type(dataclasses.KW_ONLY): lambda obj: "KW_ONLY",
}
"""How objects of exactly these classes are pickled."""

if hasattr(typing, "TypeAliasType"):  # from Python 3.12 on
    TYPES[typing.TypeAliasType] = reduce_type_parameter
