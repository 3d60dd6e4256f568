"""The model card and the differences of two records."""

from __future__ import annotations

import datetime
import math

import attrs
import pytest
import yaml

from tiffin.exceptions import MetadataError, RecordError
from tiffin.info import (
    FileEntry,
    ModelContext,
    ModelInfo,
    ObjectEntry,
    check_card,
    check_limits,
    compare,
    parse_record,
    render_card,
    render_record,
)
from tiffin.signatures import ModelSignature

TEXT = "# Irises\n\nTells *three* kinds apart.\n\n\tcode: |\n  - ümlaut #x\n'quoted' \"twice\"\n--- \n..."


def info(**fields: object) -> ModelInfo:
    made = ModelInfo(
        name="iris",
        version="1",
        framework="sklearn",
        labels={"stage": "test"},
        metadata={"accuracy": 0.9, "deep": {"f1": 0.5, "n": 3}, "note": "x|y"},
        signatures={"predict": ModelSignature.from_any({"batchable": True}, method="predict")},
        custom_objects={"scaler": ObjectEntry("custom_objects/scaler")},
        files={"model.pkl": FileEntry(10, "a" * 64), "custom_objects/scaler/model.pkl": FileEntry(5, "b" * 64)},
        context=ModelContext(
            framework_name="sklearn",
            framework_versions={"scikit-learn": "1.5"},
            tiffin_version="1",
            python_version="3.11",
        ),
        creation_time=datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC),
    )
    return attrs.evolve(made, **fields)


@pytest.mark.parametrize(
    "card", [TEXT, "one line", "ends in a space \nx", " begins so", "a\n\n\n\nb", "x: y", "|", "\ttab", "ü" * 500]
)
def test_a_card_is_read_back_as_it_was_written(card: str) -> None:
    """In the record it stands as text of several lines; it is no part of the content."""
    sealed = attrs.evolve(info(card=card), content_digest=info().compute_digest())
    read = parse_record(render_record(sealed), "model.yaml")
    assert (read.card, read.edited) == (card, False)
    assert read == sealed
    assert sealed.compute_digest() == info().compute_digest()
    assert yaml.safe_load(render_record(sealed))["card"] == card


def test_a_record_without_a_card_is_what_it_was_before() -> None:
    """No field is written, so that older records and digests stay what they are."""
    assert b"card" not in render_record(info())


def test_line_ends_of_other_systems_are_made_one() -> None:
    """And empty lines at the ends go."""
    assert check_card("\n\na\r\nb\rc\n") == "a\nb\nc"
    assert check_card(None) == ""


@pytest.mark.parametrize(
    ("card", "text"),
    [
        (3, "must be a string"),
        ("x" * 262_145, "262145 characters"),
        ("a\x1b[31m", r"\\x1b"),
        ("\ud800", "ud800"),
        ("\x85", "x85"),
    ],
)
def test_what_is_no_text_is_refused(card: object, text: str) -> None:
    """Control characters, half of a pair, too much."""
    with pytest.raises(MetadataError, match=text):
        check_card(card)  # type: ignore[arg-type]


def test_a_card_of_a_stranger_has_the_same_limit() -> None:
    """A record from elsewhere cannot hold more."""
    with pytest.raises(RecordError, match="its card has 262145 characters"):
        check_limits(info(card="x" * 262_145))


def test_a_card_is_shown_with_what_the_record_says() -> None:
    """Metrics, signatures and record follow; a heading of its own is the page's."""
    page = render_card(info(card=TEXT))
    assert page.startswith("# Irises\n\nTells *three* kinds apart.")
    assert (
        "\n## Metrics\n\n| metric | value |\n| --- | --- |\n| accuracy | 0.9 |\n| deep.f1 | 0.5 |\n| deep.n | 3 |\n"
        in page
    )
    assert "| `predict` | batchable |  |  |" in page
    assert "| saved with | scikit-learn 1.5, tiffin 1, python 3.11 |" in page
    assert render_card(info()).startswith("# iris:1\n\n## Metrics")
    assert render_card(info(card="Short.", metadata={}, signatures={})).startswith("# iris:1\n\nShort.\n\n## Record")


def test_nothing_in_a_record_breaks_the_page() -> None:
    """A stranger's label ends no cell, begins no line and no HTML."""
    page = render_card(info(labels={"a": "x|y"}, framework="<b>\n| evil", metadata={"<i>|": 1.0}))
    assert "a=x\\|y" in page
    assert "| framework | &lt;b>\\n\\| evil |" in page
    assert "| &lt;i>\\| | 1 |" in page


def test_records_that_are_the_same_differ_in_nothing() -> None:
    """Tags are not compared; a number that is none equals itself."""
    assert compare(info(), info(name="other", version="2")) == []
    nan = info(metadata={"a": math.nan, "b": [math.nan]})
    assert compare(nan, info(metadata={"a": math.nan, "b": [math.nan]})) == []


def test_each_field_that_differs_is_told_in_its_section() -> None:
    """What is only in one, what is in both, and by how much numbers have grown."""
    second = info(
        labels={"stage": "prod", "new": ""},
        metadata={"accuracy": 0.95, "deep": {"f1": 0.5, "n": 4}, "more": True},
        card="A text.",
        options={"partial_kwargs": {"predict": {"threshold": 0.5}}},
        signatures={"predict": ModelSignature.from_any({"batchable": False}, method="predict")},
        custom_objects={},
        files={"model.pkl": FileEntry(11, "c" * 64), "new.bin": FileEntry(1, "d" * 64)},
        context=attrs.evolve(info().context, framework_versions={"scikit-learn": "1.6"}, python_version="3.12"),
    )
    found = {(one.section, one.field): one for one in compare(info(), second)}
    assert set(found) == {
        ("record", "size"),
        ("record", "card"),
        ("labels", "stage"),
        ("labels", "new"),
        ("metadata", "accuracy"),
        ("metadata", "deep.n"),
        ("metadata", "note"),
        ("metadata", "more"),
        ("options", "partial_kwargs.predict.threshold"),
        ("signatures", "predict.batchable"),
        ("custom objects", "scaler"),
        ("environment", "scikit-learn"),
        ("environment", "python"),
        ("files", "model.pkl"),
        ("files", "new.bin"),
        ("files", "custom_objects/scaler/model.pkl"),
    }
    assert found["metadata", "accuracy"].change == pytest.approx(0.05)
    assert found["metadata", "deep.n"].change == 1
    assert found["metadata", "more"].change is None
    assert (found["labels", "stage"].before, found["labels", "stage"].after) == ("test", "prod")
    assert (found["metadata", "note"].before, found["metadata", "note"].after) == ("x|y", None)
    assert found["record", "size"].to_dict() == {
        "section": "record",
        "field": "size",
        "before": 15,
        "after": 12,
        "change": -3,
    }
    sections = [one.section for one in compare(info(), second)]
    assert sections == sorted(sections, key=list(dict.fromkeys(sections)).index)
