"""The unpickler: pickle's, which also reads what cloudpickle itself wrote, with classes that stay apart.

cloudpickle gives each class by value a number, and takes a class of the same number that the program has for the same
class: it sets that one back to what was saved. Here a class by value belongs to the version that it came with.
"""

from __future__ import annotations

import contextlib
import pickle
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from tiffin.pickling import rebuild

# Where cloudpickle's functions take the class's number. These names stand in pickles, and so cannot change.
_TRACKED = {"_make_skeleton_class": 4, "_make_skeleton_enum": 5, "_make_typevar": 5}
_BUILTIN_TYPE = "_builtin_type"

# Called for each name in a pickle: `super()` would take as long as the rest.
_find_class = pickle.Unpickler.find_class

_saved_by: ContextVar[str] = ContextVar("saved_by", default="")


@contextlib.contextmanager
def saved_by(python: str) -> Iterator[None]:
    """Say for the block which version of Python saved what is loaded: code that does not say so itself is of that one.

    Args:
        python: the version, as "3.11.7"; empty if it is not known.
    """
    token = _saved_by.set(python)
    try:
        yield
    finally:
        _saved_by.reset(token)


class Unpickler(pickle.Unpickler):
    """Unpickle what Tiffin, or cloudpickle, has written. Runs code that the pickle names or holds.

    Code by value of another minor version of Python is refused, with a PicklingError. A class by value is a new one each
    time, whatever class of this name the program has.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names; what makes classes and code for cloudpickle, with its habits mended."""
        found = _find_class(self, module, name)
        if module.startswith("cloudpickle"):
            if name in _TRACKED:
                return _apart(found, _TRACKED[name])
            if name == _BUILTIN_TYPE:
                return lambda wanted: _code_of_old if wanted == "CodeType" else found(wanted)
        return found


def _apart(make: Callable[..., Any], place: int) -> Callable[..., Any]:
    return lambda *arguments: make(*arguments[:place], None, *arguments[place + 1 :])


def _code_of_old(*arguments: Any) -> types.CodeType:
    saved = _saved_by.get()
    if saved:
        rebuild.check_python(saved)
    return types.CodeType(*arguments)
