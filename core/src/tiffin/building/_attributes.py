"""Attributes: what an instance of a listed class may be given."""

from __future__ import annotations

import inspect
from typing import Any

from tiffin.building._lists import Unbuildable

PLAIN = frozenset({type(None), bool, int, float, str, bytes})
"""Types whose values run no code of the file's, whatever is done with them."""
_ABSENT = object()


class Attributes:
    """A listed class, and which attributes its instances may get.

    An attribute never hides what the class has, a method or property least of all; but a plain value may stand before a plain
    one where the class takes it as a setting.

    Args:
        kind: the class.

    Raises:
        Unbuildable: it is no class.
    """

    def __init__(self, kind: Any) -> None:
        if not isinstance(kind, type):
            raise Unbuildable("it makes an instance of what is no class")
        self.kind = kind
        self._free: set[str] = set()

    def set(self, instance: Any, state: Any) -> None:
        """Give an instance the attributes that a file has for it.

        Raises:
            Unbuildable: they are no plain dict, or one of them has a name that it must not have.
        """
        if type(state) is not dict:
            raise Unbuildable(f"it has a state of {self.kind.__name__} that is no dict")
        for name, value in state.items():
            if name not in self._free:
                self._check(name, value)
        instance.__dict__.update(state)

    def _settings(self) -> Any:
        """Return the names of what the class takes when it is made; others that it has decide what its methods do."""
        return inspect.signature(self.kind).parameters

    def _check(self, name: Any, value: Any) -> None:
        if type(name) is not str or not name.isidentifier() or name.startswith("__"):
            raise Unbuildable(f"it sets an attribute of {self.kind.__name__} whose name is none")
        # Looked up without asking the class, which might answer by a property's code.
        own = next((vars(base)[name] for base in self.kind.__mro__ if name in vars(base)), _ABSENT)
        if own is _ABSENT:
            self._free.add(name)
        elif type(own) not in PLAIN or type(value) not in PLAIN or name not in self._settings():
            raise Unbuildable(f"it hides the attribute {name} of {self.kind.__name__}")
