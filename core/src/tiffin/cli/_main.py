"""`tiffin`: the group of all commands, and how errors and warnings are shown."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import click

from tiffin.cli._commands import Commands
from tiffin.cli._output import say
from tiffin.cli._shared import is_verbose, take_shared_options
from tiffin.exceptions import (
    AmbiguousTagError,
    ModelExistsError,
    ModelNotFoundError,
    TiffinError,
    TiffinWarning,
)

EXIT_CODES = ((ModelNotFoundError, 3), (AmbiguousTagError, 3), (ModelExistsError, 4))
"""Exit codes by error; all other errors of Tiffin are 1, wrong usage is 2, damage that `verify` finds is 5, and
answers that `check` finds changed are 6."""


class Main(Commands):
    """The outermost group: shows errors."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of Tiffin's is shown without a traceback, and sets the exit code."""
        try:
            return super().invoke(ctx)
        except TiffinError as error:
            show_error(error)
            ctx.exit(next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1))


def show_error(error: TiffinError) -> None:
    """Print an error's parts to standard error, and where it comes from if that was asked for."""
    if is_verbose():
        import traceback

        say("".join(traceback.format_exception(error)), err=True)
    say(getattr(error, "what", str(error)), err=True, label="Error:", colour="red")
    for part in (error.why, error.fix):
        if part:
            say(f"  {part}", err=True)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    if issubclass(category, TiffinWarning) or is_verbose():
        place = f" ({category.__name__} at {filename}:{lineno})" if is_verbose() else ""
        say(f"{message}{place}", err=True, label="Warning:", colour="yellow")


@click.command(
    cls=Main,
    commands_at={
        "completion": "tiffin.cli._completion:completion",
        "env": "tiffin.cli._env:env",
        "models": "tiffin.cli._models:models",
        "plugins": "tiffin.cli._plugins:plugins",
        "remotes": "tiffin.cli._remotes:remotes",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="tiffin", prog_name="tiffin")
def cli() -> None:
    """Store, version, move and run machine-learning models.

    Exit codes: 0 done, 1 an error, 2 wrong usage, 3 not found, 4 exists already, 5 damage found by 'models verify',
    6 other answers found by 'models check'.
    """


take_shared_options(cli)


def main() -> None:
    """Run the command line."""
    if not sys.warnoptions:
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", TiffinWarning)
    from tiffin.cli import _completion

    _completion.install()
    # https://no-color.org, and terminals that know no colours: click looks only at whether it writes to a terminal.
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    cli(prog_name="tiffin", color=False if plain else None)
