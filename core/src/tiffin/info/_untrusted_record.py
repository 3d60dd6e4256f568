"""A record that comes from elsewhere: what YAML can do to its reader is refused before it is read."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tiffin.exceptions import RecordError
from tiffin.info._info import ModelInfo
from tiffin.info._record import parse_record
from tiffin.info._record_limits import check_limits
from tiffin.info._strict_yaml import MAX_DEPTH

MAX_RECORD = 16 << 20
"""Bytes that a record may have: some 100,000 files."""
_LONG_NUMBER = re.compile(r"[-+0-9_:.a-fA-Fx]{500,}")


def read_foreign_record(text: bytes, path: str) -> ModelInfo:
    """Return the info of a record from elsewhere, whose own digests have been checked.

    Args:
        text: model.yaml.
        path: where it is from, for errors.

    Raises:
        RecordError: it is not as Tiffin writes records, was changed since, or would harm who reads it.
    """
    check_yaml(text, path)
    info = parse_record(text, path)
    if info.edited:
        raise RecordError(f"The record {path} was changed after it was written", path=path)
    try:
        digest = info.compute_digest()
        check_limits(info, path)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RecordError(f"The record {path} is not valid: {error}", path=path) from error
    if info.content_digest != digest:
        raise RecordError(f"The content digest of the record {path} is not that of its content", path=path)
    return info


def check_yaml(text: bytes, path: str, *, expands_to: int = 0, tags: Collection[str] = ()) -> None:
    """Refuse YAML that would harm its reader.

    Args:
        text: the YAML.
        path: where it is from, for errors.
        tags: types that it may name.
        expands_to: characters that it may stand for where it refers to itself; 0 refuses references altogether.

    Raises:
        RecordError: it is not YAML, too long, too deep, refers to itself, or holds an endless number.
    """
    import yaml

    depth = 0
    references = _References(expands_to)
    if len(text) > MAX_RECORD:
        raise RecordError(f"The record {path} has more than {MAX_RECORD} bytes", path=path)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            wrong = ""
            if depth > MAX_DEPTH:
                wrong = f"it is nested more than {MAX_DEPTH} levels deep"
            elif (tag := getattr(event, "tag", None)) not in (None, "!", *tags):
                wrong = f"it names the type {tag!r}; a value's type follows from its look"
            elif references.grow_too_much(event):
                wrong = "it refers to itself, by which a short text can stand for an endless one"
            elif isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _LONG_NUMBER.fullmatch(event.value):
                wrong = "it holds a number of more than 500 digits"
            if wrong:
                raise RecordError(f"The record {path} is refused: {wrong}", path=path)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise RecordError(f"The record {path} is not YAML: {' '.join(str(error).split())}", path=path) from error


class _References:
    """How long the text would be in which every reference is replaced by what it stands for."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lengths: dict[str, int] = {}
        self._open: list[tuple[str | None, int]] = [(None, 0)]

    def grow_too_much(self, event: Any) -> bool:
        """Take the parser's next event; tells whether it refers to what it must not, or the text becomes too long."""
        kind, anchor = type(event).__name__, getattr(event, "anchor", None)
        if anchor is not None and not self._limit:
            return True
        if kind == "AliasEvent":
            # What is not complete yet would contain itself.
            return anchor not in self._lengths or self._add(None, self._lengths[anchor])
        if kind == "ScalarEvent":
            return self._add(anchor, 1 + len(event.value))
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._open.append((anchor, 1))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            return self._add(*self._open.pop())
        return False

    def _add(self, anchor: str | None, length: int) -> bool:
        if anchor is not None:
            self._lengths[anchor] = length
        outer, before = self._open[-1]
        self._open[-1] = (outer, before + length)
        return bool(self._limit) and before + length > self._limit
