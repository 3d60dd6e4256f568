"""The registry: every plugin of this process, installed or registered at run time."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Container
from importlib.machinery import PathFinder
from pkgutil import resolve_name
from threading import RLock
from typing import Any, NamedTuple, cast

from tiffin.exceptions import (
    AdapterNotFoundError,
    BrokenPluginError,
    HookError,
    PluginConflictError,
    PluginError,
    PluginWarning,
)
from tiffin.hints import install_hint
from tiffin.plugins import _discovery
from tiffin.plugins._adapter import Adapter
from tiffin.plugins._claims import nearest
from tiffin.plugins._discovery import InstalledPlugin
from tiffin.plugins._manager import HookManager, implemented_hooks
from tiffin.plugins.hookspecs import ADAPTER_HOOKS, SHARED_HOOKS
from tiffin.showing import close_names

listeners: list[Callable[[str], None]] = []
"""Each is called with its name when a plugin comes or goes."""
RUNNING = "(this program)"
"""Stands for the distribution of a plugin that was registered at run time."""


class PluginDescription(NamedTuple):
    """One row of `tiffin plugins list`.

    Attributes:
        name: its name.
        kind: "adapter" or "plugin".
        distribution: the distribution that it comes from.
        version: that distribution's version.
        types: the types that an adapter claims.
        state: "ok", "broken", "conflict" or "disabled".
        cause: why it is not "ok"; else empty.
        aliases: further names of an adapter.
    """

    name: str
    kind: str
    distribution: str
    version: str
    types: tuple[str, ...] = ()
    state: str = "ok"
    cause: str = ""
    aliases: tuple[str, ...] = ()


class Registry:
    """Finds, loads and registers plugins. Safe to use from several threads; what is there already is found without a lock."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._installed: dict[str, dict[str, list[InstalledPlugin]]] = {}
        self._adapters: dict[str, Adapter] = {}
        self._running: dict[str, Adapter] = {}
        self._broken: dict[str, PluginError] = {}
        self._broadcast: HookManager | None = None
        self._others: dict[str, object] = {}
        self._generation = 0

    # -- adapters ------------------------------------------------------------------------------------------------------

    def installed(self, group: str = _discovery.ADAPTERS) -> dict[str, list[InstalledPlugin]]:
        """Return the installed plugins of a group by name, read once per process; imports none."""
        if not self._installed:
            with self._lock:
                self._installed = self._installed or _discovery.installed()
        return self._installed[group]

    def names(self) -> list[str]:
        """Return the names of all adapters, aliases left out, without importing any."""
        names = {plugin.name for plugins in self.installed().values() for plugin in plugins}
        return sorted((names - _discovery.disabled()) | set(self._running))

    def main_name(self, name: str) -> str:
        """Return the name of the adapter that `name` means: its own, where `name` is an alias; imports nothing."""
        candidates = self.installed().get(name, [])
        return candidates[0].name if name not in self._running and len(candidates) == 1 else name

    def has(self, name: str) -> bool:
        """Tell whether an adapter of that name, or with that alias, is there; imports nothing."""
        return name in self._running or (name in self.installed() and name not in _discovery.disabled())

    def is_running(self, name: str) -> bool:
        """Tell whether the adapter was registered in this program, and so is not there in another process."""
        return name in self._running

    def adapter(self, name: str) -> Adapter:
        """Return the adapter called `name`; imports its module at the first call.

        Raises:
            AdapterNotFoundError: there is none.
            BrokenPluginError, HookError: it is there and cannot be used.
            PluginConflictError: there are two.
        """
        found = self._running.get(name) or self._adapters.get(name)
        if found is None:
            with self._lock:
                found = self._running.get(name) or self._adapters.get(name) or self._load_adapter(name)
        return found

    def _load_adapter(self, name: str) -> Adapter:
        candidates = self.installed().get(name, [])
        if name in _discovery.disabled():
            raise AdapterNotFoundError(
                f"The adapter {name!r} is switched off",
                why=f"${_discovery.DISABLE} names it",
                fix=f"Remove it from ${_discovery.DISABLE}",
                plugin=name,
            )
        if not candidates:
            close = close_names(name, self.names(), 1)
            raise AdapterNotFoundError(
                f"There is no adapter {name!r} (installed: {', '.join(self.names()) or 'none'})",
                fix=install_hint(name)
                or (f"Did you mean {close[0]!r}?" if close else "Install the package that brings it"),
                plugin=name,
            )
        self._refuse_conflict(name)
        if name in self._broken:
            # Without its old traceback, which would grow with each raise and keep everybody's variables alive.
            raise self._broken[name].with_traceback(None)
        plugin = candidates[0]
        if plugin.name != name:
            return self._alias(name, plugin.name)
        try:
            _refuse_reserved(name)
            adapter = self._make_adapter(name, _load(plugin))
        except PluginError as error:
            self._broken[name] = error
            raise
        self._adapters[name] = adapter
        return adapter

    def _alias(self, alias: str, name: str) -> Adapter:
        self._adapters[alias] = self.adapter(name)
        return self._adapters[alias]

    def _make_adapter(self, name: str, plugin: object) -> Adapter:
        hooks = implemented_hooks(plugin, name)
        if "context_info" not in hooks:
            raise HookError(
                f"The adapter {name!r} does not say what it is: it has no hook 'context_info'",
                fix="Write one that returns an AdapterInfo or a dict, and mark it with @tiffin.hookimpl",
                plugin=name,
            )
        for hook, wraps in hooks.items():
            if wraps or hook not in (*ADAPTER_HOOKS, *SHARED_HOOKS):
                raise HookError(
                    f"The adapter {name!r} {'wraps' if wraps else 'implements'} the hook {hook!r}",
                    why="An adapter is imported only when it is needed, so the hook would mostly be missed",
                    fix=f"Put it into a plugin of its own, in the entry-point group {_discovery.PLUGINS!r}",
                    plugin=name,
                )
        return Adapter(name, plugin, set(hooks), self._wrappers)

    def adapter_for(self, model: object, *, without: Container[str] = ()) -> Adapter:
        """Return the adapter that claims the object most closely; imports every adapter's module, no framework.

        Args:
            model: the object.
            without: names of adapters that have declined it.

        Raises:
            AdapterNotFoundError: none claims it.
            PluginConflictError: two claim the same class.
        """
        kind = type(model)
        self.broadcast()  # a plugin that cannot be used stops the search here; else it would look like broken adapters
        adapters, broken = self.usable()
        found = nearest(kind, {name: a.info.types for name, a in adapters.items() if name not in without})
        type_name = f"{kind.__module__}.{kind.__qualname__}"
        if broken:
            warnings.warn(
                f"Looked for the adapter of {type_name} without {', '.join(broken)}, which cannot be used; "
                "'tiffin plugins list' shows why",
                PluginWarning,
                stacklevel=2,
            )
        if not found:
            raise AdapterNotFoundError(
                f"No adapter stores objects of type {type_name} (installed: {', '.join(self.names()) or 'none'})",
                fix="Install the adapter of its framework. Any Python object is stored by another one"
                + install_hint("picklable").replace("Try", ", with which you can begin"),
                plugin="",
            )
        if len(found) > 1:
            raise PluginConflictError(
                f"The adapters {' and '.join(found)} claim {type_name} equally",
                why="Which of them is meant cannot be told",
                fix=f"Name one: tiffin.{found[0]}.save_model(…), or tiffin.save(…, framework={found[0]!r})",
                plugin=found[0],
                distributions=tuple(found),
            )
        return adapters[found[0]]

    def usable(self) -> tuple[dict[str, Adapter], list[str]]:
        """Return all adapters that can be used by name, and the names of those that cannot; imports no framework."""
        adapters, broken = {}, []
        for name in self.names():
            try:
                adapter = self.adapter(name)
                _ = adapter.info
            except AdapterNotFoundError:
                continue  # unregistered meanwhile
            except PluginError:
                broken.append(name)
            else:
                adapters[name] = adapter
        return adapters, broken

    # -- other plugins -------------------------------------------------------------------------------------------------

    def broadcast(self) -> Any:
        """Return the caller of the hooks that go to every plugin; loads the group `tiffin.plugins` at the first call.

        Raises:
            BrokenPluginError, HookError, PluginConflictError: one of them cannot be used. It is named, and how to switch
                it off.
        """
        return self._all_others().hook

    def _all_others(self) -> HookManager:
        if self._broadcast is None:
            with self._lock:
                self._broadcast = self._broadcast or self._load_others()
        return self._broadcast

    def _load_others(self) -> HookManager:
        manager = HookManager()
        off = _discovery.disabled()
        for name, candidates in sorted(self.installed(_discovery.PLUGINS).items()):
            if name not in off and name == candidates[0].name:  # not once more under an alias
                self._load_other(manager, name, candidates[0])
        for name, plugin in self._others.items():
            manager.add(plugin, name)
        return manager

    def other(self, name: str) -> object | None:
        """Return the plugin of the group `tiffin.plugins` that is called `name`, `None` where there is none.

        Raises:
            BrokenPluginError, HookError, PluginConflictError: as for `broadcast`.
        """
        return cast("object | None", self._all_others().get_plugin(name))

    def _load_other(self, manager: HookManager, name: str, installed: InstalledPlugin) -> None:
        try:
            for known in (name, *installed.aliases):
                self._refuse_conflict(known)
            self._add_other(manager, name, _load(installed))
        except PluginError as error:
            way_out = f"To go on without it, set {_discovery.DISABLE}={name}"
            error.fix = f"{error.fix}. {way_out}" if error.fix else way_out
            raise

    @staticmethod
    def _add_other(manager: HookManager, name: str, plugin: object) -> None:
        for hook, wraps in implemented_hooks(plugin, name).items():
            if hook in ADAPTER_HOOKS and not wraps:
                raise HookError(
                    f"The plugin {name!r} implements {hook!r} without wrapping it",
                    why="That hook is answered by adapters, one at a time",
                    fix=f"Wrap it with @hookimpl(wrapper=True), or register an adapter in the group {_discovery.ADAPTERS!r}",
                    plugin=name,
                )
        manager.add(plugin, name)

    def _wrappers(self) -> tuple[int, list[tuple[str, object]]]:
        # The number first: whoever keeps later plugins under it asks once more, and not once too few.
        return self._generation, [(name, plugin) for name, plugin in self._all_others().list_name_plugin() if plugin]

    def others(self) -> list[tuple[str, object]]:
        """Return the plugins that are no adapters, by name.

        Raises:
            PluginError: one of them cannot be used.
        """
        return self._wrappers()[1]

    def at_run_time(self) -> dict[str, object]:
        """Return the plugins that were registered in this program, by name."""
        with self._lock:
            return {**{name: adapter.plugin for name, adapter in self._running.items()}, **self._others}

    # -- at run time ---------------------------------------------------------------------------------------------------

    def register(self, plugin: object, name: str) -> None:
        """Do at run time what an entry point does at install time.

        Args:
            plugin: a module or object whose functions are marked with `hookimpl`. One with `context_info` is an adapter.
            name: its name; an adapter's is its framework's name.

        Raises:
            PluginConflictError: the name is taken.
            HookError: a hook is misspelled, has wrong arguments, or is missing.
        """
        check_plugin_name(name)
        with self._lock:
            self._refuse_taken(name)
            hooks = implemented_hooks(plugin, name)
            if not hooks:
                raise HookError(
                    f"The plugin {name!r} implements no hook",
                    fix="Mark its functions with @tiffin.hookimpl",
                    plugin=name,
                )
            if "context_info" in hooks and not hooks["context_info"]:
                adapter = self._make_adapter(name, plugin)
                _ = adapter.info
                self._running[name] = adapter
            else:
                self._add_other(self._all_others(), name, plugin)
                self._others[name] = plugin
            self._generation += 1
        _tell(name)

    def _owners(self, name: str) -> list[str]:
        return [plugin.distribution for group in _GROUPS for plugin in self.installed(group).get(name, [])]

    def _refuse_conflict(self, name: str) -> None:
        owners = self._owners(name)
        if len(owners) > 1:
            alone = len(set(owners)) == 1
            raise PluginConflictError(
                f"The name {name!r} belongs to two plugins, of {' and of '.join(owners)}",
                why="Which of them is meant cannot be told",
                fix=f"Report this to the authors of {owners[0]}"
                if alone
                else f"Uninstall one: pip uninstall {owners[-1]}",
                plugin=name,
                distributions=tuple(owners),
            )

    def _refuse_taken(self, name: str) -> None:
        owners = self._owners(name)
        if name in self._running or name in self._others:
            owners.append(RUNNING)
        if owners:
            raise PluginConflictError(
                f"The name {name!r} is taken by a plugin of {owners[0]}",
                why="Models record the name of their adapter, so it must mean one plugin",
                fix=f"tiffin.unregister({name!r}) first" if RUNNING in owners else "Choose another name",
                plugin=name,
                distributions=(*owners, RUNNING),
            )

    def unregister(self, name: str) -> None:
        """Undo `register`.

        Raises:
            AdapterNotFoundError: nothing was registered under the name at run time.
        """
        with self._lock:
            if name in self._others:
                del self._others[name]
                if self._broadcast is not None:
                    self._broadcast.unregister(name=name)
            elif self._running.pop(name, None) is None:
                raise AdapterNotFoundError(
                    f"No plugin {name!r} was registered in this program",
                    why="Installed plugins are removed with pip, or switched off with " + _discovery.DISABLE,
                    plugin=name,
                )
            self._generation += 1
        _tell(name)

    # -- report --------------------------------------------------------------------------------------------------------

    def describe(self) -> list[PluginDescription]:
        """Return a description of every plugin, by kind and name; imports them all, no framework."""
        rows = []
        for kind, group in (("adapter", _discovery.ADAPTERS), ("plugin", _discovery.PLUGINS)):
            found = self.installed(group)
            for plugin in sorted(
                {p for plugins in found.values() for p in plugins}, key=lambda p: (p.name, p.distribution)
            ):
                row = PluginDescription(plugin.name, kind, plugin.distribution, plugin.version, aliases=plugin.aliases)
                rows.append(self._judge(row, plugin))
        for name, adapter in sorted(self._running.items()):
            rows.append(PluginDescription(name, "adapter", RUNNING, "", tuple(adapter.info_unwrapped().types)))
        rows.extend(PluginDescription(name, "plugin", RUNNING, "") for name in sorted(self._others))
        return sorted(rows, key=lambda row: (row.kind, row.name))

    def _judge(self, row: PluginDescription, plugin: InstalledPlugin) -> PluginDescription:
        if row.name in _discovery.disabled():
            return row._replace(state="disabled", cause=f"named in ${_discovery.DISABLE}")
        try:
            for name in (plugin.name, *plugin.aliases):
                self._refuse_conflict(name)
            if row.kind == "adapter":
                return row._replace(types=tuple(self.adapter(row.name).info_unwrapped().types))
            self._add_other(HookManager(), row.name, _load(plugin))
        except PluginConflictError as error:
            return row._replace(state="conflict", cause=str(error))
        except PluginError as error:
            return row._replace(state="broken", cause=str(error))
        return row


