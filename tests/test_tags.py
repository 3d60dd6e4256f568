"""Names, versions, aliases and tags: what is allowed, how it is written, and in which order versions are made."""

from __future__ import annotations

import copy
import pickle
import string
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiffin
from tiffin import Tag
from tiffin.exceptions import InvalidTagError, TiffinError
from tiffin.tags import MAX_LENGTH, check_part, is_part, new_version

ENDS = string.ascii_lowercase + string.digits
DEVICES = ["con", "prn", "aux", "nul", "com1", "com9", "lpt1", "lpt9"]

parts = (
    st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", fullmatch=True)
    .filter(lambda text: text.split(".")[0] not in DEVICES)
    .filter(lambda text: text[:3] not in ("com", "lpt"))
)

BAD = {
    "empty": "",
    "one dot": ".",
    "two dots": "..",
    "traversal": "../../etc/passwd",
    "traversal behind a name": "iris/../../x",
    "absolute": "/etc/passwd",
    "backslash": "..\\x",
    "slash": "a/b",
    "space": "a b",
    "spaces around": " iris ",
    "upper case": "Iris",
    "newline at the end": "iris\n",
    "carriage return at the end": "iris\r",
    "tab": "iris\t",
    "nul byte": "iris\0",
    "escape sequence": "\x1b[31miris",
    "percent-encoded": "..%2f..%2fx",
    "percent": "100%",
    "tilde": "~root",
    "dollar": "$HOME",
    "star": "iris*",
    "hash": "iris#1",
    "at": "iris@sha256",
    "plus": "a+b",
    "dot first": ".iris",
    "dot last": "iris.",
    "hyphen first": "-rf",
    "underscore last": "iris_",
    "64 characters": "a" * 64,
    "very long": "a" * 100_000,
    "letters beyond ASCII": "modèle",
    "letters that look alike": "\u0456ris",  # the first letter is Cyrillic
    "full-width letters": "\uff49ris",
    "digits beyond ASCII": "iris٣",
    "half of a surrogate pair": "iris\udc80",
    "right-to-left mark": "iris\u202egpj",
    "zero-width joiner": "iris\u200d1",
    "emoji": "🌸",
    "a dotless i": "\u0131r\u0131s",
    "long s, which lowers to none": "iri\u017f",
    **{f"device {name}": name for name in DEVICES},
    "device with an ending": "nul.tar.gz",
}

bad = pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())


@given(parts, st.none() | parts)
def test_a_tag_is_written_as_it_is_read(name: str, version: str | None) -> None:
    """`Tag.parse(str(tag))` gives the tag back, equal and with one hash."""
    tag = Tag(name, version)
    again = Tag.parse(str(tag))
    assert (again.name, again.version) == (name, version)
    assert again == tag
    assert hash(again) == hash(tag)
    assert repr(tag) == f"Tag({str(tag)!r})"
    assert pickle.loads(pickle.dumps(tag)) == copy.deepcopy(tag) == tag


