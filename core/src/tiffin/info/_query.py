"""Queries: which models are wanted, and in which order, as text. Parsed into comparisons, never evaluated as code.

    query   = both ("or" both)…
    both    = one ("and" one)…
    one     = "not" one | "(" query ")" | field | field operator value
    field   = name | version | framework | size | created | labels.KEY | metadata.KEY.KEY…
    value   = a number, "text", 'text', true, false, null

A field alone asks whether it is there. What is not there equals null alone, and is neither more nor less than anything.
"""

from __future__ import annotations

import datetime
import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from tiffin.exceptions import QueryError
from tiffin.showing import close_names

Facts: TypeAlias = Callable[[str], Any]
"""What a query asks of a model: the value of one of ROOTS."""
Test: TypeAlias = Callable[[Facts], bool]

ROOTS = ("name", "version", "framework", "size", "created", "labels", "metadata")
MAX_QUERY = 10_000
"""Characters of a query."""
MAX_DEPTH = 50
"""Levels of parentheses and negations."""

T = TypeVar("T")
_SPACE = re.compile(r"\s*")
_PART = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_/@%+-]*|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_VALUE = re.compile(
    r'-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|(?:true|false|null)\b'
)
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS = {"true": True, "false": False, "null": None}
_MISSING = object()


class Field:
    """One field of models, as a query or a column names it: "metadata.accuracy".

    Args:
        text: the field.

    Raises:
        QueryError: there is no such field.
    """

    def __init__(self, text: str) -> None:
        reader = _Reader(text)
        self.text = text
        self._parts = reader.field()
        reader.end()

    def of(self, model: Any) -> Any:
        """Return the field's value of a model or record, `None` where it is not there."""
        value = _look_up(facts_of(model), self._parts)
        return None if value is _MISSING else value


def parse_query(text: str) -> Test:
    """Return the test that a query spells.

    Raises:
        QueryError: it cannot be read.
    """
    reader = _Reader(text)
    test = reader.query(0)
    reader.end()
    return test


def facts_of(model: Any) -> Facts:
    """Return what a query asks of a model or a record; a model's record is read only where its metadata is asked for."""

    def fact(root: str) -> Any:
        if root == "created":
            return model.creation_time
        return model.info.metadata if root == "metadata" and hasattr(model, "info") else getattr(model, root)

    return fact


