"""Options that every command takes, and what a pipe gets."""

from __future__ import annotations

import json
import warnings
from typing import Any

import click
import pytest
import yaml

import tiffin
from tiffin import hookimpl

PLACES = [("{}", "models", "list"), ("models", "{}", "list"), ("models", "list", "{}")]


@pytest.fixture
def stray(store: Any) -> str:
    """Put a file into the store, of which a list warns."""
    (store / "store" / "models" / "STRAY").write_text("x", encoding="utf-8")
    return "STRAY"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_no_warning_is_shown_where_none_is_wanted(place: Any, option: str, stray: str, shell: Any) -> None:
    """Wherever in the line it stands; the answer is the same."""
    loud = shell("tiffin models list")
    assert stray in loud.stderr
    quiet = shell(f"tiffin {' '.join(place).format(option)}")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, loud.stdout, "")


def test_quiet_ends_with_the_command(stray: str, run: Any) -> None:
    """Of a program that calls the command line, the filters for warnings stay what they were."""
    before = list(warnings.filters)
    run("models", "list", "-q")
    assert list(warnings.filters) == before


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("option", ["--verbose", "--debug"])
def test_errors_say_where_they_come_from_where_that_is_wanted(place: Any, option: str, store: Any, shell: Any) -> None:
    """With the traceback before the error; else without any."""
    words = [word.replace("list", "get") for word in place]
    told = shell(f"tiffin {' '.join(words).format(option)} nothing")
    assert told.returncode == 3
    assert "Traceback (most recent call last):" in told.stderr
    assert "_finding.py" in told.stderr
    assert "Error: Model 'nothing' was not found\n" in told.stderr
    assert "Traceback" not in shell("tiffin models get nothing").stderr


def test_warnings_say_where_they_were_given_where_that_is_wanted(stray: str, shell: Any) -> None:
    """The class, the file and the line."""
    assert "(StoreWarning at " in shell("tiffin models list --verbose").stderr
    assert "(StoreWarning" not in shell("tiffin models list").stderr


def test_a_plugins_command_takes_them_too_but_for_its_own(store: Any, run: Any, fresh_registry: Any) -> None:
    """What a command means by `-q` itself stays."""

    class Plugin:
        @hookimpl
        def commands(self) -> Any:
            @click.command()
            @click.option("-q", "query", default="")
            def ask(query: str) -> None:
                click.echo(f"asked {query}")

            return {"models ask": ask}

    tiffin.register(Plugin(), "asking")
    assert run("models", "ask", "-q", "this").stdout == "asked this\n"
    assert run("models", "ask", "--quiet", "-q", "this").stdout == "asked this\n"


def test_get_is_yaml_where_standard_output_is_no_terminal(store: Any, shell: Any) -> None:
    """What a pipe gets can be parsed; what is asked for is given."""
    assert yaml.safe_load(shell("tiffin models get raw:1 | cat").stdout)["version"] == "1"
    assert yaml.safe_load(shell("tiffin models get raw:1 -o yaml | cat").stdout)["version"] == "1"
    assert json.loads(shell("tiffin models get raw:1 -o json | cat").stdout)["version"] == "1"
    assert shell("tiffin models get raw:1 -o table | cat").stdout.startswith("FIELD")


def test_force_has_a_letter(store: Any, run: Any, tmp_path: Any) -> None:
    """`-f`, in all commands that replace something."""
    target = str(tmp_path / "raw.tiffin")
    assert run("models", "export", "raw:1", target).exit_code == 0
    assert run("models", "export", "raw:1", target).exit_code != 0
    assert run("models", "export", "-f", "raw:1", target).exit_code == 0
    assert run("models", "import", target).exit_code == 4
    assert run("models", "import", "-f", target).exit_code == 0
    remote = str(tmp_path / "remote")
    assert run("models", "push", "-f", "raw:1", remote).exit_code == 0
    assert run("models", "pull", "-f", "raw:1", remote).exit_code == 0


@pytest.mark.parametrize("yes", ["-y", "--yes", "--assume-yes"])
def test_versions_to_delete_may_be_separated_by_commas(yes: str, store: Any, run: Any) -> None:
    """As by spaces, or both; nothing is asked."""
    shown = run("models", "delete", "raw:1,notes:1", "raw:2", "--force", yes)
    assert shown.stdout == "Deleted raw:1\nDeleted notes:1\nDeleted raw:2\n"
