"""The kinds of values that plugins bring, and the plugins and kinds of a running program that worker processes need."""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tiffin import pickling
from tiffin.exceptions import HookError, PicklingError, PluginError, PluginWarning
from tiffin.plugins._adapter_info import AdapterInfo
from tiffin.plugins._manager import HookManager, implemented_hooks
from tiffin.plugins._registry import listeners, registry
from tiffin.values import ValueKind, register_kind
from tiffin.values import registry as kinds

_ATTEMPTS = 3


class _Asking:
    """Which plugins have been asked for their kinds, and what they answered. Without a lock, as `KindRegistry` is."""

    def __init__(self) -> None:
        self._answered: dict[str, list[ValueKind]] = {}
        self._failures: dict[str, int] = {}

    def changed(self, name: str) -> None:
        """Let a plugin that came or went be asked anew; its kinds go with it."""
        self._failures.pop(name, None)
        kinds.forget(self._answered.pop(name, []))

    def keep(self, name: str, found: list[ValueKind]) -> None:
        """Remember whose kinds these are: they are registered, and the plugin need not be asked again."""
        self._answered[name] = found

    def failed(self, name: str) -> bool:
        """Return whether to ask a plugin again that has failed: it may have been an interrupt, which strikes anywhere."""
        self._failures[name] = self._failures.get(name, 0) + 1
        return self._failures[name] < _ATTEMPTS

    def next(self, *, imported: bool) -> list[tuple[str, list[str], Callable[[], Iterable[Any]]]]:
        """Return who brings kinds and was not asked yet: name, an adapter's packages, and the call.

        Args:
            imported: whether those are meant whose turn it is: plugins, and adapters with a package that is imported. Else,
                adapters that wait for that.
        """
        try:
            others = registry().others()
        except PluginError as error:
            warnings.warn(f"Looked for kinds of values without plugins: {error}", PluginWarning, stacklevel=3)
            others = []
        asked: list[tuple[str, list[str], Callable[[], Iterable[Any]]]] = []
        for name, plugin in others:
            if imported and name not in self._answered:
                if implemented_hooks(plugin, name).get("values") is False:
                    manager = HookManager()
                    manager.add(plugin, name)
                    asked.append((name, [], manager.hook.values))
                else:
                    self.keep(name, [])
        for name, adapter in registry().usable()[0].items():
            if name not in self._answered and "values" in adapter.hooks:
                packages = _packages(adapter.info)
                if any(package in sys.modules for package in packages) is imported:
                    asked.append((name, packages, adapter.values))
        return asked


def _packages(info: AdapterInfo) -> list[str]:
    """Return the packages of the classes that an adapter stores; plain data that it takes by name brings it nothing."""
    named = {dotted.partition(".")[0] for dotted in info.types_by_name} - sys.stdlib_module_names
    return sorted({dotted.partition(".")[0] for dotted in info.types} | named)


_asking = _Asking()


def known_kinds() -> Iterator[ValueKind | None]:
    """Yield the kinds of plugins that have not been asked yet, and of adapters whose packages have been imported since.

    Imports the module of every adapter at the first call, and no framework. What a plugin does wrong is warned of, and its
    values are unknown: the calls that bring others go on. A plugin counts as asked once all its kinds were taken. Where it
    fails or is interrupted it is asked again, three times at most, which a `None` announces. Of several threads that meet a
    class at once each asks for itself, so that none goes on without an answer.
    """
    for name, _, ask in _asking.next(imported=True):
        answers: list[ValueKind] = []
        try:
            answers = _checked(name, ask())
        # An adapter may fail in any way, and must not take others down with it; the cause is shown.
        except Exception as error:  # noqa: BLE001
            text = f"The plugin {name!r} cannot say its kinds of values: {type(error).__name__}: {error}"
            warnings.warn(f"{text}. They are not known here", PluginWarning, stacklevel=2)
            if _asking.failed(name):
                yield None
                continue
        yield from answers
        _asking.keep(name, answers)


def waiting_packages() -> list[str]:
    """Return the packages whose import makes an adapter bring kinds of values; a worker process watches for them."""
    return sorted({package for _, packages, _ in _asking.next(imported=False) for package in packages})


def _checked(name: str, answers: Iterable[Any]) -> list[ValueKind]:
    found: list[ValueKind] = []
    for answer in answers:
        if answer is None:
            continue
        if isinstance(answer, (str, ValueKind)) or not isinstance(answer, Iterable):
            raise HookError(
                f"The plugin {name!r} answers values with {answer!r}", fix="Return a list of kinds", plugin=name
            )
        for kind in answer:
            if not isinstance(kind, ValueKind):
                raise HookError(
                    f"The plugin {name!r} answers values with {kind!r} among its kinds",
                    fix="Each is an object of a subclass of tiffin.values.ValueKind",
                    plugin=name,
                )
            found.append(kind)
    return found


def carried() -> dict[str, Any]:
    """Return what the running program registered itself, for a worker process: plugins and kinds, each pickled.

    What cannot be pickled is left out; a worker that needs it says so.
    """

    def pickled(things: Mapping[str, Any]) -> dict[str, bytes]:
        data = {}
        for name, thing in things.items():
            try:
                data[name] = pickling.dumps(thing)
            except PicklingError as error:
                _logger().info("%r is not taken along to worker processes: %s", name, error)
        return data

    return {
        "plugins": pickled(registry().at_run_time()),
        "kinds": pickled({kind.name: kind for kind in kinds.at_run_time}),
    }


def _logger() -> Any:
    import logging  # here, because it costs a first load 2 ms

    return logging.getLogger("tiffin.plugins")


def restore(taken: Mapping[str, Mapping[str, bytes]]) -> None:
    """Register what `carried` took along. The bytes are the parent's own, as the whole program of a worker is."""
    for name, data in taken["plugins"].items():
        if not registry().has(name):
            try:
                registry().register(pickle.loads(data), name)  # noqa: S301 - see above
            except (PluginError, ImportError, AttributeError) as error:
                _logger().warning(
                    "The plugin %r of the program that started this worker is missing here: %s", name, error
                )
    for data in taken["kinds"].values():
        register_kind(pickle.loads(data))  # noqa: S301 - as above


listeners.append(_asking.changed)
kinds.sources.append(known_kinds)
