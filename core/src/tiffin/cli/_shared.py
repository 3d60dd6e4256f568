"""Options that every command takes: `--quiet` and `--verbose`. The outermost group's help shows them, once."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import click

from tiffin.exceptions import TiffinWarning

_QUIET, _VERBOSE = "tiffin.quiet", "tiffin.verbose"


def is_quiet() -> bool:
    """Tell whether the command that runs shall show neither warnings nor progress."""
    return _given(_QUIET)


def is_verbose() -> bool:
    """Tell whether the command that runs shall show where errors and warnings come from."""
    return _given(_VERBOSE)


def _given(key: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(key))


def take_shared_options(command: click.Command, *, hidden: bool = False) -> None:
    """Let a command take the options that all take, but for those that it has itself.

    Args:
        command: the command.
        hidden: whether its help leaves them out.
    """
    taken = {option for parameter in command.params for option in parameter.opts}
    for options, key, text in (
        (["-q", "--quiet"], _QUIET, "Show neither warnings nor progress; also after a command."),
        (["--verbose", "--debug"], _VERBOSE, "Show where errors and warnings come from; also after a command."),
    ):
        free = [option for option in options if option not in taken]
        if free:
            command.params.append(
                click.Option(
                    [*free, key.replace(".", "_")],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    hidden=hidden,
                    help=text,
                    callback=_note,
                )
            )


def _note(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if not value:
        return
    key = f"tiffin.{str(parameter.name).removeprefix('tiffin_')}"
    context.meta[key] = True
    if key == _QUIET and not sys.warnoptions:
        context.find_root().with_resource(warnings.catch_warnings())
        warnings.simplefilter("ignore", TiffinWarning)
