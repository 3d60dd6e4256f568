"""The record as text: what was written comes back, and an edit shows."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

import attrs
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from inside.info import same
from tiffin.exceptions import RecordError
from tiffin.info import FileEntry, ModelInfo, ObjectEntry, decode_cached, encode_cached, parse_record, render_record
from tiffin.signatures import ModelSignature

UTC = datetime.UTC
SHA = "0123456789abcdef" * 4

# Strings that YAML would take for something else, or that text files do strange things with.
ODD = [
    "", " ", "yes", "No", "on", "null", "~", "true", "1", "1.0", "1e3", "1_000", "0x1F", "0o7", "012", ".inf", ".nan", "NaN",
    "2024-01-01", "2024-01-01T00:00:00Z", "12:30:45", "=", "<<", "*a", "&a", "!!int 3", "!!python/object:os.system", "- a",
    "a: b", "a #b", "# a", "{", "[]", "%YAML", "---", "...", "'", '"', "\\", "|", ">", "?", ",", "@", "`", "a\nb", "\n",
    "a\n",
    "\r", "\r\n", "\t", "\0", "\x07", "\x1b[0m", "\x7f", "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff",
    "\U0001f338", "\U0010ffff", "é", "e\u0301", "\u202e", "digest: sha256:" + SHA, "\ndigest: sha256:" + SHA + "\n",
    "$tiffin.date", "x" * 200, "word " * 60, " leading", "trailing ",
]  # fmt: skip

texts = st.sampled_from(ODD) | st.text()
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**8000), 2**8000)
    | st.floats()
    | texts
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def info(**fields: Any) -> ModelInfo:
    """Return a record with these fields, with its digest."""
    made = ModelInfo(name="iris", version="1", **fields)
    return attrs.evolve(made, content_digest=made.compute_digest())


FULL = info(
    framework="sklearn",
    labels={"stage": "dev"},
    metadata={"accuracy": 0.9, "day": datetime.date(2024, 1, 1)},
    options={"partial_kwargs": {"predict": {"threshold": 0.5}}},
    signatures={"predict": ModelSignature(True, (0, 1), {"type": "any"}, None)},
    custom_objects={
        "scaler": ObjectEntry("custom_objects/scaler", "sklearn", {"a": 1}),
        "x": ObjectEntry("custom_objects/x"),
    },
    files={"a/b.bin": FileEntry(3, SHA), "model.pkl": FileEntry(0, SHA)},
)


@given(st.dictionaries(texts, values, max_size=5))
@example({text: text for text in ODD})
@example({"$tiffin.date": "2024-01-01", "time": True})
@example({"\\ud800": "2024-01-01", "time": False})
@example({"a": float("nan"), "b": float("inf"), "c": -0.0, "d": 1e16, "e": 5e-324, "f": 1e22})
@example({"a": datetime.datetime(1, 1, 1), "b": datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)})
def test_any_metadata_survives_the_record_and_the_catalog(metadata: dict[str, Any]) -> None:
    """Values come back with their types, from YAML and from JSON; the seal fits."""
    before = info(metadata=metadata)
    text = render_record(before)
    read = parse_record(text, "model.yaml")
    assert same(read.metadata, metadata)
    assert not read.edited
    cached = decode_cached(encode_cached(before))
    assert same(cached.metadata, metadata)
    assert render_record(read) == render_record(cached) == text


@given(st.dictionaries(st.sampled_from(["a", "b.c", "team/owner"]), st.sampled_from(ODD)), values)
def test_labels_and_options_survive_too(labels: dict[str, str], option: Any) -> None:
    """And the content digest is that of before."""
    before = info(labels=labels, options={"x": option})
    for read in (parse_record(render_record(before), ""), decode_cached(encode_cached(before))):
        assert read.labels == labels
        assert same(read.options, {"x": option})
        assert read.compute_digest() == before.content_digest


def test_every_field_survives() -> None:
    """What is read is what was written."""
    assert parse_record(render_record(FULL), "model.yaml") == FULL
    assert decode_cached(encode_cached(FULL)) == FULL


def test_the_record_is_text_that_people_read() -> None:
    """The fields stand in a fixed order, BentoML's names where the meaning is the same, the digest last."""
    text = render_record(FULL).decode()
    fields = list(yaml.safe_load(text))
    assert fields == [
        "name", "version", "framework", "labels", "options", "metadata", "context", "signatures", "custom_objects",
        "api_version", "creation_time", "size", "files", "content_digest", "digest",
    ]  # fmt: skip
    assert text.splitlines()[-1].startswith("digest: sha256:")
    assert "&id" not in text


def test_a_value_that_stands_in_two_places_is_written_twice() -> None:
    """Anchors are misread by people, and by simple tools."""
    shared = {"a": [1, 2]}
    text = render_record(info(metadata={"one": shared, "two": shared})).decode()
    assert "&" not in text
    assert "*" not in text


