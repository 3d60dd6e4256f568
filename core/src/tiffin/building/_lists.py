"""Lists: what may be built of a stranger's tape. Exact names only; what is on no list is never imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import attrs

from tiffin.exceptions import PicklingError
from tiffin.inspection import Unfollowable

Make = Callable[[tuple[Any, ...], Any], Any]
Check = Callable[[Any], None]


class Unbuildable(Unfollowable):
    """What a tape says cannot be, or must not be, built."""


def require(fact: Any, said: str) -> None:
    """Refuse what is not so; for makers and checks.

    Args:
        fact: what has to be true.
        said: what the file does where it is not, as the end of a sentence: "it ".

    Raises:
        Unbuildable: it is not.
    """
    if not fact:
        raise Unbuildable(said)


def is_one(found: Any, *wanted: Any) -> bool:
    """Tell whether a value of a stranger's is one of some plain values, by type and value; for makers and checks.

    No object is asked whether it is equal, since its class would answer: a sparse matrix that is compared with 0, alone or
    in a tuple, makes one of all its places, which takes as much memory as its shape says.

    Args:
        found: from a stranger.
        wanted: numbers, texts, bytes, `None`, empty dicts, and tuples of these.
    """
    return any(_is_same(found, one) for one in wanted)


def _is_same(found: Any, wanted: Any) -> bool:
    if type(found) is not type(wanted):
        return False
    if type(wanted) is tuple:
        return len(found) == len(wanted) and all(map(_is_same, found, wanted))
    return bool(found == wanted)


class Name(NamedTuple):
    """A name that a tape gives to a maker which takes it; nothing is imported for it."""

    module: str
    name: str

    @property
    def dotted(self) -> str:
        """The name as lists have it."""
        return f"{self.module}:{self.name}" if "." in self.name else f"{self.module}.{self.name}"

    def find(self) -> Any:
        """Import the module, and return what the name stands for. Only for names that are on a list.

        Raises:
            PicklingError: it is not there; another release of its package may have had it.
        """
        try:
            found: Any = sys.modules.get(self.module) or importlib.import_module(self.module)
            for part in self.name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            top = self.module.partition(".")[0]
            raise PicklingError(
                f"The model needs {self.dotted!r}, which is not there",
                why=str(error),
                fix=f"Install {top!r} in the version that the model was saved with",
                path="",
                module=self.module if isinstance(error, ModuleNotFoundError) else "",
            ) from error
        return found


def names(argument: Any, *dotted: str) -> bool:
    """Tell whether an argument of a maker is one of some names. A tuple of two texts, which looks like one, is none.

    Args:
        argument: from a stranger.
        dotted: "module.name", or "module:Outer.name".
    """
    return argument.__class__ is Name and argument.dotted in dotted


@attrs.frozen
class Maker:
    """How one kind of object is made; core calls it where the file would have something called.

    Attributes:
        make: a function of the arguments, a tuple, and of the state, which is `None` where there is none. Both come from a
            stranger: plain values, arrays, what other makers made, instances of listed classes. It checks all that compiled
            code would trip over, and raises `Unbuildable` (see `require`), ValueError, TypeError, KeyError or the like.
        takes: dotted names that may stand among the arguments and in the state; the maker gets each as a `Name`.
        new: whether pickles make it as a new instance of a class, without a call; a file that does the other is refused.
        items: whether it is made before its state is known, and then takes items.
        drops_state: whether a state is passed over, as the class itself does.
        attributes: whether, where it takes items, its state are plain attributes, which it gets.
        hashes: whether the items of its first argument become keys.
        cost: bytes that each object counts for beside what its maker is given; for those that are large, or slow to make.
    """

    make: Make
    takes: frozenset[str] = frozenset()
    new: bool = attrs.field(default=False, kw_only=True)
    items: bool = False
    drops_state: bool = False
    attributes: bool = False
    hashes: bool = False
    cost: int = attrs.field(default=0, kw_only=True)


class Lists:
    """Classes, functions, makers and checks of core and of adapters together. What was added first counts."""

    def __init__(self) -> None:
        self.classes: set[Name] = set()
        self.functions: set[Name] = set()
        self.makers: dict[Name, Maker] = {}
        self.taken: set[Name] = set()
        self.checks: dict[Name, list[Check]] = {}

    def add(
        self,
        classes: Iterable[str] = (),
        functions: Iterable[str] = (),
        makers: Mapping[str, Maker | Make] | None = None,
        checks: Mapping[str, Check] | None = None,
    ) -> None:
        """Add what core, or one adapter, allows.

        Args:
            classes: names of classes whose instances are made empty, and get the attributes that the file has for them.
            functions: names that may stand as values: functions and classes that are stored by name.
            makers: name → how it is made.
            checks: name of a class → a function of each instance, called when all is built.
        """
        self.classes.update(map(as_name, classes))
        self.functions.update(map(as_name, functions))
        for dotted, maker in (makers or {}).items():
            whole = maker if isinstance(maker, Maker) else Maker(maker)
            self.makers.setdefault(as_name(dotted), whole)
            self.taken.update(map(as_name, whole.takes))
        for dotted, check in (checks or {}).items():
            self.checks.setdefault(as_name(dotted), []).append(check)

    def knows(self, name: Name) -> bool:
        """Tell whether a name is on any of the lists."""
        return name in self.classes or name in self.functions or name in self.makers or name in self.taken


def as_name(dotted: str) -> Name:
    """Return the name that is written so: "module.name", or "module:Outer.name"."""
    module, colon, name = dotted.partition(":")
    return Name(module, name) if colon else Name(*dotted.rpartition(".")[::2])
