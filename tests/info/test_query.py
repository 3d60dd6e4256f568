"""Queries: what they find, what they refuse, and that nothing in them is ever run."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.exceptions import QueryError
from tiffin.info import Field, ModelInfo, parse_query, select

NOON = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)


def info(version: str = "1", **metadata: Any) -> ModelInfo:
    return ModelInfo(
        name="iris",
        version=version,
        framework="sklearn",
        labels={"team": "ml", "a.b/c": "x", "empty": ""},
        metadata=metadata,
        creation_time=NOON,
    )


MODEL = info(
    accuracy=0.93,
    epochs=10,
    good=True,
    bad=False,
    nothing=None,
    text='say "so"',
    day=datetime.date(2026, 10, 5),
    scores=[0.5, 0.75],
    deep={"er": {"f1": 0.5}, "a.b": 1, "a": {"c": 2}},
    nan=math.nan,
)

TRUE = [
    'metadata.accuracy > 0.9 and labels.team == "ml"',
    "metadata.accuracy>=0.93",
    "metadata.accuracy < 1e0",
    "metadata.epochs == 10",
    "metadata.epochs == 10.0",
    "metadata.epochs != 11",
    "metadata.good == true",
    "metadata.good",
    "metadata.nothing",
    "metadata.nothing == null",
    "metadata.missing == null",
    "not metadata.missing",
    "metadata.missing != 3",
    "not metadata.missing > 3 and not metadata.missing <= 3",
    "metadata.text == 'say \"so\"'",
    'metadata.text == "say \\"so\\""',
    'metadata.day > "2026-10-04" and metadata.day < "2026-10-06"',
    "metadata.scores.1 == 0.75",
    "metadata.deep.er.f1 == 0.5",
    "metadata.deep.a.b == 1",
    'metadata."deep".a.c == 2',
    'labels.a.b/c == "x"',
    'labels."a.b/c" == "x"',
    "labels.empty",
    'name == "iris" and version == "1" and framework == "sklearn" and size == 0',
    'created >= "2026-11-01T12:00+00:00" and created < "2026-11-02"',
    "name == 'x' or name == 'iris'",
    "name == 'iris' or name == 'x' and version == 'x'",
    "(name == 'iris' or name == 'x') and not (version == '2')",
    "NOT metadata.missing AND name == 'iris'",
    "not metadata.nan > 0 and not metadata.nan == 0",
    "  metadata.epochs\t==\n10 ",
    "metadata.epochs > -1",
]


@pytest.mark.parametrize("query", TRUE)
def test_what_a_query_finds(query: str) -> None:
    """Fields of all kinds, comparisons, and how they are joined."""
    assert select([MODEL], where=query) == [MODEL]
    assert select([MODEL], where=f"not ({query})") == []


FALSE = [
    "metadata.good == 1",
    "metadata.good > 0",
    'metadata.epochs == "10"',
    'metadata.epochs < "9"',
    "metadata.bad",
    "metadata.text > 3",
    'metadata.day > "no date"',
    "metadata.scores == 0.5",
    "metadata.scores.2",
    "metadata.scores.x",
    "metadata.deep == 1",
    "labels.nosuch",
    'labels.team == "ML"',
]


@pytest.mark.parametrize("query", [text for text in FALSE if text != "metadata.bad"])
def test_what_it_does_not(query: str) -> None:
    """Values of different kinds equal nothing of the other, and are neither more nor less."""
    assert select([MODEL], where=query) == []


def test_a_field_alone_asks_whether_it_is_there() -> None:
    """Whatever its value."""
    assert select([MODEL], where="metadata.bad and metadata.nothing and labels.empty") == [MODEL]


REFUSED = [
    ("", 0, "a field is expected"),
    ("metadata", 0, "a key is expected: metadata.KEY"),
    ("name.x == 1", 0, "name stands alone"),
    ("nme == 'x'", 0, "did you mean 'name'"),
    ("metadata.a = 1", 12, "equality is written =="),
    ("metadata.a == ", 13, "a value is expected"),
    ("metadata.a == b", 13, "a value is expected"),
    ("metadata.a == 1 metadata.b", 16, "and, or, or the end is expected"),
    ("(metadata.a", 11, "a parenthesis is not closed"),
    ("metadata.a)", 10, "and, or, or the end is expected"),
    ("metadata.a == 'x", 13, "a value is expected"),
    ("metadata.a and", 14, "a field is expected"),
    ("metadata..a", 9, "a field is expected"),
    ("metadata.a > 1 > 0", 15, "and, or, or the end"),
    ("__import__('os').system('x')", 0, "there is no field '__import__'"),
    ("name == 'x' if True else 1", 12, "and, or, or the end"),
    ("(" * 60 + "name" + ")" * 60, 51, "nested more than 50"),
    ("not " * 60 + "name", 203, "nested more than 50"),
    ("x" * 10_001, 0, "10001 characters"),
]


@pytest.mark.parametrize(("query", "position", "text"), REFUSED)
def test_what_cannot_be_read_is_told_with_its_place(query: str, position: int, text: str) -> None:
    """The character, what is wrong there, and an example."""
    with pytest.raises(QueryError) as caught:
        parse_query(query)
    assert text in str(caught.value)
    assert (caught.value.position, caught.value.query) == (position, query)


@given(st.text(max_size=60) | st.text(alphabet="()=<>!'\"\\. andortm1-", max_size=40))
def test_any_text_is_read_or_refused(query: str) -> None:
    """By the error that says so, and by no other."""
    refused: list[QueryError] = []
    try:
        test = parse_query(query)
    except QueryError as error:
        refused.append(error)
    if refused:
        assert 0 <= refused[0].position <= len(query)
    else:
        assert isinstance(test(lambda root: {} if root in ("labels", "metadata") else "x"), bool)


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(TEXTS, TEXTS)
def test_any_text_can_be_asked_for(key: str, value: str) -> None:
    """In quotes, with a backslash before quotes and backslashes."""
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in (key, value)]
    model = info(k={key: value})
    assert select([model], where=f'metadata.k."{quoted[0]}" == "{quoted[1]}"') == [model]


def test_lists_are_sorted_by_fields() -> None:
    """Up, or down with a hyphen; what lacks the field comes last either way; then by the next field, then as before."""
    models = [info("a", x=2), info("b", x=None), info("c", x=10), info("d"), info("e", x=2, y=1), info("f", x=math.nan)]

    def order(*sort: str) -> str:
        return "".join(model.version for model in select(models, sort=sort))

    assert order("metadata.x") == "aecbdf"
    assert order("-metadata.x") == "caebdf"
    assert order("metadata.x", "metadata.y") == "eacbdf"
    assert order("-version") == "fedcba"
    assert [model.version for model in select(models, sort=["-version"], limit=2)] == ["f", "e"]
    assert select(models, limit=0) == []


def test_values_of_several_kinds_can_be_sorted() -> None:
    """Truth values, numbers, texts, times: each kind for itself."""
    values = ["b", 2, NOON, True, "a", 1.5, datetime.date(2020, 1, 1), False]
    models = [info(str(number), x=value) for number, value in enumerate(values)]
    assert "".join(model.version for model in select(models, sort=["metadata.x"])) == "73514062"


def test_a_limit_below_zero_is_refused() -> None:
    """As in prune."""
    with pytest.raises(ValueError, match="limit must be 0 or more"):
        select([MODEL], limit=-1)


def test_a_field_gives_its_value_or_none() -> None:
    """For columns."""
    assert [Field(name).of(MODEL) for name in ("metadata.accuracy", "labels.team", "metadata.x", "created")] == [
        0.93,
        "ml",
        None,
        NOON,
    ]
    with pytest.raises(QueryError):
        Field("metadata.accuracy > 1")