@given(st.text(max_size=70))
def test_what_is_allowed_is_exactly_the_rule(text: str) -> None:
    """Letters, digits and inner punctuation of ASCII, 1 to 63 characters, no device; everything else is refused."""
    by_rule = (
        0 < len(text) <= 63
        and all(character in ENDS + "._-" for character in text)
        and text[0] in ENDS
        and text[-1] in ENDS
        and text.split(".")[0] not in [*DEVICES, *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
    )
    assert is_part(text) == by_rule
    if by_rule:
        assert check_part(text, "name") == text
    else:
        with pytest.raises(InvalidTagError) as caught:
            check_part(text, "name")
        assert caught.value.value == text


@given(st.text(max_size=80))
def test_parsing_either_gives_a_tag_or_says_why_not(text: str) -> None:
    """No text makes it fail in another way, and what it accepts is spelled as given."""
    try:
        tag = Tag.parse(text)
    except InvalidTagError:
        return
    assert str(tag) == text


@given(parts)
def test_what_is_suggested_would_be_accepted(name: str) -> None:
    """The example in the error is a name that may be used."""
    with pytest.raises(InvalidTagError) as caught:
        Tag(f" {name.upper()}!")
    if caught.value.fix:
        suggestion = caught.value.fix.split("'")[1]
        assert is_part(suggestion)


@bad
def test_bad_names_versions_and_aliases_are_refused_with_the_reason(text: str) -> None:
    """The message is short, shows the text without control characters, and says what it could not be, and why."""
    for what, make in (("model name", lambda: Tag(text)), ("version", lambda: Tag("iris", text))):
        with pytest.raises(InvalidTagError) as caught:
            make()
        message = str(caught.value)
        assert f"cannot be a {what}" in message
        assert caught.value.why
        assert len(message) < 400
        assert "\n" not in message
        assert "\x1b" not in message


@pytest.mark.parametrize("text", ["iris:", ":1", ":", "a:b:c", "iris:..", "iris:1\n", "iris :1", "iris:1/../2"])
def test_bad_tags_are_refused(text: str) -> None:
    """A colon must have a name before it and a version behind it."""
    with pytest.raises(InvalidTagError):
        Tag.parse(text)


@pytest.mark.parametrize("value", [None, 3, b"iris", ["iris"], object])
def test_what_is_no_text_is_refused(value: Any) -> None:
    """The error names the type."""
    with pytest.raises(InvalidTagError, match=f"not {type(value).__name__}"):
        Tag.parse(value)
    with pytest.raises(InvalidTagError, match="must be a string"):
        Tag(value)


def test_a_tag_is_not_equal_to_its_text_and_sorts_with_tags_only() -> None:
    """So that a mistake shows."""
    assert Tag("iris", "1") != "iris:1"
    assert sorted([Tag("b"), Tag("a", "2"), Tag("a"), Tag("a", "1")]) == [
        Tag("a"),
        Tag("a", "1"),
        Tag("a", "2"),
        Tag("b"),
    ]
    with pytest.raises(TypeError):
        assert Tag("a") < "b"  # type: ignore[operator]


def test_a_longest_name_is_accepted() -> None:
    """63 characters fit."""
    assert Tag("a" * MAX_LENGTH, "b" * MAX_LENGTH).name == "a" * 63


def test_versions_sort_by_the_time_at_which_they_were_made() -> None:
    """Within a process strictly, and none is made twice, from several threads too."""
    with ThreadPoolExecutor(4) as threads:
        made = [
            pair for block in threads.map(lambda _: [new_version() for _ in range(500)], range(4)) for pair in block
        ]
    made.sort(key=lambda pair: pair[1])
    versions = [version for version, _ in made]
    assert versions == sorted(set(versions))
    assert len(versions) == 2000
    assert all(is_part(version) and len(version) == 20 for version in versions)


def test_a_versions_time_is_the_clocks() -> None:
    """The time that is returned is in microseconds, and is now."""
    before = time.time_ns() // 1000
    _, made = new_version()
    assert before <= made <= time.time_ns() // 1000 + 10_000


def test_versions_keep_their_order_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The later version sorts behind the earlier one, whatever the clock says."""
    first, _ = new_version()
    monkeypatch.setattr("tiffin.tags.time.time_ns", lambda: 0)
    second, _ = new_version()
    assert second > first


@given(st.integers(0, 2**60 - 2), st.integers(1, 2**59))
def test_versions_of_other_machines_sort_by_time_too(earlier: int, difference: int) -> None:
    """The text of a later time sorts behind that of an earlier one, whatever the random part is."""
    import tiffin.tags as tags

    later = min(earlier + difference, 2**60 - 1)
    versions = []
    for now in (earlier, later):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tags, "_last_time", -1)
            patch.setattr(tags.time, "time_ns", lambda now=now: now * 1000)
            versions.append(tags.new_version()[0])
    assert versions == sorted(versions)
    assert versions[0][:12] != versions[1][:12]


@bad
def test_the_api_refuses_bad_tags_everywhere(text: str, table: Any, tmp_path: Any) -> None:
    """Save, get, load, list, create, alias, delete, edit and prune refuse, and nothing is written."""
    tiffin.save("iris:1", table)
    calls = {
        "save a name": lambda: tiffin.save(text, table),
        "save a version": lambda: tiffin.save(f"iris:{text}", table),
        "create": lambda: tiffin.models.create(text).__enter__(),
        "get": lambda: tiffin.get(text),
        "get a version": lambda: tiffin.get(f"iris:{text}"),
        "load": lambda: tiffin.load(text),
        "list": lambda: tiffin.models.list(text),
        "delete": lambda: tiffin.models.delete(f"iris:{text}"),
        "alias": lambda: tiffin.models.set_alias("iris", text),
        "alias of": lambda: tiffin.models.set_alias(text, "prod"),
        "remove alias": lambda: tiffin.models.remove_alias("iris", text),
        "aliases": lambda: tiffin.models.aliases(text),
        "edit": lambda: tiffin.models.edit(text, labels={}),
        "prune": lambda: tiffin.models.prune(text, 1),
        "verify": lambda: tiffin.models.verify(text),
        "du": lambda: tiffin.models.usage(text),
    }
    before = sorted(path for path in tmp_path.rglob("*") if "catalog" not in path.name)
    for what, call in calls.items():
        with pytest.raises(InvalidTagError):
            pytest.fail(f"{what} accepted {text!r}: {call()}")
    assert sorted(path for path in tmp_path.rglob("*") if "catalog" not in path.name) == before


@pytest.mark.parametrize("tag", ["latest", "latest:1", "iris:latest"])
def test_latest_names_no_model_that_is_saved(tag: str, table: Any) -> None:
    """`latest` always stands for the newest version."""
    with pytest.raises(InvalidTagError, match="'latest' stands for the newest version"):
        tiffin.save(tag, table)
    with pytest.raises(InvalidTagError, match="'latest' stands for"), tiffin.models.create(tag):
        pytest.fail("was made")


def test_latest_is_no_alias(table: Any) -> None:
    """Nor may a version become one."""
    tiffin.save("iris:1", table)
    with pytest.raises(InvalidTagError, match="It always stands for the newest version"):
        tiffin.models.set_alias("iris:1", "latest")
    with pytest.raises(InvalidTagError, match="It is a version of the model"):
        tiffin.models.set_alias("iris:1", "1")


TYPED = {kind: text for kind, text in BAD.items() if "\0" not in text and "\udc80" not in text and len(text) < 99}


@pytest.mark.parametrize("text", TYPED.values(), ids=TYPED.keys())
def test_the_command_line_refuses_bad_tags(text: str, store_home: Any) -> None:
    """Exit code 1, one message, no traceback; behind "--", where a hyphen first is no option."""
    from click.testing import CliRunner

    from tiffin.cli import cli

    for command in (["get"], ["delete", "-y"], ["label"], ["verify"]):
        result = CliRunner().invoke(cli, ["models", *command, "--", text])
        assert (result.exit_code, result.stdout) == (1, ""), (command, result.output)
        assert "cannot be a model name" in result.stderr
    result = CliRunner().invoke(cli, ["models", "alias", "--", "iris", text])
    assert result.exit_code == 1


def test_a_child_process_makes_versions_of_its_own(store_home: Any) -> None:
    """After a fork, parent and child do not make the same version; a lock that was held does not stay held."""
    program = """
import os, threading
from tiffin import tags
tags._lock.acquire()
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, tags.new_version()[0].encode())
    os._exit(0)
tags._lock.release()
mine = tags.new_version()[0]
assert os.read(reader, 99).decode() != mine
os.wait()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_an_invalid_tag_is_a_value_error_and_tiffins() -> None:
    """Whoever catches either gets it."""
    assert issubclass(InvalidTagError, ValueError)
    assert issubclass(InvalidTagError, TiffinError)
