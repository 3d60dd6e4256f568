"""A record's fields are checked when they are read: a record may come from anywhere."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tiffin.exceptions import LabelError, RecordError
from tiffin.info import ModelContext, ModelInfo, check_labels, installed_version, make_labels

SHA = "0" * 64
GOOD: dict[str, Any] = {"name": "iris", "version": "1", "creation_time": "2024-01-01T00:00:00+00:00"}

BAD_FIELDS: dict[str, dict[str, Any]] = {
    "name of a path": {"name": "../iris"},
    "name that is a number": {"name": 3},
    "version of a path": {"version": "a/b"},
    "version that is a number": {"version": 1},
    "labels that are a list": {"labels": ["a"]},
    "metadata that is a list": {"metadata": [1]},
    "options that are text": {"options": "x"},
    "framework that is a number": {"framework": 3},
    "context that is text": {"context": "x"},
    "versions that are text": {"context": {"framework_versions": "1.2"}},
    "signatures that are a list": {"signatures": [1]},
    "a signature that is text": {"signatures": {"predict": "batchable"}},
    "a signature with an unknown field": {"signatures": {"predict": {"batch": True}}},
    "a signature with a wrong axis": {"signatures": {"predict": {"batchable": True, "batch_dim": "x"}}},
    "creation time that is a number": {"creation_time": 5},
    "creation time that is a date": {"creation_time": datetime.date(2024, 1, 1)},
    "creation time that is none": {"creation_time": None},
    "creation time that is text": {"creation_time": "yesterday"},
    "another api version": {"api_version": "v2"},
    "files that are a list": {"files": ["a"]},
    "a file that is a number": {"files": {"a": 3}},
    "a file without a digest": {"files": {"a": {"size": 1}}},
    "a file of negative size": {"files": {"a": {"size": -1, "sha256": SHA}}},
    "a file of size True": {"files": {"a": {"size": True, "sha256": SHA}}},
    "a file of size 1.0": {"files": {"a": {"size": 1.0, "sha256": SHA}}},
    "a digest that is short": {"files": {"a": {"size": 1, "sha256": SHA[1:]}}},
    "a digest in upper case": {"files": {"a": {"size": 1, "sha256": "A" * 64}}},
    "a digest with a path": {"files": {"a": {"size": 1, "sha256": "../" + SHA[3:]}}},
    "a digest that is a number": {"files": {"a": {"size": 1, "sha256": 5}}},
    "content digest that is a number": {"content_digest": 5},
    "custom objects that are a list": {"custom_objects": ["a"]},
    "a custom object that is text": {"custom_objects": {"a": "custom_objects/a"}},
    "a custom object without a path": {"custom_objects": {"a": {}}},
    "a custom object outside": {"custom_objects": {"a": {"path": "../x"}}},
    "a custom object of framework 3": {"custom_objects": {"a": {"path": "a", "framework": 3}}},
    "a custom object with options 3": {"custom_objects": {"a": {"path": "a", "options": 3}}},
    **{
        f"a file at {path!r}": {"files": {path: {"size": 1, "sha256": SHA}}}
        for path in [
            "", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "./a", ".", "a//b", "a/", "a\\b", "C:\\x", "a\0b", 5,
        ]
    },
}  # fmt: skip


def test_the_least_record_is_read() -> None:
    """Name, version and creation time are enough."""
    info = ModelInfo.from_dict(GOOD)
    assert str(info.tag) == "iris:1"
    assert (info.framework, info.labels, info.files) == ("", {}, {})


@pytest.mark.parametrize("kind", BAD_FIELDS)
def test_a_bad_field_is_refused(kind: str) -> None:
    """No path leads outside the version's folder, and no field has another type than it should."""
    with pytest.raises(RecordError, match=r"The record model.yaml is not valid") as caught:
        ModelInfo.from_dict({**GOOD, **BAD_FIELDS[kind]})
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("field", GOOD)
def test_a_missing_field_is_named(field: str) -> None:
    """The error names the field."""
    with pytest.raises(RecordError, match=f"the field '{field}' is missing"):
        ModelInfo.from_dict({key: value for key, value in GOOD.items() if key != field})


def test_a_record_of_another_major_version_says_to_upgrade() -> None:
    """The reader does not guess."""
    with pytest.raises(RecordError, match="api_version is 'v2', and this Tiffin reads 'v1'; upgrade tiffin"):
        ModelInfo.from_dict({**GOOD, "api_version": "v2"})


@pytest.mark.parametrize("time", ["2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00", datetime.datetime(2024, 1, 1)])
def test_times_are_understood_with_and_without_a_zone(time: Any) -> None:
    """Without one it is UTC, as Tiffin writes it."""
    read = ModelInfo.from_dict({**GOOD, "creation_time": time})
    assert read.creation_time == datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def test_numbers_as_labels_in_a_record_become_text() -> None:
    """Who edits a record by hand writes `version: 3`."""
    assert ModelInfo.from_dict({**GOOD, "labels": {"round": 3}}).labels == {"round": "3"}


@pytest.mark.parametrize(
    "labels", [{"stage": "prod"}, {"team/owner": ""}, {"a.b-c_d": "é, =; 5 %"}, {"x" * 63: "y" * 255}]
)
def test_labels_that_are_allowed(labels: dict[str, str]) -> None:
    """A new dict with the same labels."""
    assert check_labels(labels) == labels
    assert check_labels(labels) is not labels
    assert check_labels(None) == {}


@pytest.mark.parametrize(
    "labels",
    [
        {"": "x"}, {"a b": "x"}, {"-a": "x"}, {"a=": "x"}, {"é": "x"}, {"x" * 64: "x"}, {1: "x"}, {"a\n": "x"},
        {"a": 1}, {"a": None}, {"a": True}, {"a": b"x"}, {"a": "x" * 256}, {"a": "x\n"}, {"a": "\x1b[31m"}, {"a": "\ud800"},
        ["a"], "a=b",
    ],
)  # fmt: skip
def test_labels_that_are_refused(labels: Any) -> None:
    """With an error that names the key."""
    with pytest.raises(LabelError):
        check_labels(labels)


def test_numbers_and_truths_that_a_program_gives_as_labels_become_text() -> None:
    """As every search for labels takes them; what stands in a record is not changed."""
    assert make_labels({"round": 3, "rate": 0.5, "done": True, "team": "a"}) == {
        "round": "3",
        "rate": "0.5",
        "done": "true",
        "team": "a",
    }
    assert make_labels(None) == {}
    with pytest.raises(LabelError, match="is list"):
        make_labels({"round": [3]})


def test_a_number_as_a_label_says_what_to_write() -> None:
    """Labels are strings, so that searching for them is exact."""
    with pytest.raises(LabelError, match=r"The label 'round' is int 3.*Write '3', or put it into metadata="):
        check_labels({"round": 3})  # type: ignore[dict-item]


def test_the_context_knows_what_is_installed() -> None:
    """Distributions that are not installed are left out; the installed ones come with their versions."""
    context = ModelContext.current("kv", ["attrs", "no-such-distribution"])
    assert context.framework_versions == {"attrs": installed_version("attrs")}
    assert context.changed() == {}
    assert ModelContext.from_dict(context.to_dict()) == context


def test_the_context_tells_what_has_changed() -> None:
    """Both versions are told; `None` where it is not installed any more."""
    saved = ModelContext(framework_versions={"attrs": "0.1", "gone": "1.0", "click": str(installed_version("click"))})
    assert saved.changed() == {"attrs": ("0.1", installed_version("attrs")), "gone": ("1.0", None)}
