"""Named remotes: config.toml is changed in place, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inside.remotes import _toml
from tiffin.config import parse_config, read_config
from tiffin.exceptions import ConfigError
from tiffin.remotes import add_remote, connected, default_remote, locate, named_remotes, remove_remote, split_reference

OTHERS = """# What we agreed on.
[trust]
policy = "ask"  # for now

[[some.list]]
x = 1
"""


@pytest.fixture
def config(home: Path) -> Path:
    home.mkdir()
    return home / "config.toml"


def test_a_remote_is_added_and_the_rest_of_the_file_stays(config: Path) -> None:
    """Comments included; and after its removal the file says what it said before."""
    config.write_text(OTHERS)
    add_remote("team", "s3://bucket/models", {"endpoint_url": "http://127.0.0.1:1", "anon": True, "retries": 3})
    add_remote("nas", "/mnt/nas", default=True)
    text = config.read_text()
    assert text.startswith(OTHERS.rstrip())
    remotes = {remote.name: remote for remote in named_remotes()}
    assert remotes["team"].options == {"endpoint_url": "http://127.0.0.1:1", "anon": True, "retries": 3}
    assert (remotes["nas"].url, remotes["nas"].default, remotes["team"].default) == ("/mnt/nas", True, False)
    remove_remote("nas")
    remove_remote("team")
    assert config.read_text().strip() == OTHERS.strip()


def test_the_first_remote_is_the_default_until_another_is(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two and no choice there is none; the environment comes before the file."""
    assert default_remote() is None
    add_remote("a", "/a")
    assert default_remote() == "a"
    add_remote("b", "/b")
    assert default_remote() is None
    with pytest.raises(ConfigError, match=r"no default one. config.toml has a, b"), connected(None):
        pass
    add_remote("b", "/c", default=True, force=True)
    assert locate(None) == ("/c", {})
    monkeypatch.setenv("TIFFIN_REMOTE", "a")
    assert locate(None) == ("/a", {})
    monkeypatch.setenv("TIFFIN_REMOTE", "s3://x/y")
    assert locate(None) == ("s3://x/y", {})


def test_a_name_that_is_taken_is_replaced_only_by_force(config: Path) -> None:
    """The error says what it is now."""
    add_remote("team", "s3://one")
    with pytest.raises(ConfigError, match="already: s3://one"):
        add_remote("team", "s3://two")
    add_remote("team", "s3://two", force=True)
    assert [remote.url for remote in named_remotes()] == ["s3://two"]
    assert config.read_text().count("[remotes.team]") == 1


@pytest.mark.parametrize("name", ["default", "a b", "", "A", "x/y"])
def test_a_name_that_could_be_something_else_is_refused(name: str, config: Path) -> None:
    """And nothing is written."""
    with pytest.raises(ConfigError):
        add_remote(name, "s3://x")
    assert not config.exists()


@pytest.mark.parametrize(
    "text",
    [
        'remotes = { team = { url = "s3://a" } }\n',
        '[remotes]\nteam = { url = "s3://a" }\n',
        '[remotes]\nteam.url = "s3://a"\n',
    ],
)
def test_a_file_in_another_style_is_read_and_not_broken(text: str, config: Path) -> None:
    """What cannot be changed line by line is left as it is, and the error says so."""
    config.write_text(text)
    assert [remote.url for remote in named_remotes()] == ["s3://a"]
    with pytest.raises(ConfigError, match="Change it in an editor"):
        remove_remote("team")
    assert config.read_text() == text


def test_headers_with_spaces_and_quotes_are_understood(config: Path) -> None:
    """TOML allows them."""
    config.write_text('[ remotes . "team" ]\nurl = "s3://a"\n[remotes.team.options]\nx = 1\n[other]\ny = 2\n')
    remove_remote("team")
    assert read_config() == {"other": {"y": 2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("remotes = 1\n", "not a section"),
        ('[remotes]\ndefualt = "x"\n', "unknown setting 'defualt'"),
        ('[remotes]\ndefault = "x"\n', "which it does not have"),
        ("[remotes]\ndefault = 1\n", "not a name"),
        ('[remotes.team]\nurl = "s3://a"\nkey = "x"\n', "unknown setting 'key'"),
        ("[remotes.team]\nurl = 1\n", "no valid url"),
        ('[remotes.team]\noptions = "x"\n', "no valid url"),
        ('[remotes."A b"]\nurl = "x"\n', "cannot be the name of a remote"),
    ],
)
def test_settings_that_are_not_valid_are_told(text: str, message: str, config: Path) -> None:
    """A misspelled setting would silently not count."""
    config.write_text(text)
    with pytest.raises(ConfigError, match=message):
        named_remotes()


def test_an_unknown_name_says_which_there_are(config: Path) -> None:
    """And what else can be written."""
    add_remote("team", "s3://a")
    with pytest.raises(ConfigError, match=r"no remote 'taem'. config.toml has team"):
        locate("taem")
    with pytest.raises(ConfigError, match="no remote 'taem'"):
        remove_remote("taem")


def test_a_new_file_is_for_its_owner_only_and_an_old_one_keeps_its_mode(config: Path) -> None:
    """Options may hold credentials."""
    add_remote("a", "/a")
    assert config.stat().st_mode & 0o777 == 0o600
    config.chmod(0o640)
    add_remote("b", "/b")
    assert config.stat().st_mode & 0o777 == 0o640


def test_a_path_is_made_absolute(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remote is the same one from every folder."""
    monkeypatch.chdir(tmp_path)
    assert add_remote("here", "./models").url == str(tmp_path / "models")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("iris", (None, "iris")),
        ("iris:v1", (None, "iris:v1")),
        ("s3://b/m/iris:v1", ("s3://b/m", "iris:v1")),
        ("oci://localhost:5000/iris", ("oci://localhost:5000", "iris")),
        ("./remote/iris", ("./remote", "iris")),
    ],
)
def test_a_reference_is_a_remote_and_a_tag(text: str, expected: tuple[str | None, str]) -> None:
    """What stands behind the last slash is the tag."""
    assert split_reference(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1) | st.booleans())
def test_any_option_is_written_so_that_it_is_read_as_the_same(value: str | int | bool) -> None:
    """Strings with any character, numbers, truth values."""
    assert parse_config(f"x = {_toml(value)}\n", Path("x")) == {"x": value}
