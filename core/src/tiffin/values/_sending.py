"""Forms: how a container type that `_values` does not know crosses to another process, and the registry of them.

A form writes an object as a value made of sendable parts (plain values, arrays, lists, dicts) and makes the object
again from them. The receiver looks the form up by its name in this registry: a frame can choose among the forms that
the receiving program has registered, and can never name anything to import.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Form:
    """How objects of some types are sent.

    Attributes:
        name: What frames call it; unique.
        types: Dotted names of the exact types that it takes. They are resolved through sys.modules, never imported.
        encode: Takes the object; returns a value of sendable parts. Raises `Unsendable` for what has no such parts.
        decode: Takes that value; returns the object. May import what it needs: it runs only when such a frame
            arrives. Must check what it is given, and raise ValueError, TypeError or LookupError if it is not in order.
    """

    name: str
    types: Sequence[str]
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


class Unsendable(Exception):
    """What was reached has no typed form. The path to it grows as the exception rises.

    Args:
        type_name: What it is, for people.
        reason: Why it has none, as a sentence; may be empty.
        path: Where it is below the object that is being encoded: ".column" or "[3]".
    """

    def __init__(self, type_name: str, reason: str = "", path: str = "") -> None:
        super().__init__(type_name)
        self.type_name, self.reason, self.path = type_name, reason, path


_forms: dict[str, Form] = {}
_by_type: dict[type, Form] = {}
_lock = threading.Lock()


def register_form(form: Form) -> None:
    """Make objects of the form's types sendable. Both sides of a connection must have registered it.

    Raises:
        ValueError: Another form has the name.
    """
    with _lock:
        if _forms.get(form.name, form) is not form:
            raise ValueError(f"Another form is registered under the name {form.name!r}")
        _forms[form.name] = form


def find_form(kind: type) -> Form | None:
    """Return the form for objects whose class is exactly `kind`."""
    form = _by_type.get(kind)
    if form is None:
        for candidate in list(_forms.values()):
            if any(_resolve(name) is kind for name in candidate.types):
                form = _by_type[kind] = candidate
                break
    return form


def form_named(name: str) -> Form:
    """Return the form of that name; raises LookupError when this process has none."""
    return _forms[name]


def _resolve(dotted: str) -> object:
    module, _, attribute = dotted.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)
