"""`tiffin.get`, `tiffin.models.list`, aliases, labels: finding what was saved, and changing what may be changed."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import AmbiguousTagError, LabelError, MetadataError, ModelNotFoundError, StoreError


def tags(found: list[Any]) -> list[str]:
    """Return the tags as text."""
    return [str(model.tag) for model in found]


def test_a_tag_may_be_a_name_a_version_an_alias_latest_or_a_beginning(table: Any) -> None:
    """All of them mean one version."""
    first = tiffin.save("x:alpha-1", table)
    second = tiffin.save("x:beta-1", table)
    models.set_alias("x:alpha-1", "prod")
    assert tiffin.get("x") == tiffin.get("x:latest") == tiffin.get("x:beta-1") == tiffin.get("x:b") == second
    assert tiffin.get("x:prod") == tiffin.get("x:alpha") == tiffin.get(tiffin.Tag("x", "prod")) == first


def test_a_beginning_of_several_versions_is_ambiguous(table: Any) -> None:
    """The versions are told."""
    for version in ("1.0", "1.1"):
        tiffin.save(f"x:{version}", table)
    with pytest.raises(AmbiguousTagError, match=r"'x:1' could be 2 versions: 1\.1, 1\.0") as caught:
        tiffin.get("x:1")
    assert sorted(caught.value.versions) == ["1.0", "1.1"]


def test_what_is_not_there_says_what_is(table: Any) -> None:
    """A similar name, or the versions and aliases of the name."""
    tiffin.save("iris-clf:1", table)
    models.set_alias("iris-clf:1", "prod")
    with pytest.raises(ModelNotFoundError, match=r"Model 'iris_clf' was not found.*Did you mean 'iris-clf'"):
        tiffin.get("iris_clf")
    with pytest.raises(ModelNotFoundError, match="'iris-clf' has prod, 1") as caught:
        tiffin.load("iris-clf:staging")
    assert caught.value.tag == "iris-clf:staging"
    with pytest.raises(LookupError):
        models.delete("other")


def test_lists_are_by_name_and_newest_first(table: Any) -> None:
    """With and without a name."""
    for tag in ("b:1", "a:1", "b:2", "a:2"):
        tiffin.save(tag, table)
    assert tags(models.list()) == ["a:2", "a:1", "b:2", "b:1"]
    assert tags(models.list("b")) == ["b:2", "b:1"]
    assert tags(models.list("b:1")) == ["b:1"]


@pytest.mark.parametrize("ask", [models.list, models.usage, models.aliases, models.history, models.verify])
def test_what_is_asked_of_a_name_that_is_not_there_is_an_error(ask: Callable[[str], Any], table: Any) -> None:
    """As for a version that is not there: a misspelled name is told, with those that are like it."""
    tiffin.save("iris:1", table)
    with pytest.raises(ModelNotFoundError, match=r"'irsi' was not found.*Did you mean 'iris'\?"):
        ask("irsi")


def test_a_list_of_what_is_not_there_is_an_error_with_and_without_a_version(table: Any) -> None:
    """Labels and queries that none of a name's versions fits are none; so are those of a store that is empty."""
    assert models.list() == []
    tiffin.save("iris:1", table)
    for tag in ("iris:2", "rose", "rose:1"):
        with pytest.raises(ModelNotFoundError, match=f"'{tag}' was not found"):
            models.list(tag)
    assert models.list("iris", labels={"stage": "prod"}) == []
    assert models.aliases("iris") == {}


def test_labels_are_searched_by(table: Any) -> None:
    """All must fit; a value of None stands for any value."""
    tiffin.save("x:1", table, labels={"stage": "dev", "team": "a"})
    tiffin.save("x:2", table, labels={"stage": "prod", "team": "a"})
    tiffin.save("y:1", table, labels={"stage": "dev"})
    assert tags(models.list(labels={"stage": "dev"})) == ["x:1", "y:1"]
    assert tags(models.list("x", labels={"stage": "dev"})) == ["x:1"]
    assert tags(models.list(labels={"stage": "dev", "team": "a"})) == ["x:1"]
    assert tags(models.list(labels={"team": None})) == ["x:2", "x:1"]
    assert models.list(labels={"stage": ""}) == []
    assert tags(models.list(framework="table")) == ["x:2", "x:1", "y:1"]
    assert models.list(framework="other") == []


def test_a_handle_of_a_list_knows_what_the_record_says(table: Any) -> None:
    """Cheap fields come from the list, the others from the record; they agree."""
    tiffin.save("x:1", table, labels={"stage": "dev"})
    [model] = models.list()
    fields = (model.labels, model.framework, model.creation_time, model.size, model.edited)
    info = model.info
    assert fields == (info.labels, info.framework, info.creation_time, info.size, info.edited)
    assert fields == (model.labels, model.framework, model.creation_time, model.size, model.edited)
    assert abs(model.creation_time - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=5)
    assert model == tiffin.get("x:1")
    assert hash(model) == hash(tiffin.get("x:1"))
    assert repr(model) == f"Model(tag='x:1', path={str(model.path)!r})"


