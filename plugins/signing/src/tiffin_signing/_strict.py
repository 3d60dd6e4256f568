"""Strict reading of what a signature is written in: JSON without surprises, base64 in its one form."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from tiffin.exceptions import BadSignatureError

_MAX_DEPTH = 32
"""Levels within each other; a bundle has some seven, a statement five."""
_MAX_DIGITS = 20
T = TypeVar("T")


def malformed(why: str, path: str) -> BadSignatureError:
    """Return the error for a signature that is not written as it must be."""
    return BadSignatureError(
        f"{path} is not a signature of a model: {why}",
        why="What is expected is a Sigstore bundle of one in-toto statement, as OpenSSF model signing writes it",
        fix="Ask for it again, or sign the model yourself",
        path=path,
    )


def read_json(data: bytes, path: str) -> dict[str, Any]:
    """Return the object that a JSON text holds.

    Two readers must not see two things in one text: keys that come twice, numbers that JSON does not know, and bytes that are
    no UTF-8 are refused.

    Args:
        data: the text.
        path: what it is, for errors.

    Raises:
        BadSignatureError: it is not such a text.
    """
    try:
        found = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_bounded,
            parse_float=_bounded,
        )
    except (ValueError, RecursionError) as error:
        raise malformed(f"it is not JSON ({' '.join(str(error).split())[:200]})", path) from error
    if not isinstance(found, dict):
        raise malformed("it is not a JSON object", path)
    if _is_deeper(found, _MAX_DEPTH):
        raise malformed(f"it is nested more than {_MAX_DEPTH} levels deep", path)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _bounded(text: str) -> float:
    if len(text) > _MAX_DIGITS:
        raise ValueError("a number is too long")
    return float(text)


def _is_deeper(found: Any, levels: int) -> bool:
    layer = [found]
    while layer and levels:
        levels -= 1
        layer = [
            inner
            for value in layer
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, (dict, list))
        ]
    return bool(layer)


def field(found: Mapping[str, Any], name: str, kind: type[T], path: str) -> T:
    """Return a field of an object.

    Raises:
        BadSignatureError: it is missing, or of another type.
    """
    value = found.get(name)
    if not isinstance(value, kind):
        raise malformed(f"its field {name!r} is missing, or not as it must be", path)
    return value


def only(found: list[Any], name: str, path: str) -> dict[str, Any]:
    """Return the one object of a list.

    Raises:
        BadSignatureError: the list holds none, several, or something else.
    """
    if len(found) != 1 or not isinstance(found[0], dict):
        raise malformed(f"its field {name!r} does not hold exactly one entry", path)
    return found[0]


def shown(value: object) -> str:
    """Return a stranger's value as it can stand in a message."""
    text = ascii(value)
    return text if len(text) <= 100 else text[:99] + "…"


def read_base64(text: str, name: str, path: str) -> bytes:
    """Return what a base64 text stands for.

    Raises:
        BadSignatureError: it is not base64, or not in its one canonical form.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed(f"its field {name!r} is not base64", path) from error
    if base64.b64encode(data).decode() != text:
        raise malformed(f"its field {name!r} is not base64 in its canonical form", path)
    return data