def select(
    found: Iterable[T], *, where: str | None = None, sort: Sequence[str] = (), limit: int | None = None
) -> list[T]:
    """Return those that are wanted, in the order that is.

    Args:
        found: models or records.
        where: a query.
        sort: fields; "-" before one means the largest first. What lacks it comes last.
        limit: at most so many.

    Raises:
        QueryError: a query or field cannot be read.
        ValueError: the limit is negative.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"limit must be 0 or more, not {limit}")
    wanted = list(found)
    if where is not None:
        test = parse_query(where)
        wanted = [item for item in wanted if test(facts_of(item))]
    for text in reversed(sort):
        field = Field(text.removeprefix("-"))
        keyed = [(_rank(field.of(item)), item) for item in wanted]
        there = [pair for pair in keyed if pair[0] is not None]
        there.sort(key=lambda pair: pair[0], reverse=text.startswith("-"))
        wanted = [item for _, item in there] + [item for rank, item in keyed if rank is None]
    return wanted if limit is None else wanted[:limit]


def _rank(value: Any) -> Any:
    """Return what values of any kinds are sorted by; `None` for what comes last."""
    if isinstance(value, bool):
        return 0, value
    if isinstance(value, (int, float)):
        return None if math.isnan(value) else (1, value)
    if isinstance(value, str):
        return 2, value
    moment = _moment(value)
    return None if moment is None else (3, moment)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        if len(text) > MAX_QUERY:
            raise QueryError(
                f"A query has {len(text)} characters", why=f"At most {MAX_QUERY} are read", query=text, position=0
            )

    def query(self, depth: int) -> Test:
        tests = [self._both(depth)]
        while self._word("or"):
            tests.append(self._both(depth))
        return tests[0] if len(tests) == 1 else lambda facts: any(test(facts) for test in tests)

    def _both(self, depth: int) -> Test:
        tests = [self._one(depth)]
        while self._word("and"):
            tests.append(self._one(depth))
        return tests[0] if len(tests) == 1 else lambda facts: all(test(facts) for test in tests)

    def _one(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise self._error(f"it is nested more than {MAX_DEPTH} levels deep")
        if self._word("not"):
            inner = self._one(depth + 1)
            return lambda facts: not inner(facts)
        if self._sign("("):
            inner = self.query(depth + 1)
            if not self._sign(")"):
                raise self._error("a parenthesis is not closed")
            return inner
        field = self.field()
        found = self._match(_OPERATOR)
        if found is None:
            if self._sign("="):
                raise self._error("equality is written ==")
            return lambda facts: _look_up(facts, field) is not _MISSING
        return _comparison(field, found, self._value())

    def field(self) -> tuple[str, ...]:
        begin = self._at
        parts = []
        while True:
            part = self._match(_PART)
            if part is None:
                raise self._error("a field is expected, such as metadata.accuracy")
            parts.append(_unquoted(part))
            if not self._sign("."):
                break
        root = parts[0]
        if root not in ROOTS:
            close = close_names(root, ROOTS, 1)
            what = f"there is no field {root!r}" + (f"; did you mean {close[0]!r}?" if close else "")
            raise self._error(
                f"{what}; fields are name, version, framework, size, created, labels.KEY, metadata.KEY", begin
            )
        if (len(parts) > 1) != (root in ("labels", "metadata")):
            raise self._error(f"{root} stands alone" if len(parts) > 1 else f"a key is expected: {root}.KEY", begin)
        return tuple(parts)

    def _value(self) -> Any:
        text = self._match(_VALUE)
        if text is None:
            raise self._error('a value is expected: a number, "text", true, false or null')
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        return _unquoted(text) if text[0] in "\"'" else json.loads(text) if text.lstrip("-")[:1] != "0" else float(text)

    def end(self) -> None:
        self._match(_SPACE)
        if self._at < len(self._text):
            raise self._error("and, or, or the end is expected")

    def _word(self, word: str) -> bool:
        return self._match(re.compile(rf"{word}\b(?![./])", re.IGNORECASE)) is not None

    def _sign(self, sign: str) -> bool:
        return self._match(re.compile(re.escape(sign))) is not None

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        found = pattern.match(self._text, space.end())
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _error(self, how: str, at: int | None = None) -> QueryError:
        at = self._at if at is None else at
        return QueryError(
            f"{self._text!r} cannot be read at character {at + 1}: {how}",
            fix='Write, for example: metadata.accuracy > 0.9 and labels.team == "ml"',
            query=self._text,
            position=at,
        )


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text[0] in "\"'" else text


def _look_up(facts: Facts, field: tuple[str, ...]) -> Any:
    value = facts(field[0])
    return _below(value, field[1:]) if len(field) > 1 else value


def _below(value: Any, keys: tuple[str, ...]) -> Any:
    """Return what stands below a value; a key may itself have dots in it."""
    if not keys:
        return value
    if isinstance(value, list):
        number = keys[0]
        return _below(value[int(number)], keys[1:]) if number.isdecimal() and int(number) < len(value) else _MISSING
    if isinstance(value, Mapping):
        for count in range(1, len(keys) + 1):
            key = ".".join(keys[:count])
            if key in value and (found := _below(value[key], keys[count:])) is not _MISSING:
                return found
    return _MISSING


def _comparison(field: tuple[str, ...], sign: str, wanted: Any) -> Test:
    if sign in ("==", "!="):
        return lambda facts: _equal(_look_up(facts, field), wanted) is (sign == "==")
    ordering = _ORDERINGS[sign]

    def compare(facts: Facts) -> bool:
        left, right = _comparable(_look_up(facts, field), wanted)
        return left is not None and ordering(left, right)

    return compare


def _equal(value: Any, wanted: Any) -> bool:
    if value is _MISSING:
        return wanted is None
    if wanted is None or value is None or isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    left, right = _comparable(value, wanted)
    return left is not None and bool(left == right)


def _comparable(value: Any, wanted: Any) -> tuple[Any, Any]:
    """Return two values that can be compared; `None` twice where they are of different kinds."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return None, None
    if isinstance(value, (int, float)) and isinstance(wanted, (int, float)):
        return value, wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return value, wanted
    if isinstance(value, datetime.date) and isinstance(wanted, str):
        try:
            left, right = _moment(value), _moment(datetime.datetime.fromisoformat(wanted))
        except ValueError:
            return None, None
        return (left, right) if left is not None and right is not None else (None, None)
    return None, None


def _moment(value: Any) -> datetime.datetime | None:
    """Return a date or time as a moment: local time where it has no zone."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if not isinstance(value, datetime.datetime):
        return None
    try:
        return value.astimezone(datetime.UTC)
    except (OverflowError, ValueError, OSError):  # at the ends of the calendar
        return value.replace(tzinfo=datetime.UTC)