_GROUPS = (_discovery.ADAPTERS, _discovery.PLUGINS)


def _tell(name: str) -> None:
    for listener in listeners:
        listener(name)


def check_plugin_name(name: str) -> None:
    """Refuse what cannot be a plugin's name, whoever has it.

    Raises:
        PluginError: it is no identifier, or begins with "_".
        PluginConflictError: it is a part of Tiffin.
    """
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        raise PluginError(f"{name!r} cannot be a plugin's name", fix="Use letters, digits and '_'", plugin=str(name))
    _refuse_reserved(name)


def _refuse_reserved(name: str) -> None:
    # `tiffin.<name>` would never reach the plugin; and what is a command or module today would silently be something else.
    package = sys.modules["tiffin"]  # not imported from here: it stands above
    if name in package.__all__ or PathFinder.find_spec(f"tiffin.{name}", package.__path__) is not None:
        raise PluginConflictError(
            f"{name!r} cannot be a plugin's name: 'tiffin.{name}' is a part of Tiffin",
            fix="Choose another name",
            plugin=name,
            distributions=("tiffin",),
        )


def _load(plugin: InstalledPlugin) -> object:
    try:
        return resolve_name(plugin.target)
    # A plugin's module may fail in any way, and must not take others down with it; the cause is kept and shown.
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError)
        raise BrokenPluginError(
            f"The plugin {plugin.name!r} of {plugin.distribution} {plugin.version} cannot be imported: "
            f"{type(error).__name__}: {error}",
            fix="Install what is missing" if missing else f"Upgrade or uninstall {plugin.distribution}",
            plugin=plugin.name,
        ) from error


_registry = Registry()


def registry() -> Registry:
    """Return this process's registry."""
    return _registry


def register(adapter: object, name: str) -> None:
    """Register an adapter, or another plugin, in the running program.

    Args:
        adapter: a module or object whose functions are marked with `tiffin.hookimpl`.
        name: the framework's name for an adapter: models that it saves record this name.

    Raises:
        PluginConflictError: the name is taken.
        HookError: a hook is misspelled, has wrong arguments, or is missing.
    """
    _registry.register(adapter, name)


def unregister(name: str) -> None:
    """Undo `register`.

    Raises:
        AdapterNotFoundError: nothing was registered under the name in this program.
    """
    _registry.unregister(name)


def _renew_lock() -> None:
    _registry._lock = RLock()


if hasattr(os, "register_at_fork"):  # a lock that another thread held while forking stays held in the child
    os.register_at_fork(after_in_child=_renew_lock)
