"""A new adapter's package has all that one needs, and nothing to take out again; reports are read as they lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tiffin.cli import cli
from tiffin.exceptions import PluginError
from tiffin.plugins import Registry
from tiffin.testing import checks
from tiffin.testing.scaffold import new_adapter


def test_a_new_package_has_everything(tmp_path: Path) -> None:
    """Entry point, README, tests, a file for CI; the class's distribution is found by what is installed."""
    made = new_adapter("kv", tmp_path, type_name="yaml.YAMLObject")
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert files == {
        ".github/workflows/test.yml", ".gitignore", "README.md", "pyproject.toml", "src/tiffin_kv/__init__.py",
        "src/tiffin_kv/conformance.py", "src/tiffin_kv/py.typed", "tests/test_conformance.py",
    }  # fmt: skip
    project = tomllib.loads((made / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["tiffin"] == {"kv": "tiffin_kv"}
    assert "PyYAML" in project["dependencies"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in made.rglob("*") if path.is_file())
    assert not [word for word in ("TODO", "FIXME", "{name}", "Your Name", "example.") if word in text]


def test_a_new_package_passes_the_kit_before_a_line_is_written(tmp_path: Path) -> None:
    """It stores pickles, which is a whole adapter."""
    made = new_adapter("normal", tmp_path, type_name="statistics.NormalDist")
    run = "import sys, pytest, tiffin, tiffin_normal; tiffin.register(tiffin_normal, 'normal'); sys.exit(pytest.main())"
    command = [sys.executable, "-c", run.replace("main()", "main(['-q', '-p', 'no:cacheprovider'])")]
    env = {**os.environ, "PYTHONPATH": str(made / "src")}
    done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(list(checks()))} passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "type_name", "said"),
    [
        ("models", "kvlib.Table", "'models' cannot be a plugin's name"),
        ("k-v", "kvlib.Table", "'k-v' cannot be a plugin's name"),
        ("kv", "Table", "'Table' is no dotted name of a class"),
        ("kv", "kvlib.import", "'kvlib.import' is no dotted name"),
        ("kv", "kvlib.Table; import os", "is no dotted name"),
    ],
)
def test_names_that_cannot_be_are_refused(name: str, type_name: str, said: str, tmp_path: Path) -> None:
    """Nothing is written then."""
    with pytest.raises(PluginError, match=said):
        new_adapter(name, tmp_path, type_name=type_name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """An author's work is never replaced, and the command says so without a traceback."""
    (tmp_path / "tiffin-kv").mkdir()
    command = ["plugins", "new", "kv", "--type", "kvlib.Table", "--folder", str(tmp_path)]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert list((tmp_path / "tiffin-kv").iterdir()) == []


def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: str | None) -> list[dict[str, Any]]:
    """Return what is listed where an adapter is installed that ships a report, and fails when it is imported."""
    package = tmp_path / "site" / "tiffin_kv"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    if report is not None:
        (package / "conformance.json").write_text(report, encoding="utf-8")
    info = tmp_path / "site" / "tiffin_kv-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiffin-kv\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[tiffin]\nkv = tiffin_kv\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")
    result = CliRunner().invoke(cli, ["plugins", "list", "--compliance", "-o", "json"])
    assert result.exit_code == 0, result.output
    return [one for one in json.loads(result.stdout) if one["name"] == "kv"]


REPORT: dict[str, Any] = {
    "adapter": "kv",
    "distribution": "tiffin-kv",
    "version": "1.2",
    "tiffin_version": "0.1.0",
    "versions": {"kvlib": "3"},
    "level": "2026.11",
    "verdicts": [
        {"check": "a", "state": "passed", "text": ""},
        {"check": "b", "state": "off", "text": "It cannot."},
        {"check": "c", "state": "not applicable", "text": "x"},
    ],
}


def test_reports_that_adapters_ship_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_registry: Registry
) -> None:
    """With what was checked, and why something is switched off; the adapter is not imported for it."""
    [found] = shipped(tmp_path, monkeypatch, json.dumps(REPORT))
    assert (found["passed"], found["off"], found["failed"], found["not_applicable"]) == (1, 1, 0, 1)
    assert (found["checked"], found["reasons"]) == ("tiffin-kv 1.2, tiffin 0.1.0, kvlib 3", {"b": "It cannot."})
    assert found["problem"] == ""


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (None, "it brings no report"),
        ("{", "it cannot be read: JSONDecodeError"),
        ("[]", "it cannot be read: TypeError"),
        (json.dumps({**REPORT, "version": "1.1"}), "it is of version 1.1"),
        (json.dumps({**REPORT, "adapter": "other"}), "it is of the adapter 'other'"),
        (json.dumps({**REPORT, "verdicts": [1]}), "it cannot be read: TypeError"),
    ],
)
def test_a_report_that_does_not_count_is_told(
    report: str | None, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_registry: Registry
) -> None:
    """One that is missing, damaged, or of another version or adapter leaves the list of the others whole."""
    [found] = shipped(tmp_path, monkeypatch, report)
    assert found["problem"].startswith(problem)
