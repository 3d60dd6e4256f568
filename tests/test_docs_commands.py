"""The page of the command line and the commands themselves say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from inside.cli import ANSWERS_DIFFER, DAMAGE_FOUND, EXIT_CODES, Commands
from tiffin.cli import cli

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `(tiffin [a-z -]+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below a group that is no group itself, under all words of its name."""
    context = click.Context(group, info_name=path)
    # Core's own: what installed plugins add is theirs to document.
    names = group.own_commands() if isinstance(group, Commands) else group.list_commands(context)
    for name in names:
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(cli, "tiffin"))
OF_PLUGINS = {"tiffin models sign", "tiffin models verify-signature"}
"""Those of the workspace's plugins, which stand on the page too."""


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    """A reader finds each command, and none that is gone."""
    assert sorted(SECTIONS.keys() - OF_PLUGINS) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_section_shows_the_help_and_every_option(name: str) -> None:
    """Each option and argument is in the help that the section shows; the page's own test compares that with the real one."""
    section = SECTIONS[name]
    assert f"$ {name} --help\nUsage: {name} " in section
    for parameter in COMMANDS[name].params:
        if getattr(parameter, "hidden", False):  # what all commands take stands once, in the help of `tiffin`
            continue
        spelled = (
            parameter.opts if isinstance(parameter, click.Option) else [parameter.make_metavar(click.Context(cli))]
        )
        assert all(word in section for word in spelled), (name, spelled)


def test_every_exit_code_is_in_the_table() -> None:
    """Scripts rely on exit codes: each stands in the table, and no others."""
    table = PAGE[PAGE.index("(exit-codes)=") :].partition("## `tiffin")[0]
    codes = {int(code) for code in re.findall(r"^\| (\d) \|", table, re.MULTILINE)}
    assert codes == {0, 1, 2, DAMAGE_FOUND, ANSWERS_DIFFER, *(code for _, code in EXIT_CODES)}
