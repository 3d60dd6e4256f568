"""Records that are not as Tiffin writes them: each is read or refused, and never anything else."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import attrs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tiffin.exceptions import RecordError
from tiffin.info import (
    FileEntry,
    ModelContext,
    ModelInfo,
    ObjectEntry,
    check_limits,
    parse_record,
    read_foreign_record,
    render_record,
)
from tiffin.signatures import ModelSignature

INFO = ModelInfo(
    name="iris",
    version="1",
    framework="kv",
    labels={"stage": "dev"},
    metadata={"score": 0.5, "when": datetime.date(2026, 1, 1)},
    options={"partial_kwargs": {"predict": {"threshold": 0.5}}},
    context=ModelContext(framework_name="kv", framework_versions={"kv": "1.0"}),
    signatures={"predict": ModelSignature(batchable=True, input_spec={"type": "array", "shape": [None, 4]})},
    custom_objects={"scaler": ObjectEntry("custom_objects/scaler")},
    files={"custom_objects/scaler/a": FileEntry(1, "a" * 64), "m": FileEntry(2, "b" * 64)},
)
ODD = [
    None, True, 0, -1, 10**400, 1.5, float("nan"), "", "x" * 300, "\x1b", "../x", [], [[]], {}, {"a": {"b": [1]}}, [None, 1],
    datetime.date(1, 1, 1), datetime.datetime(9999, 12, 31, 23), {"type": []}, {"batch_dim": {}}, {"path": "m"},
]  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in below for path in paths(item, (*at, key)))]


FIELDS = [path for path in paths(INFO.to_dict()) if path]


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(FIELDS), st.sampled_from(ODD) | st.recursive(st.text() | st.integers() | st.none(), st.lists))
def test_any_value_in_any_field_is_read_or_refused(path: tuple[Any, ...], value: Any) -> None:
    """Whatever stands in a record, its reader raises a RecordError or returns what can be used."""
    data = copy.deepcopy(INFO.to_dict())
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        text = yaml.safe_dump(data, allow_unicode=True).encode()
    except UnicodeEncodeError:
        return
    for read in (parse_record, read_foreign_record):
        try:
            info = read(text, "model.yaml")
        except RecordError:
            continue
        render_record(info)
        info.compute_digest()
        repr(info)


@pytest.mark.parametrize(
    "changes",
    [
        {"creation_time": datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)},
        {"creation_time": datetime.datetime(1969, 1, 1, tzinfo=datetime.UTC)},
        {"signatures": {"__init__": ModelSignature()}},
        {"signatures": {"a b": ModelSignature()}},
        {"options": {"partial_kwargs": 5}},
        {"options": {"partial_kwargs": {"predict": [1]}}},
        {"custom_objects": {"scaler": ObjectEntry("m")}},
        {"custom_objects": {"scaler": ObjectEntry("nowhere")}},
        {"context": ModelContext(framework_versions={f"d{number}": "1" for number in range(2000)})},
        {"context": ModelContext(framework_versions={"d": "1" * 300})},
        {"framework": "x" * 300},
        {"labels": {"a b": "c"}},
        {"metadata": {"n": 10**600}},
    ],
)
def test_what_no_record_needs_is_refused_from_elsewhere_and_loads_where_it_is(changes: dict[str, Any]) -> None:
    """A limit that came later takes nothing away that is here."""
    info = attrs.evolve(INFO, **changes)
    info = attrs.evolve(info, content_digest=info.compute_digest())
    text = render_record(info)
    assert parse_record(text, "model.yaml").content_digest == info.content_digest
    with pytest.raises(RecordError):
        read_foreign_record(text, "model.yaml")
    with pytest.raises(RecordError):
        check_limits(info)  # by which save refuses it, too


@pytest.mark.parametrize(
    "value",
    ['!!int "1"', '!!str 5', "!!float '1'", "!!set {a}", "!!timestamp 2026-01-01", "!!binary aGk=", "!!python/name:os.system",
     "!own x", "!<tag:tiffin:int> 5", "[" * 3000 + "]" * 3000, "1" + ":30" * 4000, "1" * 6000],
)  # fmt: skip
def test_yaml_that_names_types_or_takes_time_is_refused(value: str) -> None:
    """A value is what it looks like, and is read in time that its length explains."""
    text = render_record(INFO).replace(b"score: 0.5", f"score: {value}".encode())
    for read in (parse_record, read_foreign_record):
        with pytest.raises(RecordError):
            read(text, "model.yaml")


def test_a_merge_of_yaml_is_a_key_like_any_other() -> None:
    """`<<` copies nothing."""
    text = render_record(INFO).replace(b"score: 0.5", b"<<: {score: 1}")
    assert parse_record(text, "model.yaml").metadata["<<"] == {"score": 1}
