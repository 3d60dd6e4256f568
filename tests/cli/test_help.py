"""What the command line says of itself, and to somebody who mistypes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tiffin.cli import cli


def groups(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every group, the outermost one included."""
    yield words
    context = click.Context(group, info_name="tiffin")
    for name in group.list_commands(context):
        if isinstance(command := group.get_command(context, name), click.Group):
            yield from groups(command, (*words, name))


@pytest.mark.parametrize("words", list(groups(cli)), ids=" ".join)
def test_summaries_are_whole_at_80_columns(words: tuple[str, ...], run: Any) -> None:
    """Of each command, plugins' ones included: none is cut off by an ellipsis."""
    lines = run(*words, "--help", terminal_width=80).stdout.partition("Commands:\n")[2].splitlines()
    assert lines
    assert all(line.endswith(".") and not line.endswith("...") for line in lines), lines


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("modles list", "models"),
        ("remots", "remotes"),
        ("models lst", "list"),
        ("models delte x", "delete"),
        ("plugins chek x", "check"),
        ("remotes ad x y", "add"),
        ("list", "models list"),
        ("undelet x", "models undelete"),
        ("models get x -o jsno", "json"),
        ("models get x -o YAML", "yaml"),
        ("completion bahs", "bash"),
        ("models export x --format zp", "zip"),
        ("plugins check picklabel", "picklable"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_is_meant(typed: str, meant: str, run: Any, store: Path) -> None:
    """Commands, in groups and from outside of them; formats; what plugins are called."""
    result = run(*typed.replace(" x", " raw").split())
    assert result.exit_code in (1, 2)
    assert f"Did you mean '{meant}'?" in " ".join(result.stderr.split())


def test_what_looks_like_nothing_is_answered_without_a_guess(run: Any) -> None:
    """A wrong guess is worse than none."""
    result = run("zzz")
    assert "No such command 'zzz'." in result.stderr
    assert "Did you mean" not in result.stderr


def test_an_interrupted_completion_says_nothing(store_home: Path, tmp_path: Path) -> None:
    """Its traceback would stand in the line that is being typed."""
    pipe = tmp_path / "began"
    os.mkfifo(pipe)
    site = tmp_path / "site"
    site.mkdir()
    # The first thing that completion imports beyond the command line itself waits here.
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "class Wait:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'click.shell_completion':\n"
        f"            open({str(pipe)!r}).read()\n"
        "sys.meta_path.insert(0, Wait())\n",
        encoding="utf-8",
    )
    settings = {
        "PYTHONPATH": str(site),
        "_TIFFIN_COMPLETE": "bash_complete",
        "COMP_WORDS": "tiffin mo",
        "COMP_CWORD": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tiffin"],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with pipe.open("w"):  # opens once it waits
        process.send_signal(signal.SIGINT)
        said = process.communicate()
    assert said == (b"", b"")
    assert process.returncode == -signal.SIGINT
