"""`tiffin models push` and `pull`, `tiffin remotes`: what a person types and reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tiffin import Model, hookimpl, models, register, save, unregister
from tiffin.cli import cli
from tiffin.plugins import Registry


@pytest.fixture
def tiffin(home: Path) -> Callable[..., Result]:
    """Run the command line."""

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(arguments))
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def saved(home: Path, make: Callable[..., Model]) -> Model:
    """A version in the default store."""
    return make(models.default_store(), {"x": b"1" * 2048}, "iris:v1", stage="test")


def test_from_one_home_to_another(
    tiffin: Callable[..., Result], saved: Model, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Add a remote, push with an alias, look, pull elsewhere by the alias."""
    assert "Added team" in tiffin("remotes", "add", "team", folder).output
    models.set_alias("iris:v1", "prod")
    pushed = tiffin("models", "push", "iris:v1", "--aliases").output
    assert f"Pushed iris:v1 to file://{folder} (2.0 KiB of 2.0 KiB sent)" in pushed
    assert "iris:prod is iris:v1 there" in pushed
    assert "was on" in tiffin("models", "push", "iris:v1", "team").output
    assert "iris:v1" in tiffin("remotes", "models").output
    assert "iris:v1" in tiffin("remotes", "models", "team", "iris", "-l", "stage=test").output
    assert "No models fit" in tiffin("remotes", "models", "team", "-l", "stage=prod").output
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "elsewhere"))
    assert "Pulled iris:v1" in tiffin("models", "pull", f"{folder}/iris:prod", "--aliases").output
    assert models.aliases("iris") == {"prod": "v1"}
    assert "Pulled flower:v1" in tiffin("models", "pull", "iris:prod", folder, "--as", "flower").output


def test_remotes_are_listed_without_secrets(tiffin: Callable[..., Result], saved: Model) -> None:
    """Neither the password of a URL nor the values of options."""
    tiffin(
        "remotes", "add", "a", "ftp://user:hidden@example.org/x", "-o", "token=hidden", "-o", "timeout=5", "--default"
    )
    for output in ("table", "json", "yaml"):
        shown = tiffin("remotes", "list", "-o", output).output
        assert "hidden" not in shown
        assert "ftp://user:***@example.org/x" in shown
    [row] = json.loads(tiffin("remotes", "list", "-o", "json").output)
    assert row == {"name": "a", "url": "ftp://user:***@example.org/x", "options": ["timeout", "token"], "default": True}
    assert "Removed a" in tiffin("remotes", "remove", "a").output
    assert "No remotes" in tiffin("remotes", "list").output


