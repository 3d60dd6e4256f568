"""Classes by value: what they hold, in order, whatever made them; and members of enumerations."""

from __future__ import annotations

import abc
import copyreg
import types
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from tiffin.pickling import rebuild
from tiffin.pickling._by_name import is_by_name
from tiffin.pickling._functions import Unloadable

_STANDARD = {
    kind: name for name, kind in vars(types).items() if isinstance(kind, type) and kind.__module__ == "builtins"
}
_OF_LAYOUT = ("__dict__", "__weakref__")
# Made with the class itself.
_MADE = {"__module__", "_abc_impl", *_OF_LAYOUT}


def reduce_class(kind: type) -> Any:
    """Return the recipe of a class; `NotImplemented` for one that goes by its name.

    Raises:
        Unloadable: it goes neither by its name nor by value.
    """
    if is_by_name(kind):
        return NotImplemented
    if kind in _STANDARD:
        return rebuild.standard_type, (_STANDARD[kind],)
    if kind in (type(None), type(...), type(NotImplemented)):
        return NotImplemented  # pickle itself knows them
    if rebuild.static_base(kind) is kind:
        raise Unloadable(
            f"{kind.__module__}.{kind.__qualname__} is a class of C code that cannot be found under this name",
            "Install the module that has it in a place where it can be imported",
        )
    held = vars(kind)
    slots = [name for name, value in held.items() if _is_slot(value, kind)]
    names: dict[str, Any] = {"__qualname__": kind.__qualname__}
    if "__module__" in held:
        names["__module__"] = held["__module__"]
    if "__slots__" in held:
        names["__slots__"] = (*slots, *(name for name in _OF_LAYOUT if _is_own(name, held)))
    # Not to be set later; only a class that answers for another object has one that was not made with it.
    names.update({name: held[name] for name in _OF_LAYOUT if name in held and not _is_own(name, held)})
    attributes = {name: value for name, value in held.items() if name not in _MADE and name not in slots}
    # A fresh pair of bases and names: what is memoised by identity must not depend on who else has it.
    return (
        rebuild.make_class,
        (type(kind), kind.__name__, kind.__bases__, names),
        (attributes, list(_registered(kind))),
        None,
        None,
        rebuild.fill_class,
    )


def _is_own(name: str, held: Mapping[str, Any]) -> bool:
    return isinstance(held.get(name), types.GetSetDescriptorType)


def _is_slot(value: object, kind: type) -> bool:
    return isinstance(value, types.MemberDescriptorType) and value.__objclass__ is kind


def _registered(kind: type) -> Iterator[type]:
    if isinstance(kind, abc.ABCMeta):
        # There is no public way to ask an abstract class what was registered with it.
        references = abc._get_dump(kind)[0]  # type: ignore[attr-defined]
        yield from sorted((found for each in references if (found := each()) is not None), key=_full_name)


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def reduce_member(value: Enum) -> Any:
    """Return the recipe of a member of an enumeration by value: its content, since it comes with the enumeration.

    Raises:
        Unloadable: the type of its data has a way of its own to be pickled.
    """
    kind = type(value)
    recipe: Any = object.__reduce_ex__(value, 4)
    function, arguments, *_ = recipe
    if function is copyreg.__newobj__:  # type: ignore[attr-defined]
        arguments = arguments[1:]
    elif function is not kind:
        raise Unloadable(
            f"the data of members of {kind.__qualname__} is rebuilt by {function!r}, which an enumeration cannot use",
            "Define the enumeration in a module that is installed where it is loaded",
        )
    data = getattr(kind, "_member_type_", object)
    return rebuild.member, (kind, data, tuple(arguments)), dict(vars(value)), None, None, rebuild.fill_dict
