"""Text of strangers, as people get to see it."""

from __future__ import annotations

import json
import warnings

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tiffin import exceptions
from tiffin.cli import show_data
from tiffin.plugins import install_hint
from tiffin.showing import command, is_plain_text, shown, shown_lines

HIDDEN = (
    "\x1b[2J",
    "\x9b1m",
    "\r",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\u3164",
    "\ufe0f",
    "\u2800",
    "\u2028",
    "\U000e0041",
)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_a_terminal_obeys_or_nobody_sees_is_shown_as_an_escape(hidden: str) -> None:
    """Control characters, direction, no width, fillers, tags: each is visible, and does nothing."""
    assert is_plain_text(shown(f"a{hidden}b"))
    assert shown(f"a{hidden}b") != "ab"
    assert is_plain_text(shown_lines(f"a{hidden}b"))


def test_a_text_stays_one_line_and_spaces_fake_none() -> None:
    """Line ends and runs of spaces, which could push the rest to where a line begins, are escapes."""
    assert shown("os.system\n  numpy.ndarray") == "os.system\\n \\x20numpy.ndarray"
    assert shown(" a b ") == "\\x20a b\\x20"
    assert shown("a b", spaces=False) == "a\\x20b"


def test_a_cut_is_told() -> None:
    """Nobody takes a part for the whole."""
    assert shown("x" * 300) == "x" * 200 + "… (100 more characters)"
    assert shown("x" * 300, 0) == "x" * 300


@given(st.text())
def test_any_text_is_shown_in_one_plain_line_and_twice_is_once(text: str) -> None:
    """Whatever comes, the terminal gets one line of visible characters."""
    line = shown(text, 0)
    assert is_plain_text(line)
    assert shown(line, 0) == line
    assert "  " not in line


def test_text_that_shows_as_itself_is_left_alone() -> None:
    """People who write other scripts than Latin are not strangers."""
    for text in ("naïve Modell", "モデル", "модель", "été", "C:\\models", "a: b"):
        assert shown(text) == text


def test_a_command_to_copy_is_quoted_or_not_offered() -> None:
    """What a stranger wrote cannot end a command and begin another."""
    assert command("tiffin", "remotes", "models", "/a b; echo unasked") == "tiffin remotes models '/a b; echo unasked'"
    assert command("tiffin", "remotes", "models", "/a\u202eb") == ""


@pytest.mark.parametrize(
    "framework",
    ["x; echo unasked #", "a\nb", "-r x", "x y", "Évil", "a" * 300, "", "../x", "$(id)", "light_gbm", "Sklearn"],
)
def test_no_install_is_offered_for_what_is_no_package_of_tiffin_s(framework: str) -> None:
    """A record's framework is a stranger's text, and anybody may publish a package that is called like it."""
    assert install_hint(framework) == ""
    assert install_hint("sklearn") == "Try: pip install tiffin-sklearn"


@pytest.mark.parametrize("hidden", HIDDEN)
def test_errors_and_warnings_carry_nothing_that_a_terminal_obeys(hidden: str) -> None:
    """Wherever the text came from: each error and warning of Tiffin's passes through the same function."""
    error = exceptions.StoreError(f"what {hidden}", why=f"why {hidden}", fix=f"fix {hidden}", path=hidden)
    for part in (error.what, error.why, error.fix, str(error), str(error.args)):
        assert hidden not in part
    assert error.path == hidden  # a fact for programs
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(f"saved with numpy {hidden}", exceptions.VersionMismatchWarning, stacklevel=1)
    (text,) = (str(each.message) for each in caught if each.category is exceptions.VersionMismatchWarning)
    assert hidden not in text


@given(st.dictionaries(st.text(), st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5)))
def test_json_and_yaml_lose_nothing_and_hide_nothing(data: dict[str, object]) -> None:
    """Programs get back each character; people who look at it see each."""
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("click.echo", lambda text, **_: printed.append(text))
        show_data(data, "json")
        show_data(data, "yaml")
    assert json.loads(printed[0]) == data
    assert yaml.safe_load(printed[1]) == data
    for text in printed:
        assert all(map(is_plain_text, text.splitlines()))
        assert all(map(is_plain_text, text.split("\n")))
