"""`tiffin models list, get, alias, label, delete`: what they print and do, and their exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

import tiffin


def test_list_is_plain_columns_without_a_terminal(store: Any, run: Any) -> None:
    """One line for each version, by name, newest first, and a header; nothing else."""
    shown = run("models", "list")
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0] == ["TAG", "FRAMEWORK", "SIZE", "CREATED", "ALIASES", "LABELS"]
    assert [line[0] for line in lines[1:]] == ["notes:1", "raw:2", "raw:1"]
    assert lines[2][-4:] == ["prod", "stage=prod,", "team=a"][-4:] or lines[2][-3:] == ["prod", "stage=prod,", "team=a"]
    assert shown.stderr == ""
    assert "\x1b" not in shown.stdout
    assert shown.stdout == "\n".join(line.rstrip() for line in shown.stdout.splitlines()) + "\n"


def test_list_as_json_and_yaml(store: Any, run: Any, read: Any) -> None:
    """Both hold the same; times are ISO 8601, sizes bytes."""
    rows = read("models", "list")
    assert yaml.safe_load(run("models", "list", "-o", "yaml").stdout) == rows
    assert [row["tag"] for row in rows] == ["notes:1", "raw:2", "raw:1"]
    raw = rows[1]
    assert raw == {
        "tag": "raw:2",
        "name": "raw",
        "version": "2",
        "framework": "",
        "size": 5,
        "creation_time": tiffin.get("raw:2").creation_time.isoformat(),
        "labels": {"stage": "prod", "team": "a"},
        "aliases": ["prod"],
        "edited": False,
    }


def test_list_can_be_narrowed(store: Any, read: Any) -> None:
    """By name, tag, labels and framework."""

    def found(*arguments: str) -> list[str]:
        return [row["tag"] for row in read("models", "list", *arguments)]

    assert found("raw") == ["raw:2", "raw:1"]
    assert found("raw:prod") == ["raw:2"]
    assert found("-l", "stage=dev") == ["raw:1"]
    assert found("-l", "stage") == ["raw:2", "raw:1"]
    assert found("-l", "stage", "-l", "team=a") == ["raw:2"]
    assert found("--label", "stage=") == []
    assert found("-f", "sklearn") == []


def test_an_empty_list_says_so_on_standard_error(store_home: Any, run: Any) -> None:
    """A pipe gets nothing; JSON is an empty list; the exit code is 0."""
    shown = run("models", "list")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert shown.stderr == f"No models in {store_home / 'store'}.\n"
    assert run("models", "list", "-l", "stage=dev").stderr == "No models fit.\n"
    assert run("models", "list", "-o", "json").stdout == "[]\n"
    assert not store_home.exists()


def test_a_list_of_a_name_that_is_not_there_is_not_found(store: Any, run: Any) -> None:
    """With what is like it, and the exit code for that."""
    result = run("models", "list", "row", "-o", "json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "Did you mean 'raw'?" in result.stderr


def test_get_shows_the_record(store: Any, run: Any, read: Any) -> None:
    """As a table, as data, and as a path for scripts."""
    table = run("models", "get", "raw:prod", "-o", "table").stdout
    for text in (
        "raw:2",
        "prod",
        "a raw folder of files",
        "5 B in 1 file",
        "stage=prod, team=a",
        "sha256:",
        "metadata.score",
    ):
        assert text in table
    data = read("models", "get", "raw")
    assert (data["name"], data["version"], data["aliases"]) == ("raw", "2", ["prod"])
    assert data["files"]["file.txt"]["size"] == 5
    assert data["metadata"] == {"score": None}
    assert yaml.safe_load(run("models", "get", "raw", "-o", "yaml").stdout)["labels"] == {"stage": "prod", "team": "a"}
    assert run("models", "get", "raw", "-o", "path").stdout == f"{tiffin.get('raw').path}\n"


def test_json_is_standard_json(store: Any, run: Any) -> None:
    """Other programs do not read NaN: it becomes null."""

    def refuse(text: str) -> None:
        raise AssertionError(text)

    assert json.loads(run("models", "get", "raw", "-o", "json").stdout, parse_constant=refuse)["metadata"] == {
        "score": None
    }


def test_get_shows_what_an_adapter_saved(table: Any, run: Any) -> None:
    """Signatures, options, custom objects and versions."""
    tiffin.save("x", table, custom_objects={"names": [1]}, indent=2)
    shown = run("models", "get", "x", "-o", "table").stdout
    for text in (
        "framework",
        "table",
        "signature lookup  not batchable",
        "option indent",
        "custom objects",
        "names",
        "attrs",
    ):
        assert text in shown


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["get", "rwa"], 3, "Model 'rwa' was not found"),
        (["get", "raw:9"], 3, "'raw' has prod, 2, 1"),
        (["get", "Raw"], 1, "For example: 'raw'"),
        (["get"], 2, "Missing argument 'TAG'"),
        (["get", "raw", "-o", "xml"], 2, "'xml' is not one of"),
        (["list", "--wrong"], 2, "No such option"),
        (["lst"], 2, "No such command 'lst'"),
        (["delete"], 2, "Name at least one version"),
        (["delete", "-y", "raw:1", "raw:9"], 3, "'raw:9' was not found"),
        (["delete", "-y", "--keep", "1", "nothing"], 3, "'nothing' was not found"),
        (["delete", "--keep", "-1", "raw"], 2, "-1"),
        (["alias", "raw:9", "x"], 3, "was not found"),
        (["alias", "raw:1", "latest"], 1, "always stands for the newest"),
        (["alias", "raw:1", "2"], 1, "It is a version of the model"),
        (["alias", "raw", "--remove"], 2, "NAME:ALIAS"),
        (["alias", "raw:x", "--remove"], 3, "'raw' has no alias 'x'"),
        (["label", "raw", "stage"], 2, "neither KEY=VALUE nor KEY-"),
        (["label", "raw", "a b=c"], 1, "cannot be a label's key"),
        (["label", "nothing", "a=b"], 3, "was not found"),
        (["verify", "nothing"], 3, "was not found"),
    ],
)
def test_errors_have_exit_codes_and_no_traceback(
    arguments: list[str], code: int, text: str, store: Any, run: Any
) -> None:
    """1 an error, 2 wrong usage, 3 not found; all on standard error, and nothing was changed."""
    before = [str(model.tag) for model in tiffin.models.list()]
    result = run("models", *arguments)
    assert result.exit_code == code, result.output
    assert text in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert [str(model.tag) for model in tiffin.models.list()] == before


def test_an_error_has_its_reason_and_what_to_do_on_lines_of_their_own(store: Any, run: Any) -> None:
    """So that the message is read."""
    lines = run("models", "get", "raw:9").stderr.splitlines()
    assert lines[0] == "Error: Model 'raw:9' was not found"
    assert all(line.startswith("  ") for line in lines[1:])
    assert len(lines) == 3


def test_an_ambiguous_version_exits_with_3(store_home: Any, run: Any) -> None:
    """And lists the versions."""
    for version in ("1.0", "1.1"):
        with tiffin.models.create(f"x:{version}"):
            pass
    result = run("models", "get", "x:1")
    assert result.exit_code == 3
    assert "1.1, 1.0" in result.stderr


def test_alias_sets_moves_lists_and_removes(store: Any, run: Any, read: Any) -> None:
    """Each says what it did."""
    assert run("models", "alias", "raw:1", "old").stdout == "raw:old is raw:1\n"
    assert run("models", "alias", "raw", "old").stdout == "raw:old is raw:2\n"
    assert read("models", "alias", "raw") == {"old": "2", "prod": "2"}
    assert run("models", "alias", "raw").stdout.splitlines()[1].split() == ["old", "raw:2"]
    assert run("models", "alias", "raw:old", "--remove").stdout == "Removed raw:old\n"
    assert run("models", "alias", "raw", "prod", "--remove").stdout == "Removed raw:prod\n"
    assert read("models", "alias", "raw") == {}
    assert run("models", "alias", "raw").stderr == "raw has no aliases.\n"


def test_label_sets_removes_and_shows(store: Any, run: Any, read: Any) -> None:
    """KEY=VALUE sets, KEY- removes; a value may hold "=" and be empty."""
    assert read("models", "label", "raw") == {"stage": "prod", "team": "a"}
    assert read("models", "label", "raw", "team-", "url=a=b", "flag=") == {"stage": "prod", "url": "a=b", "flag": ""}
    assert tiffin.get("raw").labels == {"stage": "prod", "url": "a=b", "flag": ""}
    assert run("models", "label", "notes").stderr == "notes:1 has no labels.\n"
    assert run("models", "label", "raw").stdout.splitlines()[0].split() == ["LABEL", "VALUE"]


def test_delete_asks_and_names_what_it_would_delete(store: Any, run: Any) -> None:
    """No deletes nothing and exits with 1; yes deletes; the question has the count."""
    asked = run("models", "delete", "raw:2", "notes:1", "--force", input="n\n")
    assert asked.exit_code == 1
    assert "raw:2  (alias prod)" in asked.stderr
    assert "Delete these 2 versions?" in asked.stderr
    assert asked.stdout == ""
    assert len(tiffin.models.list()) == 3
    done = run("models", "delete", "raw:1", input="y\n")
    assert (done.exit_code, done.stdout) == (0, "Deleted raw:1\n")
    assert "Delete it?" in done.stderr
    assert run("models", "delete", "notes", input="").exit_code == 1
    assert len(tiffin.models.list()) == 2


def test_delete_takes_several_tags_and_yes(store: Any, run: Any) -> None:
    """A version that is named twice is deleted once; commas separate, too."""
    done = run("models", "delete", "--assume-yes", "--force", "raw:prod,raw:2", "notes")
    assert (done.exit_code, done.stdout) == (0, "Deleted raw:2\nDeleted notes:1\n")
    assert [str(model.tag) for model in tiffin.models.list()] == ["raw:1"]
    assert tiffin.models.aliases("raw") == {}


def test_delete_of_a_name_deletes_all_its_versions_and_spares_those_with_an_alias(store: Any, run: Any) -> None:
    """What is spared is named; with nothing else to delete the exit code is 1; force spares nothing."""
    done = run("models", "delete", "-y", "raw")
    assert (done.exit_code, done.stdout) == (0, "Deleted raw:1\n")
    assert done.stderr == "Spared raw:2, which has the alias prod. To delete it, add --force.\n"
    none = run("models", "delete", "-y", "raw")
    assert (none.exit_code, none.stdout) == (1, "")
    assert "Spared raw:2" in none.stderr
    forced = run("models", "delete", "-y", "--force", "raw")
    assert (forced.exit_code, forced.stdout) == (0, "Deleted raw:2\n")


@pytest.mark.parametrize("tag", ["raw:2", "raw:prod", "raw:latest"])
def test_delete_of_one_version_that_has_an_alias_needs_force(store: Any, run: Any, tag: str) -> None:
    """Nothing is deleted, what else is named neither; the error says what to do."""
    refused = run("models", "delete", "-y", "notes", tag)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "'raw:2' is not deleted: the alias 'raw:prod' means it" in refused.stderr
    assert "--force" in refused.stderr
    assert len(tiffin.models.list()) == 3
    assert run("models", "delete", "-y", "--force", tag).stdout == "Deleted raw:2\n"


def test_delete_keeps_the_newest(store: Any, run: Any) -> None:
    """And those with an alias."""
    with tiffin.models.create("raw:3"):
        pass
    done = run("models", "delete", "-y", "--keep", "1", "raw", "notes")
    assert (done.exit_code, done.stdout) == (0, "Deleted raw:1\n")
    nothing = run("models", "delete", "-y", "--keep", "1", "raw")
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "Nothing to delete.\n")
