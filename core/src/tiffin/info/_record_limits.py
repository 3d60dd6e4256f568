"""What a record may say beyond its form: checked where one is written, and where one comes from elsewhere.

A record that is here already loads all the same: limits that came later must not take away what was saved before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tiffin.exceptions import RecordError, TiffinError
from tiffin.info._info import ModelInfo
from tiffin.info._labels import check_labels

MAX_TEXT = 255
"""Characters of a name or version in a record: of frameworks, distributions, methods, custom objects."""
MAX_CONTEXT = 256
MAX_SIGNATURES = 1000
MAX_OBJECTS = 1000
MAX_CARD = 256 << 10
"""Characters that a card may have: it is read with every record."""
MAX_DIGITS = 499
"""Decimal digits of a whole number in a record."""


def check_limits(info: ModelInfo, path: str = "model.yaml", *, before: ModelInfo | None = None) -> None:
    """Refuse a record that says what none should.

    Args:
        info: the record.
        path: where it is from, for errors.
        before: what it was until now; what was wrong with that already may stay so.

    Raises:
        RecordError: a name, number or path in it is out of bounds.
    """
    passed = set() if before is None else set(_problems(before))
    for problem in _problems(info):
        if problem in passed:
            continue
        raise RecordError(
            f"The record {path} is refused: {problem}", why="No record of a model's needs that", path=path
        )


def _problems(info: ModelInfo) -> Iterator[str]:
    if not 1970 <= info.creation_time.year < 9999:
        yield f"creation_time is {info.creation_time.isoformat()}"
    context = info.context
    texts = [info.framework, context.framework_name, context.tiffin_version, context.python_version]
    versions = context.framework_versions
    if len(versions) > MAX_CONTEXT or len(info.signatures) > MAX_SIGNATURES or len(info.custom_objects) > MAX_OBJECTS:
        yield "it has too many versions, signatures or custom objects"
    for text in (*texts, *versions, *versions.values(), *info.signatures):
        if len(text) > MAX_TEXT:
            yield f"a name or version has {len(text)} characters, more than {MAX_TEXT}"
    for method in info.signatures:
        if method != "__call__" and (not method.isidentifier() or method.startswith("__")):
            yield f"{method!r} cannot be the name of a method"
    try:
        check_labels(info.labels)
    except TiffinError as error:
        yield error.what
    if len(info.card) > MAX_CARD:
        yield f"its card has {len(info.card)} characters, more than {MAX_CARD}"
    yield from _partial(info.options.get("partial_kwargs", {}))
    yield from _objects(info)
    for value in (info.metadata, info.options, info.extra):
        yield from _numbers(value)


def _partial(kwargs: Any) -> Iterator[str]:
    if not isinstance(kwargs, Mapping) or not all(isinstance(values, Mapping) for values in kwargs.values()):
        yield "its partial_kwargs are not a mapping of mappings"


def _objects(info: ModelInfo) -> Iterator[str]:
    folders = {path[: at + 1] for path in info.files for at, letter in enumerate(path) if letter == "/"}
    for name, entry in info.custom_objects.items():
        if f"{entry.path}/" not in folders:
            yield f"the custom object {name!r} lies in {entry.path!r}, which is no folder of it"


def _numbers(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            pending += item.values()
        elif isinstance(item, list):
            pending += item
        elif type(item) is int and item.bit_length() * math.log10(2) > MAX_DIGITS:
            yield f"it holds a whole number of more than {MAX_DIGITS} digits"
