"""Labels: short strings by which models are found."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import LabelError

_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?", re.ASCII)
MAX_VALUE = 255
"""Characters that a label's value may have."""


def make_labels(labels: Mapping[str, Any] | None) -> dict[str, str]:
    """Return labels that a program gives: numbers become text, and true and false the words.

    Raises:
        LabelError: see `check_labels`.
    """
    if not isinstance(labels, Mapping):
        return check_labels(labels)
    return check_labels({key: _text(value) for key, value in labels.items()})


def _text(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def check_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Return `labels` as a dict if every key and value is allowed; `None` gives an empty dict.

    Keys have 1 to 63 of letters, digits, ".", "_", "/", "-", a letter or digit first and last; values up to 255 printable
    characters.

    Raises:
        LabelError: a key or value is not allowed, or `labels` is not a mapping.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise LabelError(f"Labels must be a dict, not {type(labels).__name__}")
    for key, value in labels.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise LabelError(
                f"{key!r} cannot be a label's key",
                why="Keys have 1 to 63 of letters, digits, '.', '_', '/' and '-', a letter or digit first and last",
            )
        if not isinstance(value, str):
            raise LabelError(
                f"The label {key!r} is {type(value).__name__} {value!r}",
                why="Labels are strings, so that searching for them is exact",
                fix=f"Write {str(value)!r}, or put it into metadata=",
            )
        if len(value) > MAX_VALUE or not all(character.isprintable() for character in value):
            raise LabelError(
                f"The value of the label {key!r} is too long or holds control characters",
                why=f"Values are up to {MAX_VALUE} printable characters",
                fix="Put long texts into metadata=",
            )
    return dict(labels)