def test_changing_a_handles_labels_changes_nothing(table: Any) -> None:
    """They are a copy."""
    model = tiffin.save("x", table, labels={"a": "1"})
    model.labels["a"] = "2"
    assert model.labels == {"a": "1"}


def test_labels_and_metadata_are_edited(table: Any) -> None:
    """Named ones are set, None removes, the others stay; the content stays what it was."""
    saved = tiffin.save("x:1", table, labels={"a": "1", "b": "2"}, metadata={"m": 1, "n": 2})
    edited = models.edit("x:1", labels={"a": "3", "b": None, "c": "4"}, metadata={"m": None, "o": (1,)})
    for model in (edited, tiffin.get("x:1"), models.list()[0]):
        assert model.labels == {"a": "3", "c": "4"}
        assert model.info.metadata == {"n": 2, "o": [1]}
        assert not model.edited
    assert tiffin.get("x:1").info.content_digest == saved.info.content_digest
    assert models.list(labels={"b": None}) == []
    assert models.edit("x:1", labels={"z": "1"}, replace=True).labels == {"z": "1"}
    assert tiffin.get("x:1").info.metadata == {"n": 2, "o": [1]}
    assert models.label("x:1", z=None, stage="prod").labels == {"stage": "prod"}
    assert models.verify() == []
    assert tiffin.load("x:1") == table


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"labels": {"a b": "1"}}, LabelError),
        ({"labels": {"a": [1]}}, LabelError),
        ({"metadata": {"a": {1}}}, MetadataError),
    ],
)
def test_a_bad_edit_changes_nothing(change: Any, error: Any, table: Any) -> None:
    """The record stays as it was."""
    before = tiffin.save("x:1", table, labels={"a": "1"}).path.joinpath("model.yaml").read_bytes()
    with pytest.raises(error):
        models.edit("x:1", **change)
    assert tiffin.get("x:1").path.joinpath("model.yaml").read_bytes() == before


def test_an_alias_moves(table: Any) -> None:
    """It means the version that the tag meant when it was set."""
    tiffin.save("x:1", table)
    assert models.set_alias("x", "prod").version == "1"
    tiffin.save("x:2", table)
    assert tiffin.get("x:prod").version == "1"
    models.set_alias("x:latest", "prod")
    assert models.aliases("x") == {"prod": "2"}
    models.set_alias("x:prod", "stable")
    assert models.aliases("x") == {"prod": "2", "stable": "2"}
    models.remove_alias("x", "prod")
    assert models.aliases("x") == {"stable": "2"}
    assert tiffin.get("x:2").version == "2"
    with pytest.raises(ModelNotFoundError, match=r"'x' has no alias 'prod'.*It has stable"):
        models.remove_alias("x", "prod")


def test_deleting_a_version_deletes_its_aliases(table: Any) -> None:
    """And leaves the other versions and theirs."""
    tiffin.save("x:1", table)
    tiffin.save("x:2", table)
    models.set_alias("x:1", "old")
    models.set_alias("x:2", "new")
    gone = tiffin.get("x:1")
    assert models.delete("x:old", force=True) == [tiffin.Tag("x", "1")]
    assert models.aliases("x") == {"new": "2"}
    assert tags(models.list()) == ["x:2"]
    with pytest.raises(ModelNotFoundError):
        gone.load()
    with pytest.raises(ModelNotFoundError):
        tiffin.get("x:1")


def test_prune_keeps_the_newest_and_those_with_an_alias(table: Any) -> None:
    """`dry_run` only tells."""
    for version in "12345":
        tiffin.save(f"x:{version}", table)
    models.set_alias("x:2", "prod")
    assert [str(tag) for tag in models.prune("x", 2, dry_run=True)] == ["x:3", "x:1"]
    assert len(models.list("x")) == 5
    assert [str(tag) for tag in models.prune("x", 2)] == ["x:3", "x:1"]
    assert tags(models.list()) == ["x:5", "x:4", "x:2"]
    assert models.prune("x", 2) == []
    assert [str(tag) for tag in models.prune("x", 0)] == ["x:5", "x:4"]
    assert tiffin.load("x:prod") == table
    with pytest.raises(ModelNotFoundError):
        models.prune("nothing", 1)
    with pytest.raises(ValueError, match="keep must be 0 or more"):
        models.prune("x", -1)


def test_a_file_that_is_not_there_is_told(table: Any) -> None:
    """With what is there; nothing outside is reached."""
    model = tiffin.save("x", table)
    assert model.path_of("table.json").exists()
    for file in ("other", "/etc/passwd", "model.yaml", "table", "table.json/x"):
        with pytest.raises(StoreError, match=r"no file or folder '[^/].*It has table.json"):
            model.path_of(file)
    for file in ("../../x", "x/../../y", "/.."):
        with pytest.raises(StoreError, match="leads outside of the folder"):
            model.path_of(file)