@pytest.mark.parametrize("position", range(0, 1000, 37))
def test_any_changed_byte_shows(position: int) -> None:
    """The seal covers everything: the record is invalid, or says that it was edited."""
    text = bytearray(render_record(FULL))
    position %= len(text)
    text[position] ^= 1
    try:
        read = parse_record(bytes(text), "model.yaml")
    except RecordError:
        return
    assert read.edited


def test_a_truncated_or_lengthened_record_shows() -> None:
    """So does one whose last line was taken away, or that has lines behind the seal."""
    text = render_record(FULL)
    body = text[: text.rindex(b"digest:")]
    seal = text[len(body) :]
    for changed in (body, text[:-1], text + b"\n", text + b"extra: 1\n", text + seal, b"\n" + text):
        with contextlib.suppress(RecordError):
            assert parse_record(changed, "model.yaml").edited
    assert not parse_record(text, "model.yaml").edited


def test_an_edit_by_hand_is_told_from_damage_of_the_content() -> None:
    """Labels may be edited and the content's digest still fits; options may not."""
    text = render_record(FULL)
    labels = parse_record(text.replace(b"stage: dev", b"stage: prod"), "")
    assert labels.edited
    assert labels.content_digest == labels.compute_digest()
    options = parse_record(text.replace(b"threshold: 0.5", b"threshold: 0.9"), "")
    assert options.edited
    assert options.content_digest != options.compute_digest()


def test_fields_of_a_newer_tiffin_survive_a_rewrite() -> None:
    """What is not known here is kept."""
    data = {**FULL.to_dict(), "golden_examples": [{"input": 1}], "signed_by": "me"}
    read = parse_record(yaml.safe_dump(data).encode(), "")
    assert read.extra == {"golden_examples": [{"input": 1}], "signed_by": "me"}
    again = parse_record(render_record(read), "")
    assert again.extra == read.extra
    assert not again.edited
    assert decode_cached(encode_cached(read)).extra == read.extra


def test_what_the_content_digest_covers() -> None:
    """Framework, options, signatures, custom objects and files; not what is edited, nor the name."""
    digest = FULL.content_digest
    changes: list[tuple[dict[str, Any], bool]] = [
        ({"name": "other", "version": "2"}, False),
        ({"labels": {}}, False),
        ({"metadata": {"a": 1}}, False),
        ({"extra": {"a": 1}}, False),
        ({"creation_time": datetime.datetime(2000, 1, 1, tzinfo=UTC)}, False),
        ({"framework": "other"}, True),
        ({"options": {}}, True),
        ({"signatures": {}}, True),
        ({"custom_objects": {}}, True),
        ({"files": {"model.pkl": FileEntry(0, SHA)}}, True),
        ({"files": {**FULL.files, "model.pkl": FileEntry(0, SHA[::-1])}}, True),
    ]
    for change, covered in changes:
        assert (attrs.evolve(FULL, **change).compute_digest() != digest) == covered, change


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{here}: &{here} [{','.join(['*' + before] * 9)}]\n" for before, here in zip("abcdefgh", "bcdefghi", strict=True)
)

NOT_RECORDS = {
    "empty": b"",
    "a list": b"- 1\n",
    "a word": b"hello\n",
    "not YAML": b"a: [\n",
    "tabs": b"a:\n\t- b\n",
    "not UTF-8": b"name: \xff\xfe\xfa\n",
    "binary": bytes(range(256)),
    "two documents": b"a: 1\n---\nb: 2\n",
    "a Python object": b"name: !!python/object/apply:os.system ['true']\n",
    "bytes": b"name: iris\nmetadata: {a: !!binary aGVsbG8=}\n",
    "a set": b"name: iris\nmetadata: {a: !!set {x, y}}\n",
    "pairs": b"name: iris\nmetadata: {a: !!pairs [x: 1]}\n",
    "a key that is a number": b"name: iris\nmetadata: {1: 2}\n",
    "a key that is a list": b"name: iris\nmetadata: {[1]: 2}\n",
    "a number without end": b"name: iris\nmetadata: {a: " + b"9" * 10_000 + b"}\n",
    "references that multiply": BOMB.encode(),
    "a reference to itself": b"name: iris\nmetadata: &m {a: *m}\n",
    "deep": b"name: iris\nmetadata: {a: " + b"[" * 3000 + b"]" * 3000 + b"}\n",
    "a date that is none": b"name: iris\nmetadata: {a: 2024-13-45}\n",
}


@pytest.mark.parametrize("kind", NOT_RECORDS)
def test_what_is_no_record_is_refused_as_such(kind: str) -> None:
    """A RecordError that names the file, in one line, whatever the file holds; nothing is run, no memory is filled."""
    with pytest.raises(RecordError, match=r"The record /store/x/model\.yaml ") as caught:
        parse_record(NOT_RECORDS[kind], "/store/x/model.yaml")
    assert caught.value.path == "/store/x/model.yaml"
    assert "\n" not in str(caught.value)
