"""The command line in a real shell: pipes, standard error, exit codes, completion."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

import tiffin
from tiffin.remotes import add_remote


def test_a_pipe_gets_plain_columns(store: Any, shell: Any) -> None:
    """cut, awk and grep work on them."""
    assert shell("tiffin models list | awk 'NR > 1 {print $1}'").stdout == "notes:1\nraw:2\nraw:1\n"


def test_a_reader_that_stops_early_is_no_error_message(store_home: Any, shell: Any) -> None:
    """`| head -1` prints one line, and nothing on standard error."""
    for number in range(60):
        with tiffin.models.create(f"model-with-a-long-name-{number}", labels={"text": "x" * 250}):
            pass
    assert len(shell("tiffin models list").stdout) > 4096
    result = shell("tiffin models list -o json | head -1; tiffin models list | head -1")
    assert result.stdout.splitlines()[0] == "["
    assert result.stdout.splitlines()[1].startswith("TAG")
    assert result.stderr == ""


def test_warnings_go_to_standard_error_and_json_stays_json(store: Any, shell: Any) -> None:
    """A foreign folder is told, without a Python warning's look, and everything else works."""
    (store / "store" / "models" / "raw" / "foreign").mkdir()
    (store / "store" / "models" / "Not A Model").mkdir()
    result = shell("tiffin models list -o json")
    assert [row["tag"] for row in json.loads(result.stdout)] == ["notes:1", "raw:2", "raw:1"]
    assert "Warning: Passed over" in result.stderr
    assert "StoreWarning" not in result.stderr
    assert ".py:" not in result.stderr
    assert result.returncode == 0


def test_exit_codes_reach_the_shell(store: Any, shell: Any) -> None:
    """0 done, 2 usage, 3 not found."""
    line = "tiffin models get raw >/dev/null; echo $?; tiffin models nonsense 2>/dev/null; echo $?"
    assert shell(line + "; tiffin models get nothing 2>/dev/null; echo $?").stdout == "0\n2\n3\n"


def test_errors_come_without_a_traceback(store: Any, shell: Any) -> None:
    """And without colours where there is no terminal."""
    result = shell("tiffin models get nothing")
    assert result.stderr.startswith("Error: Model 'nothing' was not found\n")
    assert result.stdout == ""
    assert "\x1b" not in result.stderr


def test_delete_without_a_terminal_and_without_yes_deletes_nothing(store: Any, shell: Any) -> None:
    """A script has to say -y."""
    assert shell("tiffin models delete raw:1 < /dev/null").returncode == 1
    assert len(tiffin.models.list()) == 3


COMPLETE = """
eval "$(tiffin completion bash)"
complete_words() {
    COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
    _tiffin_completion "${COMP_WORDS[0]}"
    echo "${COMPREPLY[@]}"
}
"""


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("tiffin mo", "models"),
        ("tiffin models get ra", "raw"),
        ("tiffin models get raw :", "latest prod 2 1"),
        ("tiffin models get raw : pr", "prod"),
        ("tiffin models get notes : ''", "latest 1"),
        ("tiffin models get nothing", ""),
        ("tiffin models delete raw : 1 no", "notes"),
        ("tiffin models delete raw : 1 raw : 2", "2"),
        ("tiffin models list ''", "notes raw"),
        ("tiffin models get raw -o j", "json"),
        ("tiffin models push raw ''", "lab team"),
        ("tiffin models push raw te", "team"),
        ("tiffin models push raw : 1 la", "lab"),
        ("tiffin models push ra", "raw"),
        ("tiffin models pull raw la", "lab"),
        ("tiffin models pull ra", "raw"),
        ("tiffin remotes models t", "team"),
        ("tiffin remotes remove l", "lab"),
        ("tiffin models push raw ./x", ""),
    ],
)
def test_bash_completes_commands_names_versions_and_aliases(words: str, wanted: str, store: Any, tmp_path: Any) -> None:
    """Bash splits words at colons, and so it gets only what stands behind the colon. Remotes are completed, too."""
    add_remote("team", "s3://bucket/team")
    add_remote("lab", "/srv/lab")
    program = tmp_path / "bin" / "tiffin"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m tiffin \"$@\"\n", encoding="utf-8")
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-c", COMPLETE + f"complete_words {words}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert result.stdout.split() == wanted.split(), result.stderr


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(name: str, store_home: Any, shell: Any) -> None:
    """For each of the three shells."""
    assert "_TIFFIN_COMPLETE" in shell(f"tiffin completion {name}").stdout


def test_completion_says_nothing_where_the_store_cannot_be_read(store_home: Any, shell: Any) -> None:
    """A message would stand in the middle of the line that is being typed."""
    (store_home / "store").mkdir(parents=True)
    (store_home / "store" / "format").write_text("999", encoding="utf-8")
    result = shell("COMP_WORDS=$'tiffin\\nmodels\\nget\\nx' COMP_CWORD=3 _TIFFIN_COMPLETE=bash_complete tiffin")
    assert (result.stdout.strip(), result.stderr) == ("", "")


def test_a_terminal_gets_a_drawn_table(store: Any) -> None:
    """With a line below the header, in the terminal's width, with the tags whole."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tiffin", "models", "list"],
        stdout=follower,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    os.close(leader)
    assert process.wait() == 0
    lines = shown.decode().splitlines()
    assert "───" in lines[1]
    assert lines[2].startswith("notes:1 ")
    assert "raw:2" in shown.decode()
