"""JSON files that adapters write beside a model: read with a bound, since whoever made the model may be a stranger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiffin.exceptions import StoreError

MAX_JSON = 1 << 20
"""Bytes of such a file: parsed, it takes up to thirty times that."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: the file.

    Raises:
        StoreError: it is missing, holds no object, nests without end, or has more than `MAX_JSON` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_JSON + 1)
        if len(data) > MAX_JSON:
            raise ValueError(f"it has more than {MAX_JSON} bytes")
        found = json.loads(data)
        if type(found) is not dict:
            raise ValueError("it holds no object")
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(
            f"The file '{path}' cannot be read: {error}",
            why="It is missing, damaged, or was not written by the model's adapter",
            fix="Compare the model's digests (tiffin models verify), or save it again",
            path=str(path),
        ) from error
    return found