def test_a_scheme_whose_package_is_missing_is_told(
    tiffin: Callable[..., Result], saved: Model, fresh_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has not installed what serves a registry's URLs is told how to."""
    monkeypatch.setenv("TIFFIN_DISABLE_PLUGINS", "oci")
    assert "pip install tiffin-oci" in tiffin("models", "push", "iris", "oci://127.0.0.1:1/x", code=1).output


def test_mistakes_are_told_in_words(tiffin: Callable[..., Result], saved: Model, folder: str) -> None:
    """An unknown remote, none at all, a scheme without driver, a version that is not there: no traceback."""
    assert "There is no remote 'x'" in tiffin("models", "push", "iris", "x", code=1).output
    tiffin("remotes", "add", "team", folder)
    assert "Did you mean 'team'?" in tiffin("models", "push", "iris", "taem", code=1).output
    removed = tiffin("remotes", "remove", "taem", code=1).output
    assert "Did you mean 'team'?" in removed
    assert "remotes add" not in removed
    tiffin("remotes", "remove", "team")
    assert "no default one" in tiffin("models", "push", "iris", code=1).output
    assert "Protocol not known" in tiffin("models", "pull", "iris", "nosuch://x", code=1).output
    assert "was not found" in tiffin("models", "push", "wine", folder, code=3).output
    assert "was not found on" in tiffin("models", "pull", "wine", folder, code=3).output
    tiffin("models", "push", "iris", folder)
    models.delete("iris:v1")
    with models.create("iris:v1") as new:
        (new.path / "y").write_bytes(b"other")
    assert "another model" in tiffin("models", "push", "iris", folder, code=4).output
    assert "another model here" in tiffin("models", "pull", "iris", folder, code=4).output
    told = tiffin("remotes", "add", "b", folder, "-o", "password:s3cret", code=2).output
    assert "KEY=VALUE" in told
    assert "s3cret" not in told
    tiffin("remotes", "add", "b", folder, "-o", "part=\u00b2", "-o", "other=" + "9" * 5000)


def test_a_folder_without_a_slash_is_told_how_to_write_it(
    tiffin: Callable[..., Result], saved: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name alone stands for a remote of config.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared").mkdir()
    assert "write ./shared" in tiffin("models", "push", "iris", "shared", code=1).output


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("localhost:5000/team", "oci://localhost:5000/team"),
        ("s3:/bucket/x", "s3://bucket/x"),
        ("anna@host:/srv/models", "sftp://anna@host/srv/models"),
        ("oci:localhost:5000/team", "oci://HOST:PORT/NAMESPACE"),
    ],
)
def test_a_url_that_lacks_its_slashes_makes_no_folder(
    written: str,
    meant: str,
    tiffin: Callable[..., Result],
    saved: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error says how to write it, and how to write a folder that is called so."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    for arguments in (
        ("models", "push", "iris", written),
        ("remotes", "add", "x", written),
        ("remotes", "models", written),
    ):
        output = tiffin(*arguments, code=1).output
        assert "is neither a URL nor a folder" in output
        assert meant in output
        assert f"./{written}" in output
    assert sorted(tmp_path.iterdir()) == before
    assert "Pushed" in tiffin("models", "push", "iris", f"./{written}").output
    assert "Pulled x:1" in tiffin("models", "pull", f"{written}/iris:v1", "--as", "x:1").output


def test_another_remote_is_made_the_default_by_naming_it_again(
    tiffin: Callable[..., Result], saved: Model, folder: str
) -> None:
    """A second remote leaves none the default, which is said; options stay."""
    tiffin("remotes", "add", "lab", "s3://bucket/lab", "-o", "anon=true")
    assert "No remote is the default now" in tiffin("remotes", "add", "team", folder).output
    assert "already" in tiffin("remotes", "add", "lab", "s3://bucket/other", "--default", code=1).output
    assert "with other options" in tiffin("remotes", "add", "lab", "s3://bucket/lab", "-o", "anon=false", code=1).output
    assert "No remote" not in tiffin("remotes", "add", "lab", "s3://bucket/lab", "--default").output
    listed = json.loads(tiffin("remotes", "list", "-o", "json").output)
    assert [(row["name"], row["options"], row["default"]) for row in listed] == [
        ("lab", ["anon"], True),
        ("team", [], False),
    ]


class Words:
    """An adapter for what this test saves."""

    @hookimpl
    def context_info(self) -> dict[str, object]:
        return {"types": ["builtins.str"]}

    @hookimpl
    def save(self, model: str, path: Path) -> None:
        (path / "words.txt").write_text(model, encoding="utf-8")

    @hookimpl
    def load(self, path: Path) -> str:
        return (path / "words.txt").read_text(encoding="utf-8")


def test_a_model_whose_adapter_is_missing_says_so(
    tiffin: Callable[..., Result], folder: str, fresh_registry: Registry
) -> None:
    """At the pull, and not first when it is loaded."""
    register(Words(), name="two_words")
    save("text:1", "abc", framework="two_words")
    tiffin("models", "push", "text", folder)
    assert "not installed" not in tiffin("models", "pull", "text", folder, "--as", "there:1").output
    unregister("two_words")
    told = tiffin("models", "pull", "text", folder, "--as", "gone:1").output
    assert "The adapter 'two_words', which loads it, is not installed" in told
    assert "pip install" not in told  # it is no package of Tiffin's own
