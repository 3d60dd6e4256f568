"""The registry of kinds of values: by class, along the MRO, and by name, for frames."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tiffin.exceptions import PluginError
from tiffin.values._class_names import means
from tiffin.values._kind import ValueKind

_OWN = sys.stdlib_module_names | {"builtins", "numpy", "tiffin"}
"""Packages whose classes no plugin is asked about."""
_MANY = 4096
"""Classes remembered; classes that a program makes by the thousand must not all be kept alive."""
_PAIRS = (("count", "key", "join", "cut"), ("send", "receive"))


class KindRegistry:
    """Kinds of values. Finding one is safe from any thread, and a lookup in a dict for a class that was met before.

    There is no lock: callers' threads come here, and may be interrupted at any line. Each change is one step of a dict or
    list, in an order in which others find the kind from before or the new one; what was broken off can be done once more.
    """

    def __init__(self) -> None:
        self.named: dict[str, ValueKind] = {}
        """Kinds by their names in frames. Nobody is asked for a name that is not here."""
        self.sources: list[Callable[[], Iterable[ValueKind | None]]] = []
        """Each returns the kinds that have become known since it was last asked; asked when a class is not known. `None`
        among them says that there may be more, which could not be had this time."""
        self.generation = 0
        """Counts changes of what is registered."""
        self.at_run_time: list[ValueKind] = []
        """What the running program registered itself, and worker processes are told of."""
        self._kinds: list[ValueKind] = []
        self._known: dict[type, ValueKind | None] = {}
        self._changes = itertools.count(1)

    def register(self, kind: ValueKind) -> None:
        """Take in a kind. Of several that name one class, the latest counts.

        Raises:
            PluginError: it lacks a name or types, has the name of another kind, or overrides half of what belongs
                together.
        """
        _check(kind)
        other = self.named.get(kind.name)
        if other is not None and _identity(other) != _identity(kind):
            raise PluginError(
                f"Two kinds of values have the name {kind.name!r}: {_identity(other)} and {_identity(kind)}",
                why="Frames between processes name the kind of what they hold, so a name must mean one",
                fix="Give one of them another name",
                plugin=kind.name,
            )
        self._kinds.append(kind)
        self.named[kind.name] = kind
        if other is not None:
            self._drop(other)
        self._changed()

    def forget(self, kinds: Iterable[ValueKind]) -> None:
        """Undo `register`; kinds that are not there are passed over."""
        for kind in kinds:
            if self.named.get(kind.name) is kind:
                self.named.pop(kind.name, None)
            self._drop(kind)
            self.at_run_time[:] = [other for other in self.at_run_time if other is not kind]
        self._changed()

    def _drop(self, kind: ValueKind) -> None:
        with contextlib.suppress(ValueError):  # somebody else has
            self._kinds.remove(kind)

    def _changed(self) -> None:
        self._known = {}
        self.generation = next(self._changes)

    def _latest_first(self) -> list[ValueKind]:
        # One that was replaced, or whose registration was broken off, does not count.
        return [kind for kind in reversed(list(self._kinds)) if self.named.get(kind.name) is kind]

    def find(self, cls: type) -> ValueKind | None:
        """Return the kind of values of this class, or `None`. Asks plugins about a class that is not known."""
        try:
            return self._known[cls]
        except KeyError:
            return self._search(cls)

    def _search(self, cls: type) -> ValueKind | None:
        known = self._known  # of what is registered now: what is found belongs to nothing newer
        found = self._look(cls)
        if found is None and any(ancestor.__module__.partition(".")[0] not in _OWN for ancestor in cls.__mro__):
            complete = self.ask()
            known = self._known
            found = self._look(cls)
            if found is None and not complete:
                return None
        if len(known) >= _MANY:
            known.clear()
        known[cls] = found
        return found

    def _look(self, cls: type) -> ValueKind | None:
        kinds = self._latest_first()
        for ancestor in cls.__mro__:
            for kind in kinds:
                if (ancestor is cls or kind.subclasses) and any(means(claim, ancestor) for claim in kind.types):
                    return kind
        return None

    def find_sendable(self, cls: type) -> ValueKind | None:
        """Return the kind that says how values of this class cross, or `None`. Not always the one that joins them."""
        found = self.find(cls)
        if found is None or _overrides(found, "send"):
            return found
        for kind in self._latest_first():
            if _overrides(kind, "send") and any(means(claim, cls) for claim in kind.types):
                return kind
        return None

    def ask(self) -> bool:
        """Take in the kinds of plugins whose packages have been imported since they were last asked; tell whether all are."""
        complete = True
        for source in self.sources:
            for kind in source():
                if kind is None:
                    complete = False
                else:
                    self.register(kind)
        return complete

    def settle(self, value: Any) -> Any:
        """Return a method's result as callers get it, see `ValueKind.settle`."""
        kind = self.find(type(value))
        return value if kind is None else kind.settle(value)

    def takes(self) -> list[str]:
        """Return the names of the kinds of which this process can receive values, of those known by now."""
        return [name for name, kind in list(self.named.items()) if _overrides(kind, "receive") and _available(kind)]


