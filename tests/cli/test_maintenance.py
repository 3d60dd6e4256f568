"""`tiffin models verify, gc, du`, `tiffin env`, `--version`, `--help`."""

from __future__ import annotations

import json
from typing import Any

import pytest

import tiffin


def damage(tag: str) -> None:
    """Flip a byte of a version's file."""
    path = tiffin.get(tag).path_of("file.txt")
    path.chmod(0o644)
    path.write_bytes(b"?" + path.read_bytes()[1:])


def test_verify_of_a_sound_store_exits_with_0(store: Any, run: Any) -> None:
    """And says so on standard error."""
    result = run("models", "verify")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "The store is as it was saved.\n")
    assert run("models", "verify", "raw:prod").stderr == "raw:prod is as it was saved.\n"
    assert run("models", "verify", "-o", "json").stdout == "[]\n"


def test_verify_names_damage_and_exits_with_5(store: Any, run: Any) -> None:
    """The version, the file and what to do; the others are sound."""
    damage("raw:1")
    result = run("models", "verify", "raw:1")
    assert result.exit_code == 5
    assert "raw:1" in result.stdout
    assert "file.txt" in result.stdout
    assert "found." in result.stderr
    assert run("models", "verify", "notes").exit_code == 0
    again = run("models", "verify", "-o", "json")
    assert again.exit_code == 5
    assert {problem["tag"] for problem in json.loads(again.stdout)} - {""} == {"raw:1"}


def test_verify_accepts_a_record_that_was_edited_by_hand(store: Any, run: Any) -> None:
    """Then it is the record."""
    record = tiffin.get("raw:1").path / "model.yaml"
    record.write_text(record.read_text(encoding="utf-8").replace("stage: dev", "stage: new"), encoding="utf-8")
    assert run("models", "verify", "raw:1").exit_code == 5
    assert "edited by hand or damaged" in run("models", "list").stdout
    assert "edited by hand or damaged" in run("models", "get", "raw:1", "-o", "table").stdout
    assert run("models", "verify", "raw:1", "--accept").exit_code == 0
    assert run("models", "verify").exit_code == 0
    assert tiffin.get("raw:1").labels == {"stage": "new"}


def test_gc_tells_what_it_would_do_and_does_it(store: Any, run: Any, read: Any) -> None:
    """With --dry-run nothing is removed."""
    left = store / "store" / "staging" / "left"
    left.mkdir()
    would = run("models", "gc", "--dry-run")
    assert would.exit_code == 0
    assert would.stdout.startswith("Would remove 1 abandoned change")
    assert left.exists()
    assert run("models", "gc").stdout.startswith("Removed 1 abandoned change")
    assert not left.exists()
    assert read("models", "gc")["staging"] == []


def test_du_shows_own_and_shared_bytes(store_home: Any, run: Any, read: Any) -> None:
    """What deleting a version would free, and what it shares."""
    for tag, files in (("a:1", {"x": b"1" * 2000, "y": b"2" * 500}), ("b:1", {"x": b"1" * 2000})):
        with tiffin.models.create(tag) as new:
            for name, content in files.items():
                (new.path / name).write_bytes(content)
    usage = read("models", "du")
    assert usage["versions"] == [{"tag": "a:1", "own": 500, "shared": 2000}, {"tag": "b:1", "own": 0, "shared": 2000}]
    assert (usage["total"], usage["apparent"]) == (2500, 4500)
    shown = run("models", "du").stdout.splitlines()
    assert [line.split() for line in shown[:2]] == [["TAG", "OWN", "SHARED"], ["a:1", "500", "B", "2.0", "KiB"]]
    assert shown[-1] == "2.4 KiB on disk; sharing saves 2.0 KiB."
    assert [row["tag"] for row in read("models", "du", "b")["versions"]] == ["b:1"]
    unknown = run("models", "du", "bb")
    assert (unknown.exit_code, unknown.stdout) == (3, "")
    assert "'bb' was not found" in unknown.stderr


def test_env_shows_versions_and_places(store_home: Any, run: Any, read: Any) -> None:
    """For bug reports."""
    facts = read("env")
    assert facts["tiffin"] == tiffin.__version__
    assert facts["home"] == f"{store_home} ($TIFFIN_HOME)"
    assert facts["store"].endswith("(not made yet)")
    assert "attrs" in run("env").stdout


def test_version_and_help(run: Any) -> None:
    """Every command is listed and has help."""
    assert run("--version").stdout == f"tiffin, version {tiffin.__version__}\n"
    top = run("--help").stdout
    assert "Exit codes: 0 done" in top
    for command in ("completion", "env", "models", "plugins"):
        assert f"  {command}" in top
    inner = run("models", "-h").stdout
    for command in ("alias", "delete", "du", "gc", "get", "label", "list", "verify"):
        assert f"  {command}" in inner
        assert "Usage: tiffin models" in run("models", command, "--help").stdout


@pytest.mark.parametrize("home", ["file", "file/below"])
def test_a_home_that_cannot_be_a_folder_is_told_without_a_traceback(
    home: str, tmp_path: Any, run: Any, monkeypatch: Any
) -> None:
    """Also of commands that only read."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / home))
    for command in (["list"], ["get", "x"], ["verify"], ["gc"], ["du"], ["alias", "x", "y"], ["delete", "-y", "x"]):
        result = run("models", *command)
        assert result.exit_code in (1, 3), (command, result.output)
        assert "Error:" in result.stderr
