"""Tags, as BentoML's users write them: what its pages say of `bentoml.Tag` holds for `tiffin.Tag`, and for BentoML itself."""

from __future__ import annotations

from typing import Any

import pytest

import bentoml_shim as bentoml

Tag = bentoml.Tag
REFUSED = (ValueError, bentoml.exceptions.BentoMLException)


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("iris_clf", "iris_clf", None),
        ("iris_clf:v1.0", "iris_clf", "v1.0"),
        ("iris_clf:latest", "iris_clf", "latest"),
        ("a:b", "a", "b"),
        ("1", "1", None),
        ("a-b.c_d:0.0.1-rc1", "a-b.c_d", "0.0.1-rc1"),
    ],
)
def test_a_text_becomes_a_tag_and_a_text_again(text: str, name: str, version: str | None) -> None:
    """`name`, or `name:version`."""
    for tag in (Tag.from_str(text), Tag.from_taglike(text), Tag(name, version)):
        assert (tag.name, tag.version) == (name, version)
        assert str(tag) == text


def test_a_tag_is_taken_for_a_tag() -> None:
    """`from_taglike` gives back the very one."""
    tag = Tag("iris_clf", "v1")
    assert Tag.from_taglike(tag) is tag


def test_tags_are_equal_hashed_and_ordered_by_name_and_version() -> None:
    """One without a version comes before all that have one."""
    assert Tag("a", "1") == Tag.from_str("a:1")
    assert Tag("a", "1") != Tag("a", "2")
    assert Tag("a", "1") != Tag("b", "1")
    assert Tag("a") != "a"
    assert len({Tag("a", "1"), Tag.from_str("a:1"), Tag("a")}) == 2
    first, second, third, last = Tag("a"), Tag("a", "1"), Tag("a", "2"), Tag("b")
    assert sorted([third, last, first, second]) == [first, second, third, last]


@pytest.mark.parametrize(
    "text", ["", ":", "a:", ":1", "a b", "a:b c", "a:b:c", "-a", "a-", "a:-1", "ä", "a/b", "x" * 64, "a:" + "x" * 64]
)
def test_what_is_no_tag_is_refused(text: str) -> None:
    """Empty parts, other characters, punctuation at an end, more than 63 characters."""
    with pytest.raises(REFUSED):
        Tag.from_str(text)


@pytest.mark.parametrize("length", [1, 63])
def test_a_part_has_up_to_63_characters(length: int) -> None:
    """Name and version alike."""
    assert Tag("x" * length, "y" * length).version == "y" * length


@pytest.mark.parametrize("which", ["name", "tag", "text", "latest"])
def test_wherever_a_tag_is_taken_its_text_is(which: str) -> None:
    """Of `models.get` and `models.list`."""
    with bentoml.models.create("files:v1"):
        pass
    tags: dict[str, Any] = {
        "name": "files",
        "tag": Tag("files", "v1"),
        "text": "files:v1",
        "latest": Tag("files", "latest"),
    }
    assert bentoml.models.get(tags[which]).tag == Tag("files", "v1")
    if which != "latest":
        assert [model.tag for model in bentoml.models.list(tags[which])] == [Tag("files", "v1")]
