"""The kinds of values that plugins bring, and the plugins and kinds of a running program that worker processes need."""

from __future__ import annotations

import logging
import pickle
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from tiffin.exceptions import HookError, PluginError, PluginWarning
from tiffin.plugins._registry import Registry, registry
from tiffin.values import ValueKind, register_kind
from tiffin.values import registry as kinds

logger = logging.getLogger("tiffin.plugins")


def known_kinds() -> list[ValueKind]:
    """Return the kinds of plugins that have not been asked yet, and of adapters whose packages have been imported since.

    Imports the module of every adapter at the first call, and no framework. What a plugin does wrong is warned of, and its
    values are unknown: the calls that bring others go on.
    """
    found = []
    for name, ask in registry().unasked(sys.modules):
        try:
            answers = _checked(name, ask())
        # An adapter may fail in any way, and must not take others down with it; the cause is shown.
        except Exception as error:  # noqa: BLE001
            text = f"The plugin {name!r} cannot say its kinds of values: {type(error).__name__}: {error}"
            warnings.warn(f"{text}. They are not known here", PluginWarning, stacklevel=2)
        else:
            registry().keep_kinds(name, answers)
            found += answers
    return found


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
    import cloudpickle  # type: ignore[import-untyped]

    def pickled(things: Mapping[str, Any]) -> dict[str, bytes]:
        data = {}
        for name, thing in things.items():
            try:
                data[name] = cloudpickle.dumps(thing)
            except Exception as error:  # noqa: BLE001 - an object's own reduction may raise anything
                logger.info("%r is not taken along to worker processes: %s", name, error)
        return data

    return {
        "plugins": pickled(registry().at_run_time()),
        "kinds": pickled({kind.name: kind for kind in kinds.at_run_time}),
    }


def restore(taken: Mapping[str, Mapping[str, bytes]]) -> None:
    """Register what `carried` took along. The bytes are the parent's own, as the whole program of a worker is."""
    for name, data in taken["plugins"].items():
        if not registry().has(name):
            try:
                registry().register(pickle.loads(data), name)  # noqa: S301 - see above
            except (PluginError, ImportError, AttributeError) as error:
                logger.warning("The plugin %r of the program that started this worker is missing here: %s", name, error)
    for data in taken["kinds"].values():
        register_kind(pickle.loads(data))  # noqa: S301 - as above


def listen(plugins: Registry) -> None:
    """Let whoever meets an unknown class ask the plugins."""
    plugins.changed = lambda gone: kinds.forget(gone)
    kinds.sources.append(known_kinds)


listen(registry())
