"""pluggy managers with Tiffin's hooks, and the checks of what plugins implement."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy

from tiffin.exceptions import HookError
from tiffin.plugins import hookspecs
from tiffin.showing import close_names

hookimpl = pluggy.HookimplMarker("tiffin")
"""Marks a function, or a method of an object that is registered, as the implementation of the hook of its name."""


class HookManager(pluggy.PluginManager):
    """A pluggy manager that knows Tiffin's hooks and blames the right plugin for a wrong one."""

    def __init__(self) -> None:
        super().__init__("tiffin")
        self.add_hookspecs(hookspecs)

    def add(self, plugin: object, name: str) -> None:
        """Register `plugin` under `name`.

        Raises:
            HookError: it implements a hook with arguments that the hook does not have.
        """
        try:
            self.register(plugin, name)
        except pluggy.PluginValidationError as error:
            if self.is_registered(plugin):
                self.unregister(plugin)
            raise HookError(
                f"The plugin {name!r} implements a hook wrongly: {' '.join(str(error).split())}", plugin=name
            ) from error


_SPECS = {
    name: inspect.signature(function)
    for name, function in vars(hookspecs).items()
    if inspect.isfunction(function) and function.__module__ == hookspecs.__name__
}


def implemented_hooks(plugin: object, name: str) -> dict[str, bool]:
    """Return the hooks that `plugin` implements: hook → whether as a wrapper.

    Raises:
        HookError: it marks a function whose name is no hook, or that takes an argument the hook does not have.
    """
    parser = pluggy.PluginManager("tiffin")
    found: dict[str, bool] = {}
    for attribute in dir(plugin):
        try:
            options: Any = parser.parse_hookimpl_opts(plugin, attribute)
        # Older pluggys read properties here, whose code may fail in any way.
        except Exception as error:
            raise HookError(
                f"The plugin {name!r} cannot be looked at: its {attribute!r} raises {type(error).__name__}: {error}",
                plugin=name,
            ) from error
        if options is None:
            continue
        hook = options.get("specname") or attribute
        if hook not in _SPECS:
            if options.get("optionalhook"):
                continue
            close = close_names(hook, _SPECS, 1)
            raise HookError(
                f"The plugin {name!r} implements {hook!r}, which is no hook of Tiffin",
                why="It would never be called. The hooks are " + ", ".join(_SPECS),
                fix=f"Did you mean {close[0]!r}?" if close else "Remove the @hookimpl there",
                plugin=name,
            )
        _check_arguments(getattr(plugin, attribute), hook, name)
        found[hook] = bool(options.get("wrapper") or options.get("hookwrapper"))
    return found


def _check_arguments(function: Any, hook: str, name: str) -> None:
    known = list(_SPECS[hook].parameters)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in known:
            _check_passed(parameter, hook, name)
        elif parameter.default is inspect.Parameter.empty:
            takes = ", ".join(known) or "no arguments"
            raise HookError(
                f"The plugin {name!r} implements the hook {hook!r} with an argument {parameter.name!r}",
                why=f"The hook has: {takes}",
                fix="Take only arguments of these names; those that are not needed may be left out",
                plugin=name,
            )


def _check_passed(parameter: inspect.Parameter, hook: str, name: str) -> None:
    # pluggy passes by position, and nothing to what has a default: the hook would go without, and nobody would know.
    if parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        return
    how = "by keyword only" if parameter.kind is inspect.Parameter.KEYWORD_ONLY else "with a default value"
    raise HookError(
        f"The plugin {name!r} implements the hook {hook!r} and takes {parameter.name!r} {how}",
        why="Hooks are called by position, and an argument that has a default is not given",
        fix=f"Write it as a plain argument: {parameter.name}",
        plugin=name,
    )