def make_ready(kind: ValueKind) -> None:
    """Import the modules of the kind's classes, so that `receive` finds them."""
    for claim in kind.types:
        if isinstance(claim, str):
            _import(claim.rpartition(".")[0])


def _import(module: str) -> None:
    package = module.partition(".")[0]
    if module not in sys.modules and _installed(package):
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            # A private place that has moved, or a class inside a class: the package is what counts.
            importlib.import_module(package)


def _available(kind: ValueKind) -> bool:
    return all(isinstance(claim, type) or _installed(claim.partition(".")[0]) for claim in kind.types)


_found: dict[str, bool] = {}


def _installed(package: str) -> bool:
    if package in sys.modules:
        return True
    if package not in _found:
        _found[package] = importlib.util.find_spec(package) is not None
    return _found[package]


def _overrides(kind: ValueKind, method: str) -> bool:
    return getattr(type(kind), method, None) is not getattr(ValueKind, method)


def _identity(kind: ValueKind) -> str:
    return f"{type(kind).__module__}.{type(kind).__qualname__}"


def _check(kind: Any) -> None:
    what = fix = ""
    name = getattr(kind, "name", None)
    types = getattr(kind, "types", None)
    if not isinstance(kind, ValueKind):
        what, fix = f"{kind!r} is no kind of values", "Give an object of a subclass of tiffin.values.ValueKind"
    elif not isinstance(name, str) or not name:
        what, fix = f"The kind of values {_identity(kind)} has the name {name!r}", "Give it one: name = 'package.Class'"
    elif (
        isinstance(types, str)
        or not isinstance(types, Sequence)
        or not types
        or not all(isinstance(claim, type) or (isinstance(claim, str) and "." in claim) for claim in types)
    ):
        what = f"The kind of values {name!r} has types={types!r}"
        fix = "Give a list of classes or dotted names: types = ['package.Class']"
    else:
        for methods in _PAIRS:
            missing = [method for method in methods if not _overrides(kind, method)]
            # A key alone is good too: it says which values look alike as items of a list.
            if missing and len(missing) < len(methods) and missing != ["count", "join", "cut"]:
                what = f"The kind of values {name!r} lacks {' and '.join(missing)}"
                fix = f"Write all of {', '.join(methods)}, or none"
    if what:
        raise PluginError(what, why="It could not do what it is asked for", fix=fix, plugin=str(name or ""))


registry = KindRegistry()
"""The kinds that every runner, worker and client of this process uses."""


def register_kind(kind: ValueKind) -> None:
    """Take in a kind of values, in this process and in the worker processes that it starts from now on.

    Packages bring kinds through the hook `values` instead.

    Args:
        kind: an object of a subclass of `ValueKind`. Of several that name one class, the latest counts; a kind of the same
            name and class takes the place of the one before.

    Raises:
        PluginError: it is no proper kind, or another one has its name.
    """
    registry.register(kind)
    registry.at_run_time[:] = [other for other in registry.at_run_time if other.name != kind.name] + [kind]


def find_kind(value: object) -> ValueKind | None:
    """Return the kind of this value, or `None` if nobody knows it."""
    return find_class(type(value))


def find_class(cls: type) -> ValueKind | None:
    """Return the kind of values of this class, or `None` if nobody knows it."""
    import tiffin.values.kinds  # noqa: F401 - numpy is slow to import, and records of models need none of it

    return registry.find(cls)


def from_numpy(array: Any, spec: Mapping[str, Any]) -> Any:
    """Return the value that a spec describes, made of a numpy array: the array itself where the spec names no kind.

    Args:
        array: a numpy array.
        spec: a spec of type "array", as `tiffin.signatures.infer_spec` makes it; its field "kind" names the kind of values.

    Raises:
        LookupError: this process does not know the kind, or the kind makes no values of arrays.
    """
    name = spec.get("kind")
    if name is None:
        return array
    if name not in registry.named:
        registry.ask()
    return registry.named[name].from_numpy(array, spec)
