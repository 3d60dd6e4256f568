"""A group of commands of which each is imported when it is used, and to which plugins may add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import click

from tiffin.cli._output import say
from tiffin.cli._shared import take_shared_options
from tiffin.exceptions import HookError, PluginError, TiffinError
from tiffin.hints import install_hint
from tiffin.showing import close_names

GROUPS = ("", "models", "plugins", "remotes")
"""Core's groups, "" being the outermost: those that a plugin's command may be of."""


class Commands(click.Group):
    """A group whose commands are imported when they are used. What plugins add comes last, and replaces nothing.

    Plugins are loaded only for a command that core does not have, and for a list of all.

    Args:
        commands_at: name → "module:attribute".
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at

    def own_commands(self) -> list[str]:
        """Return the names of core's commands."""
        return sorted({*self._commands_at, *self.commands})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of core's commands and, where they can be asked, the plugins'."""
        try:
            added = _added(_path(ctx))
        except PluginError as error:
            say(str(error), err=True, label="Warning:", colour="yellow")
            added = {}
        return sorted({*self.own_commands(), *added})

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the command that is meant; it takes what all commands do, wherever in the line that is written.

        Where there is none, the error says which one may be meant.
        """
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            words = self._words(ctx)
            close = close_names(name, words, 1)
            hint = f" Did you mean '{words[close[0]]}'?" if close else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        found = super().resolve_command(ctx, args)
        if found[1] is not None:
            take_shared_options(found[1], hidden=True)
        return found

    def _words(self, ctx: click.Context) -> dict[str, str]:
        """Return the names of the commands here; from outside all groups, also of those in groups, with the group's."""
        words = {name: name for name in self.list_commands(ctx)}
        for group in GROUPS[1:] if ctx.parent is None else ():
            inner = self.get_command(ctx, group)
            if isinstance(inner, Commands):
                words = {**{name: f"{group} {name}" for name in inner.own_commands()}, **words}
        return words

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return core's command of the name, else a plugin's; `None` where there is none."""
        if cmd_name in self._commands_at:
            module, _, attribute = self._commands_at[cmd_name].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        path = _path(ctx)
        found = super().get_command(ctx, cmd_name) or _added(path).get(cmd_name)
        if found is None and (hint := install_hint(f"{path} {cmd_name}".strip(), "commands")):
            raise click.UsageError(
                f"'{cmd_name}' is a command of a plugin that is not installed, or is switched off. {hint}", ctx
            )
        return found


def _path(ctx: click.Context) -> str:
    """Return the words between the program's name and a command of the group."""
    words: list[str] = []
    while ctx.parent is not None:
        words.insert(0, ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(words)


def _added(group: str) -> dict[str, click.Command]:
    """Return what plugins add to a group."""
    words = ((name.rpartition(" "), command) for answer in _answers() for name, command in answer.items())
    return {name: command for (path, _, name), command in words if path == group}


def _answers() -> Iterator[Mapping[str, click.Command]]:
    from tiffin.plugins import registry

    hook = registry().broadcast().commands
    asked = ", ".join(implementation.plugin_name for implementation in hook.get_hookimpls())
    try:
        answers = hook()
    except TiffinError:
        raise
    # A plugin's code may fail in any way; that is told as any other error.
    except Exception as error:
        raise HookError(
            f"A plugin cannot say which commands it adds: {type(error).__name__}: {error}",
            why=f"Asked were: {asked}",
            plugin=asked,
        ) from error
    for answer in answers:
        if not isinstance(answer, Mapping) or not all(_is_command(name, answer[name]) for name in answer):
            raise HookError(
                f"A plugin answers the hook 'commands' with {answer!r}",
                why=f"Asked were: {asked}",
                fix='Return a dict of names and click commands; "models NAME" is a command of the group models, and further '
                "groups are " + ", ".join(GROUPS[2:]),
                plugin="",
            )
        yield answer


def _is_command(name: Any, command: Any) -> bool:
    if not isinstance(name, str) or not isinstance(command, click.Command):
        return False
    group, _, last = name.rpartition(" ")
    return group in GROUPS and last.strip() != ""
