"""Objects with a hash of their own that may be keys in what they themselves hold.

Such an object is in a dict before its own state is set, so its hash has to be right by then.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from tiffin.pickling import rebuild
from tiffin.pickling._children import children
from tiffin.pickling._functions import Unloadable
from tiffin.pickling._objects import reduce_named, split_state

# Objects that are looked at before the search is given up: a trial load tells then.
_SEARCHED = 200_000


class KeyedObjects:
    """Says how objects with a hash of their own are pickled, and finds those that cannot be loaded."""

    def __init__(self) -> None:
        self._doubtful: list[Any] = []

    def reduce(self, obj: Any) -> Any:
        """Return the recipe, with what the hash may need first."""
        recipe = obj.__reduce_ex__(5)
        if isinstance(recipe, str):
            return reduce_named(obj, recipe)
        if hasattr(obj, "__setstate__"):
            holds = len(recipe) > 2 and recipe[2] is not None
        else:
            recipe, holds = split_state(recipe)
        if holds and not _has_its_hash(obj, recipe):
            self._doubtful.append(obj)
        return recipe

    def check(self) -> None:
        """Refuse objects that are keys in what they hold, and have not their hash when they become that.

        Raises:
            Unloadable: there is one.
        """
        doubtful = {id(obj): obj for obj in self._doubtful}
        if not doubtful:
            return
        budget = _SEARCHED
        for obj in self._doubtful:
            waiting, seen = deque([obj]), {id(obj): obj}
            while waiting and budget:
                budget -= 1
                current = waiting.popleft()
                if isinstance(current, (dict, set, frozenset)) and any(_holds(key, obj) for key in list(current)):
                    raise KeyOfItself(obj)
                for _, child in children(current):
                    if id(child) not in seen:
                        seen[id(child)] = child
                        waiting.append(child)


class KeyOfItself(Unloadable):
    """An object is a key in a dict or set within itself, and has not its hash when that is filled.

    Attributes:
        obj: the object.
    """

    def __init__(self, obj: Any) -> None:
        super().__init__(
            "it is a key in a dict or set that it holds itself, and its hash needs what is loaded after that",
            "Let its __hash__ use attributes that are numbers and strings, or leave the dict out of the object's state "
            "(__getstate__) and fill it anew",
        )
        self.obj = obj


def _has_its_hash(obj: Any, recipe: Any) -> bool:
    if recipe[0] is not rebuild.early:
        return False
    try:
        return hash(rebuild.early(*recipe[1])) == hash(obj)
    # A hash of the object's own may fail in any way where attributes are missing.
    except Exception:  # noqa: BLE001
        return False


def _holds(key: Any, obj: Any) -> bool:
    return key is obj or (isinstance(key, (tuple, frozenset)) and any(_holds(each, obj) for each in key))
